//! Blocks every worker at once, and looks what others get meanwhile: ours and the peers in turns. `blocked --help` says how.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use crashworthy_benches::blocked::report::{Figures, HEAD};
use crashworthy_benches::blocked::{By, Measured, Runtime, beside_bulkhead, on_own, quiet};
use crashworthy_benches::versus::roster::{self, Host, OURS};
use crashworthy_benches::wrong::Wrong;

/// Blocks every worker at once, and looks what others get meanwhile: ours and the peers in turns.
///
/// In each round handlers of as many actors as a runtime has workers block for 400 ms. A thread outside of it asks another actor every
/// millisecond, another one an HTTP endpoint that is a plain task of that runtime every four; latency counts from when a question was due.
/// "ambient" is a runtime of two workers on which actors are guests; "own" is the one that #[crashworthy::main] makes. In "bulkhead" it is that, too,
/// and those who block are in a bulkhead of two threads: these are blocked, and the four that come to help. In "quiet" nobody blocks.
#[derive(Parser)]
#[command(after_help = "Examples:
  blocked                              everybody, a minute or so
  blocked --by mutex --rounds 10       one way to block
  blocked --peer crashworthy --json    JSON lines; the table goes to stderr")]
struct Options {
    /// How handlers block: sleep, spin, mutex (a lock that another thread has). All when left out.
    #[arg(long, value_delimiter = ',')]
    by: Vec<By>,
    /// How often, for each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Who takes part; when left out crashworthy, ractor, kameo and tokio-mpsc.
    #[arg(long = "peer", value_name = "NAME", num_args = 1.., value_delimiter = ',', value_parser = roster::host_named)]
    peers: Vec<Host>,
    /// Prints JSON lines on stdout, and the table on stderr.
    #[arg(long)]
    json: bool,
}

/// Those whose actors may run on any worker.
const USUAL: [&str; 4] = [OURS, "ractor", "kameo", "tokio-mpsc"];

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.by.is_empty() {
        options.by = By::ALL.to_vec();
    }
    if options.peers.is_empty() {
        options.peers = roster::hosts().into_iter().filter(|peer| USUAL.contains(&peer.name)).collect();
    }
    let mut failed = false;
    say(options.json, HEAD);
    if options.peers.iter().any(|peer| peer.name == OURS) {
        failed |= !shown(&options, OURS, Runtime::Quiet, By::Sleep, quiet(options.rounds));
    }
    for &by in &options.by {
        for peer in &options.peers {
            let mut turns = vec![(Runtime::Ambient, (peer.blocked)(by, options.rounds))];
            if peer.name == OURS {
                turns.push((Runtime::Own, on_own(by, options.rounds)));
                turns.push((Runtime::Bulkhead, beside_bulkhead(by, options.rounds)));
            }
            for (runtime, measured) in turns {
                failed |= !shown(&options, peer.name, runtime, by, measured);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Shows what was measured. False: nothing was.
fn shown(options: &Options, peer: &'static str, runtime: Runtime, by: By, measured: Result<Measured, Wrong>) -> bool {
    match &measured {
        Ok(measured) => show(options, Figures::of(peer, runtime, by, measured)),
        Err(why) => eprintln!("{peer} blocked by {}, {}: {why}", by.name(), runtime.name()),
    }
    measured.is_ok()
}

fn show(options: &Options, figures: [Figures; 2]) {
    for figures in figures {
        say(options.json, &figures.row());
        if options.json {
            println!("{}", figures.json_line());
        }
    }
}

fn say(json: bool, text: &str) {
    if json { eprint!("{text}") } else { print!("{text}") }
}
