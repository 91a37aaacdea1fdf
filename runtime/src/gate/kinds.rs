//! How long messages of each kind take, as far as an actor's stretches of work tell.
//!
//! The clock is not read for each message: a stretch that was timed may have ended messages of several kinds. What it took
//! beyond what was expected, or less, is due to each kind as much as that varies: the conditional expectation if times were
//! normally distributed. A stretch of one kind tells of that kind alone, and after a slow message stretches are short, so
//! kinds that differ much are soon told apart. Those that always come together, in the same proportion, are not: of them only
//! the sum is known, and only the sum is asked for.

use super::estimator::Estimator;
use super::limits::ServiceTime;

/// Kinds that are told apart by name. All others share one estimate.
pub(super) const NAMED: usize = 7;
/// All of them.
pub(super) const KINDS: usize = NAMED + 1;
/// So long after it was last seen, nothing is known of a kind any more, and when it is seen again it is learnt anew: about four
/// seconds. Else one that was slow once, and is refused for that, would never be seen to be quick again.
const LASTS: u32 = 1 << 12;
/// They differ when one takes so many times as long as another.
const DIFFER: u64 = 2;

/// A kind of an actor's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u8);

impl Slot {
    /// The kinds for which there was no room.
    pub(super) const REST: Self = Self(NAMED as u8);

    pub(super) fn new(at: usize) -> Self {
        Self(at.min(NAMED) as u8)
    }

    pub(super) fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// What each kind takes, and what the stretch that goes on has ended so far. Counts are those of all messages ever handled,
/// wrapping.
#[derive(Debug)]
pub(super) struct Told {
    each: [Estimator; KINDS],
    /// When each was seen last: a [`step`](super::standing::step).
    seen: [u32; KINDS],
    /// When a stretch ended last: the same.
    now: u32,
    /// Messages of the stretch, but for those since the last change.
    tally: [u32; KINDS],
    /// The kind since the last change, and when that was.
    current: Slot,
    changed: u32,
}

impl Default for Told {
    fn default() -> Self {
        let (each, seen, tally) = (Default::default(), [0; KINDS], [0; KINDS]);
        Self { each, seen, now: 0, tally, current: Slot::REST, changed: 0 }
    }
}

impl Told {
    /// So many were handled; what comes now is of this kind.
    pub(super) fn turns_to(&mut self, slot: Slot, handled: u32) {
        let since = handled.wrapping_sub(self.changed);
        let tallied = &mut self.tally[self.current.at()];
        *tallied = tallied.wrapping_add(since);
        (self.current, self.changed) = (slot, handled);
    }

    /// What was handled since the last change was of this kind.
    pub(super) fn stays(&mut self, slot: Slot) {
        self.current = slot;
    }

    /// A stretch begins when so many were handled.
    pub(super) fn begins(&mut self, handled: u32) {
        self.turns_to(self.current, handled);
        self.tally = [0; KINDS];
    }

    /// A stretch ends, in this step of time, that began at `before`, and in which so many messages took so long; of all kinds
    /// this was believed.
    pub(super) fn ends(&mut self, before: u32, messages: u32, took_ns: u64, all: ServiceTime, now: u32) {
        self.now = now;
        let handled = before.wrapping_add(messages);
        self.turns_to(self.current, handled);
        let tally = std::mem::take(&mut self.tally);
        // One that was not seen from its beginning tells nothing.
        let counted = tally.iter().fold(0_u32, |sum, &count| sum.wrapping_add(count));
        if counted == messages && messages != 0 {
            self.attribute(tally, took_ns, all);
        }
    }

    fn attribute(&mut self, tally: [u32; KINDS], took_ns: u64, all: ServiceTime) {
        for at in (0..KINDS).filter(|&at| tally[at] != 0) {
            if !self.is_fresh(at) {
                self.each[at] = Estimator::default();
            }
            self.seen[at] = self.now;
        }
        if let Some(at) = only(&tally) {
            return self.each[at].observe(took_ns, tally[at]);
        }
        // What hardly varies is given half its mean as a deviation, or nothing new would ever be learnt of it.
        let believed = self.each.each_ref().map(|estimator| {
            let (mean, variance) = estimator.law().unwrap_or_else(|| all.law());
            (mean, variance.max(mean * mean / 4.0))
        });
        let sum = |of: fn(&(f64, f64)) -> f64| -> f64 {
            believed.iter().zip(tally).map(|(law, count)| of(law) * f64::from(count)).sum()
        };
        let (expected, spread) = (sum(|law| law.0), sum(|law| law.1));
        let off = (took_ns as f64 - expected) / spread.max(f64::MIN_POSITIVE);
        for ((estimator, (mean, variance)), count) in self.each.iter_mut().zip(believed).zip(tally) {
            let each = (mean + off * variance).max(0.0);
            estimator.observe((each * f64::from(count)) as u64, count);
        }
    }

    fn is_fresh(&self, at: usize) -> bool {
        self.now.wrapping_sub(self.seen[at]) < LASTS
    }

    /// What is believed of a kind; nothing, as long as little was seen of it, or if that is long ago.
    pub(super) fn service(&self, slot: Slot) -> Option<ServiceTime> {
        Some(self.each[slot.at()].service()).filter(|service| service.is_sure() && self.is_fresh(slot.at()))
    }

