//! One actor, as lists and trees tell it.

use std::time::Duration;

use crashworthy_runtime::{Budget, Callback, GateState, Pid, State, millis};
use crashworthy_supervisor::{Flags, MemberKind, SupervisorInfo};
use serde::{Deserialize, Serialize};

use super::{Rates, known};

/// One actor in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The incarnation that was started last.
    pub pid: Pid,
    /// The names from the top, with `/` between; of an actor without a name its id.
    pub path: String,
    /// A name that it has registered and is not the last of its path: of children of a dynamic supervisor, who have numbers,
    /// that tells more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<String>,
    /// The actor's type.
    pub kind: String,
    /// Where it is in its life.
    pub state: State,
    /// What its gate is to new messages.
    #[serde(default, skip_serializing_if = "is_open")]
    pub gate: GateState,
    /// What it does now.
    pub doing: Option<Doing>,
    /// Messages queued and places promised.
    pub depth: u32,
    /// Messages its mailbox would hold.
    pub limit: u32,
    /// How long ago its oldest message was sent, the one in hand included; nothing if it has none. Of several, it is the one that
    /// comes next.
    #[serde(default, rename = "oldest_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Duration>,
    /// That is what it is at the least: none is in hand, and for so long messages were seen to wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oldest_at_least: bool,
    /// How often it was started anew.
    pub restarts: u32,
    /// Messages taken in so far.
    pub accepted: u64,
    /// Messages handled so far.
    pub handled: u64,
    /// Messages that were in hand at a crash.
    pub given_up: u64,
    /// Messages that were queued when the slot was emptied.
    pub undelivered: u64,
    /// How often it refused.
    #[serde(default)]
    pub refused: u64,
    /// How many are below it, directly.
    pub children: usize,
    /// After what time it is expected back, if it is being restarted or is suspended, and that is known.
    #[serde(default, rename = "back_in_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub back_in: Option<Duration>,
    /// How it restarts those below it, if it is a supervisor that lives.
    #[serde(default, deserialize_with = "known::one", skip_serializing_if = "Option::is_none")]
    pub supervises: Option<Supervises>,
    /// What it did in a second. A system does not say that: whoever [watches](super::Watchable) it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

/// What most gates are is not said.
fn is_open(gate: &GateState) -> bool {
    *gate == GateState::Open
}

/// How a supervisor restarts, and how much of that is left to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Supervises {
    /// Its settings.
    #[serde(flatten)]
    pub flags: Flags,
    /// What kind of children it has.
    pub members: MemberKind,
    /// How many restarts count now, of how many that are allowed in which time.
    pub budget: Budget,
    /// All of it in words.
    pub text: String,
}

impl From<SupervisorInfo> for Supervises {
    fn from(info: SupervisorInfo) -> Self {
        let text = info.to_string();
        let SupervisorInfo { flags, members, budget, .. } = info;
        Self { flags, members, budget, text }
    }
}

/// What an actor does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doing {
    /// The callback that runs or awaits.
    pub callback: Option<Callback>,
    /// The kind of the message in hand.
    pub message: Option<String>,
    /// A thread runs it: it works, or blocks that thread. Else it awaits.
    #[serde(default)]
    pub on_thread: bool,
    /// Since when, to a millisecond or so.
    #[serde(rename = "for_ms", with = "millis")]
    pub since: Duration,
    /// The path of another actor whose answer it waits for, or room with it, and for nothing else as far as is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}
