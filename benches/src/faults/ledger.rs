//! What one round knows beside the system it tests: every value made, the order of messages, questions, monitors,
//! letters, and what was found wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use crashworthy::{ActorRef, DeadLetter, Fallen, MonitorRef, Permit, Pid};
use tokio::sync::{Notify, Semaphore};

use super::kind::{Kind, Tally};
use super::message::Msg;
use super::register::{Register, Token, mark};
use super::worker::{Kit, Worker};

/// Messages of a round that are watched one by one.
const MESSAGES: usize = 16_384;
/// Incarnations of a round that are.
const STATES: usize = 4_096;
/// Workers of a round: a fault that would make one more does not strike.
pub const WORKERS: usize = 48;
/// What is wrong in one round, told in full.
const TOLD: usize = 8;

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// What was seen.
    pub detail: String,
    /// Whether something is left over: counted apart.
    pub leak: bool,
}

/// What an audit has found.
#[derive(Debug, Default)]
pub struct Findings(Vec<Violation>);

impl Findings {
    /// A promise was not kept.
    pub fn violate(&mut self, rule: &'static str, detail: impl Into<String>) {
        self.0.push(Violation { rule, detail: detail.into(), leak: false });
    }

    /// Something is left over.
    pub fn leak(&mut self, rule: &'static str, detail: impl Into<String>) {
        self.0.push(Violation { rule, detail: detail.into(), leak: true });
    }
}

/// Somebody to send messages to.
#[derive(Clone)]
pub struct Peer {
    /// Its address.
    pub actor: ActorRef<Worker>,
    /// What its incarnations start from.
    pub kit: Arc<Kit>,
}

/// The permits that a worker holds: dropped with its state, or taken from it when the faults are over.
pub type Purse = Mutex<Vec<(Peer, Permit<Msg>)>>;

/// One round's books.
pub struct Ledger {
    /// Faults that struck, in the whole campaign.
    pub tally: Arc<Tally>,
    /// All messages.
    pub messages: Arc<Register>,
    /// The states of all incarnations.
    pub states: Arc<Register>,
    /// Threads that block.
    pub jam: Jam,
    /// Closed when the faults are over: whoever hangs goes on.
    gate: Semaphore,
    over: AtomicBool,
    /// Somebody stops the system half-way.
    pub stops: AtomicBool,
    /// Rung for a supervised future that is to fail.
    pub sting: Notify,
    workers: AtomicU32,
    peers: Mutex<Vec<Peer>>,
    purses: Mutex<Vec<Weak<Purse>>>,
    /// For each worker the last number of each sender, over all its lives.
    order: [Mutex<BTreeMap<u64, u64>>; WORKERS],
    /// What is counted.
    pub counts: Counts,
    violations: Mutex<Vec<Violation>>,
    found: AtomicU32,
    /// Monitors from outside, and how often each was answered.
    pub monitors: Mutex<BTreeMap<MonitorRef, Watched>>,
}

/// What is counted beside the registers.
#[derive(Debug, Default)]
pub struct Counts {
    /// Handlers that were given a message.
    pub entered: AtomicU64,
    /// Of those, how many came to their end: the message counts as handled.
    pub handled: AtomicU64,
    /// Messages whose `kind` or `salvage` panicked, each as often as it did.
    pub unnamed: AtomicU64,
    /// Questions sent.
    pub asked: AtomicU64,
    /// Questions that ended, with an answer or without.
    pub answered: AtomicU64,
    /// Of those, how many were refused: perhaps before they were taken in.
    pub asks_refused: AtomicU64,
    /// Letters the hook was given, about messages of workers.
    pub letters: AtomicU64,
    /// Of those, how many came without a copy.
    pub letters_anonymous: AtomicU64,
    /// Letters about other messages.
    pub letters_other: AtomicU64,
}

/// A monitor from outside.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Of whom.
    pub pid: Pid,
    /// How many `Down`s came.
    pub downs: u32,
}

