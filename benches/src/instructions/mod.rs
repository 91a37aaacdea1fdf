//! How many instructions the hot paths take, as `callgrind` counts them: the same on a busy machine as on a quiet one.
//!
//! Each path is run twice on a runtime of one thread, in processes of its own, once more often than the other time. The difference of
//! the two counts is of the path alone: starting and stopping cancel out.
//!
//! The clock does not know that everything takes thirty times as long. So no turn is short enough to be run in place, and each is
//! timed, not one in sixteen: what is counted is the longer way.

mod record;
mod refused;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, process};

use clap::ValueEnum;

pub use self::record::{Compared, compare, recorded, table};
use crate::peer::{Peer, Workers};
use crate::peers::Crashworthy;
use crate::program;
use crate::works::Work;
use crate::wrong::{Wrong, wrong};

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HotPath {
    /// A message from a task, and its handling.
    Tell,
    /// A question from a task, and its answer.
    Ask,
    /// A message from one actor to another that waits for it.
    Hop,
    /// An actor: start, one message, stop.
    Spawn,
    /// A message that a full mailbox refuses.
    Refused,
}

/// How often a path is run the first time; the second time it is [`TIMES`] as often.
const FEWER: u64 = 12_800;
const TIMES: u64 = 4;
/// How long a process may take. It is some fifty times as slow as it would be otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

impl HotPath {
    /// All of them, in the order of the table.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Ask => "ask",
            Self::Hop => "hop",
            Self::Spawn => "spawn",
            Self::Refused => "refused",
        }
    }

    /// What it is, for the table.
    pub fn what(self) -> &'static str {
        match self {
            Self::Tell => "a message from a task, and its handling (`tell-single`)",
            Self::Ask => "a question from a task, and its answer, by way of the pump (`ask`)",
            Self::Hop => "a message from an actor to one that waits for it (half a round trip of `pingpong`)",
            Self::Spawn => "an actor: start, one message, stop (`spawn`)",
            Self::Refused => "a message that a full mailbox refuses, and that is dropped",
        }
    }

    /// Runs it so often, in this process.
    ///
    /// # Errors
    /// When not everything is counted in the end that should be.
    pub fn run(self, times: u64) -> Result<(), Wrong> {
        let perform = |work: Work, count| {
            let done = Crashworthy::run(Workers::One, move |peer| work.perform(peer, count));
            done.map(drop).map_err(wrong)
        };
        match self {
            Self::Tell => perform(Work::TellSingle, times),
            Self::Ask => perform(Work::Ask, times),
            Self::Hop => perform(Work::Pingpong, times / 2),
            Self::Spawn => perform(Work::Spawn, times),
            Self::Refused => refused::run(times),
        }
    }

    /// How many instructions it takes, once.
    ///
    /// # Errors
    /// When `valgrind` is missing or fails, or the path goes wrong.
    pub fn count(self) -> Result<f64, Wrong> {
        let (few, many) = (self.instructions(FEWER)?, self.instructions(FEWER * TIMES)?);
        let more = many.checked_sub(few).ok_or_else(|| wrong("more of it took fewer instructions"))?;
        Ok(more as f64 / (FEWER * (TIMES - 1)) as f64)
    }

    /// What a process takes that runs it so often.
    fn instructions(self, times: u64) -> Result<u64, Wrong> {
        let out = Scratch::new(self.name())?;
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.0.display()));
        valgrind.arg(env::current_exe().map_err(wrong)?).args([ALONE, &times.to_string(), self.name()]);
        program::said(&mut valgrind, PATIENCE)
            .map_err(|why| wrong(format_args!("{} under valgrind (Debian: valgrind): {why}", self.name())))?;
        let profile = fs::read_to_string(&out.0).map_err(wrong)?;
        total(&profile).ok_or_else(|| wrong("callgrind's profile has no total"))
    }
}

/// The hidden option under which the program of the same name runs one path in its process.
pub const ALONE: &str = "--alone";

/// The instructions in a profile of `callgrind`.
fn total(profile: &str) -> Option<u64> {
    let line = profile.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

/// A file of this process, as long as it is needed.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self, Wrong> {
        let path = env::temp_dir().join(format!("crashworthy-callgrind-{name}-{}", process::id()));
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
    fn every_path_can_be_run_and_has_one_name() {
        for path in HotPath::all() {
            path.run(256).unwrap_or_else(|why| panic!("{}: {why}", path.name()));
            assert_eq!(path.to_possible_value().map(|value| value.get_name().to_owned()).as_deref(), Some(path.name()));
        }
    }

    #[test]
    fn the_total_of_a_profile_is_its_last() {
        assert_eq!(total("summary: 1\nfn=(1)\n1 2\ntotals: 4711\n"), Some(4711));
        assert_eq!(total("fn=(1)\n1 2\n"), None);
    }
}
