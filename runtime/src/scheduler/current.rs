//! Which pump this thread is polling. The pump's end of its queue lives here for as long as the poll lasts.

use std::cell::RefCell;

use crashworthy_sync::run_queue::Local;
use crashworthy_sync::task::Runnable;

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
}

/// Takes a seat for one poll, and gives it back to the pump at its end, also when the poll unwinds.
pub(super) struct Seated<'p> {
    home: &'p mut Option<Box<Seat>>,
    /// A pump may be polled inside a turn of another pool's: a runtime blocked on within a runtime.
    before: Option<Box<Seat>>,
}

impl<'p> Seated<'p> {
    pub(super) fn enter(home: &'p mut Option<Box<Seat>>) -> Self {
        let before = CURRENT.replace(home.take());
        Self { home, before }
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        *self.home = CURRENT.replace(self.before.take());
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
