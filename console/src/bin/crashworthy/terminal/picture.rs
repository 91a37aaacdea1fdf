//! What is known of the system: the newest answers, who has just gone, and a little of the past.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::time::Duration;

use crashworthy_console::protocol::{
    ActorState, ActorView, Actors, AuditView, Crashes, Health, Metrics, Outcome, ReportsView, Sort, SystemView,
    TreeView,
};
use crashworthy_runtime::CrashReport;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ghosts::Ghosts;
use super::happened::Happened;
use super::held::Held;
use super::question::{Question, REPORTS, ROWS, Round, Sample, WORST};

/// Samples that are kept.
const PAST: usize = 256;

#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    pub(crate) system: Option<SystemView>,
    pub(crate) tree: Option<TreeView>,
    /// What the system has looked for in it.
    pub(crate) tree_filter: Option<String>,
    pub(crate) top: Option<Actors>,
    /// The same.
    pub(crate) top_filter: Option<String>,
    pub(crate) worst: Vec<(Sort, Actors)>,
    /// The actor that is looked at, by what it was asked for with; why not, if there is none.
    pub(crate) actor: Option<(String, Option<ActorView>, Option<String>)>,
    /// The actor whose state is in view, by its id, and what it shows; or why that is not known.
    pub(crate) state: Option<(String, Result<ActorState, String>)>,
    pub(crate) crashes: Option<Crashes>,
    /// The one that is looked at, in full.
    pub(crate) crash: Option<CrashReport>,
    pub(crate) reports: Option<(bool, ReportsView)>,
    pub(crate) health: Option<Health>,
    pub(crate) metrics: Option<Metrics>,
    /// Whose gates are not open.
    pub(crate) shut: Option<Actors>,
    pub(crate) audit: Option<AuditView>,
    pub(crate) happened: Option<Happened>,
    /// What somebody reads of these, whether it is still among them or not.
    pub(crate) held: Option<Held>,
    pub(crate) ghosts: Ghosts,
    pub(crate) past: VecDeque<Sample>,
    /// Why there was no answer the last time, by question: one of each kind.
    refused: Vec<(Question, String)>,
}

impl Picture {
    /// Takes in what was answered, as far as it can be understood. The error says what cannot, of several the first: its verb, and why.
    pub(crate) fn enter(&mut self, round: Round) -> Result<(), (&'static str, String)> {
        if let Some(past) = round.past {
            self.past = past.into();
            self.ghosts = Ghosts::default();
            self.happened = None;
        }
        let mut all = Ok(());
        for (question, outcome) in round.answers {
            let verb = question.verb();
            all = all.and(self.enter_one(question, outcome).map_err(|why| (verb, why)));
        }
        all
    }

    fn enter_one(&mut self, question: Question, outcome: Outcome<Value>) -> Result<(), String> {
        let verb = question.verb();
        self.refused.retain(|(known, _)| discriminant(known) != discriminant(&question));
        match (outcome, question) {
            (Outcome::Ok(value), question) => {
                self.take(question, value).map_err(|error| format!("an answer to {verb}: {error:.256}"))
            }
            (Outcome::Error(why), Question::Actor(id)) => {
                self.miss(id, why.message);
                Ok(())
            }
            (Outcome::Error(why), Question::State(id)) => {
                self.state = Some((id, Err(why.message)));
                Ok(())
            }
            (Outcome::Error(why), question) => {
                let told = format!("{verb}: {:.256}", why.message);
                self.refused.push((question, why.message));
                Err(told)
            }
        }
    }

    fn take(&mut self, question: Question, value: Value) -> Result<(), serde_json::Error> {
        match question {
            Question::System => {
                let system: SystemView = read(value)?;
                self.remember(&system);
                self.system = Some(system);
            }
            Question::Tree { top, levels, filter, folded } => {
                let mut tree: TreeView = read(value)?;
                tree.nodes.truncate(ROWS);
                let lines = tree.lines.filter(|_| levels.is_none()).unwrap_or(tree.total);
                if top.is_none() && filter.is_none() && tree.nodes.len() == lines {
                    self.ghosts.see(tree.at, tree.nodes.iter().map(|node| &node.row), &folded);
                }
                self.tree = Some(tree);
                self.tree_filter = filter;
            }
            Question::Top { filter, .. } => {
                let top = actors(value, ROWS)?;
                if filter.is_none() && top.rows.len() == top.total {
                    self.ghosts.see(top.at, top.rows.iter(), &[]);
                }
                self.top = Some(top);
                self.top_filter = filter;
            }
            Question::Worst(sort) => {
                let worst = actors(value, WORST)?;
                self.worst.retain(|(known, _)| *known != sort);
                self.worst.push((sort, worst));
            }
            Question::Actor(id) => self.actor = Some((id, Some(read(value)?), None)),
            Question::State(id) => self.state = Some((id, Ok(read(value)?))),
            Question::Crashes => {
                let mut crashes: Crashes = read(value)?;
                crashes.reports.truncate(REPORTS);
                self.crashes = Some(crashes);
            }
            Question::Crash(pid) => {
                let crashes: Crashes = read(value)?;
                let report = crashes.reports.into_iter().find(|report| report.pid == pid);
                // What is kept no more was seen all the same.
                self.crash = report.or(self.crash.take());
            }
            Question::Reports { progress } => {
                let mut reports: ReportsView = read(value)?;
                reports.reports.truncate(REPORTS);
                self.reports = Some((progress, reports));
            }
            Question::Health => {
                let mut health: Health = read(value)?;
                health.unready.truncate(ROWS);
                self.health = Some(health);
            }
            Question::Shut => self.shut = Some(actors(value, ROWS)?),
            Question::Audit => {
                let mut audit: AuditView = read(value)?;
                let excess = audit.entries.len().saturating_sub(REPORTS);
                audit.entries.drain(..excess);
                self.audit = Some(audit);
            }
            Question::Metrics => {
                let mut metrics: Metrics = read(value)?;
                metrics.kinds.truncate(ROWS);
                self.metrics = Some(metrics);
            }
            // It is no picture of the system, or only kept for whoever opens the recording.
            Question::Traced | Question::DeadLetters => {}
            Question::Events | Question::News => self.happened.get_or_insert_default().enter(read(value)?),
        }
        Ok(())
    }

    /// An actor that is not there keeps what was known of it.
    fn miss(&mut self, id: String, why: String) {
        match &mut self.actor {
            Some((known, _, missed)) if *known == id => *missed = Some(why),
            _ => self.actor = Some((id, None, Some(why))),
        }
    }

    fn remember(&mut self, system: &SystemView) {
        // The same moment, or one before, is of a recording.
        let known = self.past.back().map(|last| last.at);
        self.past.extend(Sample::of(system, known));
        let excess = self.past.len().saturating_sub(PAST);
        self.past.drain(..excess);
    }

    /// Why a question of this kind was not answered the last time, if it was not.
    pub(crate) fn refusal(&self, question: &Question) -> Option<&str> {
        let is_such = |(known, _): &&(Question, String)| discriminant(known) == discriminant(question);
        self.refused.iter().find(is_such).map(|(_, why)| why.as_str())
    }

    /// When it was, by the clock of the system.
    pub(crate) fn at(&self) -> Duration {
        self.system.as_ref().map_or(Duration::ZERO, |system| system.at)
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

fn actors(value: Value, most: usize) -> Result<Actors, serde_json::Error> {
    let mut actors: Actors = read(value)?;
    actors.rows.truncate(most);
    Ok(actors)
}
