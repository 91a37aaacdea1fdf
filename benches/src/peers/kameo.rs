//! kameo: bounded mailboxes; a supervised actor keeps its address, questions that meet a restart are sent back.

use std::time::Duration;

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::{Infallible, SendError};
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::reply::{Reply, ReplyError};
use kameo::supervision::RestartPolicy;

use super::on_tokio;
use crate::peer::{Behaviour, CAPACITY, Lane, Lost, Next, Peer, Unanswered, Workers};

/// The kameo runtime.
#[derive(Clone, Copy, Debug)]
pub struct Kameo;

/// An actor of kameo.
pub struct Host<B>(B);

struct Tell<M>(M);
#[derive(Clone)]
struct Ask<Q>(Q);
struct Answer<R>(R);

impl<R: Send + 'static> Reply for Answer<R> {
    type Ok = R;
    type Error = Infallible;
    type Value = Self;

    fn to_result(self) -> Result<R, Infallible> {
        Ok(self.0)
    }

    fn into_any_err(self) -> Option<Box<dyn ReplyError>> {
        None
    }

    fn into_value(self) -> Self {
        self
    }
}

impl<B: Behaviour> Actor for Host<B> {
    type Args = B;
    type Error = Infallible;

    async fn on_start(mut behaviour: B, _: ActorRef<Self>) -> Result<Self, Infallible> {
        behaviour.started();
        Ok(Host(behaviour))
    }
}

impl<B: Behaviour> Message<Tell<B::Tell>> for Host<B> {
    type Reply = ();

    async fn handle(&mut self, Tell(message): Tell<B::Tell>, cx: &mut Context<Self, ()>) {
        if self.0.on_tell(message) == Next::Stop {
            cx.stop();
        }
    }
}

impl<B: Behaviour> Message<Ask<B::Ask>> for Host<B> {
    type Reply = Answer<B::Answer>;

    async fn handle(&mut self, Ask(question): Ask<B::Ask>, _: &mut Context<Self, Self::Reply>) -> Answer<B::Answer> {
        Answer(self.0.on_ask(question))
    }
}

/// A supervisor with nothing of its own: kameo's default one-for-one.
struct Supervisor;

impl Actor for Supervisor {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Supervisor)
    }
}

/// A supervised actor, and its supervisor, which must stay up.
pub struct Supervised<B: Behaviour> {
    actor: ActorRef<Host<B>>,
    _supervisor: ActorRef<Supervisor>,
}

impl Peer for Kameo {
    const NAME: &'static str = "kameo";
    const BOUNDED: bool = true;

    type Addr<B: Behaviour> = ActorRef<Host<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        on_tokio::run(workers, async move { main(Kameo).await })
    }

    fn launch(&self, _: Lane, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn spawn<B: Behaviour>(&self, _: Lane, behaviour: B) -> Self::Addr<B> {
        Host::spawn_with_mailbox(behaviour, mailbox::bounded(CAPACITY))
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.tell(Tell(message)).send().await.map_err(|_| Lost)
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.tell(Tell(message)).try_send().map_err(|_| Lost)
    }

    async fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> Result<B::Answer, Lost> {
        to.ask(Ask(question)).send().await.map_err(|_| Lost)
    }

    async fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        to.ask(Ask(question)).mailbox_timeout(within).reply_timeout(within).send().await.map_err(|why| match why {
            SendError::MailboxFull(_) => Unanswered::Refused,
            SendError::Timeout(_) => Unanswered::TimedOut,
            _ => Unanswered::Lost,
        })
    }

    type Supervised<B: Behaviour> = Supervised<B>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        let supervisor = Supervisor::spawn(());
        let actor = Host::supervise_with(&supervisor, make)
            .restart_policy(RestartPolicy::Permanent)
            .restart_limit(u32::MAX, Duration::from_millis(1))
            .spawn_with_mailbox(mailbox::bounded(CAPACITY))
            .await;
        Supervised { actor, _supervisor: supervisor }
    }

    async fn ask_supervised<B: Behaviour>(
        to: &Self::Supervised<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        Self::ask_within::<B>(&to.actor, question, within).await
    }

    async fn crash<B>(supervised: &mut Self::Supervised<B>, fatal: B::Tell, question: B::Ask) -> Result<B::Answer, Lost>
    where
        B: Behaviour,
        B::Ask: Clone,
    {
        Self::send::<B>(&supervised.actor, fatal).await?;
        loop {
            match supervised.actor.ask(Ask(question.clone())).send().await {
                Ok(answer) => return Ok(answer),
                Err(SendError::ActorRestarting(_) | SendError::ActorStopped) => tokio::task::yield_now().await,
                Err(_) => return Err(Lost),
            }
        }
    }
}
