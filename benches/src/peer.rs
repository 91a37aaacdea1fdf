//! What a runtime must offer to take part, and what its actors do.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::oneshot;

/// What every bounded mailbox holds.
pub const CAPACITY: usize = 1_024;

/// What an actor does, whoever hosts it.
///
/// Handlers are synchronous: a work measures delivery, not waiting. Inside them an actor sends with [`Peer::post`] only.
pub trait Behaviour: Send + Unpin + 'static {
    /// A message without an answer.
    type Tell: Send + 'static;
    /// A message that is answered.
    type Ask: Send + 'static;
    /// The answer to it.
    type Answer: Send + 'static;

    /// Is called once, when the incarnation starts, before its first message.
    fn started(&mut self) {}

    /// Handles a message, and says whether the actor goes on.
    fn on_tell(&mut self, message: Self::Tell) -> Next;

    /// Answers a question.
    fn on_ask(&mut self, question: Self::Ask) -> Self::Answer;

    /// On whose behalf a question is asked, for peers that can be told.
    fn on_behalf_of(_question: &Self::Ask) -> Option<u8> {
        None
    }

    /// How much a question matters, for peers that can be told.
    fn matters(_question: &Self::Ask) -> Class {
        Class::Usual
    }
}

/// How much a question matters. The first matters most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Served whatever is refused beside it.
    Highest,
    /// Users see its absence.
    High,
    /// May be refused under load.
    Usual,
    /// The first to be refused.
    Low,
}

impl Class {
    /// All of them, as they are declared.
    pub const ALL: [Self; 4] = [Self::Highest, Self::High, Self::Usual, Self::Low];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Highest => "highest",
            Self::High => "high",
            Self::Usual => "usual",
            Self::Low => "low",
        }
    }
}

/// What an actor does after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It waits for the next one.
    Continue,
    /// It stops, of its own will and normally; its state is dropped.
    Stop,
}

/// How many threads run a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// A runtime on a single thread.
    One,
    /// A runtime of two worker threads.
    Two,
}

impl Workers {
    /// The number itself.
    pub fn count(self) -> usize {
        match self {
            Workers::One => 1,
            Workers::Two => 2,
        }
    }
}

/// Where a task or an actor goes, for runtimes whose actors stay on the thread they began on. The others place as they like.
#[derive(Clone, Copy, Debug)]
pub enum Lane {
    /// The thread of whoever calls.
    Here,
    /// The n-th thread, counted round and round.
    Nth(usize),
}

/// A runtime, or a way to write actors by hand.
///
/// A value of it stands for one running instance, made by [`Peer::run`].
pub trait Peer: Clone + Send + Sync + Unpin + 'static {
    /// Its name in the tables.
    const NAME: &'static str;
    /// Whether a sender waits for room. Where it does not, the drivers hold senders back (`works::support::Progress`).
    const BOUNDED: bool;

    /// The address of an actor.
    type Addr<B: Behaviour>: Clone + Send + Sync + Unpin + 'static;

    /// Runs `main` as a task of a fresh runtime, and waits for its end outside it.
    fn run<T, F, Fut>(workers: Workers, main: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static;

    /// Starts a plain task of the runtime.
    fn launch(&self, lane: Lane, task: impl Future<Output = ()> + Send + 'static);

    /// Starts an actor. Its address can be sent to at once.
    fn spawn<B: Behaviour>(&self, lane: Lane, behaviour: B) -> impl Future<Output = Self::Addr<B>> + Send;

    /// Starts an actor that is to block its thread: where the peer has a place for such.
    fn spawn_to_block<B: Behaviour>(&self, lane: Lane, behaviour: B) -> impl Future<Output = Self::Addr<B>> + Send {
        self.spawn(lane, behaviour)
    }

    /// Sends from a task: waits for room where the mailbox is bounded.
    fn send<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> impl Future<Output = Result<(), Lost>> + Send;

    /// Sends from a handler: never waits. The works keep fewer than [`CAPACITY`] messages in flight there.
    fn post<B: Behaviour>(to: &Self::Addr<B>, message: B::Tell) -> Result<(), Lost>;

    /// Asks from a task, and waits for the answer.
    fn ask<B: Behaviour>(to: &Self::Addr<B>, question: B::Ask) -> impl Future<Output = Result<B::Answer, Lost>> + Send;

    /// Asks with a deadline, as a user of this peer would: the caller has gone after that time.
    fn ask_within<B: Behaviour>(
        to: &Self::Addr<B>,
        question: B::Ask,
        within: Duration,
    ) -> impl Future<Output = Result<B::Answer, Unanswered>> + Send;

    /// Asks several one after the other, each with what is left of the time, as a user of this peer would who needs the
    /// answer of the one to ask the next.
    fn ask_in_turn<B>(
        to: &[Self::Addr<B>],
        question: B::Ask,
        within: Duration,
    ) -> impl Future<Output = Result<(), Unanswered>> + Send
    where
        B: Behaviour<Answer = (), Ask: Clone + Sync>,
    {
        async move {
            let until = Instant::now() + within;
            for each in to {
                let left = until.saturating_duration_since(Instant::now());
                Self::ask_within::<B>(each, question.clone(), left).await?;
            }
            Ok(())
        }
    }

    /// Asks several at once, as a user of this peer would who needs all answers: who fails first ends it.
    fn ask_all<B>(
        to: &[Self::Addr<B>],
        question: B::Ask,
        within: Duration,
    ) -> impl Future<Output = Result<(), Unanswered>> + Send
    where
        B: Behaviour<Answer = (), Ask: Clone + Sync>,
    {
        async move {
            let asked = to.iter().map(|each| Self::ask_within::<B>(each, question.clone(), within));
            try_join_all(asked).await.map(drop)
        }
    }

    /// An actor under supervision, and what is needed to crash it again and again.
    type Supervised<B: Behaviour>: Send + Sync + 'static;

    /// Starts an actor under this peer's own supervision, with no limit on restarts that would matter. Every incarnation is made by `make`.
    fn supervise<B, F>(&self, make: F) -> impl Future<Output = Self::Supervised<B>> + Send
    where
        B: Behaviour,
        F: Fn() -> B + Clone + Send + Sync + 'static;

    /// Asks an actor under supervision with a deadline, as [`ask_within`](Self::ask_within) does. While it is down, as a user would
    /// who has its address.
    fn ask_supervised<B: Behaviour>(
        to: &Self::Supervised<B>,
        question: B::Ask,
        within: Duration,
    ) -> impl Future<Output = Result<B::Answer, Unanswered>> + Send;

    /// Sends `fatal`, at which the incarnation panics, and asks until the next incarnation answers.
    fn crash<B>(
        supervised: &mut Self::Supervised<B>,
        fatal: B::Tell,
        question: B::Ask,
    ) -> impl Future<Output = Result<B::Answer, Lost>> + Send
    where
        B: Behaviour,
        B::Ask: Clone;

    /// Starts a plain task and hands back its result.
    fn task<T: Send + 'static>(
        &self,
        lane: Lane,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Lost>> + Send {
        let (sender, receiver) = oneshot::channel();
        self.launch(lane, async move {
            drop(sender.send(task.await));
        });
        async move { receiver.await.map_err(|_| Lost) }
    }
}

/// A message or an answer that did not arrive although its actor should be up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message, an answer or a task was lost")
    }
}

impl std::error::Error for Lost {}

/// How a question with a deadline ended, if not with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It was not taken, and its caller knows at once.
    Refused,
    /// Its time was over.
    TimedOut,
    /// Neither: its actor has gone, or has crashed with the question in hand.
    Lost,
}
