//! Which pump this thread is polling. The pump's end of its queue lives here for as long as the poll lasts.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crashworthy_sync::run_queue::Local;
use crashworthy_sync::task::Runnable;
use tokio::{runtime, task};

use super::held::Turns;
use super::pool::Pool;

/// What a pump brings along when it is polled. Others reach what is queued through the queue's other end.
pub(super) struct Seat {
    /// The pool's address: a pump keeps its pool alive, so it is nobody else's.
    pub(super) pool: usize,
    pub(super) pump: usize,
    pub(super) queue: Local<Runnable>,
    /// How long a turn takes here, lately.
    pub(super) turn_ns: u64,
    /// When the injector came before this queue, and turns since.
    pub(super) outside_at: u64,
    pub(super) inside: u32,
}

thread_local! {
    static CURRENT: RefCell<Option<Box<Seat>>> = const { RefCell::new(None) };
    /// Whose turns this thread takes, and as which pump: [`BESIDE`] if it is none.
    static TAKES: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// Where a thread that is no pump says what it runs.
    static TURNS: RefCell<Option<Arc<Turns>>> = const { RefCell::new(None) };
    /// The pool a pump of which was polled on this thread last, and how far down its stack that was.
    static WORKS_FOR: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// No pump, but a thread that takes turns in their place.
const BESIDE: usize = usize::MAX;

/// Who takes a turn.
pub(super) enum Taker {
    Pump(usize),
    Other,
    /// A task, or nobody of that pool.
    None,
}

/// As whom this thread takes turns of this pool.
#[inline]
pub(super) fn taker(pool: &Pool) -> Taker {
    // A thread that is ending takes none.
    match TAKES.try_with(Cell::get) {
        Ok((of, BESIDE)) if of == pool.address() => Taker::Other,
        Ok((of, pump)) if of == pool.address() => Taker::Pump(pump),
        _ => Taker::None,
    }
}

/// Says what a thread runs that is no pump.
#[cold]
pub(super) fn runs_beside(what: u64) {
    let _ = TURNS.try_with(|turns| {
        if let Some(turns) = &*turns.borrow() {
            turns.runs.store(what, Relaxed);
        }
    });
}

/// Makes this thread one that takes turns of a pool in the place of its pumps, and says there what it runs, until the guard goes.
pub(super) fn takes_beside(pool: &Pool, turns: Arc<Turns>) -> Beside {
    TURNS.replace(Some(turns));
    TAKES.set((pool.address(), BESIDE));
    Beside
}

/// See [`takes_beside`].
pub(super) struct Beside;

impl Drop for Beside {
    fn drop(&mut self) {
        TAKES.set((0, 0));
        TURNS.take();
    }
}

/// Turns may use so much of a thread's stack, from where pumps are polled, before none is begun in the place of its asker any more:
/// an eighth of what threads have. What a turn needs itself comes on top, as it does when a pump begins it.
const STACK: usize = 256 * 1024;

/// About where this thread's stack ends.
#[inline]
fn depth() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Takes a seat for one poll, and gives it back to the pump at its end, also when the poll unwinds.
pub(super) struct Seated<'p> {
    home: &'p mut Option<Box<Seat>>,
    /// A pump may be polled inside a turn of another pool's: a runtime blocked on within a runtime.
    before: Option<Box<Seat>>,
    took: (usize, usize),
}

impl<'p> Seated<'p> {
    pub(super) fn enter(home: &'p mut Option<Box<Seat>>) -> Self {
        let mut took = (0, 0);
        if let Some(seat) = home {
            // A thread that is ending polls no pump.
            let _ = WORKS_FOR.try_with(|works_for| works_for.set((seat.pool, depth())));
            took = TAKES.replace((seat.pool, seat.pump));
        }
        let before = CURRENT.replace(home.take());
        Self { home, before, took }
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        *self.home = CURRENT.replace(self.before.take());
        TAKES.set(self.took);
    }
}

/// The seat of the pump that this thread is polling, if it is one of this pool's. Not to be held across a turn.
#[inline]
pub(super) fn seat<R>(pool: &Pool, look: impl FnOnce(&mut Seat) -> R) -> Option<R> {
    let found = CURRENT.try_with(|current| {
        let mut current = current.borrow_mut();
        current.as_mut().filter(|seat| seat.pool == pool.address()).map(|seat| look(seat))
    });
    // A thread that is ending polls no pump.
    found.ok().flatten()
}

/// Whether this thread takes turns of this pool, and has stack left for more than the turn it is in.
///
/// Tasks are polled elsewhere as well: those of a `LocalSet`, and whatever a thread that blocks waits for. They need not be
/// `Send`, so they may hold a lock which the turn wants.
#[inline]
pub(super) fn has_room(pool: &Pool) -> bool {
    let (works_for, at) = WORKS_FOR.try_with(Cell::get).unwrap_or_default();
    works_for == pool.address() && at.abs_diff(depth()) < STACK
}

/// Whether this thread polls a task that finds this pool's runtime around it: its own, as a rule, but a task may
/// [enter](runtime::Handle::enter) another for a while. So it is asked each time.
pub(super) fn is_task_of(pool: &Pool) -> bool {
    task::try_id().is_some() && runtime::Handle::try_current().is_ok_and(|current| current.id() == pool.runtime.id())
}

/// Queues on the current pump, if it is one of this pool's. True: it has more to do than what runs next.
#[inline]
pub(super) fn push(pool: &Pool, runnable: Runnable) -> Result<bool, Runnable> {
    let mut runnable = Some(runnable);
    let pushed = seat(pool, |seat| runnable.take().map(|runnable| seat.queue.push_next(runnable)));
    match (pushed.flatten(), runnable) {
        (Some(displaced), _) => Ok(displaced),
        (None, Some(runnable)) => Err(runnable),
        (None, None) => unreachable!("a runnable is pushed or still here"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::port::Port;

    fn pool(runtime: &runtime::Runtime) -> Arc<Pool> {
        Pool::start("test", runtime.handle().clone(), 1, Port::production(runtime.handle().clone()))
    }

    #[test]
    fn a_thread_that_polls_tasks_of_two_runtimes_is_a_guest_of_each_in_turn() {
        let runtimes =
            [(); 2].map(|()| runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));
        let pools = [pool(&runtimes[0]), pool(&runtimes[1])];
        let is_task = |pools: [Arc<Pool>; 2]| async move { pools.map(|pool| [(); 2].map(|()| is_task_of(&pool))) };
        for (turn, runtime) in runtimes.iter().chain(&runtimes).enumerate() {
            let seen = runtime.block_on(runtime.spawn(is_task(pools.clone()))).expect("no panic");
            let (here, there) = ([true; 2], [false; 2]);
            assert_eq!(seen, if turn % 2 == 0 { [here, there] } else { [there, here] });
        }
        assert!(!is_task_of(&pools[0]), "no task, no guest");
    }

    #[test]
    fn a_task_that_enters_another_runtime_for_a_while_is_that_ones_guest_for_as_long() {
        let [own, other] =
            [(); 2].map(|()| runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));
        let (pool, there) = (pool(&other), other.handle().clone());
        let seen = own.block_on(own.spawn(async move {
            let before = is_task_of(&pool);
            let within = {
                let _there = there.enter();
                is_task_of(&pool)
            };
            [before, within, is_task_of(&pool)]
        }));
        assert_eq!(seen.expect("no panic"), [false, true, false]);
    }
}
