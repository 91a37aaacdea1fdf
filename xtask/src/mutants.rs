//! Shows that the comparison with Erlang can fail: faults are seeded into the supervisor, one at a time, and the recorded
//! scenarios must catch each.
//!
//! The faults are in `supervisor/otp-oracle/mutants.md`, as differences a person can read; how many scenarios caught each
//! is written there. Everything happens in a scratch copy below the target directory, where only the supervisor is built
//! again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lessons::wait_until;
use crate::workspace::Workspace;

/// Where the faults are written down.
const LIST: &str = "supervisor/otp-oracle/mutants.md";

/// A mutant that plays longer than this does not end.
const LIMIT: Duration = Duration::from_secs(120);

/// One fault.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    name: String,
    file: String,
    old: String,
    new: String,
}

/// How a mutant fared.
enum Fate {
    /// So many scenarios are different.
    Caught(u64),
    /// It plays for ever.
    Endless,
}

/// Builds and plays every mutant, and writes down how many scenarios caught it.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let list = read(&workspace.root.join(LIST))?;
    let mutants = parse(&list)?;
    let scratch = Scratch::new(workspace)?;
    match scratch.play()? {
        Fate::Caught(0) => {}
        _ => return Err("the recorded scenarios are not all equal before anything is changed".to_owned()),
    }
    let mut fates = Vec::new();
    for mutant in &mutants {
        let fate = scratch.with(mutant)?;
        eprintln!("  {} {}", mutant.name, told(&fate));
        fates.push(fate);
    }
    let path = workspace.root.join(LIST);
    fs::write(&path, annotated(&list, &mutants, &fates)).map_err(|error| format!("cannot write {LIST}: {error}"))?;
    let caught = fates.iter().filter(|fate| is_caught(fate)).count();
    let line = format!("{caught} of {} caught", mutants.len());
    eprintln!("  {line}");
    if caught == mutants.len() { Ok(()) } else { Err(line) }
}

fn is_caught(fate: &Fate) -> bool {
    !matches!(fate, Fate::Caught(0))
}

fn told(fate: &Fate) -> String {
    match fate {
        Fate::Caught(0) => "is NOT caught".to_owned(),
        Fate::Caught(1) => "is caught by 1 scenario".to_owned(),
        Fate::Caught(count) => format!("is caught by {count} scenarios"),
        Fate::Endless => "is caught: it does not end".to_owned(),
    }
}

/// A copy of the workspace that may be changed.
struct Scratch {
    workspace: Workspace,
}

impl Scratch {
    /// Copies what has changed since the last time.
    fn new(workspace: &Workspace) -> Result<Self, String> {
        let home = workspace.target.join("mutants");
        let (root, target) = (home.join("tree"), home.join("build"));
        copy(&workspace.root, &root).map_err(|error| format!("cannot copy to {}: {error}", root.display()))?;
        Ok(Self { workspace: workspace.moved(root, target) })
    }

    fn with(&self, mutant: &Mutant) -> Result<Fate, String> {
        let path = self.workspace.root.join(&mutant.file);
        let original = read(&path)?;
        let changed = mutant.apply(&original)?;
        let set = |text: &str| fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", mutant.file));
        set(&changed)?;
        let fate = self.play();
        set(&original)?;
        fate.map_err(|why| format!("{}: {why}", mutant.name))
    }

