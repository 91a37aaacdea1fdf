//! Answers from a recording, as the system would have given them then, as far as they were recorded.

use std::time::Duration;

use crashworthy_console::protocol::{
    ActorQuery, Actors, ActorsQuery, Code, Crashes, CrashesQuery, Hello, Outcome, Refusal, ReportsQuery, ReportsView,
    Row, Sort, SystemView, TreeQuery, TreeView,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Recording;
use super::reader::Kept;

/// Reports in an answer unless told otherwise, as in the inspector.
const REPORTS: usize = 20;

impl Recording {
    /// The answer at a time. Lists that were not asked for then are made from the tree of that time.
    pub(crate) fn ask(&self, at: Duration, verb: &str, args: &Value) -> Outcome<Value> {
        match self.find(at, verb, args) {
            Ok(outcome) => outcome,
            Err(why) => Outcome::Error(why),
        }
    }

    /// Who was there at a time.
    pub(crate) fn hello(&self, at: Duration) -> Option<Hello> {
        match self.newest(at, "hello", |_| true)? {
            Outcome::Ok(value) => serde_json::from_value(value).ok(),
            Outcome::Error(_) => None,
        }
    }

    /// What the system said of itself up to a time: the newest so many, oldest first.
    pub(crate) fn past(&self, at: Duration, most: usize) -> Vec<SystemView> {
        let told = self.before(at).filter(|kept| kept.verb == "system" && kept.is_ok).take(most);
        let mut past: Vec<_> = told
            .filter_map(|kept| match self.outcome(kept) {
                Outcome::Ok(value) => serde_json::from_value(value).ok(),
                Outcome::Error(_) => None,
            })
            .collect();
        past.reverse();
        past
    }

    fn find(&self, at: Duration, verb: &str, args: &Value) -> Result<Outcome<Value>, Refusal> {
        match verb {
            "tree" => tree(self.tree(at)?, &read(args)?).map(ok),
            "actors" => self.actors(at, args),
            "actor" => {
                let ActorQuery { actor } = read(args)?;
                self.newest(at, verb, |kept| kept.words.contains(&actor))
                    .ok_or_else(|| refuse(format!("no details of {actor:.256?} were recorded")))
            }
            "crashes" => {
                let query: CrashesQuery = read(args)?;
                let is_in_full = |kept: &Kept| kept.args["of"] == args["of"];
                // A list has all that one in full has, but for its backtrace.
                let mut view: Crashes = self
                    .told(at, verb, is_in_full)
                    .or_else(|_| self.told(at, verb, |kept| kept.args["of"].is_null()))?;
                view.at = self.at(at).unwrap_or(view.at);
                view.reports.retain(|report| query.of.is_none_or(|pid| report.pid == pid));
                narrow(&mut view.reports, query.under.as_deref(), query.limit, |report| &report.path);
                Ok(ok(view))
            }
            "reports" => {
                let query: ReportsQuery = read(args)?;
                let is_such = |kept: &Kept| kept.args["progress"].as_bool().unwrap_or(false) == query.progress;
                let mut view: ReportsView = self.told(at, verb, is_such)?;
                view.at = self.at(at).unwrap_or(view.at);
                narrow(&mut view.reports, query.under.as_deref(), query.limit, |report| &report.supervisor);
                Ok(ok(view))
            }
            _ => self.newest(at, verb, |_| true).ok_or_else(|| refuse(format!("{verb} was not recorded"))),
        }
    }

    /// A list that was asked for as the tree was is better than the tree, which need not have everybody in it.
    fn actors(&self, at: Duration, args: &Value) -> Result<Outcome<Value>, Refusal> {
        let is_tree = |kept: &&Kept| kept.verb == "tree" && kept.is_ok;
        let is_same = |kept: &&Kept| kept.verb == "actors" && kept.is_ok && kept.args == *args;
        let same = self.before(at).find(is_same);
        let newer = self.before(at).find(is_tree).filter(|tree| same.is_none_or(|same| same.at < tree.at));
        match (newer, same) {
            (None, Some(same)) => Ok(self.outcome(same)),
            _ => Ok(ok(actors(self.tree(at)?, &read(args)?))),
        }
    }

    /// The time by the clock of the system. What has not changed since it was written is as it was.
    fn at(&self, at: Duration) -> Option<Duration> {
        self.told::<SystemView>(at, "system", |_| true).ok().map(|system| system.at)
    }

    fn tree(&self, at: Duration) -> Result<TreeView, Refusal> {
        self.told(at, "tree", |kept| kept.args["path"].is_null())
    }

    fn told<T: DeserializeOwned>(
        &self,
        at: Duration,
        verb: &str,
        is_such: impl Fn(&Kept) -> bool,
    ) -> Result<T, Refusal> {
        match self.newest(at, verb, |kept| kept.is_ok && is_such(kept)) {
            Some(Outcome::Ok(value)) => read(&value),
            Some(Outcome::Error(why)) => Err(why),
            None => Err(refuse(format!("{verb} was not recorded"))),
        }
    }

    fn newest(&self, at: Duration, verb: &str, is_such: impl Fn(&Kept) -> bool) -> Option<Outcome<Value>> {
        self.before(at).find(|kept| kept.verb == verb && is_such(kept)).map(|kept| self.outcome(kept))
    }
}

fn refuse(why: String) -> Refusal {
    Refusal { code: Code::NotFound, message: why }
}

fn ok(value: impl Serialize) -> Outcome<Value> {
    Outcome::Ok(serde_json::to_value(value).expect("answers are plain data"))
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Refusal> {
    let value = if value.is_null() { Value::Object(serde_json::Map::new()) } else { value.clone() };
    serde_json::from_value(value).map_err(|error| refuse(format!("it cannot be understood: {error}")))
}

/// The branch that is asked for.
fn tree(view: TreeView, query: &TreeQuery) -> Result<TreeView, Refusal> {
    let start = match &query.path {
        None => 0,
        Some(word) => {
            let is_meant = |row: &Row| {
                row.path == *word
                    || row.pid.to_string() == *word
                    || row.pid.id.to_string() == *word
                    || row.path.rsplit('/').next() == Some(word)
            };
            let found = view.nodes.iter().position(|node| is_meant(&node.row));
            found.ok_or_else(|| refuse(format!("no actor {word:.256?}")))?
        }
    };
    let base = view.nodes.get(start).map_or(0, |node| node.level);
    let mut branch = view.nodes;
    branch.drain(..start);
    if query.path.is_some() {
        let end = branch.iter().skip(1).position(|node| node.level <= base).map_or(branch.len(), |end| end + 1);
        branch.truncate(end);
    }
    let untold = if query.path.is_none() { view.total.saturating_sub(branch.len()) } else { 0 };
    let total = branch.len() + untold;
    for node in &mut branch {
        node.level = node.level.saturating_sub(base);
    }
    branch.retain(|node| query.levels.is_none_or(|levels| node.level < levels));
    branch.truncate(query.limit.unwrap_or(usize::MAX));
    Ok(TreeView { at: view.at, total, nodes: branch })
}

/// Those of the tree who match, in order.
fn actors(view: TreeView, query: &ActorsQuery) -> Actors {
    let filter = &query.filter;
    let matches = |row: &Row| {
        filter.text.as_ref().is_none_or(|text| row.path.contains(text.as_str()) || row.kind.contains(text.as_str()))
            && filter.under.as_ref().is_none_or(|top| is_under(&row.path, top))
            && filter.state.is_none_or(|state| row.state == state)
            && row.depth >= filter.min_depth
            && (!filter.busy || row.doing.is_some())
    };
    let size = |row: &Row| match query.sort {
        Sort::Depth => row.depth.into(),
        Sort::InHand => row.doing.as_ref().map_or(0, |doing| 1 + doing.since.as_millis() as u64),
        Sort::Handled => row.handled,
        Sort::Restarts => row.restarts.into(),
        Sort::Lost => row.given_up.saturating_add(row.undelivered),
        Sort::Path => 0,
    };
    let mut rows: Vec<_> = view.nodes.into_iter().map(|node| node.row).filter(matches).collect();
    let matched = rows.len();
    rows.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.path.cmp(&b.path)));
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    Actors { at: view.at, total: view.total, matched, rows }
}

/// Leaves the newest so many below a path.
fn narrow<T>(reports: &mut Vec<T>, under: Option<&str>, limit: Option<usize>, path: impl Fn(&T) -> &str) {
    if let Some(top) = under {
        reports.retain(|report| is_under(path(report), top));
    }
    let excess = reports.len().saturating_sub(limit.unwrap_or(REPORTS));
    reports.drain(..excess);
}

/// Whether `path` is `top` or below it.
fn is_under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
