//! What the screens ask of a system, as the protocol says it.

use std::time::Duration;

use crashworthy_console::protocol::{
    ActorQuery, ActorsQuery, AuditQuery, CrashesQuery, DeadLettersQuery, EventsQuery, Filter, Moment, Outcome,
    ReportsQuery, Sort, SystemView, TreeQuery, WatchQuery, Watchable,
};
use crashworthy_runtime::{ActorId, Pid};
use serde::Serialize;
use serde_json::Value;

use crate::filter;

/// Rows of a list, at most. A system may have a lower limit.
pub(crate) const ROWS: usize = 500;
/// The worst by each measure.
pub(crate) const WORST: usize = 5;
/// Reports of each kind.
pub(crate) const REPORTS: usize = 100;
/// Events of an answer.
pub(crate) const EVENTS: usize = 100;

/// The measures by which somebody can be worst.
pub(crate) const MEASURES: [Sort; 5] = [Sort::Depth, Sort::InHand, Sort::Restarts, Sort::Lost, Sort::Handled];

/// One thing to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    System,
    /// Below an actor, by its id, and so many levels deep; or else all.
    Tree {
        top: Option<String>,
        levels: Option<usize>,
        /// Those that match, and those above them.
        filter: Option<String>,
        /// What is below these is left out.
        folded: Vec<ActorId>,
    },
    Top {
        sort: Sort,
        /// Those that have least come first.
        reversed: bool,
        filter: Option<String>,
    },
    Worst(Sort),
    /// One actor, by its id.
    Actor(String),
    /// What it shows of its state.
    State(String),
    Crashes,
    /// One crash in full.
    Crash(Pid),
    Reports {
        progress: bool,
    },
    Health,
    Metrics,
    /// Whose gates are not open.
    Shut,
    /// For a recording: no screen shows them.
    DeadLetters,
    Audit,
    /// The newest of all kinds.
    Events,
    /// The same at first, and then what has happened since: of a connection, which remembers how far it was told.
    News,
    /// What was traced.
    Traced,
}

impl Question {
    /// The tree as far as it is told.
    pub(crate) const TREE: Self = Self::Tree { top: None, levels: None, filter: None, folded: Vec::new() };

    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Tree { .. } => "tree",
            Self::Top { .. } | Self::Worst(_) | Self::Shut => "actors",
            Self::Actor(_) => "actor",
            Self::State(_) => "state",
            Self::Crashes | Self::Crash(_) => "crashes",
            Self::Reports { .. } => "reports",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Audit => "audit",
            Self::DeadLetters => "dead_letters",
            Self::Events | Self::News => "events",
            Self::Traced => "traced",
        }
    }

    /// What is watched instead of asked for again and again: a list that is long, and hardly changes.
    pub(crate) fn watched(&self) -> Option<WatchQuery> {
        let of = match self {
            Self::Tree { top, levels, filter, folded } => Watchable::Tree(tree(top, *levels, filter, folded)),
            Self::Top { sort, reversed, filter } => Watchable::Actors(actors(*sort, *reversed, filter)),
            _ => return None,
        };
        Some(WatchQuery { of, every: None })
    }

    /// Whether it asks for a part of the tree that somebody has chosen to see.
    pub(crate) fn is_view(&self) -> bool {
        matches!(self, Self::Tree { filter, folded, .. } if filter.is_some() || !folded.is_empty())
    }

    /// Whether it asks for some of everybody.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Worst(_) | Self::Top { .. } | Self::Shut)
    }

    pub(crate) fn args(&self) -> Value {
        match self {
            Self::System | Self::Health | Self::Metrics | Self::Traced => Value::Null,
            Self::Events | Self::News => value(&EventsQuery { limit: Some(EVENTS), ..EventsQuery::default() }),
            Self::Tree { top, levels, filter, folded } => value(&tree(top, *levels, filter, folded)),
            Self::Top { sort, reversed, filter } => value(&actors(*sort, *reversed, filter)),
            Self::Shut => {
                let filter = Filter { shut: true, ..Filter::default() };
                value(&ActorsQuery { filter, sort: Sort::Path, limit: Some(ROWS), ..ActorsQuery::default() })
            }
            Self::DeadLetters => value(&DeadLettersQuery { limit: Some(REPORTS), ..DeadLettersQuery::default() }),
            Self::Audit => value(&AuditQuery { limit: Some(REPORTS) }),
            Self::Worst(sort) => value(&ActorsQuery { sort: *sort, limit: Some(WORST), ..ActorsQuery::default() }),
            Self::Actor(id) | Self::State(id) => value(&ActorQuery { actor: id.clone() }),
            Self::Crashes => value(&CrashesQuery { brief: true, limit: Some(REPORTS), ..CrashesQuery::default() }),
            Self::Crash(pid) => value(&CrashesQuery { of: Some(*pid), limit: Some(1), ..CrashesQuery::default() }),
            Self::Reports { progress } => {
                value(&ReportsQuery { progress: *progress, limit: Some(REPORTS), ..ReportsQuery::default() })
            }
        }
    }
}

