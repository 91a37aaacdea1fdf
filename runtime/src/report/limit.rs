//! How many reports reach the log: so many at once, then one every so often, each source for itself.
//!
//! A source is a supervisor, by its path, or an actor without one, by its name, else by its type; so that a crash loop
//! withholds its own reports and nobody else's. All sources of a system together may log [`SOURCES_TOGETHER`] times what
//! one may. What is withheld is counted and told with the next report of the source that is logged, or by itself as soon
//! as one may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::port::nanos;

/// How many reports of one source are logged.
///
/// The default, for errors: 10 at once, then one a second.
///
/// # Differs from OTP
/// OTP's `logger` limits what reaches a handler, whoever says it: a crash loop withholds what others report.
///
/// # Examples
/// ```
/// # async fn demo() {
/// use crashworthy_runtime::{RateLimit, System};
/// use std::time::Duration;
///
/// let few = RateLimit::new(3, Duration::from_secs(10));
/// let builder = System::builder().error_reports(few).progress_reports(RateLimit::NONE);
/// # let _ = builder;
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// So many at once. At least 1.
    pub burst: u32,
    /// After those, one in such a time; a source that is quiet for `burst` times as long has its burst again.
    pub every: Duration,
}

impl RateLimit {
    /// No limit.
    pub const NONE: Self = Self { burst: u32::MAX, every: Duration::ZERO };

    /// So many at once, then one in such a time.
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new(10, Duration::from_secs(1))
    }
}

/// What all sources together may log, in what one may.
const SOURCES_TOGETHER: u32 = 10;
/// Sources told apart; further ones share a limit.
const SOURCES: usize = 256;
/// What those are called.
const OTHERS: &str = "others";

/// A token bucket in one word: when the next report would be due if they came evenly.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    due: u64,
}

impl Bucket {
    fn allows(self, now: u64, limit: RateLimit) -> bool {
        // Without a limit nobody waits, not even for somebody whose clock was read a little later.
        if limit.every.is_zero() {
            return true;
        }
        let ahead = nanos(limit.every).saturating_mul(u64::from(limit.burst.saturating_sub(1)));
        self.due.saturating_sub(ahead) <= now
    }

    fn take(&mut self, now: u64, limit: RateLimit) {
        self.due = self.due.max(now).saturating_add(nanos(limit.every));
    }
}

#[derive(Debug, Default)]
struct Source {
    bucket: Bucket,
    /// Since the last that was logged.
    withheld: u64,
}

/// The limit of one class of reports in one system.
#[derive(Debug)]
pub(crate) struct Limiter {
    each: RateLimit,
    together: RateLimit,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    together: Bucket,
    sources: BTreeMap<Arc<str>, Source>,
    /// Sources that have something to tell.
    untold: usize,
    withheld: u64,
}

/// What becomes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It is logged, and with it how many were withheld before it.
    Log { withheld: u64 },
    /// It is the so manieth to be withheld.
    Withhold { withheld: u64 },
}

impl Limiter {
    pub(crate) fn new(each: RateLimit) -> Self {
        let together =
            RateLimit { burst: each.burst.saturating_mul(SOURCES_TOGETHER), every: each.every / SOURCES_TOGETHER };
        Self { each, together, state: Mutex::default() }
    }

    /// Whether a report of this source is logged now.
    pub(crate) fn pass(&self, source: &str, now: u64) -> Pass {
        let mut state = self.state.lock();
        let State { together, sources, untold, withheld } = &mut *state;
        let source = find(sources, source, now);
        if source.bucket.allows(now, self.each) && together.allows(now, self.together) {
            source.bucket.take(now, self.each);
            together.take(now, self.together);
            let before = std::mem::take(&mut source.withheld);
            *untold -= usize::from(before > 0);
            return Pass::Log { withheld: before };
        }
        *untold += usize::from(source.withheld == 0);
        source.withheld += 1;
        *withheld += 1;
        Pass::Withhold { withheld: source.withheld }
    }

    /// The sources that may tell by now what was withheld; all of them, if it is the last occasion.
    pub(crate) fn due(&self, now: u64, last: bool) -> Vec<(Arc<str>, u64)> {
        let mut state = self.state.lock();
        let State { together, sources, untold, .. } = &mut *state;
        let mut due = Vec::new();
        if *untold == 0 {
            return due;
        }
        for (name, source) in sources.iter_mut().filter(|(_, source)| source.withheld > 0) {
            if last || source.bucket.allows(now, self.each) && together.allows(now, self.together) {
                source.bucket.take(now, self.each);
                together.take(now, self.together);
                due.push((name.clone(), std::mem::take(&mut source.withheld)));
                *untold -= 1;
            }
        }
        due
    }

