//! Whether a failed attempt is worth another, and after what time. Plain values: it reads no clock and draws no number.

use std::time::Duration;

use crate::error::{AskError, Refused};

/// Most attempts of one call.
const ATTEMPTS: u32 = 3;

/// How an attempt failed, as far as a retry is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing was done, and it is known when asking again is worth it.
    Refused { retry_after: Duration },
    /// Something may have been done.
    Broken,
    /// Asking again would change nothing.
    Final,
}

impl Failure {
    /// A refusal that came through another actor is that one's to retry, not ours: what it had begun for us would be begun
    /// once more, and every layer would multiply what the one below it does.
    pub(super) fn of_refusal(why: &Refused) -> Self {
        match why.retry_after {
            Some(retry_after) if why.hops == 0 => Self::Refused { retry_after },
            _ => Self::Final,
        }
    }

    pub(super) fn of(error: &AskError) -> Self {
        match error {
            AskError::Refused(why) => Self::of_refusal(why),
            AskError::Died | AskError::Unanswered => Self::Broken,
            // The deadline is the same for all attempts; who has gone or was abandoned asks nothing.
            AskError::Expired | AskError::Cancelled | AskError::Fenced => Self::Final,
        }
    }
}

/// Where a call stands when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Attempts that have failed.
    pub(super) attempts: u32,
    /// Whether handling the message twice is as good as once.
    pub(super) idempotent: bool,
    /// Time left until the deadline.
    pub(super) left: Duration,
    /// How long what is queued at the callee is expected to take.
    pub(super) wait: Duration,
}

/// How long to wait before the next attempt, if there is to be one: as long as was said, and up to `base` longer, twice that
/// before the third. `random` says how much of it.
pub(super) fn delay(failure: Failure, standing: Standing, base: Duration, random: u64) -> Option<Duration> {
    let after = match failure {
        Failure::Refused { retry_after } => retry_after,
        Failure::Broken if standing.idempotent => Duration::ZERO,
        Failure::Broken | Failure::Final => return None,
    };
    if standing.attempts >= ATTEMPTS {
        return None;
    }
    let widest = base.saturating_mul(1 << standing.attempts.saturating_sub(1));
    let delay = after.saturating_add(part(widest, random));
    (delay.saturating_add(standing.wait) < standing.left).then_some(delay)
}

/// A part of a duration: none of it at 0, nearly all of it at the largest number.
fn part(whole: Duration, random: u64) -> Duration {
    let nanos = (whole.as_nanos().min(u128::from(u64::MAX)) * u128::from(random)) >> 64;
    Duration::from_nanos(nanos as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Reason;

    const BASE: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_secs(60);
    const FIRST: Standing = Standing { attempts: 1, idempotent: false, left: LONG, wait: Duration::ZERO };

    fn refusal(hops: u8, retry_after: Option<Duration>) -> Refused {
        Refused { retry_after, hops, ..Refused::because(Reason::NoTime) }
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        any::<u64>().prop_map(Duration::from_nanos)
    }

    #[test]
    fn a_refusal_is_retried_only_if_it_says_when_and_came_from_the_callee_itself() {
        let when = Duration::from_millis(7);
        assert_eq!(Failure::of_refusal(&refusal(0, Some(when))), Failure::Refused { retry_after: when });
        assert_eq!(Failure::of_refusal(&refusal(0, None)), Failure::Final);
        for hops in 1..=u8::MAX {
            assert_eq!(Failure::of_refusal(&refusal(hops, Some(when))), Failure::Final, "{hops}");
        }
    }

    #[test]
    fn what_may_have_been_done_is_done_again_only_if_that_does_no_harm() {
        for error in [AskError::Died, AskError::Unanswered] {
            let failure = Failure::of(&error);
            assert_eq!(delay(failure, FIRST, BASE, 0), None, "{error}");
            assert_eq!(
                delay(failure, Standing { idempotent: true, ..FIRST }, BASE, 0),
                Some(Duration::ZERO),
                "{error}"
            );
        }
        for error in [AskError::Expired, AskError::Cancelled, AskError::Fenced] {
            assert_eq!(delay(Failure::of(&error), Standing { idempotent: true, ..FIRST }, BASE, 0), None, "{error}");
        }
    }

    #[test]
    fn the_delay_is_what_was_said_and_a_part_of_the_base_that_doubles() {
        let failure = Failure::Refused { retry_after: Duration::from_millis(100) };
        let delay = |attempts, random| delay(failure, Standing { attempts, ..FIRST }, BASE, random);
        assert_eq!(delay(1, 0), Some(Duration::from_millis(100)));
        assert_eq!(delay(1, 1 << 63), Some(Duration::from_millis(105)));
        assert_eq!(delay(2, 1 << 63), Some(Duration::from_millis(110)));
        assert_eq!(delay(3, 0), None, "three attempts are the most");
    }

    proptest! {
        #[test]
        fn another_attempt_would_be_answered_before_the_deadline(
            retry_after in any_duration(), wait in any_duration(), left in any_duration(), base in any_duration(),
            attempts in any::<u32>(), random in any::<u64>(),
        ) {
            let standing = Standing { attempts, idempotent: true, left, wait };
            if let Some(delay) = delay(Failure::Refused { retry_after }, standing, base, random) {
                prop_assert!(attempts < ATTEMPTS && delay >= retry_after && delay + wait < left);
                prop_assert!(delay - retry_after <= base * 2);
            }
        }

        #[test]
        fn jitter_never_goes_beyond_the_whole(whole in any_duration(), random in any::<u64>()) {
            prop_assert!(part(whole, random) <= whole);
        }
    }
}
