//! One connection to a system: what is asked on it, and what is watched.

use crashworthy_console::protocol::{EventsQuery, Outcome, SystemQuery, TraceQuery, TraceView, Untraced};
use crashworthy_console::{Client, ClientError};
use serde::Serialize;
use serde_json::Value;

use super::question::{EVENTS, Question, Round};

/// A connection, and what is watched on it.
pub(super) struct Line {
    client: Client,
    watched: Vec<(Question, u64)>,
    /// Up to which event it has been told, once it has been.
    since: Option<u64>,
    /// It has been told how the last minute was.
    knows_past: bool,
}

/// How often more events are asked for at a time, if they are more than an answer holds.
const PAGES: usize = 8;

impl Line {
    pub(super) fn new(client: Client) -> Self {
        Self { client, watched: Vec::new(), since: None, knows_past: false }
    }

    /// Has these answered. An error ends the connection.
    pub(super) fn ask(&mut self, questions: &[Question]) -> Result<Round, String> {
        self.leave_all_but(questions).map_err(|error| error.to_string())?;
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            if *question == Question::News {
                self.news(&mut answers)?;
                continue;
            }
            let outcome = match self.answer(question) {
                Ok(value) => Outcome::Ok(value),
                Err(ClientError::Refused(why)) => Outcome::Error(why),
                Err(error) => return Err(error.to_string()),
            };
            answers.push((question.clone(), outcome));
        }
        Ok(Round { answers, past: None })
    }

    /// The newest events at first, and then those that have happened since.
    fn news(&mut self, answers: &mut Vec<(Question, Outcome<Value>)>) -> Result<(), String> {
        for _ in 0..PAGES {
            let query = EventsQuery {
                since: self.since,
                limit: self.since.is_none().then_some(EVENTS),
                ..EventsQuery::default()
            };
            let answer: Value = match self.client.ask("events", &query) {
                Ok(answer) => answer,
                Err(ClientError::Refused(why)) => {
                    answers.push((Question::News, Outcome::Error(why)));
                    return Ok(());
                }
                Err(error) => return Err(error.to_string()),
            };
            self.since = answer["next"].as_u64().or(self.since);
            let is_all = answer["next"] == answer["last"];
            answers.push((Question::News, Outcome::Ok(answer)));
            if is_all {
                break;
            }
        }
        Ok(())
    }

    /// Has the system trace.
    pub(super) fn trace(&mut self, query: &TraceQuery) -> Result<TraceView, String> {
        self.client.ask("trace", query).map_err(|error| error.to_string())
    }

    pub(super) fn untrace(&mut self) {
        // It may have ended meanwhile. A connection that fails is noticed with the next question.
        let _ = self.client.ask::<Untraced>("untrace", &());
    }

    /// Watches no more what nobody wants to know any more.
    fn leave_all_but(&mut self, questions: &[Question]) -> Result<(), ClientError> {
        let (stay, go) =
            std::mem::take(&mut self.watched).into_iter().partition(|(known, _)| questions.contains(known));
        self.watched = stay;
        go.into_iter().try_for_each(|(_, watch)| self.client.unwatch(watch))
    }

    fn answer(&mut self, question: &Question) -> Result<Value, ClientError> {
        if *question == Question::System && !self.knows_past {
            let answer = self.client.ask("system", &SystemQuery { past: true })?;
            self.knows_past = true;
            return Ok(answer);
        }
        let Some(query) = question.watched().filter(|_| self.can_watch(question)) else {
            return self.client.ask(question.verb(), &question.args());
        };
        let known = self.watched.iter().find(|(known, _)| known == question).map(|(_, watch)| *watch);
        let watch = match known {
            Some(watch) => watch,
            None => {
                let watch = self.client.watch(&query)?;
                self.watched.push((question.clone(), watch));
                watch
            }
        };
        let list = self.client.refresh(watch)?;
        match question {
            Question::Tree { .. } => value(list.tree()),
            _ => value(list.actors()),
        }
    }

    /// Whether the system knows how, and there is room. What cannot be watched is asked.
    fn can_watch(&self, question: &Question) -> bool {
        let hello = self.client.hello();
        let is_known = self.watched.iter().any(|(known, _)| known == question);
        hello.verbs.iter().any(|verb| verb == "watch") && (is_known || self.watched.len() < hello.limits.watches)
    }
}

fn value(list: Option<impl Serialize>) -> Result<Value, ClientError> {
    let list = list.ok_or_else(|| ClientError::Foreign("a list that says nothing".to_owned()))?;
    serde_json::to_value(list).map_err(|error| ClientError::Foreign(error.to_string()))
}
