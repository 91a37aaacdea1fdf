//! Memory is measured in a process of its own, since a process keeps what an earlier peer made it take.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::roster::Contestant;

/// The hidden subcommand of `versus` under which it is such a process.
pub const SUBCOMMAND: &str = "idle-memory-of";

/// What the child prints on its stdout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// How many actors there were.
    pub actors: u64,
    /// Resident bytes each.
    pub bytes_each: f64,
    /// What went wrong, if anything did.
    pub wrong: Option<String>,
}

/// The child's part: measures and prints.
///
/// # Errors
/// When the answer cannot be written.
pub fn answer(contestant: &Contestant, actors: usize) -> io::Result<()> {
    let answer = match (contestant.idle_memory)(actors, limit()) {
        Ok(resident) => Answer { actors: resident.actors, bytes_each: resident.bytes_each, wrong: None },
        Err(wrong) => Answer { actors: 0, bytes_each: 0.0, wrong: Some(wrong.to_string()) },
    };
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

/// The parent's part: runs this very program as a child.
///
/// # Errors
/// When the child cannot be run or does not answer.
pub fn ask(peer: &str, actors: usize) -> io::Result<Answer> {
    let output = Command::new(std::env::current_exe()?)
        .args([SUBCOMMAND, "--peer", peer, "--actors", &actors.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("the child ended with {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What the actors may take: half of what is available.
fn limit() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib * 1_024 / 2)
}
