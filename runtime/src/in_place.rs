//! Running an idle callee's turn on its asker's own thread.
//!
//! Waking a pump for one question costs two hops through the scheduler; the turn itself is often shorter than either.
//! So an asker runs it, if all of this holds:
//!
//! * the question woke the callee: it was idle and its mailbox empty;
//! * the asker is a turn of the same pool or a task of its runtime, so that the callee finds the reactor it expects;
//! * the question's deadline has not passed when it is asked;
//! * the callee's turns have been short ([`Pace`]): the last one that was timed took no longer than [`SHORT_NS`], and
//!   its handlers did not await since;
//! * the asker has cooperative budget left, which each such turn uses up a little: a loop of asks still yields;
//! * turns do not nest deeper than [`DEPTH`], and the thread is not unwinding.
//!
//! The turn handles that one message and leaves the rest to the pumps. It is an ordinary turn otherwise: the same claim,
//! the same lane, the same counters. One thing differs: while the asker runs it, the asker's own deadline cannot fire.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context as Poller, Poll};

use crashworthy_sync::task::Runnable;
use tokio::task::coop::poll_proceed;

use crate::shared::Shared;
use crate::turn;

/// A turn no longer than this is shorter than a wake-up.
const SHORT_NS: u64 = 2_000;
/// Who waits for room in a mailbox may wait for so long a turn, and a few more.
const QUICK_NS: u32 = 20_000;
/// One turn in so many is timed: the clock costs a third of a short one.
const TIMED: u32 = 16;
/// How deep turns in place may nest: they share one stack.
const DEPTH: u8 = 8;

/// How long an actor's turns take, sampled. Written by the holder of the running claim.
#[derive(Debug)]
pub(crate) struct Pace {
    turns: AtomicU32,
    last_ns: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { turns: AtomicU32::new(0), last_ns: AtomicU32::new(u32::MAX) }
    }
}

impl Pace {
    /// Whether the turn that begins is to be timed.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let turns = self.turns.load(Relaxed).wrapping_add(1);
        self.turns.store(turns, Relaxed);
        turns.is_multiple_of(TIMED)
    }

    pub(crate) fn note(&self, took_ns: u64) {
        self.last_ns.store(u32::try_from(took_ns).unwrap_or(u32::MAX), Relaxed);
    }

    /// A handler awaits: its turns are not short until one is timed again.
    #[inline]
    pub(crate) fn awaits(&self) {
        self.last_ns.store(u32::MAX, Relaxed);
    }

    /// Whether a turn, however many messages it handles, takes no longer than it costs to wake somebody who sleeps.
    pub(crate) fn is_quick(&self) -> bool {
        self.last_ns.load(Relaxed) <= QUICK_NS
    }

    #[inline]
    fn is_short(&self) -> bool {
        u64::from(self.last_ns.load(Relaxed)) <= SHORT_NS
    }
}

/// Runs the turn for a question that has just been asked, and ends at `deadline`, which is yet to come: here if that is
/// allowed and cheap, else by a pump.
pub(crate) fn run(shared: &Shared, pace: &Pace, runnable: Runnable, deadline: u64, cx: &mut Poller<'_>) {
    let here = pace.is_short() && shared.port.in_place() && shared.pool.on_worker() && !std::thread::panicking();
    let Some(nested) = here.then(|| turn::nest(DEPTH, deadline)).flatten() else {
        return shared.pool.schedule(runnable);
    };
    let Poll::Ready(budget) = poll_proceed(cx) else {
        return shared.pool.schedule(runnable);
    };
    let again = runnable.run();
    drop(nested);
    budget.made_progress();
    if let Some(again) = again {
        shared.pool.schedule(again);
    }
}
