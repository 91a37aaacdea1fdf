//! Whether there is time for a message among messages of other kinds.
//!
//! The laws of [`admission`](super::admission) count messages. Where kinds differ, what counts is the work: each message that
//! waits stands for what its kind takes. The answer is again how many messages may be in the mailbox, so that taking a place
//! decides: so many as there are, and as many more of this kind as fit.

use super::limits::ServiceTime;

/// Work that is to be done, and how far off that may be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    ns: f64,
    /// The margin's square: that of a sum is the sum of those.
    margin2: f64,
}

impl Work {
    pub(super) fn of(service: ServiceTime, messages: u32) -> Self {
        let (ns, margin2) = service.unit();
        let messages = f64::from(messages);
        Self { ns: messages * ns, margin2: messages * margin2 }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { ns: self.ns + other.ns, margin2: self.margin2 + other.margin2 }
    }

    /// How long it is expected to take.
    pub(super) fn wait_ns(self) -> u64 {
        self.ns as u64
    }

    /// The same as a number of messages that each take so long.
    pub(super) fn messages(self, each: ServiceTime) -> u32 {
        (self.ns / each.unit().0.max(1.0)) as u32
    }

    /// Within what time it is done, as a rule.
    fn time(self) -> f64 {
        self.ns + self.margin2.sqrt()
    }
}

/// What a message would wait for, and what it takes itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amid {
    /// Messages that wait.
    pub(super) queued: u32,
    /// The work they are.
    pub(super) waiting: Work,
    /// The message in hand, if there is one.
    pub(super) in_hand: Option<ServiceTime>,
    /// One of this kind.
    pub(super) own: ServiceTime,
    /// One of any kind.
    pub(super) usual: ServiceTime,
}

impl Amid {
    /// How many messages may be in the mailbox before this one, which costs as much as so many usual ones, if it is to be done
    /// within this time.
    pub(super) fn places(&self, within_ns: u64, cost: u32) -> u32 {
        let (before, one) = (self.before(), Work::of(self.own, 1));
        // What its kind takes is known, and may be for what it costs: it is not counted twice.
        let costs = Work::of(self.usual, cost);
        let first = if cost > 1 && costs.ns > one.ns { costs } else { one };
        let over = before.and(first).time() - within_ns as f64;
        if over > 0.0 {
            let too_many = Work { ns: over, margin2: 0.0 }.messages(self.usual);
            return self.queued.saturating_sub(too_many);
        }
        let more = self.more(before.and(first), within_ns as f64);
        self.queued.saturating_add(more.saturating_add(1))
    }

    /// What is to be done before this one: as in the law for one kind, a message is in hand, whether or not one is.
    fn before(&self) -> Work {
        self.waiting.and(Work::of(self.in_hand.unwrap_or(self.usual), 1))
    }

    /// The most messages of this kind that are done within a time after what is before them.
    fn more(&self, before: Work, within: f64) -> u32 {
        let (mean, margin2) = self.own.unit();
        let left = within - before.ns;
        if left < 0.0 || left * left < before.margin2 {
            return 0;
        }
        // The smaller root of (left - n mean)² = margin² + n own².
        let half = 2.0 * left * mean + margin2;
        let root = (half * half - 4.0 * mean * mean * (left * left - before.margin2)).max(0.0).sqrt();
        (2.0 * (left * left - before.margin2) / (half + root).max(f64::MIN_POSITIVE)) as u32
    }

    /// The work that may wait, as a number of usual messages, if that is to be done within this time.
    pub(super) fn usual_in_time(&self, within_ns: u64) -> u32 {
        let left = Work { ns: (within_ns as f64 - self.before().time()).max(0.0), margin2: 0.0 };
        self.waiting.and(left).messages(self.usual)
    }

