//! What is known of a pump from outside, and its queue's other end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use crashworthy_sync::run_queue::Remote;
use crashworthy_sync::task::Runnable;

/// One pump's. Counters are written by the pump alone, wherever it is polled.
#[repr(align(128))]
pub(super) struct Record {
    pub(super) remote: Remote<Runnable>,
    /// The pump's tokio task: always the same one.
    pub(super) waker: OnceLock<Waker>,
    pub(super) polls: Count,
    pub(super) turns: Count,
    pub(super) stolen: Count,
    pub(super) panics: Count,
    /// Clock readings in nanoseconds.
    pub(super) polled_at: AtomicU64,
    pub(super) notified_at: AtomicU64,
    /// When the turn under way began, by the coarse clock; 0 while none is.
    pub(super) turn_since: AtomicU64,
    /// What it runs, in the words of whoever runs it.
    pub(super) runs: AtomicU64,
}

impl Record {
    pub(super) fn new(remote: Remote<Runnable>) -> Self {
        Self {
            remote,
            waker: OnceLock::new(),
            polls: Count::default(),
            turns: Count::default(),
            stolen: Count::default(),
            panics: Count::default(),
            polled_at: AtomicU64::new(0),
            notified_at: AtomicU64::new(0),
            turn_since: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        }
    }

    /// How long the turn under way has been running.
    pub(super) fn in_turn(&self, now: u64) -> Option<u64> {
        match self.turn_since.load(Relaxed) {
            0 => None,
            since => Some(now.saturating_sub(since)),
        }
    }
}

/// Counted by one thread at a time, read by all: no locked instruction.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add_one(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
