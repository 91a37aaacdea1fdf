//! How many retries there may be: one for ten calls, and one a second in any case. It reads no clock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Tenths of a retry that can be saved up: what a burst of failures may cost at once.
const MOST: u64 = 100;
/// What a call adds.
const CALL: u64 = 1;
/// What a retry takes.
const RETRY: u64 = 10;
/// After so many microseconds without a retry there may be one, whatever has been saved.
const SECOND_US: u64 = 1_000_000;

/// What has been saved, and when the last retry was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Purse {
    /// At most [`MOST`].
    tenths: u64,
    /// Microseconds; they fit 56 bits for two thousand years.
    retried_us: u64,
}

impl Purse {
    const FULL: Self = Self { tenths: MOST, retried_us: 0 };

    /// After another call.
    fn calls(self) -> Self {
        Self { tenths: (self.tenths + CALL).min(MOST), ..self }
    }

    /// After another retry, if there may be one now.
    fn retries(self, now_us: u64) -> Option<Self> {
        // Of two who look at the clock and come here in the other order, the later time stays.
        let retried_us = self.retried_us.max(now_us);
        match self.tenths.checked_sub(RETRY) {
            Some(tenths) => Some(Self { tenths, retried_us }),
            // It takes what there is: the one a second is not on top of those that calls have earned.
            None if now_us.saturating_sub(self.retried_us) >= SECOND_US => Some(Self { tenths: 0, retried_us }),
            None => None,
        }
    }

    fn pack(self) -> u64 {
        self.retried_us << 8 | self.tenths
    }

    fn unpack(word: u64) -> Self {
        Self { tenths: word & 0xFF, retried_us: word >> 8 }
    }
}

/// A purse that many share. Nothing hangs on its order with other memory.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

impl Budget {
    /// As much as can be saved.
    pub(super) fn full() -> Self {
        Self(AtomicU64::new(Purse::FULL.pack()))
    }

    /// A call is made. While nothing is retried this only reads, so that callers on all cores do not meet here.
    pub(super) fn note_call(&self) {
        let _full = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let purse = Purse::unpack(word);
            let after = purse.calls();
            (after != purse).then(|| after.pack())
        });
    }

    /// Takes a retry, if there may be one.
    pub(super) fn take(&self, now_ns: u64) -> bool {
        let now_us = now_ns / 1_000;
        self.0.fetch_update(Relaxed, Relaxed, |word| Purse::unpack(word).retries(now_us).map(Purse::pack)).is_ok()
    }

    /// How many retries have been saved up.
    pub(super) fn saved(&self) -> f32 {
        Purse::unpack(self.0.load(Relaxed)).tenths as f32 / RETRY as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Call,
        Retry,
        Wait { us: u64 },
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Call),
            4 => Just(Step::Retry),
            1 => (0..2 * SECOND_US).prop_map(|us| Step::Wait { us }),
        ]
    }

    /// Takes the steps, and returns how many calls had been made and what time it was at each retry.
    fn run(steps: &[Step]) -> Vec<(u64, u64)> {
        let (budget, mut now_us, mut calls, mut retries) = (Budget::full(), 0, 0, Vec::new());
        for step in steps {
            match *step {
                Step::Call => {
                    budget.note_call();
                    calls += 1;
                }
                Step::Retry if budget.take(now_us * 1_000) => retries.push((calls, now_us)),
                Step::Retry => {}
                Step::Wait { us } => now_us += us,
            }
        }
        retries
    }

    #[test]
    fn ten_are_saved_from_the_beginning_and_then_it_takes_ten_calls_for_one() {
        let budget = Budget::full();
        assert_eq!((0..50).filter(|_| budget.take(0)).count(), 10);
        let mut retries = 0;
        for _ in 0..100 {
            budget.note_call();
            retries += usize::from(budget.take(0));
        }
        assert_eq!(retries, 10);
    }

    #[test]
    fn no_more_than_ten_are_saved_however_many_calls_there_are() {
        let budget = Budget::full();
        (0..10_000).for_each(|_| budget.note_call());
        assert_eq!(budget.saved(), 10.0);
        assert_eq!((0..50).filter(|_| budget.take(0)).count(), 10);
        assert_eq!(budget.saved(), 0.0);
    }

    #[test]
    fn callers_on_many_threads_get_no_more_than_one_would() {
        let budget = Budget::full();
        let granted: usize = std::thread::scope(|scope| {
            let call = || {
                (0..5_000)
                    .map(|_| {
                        budget.note_call();
                        usize::from(budget.take(0)) + usize::from(budget.take(0))
                    })
                    .sum::<usize>()
            };
            let callers: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
            callers.into_iter().map(|caller| caller.join().expect("it counts")).sum()
        });
        // Whoever calls while as much is saved as can be adds nothing.
        assert!((2_000..=2_010).contains(&granted), "{granted}");
    }

    proptest! {
        #[test]
        fn over_any_stretch_there_are_ten_one_for_ten_calls_and_one_a_second_at_the_most(
            steps in prop::collection::vec(any_step(), 0..400),
        ) {
            let retries = run(&steps);
            for (first, &(calls_before, began)) in retries.iter().enumerate() {
                for (last, &(calls, ended)) in retries.iter().enumerate().skip(first) {
                    let (calls, seconds) = (calls - calls_before, (ended - began) / SECOND_US);
                    // What was saved before the stretch, one tenth of which may have been left over, and the first.
                    prop_assert!((last - first + 1) as u64 <= 11 + calls.div_ceil(10) + seconds);
                }
            }
        }

        #[test]
        fn who_has_retried_nothing_for_a_second_may(steps in prop::collection::vec(any_step(), 0..400), us in any::<u32>()) {
            let budget = Budget::full();
            let mut now_us = 0;
            for step in steps {
                match step {
                    Step::Call => budget.note_call(),
                    Step::Retry => drop(budget.take(now_us * 1_000)),
                    Step::Wait { us } => now_us += us,
                }
            }
            prop_assert!(budget.take((now_us + SECOND_US + u64::from(us)) * 1_000));
        }

        #[test]
        fn the_one_a_second_is_not_on_top_of_what_calls_have_earned(calls_a_second in 0..200_u64) {
            let budget = Budget::full();
            while budget.take(0) {}
            let (mut granted, seconds) = (0, 100);
            // Evenly, and after each of them somebody would like to retry.
            let steps = calls_a_second.max(1);
            for step in 1..=steps * seconds {
                (0..calls_a_second.min(1)).for_each(|_| budget.note_call());
                while budget.take(step * 1_000_000_000 / steps) {
                    granted += 1;
                }
            }
            let earned = calls_a_second * seconds / 10;
            prop_assert!(granted <= earned.max(seconds), "{granted}");
            prop_assert!(granted + 1 >= earned.max(seconds * 9 / 10), "{granted}");
        }

        #[test]
        fn a_purse_is_what_was_packed(tenths in 0..=MOST, retried_us in 0..1_u64 << 56) {
            let purse = Purse { tenths, retried_us };
            prop_assert_eq!(Purse::unpack(purse.pack()), purse);
        }
    }
}
