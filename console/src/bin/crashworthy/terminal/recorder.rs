//! Writes what is answered to a file, while that is wanted.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crashworthy_console::protocol::{Hello, Outcome};
use crashworthy_console::recording::{MOST, Told, Writer};
use serde_json::Value;

use super::event::Event;
use super::question::{Question, Round, is_whole_tree};
use crate::calendar::moment;

/// A file that is being written.
pub(super) struct Recorder {
    writer: Writer<File>,
    file: PathBuf,
    /// The time of the screens at which it began.
    began: Duration,
    /// Who was there when a picture was written last.
    process: Option<u32>,
    /// What was written last of what hardly ever changes, by question, but for its time.
    known: HashMap<String, Outcome<Value>>,
}

impl Recorder {
    pub(super) fn create(file: &Path, now: Duration) -> std::io::Result<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let writer = Writer::create(file, wall, MOST)?;
        Ok(Self { writer, file: file.to_owned(), began: now, process: None, known: HashMap::new() })
    }

    /// Adds a picture. Returns what is to be told, and whether that was the last.
    pub(super) fn add(&mut self, now: Duration, hello: Option<&Hello>, round: &Round) -> Result<Event, Event> {
        if round.answers.is_empty() {
            // Nothing was asked yet, and there is nothing to see.
            return Ok(self.news());
        }
        let new = hello.filter(|hello| self.process != Some(hello.process));
        let greeting = new.map(|hello| Outcome::Ok(serde_json::to_value(hello).expect("it is plain data")));
        let greeting = greeting.iter().map(|outcome| Told { verb: "hello", args: Value::Null, outcome });
        let is_whole = round.answers.iter().any(|(question, outcome)| is_whole_tree(question, outcome));
        // What is told once cannot be shown again by itself.
        let is_kept = |question: &Question| {
            !matches!(question, Question::Traced | Question::News)
                && !question.is_view()
                && (!is_whole || !question.is_list())
        };
        let answers = round.answers.iter().filter(|(question, _)| is_kept(question));
        let news: Vec<_> = answers.filter(|(question, outcome)| self.is_news(question, outcome)).collect();
        let answers = news.into_iter();
        let answers = answers.map(|(question, outcome)| Told { verb: question.verb(), args: question.args(), outcome });
        match self.writer.picture(now.saturating_sub(self.began), greeting.chain(answers)) {
            Ok(()) => {
                self.process = hello.map(|hello| hello.process);
                Ok(self.news())
            }
            Err(full) => Err(Event::RecordingFailed(format!("{full}: the recording has ended, {}", self.told()))),
        }
    }

    /// Whether it is not in the file yet. Reports are many, and seldom new.
    fn is_news(&mut self, question: &Question, outcome: &Outcome<Value>) -> bool {
        let (
            Question::Crashes
            | Question::Crash(_)
            | Question::Reports { .. }
            | Question::Events
            | Question::DeadLetters,
            Outcome::Ok(value),
        ) = (question, outcome)
        else {
            return true;
        };
        let mut value = value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("at_ms");
        }
        let value = Outcome::Ok(value);
        let before = self.known.insert(format!("{question:?}"), value.clone());
        before != Some(value)
    }

    /// What there is in the file.
    pub(super) fn told(&self) -> String {
        let (rounds, bytes) = self.writer.written();
        format!("{rounds} pictures, {} KB in {}", bytes.div_ceil(1000), self.file.display())
    }

    pub(super) fn news(&self) -> Event {
        Event::Recorded { bytes: self.writer.written().1 }
    }
}

