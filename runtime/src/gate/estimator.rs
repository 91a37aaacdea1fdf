//! How long a message of one actor takes, as it was seen to.
//!
//! What is measured is wall time from the end of the message before, or from this one's arrival if that was later: awaits
//! and waiting for a thread are a part of it, because what the gate promises is a time.
//!
//! Two exponential averages. The slow one is what is believed. The fast one has seen a change of pace after about ten
//! messages: when it is further from the slow one than chance explains, it takes its place. What a single measurement can
//! do is limited: a message that takes a thousand times as long as usual is an accident, ten of them are the new service.

use super::limits::ServiceTime;

/// What an observation weighs in the end.
const SLOW: f64 = 1.0 / 256.0;
/// The same, in the average that sees changes.
const FAST: f64 = 1.0 / 16.0;
/// The averages differ when they are further apart than so many standard errors of the fast one.
const ERRORS: f64 = 4.0;
/// An observation counts as no more than the mean and so many deviations.
const ABSURD: f64 = 16.0;
/// The same, in the fast average.
const ODD: f64 = 4.0;
/// Observations before the estimate is one.
pub(crate) const FEW: u32 = 8;

/// The averages of one actor. They outlive its incarnations: only a first start is without them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimator {
    mean: f64,
    variance: f64,
    /// To seven digits: it is compared with what chance explains.
    fast: f32,
    seen: u32,
}

