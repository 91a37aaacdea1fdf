//! What is left of a system that has failed: one picture of everything, taken before its tree ends, as a recording. There is little time:
//! of a large system the end of the file may be missing.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crashworthy_runtime::{System, print_if_unheard};
use serde_json::Value;

use crate::ConsoleExt;
use crate::actions::Actions;
use crate::home;
use crate::inspector::Inspector;
use crate::limits::Limits;
use crate::protocol::{Code, Outcome, Refusal, Response};
use crate::recording::{Answered, Extent, Full, IN_TREE, LINE, MOST, Told, Writer, picture};
use crate::search::Search;
use crate::wire::read;

/// How long the end of a system waits for its dump.
const WITHIN: Duration = Duration::from_secs(2);
/// When of the tree no more than its first lines are asked for.
const LISTS: Duration = Duration::from_millis(1_000);
/// When no more is begun: what is under way then is to end within the time.
const ENOUGH: Duration = Duration::from_millis(1_500);
/// Dumps of one name that are kept: the newest. A service that fails again and again fills no disk.
const KEPT: usize = 4;
/// Entries of the directory that are looked at.
const ENTRIES: usize = 10_000;

/// Where dumps go.
#[derive(Clone, Debug, Default)]
pub(crate) enum Dumps {
    /// To a directory beside those of the systems.
    #[default]
    Beside,
    /// To this one.
    To(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Writes the dump of one system.
#[derive(Debug)]
pub(crate) struct Dumper {
    dumps: Dumps,
    base: Option<PathBuf>,
    inspector: Inspector,
    /// What was done is told, too, where something can be.
    actions: Option<Arc<Actions>>,
}

impl Dumper {
    /// One that writes there; none, if nothing is to be written.
    pub(crate) fn new(
        system: &System,
        dumps: Dumps,
        base: Option<PathBuf>,
        actions: Option<Arc<Actions>>,
    ) -> Option<Self> {
        if let Dumps::Nowhere = dumps {
            return None;
        }
        // Nobody waits for the answers at a socket.
        let limits = Limits { rows: IN_TREE, answer: LINE, ..Limits::default() };
        let past = system.inspector().map(|inspector| inspector.past.clone()).unwrap_or_default();
        let inspector = Inspector::new(system.downgrade(), system.name(), limits).of_one_picture().with_past(past);
        Some(Self { dumps, base, inspector, actions })
    }

    /// Writes it, on a thread of its own: the disk may be slow. Waits for that, but not for long.
    pub(crate) fn dump(self) {
        let system = self.inspector.name().to_owned();
        let ((begins, begun), (ends, ended)) = (sync_channel(1), sync_channel(1));
        let began = Instant::now();
        let work = move || {
            let (file, writer) = match self.begin() {
                Ok(begun) => begun,
                Err(error) => return drop(begins.send(Err(error))),
            };
            let _ = begins.send(Ok(file.clone()));
            let _ = ends.send(self.write(&file, writer, began));
        };
        let spawned = thread::Builder::new().name("crashworthy-dump".to_owned()).spawn(work);
        let left = || WITHIN.saturating_sub(began.elapsed());
        let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "there is no file in time"));
        let file = spawned.and_then(|_| begun.recv_timeout(left()).unwrap_or_else(late));
        let opens = |file: &Path| format!("{0}, which `crashworthy --replay {0}` opens", file.display());
        let ended = ended.recv_timeout(left());
        match (file.as_deref().map(opens), &ended) {
            (Err(error), _) => tell(&system, "it fails, and cannot say what there was", Some(error)),
            (Ok(file), Ok(Ok(extent))) => {
                tell(&system, &format!("it fails: what there was ({extent}) is in {file}"), None);
            }
            (Ok(file), Ok(Err(error))) => {
                tell(&system, &format!("it fails: a part of what there was is in {file}"), Some(error));
            }
            (Ok(file), Err(_)) => {
                let what = format!("it fails, and waits no longer: what is written of what there was is in {file}");
                tell(&system, &what, None);
            }
        }
    }

