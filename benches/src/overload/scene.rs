//! What is to be measured in one turn, and the script that follows from it: who calls when, and what happens meanwhile.

use std::ops::Range;
use std::time::Duration;

use clap::ValueEnum;

use super::law::{CAPACITY_PER_S, Law};
use super::parties::{MODEST_LOAD, Parties};

/// What happens to the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The same load all the time.
    Steady,
    /// The load for five deadlines, then 0.7x.
    Burst,
    /// Five deadlines of 0.5x, five of the load, and so on.
    Square,
    /// The same load all the time; for five deadlines each request takes five times as long.
    Slowdown,
    /// The same, and whoever fails tries again at once, twice.
    Retries,
    /// A thousand callers at once when the actor has just begun; whoever fails tries again at once, twice. Then the load.
    Dogpile,
    /// The same load all the time; once the actor panics and its supervisor starts it again, which takes a tenth of a deadline.
    Restart,
    /// The same load all the time, of calls that matter more and less: 10, 30, 40 and 20 of a hundred.
    Criticality,
    /// One who asks for the load, beside nine who ask for a twentieth of the capacity each.
    Hog,
    /// The same load all the time, of calls that ask one actor and then another.
    Chain,
    /// The same load all the time, of calls that ask ten actors at once and need all answers.
    Fanout,
}

impl Scenario {
    /// Its name on the command line and in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Steady => "steady",
            Scenario::Burst => "burst",
            Scenario::Square => "square",
            Scenario::Slowdown => "slowdown",
            Scenario::Retries => "retries",
            Scenario::Dogpile => "dogpile",
            Scenario::Restart => "restart",
            Scenario::Criticality => "criticality",
            Scenario::Hog => "hog",
            Scenario::Chain => "chain",
            Scenario::Fanout => "fanout",
        }
    }

    /// The loads that are measured if none is named.
    pub fn loads(self) -> &'static [f64] {
        match self {
            Scenario::Steady => &[0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 20.0],
            Scenario::Burst => &[10.0],
            Scenario::Square => &[3.0],
            Scenario::Slowdown | Scenario::Retries | Scenario::Restart => &[0.8],
            Scenario::Dogpile => &[0.7],
            Scenario::Criticality => &[2.0, 5.0, 9.0],
            Scenario::Hog | Scenario::Chain => &[2.0, 20.0],
            Scenario::Fanout => &[2.0, 5.0, 10.0],
        }
    }
}

/// One turn of one peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    /// What happens.
    pub scenario: Scenario,
    /// How the times that requests take are spread.
    pub law: Law,
    /// How much is asked, as a multiple of the capacity.
    pub load: f64,
    /// How long a caller waits, from when it was to call.
    pub deadline: Duration,
    /// How long callers are counted.
    pub lasts: Duration,
    /// What the callers' times and the service times follow from.
    pub seed: u64,
}

impl Scenario {
    /// Who works on a call, and for what share of its time.
    pub(super) fn stages(self) -> &'static [f64] {
        match self {
            Scenario::Chain => &[FRONT, 1.0 - FRONT],
            Scenario::Fanout => &[1.0 / LEAVES as f64; LEAVES],
            _ => &[1.0],
        }
    }

    /// Who calls.
    pub fn parties(self) -> Parties {
        match self {
            Scenario::Criticality => Parties::Classes,
            Scenario::Hog => Parties::Hog,
            _ => Parties::Alike,
        }
    }
}

impl Scene {
    /// Itself, as options of the program `overload`.
    pub fn as_args(&self) -> Vec<String> {
        let Scene { scenario, law, load, deadline, lasts, seed } = self;
        vec![
            format!("--scenario={}", scenario.name()),
            format!("--law={}", law.name()),
            format!("--load={load}"),
            format!("--deadline-ms={}", deadline.as_millis()),
            format!("--seconds={}", lasts.as_secs()),
            format!("--seed={seed}"),
        ]
    }

    /// The deadline in nanoseconds.
    pub(super) fn deadline_ns(&self) -> u64 {
        self.deadline.as_nanos() as u64
    }

