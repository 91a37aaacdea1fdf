//! Answers requests from snapshots. It asks no actor and waits for none.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crashworthy_runtime::{State, System, WeakSystem};
use crashworthy_supervisor::{ReportCounts, SystemExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::Limits;
use crate::picture::{Picture, doing, is_busy, is_under};
use crate::protocol::{
    ActorQuery, ActorView, Actors, ActorsQuery, Code, Crashes, CrashesQuery, DeadLetters, Greeting, Health, Hello,
    Metrics, Node, Outcome, PROTOCOL, Refusal, ReportsQuery, ReportsView, Request, Response, Row, Sort, SystemView,
    TreeQuery, TreeView, Unready, VERBS,
};
use crate::sums;

/// A picture serves until it is so many times as old as it took to make: so the inspector spends at most about a tenth of
/// its thread on taking them, however many ask.
const REUSED: u32 = 10;
/// Reports in an answer unless told otherwise.
const REPORTS: usize = 20;
/// Others that an actor has to do with, of each kind.
const TIES: usize = 100;

/// What answers for one system.
#[derive(Debug)]
pub(crate) struct Inspector {
    system: WeakSystem,
    hello: Hello,
    last: Mutex<Option<Taken>>,
}

/// The newest picture.
#[derive(Clone, Debug)]
struct Taken {
    picture: Arc<Picture>,
    when: Instant,
    cost: Duration,
}

impl Inspector {
    pub(crate) fn new(system: WeakSystem, name: &str, limits: Limits) -> Self {
        let hello = Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: "read_only".to_owned(),
            system: name.to_owned(),
            process: std::process::id(),
            verbs: VERBS.map(str::to_owned).to_vec(),
            limits,
        };
        Self { system, hello, last: Mutex::default() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.hello.limits
    }

    /// The system's name.
    pub(crate) fn name(&self) -> &str {
        &self.hello.system
    }

    /// The first line to a client.
    pub(crate) fn greeting(&self) -> Vec<u8> {
        line(&Greeting { hello: self.hello.clone() }, usize::MAX).unwrap_or_default()
    }

    /// The answer to one line.
    pub(crate) fn answer(&self, asked: &[u8]) -> Vec<u8> {
        match serde_json::from_slice::<Request>(asked) {
            Ok(request) => self.ask(request.id, &request.verb, request.args),
            Err(error) => refusal(None, Refusal::new(Code::Malformed, format!("not a request: {}", cut(&error)))),
        }
    }

    /// Forgets what nobody looks at any more.
    pub(crate) fn rest(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn ask(&self, id: u64, verb: &str, args: Value) -> Vec<u8> {
        match verb {
            "hello" => self.tell(id, Ok(&self.hello)),
            "system" => self
                .tell(id, self.look().map(|(system, picture)| overview(&picture, system.supervisor_reports().counts))),
            "tree" => self.tell(id, self.tree(args)),
            "actors" => self.tell(id, self.actors(args)),
            "actor" => self.tell(id, self.actor(args)),
            "crashes" => self.tell(id, self.crashes(args)),
            "reports" => self.tell(id, self.reports(args)),
            "dead_letters" => self.tell(id, self.dead_letters()),
            "health" => self.tell(id, self.health()),
            "metrics" => self.tell(id, self.metrics()),
            _ => {
                let verbs = VERBS.join(", ");
                refusal(Some(id), Refusal::new(Code::UnknownVerb, format!("no verb {verb:.64?}: there are {verbs}")))
            }
        }
    }

    fn tell<T: Serialize>(&self, id: u64, answer: Result<T, Refusal>) -> Vec<u8> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return refusal(Some(id), why),
        };
        let most = self.limits().answer;
        line(&Response { id: Some(id), outcome: Outcome::Ok(answer) }, most).unwrap_or_else(|_| {
            let why = format!("the answer would be longer than {most} bytes: ask for fewer");
            refusal(Some(id), Refusal::new(Code::AnswerTooLong, why))
        })
    }

    fn system(&self) -> Result<System, Refusal> {
        self.system.upgrade().ok_or_else(|| Refusal::new(Code::SystemEnded, "the system has ended"))
    }

    fn look(&self) -> Result<(System, Arc<Picture>), Refusal> {
        let system = self.system()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = last.as_ref().filter(|taken| taken.when.elapsed() < taken.cost * REUSED) {
            return Ok((system, taken.picture.clone()));
        }
        let began = Instant::now();
        let picture = Arc::new(Picture::of(system.snapshot(), system.now()));
        *last = Some(Taken { picture: picture.clone(), when: Instant::now(), cost: began.elapsed() });
        Ok((system, picture))
    }

    fn rows(&self, asked: Option<usize>, otherwise: usize) -> usize {
        asked.unwrap_or(otherwise).min(self.limits().rows)
    }

    fn tree(&self, args: Value) -> Result<TreeView, Refusal> {
        let query: TreeQuery = read(args)?;
        let (_, picture) = self.look()?;
        let top = query.path.as_deref().map(|path| find(&picture, path)).transpose()?;
        let limit = self.rows(query.limit, usize::MAX);
        let levels = query.levels.unwrap_or(usize::MAX);
        let shown = picture.branch(top).filter(|(_, level)| *level < levels).take(limit);
        let nodes = shown.map(|(place, level)| Node { level, row: picture.row(place) }).collect();
        Ok(TreeView { at: picture.at, total: picture.branch(top).count(), nodes })
    }

    fn actors(&self, args: Value) -> Result<Actors, Refusal> {
        let query: ActorsQuery = read(args)?;
        let (_, picture) = self.look()?;
        let mut places: Vec<_> = picture.everybody().filter(|&place| matches(&picture, place, &query)).collect();
        let matched = places.len();
        let limit = self.rows(query.limit, usize::MAX);
        order(&picture, &mut places, query.sort, limit);
        let rows = places.into_iter().map(|place| picture.row(place)).collect();
        Ok(Actors { at: picture.at, total: picture.system.actors.len(), matched, rows })
    }

    fn actor(&self, args: Value) -> Result<ActorView, Refusal> {
        let query: ActorQuery = read(args)?;
        let (_, picture) = self.look()?;
        let place = find(&picture, &query.actor)?;
        let actor = picture.actor(place);
        Ok(ActorView {
            at: picture.at,
            row: picture.row(place),
            name: actor.name.clone(),
            law: actor.law,
            refusals: actor.refusals.clone(),
            signals: actor.signals,
            parent: actor.parent.map(|parent| picture.tie(parent)),
            links: picture.ties(&actor.links, TIES),
            monitors: picture.ties(&actor.monitors, TIES),
            watchers: picture.ties(&actor.watchers, TIES),
            below: picture.children(place, TIES),
        })
    }

    fn crashes(&self, args: Value) -> Result<Crashes, Refusal> {
        let query: CrashesQuery = read(args)?;
        let system = self.system()?;
        let (total, mut reports) = system.crashes();
        if let Some(top) = &query.under {
            reports.retain(|report| is_under(&report.path, top));
        }
        let matched = reports.len();
        let reports = newest(reports, self.rows(query.limit, REPORTS));
        Ok(Crashes { at: system.now(), total, matched, reports })
    }

    fn reports(&self, args: Value) -> Result<ReportsView, Refusal> {
        let query: ReportsQuery = read(args)?;
        let system = self.system()?;
        let book = system.supervisor_reports();
        let mut reports = if query.progress { book.progress } else { book.errors };
        if let Some(top) = &query.under {
            reports.retain(|report| is_under(&report.supervisor, top));
        }
        let matched = reports.len();
        let reports = newest(reports, self.rows(query.limit, REPORTS));
        Ok(ReportsView { at: system.now(), counts: book.counts, matched, reports })
    }

    fn dead_letters(&self) -> Result<DeadLetters, Refusal> {
        let (system, picture) = self.look()?;
        let (total, unseen) = system.dead_letters();
        let mut places: Vec<_> = picture.everybody().filter(|&place| lost(&picture, place) > 0).collect();
        order(&picture, &mut places, Sort::Lost, self.limits().rows);
        let actors: Vec<Row> = places.into_iter().map(|place| picture.row(place)).collect();
        Ok(DeadLetters { at: picture.at, total, unseen, actors })
    }
}

