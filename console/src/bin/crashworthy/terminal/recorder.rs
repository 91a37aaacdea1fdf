//! Writes what is answered to a file, while that is wanted.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::{Hello, Outcome};
use serde_json::Value;

use super::event::Event;
use super::question::Round;
use crate::recording::{MOST, Told, Writer};

/// A file that is being written.
pub(super) struct Recorder {
    writer: Writer<File>,
    file: PathBuf,
    /// The time of the screens at which it began.
    began: Duration,
    /// Who was there when a picture was written last.
    process: Option<u32>,
}

impl Recorder {
    pub(super) fn create(file: &Path, now: Duration) -> std::io::Result<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let writer = Writer::create(file, wall, MOST)?;
        Ok(Self { writer, file: file.to_owned(), began: now, process: None })
    }

    /// Adds a picture. Returns what is to be told, and whether that was the last.
    pub(super) fn add(&mut self, now: Duration, hello: Option<&Hello>, round: &Round) -> Result<Event, Event> {
        let new = hello.filter(|hello| self.process != Some(hello.process));
        let greeting = new.map(|hello| Outcome::Ok(serde_json::to_value(hello).expect("it is plain data")));
        let greeting = greeting.iter().map(|outcome| Told { verb: "hello", args: Value::Null, outcome });
        let answers = round.answers.iter();
        let answers = answers.map(|(question, outcome)| Told { verb: question.verb(), args: question.args(), outcome });
        let file = self.file.clone();
        match self.writer.picture(now.saturating_sub(self.began), greeting.chain(answers)) {
            Ok(()) => {
                self.process = hello.map(|hello| hello.process);
                let (rounds, bytes) = self.writer.written();
                Ok(Event::Recorded { file, rounds, bytes })
            }
            Err(full) => Err(Event::RecordingEnded(format!("{full}: the recording has ended, {}", self.told()))),
        }
    }

    /// What there is in the file.
    pub(super) fn told(&self) -> String {
        let (rounds, bytes) = self.writer.written();
        format!("{rounds} pictures, {} KB in {}", bytes.div_ceil(1000), self.file.display())
    }

    pub(super) fn news(&self) -> Event {
        let (rounds, bytes) = self.writer.written();
        Event::Recorded { file: self.file.clone(), rounds, bytes }
    }
}

/// A name for a recording, in the current directory: of which system, and when.
pub(super) fn name(system: &str, since_epoch: Duration) -> PathBuf {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let system: String = system.chars().take(32).map(allowed).collect();
    let (days, seconds) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("crashworthy-{system}-{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}.jsonl").into()
}

/// Year, month and day, so many days after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their odd day last; 400 of them are 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_named_after_its_system_and_the_time() {
        let name = |system, seconds| name(system, Duration::from_secs(seconds)).display().to_string();
        assert_eq!(name("shop", 0), "crashworthy-shop-19700101-000000.jsonl");
        assert_eq!(name("a/b", 951_782_400), "crashworthy-a_b-20000229-000000.jsonl");
        assert_eq!(name("../x", 1_764_296_185), "crashworthy-.._x-20251128-021625.jsonl");
    }
}
