//! A pool at one moment, as plain data.

use serde::{Deserialize, Serialize};

/// A pool at one moment. Numbers are read one by one while pumps run: each is right, all together are nearly so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStats {
    /// Whose threads they are.
    #[serde(default)]
    pub kind: PoolKind,
    /// The pool's name: the system's, the bulkhead's, the actor's.
    pub name: String,
    /// Slots that run here, and supervisors that start some; `None` for a system's own pool, which has all others.
    #[serde(default)]
    pub actors: Option<usize>,
    /// The system's clock when this was read.
    pub at_ns: u64,
    /// The pool takes no more work.
    pub closed: bool,
    /// Runnables that wait where any pump looks.
    pub injected: usize,
    /// Threads that take turns because no worker does, or have not returned since.
    pub rescuers: usize,
    /// How many of these there have been.
    pub rescues: u64,
    /// Turns that they have taken.
    pub rescued: u64,
    /// Since when nobody has got on with what waits, since every worker is blocked and as many rescuers as there may be, by the system's
    /// clock.
    #[serde(default)]
    pub still_since_ns: Option<u64>,
    /// Each pump.
    pub pumps: Vec<PumpStats>,
}

impl PoolStats {
    /// Runnables that wait, anywhere.
    pub fn queued(&self) -> usize {
        self.injected + self.pumps.iter().map(|pump| pump.queued).sum::<usize>()
    }

    /// Whether nothing is under way, and nothing waits.
    pub fn is_at_rest(&self) -> bool {
        self.busy() == 0 && self.queued() == 0
    }

    /// Pumps that are not idle, and rescuers.
    pub fn busy(&self) -> usize {
        self.rescuers + self.pumps.iter().filter(|pump| pump.state != PumpState::Idle).count()
    }

    /// Turns taken, by all pumps and rescuers.
    pub fn turns(&self) -> u64 {
        self.rescued + self.pumps.iter().map(|pump| pump.turns).sum::<u64>()
    }
}

/// Whose threads a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PoolKind {
    /// The system's own: whoever was not told otherwise.
    #[default]
    System,
    /// Those of a [bulkhead](crate::Bulkhead).
    Bulkhead,
    /// One actor's.
    Own,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A pump at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PumpStats {
    /// What it is about.
    pub state: PumpState,
    /// Polls begun.
    pub polls: u64,
    /// Turns begun.
    pub turns: u64,
    /// Times it took work that was another pump's.
    pub stolen: u64,
    /// Panics that left a turn: a defect of the runtime, since user code is contained below.
    pub panics: u64,
    /// Runnables that wait here.
    pub queued: usize,
    /// When its last poll began, by the system's clock.
    pub polled_at_ns: u64,
    /// When it was notified last.
    pub notified_at_ns: u64,
    /// The number of the actor whose turn it is in (that of the callee, where that runs in the asker's place; 0 while nobody knows), and
    /// since when (coarsely).
    pub running: Option<(u64, u64)>,
}

/// What a pump is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PumpState {
    /// It waits for work.
    Idle,
    /// It was woken, and no worker has got round to polling it.
    Notified,
    /// A turn is under way.
    InTurn,
    /// It is between turns, or has let others go first.
    Ready,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}
