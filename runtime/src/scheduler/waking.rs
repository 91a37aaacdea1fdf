//! Waking idle pumps: whether, which, and so that they really come.
//!
//! Waking a tokio task from a worker puts it into a slot of that worker that no other worker takes from. From a tokio
//! task that has just made an actor runnable, that is what is wanted: the actor runs there next, and no sleeping core
//! is woken for one message. Two cases need more:
//!
//! - **The worker goes on computing.** The notified pump is not polled, and everybody who schedules meanwhile would
//!   rely on it. So it counts as *overdue* as soon as another thread schedules, or after [`OVERDUE_NS`].
//! - **A pump shares its work.** It is itself what occupies the worker. So it wakes the other pump and then spawns a
//!   *decoy*, a task that does nothing: that pushes the pump out of the slot into the worker's queue, and makes tokio
//!   wake an idle worker, which steals it.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use tokio::runtime::RuntimeFlavor;

use super::current::Seat;
use super::pool::Pool;
use super::record::Record;

/// A notified pump may take this long to come.
const OVERDUE_NS: u64 = 100_000;

/// The notifying thread looks at the clock every so many times that it schedules.
const LOOK_EVERY: u64 = 16;

/// A backlog that takes this long is shared at once: about what it costs to wake a sleeping core.
const BACKLOG_NS: u64 = 50_000;

/// A smaller one is shared no more often than this, for a core that is woken for nothing is woken in vain.
const SHARE_EVERY_NS: u64 = 200_000;

/// The last notification, and the last time a pump shared.
#[derive(Default)]
pub(super) struct Last {
    notified_at: AtomicU64,
    /// A number of the thread that notified.
    notifier: AtomicUsize,
    /// Times that thread has scheduled since.
    times: AtomicU64,
    shared_at: AtomicU64,
}

impl Pool {
    /// Work has been made visible by somebody who is no pump of this pool.
    pub(super) fn notify(&self) {
        if let Some(pump) = self.wakeup.notify(|| self.is_overdue()) {
            self.wake(pump);
        }
    }

    /// The pump that this thread polls has more to do than what it runs next: another may help, if that pays.
    #[inline]
    pub(super) fn share(&self, seat: &Seat) {
        if self.wakeup.could_notify() {
            self.share_with_idle(seat);
        }
    }

    #[cold]
    fn share_with_idle(&self, seat: &Seat) {
        let now = self.port.coarse_ns();
        let backlog = seat.queue.waiting() as u64 * seat.turn_ns;
        let pays = backlog >= BACKLOG_NS || now.saturating_sub(self.last.shared_at.load(Relaxed)) >= SHARE_EVERY_NS;
        if seat.queue.waiting() > 0 && pays {
            self.hand_over();
        }
    }

    /// The pump of this record is about to be out of everybody's reach for as long as its worker likes: what waits in
    /// its queue is shared, whether that pays or not.
    pub(super) fn leave(&self, record: &Record) {
        if record.remote.waiting() > 0 {
            self.hand_over();
        }
    }

    /// Wakes an idle pump from within a poll of another, for a worker other than this one.
    pub(super) fn hand_over(&self) {
        let overdue = || self.port.coarse_ns().saturating_sub(self.last.notified_at.load(Relaxed)) >= OVERDUE_NS;
        if let Some(pump) = self.wakeup.notify(overdue) {
            self.last.shared_at.store(self.port.coarse_ns(), Relaxed);
            self.wake(pump);
            if self.runtime.runtime_flavor() == RuntimeFlavor::MultiThread {
                drop(self.runtime.spawn(async {}));
            }
        }
    }

    pub(super) fn wake(&self, pump: usize) {
        let (record, now) = (&self.records[pump], self.port.now_ns());
        record.notified_at.store(now, Relaxed);
        self.last.notified_at.store(now, Relaxed);
        self.last.notifier.store(this_thread(), Relaxed);
        self.last.times.store(0, Relaxed);
        record.waker.get().expect("a pump is idle only after its first poll").wake_by_ref();
        self.lookout.call();
    }

    /// Whether the pump notified last should have come by now.
    fn is_overdue(&self) -> bool {
        // Another thread than the one whose task it waits behind: that task is still running, or the pump would not wait.
        if self.last.notifier.load(Relaxed) != this_thread() {
            return true;
        }
        let times = self.last.times.fetch_add(1, Relaxed) + 1;
        times.is_multiple_of(LOOK_EVERY)
            && self.port.now_ns().saturating_sub(self.last.notified_at.load(Relaxed)) >= OVERDUE_NS
    }
}

/// A number that no two living threads share.
fn this_thread() -> usize {
    thread_local!(static OWN: u8 = const { 0 });
    OWN.try_with(|own| std::ptr::from_ref(own).addr()).unwrap_or(0)
}
