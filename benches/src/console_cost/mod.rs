//! What the console costs: where nobody looks, and where somebody does, twice a second, among many actors.
//!
//! ```text
//! a round, a process:  without ▸ control ▸ unattached ▸ attached │ attached ▸ unattached ▸ control ▸ without │ control ▸ …
//!                      └───────────────── a cycle ─────────────┘   each a window in which two new actors pass a ball
//! ```
//! Each mode has a system of its own in the process. How many ways of the ball there were in half a second of its windows is compared with
//! those in the same cycles without a console: a pair. What is compared is so near in time that it hardly matters what else the machine has to do.
//! `control` has no console either: what it differs is the noise. Those who look, or with `--hostile` mean no good, are a process of their own.
//! What a console has in memory is seen in processes with one system each.

mod alone;
mod ball;
mod clients;
mod figures;
mod hostile;
mod threads;
mod windows;
mod world;

use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use crashworthy::prelude::*;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

pub use alone::{Alone, alone};
pub use clients::{CLIENTS, Seen, serve};
pub use figures::{Figures, HEAD};
pub use windows::{Round, Window, round};

use crate::program::said;
use crate::wrong::{Wrong, wrong};

/// How long anybody waits for anything.
const PATIENCE: Duration = secs(60);

/// How many are compared, with the one to compare with.
pub const MODES: usize = 4;

/// What there is of a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// None.
    Without,
    /// None either.
    Control,
    /// One that nobody asks.
    Unattached,
    /// One that is asked.
    Attached,
    /// One that is asked, and misused besides.
    Hostile,
}

impl Mode {
    /// Those that are compared unless told otherwise, the one to compare with first.
    pub const USUAL: [Self; MODES] = [Self::Without, Self::Control, Self::Unattached, Self::Attached];
    /// The same with who misuses a console in the place of who asks it.
    pub const MISUSED: [Self; MODES] = [Self::Without, Self::Control, Self::Unattached, Self::Hostile];

    /// Its name on the command line and in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Without => "without",
            Self::Control => "control",
            Self::Unattached => "unattached",
            Self::Attached => "attached",
            Self::Hostile => "hostile",
        }
    }

    fn has_console(self) -> bool {
        matches!(self, Self::Unattached | Self::Attached | Self::Hostile)
    }

    fn has_clients(self) -> bool {
        matches!(self, Self::Attached | Self::Hostile)
    }
}

/// The hidden option under which the program of the same name has one system.
pub const ALONE: &str = "--alone";
/// The hidden option under which it plays a round.
pub const ROUND: &str = "--round";

/// What this program says in a process of its own, with these options.
///
/// # Errors
/// When the process cannot be run, takes longer than anything should, or says that something was wrong.
pub fn apart<T: DeserializeOwned>(options: &[&str], patience: Duration) -> Result<T, Wrong> {
    let program = std::env::current_exe().map_err(wrong)?;
    let told = said(Command::new(program).args(options), patience + PATIENCE).map_err(wrong)?;
    serde_json::from_str(&told).map_err(wrong)
}

fn runtime(workers: usize) -> Result<Runtime, Wrong> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().map_err(wrong)
}
