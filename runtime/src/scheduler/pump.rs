//! A pump: the tokio task that takes turns.
//!
//! # The budget of a turn
//!
//! Tokio gives each poll of a task 128 operations on its resources; then they answer `Pending` until the task's next
//! poll. A pump's poll is many turns: with one budget for all, the first actors use it up and the rest only spin.
//! `unconstrained` lifts the limit, but then a handler that reads from an always-ready socket never yields. What is
//! wanted is the full budget for every turn, and stable tokio has it: [`poll_proceed`]
//! returns a guard which on drop, unless told that progress was made, restores the budget as it was before the call.
//! Taken before the turn and dropped after it, also on unwinding, it undoes whatever the turn has used.
//!
//! # The end of a poll
//!
//! A pump that has used its time wakes itself and waits for its next poll behind the tasks of its worker. Now and
//! then it yields as `tokio::task::yield_now` does: behind a look at the drivers, which tokio otherwise takes once in
//! 61 polls. That is cheap on a worker that has only the pump to poll. On a busy one it may mean 60 polls of others,
//! and the pump would lose its share; so it [backs off](Yields) as long as it comes back late.
//!
//! A pump between two polls is nobody's to run: it may sit behind a task that computes, and one that has let the drivers
//! go first is, until then, no other worker's either. So it leaves nothing that only it could take: what it would run
//! next is put where others steal, and an idle pump is woken before the drivers are let first.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll};

use crashworthy_sync::task::Runnable;
use crashworthy_sync::wakeup::Polled;
use tokio::task::coop::poll_proceed;

use super::current::{self, Seat, Seated};
use super::pool::{Pool, contain};
use super::record::Record;
use super::{POLL_NS, POLL_TURNS};

/// The injector comes before the pump's own queue once in so many turns.
const INJECTOR_EVERY: u32 = 61;

/// It comes before the own queue, too, when nobody has looked for this long: turns may take their time.
const INJECTOR_NS: u64 = 500_000;

/// Turns between two looks at the clock: at most, and before the first look.
const UNCHECKED: u32 = 32;
const UNCHECKED_FIRST: u32 = 4;

/// Taken from the injector at once rather than left for another pump.
const FEW: usize = 4;

/// A pump whose turns take so long takes along nothing but what it runs.
const LONG_NS: u64 = 1_000_000;

/// A pump whose turn has lasted this long is stuck: what it would run next is taken, too.
const STUCK_NS: u64 = 200_000;

/// One yield in so many lets tokio look at its drivers first: where that is cheap, and where it is not.
const DEFER_EVERY: (u32, u32) = (2, 64);

/// Coming back later than this is not cheap.
const LATE_NS: u64 = 50_000;

pub(super) struct Pump {
    pool: Arc<Pool>,
    number: usize,
    seat: Option<Box<Seat>>,
    yields: Yields,
}

/// Which yields let tokio look at its drivers first.
struct Yields {
    /// Of so many, one.
    every: u32,
    since: u32,
    /// When the pump yielded that way, if that is how its last poll ended.
    deferred_at: Option<u64>,
}

/// Why a poll ends.
enum End {
    /// There is nothing to do. Whoever makes work wakes the pump.
    Idle,
    /// Others first. The pump has yet to be woken.
    Yield,
    /// The same, and tokio wakes it, after a look at the drivers.
    Woken,
    Closed,
}

