//! What the cells of one system share. Not a singleton: two systems in one process do not see each other.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crashworthy_sync::table::Table;
use parking_lot::Mutex;

use crate::cell::{AnyCell, Status, WeakCell};
use crate::dead_letter::DeadLetters;
use crate::event::EventLog;
use crate::letters::LetterRing;
use crate::names::{Groups, Names};
use crate::pid::ActorId;
use crate::pools::Pools;
use crate::port::Port;
use crate::report::Reports;
use crate::rests::Rests;
use crate::scheduler::{Pool, PoolStats};
use crate::shutdown::Stop;
use crate::system::Settings;
use crate::time::Wheel;
use crate::trace::Traces;
use crate::turn::Stragglers;
use crate::view::Paces;

/// A step of message stamps: about a millisecond, and a power of two, since every message is stamped.
const STAMP_NS: u64 = 1 << 20;

/// How long before a point of the clock a message with this stamp was sent, at least.
pub(crate) fn waited(stamp: u32, until: u64) -> u64 {
    let steps = ((until / STAMP_NS) as u32).wrapping_sub(stamp) as i32;
    u64::try_from(steps - 1).unwrap_or(0) * STAMP_NS
}

/// How long before a point of the clock a message with this stamp was sent, to a step; if the clock rested then, since it
/// went on.
fn sent_before(now: u64, stamp: u32, rests: &Rests) -> u64 {
    let steps = now / STAMP_NS;
    // Stamps wrap, and are looked at within one round.
    let sent = steps.saturating_sub((steps as u32).wrapping_sub(stamp).into());
    let from = rests.end_of(sent, STAMP_NS).map_or(sent, |end| end / STAMP_NS);
    steps.saturating_sub(from) * STAMP_NS
}

