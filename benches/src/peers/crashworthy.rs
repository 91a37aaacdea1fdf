//! Ours: bounded mailboxes; a supervised actor keeps its address and its mailbox.

use std::sync::Arc;
use std::time::Duration;

use crashworthy::prelude::*;
use crashworthy::{Bulkhead, Threads, Under};
use futures_util::future::try_join_all;

use super::on_tokio;
use crate::peer::{Behaviour, Class, Lane, Lost, Next, Peer, Unanswered, Workers};
use crate::versus::roster::OURS;

/// The crashworthy runtime: a system on a tokio runtime that nobody else uses.
#[derive(Clone, Debug)]
pub struct Crashworthy {
    system: System,
    /// Whoever starts those who are to block, on the threads of a bulkhead.
    bulkhead: Option<ActorRef<Starter>>,
}

impl Crashworthy {
    /// On a runtime that is there already.
    ///
    /// # Panics
    /// Outside of one.
    pub fn alone() -> Self {
        let system = System::builder().drain(Duration::ZERO).bare().expect("the settings are in range");
        Self { system, bulkhead: None }
    }

    /// The same, where those who are to block have a bulkhead of so many threads.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub async fn with_bulkhead(threads: usize) -> Self {
        let alone = Self::alone();
        let starter = alone.system.spawn::<Starter>(Bulkhead::threads(threads)).await.expect("it starts");
        Self { bulkhead: Some(starter), ..alone }
    }

    /// Whose actors it has.
    pub fn system(&self) -> &System {
        &self.system
    }
}

/// How long a sender waits for room before the work has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an actor of crashworthy receives.
pub enum Envelope<B: Behaviour> {
    /// A message.
    Tell(B::Tell),
    /// A question, and where its answer goes.
    Ask(B::Ask, Reply<B::Answer>),
}

impl<B: Behaviour> Message for Envelope<B> {
    fn criticality(&self) -> Criticality {
        match self {
            Envelope::Tell(_) => Criticality::default(),
            Envelope::Ask(question, _) => match B::matters(question) {
                Class::Highest => Criticality::CriticalPlus,
                Class::High => Criticality::Critical,
                Class::Usual => Criticality::Sheddable,
                Class::Low => Criticality::SheddablePlus,
            },
        }
    }
}

/// Handles an envelope as every actor of this file does.
fn handle<B: Behaviour>(behaviour: &mut B, envelope: Envelope<B>) -> Result<(), Exit> {
    match envelope {
        Envelope::Tell(message) => match behaviour.on_tell(message) {
            Next::Continue => Ok(()),
            Next::Stop => Err(Exit::normal()),
        },
        Envelope::Ask(question, reply) => {
            reply.send(behaviour.on_ask(question));
            Ok(())
        }
    }
}

/// Starts actors in a bulkhead.
#[derive(Debug)]
struct Starter(Bulkhead);

/// Starts one with these threads.
type Start = Box<dyn FnOnce(&Context<Starter>, Threads) + Send>;

/// What starts one.
struct Begin(Start);

impl Message for Begin {}

impl Actor for Starter {
    type Args = Bulkhead;
    type Msg = Begin;

    async fn init(bulkhead: Bulkhead, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(bulkhead.named("benches")))
    }

    async fn handle(&mut self, Begin(begin): Begin, cx: &mut Context<Self>) -> Result<(), Exit> {
        begin(cx, Threads::Bulkhead(self.0.clone()));
        Ok(())
    }
}

/// An actor that nobody supervises.
pub struct Host<B>(B);

impl<B: Behaviour> Actor for Host<B> {
    type Args = B;
    type Msg = Envelope<B>;

    async fn init(mut behaviour: B, _: &mut Context<Self>) -> Result<Self, Exit> {
        behaviour.started();
        Ok(Host(behaviour))
    }

    async fn handle(&mut self, envelope: Envelope<B>, _: &mut Context<Self>) -> Result<(), Exit> {
        handle(&mut self.0, envelope)
    }
}

/// What every incarnation of a supervised actor is made by.
type Make<B> = Arc<dyn Fn() -> B + Send + Sync>;

/// An actor whose every incarnation is made anew.
struct Restarted<B>(B);

impl<B: Behaviour> Actor for Restarted<B> {
    type Args = Make<B>;
    type Msg = Envelope<B>;

    async fn init(make: Make<B>, _: &mut Context<Self>) -> Result<Self, Exit> {
        let mut behaviour = make();
        behaviour.started();
        Ok(Restarted(behaviour))
    }

    async fn handle(&mut self, envelope: Envelope<B>, _: &mut Context<Self>) -> Result<(), Exit> {
        handle(&mut self.0, envelope)
    }
}

/// A supervised actor, and the system that has it as its only child.
pub struct Supervised<B: Behaviour> {
    actor: ActorRef<Restarted<B>>,
    _system: System,
}

