//! What has happened: events and dead letters.

use std::time::Duration;

use crashworthy_runtime::{Fallen, Letter, SystemEvent, millis};
use serde::{Deserialize, Serialize};

use super::{Row, known};

/// The arguments of `events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    /// Those after this number, the oldest of them first: [`Events::next`] of the answer before. The newest, if it is left
    /// out.
    pub since: Option<u64>,
    /// Of these [names](crashworthy_runtime::Happening::NAMES); of all, if none is named.
    pub kinds: Vec<String>,
    /// Of this actor and those below it, by path, name or id.
    pub under: Option<String>,
    /// So many at most; 20 if it is left out and nothing is said of `since`, else as many as the limits allow.
    pub limit: Option<usize>,
}

/// The answer to `events`. Once a client has asked, beginnings and ends of incarnations are told, too, until the last of those
/// who have asked has left; over HTTP, for one to two minutes after the last request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The number of the newest event of the system.
    pub last: u64,
    /// The `since` to go on with.
    pub next: u64,
    /// How many events after `since`, of whatever kind, are not kept any more.
    pub dropped: u64,
    /// From this number on there is every beginning and end of an incarnation; nothing, if nobody had asked before.
    pub lifecycle_since: Option<u64>,
    /// How many that are kept match, as far as was looked.
    pub matched: usize,
    /// Those, oldest first.
    #[serde(deserialize_with = "known::events")]
    pub events: Vec<SystemEvent>,
}

/// The arguments of `dead_letters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLettersQuery {
    /// To this actor and those below it, by path, name or id.
    pub under: Option<String>,
    /// Those that fell for this reason.
    pub why: Option<Fallen>,
    /// The newest so many; 20 if it is left out.
    pub limit: Option<usize>,
}

/// The answer to `dead_letters`. What the letters said is told to the hook of the system alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there were.
    pub total: u64,
    /// How many of them the hook never saw because it was too slow.
    pub unseen: u64,
    /// Those of all that were in hand when their incarnation ended.
    #[serde(default)]
    pub given_up: u64,
    /// Those that were queued when their slot was emptied.
    #[serde(default)]
    pub undelivered: u64,
    /// Own messages (ticks, results of pipes, what an actor sent itself) that were queued when their incarnation ended: they
    /// are no letters and not in the total, and their actors count them as undelivered, too.
    #[serde(default)]
    pub own_undelivered: u64,
    /// Whose messages they were, their own included, most first: of actors that are still there.
    pub actors: Vec<Row>,
    /// How many of the newest, which are kept, match.
    #[serde(default)]
    pub matched: usize,
    /// The newest of those, oldest first.
    #[serde(default, deserialize_with = "known::list")]
    pub letters: Vec<Letter>,
}
