//! Requests and answers as lines: what lies between the inspector and a socket.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::inspector::Inspector;
use crate::protocol::{Code, Outcome, Refusal, Request, Response, VERBS};
use crate::search::Search;

impl Inspector {
    /// The answer to a question, by a search that may be cut short.
    pub(crate) fn ask(&self, id: u64, verb: &str, args: Value, search: &mut Search) -> Vec<u8> {
        match verb {
            "system" => self.tell(id, read(args).and_then(|query| self.system_by(&query))),
            "tree" => self.tell(id, read(args).and_then(|query| self.tree_by(&query, search))),
            "actors" => self.tell(id, read(args).and_then(|query| self.actors_by(&query, search))),
            "actor" => self.tell(id, read(args).and_then(|query| self.actor(&query))),
            "crashes" => self.tell(id, read(args).and_then(|query| self.crashes(&query))),
            "reports" => self.tell(id, read(args).and_then(|query| self.reports(&query))),
            "events" => self.tell(id, read(args).and_then(|query| self.events(&query))),
            "dead_letters" => self.tell(id, read(args).and_then(|query| self.dead_letters(&query))),
            "health" => self.tell(id, self.health()),
            "metrics" => self.tell(id, self.metrics()),
            _ => {
                let verbs = VERBS.join(", ");
                refusal(Some(id), Refusal::new(Code::UnknownVerb, format!("no verb {verb:.64?}: there are {verbs}")))
            }
        }
    }

    /// An answer as a line.
    pub(crate) fn tell<T: Serialize>(&self, id: u64, answer: Result<T, Refusal>) -> Vec<u8> {
        self.told(id, answer).unwrap_or_else(|why| refusal(Some(id), why))
    }

    /// The same, for whoever has to know that it is one that says no.
    pub(crate) fn told<T: Serialize>(&self, id: u64, answer: Result<T, Refusal>) -> Result<Vec<u8>, Refusal> {
        let response = Response { id: Some(id), outcome: Outcome::Ok(answer?) };
        line(&response, self.limits().answer).map_err(|_| self.too_long())
    }

    /// An answer, or several, as JSON on one line.
    ///
    /// # Errors
    /// If it would be longer than [`Limits::answer`](crate::Limits::answer).
    pub fn json(&self, answer: &impl Serialize) -> Result<Vec<u8>, Refusal> {
        let mut bytes = line(answer, self.limits().answer).map_err(|_| self.too_long())?;
        bytes.pop();
        Ok(bytes)
    }

    pub(crate) fn too_long(&self) -> Refusal {
        let most = self.limits().answer;
        Refusal::new(Code::AnswerTooLong, format!("the answer would be longer than {most} bytes: ask for fewer"))
    }
}

/// What a client asks.
pub(crate) fn request(asked: &[u8]) -> Result<Request, Refusal> {
    serde_json::from_slice(asked)
        .map_err(|error| Refusal::new(Code::Malformed, format!("not a request: {}", cut(&error))))
}

/// One line that says no.
pub(crate) fn refusal(id: Option<u64>, why: Refusal) -> Vec<u8> {
    line(&Response { id, outcome: Outcome::<()>::Error(why) }, usize::MAX).unwrap_or_default()
}

/// What is wrong with what a client has said, without all of what it has said.
fn cut(error: &serde_json::Error) -> String {
    format!("{:.512}", error.to_string())
}

/// The arguments of a verb.
pub(crate) fn read<T: DeserializeOwned>(args: Value) -> Result<T, Refusal> {
    let args = if args.is_null() { Value::Object(serde_json::Map::new()) } else { args };
    serde_json::from_value(args).map_err(|error| Refusal::new(Code::BadArguments, format!("args: {}", cut(&error))))
}

/// A value as one line of at most so many bytes.
pub(crate) fn line<T: Serialize>(value: &T, most: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bounded = Bounded { bytes: Vec::new(), most };
    serde_json::to_writer(&mut bounded, value)?;
    bounded.bytes.push(b'\n');
    Ok(bounded.bytes)
}

/// What is written, up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