    /// Makes the file.
    fn begin(&self) -> io::Result<(PathBuf, Writer<File>)> {
        let dir = match &self.dumps {
            Dumps::To(dir) => {
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
                dir.clone()
            }
            _ => home::dumps(&self.base.clone().map_or_else(home::base, Ok)?)?,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let word = home::word(self.inspector.name());
        let file = dir.join(format!("{word}-{}-{}.jsonl", now.as_secs(), std::process::id()));
        let writer = Writer::create(&file, now, MOST)?;
        Ok((file, writer))
    }

    /// Writes what matters most first, and each answer at once: whatever is there when the process ends can be read.
    fn write(&self, file: &Path, mut writer: Writer<File>, began: Instant) -> io::Result<Extent> {
        let hello = Outcome::Ok(serde_json::to_value(self.inspector.hello())?);
        let hello = Told { verb: "hello", args: Value::Null, outcome: &hello };
        writer.picture(Duration::ZERO, std::iter::once(hello)).map_err(Full::into_io)?;
        let write = |answer: Answered| match writer.picture(Duration::ZERO, std::iter::once(answer.told())) {
            Ok(()) => Ok(began.elapsed() < ENOUGH),
            // What is there is of use.
            Err(Full::Limit(_)) => Ok(false),
            Err(full) => Err(full.into_io()),
        };
        let ask = |verb: &'static str, args: &Value| {
            let is_late = began.elapsed() >= LISTS && verb == "tree" && !args["skip"].is_null();
            let why = || Refusal::new(Code::Busy, "there is no time for more");
            Ok(if is_late { Outcome::Error(why()) } else { self.ask(verb, args) })
        };
        let extent = picture(IN_TREE, ask, write)?;
        make_room(file, &home::word(self.inspector.name()))?;
        Ok(extent)
    }

    fn ask(&self, verb: &str, args: &Value) -> Outcome<Value> {
        let line = match (verb, &self.actions) {
            ("audit", Some(actions)) => {
                self.inspector.tell(0, read(args.clone()).and_then(|query| actions.audit(&query)))
            }
            _ => self.inspector.ask(0, verb, args.clone(), &mut Search::at_once()),
        };
        let answer: Response<Value> = serde_json::from_slice(&line).expect("an answer is a line of JSON");
        answer.outcome
    }
}

/// Tells the log, or where nobody hears that, standard error, as crashes are told.
fn tell(system: &str, what: &str, error: Option<&io::Error>) {
    match error {
        Some(error) => {
            tracing::error!(system, %error, "{what}");
            print_if_unheard(format_args!("system {system}: {what}: {error}"));
        }
        None => {
            tracing::error!(system, "{what}");
            print_if_unheard(format_args!("system {system}: {what}"));
        }
    }
}

/// Removes the oldest dumps of that name beside the newest one.
fn make_room(newest: &Path, word: &str) -> io::Result<()> {
    let Some(dir) = newest.parent() else { return Ok(()) };
    let mut there: Vec<_> = fs::read_dir(dir)?
        .take(ENTRIES)
        .filter_map(|entry| {
            let path = entry.ok().map(|entry| entry.path()).filter(|path| path != newest)?;
            Some((of(path.file_name()?.to_str()?, word)?, path))
        })
        .collect();
    there.sort();
    let surplus = (there.len() + 1).saturating_sub(KEPT);
    there.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// When a dump of that name was written, if the file is one.
fn of(file: &str, word: &str) -> Option<u64> {
    let (rest, process) = file.strip_suffix(".jsonl")?.rsplit_once('-')?;
    let (name, seconds) = rest.rsplit_once('-')?;
    process.parse::<u32>().ok()?;
    seconds.parse().ok().filter(|_| name == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dumps_of_that_name_make_room() {
        assert_eq!(of("shop-1764296185-4711.jsonl", "shop"), Some(1_764_296_185));
        assert_eq!(of("shop-2-1764296185-4711.jsonl", "shop-2"), Some(1_764_296_185));
        let others = ["shop-2-1764296185-4711.jsonl", "shop.jsonl", "shop-x-1.jsonl", "shop-1-x.jsonl", "shop-1-2.txt"];
        for other in others {
            assert_eq!(of(other, "shop"), None, "{other}");
        }
    }
}
