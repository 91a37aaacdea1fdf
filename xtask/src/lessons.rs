//! Runs every lesson and holds it to what it promises to print.
//!
//! A lesson is `examples/<name>.rs`, or `examples/<name>/main.rs`. It runs in the workspace root with nothing on its
//! standard input; what it writes to standard error is only shown when it fails.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::expected;
use crate::step::Took;
use crate::workspace::{self, Workspace};

/// Examples that serve until they are told to stop: they are built and linted with the others, and promise no output.
const SERVICES: [&str; 2] = ["storefront", "black_friday"];

/// Longest run of one lesson.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a running lesson is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Builds the examples and runs those that are named: all lessons if none is.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Result<(), String> {
    let lessons = chosen(find(&workspace.root.join("examples"))?, names)?;
    workspace::run(&mut workspace.cargo(["build", "--workspace", "--examples"]))?;
    let failed: Vec<_> = lessons.iter().filter(|lesson| !tell(lesson, lesson.check(workspace))).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = failed.iter().map(|lesson| lesson.name.as_str()).collect();
    Err(format!("{} of {} lessons failed: {}", failed.len(), lessons.len(), names.join(", ")))
}

fn tell(lesson: &Lesson, outcome: Result<Duration, String>) -> bool {
    match &outcome {
        Ok(took) => eprintln!("  {}: as promised, {}", lesson.name, Took(*took)),
        Err(why) => eprintln!("  {}: {why}", lesson.name),
    }
    outcome.is_ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Lesson {
    name: String,
    source: PathBuf,
}

impl Lesson {
    /// Runs it, and compares. The error is for the reader.
    fn check(&self, workspace: &Workspace) -> Result<Duration, String> {
        let source = std::fs::read_to_string(&self.source)
            .map_err(|error| format!("cannot read {}: {error}", self.source.display()))?;
        let promised = expected::promised(&source)
            .ok_or_else(|| format!("{} opens without a fenced block after `Expected output`", self.source.display()))?;
        let mut command = Command::new(workspace.example(&self.name));
        command.current_dir(&workspace.root).env("NO_COLOR", "1");
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        let ran = run_within(&mut command, LIMIT)?;
        let why = match ran.status {
            None => format!("still running after {}", Took(LIMIT)),
            Some(status) if !status.success() => status.to_string(),
            Some(_) => match expected::compare(&promised, &ran.printed) {
                Ok(()) => return Ok(ran.took),
                Err(difference) => difference.to_string(),
            },
        };
        Err(format!("{why}\n--- printed:\n{}\n--- standard error:\n{}\n---", ran.printed, ran.complained))
    }
}

/// The lessons in a folder, by name. Files that cargo does not take for examples are no lessons either.
fn find(folder: &Path) -> Result<Vec<Lesson>, String> {
    let cannot = |error| format!("cannot list {}: {error}", folder.display());
    let mut lessons = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        let source = if path.is_dir() { path.join("main.rs") } else { path };
        let is_source = source.extension().is_some_and(|extension| extension == "rs") && source.is_file();
        if is_source && !SERVICES.contains(&name.as_str()) {
            lessons.push(Lesson { name, source });
        }
    }
    lessons.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(lessons)
}

/// Those that are named, or all. No lesson at all is an error: a check that looks at nothing has not passed.
fn chosen(lessons: Vec<Lesson>, names: &[String]) -> Result<Vec<Lesson>, String> {
    if lessons.is_empty() {
        return Err("there are no lessons".to_owned());
    }
    if let Some(unknown) = names.iter().find(|name| !lessons.iter().any(|lesson| lesson.name == **name)) {
        let known: Vec<_> = lessons.iter().map(|lesson| lesson.name.as_str()).collect();
        return Err(format!("there is no lesson `{unknown}`; there are: {}", known.join(", ")));
    }
    Ok(lessons.into_iter().filter(|lesson| names.is_empty() || names.contains(&lesson.name)).collect())
}

/// How a run went. No status: it had to be ended.
struct Ran {
    status: Option<ExitStatus>,
    took: Duration,
    printed: String,
    complained: String,
}

/// Runs a command and keeps what it writes. It is killed when it takes longer than `limit`.
fn run_within(command: &mut Command, limit: Duration) -> Result<Ran, String> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run it: {error}"))?;
    let printed = read_all(child.stdout.take().expect("its standard output is a pipe"));
    let complained = read_all(child.stderr.take().expect("its standard error is a pipe"));
    let status = wait_until(&mut child, start + limit).map_err(|error| format!("cannot wait for it: {error}"))?;
    let took = start.elapsed();
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("a reader does not panic");
    Ok(Ran { status, took, printed: text(printed), complained: text(complained) })
}

/// Both pipes are read while the child runs: it must not wait for us because one of them is full.
fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What arrived before an error is all there is to show.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end of a process, which is killed at the deadline: then it has no status.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lessons(names: &[&str]) -> Vec<Lesson> {
        names.iter().map(|name| Lesson { name: (*name).to_owned(), source: PathBuf::new() }).collect()
    }

    #[test]
    fn lessons_are_files_and_folders_and_services_are_not_among_them() {
        let folder = std::env::temp_dir().join(format!("crashworthy-lessons-{}", std::process::id()));
        for file in ["hello.rs", "tree/main.rs", "tree/part.rs", "storefront/main.rs", "data/list.csv", "notes.md"] {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = find(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let names: Vec<_> = found.iter().map(|lesson| lesson.name.as_str()).collect();
        assert_eq!(names, ["hello", "tree"]);
        assert!(found[1].source.ends_with("tree/main.rs"));
    }

    #[test]
    fn names_choose_and_an_unknown_name_is_an_error() {
        assert_eq!(chosen(lessons(&["ask", "hello"]), &[]), Ok(lessons(&["ask", "hello"])));
        assert_eq!(chosen(lessons(&["ask", "hello"]), &["hello".to_owned()]), Ok(lessons(&["hello"])));
        let error = chosen(lessons(&["ask"]), &["helo".to_owned()]).unwrap_err();
        assert_eq!(error, "there is no lesson `helo`; there are: ask");
    }

    #[test]
    fn no_lessons_at_all_is_an_error() {
        assert_eq!(chosen(Vec::new(), &[]), Err("there are no lessons".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn a_run_keeps_what_was_written_and_how_it_ended() {
        let ran = run_within(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]), LIMIT).unwrap();
        assert_eq!((ran.printed.as_str(), ran.complained.as_str()), ("out\n", "err\n"));
        assert_eq!(ran.status.and_then(|status| status.code()), Some(3));
    }

    #[cfg(unix)]
    #[test]
    fn a_run_that_does_not_end_is_ended() {
        let ran = run_within(Command::new("sleep").arg("600"), Duration::from_millis(10)).unwrap();
        assert_eq!(ran.status, None);
    }
}
