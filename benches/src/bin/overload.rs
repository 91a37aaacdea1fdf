//! Asks one actor for more than it can do: ours and the peers in turns, in real time. `overload --help` says how.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use crashworthy_benches::overload::law::Law;
use crashworthy_benches::overload::report::{Figures, HEAD};
use crashworthy_benches::overload::scene::{Scenario, Scene};
use crashworthy_benches::overload::{Wrong, turn};
use crashworthy_benches::versus::roster::{self, Host};
use crashworthy_benches::versus::silence_crashes_on_demand;

/// Asks one actor for more than it can do: ours and the peers in turns, in real time.
///
/// The actor burns 100 us of CPU a request on average, so its capacity is 10,000 a second. Callers arrive as a Poisson process whatever
/// happens, and have gone when their deadline has passed. A turn whose callers fell behind their schedule shows nothing: it has a row in
/// the table but no JSON line, it is named at the end, and the exit status is 1.
#[derive(Parser)]
#[command(after_help = "Examples:
  overload                                           steady load, everybody, about a minute for each
  overload --scenario burst                          10x for five deadlines, then 0.7x: how long until callers are served again
  overload --scenario restart                        the actor panics once: how long until callers are served again
  overload --scenario fanout                         each call needs ten actors: how much work is for calls that fail
  overload --load 1,2,20 --peer crashworthy xtra     three loads, two contestants
  overload --law bimodal --deadline-ms 100 --json    JSON lines; the table goes to stderr")]
struct Options {
    /// What happens to the actor.
    #[arg(long, value_enum, default_value_t = Scenario::Steady)]
    scenario: Scenario,
    /// How much is asked, as multiples of the capacity; what suits the scenario when left out.
    #[arg(long, value_name = "LOAD", value_delimiter = ',', value_parser = load)]
    load: Vec<f64>,
    /// How the times that requests take are spread.
    #[arg(long, value_enum, default_value_t = Law::Exp)]
    law: Law,
    /// How long a caller waits, in milliseconds.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    deadline_ms: u64,
    /// How long callers are counted in a turn, after a warm-up of ten deadlines.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Who takes part; everybody when left out.
    #[arg(long = "peer", value_name = "NAME", num_args = 1.., value_delimiter = ',', value_parser = roster::host_named)]
    peers: Vec<Host>,
    /// What the callers' times and the service times follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints JSON lines on stdout, and the table on stderr.
    #[arg(long)]
    json: bool,
    /// Takes one turn, in this process.
    #[arg(long, hide = true)]
    alone: bool,
}

fn load(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(load) if (0.01..=100.0).contains(&load) => Ok(load),
        _ => Err("a number from 0.01 to 100".to_owned()),
    }
}

impl Options {
    fn scenes(&self) -> impl Iterator<Item = Scene> {
        let loads = if self.load.is_empty() { self.scenario.loads() } else { &self.load };
        loads.iter().map(|&load| Scene {
            scenario: self.scenario,
            law: self.law,
            load,
            deadline: Duration::from_millis(self.deadline_ms),
            lasts: Duration::from_secs(self.seconds),
            seed: self.seed,
        })
    }
}

fn main() -> io::Result<ExitCode> {
    let mut options = Options::parse();
    silence_crashes_on_demand();
    if options.peers.is_empty() {
        options.peers = roster::hosts();
    }
    if options.alone { alone(&options) } else { Ok(in_turns(&options)) }
}

/// Takes the first turn there is, and prints what it has shown.
fn alone(options: &Options) -> io::Result<ExitCode> {
    let Some((scene, peer)) = options.scenes().next().zip(options.peers.first()) else {
        return Ok(ExitCode::FAILURE);
    };
    match (peer.overload)(scene) {
        Ok(turn) => {
            println!("{}", serde_json::to_string(&turn)?);
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Everybody takes a turn at each load.
fn in_turns(options: &Options) -> ExitCode {
    let mut failures = Vec::new();
    show(options, HEAD);
    for scene in options.scenes() {
        for peer in &options.peers {
            progress(&scene, peer.name);
            let turn = turn::measure(&scene, peer.name);
            clear_progress();
            let failure = |wrong: Wrong| format!("{} at {}x: {wrong}", peer.name, scene.load);
            match turn {
                Ok(turn) => {
                    let figures = Figures::of(&scene, peer.name, &turn);
                    figures.iter().for_each(|figures| show(options, &figures.row()));
                    match turn.is_on_time(scene.deadline) {
                        Ok(()) if options.json => {
                            figures.iter().for_each(|figures| println!("{}", figures.json_line()))
                        }
                        Ok(()) => {}
                        Err(wrong) => failures.push(failure(wrong)),
                    }
                }
                Err(wrong) => failures.push(failure(wrong)),
            }
        }
    }
    for failure in &failures {
        eprintln!("failed: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A part of the table.
fn show(options: &Options, text: &str) {
    if options.json {
        eprint!("{text}");
    } else {
        print!("{text}");
    }
}

/// One line on stderr, if that is a terminal.
fn progress(scene: &Scene, peer: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{}x: {peer}", scene.load);
    }
}

fn clear_progress() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::try_parse_from([&["overload"], args].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_process_of_a_turn_is_told_its_whole_scene() {
        let options = ["--scenario=burst", "--law=pareto", "--load=2.5", "--deadline-ms=7", "--seconds=3", "--seed=9"];
        let scene = parse(&options).map(|options| options.scenes().collect::<Vec<_>>()).expect("they are right");
        assert_eq!(scene.iter().flat_map(Scene::as_args).collect::<Vec<_>>(), options);
    }

    #[test]
    fn each_scenario_has_loads_of_its_own_and_others_are_a_list() {
        let loads = |args: &[&str]| -> Vec<f64> {
            parse(args).expect("they are right").scenes().map(|scene| scene.load).collect()
        };
        assert_eq!(loads(&[]), [0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(loads(&["--scenario", "slowdown"]), [0.8]);
        assert_eq!(loads(&["--load", "0.5,2", "--load", "7"]), [0.5, 2.0, 7.0]);
    }

    #[test]
    fn a_bad_argument_is_named_with_what_would_be_right() {
        for (args, right) in [
            (["--load", "0"], "a number from 0.01 to 100"),
            (["--load", "NaN"], "a number from 0.01 to 100"),
            (["--deadline-ms", "0"], "1..=10000"),
            (["--seconds", "0"], "1..=600"),
            (["--law", "normal"], "const, exp, bimodal, pareto"),
            (["--scenario", "earthquake"], "steady, burst, square, slowdown, retries"),
            (["--peer", "nobody"], "one of crashworthy, "),
        ] {
            let error = parse(&args).err().unwrap_or_default();
            assert!(error.contains(args[0]) && error.contains(right), "{args:?}: {error}");
        }
    }
}