    /// Whether something withheld is still to be told.
    pub(crate) fn owes(&self) -> bool {
        self.state.lock().untold > 0
    }

    /// How many were withheld in all.
    pub(crate) fn withheld(&self) -> u64 {
        self.state.lock().withheld
    }
}

/// The source of this name; if too many are known, one that is at rest makes room, or it is one of the others.
fn find<'s>(sources: &'s mut BTreeMap<Arc<str>, Source>, name: &str, now: u64) -> &'s mut Source {
    let mut name = name;
    if !sources.contains_key(name) {
        if sources.len() >= SOURCES {
            let rests = |source: &Source| source.withheld == 0 && source.bucket.due <= now;
            match sources
                .iter()
                .find(|(name, source)| &***name != OTHERS && rests(source))
                .map(|(name, _)| name.clone())
            {
                Some(resting) => drop(sources.remove(&*resting)),
                None => name = OTHERS,
            }
        }
        sources.entry(name.into()).or_default();
    }
    sources.get_mut(name).expect("it was put there just now")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const LIMIT: RateLimit = RateLimit::new(3, Duration::from_millis(100));

    fn passes(limiter: &Limiter, source: &str, at: &[u64]) -> Vec<Pass> {
        at.iter().map(|at| limiter.pass(source, at * MS)).collect()
    }

    #[test]
    fn a_burst_passes_then_one_each_time_and_says_how_many_did_not() {
        let limiter = Limiter::new(LIMIT);
        let log = |withheld| Pass::Log { withheld };
        let hold = |withheld| Pass::Withhold { withheld };
        let told = passes(&limiter, "a", &[0, 0, 0, 0, 50, 100, 150, 200]);
        assert_eq!(told, [log(0), log(0), log(0), hold(1), hold(2), log(2), hold(1), log(1)]);
        assert_eq!(limiter.withheld(), 3);
        assert!(!limiter.owes());
    }

    #[test]
    fn a_quiet_source_has_its_burst_again() {
        let limiter = Limiter::new(LIMIT);
        passes(&limiter, "a", &[0, 0, 0]);
        assert_eq!(passes(&limiter, "a", &[300, 300, 300]), [Pass::Log { withheld: 0 }; 3]);
    }

    #[test]
    fn one_source_does_not_withhold_the_reports_of_another() {
        let limiter = Limiter::new(LIMIT);
        passes(&limiter, "a", &[0; 100]);
        assert_eq!(passes(&limiter, "b", &[0, 0, 0]), [Pass::Log { withheld: 0 }; 3]);
    }

    #[test]
    fn all_sources_together_are_limited_to_ten_times_what_one_may() {
        let limiter = Limiter::new(LIMIT);
        let logged = |at: u64| {
            let all =
                (0..100).flat_map(|source| [source; 3]).map(|source| limiter.pass(&format!("s{source}"), at * MS));
            all.filter(|pass| matches!(pass, Pass::Log { .. })).count()
        };
        assert_eq!(logged(0), 30);
        assert_eq!(logged(100), 10);
    }

    #[test]
    fn what_is_withheld_is_told_as_soon_as_a_report_would_pass_and_once() {
        let limiter = Limiter::new(LIMIT);
        passes(&limiter, "a", &[0; 8]);
        assert_eq!(limiter.due(50 * MS, false), []);
        assert!(limiter.owes());
        assert_eq!(limiter.due(100 * MS, false), [("a".into(), 5)]);
        assert!(!limiter.owes());
        assert_eq!(limiter.due(1000 * MS, true), []);
        // It has used up what would have passed then.
        assert_eq!(passes(&limiter, "a", &[100]), [Pass::Withhold { withheld: 1 }]);
        assert_eq!(limiter.due(100 * MS, true), [("a".into(), 1)]);
    }

    #[test]
    fn no_more_sources_are_kept_than_are_told_apart() {
        let limiter = Limiter::new(RateLimit::new(1, Duration::from_secs(1)));
        for source in 0..10 * SOURCES {
            limiter.pass(&format!("s{source}"), 0);
        }
        assert_eq!(limiter.state.lock().sources.len(), SOURCES + 1, "and those that share a limit");
        let all: u64 = limiter.due(0, true).into_iter().map(|(_, withheld)| withheld).sum();
        assert_eq!(all, limiter.withheld());
        // When they are at rest they make room.
        limiter.pass("new", 1_000_000 * MS);
        assert!(limiter.state.lock().sources.contains_key("new"));
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let limiter = Limiter::new(RateLimit::NONE);
        let backwards: Vec<u64> = (0..1000).rev().collect();
        assert!(passes(&limiter, "a", &backwards).iter().all(|pass| matches!(pass, Pass::Log { withheld: 0 })));
    }
}
