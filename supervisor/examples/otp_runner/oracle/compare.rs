//! Where two traces part, and how many do not.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::canon::canonical;
use super::trace::{Event, Outcome, Trace};

/// How many of how many pairs of traces are equal.
#[derive(Default)]
pub(crate) struct Tally {
    compared: usize,
    equal: usize,
    /// In how many of the equal ones a life was [ended by the next](Trace::forced).
    forced: usize,
    /// Why some were compared up to a step only, and how many.
    cut: BTreeMap<String, usize>,
    /// How many were equal only when they were played alone.
    alone: usize,
    /// Why scenarios were left out, and how many.
    skipped: BTreeMap<String, usize>,
    /// Where the first few differ.
    shown: Vec<String>,
}

/// So many differences are enough to begin with.
const SHOWN: usize = 5;

impl Tally {
    pub(crate) fn count(&mut self, expected: &Outcome, actual: Option<&Outcome>) {
        if let Some(Outcome::Skipped { skipped, .. }) = actual {
            *self.skipped.entry(skipped.clone()).or_default() += 1;
            return;
        }
        self.compared += 1;
        let found = actual.map_or_else(|| vec!["there is no trace".to_owned()], |actual| differences(expected, actual));
        if found.is_empty() {
            self.equal += 1;
            if let Some(Outcome::Trace(trace)) = actual {
                self.forced += usize::from(trace.forced > 0);
                if let Some(why) = &trace.cut {
                    *self.cut.entry(why.clone()).or_default() += 1;
                }
            }
        } else if self.shown.len() < SHOWN {
            self.shown.push(format!("scenario {} differs:\n  {}", expected.id(), found.join("\n  ")));
        }
    }

    /// The same for one that differed when it was played beside others.
    pub(crate) fn count_again(&mut self, expected: &Outcome, actual: &Outcome) {
        let equal = self.equal;
        self.count(expected, Some(actual));
        self.alone += self.equal - equal;
    }

    /// Whether nothing differs and nothing was left out, and at least so many were compared to their ends.
    pub(crate) fn all_equal(&self, at_least: usize) -> bool {
        let cut: usize = self.cut.values().sum();
        self.equal == self.compared && self.skipped.is_empty() && self.compared >= at_least + cut
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.shown {
            writeln!(f, "{difference}")?;
        }
        for (why, count) in &self.skipped {
            writeln!(f, "{count} skipped: {why}")?;
        }
        for (why, count) in &self.cut {
            writeln!(f, "{count} compared up to where {why}")?;
        }
        if self.forced > 0 {
            writeln!(
                f,
                "in {} what a killed supervisor left was ended before its next life, and is told as left",
                self.forced
            )?;
        }
        if self.alone > 0 {
            writeln!(f, "{} were equal only when nothing else ran", self.alone)?;
        }
        let left_out: usize = self.skipped.values().sum();
        write!(f, "{} of {} equal", self.equal, self.compared + left_out)?;
        if left_out > 0 { write!(f, ", {left_out} not expressible") } else { Ok(()) }
    }
}

/// Lines that say where `actual` leaves `expected`; none if they are equal. Both may be in any form.
pub(crate) fn differences(expected: &Outcome, actual: &Outcome) -> Vec<String> {
    match (expected, actual) {
        (Outcome::Trace(expected), Outcome::Trace(actual)) => {
            between(&canonical(expected.clone()), &canonical(actual.clone()))
        }
        (Outcome::Failed { error: why, .. } | Outcome::Skipped { skipped: why, .. }, _) => {
            vec![format!("there is nothing to compare with: {why}")]
        }
        (_, Outcome::Failed { error: why, .. } | Outcome::Skipped { skipped: why, .. }) => {
            vec![format!("the run failed: {why}")]
        }
    }
}

fn between(expected: &Trace, actual: &Trace) -> Vec<String> {
    let mut found = Vec::new();
    let compared = if actual.cut.is_some() { actual.steps.len() } else { usize::MAX };
    for (at, step) in expected.steps.iter().enumerate().take(compared) {
        let Some(other) = actual.steps.get(at) else {
            return vec![format!("step {at} ({}): missing", step.op)];
        };
        let place = format!("step {at} ({})", step.op);
        note(&mut found, &format!("{place} op"), &step.op, &other.op);
        note(&mut found, &format!("{place} r"), &step.r, &other.r);
        note(&mut found, &format!("{place} dr"), &step.dr, &other.dr);
        events(&mut found, &place, &step.ev, &other.ev);
        if !found.is_empty() {
            // What comes later follows from this.
            return found;
        }
    }
    if let Some(more) = actual.steps.get(expected.steps.len()) {
        return vec![format!("step {} ({}): not expected", expected.steps.len(), more.op)];
    }
    if actual.cut.is_some() {
        return found;
    }
    note(&mut found, "final", &expected.left, &actual.left);
    note(&mut found, "orphans", &expected.orphans, &actual.orphans);
    match (&expected.stop, &actual.stop) {
        (Some(stop), Some(other)) => events(&mut found, "stop", stop, other),
        (stop, other) => note(&mut found, "stop", stop, other),
    }
    found
}

fn note<T: PartialEq + Serialize>(found: &mut Vec<String>, place: &str, expected: &T, actual: &T) {
    if expected != actual {
        let shown = |value| serde_json::to_string(value).unwrap_or_default();
        found.push(format!("{place}: expected {}, actual {}", shown(expected), shown(actual)));
    }
}

fn events(found: &mut Vec<String>, place: &str, expected: &[Event], actual: &[Event]) {
    if expected != actual {
        let at = expected.iter().zip(actual).take_while(|(expected, actual)| expected == actual).count();
        let shown = |events: &[Event]| events.get(at).map_or("no more events".to_owned(), Event::to_string);
        found.push(format!("{place} event {at}: expected {}, actual {}", shown(expected), shown(actual)));
    }
}