    /// Whether kinds differ so much that they have to be told apart, and the slowest.
    pub(super) fn differ(&self) -> Option<ServiceTime> {
        let sure = || (0..KINDS).filter_map(|at| self.service(Slot::new(at)));
        let slowest = sure().max_by_key(|service| service.mean_ns())?;
        let quickest = sure().map(ServiceTime::mean_ns).min()?;
        (slowest.mean_ns() >= DIFFER.saturating_mul(quickest.max(1))).then_some(slowest)
    }
}

/// The only kind of which there are messages.
fn only(tally: &[u32; KINDS]) -> Option<usize> {
    let mut there = (0..KINDS).filter(|&at| tally[at] != 0);
    let only = there.next()?;
    there.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: u64 = 1_000;

    /// Stretches of work, as a list of how many of which kind came one after another; each kind takes what it says.
    struct Work {
        told: Told,
        all: Estimator,
        handled: u32,
        takes: Vec<u64>,
        now: u32,
    }

    impl Work {
        fn new(takes: &[u64]) -> Self {
            Self {
                told: Told::default(),
                all: Estimator::default(),
                handled: u32::MAX - 5,
                takes: takes.to_vec(),
                now: 7,
            }
        }

        fn stretch(&mut self, runs: &[(usize, u32)]) {
            let (before, mut took) = (self.handled, 0);
            self.told.begins(before);
            for &(at, count) in runs {
                self.told.turns_to(Slot::new(at), self.handled);
                self.handled = self.handled.wrapping_add(count);
                took += self.takes[at] * u64::from(count);
            }
            let messages = self.handled.wrapping_sub(before);
            self.all.observe(took, messages);
            self.told.ends(before, messages, took, self.all.service(), self.now);
        }

        fn mean(&self, at: usize) -> u64 {
            self.told.service(Slot::new(at)).expect("it was seen often enough").mean_ns()
        }
    }

    #[test]
    fn kinds_that_come_alone_are_known_exactly() {
        let mut work = Work::new(&[10 * US, 1_000 * US]);
        for _ in 0..100 {
            work.stretch(&[(0, 5)]);
            work.stretch(&[(1, 1)]);
        }
        assert_eq!((work.mean(0), work.mean(1)), (10 * US, 1_000 * US));
        assert_eq!(work.told.differ().map(ServiceTime::mean_ns), Some(1_000 * US));
    }

    #[test]
    fn kinds_that_come_in_one_stretch_are_told_apart_though_the_clock_is_read_once() {
        let mut work = Work::new(&[10 * US, 1_000 * US]);
        // The slow one never comes alone, and one stretch in three is without.
        for round in 0..120 {
            work.stretch(&[(0, 20 + round % 7), (1, round % 3), (0, 1)]);
        }
        let (short, long) = (work.mean(0), work.mean(1));
        assert!(short.abs_diff(10 * US) < 2 * US && long.abs_diff(1_000 * US) < 50 * US, "{short} and {long}");
    }

    #[test]
    fn kinds_that_take_alike_are_not_told_apart() {
        let mut work = Work::new(&[100 * US, 150 * US]);
        (0..100).for_each(|_| work.stretch(&[(0, 1), (1, 1)]));
        (0..100).for_each(|round| work.stretch(&[(round % 2, 1)]));
        assert_eq!(work.told.differ(), None);
    }

    #[test]
    fn a_kind_of_which_little_was_seen_says_nothing() {
        let mut work = Work::new(&[10 * US, 1_000 * US]);
        (0..100).for_each(|_| work.stretch(&[(0, 1)]));
        (0..7).for_each(|_| work.stretch(&[(1, 1)]));
        assert_eq!((work.told.service(Slot::new(1)), work.told.differ()), (None, None));
        work.stretch(&[(1, 1)]);
        assert!(work.told.differ().is_some());
    }

    #[test]
    fn a_kind_that_was_not_seen_for_long_is_learnt_anew() {
        let mut work = Work::new(&[10 * US, 1_000 * US]);
        (0..100).for_each(|round| work.stretch(&[(round % 2, 1)]));
        assert!(work.told.differ().is_some());
        work.now += LASTS;
        work.stretch(&[(0, 1)]);
        assert_eq!((work.told.service(Slot::new(1)), work.told.differ()), (None, None), "it may be quick by now");
        work.takes[1] = 20 * US;
        (0..100).for_each(|round| work.stretch(&[(round % 2, 1)]));
        assert_eq!(work.mean(1), 20 * US, "nothing is left of what it was");
    }

    #[test]
    fn a_stretch_whose_beginning_nobody_saw_tells_nothing() {
        let mut told = Told::default();
        told.turns_to(Slot::new(0), 100);
        for round in 0..50 {
            // It is said to have begun earlier, or later.
            let before = 100 + 10 * round;
            told.ends(before - 1 - (round % 2), 10, 1 << 40, ServiceTime::default(), 0);
        }
        assert_eq!(told.service(Slot::new(0)), None);
    }

    proptest! {
        #[test]
        fn whatever_happens_every_message_is_counted_once_and_the_figures_are_figures(
            stretches in prop::collection::vec((prop::collection::vec((0..KINDS, 0..50_u32), 1..9), any::<u64>()), 1..50),
        ) {
            let (mut told, mut handled) = (Told::default(), 0_u32);
            for (runs, took) in stretches {
                let before = handled;
                for &(at, count) in &runs {
                    told.turns_to(Slot::new(at), handled);
                    handled += count;
                }
                // Before the end all but the last run is in the tally.
                let tallied: u32 = told.tally.iter().sum();
                prop_assert_eq!(tallied + runs.last().map_or(0, |run| run.1), handled - before);
                told.ends(before, handled - before, took, ServiceTime::default(), (took >> 54) as u32);
                prop_assert_eq!(told.tally, [0; KINDS]);
                for at in 0..KINDS {
                    let service = told.each[at].service();
                    prop_assert!(service.law().0.is_finite() && service.law().1.is_finite() && service.law().1 >= 0.0);
                }
            }
        }
    }
}
