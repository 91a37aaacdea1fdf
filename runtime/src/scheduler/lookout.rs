//! The lookout: a thread that looks whether work is held by a pump that nobody polls, or whose turn does not end.
//!
//! Pumps wake each other when that pays, and count on being polled soon. They are tasks on another's workers, so both
//! may turn out wrong: a notified pump sits behind a task that computes; a pump that let the drivers go first is on a
//! worker that a task has blocked since; a turn has made an actor ready, and blocks. As long as anybody schedules
//! anything, that is noticed. In a system where nobody does, it is noticed here.
//!
//! The lookout looks every [`TICK`]. A pump that is not idle and has neither begun a poll nor a turn since the last look
//! is *stuck*. What such a one has queued goes to the injector. If that was something, or the injector has work and
//! nobody gets on, then an idle pump is woken; and so are those that are stuck, from outside: one that waited in a queue
//! of its worker comes up on another.
//!
//! It takes no turns itself: where work is held and nobody gets on with it, it sends for those who do (`rescue`, `reserve`). It sees to
//! the errands of the system when no worker does. And it turns the wheel of timers when the driver
//! of that is late: a turn that blocks the worker on which tokio's timers are turned must not hold up a deadline.
//!
//! # Rest
//!
//! One thread looks after all pools of a system. When all pumps have been idle for [`QUIET`] looks, the lookout says that it rests, looks once more, and sleeps
//! until it is called. Whoever wakes an idle pump marks it as notified, then looks whether the lookout rests. Between
//! the two steps of each is a fence, so one of them sees the other.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::Duration;

use crashworthy_sync::run_queue::run_queue;
use parking_lot::Mutex;
use tokio::runtime::RuntimeFlavor;

use super::errand::{Due, Errand};
use super::held::{Glance, Held, Stretch};
use super::pool::Pool;
use super::record::Record;
use super::reserve;
use crate::port::Port;

/// Between two looks.
const TICK: Duration = Duration::from_millis(5);

/// Looks at pools that have nothing to do before the lookout rests: an unpark costs more than a look.
const QUIET: u32 = 16;

/// The lookout of the pools of a system, as their pumps see it.
#[derive(Default)]
pub(super) struct Lookout {
    rests: AtomicBool,
    thread: OnceLock<Thread>,
    begun: AtomicBool,
    /// Pools that it is to look after, too, and has not seen yet.
    arrivals: Mutex<Vec<Weak<Pool>>>,
    /// Likewise.
    errands: Mutex<Vec<Due>>,
}

impl Lookout {
    /// Looks after a pool from now on, unless it is one thread's alone, or time is not real.
    pub(super) fn look_after(self: &Arc<Self>, pool: &Arc<Pool>) {
        if pool.runtime.runtime_flavor() != RuntimeFlavor::MultiThread || !pool.port.is_watched() {
            return;
        }
        self.arrivals.lock().push(Arc::downgrade(pool));
        if self.begun.swap(true, Relaxed) {
            return self.end_rest();
        }
        let (lookout, port) = (self.clone(), pool.port.clone());
        if let Err(error) = pool.port.spawn_thread("lookout", move || look_out(&lookout, &port)) {
            tracing::warn!(pool = &*pool.name(), %error, "no thread to look after the pumps");
        }
    }

    /// Looks after an errand from now on, if it looks after anything.
    pub(super) fn sees_to(&self, errand: &Arc<Errand>) {
        if self.begun.load(Relaxed) {
            self.errands.lock().push(Due::new(errand));
        }
    }

    /// There is something to look after. Called after a pump was marked as notified.
    #[inline]
    pub(super) fn call(&self) {
        // Pairs with the fence in `may_rest`.
        fence(SeqCst);
        if self.rests.load(Relaxed) {
            self.end_rest();
        }
    }