impl Ledger {
    /// Books for a new round.
    pub fn open(tally: Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            tally,
            messages: Register::with_room(MESSAGES),
            states: Register::with_room(STATES),
            jam: Jam::default(),
            gate: Semaphore::new(0),
            over: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            sting: Notify::new(),
            workers: AtomicU32::new(0),
            peers: Mutex::default(),
            purses: Mutex::default(),
            order: std::array::from_fn(|_| Mutex::default()),
            counts: Counts::default(),
            violations: Mutex::default(),
            found: AtomicU32::new(0),
            monitors: Mutex::default(),
        })
    }

    /// A fault has struck.
    pub fn strike(&self, kind: Kind) {
        self.tally.strike(kind);
    }

    /// The number of a new worker, if there may be another.
    pub fn next_worker(&self) -> Option<usize> {
        self.workers
            .fetch_update(Relaxed, Relaxed, |n| ((n as usize) < WORKERS).then_some(n + 1))
            .ok()
            .map(|n| n as usize)
    }

    /// Whoever may be sent messages.
    pub fn peers(&self) -> MutexGuard<'_, Vec<Peer>> {
        self.peers.lock().expect("nobody panics with the list")
    }

    /// One of them.
    pub fn peer(&self, number: u64) -> Option<Peer> {
        let peers = self.peers();
        (!peers.is_empty()).then(|| peers[(number % peers.len() as u64) as usize].clone())
    }

    /// A worker is given a message. Whether it is out of order.
    #[must_use]
    pub fn enter(&self, worker: usize, token: &Token, from: u64, number: u64) -> Option<String> {
        self.counts.entered.fetch_add(1, SeqCst);
        if self.messages.mark(token.id(), mark::ENTERED) & mark::ENTERED != 0 {
            self.violate(
                "no message is delivered twice",
                format!("message {} of {from}, to worker {worker}", token.id()),
            );
        }
        if from == 0 {
            return None;
        }
        let last = self.order[worker].lock().expect("nobody panics with the order").insert(from, number)?;
        (last >= number).then(|| format!("worker {worker} read {number} of {from} after {last}"))
    }

    /// Its handler is done with it.
    pub fn handled(&self, id: u32) {
        self.messages.mark(id, mark::HANDLED);
        self.counts.handled.fetch_add(1, SeqCst);
    }

    /// A promise was not kept.
    pub fn violate(&self, rule: &'static str, detail: impl Into<String>) {
        self.note(Violation { rule, detail: detail.into(), leak: false });
    }

    /// Something is left over.
    pub fn leak(&self, rule: &'static str, detail: impl Into<String>) {
        self.note(Violation { rule, detail: detail.into(), leak: true });
    }

    /// What an audit has found counts.
    pub fn enter_findings(&self, findings: Findings) {
        findings.0.into_iter().for_each(|violation| self.note(violation));
    }

    fn note(&self, violation: Violation) {
        self.found.fetch_add(1, SeqCst);
        let mut violations = self.violations.lock().expect("nobody panics with the list");
        if violations.len() < TOLD {
            violations.push(violation);
        }
    }

    /// What was found, and how much of it there was.
    pub fn found(&self) -> (u32, Vec<Violation>) {
        (self.found.load(SeqCst), self.violations.lock().expect("nobody panics with the list").clone())
    }

    /// A letter about a message that nobody handled.
    pub fn letter(&self, letter: &DeadLetter) {
        if !super::message::KINDS.contains(&letter.kind) {
            self.counts.letters_other.fetch_add(1, SeqCst);
            return;
        }
        self.counts.letters.fetch_add(1, SeqCst);
        let Some(id) = letter.message.as_ref().and_then(|copy| copy.downcast_ref::<u32>()) else {
            self.counts.letters_anonymous.fetch_add(1, SeqCst);
            return;
        };
        let before = self.messages.mark(*id, mark::LETTER);
        let told = || format!("message {id}: {letter:?}");
        if before & mark::LETTER != 0 {
            self.violate("a message falls once", told());
        }
        if before & mark::HANDLED != 0 {
            self.violate("a message that was handled is no dead letter", told());
        }
        if (before & mark::ENTERED != 0) != (letter.fallen == Fallen::GivenUp) {
            self.violate("given up is what was in hand, undelivered what was queued", told());
        }
    }

    /// Whether the faults are over.
    pub fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Ends the faults: whoever hangs or blocks goes on.
    pub fn end_faults(&self) {
        self.over.store(true, SeqCst);
        self.gate.close();
        self.jam.open();
    }

    /// A purse that [`empty_purses`](Self::empty_purses) knows of.
    pub fn purse(&self) -> Arc<Purse> {
        let purse = Arc::<Purse>::default();
        self.purses.lock().expect("nobody panics with the list").push(Arc::downgrade(&purse));
        purse
    }

    /// Takes their permits from all who hold any.
    pub fn empty_purses(&self) {
        let purses = self.purses.lock().expect("nobody panics with the list");
        for purse in purses.iter().filter_map(Weak::upgrade) {
            purse.lock().expect("nobody panics with a purse").clear();
        }
    }

    /// Awaits what does not come before the faults are over.
    pub async fn hang(&self) {
        let _ = self.gate.acquire().await;
    }
}

/// Where threads block: few at a time, so that others get on.
#[derive(Debug, Default)]
pub struct Jam {
    blocked: AtomicU32,
    open: Mutex<bool>,
    opened: Condvar,
}

/// Threads of a system that may be blocked at a time. Its runtime has more.
const BLOCKED: u32 = 2;
/// Longest block: nothing waits for it but what the round waits for anyway.
const LONGEST: Duration = Duration::from_secs(10);

impl Jam {
    /// Blocks this thread for so long, or until the faults are over. `blocks` is called when it does. False: there are as
    /// many as may.
    pub fn block(&self, time: Duration, blocks: impl FnOnce()) -> bool {
        if self.blocked.fetch_update(SeqCst, SeqCst, |n| (n < BLOCKED).then_some(n + 1)).is_err() {
            return false;
        }
        blocks();
        let until = Instant::now() + time.min(LONGEST);
        let mut open = self.open.lock().expect("nobody panics with the gate");
        while !*open {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            open = self.opened.wait_timeout(open, left).expect("nobody panics with the gate").0;
        }
        drop(open);
        self.blocked.fetch_sub(1, SeqCst);
        true
    }

    /// Whether any thread is blocked.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(SeqCst) != 0
    }

    fn open(&self) {
        *self.open.lock().expect("nobody panics with the gate") = true;
        self.opened.notify_all();
    }
}
