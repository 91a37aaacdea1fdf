//! Answers requests from snapshots. It asks no actor and waits for none, but for what `state.rs` asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crashworthy_runtime::{CrashReport, Pid, System, WeakSystem};
use crashworthy_supervisor::SystemExt;

use crate::ConsoleExt;
use crate::about::About;
use crate::limits::Limits;
use crate::order::first;
use crate::outline::Outline;
use crate::past::{self, Past};
use crate::picture::{Picture, is_under};
use crate::protocol::{
    ActorQuery, ActorView, Actors, ActorsQuery, Application, Code, Crashes, CrashesQuery, Filter, Hello, KNOWS,
    Metrics, Node, PROTOCOL, Refusal, ReportsQuery, ReportsView, SourceView, SystemQuery, SystemView, TreeQuery,
    TreeView,
};
use crate::role::Role;
use crate::search::Search;
use crate::sources::Sources;
use crate::sums::{self, Load};
use crate::traces::Places;
use crate::whom::{self, find, missing};

/// A picture serves until it is so many times as old as it took to make: so the inspector spends at most about a tenth of
/// its thread on taking them, however many ask.
const REUSED: u32 = 10;
/// Reports in an answer unless told otherwise.
pub(crate) const REPORTS: usize = 20;
/// Others that an actor has to do with, of each kind.
const TIES: usize = 100;