    /// Called when there is something to look after, or nothing ever more.
    #[cold]
    pub(super) fn end_rest(&self) {
        self.rests.store(false, Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Says that it rests, unless there is something to look after.
    fn may_rest(&self, watched: &[Watched]) -> bool {
        self.rests.store(true, Relaxed);
        fence(SeqCst);
        let is_idle = watched.iter().all(Watched::is_idle) && self.errands.lock().iter().all(Due::is_idle);
        let rests = is_idle && self.arrivals.lock().is_empty();
        if !rests {
            self.rests.store(false, Relaxed);
        }
        rests
    }
}

/// Looks until every pool is closed.
fn look_out(lookout: &Lookout, port: &Port) {
    // Before it rests for the first time.
    lookout.thread.get_or_init(std::thread::current);
    let (mut watched, mut quiet) = (Vec::new(), 0);
    loop {
        watched.extend(std::mem::take(&mut *lookout.arrivals.lock()).into_iter().map(Watched::new));
        let mut is_idle = true;
        watched.retain_mut(|pool| pool.look().inspect(|idle| is_idle &= idle).is_some());
        if watched.is_empty() {
            return;
        }
        lookout.errands.lock().retain_mut(Due::look);
        quiet = if is_idle { quiet + 1 } else { 0 };
        let rests = quiet >= QUIET && lookout.may_rest(&watched);
        port.park((!rests).then_some(TICK));
        if rests {
            quiet = 0;
        }
    }
}

/// A pool that is looked after.
struct Watched {
    pool: Weak<Pool>,
    /// What each of its pumps had done at the last look.
    seen: Vec<Sighting>,
    watch: Watch,
}

impl Watched {
    fn new(pool: Weak<Pool>) -> Self {
        Self { pool, seen: Vec::new(), watch: Watch::default() }
    }

    /// One look, unless it is closed: whether it is idle.
    fn look(&mut self) -> Option<bool> {
        let pool = self.pool.upgrade().filter(|pool| !pool.is_closed())?;
        let is_idle = pool.is_idle();
        let seen = look(&pool, &mut self.seen);
        self.watch.note(&pool, seen);
        tell_held(&pool, &mut self.seen);
        if let Some(wheel) = pool.wheel.get().and_then(Weak::upgrade) {
            wheel.stand_in();
        }
        Some(is_idle)
    }

    /// Whether it has nothing to do, now or ever more.
    fn is_idle(&self) -> bool {
        self.pool.upgrade().is_none_or(|pool| pool.is_idle())
    }
}

/// A pump at a look.
#[derive(Clone, Copy, Default)]
struct Sighting {
    turn: Glance,
    /// How often it had begun a poll or a turn.
    done: u64,
    idle: bool,
}

/// What a look has shown.
#[derive(Clone, Copy)]
struct Seen {
    /// Work waits with which nobody gets on, and nobody was woken for it since the last look.
    held: bool,
    /// A pump has done something since the last look.
    gets_on: bool,
    /// An idle pump was woken for it.
    roused: bool,
}

/// For how long nobody has got on with work that waits.
#[derive(Default)]
struct Watch {
    looks: u32,
    /// What rescuers had done at the last look.
    rescued: u64,
    reserve: reserve::Watch,
    stretch: Stretch,
}

impl Watch {
    /// Sends for rescue, or ends it.
    fn note(&mut self, pool: &Arc<Pool>, seen: Seen) {
        if seen.gets_on || pool.is_idle() {
            self.looks = 0;
            pool.rescue.reserve.take_back().into_iter().for_each(|urgent| pool.schedule(urgent));
            pool.rescue.note_still(None);
            if pool.rescue.is_on_duty() {
                self.stretch.freed(pool.port.now_ns());
            }
            return pool.rescue.dismiss();
        }
        let rescued = pool.rescue.turns();
        let is_held = seen.held && std::mem::replace(&mut self.rescued, rescued) == rescued;
        self.looks = if is_held { self.looks + 1 } else { 0 };
        // A pump that was woken at this look may come; one that was woken at the last one does not.
        if self.looks > u32::from(seen.roused) {
            self.looks = 0;
            pool.rescue.send(pool, &mut self.stretch);
        }
        let stands_still = is_held && pool.rescue.is_exhausted();
        pool.rescue.note_still(stands_still.then(|| pool.port.now_ns()));
        if stands_still || !pool.rescue.reserve.is_empty() {
            pool.rescue.reserve.look(pool, &mut self.reserve);
        }
    }
}

/// One look: `seen` is what each pump had done at the last.
fn look(pool: &Pool, seen: &mut Vec<Sighting>) -> Seen {
    seen.resize(pool.pumps(), Sighting { done: 0, idle: true, ..Sighting::default() });
    let (mut stuck, mut gets_on, mut comes) = (Vec::new(), false, false);
    for (pump, (record, seen)) in pool.records.iter().zip(&mut *seen).enumerate() {
        let (done, idle) = (record.polls.get() + record.turns.get(), pool.wakeup.is_idle(pump));
        let now = Sighting { done, idle, turn: seen.turn };
        let before = std::mem::replace(seen, now);
        if before.done != now.done {
            gets_on = true;
        } else if !now.idle {
            match before.idle {
                true => comes = true,
                false => stuck.push(record),
            }
        }
    }
    let mut held = !gets_on && !pool.injector.is_empty();
    for record in &stuck {
        held |= release(pool, record);
    }
    let roused = held && pool.rouse();
    if held {
        // One that was woken just now has until the next look to come.
        seen.iter_mut().enumerate().for_each(|(pump, seen)| seen.idle &= pool.wakeup.is_idle(pump));
        if pool.is_closed() {
            // Whoever closed it may have looked into the injector before.
            pool.drop_queued();
        }
        stuck.iter().filter_map(|record| record.waker.get()).for_each(|waker| waker.wake_by_ref());
        pool.rescue.call();
    }
    Seen { held: held && !comes, gets_on, roused }
}

/// Tells of turns that have held their threads for too long.
fn tell_held(pool: &Pool, seen: &mut [Sighting]) {
    let (now, after_ns) = (pool.port.now_ns(), pool.held_after_ns());
    let mut held = pool.rescue.held(now, after_ns);
    for (record, seen) in pool.records.iter().zip(seen) {
        let runs = (record.turn_since.load(Relaxed) != 0).then(|| record.runs.load(Relaxed));
        held.extend(seen.turn.again(now, record.turns.get(), runs, after_ns));
    }
    held.into_iter().for_each(|(turn, held_ns)| pool.tell_held(Held::Turn(turn, held_ns)));
}

/// Puts what a pump has queued where all look, in the order in which it waits. Whether there was anything.
fn release(pool: &Pool, record: &Record) -> bool {
    let (mut taken, _) = run_queue();
    let mut any = false;
    let mut next = || taken.pop().or_else(|| taken.steal(&record.remote)).or_else(|| record.remote.take_next());
    while let Some(runnable) = next() {
        pool.injector.push(runnable);
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use crashworthy_sync::task::{Claim, Ran, Run, Task};
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    /// Whatever waits longer than this waits for ever.
    const HANG: Duration = Duration::from_secs(60);

    /// A turn that says that it has come.
    struct Says(Sender<()>);

    impl Run for Says {
        type Owner = ();

        fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
            task.0.send(()).expect("the test waits");
            claim.idle()
        }
    }

    fn wait_until(mut what: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !what() {
            assert!(begun.elapsed() < HANG, "it never came");
            std::thread::yield_now();
        }
    }

    fn two_workers() -> (Runtime, Arc<Pool>) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
        let pool = Pool::start("test", runtime.handle().clone(), 2, Port::production(runtime.handle().clone()));
        (runtime, pool)
    }

    /// Schedules a turn from a task, which then has its worker for itself until the turn has come.
    fn stall(runtime: &Runtime, pool: &Arc<Pool>) -> bool {
        let (says, said): (_, Receiver<()>) = channel();
        let pool = pool.clone();
        let task = runtime.spawn(async move {
            let runnable = Task::hold_and_wake(&Task::new(Says(says), ()));
            pool.schedule(runnable.expect("it was idle"));
            said.recv_timeout(HANG).is_ok()
        });
        runtime.block_on(task).expect("no panic")
    }

    #[test]
    fn the_lookout_of_an_idle_pool_rests_until_it_is_called() {
        let (runtime, pool) = two_workers();
        for _ in 0..3 {
            wait_until(|| pool.lookout.rests.load(SeqCst));
            assert!(stall(&runtime, &pool), "nobody looked");
        }
    }

    #[test]
    fn the_lookout_ends_with_its_pool() {
        let (runtime, pool) = two_workers();
        wait_until(|| pool.lookout.rests.load(SeqCst));
        drop(runtime);
        // Its thread has the one weak handle.
        wait_until(|| Arc::weak_count(&pool) == 0);
    }

    #[test]
    fn what_a_stuck_pump_has_queued_goes_to_the_injector() {
        let (runtime, pool) = two_workers();
        drop(runtime);
        let (mut local, remote) = run_queue();
        let tasks = [(); 3].map(|()| Task::new(Says(channel().0), ()));
        for task in &tasks {
            local.push_next(Task::hold_and_wake(task).expect("it was idle"));
        }
        let record = Record::new(remote);
        assert!(release(&pool, &record));
        assert_eq!((pool.injector.len(), local.is_empty()), (3, true));
        assert!(!release(&pool, &record));
        pool.drop_queued();
        assert!(tasks.iter().all(|task| task.wake().is_some()), "all are idle again");
    }
}