fn tree(top: &Option<String>, levels: Option<usize>, filter: &Option<String>, folded: &[ActorId]) -> TreeQuery {
    TreeQuery {
        path: top.clone(),
        levels,
        limit: Some(ROWS),
        pattern: filter.clone(),
        folded: folded.to_vec(),
        each: None,
        skip: None,
    }
}

fn actors(sort: Sort, reversed: bool, filter: &Option<String>) -> ActorsQuery {
    ActorsQuery { filter: filter::query(filter.as_deref()), sort, reversed, limit: Some(ROWS) }
}

fn value(query: &impl Serialize) -> Value {
    serde_json::to_value(query).expect("queries are plain data")
}

/// The answers to what was asked together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) answers: Vec<(Question, Outcome<Value>)>,
    /// Of a recording: what came before, in place of what was seen before.
    pub(crate) past: Option<Vec<Sample>>,
}

impl Round {
    /// When it was, by the clock of the system.
    pub(crate) fn at(&self) -> Option<Duration> {
        let is_system = |(question, _): &&(Question, Outcome<Value>)| *question == Question::System;
        match self.answers.iter().find(is_system) {
            Some((_, Outcome::Ok(system))) => {
                let ms = system["at_ms"].as_f64().filter(|ms| *ms >= 0.0)?;
                Duration::try_from_secs_f64(ms / 1000.0).ok()
            }
            _ => None,
        }
    }
}

/// A few figures of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) turns: u64,
    /// Known if somebody looked.
    pub(crate) queued: Option<u64>,
    pub(crate) busy: Option<u64>,
    pub(crate) crashes: u64,
}

impl From<&SystemView> for Sample {
    fn from(system: &SystemView) -> Self {
        let SystemView { at, turns, queued, busy, crashes, .. } = *system;
        Self { at, turns, queued: Some(queued), busy: Some(busy as u64), crashes }
    }
}

impl From<&Moment> for Sample {
    fn from(moment: &Moment) -> Self {
        let Moment { at, turns, queued, busy, crashes, .. } = *moment;
        Self { at, turns, queued, busy: busy.map(|busy| busy as u64), crashes }
    }
}

impl Sample {
    /// What a system has told of itself, and of the time before, as far as it is newer than what is known.
    pub(crate) fn of(system: &SystemView, known: Option<Duration>) -> impl Iterator<Item = Self> {
        let before = system.past.iter().filter(|moment| moment.at < system.at).map(Self::from);
        before.chain([Self::from(system)]).filter(move |sample| known.is_none_or(|known| sample.at > known))
    }
}

/// Whether that answer has everybody in it: lists can be made of it.
pub(crate) fn is_whole_tree(question: &Question, outcome: &Outcome<Value>) -> bool {
    match outcome {
        Outcome::Ok(tree) if *question == Question::TREE => {
            tree["nodes"].as_array().is_some_and(|nodes| tree["total"] == nodes.len())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn told(at_ms: u64, past: &[u64]) -> SystemView {
        let mut system = samples::answer(&Question::System);
        system["at_ms"] = at_ms.into();
        let moment =
            |at: &u64| serde_json::json!({ "at_ms": at, "turns": at, "crashes": 0, "dead_letters": 0, "busy": 2 });
        system["past"] = past.iter().map(moment).collect();
        serde_json::from_value(system).expect("a system")
    }

    fn ats(system: &SystemView, known: Option<u64>) -> Vec<u128> {
        Sample::of(system, known.map(Duration::from_millis)).map(|sample| sample.at.as_millis()).collect()
    }

    #[test]
    fn what_a_system_tells_of_its_past_comes_first_and_what_is_known_is_not_told_again() {
        let system = told(5_000, &[3_000, 4_000, 5_000]);
        assert_eq!(ats(&system, None), [3_000, 4_000, 5_000]);
        assert_eq!(ats(&system, Some(3_500)), [4_000, 5_000], "after a connection was lost");
        assert!(ats(&system, Some(5_000)).is_empty(), "the same moment");
        let first = Sample::of(&system, None).next().unwrap();
        assert_eq!((first.busy, first.queued), (Some(2), None), "nobody had looked at what was queued");
    }
}
