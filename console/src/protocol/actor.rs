//! One actor in full, and whom it has to do with.

use std::time::Duration;

use crashworthy_runtime::{Law, Pid, Refusals, millis};
use serde::{Deserialize, Serialize};

use super::{Row, known};

/// The arguments of `actor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorQuery {
    /// Its path, its name if only one has it, or its id.
    pub actor: String,
}

/// The answer to `actor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The actor.
    #[serde(flatten)]
    pub row: Row,
    /// The slot's name.
    pub name: Option<String>,
    /// How its messages ended.
    pub law: Law,
    /// How often it refused, and why.
    #[serde(default, deserialize_with = "known::refusals")]
    pub refusals: Refusals,
    /// How many of its turns were seen to hold their threads for longer than the system's
    /// [`blocked_after`](crashworthy_runtime::Builder::blocked_after).
    #[serde(default)]
    pub blocked: u64,
    /// The threads it runs on, if they are not the system's own: those of a bulkhead, or one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Exit signals and `Down`s that wait to be read.
    pub signals: usize,
    /// Its parent; of who is down the one below whom it was, as in the tree.
    pub parent: Option<Tie>,
    /// Whom it is linked with.
    pub links: Ties,
    /// Whom it monitors.
    pub monitors: Ties,
    /// Who monitors it.
    pub watchers: Ties,
    /// Who is below it.
    pub below: Ties,
}

/// Others that an actor has to do with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ties {
    /// How many.
    pub total: usize,
    /// The first of them.
    pub first: Vec<Tie>,
}

/// One of those.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tie {
    /// Who.
    pub pid: Pid,
    /// Its path, if it is still there; none for who is not an actor.
    pub path: Option<String>,
}