    /// How many messages may be in the mailbox if what waits is to be no more work than so many usual messages: so many
    /// fewer than there are if there is more.
    pub(super) fn limit(&self, usual: u32) -> u32 {
        let there = self.waiting.messages(self.usual);
        self.queued.saturating_add(usual.saturating_sub(there)).saturating_sub(there.saturating_sub(usual))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::estimator::FEW;

    const US: f64 = 1e3;
    const MS: u64 = 1_000_000;

    fn takes(mean: f64, spread: f64) -> ServiceTime {
        ServiceTime::new(mean, mean * spread, FEW)
    }

    /// So many shorts of 10 us and longs of 1 ms wait.
    fn mixed(shorts: u32, longs: u32, own: ServiceTime) -> Amid {
        let (short, long) = (takes(10.0 * US, 0.1), takes(1_000.0 * US, 0.1));
        let waiting = Work::of(short, shorts).and(Work::of(long, longs));
        Amid { queued: shorts + longs, waiting, in_hand: Some(short), own, usual: takes(500.0 * US, 1.0) }
    }

    #[test]
    fn a_short_one_is_not_refused_for_long_ones_that_are_not_there() {
        let short = takes(10.0 * US, 0.1);
        let amid = mixed(100, 0, short);
        // Two milliseconds: a hundred and more are done by then, though a usual message takes half a one.
        assert!((180..200).contains(&amid.places(2 * MS, 1)), "{}", amid.places(2 * MS, 1));
        assert!(amid.usual.places(2 * MS) < 5);
    }

    #[test]
    fn a_short_one_is_refused_behind_long_ones_that_are() {
        let short = takes(10.0 * US, 0.1);
        assert!(mixed(0, 1, short).places(2 * MS, 1) > 50);
        let behind_two = mixed(0, 2, short);
        assert!(behind_two.places(2 * MS, 1) <= behind_two.queued);
    }

    #[test]
    fn a_long_one_is_refused_where_a_short_one_fits() {
        let (short, long) = (takes(10.0 * US, 0.1), takes(1_000.0 * US, 0.1));
        let (for_short, for_long) = (mixed(100, 0, short), mixed(100, 0, long));
        assert!(for_short.places(3 * MS / 2, 1) > 100 && for_long.places(3 * MS / 2, 1) <= 100);
        assert_eq!(for_long.places(5 * MS / 2, 1), 101, "one, and no more");
    }

    #[test]
    fn what_a_message_costs_is_not_counted_again_where_its_kind_is_known() {
        let long = takes(1_000.0 * US, 0.1);
        // Its kind takes as much as two usual ones, and it says so.
        let amid = mixed(0, 0, long);
        assert_eq!([1, 2].map(|cost| amid.places(5 * MS / 2, cost)), [2, 2]);
        assert_eq!(amid.places(4 * MS, 20), 0, "it takes ten milliseconds, it says");
    }

    #[test]
    fn the_standing_limit_is_work() {
        let amid = mixed(100, 0, takes(1_000.0 * US, 0.1));
        assert_eq!(amid.limit(10), 108, "a hundred shorts are no more work than two usual messages");
        let longs = mixed(0, 6, amid.own);
        assert_eq!([longs.limit(13), longs.limit(12), longs.limit(10)], [7, 6, 4]);
    }

    proptest! {
        #[test]
        fn for_one_kind_the_law_is_that_for_messages(
            mean in 1e3..1e8_f64,
            spread in 0.0..5.0_f64,
            within in 0..10_000_000_000_u64,
            queued in 0..2_000_u32,
        ) {
            let service = takes(mean, spread);
            let waiting = Work::of(service, queued);
            let amid = Amid { queued, waiting, in_hand: Some(service), own: service, usual: service };
            let (places, plain) = (amid.places(within, 1), service.places(within).saturating_sub(1));
            // Whether this one fits; how many more; rounding moves the border by one.
            prop_assume!(plain < 1 << 24);
            if plain > queued + 1 {
                prop_assert!(places.abs_diff(plain) <= 1 + plain / 100_000, "{places}, not {plain}");
            } else if plain + 1 < queued {
                prop_assert!(places <= queued, "{places} with {queued} before it, not {plain}");
            }
        }

        #[test]
        fn whoever_fits_is_done_in_time_and_one_more_is_not(
            own in (1e3..1e8_f64, 0.0..5.0_f64),
            before in prop::collection::vec((1e3..1e8_f64, 0.0..5.0_f64, 0..100_u32), 0..6),
            within in 0..10_000_000_000_u64,
        ) {
            let own = takes(own.0, own.1);
            let queued = before.iter().map(|kind| kind.2).sum();
            let waiting = before.iter().fold(Work::default(), |sum, kind| sum.and(Work::of(takes(kind.0, kind.1), kind.2)));
            let amid = Amid { queued, waiting, in_hand: Some(own), own, usual: own };
            let places = amid.places(within, 1);
            let (slack, time) = (within as f64 / 1e5 + 100.0, |more| waiting.and(Work::of(own, 1 + more)).time());
            if places > queued {
                prop_assert!(time(places - queued) <= within as f64 + slack);
                prop_assert!(time(places - queued + 1) + slack >= within as f64);
            } else {
                prop_assert!(time(1) + slack >= within as f64, "it is refused, and would be done after {} ns", time(1));
            }
        }

        #[test]
        fn more_work_before_it_never_leaves_more_room(
            short in 0..1_000_u32,
            long in 0..100_u32,
            more in 0..100_u32,
            within in 0..200_000_000_u64,
        ) {
            let own = takes(10.0 * US, 0.1);
            let fits = |amid: Amid| amid.places(within, 1).saturating_sub(amid.queued);
            prop_assert!(fits(mixed(short, long + more, own)) <= fits(mixed(short, long, own)));
            prop_assert!(fits(mixed(short + more, long, own)) <= fits(mixed(short, long, own)));
        }
    }
}
