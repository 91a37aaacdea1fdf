//! The actor that has too much to do.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::law::{Deck, MEAN_NS};
use super::parties::Caller;
use super::scene::Script;
use crate::peer::{Behaviour, Class, Next};
use crate::works::ON_DEMAND;

/// Nanoseconds since the beginning of a turn, the same for callers and actor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Clock(Instant::now())
    }

    pub(super) fn now_ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What was done for one call so far, and whether it has ended without an answer in time.
#[derive(Clone, Debug, Default)]
pub(super) struct Work(Arc<AtomicU64>);

impl Work {
    /// The call has failed: whatever is done for it is in vain.
    const FAILED: u64 = 1 << 63;

    /// Somebody has worked for so long on it. What of that is in vain already.
    fn adds(&self, ns: u64) -> u64 {
        if self.0.fetch_add(ns, Relaxed) & Self::FAILED == 0 { 0 } else { ns }
    }

    /// The call has failed. What was done for it.
    fn fails(&self) -> u64 {
        self.0.fetch_or(Self::FAILED, Relaxed) & !Self::FAILED
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// When its caller will have gone.
    pub(super) deadline_ns: u64,
    /// Whether it is among those that are counted.
    pub(super) counted: bool,
    /// Who makes it.
    pub(super) caller: Caller,
    /// The call that it is a part of, if there are several.
    pub(super) work: Option<Work>,
}

/// What the actor has done for those who are counted.
#[derive(Debug, Default)]
pub(super) struct Served {
    all: AtomicU64,
    in_vain: AtomicU64,
    stalled_ns: AtomicU64,
    /// Of calls that take several: what was done for them, and what of it was for such as have failed.
    worked_ns: AtomicU64,
    in_vain_ns: AtomicU64,
    fallen: AtomicBool,
}

impl Served {
    #[cfg(test)]
    pub(super) fn having(all: u64, in_vain: u64) -> Self {
        Served { all: AtomicU64::new(all), in_vain: AtomicU64::new(in_vain), ..Served::default() }
    }

    /// Requests that were served.
    pub(super) fn all(&self) -> u64 {
        self.all.load(Relaxed)
    }

    /// How long requests took beyond their time: the core was given to somebody else.
    pub(super) fn stalled_ns(&self) -> u64 {
        self.stalled_ns.load(Relaxed)
    }

    /// A call has failed that takes several.
    pub(super) fn fails(&self, work: &Work) {
        self.in_vain_ns.fetch_add(work.fails(), Relaxed);
    }

    /// What was done for calls that take several, in requests of the mean length, and what of it was in vain.
    pub(super) fn worked(&self) -> (u64, u64) {
        let in_requests = |ns: &AtomicU64| (ns.load(Relaxed) as f64 / MEAN_NS).round() as u64;
        (in_requests(&self.worked_ns), in_requests(&self.in_vain_ns))
    }

    /// Whether the actor has panicked.
    pub(super) fn has_fallen(&self) -> bool {
        self.fallen.load(Relaxed)
    }

    /// Of these, such whose caller had gone when the answer was there.
    pub(super) fn in_vain(&self) -> u64 {
        self.in_vain.load(Relaxed)
    }
}

/// Burns the CPU for as long as each request takes.
pub(super) struct Server {
    pub(super) clock: Clock,
    pub(super) deck: Deck,
    pub(super) script: Script,
    pub(super) served: Arc<Served>,
}

impl Server {
    /// Keeps the CPU busy until then, or a little longer. When that was over.
    fn burn(&self, until_ns: u64) -> u64 {
        loop {
            let now_ns = self.clock.now_ns();
            if now_ns >= until_ns {
                return now_ns;
            }
            hint::spin_loop();
        }
    }
}

impl Behaviour for Server {
    type Tell = ();
    type Ask = Request;
    type Answer = ();

    fn on_tell(&mut self, (): ()) -> Next {
        Next::Continue
    }

    fn started(&mut self) {
        if self.served.has_fallen() {
            self.burn(self.clock.now_ns() + self.script.restart_ns);
        }
    }

    fn matters(request: &Request) -> Class {
        request.caller.class
    }

    fn on_behalf_of(request: &Request) -> Option<u8> {
        request.caller.whom
    }

    fn on_ask(&mut self, request: Request) {
        let begun_ns = self.clock.now_ns();
        if self.script.falls_at_ns.is_some_and(|at_ns| begun_ns >= at_ns) && !self.served.fallen.swap(true, Relaxed) {
            panic!("{}", ON_DEMAND);
        }
        let until_ns = begun_ns + self.script.slower(begun_ns) * self.deck.deal();
        let done_ns = self.burn(until_ns);
        if request.counted {
            self.served.all.fetch_add(1, Relaxed);
            self.served.stalled_ns.fetch_add(done_ns - until_ns, Relaxed);
            self.served.in_vain.fetch_add(u64::from(done_ns > request.deadline_ns), Relaxed);
            if let Some(work) = &request.work {
                // What it was to take: not what the machine took meanwhile.
                let worked_ns = until_ns - begun_ns;
                self.served.worked_ns.fetch_add(worked_ns, Relaxed);
                self.served.in_vain_ns.fetch_add(work.adds(worked_ns), Relaxed);
            }
        }
    }
}