/// What answers for one system: to the [socket](crate::Console), and to whoever serves the same answers otherwise.
///
/// It keeps no system: one that everybody has forgotten still goes. An answer costs a look at the newest picture of the
/// system, or taking one, on the thread that asks.
#[derive(Debug)]
pub struct Inspector {
    system: WeakSystem,
    hello: Hello,
    about: About,
    last: Mutex<Option<Taken>>,
    /// How long a picture serves, as a multiple of what it took.
    reused: u32,
    /// Shared with whoever answers for the same system.
    pub(crate) past: Arc<Past>,
    /// Places for traces.
    pub(crate) traces: Places,
    /// Kept by each connection that is sent frames unasked, too.
    pub(crate) pushed: Arc<()>,
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
            role: Role::Looks.name().to_owned(),
            system: name.to_owned(),
            process: std::process::id(),
            verbs: Role::Looks.verbs(),
            knows: KNOWS.map(str::to_owned).to_vec(),
            limits,
            application: None,
            host: None,
            started_unix_ms: None,
        };
        Self {
            system,
            hello,
            about: About::new(),
            last: Mutex::default(),
            reused: REUSED,
            past: Arc::default(),
            traces: Places::default(),
            pushed: Arc::default(),
        }
    }

    /// The same, for whom everything is as it was at his first look.
    pub(crate) fn of_one_picture(self) -> Self {
        Self { reused: u32::MAX, ..self }
    }

    /// The same, who knows what another one of the system knows of its last minute.
    pub(crate) fn with_past(self, past: Arc<Past>) -> Self {
        Self { past, ..self }
    }

    /// Who is there.
    pub fn hello(&self) -> Hello {
        Hello {
            application: self.about.application.get().cloned(),
            host: Some(self.about.host()),
            started_unix_ms: Some(u64::try_from(self.about.started.as_millis()).unwrap_or(u64::MAX)),
            ..self.hello.clone()
        }
    }

    /// What the service says it is, from now on; what was said first counts.
    pub fn set_application(&self, application: Application) {
        let _ = self.about.application.set(application);
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.hello.limits
    }

    /// The system's name.
    pub(crate) fn name(&self) -> &str {
        &self.hello.system
    }

    /// Forgets the newest picture: for whoever knows that nobody looks any more. Who looks all the same has another one taken.
    pub fn rest(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn held(&self) -> Result<System, Refusal> {
        self.system.upgrade().ok_or_else(|| Refusal::new(Code::SystemEnded, "the system has ended"))
    }

    pub(crate) fn look(&self) -> Result<(System, Arc<Picture>), Refusal> {
        let system = self.held()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = last.as_ref().filter(|taken| taken.when.elapsed() < taken.cost * self.reused) {
            return Ok((system, taken.picture.clone()));
        }
        let began = Instant::now();
        let older = last.take().map(|taken| taken.picture);
        let picture = Arc::new(Picture::take(&system, older));
        *last = Some(Taken { picture: picture.clone(), when: Instant::now(), cost: began.elapsed() });
        Ok((system, picture))
    }

    /// The path of whom somebody [means](whom::top) by his path, name or id.
    pub(crate) fn top(&self, word: &Option<String>) -> Result<Option<String>, Refusal> {
        let look = |word: &String| {
            let (system, picture) = self.look()?;
            whom::top(&system, &picture, word)
        };
        word.as_ref().map(look).transpose()
    }

    pub(crate) fn rows(&self, asked: Option<usize>, otherwise: usize) -> usize {
        asked.unwrap_or(otherwise).min(self.limits().rows)
    }

    /// The answer to `system`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`].
    pub fn system(&self) -> Result<SystemView, Refusal> {
        let (system, picture) = self.look()?;
        Ok(overview(&system, &picture))
    }

    /// The same with the last minute.
    ///
    /// # Errors
    /// [`Code::SystemEnded`].
    pub fn system_with_past(&self) -> Result<SystemView, Refusal> {
        self.system_by(&SystemQuery { past: true })
    }

    pub(crate) fn system_by(&self, query: &SystemQuery) -> Result<SystemView, Refusal> {
        let system = self.system()?;
        if !query.past {
            return Ok(system);
        }
        self.note_past()?;
        Ok(SystemView { past: self.past.told(), ..system })
    }

    /// Notes how the system is just now. Whether it has done something since the last second.
    pub(crate) fn note_past(&self) -> Result<bool, Refusal> {
        let system = self.held()?;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.as_ref().filter(|taken| taken.when.elapsed() < Duration::from_secs(1));
        let load = fresh.map(|taken| taken.picture.load()).map(|Load { busy, queued }| (busy, queued));
        drop(last);
        Ok(self.past.note(past::moment(&system, load)))
    }

    /// What the service has besides actors, and tells of itself, as it is just now. One that does not answer is told after a quarter of a
    /// second.
    ///
    /// # Errors
    /// [`Code::SystemEnded`].
    pub fn sources(&self) -> Result<Vec<SourceView>, Refusal> {
        let system = self.held()?;
        Ok(system.extension::<Sources>().read(&system))
    }

    /// The answer to `tree`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`], [`Code::NotFound`]; [`Code::BadArguments`] of a name that several have, of a pattern that cannot be
    /// understood or takes too long, and if more is folded than may be.
    pub fn tree(&self, query: &TreeQuery) -> Result<TreeView, Refusal> {
        self.tree_by(query, &mut Search::at_once())
    }

    /// The same by a search that may be cut short.
    pub(crate) fn tree_by(&self, query: &TreeQuery, search: &mut Search) -> Result<TreeView, Refusal> {
        let (_, picture) = self.look()?;
        let top = query.path.as_deref().map(|path| find(&picture, path)).transpose()?;
        let outline = Outline::new(query)?.at_most(self.limits().rows);
        let is_for = search.is_for(query.pattern.as_deref())?;
        let matches = is_for.then_some(|place| search.takes(&picture, place, |_| true));
        let drawn = outline.of(|| picture.branch(top), |place| picture.actor(place).pid.id, matches)?;
        let nodes = drawn.told.into_iter().map(|(place, level)| Node { level, row: picture.row(place) }).collect();
        let (matched, lines) = (Some(drawn.matched), Some(drawn.lines));
        Ok(TreeView { at: picture.at, total: drawn.total, matched, lines, nodes })
    }

    /// The answer to `actors`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`]; [`Code::NotFound`] and [`Code::BadArguments`] of who is below nobody, or below one of several;
    /// [`Code::BadArguments`] of a pattern that cannot be understood or takes too long.
    pub fn actors(&self, query: &ActorsQuery) -> Result<Actors, Refusal> {
        self.actors_by(query, &mut Search::at_once())
    }

    /// The same by a search that may be cut short.
    pub(crate) fn actors_by(&self, query: &ActorsQuery, search: &mut Search) -> Result<Actors, Refusal> {
        let (system, picture) = self.look()?;
        let top = query.filter.under.as_ref().map(|word| whom::top(&system, &picture, word)).transpose()?;
        let limit = self.rows(query.limit, usize::MAX);
        let matching = matching(&picture, &query.filter, top, search)?;
        let (matched, places) = first(&picture, matching.into_iter(), (query.sort, query.reversed), limit);
        let rows = places.into_iter().map(|place| picture.row(place)).collect();
        Ok(Actors { at: picture.at, total: picture.actors().len(), matched, rows })
    }

    /// The answer to `actor`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`], [`Code::NotFound`]; [`Code::BadArguments`] of a name that several have.
    pub fn actor(&self, query: &ActorQuery) -> Result<ActorView, Refusal> {
        let (system, picture) = self.look()?;
        let place = find(&picture, &query.actor)?;
        let actor = system.inspect(picture.actor(place).pid).ok_or_else(|| missing(&query.actor))?;
        Ok(ActorView {
            at: picture.at,
            row: picture.row(place),
            name: actor.name,
            law: actor.law,
            refusals: actor.refusals,
            blocked: actor.blocked,
            pool: actor.pool,
            signals: actor.signals,
            parent: actor.parent.map(|parent| picture.tie(parent)).or_else(|| picture.above(place)),
            links: picture.ties(&actor.links, TIES),
            monitors: picture.ties(&actor.monitors, TIES),
            watchers: picture.ties(&actor.watchers, TIES),
            below: picture.children(place, TIES),
        })
    }

    /// The answer to `crashes`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`]; [`Code::NotFound`] and [`Code::BadArguments`] of who is below nobody, or below one of several.
    pub fn crashes(&self, query: &CrashesQuery) -> Result<Crashes, Refusal> {
        let system = self.held()?;
        let (total, mut reports) = system.crashes();
        let top = self.top(&query.under)?;
        reports.retain(|report| is_meant(report, top.as_deref(), query.of));
        let matched = reports.len();
        let reports = newest(reports, self.rows(query.limit, REPORTS));
        let reports = if query.brief { in_brief(reports) } else { reports };
        Ok(Crashes { at: system.now(), total, matched, reports })
    }

    /// The answer to `reports`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`]; [`Code::NotFound`] and [`Code::BadArguments`] of who is below nobody, or below one of several.
    pub fn reports(&self, query: &ReportsQuery) -> Result<ReportsView, Refusal> {
        let system = self.held()?;
        let book = system.supervisor_reports();
        let mut reports = if query.progress { book.progress } else { book.errors };
        if let Some(top) = self.top(&query.under)? {
            reports.retain(|report| is_under(&report.supervisor, &top));
        }
        let matched = reports.len();
        let reports = newest(reports, self.rows(query.limit, REPORTS));
        Ok(ReportsView { at: system.now(), counts: book.counts, matched, reports })
    }
}

