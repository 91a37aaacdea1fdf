//! What is told of a message.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pid::Pid;
use crate::report::{Sender, millis};

/// One message that was taken to be handled. In its serialised form every duration is in milliseconds and its name ends in `_ms`; it is
/// bounded as a [`CrashReport`](crate::CrashReport) is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// Its number in the trace: the first that was taken has 1.
    pub number: u32,
    /// When it was taken, by the [clock of the system](crate::System::now).
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The same by the clock on the wall as it was set then: since the beginning of 1970, in UTC, to a millisecond.
    #[serde(rename = "wall_ms", with = "millis")]
    pub wall: Duration,
    /// The incarnation that took it.
    pub pid: Pid,
    /// Where in its tree that is: the names from the top, with `/` between.
    pub path: Arc<str>,
    /// The actor's type.
    #[serde(default)]
    pub kind: Cow<'static, str>,
    /// The message's kind.
    pub message: Cow<'static, str>,
    /// The size of its type in bytes, what it points to aside.
    pub size: usize,
    /// How long it had been queued, to a millisecond or so. Unknown, and 0, of what has a place of its own: timers, pipes, messages to
    /// oneself.
    #[serde(rename = "age_ms", with = "millis")]
    pub age: Duration,
    /// Who sent it.
    pub from: Sender,
    /// Somebody waited for its answer.
    pub asked: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// From when it was taken to that; unknown while it is in hand.
    #[serde(default, rename = "took_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
}

/// How handling a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The trace ended first.
    InHand,
    /// The handler returned: it is handled, also by an actor that is done with it.
    Handled,
    /// The handler met a refusal, which ended the message, not the incarnation.
    Refused,
    /// The handler returned another error: the incarnation ends.
    Failed,
    /// It panicked.
    Panicked,
    /// The incarnation was ended while its handler awaited.
    Interrupted,
    /// The incarnation was abandoned; its handler has returned since.
    Abandoned,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Why a trace has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceEnd {
    /// As many messages as were asked for.
    Count,
    /// Its time had passed.
    Time,
    /// The system has gone.
    SystemGone,
    /// For a reason that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What was traced since somebody read last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRead {
    /// Messages whose handling ended, in that order; once the trace has ended also those that are still in hand.
    pub records: Vec<TraceRecord>,
    /// How many messages were taken and recorded so far.
    pub taken: u32,
    /// Those of them that are in hand.
    pub in_hand: u32,
    /// How many were not recorded so far, because the rate was used up.
    pub withheld: u64,
    /// How many records were lost so far, because they were not read in time.
    pub lost: u64,
    /// How many actors are watched.
    pub actors: usize,
    /// How many have started and are not, because there are as many as may be.
    pub left_out: u64,
    /// Why it has ended, if it has: nothing more comes.
    pub end: Option<TraceEnd>,
}
