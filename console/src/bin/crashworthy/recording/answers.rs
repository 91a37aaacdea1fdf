//! Answers from a recording, as the system would have given them then, as far as they were recorded.

use std::time::Duration;

use crashworthy_console::protocol::{
    ActorQuery, ActorsQuery, Code, Crashes, CrashesQuery, DeadLetters, DeadLettersQuery, Events, EventsQuery, Hello,
    Outcome, Refusal, ReportsQuery, ReportsView, SystemView, TreeView,
};
use crashworthy_runtime::{CrashReport, Pid};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reader::Kept;
use super::{Recording, lists};

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
            "tree" => lists::branch(self.tree(at)?, &read(args)?).map(ok),
            "actors" => self.actors(at, args),
            "actor" | "state" => {
                let ActorQuery { actor } = read(args)?;
                if let Ok(tree) = self.tree(at) {
                    // Of several that have a name none is meant. Who was not in the tree may have been asked for all the same.
                    lists::find(&tree, &actor).map(|_| ()).or_else(|why| match why.code {
                        Code::NotFound => Ok(()),
                        _ => Err(why),
                    })?;
                }
                let what = if verb == "state" { ("state", "was") } else { ("details", "were") };
                self.newest(at, verb, |kept| kept.words.contains(&actor)).ok_or_else(|| {
                    let fewer = if verb == "actor" { self.in_full(at) } else { String::new() };
                    refuse(format!("no {} of {actor:.256?} {} recorded{fewer}", what.0, what.1))
                })
            }
            "crashes" => self.crashes(at, &read(args)?).map(ok),
            "events" => self.events(at, &read(args)?).map(ok),
            "dead_letters" => self.dead_letters(at, &read(args)?).map(ok),
            "reports" => {
                let query: ReportsQuery = read(args)?;
                let is_such = |kept: &Kept| kept.args["progress"].as_bool().unwrap_or(false) == query.progress;
                let mut view: ReportsView = self.told(at, verb, is_such)?;
                view.at = self.at(at).unwrap_or(view.at);
                let matched = lists::narrow(&mut view.reports, &self.top(at, &query.under)?, query.limit, |report| {
                    &report.supervisor
                });
                view.matched = if query.under.is_some() { matched } else { view.matched };
                Ok(ok(view))
            }
            _ => self.newest(at, verb, |_| true).ok_or_else(|| refuse(format!("{verb} was not recorded"))),
        }
    }

    fn events(&self, at: Duration, query: &EventsQuery) -> Result<Events, Refusal> {
        let mut view: Events = self.told(at, "events", |_| true)?;
        view.at = self.at(at).unwrap_or(view.at);
        let is_kind = |name: &str| query.kinds.is_empty() || query.kinds.iter().any(|kind| kind == name);
        let since = query.since.unwrap_or(0);
        view.events.retain(|event| event.seq > since && is_kind(event.what.name()));
        // After a number the oldest come first, else the newest are what is wanted.
        let newest = if query.since.is_some() { Some(usize::MAX) } else { query.limit };
        view.matched = lists::narrow(&mut view.events, &self.top(at, &query.under)?, newest, |event| &event.path);
        view.events.truncate(query.limit.unwrap_or(usize::MAX));
        view.next = view.events.last().map_or(view.last, |event| event.seq);
        Ok(view)
    }

    fn dead_letters(&self, at: Duration, query: &DeadLettersQuery) -> Result<DeadLetters, Refusal> {
        let mut view: DeadLetters = self.told(at, "dead_letters", |_| true)?;
        view.at = self.at(at).unwrap_or(view.at);
        let top = self.top(at, &query.under)?;
        view.letters.retain(|letter| query.why.is_none_or(|why| why == letter.why));
        let matched = lists::narrow(&mut view.letters, &top, query.limit, |letter| &letter.path);
        lists::narrow(&mut view.actors, &top, Some(usize::MAX), |row| &row.path);
        if query.under.is_some() || query.why.is_some() {
            view.matched = matched;
        }
        Ok(view)
    }

    /// The list is recorded in brief, and those that were looked at in full.
    fn crashes(&self, at: Duration, query: &CrashesQuery) -> Result<Crashes, Refusal> {
        let mut view: Crashes = self.told(at, "crashes", |kept| kept.args["of"].is_null())?;
        view.at = self.at(at).unwrap_or(view.at);
        if let Some(pid) = query.of {
            view.reports.retain(|report| report.pid == pid);
            if view.reports.is_empty() {
                view.reports.extend(self.crash(at, pid));
            }
        }
        let matched =
            lists::narrow(&mut view.reports, &self.top(at, &query.under)?, query.limit, |report| &report.path);
        if query.under.is_some() || query.of.is_some() {
            view.matched = matched;
        }
        for report in &mut view.reports {
            let full = self.crash(at, report.pid).filter(|_| !query.brief && report.backtrace.is_none());
            *report = full.unwrap_or_else(|| report.clone());
        }
        Ok(view)
    }

    fn crash(&self, at: Duration, pid: Pid) -> Option<CrashReport> {
        let word = pid.to_string();
        let outcome = self.newest(at, "crashes", |kept| kept.words.contains(&word))?;
        match outcome {
            Outcome::Ok(value) => read::<Crashes>(&value).ok()?.reports.into_iter().find(|report| report.pid == pid),
            Outcome::Error(_) => None,
        }
    }

    /// A list that was asked for, too, is better than one made of the tree, which need not have everybody in it.
    fn actors(&self, at: Duration, args: &Value) -> Result<Outcome<Value>, Refusal> {
        let query: ActorsQuery = read(args)?;
        let is_tree = |kept: &&Kept| kept.verb == "tree" && kept.is_ok && is_of_all(kept);
        let serves = |kept: &&Kept| kept.verb == "actors" && kept.is_ok && lists::serves(&kept.args, &query);
        let list = self.before(at).find(serves);
        let newer = self.before(at).find(is_tree).filter(|tree| list.is_none_or(|list| list.at < tree.at));
        match (newer, list.map(|list| self.outcome(list))) {
            (None, Some(Outcome::Ok(list))) => Ok(ok(lists::first(read(&list)?, query.limit))),
            _ => Ok(ok(lists::actors(self.tree(at)?, &query, self.top(at, &query.filter.under)?)?)),
        }
    }

    /// The time by the clock of the system. What has not changed since it was written is as it was.
    fn at(&self, at: Duration) -> Option<Duration> {
        self.told::<SystemView>(at, "system", |_| true).ok().map(|system| system.at)
    }

    /// The path of whom somebody means by his path, name or id: of one who had gone, if something was told of him yet. Of a
    /// system that was not recorded whole nobody knows whether he was there, and the word is taken for his path.
    fn top(&self, at: Duration, word: &Option<String>) -> Result<Option<String>, Refusal> {
        let Some(word) = word else { return Ok(None) };
        let path = match self.tree(at) {
            Err(_) => word.clone(),
            Ok(tree) => match lists::find(&tree, word) {
                Ok(place) => tree.nodes[place].row.path.clone(),
                Err(why) if why.code != Code::NotFound => return Err(why),
                Err(_) if tree.nodes.len() < tree.total || self.is_told(at, word) => word.clone(),
                Err(why) => return Err(why),
            },
        };
        Ok(Some(path))
    }

    /// Whether something was told yet of a path or what is below it.
    fn is_told(&self, at: Duration, top: &str) -> bool {
        let is_meant = |path: &str| lists::is_under(path, top);
        let crashes = self.told::<Crashes>(at, "crashes", |kept| kept.args["of"].is_null());
        let reports = |progress: bool| {
            let is_such = move |kept: &Kept| kept.args["progress"].as_bool().unwrap_or(false) == progress;
            self.told::<ReportsView>(at, "reports", is_such).map_or(Vec::new(), |view| view.reports)
        };
        crashes.is_ok_and(|view| view.reports.iter().any(|report| is_meant(&report.path)))
            || self
                .told::<DeadLetters>(at, "dead_letters", |_| true)
                .is_ok_and(|view| view.letters.iter().any(|letter| is_meant(&letter.path)))
            || self
                .told::<Events>(at, "events", |_| true)
                .is_ok_and(|view| view.events.iter().any(|event| is_meant(&event.path)))
            || [false, true]
                .iter()
                .any(|&progress| reports(progress).iter().any(|report| lists::tells_of(report, is_meant)))
    }

    /// How many actors of how many are in the last tree, if they are not all.
    pub(crate) fn cut(&self) -> Option<(usize, usize)> {
        let tree = self.tree(self.end()).ok()?;
        (tree.nodes.len() < tree.total).then_some((tree.nodes.len(), tree.total))
    }

    /// Of how many there are details, if they are those of a dump, which has them of many, and not of all.
    fn in_full(&self, at: Duration) -> String {
        let Ok(tree) = self.tree(at) else { return String::new() };
        let told = self.before(at).take_while(|kept| kept.verb != "tree").filter(|kept| kept.verb == "actor").count();
        let total = tree.total;
        if told > 1 && told < total { format!(": in full are {told} of {total} actors") } else { String::new() }
    }

    fn tree(&self, at: Duration) -> Result<TreeView, Refusal> {
        self.told(at, "tree", is_of_all)
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

/// Whether a tree is not of a branch, of the first levels, of those who match, or of what is not folded alone.
fn is_of_all(tree: &Kept) -> bool {
    ["path", "levels", "pattern", "folded", "skip"].iter().all(|part| tree.args[part].is_null())
}

pub(super) fn refuse(why: String) -> Refusal {
    Refusal { code: Code::NotFound, message: why }
}

fn ok(value: impl Serialize) -> Outcome<Value> {
    Outcome::Ok(serde_json::to_value(value).expect("answers are plain data"))
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Refusal> {
    let value = if value.is_null() { Value::Object(serde_json::Map::new()) } else { value.clone() };
    serde_json::from_value(value).map_err(|error| refuse(format!("it cannot be understood: {error}")))
}
