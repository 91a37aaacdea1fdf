//! How much may be done, and how often.

use std::time::Duration;

use crashworthy_runtime::millis;
use serde::{Deserialize, Serialize};

/// What may be done to a system at most, through its console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionLimits {
    /// Plans that are kept. One more displaces the oldest.
    pub plans: usize,
    /// How long a plan may be committed.
    #[serde(rename = "plan_valid_ms", with = "millis")]
    pub plan_valid: Duration,
    /// Stops, kills, restarts, drains, suspensions and trips in a minute.
    pub destructive: u32,
    /// Those of them in a minute that are done to several actors at once.
    pub bulks: u32,
    /// Actors that an action may be done to at once, or that would end by it; a single one may have any number below it.
    pub bulk_actors: usize,
    /// The same as a share of the actors of each type, in per cent, rounded up. What takes back (resuming, untripping) has no such
    /// limit.
    pub bulk_percent: usize,
    /// So many of a type may be touched at once however few that share is, but for the last: a small system has several
    /// that hang, too, and is not to lose all of a type by one word.
    #[serde(default = "a_few")]
    pub bulk_few: usize,
    /// Bytes of a reason.
    pub reason: usize,
    /// How long a suspension may last.
    #[serde(rename = "suspend_ms", with = "millis")]
    pub suspend: Duration,
    /// How long a drain may last.
    #[serde(rename = "drain_ms", with = "millis", default = "an_hour")]
    pub drain: Duration,
    /// Actors that are suspended by the console at a time.
    pub suspended: usize,
    /// Bytes of the file of the audit. When it would be longer it becomes `….1`, and the one before that goes.
    pub audit: u64,
}

fn a_few() -> usize {
    3
}

fn an_hour() -> Duration {
    Duration::from_secs(3600)
}

impl Default for ActionLimits {
    fn default() -> Self {
        Self {
            plans: 64,
            plan_valid: Duration::from_secs(30),
            destructive: 6,
            bulks: 1,
            bulk_actors: 20,
            bulk_percent: 10,
            bulk_few: a_few(),
            reason: 256,
            suspend: an_hour(),
            drain: an_hour(),
            suspended: 1_000,
            audit: 1024 * 1024,
        }
    }
}

impl ActionLimits {
    /// How many of so many actors of a type may be touched at once.
    pub(crate) fn bulk_of(&self, all: usize) -> usize {
        (all * self.bulk_percent).div_ceil(100).max(self.bulk_few.min(all.saturating_sub(1)))
    }

    /// The numbers with their ranges.
    pub(crate) fn numbers(&self) -> [(&'static str, usize, std::ops::RangeInclusive<usize>); 9] {
        let audit = usize::try_from(self.audit).unwrap_or(usize::MAX);
        [
            ("plans", self.plans, 1..=1_000),
            ("actions a minute", self.destructive as usize, 1..=6_000),
            ("bulk actions a minute", self.bulks as usize, 1..=6_000),
            ("actors at once", self.bulk_actors, 1..=1_000),
            ("per cent of a type at once", self.bulk_percent, 1..=100),
            ("of a type at once", self.bulk_few, 0..=1_000),
            ("bytes of a reason", self.reason, 16..=4096),
            ("suspended actors", self.suspended, 1..=100_000),
            ("bytes of the audit", audit, 4096..=1024 * 1024 * 1024),
        ]
    }

    /// The times, which have the range of all times of the console.
    pub(crate) fn times(&self) -> [(&'static str, Duration); 3] {
        [("a plan", self.plan_valid), ("a suspension", self.suspend), ("a drain", self.drain)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_actors_some_may_be_touched_at_once_but_never_all_and_of_many_a_share() {
        let limits = ActionLimits::default();
        let of = [1, 2, 3, 4, 10, 30, 31, 100].map(|all| limits.bulk_of(all));
        assert_eq!(of, [1, 1, 2, 3, 3, 3, 4, 10]);
        let none = ActionLimits { bulk_few: 0, ..limits };
        assert_eq!([2, 10, 11].map(|all| none.bulk_of(all)), [1, 1, 2]);
    }
}
