//! What a message, a question and an actor cost among a hundred actors, and among a million.
//!
//! Each size is measured in a process of its own, since a process keeps what an earlier crowd made it take. Messages and questions go
//! to the actors in a random order that is the same for everybody, so that the next one is seldom in a cache when there are many.

pub mod chart;
mod crowd;

use std::env;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::peers::{Crashworthy, TokioMpsc};
use crate::program;
use crate::works::median;
use crate::wrong::{Wrong, wrong};

/// Who has a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Ours.
    Crashworthy,
    /// Tasks of tokio around a channel each: what the machine makes of so many, whoever hosts them.
    TokioMpsc,
}

impl Subject {
    /// Both, ours first.
    pub const ALL: [Self; 2] = [Self::Crashworthy, Self::TokioMpsc];

    /// Its name on the command line and in the chart.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crashworthy => "crashworthy",
            Self::TokioMpsc => "tokio-mpsc",
        }
    }
}

/// What a crowd of one size cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How many there were, a thousand aside that came before.
    pub actors: usize,
    /// From the first start until the last has begun, for each.
    pub spawn_ns: f64,
    /// Growth of the resident set meanwhile, for each.
    pub bytes: f64,
    /// A message from one to another, 64 at a time.
    pub hop_ns: f64,
    /// A question of one task, one after the other.
    pub ask_ns: f64,
}

/// How much is sent and asked.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// Messages.
    pub messages: u64,
    /// Questions: each actor is asked equally often.
    pub asks: u64,
}

impl Default for Amounts {
    fn default() -> Self {
        Self { messages: 2_000_000, asks: 1_000_000 }
    }
}

/// The hidden option under which the program of the same name measures one size.
pub const ALONE: &str = "--alone";

/// How long one size may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures one size in a process of its own.
///
/// # Errors
/// When the process cannot be run, or says that something was wrong.
pub fn measure(subject: Subject, actors: usize) -> Result<Figures, Wrong> {
    let said = program::said(&mut alone(subject, actors, Amounts::default())?, PATIENCE).map_err(wrong)?;
    serde_json::from_str(&said).map_err(wrong)
}

/// This very program, measuring one size.
fn alone(subject: Subject, actors: usize, Amounts { messages, asks }: Amounts) -> Result<Command, Wrong> {
    let mut program = Command::new(env::current_exe().map_err(wrong)?);
    program.args([ALONE, "--peer", subject.name(), "--largest", &actors.to_string()]);
    program.args(["--messages", &messages.to_string(), "--asks", &asks.to_string()]);
    Ok(program)
}

/// Measures one size in this process.
///
/// # Errors
/// When something that was sent or asked is not counted in the end.
pub fn measure_here(subject: Subject, actors: usize, Amounts { messages, asks }: Amounts) -> Result<Figures, Wrong> {
    let measured = match subject {
        Subject::Crashworthy => crowd::measure_here::<Crashworthy>(actors, messages, asks),
        Subject::TokioMpsc => crowd::measure_here::<TokioMpsc>(actors, messages, asks),
    };
    measured.map_err(wrong)
}

/// The smallest crowd: fewer could not hold all the tokens.
pub const SMALLEST: usize = 100;

/// Tenfold each time, the largest last.
pub fn sizes(largest: usize) -> Vec<usize> {
    let smaller = std::iter::successors(Some(SMALLEST), |size| size.checked_mul(10));
    smaller.take_while(|size| *size < largest).chain([largest]).collect()
}

/// The medians of some rounds with crowds of one size.
///
/// # Panics
/// Without a round.
pub fn medians(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(&mut rounds.iter().map(figure).collect::<Vec<_>>());
    Figures {
        actors: rounds[0].actors,
        spawn_ns: of(|figures| figures.spawn_ns),
        bytes: of(|figures| figures.bytes),
        hop_ns: of(|figures| figures.hop_ns),
        ask_ns: of(|figures| figures.ask_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_tenfold_up_to_the_largest() {
        assert_eq!(sizes(1_000_000), [100, 1_000, 10_000, 100_000, 1_000_000]);
        assert_eq!(sizes(5_000), [100, 1_000, 5_000]);
    }

    #[test]
    fn small_crowds_of_everybody_count_what_they_should() {
        for subject in Subject::ALL {
            let figures = measure_here(subject, 200, Amounts { messages: 6_400, asks: 1_000 });
            let figures = figures.unwrap_or_else(|why| panic!("{}: {why}", subject.name()));
            assert!(figures.spawn_ns > 0.0 && figures.hop_ns > 0.0 && figures.ask_ns > 0.0, "{figures:?}");
        }
    }

    #[test]
    fn a_median_is_taken_of_each_figure() {
        let round = |ns| Figures { actors: 100, spawn_ns: ns, bytes: 10.0 * ns, hop_ns: -ns, ask_ns: 1.0 };
        let middle = Figures { actors: 100, spawn_ns: 2.0, bytes: 20.0, hop_ns: -2.0, ask_ns: 1.0 };
        assert_eq!(medians(&[round(1.0), round(9.0), round(2.0)]), middle);
    }
}
