//! Many actors: those that have most of something, and the tree.

use std::time::Duration;

use crashworthy_runtime::{ActorId, State, millis};
use serde::{Deserialize, Serialize};

use super::{Row, known};

/// The arguments of `actors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActorsQuery {
    /// Which ones; all that match.
    #[serde(flatten)]
    pub filter: Filter,
    /// Which come first.
    pub sort: Sort,
    /// Those come last, instead.
    pub reversed: bool,
    /// How many at most.
    pub limit: Option<usize>,
}

/// Which actors. What is not said matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// A part of the path, of the kind, or of a name that is registered.
    pub text: Option<String>,
    /// A [`Pattern`](crate::Pattern) that its path, its kind, or a name that is registered has: a part, or a regular expression;
    /// with `~` before it letters in that order; with `!` before all those that have no such thing. At most 256 bytes; `\w` and
    /// `(?i)` of an expression know ASCII alone. One that cannot be understood is refused, and so is one that takes longer than half a
    /// second, or four of waiting for others who look ([`Busy`](super::Code::Busy)). A system that does not
    /// [know](super::Hello::knows) it leaves it out of account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// This actor and those below it, by path, name or id. A word that nobody has is refused, unless
    /// it is the path of somebody of whom something is told yet; so is one that several have.
    pub under: Option<String>,
    /// Those in this state.
    #[serde(deserialize_with = "known::state")]
    pub state: Option<State>,
    /// Those that have begun and not ended, and whose gates are not open.
    pub shut: bool,
    /// Those with at least so many messages queued.
    pub min_depth: u32,
    /// Those that have something in hand.
    pub busy: bool,
}

/// Which actors come first: the largest; equals in the order of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Messages queued.
    #[default]
    Depth,
    /// How long the callback that runs has run.
    InHand,
    /// Messages handled.
    Handled,
    /// Restarts.
    Restarts,
    /// Messages given up or undelivered.
    Lost,
    /// As in the tree.
    Path,
    /// How old the oldest message is.
    Oldest,
    /// Messages handled in a second. A system does not count by seconds: it tells those that have handled most, and whoever watches
    /// them puts them in the order of their [`Rates`](super::Rates).
    Rate,
    /// How busy they are: likewise, of those that have been busy with one message for longest.
    Busy,
}

/// The answer to `actors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actors {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there are.
    pub total: usize,
    /// How many of them match.
    pub matched: usize,
    /// The first of those.
    pub rows: Vec<Row>,
}

/// The arguments of `tree`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TreeQuery {
    /// This actor and those below it; everybody if it is left out.
    pub path: Option<String>,
    /// How many levels at most.
    pub levels: Option<usize>,
    /// How many at most.
    pub limit: Option<usize>,
    /// Those that match, as [`Filter::pattern`] has it, and those above them; all if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Of these what is below them is not told; their rows say how many children they have. At most 1,000; who has gone makes no
    /// difference. A system that does not [know](super::Hello::knows) it tells them all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<ActorId>,
    /// Of the children of each that have none themselves no more than so many, so that no branch is lost behind a large one; all if it is
    /// left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<usize>,
    /// The first so many lines are left out: those that were told before. A system that does not [know](super::Hello::knows) it tells them
    /// again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<usize>,
}

/// The answer to `tree`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there are below the path, whether they are told or not.
    pub total: usize,
    /// How many of them match; none where an older system does not say, for which all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<usize>,
    /// How many lines that makes, with those above who match, and without what is folded or too deep, whether there is room for
    /// them or not; none where an older system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Parents before their children, siblings by name.
    pub nodes: Vec<Node>,
}

/// One actor in a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// How many are above it, up to the top of what was asked for.
    pub level: usize,
    /// The actor.
    #[serde(flatten)]
    pub row: Row,
}
