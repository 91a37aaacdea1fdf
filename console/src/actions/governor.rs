//! How often something may be done: two buckets, and no clock of their own.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Lets so many pass in a minute, as many at once, and has one more whenever its time has come.
#[derive(Debug)]
struct Bucket {
    apart: Duration,
    /// When it will be full again.
    full: Duration,
}

impl Bucket {
    fn of(a_minute: u32) -> Self {
        Self { apart: MINUTE / a_minute.max(1), full: Duration::ZERO }
    }

    /// How many may pass now.
    fn left(&self, now: Duration) -> u32 {
        let room = MINUTE.saturating_sub(self.full.saturating_sub(now));
        // Divided as whole numbers: a bucket that is full has as many as it was made for.
        u32::try_from(room.as_nanos() / self.apart.as_nanos().max(1)).unwrap_or(u32::MAX)
    }

    /// How long it takes until one may pass.
    fn wait(&self, now: Duration) -> Duration {
        (self.full.saturating_sub(now) + self.apart).saturating_sub(MINUTE)
    }

    fn take(&mut self, now: Duration) {
        self.full = self.full.max(now) + self.apart;
    }
}

/// How often something may be done to one actor, and to several.
#[derive(Debug)]
pub(crate) struct Governor {
    all: Bucket,
    bulks: Bucket,
}

impl Governor {
    pub(crate) fn of(all: u32, bulks: u32) -> Self {
        Self { all: Bucket::of(all), bulks: Bucket::of(bulks) }
    }

    /// How many may be done now.
    pub(crate) fn left(&self, now: Duration, bulk: bool) -> u32 {
        let all = self.all.left(now);
        if bulk { all.min(self.bulks.left(now)) } else { all }
    }

    /// Counts one that is done now, or says how long that would have to wait.
    pub(crate) fn pass(&mut self, now: Duration, bulk: bool) -> Result<(), Duration> {
        if self.left(now, bulk) == 0 {
            let bulks = if bulk { self.bulks.wait(now) } else { Duration::ZERO };
            return Err(self.all.wait(now).max(bulks));
        }
        self.all.take(now);
        if bulk {
            self.bulks.take(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn so_many_pass_at_once_and_then_one_whenever_its_time_has_come() {
        let mut governor = Governor::of(6, 1);
        assert_eq!(governor.left(s(0), false), 6);
        for left in (0..6).rev() {
            assert_eq!(governor.pass(s(100), false), Ok(()));
            assert_eq!(governor.left(s(100), false), left);
        }
        assert_eq!(governor.pass(s(100), false), Err(s(10)));
        assert_eq!(governor.pass(s(109), false), Err(s(1)), "whoever is refused costs nothing");
        assert_eq!(governor.pass(s(110), false), Ok(()));
        assert_eq!(governor.pass(s(110), false), Err(s(10)));
        assert_eq!(governor.left(s(1_000), false), 6, "no more than that is saved");
    }

    #[test]
    fn a_bulk_counts_twice_and_needs_both() {
        let mut governor = Governor::of(2, 1);
        assert_eq!(governor.pass(s(0), true), Ok(()));
        assert_eq!((governor.left(s(0), true), governor.left(s(0), false)), (0, 1));
        assert_eq!(governor.pass(s(0), true), Err(s(60)));
        assert_eq!(governor.pass(s(0), false), Ok(()));
        assert_eq!(governor.pass(s(0), false), Err(s(30)));
        assert_eq!(governor.pass(s(60), true), Ok(()));
    }

    #[test]
    fn a_rate_that_does_not_divide_a_minute_still_lets_all_of_it_pass() {
        let mut governor = Governor::of(7, 7);
        let passed = (0..20).filter(|_| governor.pass(s(5), true).is_ok()).count();
        assert_eq!(passed, 7);
    }
}
