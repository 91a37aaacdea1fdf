//! Erlang, where `erl` and `erlc` are installed: the works again, in `works.erl`, each turn in a virtual machine of its own.
//!
//! The program is compiled when it is needed first, into a directory beside the executable whose name says which version of
//! the program it is of.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, process};

use crate::peer::Workers;
use crate::program;
use crate::works::idling::Resident;
use crate::works::{Work, Wrong};

/// Its name in the tables.
pub const NAME: &str = "erlang";

/// What it takes, if it is missing.
pub const MISSING: &str =
    "erlang takes part where `erl` and `erlc` are in the PATH (Debian: erlang-base); they are not here";

const PROGRAM: &str = include_str!("works.erl");
/// The longest that one turn may take: shorter than the patience of the rounds, so that a machine which hangs is ended.
const PATIENCE: Duration = Duration::from_secs(80);
/// Processes beside the actors of a work, which the machine has and needs.
const OTHERS: usize = 100_000;

/// Whether it can take part.
pub fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let has = |name| env::split_paths(&path).any(|folder| folder.join(name).is_file());
    has("erl") && has("erlc")
}

/// Does a work once, after a tenth of it to warm up.
///
/// # Errors
/// When something is missing, does not end, or what was sent is not counted in the end.
pub fn measure(work: Work, count: u64) -> Result<f64, Wrong> {
    match run(work.workers(), OTHERS, &[work.name(), &count.to_string()])?[..] {
        [figure] => Ok(figure),
        _ => Err(odd("another number of figures")),
    }
}

/// Measures the memory of so many idle processes, or of as many as so many bytes hold.
///
/// # Errors
/// As [`measure`].
pub fn idle_memory(actors: usize, limit: u64) -> Result<Resident, Wrong> {
    let args = [Work::IdleMemory.name(), &actors.to_string(), &limit.to_string()];
    match run(Workers::Two, actors + OTHERS, &args)?[..] {
        [actors, bytes_each] => Ok(Resident { actors: actors as u64, bytes_each }),
        _ => Err(odd("another number of figures")),
    }
}

fn run(workers: Workers, processes: usize, args: &[&str]) -> Result<Vec<f64>, Wrong> {
    if !is_installed() {
        return Err(odd(MISSING));
    }
    let compiled = compiled(&env::current_exe().map_err(odd)?).map_err(odd)?;
    let schedulers = workers.count();
    let mut machine = Command::new("erl");
    machine.args(["+S", &format!("{schedulers}:{schedulers}"), "+P", &processes.to_string()]);
    machine
        .args(["-noinput", "-boot", "no_dot_erlang", "-pa"])
        .arg(compiled)
        .args(["-run", "works", "main"])
        .args(args);
    machine.env("ERL_CRASH_DUMP_SECONDS", "0");
    figures(&program::said(&mut machine, PATIENCE).map_err(odd)?)
}

/// Reads the one line of the program.
fn figures(said: &str) -> Result<Vec<f64>, Wrong> {
    let line = said.trim();
    if let Some(figures) = line.strip_prefix("figure ") {
        return figures.split(' ').map(|figure| figure.parse().map_err(odd)).collect();
    }
    Err(match line.strip_prefix("wrong ") {
        Some(why) => odd(why),
        None => odd(format_args!("erl says no figure: {line:?}")),
    })
}

fn odd(why: impl ToString) -> Wrong {
    Wrong::Elsewhere(why.to_string())
}

/// The directory with the compiled program, beside this executable.
fn compiled(executable: &Path) -> io::Result<PathBuf> {
    let beside = executable.parent().unwrap_or(Path::new("."));
    let mut hasher = DefaultHasher::new();
    PROGRAM.hash(&mut hasher);
    let folder = beside.join(format!("versus-erlang-{:016x}", hasher.finish()));
    if !folder.join("works.beam").is_file() {
        compile(&folder)?;
    }
    Ok(folder)
}

/// Compiles the program in a place of its own and moves it here, so that nobody ever finds one half of it.
fn compile(folder: &Path) -> io::Result<()> {
    let mut own = OsString::from(folder);
    own.push(format!(".{}", process::id()));
    let own = PathBuf::from(own);
    fs::create_dir_all(&own)?;
    let source = own.join("works.erl");
    fs::write(&source, PROGRAM)?;
    let output = Command::new("erlc").arg("-o").arg(&own).arg(&source).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(io::Error::other(format!("erlc cannot compile works.erl: {}", said.trim())));
    }
    // Whoever comes second finds the directory of the first.
    if fs::rename(&own, folder).is_err() {
        fs::remove_dir_all(&own)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_figures_is_taken_and_nothing_else() {
        assert_eq!(figures("figure 1.500000 2.000000\n"), Ok(vec![1.5, 2.0]));
        assert_eq!(figures("wrong messages: expected 2, found 1\n"), Err(odd("messages: expected 2, found 1")));
        assert!(figures("").is_err_and(|wrong| wrong.to_string().contains("no figure")));
        assert!(figures("figure one").is_err());
    }
}
