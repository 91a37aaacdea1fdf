//! The differential test against Erlang's own supervisor, on scenarios nobody has played before.
//!
//! Erlang and Python are needed here only; what was recorded is played in every `cargo test`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{self, Workspace};

/// Scenarios that Erlang plays at a time.
const JOBS: &str = "16";

/// Generates scenarios, has Erlang and our engines play them, and compares.
pub(crate) fn run(workspace: &Workspace, count: u64, seed: u64) -> Result<(), String> {
    let oracle = workspace.root.join("supervisor/otp-oracle");
    let files = workspace.target.join("otp");
    std::fs::create_dir_all(&files).map_err(|error| format!("cannot make {}: {error}", files.display()))?;
    let file = |name: &str| files.join(format!("{name}.jsonl"));

    let mut generate = Command::new("python3");
    generate.arg(oracle.join("generate.py")).args(["--seed", &seed.to_string(), "--count", &count.to_string()]);
    write(&mut generate, &file("scenarios"))?;
    let mut erlang = Command::new("escript");
    erlang.arg(oracle.join("otp_runner.escript")).args(["--virtual", "--jobs", JOBS]).arg(file("scenarios"));
    eprintln!("  erlang plays {count} scenarios of seed {seed}");
    write(&mut erlang, &file("erlang"))?;

    let runner = build(workspace)?;
    let mut play = Command::new(&runner);
    play.args(["--engine", "core"]).stdin(open(&file("scenarios"))?);
    write(&mut play, &file("core"))?;
    let mut differing = Vec::new();
    // Where time is real, whoever plays must know what is expected: what differs is played again when nothing else runs.
    let engines = [("core", ["--compare", "erlang", "core"]), ("runtime", ["--against", "scenarios", "erlang"])];
    for (engine, [mode, first, second]) in engines {
        eprintln!("  {engine}:");
        let mut compare = Command::new(&runner);
        if workspace::run(compare.arg(mode).arg(file(first)).arg(file(second))).is_err() {
            differing.push(engine);
        }
    }
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!("different from Erlang: {}; the traces are in {}", differing.join(", "), files.display()))
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let package = ["build", "--release", "--package", "crashworthy-supervisor", "--example", "otp_runner"];
    workspace::run(&mut workspace.cargo(package))?;
    let name = format!("otp_runner{}", std::env::consts::EXE_SUFFIX);
    Ok(workspace.target.join("release/examples").join(name))
}

/// Runs a command and keeps what it prints.
fn write(command: &mut Command, to: &Path) -> Result<(), String> {
    let file = File::create(to).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    workspace::run(command.stdout(file)).map_err(|why| format!("{}: {why}", workspace::describe(command)))
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
