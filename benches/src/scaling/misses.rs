//! What a message executes and where it misses, as `cachegrind` simulates it: whether it is more work among more actors, or the
//! same work on memory that is farther away.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, process};

use super::{Amounts, Subject, alone};
use crate::program;
use crate::wrong::{Wrong, wrong};

/// How many messages there are the first time; the second time there are [`TIMES`] as many.
const FEWER: u64 = 64_000;
const TIMES: u64 = 4;
/// How long a process may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a message takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Misses {
    /// Instructions.
    pub instructions: f64,
    /// Data that was not in the first cache.
    pub first: f64,
    /// Data that was not in the last cache either.
    pub last: f64,
}

/// What a message takes among so many actors.
///
/// # Errors
/// When `valgrind` is missing or fails, or not all messages are counted.
pub fn misses(subject: Subject, actors: usize) -> Result<Misses, Wrong> {
    let (few, many) = (profile(subject, actors, FEWER)?, profile(subject, actors, FEWER * TIMES)?);
    let [instructions, first, last] =
        [0, 1, 2].map(|n| (many[n] as f64 - few[n] as f64) / (FEWER * (TIMES - 1)) as f64);
    Ok(Misses { instructions, first, last })
}

/// Instructions, and misses of the first and the last cache.
fn profile(subject: Subject, actors: usize, messages: u64) -> Result<[u64; 3], Wrong> {
    let out = Scratch::new()?;
    let alone = alone(subject, actors, Amounts { messages, asks: 0 })?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=cachegrind", "--cache-sim=yes"]);
    valgrind.arg(format!("--cachegrind-out-file={}", out.0.display())).arg(alone.get_program()).args(alone.get_args());
    program::said(&mut valgrind, PATIENCE).map_err(|why| wrong(format_args!("valgrind (Debian: valgrind): {why}")))?;
    read(&out.0)
}

fn read(profile: &Path) -> Result<[u64; 3], Wrong> {
    let text = fs::read_to_string(profile).map_err(wrong)?;
    totals(&text).ok_or_else(|| wrong("cachegrind's profile has no totals of the caches"))
}

fn totals(profile: &str) -> Option<[u64; 3]> {
    let row = |name| profile.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace);
    let counts: Vec<(&str, u64)> =
        row("events:")?.zip(row("summary:")?.filter_map(|count| count.parse().ok())).collect();
    let of = |event| counts.iter().find(|(name, _)| *name == event).map(|(_, count)| *count);
    Some([of("Ir")?, of("D1mr")? + of("D1mw")?, of("DLmr")? + of("DLmw")?])
}

/// A file of this process, as long as it is needed.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Wrong> {
        let path = env::temp_dir().join(format!("crashworthy-cachegrind-{}", process::id()));
        // A file that is there already, and may be somebody else's, is not written over.
        fs::File::create_new(&path).map_err(|why| wrong(format_args!("{}: {why}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_by_their_names() {
        let profile = "events: Ir Dr D1mr DLmr Dw D1mw DLmw\nfn=x\n1 2 3\nsummary: 100 9 10 1 9 20 2\n";
        assert_eq!(totals(profile), Some([100, 30, 3]));
        assert_eq!(totals("events: Ir\nsummary: 100\n"), None);
    }
}
