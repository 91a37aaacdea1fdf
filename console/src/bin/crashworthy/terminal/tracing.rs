//! A trace: asked for, under way, ended. It is of one connection, and ends when its screen is left.

use std::collections::VecDeque;
use std::time::Duration;

use crashworthy_console::protocol::{Outcome, TraceQuery, TraceView, Traced};
use crashworthy_runtime::{TraceRecord, TraceSpec};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;

use super::event::Effect;
use super::model::{Link, Model, What};
use super::question::{Question, Round};
use super::reduce::tell;
use super::{command, screens};
use crate::act::Span;
use crate::trace::ended;

/// Messages that are kept: as many as a trace may have.
const KEPT: usize = 1_000;
/// Characters that can be typed.
const LONGEST: usize = 64;
/// What is asked for unless something else is typed: count, rate, time.
const DEFAULT: &str = "100 10 30s";

/// A trace, from the key that asks for it to its last message.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    /// Whom: a path.
    pub(crate) whom: String,
    pub(crate) stage: Stage,
    /// The newest messages, oldest first, and when each came.
    pub(crate) messages: VecDeque<(Duration, TraceRecord)>,
    /// What was told last, but for the messages.
    pub(crate) told: Option<Traced>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Count, rate and time are being typed; what is wrong with them.
    Asked {
        text: String,
        fault: Option<String>,
    },
    /// The system is being told.
    Begins {
        query: TraceQuery,
    },
    Runs {
        query: TraceQuery,
        since: Duration,
    },
    /// Why.
    Ended(String),
}

impl Tracing {
    fn of(whom: String) -> Self {
        let stage = Stage::Asked { text: DEFAULT.to_owned(), fault: None };
        Self { whom, stage, messages: VecDeque::new(), told: None }
    }

    fn is_on(&self) -> bool {
        matches!(self.stage, Stage::Begins { .. } | Stage::Runs { .. })
    }

    fn take(&mut self, now: Duration, mut traced: Traced) {
        self.messages.extend(std::mem::take(&mut traced.records).into_iter().map(|message| (now, message)));
        let excess = self.messages.len().saturating_sub(KEPT);
        self.messages.drain(..excess);
        if let Some(end) = traced.end {
            self.stage = Stage::Ended(ended(&traced, end));
        }
        self.told = Some(traced);
    }

    fn fail(&mut self, why: &str) {
        if self.is_on() {
            self.stage = Stage::Ended(why.to_owned());
        }
    }
}

/// Asks how much is to be traced of the actor that is looked at, or chosen; or again of the one whose trace is in view.
pub(crate) fn open(model: &mut Model) {
    match &model.link {
        Link::Recorded => return tell(model, "this is a recording: nothing happens in it"),
        Link::Up if model.is_succeeded => return tell(model, "what is in view is of a process that has ended"),
        Link::Up => {}
        _ => return tell(model, "nothing can be traced of a system that is not there"),
    }
    let whom = match model.opened.last().map(|opened| &opened.what) {
        Some(What::Trace) => match &model.tracing {
            Some(tracing) if !tracing.is_on() => Some(tracing.whom.clone()),
            _ => return,
        },
        _ => match command::meant(model).map(|id| screens::known_path(model, &id)) {
            Some(Some(path)) if is_pattern_of_itself(&path) => Some(path),
            Some(Some(_)) => {
                return tell(model, "the path of that actor is no pattern that means it alone: trace its type");
            }
            Some(None) => return tell(model, "the path of that actor is not known yet"),
            None => None,
        },
    };
    match (whom, &model.tracing) {
        (Some(_), Some(tracing)) if tracing.is_on() => tell(model, "a trace is under way: leave its screen first"),
        (Some(whom), _) => {
            model.tracing = Some(Tracing::of(whom));
            command::push(model, What::Trace);
        }
        (None, _) => tell(model, "choose an actor first"),
    }
}

/// Goes to the trace that there is, or asks for one.
pub(crate) fn go(model: &mut Model) {
    match model.opened.iter().position(|opened| opened.what == What::Trace) {
        Some(place) => model.opened.truncate(place + 1),
        None => open(model),
    }
}

/// Whether a path, as a pattern of a trace, means that path: a star would be any characters, too long a one is refused, and
/// of one that is very deep only the last part is told.
fn is_pattern_of_itself(path: &str) -> bool {
    !path.contains('*') && !path.starts_with("…/") && (1..=TraceSpec::PATTERN).contains(&path.len())
}

