//! Recordings: answers of a system in a file, as lines of JSON. The command opens them in its screens: `crashworthy --replay FILE`.
//!
//! ```text
//! {"crashworthy":"recording","version":1,"protocol":1,"began_ms":1764296185000}
//! {"at_ms":0,"verb":"hello","args":null,"ok":{…}}
//! {"at_ms":0,"verb":"tree","args":{"limit":500},"ok":{…}}
//! {"at_ms":1004,"verb":"actor","args":{"actor":"7.1"},"error":{…}}
//! ```
//! The first line says what it is, and when it began, by the clock of the machine. Each line after it is an answer of the
//! [protocol](crate::protocol), with the time since then; what was asked together has the same time and is a picture. A dump is
//! a recording of [one picture](picture()).

mod picture;
mod writer;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::picture::{Answered, Extent, IN_FULL, IN_TREE, picture};
pub use self::writer::{Full, Writer};
use crate::protocol::Outcome;

/// What a recording says it is.
pub const NAME: &str = "recording";
/// The version of the format. It changes when an old reader would misread a new file.
pub const VERSION: u32 = 1;
/// Bytes of a file, at most.
pub const MOST: u64 = 64 * 1024 * 1024;
/// Bytes of a line, at most: of an answer, as a client takes it.
pub const LINE: usize = 16 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`NAME`].
    pub crashworthy: String,
    /// [`VERSION`].
    pub version: u32,
    /// [`PROTOCOL`](crate::protocol::PROTOCOL).
    pub protocol: u32,
    /// When it began, since the beginning of 1970.
    pub began_ms: u64,
}

/// Each line after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame<A, T> {
    /// When it was, since the recording began.
    pub at_ms: u64,
    /// What was asked.
    pub verb: String,
    /// With which arguments.
    pub args: A,
    /// What was answered.
    #[serde(flatten)]
    pub outcome: Outcome<T>,
}

/// An answer and what was asked, as they are written.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// What was asked.
    pub verb: &'a str,
    /// With which arguments.
    pub args: Value,
    /// What was answered.
    pub outcome: &'a Outcome<Value>,
}
