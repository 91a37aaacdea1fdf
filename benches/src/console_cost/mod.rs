//! What the console costs: where nobody looks, and where somebody does, twice a second, among many actors.
//!
//! In each round one process has no console, one has one that nobody asks, and one has one that is asked as the terminal asks
//! it. With `--hostile` the last is misused by clients of all kinds besides. What the last two take for a ball that two actors pass to each other is compared with the first of the same round.

mod hostile;
mod turn;

use std::process::{Command, Stdio};

use clap::ValueEnum;
use serde::Serialize;

pub use turn::{Turn, take};

use crate::wrong::{Wrong, wrong};

/// What there is of a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// None.
    Without,
    /// One that nobody asks.
    Unattached,
    /// One that is asked.
    Attached,
    /// One that is asked, and misused besides.
    Hostile,
}

impl Mode {
    /// Those that are compared unless told otherwise, the one to compare with first.
    pub const USUAL: [Self; 3] = [Self::Without, Self::Unattached, Self::Attached];
    /// The same with who misuses a console in the place of who asks it.
    pub const MISUSED: [Self; 3] = [Self::Without, Self::Unattached, Self::Hostile];

    /// Its name on the command line and in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Without => "without",
            Self::Unattached => "unattached",
            Self::Attached => "attached",
            Self::Hostile => "hostile",
        }
    }
}

/// The hidden option under which the program of the same name takes one turn.
pub const ALONE: &str = "--alone";

/// Takes a turn in a process of its own.
///
/// # Errors
/// When the process cannot be run or says that something was wrong.
pub fn measure(mode: Mode, actors: usize, passes: u64) -> Result<Turn, Wrong> {
    let program = std::env::current_exe().map_err(wrong)?;
    let output = Command::new(program)
        .args([ALONE, mode.name(), "--actors", &actors.to_string(), "--passes", &passes.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(wrong)?;
    if !output.status.success() {
        return Err(wrong(format!("the turn {} ended with {}", mode.name(), output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(wrong)
}

/// What a console costs in one of its modes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    mode: &'static str,
    actors: usize,
    /// What a ball takes, as a multiple of what it takes without a console in the same round: the median.
    ratio: f64,
    #[serde(skip)]
    least: f64,
    #[serde(skip)]
    most: f64,
    /// What the process has in memory more than without a console, for each actor: the median.
    bytes_per_actor: f64,
    /// The longest answer to a look at the system in any round.
    snapshot_ms: Option<f64>,
}

impl Figures {
    /// Of the rounds, each with a turn of every of these modes.
    pub fn of(actors: usize, modes: [Mode; 3], rounds: &[[Turn; 3]]) -> [Self; 2] {
        [1, 2].map(|at| {
            let ratios = sorted(rounds.iter().map(|turns| turns[at].pass_ns / turns[0].pass_ns));
            let more = |turns: &[Turn; 3]| turns[at].resident_bytes as f64 - turns[0].resident_bytes as f64;
            let bytes = sorted(rounds.iter().map(|turns| more(turns) / actors.max(1) as f64));
            Self {
                mode: modes[at].name(),
                actors,
                ratio: median(&ratios),
                least: ratios.first().copied().unwrap_or(0.0),
                most: ratios.last().copied().unwrap_or(0.0),
                bytes_per_actor: median(&bytes),
                snapshot_ms: rounds.iter().filter_map(|turns| turns[at].snapshot_ms).reduce(f64::max),
            }
        })
    }

    /// As a JSON object on a line.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }

    /// As a row of the table.
    pub fn row(&self) -> String {
        let Self { mode, actors, ratio, least, most, bytes_per_actor, snapshot_ms } = self;
        let snapshot = snapshot_ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"));
        format!("{mode:<11} {actors:>8} {ratio:>7.3} {least:>7.3} {most:>7.3} {bytes_per_actor:>9.1} {snapshot:>9}\n")
    }
}

/// The columns of the table.
pub const HEAD: &str = "\
mode          actors   ratio   least    most bytes per  snapshot
                     to without a console      actor        ms\n";

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_with_themselves_and_the_longest_look_is_told() {
        let turn = |pass_ns, resident_bytes, snapshot_ms| Turn { pass_ns, resident_bytes, snapshot_ms };
        let round = |slow: f64, ms| {
            [turn(100.0 * slow, 1_000, None), turn(101.0 * slow, 1_020, None), turn(110.0 * slow, 1_400, Some(ms))]
        };
        let [unattached, attached] = Figures::of(10, Mode::USUAL, &[round(1.0, 3.0), round(3.0, 9.0), round(2.0, 1.0)]);
        assert!((unattached.ratio - 1.01).abs() < 1e-9 && (attached.ratio - 1.1).abs() < 1e-9);
        assert_eq!((unattached.bytes_per_actor, attached.bytes_per_actor), (2.0, 40.0));
        assert_eq!((unattached.snapshot_ms, attached.snapshot_ms), (None, Some(9.0)));
        assert!(
            attached.json_line().starts_with(r#"{"mode":"attached","actors":10,"ratio":1.1"#),
            "{}",
            attached.json_line()
        );
    }

    #[test]
    fn a_short_turn_of_each_mode_passes_the_ball_and_somebody_looks_where_he_should() {
        for mode in Mode::USUAL.into_iter().chain([Mode::Hostile]) {
            let turn = take(mode, 20, 2_000).expect("it can be taken");
            assert!(turn.pass_ns > 0.0 && turn.pass_ns < 1e7 && turn.resident_bytes > 0, "{turn:?}");
            let is_asked = matches!(mode, Mode::Attached | Mode::Hostile);
            assert_eq!(turn.snapshot_ms.is_some_and(|ms| ms > 0.0), is_asked, "{turn:?}");
        }
    }
}
