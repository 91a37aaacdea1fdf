//! Recordings: answers of a system in a file, as lines of JSON.
//!
//! ```text
//! {"crashworthy":"recording","version":1,"protocol":1,"began_ms":1764296185000}
//! {"at_ms":0,"verb":"hello","args":null,"ok":{…}}
//! {"at_ms":0,"verb":"tree","args":{"limit":500},"ok":{…}}
//! {"at_ms":1004,"verb":"actor","args":{"actor":"7.1"},"error":{…}}
//! ```
//! The first line says what it is, and when it began, by the clock of the machine. Each line after it is an answer of the
//! [protocol](crashworthy_console::protocol), with the time since then; what was asked together has the same time and is a
//! picture. A dump is a recording of one picture.

mod answers;
mod fault;
mod lists;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use crashworthy_console::protocol::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::fault::{Fault, Problem};
pub(crate) use self::reader::Recording;
pub(crate) use self::writer::{Full, Writer};

/// What a recording says it is.
const NAME: &str = "recording";
/// The version of the format. It changes when an old reader would misread a new file.
const VERSION: u32 = 1;
/// Bytes of a file, at most.
pub(crate) const MOST: u64 = 64 * 1024 * 1024;
/// Bytes of a line, at most: of an answer, as a client takes it.
const LINE: usize = 16 * 1024 * 1024;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    crashworthy: String,
    version: u32,
    protocol: u32,
    began_ms: u64,
}

/// Each line after it.
#[derive(Debug, Serialize, Deserialize)]
struct Frame<A, T> {
    at_ms: u64,
    verb: String,
    args: A,
    #[serde(flatten)]
    outcome: Outcome<T>,
}

/// An answer and what was asked, as they are written.
pub(crate) struct Told<'a> {
    pub(crate) verb: &'a str,
    pub(crate) args: Value,
    pub(crate) outcome: &'a Outcome<Value>,
}
