//! The threads that take turns.

use std::time::Duration;

use crashworthy_runtime::millis;
use crashworthy_runtime::scheduler::{PoolKind, PoolStats, PumpState, PumpStats};
use serde::{Deserialize, Serialize};

/// Pools that are told, at most; and of each so many workers.
const POOLS: usize = 64;
const WORKERS: usize = 256;

/// All pools of a system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pools {
    /// How many there are.
    pub total: usize,
    /// The first of them.
    pub first: Vec<PoolView>,
}

/// A pool: the workers of one runtime, on which actors take their turns. Its figures are read one by one while it works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    /// Its name: the system's, the bulkhead's, or the path of the actor that is alone there.
    pub name: String,
    /// Whose threads they are.
    #[serde(default)]
    pub kind: PoolKind,
    /// Slots that run there, and supervisors that start some; none for the system's own pool, which has all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actors: Option<usize>,
    /// How many workers it has.
    pub total: usize,
    /// The first of them.
    pub workers: Vec<WorkerView>,
    /// How many of all workers are in a turn.
    pub in_turn: usize,
    /// Actors that wait for a turn.
    pub queued: usize,
    /// Turns that were taken so far, by workers and rescuers.
    pub turns: u64,
    /// Threads that take turns just now because handlers block every worker, or have not returned since.
    pub rescuers: usize,
    /// How many of those there have been.
    pub rescues: u64,
    /// For how long nobody has got on with what waits, since every worker is blocked and as many rescuers as there may be.
    #[serde(default, rename = "still_for_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub still_for: Option<Duration>,
    /// It takes no more work: its runtime has gone, or its system has ended.
    pub closed: bool,
}

/// One worker of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// What it is about.
    pub state: PumpState,
    /// For how long the turn has run that it is in, to a few milliseconds.
    #[serde(default, rename = "for_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub in_turn_for: Option<Duration>,
    /// Actors that wait for it; others may take them.
    pub queued: usize,
    /// Turns that it has begun so far.
    pub turns: u64,
    /// How often it took work that was another's.
    pub stolen: u64,
}

impl From<Vec<PoolStats>> for Pools {
    fn from(pools: Vec<PoolStats>) -> Self {
        Self { total: pools.len(), first: pools.into_iter().take(POOLS).map(PoolView::from).collect() }
    }
}

impl From<PoolStats> for PoolView {
    fn from(pool: PoolStats) -> Self {
        let (queued, turns) = (pool.queued(), pool.turns());
        let PoolStats { name, kind, actors, at_ns, closed, rescuers, rescues, still_since_ns, pumps, .. } = pool;
        let still_for = still_since_ns.map(|since| Duration::from_nanos(at_ns.saturating_sub(since)));
        let in_turn = pumps.iter().filter(|pump| pump.state == PumpState::InTurn).count();
        let workers = pumps.iter().take(WORKERS).map(|pump| WorkerView::of(pump, at_ns)).collect();
        Self {
            name,
            kind,
            actors,
            total: pumps.len(),
            workers,
            in_turn,
            queued,
            turns,
            rescuers,
            rescues,
            still_for,
            closed,
        }
    }
}

impl WorkerView {
    fn of(pump: &PumpStats, now_ns: u64) -> Self {
        let PumpStats { state, turns, stolen, queued, running, .. } = *pump;
        let ran = |(_, since): (u64, u64)| Duration::from_nanos(now_ns.saturating_sub(since));
        let in_turn_for = running.filter(|_| state == PumpState::InTurn).map(ran);
        Self { state, in_turn_for, queued, turns, stolen }
    }
}
