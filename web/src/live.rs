//! What the page shows, as server-sent events: a picture now, and one whenever its time has come.
//!
//! ```text
//! event: info      once: what `/info` says
//! event: picture   again and again: the system, who takes no new work, and a frame of its tree and of the first of its actors
//! event: crashes   at first and when there was another: the newest reports, without backtraces
//! event: events    at first the newest, then whatever has happened since
//! event: trouble   what cannot be told, and why: the answer would be too long, or the system has ended
//! ```
//! The frames of a connection are to be applied one after the other, as those of a watch of the console are: the first is
//! whole. A picture is made when the client has room for it. Who reads slowly gets fewer, never older ones; of a system that takes
//! long to look at, all do.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response, Sse};
use crashworthy_console::Watch;
use crashworthy_console::protocol::{
    ActorsQuery, CrashesQuery, EventsQuery, Filter, Frame, Health, Refusal, Sort, SystemView, TreeQuery, Watchable,
};
use crashworthy_runtime::{Attending, CrashReport};
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep};

use crate::asked::Asked;
use crate::happened;
use crate::info::Info;
use crate::problem::Problem;
use crate::routes::Desk;

/// Actors in the list beside the tree.
const TOP: usize = 50;
/// Reports of crashes.
const CRASHES: usize = 20;
/// Events at first, and at a time.
const EVENTS: usize = 50;
/// A picture is made when it is so many times as old as it took to make, by all who watch together: they take about a tenth
/// of the thread, however large the system is.
const APART: u32 = 10;

/// What a page would like to see.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    sort: Sort,
    /// A part of the path or the kind of those in the list.
    text: Option<String>,
}

/// Crashes, with what the command would say of each.
#[derive(Debug, Serialize)]
struct News {
    total: u64,
    matched: usize,
    reports: Vec<Told>,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    report: CrashReport,
    text: String,
}

/// What the page shows.
#[derive(Debug, Serialize)]
struct Picture {
    system: SystemView,
    tree: Frame,
    top: Frame,
    health: Health,
}

pub(crate) async fn live(State(desk): State<Arc<Desk>>, Asked(view): Asked<View>) -> Result<Response, Problem> {
    let Ok(place) = desk.watchers.clone().try_acquire_owned() else {
        let most = desk.limits.watchers;
        let why = format!("{most} pages are watched already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_watchers", why));
    };
    let mut due = interval(desk.limits.picture_every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let first = event("info", desk.inspector.json(&Info::of(&desk)));
    let filter = Filter { text: view.text, ..Filter::default() };
    let top = ActorsQuery { filter, sort: view.sort, limit: Some(TOP), ..ActorsQuery::default() };
    let lists =
        Lists { tree: Watch::new(Watchable::Tree(TreeQuery::default())), top: Watch::new(Watchable::Actors(top)) };
    let looks = Box::pin(sleep(Duration::ZERO));
    // Of a system that has ended nothing is told, and the first picture says so.
    let attending = desk.inspector.attend_events().ok();
    let live = Live {
        desk,
        lists,
        due,
        looks,
        told: None,
        since: None,
        _attending: attending,
        next: [first].into(),
        _place: place,
    };
    Ok(Sse::new(live).into_response())
}

/// What is told in frames.
struct Lists {
    tree: Watch,
    top: Watch,
}

/// One page that is watched.
struct Live {
    desk: Arc<Desk>,
    lists: Lists,
    due: Interval,
    /// When those that are shown are looked at again.
    looks: Pin<Box<Sleep>>,
    /// How many crashes it has been told of.
    told: Option<u64>,
    /// The number of the event up to which it has been told, once it has been.
    since: Option<u64>,
    /// Beginnings and ends are told as long as this is there.
    _attending: Option<Attending>,
    next: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Live {
    fn picture(&mut self) -> Result<Picture, Refusal> {
        let inspector = &self.desk.inspector;
        Ok(Picture {
            // How the last minute was is told once.
            system: if self.told.is_none() { inspector.system_with_past()? } else { inspector.system()? },
            health: inspector.health()?,
            tree: self.lists.tree.frame(inspector, false)?,
            top: self.lists.top.frame(inspector, false)?,
        })
    }

    /// Looks at those that are shown, and says when to look again.
    fn sample(&mut self) {
        let inspector = &self.desk.inspector;
        let rest = [&mut self.lists.tree, &mut self.lists.top].map(|list| list.sample(inspector));
        // Of a system that has ended there is nothing to see, and the next picture says so.
        let rest: Duration = rest.into_iter().map(|rest| rest.unwrap_or(Duration::from_secs(1))).sum();
        self.looks.as_mut().reset(Instant::now() + rest / 2);
    }

    fn crashes(&self) -> Result<News, Refusal> {
        let crashes = self.desk.inspector.crashes(&CrashesQuery { limit: Some(CRASHES), ..CrashesQuery::default() })?;
        // To look the names in a backtrace up takes longer than all the rest.
        let reports = crashes.reports.into_iter().map(|report| CrashReport { backtrace: None, ..report });
        let reports = reports.map(|report| Told { text: report.to_string(), report }).collect();
        Ok(News { total: crashes.total, matched: crashes.matched, reports })
    }

    /// What has happened since it was told last, if something has; what is more than is told at a time comes next.
    fn events(&mut self) -> Result<Option<happened::Told>, Refusal> {
        let query = EventsQuery { since: self.since, limit: Some(EVENTS), ..EventsQuery::default() };
        let told = happened::Told::from(self.desk.inspector.events(&query)?);
        let is_first = self.since.replace(told.next()).is_none();
        Ok((is_first || told.is_news()).then_some(told))
    }

    /// Lays out what is to be told now, and when to look again.
    fn look(&mut self) {
        let began = Instant::now();
        self.tell();
        let watchers = self.desk.limits.watchers - self.desk.watchers.available_permits();
        let rest = began.elapsed() * APART * watchers as u32;
        if rest > self.due.period() {
            self.due.reset_after(rest);
        }
    }

    fn tell(&mut self) {
        let picture = self.picture();
        let crashed = picture.as_ref().map_or(self.told, |picture| Some(picture.system.crashes));
        let json = |answer: Result<_, _>| answer.and_then(|answer| self.desk.inspector.json(&answer));
        let picture = json(picture);
        if picture.is_err() {
            // It was not told: the next ones are whole.
            self.lists.tree.untold();
            self.lists.top.untold();
        }
        self.next.push_back(event("picture", picture));
        if crashed != self.told {
            let crashes = self.crashes().and_then(|crashes| self.desk.inspector.json(&crashes));
            self.next.push_back(event("crashes", crashes));
            self.told = crashed;
        }
        // That the system has ended is told already.
        if let Ok(Some(told)) = self.events() {
            self.next.push_back(event("events", self.desk.inspector.json(&told)));
        }
    }
}

impl Stream for Live {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.next.is_empty() {
            while self.looks.as_mut().poll(cx).is_ready() {
                self.sample();
            }
            ready!(self.due.poll_tick(cx));
            self.look();
        }
        Poll::Ready(self.next.pop_front().map(Ok))
    }
}

/// A piece of news, or why there is none. JSON on one line has no line feed that would end it early.
fn event(name: &str, json: Result<Vec<u8>, Refusal>) -> Event {
    let told = json.map(|json| Event::default().event(name).data(String::from_utf8_lossy(&json)));
    told.unwrap_or_else(|why| Event::default().event("trouble").data(serde_json::json!(why).to_string()))
}