pub(crate) struct Shared {
    me: Weak<Self>,
    pub(crate) settings: Settings,
    pub(crate) port: Arc<Port>,
    /// The system's own pool, and the others.
    pub(crate) pool: Arc<Pool>,
    pub(crate) pools: Pools,
    pub(crate) wheel: Arc<Wheel>,
    pub(crate) names: Names,
    pub(crate) groups: Groups,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) stragglers: Arc<Stragglers>,
    /// What callers are told apart by, besides who they are.
    pub(crate) salt: u64,
    pub(crate) stop: Stop,
    cells: Table<WeakCell>,
    pub(crate) reports: Reports,
    pub(crate) events: EventLog,
    pub(crate) letters: LetterRing,
    pub(crate) views: Paces,
    pub(crate) traces: Traces,
    /// What other crates keep with the system, one of a type.
    extensions: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
    monitors: AtomicU64,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        port: Arc<Port>,
        pool: Arc<Pool>,
        wheel: Arc<Wheel>,
        dead_letters: DeadLetters,
        reports: Reports,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            salt: port.rng_u64(),
            settings,
            port,
            pool,
            pools: Pools::default(),
            wheel,
            names: Names::default(),
            groups: Groups::default(),
            dead_letters,
            stragglers: Arc::default(),
            stop: Stop::default(),
            cells: Table::new(),
            reports,
            events: EventLog::new(),
            letters: LetterRing::new(),
            views: Paces::default(),
            traces: Traces::default(),
            extensions: Mutex::default(),
            monitors: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// All pools at this moment, the system's own first.
    pub(crate) fn pool_stats(&self) -> Vec<PoolStats> {
        let mut pools = vec![self.pool.stats()];
        pools.extend(self.pools.stats());
        pools
    }

    /// Gives a cell its identity.
    pub(crate) fn enroll(&self, cell: WeakCell) -> ActorId {
        // 0 is nobody's: the table's keys begin at 0.
        ActorId::new(self.cells.insert(cell).as_u64() + 1)
    }

    /// Forgets a cell that nobody holds any more.
    pub(crate) fn strike(&self, id: ActorId) {
        self.cells.remove((id.as_u64() - 1).into());
    }

    pub(crate) fn find(&self, id: ActorId) -> Option<Arc<dyn AnyCell>> {
        self.cells.get(id.as_u64().checked_sub(1)?.into())?.upgrade()
    }

    pub(crate) fn each_cell(&self, mut visit: impl FnMut(Arc<dyn AnyCell>)) {
        let mut cells = Vec::with_capacity(self.cells.len());
        self.cells.for_each(|_, cell| cells.extend(cell.upgrade()));
        cells.into_iter().for_each(&mut visit);
    }

    /// Shows each cell once, and keeps none of them: each is dropped before the next is shown, so that what it has in a cache
    /// is read once.
    pub(crate) fn visit_cells(&self, mut visit: impl FnMut(&Arc<dyn AnyCell>)) {
        self.cells.for_each(|_, cell| {
            if let Some(cell) = cell.upgrade() {
                visit(&cell);
            }
        });
    }

    pub(crate) fn cells(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn next_monitor(&self) -> u64 {
        self.monitors.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The stamp of a message: the coarse clock in wrapping steps of [`STAMP_NS`].
    #[inline(always)]
    pub(crate) fn stamp(&self) -> u32 {
        (self.port.coarse_ns() / STAMP_NS) as u32
    }

    pub(crate) fn age(&self, stamp: u32) -> Duration {
        Duration::from_nanos(u64::from(self.stamp().wrapping_sub(stamp)) * STAMP_NS)
    }

    /// How long ago a message with this stamp was sent, to a step; if the clock rested then, since it went on.
    pub(crate) fn sent_ago(&self, stamp: u32) -> Duration {
        Duration::from_nanos(sent_before(self.port.coarse_ns(), stamp, &self.port.rests))
    }

    /// The one value of this type that is kept with the system; made when it is first asked for.
    pub(crate) fn extension<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let kept = self.extensions.lock().iter().find_map(|kept| kept.clone().downcast().ok());
        if let Some(kept) = kept {
            return kept;
        }
        // Made outside of the lock: it is another crate's code. Of two that are made at once one is kept.
        let made = Arc::new(T::default());
        let mut extensions = self.extensions.lock();
        if let Some(kept) = extensions.iter().find_map(|kept| kept.clone().downcast().ok()) {
            return kept;
        }
        extensions.push(made.clone());
        made
    }

    /// Whether the system has ended, or its runtime has gone: nothing starts any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends the system: nothing starts any more, and slots at rest are closed for good.
    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.each_cell(|cell| cell.shut(Status::Gone));
        }
    }

    /// A count of its own.
    pub(crate) fn arc(&self) -> Arc<Self> {
        self.me.upgrade().expect("whoever looks at it keeps it")
    }

    pub(crate) fn weak(&self) -> Weak<Self> {
        self.me.clone()
    }
}

impl Drop for Shared {
    /// Nobody has an address, nobody holds the system: its pumps, its lookout and its wheel have nothing to do any more.
    fn drop(&mut self) {
        self.pools.close();
        self.pool.close();
        self.wheel.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_is_sent_every_50_ms_for_a_minute_is_as_old_as_it_is_after_long_rests_and_near_the_end_of_a_round_of_stamps()
    {
        let rests = Rests::default();
        // The clock as it was seen last: what is sent is stamped with it.
        let mut coarse = (u64::from(u32::MAX) * STAMP_NS).saturating_sub(30_000 * MS);
        for _ in 0..64 {
            rests.note(coarse, coarse + 120 * MS);
            coarse += 120 * MS;
        }
        let mut queued = Vec::new();
        for _ in 0..1_200 {
            let (stamp, sent) = ((coarse / STAMP_NS) as u32, coarse + 50 * MS);
            rests.note(coarse, sent);
            queued.push((stamp, sent));
            coarse = sent + MS / 5;
            assert!(sent_before(coarse, stamp, &rests) <= STAMP_NS, "one that is taken at once");
        }
        for (stamp, sent) in queued {
            let (told, age) = (sent_before(coarse, stamp, &rests), coarse - sent);
            assert!(told.abs_diff(age) <= STAMP_NS, "one that waits: {told} ns, not {age} ns");
        }
    }
}
