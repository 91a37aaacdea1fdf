//! Running steps one after the other, and telling how it went.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::paint::Paint;
use crate::workspace;

/// One thing to do, which works or says why not.
pub(crate) struct Step {
    name: &'static str,
    /// The command that does this step alone.
    repeat: &'static str,
    /// What is done, for the progress line.
    what: String,
    act: Box<dyn FnOnce() -> Result<(), String>>,
}

/// A step failed, and the reader has been told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Step {
    pub(crate) fn new(
        name: &'static str,
        repeat: &'static str,
        what: impl Into<String>,
        act: impl FnOnce() -> Result<(), String> + 'static,
    ) -> Self {
        Self { name, repeat, what: what.into(), act: Box::new(act) }
    }

    /// A step that is one command. The command talks to the reader itself.
    pub(crate) fn cargo(name: &'static str, repeat: &'static str, mut command: Command) -> Self {
        Self::new(name, repeat, workspace::describe(&command), move || workspace::run(&mut command))
    }
}

/// Runs `steps` until one fails.
pub(crate) fn run(steps: Vec<Step>, paint: Paint) -> Result<(), Failed> {
    run_telling(steps, paint, |line| eprintln!("{line}"))
}

fn run_telling(steps: Vec<Step>, paint: Paint, mut tell: impl FnMut(String)) -> Result<(), Failed> {
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    let count = steps.len();
    let mut passed = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        let Step { name, repeat, what, act } = step;
        let place = format!("[{}/{count}]", index + 1);
        tell(paint.strong(&format!("{place} {name}: {what}")));
        let start = Instant::now();
        let outcome = act();
        let took = start.elapsed();
        match outcome {
            Ok(()) => tell(paint.good(&format!("{place} {name}: ok in {}", Took(took)))),
            Err(why) => {
                tell(paint.bad(&format!("{place} {name}: FAILED after {}: {why}", Took(took))));
                tell(format!("      repeat it alone: {repeat}"));
                if index + 1 < count {
                    tell(format!("      not run: {}", names[index + 1..].join(", ")));
                }
                return Err(Failed);
            }
        }
        passed.push((name, took));
    }
    if count > 1 {
        let total = passed.iter().map(|(_, took)| *took).sum();
        tell(paint.strong(&format!("all {count} steps passed in {}", Took(total))));
        for (name, took) in passed {
            tell(format!("  {name:<10} {:>9}", Took(took).to_string()));
        }
    }
    Ok(())
}

/// A duration as a person reads it.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds < 100 {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else {
            write!(f, "{} min {:02} s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    fn step(name: &'static str, outcome: Result<(), String>) -> Step {
        Step::new(name, "cargo xtask again", "does it", || outcome)
    }

    fn told(steps: Vec<Step>) -> (Result<(), Failed>, String) {
        let mut lines = Vec::new();
        let outcome = run_telling(steps, Paint::plain(), |line| lines.push(line));
        (outcome, lines.join("\n"))
    }

    #[test]
    fn every_step_is_told_with_its_duration() {
        let (outcome, told) = told(vec![step("format", Ok(())), step("clippy", Ok(()))]);
        assert_eq!(outcome, Ok(()));
        assert!(told.contains("[1/2] format: does it\n[1/2] format: ok in 0.0 s"), "{told}");
        assert!(told.contains("all 2 steps passed in 0.0 s"), "{told}");
    }

    #[test]
    fn a_failure_names_the_step_and_the_command_and_ends_the_run() {
        let ran = Rc::new(Cell::new(false));
        let after = Rc::clone(&ran);
        let later = Step::new("tests", "cargo xtask test", "tests", move || {
            after.set(true);
            Ok(())
        });
        let (outcome, told) = told(vec![step("clippy", Err("exit status: 101".to_owned())), later]);
        assert_eq!(outcome, Err(Failed));
        assert!(!ran.get());
        assert!(told.contains("[1/2] clippy: FAILED after 0.0 s: exit status: 101"), "{told}");
        assert!(told.contains("repeat it alone: cargo xtask again"), "{told}");
        assert!(told.contains("not run: tests"), "{told}");
    }

    #[test]
    fn durations_are_seconds_and_then_minutes() {
        assert_eq!(Took(Duration::from_millis(1_240)).to_string(), "1.2 s");
        assert_eq!(Took(Duration::from_secs(125)).to_string(), "2 min 05 s");
    }
}
