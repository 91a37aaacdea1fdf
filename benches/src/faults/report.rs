//! What a campaign came to, for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::campaign::Plan;
use super::kind::{Kind, Tally};
use super::ledger::Violation;
use super::round::Outcome;

/// What a campaign came to.
#[derive(Clone, Debug)]
pub struct Summary {
    seed: u64,
    faults: u64,
    rounds: u64,
    violations: u64,
    leaks: u64,
    took: Duration,
    kinds: Vec<(Kind, u64)>,
    failed: Vec<Outcome>,
    more_failed: u64,
}

#[derive(Serialize)]
struct Line {
    faults: u64,
    seed: u64,
    violations: u64,
    leaks: u64,
}

impl Outcome {
    /// A round that came to no end of its own.
    pub(super) fn broken(round: u64, detail: String) -> Self {
        let violation = Violation { rule: "no fault ends a round", detail, leak: false };
        Self { round, found: 1, violations: vec![violation], tree: String::new(), hangs: true }
    }
}

impl Summary {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            faults: 0,
            rounds: 0,
            violations: 0,
            leaks: 0,
            took: Duration::ZERO,
            kinds: Vec::new(),
            failed: Vec::new(),
            more_failed: 0,
        }
    }

    pub(super) fn add(&mut self, outcome: Outcome, told: usize) {
        if outcome.found == 0 {
            return;
        }
        let leaks = outcome.violations.iter().filter(|violation| violation.leak).count() as u64;
        self.leaks += leaks;
        self.violations += u64::from(outcome.found) - leaks;
        if self.failed.len() < told {
            self.failed.push(outcome);
        } else {
            self.more_failed += 1;
        }
    }

    pub(super) fn hung(&mut self, round: u64, stage: &'static str) {
        self.add(Outcome::broken(round, format!("its runtime stands still; it waited for {stage}")), usize::MAX);
    }

    pub(super) fn lane_panicked(&mut self) {
        self.add(Outcome::broken(u64::MAX, "a lane of the campaign panicked".to_owned()), usize::MAX);
    }

    pub(super) fn threads_left(&mut self, threads: usize) {
        if threads > 0 {
            let violation =
                Violation { rule: "threads end with their runtime", detail: format!("{threads} threads"), leak: true };
            let outcome =
                Outcome { round: u64::MAX, found: 1, violations: vec![violation], tree: String::new(), hangs: false };
            self.add(outcome, usize::MAX);
        }
    }

    pub(super) fn finish(&mut self, tally: &Tally, rounds: u64, took: Duration) {
        self.kinds = Kind::ALL.iter().map(|kind| (*kind, tally.of(*kind))).collect();
        (self.faults, self.rounds, self.took) = (tally.total(), rounds, took);
    }

    /// Faults that struck.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Kinds of faults that never struck.
    pub fn missing(&self) -> impl Iterator<Item = Kind> + '_ {
        self.kinds.iter().filter(|(_, count)| *count == 0).map(|(kind, _)| *kind)
    }

    /// Whether every promise was kept.
    pub fn is_well(&self) -> bool {
        self.violations == 0 && self.leaks == 0
    }

    /// The faults by kind, then what was wrong.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (kind, count) in &self.kinds {
            writeln!(text, "{count:>9}  {:<22} {}", kind.name(), kind.what()).expect("a string takes everything");
        }
        for outcome in &self.failed {
            self.tell(&mut text, outcome);
        }
        if self.more_failed > 0 {
            writeln!(text, "\n{} more rounds failed", self.more_failed).expect("a string takes everything");
        }
        let missing: Vec<&str> = self.missing().map(Kind::name).collect();
        if !missing.is_empty() {
            writeln!(text, "\nnever struck: {}", missing.join(", ")).expect("a string takes everything");
        }
        let rate = self.faults as f64 / self.took.as_secs_f64().max(f64::EPSILON);
        writeln!(
            text,
            "\n{} faults in {} rounds of seed {}: {} violations, {} leaks; {:.1} s, {rate:.0} faults a second",
            self.faults,
            self.rounds,
            self.seed,
            self.violations,
            self.leaks,
            self.took.as_secs_f64()
        )
        .expect("a string takes everything");
        text
    }

    fn tell(&self, text: &mut String, outcome: &Outcome) {
        let seed = self.seed;
        let told = outcome.violations.len();
        match outcome.round {
            u64::MAX => writeln!(text, "\nAfter the rounds:"),
            round => writeln!(text, "\nRound {round}, repeated by `--seed {seed} --round {round}`:"),
        }
        .expect("a string takes everything");
        for Violation { rule, detail, .. } in &outcome.violations {
            writeln!(text, "  - {rule}: {detail}").expect("a string takes everything");
        }
        if outcome.found as usize > told {
            writeln!(text, "  and {} more", outcome.found as usize - told).expect("a string takes everything");
        }
        for line in outcome.tree.lines() {
            writeln!(text, "    {line}").expect("a string takes everything");
        }
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        let Self { faults, seed, violations, leaks, .. } = *self;
        serde_json::to_string(&Line { faults, seed, violations, leaks }).expect("numbers are JSON")
    }
}