/// A name for a recording, in the current directory: of which system, and when.
pub(super) fn name(system: &str, since_epoch: Duration) -> PathBuf {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let system: String = system.chars().take(32).map(allowed).collect();
    let moment = moment(since_epoch).replace(['-', ':'], "").replace(' ', "-");
    format!("crashworthy-{system}-{moment}.jsonl").into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::samples;
    use super::*;
    use crate::recording::Recording;

    /// A file of one test, which goes with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("crashworthy-recorder-{}-{name}.jsonl", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_recording_is_the_users_alone_and_never_takes_the_place_of_a_file() {
        let scratch = Scratch::new("alone");
        Recorder::create(&scratch.0, Duration::ZERO).expect("there is no such file");
        assert_eq!(std::fs::metadata(&scratch.0).unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&scratch.0).unwrap();
        let error = Recorder::create(&scratch.0, Duration::ZERO).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "there is such a file, and it stays as it is");
        assert_eq!(std::fs::read(&scratch.0).unwrap(), before);
    }

    #[test]
    fn what_is_recorded_is_answered_again_and_reports_are_written_once() {
        let scratch = Scratch::new("again");
        let began = Duration::from_secs(7);
        let mut recorder = Recorder::create(&scratch.0, began).unwrap();
        let (first, mut second) = (samples::round(), samples::round());
        for (question, outcome) in &mut second.answers {
            if let (Question::System | Question::Crashes, Outcome::Ok(value)) = (question, outcome) {
                value["at_ms"] = 99_000.into();
            }
        }
        recorder.add(began, None, &first).unwrap();
        recorder.add(began + Duration::from_secs(1), None, &second).unwrap();
        let recording = Recording::open(&scratch.0).unwrap();
        assert_eq!(recording.times(), [Duration::ZERO, Duration::from_secs(1)]);
        for (at, round) in [(0, &first), (1, &second)] {
            for (question, outcome) in &round.answers {
                let mut answer = recording.ask(Duration::from_secs(at), question.verb(), &question.args());
                let Outcome::Ok(known) = &mut answer else { panic!("{question:?}: {answer:?}") };
                let Outcome::Ok(told) = outcome else { panic!("{question:?} was answered") };
                if matches!(question, Question::Tree { .. } | Question::Crashes) {
                    assert_eq!(known["at_ms"], told["at_ms"], "{question:?}");
                } else if *question == Question::System {
                    assert_eq!(known, told);
                }
            }
        }
        let text = std::fs::read_to_string(&scratch.0).unwrap();
        let times = |verb: &str| text.matches(&format!("\"verb\":\"{verb}\"")).count();
        assert_eq!((times("crashes"), times("reports"), times("dead_letters"), times("tree")), (1, 1, 1, 2));
        assert_eq!(times("actors"), 0, "everybody is in the tree");

        let view = Question::Tree { top: None, levels: None, filter: Some("till".into()), folded: Vec::new() };
        let answers = vec![(view, Outcome::Ok(samples::answer(&Question::TREE)))];
        recorder.add(began + Duration::from_secs(2), None, &Round { answers, past: None }).unwrap();
        let text = std::fs::read_to_string(&scratch.0).unwrap();
        assert_eq!(text.matches("\"verb\":\"tree\"").count(), 2, "what somebody has chosen to see is not the tree");
    }

    #[test]
    fn who_is_there_is_written_with_the_first_answers() {
        let scratch = Scratch::new("first");
        let began = Duration::from_secs(7);
        let mut recorder = Recorder::create(&scratch.0, began).unwrap();
        let hello = super::super::tests::hello(4711);
        let nothing = Round { answers: Vec::new(), past: None };
        recorder.add(began, Some(&hello), &nothing).unwrap();
        recorder.add(began + Duration::from_secs(1), Some(&hello), &samples::round()).unwrap();
        let recording = Recording::open(&scratch.0).unwrap();
        assert_eq!(recording.times(), [Duration::from_secs(1)]);
        assert_eq!(recording.hello(Duration::from_secs(1)), Some(hello));
        assert_eq!(recorder.writer.written().0, 1, "one picture");
    }

    #[test]
    fn a_recording_is_named_after_its_system_and_the_time() {
        let name = |system, seconds| name(system, Duration::from_secs(seconds)).display().to_string();
        assert_eq!(name("shop", 0), "crashworthy-shop-19700101-000000.jsonl");
        assert_eq!(name("a/b", 951_782_400), "crashworthy-a_b-20000229-000000.jsonl");
        assert_eq!(name("../x", 1_764_296_185), "crashworthy-.._x-20251128-021625.jsonl");
    }
}