/// Sums.
impl Inspector {
    /// The answer to `metrics`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`].
    pub fn metrics(&self) -> Result<Metrics, Refusal> {
        let (system, picture) = self.look()?;
        let mut kinds = BTreeMap::new();
        for actor in picture.actors() {
            sums::add(kinds.entry(actor.kind).or_insert_with(|| sums::none(actor.kind)), actor);
        }
        let system = overview(&system, &picture);
        let total = kinds.len();
        Ok(Metrics { at: picture.at, system, total, kinds: kinds.into_values().take(self.limits().rows).collect() })
    }
}

fn overview(system: &System, picture: &Picture) -> SystemView {
    let (shot, Load { busy, queued }) = (&picture.system, picture.load());
    SystemView {
        name: shot.name.clone(),
        process: std::process::id(),
        at: picture.at,
        actors: picture.actors().len(),
        busy,
        queued,
        crashes: shot.crashes,
        reports: system.supervisor_reports().counts,
        reports_withheld: shot.reports_withheld,
        dead_letters: shot.dead_letters,
        own_undelivered: shot.own_undelivered,
        stragglers: shot.stragglers.iter().copied().take(TIES).collect(),
        timers: shot.timers,
        names: shot.names,
        memberships: shot.memberships,
        runnable: shot.runnable,
        turns: shot.turns,
        pools: system.pools().into(),
        sources: system.extension::<Sources>().read(system),
        turned_away: system.console_on_tcp().map(|tcp| tcp.turned_away()),
        past: Vec::new(),
    }
}