impl Pump {
    pub(super) fn new(pool: Arc<Pool>, seat: Box<Seat>) -> Self {
        Self {
            pool,
            number: seat.pump,
            seat: Some(seat),
            yields: Yields { every: DEFER_EVERY.0, since: 0, deferred_at: None },
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<()> {
        let Self { pool, number, seat, yields } = &mut *self;
        let record = &pool.records[*number];
        record.waker.get_or_init(|| cx.waker().clone());
        let searching = match pool.wakeup.polled(*number) {
            _ if pool.is_closed() => return Poll::Ready(()),
            Polled::Idle => return Poll::Pending,
            Polled::Searching => true,
            Polled::Running => false,
        };
        let now = pool.port.now_ns();
        yields.back(now);
        let end = {
            let _seated = Seated::enter(seat);
            let mut shift = Shift::begin(pool, record, now, searching);
            let end = shift.work(cx);
            shift.leave();
            end
        };
        match end {
            End::Closed => return Poll::Ready(()),
            End::Yield if yields.defers() => {
                yields.deferred_at = Some(pool.port.now_ns());
                pool.leave(record);
                // Polled once: registers this task with the worker, to be woken after a look at the drivers.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
            }
            End::Yield => cx.waker().wake_by_ref(),
            End::Woken => pool.leave(record),
            End::Idle => {}
        }
        Poll::Pending
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.pool.pump_dropped();
    }
}

impl Yields {
    /// Whether this yield is one of those.
    fn defers(&mut self) -> bool {
        self.since += 1;
        self.since >= self.every && std::mem::take(&mut self.since) > 0
    }

    /// The pump is polled again.
    fn back(&mut self, now: u64) {
        if let Some(at) = self.deferred_at.take() {
            let (often, rarely) = DEFER_EVERY;
            self.every = if now.saturating_sub(at) > LATE_NS { (self.every * 2).min(rarely) } else { often };
        }
    }
}

/// One poll.
struct Shift<'p> {
    pool: &'p Pool,
    record: &'p Record,
    searching: bool,
    turns: u32,
    /// When the poll ends.
    until: u64,
    /// The last look at the clock: when, and after which turn.
    looked: (u64, u32),
    /// The turn after which to look again.
    look_at: u32,
    /// Turns since the injector came first, those of earlier polls included; and after how many it does so again.
    inside: u32,
    outside_after: u32,
}

impl<'p> Shift<'p> {
    fn begin(pool: &'p Pool, record: &'p Record, now: u64, searching: bool) -> Self {
        record.polls.add_one();
        record.polled_at.store(now, Relaxed);
        let seen = current::seat(pool, |seat| (seat.turn_ns, seat.inside, seat.outside_at));
        let (turn_ns, inside, outside_at) = seen.unwrap_or_default();
        let look_at = UNCHECKED_FIRST.min(unchecked(POLL_NS, turn_ns));
        // Long turns end a poll each: what comes from outside has one of two at the most.
        let outside_after = if now.saturating_sub(outside_at) >= INJECTOR_NS { 2 } else { INJECTOR_EVERY };
        let (until, looked) = (now + POLL_NS, (now, 0));
        Self { pool, record, searching, turns: 0, until, looked, look_at, inside, outside_after }
    }

    fn work(&mut self, cx: &mut Poller<'_>) -> End {
        loop {
            if self.pool.is_closed() {
                return End::Closed;
            }
            let Some(runnable) = self.next() else {
                self.retire();
                return End::Idle;
            };
            if std::mem::take(&mut self.searching) {
                self.found();
            }
            let Poll::Ready(budget) = poll_proceed(cx) else {
                // Something in this task has used up the budget outside of a turn; tokio wakes the task.
                self.put_back(runnable);
                return End::Woken;
            };
            self.turn(runnable);
            drop(budget);
            if self.is_over() {
                return End::Yield;
            }
        }
    }

    /// Leaves the seat as the next poll is to find it, and others meanwhile.
    fn leave(self) {
        self.record.turn_since.store(0, Relaxed);
        current::seat(self.pool, |seat| {
            seat.queue.shelve();
            seat.inside = self.inside;
        });
    }

    fn turn(&mut self, runnable: Runnable) {
        self.turns += 1;
        self.inside = self.inside.saturating_add(1);
        self.record.turns.add_one();
        self.record.runs.store(0, Relaxed);
        self.record.turn_since.store(self.pool.port.coarse_ns().max(1), Relaxed);
        let mut again = None;
        if !contain(|| again = runnable.run()) {
            self.record.panics.add_one();
        }
        if let Some(again) = again {
            self.put_back(again);
        }
    }

    /// Queues behind all others.
    fn put_back(&self, runnable: Runnable) {
        current::seat(self.pool, |seat| seat.queue.push(runnable)).expect("a pump polled has its seat");
    }

    /// Whether the poll has lasted long enough.
    fn is_over(&mut self) -> bool {
        // Turns that read the clock move the coarse one: a look that costs nothing.
        if self.turns >= POLL_TURNS || self.pool.port.coarse_ns() >= self.until {
            self.look();
            return true;
        }
        self.turns >= self.look_at && self.look() >= self.until
    }

    /// Looks at the clock: how long turns take, when to look again, and whether another pump may help.
    fn look(&mut self) -> u64 {
        let now = self.pool.port.now_ns();
        let (before, turn) = self.looked;
        let turn_ns = now.saturating_sub(before) / u64::from(self.turns - turn).max(1);
        current::seat(self.pool, |seat| {
            seat.turn_ns = (seat.turn_ns + turn_ns) / 2;
            if seat.queue.waiting() > 0 {
                self.pool.share(seat);
            }
        });
        self.looked = (now, self.turns);
        let gap = unchecked(self.until.saturating_sub(now), turn_ns).min(self.turns.max(1));
        self.look_at = self.turns + gap;
        now
    }

