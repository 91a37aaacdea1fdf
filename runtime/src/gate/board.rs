//! What senders read of an actor before they send, and what they leave there when it refuses.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::admission::Sight;
use super::limits::ServiceTime;

/// No standing limit: the actor takes whatever it can do in time.
const OPEN: u32 = u32::MAX;

/// Figures that one actor writes and anybody reads.
///
/// Each stands for itself: a reader that meets them half changed sees an estimate that lies between two. So nothing here
/// orders anything.
#[derive(Debug)]
pub(crate) struct Board {
    service: [AtomicU32; 3],
    standing: AtomicU32,
    /// When a sender was refused last, and what time it had left. Written by senders.
    refused_at: AtomicU64,
    /// An odd number if since then somebody was refused who had his share.
    refused_left_ns: AtomicU64,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            service: Default::default(),
            standing: AtomicU32::new(OPEN),
            refused_at: AtomicU64::new(0),
            refused_left_ns: AtomicU64::new(0),
        }
    }
}

impl Board {
    pub(crate) fn sight(&self) -> Sight {
        let standing = Some(self.standing.load(Relaxed)).filter(|&standing| standing != OPEN);
        Sight { service: self.service(), standing, running_ns: 0, held: None }
    }

    pub(crate) fn service(&self) -> ServiceTime {
        ServiceTime::from_words([0, 1, 2].map(|at: usize| self.service[at].load(Relaxed)))
    }

    /// A sender is refused that had so much time left.
    pub(crate) fn refuses(&self, now: u64, left_ns: u64) {
        self.refused_left_ns.store(left_ns & !1, Relaxed);
        // 0 says that nobody was.
        self.refused_at.store(now.max(1), Relaxed);
    }

    /// A sender is refused because he has his share.
    pub(super) fn refuses_share(&self) {
        if self.refused_left_ns.load(Relaxed) & 1 == 0 {
            self.refused_left_ns.fetch_or(1, Relaxed);
        }
    }

    /// Whether that was so since this was last asked.
    pub(super) fn has_refused_share(&self) -> bool {
        self.refused_left_ns.fetch_and(!1, Relaxed) & 1 == 1
    }

    /// The last refusal: when, and what time was left.
    pub(super) fn refused(&self) -> Option<(u64, u64)> {
        let at = self.refused_at.load(Relaxed);
        (at != 0).then(|| (at, self.refused_left_ns.load(Relaxed) & !1))
    }

    pub(super) fn forget_refusals(&self) {
        self.refused_at.store(0, Relaxed);
    }

    pub(super) fn publish(&self, sight: Sight) {
        for (word, figure) in self.service.iter().zip(sight.service.to_words()) {
            word.store(figure, Relaxed);
        }
        self.standing.store(sight.standing.unwrap_or(OPEN), Relaxed);
    }
}
