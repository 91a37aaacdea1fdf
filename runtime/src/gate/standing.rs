//! The standing queue of an actor that refuses: it is given back.
//!
//! A queue that never empties keeps everybody waiting and serves nobody the more. While an actor refuses, it watches how
//! short its mailbox gets. If it never gets short, it takes fewer messages; when it runs dry, it takes more. So those who
//! are served are served quickly, not just in time.

use std::num::NonZeroU64;

/// Messages that a window has at least.
const WINDOW: u32 = 64;
/// Each window gives back one in so many of the messages that never went away.
const GIVEN_BACK: f32 = 4.0;
/// What is added when the actor ran dry, for that and for each message it could have served meanwhile.
const ADDED: f32 = 2.0;
/// An actor that refuses keeps this many places.
pub(crate) const LEAST: f32 = 2.0;

/// How much an actor that refuses lets wait.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    limit: f32,
    /// The deadline of those it refuses: a window lasts as long, and so does the memory of a refusal.
    window_ns: NonZeroU64,
    began: u64,
    messages: u32,
    /// The shortest that the mailbox was in this window.
    lowest: u32,
    /// When somebody was refused for having his share, last: a [`step`].
    shared_at: u32,
}

impl Standing {
    /// It has begun to refuse.
    pub(crate) fn begin(now: u64, window_ns: u64, places: u32) -> Self {
        let limit = (places as f32).max(LEAST);
        let shared_at = step(now);
        Self { limit, window_ns: at_least_one(window_ns), began: now, messages: 0, lowest: u32::MAX, shared_at }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Whether there was no refusal for so many deadlines.
    pub(crate) fn is_over(&self, now: u64, refused_at: u64, deadlines: u64) -> bool {
        now.saturating_sub(refused_at) >= self.window_ns.get().saturating_mul(deadlines)
    }

    /// Whether somebody was refused for having his share not longer than a deadline ago; and whether somebody was just now.
    pub(crate) fn shares(&mut self, now: u64, refused: bool) -> bool {
        if refused {
            self.shared_at = step(now);
        }
        u64::from(step(now).wrapping_sub(self.shared_at)) << 20 < self.window_ns.get()
    }

    /// The deadline of those refused is this from now on.
    pub(crate) fn refuses(&mut self, window_ns: u64) {
        self.window_ns = at_least_one(window_ns);
    }

    /// So many messages were taken out, and this many are left.
    pub(crate) fn took(&mut self, now: u64, messages: u32, left: u32) {
        self.messages = self.messages.saturating_add(messages);
        self.lowest = self.lowest.min(left);
        if self.messages < WINDOW || now.saturating_sub(self.began) < self.window_ns.get() {
            return;
        }
        self.limit = (self.limit - self.lowest.saturating_sub(1) as f32 / GIVEN_BACK).max(LEAST);
        (self.began, self.messages, self.lowest) = (now, 0, u32::MAX);
    }

    /// There was nothing to do for so many messages' time; there are this many places at the most.
    pub(crate) fn ran_dry(&mut self, idle_messages: f32, places: u32) {
        let most = (places as f32).max(LEAST);
        self.limit = (self.limit + ADDED * (1.0 + idle_messages)).min(most);
        self.lowest = 0;
    }
}

fn at_least_one(ns: u64) -> NonZeroU64 {
    NonZeroU64::new(ns).unwrap_or(NonZeroU64::MIN)
}

/// A time in steps of about a millisecond, wrapping.
pub(super) fn step(now: u64) -> u32 {
    (now >> 20) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mailbox_that_never_gets_short_is_cut_down_window_by_window() {
        let mut standing = Standing::begin(0, 100, 84);
        for message in 1..=1_000 {
            standing.took(message * 100 / 64, 1, standing.limit() - 1);
        }
        assert!((3..10).contains(&standing.limit()), "{standing:?}");
    }

    #[test]
    fn who_runs_dry_takes_more_and_never_more_than_can_be_done() {
        let mut standing = Standing::begin(0, 100, 2);
        standing.ran_dry(0.0, 84);
        assert_eq!(standing.limit(), 4);
        standing.ran_dry(3.0, 84);
        assert_eq!(standing.limit(), 12);
        standing.ran_dry(1e9, 84);
        assert_eq!(standing.limit(), 84);
    }

    #[test]
    fn a_deadline_without_refusals_ends_it() {
        let standing = Standing::begin(1_000, 100, 84);
        assert!(!standing.is_over(1_099, 1_000, 1));
        assert!(standing.is_over(1_100, 1_000, 1) && !standing.is_over(1_100, 1_000, 2));
    }

    proptest! {
        #[test]
        fn whatever_happens_two_places_are_left(
            places in 0..1_000_u32,
            steps in prop::collection::vec((0..1_000_u64, 0..100_u32, 0..1_000_u32, any::<bool>()), 0..500),
        ) {
            let (mut standing, mut now) = (Standing::begin(0, 1_000, places), 0);
            for (passes, messages, left, dry) in steps {
                now += passes;
                if dry { standing.ran_dry(left as f32, places) } else { standing.took(now, messages, left) }
                prop_assert!(standing.limit() >= 2 && standing.limit() <= places.max(2));
            }
        }
    }
}
