//! Turns: in each round of a work every contestant does it once, and each round begins with another contestant.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::child;
use super::roster::Contestant;
use crate::works::{Work, median};

/// The longest that one turn may take. What is lost shows as a turn that never ends.
const PATIENCE: Duration = Duration::from_secs(90);

/// What to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The works, in order.
    pub works: Vec<Work>,
    /// Who takes part.
    pub contestants: Vec<Contestant>,
    /// How many rounds each work has.
    pub rounds: usize,
    /// How many actors sit idle in `idle-memory`.
    pub actors: usize,
}

/// What one contestant reached in one work.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The work.
    pub work: Work,
    /// The contestant's name.
    pub peer: &'static str,
    /// One value a round.
    pub values: Vec<f64>,
}

impl Figure {
    /// The middle of the values.
    pub fn median(&self) -> f64 {
        median(&mut self.values.clone())
    }

    /// The least of the values.
    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest of the values.
    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// A turn that gave no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The work.
    pub work: Work,
    /// The contestant's name.
    pub peer: &'static str,
    /// What went wrong.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {}", self.work.name(), self.peer, self.why)
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The figures of all who did their work right.
    pub figures: Vec<Figure>,
    /// The turns that went wrong.
    pub failures: Vec<Failure>,
}

/// A turn that is about to begin.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The work.
    pub work: Work,
    /// The contestant's name.
    pub peer: &'static str,
    /// Its round, from 1.
    pub round: usize,
    /// The rounds of this work.
    pub rounds: usize,
    /// Turns done so far.
    pub done: usize,
    /// Turns in all.
    pub turns: usize,
}

/// Runs the plan. Whoever fails in a work takes no further part in it; a turn that hangs ends the run.
pub fn run(plan: &Plan, mut announce: impl FnMut(Turn)) -> Outcome {
    let rounds_of = |work: Work| plan.rounds.min(work.most_rounds());
    let turns = plan.works.iter().map(|&work| rounds_of(work) * plan.contestants.len()).sum();
    let mut outcome = Outcome::default();
    let mut done = 0;
    for &work in &plan.works {
        let rounds = rounds_of(work);
        let mut figures: Vec<Figure> =
            plan.contestants.iter().map(|c| Figure { work, peer: c.name, values: Vec::new() }).collect();
        let mut out = vec![false; figures.len()];
        for round in 0..rounds {
            for n in order(round, figures.len()) {
                let contestant = &plan.contestants[n];
                announce(Turn { work, peer: contestant.name, round: round + 1, rounds, done, turns });
                done += 1;
                if out[n] {
                    continue;
                }
                match turn(*contestant, work, plan.actors) {
                    Ok(value) => figures[n].values.push(value),
                    Err(Fault { why, hangs }) => {
                        out[n] = true;
                        outcome.failures.push(Failure { work, peer: contestant.name, why });
                        if hangs {
                            return outcome;
                        }
                    }
                }
            }
        }
        outcome.figures.extend(figures.into_iter().zip(out).filter(|(_, out)| !out).map(|(figure, _)| figure));
    }
    outcome
}

/// Who goes when: every round begins one further on, and every other round goes backwards, so that nobody always follows the same one.
fn order(round: usize, contestants: usize) -> Vec<usize> {
    let backwards = round % 2 == 1;
    (0..contestants).map(|n| if backwards { contestants - n } else { n }).map(|n| (n + round) % contestants).collect()
}

struct Fault {
    why: String,
    hangs: bool,
}

/// One contestant does one work once, on a thread of its own, so that a hang is noticed.
fn turn(contestant: Contestant, work: Work, actors: usize) -> Result<f64, Fault> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || drop(sender.send(value(contestant, work, actors))));
    match receiver.recv_timeout(PATIENCE) {
        Ok(value) => value.map_err(|why| Fault { why, hangs: false }),
        Err(RecvTimeoutError::Timeout) => {
            Err(Fault { why: format!("no end after {} s", PATIENCE.as_secs()), hangs: true })
        }
        Err(RecvTimeoutError::Disconnected) => Err(Fault { why: "the driver panicked".to_owned(), hangs: false }),
    }
}

fn value(contestant: Contestant, work: Work, actors: usize) -> Result<f64, String> {
    if work != Work::IdleMemory {
        return (contestant.measure)(work, work.count()).map_err(|wrong| wrong.to_string());
    }
    let answer = child::ask(contestant.name, actors).map_err(|error| error.to_string())?;
    if let Some(wrong) = answer.wrong {
        return Err(wrong);
    }
    if answer.actors < actors as u64 {
        eprintln!(
            "\nidle-memory of {}: {} actors only, as more would have taken half of the memory",
            contestant.name, answer.actors
        );
    }
    Ok(answer.bytes_each)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works::Wrong;

    fn contestant(name: &'static str, measure: fn(Work, u64) -> Result<f64, Wrong>) -> Contestant {
        Contestant { name, bounded: true, measure, idle_memory: |_, _| Err(Wrong::Lost) }
    }

    #[test]
    fn every_round_has_everybody_once_and_begins_with_another() {
        for round in 0..6 {
            let mut turns = order(round, 3);
            assert_eq!(turns[0], round % 3);
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2]);
        }
    }

    #[test]
    fn a_mismatch_is_a_failure_and_leaves_no_figure() {
        let wrong = |_, _| Err(Wrong::Count { what: "messages", expected: 2, found: 1 });
        let plan = Plan {
            works: vec![Work::Tell],
            contestants: vec![contestant("right", |_, _| Ok(1.0)), contestant("wrong", wrong)],
            rounds: 2,
            actors: 1,
        };
        let outcome = run(&plan, |_| {});
        assert_eq!(outcome.figures, [Figure { work: Work::Tell, peer: "right", values: vec![1.0, 1.0] }]);
        assert_eq!(outcome.failures.len(), 1);
        assert_eq!(outcome.failures[0].to_string(), "tell of wrong: messages: expected 2, found 1");
    }
}