    /// Builds the runner and plays the recorded scenarios on the core.
    fn play(&self) -> Result<Fate, String> {
        let package = ["build", "--package", "crashworthy-supervisor", "--example", "otp_runner"];
        let built = self.workspace.cargo(package).output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !built.status.success() {
            return Err(format!("it does not compile:\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let mut runner = Command::new(self.workspace.example("otp_runner"));
        runner.args(["--archive", "core"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = runner.spawn().map_err(|error| format!("cannot run the runner: {error}"))?;
        if wait_until(&mut running, Instant::now() + LIMIT).map_err(|error| error.to_string())?.is_none() {
            return Ok(Fate::Endless);
        }
        let output = running.wait_with_output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        differing(&said).map(Fate::Caught).ok_or_else(|| format!("the runner does not tell how many are equal: {said}"))
    }
}

/// How many differ, from the last line of the runner: `5920 of 6000 equal`, and perhaps `, 2 not expressible`.
fn differing(said: &str) -> Option<u64> {
    let (equal, rest) = said.lines().last()?.split_once(" of ")?;
    let (all, left_out) = rest.split_once(" equal")?;
    let left_out = match left_out.strip_prefix(", ") {
        Some(left_out) => left_out.strip_suffix(" not expressible")?.parse().ok()?,
        None => 0,
    };
    all.parse::<u64>().ok()?.checked_sub(equal.parse().ok()?)?.checked_sub(left_out)
}

impl Mutant {
    /// The file with the fault.
    fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.old).count() {
            1 => Ok(text.replacen(&self.old, &self.new, 1)),
            count => Err(format!("mutant `{}`: its old lines are {count} times in {}", self.name, self.file)),
        }
    }
}

/// Reads the list: a heading, the file in back quotes, a fenced difference.
fn parse(list: &str) -> Result<Vec<Mutant>, String> {
    let mut mutants = Vec::new();
    for section in list.split("\n## ").skip(1) {
        let incomplete = || format!("{LIST}: `{}` is incomplete", section.lines().next().unwrap_or_default());
        let (name, rest) = section.split_once('\n').ok_or_else(incomplete)?;
        let file = rest.split('`').nth(1).ok_or_else(incomplete)?;
        let diff = rest.split_once("```diff\n").and_then(|(_, rest)| rest.split_once("```")).ok_or_else(incomplete)?.0;
        let side = |other: char| {
            let lines = diff.lines().filter(|line| !line.starts_with(other));
            lines.fold(String::new(), |text, line| text + line.get(1..).unwrap_or_default() + "\n")
        };
        mutants.push(Mutant { name: name.to_owned(), file: file.to_owned(), old: side('+'), new: side('-') });
    }
    if mutants.is_empty() { Err(format!("{LIST} has no mutants")) } else { Ok(mutants) }
}

/// The list with how the mutants fared, behind the file of each.
fn annotated(list: &str, mutants: &[Mutant], fates: &[Fate]) -> String {
    let mut sections = list.split("\n## ");
    let mut text = sections.next().unwrap_or_default().to_owned();
    for ((section, mutant), fate) in sections.zip(mutants).zip(fates) {
        let diff = section.split_once("```diff\n").map_or("", |(_, diff)| diff);
        let _ = write!(text, "\n## {}\n\n`{}` {}.\n\n```diff\n{diff}", mutant.name, mutant.file, told(fate));
    }
    text
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Copies a directory, leaving alone what is the same already, so that cargo does not build it again.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, source) = (entry.file_name(), entry.path());
        if name == "target" || name == ".git" {
            continue;
        }
        let copied = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&source, &copied)?;
        } else if entry.file_type()?.is_file() {
            let new = fs::read(&source)?;
            if fs::read(&copied).ok().as_ref() != Some(&new) {
                fs::write(&copied, new)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# Mutants\n\nWhat they are.\n\n## one\n\n`a.rs` is caught by 3 scenarios.\n\n```diff\n-old\n+new\n```\n\n\
                       ## two\n\n`b.rs`\n\n```diff\n     kept\n-    old\n```\n";

    #[test]
    fn a_mutant_is_a_name_a_file_and_a_difference() {
        let mutants = parse(TWO).expect("the list is complete");
        let text = |text: &str| text.to_owned();
        let one = Mutant { name: text("one"), file: text("a.rs"), old: text("old\n"), new: text("new\n") };
        let two =
            Mutant { name: text("two"), file: text("b.rs"), old: text("    kept\n    old\n"), new: text("    kept\n") };
        assert_eq!(mutants, [one, two]);
    }

    #[test]
    fn how_a_mutant_fared_is_written_behind_its_file() {
        let mutants = parse(TWO).expect("the list is complete");
        let text = annotated(TWO, &mutants, &[Fate::Caught(1), Fate::Endless]);
        assert!(text.contains("`a.rs` is caught by 1 scenario.\n\n```diff\n-old"), "{text}");
        assert!(text.contains("`b.rs` is caught: it does not end.\n"), "{text}");
        assert_eq!(parse(&text), Ok(mutants), "nothing else changes");
    }

    #[test]
    fn the_last_line_of_the_runner_tells_how_many_differ() {
        assert_eq!(differing("2 skipped: no\n5 of 7 equal\n"), Some(2));
        assert_eq!(differing("it crashed"), None);
    }

    #[test]
    fn every_mutant_of_the_list_fits_the_source() {
        let workspace = Workspace::locate();
        for mutant in parse(&read(&workspace.root.join(LIST)).expect("it is there")).expect("it is complete") {
            let source = read(&workspace.root.join(&mutant.file)).expect("its file is there");
            mutant.apply(&source).expect("its lines are there once");
        }
    }
}