    fn next(&mut self) -> Option<Runnable> {
        let pool = self.pool;
        if self.inside >= self.outside_after
            && let Some(runnable) = self.outside()
        {
            return Some(runnable);
        }
        let searching = &mut self.searching;
        current::seat(pool, |seat| {
            seat.queue.pop().or_else(|| refill(pool, seat)).or_else(|| {
                let may = *searching || (pool.pumps() > 1 && pool.wakeup.try_search());
                *searching = may;
                let found = may.then(|| steal(pool, seat)).flatten();
                found.inspect(|_| self.record.stolen.add_one())
            })
        })
        .flatten()
    }

    /// Looks into the injector before the pump's own queue. What more is there queues behind all others.
    fn outside(&mut self) -> Option<Runnable> {
        (self.inside, self.outside_after) = (0, INJECTOR_EVERY);
        current::seat(self.pool, |seat| {
            seat.outside_at = self.looked.0;
            refill(self.pool, seat)
        })
        .flatten()
    }

    /// It searches no more; others may have relied on it.
    fn found(&self) {
        if self.pool.wakeup.found() {
            current::seat(self.pool, |seat| {
                if self.pool.injector.is_empty() {
                    self.pool.share(seat);
                } else {
                    self.pool.hand_over();
                }
            });
        }
    }

    /// Becomes idle, unless there is work after all: then whoever is idle is woken, perhaps this pump.
    fn retire(&self) {
        let number = current::seat(self.pool, |seat| seat.pump).expect("a pump polled has its seat");
        self.pool.wakeup.idle(number, self.searching);
        if self.pool.has_work() {
            self.pool.notify();
        }
    }
}

/// Turns that may go by before the clock is looked at, with this much time left.
fn unchecked(left_ns: u64, turn_ns: u64) -> u32 {
    (left_ns / 2 / turn_ns.max(1)).clamp(1, u64::from(UNCHECKED)) as u32
}

/// Takes from the injector. A few are taken all: for them no other pump need be woken.
fn refill(pool: &Pool, seat: &mut Seat) -> Option<Runnable> {
    if pool.injector.is_empty() {
        return None;
    }
    if seat.turn_ns >= LONG_NS {
        // What it took along would wait behind its turns, or be thrown back behind all others.
        return pool.injector.pop();
    }
    let first = seat.queue.refill(&pool.injector)?;
    while seat.queue.waiting() < FEW
        && let Some(runnable) = pool.injector.pop()
    {
        seat.queue.push(runnable);
    }
    Some(first)
}

/// Takes from another pump: what waits there, and what a stuck one would run next.
fn steal(pool: &Pool, seat: &mut Seat) -> Option<Runnable> {
    let pumps = pool.pumps();
    let others = || (1..pumps).map(|distance| &pool.records[(seat.pump + distance) % pumps]);
    if let Some(runnable) = others().find_map(|other| seat.queue.steal(&other.remote)) {
        return Some(runnable);
    }
    let now = pool.port.coarse_ns();
    let stuck = |other: &&Record| other.remote.has_next() && other.in_turn(now).is_some_and(|ns| ns >= STUCK_NS);
    others().filter(stuck).find_map(|other| other.remote.take_next())
}

#[cfg(test)]
mod tests {
    use crashworthy_sync::run_queue::run_queue;
    use crashworthy_sync::task::{Claim, Ran, Run, Task};

    use super::*;
    use crate::port::Port;

    /// A turn that is never taken.
    struct Waits;

    impl Run for Waits {
        type Owner = ();

        fn run(_: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
            claim.idle()
        }
    }

    #[test]
    fn a_pump_whose_turns_are_long_takes_no_more_than_it_runs() {
        const WAIT: usize = 20;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let pool = Pool::start("test", runtime.handle().clone(), 1, Port::production(runtime.handle().clone()));
        let tasks: Vec<_> = (0..WAIT).map(|_| Task::new(Waits, ())).collect();
        for task in &tasks {
            pool.injector.push(Task::hold_and_wake(task).expect("it was idle"));
        }
        let (queue, _remote) = run_queue();
        let mut seat = Seat { pool: pool.address(), pump: 0, queue, turn_ns: LONG_NS, outside_at: 0, inside: 0 };
        assert!(refill(&pool, &mut seat).is_some());
        assert_eq!((seat.queue.waiting(), pool.injector.len()), (0, WAIT - 1), "all others are anybody's");
        seat.turn_ns = LONG_NS - 1;
        assert!(refill(&pool, &mut seat).is_some());
        assert!(seat.queue.waiting() >= FEW && pool.injector.len() < WAIT - 1);
        while seat.queue.pop().is_some() {}
        pool.drop_queued();
        drop(runtime);
    }
}
