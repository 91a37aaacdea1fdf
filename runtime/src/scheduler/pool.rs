//! A pool: the pumps of one tokio runtime, and the way in.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use crashworthy_sync::run_queue::{Injector, Local, run_queue};
use crashworthy_sync::task::Runnable;
use crashworthy_sync::wakeup::Wakeup;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::current::{self, Seat};
use super::lookout::Lookout;
use super::pump::Pump;
use super::record::Record;
use super::rescue::Rescue;
use super::stats::{PoolStats, PumpState, PumpStats};
use super::waking::Last;
use crate::port::Port;
use crate::time::Wheel;

/// Told that a pool takes no more work.
type Hook = Box<dyn FnOnce() + Send>;

/// The pumps of one tokio runtime. It lives until it is closed, or its runtime goes away.
pub struct Pool {
    name: Arc<str>,
    pub(super) port: Arc<Port>,
    pub(super) runtime: Handle,
    pub(super) injector: Injector<Runnable>,
    pub(super) wakeup: Wakeup,
    pub(super) records: Box<[Record]>,
    pub(super) last: Last,
    pub(super) lookout: Lookout,
    pub(super) rescue: Rescue,
    /// Told that turns block every worker, or other tasks do, when the first rescuer has been sent.
    pub(super) on_blocked: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// The timers of the system whose actors run here.
    pub(super) wheel: OnceLock<Weak<Wheel>>,
    /// Called when the pool takes no more work, and when no pump is left.
    on_closed: Mutex<Vec<Hook>>,
    on_gone: Mutex<Vec<Hook>>,
    /// Pumps that have not been dropped, and rescuers.
    left: AtomicUsize,
}

impl Pool {
    /// Starts `pumps` pumps on a runtime.
    ///
    /// # Panics
    /// Unless there are 1 to [`PUMPS`](crashworthy_sync::wakeup::PUMPS) of them.
    pub fn start(name: impl Into<Arc<str>>, runtime: Handle, pumps: usize, port: Arc<Port>) -> Arc<Self> {
        let wakeup = Wakeup::new(pumps);
        let (locals, records): (Vec<Local<_>>, Vec<Record>) =
            (0..pumps).map(|_| run_queue()).map(|(local, remote)| (local, Record::new(remote))).unzip();
        let pool = Arc::new(Self {
            name: name.into(),
            port,
            runtime,
            injector: Injector::new(),
            wakeup,
            records: records.into(),
            last: Last::default(),
            lookout: Lookout::default(),
            rescue: Rescue::default(),
            on_blocked: OnceLock::new(),
            wheel: OnceLock::new(),
            on_closed: Mutex::default(),
            on_gone: Mutex::default(),
            left: AtomicUsize::new(pumps),
        });
        for (pump, queue) in locals.into_iter().enumerate() {
            let seat = Seat { pool: pool.address(), pump, queue, turn_ns: 0, outside_at: 0, inside: 0 };
            pool.runtime.spawn(Pump::new(pool.clone(), Box::new(seat)));
        }
        Lookout::start(&pool);
        pool
    }

    /// Has the lookout stand in for the driver of this wheel when that is late.
    pub(crate) fn look_after(&self, wheel: &Arc<Wheel>) {
        let _ = self.wheel.set(Arc::downgrade(wheel));
    }

