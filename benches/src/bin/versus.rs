//! Compares actor runtimes: the same works, in turns, in one run. `versus --list` says what is measured.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use crashworthy_benches::versus::roster::{self, Contestant};
use crashworthy_benches::versus::rounds::{self, Plan, Turn};
use crashworthy_benches::versus::{child, report, silence_crashes_on_demand};
use crashworthy_benches::works::Work;

/// Compares crashworthy with its peers: the same works, in turns, in one run.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// What to measure; everything when left out.
    #[arg(value_name = "WORK")]
    works: Vec<Work>,
    /// How often everybody takes a turn at each work.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    rounds: usize,
    /// Who takes part; everybody when left out.
    #[arg(long = "peer", value_name = "NAME", num_args = 1.., value_parser = roster::named)]
    peers: Vec<Contestant>,
    /// How many actors sit idle in idle-memory.
    #[arg(long, default_value_t = Work::IdleMemory.count() as usize, value_parser = at_least_one)]
    actors: usize,
    /// Prints JSON lines on stdout, and the table on stderr.
    #[arg(long)]
    json: bool,
    /// Prints what each work is and who takes part, and measures nothing.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Subcommand)]
enum Child {
    /// Measures the memory of one peer in this process.
    #[command(name = child::SUBCOMMAND, hide = true)]
    IdleMemoryOf {
        #[arg(long, value_parser = roster::named)]
        peer: Contestant,
        #[arg(long, value_parser = at_least_one)]
        actors: usize,
    },
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..) => Ok(n),
        _ => Err("a whole number, at least 1".to_owned()),
    }
}

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    silence_crashes_on_demand();
    if let Some(Child::IdleMemoryOf { peer, actors }) = options.child {
        child::answer(&peer, actors)?;
        return Ok(ExitCode::SUCCESS);
    }
    let contestants = if options.peers.is_empty() { roster::everybody() } else { options.peers };
    if options.list {
        io::stdout().write_all(report::list(&contestants).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let works = if options.works.is_empty() { Work::all().to_vec() } else { options.works };
    let outcome = rounds::run(&Plan { works, contestants, rounds: options.rounds, actors: options.actors }, progress);
    clear_progress();

    let table = report::table(&outcome.figures);
    if options.json {
        eprint!("{table}");
        io::stdout().write_all(report::json_lines(&outcome.figures).as_bytes())?;
    } else {
        io::stdout().write_all(table.as_bytes())?;
    }
    for failure in &outcome.failures {
        eprintln!("failed: {failure}");
    }
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line on stderr, rewritten on a terminal; elsewhere one line a work.
fn progress(turn: Turn) {
    let Turn { work, peer, round, rounds, done, turns } = turn;
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K[{}/{turns}] {} round {round}/{rounds}: {peer}", done + 1, work.name());
    } else if round == 1 {
        eprintln!("[{}/{turns}] {}: {peer}", done + 1, work.name());
    }
}

fn clear_progress() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
