//! What is left of a system that has failed: one picture of everything, taken before its tree ends, as a recording.

use std::convert::Infallible;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crashworthy_runtime::System;
use serde_json::Value;

use crate::actions::Actions;
use crate::home;
use crate::inspector::Inspector;
use crate::limits::{Limits, ROWS};
use crate::protocol::{Outcome, Response};
use crate::recording::{Answered, Full, LINE, MOST, Told, Writer, picture};
use crate::wire::read;

/// How long the end of a system waits for its dump.
const WITHIN: Duration = Duration::from_secs(2);
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
        let limits = Limits { rows: ROWS, answer: LINE, ..Limits::default() };
        let inspector = Inspector::new(system.downgrade(), system.name(), limits);
        Some(Self { dumps, base, inspector, actions })
    }

    /// Writes it, on a thread of its own: the disk may be slow. Waits for that, but not for long.
    pub(crate) fn dump(self) {
        let system = self.inspector.name().to_owned();
        let (told, written) = sync_channel(1);
        let work = move || {
            let _ = told.send(self.write());
        };
        let begun = thread::Builder::new().name("crashworthy-dump".to_owned()).spawn(work);
        match begun.map(|_| written.recv_timeout(WITHIN)) {
            Ok(Ok(Ok(file))) => {
                let file = file.display();
                tracing::error!(
                    system,
                    "it fails: what there was is in {file}, which `crashworthy --replay {file}` opens"
                );
            }
            Ok(Ok(Err(error))) | Err(error) => {
                tracing::error!(system, %error, "it fails, and cannot say what there was")
            }
            Ok(Err(_)) => {
                tracing::error!(system, "it fails, and does not wait any longer until it is written what there was");
            }
        }
    }

    fn write(&self) -> io::Result<PathBuf> {
        let dir = match &self.dumps {
            Dumps::To(dir) => {
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
                dir.clone()
            }
            _ => home::dumps(&self.base.clone().map_or_else(home::base, Ok)?)?,
        };
        let word = home::word(self.inspector.name());
        make_room(&dir, &word)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let file = dir.join(format!("{word}-{}-{}.jsonl", now.as_secs(), std::process::id()));
        let Ok(answers) = picture(ROWS, |verb, args| Ok::<_, Infallible>(self.ask(verb, args)));
        let hello = Outcome::Ok(serde_json::to_value(self.inspector.hello())?);
        let hello = Told { verb: "hello", args: Value::Null, outcome: &hello };
        let told = std::iter::once(hello).chain(answers.iter().map(Answered::told));
        Writer::create(&file, now, MOST)?.picture(Duration::ZERO, told).map_err(Full::into_io)?;
        Ok(file)
    }

    fn ask(&self, verb: &str, args: &Value) -> Outcome<Value> {
        let line = match (verb, &self.actions) {
            ("audit", Some(actions)) => {
                self.inspector.tell(0, read(args.clone()).and_then(|query| actions.audit(&query)))
            }
            _ => self.inspector.ask(0, verb, args.clone()),
        };
        let answer: Response<Value> = serde_json::from_slice(&line).expect("an answer is a line of JSON");
        answer.outcome
    }
}

/// Removes the oldest dumps of that name, so that there is room for one more.
fn make_room(dir: &Path, word: &str) -> io::Result<()> {
    let mut there: Vec<_> = fs::read_dir(dir)?
        .take(ENTRIES)
        .filter_map(|entry| {
            let path = entry.ok()?.path();
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