/// Whether keys are text: how much is to be traced.
pub(crate) fn is_asked(model: &Model) -> bool {
    let is_in_view = model.opened.last().is_some_and(|opened| opened.what == What::Trace);
    is_in_view && model.tracing.as_ref().is_some_and(|tracing| matches!(tracing.stage, Stage::Asked { .. }))
}

/// A key while that is typed.
pub(crate) fn edit(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    let tracing = model.tracing.as_mut()?;
    let Stage::Asked { text, fault } = &mut tracing.stage else { return None };
    match key.code {
        KeyCode::Esc => {
            model.opened.pop();
            return None;
        }
        KeyCode::Enter => {
            let query = match read(text, &tracing.whom) {
                Ok(query) => query,
                Err(why) => {
                    *fault = Some(why);
                    return None;
                }
            };
            tracing.stage = Stage::Begins { query: query.clone() };
            return Some(Effect::Trace(query));
        }
        KeyCode::Backspace => _ = text.pop(),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
        KeyCode::Char(c) if !c.is_control() && text.chars().count() < LONGEST => text.push(c),
        _ => return None,
    }
    *fault = None;
    None
}

/// What was typed: count, rate, time, and kinds of message if only some are wanted. How much there may be the system says.
fn read(text: &str, whom: &str) -> Result<TraceQuery, String> {
    let mut words = text.split_whitespace();
    let mut next =
        |what: &str| words.next().ok_or(format!("{what} is missing: count, rate and time, such as {DEFAULT}"));
    let number = |what: &str, word: &str| word.parse().map_err(|_| format!("{what} is a whole number, not {word:?}"));
    let count = number("the count", next("the count")?)?;
    let rate = number("the rate", next("the rate")?)?;
    let time: Span = next("the time")?.parse().map_err(|why| format!("the time is {why}"))?;
    let messages = words.map(str::to_owned).collect();
    let actors = vec![whom.to_owned()];
    Ok(TraceQuery { actors, messages, count: Some(count), rate: Some(rate), within: Some(time.0) })
}

/// The system has said whether it traces.
pub(crate) fn begun(model: &mut Model, told: Result<TraceView, String>) {
    let now = model.now;
    let Some(tracing) = &mut model.tracing else { return };
    let Stage::Begins { query } = &tracing.stage else { return };
    tracing.stage = match told {
        Ok(_) => Stage::Runs { query: query.clone(), since: now },
        Err(why) => Stage::Asked { text: typed(query), fault: Some(why) },
    };
}

/// What was typed, again.
fn typed(query: &TraceQuery) -> String {
    let number = |number: Option<u32>| number.unwrap_or_default().to_string();
    let time = format!("{}ms", query.within.unwrap_or_default().as_millis());
    let words = [number(query.count), number(query.rate), time];
    words.into_iter().chain(query.messages.iter().cloned()).collect::<Vec<_>>().join(" ")
}

/// Takes what is told of the trace out of what was answered: it is of one moment, and told once.
pub(crate) fn take(model: &mut Model, round: &mut Round) {
    let is_traced = |(question, _): &(Question, Outcome<Value>)| *question == Question::Traced;
    let Some(place) = round.answers.iter().position(is_traced) else { return };
    let (_, outcome) = round.answers.remove(place);
    let now = model.now;
    let Some(tracing) = model.tracing.as_mut().filter(|tracing| tracing.is_on()) else { return };
    match outcome {
        Outcome::Ok(value) => match serde_json::from_value(value) {
            Ok(traced) => tracing.take(now, traced),
            Err(error) => tracing.fail(&format!("an answer to traced: {error:.256}")),
        },
        Outcome::Error(why) => tracing.fail(&why.message),
    }
}

/// The connection has gone, and the trace with it; why, if that is known.
pub(crate) fn lost(model: &mut Model, why: Option<&str>) {
    if let Some(tracing) = &mut model.tracing {
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        tracing.fail(&format!("the connection was lost{why}"));
    }
}

/// A trace whose screen was left is not wanted any more.
pub(crate) fn leave(model: &mut Model) -> Option<Effect> {
    if model.opened.iter().any(|opened| opened.what == What::Trace) {
        return None;
    }
    model.tracing.take().filter(Tracing::is_on).map(|_| Effect::Untrace)
}
