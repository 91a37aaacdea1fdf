//! Running an idle callee's turn on its asker's own thread.
//!
//! Waking a pump for one question costs two hops through the scheduler; the turn itself is often shorter than either.
//! So an asker runs it, if all of this holds:
//!
//! * the question woke the callee: it was idle and its mailbox empty;
//! * the asker is a turn of the callee's pool or a task of its runtime, on a thread that takes turns of that pool, so that the callee finds the reactor it expects, and what
//!   it does is done by the threads that are there for it;
//! * the question's deadline has not passed when it is asked;
//! * the callee's turns have been short ([`Pace`]): the last one that was timed took no longer than 2 us, and
//!   its handlers did not await since. Each that is run in place is timed: one long turn ends it;
//! * the asker has cooperative budget left, which each such turn uses up a little: a loop of asks still yields;
//! * turns do not nest deeper than [`DEPTH`], the thread has stack left, and is not unwinding.
//!
//! The turn handles that one message and leaves the rest to the pumps. It is an ordinary turn otherwise: the same claim,
//! the same lane, the same counters. One thing differs: while the asker runs it, the asker's own deadline cannot fire.

use std::task::{Context as Poller, Poll};

use crashworthy_sync::task::Runnable;
use tokio::task::coop::poll_proceed;

use crate::pace::Pace;
use crate::scheduler::Pool;
use crate::shared::Shared;
use crate::turn;
use crate::waits::Notes;

/// How deep turns in place may nest: they share one stack.
const DEPTH: u8 = 8;

/// Runs the turn for a question that has been asked just `now`, and ends at `deadline`, which is yet to come: here if that is
/// allowed and cheap, else by a pump.
pub(crate) fn run(
    shared: &Shared,
    callee: (&Pool, &Pace),
    runnable: Runnable,
    [now, deadline]: [u64; 2],
    cx: &mut Poller<'_>,
) {
    let (pool, pace) = callee;
    let here = pace.is_short() && shared.port.in_place() && pool.on_worker() && !std::thread::panicking();
    let Some(nested) = here.then(|| turn::nest(DEPTH, deadline)).flatten() else {
        return pool.schedule(runnable);
    };
    let Poll::Ready(budget) = poll_proceed(cx) else {
        return pool.schedule(runnable);
    };
    let kept = Notes::keep();
    let again = runnable.run();
    drop((kept, nested));
    // The asker's turn goes on, if it is one.
    pool.now_running(turn::current_id().as_u64());
    pace.was_in_place(shared.port.now_ns() - now);
    budget.made_progress();
    if let Some(again) = again {
        pool.schedule(again);
    }
}
