//! Where messages that nobody handled are told of: a bounded queue and a hook off the crash path.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::crash::{contain, discard};
use crate::pid::{ActorId, Pid};
use crate::port::Port;

/// Letters that wait for the hook; more are counted and dropped.
const WAITING: usize = 1024;

/// Why a message was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallen {
    /// In hand when the incarnation crashed, was killed or returned an error, or its handler passed on a refusal (or an expiry, or a
    /// cancellation) that nobody waited for. It is never redelivered.
    GivenUp,
    /// Queued when the slot was flushed or closed.
    Undelivered,
}

impl fmt::Display for Fallen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GivenUp => "given up",
            Self::Undelivered => "undelivered",
        })
    }
}

/// What is known of a message that nobody handled.
pub struct DeadLetter {
    /// The incarnation that had it, or would have.
    pub to: Pid,
    /// Its slot's name, if it has one.
    pub to_name: Option<String>,
    /// The message's kind.
    pub kind: &'static str,
    /// Who sent it.
    pub from: ActorId,
    /// How long it had been queued, in steps of a coarse clock (about a millisecond).
    pub age: Duration,
    /// Its size in bytes, what it points to aside.
    pub size: usize,
    /// Why it fell.
    pub fallen: Fallen,
    /// A copy, if the message type keeps one ([`Message::salvage`](crate::Message::salvage)).
    pub message: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("to", &self.to)
            .field("kind", &self.kind)
            .field("fallen", &self.fallen)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}

/// What a system does with dead letters. Runs as a task of its own; a panic in it is contained and reported.
pub(crate) type Hook = Arc<dyn Fn(DeadLetter) + Send + Sync>;

/// The queue in front of the hook.
pub(crate) struct DeadLetters {
    queue: Option<mpsc::Sender<DeadLetter>>,
    given_up: AtomicU64,
    undelivered: AtomicU64,
    lost: AtomicU64,
    own: AtomicU64,
}

impl DeadLetters {
    /// Starts the task that feeds the hook; without a hook, letters are only counted.
    pub(crate) fn new(hook: Option<Hook>, port: &Port) -> Self {
        let queue = hook.map(|hook| {
            let (queue, mut letters) = mpsc::channel(WAITING);
            port.spawn(async move {
                while let Some(letter) = letters.recv().await {
                    if let Err(panic) = contain(|| hook(letter)) {
                        tracing::error!(location = panic.location, "the dead-letter hook panicked: {}", panic.message);
                    }
                }
            });
            queue
        });
        let [given_up, undelivered, lost, own] = [0; 4].map(AtomicU64::new);
        Self { queue, given_up, undelivered, lost, own }
    }

    /// Tells of a letter; never waits.
    pub(crate) fn post(&self, letter: DeadLetter) {
        let count = match letter.fallen {
            Fallen::GivenUp => &self.given_up,
            Fallen::Undelivered => &self.undelivered,
        };
        match &self.queue {
            None => discard(letter),
            Some(queue) => {
                if let Err(unread) = queue.try_send(letter) {
                    self.lost.fetch_add(1, Relaxed);
                    discard(unread);
                }
            }
        }
        // Pairs with the loads in `tally`: who sees a letter counted sees whether it was lost.
        count.fetch_add(1, Release);
    }

    /// An own message of an incarnation that has ended was thrown away. It is no letter: what an incarnation has in mind for
    /// itself is nobody's loss but its own, and there may be as many as it has timers.
    pub(crate) fn bury_own(&self) {
        self.own.fetch_add(1, Relaxed);
    }

    /// Own messages that were thrown away so far.
    pub(crate) fn own(&self) -> u64 {
        self.own.load(Relaxed)
    }

    /// Letters so far, and how many of them the hook never saw because it was too slow.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let [given_up, undelivered, lost] = self.tally();
        (given_up + undelivered, lost)
    }

    /// The same by reason: given up, undelivered; and those lost to the hook.
    pub(crate) fn tally(&self) -> [u64; 3] {
        [self.given_up.load(Acquire), self.undelivered.load(Acquire), self.lost.load(Relaxed)]
    }
}
