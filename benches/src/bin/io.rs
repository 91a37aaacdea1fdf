//! Actors and sockets: an actor for each TCP connection, and an HTTP handler that asks an actor. `io --help` says how they are measured.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use crashworthy_benches::io::echo::{self, Host};
use crashworthy_benches::io::http::{self, Answers, Asked};
use crashworthy_benches::io::report::{self, Asks, Values};
use crashworthy_benches::wrong::Wrong;

/// echo: an actor for each TCP connection sends small frames back, beside one task of tokio for each.
/// http: a handler of axum asks an actor, beside one that asks a task of tokio around a channel.
///
/// In each round everybody takes a turn on a runtime of its own with two workers; the clients have a thread of their own.
#[derive(Parser)]
#[command(after_help = "Examples:
  io                              both, a minute or so
  io http --rounds 20             the handler alone
  io --json > figures.jsonl       JSON lines; the tables go to stderr")]
struct Options {
    /// What to measure; both when left out.
    #[arg(value_name = "SCENE")]
    scenes: Vec<Scene>,
    /// How often everybody takes a turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Connections of echo. Each takes two files of this process.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    connections: u64,
    /// Round trips of each connection of echo, in each turn.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    round_trips: u64,
    /// Requests of http, in each turn.
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(40..=10_000_000))]
    requests: u64,
    /// Prints JSON lines on stdout, and the tables on stderr.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scene {
    Echo,
    Http,
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.scenes.is_empty() {
        options.scenes = Scene::value_variants().to_vec();
    }
    for scene in &options.scenes {
        let told = match scene {
            Scene::Echo => measure_echo(&options),
            Scene::Http => measure_http(&options),
        };
        match told {
            Ok((table, lines)) if options.json => {
                eprint!("{table}");
                print!("{lines}");
            }
            Ok((table, _)) => print!("{table}"),
            Err(why) => {
                eprintln!("failed: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Round by round, each beginning with another one.
fn order(round: u32, all: usize) -> impl Iterator<Item = usize> {
    (0..all).map(move |n| (n + round as usize) % all)
}

fn measure_echo(options: &Options) -> Result<(String, String), Wrong> {
    let mut hosts = Host::ALL.map(|host| (host, Values::default()));
    for round in 0..options.rounds {
        for n in order(round, hosts.len()) {
            let (host, values) = &mut hosts[n];
            values.0.push(echo::turn(*host, options.connections, options.round_trips)?);
        }
    }
    Ok(report::echo(options.connections, &hosts))
}

fn measure_http(options: &Options) -> Result<(String, String), Wrong> {
    let mut rows = Answers::ALL.map(|answers| (answers, [Asks::default(), Asks::default()]));
    for round in 0..options.rounds {
        for (answers, both) in &mut rows {
            for n in order(round, both.len()) {
                both[n].add(&http::turn(Asked::ALL[n], *answers, options.requests)?);
            }
        }
    }
    Ok(report::http(&rows))
}
