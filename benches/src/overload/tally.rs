//! What became of the calls.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Wrong;
use super::parties::Caller;
use super::recovery::Recovery;
use super::scene::Script;
use super::server::Served;
use crate::peer::Unanswered;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With an answer by its deadline.
    Good,
    /// With an answer after it.
    Late,
    /// Without one.
    Without(Unanswered),
}

/// What is counted while a turn goes on, by the thread that calls.
pub(super) struct Tally<'a> {
    script: &'a Script,
    all: Ends,
    /// By who calls, if they differ.
    classes: Vec<Ends>,
    recovery: Recovery,
    /// How much later than it should have been each call was made, in microseconds.
    lateness_us: Histogram<u64>,
}

/// The ends of some calls.
struct Ends {
    calls: Calls,
    /// Of those that were answered in time, from when they were to be made, in microseconds.
    latency_us: Histogram<u64>,
}

impl Ends {
    fn new() -> Self {
        Ends { calls: Calls::default(), latency_us: histogram() }
    }

    fn note(&mut self, end: End, took_ns: u64) {
        let count = match end {
            End::Good => {
                self.latency_us.saturating_record(took_ns / 1_000);
                &mut self.calls.good
            }
            End::Late => &mut self.calls.late,
            End::Without(Unanswered::Refused) => &mut self.calls.refused,
            End::Without(Unanswered::TimedOut) => &mut self.calls.timed_out,
            End::Without(Unanswered::Lost) => &mut self.calls.lost,
        };
        *count += 1;
    }

    fn into_answers(self, capacity: f64) -> Answers {
        let of_answers = |share| (self.calls.good > 0).then(|| percentile(&self.latency_us, share));
        Answers {
            calls: self.calls,
            goodput: self.calls.good as f64 / capacity,
            p50_ms: of_answers(0.5),
            p99_ms: of_answers(0.99),
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in range")
}

fn percentile(of: &Histogram<u64>, share: f64) -> f64 {
    of.value_at_quantile(share) as f64 / 1e3
}

/// The calls that count, by their ends. Every call has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// All of them.
    pub offered: u64,
    /// Answered in time.
    pub good: u64,
    /// Answered, but the deadline had passed.
    pub late: u64,
    /// Refused.
    pub refused: u64,
    /// Not answered by the deadline.
    pub timed_out: u64,
    /// The actor went away.
    pub lost: u64,
}

impl Calls {
    /// Whether each call has ended once, and each answer was given by the actor.
    fn check(&self, served: u64) -> Result<(), Wrong> {
        let ended = self.good + self.late + self.refused + self.timed_out + self.lost;
        if ended != self.offered {
            return Err(Wrong::Ends { offered: self.offered, ended });
        }
        let answered = self.good + self.late;
        if answered > served { Err(Wrong::Answers { answered, served }) } else { Ok(()) }
    }
}

/// What became of some calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// The calls by their ends.
    pub calls: Calls,
    /// Answered in time, as a share of what the actor could have served.
    pub goodput: f64,
    /// The median of the times until the answers in time.
    pub p50_ms: Option<f64>,
    /// Their ninety-ninth percentile.
    pub p99_ms: Option<f64>,
}

/// What a turn has shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// All calls.
    pub all: Answers,
    /// The calls of each party, as [`names`](super::parties::Parties::names) has them, if there are several.
    pub classes: Vec<Answers>,
    /// Requests that the actor has served.
    pub served: u64,
    /// The same, as a share of what it could have served.
    pub served_share: f64,
    /// Of these, such whose caller had gone when the answer was there.
    pub in_vain: u64,
    /// Whether the actor has panicked.
    pub fallen: bool,
    /// How far the resident set grew, at the most.
    pub rss_growth_mb: f64,
    /// How long after the trouble callers were served again; nothing if they were not, or there was none.
    pub recovered_ms: Option<f64>,
    /// Share of the time that the machine took from the actor while it served.
    pub stalled: f64,
    /// The ninety-ninth percentile of what calls were made too late.
    pub lateness_p99_ms: f64,
    /// The latest call.
    pub lateness_max_ms: f64,
}

