//! How long a restart waits when restarts do not help.

use std::fmt;
use std::time::Duration;

use crashworthy_runtime::millis;
use serde::{Deserialize, Serialize};

use crate::child_spec::Rule;

/// The pause before a restart: at random between zero and a limit that doubles with every restart of the same child in a
/// row, up to a cap (exponential back-off with *full jitter*). A child that has run for a while begins anew.
///
/// Off unless a supervisor is told otherwise. It keeps the children of a dependency that has died from coming back, and
/// failing again, all in step.
///
/// While a child waits it is `restarting`: `terminate_child` cancels the wait, the stop of the supervisor does not wait for
/// it, a restart of its group takes it along. Each restart is counted by the intensity when it is decided, before the wait.
///
/// # Differs from OTP
/// OTP restarts at once, always.
///
/// # Examples
/// ```
/// use crashworthy_supervisor::{Backoff, Supervisor};
/// use std::time::Duration;
///
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// let shop = Supervisor::one_for_one("shop").intensity(100, Duration::from_secs(60)).backoff(backoff);
/// assert_eq!(shop.to_string(), "shop: supervisor, one_for_one, 100 restarts in 60s, back-off 100ms to 10s\n");
/// assert_eq!(backoff.limit(0), Duration::from_millis(100));
/// assert_eq!(backoff.limit(3), Duration::from_millis(800));
/// assert_eq!(backoff.limit(100), Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backoff {
    /// The limit of the first wait. Longer than zero.
    #[serde(rename = "base_ms", with = "millis")]
    pub base: Duration,
    /// The limit of the longest. Not shorter than the first.
    #[serde(rename = "cap_ms", with = "millis")]
    pub cap: Duration,
    /// A child that has run this long since its last start begins with the first again.
    #[serde(rename = "reset_after_ms", with = "millis")]
    pub reset_after: Duration,
}

impl Backoff {
    /// Waits of at most `base` at first and at most `cap` in the end. A child that has run for `cap` begins anew.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, reset_after: cap }
    }

    /// The same, with another time after which a child begins anew.
    #[must_use]
    pub const fn reset_after(self, reset_after: Duration) -> Self {
        Self { reset_after, ..self }
    }

    /// The longest wait after so many restarts in a row.
    pub fn limit(&self, restarts: u32) -> Duration {
        let doubled = 1_u32.checked_shl(restarts).and_then(|times| self.base.checked_mul(times));
        doubled.map_or(self.cap, |limit| limit.min(self.cap))
    }

    /// The wait after so many restarts in a row that this random number stands for: the limit, times a number from 0 to 1.
    pub(crate) fn delay(&self, restarts: u32, random: u64) -> Duration {
        // In 32 bits: the longest duration there is times a number of 64 would not fit.
        let nanos = (self.limit(restarts).as_nanos() * u128::from(random >> 32)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The rule it breaks, if it does.
    pub(crate) fn rule(&self) -> Option<Rule> {
        let wrong = self.base.is_zero() || self.base > self.cap;
        wrong.then_some(Rule::BackoffRange { base: self.base, cap: self.cap })
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "back-off {:?} to {:?}", self.base, self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn limits_double_up_to_the_cap_and_never_overflow() {
        let backoff = Backoff::new(ms(100), ms(1_000));
        let limits = [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(|restarts| backoff.limit(restarts));
        assert_eq!(limits, [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000].map(ms));
        let long = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(long.limit(1), Duration::MAX);
        assert!(long.delay(1, u64::MAX) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn a_wait_is_anything_from_zero_to_its_limit() {
        let backoff = Backoff::new(ms(100), ms(1_000));
        assert_eq!(backoff.delay(2, 0), Duration::ZERO);
        assert_eq!(backoff.delay(2, 1 << 63), ms(200));
        assert!(backoff.delay(2, u64::MAX) < ms(400) && backoff.delay(2, u64::MAX) > ms(399));
    }

    #[test]
    fn a_first_wait_of_zero_and_a_cap_below_it_break_a_rule() {
        assert_eq!(Backoff::new(ms(1), ms(1)).rule(), None);
        for (base, cap) in [(0, 5), (6, 5)] {
            let rule = Backoff::new(ms(base), ms(cap)).rule();
            assert_eq!(rule, Some(Rule::BackoffRange { base: ms(base), cap: ms(cap) }));
        }
    }
}
