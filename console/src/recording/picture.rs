//! What a picture of everything is made of, and in which order: who has little time gets what matters most.

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
/// Actors that are told one by one, in full, at most.
pub const IN_FULL: usize = 1_000;
/// Children of each that are in the tree, where it does not have everybody: the most of these for which there is room.
const EACH: [usize; 5] = [1_000, 300, 100, 30, 10];
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

/// How much of a system a picture has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many actors there were.
    pub actors: usize,
    /// How many of them are in the tree.
    pub listed: usize,
    /// Of how many what is known of each is told.
    pub in_full: usize,
}

impl Extent {
    /// Whether everybody is in it, in full.
    pub fn is_whole(&self) -> bool {
        self.listed == self.actors && self.in_full == self.actors
    }
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { actors, listed, in_full } = self;
        let s = if *actors == 1 { "" } else { "s" };
        match (listed == actors, in_full == listed) {
            (true, true) => write!(f, "{actors} actor{s}"),
            (true, false) => write!(f, "{actors} actor{s}, {in_full} of them in full"),
            (false, _) => {
                write!(f, "{listed} of {actors} actor{s}, and those who have most of something; {in_full} in full")
            }
        }
    }
}

/// Asks for all that belongs to one picture: crashes and reports, the newest 100 of each; events, dead letters, health, sums, what was
/// done; the tree, with at most so many actors in it, and if they are not all also those who have most of something; and of
/// actors in the tree what is known of each, up to a thousand. What matters most comes first.
///
/// `ask` gets a verb and its arguments, `tell` each answer; it says whether to go on.
///
/// # Errors
/// The first of `ask` or `tell`.
pub fn picture<E>(
    rows: usize,
    ask: impl FnMut(&'static str, &Value) -> Result<Outcome<Value>, E>,
    tell: impl FnMut(Answered) -> Result<bool, E>,
) -> Result<Extent, E> {
    let mut drawing = Drawing { ask, tell, extent: Extent::default() };
    match drawing.draw(rows) {
        Ok(()) | Err(Stop::Enough) => Ok(drawing.extent),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// A picture while it is made.
struct Drawing<A, T> {
    ask: A,
    tell: T,
    extent: Extent,
}

/// Why nothing more is asked.
enum Stop<E> {
    Enough,
    Failed(E),
}

impl<A, T, E> Drawing<A, T>
where
    A: FnMut(&'static str, &Value) -> Result<Outcome<Value>, E>,
    T: FnMut(Answered) -> Result<bool, E>,
{
    fn draw(&mut self, rows: usize) -> Result<(), Stop<E>> {
        let crashes = self.ask("crashes", brief())?;
        let reports = read::<Crashes>(&crashes).map_or(Vec::new(), |crashes| crashes.reports);
        self.tell(crashes)?;
        for (verb, args) in of_all() {
            self.copy(verb, args)?;
        }
        for report in reports {
            let query = CrashesQuery { of: Some(report.pid), limit: Some(1), ..CrashesQuery::default() };
            self.copy("crashes", args(&query))?;
        }
        let tree = self.tree(rows)?;
        let (nodes, total) = read::<TreeView>(&tree).map_or((Vec::new(), 0), |tree| (tree.nodes, tree.total));
        (self.extent.actors, self.extent.listed) = (total, nodes.len());
        self.tell(tree)?;
        if nodes.len() < total {
            for (verb, args) in lists() {
                self.copy(verb, args)?;
            }
        }
        for node in nodes.into_iter().take(IN_FULL) {
            self.copy("actor", args(&ActorQuery { actor: node.row.pid.id.to_string() }))?;
            self.extent.in_full += 1;
        }
        Ok(())
    }

    /// Everybody; if there is no room for all, of the children of each so many that there is.
    fn tree(&mut self, rows: usize) -> Result<Answered, Stop<E>> {
        let (mut limit, mut each) = (rows, [None].into_iter().chain(EACH.map(Some)).peekable());
        loop {
            let fewer = each.peek().copied().flatten();
            let tree =
                self.ask("tree", args(&TreeQuery { limit: Some(limit), each: fewer, ..TreeQuery::default() }))?;
            if let Outcome::Error(why) = &tree.outcome
                && why.code == Code::AnswerTooLong
                && limit > 1
            {
                limit /= 2;
                continue;
            }
            let is_cut = |view: TreeView| view.lines.is_some_and(|lines| lines > view.nodes.len());
            each.next();
            if each.peek().is_none() || !read(&tree).is_some_and(is_cut) {
                return Ok(tree);
            }
        }
    }

    fn copy(&mut self, verb: &'static str, args: Value) -> Result<(), Stop<E>> {
        let answer = self.ask(verb, args)?;
        self.tell(answer)
    }

    fn ask(&mut self, verb: &'static str, args: Value) -> Result<Answered, Stop<E>> {
        let outcome = (self.ask)(verb, &args).map_err(Stop::Failed)?;
        Ok(Answered { verb, args, outcome })
    }

    fn tell(&mut self, answer: Answered) -> Result<(), Stop<E>> {
        match (self.tell)(answer) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Stop::Enough),
            Err(error) => Err(Stop::Failed(error)),
        }
    }
}

/// The newest crashes, without backtraces.
fn brief() -> Value {
    args(&CrashesQuery { brief: true, limit: Some(REPORTS), ..CrashesQuery::default() })
}

/// What is asked once.
fn of_all() -> Vec<(&'static str, Value)> {
    let reports = |progress| args(&ReportsQuery { progress, limit: Some(REPORTS), ..ReportsQuery::default() });
    vec![
        ("system", Value::Null),
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