    /// What is to happen, and when.
    pub(super) fn script(&self) -> Script {
        let lasts = self.lasts.as_nanos() as u64;
        let begins = lasts.min(WARM_UP * self.deadline_ns());
        let spell = SPELL * self.deadline_ns();
        let Scene { load, .. } = *self;
        let script = Script { counted_from_ns: begins, parties: self.scenario.parties(), ..Script::default() };
        let phase = |until_ns, load| Phase { until_ns, load };
        // Trouble is counted, and so is as much time behind it as in a scenario without.
        let (over, end) = (begins + spell, begins + spell + lasts);
        match self.scenario {
            Scenario::Steady | Scenario::Criticality | Scenario::Chain | Scenario::Fanout => {
                Script { phases: vec![phase(begins + lasts, load)], ..script }
            }
            Scenario::Hog => Script { phases: vec![phase(begins + lasts, load + MODEST_LOAD)], ..script },
            Scenario::Burst => Script {
                phases: vec![phase(begins, AFTERWARDS), phase(over, load), phase(end, AFTERWARDS)],
                trouble: Some(begins..over),
                ..script
            },
            Scenario::Square => {
                let ends = (1..).map(|n| begins + n * spell).take_while(|until_ns| *until_ns < begins + lasts);
                let loads = [VALLEY, load].into_iter().cycle();
                let phases = ends.chain([begins + lasts]).zip(loads).map(|(until_ns, load)| phase(until_ns, load));
                Script { phases: [phase(begins, VALLEY)].into_iter().chain(phases).collect(), ..script }
            }
            Scenario::Dogpile => Script {
                phases: vec![phase(PILE_NS, PILE_LOAD), phase(PILE_NS + lasts, load)],
                counted_from_ns: 0,
                trouble: Some(0..PILE_NS),
                attempts: ATTEMPTS,
                ..script
            },
            Scenario::Restart => Script {
                phases: vec![phase(begins + lasts, load)],
                trouble: Some(begins..begins),
                falls_at_ns: Some(begins),
                restart_ns: self.deadline_ns() / 10,
                ..script
            },
            Scenario::Slowdown | Scenario::Retries => Script {
                phases: vec![phase(end, load)],
                trouble: Some(begins..over),
                slow: true,
                attempts: if self.scenario == Scenario::Retries { ATTEMPTS } else { 1 },
                ..script
            },
        }
    }
}

/// What the first of a chain does of all the work.
const FRONT: f64 = 0.2;
/// How many are asked at once.
const LEAVES: usize = 10;

/// So many deadlines pass before callers are counted, or as long as they are counted if that is less: mailboxes that fill are
/// full by then, and nobody is new.
const WARM_UP: u64 = 10;

/// Deadlines that trouble lasts, and each half of a square wave.
const SPELL: u64 = 5;
/// The load before and after a burst.
const AFTERWARDS: f64 = 0.7;
/// The load between the waves.
const VALLEY: f64 = 0.5;
/// So many callers come within a millisecond: a thousand, on average.
const PILE_NS: u64 = 1_000_000;
const PILE_LOAD: f64 = 1_000.0 / (CAPACITY_PER_S / 1e3);
/// How often somebody tries who tries again.
const ATTEMPTS: u32 = 3;
/// How many times as long a request takes in a slow spell.
const SLOWER: u64 = 5;

/// A time of one load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub(super) until_ns: u64,
    pub(super) load: f64,
}

/// What is to happen, in nanoseconds from the beginning.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// One after another. Nobody calls after the last.
    pub(super) phases: Vec<Phase>,
    /// Callers before this time are not counted.
    pub(super) counted_from_ns: u64,
    /// What there is to recover from.
    pub(super) trouble: Option<Range<u64>>,
    /// Whether that is a slow spell.
    pub(super) slow: bool,
    /// How often a caller tries, at once when it has failed.
    pub(super) attempts: u32,
    /// When the actor panics at the request that it is about to serve.
    pub(super) falls_at_ns: Option<u64>,
    /// How long it takes to begin again.
    pub(super) restart_ns: u64,
    /// Who calls.
    pub(super) parties: Parties,
}