/// Sums.
impl Inspector {
    fn health(&self) -> Result<Health, Refusal> {
        let (_, picture) = self.look()?;
        let is_unready = |&place: &usize| {
            let actor = picture.actor(place);
            let is_over = matches!(actor.state, State::NotStarted | State::Stopped | State::Gone);
            let lacks = !actor.lacks.is_empty() || actor.only.is_some();
            actor.state == State::Restarting || (lacks && !is_over)
        };
        let mut places: Vec<_> = picture.everybody().filter(is_unready).collect();
        let total = places.len();
        order(&picture, &mut places, Sort::Path, self.limits().rows);
        let unready = places.into_iter().map(|place| {
            let actor = picture.actor(place);
            Unready { row: picture.row(place), lacks: actor.lacks.clone(), only: actor.only }
        });
        Ok(Health { at: picture.at, ready: total == 0, total, unready: unready.collect() })
    }

    fn metrics(&self) -> Result<Metrics, Refusal> {
        let (system, picture) = self.look()?;
        let mut kinds = BTreeMap::new();
        for place in picture.everybody() {
            let actor = picture.actor(place);
            sums::add(kinds.entry(actor.kind.as_str()).or_insert_with(|| sums::none(&actor.kind)), actor);
        }
        let system = overview(&picture, system.supervisor_reports().counts);
        let total = kinds.len();
        Ok(Metrics { at: picture.at, system, total, kinds: kinds.into_values().take(self.limits().rows).collect() })
    }
}

