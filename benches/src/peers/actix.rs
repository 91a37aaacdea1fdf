//! actix: every actor stays on the thread (arbiter) it began on, so the lanes matter here and nowhere else. Its `do_send` does not know a bound.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix::{
    Actor, ActorContext, Addr, Arbiter, ArbiterHandle, Context, Handler, Message, MessageResult, Supervised,
    Supervisor, System,
};
use tokio::time::timeout;

use crate::peer::{Behaviour, CAPACITY, Lane, Lost, Next, Peer, Unanswered, Workers};

/// The actix runtime: one arbiter a worker.
#[derive(Clone, Debug)]
pub struct Actix {
    arbiters: Arc<[ArbiterHandle]>,
}

thread_local! {
    /// Which arbiter the thread is.
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// An actor of actix.
pub struct Host<B>(B);

struct Tell<M>(M);
struct Ask<B: Behaviour>(B::Ask);

impl<M: 'static> Message for Tell<M> {
    type Result = ();
}

impl<B: Behaviour> Message for Ask<B> {
    type Result = B::Answer;
}

impl<B: Behaviour> Actor for Host<B> {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.set_mailbox_capacity(CAPACITY);
        self.0.started();
    }
}

impl<B: Behaviour> Handler<Tell<B::Tell>> for Host<B> {
    type Result = ();

    fn handle(&mut self, Tell(message): Tell<B::Tell>, cx: &mut Context<Self>) {
        if self.0.on_tell(message) == Next::Stop {
            cx.stop();
        }
    }
}

impl<B: Behaviour> Handler<Ask<B>> for Host<B> {
    type Result = MessageResult<Ask<B>>;

    fn handle(&mut self, Ask(question): Ask<B>, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.0.on_ask(question))
    }
}

/// An actor that comes back after a panic. actix restarts an actor that stopped, but a panic takes its supervisor with it: so the handler
/// catches the panic and stops.
pub struct Restarted<B> {
    behaviour: Option<B>,
    make: Box<dyn Fn() -> B + Send>,
}

impl<B: Behaviour> Restarted<B> {
    fn begin(&mut self) {
        let mut behaviour = (self.make)();
        behaviour.started();
        self.behaviour = Some(behaviour);
    }
}

impl<B: Behaviour> Actor for Restarted<B> {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.set_mailbox_capacity(CAPACITY);
        if self.behaviour.is_none() {
            self.begin();
        }
    }
}

impl<B: Behaviour> Supervised for Restarted<B> {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.behaviour = None;
        self.begin();
    }
}

impl<B: Behaviour> Handler<Tell<B::Tell>> for Restarted<B> {
    type Result = ();

    fn handle(&mut self, Tell(message): Tell<B::Tell>, cx: &mut Context<Self>) {
        let Some(behaviour) = self.behaviour.as_mut() else { return };
        match catch_unwind(AssertUnwindSafe(|| behaviour.on_tell(message))) {
            Ok(Next::Continue) => {}
            Ok(Next::Stop) | Err(_) => cx.stop(),
        }
    }
}

/// A question to an actor that may panic at it: then there is no answer.
struct AskRestarted<B: Behaviour>(B::Ask);

impl<B: Behaviour> Message for AskRestarted<B> {
    type Result = Option<B::Answer>;
}

impl<B: Behaviour> Handler<AskRestarted<B>> for Restarted<B> {
    type Result = MessageResult<AskRestarted<B>>;

    fn handle(&mut self, AskRestarted(question): AskRestarted<B>, cx: &mut Context<Self>) -> Self::Result {
        let Some(behaviour) = self.behaviour.as_mut() else { return MessageResult(None) };
        let answer = catch_unwind(AssertUnwindSafe(|| behaviour.on_ask(question))).ok();
        if answer.is_none() {
            cx.stop();
        }
        MessageResult(answer)
    }
}

impl Actix {
    /// The arbiter to go to, unless it is the one that asks.
    fn elsewhere(&self, lane: Lane) -> Option<&ArbiterHandle> {
        match lane {
            Lane::Here => None,
            Lane::Nth(n) => {
                let n = n % self.arbiters.len();
                (LANE.get() != Some(n)).then(|| &self.arbiters[n])
            }
        }
    }
}

impl Peer for Actix {
    const NAME: &'static str = "actix";
    const BOUNDED: bool = false;

    type Addr<B: Behaviour> = Addr<Host<B>>;

    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let system = System::new();
        let arbiters: Vec<Arbiter> = (0..workers.count()).map(|_| Arbiter::new()).collect();
        for (n, arbiter) in arbiters.iter().enumerate() {
            arbiter.spawn_fn(move || LANE.set(Some(n)));
        }
        let peer = Actix { arbiters: arbiters.iter().map(Arbiter::handle).collect() };
        let (sender, receiver) = mpsc::channel();
        arbiters[0].spawn(async move {
            drop(sender.send(main(peer).await));
        });
        let output = receiver.recv().expect("the driver does not panic");
        for arbiter in &arbiters {
            arbiter.stop();
        }
        for arbiter in arbiters {
            drop(arbiter.join());
        }
        drop(system);
        output
    }

    fn launch(&self, lane: Lane, task: impl Future<Output = ()> + Send + 'static) {
        match self.elsewhere(lane) {
            Some(arbiter) => drop(arbiter.spawn(task)),
            None => drop(actix::spawn(task)),
        }
    }

    async fn spawn<B: Behaviour>(&self, lane: Lane, behaviour: B) -> Self::Addr<B> {
        match self.elsewhere(lane) {
            Some(arbiter) => Host::start_in_arbiter(arbiter, |_| Host(behaviour)),
            None => Host(behaviour).start(),
        }
    }

    async fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        Self::post::<B>(to, message)
    }

    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost> {
        to.do_send(Tell(message));
        Ok(())
    }

    async fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> Result<B::Answer, Lost> {
        to.send(Ask::<B>(question)).await.map_err(|_| Lost)
    }

    async fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        // actix's own timeout begins when the message is in the mailbox; who waits for room has a deadline, too.
        match timeout(within, to.send(Ask::<B>(question))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unanswered::Lost),
            Err(_) => Err(Unanswered::TimedOut),
        }
    }

    type Supervised<B: Behaviour> = Addr<Restarted<B>>;

    async fn supervise<B, F>(&self, make: F) -> Self::Supervised<B>
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static,
    {
        Supervisor::start(|_| Restarted { behaviour: None, make: Box::new(make) })
    }

    async fn ask_supervised<B: Behaviour>(
        to: &Self::Supervised<B>,
        question: B::Ask,
        within: Duration,
    ) -> Result<B::Answer, Unanswered> {
        match timeout(within, to.send(AskRestarted::<B>(question))).await {
            Ok(answer) => answer.ok().flatten().ok_or(Unanswered::Lost),
            Err(_) => Err(Unanswered::TimedOut),
        }
    }

    async fn crash<B>(supervised: &mut Self::Supervised<B>, fatal: B::Tell, question: B::Ask) -> Result<B::Answer, Lost>
    where
        B: Behaviour,
        B::Ask: Clone,
    {
        supervised.do_send(Tell(fatal));
        supervised.send(AskRestarted::<B>(question)).await.ok().flatten().ok_or(Lost)
    }
}
