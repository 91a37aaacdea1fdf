//! What the console costs, where nobody looks and where somebody does. `console-cost --help` says how that is measured.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use crashworthy_benches::console_cost::{self, Figures, HEAD, Mode, Turn};

/// What the console costs: two actors pass a ball to each other among many that do nothing; without a console, with one that
/// nobody asks, and with one that is asked twice a second for the system, the tree and the fullest mailboxes.
///
/// In each round each of the three has a process of its own, in turns, and is compared with the one without a console.
#[derive(Parser)]
#[command(after_help = "Examples:
  console-cost                              five rounds among 100,000 actors, a minute or so
  console-cost --actors 1000 --rounds 20    fewer actors, more rounds
  console-cost --hostile --passes 20000000  what clients that mean no good cost, all at once
  console-cost --json                       JSON lines; the table goes to stderr")]
struct Options {
    /// Actors that do nothing.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    actors: u32,
    /// Ways of the ball in each turn.
    #[arg(long, default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    passes: u64,
    /// How often each takes a turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Instead of one that is asked, one that is misused besides: with garbage, a byte a second, 10 MB without an end, answers that
    /// nobody reads, requests and answers that are left in the middle, and 1,000 connections at once.
    #[arg(long)]
    hostile: bool,
    /// Prints JSON lines on stdout, and the table on stderr.
    #[arg(long)]
    json: bool,
    /// Takes one turn in this process.
    #[arg(long, hide = true)]
    alone: Option<Mode>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let actors = options.actors as usize;
    if let Some(mode) = options.alone {
        return match console_cost::take(mode, actors, options.passes) {
            Ok(turn) => {
                println!("{}", serde_json::to_string(&turn).expect("numbers are JSON"));
                ExitCode::SUCCESS
            }
            Err(why) => failed(&why),
        };
    }
    let modes = if options.hostile { Mode::MISUSED } else { Mode::USUAL };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        match take_turns(round, modes, actors, options.passes) {
            Ok(turns) => rounds.push(turns),
            Err(why) => return failed(&why),
        }
    }
    say(options.json, HEAD);
    for figures in Figures::of(actors, modes, &rounds) {
        say(options.json, &figures.row());
        if options.json {
            println!("{}", figures.json_line());
        }
    }
    ExitCode::SUCCESS
}

/// One turn of each, beginning with another one each time.
fn take_turns(
    round: u32,
    modes: [Mode; 3],
    actors: usize,
    passes: u64,
) -> Result<[Turn; 3], crashworthy_benches::wrong::Wrong> {
    let mut turns = [None; 3];
    for at in 0..3 {
        let at = (at + round as usize) % 3;
        turns[at] = Some(console_cost::measure(modes[at], actors, passes)?);
    }
    Ok(turns.map(|turn| turn.expect("each had its turn")))
}

fn failed(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("failed: {why}");
    ExitCode::FAILURE
}

fn say(json: bool, text: &str) {
    if json { eprint!("{text}") } else { print!("{text}") }
}
