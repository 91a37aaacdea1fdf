//! Rescue: threads that take turns while no pump does.
//!
//! A handler that blocks its thread takes a worker with it, and with the last worker the last pump: whatever is queued
//! would wait until one returns. So when the lookout sees work that nobody gets on with, it sends a *rescuer*: a thread
//! of ours, inside the runtime, that takes from the injector (to where the lookout moves what stuck pumps have queued) and
//! runs it. If that thread is blocked, too, it sends another, up to [`CREW`], or fewer beside a bulkhead.
//!
//! ```text
//!   worker 1: pump 0 in a turn that blocks ─┐
//!   worker 2: pump 1 in a turn that blocks ─┴─ lookout ──▶ injector ──▶ rescuer 1 … 16
//! ```
//!
//! Rescuers are *on duty* until a pump gets on again, or there is nothing left to do for pumps that are all idle. Then each
//! ends with the turn it is in.
//!
//! A turn on a rescuer has no budget for tokio's resources: there is no task beside it that it could keep from its worker.
//! What only tokio's workers do stands still meanwhile: sockets, `tokio::time`, plain tasks. Messages, asks, deadlines and
//! timers of actors go on.
//!
//! When rescuers are blocked as well, as many as there may be, those who end others are left: see `reserve`.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, fence};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crashworthy_sync::task::Runnable;
use parking_lot::Mutex;

use super::current;
use super::held::{Glance, Held, Stretch, Turns};
use super::pool::{Pool, contain};
use super::record::Count;
use super::reserve::Reserve;

/// Rescuers of a pool at a time, those that are blocked themselves included.
pub const CREW: usize = 16;

/// A rescuer that nobody calls looks for work all the same this often.
const NAP: Duration = Duration::from_millis(5);

const NOBODY_LEFT: &str = "every worker and every rescuer is blocked: messages wait until one returns; supervisors act";

/// The rescuers of a pool.
pub(super) struct Rescue {
    /// How many there may be at a time.
    most: usize,
    on_duty: AtomicBool,
    crew: Mutex<Vec<Rescuer>>,
    /// That there are no more, or can be none, was told.
    told: AtomicBool,
    /// How many were ever sent.
    pub(super) sent: Count,
    /// Turns that all of them have taken.
    turns: AtomicU64,
    /// Since when nobody gets on with work that waits, however many there are; 0 while somebody does.
    still_since: AtomicU64,
    /// Who is left when all of them are blocked.
    pub(super) reserve: Reserve,
}

/// A rescuer, as others see it.
struct Rescuer {
    thread: JoinHandle<()>,
    bed: Arc<Bed>,
    /// What the lookout saw of it.
    seen: Glance,
}

/// Where a rescuer waits.
#[derive(Default)]
struct Bed {
    /// It has found nothing to do.
    naps: AtomicBool,
    turns: Arc<Turns>,
}

impl Rescue {
    /// At most so many at a time.
    pub(super) fn of(most: usize) -> Self {
        Self {
            most,
            on_duty: AtomicBool::new(false),
            crew: Mutex::default(),
            told: AtomicBool::new(false),
            sent: Count::default(),
            turns: AtomicU64::new(0),
            still_since: AtomicU64::new(0),
            reserve: Reserve::default(),
        }
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_on_duty() && self.crew() >= self.most
    }

    /// Whether nobody gets on with work that waits, now. For the lookout.
    pub(super) fn note_still(&self, now_ns: Option<u64>) {
        match (now_ns, self.still_since.load(Relaxed)) {
            (Some(now_ns), 0) => self.still_since.store(now_ns.max(1), Relaxed),
            (None, since) if since != 0 => self.still_since.store(0, Relaxed),
            _ => {}
        }
    }

    /// Since when that is so.
    pub(super) fn still_since(&self) -> Option<u64> {
        Some(self.still_since.load(Relaxed)).filter(|&since| since != 0)
    }

    /// Whether rescuers take turns.
    pub(super) fn is_on_duty(&self) -> bool {
        self.on_duty.load(Acquire)
    }

    /// Something was put into the injector. Called after that.
    #[inline]
    pub(super) fn call(&self) {
        if self.on_duty.load(Relaxed) {
            self.rouse();
        }
    }

    /// Wakes a rescuer that naps, if one does.
    #[cold]
    fn rouse(&self) {
        // Pairs with the fence in `nap`: it sees the work, or we see that it naps.
        fence(SeqCst);
        let napper = |rescuer: &&Rescuer| rescuer.bed.naps.swap(false, Relaxed);
        if let Some(napper) = self.crew.lock().iter().find(napper) {
            napper.thread.thread().unpark();
        }
    }

