//! Who waits for its back-off, and who has been restarted how often in a row.
//!
//! A wait has a generation: when it is over, a letter with that generation goes to the back of the inbox, and is heeded only
//! if the child still waits with it when the letter is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::ChildKey;
use crate::backoff::Backoff;

/// Which wait of which child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u64);

/// Empty as long as no child was restarted with a back-off.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    streaks: BTreeMap<ChildKey, Streak>,
    due: BTreeSet<(Duration, ChildKey, Generation)>,
    next: Generation,
    /// What the waits are drawn from.
    random: u64,
}

/// Restarts of one child in a row.
#[derive(Clone, Debug, Default)]
struct Streak {
    restarts: u32,
    /// Since when it runs.
    since: Option<Duration>,
    /// The wait under way: until when, and which. Its letter may be in the inbox already.
    wait: Option<(Duration, Generation)>,
}

impl Waits {
    pub(super) fn new(seed: u64) -> Self {
        Self { streaks: BTreeMap::new(), due: BTreeSet::new(), next: Generation(0), random: seed }
    }

    /// How long the next restart of this child waits.
    pub(super) fn draw(&mut self, child: ChildKey, now: Duration, backoff: &Backoff) -> Duration {
        let random = self.random();
        let streak = self.streaks.entry(child).or_default();
        let stable = |since: Duration| now.saturating_sub(since) >= backoff.reset_after;
        if streak.since.take().is_some_and(stable) {
            streak.restarts = 0;
        }
        let delay = backoff.delay(streak.restarts, random);
        streak.restarts = streak.restarts.saturating_add(1);
        delay
    }

    /// A child that was restarted before runs.
    pub(super) fn started(&mut self, child: ChildKey, now: Duration) {
        if let Some(streak) = self.streaks.get_mut(&child) {
            streak.since = Some(now);
        }
    }

    /// This child waits until then.
    pub(super) fn begin(&mut self, child: ChildKey, until: Duration) {
        self.cancel(child);
        let generation = self.next;
        self.next = Generation(generation.0 + 1);
        self.streaks.entry(child).or_default().wait = Some((until, generation));
        self.due.insert((until, child, generation));
    }

    /// This child waits no longer. Whether it did.
    pub(super) fn cancel(&mut self, child: ChildKey) -> bool {
        let wait = self.streaks.get_mut(&child).and_then(|streak| streak.wait.take());
        if let Some((until, generation)) = wait {
            self.due.remove(&(until, child, generation));
        }
        wait.is_some()
    }

    /// This child is no more.
    pub(super) fn forget(&mut self, child: ChildKey) {
        self.cancel(child);
        self.streaks.remove(&child);
    }

    /// Nobody waits any longer.
    pub(super) fn clear(&mut self) {
        self.streaks.clear();
        self.due.clear();
    }

    /// The next wait that is over by now.
    pub(super) fn over(&mut self, now: Duration) -> Option<(ChildKey, Generation)> {
        let (until, child, generation) = *self.due.first()?;
        (until <= now).then(|| self.due.pop_first())?;
        Some((child, generation))
    }

    /// Whether this child still waits with this generation.
    pub(super) fn is(&self, child: ChildKey, generation: Generation) -> bool {
        self.streaks.get(&child).and_then(|streak| streak.wait).is_some_and(|(_, current)| current == generation)
    }

    /// Whether this child waits.
    pub(super) fn has(&self, child: ChildKey) -> bool {
        self.streaks.get(&child).is_some_and(|streak| streak.wait.is_some())
    }

    /// When the next wait is over.
    pub(super) fn until(&self) -> Option<Duration> {
        self.due.first().map(|(until, ..)| *until)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.streaks.is_empty() && self.due.is_empty()
    }

    fn random(&mut self) -> u64 {
        // SplitMix64: a counter, mixed.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
