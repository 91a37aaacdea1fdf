//! Why a file cannot be read as a recording.

use std::{fmt, io};

use crashworthy_console::recording::{LINE, MOST, VERSION};

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It cannot be read.
    Io(io::Error),
    /// It is no regular file: whoever opens a pipe may wait for ever.
    NoFile,
    /// It is larger than a recording can be.
    TooLarge,
    /// It has no line.
    Empty,
    /// Its first line says nothing of a recording.
    Foreign,
    /// It is of another version.
    Version(u32),
    /// It is a recording of another protocol.
    Protocol(u32),
    /// It has no picture in it.
    NoPicture,
    /// A line is wrong, from 1.
    Line(usize, Fault),
}

/// What is wrong with a line.
#[derive(Debug)]
pub(crate) enum Fault {
    TooLong,
    /// It is no answer.
    NotAnAnswer(serde_json::Error),
    /// There is no such question.
    UnknownVerb(String),
    /// The answer is not one to its question.
    NotTheAnswer(String, serde_json::Error),
    /// It is older than the one before.
    Backwards,
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NoFile => f.write_str("it is not a regular file"),
            Self::TooLarge => write!(f, "it is larger than {MOST} bytes, and no recording is"),
            Self::Empty => f.write_str("it is empty"),
            Self::Foreign => f.write_str("line 1: it does not say that this is a recording of crashworthy"),
            Self::Version(version) => {
                write!(f, "line 1: a recording of version {version}, and this command reads version {VERSION}")
            }
            Self::Protocol(protocol) => {
                write!(f, "line 1: it speaks protocol {protocol}, and this command another one")
            }
            Self::NoPicture => f.write_str("nothing was recorded in it"),
            Self::Line(line, fault) => write!(f, "line {line}: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {LINE} bytes"),
            Self::NotAnAnswer(why) => write!(f, "not an answer: {why:.256}"),
            Self::UnknownVerb(verb) => write!(f, "no question {verb:.64?}"),
            Self::NotTheAnswer(verb, why) => write!(f, "not an answer to {verb}: {why:.256}"),
            Self::Backwards => f.write_str("it was before the one above it"),
        }
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