    /// Calls `hook` whenever work waits and no worker gets on with it, when a thread has been sent to take turns; not again
    /// while such threads are on duty. It is to be short: nobody looks on meanwhile. A panic of the hook is contained.
    pub(crate) fn on_blocked(&self, hook: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_blocked.set(Box::new(hook));
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has a pump run this: the current one next, if this is a turn of one; otherwise whichever is idle, or gets to it.
    ///
    /// On a closed pool the runnable is dropped: its task is idle again.
    #[inline]
    pub fn schedule(&self, runnable: Runnable) {
        drop(self.try_schedule(runnable));
    }

    /// [`Pool::schedule`], which gives the runnable back if the pool is closed.
    ///
    /// # Errors
    /// The runnable, if the pool was closed before. One that was taken while the pool closes is dropped.
    #[inline]
    pub fn try_schedule(&self, runnable: Runnable) -> Result<(), Runnable> {
        match current::push(self, runnable) {
            Ok(false) => Ok(()),
            Ok(true) => {
                if self.wakeup.could_notify() {
                    current::seat(self, |seat| self.share(seat));
                }
                Ok(())
            }
            Err(runnable) => self.inject(runnable),
        }
    }

    fn inject(&self, runnable: Runnable) -> Result<(), Runnable> {
        if self.is_closed() {
            return Err(runnable);
        }
        self.injector.push(runnable);
        self.notify();
        self.rescue.call();
        // Closed meanwhile: whoever closes may have looked before the push. `notify` and `close` put their fences between.
        if self.is_closed() {
            self.drop_queued();
        }
        Ok(())
    }

    /// Whether this thread is polling a pump of this pool: whether this is a turn.
    pub fn is_current(&self) -> bool {
        current::seat(self, |_| ()).is_some()
    }

    /// Whether this thread runs a turn of this pool or a task of its runtime: a turn run in place here finds the
    /// runtime it expects.
    pub fn on_worker(&self) -> bool {
        self.is_current() || current::is_task_of(self)
    }

    /// Says what the current pump runs, for [`PumpStats::running`]. Without effect outside of a turn.
    #[inline]
    pub fn now_running(&self, what: u64) {
        current::seat(self, |seat| self.records[seat.pump].runs.store(what, Relaxed));
    }

    /// The runtime whose workers poll the pumps.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// How many pumps it has.
    pub fn pumps(&self) -> usize {
        self.records.len()
    }

    /// Whether the pool takes no more work.
    pub fn is_closed(&self) -> bool {
        self.wakeup.is_closed()
    }

    /// Calls `hook` when the pool takes no more work; at once if that is so already.
    ///
    /// It is called once, by whoever closes the pool: on a worker that drops its tasks, as a rule. Turns may still be
    /// under way on other pumps; each pump stops after its own. A panic of the hook is contained.
    pub fn on_closed(&self, hook: impl FnOnce() + Send + 'static) {
        self.on_closed.lock().push(Box::new(hook));
        if self.is_closed() {
            call(&self.on_closed);
        }
    }

    /// Calls `hook` when no pump is left, and so no pump's turn under way; at once if that is so already.
    ///
    /// It is called once, after those of [`Pool::on_closed`], by the thread that drops the last pump. A panic of the
    /// hook is contained.
    pub fn on_gone(&self, hook: impl FnOnce() + Send + 'static) {
        self.on_gone.lock().push(Box::new(hook));
        if self.left.load(Acquire) == 0 {
            call(&self.on_gone);
        }
    }

    /// A pump is dropped: by its runtime, or since the pool is closed.
    pub(super) fn pump_dropped(&self) {
        self.close();
        // Turns that were under way may have queued more.
        self.drop_queued();
        self.one_less();
    }

    /// One more takes turns beside the pumps, unless all of these have gone.
    pub(super) fn one_more(&self) -> bool {
        self.left.fetch_update(AcqRel, Acquire, |left| (left != 0).then_some(left + 1)).is_ok()
    }

    /// One takes no more turns.
    pub(super) fn one_less(&self) {
        // AcqRel: what the turns of the others left behind is seen by the last.
        if self.left.fetch_sub(1, AcqRel) == 1 {
            call(&self.on_gone);
        }
    }

    /// Takes no more work, drops what is queued, tells, and ends the pumps after their turns.
    pub fn close(&self) {
        if self.wakeup.close() {
            self.drop_queued();
            call(&self.on_closed);
            self.lookout.end_rest();
            self.rescue.dismiss();
            self.records.iter().filter_map(|record| record.waker.get()).for_each(|waker| waker.wake_by_ref());
        }
    }

    /// Drops what is queued, on every pump.
    pub(crate) fn drop_queued(&self) {
        let (mut local, _remote) = run_queue();
        while let Some(runnable) = self.injector.pop() {
            drop(runnable);
        }
        for record in &self.records {
            while let Some(runnable) = record.remote.take_next().or_else(|| local.steal(&record.remote)) {
                drop(runnable);
                while let Some(runnable) = local.pop() {
                    drop(runnable);
                }
            }
        }
    }

    /// Whether every pump is idle, and nobody has notified one.
    pub(super) fn is_idle(&self) -> bool {
        (0..self.pumps()).all(|pump| self.wakeup.is_idle(pump))
    }

    /// Whether something waits that another pump than its owner could take.
    pub(super) fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.records.iter().any(|record| record.remote.waiting() > 0)
    }

    /// When a pump was polled last, if work is queued: how long that work may have been without anybody to look at it.
    /// For whoever watches the pool.
    pub fn unattended_since(&self) -> Option<u64> {
        let queued = self.has_work() || self.records.iter().any(|record| record.remote.has_next());
        queued.then(|| self.records.iter().map(|record| record.polled_at.load(Relaxed)).max().unwrap_or(0))
    }

    /// Wakes an idle pump beside those that were notified and have not come. False if there is none to wake.
    /// For whoever watches the pool.
    pub fn rouse(&self) -> bool {
        match self.wakeup.notify(|| true) {
            Some(pump) => {
                self.wake(pump);
                true
            }
            None => false,
        }
    }

    /// The pool at this moment.
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            name: self.name.to_string(),
            at_ns: self.port.now_ns(),
            closed: self.is_closed(),
            injected: self.injector.len(),
            rescuers: self.rescue.crew(),
            rescues: self.rescue.sent.get(),
            rescued: self.rescue.turns(),
            pumps: (0..self.pumps()).map(|pump| self.pump_stats(pump)).collect(),
        }
    }

    fn pump_stats(&self, pump: usize) -> PumpStats {
        let record = &self.records[pump];
        let since = record.turn_since.load(Relaxed);
        PumpStats {
            state: match since {
                _ if self.wakeup.is_notified(pump) => PumpState::Notified,
                _ if self.wakeup.is_idle(pump) => PumpState::Idle,
                0 => PumpState::Ready,
                _ => PumpState::InTurn,
            },
            polls: record.polls.get(),
            turns: record.turns.get(),
            stolen: record.stolen.get(),
            panics: record.panics.get(),
            queued: record.remote.waiting() + usize::from(record.remote.has_next()),
            polled_at_ns: record.polled_at.load(Relaxed),
            notified_at_ns: record.notified_at.load(Relaxed),
            running: (since != 0).then(|| (record.runs.load(Relaxed), since)),
        }
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// Calls the hooks, and forgets them.
fn call(hooks: &Mutex<Vec<Hook>>) {
    // Taken out before they are called: each is called by one thread, outside of the lock.
    let hooks = std::mem::take(&mut *hooks.lock());
    for hook in hooks {
        contain(hook);
    }
}

/// Keeps a panic from going further. False if there was one.
pub(super) fn contain(code: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(()) => true,
        Err(payload) => {
            // Dropping what was thrown may throw again; what that throws is let go.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
            false
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).field("pumps", &self.wakeup).finish_non_exhaustive()
    }
}