/// Those that are meant; `top` is the path of whom [`Filter::under`] means.
pub(crate) fn matching(
    picture: &Picture,
    filter: &Filter,
    top: Option<String>,
    search: &mut Search,
) -> Result<Vec<usize>, Refusal> {
    let is_for = search.is_for(filter.pattern.as_deref())?;
    let has_path = filter.text.is_some() || top.is_some();
    let is_in_place = |place: usize, path: &str| {
        filter.text.as_ref().is_none_or(|text| {
            path.contains(text.as_str())
                || picture.actor(place).kind.contains(text.as_str())
                || picture.registered(place).is_some_and(|name| name.contains(text.as_str()))
        }) && top.as_ref().is_none_or(|top| is_under(path, top))
    };
    let (mut places, mut path) = (Vec::new(), String::new());
    for place in picture.everybody() {
        let actor = picture.actor(place);
        let may_be = filter.state.is_none_or(|state| actor.state == state)
            && (!filter.shut || actor.gate.is_shut())
            && actor.depth >= filter.min_depth
            && (!filter.busy || actor.is_busy());
        if !may_be {
            continue;
        }
        let is_meant = if is_for {
            search.takes(picture, place, |path| is_in_place(place, path))?
        } else if has_path {
            picture.write_path(place, &mut path);
            is_in_place(place, &path)
        } else {
            true
        };
        if is_meant {
            places.push(place);
        }
    }
    Ok(places)
}

fn is_meant(report: &CrashReport, top: Option<&str>, of: Option<Pid>) -> bool {
    top.is_none_or(|top| is_under(&report.path, top)) && of.is_none_or(|pid| report.pid == pid)
}

fn in_brief(mut reports: Vec<CrashReport>) -> Vec<CrashReport> {
    reports.iter_mut().for_each(|report| report.backtrace = None);
    reports
}

pub(crate) fn newest<T>(mut all: Vec<T>, limit: usize) -> Vec<T> {
    all.drain(..all.len().saturating_sub(limit));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(incarnation: u32) -> CrashReport {
        serde_json::from_value(json!({
            "pid": { "id": 4, "incarnation": incarnation }, "path": "shop/till", "name": "till", "kind": "Till",
            "at_ms": 0, "restarts": 0,
            "crash": { "panicked": true, "message": "", "location": null, "callback": "handle" },
            "in_hand": null, "recent": [], "backtrace": "0: main", "judgement": "nobodys", "logged": true, "withheld": 0,
        }))
        .expect("it is a report")
    }

    #[test]
    fn in_brief_a_report_has_no_backtrace_and_all_else() {
        let full = report(1);
        assert!(full.backtrace.is_some());
        let brief = in_brief(vec![full.clone()]).remove(0);
        assert_eq!(brief, CrashReport { backtrace: None, ..full });
    }

    #[test]
    fn a_crash_is_found_by_its_incarnation() {
        let of = Some(report(2).pid);
        assert!(is_meant(&report(2), None, of) && !is_meant(&report(1), None, of));
        assert!(is_meant(&report(2), Some("shop"), of) && !is_meant(&report(2), Some("shop/tills"), of));
    }
}
