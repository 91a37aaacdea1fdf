//! What the console costs, where nobody looks and where somebody does. `console-cost --help` says how that is measured.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use crashworthy_benches::console_cost::{self, ALONE, Alone, Figures, HEAD, MODES, Mode, ROUND, Round, apart};
use crashworthy_benches::wrong::Wrong;
use serde::Serialize;

/// What the console costs: two actors pass a ball to each other among many that do nothing; without a console, with one that
/// nobody asks, and with one that is asked twice a second for the system, the tree and the fullest mailboxes.
///
/// Each has a system of its own in one process, and all take turns with short windows; a window is compared with the one of the same
/// cycles without a console. The control has no console either: what it shows is the noise.
#[derive(Parser)]
#[command(after_help = "Examples:
  console-cost                              among 100,000 actors, a minute and a half
  console-cost --actors 1000 --rounds 10    fewer actors, more processes
  console-cost --hostile                    what clients that mean no good cost, all at once
  console-cost --json                       JSON lines; the table goes to stderr")]
struct Options {
    /// Actors that do nothing, in each system.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    actors: u32,
    /// Processes, one after the other.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// How much each system plays in each of these, in half seconds.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pairs: u32,
    /// Threads that actors run on: one ball needs no more.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Instead of one that is asked, one that is misused besides: with garbage, a byte a second, 10 MB without an end, answers that
    /// nobody reads, requests and answers that are left in the middle, and 1,000 connections at once.
    #[arg(long)]
    hostile: bool,
    /// Prints JSON lines on stdout, and the table on stderr.
    #[arg(long)]
    json: bool,
    /// Ways of the ball where a system is alone.
    #[arg(long, hide = true, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    passes: u64,
    /// Has one system in this process.
    #[arg(long, hide = true)]
    alone: Option<Mode>,
    /// Plays the round of this number in this process.
    #[arg(long, hide = true)]
    round: Option<u32>,
    /// Is those who come to a console.
    #[arg(long, hide = true, requires = "socket")]
    clients: Option<Mode>,
    /// Where that console listens.
    #[arg(long, hide = true)]
    socket: Option<PathBuf>,
}

/// How long a system plays for a pair.
const PAIR: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Wrong> {
    let (modes, actors) = (options.modes(), options.actors as usize);
    if let Some((mode, socket)) = options.clients.zip(options.socket.as_deref()) {
        return console_cost::serve(mode, socket);
    }
    if let Some(mode) = options.alone {
        return tell(&console_cost::alone(mode, actors, options.passes)?);
    }
    if let Some(number) = options.round {
        let (workers, cycles) = (options.workers as usize, options.pairs * options.together());
        return tell(&console_cost::round(modes, actors, workers, cycles, PAIR / options.together(), number)?);
    }
    let mut rounds = Vec::new();
    let mut alone = Vec::new();
    for number in 0..options.rounds {
        alone.push(options.alone(modes)?);
        rounds.push(options.round(number)?);
    }
    options.say(HEAD);
    for figures in Figures::of(actors, modes, options.together() as usize, &rounds, &alone) {
        options.say(&figures.row());
        if let Some(line) = figures.json_line().filter(|_| options.json) {
            println!("{line}");
        }
    }
    Ok(())
}

impl Options {
    fn modes(&self) -> [Mode; MODES] {
        if self.hostile { Mode::MISUSED } else { Mode::USUAL }
    }

    /// How many windows are a pair: where clients need time for what they do, one.
    fn together(&self) -> u32 {
        if self.hostile { 1 } else { 5 }
    }

    /// Each mode but the control in a process of its own.
    fn alone(&self, modes: [Mode; MODES]) -> Result<[Option<Alone>; MODES], Wrong> {
        let mut told = [None; MODES];
        for (at, mode) in modes.into_iter().enumerate().filter(|(_, mode)| *mode != Mode::Control) {
            let (actors, passes) = (self.actors.to_string(), self.passes.to_string());
            let options = [ALONE, mode.name(), "--actors", &actors, "--passes", &passes];
            told[at] = Some(apart(&options, Duration::ZERO)?);
        }
        Ok(told)
    }

    /// A round in a process of its own.
    fn round(&self, number: u32) -> Result<Round, Wrong> {
        let number = number.to_string();
        let (actors, workers, pairs) = (self.actors.to_string(), self.workers.to_string(), self.pairs.to_string());
        let mut options = vec![ROUND, &number, "--actors", &actors, "--workers", &workers, "--pairs", &pairs];
        options.extend(self.hostile.then_some("--hostile"));
        apart(&options, PAIR * self.pairs * MODES as u32)
    }

    fn say(&self, text: &str) {
        if self.json { eprint!("{text}") } else { print!("{text}") }
    }
}

fn tell(told: &impl Serialize) -> Result<(), Wrong> {
    println!("{}", serde_json::to_string(told).expect("numbers are JSON"));
    Ok(())
}