    /// Turns that rescuers have begun.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// What those run whose turns have held them for so long, each told once. For the lookout.
    pub(super) fn held(&self, now: u64, after_ns: u64) -> Vec<(u64, u64)> {
        let mut crew = self.crew.lock();
        let looks = crew.iter_mut().filter_map(|Rescuer { bed, seen, .. }| {
            let Turns { begun, under_way, runs } = &*bed.turns;
            let runs = under_way.load(Relaxed).then(|| runs.load(Relaxed));
            seen.again(now, begun.load(Relaxed), runs, after_ns)
        });
        looks.collect()
    }

    /// How many there are: on duty, or in a turn that has not returned since.
    pub(super) fn crew(&self) -> usize {
        let mut crew = self.crew.lock();
        crew.retain(|rescuer| !rescuer.thread.is_finished());
        crew.len()
    }

    /// Pumps get on again, or the pool is closed.
    pub(super) fn dismiss(&self) {
        if self.on_duty.swap(false, AcqRel) {
            self.told.store(false, Relaxed);
            self.crew.lock().iter().map(|rescuer| rescuer.thread.thread()).for_each(Thread::unpark);
        }
    }

    /// Sends one more, unless there are as many as may be. For the lookout.
    pub(super) fn send(&self, pool: &Arc<Pool>, stretch: &mut Stretch) {
        let (name, is_first) = (&*pool.name(), !self.on_duty.load(Relaxed));
        // Told under no lock: whoever hears it may ask how many there are.
        match self.try_send(pool) {
            Ok(true) => {}
            Ok(false) if self.told.swap(true, Relaxed) => {}
            Ok(false) => tracing::error!(pool = name, rescuers = self.most, "{NOBODY_LEFT}"),
            Err(_) if self.told.swap(true, Relaxed) => {}
            Err(error) => tracing::error!(pool = name, %error, "no thread to take turns while the workers are blocked"),
        }
        if is_first {
            let by = pool.in_turns();
            if stretch.held(pool.port.now_ns(), by.len()) {
                pool.tell_held(Held::Workers(by));
            }
        }
    }

    /// False: there are as many as may be.
    fn try_send(&self, pool: &Arc<Pool>) -> std::io::Result<bool> {
        // Nobody but the lookout adds one.
        if self.crew() >= self.most {
            return Ok(false);
        }
        self.on_duty.store(true, Relaxed);
        let bed = Arc::<Bed>::default();
        let (rescued, own) = (pool.clone(), bed.clone());
        let thread = pool.port.spawn_worker("rescue", move || take_turns(&rescued, &own))?;
        self.sent.add_one();
        self.crew.lock().push(Rescuer { thread, bed, seen: Glance::default() });
        Ok(true)
    }
}

/// What a rescuer does until it is dismissed.
fn take_turns(pool: &Arc<Pool>, bed: &Bed) {
    // Its turns may be under way when the last pump goes: it counts as one.
    if !pool.one_more() {
        return;
    }
    let _runtime = pool.runtime.enter();
    let _taker = current::takes_beside(pool, bed.turns.clone());
    while pool.rescue.is_on_duty() && !pool.is_closed() {
        match pool.injector.pop() {
            Some(runnable) => {
                bed.turns.begin();
                turn(pool, runnable, &pool.rescue.turns);
                bed.turns.end();
            }
            None => bed.nap(pool),
        }
    }
    pool.one_less();
}

/// A turn of whoever is no pump, and counts its turns there.
pub(super) fn turn(pool: &Pool, runnable: Runnable, turns: &AtomicU64) {
    turns.fetch_add(1, Relaxed);
    let mut again = None;
    if !contain(|| again = runnable.run()) {
        tracing::error!(
            pool = &*pool.name(),
            "a panic has left a turn: a defect of the runtime, since user code is contained"
        );
    }
    if let Some(again) = again {
        // Behind all others.
        pool.schedule(again);
    }
}

impl Bed {
    fn nap(&self, pool: &Pool) {
        self.naps.store(true, Relaxed);
        // Pairs with the fence in `rouse`.
        fence(SeqCst);
        if pool.injector.is_empty() && pool.rescue.is_on_duty() {
            pool.port.park(Some(NAP));
        }
        self.naps.store(false, Relaxed);
    }
}
