//! Plays supervision scenarios as Erlang's own supervisor does in `otp-oracle/otp_runner.escript`, and prints the same
//! traces; or compares such traces.
//!
//! ```text
//! cargo run --release -p crashworthy-supervisor --example otp_runner -- --engine core|runtime < scenarios.jsonl > traces.jsonl
//! cargo run --release -p crashworthy-supervisor --example otp_runner -- --compare expected.jsonl actual.jsonl
//! cargo run --release -p crashworthy-supervisor --example otp_runner -- --against scenarios.jsonl expected.jsonl
//! cargo run --release -p crashworthy-supervisor --example otp_runner -- --archive core
//! ```
//!
//! `--against` plays on the running system and compares at once; what differs is played again when nothing else runs, since
//! time is real there. `--archive` plays the recorded pairs and prints how many are equal. What is compared and what is not, and
//! why, is said in `otp-oracle/README.md`.

mod oracle;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::panic::catch_unwind;
use std::process::ExitCode;

use oracle::compare::Tally;
use oracle::on_runtime::{AT_A_TIME, Stage};
use oracle::scenario::Scenario;
use oracle::trace::Outcome;
use oracle::{archive, on_core};

const USAGE: &str =
    "otp_runner --engine core|runtime < SCENARIOS > TRACES | --compare EXPECTED ACTUAL | --archive core|runtime";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tally = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--engine", "core"] => {
            play(on_core::play)?;
            return Ok(ExitCode::SUCCESS);
        }
        ["--engine", "runtime"] => {
            play_on_runtime()?;
            return Ok(ExitCode::SUCCESS);
        }
        ["--compare", expected, actual] => compare(expected, actual)?,
        ["--against", scenarios, expected] => against(scenarios, expected)?,
        ["--archive", "core"] => recorded_on_core()?,
        ["--archive", "runtime"] => Stage::new().compare_recorded()?,
        _ => return Err(USAGE.into()),
    };
    println!("{tally}");
    Ok(if tally.all_equal(1) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play(engine: impl Fn(&Scenario) -> Outcome) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let outcome = scenario(&line?).map_or_else(|skipped| *skipped, |scenario| engine(&scenario));
        serde_json::to_writer(&mut out, &outcome)?;
        writeln!(out)?;
    }
    out.flush()
}

fn play_on_runtime() -> io::Result<()> {
    let lines = io::stdin().lock().lines();
    let mut out = io::stdout().lock();
    let mut scenarios = Vec::new();
    for line in lines {
        match scenario(&line?) {
            Ok(scenario) => scenarios.push(scenario),
            Err(skipped) => writeln!(out, "{}", serde_json::to_string(&skipped)?)?,
        }
    }
    let mut told = Ok(());
    Stage::new().play_all(&scenarios, AT_A_TIME, |outcome| {
        told =
            std::mem::replace(&mut told, Ok(())).and_then(|()| writeln!(out, "{}", serde_json::to_string(&outcome)?));
    });
    told
}

/// Reads one scenario. What has no words here, such as a strategy that does not exist, is left out with the reason, and the
/// others are played.
fn scenario(line: &str) -> Result<Scenario, Box<Outcome>> {
    serde_json::from_str(line).map_err(|error| {
        let id = serde_json::from_str(line).ok().and_then(|it: serde_json::Value| it.get("id")?.as_u64());
        Box::new(Outcome::Skipped { id: id.unwrap_or_default(), skipped: format!("no scenario: {error}") })
    })
}

fn compare(expected: &str, actual: &str) -> io::Result<Tally> {
    let actual: BTreeMap<u64, Outcome> = traces(actual)?.into_iter().map(|trace| (trace.id(), trace)).collect();
    let mut tally = Tally::default();
    for trace in traces(expected)? {
        tally.count(&trace, actual.get(&trace.id()));
    }
    Ok(tally)
}

/// Plays on the runtime, and compares.
fn against(scenarios: &str, expected: &str) -> io::Result<Tally> {
    let scenarios = BufReader::new(File::open(scenarios)?).lines();
    let scenarios = scenarios.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<io::Result<Vec<Scenario>>>()?;
    let mut expected: BTreeMap<u64, Outcome> = traces(expected)?.into_iter().map(|trace| (trace.id(), trace)).collect();
    let pairs =
        scenarios.into_iter().filter_map(|scenario| expected.remove(&scenario.id).map(|trace| (scenario, trace)));
    Ok(Stage::new().compare(pairs.collect()))
}

fn traces(path: &str) -> io::Result<Vec<Outcome>> {
    BufReader::new(File::open(path)?).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

/// A broken invariant ends one scenario and not the run.
fn recorded_on_core() -> io::Result<Tally> {
    let mut tally = Tally::default();
    for recorded in archive::read(&archive::path())? {
        let recorded = recorded?;
        let id = recorded.scenario.id;
        let crashed = |_| Outcome::Failed { id, error: "a panic".to_owned() };
        let actual = catch_unwind(|| on_core::play(&recorded.scenario)).unwrap_or_else(crashed);
        tally.count(&recorded.trace, Some(&actual));
    }
    Ok(tally)
}
