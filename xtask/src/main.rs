//! Every chore of the project, as `cargo xtask <chore>`.
//!
//! `chores` says which steps a chore has, `step` runs them and tells the outcome, `workspace` knows how to call cargo.
//! Some steps are more than a cargo command: `lessons` runs the examples against what they promise to print (`expected`),
//! `hazards` looks for an error that must be there, `otp` compares our supervisor with Erlang's, `mutants` shows that
//! this can fail, and `screens` writes into the README what the console shows. Nothing here depends on another member: a broken runtime must not
//! break the tool that says so.
#![forbid(unsafe_code)]

mod chores;
mod expected;
mod hazards;
mod lessons;
mod mutants;
mod otp;
mod paint;
mod screens;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::paint::Paint;
use crate::workspace::Workspace;

/// Every chore of the project. `cargo xtask check` is what CI runs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

/// What can be done. A step that fails ends the run.
#[derive(Subcommand)]
enum Chore {
    /// Everything below but `screens` and `otp`, in order: what CI runs
    Check,
    /// Format every member
    Fmt {
        /// Only look whether something is unformatted
        #[arg(long)]
        check: bool,
    },
    /// Clippy on all targets, warnings denied
    Lint,
    /// Rustdoc, private items included, warnings denied
    Docs,
    /// Unit, integration and doc tests
    Test {
        /// Which tests, as for `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<String>,
    },
    /// The interleaving models, as deep as LOOM_MAX_PREEMPTIONS says (2 unless set)
    Loom {
        /// Of which primitives, by the names of the files in `loom-tests/tests/`; all if none is named
        primitives: Vec<String>,
    },
    /// Run the lessons and compare what they print with what they promise
    Examples {
        /// Which lessons; all if none is named
        names: Vec<String>,
    },
    /// A short fault campaign: random trees under traffic, in which everything goes wrong that can
    Faults,
    /// Show that `panic = "abort"` is refused
    Hazards,
    /// Write the screens of the console into the README, as a storefront that runs shows them (not a part of `check`: needs `tmux`)
    Screens,
    /// Play new scenarios on Erlang's own supervisor and on ours, and compare (not a part of `check`: needs `erl`, `python3`)
    Otp {
        /// How many scenarios
        #[arg(long, default_value_t = 1000)]
        count: u64,
        /// Which ones: the same seed gives the same scenarios
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Instead, seed faults into the supervisor and show that the recorded scenarios catch them (needs neither)
        #[arg(long, conflicts_with_all = ["count", "seed"])]
        mutants: bool,
    },
}

fn main() -> ExitCode {
    let steps = chores::steps(&Workspace::locate(), Cli::parse().chore);
    match step::run(steps, Paint::for_stderr()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(step::Failed) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
