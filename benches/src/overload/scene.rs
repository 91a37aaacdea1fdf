//! What is to be measured in one turn, and the script that follows from it: who calls when, and what happens meanwhile.

use std::time::Duration;

use clap::ValueEnum;

use super::law::{CAPACITY_PER_S, Law};

/// What happens to the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The same load all the time.
    Steady,
}

impl Scenario {
    /// Its name on the command line and in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Steady => "steady",
        }
    }

    /// The loads that are measured if none is named.
    pub fn loads(self) -> &'static [f64] {
        match self {
            Scenario::Steady => &[0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 20.0],
        }
    }
}

/// One turn of one peer.
#[derive(Clone, Copy, Debug)]
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

impl Scene {
    /// Itself, as options of the program `overload`.
    pub(super) fn as_args(&self) -> Vec<String> {
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
        let warm_up = lasts.min(WARM_UP * self.deadline_ns());
        let end = warm_up + lasts;
        match self.scenario {
            Scenario::Steady => {
                Script { phases: vec![Phase { until_ns: end, load: self.load }], counted_from_ns: warm_up }
            }
        }
    }
}

/// So many deadlines pass before callers are counted, or as long as they are counted if that is less: mailboxes that fill are
/// full by then, and nobody is new.
const WARM_UP: u64 = 10;

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
}

impl Script {
    pub(super) fn end_ns(&self) -> u64 {
        self.phases.last().map_or(0, |phase| phase.until_ns)
    }

    /// Whether a caller of this time is counted.
    pub(super) fn counts(&self, due_ns: u64) -> bool {
        due_ns >= self.counted_from_ns
    }

    /// Requests that the actor can serve while callers are counted.
    pub(super) fn capacity(&self) -> f64 {
        (self.end_ns() - self.counted_from_ns) as f64 / 1e9 * CAPACITY_PER_S
    }
}