impl Default for Script {
    /// Nothing happens, and nobody calls.
    fn default() -> Self {
        Script {
            phases: Vec::new(),
            counted_from_ns: 0,
            trouble: None,
            slow: false,
            attempts: 1,
            falls_at_ns: None,
            restart_ns: 0,
            parties: Parties::Alike,
        }
    }
}

impl Script {
    /// How many times as long as usual a request takes that is begun at this time.
    pub(super) fn slower(&self, now_ns: u64) -> u64 {
        let is_slow = self.slow && self.trouble.as_ref().is_some_and(|trouble| trouble.contains(&now_ns));
        if is_slow { SLOWER } else { 1 }
    }

    /// How much is asked at this time, as a multiple of the capacity.
    pub(super) fn load_at(&self, now_ns: u64) -> f64 {
        self.phases.iter().find(|phase| now_ns < phase.until_ns).map_or(0.0, |phase| phase.load)
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.phases.last().map_or(0, |phase| phase.until_ns)
    }

    /// Whether a caller of this time is counted.
    pub(super) fn counts(&self, due_ns: u64) -> bool {
        due_ns >= self.counted_from_ns
    }

    /// Requests that the actor can serve at its usual pace while callers are counted.
    pub(super) fn capacity(&self) -> f64 {
        (self.end_ns() - self.counted_from_ns) as f64 / 1e9 * CAPACITY_PER_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn script(scenario: Scenario, load: f64) -> Script {
        let (deadline, lasts) = (Duration::from_millis(50), Duration::from_secs(1));
        Scene { scenario, law: Law::Exp, load, deadline, lasts, seed: 1 }.script()
    }

    fn phases(script: &Script) -> Vec<(u64, f64)> {
        script.phases.iter().map(|phase| (phase.until_ns / MS, phase.load)).collect()
    }

    #[test]
    fn a_steady_load_is_counted_after_ten_deadlines() {
        let script = script(Scenario::Steady, 2.0);
        assert_eq!(phases(&script), [(1_500, 2.0)]);
        assert_eq!((script.counted_from_ns, script.capacity()), (500 * MS, 10_000.0));
        assert!(!script.counts(499 * MS) && script.counts(500 * MS));
    }

    #[test]
    fn a_burst_lasts_five_deadlines_and_a_second_is_counted_after_it() {
        let script = script(Scenario::Burst, 10.0);
        assert_eq!(phases(&script), [(500, 0.7), (750, 10.0), (1_750, 0.7)]);
        assert_eq!(script.trouble, Some(500 * MS..750 * MS));
        assert_eq!(script.slower(600 * MS), 1);
    }

    #[test]
    fn a_square_wave_ends_with_the_time_that_is_counted() {
        let script = script(Scenario::Square, 3.0);
        assert_eq!(phases(&script), [(500, 0.5), (750, 0.5), (1_000, 3.0), (1_250, 0.5), (1_500, 3.0)]);
        assert_eq!(script.trouble, None);
    }

    #[test]
    fn a_slow_spell_is_over_after_five_deadlines_and_only_some_try_again() {
        let script = script(Scenario::Slowdown, 0.8);
        assert_eq!([499, 500, 749, 750].map(|ms| script.slower(ms * MS)), [1, 5, 5, 1]);
        assert_eq!((phases(&script), script.attempts), (vec![(1_750, 0.8)], 1));
        assert_eq!(self::script(Scenario::Retries, 0.8).attempts, 3);
    }

    #[test]
    fn a_thousand_come_at_once_before_anybody_was_served() {
        let script = script(Scenario::Dogpile, 0.7);
        assert_eq!(phases(&script), [(1, 100.0), (1_001, 0.7)]);
        assert_eq!((script.counted_from_ns, script.trouble.clone(), script.attempts), (0, Some(0..MS), 3));
        assert!((script.phases[0].load * CAPACITY_PER_S / 1e3 - 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn the_actor_falls_when_callers_begin_to_count() {
        let script = script(Scenario::Restart, 0.8);
        assert_eq!((script.falls_at_ns, script.restart_ns), (Some(500 * MS), 5 * MS));
        assert_eq!((phases(&script), script.trouble), (vec![(1_500, 0.8)], Some(500 * MS..500 * MS)));
    }
}