impl Turn {
    /// Whether the calls were made when they were due, or so little later that it does not matter to callers with this deadline.
    ///
    /// # Errors
    /// How late they were.
    pub fn is_on_time(&self, deadline: Duration) -> Result<(), Wrong> {
        let (by_ms, limit_ms) = (self.lateness_p99_ms, deadline.as_secs_f64() * 1e3 / 10.0);
        if by_ms > limit_ms { Err(Wrong::Behind { by_ms, limit_ms }) } else { Ok(()) }
    }
}

impl<'a> Tally<'a> {
    pub(super) fn new(script: &'a Script, deadline_ns: u64) -> Self {
        let classes = script.parties.names().iter().map(|_| Ends::new()).collect();
        let recovery = Recovery::new(script, deadline_ns);
        Tally { script, all: Ends::new(), classes, recovery, lateness_us: histogram() }
    }

    /// A call is made at `now`.
    pub(super) fn begins(&mut self, due_ns: u64, caller: Caller, now_ns: u64) {
        self.lateness_us.saturating_record(now_ns.saturating_sub(due_ns) / 1_000);
        if self.script.counts(due_ns) {
            self.both(caller).for_each(|ends| ends.calls.offered += 1);
        }
    }

    /// A call has ended at `now`.
    pub(super) fn ends(&mut self, due_ns: u64, caller: Caller, end: End, now_ns: u64) {
        if !self.script.counts(due_ns) {
            return;
        }
        self.recovery.note(due_ns, end == End::Good);
        self.both(caller).for_each(|ends| ends.note(end, now_ns.saturating_sub(due_ns)));
    }

    /// Where a call of this caller is counted.
    fn both(&mut self, caller: Caller) -> impl Iterator<Item = &mut Ends> {
        let apart = self.script.parties.group(caller).and_then(|group| self.classes.get_mut(group));
        std::iter::once(&mut self.all).chain(apart)
    }

    /// The figures, if the counts agree.
    ///
    /// A call is served when so many stages have worked on it.
    pub(super) fn into_turn(self, served: &Served, stages: u64, rss_growth: u64) -> Result<Turn, Wrong> {
        self.all.calls.check(served.all() / stages)?;
        let capacity = self.script.capacity();
        let (done, in_vain) = if stages == 1 { (served.all(), served.in_vain()) } else { served.worked() };
        Ok(Turn {
            all: self.all.into_answers(capacity),
            classes: self.classes.into_iter().map(|ends| ends.into_answers(capacity)).collect(),
            served: done,
            served_share: done as f64 / capacity,
            in_vain,
            fallen: served.has_fallen(),
            rss_growth_mb: rss_growth as f64 / 1e6,
            recovered_ms: self.recovery.after_ms(),
            stalled: served.stalled_ns() as f64 / (self.script.end_ns() - self.script.counted_from_ns) as f64,
            lateness_p99_ms: percentile(&self.lateness_us, 0.99),
            lateness_max_ms: self.lateness_us.max() as f64 / 1e3,
        })
    }
}

