//! ractor: unbounded mailboxes; a supervisor is told of a failure and starts a new actor, with a new address.

use std::marker::PhantomData;
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::sync::watch;

use super::on_tokio;
use crate::peer::{Behaviour, Lane, Lost, Next, Peer, Unanswered, Workers};

/// The ractor runtime.
#[derive(Clone, Copy, Debug)]
pub struct Ractor;

/// What an actor of ractor receives.
pub enum Envelope<B: Behaviour> {
    /// A message.
    Tell(B::Tell),
    /// A question, and where its answer goes.
    Ask(B::Ask, RpcReplyPort<B::Answer>),
}

struct Host<B>(PhantomData<fn() -> B>);

impl<B: Behaviour> Actor for Host<B> {
    type Msg = Envelope<B>;
    type State = B;
    type Arguments = B;

    async fn pre_start(&self, _: ActorRef<Envelope<B>>, mut behaviour: B) -> Result<B, ActorProcessingErr> {
        behaviour.started();
        Ok(behaviour)
    }

    async fn handle(
        &self,
        me: ActorRef<Envelope<B>>,
        envelope: Envelope<B>,
        behaviour: &mut B,
    ) -> Result<(), ActorProcessingErr> {
        match envelope {
            Envelope::Tell(message) => {
                if behaviour.on_tell(message) == Next::Stop {
                    me.stop(None);
                }
            }
            Envelope::Ask(question, reply) => drop(reply.send(behaviour.on_ask(question))),
        }
        Ok(())
    }
}

/// Starts a child, and another whenever it fails, and announces the address of each.
struct Supervisor<B: Behaviour, F> {
    make: F,
    announce: watch::Sender<Option<ActorRef<Envelope<B>>>>,
}

impl<B: Behaviour, F: Fn() -> B> Supervisor<B, F> {
    fn child(&self) -> B {
        (self.make)()
    }
}

impl<B, F> Actor for Supervisor<B, F>
where
    B: Behaviour,
    F: Fn() -> B + Send + Sync + 'static,
{
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        let (child, _) = Actor::spawn_linked(None, Host(PhantomData), self.child(), me.get_cell()).await?;
        self.announce.send_replace(Some(child));
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            let (child, _) = Actor::spawn_linked(None, Host(PhantomData), self.child(), me.get_cell()).await?;
            self.announce.send_replace(Some(child));
        }
        Ok(())
    }
}

/// Where the supervisor announces the address of each incarnation.
pub struct Supervised<B: Behaviour>(watch::Receiver<Option<ActorRef<Envelope<B>>>>);

impl<B: Behaviour> Supervised<B> {
    /// That of the last one.
    fn current(&self) -> ActorRef<Envelope<B>> {
        self.0.borrow().clone().expect("the supervisor announces its first child as it starts")
    }
}

impl Peer for Ractor {
    const NAME: &'static str = "ractor";
    const BOUNDED: bool = false;

    type Addr<B: Behaviour> = ActorRef<Envelope<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        on_tokio::run(workers, async move { main(Ractor).await })
    }

    fn launch(&self, _: Lane, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn spawn<B: Behaviour>(&self, _: Lane, behaviour: B) -> Self::Addr<B> {
        let (address, _) =
            Actor::spawn(None, Host(PhantomData), behaviour).await.expect("a start without a name cannot fail");
        address
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        Self::post::<B>(to, message)
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.cast(Envelope::Tell(message)).map_err(|_| Lost)
    }

    async fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> Result<B::Answer, Lost> {
        match to.call(|reply| Envelope::Ask(question, reply), None).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            _ => Err(Lost),
        }
    }

    async fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        match to.call(|reply| Envelope::Ask(question, reply), Some(within)).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            Ok(CallResult::Timeout) => Err(Unanswered::TimedOut),
            _ => Err(Unanswered::Lost),
        }
    }

    type Supervised<B: Behaviour> = Supervised<B>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        let (announce, mut announced) = watch::channel(None);
        Actor::spawn(None, Supervisor { make, announce }, ()).await.expect("a start without a name cannot fail");
        announced.mark_unchanged();
        Supervised(announced)
    }

    async fn ask_supervised<B: Behaviour>(
        to: &Self::Supervised<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        let current = to.current();
        Self::ask_within::<B>(&current, question, within).await
    }

    async fn crash<B>(supervised: &mut Self::Supervised<B>, fatal: B::Tell, question: B::Ask) -> Result<B::Answer, Lost>
    where
        B: Behaviour,
        B::Ask: Clone,
    {
        Self::post::<B>(&supervised.current(), fatal)?;
        supervised.0.changed().await.map_err(|_| Lost)?;
        let current = supervised.current();
        Self::ask::<B>(&current, question).await
    }
}
