//! What a picture of everything is made of.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Told;
use crate::protocol::{
    ActorQuery, ActorsQuery, AuditQuery, Code, Crashes, CrashesQuery, DeadLettersQuery, EventsQuery, Filter, Outcome,
    ReportsQuery, Sort, TreeQuery, TreeView,
};

/// Crashes, and reports of each kind.
const REPORTS: usize = 100;
/// Actors of a list, where the tree does not have everybody in it, and events.
const LISTED: usize = 500;
/// Actors that are told one by one, in full.
const IN_FULL: usize = 1_000;
/// The measures by which lists are sorted, where the tree does not have everybody in it.
const MEASURES: [Sort; 5] = [Sort::Depth, Sort::InHand, Sort::Restarts, Sort::Lost, Sort::Handled];

/// An answer, with what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The verb.
    pub verb: &'static str,
    /// Its arguments.
    pub args: Value,
    /// The answer, or why there is none.
    pub outcome: Outcome<Value>,
}

impl Answered {
    /// As it is written.
    pub fn told(&self) -> Told<'_> {
        Told { verb: self.verb, args: self.args.clone(), outcome: &self.outcome }
    }
}

/// Asks for all that belongs to one picture: the tree, with at most so many actors in it, and if they are not all also those who
/// have most of something; crashes and reports, the newest 100 of each; events, dead letters, health, sums, what was done; and of
/// actors in the tree what is known of each, up to a thousand. `ask` gets a verb and its arguments.
///
/// # Errors
/// The first of `ask`.
pub fn picture<E>(
    rows: usize,
    mut ask: impl FnMut(&'static str, &Value) -> Result<Outcome<Value>, E>,
) -> Result<Vec<Answered>, E> {
    let mut answers = Vec::new();
    let mut asked = |verb, args| ask(verb, &args).map(|outcome| Answered { verb, args, outcome });
    let mut limit = rows;
    let tree = loop {
        let tree = asked("tree", args(&TreeQuery { limit: Some(limit), ..TreeQuery::default() }))?;
        match &tree.outcome {
            Outcome::Error(why) if why.code == Code::AnswerTooLong && limit > 1 => limit /= 2,
            _ => break tree,
        }
    };
    let (nodes, total) = read::<TreeView>(&tree).map_or((Vec::new(), 0), |tree| (tree.nodes, tree.total));
    let lists = if nodes.len() < total { lists() } else { Vec::new() };
    answers.push(tree);
    for (verb, args) in of_all().into_iter().chain(lists) {
        answers.push(asked(verb, args)?);
    }
    for node in nodes.into_iter().take(IN_FULL) {
        answers.push(asked("actor", args(&ActorQuery { actor: node.row.pid.id.to_string() }))?);
    }
    let crashes = answers.iter().find(|answer| answer.verb == "crashes").and_then(read::<Crashes>);
    for report in crashes.map_or(Vec::new(), |crashes| crashes.reports) {
        let query = CrashesQuery { of: Some(report.pid), limit: Some(1), ..CrashesQuery::default() };
        answers.push(asked("crashes", args(&query))?);
    }
    Ok(answers)
}

/// What is asked once.
fn of_all() -> Vec<(&'static str, Value)> {
    let reports = |progress| args(&ReportsQuery { progress, limit: Some(REPORTS), ..ReportsQuery::default() });
    vec![
        ("system", Value::Null),
        ("crashes", args(&CrashesQuery { brief: true, limit: Some(REPORTS), ..CrashesQuery::default() })),
        ("health", Value::Null),
        ("metrics", Value::Null),
        ("audit", args(&AuditQuery { limit: Some(REPORTS) })),
        ("reports", reports(false)),
        ("reports", reports(true)),
        ("events", args(&EventsQuery { limit: Some(LISTED), ..EventsQuery::default() })),
        ("dead_letters", args(&DeadLettersQuery { limit: Some(REPORTS), ..DeadLettersQuery::default() })),
    ]
}

/// Those who have most of something, and those whose gates are not open.
fn lists() -> Vec<(&'static str, Value)> {
    let most = MEASURES.map(|sort| ActorsQuery { sort, limit: Some(LISTED), ..ActorsQuery::default() });
    let filter = Filter { shut: true, ..Filter::default() };
    let shut = ActorsQuery { filter, sort: Sort::Path, limit: Some(LISTED), ..ActorsQuery::default() };
    most.iter().chain([&shut]).map(|query| ("actors", args(query))).collect()
}

fn args(query: &impl Serialize) -> Value {
    serde_json::to_value(query).expect("queries are plain data")
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answered) -> Option<T> {
    match &answer.outcome {
        Outcome::Ok(value) => T::deserialize(value).ok(),
        Outcome::Error(_) => None,
    }
}