/// No time that is measured is longer.
const LONGEST_US: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::super::parties::Parties;
    use super::super::scene::Phase;
    use super::*;
    use crate::peer::Class;

    const MS: u64 = 1_000_000;

    /// A tenth of a second of the capacity, counted after the first 10 ms.
    fn script() -> Script {
        Script { phases: vec![Phase { until_ns: 110 * MS, load: 1.0 }], counted_from_ns: 10 * MS, ..Script::default() }
    }

    fn served(all: u64) -> Served {
        Served::having(all, 0)
    }

    #[test]
    fn percentiles_are_of_the_times_from_when_a_call_was_due() {
        let script = script();
        let mut tally = Tally::new(&script, 50 * MS);
        for n in 1..=100 {
            let due = 10 * MS + n;
            tally.begins(due, Caller::USUAL, due + MS);
            tally.ends(due, Caller::USUAL, End::Good, due + n * MS / 10);
        }
        let turn = tally.into_turn(&served(100), 1, 2_000_000).expect("the counts agree");
        let is_about = |ms: Option<f64>, expected: f64| ms.is_some_and(|ms| (ms - expected).abs() < 0.01);
        assert!(is_about(turn.all.p50_ms, 5.0) && is_about(turn.all.p99_ms, 9.9), "{turn:?}");
        assert_eq!((turn.all.goodput, turn.rss_growth_mb), (0.1, 2.0));
        assert!(is_about(Some(turn.lateness_max_ms), 1.0), "{turn:?}");
    }

    #[test]
    fn a_late_answer_is_not_good_and_who_calls_in_the_warm_up_is_not_counted() {
        let script = script();
        let mut tally = Tally::new(&script, 50 * MS);
        for due in [0, 20 * MS, 20 * MS] {
            tally.begins(due, Caller::USUAL, due);
        }
        tally.ends(0, Caller::USUAL, End::Good, MS);
        tally.ends(20 * MS, Caller::USUAL, End::Late, 71 * MS);
        tally.ends(20 * MS, Caller::USUAL, End::Without(Unanswered::Refused), 20 * MS);
        let turn = tally.into_turn(&served(1), 1, 0).expect("the counts agree");
        assert_eq!(turn.all.calls, Calls { offered: 2, late: 1, refused: 1, ..Calls::default() });
        assert_eq!((turn.all.p50_ms, turn.all.p99_ms), (None, None));
        assert!(turn.classes.is_empty());
    }

    #[test]
    fn calls_that_matter_more_and_less_are_counted_apart_too() {
        let script = Script { parties: Parties::Classes, ..script() };
        let mut tally = Tally::new(&script, 50 * MS);
        for (class, end) in
            [(Class::Highest, End::Good), (Class::Low, End::Without(Unanswered::Refused)), (Class::Low, End::Good)]
        {
            let caller = Caller { class, ..Caller::USUAL };
            tally.begins(20 * MS, caller, 20 * MS);
            tally.ends(20 * MS, caller, end, 21 * MS);
        }
        let turn = tally.into_turn(&served(2), 1, 0).expect("the counts agree");
        let of = |class: Class| turn.classes[class as usize].calls;
        assert_eq!(turn.all.calls, Calls { offered: 3, good: 2, refused: 1, ..Calls::default() });
        assert_eq!(of(Class::Highest), Calls { offered: 1, good: 1, ..Calls::default() });
        assert_eq!(of(Class::Low), Calls { offered: 2, good: 1, refused: 1, ..Calls::default() });
        assert_eq!((of(Class::High), turn.classes.len()), (Calls::default(), 4));
    }

    #[test]
    fn calls_that_were_made_a_tenth_of_the_deadline_too_late_show_nothing() {
        let script = script();
        let lateness = |by_ns| {
            let mut tally = Tally::new(&script, 50 * MS);
            tally.begins(0, Caller::USUAL, by_ns);
            let turn = tally.into_turn(&served(0), 1, 0).expect("the counts agree");
            turn.is_on_time(Duration::from_millis(50))
        };
        assert_eq!(lateness(4 * MS), Ok(()));
        assert!(matches!(lateness(6 * MS), Err(Wrong::Behind { limit_ms: 5.0, .. })));
    }

    #[test]
    fn a_call_without_an_end_and_an_answer_that_nobody_gave_are_wrong() {
        let script = script();
        let mut tally = Tally::new(&script, 50 * MS);
        tally.begins(20 * MS, Caller::USUAL, 20 * MS);
        let wrong = tally.into_turn(&served(1), 1, 0).expect_err("one has not ended");
        assert_eq!(wrong, Wrong::Ends { offered: 1, ended: 0 });

        let mut tally = Tally::new(&script, 50 * MS);
        tally.begins(20 * MS, Caller::USUAL, 20 * MS);
        tally.ends(20 * MS, Caller::USUAL, End::Good, 21 * MS);
        let wrong = tally.into_turn(&served(0), 1, 0).expect_err("nobody has served");
        assert_eq!(wrong, Wrong::Answers { answered: 1, served: 0 });
    }
}
