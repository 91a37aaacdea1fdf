//! A pool: the pumps of one tokio runtime, and the way in.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use crashworthy_sync::run_queue::{Injector, Local, run_queue};
use crashworthy_sync::task::Runnable;
use crashworthy_sync::wakeup::Wakeup;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::current::{self, Seat, Taker};
use super::held::Tells;
use super::lookout::Lookout;
use super::pump::Pump;
use super::record::Record;
use super::rescue::{CREW, Rescue};
use super::stats::{PoolKind, PoolStats, PumpState, PumpStats};
use super::waking::Last;
use crate::port::Port;
use crate::time::Wheel;

/// What ties a pool to the others of its system.
struct Beside {
    lookout: Arc<Lookout>,
    heir: Weak<Pool>,
    crew: usize,
}

/// Told that a pool takes no more work.
type Hook = Box<dyn FnOnce() + Send>;

/// The pumps of one tokio runtime. It lives until it is closed, or its runtime goes away.
pub struct Pool {
    /// Changes when the threads of a pool are lent to somebody else.
    name: Mutex<Arc<str>>,
    pub(super) port: Arc<Port>,
    pub(super) runtime: Handle,
    pub(super) injector: Injector<Runnable>,
    pub(super) wakeup: Wakeup,
    pub(super) records: Box<[Record]>,
    pub(super) last: Last,
    /// Shared by all pools of a system.
    pub(super) lookout: Arc<Lookout>,
    pub(super) rescue: Rescue,
    /// Who runs what is left when this pool is closed; nobody, if it is a system's own.
    heir: Weak<Pool>,
    /// Who is told of turns that hold their threads.
    pub(super) tells: OnceLock<Tells>,
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
        Self::begin(
            name.into(),
            runtime,
            pumps,
            port,
            Beside { lookout: Arc::default(), heir: Weak::new(), crew: CREW },
        )
    }

    /// Starts a pool on a runtime of its own beside this one, which runs what is left when that is closed. One thread looks
    /// after both; the new one has at most `crew` rescuers at a time.
    ///
    /// # Panics
    /// As [`Pool::start`].
    pub(crate) fn start_beside(
        self: &Arc<Self>,
        name: Arc<str>,
        runtime: Handle,
        pumps: usize,
        crew: usize,
    ) -> Arc<Self> {
        let beside = Beside { lookout: self.lookout.clone(), heir: Arc::downgrade(self), crew };
        Self::begin(name, runtime, pumps, self.port.clone(), beside)
    }

    fn begin(name: Arc<str>, runtime: Handle, pumps: usize, port: Arc<Port>, beside: Beside) -> Arc<Self> {
        let Beside { lookout, heir, crew } = beside;
        let wakeup = Wakeup::new(pumps);
        let (locals, records): (Vec<Local<_>>, Vec<Record>) =
            (0..pumps).map(|_| run_queue()).map(|(local, remote)| (local, Record::new(remote))).unzip();
        let pool = Arc::new(Self {
            name: Mutex::new(name),
            port,
            runtime,
            injector: Injector::new(),
            wakeup,
            records: records.into(),
            last: Last::default(),
            lookout,
            rescue: Rescue::of(crew),
            heir,
            tells: OnceLock::new(),
            wheel: OnceLock::new(),
            on_closed: Mutex::default(),
            on_gone: Mutex::default(),
            left: AtomicUsize::new(pumps),
        });
        for (pump, queue) in locals.into_iter().enumerate() {
            let seat = Seat { pool: pool.address(), pump, queue, turn_ns: 0, outside_at: 0, inside: 0 };
            pool.runtime.spawn(Pump::new(pool.clone(), Box::new(seat)));
        }
        pool.lookout.look_after(&pool);
        pool
    }

    /// Has the lookout stand in for the driver of this wheel when that is late.
    pub(crate) fn look_after(&self, wheel: &Arc<Wheel>) {
        let _ = self.wheel.set(Arc::downgrade(wheel));
    }

    /// The pool's name.
    pub fn name(&self) -> Arc<str> {
        self.name.lock().clone()
    }

    /// It is somebody else's from now on.
    pub(crate) fn rename(&self, name: Arc<str>) {
        *self.name.lock() = name;
    }

    /// Has a pump run this: the current one next, if this is a turn of one; otherwise whichever is idle, or gets to it.
    ///
    /// On a closed pool the runnable goes to the pool beside it, if there is one; else it is dropped: its task is idle again.
    #[inline]
    pub fn schedule(&self, runnable: Runnable) {
        if let Err(runnable) = self.try_schedule(runnable) {
            self.let_go(runnable);
        }
    }

    /// What this pool, which is closed, does not run.
    #[cold]
    fn let_go(&self, runnable: Runnable) {
        match self.heir.upgrade() {
            Some(heir) => heir.schedule(runnable),
            None => drop(runnable),
        }
    }

    /// [`Pool::schedule`], which gives the runnable back if the pool is closed.
    ///
    /// # Errors
    /// The runnable, if the pool was closed before. One that was taken while the pool closes is let go as [`Pool::schedule`]
    /// would.
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

    /// Whether this thread runs a turn of this pool, or is a worker that polls a task of its runtime: a turn run in place here
    /// finds the runtime it expects, and enough stack.
    pub fn on_worker(&self) -> bool {
        current::has_room(self) && (self.is_current() || current::is_task_of(self))
    }

    /// Says what this thread runs, if it takes turns of this pool, for [`PumpStats::running`] and for those who are told of turns that hold
    /// their threads.
    #[inline]
    pub fn now_running(&self, what: u64) {
        match current::taker(self) {
            Taker::Pump(pump) => self.records[pump].runs.store(what, Relaxed),
            Taker::Other => current::runs_beside(what),
            Taker::None => {}
        }
    }

    /// Starts a task beside the pumps.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(task)
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

    /// Lets go of what is queued, on every pump.
    pub(crate) fn drop_queued(&self) {
        let (mut local, _remote) = run_queue();
        while let Some(runnable) = self.injector.pop() {
            self.let_go(runnable);
        }
        self.rescue.reserve.take_back().into_iter().for_each(|runnable| self.let_go(runnable));
        for record in &self.records {
            while let Some(runnable) = record.remote.take_next().or_else(|| local.steal(&record.remote)) {
                self.let_go(runnable);
                while let Some(runnable) = local.pop() {
                    self.let_go(runnable);
                }
            }
        }
    }

    /// Takes out those that wait for a thread and are meant: their turns are taken elsewhere. The others keep their order.
    pub(crate) fn take_out(&self, is_meant: impl Fn(&Runnable) -> bool) -> Vec<Runnable> {
        let mut meant = Vec::new();
        for _ in 0..self.injector.len() {
            let Some(runnable) = self.injector.pop() else { break };
            if is_meant(&runnable) {
                meant.push(runnable);
            } else {
                self.inject(runnable).unwrap_or_else(|runnable| self.let_go(runnable));
            }
        }
        meant
    }

    /// Whether every pump is idle, and nobody has notified one.
    pub(crate) fn is_idle(&self) -> bool {
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
            kind: PoolKind::System,
            name: self.name().to_string(),
            actors: None,
            at_ns: self.port.now_ns(),
            closed: self.is_closed(),
            injected: self.injector.len(),
            rescuers: self.rescue.crew() + self.rescue.reserve.threads(),
            rescues: self.rescue.sent.get(),
            rescued: self.rescue.turns() + self.rescue.reserve.turns(),
            still_since_ns: self.rescue.still_since().filter(|_| !self.is_closed()),
            pumps: (0..self.pumps()).map(|pump| self.pump_stats(pump)).collect(),
        }
    }

    fn pump_stats(&self, pump: usize) -> PumpStats {
        let record = &self.records[pump];
        let since = record.turn_since.load(Relaxed);
        PumpStats {
            state: match since {
                // Nobody is woken any more: only what is under way counts.
                0 if self.is_closed() => PumpState::Idle,
                _ if self.is_closed() => PumpState::InTurn,
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
        f.debug_struct("Pool").field("name", &self.name()).field("pumps", &self.wakeup).finish_non_exhaustive()
    }
}
