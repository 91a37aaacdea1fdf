//! A system as a whole.

use std::time::Duration;

use crashworthy_runtime::{Pid, millis};
use crashworthy_supervisor::ReportCounts;
use serde::{Deserialize, Serialize};

use super::{Pools, SourceView};

/// The arguments of `system`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemQuery {
    /// With the [last minute](SystemView::past).
    pub past: bool,
}

/// The answer to `system`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemView {
    /// The system's name.
    pub name: String,
    /// The process.
    pub process: u32,
    /// When it was, by the clock of the system; how long that has run.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Actors: slots that are held, ended ones among them.
    pub actors: usize,
    /// Those of them that have something in hand.
    pub busy: usize,
    /// Messages queued, and places promised, in all mailboxes.
    pub queued: u64,
    /// Crashes so far.
    pub crashes: u64,
    /// Reports of supervisors so far.
    pub reports: ReportCounts,
    /// Reports that were withheld from the log.
    pub reports_withheld: u64,
    /// Dead letters so far.
    pub dead_letters: u64,
    /// Own messages (ticks, results of pipes) that were queued when their incarnation ended, so far: they are no letters.
    #[serde(default)]
    pub own_undelivered: u64,
    /// Abandoned incarnations whose turns still block a thread.
    pub stragglers: Vec<Pid>,
    /// Timers that are armed.
    pub timers: usize,
    /// Names that are taken.
    pub names: usize,
    /// Memberships of process groups.
    pub memberships: usize,
    /// Actors that wait for a turn, and pumps that are not idle.
    pub runnable: usize,
    /// Turns taken so far.
    pub turns: u64,
    /// The threads that take them.
    #[serde(default)]
    pub pools: Pools,
    /// What the service has besides actors, and tells of itself: caches, circuit breakers, pools of connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceView>,
    /// How often somebody came over TCP without the token of the console; none where it does not listen there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned_away: Option<u64>,
    /// The last minute, a moment a second, oldest first, for whoever asks for it; nothing where an older system does not know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Moment>,
}

/// A few figures of a moment that has passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Turns taken until then.
    pub turns: u64,
    /// Crashes until then.
    pub crashes: u64,
    /// Dead letters until then.
    pub dead_letters: u64,
    /// Actors that had something in hand, if somebody looked then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<usize>,
    /// Messages queued, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<u64>,
}