/// One line that says no.
pub(crate) fn refusal(id: Option<u64>, why: Refusal) -> Vec<u8> {
    line(&Response { id, outcome: Outcome::<()>::Error(why) }, usize::MAX).unwrap_or_default()
}

/// What is wrong with what a client has said, without all of what it has said.
fn cut(error: &serde_json::Error) -> String {
    format!("{:.512}", error.to_string())
}

fn read<T: DeserializeOwned>(args: Value) -> Result<T, Refusal> {
    let args = if args.is_null() { Value::Object(serde_json::Map::new()) } else { args };
    serde_json::from_value(args).map_err(|error| Refusal::new(Code::BadArguments, format!("args: {}", cut(&error))))
}

fn find(picture: &Picture, word: &str) -> Result<usize, Refusal> {
    picture.find(word).map_err(|namesakes| {
        let why = match namesakes {
            0 => format!("no actor {word:.256?}"),
            _ => format!("{namesakes} actors have the name {word:.256?}: a path tells them apart"),
        };
        Refusal::new(Code::NotFound, why)
    })
}

fn overview(picture: &Picture, reports: ReportCounts) -> SystemView {
    let shot = &picture.system;
    SystemView {
        name: shot.name.clone(),
        process: std::process::id(),
        at: picture.at,
        actors: shot.actors.len(),
        busy: picture.everybody().filter(|&place| is_busy(picture.actor(place))).count(),
        queued: shot.actors.iter().map(|actor| u64::from(actor.depth)).sum(),
        crashes: shot.crashes,
        reports,
        reports_withheld: shot.reports_withheld,
        dead_letters: shot.dead_letters,
        stragglers: shot.stragglers.iter().copied().take(TIES).collect(),
        timers: shot.timers,
        names: shot.names,
        memberships: shot.memberships,
        runnable: shot.runnable,
        turns: shot.turns,
    }
}

fn matches(picture: &Picture, place: usize, query: &ActorsQuery) -> bool {
    let filter = &query.filter;
    let (actor, path) = (picture.actor(place), picture.path(place));
    filter.text.as_ref().is_none_or(|text| path.contains(text.as_str()) || actor.kind.contains(text.as_str()))
        && filter.under.as_ref().is_none_or(|top| is_under(path, top))
        && filter.state.is_none_or(|state| actor.state == state)
        && actor.depth >= filter.min_depth
        && (!filter.busy || is_busy(picture.actor(place)))
}

/// Messages of an actor that nobody handled.
fn lost(picture: &Picture, place: usize) -> u64 {
    let law = &picture.actor(place).law;
    law.given_up + law.undelivered
}

/// Leaves the first so many in order. Equals are in the order of their paths.
fn order(picture: &Picture, places: &mut Vec<usize>, sort: Sort, limit: usize) {
    let size = |place: usize| -> u64 {
        let actor = picture.actor(place);
        match sort {
            Sort::Depth => actor.depth.into(),
            Sort::InHand => doing(actor).map_or(0, |doing| 1 + doing.since.as_millis() as u64),
            Sort::Handled => actor.law.handled,
            Sort::Restarts => actor.restarts.into(),
            Sort::Lost => lost(picture, place),
            Sort::Path => 0,
        }
    };
    let before = |a: &usize, b: &usize| size(*b).cmp(&size(*a)).then_with(|| picture.path(*a).cmp(picture.path(*b)));
    if limit < places.len() {
        places.select_nth_unstable_by(limit, before);
        places.truncate(limit);
    }
    places.sort_unstable_by(before);
}

fn newest<T>(mut all: Vec<T>, limit: usize) -> Vec<T> {
    all.drain(..all.len().saturating_sub(limit));
    all
}

/// A value as one line of at most so many bytes.
fn line<T: Serialize>(value: &T, most: usize) -> Result<Vec<u8>, serde_json::Error> {
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
