//! What a picture of everything is made of, and in which order: who has little time gets what matters most.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LINE, Told};
use crate::protocol::{
    ActorQuery, ActorsQuery, AuditQuery, Code, Crashes, CrashesQuery, DeadLettersQuery, EventsQuery, Filter, Outcome,
    ReportsQuery, Sort, SystemQuery, TreeQuery, TreeView,
};

/// Crashes, and reports of each kind.
const REPORTS: usize = 100;
/// Actors of a list, where the tree does not have everybody in it, and events.
const LISTED: usize = 500;
/// Actors that are told one by one, in full, at most.
pub const IN_FULL: usize = 1_000;
/// Actors in the tree, at most, and the bytes of them: it is one line of the file.
pub const IN_TREE: usize = 20_000;
const TREE_BYTES: usize = LINE - 64 * 1024;
/// How many of them are asked for at once, at most.
const SLICE: usize = 2_000;
/// Children of each that are in the tree, where it does not have everybody: the most of these for which there is room.
const EACH: [usize; 7] = [10_000, 3_000, 1_000, 300, 100, 30, 10];
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
/// done; the tree, with at most 20,000 actors and 16 MiB of them, and if they are not all also those who have most of something; and of
/// actors in the tree what is known of each, up to a thousand. What matters most comes first.
///
/// The tree is asked for in slices of `rows` actors, the most that one answer has: whoever else asks is answered in between. Of a system
/// that goes on meanwhile nobody is in it twice; who comes, or moves up, between two slices may be missing, which the numbers show.
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
        let mut each = [None].into_iter().chain(EACH.map(Some)).peekable();
        loop {
            let query = TreeQuery { each: each.next().flatten(), ..TreeQuery::default() };
            let slices = Slices { query, rows: rows.clamp(1, SLICE), is_last: each.peek().is_none() };
            if let Some(tree) = self.slices(slices)? {
                return Ok(tree);
            }
        }
    }

    /// A tree as one answer; none if there is no room for all of it, unless it is the last that is tried.
    fn slices(&mut self, slices: Slices) -> Result<Option<Answered>, Stop<E>> {
        let Slices { query, mut rows, is_last } = slices;
        let mut whole: Option<Whole> = None;
        loop {
            let skip = whole.as_ref().map(|whole| whole.skip);
            let room = IN_TREE - whole.as_ref().map_or(0, |whole| whole.nodes.len());
            let slice = args(&TreeQuery { limit: Some(rows.min(room)), skip, ..query.clone() });
            let mut answer = self.ask("tree", slice)?;
            let view = match &mut answer.outcome {
                Outcome::Ok(view) => view,
                Outcome::Error(why) if why.code == Code::AnswerTooLong && rows > 1 => {
                    rows /= 2;
                    continue;
                }
                // With fewer of each there are fewer slices: whoever has no time for more has it for one.
                Outcome::Error(_) if whole.is_some() && !is_last => return Ok(None),
                Outcome::Error(_) => return Ok(Some(whole.map_or(answer, |whole| whole.answer(&query)))),
            };
            let lines = view["lines"].as_u64().and_then(|lines| usize::try_from(lines).ok()).unwrap_or(0);
            if lines > IN_TREE && !is_last {
                return Ok(None);
            }
            let nodes = view["nodes"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let whole = match &mut whole {
                Some(whole) => whole,
                none => none.insert(Whole::new(view.take())),
            };
            let is_more = whole.add(nodes);
            if !is_more || whole.is_full || whole.skip >= lines {
                // What does not fit in bytes fits with fewer of each, perhaps.
                let is_told = is_last || !whole.is_full || whole.nodes.len() >= lines;
                return Ok(is_told.then(|| std::mem::take(whole).answer(&query)));
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

/// How a tree is asked for.
struct Slices {
    query: TreeQuery,
    /// How many at a time.
    rows: usize,
    /// With fewer of each it is not asked for.
    is_last: bool,
}

/// A tree, put together.
#[derive(Default)]
struct Whole {
    /// The first answer, without those who are in it.
    first: Value,
    nodes: Vec<Value>,
    seen: HashSet<String>,
    /// How many lines were told, those included that had been told before.
    skip: usize,
    bytes: usize,
    is_full: bool,
}

impl Whole {
    fn new(first: Value) -> Self {
        Self { first, ..Self::default() }
    }

    /// Adds a slice. Whether there was somebody new in it.
    fn add(&mut self, nodes: Vec<Value>) -> bool {
        let before = self.nodes.len();
        self.skip += nodes.len();
        for node in nodes {
            if self.seen.contains(&node["pid"].to_string()) {
                continue;
            }
            self.bytes += node.to_string().len() + 1;
            self.is_full |= self.bytes > TREE_BYTES || self.nodes.len() >= IN_TREE;
            if self.is_full {
                break;
            }
            self.seen.insert(node["pid"].to_string());
            self.nodes.push(node);
        }
        self.nodes.len() > before
    }

    fn answer(self, query: &TreeQuery) -> Answered {
        let Self { mut first, nodes, .. } = self;
        first["nodes"] = nodes.into();
        let args = args(&TreeQuery { limit: Some(IN_TREE), ..query.clone() });
        Answered { verb: "tree", args, outcome: Outcome::Ok(first) }
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
        ("system", args(&SystemQuery { past: true })),
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;

    use super::*;
    use crate::protocol::Refusal;

    /// A system with so many actors below its top, who has so many letters in a path; it tells at most so many, or bytes, at a time.
    struct Crowd {
        actors: usize,
        letters: usize,
        rows: usize,
        bytes: usize,
        knows_skip: bool,
        /// After so many questions there is time for the first slice of each tree alone.
        patience: usize,
    }

    impl Crowd {
        fn node(&self, number: usize) -> Value {
            let level = usize::from(number > 0);
            json!({
                "pid": { "id": number + 1, "incarnation": 1 }, "path": format!("{number:0>0$}", self.letters), "kind": "K",
                "state": "running", "doing": null, "depth": 0, "limit": 8, "restarts": 0, "accepted": 0, "handled": 0,
                "given_up": 0, "undelivered": 0, "children": 0, "level": level,
            })
        }

        fn tree(&self, query: &TreeQuery) -> Outcome<Value> {
            let lines = query.each.map_or(self.actors, |each| self.actors.min(each + 1));
            let limit = query.limit.unwrap_or(usize::MAX).min(self.rows);
            let skip = query.skip.filter(|_| self.knows_skip).unwrap_or(0);
            let nodes: Vec<_> = (skip..lines).take(limit).map(|number| self.node(number)).collect();
            let view =
                json!({ "at_ms": 1, "total": self.actors, "matched": self.actors, "lines": lines, "nodes": nodes });
            let is_long = view.to_string().len() > self.bytes;
            if is_long { Outcome::Error(Refusal::new(Code::AnswerTooLong, "too long")) } else { Outcome::Ok(view) }
        }

        /// A dump of it: how much is in it, the tree, and how often that was asked for.
        fn dump(&self) -> (Extent, TreeView, usize) {
            let (mut tree, mut asked) = (None, 0);
            let ask = |verb: &'static str, args: &Value| {
                let none = Outcome::Error(Refusal::new(Code::NotFound, "not here"));
                let is_late = asked >= self.patience && !args["skip"].is_null();
                Ok::<_, Infallible>(if verb == "tree" && !is_late {
                    asked += 1;
                    self.tree(&serde_json::from_value(args.clone()).expect("a query"))
                } else {
                    none
                })
            };
            let tell = |answer: Answered| {
                if answer.verb == "tree" {
                    let line = serde_json::to_vec(&answer.outcome).expect("plain data").len();
                    assert!(line < LINE, "{line} bytes");
                    tree = read(&answer);
                }
                Ok(true)
            };
            let extent = picture(self.rows, ask, tell).unwrap_or_else(|never| match never {});
            (extent, tree.expect("there is a tree"), asked)
        }
    }

    const CROWD: Crowd =
        Crowd { actors: 0, letters: 20, rows: 500, bytes: 1024 * 1024, knows_skip: true, patience: usize::MAX };

    fn ids(view: &TreeView) -> Vec<String> {
        view.nodes.iter().map(|node| serde_json::to_string(&node.row.pid.id).expect("a number")).collect()
    }

    #[test]
    fn everybody_is_in_a_tree_that_is_asked_for_in_slices() {
        for actors in [0, 1, 499, 500, 501, 1_055, IN_TREE] {
            let (extent, tree, asked) = Crowd { actors, ..CROWD }.dump();
            assert_eq!((extent.actors, extent.listed, extent.in_full), (actors, actors, actors.min(IN_FULL)));
            assert_eq!(ids(&tree), (1..=actors).map(|id| id.to_string()).collect::<Vec<_>>());
            assert_eq!((tree.total, tree.lines), (actors, Some(actors)));
            assert_eq!(asked, actors.div_ceil(500).max(1));
        }
    }

    #[test]
    fn of_too_many_as_many_of_each_are_in_it_as_there_is_room_for() {
        let (extent, tree, asked) = Crowd { actors: 30_000, ..CROWD }.dump();
        assert_eq!((extent.listed, tree.total, tree.lines), (10_001, 30_000, Some(10_001)));
        assert!(asked <= 1 + 21, "who is not to be told is not asked for: {asked}");
        // Of paths of 4,000 bytes there is no room for so many.
        let crowd = Crowd { actors: 15_000, letters: 4_000, ..CROWD };
        let (extent, tree, _) = crowd.dump();
        assert_eq!((extent.listed, tree.total), (3_001, 15_000));
        assert_eq!(tree.nodes.len(), 3_001);
    }

    #[test]
    fn slices_that_are_too_long_are_halved() {
        let (extent, ..) = Crowd { actors: 1_055, bytes: 20_000, ..CROWD }.dump();
        assert_eq!(extent.listed, 1_055);
    }

    #[test]
    fn where_there_is_time_for_one_slice_fewer_of_each_are_in_it() {
        let (extent, ..) = Crowd { actors: 9_000, patience: 3, ..CROWD }.dump();
        assert_eq!((extent.actors, extent.listed), (9_000, 301));
    }

    #[test]
    fn an_older_system_that_tells_its_first_again_and_again_is_not_asked_for_ever() {
        let (extent, tree, asked) = Crowd { actors: 1_055, knows_skip: false, ..CROWD }.dump();
        assert_eq!((extent.actors, extent.listed, tree.nodes.len()), (1_055, 500, 500));
        assert!(asked <= 2, "{asked}");
    }
}
