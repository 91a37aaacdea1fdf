//! When callers call: open-loop Poisson arrivals, from a seed.

use super::law::MEAN_NS;
use super::scene::Phase;
use crate::dice::Dice;

/// The times at which somebody calls, in nanoseconds from the beginning. Nothing that happens changes them.
#[derive(Clone, Debug)]
pub(super) struct Arrivals<'a> {
    phases: &'a [Phase],
    now_ns: f64,
    dice: Dice,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(phases: &'a [Phase], seed: u64) -> Self {
        Arrivals { phases, now_ns: 0.0, dice: Dice::of(seed, 0) }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // As much work is offered before the next call; how long that takes depends on the load of the phases it falls into.
        let mut work_ns = MEAN_NS * -(1.0 - self.dice.uniform()).ln();
        while let Some((phase, later)) = self.phases.split_first() {
            let left_ns = phase.until_ns as f64 - self.now_ns;
            if work_ns < left_ns * phase.load {
                self.now_ns += work_ns / phase.load;
                return Some(self.now_ns as u64);
            }
            work_ns -= left_ns * phase.load;
            self.now_ns = phase.until_ns as f64;
            self.phases = later;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn arrivals(phases: &[Phase], seed: u64) -> Vec<u64> {
        Arrivals::new(phases, seed).collect()
    }

    #[test]
    fn as_many_call_as_the_load_says() {
        for load in [0.5, 1.0, 20.0] {
            let calls = arrivals(&[Phase { until_ns: 5 * SECOND, load }], 1).len() as f64;
            // 5 s at 10,000 a second; four deviations of a Poisson count.
            let expected = 50_000.0 * load;
            assert!((calls - expected).abs() < 4.0 * expected.sqrt(), "{load}: {calls}, not {expected}");
        }
    }

    #[test]
    fn the_times_between_calls_are_exponential() {
        let times = arrivals(&[Phase { until_ns: 20 * SECOND, load: 1.0 }], 2);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / MEAN_NS).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn each_phase_has_its_load_and_nobody_calls_after_the_last() {
        let phases = [0.5, 0.0, 4.0].iter().zip(1..).map(|(&load, n)| Phase { until_ns: n * SECOND, load });
        let times = arrivals(&phases.collect::<Vec<_>>(), 3);
        let within = |n: u64| times.iter().filter(|&&time| time / SECOND == n).count() as f64;
        assert!((within(0) - 5_000.0).abs() < 300.0, "{}", within(0));
        assert_eq!(within(1), 0.0);
        assert!((within(2) - 40_000.0).abs() < 800.0, "{}", within(2));
        assert!(times.is_sorted() && within(3) == 0.0);
    }

    #[test]
    fn the_same_seed_calls_at_the_same_times_and_another_does_not() {
        let phases = [Phase { until_ns: SECOND, load: 1.0 }];
        assert_eq!(arrivals(&phases, 7), arrivals(&phases, 7));
        assert_ne!(arrivals(&phases, 7), arrivals(&phases, 8));
    }
}
