//! Injects faults into random trees under traffic, and looks whether every promise is kept. `faults --help` says how.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use crashworthy_benches::faults::campaign::{self, Plan, Progress};

/// Injects faults into random supervision trees under traffic, and looks whether every promise is kept.
///
/// Each round grows a tree from its dice, lets drivers send messages and break things (panics in every callback, kills,
/// supervisors killed and giving up, starts that fail or hang, blocked threads, stops half-way), then waits until the
/// system is quiet and audits it: the conservation law of every actor, one Down for each monitor, the order of every
/// sender's messages, no message twice, no actor, timer, monitor, link, name, permit, task or thread left over. Then it
/// stops the system and audits what is left.
///
/// Faults count when they have struck. They are told by kind at the end, with everything that was wrong; the exit status
/// is 1 if anything was.
#[derive(Parser)]
#[command(after_help = "Examples:
  faults                                  ten thousand faults, some seconds
  faults --count 1000000 --seed 7         a long campaign
  faults --seed 7 --round 41 --times 100  one round that failed, again and again: its schedule is not part of the seed
  faults --json | tail -1                 {\"faults\":…,\"seed\":…,\"violations\":…,\"leaks\":…}")]
struct Options {
    /// How many faults are to strike.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// What all decisions follow from; another seed, other trees and faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays this round alone, whatever the count.
    #[arg(long, conflicts_with = "count")]
    round: Option<u64>,
    /// How often, with --round.
    #[arg(long, default_value_t = 1, requires = "round", value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,
    /// How many rounds are played at a time; eight for each core when left out: most of a round is waiting.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    lanes: Option<u8>,
    /// Ends with one line of JSON on stdout; everything else goes to stderr.
    #[arg(long)]
    json: bool,
}

fn main() -> io::Result<ExitCode> {
    let Options { count, seed, round, times, lanes, json } = Options::parse();
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let plan =
        Plan { count, seed, only: round.map(|round| (round, times)), lanes: lanes.map_or(8 * cores, usize::from) };
    let shown = io::stderr().is_terminal();
    let summary = campaign::run(plan, |progress| {
        if shown {
            tell(progress, count, round.is_some());
        }
    })?;
    if shown {
        eprint!("\r\x1b[K");
    }
    if json {
        eprint!("{}", summary.text());
        println!("{}", summary.json());
    } else {
        io::stdout().write_all(summary.text().as_bytes())?;
    }
    Ok(if summary.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line, rewritten.
fn tell(Progress { faults, rounds, took }: Progress, count: u64, open: bool) {
    let of = if open { String::new() } else { format!(" of {count}") };
    eprint!("\r\x1b[K{faults}{of} faults, {rounds} rounds, {:.0} s", took.as_secs_f64());
}