impl Estimator {
    /// Takes in that so many messages took so long, one after another.
    ///
    /// Many at once are one observation of their mean: what they tell of the deviation of a single one is as much.
    pub(crate) fn observe(&mut self, took_ns: u64, messages: u32) {
        if messages == 0 {
            return;
        }
        let count = f64::from(messages);
        let each = (took_ns as f64 / count).max(1.0);
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            (self.mean, self.fast) = (each, each as f32);
            return;
        }
        if self.seen <= FEW && self.mean > each + ABSURD * each {
            // The first of all was the accident: whatever is lazy is made then.
            self.change_to(each + ABSURD * each);
        }
        let share = SLOW.max(1.0 / f64::from(self.seen));
        let spread = self.deviation().max(self.mean);
        let off = (each - self.mean).min(ABSURD * spread);
        self.mean += share * off;
        self.variance = (1.0 - share) * (self.variance + share * count * off * off);
        let fast_share = FAST.max(1.0 / f64::from(self.seen));
        let fast = f64::from(self.fast);
        self.fast = (fast + fast_share * (each.min(self.mean + ODD * spread) - fast)) as f32;
        if self.seen > FEW {
            self.believe_the_fast();
        }
    }

    /// What is believed.
    pub(crate) fn service(&self) -> ServiceTime {
        ServiceTime::new(self.mean, self.deviation(), self.seen)
    }

    /// The mean and the variance, once something was seen.
    pub(super) fn law(&self) -> Option<(f64, f64)> {
        (self.seen != 0).then_some((self.mean, self.variance))
    }

    fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }

    fn believe_the_fast(&mut self) {
        // Of an exponential average with this share; what hardly varies is given half its mean as a deviation.
        let error = self.deviation().max(self.mean / 2.0) * (FAST / (2.0 - FAST)).sqrt();
        let fast = f64::from(self.fast);
        if (fast - self.mean).abs() > ERRORS * error {
            self.change_to(fast);
            self.seen = FEW;
        }
    }

    /// The pace has changed, and what is known of its law with it.
    fn change_to(&mut self, mean: f64) {
        let factor = mean / self.mean;
        (self.mean, self.fast) = (mean, mean as f32);
        self.variance *= factor * factor;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: u64 = 1_000;

    fn trained(took_ns: u64, messages: u32) -> Estimator {
        let mut estimator = Estimator::default();
        (0..messages).for_each(|_| estimator.observe(took_ns, 1));
        estimator
    }

    #[test]
    fn what_always_takes_the_same_is_known_exactly() {
        let service = trained(100 * US, 1_000).service();
        assert_eq!((service.mean_ns(), service.time_for(50)), (100 * US, 5_000 * US));
    }

    #[test]
    fn a_slow_down_to_a_fifth_is_believed_after_about_ten_messages() {
        let mut estimator = trained(100 * US, 1_000);
        let noticed = (1..).find(|_| {
            estimator.observe(500 * US, 1);
            estimator.service().mean_ns() > 250 * US
        });
        assert!(noticed.is_some_and(|after| (3..=12).contains(&after)), "after {noticed:?}");
        (0..100).for_each(|_| estimator.observe(500 * US, 1));
        assert!(estimator.service().mean_ns().abs_diff(500 * US) < 50 * US, "{:?}", estimator.service());
    }

    #[test]
    fn a_speed_up_is_believed_as_well() {
        let mut estimator = trained(500 * US, 1_000);
        (0..100).for_each(|_| estimator.observe(100 * US, 1));
        assert!(estimator.service().mean_ns() < 120 * US, "{:?}", estimator.service());
    }

    #[test]
    fn one_absurd_message_changes_little_whenever_it_comes() {
        for place in [0, 1, 5, 7, 8, 20, 1_000] {
            let mut estimator = Estimator::default();
            for message in 0..place + 40 {
                estimator.observe(if message == place { 10_000_000 * US } else { 100 * US }, 1);
            }
            let service = estimator.service();
            assert!(service.mean_ns() < 200 * US, "the absurd one is number {place}: {service:?}");
            assert!(service.places(50_000 * US) > 100, "the absurd one is number {place}: {service:?}");
        }
    }

    #[test]
    fn batches_tell_the_deviation_of_a_single_message() {
        // Batches of sixteen, whose means lie 25 us to either side: one message of such lies four times as far off.
        let mut estimator = Estimator::default();
        for batch in 0..4_000_u64 {
            estimator.observe(16 * (75 + 50 * (batch % 2)) * US, 16);
        }
        let service = estimator.service();
        let margin = service.time_for(100) - 100 * service.mean_ns();
        let expected = (1.64 * 4.0 * 25.0 * 10.0 * US as f64) as u64;
        assert!(margin.abs_diff(expected) < expected / 20, "{margin} ns, not {expected} ns");
    }

    proptest! {
        #[test]
        fn the_mean_stays_among_what_was_seen(took in prop::collection::vec(1..10_000_000_u64, 1..400)) {
            let mut estimator = Estimator::default();
            for &took in &took {
                estimator.observe(took, 1);
            }
            let mean = estimator.service().mean_ns();
            let (least, most) = (*took.iter().min().unwrap(), *took.iter().max().unwrap());
            prop_assert!((least..=most).contains(&mean), "{mean} is not within {least}..={most}");
        }

        #[test]
        fn whatever_was_seen_the_figures_are_figures(
            took in prop::collection::vec((any::<u64>(), any::<u32>()), 0..100),
            left in any::<u64>(),
        ) {
            let mut estimator = Estimator::default();
            for (took, messages) in took {
                estimator.observe(took, messages);
                prop_assert!(estimator.mean.is_finite() && estimator.variance.is_finite() && estimator.fast.is_finite());
                prop_assert!(estimator.variance >= 0.0 && estimator.mean >= 0.0);
                let _ = estimator.service().places(left);
            }
        }
    }

    #[test]
    fn after_a_thousand_messages_an_estimate_is_off_by_a_tenth_at_the_most_but_once_in_a_hundred() {
        const MEAN: u64 = 200 * US;
        let mut off = Vec::new();
        for seed in 0..2_000_u64 {
            // Uniform between nothing and twice the mean, of a small generator.
            let (mut estimator, mut state) = (Estimator::default(), seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            for _ in 0..1_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                estimator.observe(((state >> 33) * 2 * MEAN) >> 31, 1);
            }
            off.push(estimator.service().mean_ns().abs_diff(MEAN));
        }
        // Chance looks like a change of pace once in ten thousand times or so: then few messages are believed.
        off.sort_unstable();
        assert!(off[off.len() * 99 / 100] < MEAN / 10, "{off:?}");
    }
}
