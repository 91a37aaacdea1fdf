//! `completions`: what a shell has to know to complete this command.

use clap::ValueEnum;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::args::Cli;

/// For which shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// A script for the shell.
pub(crate) fn script(shell: Shell) -> Vec<u8> {
    let (mut command, mut script) = (Cli::told(), Vec::new());
    let name = "crashworthy";
    match shell {
        Shell::Bash => generate(Bash, &mut command, name, &mut script),
        Shell::Zsh => generate(Zsh, &mut command, name, &mut script),
        Shell::Fish => generate(Fish, &mut command, name, &mut script),
    }
    script
}
