//! One picture of everything, as a recording.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::Outcome;
use crashworthy_console::recording::{Answered, Extent, Full, IN_FULL, MOST, Told, Writer, picture};
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::Trouble;
use crate::text::span;

/// What takes no longer needs nobody's patience.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often it is told how far it is.
const EVERY: Duration = Duration::from_millis(250);

/// Writes what a system says of everything to a new file, or to standard output. How much that is.
pub(crate) fn dump(client: &mut Client, file: &Path) -> Result<Extent, Trouble> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if file.as_os_str() == "-" {
        return write(client, Writer::new(io::stdout().lock(), began, MOST)?);
    }
    let named = |error: io::Error| Trouble::Told(format!("{}: {error}", file.display()));
    let writer = Writer::create(file, began, MOST).map_err(named)?;
    write(client, writer)
}

/// How much is in a file, as JSON.
pub(crate) fn data(file: &Path, extent: &Extent) -> Result<String, Trouble> {
    let Extent { actors, listed, in_full } = extent;
    let (file, whole) = (file.display().to_string(), extent.is_whole());
    crate::data(&json!({ "file": file, "actors": actors, "listed": listed, "in_full": in_full, "whole": whole }))
}

fn write(client: &mut Client, mut writer: Writer<impl Write>) -> Result<Extent, Trouble> {
    let (rows, a_second) = (client.hello().limits.rows, client.hello().limits.requests);
    let hello = Outcome::Ok(serde_json::to_value(client.hello()).expect("it is plain data"));
    let hello = Told { verb: "hello", args: Value::Null, outcome: &hello };
    writer.picture(Duration::ZERO, std::iter::once(hello)).map_err(Full::into_io)?;
    let mut progress = Progress::new(a_second);
    let mut line = io::stderr().is_terminal().then(|| ProgressLine { began: Instant::now(), shown: None });
    let tell = |answer: Answered| {
        writer.picture(Duration::ZERO, std::iter::once(answer.told())).map_err(Full::into_io)?;
        if let Some(line) = &mut line {
            progress.note(line.began.elapsed(), &answer);
            line.show(&progress);
        }
        Ok(true)
    };
    picture(rows, |verb, args| Ok(ask(client, verb, args)?), tell)
}

/// What the system says no to belongs to the picture.
fn ask(client: &mut Client, verb: &str, args: &Value) -> Result<Outcome<Value>, ClientError> {
    match client.ask::<Value>(verb, args) {
        Ok(value) => Ok(Outcome::Ok(value)),
        Err(ClientError::Refused(why)) => Ok(Outcome::Error(why)),
        Err(error) => Err(error),
    }
}

/// How far it is with those who are told one by one, which takes most of the time: a system answers so many questions in a second.
#[derive(Debug)]
struct Progress {
    a_second: u32,
    began: Duration,
    all: usize,
    done: usize,
}

impl Progress {
    fn new(a_second: u32) -> Self {
        Self { a_second, began: Duration::ZERO, all: 0, done: 0 }
    }

    fn note(&mut self, now: Duration, answer: &Answered) {
        match (answer.verb, &answer.outcome) {
            ("tree", Outcome::Ok(tree)) => {
                let listed = tree["nodes"].as_array().map_or(0, Vec::len);
                *self = Self { began: now, all: listed.min(IN_FULL), ..Self::new(self.a_second) };
            }
            ("actor", _) => self.done += 1,
            _ => {}
        }
    }

    /// The same in words, once it is known how long it takes.
    fn text(&self, now: Duration) -> Option<String> {
        let Self { a_second, began, all, done } = *self;
        let left = u32::try_from(all.saturating_sub(done)).ok()?;
        let one = now.saturating_sub(began).checked_div(u32::try_from(done).ok()?)?;
        // The first are answered at once, the others as fast as is allowed.
        let one = one.max(Duration::from_secs(1) / a_second.max(1));
        Some(format!("{done} of {all} actors in full, about {} to go", span(one * left)))
    }
}

/// One line of a terminal, which is empty again in the end.
struct ProgressLine {
    began: Instant,
    shown: Option<Duration>,
}

impl ProgressLine {
    /// Nobody has to see it: what cannot be written is not.
    fn show(&mut self, progress: &Progress) {
        let now = self.began.elapsed();
        let is_due = self.shown.map_or(now >= AT_ONCE, |shown| now.saturating_sub(shown) >= EVERY);
        if let Some(text) = progress.text(now).filter(|_| is_due) {
            self.shown = Some(now);
            let _ = write!(io::stderr(), "\r{text}\x1b[K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_far_a_dump_is_and_how_long_it_takes() {
        let ms = Duration::from_millis;
        let answer = |verb, value: Value| Answered { verb, args: Value::Null, outcome: Outcome::Ok(value) };
        let mut progress = Progress::new(50);
        progress.note(ms(900), &answer("crashes", json!({})));
        assert_eq!(progress.text(ms(900)), None, "nobody knows yet");
        progress.note(ms(1_000), &answer("tree", json!({ "nodes": vec![0; 3_000] })));
        for _ in 0..100 {
            progress.note(ms(1_001), &answer("actor", json!({})));
        }
        let text = |progress: &Progress, now| progress.text(ms(now)).unwrap();
        assert_eq!(text(&progress, 1_001), "100 of 1000 actors in full, about 18.0 s to go", "at 50 a second");
        assert_eq!(text(&progress, 5_000), "100 of 1000 actors in full, about 36.0 s to go", "as it goes");
        for _ in 100..1_000 {
            progress.note(ms(9_000), &answer("actor", json!({})));
        }
        assert_eq!(text(&progress, 9_000), "1000 of 1000 actors in full, about 0 ms to go");
    }
}
