//! Reads a recording, and finds what was answered when.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crashworthy_console::protocol::{
    ActorState, ActorView, Actors, AuditView, Crashes, DeadLetters, Events, Health, Hello, Metrics, Outcome, PROTOCOL,
    ReportsView, SystemView, TreeView,
};
use crashworthy_console::recording::{Frame, Head, LINE, MOST, NAME, VERSION};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::{Fault, Problem};

/// A recording that has been read and found to be whole.
#[derive(Debug)]
pub(crate) struct Recording {
    bytes: Vec<u8>,
    frames: Vec<Kept>,
    times: Vec<Duration>,
    /// When it began, since the epoch.
    pub(crate) began: Duration,
    /// Its last line is not whole, and left out: whoever wrote it was interrupted.
    pub(crate) is_cut: bool,
}

/// One answer: what was asked, and where it lies.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) at: Duration,
    pub(super) verb: String,
    pub(super) args: Value,
    pub(super) is_ok: bool,
    /// The words by which the actor of the answer can be asked for; of a crash in full the incarnation.
    pub(super) words: Vec<String>,
    line: Range<usize>,
}

impl Recording {
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        if !std::fs::metadata(path)?.is_file() {
            return Err(Problem::NoFile);
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST { Err(Problem::TooLarge) } else { Self::read(bytes) }
    }

    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, Problem> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let is_cut = whole < bytes.len();
        let mut lines = lines(&bytes[..whole]);
        let began = match lines.next() {
            Some(line) => head(&bytes[line])?,
            None if is_cut => return Err(Problem::Foreign),
            None => return Err(Problem::Empty),
        };
        let mut frames: Vec<Kept> = Vec::new();
        for (line, number) in lines.zip(2..) {
            let kept = keep(&bytes, line).map_err(|fault| Problem::Line(number, fault))?;
            if frames.last().is_some_and(|last| last.at > kept.at) {
                return Err(Problem::Line(number, Fault::Backwards));
            }
            frames.push(kept);
        }
        let times = pictures(&frames);
        if times.is_empty() { Err(Problem::NoPicture) } else { Ok(Self { bytes, frames, times, began, is_cut }) }
    }

    /// When its pictures were taken; there is at least one.
    pub(crate) fn times(&self) -> &[Duration] {
        &self.times
    }

    /// When the last of them was.
    pub(crate) fn end(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }

    /// The answers up to a time, the newest first.
    pub(super) fn before(&self, at: Duration) -> impl Iterator<Item = &Kept> {
        self.frames[..self.frames.partition_point(|frame| frame.at <= at)].iter().rev()
    }

    /// What was answered.
    pub(super) fn outcome(&self, kept: &Kept) -> Outcome<Value> {
        let frame: Frame<IgnoredAny, Value> =
            serde_json::from_slice(&self.bytes[kept.line.clone()]).expect("it was read before");
        frame.outcome
    }
}

/// When there is something to see: not when somebody had only said who he is, nor before the system has told of itself, if it does.
fn pictures(frames: &[Kept]) -> Vec<Duration> {
    let first =
        frames.iter().find(|frame| frame.verb == "system" && frame.is_ok).map_or(Duration::ZERO, |frame| frame.at);
    let shown = frames.iter().filter(|frame| frame.verb != "hello" && frame.at >= first);
    let mut times: Vec<_> = shown.map(|frame| frame.at).collect();
    times.dedup();
    times
}

/// Where lines are, without their line feeds.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len();
        start..at - 1
    })
}

/// When it began, if it is a recording that can be read.
fn head(line: &[u8]) -> Result<Duration, Problem> {
    let head: Head = serde_json::from_slice(line).map_err(|_| Problem::Foreign)?;
    if head.crashworthy != NAME {
        Err(Problem::Foreign)
    } else if head.version != VERSION {
        Err(Problem::Version(head.version))
    } else if head.protocol != PROTOCOL {
        Err(Problem::Protocol(head.protocol))
    } else {
        Ok(Duration::from_millis(head.began_ms))
    }
}

fn keep(bytes: &[u8], line: Range<usize>) -> Result<Kept, Fault> {
    if line.len() > LINE {
        return Err(Fault::TooLong);
    }
    let frame: Frame<Value, Value> = serde_json::from_slice(&bytes[line.clone()]).map_err(Fault::NotAnAnswer)?;
    let Frame { at_ms, verb, args, outcome } = frame;
    let (is_ok, words) = match outcome {
        Outcome::Ok(value) => (true, check(&verb, &args, value)?),
        Outcome::Error(_) => (false, args["actor"].as_str().map(str::to_owned).into_iter().collect()),
    };
    Ok(Kept { at: Duration::from_millis(at_ms), verb, args, is_ok, words, line })
}

/// Makes sure that an answer is one to its question. Returns the words for whom it is about.
fn check(verb: &str, args: &Value, value: Value) -> Result<Vec<String>, Fault> {
    match verb {
        "actor" => return Ok(words(&read::<ActorView>(verb, value)?)),
        "state" => {
            let state: ActorState = read(verb, value)?;
            return Ok(vec![state.path, state.pid.id.to_string(), state.pid.to_string()]);
        }
        "hello" => drop(read::<Hello>(verb, value)?),
        "system" => drop(read::<SystemView>(verb, value)?),
        "tree" => drop(read::<TreeView>(verb, value)?),
        "actors" => drop(read::<Actors>(verb, value)?),
        "crashes" => {
            let crashes: Crashes = read(verb, value)?;
            let is_one = !args["of"].is_null();
            let pids = crashes.reports.iter().filter(|_| is_one).map(|report| report.pid.to_string());
            return Ok(pids.collect());
        }
        "reports" => drop(read::<ReportsView>(verb, value)?),
        "events" => drop(read::<Events>(verb, value)?),
        "dead_letters" => drop(read::<DeadLetters>(verb, value)?),
        "health" => drop(read::<Health>(verb, value)?),
        "metrics" => drop(read::<Metrics>(verb, value)?),
        "audit" => drop(read::<AuditView>(verb, value)?),
        _ => return Err(Fault::UnknownVerb(verb.to_owned())),
    }
    Ok(Vec::new())
}

fn read<T: DeserializeOwned>(verb: &str, value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|why| Fault::NotTheAnswer(verb.to_owned(), why))
}

fn words(view: &ActorView) -> Vec<String> {
    let pid = view.row.pid;
    let words = [view.row.path.clone(), pid.id.to_string(), pid.to_string()];
    words.into_iter().chain(view.name.clone()).chain(view.row.registered.clone()).collect()
}
