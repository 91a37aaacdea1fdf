//! Writes a recording, up to its limit.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Frame, Head, NAME, Told, VERSION};
use crate::protocol::{Outcome, PROTOCOL};

/// Writes pictures one after the other, each of them whole or not at all.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    bytes: u64,
    most: u64,
    rounds: u64,
}

/// Why a picture was not written.
#[derive(Debug)]
pub enum Full {
    /// There would be more bytes than this, which is what is allowed.
    Limit(u64),
    /// It cannot be written.
    Io(io::Error),
}

impl Writer<File> {
    /// A new file, of this user's alone, with at most so many bytes. `began` is when, since the beginning of 1970.
    ///
    /// # Errors
    /// As of making a file; one that is there is left as it is.
    pub fn create(path: &Path, began: Duration, most: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::new(error.kind(), "there is such a file, and it stays as it is"),
            _ => error,
        })?;
        Self::new(file, began, most)
    }
}

impl<W: Write> Writer<W> {
    /// The same to something else.
    ///
    /// # Errors
    /// Of writing the first line.
    pub fn new(out: W, began: Duration, most: u64) -> io::Result<Self> {
        let head = Head {
            crashworthy: NAME.to_owned(),
            version: VERSION,
            protocol: PROTOCOL,
            began_ms: began.as_millis() as u64,
        };
        let mut writer = Self { out, bytes: 0, most, rounds: 0 };
        let mut line = serde_json::to_vec(&head)?;
        line.push(b'\n');
        writer.write(&line).map_err(Full::into_io)?;
        Ok(writer)
    }

    /// Adds what was answered at a time, since it began.
    ///
    /// # Errors
    /// [`Full`]. At the limit nothing of it is written.
    pub fn picture<'a>(&mut self, at: Duration, told: impl Iterator<Item = Told<'a>>) -> Result<(), Full> {
        let mut lines = Vec::new();
        for Told { verb, args, outcome } in told {
            let outcome = match outcome {
                Outcome::Ok(value) => Outcome::Ok(value),
                Outcome::Error(why) => Outcome::Error(why.clone()),
            };
            let frame = Frame { at_ms: at.as_millis() as u64, verb: verb.to_owned(), args, outcome };
            serde_json::to_writer(&mut lines, &frame).map_err(|error| Full::Io(error.into()))?;
            lines.push(b'\n');
        }
        self.write(&lines)?;
        self.rounds += 1;
        Ok(())
    }

    /// Pictures, and bytes.
    pub fn written(&self) -> (u64, u64) {
        (self.rounds, self.bytes)
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Full> {
        if self.bytes + lines.len() as u64 > self.most {
            return Err(Full::Limit(self.most));
        }
        self.out.write_all(lines).and_then(|()| self.out.flush()).map_err(Full::Io)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }
}

impl Full {
    /// What it means to whoever reads an error.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            limit @ Self::Limit(_) => io::Error::new(io::ErrorKind::FileTooLarge, limit.to_string()),
        }
    }
}

impl std::error::Error for Full {}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Limit(most) => write!(f, "more than {most} bytes are not written"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}
