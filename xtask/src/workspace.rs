//! Where everything is, and how to call cargo on it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The working copy that this tool was started in.
#[derive(Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds, unless a step has a directory of its own.
    pub(crate) target: PathBuf,
    cargo: OsString,
}

impl Workspace {
    /// Reads what `cargo run` says in the environment.
    pub(crate) fn locate() -> Self {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here).parent().expect("this package is a folder of the workspace").to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(chosen) => std::path::absolute(chosen).expect("CARGO_TARGET_DIR is a path and not empty"),
            None => root.join("target"),
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self { root, target, cargo }
    }

    /// A cargo command on the whole workspace.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).args(arguments);
        command.env("CARGO_TARGET_DIR", &self.target).env_remove("CARGO_ENCODED_RUSTFLAGS");
        command
    }

    /// The same for a copy of the workspace.
    pub(crate) fn moved(&self, root: PathBuf, target: PathBuf) -> Self {
        Self { root, target, cargo: self.cargo.clone() }
    }

    /// The example of that name, as cargo builds it in the development profile.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.target.join("debug").join("examples").join(file)
    }
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(OsStr::new("cargo"));
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs a command that talks to the reader itself.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!("cannot run {}: {error}", command.get_program().to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_described_as_one_would_type_it() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["test", "--workspace"]).env("RUSTFLAGS", "--cfg loom");
        assert_eq!(describe(&command), "cargo test --workspace");
    }

    #[test]
    fn the_root_holds_this_package() {
        assert!(Workspace::locate().root.join("xtask/src/workspace.rs").is_file());
    }
}
