//! From how long a message takes to how many may wait.

use super::estimator::FEW;

/// Deviations above the mean within which nineteen of twenty sums lie.
const MARGIN: f64 = 1.64;
/// Places before anything is known of an actor, and while little is.
const COLD_PLACES: u32 = 10;
/// What a message is thought to take before one was seen: only what is far beyond any deadline is refused.
const PRIOR_NS: u64 = 1_000_000;

/// What is believed of how long messages take: plain figures, to be published and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ServiceTime {
    mean_ns: f32,
    /// What is added for each root of a message.
    margin_ns: f32,
    /// Observations behind it.
    seen: u32,
}

impl ServiceTime {
    pub(super) fn new(mean_ns: f64, deviation_ns: f64, seen: u32) -> Self {
        Self { mean_ns: mean_ns as f32, margin_ns: (MARGIN * deviation_ns) as f32, seen }
    }

    /// The figures as words, and back.
    pub(super) fn to_words(self) -> [u32; 3] {
        [self.mean_ns.to_bits(), self.margin_ns.to_bits(), self.seen]
    }

    pub(super) fn from_words([mean, margin, seen]: [u32; 3]) -> Self {
        Self { mean_ns: f32::from_bits(mean), margin_ns: f32::from_bits(margin), seen }
    }

    /// Whether anything was seen.
    pub(crate) fn is_known(self) -> bool {
        self.seen != 0
    }

    /// Whether enough was seen to tell of it.
    pub(crate) fn is_sure(self) -> bool {
        self.seen >= FEW
    }

    /// What a message takes; 0 while that is unknown.
    pub(crate) fn mean_ns(self) -> u64 {
        self.mean_ns.round() as u64
    }

    /// Its mean and variance.
    pub(super) fn law(self) -> (f64, f64) {
        let deviation = f64::from(self.margin_ns) / MARGIN;
        (f64::from(self.mean_ns), deviation * deviation)
    }

    /// What one message takes, and the square of its margin.
    pub(super) fn unit(self) -> (f64, f64) {
        (f64::from(self.mean_ns), f64::from(self.margin_ns) * f64::from(self.margin_ns))
    }

    /// Within what time so many messages are done, as a rule.
    pub(crate) fn time_for(self, messages: u32) -> u64 {
        let messages = f64::from(messages);
        (messages * f64::from(self.mean_ns) + f64::from(self.margin_ns) * messages.sqrt()) as u64
    }

    /// How long so many messages are expected to take.
    pub(crate) fn wait_ns(self, messages: u32) -> u64 {
        (f64::from(messages) * f64::from(self.mean_ns)) as u64
    }

    /// How many messages are done within a time: the most for which [`time_for`](Self::time_for) does not exceed it.
    ///
    /// Of an actor that nobody has seen work, a guess; of one that has done little, at least a few.
    pub(crate) fn places(self, within_ns: u64) -> u32 {
        if self.seen == 0 {
            return u32::try_from(within_ns / PRIOR_NS).unwrap_or(u32::MAX).saturating_add(COLD_PLACES);
        }
        let (mean, margin, within) = (f64::from(self.mean_ns), f64::from(self.margin_ns), within_ns as f64);
        // The root of n solves mean x² + margin x = within.
        let root = 2.0 * within / (margin + (margin * margin + 4.0 * mean * within).sqrt()).max(f64::MIN_POSITIVE);
        let places = (root * root) as u32;
        if self.seen < FEW { places.max(COLD_PLACES) } else { places }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_exponential_law_leaves_eighty_four_of_a_hundred_places() {
        let service = ServiceTime::new(1e6, 1e6, FEW);
        assert_eq!(service.places(100_000_000), 84);
    }

    #[test]
    fn who_has_not_worked_yet_gets_room_for_ten_and_more_if_there_is_time() {
        assert_eq!(ServiceTime::default().places(0), 10);
        assert_eq!(ServiceTime::default().places(50_000_000), 60);
        assert_eq!(
            ServiceTime::new(1e9, 0.0, FEW - 1).places(50_000_000),
            10,
            "the first message may have been an accident"
        );
        assert_eq!(ServiceTime::new(1e9, 0.0, FEW).places(50_000_000), 0);
    }

    proptest! {
        #[test]
        fn places_are_the_most_that_are_done_in_time(
            mean in 1.0..1e10_f64,
            spread in 0.0..10.0_f64,
            within in 0..100_000_000_000_u64,
        ) {
            let service = ServiceTime::new(mean, mean * spread, FEW);
            let places = service.places(within);
            prop_assume!(places < 1 << 30);
            // Rounding moves the border by a message in ten million.
            let slack = within / 1_000_000 + 2;
            prop_assert!(service.time_for(places) <= within + slack);
            prop_assert!(service.time_for(places + 1) + slack >= within);
        }

        #[test]
        fn more_time_never_leaves_fewer_places(
            mean in 1.0..1e10_f64,
            spread in 0.0..10.0_f64,
            seen in 0..2 * FEW,
            within in any::<u32>(),
            more in any::<u32>(),
        ) {
            let service = ServiceTime::new(mean, mean * spread, seen);
            prop_assert!(service.places(u64::from(within) + u64::from(more)) >= service.places(u64::from(within)));
        }
    }
}
