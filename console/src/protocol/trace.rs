//! Messages that are traced.

use std::time::Duration;

use crashworthy_runtime::{TraceEnd, TraceRecord, millis};
use serde::{Deserialize, Serialize};

/// The arguments of `trace`: what is to be traced from now on, for this connection. Count, rate and time have to be said, within
/// [`Limits::trace`](crate::Limits::trace). A connection has one trace at a time; it ends by itself, with `untrace`, and with the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceQuery {
    /// Which actors: see [`TraceSpec::whom`](crashworthy_runtime::TraceSpec::whom).
    pub actors: Vec<String>,
    /// Which kinds of message: see [`TraceSpec::messages`](crashworthy_runtime::TraceSpec::messages).
    pub messages: Vec<String>,
    /// How many messages at most.
    pub count: Option<u32>,
    /// How many in any one second at most.
    pub rate: Option<u32>,
    /// For how long at most.
    #[serde(rename = "within_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// The answer to `trace`: it has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many actors match now. Those that start later and match are traced, too.
    pub actors: usize,
}

/// The answer to `traced`: what was traced since that was asked last, without waiting for more. A system keeps 256 records for
/// whoever traces, of 100 a second at most: whoever asks once a second loses none, ten times a second is soon enough for eyes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Messages whose handling ended, in that order; at the end also those that are still in hand.
    pub records: Vec<TraceRecord>,
    /// How many messages were taken and recorded so far.
    pub taken: u32,
    /// Those of them that are in hand.
    pub in_hand: u32,
    /// How many were not recorded so far, because the rate was used up.
    pub withheld: u64,
    /// How many records were lost so far, because they were not asked for in time, or were too long for an answer.
    pub lost: u64,
    /// How many actors are watched.
    pub actors: usize,
    /// How many have started and are not, because there are as many as may be.
    pub left_out: u64,
    /// Why it has ended, if it has: nothing more comes.
    pub end: Option<TraceEnd>,
}

/// The answer to `untrace`: what there was, if there was a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untraced {
    /// How many messages were taken and recorded.
    pub taken: u32,
    /// How many were not recorded, because the rate was used up.
    pub withheld: u64,
    /// How many records nobody has read.
    pub lost: u64,
}
