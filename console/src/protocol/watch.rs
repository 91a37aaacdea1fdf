//! `watch`, `frame`, `unwatch`: a list that is told once, and then what changes of it.
//!
//! ```text
//! ▶ {"id":7,"verb":"watch","args":{"actors":{"sort":"depth","limit":50},"every_ms":1000}}
//! ◀ {"id":7,"ok":{"watch":7,"every_ms":1000}}
//! ◀ {"watch":7,"frame":{"seq":1,"whole":true,"at_ms":73001,…,"rows":[…50…],"removed":[]}}
//! ◀ {"watch":7,"frame":{"seq":2,"whole":false,"at_ms":74003,…,"rows":[…2…],"removed":[{…}]}}
//! ▶ {"id":8,"verb":"frame","args":{"watch":7,"whole":true}}
//! ◀ {"id":8,"ok":{"seq":3,"whole":true,…}}
//! ```
//! Frames come between answers. Each is to be applied to the one before it: whoever misses one, by its number, asks for a
//! whole one. A frame is made when there is room for it, against what was sent last, so that who reads slowly gets fewer and
//! larger steps; `dropped` counts those that were due meanwhile. A system that takes long to look at tells fewer, too: none is
//! made for ten times as long as one takes, by all who are sent some together. Counters are told as they are; what they come
//! to in a second is for the client to say ([`Watched`](crate::Watched)), by the server's clock.

use std::time::Duration;

use crashworthy_runtime::{ActorId, Pid, millis};
use serde::{Deserialize, Serialize};

use super::{ActorsQuery, Node, Refusal, TreeQuery};

/// The arguments of `watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Asked")]
pub struct WatchQuery {
    /// What to watch.
    #[serde(flatten)]
    pub of: Watchable,
    /// How often a frame is sent unasked: 100 ms to an hour. If it is left out, frames are sent when they are asked for.
    #[serde(default, rename = "every_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
}

/// The same as it comes: there is to be one list of those there are.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    tree: Option<TreeQuery>,
    #[serde(default)]
    actors: Option<ActorsQuery>,
    #[serde(default, rename = "every_ms", with = "millis::option")]
    every: Option<Duration>,
}

impl TryFrom<Asked> for WatchQuery {
    type Error = &'static str;

    fn try_from(asked: Asked) -> Result<Self, Self::Error> {
        let of = match (asked.tree, asked.actors) {
            (Some(query), None) => Watchable::Tree(query),
            (None, Some(query)) => Watchable::Actors(query),
            (None, None) => return Err("it does not say what to watch: tree or actors"),
            (Some(_), Some(_)) => return Err("one watch is of one list: tree or actors, not both"),
        };
        Ok(Self { of, every: asked.every })
    }
}

/// What can be watched, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watchable {
    /// As [`TreeView`](super::TreeView) tells it.
    Tree(TreeQuery),
    /// As [`Actors`](super::Actors) tells it.
    Actors(ActorsQuery),
}

/// The answer to `watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchView {
    /// What it is called from now on: the id of the request.
    pub watch: u64,
    /// How often a frame is sent unasked.
    #[serde(default, rename = "every_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
}

/// The arguments of `frame`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameQuery {
    /// Of which watch.
    pub watch: u64,
    /// Everything, and not only what has changed.
    #[serde(default)]
    pub whole: bool,
}

/// The arguments of `unwatch`, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwatch {
    /// Which watch ends.
    pub watch: u64,
}

/// One step of what is watched. The answer to `frame`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Its number, from 1, one more each time.
    pub seq: u64,
    /// It stands for itself; else it is to be applied to the one before it.
    pub whole: bool,
    /// How many were due in this watch and not sent, because the client had not read.
    #[serde(default)]
    pub dropped: u64,
    /// When it was, by the clock of the system, which never goes back.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The same by the clock of its machine, since the beginning of 1970.
    #[serde(rename = "wall_ms", with = "millis")]
    pub wall: Duration,
    /// How many there are; in a tree below its top.
    pub total: usize,
    /// How many of them match.
    pub matched: usize,
    /// Of a tree: how many [lines](super::TreeView::lines) that makes; none where an older system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Those that have changed, or are new: these come last, in this order.
    pub rows: Vec<Node>,
    /// The incarnations that are not shown any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Pid>,
    /// The order of all, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<Pid>>,
    /// How often it was looked, since the frame before, at what those that are shown do.
    #[serde(default)]
    pub samples: u32,
    /// How often they were seen busy then, those that were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<SeenBusy>,
}

/// How often an actor was seen busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBusy {
    /// Who.
    pub id: ActorId,
    /// How often.
    pub times: u32,
}

/// One line to a client that watches, between answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// Which watch.
    pub watch: u64,
    /// What is to be told.
    #[serde(flatten)]
    pub news: News,
}

/// What is told of a watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The next step.
    Frame(Frame),
    /// Why there is none. The next one will be whole.
    Error(Refusal),
}

/// What an actor did in a second, as its counters and samples of two frames say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Messages handled.
    pub handled: f64,
    /// Refusals.
    pub refused: f64,
    /// How much of the time it had something in hand, in percent, if that was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_percent: Option<u8>,
}
