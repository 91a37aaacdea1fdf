//! The sliding window of restarts: how many in which time are too many.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crashworthy_runtime::millis;
use serde::{Deserialize, Serialize};

/// So many restarts are allowed within the period; the next one ends the supervisor. Zero refuses the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intensity {
    /// How many restarts are allowed.
    pub restarts: u32,
    /// In which time. Longer than zero.
    #[serde(rename = "period_ms", with = "millis")]
    pub period: Duration,
}

impl Default for Intensity {
    /// OTP's: 1 restart in 5 s.
    fn default() -> Self {
        Self { restarts: 1, period: Duration::from_secs(5) }
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.restarts == 1 { "restart" } else { "restarts" };
        write!(f, "{} {noun} in {:?}", self.restarts, self.period)
    }
}

/// The restarts of one supervisor that may still count.
///
/// A window over single instants: neither a fixed window nor a leaky bucket. It is pruned only when a restart
/// happens, and never holds more than the allowed number and one.
///
/// # Differs from OTP
/// Instants are exact, OTP's are whole seconds. A restart counts for exactly `period` (the edge included);
/// in OTP for anything from `period` to just under a second more, by the phase of the clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    instants: VecDeque<Duration>,
    /// How many were ever counted.
    ever: u64,
}

/// What the window says to one more restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// It may happen.
    Allowed,
    /// It is one too many.
    Exceeded,
}

impl Window {
    /// Counts one restart attempt at `now`.
    pub(crate) fn count(&mut self, now: Duration, limit: Intensity) -> Verdict {
        self.prune(now, limit.period);
        self.instants.push_back(now);
        self.ever += 1;
        if self.instants.len() > limit.restarts as usize { Verdict::Exceeded } else { Verdict::Allowed }
    }

    /// How many restarts count at `now`.
    pub(crate) fn counted(&self, now: Duration, period: Duration) -> usize {
        self.instants.len() - self.instants.partition_point(|instant| !counts(*instant, now, period))
    }

    /// How many were counted ever.
    pub(crate) fn ever(&self) -> u64 {
        self.ever
    }

    /// The newest that may still count, so many at the most, oldest first.
    pub(crate) fn newest(&self, most: usize) -> Vec<Duration> {
        self.instants.iter().skip(self.instants.len().saturating_sub(most)).copied().collect()
    }

    fn prune(&mut self, now: Duration, period: Duration) {
        while self.instants.front().is_some_and(|oldest| !counts(*oldest, now, period)) {
            self.instants.pop_front();
        }
    }
}

fn counts(instant: Duration, now: Duration, period: Duration) -> bool {
    now.saturating_sub(instant) <= period
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn verdicts(restarts: u32, period: Duration, instants: &[u64]) -> Vec<bool> {
        let mut window = Window::default();
        let limit = Intensity { restarts, period };
        instants.iter().map(|at| window.count(ms(*at), limit) == Verdict::Allowed).collect()
    }

    #[test]
    fn zero_refuses_the_first_restart() {
        assert_eq!(verdicts(0, ms(1), &[0]), [false]);
    }

    #[test]
    fn the_allowed_number_passes_and_the_next_is_refused() {
        assert_eq!(verdicts(2, ms(1000), &[0, 1, 2]), [true, true, false]);
    }

    #[test]
    fn a_restart_exactly_one_period_old_still_counts() {
        assert_eq!(verdicts(1, ms(1000), &[0, 1000]), [true, false]);
        assert_eq!(verdicts(1, ms(1000), &[0, 1001]), [true, true]);
    }

    #[test]
    fn the_window_slides_over_single_instants() {
        // A fixed window would forget 900 at 1000; a leaky bucket would have leaked one by then.
        assert_eq!(verdicts(2, ms(1000), &[0, 900, 1001, 1002]), [true, true, true, false]);
    }

    #[test]
    fn memory_is_bounded_by_the_limit() {
        let mut window = Window::default();
        let limit = Intensity { restarts: 3, period: ms(10) };
        for at in 0..1000 {
            assert_eq!(window.count(ms(at * 4), limit), Verdict::Allowed);
            assert!(window.instants.len() <= 4);
        }
        assert_eq!((window.ever(), window.newest(2)), (1000, vec![ms(3992), ms(3996)]));
    }
}