impl Peer for Crashworthy {
    const NAME: &'static str = OURS;
    const BOUNDED: bool = true;

    type Addr<B: Behaviour> = ActorRef<Host<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        on_tokio::run(workers, async move {
            let system = System::builder().drain(Duration::ZERO).bare().expect("the settings are in range");
            let output = main(Crashworthy { system: system.clone(), bulkhead: None }).await;
            system.stop().await;
            output
        })
    }

    fn launch(&self, _: Lane, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn spawn<B: Behaviour>(&self, _: Lane, behaviour: B) -> Self::Addr<B> {
        self.system.launch::<Host<B>>(behaviour).expect("the system runs as long as its driver")
    }

    async fn spawn_to_block<B: Behaviour>(&self, lane: Lane, behaviour: B) -> Self::Addr<B> {
        let Some(starter) = &self.bulkhead else { return self.spawn(lane, behaviour).await };
        let slot = Slot::<Host<B>>::anonymous();
        let address = slot.address();
        let begin = move |cx: &Context<Starter>, threads| {
            drop(
                cx.begin_on(threads, &slot, behaviour, Under::default())
                    .expect("the system runs as long as its driver"),
            );
        };
        starter.tell(Begin(Box::new(begin))).expect("it has room");
        starter.settled().await;
        address
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        match to.tell(Envelope::Tell(message)) {
            Ok(()) => Ok(()),
            Err(rejected) => when_admitted(to, rejected).await,
        }
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.tell(Envelope::Tell(message)).map_err(|_| Lost)
    }

    async fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> Result<B::Answer, Lost> {
        to.ask(|reply| Envelope::Ask(question, reply)).await.map_err(|_| Lost)
    }

    async fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        let whom = B::on_behalf_of(&question);
        let ask = to.ask(|reply| Envelope::Ask(question, reply)).within(within);
        let asked = match whom {
            None => ask.await,
            Some(whom) => ask.on_behalf_of(&whom).await,
        };
        asked.map_err(unanswered)
    }

    async fn ask_in_turn<B>(to: &[Self::Addr<B>], question: B::Ask, within: Duration) -> Result<(), Unanswered>
    where
        B: Behaviour<Answer = (), Ask: Clone + Sync>,
    {
        for place in reserve(to, within)? {
            place.ask(|reply| Envelope::Ask(question.clone(), reply)).await.map_err(unanswered)?;
        }
        Ok(())
    }

    async fn ask_all<B>(to: &[Self::Addr<B>], question: B::Ask, within: Duration) -> Result<(), Unanswered>
    where
        B: Behaviour<Answer = (), Ask: Clone + Sync>,
    {
        let ask = |place: Permit<_>| place.ask(|reply| Envelope::Ask(question.clone(), reply));
        let asked: Vec<_> = reserve(to, within)?.into_iter().map(ask).collect();
        try_join_all(asked).await.map(drop).map_err(unanswered)
    }

    type Supervised<B: Behaviour> = Supervised<B>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        let slot = Slot::<Restarted<B>>::named("fragile");
        let make: Make<B> = Arc::new(make);
        let tree = Supervisor::one_for_one("top").intensity(u32::MAX, secs(1)).child(slot.child(make));
        let system = System::start(tree).await.expect("a tree of one child starts");
        Supervised { actor: slot.address(), _system: system }
    }

    async fn ask_supervised<B: Behaviour>(
        to: &Self::Supervised<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        to.actor.ask(|reply| Envelope::Ask(question, reply)).within(within).await.map_err(unanswered)
    }

    async fn crash<B>(supervised: &mut Self::Supervised<B>, fatal: B::Tell, question: B::Ask) -> Result<B::Answer, Lost>
    where
        B: Behaviour,
        B::Ask: Clone,
    {
        supervised.actor.tell(Envelope::Tell(fatal)).map_err(|_| Lost)?;
        supervised.actor.ask(|reply| Envelope::Ask(question, reply)).await.map_err(|_| Lost)
    }
}

/// A place at each, or at none.
fn reserve<B: Behaviour>(to: &[ActorRef<Host<B>>], within: Duration) -> Result<Vec<Permit<Envelope<B>>>, Unanswered> {
    reserve_all(to, Offer::within(within)).map_err(|_| Unanswered::Refused)
}

fn unanswered(why: AskError) -> Unanswered {
    match why {
        AskError::Refused(_) => Unanswered::Refused,
        AskError::Expired => Unanswered::TimedOut,
        _ => Unanswered::Lost,
    }
}

/// Sends what a full mailbox gave back, once there is room.
#[cold]
async fn when_admitted<B: Behaviour>(to: &ActorRef<Host<B>>, rejected: Rejected<Envelope<B>>) -> Result<(), Lost> {
    if rejected.why.reason != Reason::Full {
        return Err(Lost);
    }
    let permit = to.admitted(PATIENCE).await.map_err(|_| Lost)?;
    permit.send(rejected.into_message()).map_err(|_| Lost)
}
