//! What has happened, and what an actor shows of its state: as data, each with what the command would say of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use crashworthy_console::protocol::{ActorQuery, ActorState, Events, EventsQuery, Refusal, Seen};
use crashworthy_runtime::{SystemEvent, millis};
use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::problem::Problem;
use crate::routes::Desk;

/// Which events, as a URL says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Which {
    since: Option<u64>,
    /// Their names, with commas between.
    kinds: String,
    under: Option<String>,
    limit: Option<usize>,
}

/// Events, as the console tells them.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    #[serde(rename = "at_ms", with = "millis")]
    at: Duration,
    last: u64,
    next: u64,
    dropped: u64,
    lifecycle_since: Option<u64>,
    matched: usize,
    /// Oldest first.
    events: Vec<Line>,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    event: SystemEvent,
    text: String,
}

impl Told {
    /// What `since` is to be for what comes next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether there is something to tell.
    pub(crate) fn is_news(&self) -> bool {
        !self.events.is_empty() || self.dropped > 0
    }
}

impl From<Events> for Told {
    fn from(told: Events) -> Self {
        let Events { at, last, next, dropped, lifecycle_since, matched, events } = told;
        let line = |event: SystemEvent| Line { text: event.what.to_string(), event };
        Self { at, last, next, dropped, lifecycle_since, matched, events: events.into_iter().map(line).collect() }
    }
}

/// What an actor shows.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    state: ActorState,
    text: String,
}

pub(crate) async fn events(State(desk): State<Arc<Desk>>, Asked(which): Asked<Which>) -> Result<Response, Problem> {
    let Which { since, kinds, under, limit } = which;
    let kinds = kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    let told = desk.inspector.events(&EventsQuery { since, kinds, under, limit })?;
    // Of a system that has ended nothing is told.
    desk.attention.note(Instant::now(), || desk.inspector.attend_events().ok());
    answer(&desk, &Told::from(told))
}

pub(crate) async fn state(State(desk): State<Arc<Desk>>, Asked(query): Asked<ActorQuery>) -> Result<Response, Problem> {
    let state = desk.inspector.state(&query).await?;
    let text = match &state.seen {
        Seen::State(view) => view.to_string(),
        Seen::Unseen(why) => why.to_string(),
    };
    answer(&desk, &Shown { state, text })
}

/// An answer that is no longer than the console's limit.
fn answer(desk: &Desk, value: &impl Serialize) -> Result<Response, Problem> {
    let json: Result<Vec<u8>, Refusal> = desk.inspector.json(value);
    Ok(([(CONTENT_TYPE, "application/json")], json?).into_response())
}
