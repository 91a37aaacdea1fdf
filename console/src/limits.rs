//! Every limit of the inspector, in one place.
//!
//! What is counted in or of the system itself is bounded where it is kept: a view of an actor's state (64 KiB, 16 levels deep) in
//! `runtime/src/view/mod.rs`, how long it is waited for here; what an actor keeps of its past in `runtime/src/crash.rs`; the rings of
//! events, crashes and dead letters in `runtime/src/event/log.rs`, `runtime/src/report/` and `runtime/src/letters.rs`, those of supervisors' reports in
//! `supervisor/src/book.rs`. The web's are in `web/src/limits.rs`.

use std::time::Duration;

use crashworthy_runtime::{TraceSpec, millis};
use serde::{Deserialize, Serialize};

use crate::actions::ActionLimits;
use crate::traces::TraceLimits;

/// Rows of an answer, whatever the limits say.
pub(crate) const ROWS: usize = 10_000;

/// Bytes of a pattern that actors are to match.
pub(crate) const PATTERN: usize = 256;

/// How long it is looked for one, of however many actors, for one answer. A hundred thousand take a tenth of a second, of a pattern
/// of the usual sort.
pub(crate) const SEARCH: Duration = Duration::from_millis(500);

/// How much of that is done at once, while everybody else waits.
pub(crate) const SLICE: Duration = Duration::from_millis(10);

/// How long a search may take with those of others in between. The command line waits for five seconds.
pub(crate) const SEARCH_WITHIN: Duration = Duration::from_secs(4);

/// Searches that take turns. When there is one more, whoever has looked for longest lately is told that too many look.
pub(crate) const SEARCHES: usize = 32;

/// Branches of a tree that may be folded.
pub(crate) const FOLDED: usize = 1_000;

/// Places for those who have just come, for each of those who stay.
pub(crate) const NEWCOMERS: usize = 8;

/// Requests that one of them may make before he needs a place to stay, where there is none.
pub(crate) const FEW: u32 = 32;

/// Requests after which one of them who is answered makes way at once, where others wait: what most commands ask fits in.
pub(crate) const BRIEF: u32 = 3;

/// Places for those who have just come, beside so many who stay.
pub(crate) fn newcomers(stay: usize) -> usize {
    stay * NEWCOMERS
}

/// What a client may use up at most. The limits in force are in the first frame a client reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Connections that stay, on each socket and on TCP. Beside them there are eight times as many places for those who have just come, so
    /// that one more client with a few questions, 32 at the most, always gets in; whoever asks more, or watches, stays, in place of
    /// whoever stays and has been silent for longest, of two seconds at least (those who watch last; who takes frames is not silent), or,
    /// if he watches, of somebody who only asks; or is told that there are too many. What is no question earns no place to stay. When the other places are all taken, too, whoever has said nothing there for longest makes way for the next
    /// ([`Displaced`](crate::protocol::Code::Displaced)), and at once, or with the next thing he asks, whoever has had three answers, or one and half a second; who is
    /// being answered is left alone, unless he takes nothing of an answer that does not fit the buffer of his socket. On TCP those who
    /// have not shown the token yet have as many places of their own as those who have just come, where whoever has been there for
    /// longest makes way, too.
    pub connections: usize,
    /// Bytes of a request, its line feed included.
    pub line: usize,
    /// Bytes of an answer. A longer one is an error that says so.
    pub answer: usize,
    /// Rows of an answer: actors, nodes of the tree, reports.
    pub rows: usize,
    /// Lists that one connection may watch.
    #[serde(default = "watches")]
    pub watches: usize,
    /// Requests of one connection in a second. Those beyond are not read before their time has come.
    pub requests: u32,
    /// How long an actor that is asked for its state may take to have a turn for it.
    #[serde(rename = "state_within_ms", with = "millis", default = "state_within")]
    pub state_within: Duration,
    /// How long a request may take from its first byte to its line feed.
    #[serde(rename = "line_within_ms", with = "millis")]
    pub line_within: Duration,
    /// How long a client may take to read an answer.
    #[serde(rename = "read_within_ms", with = "millis")]
    pub read_within: Duration,
    /// How long a connection may stay without a request, unless it is sent frames of what it watches.
    #[serde(rename = "idle_ms", with = "millis")]
    pub idle: Duration,
    /// What may be done to the system.
    #[serde(default)]
    pub actions: ActionLimits,
    /// How much may be traced.
    #[serde(default)]
    pub trace: TraceLimits,
}

/// What is said of it by a server that does not know it.
fn watches() -> usize {
    4
}

/// The same.
fn state_within() -> Duration {
    Duration::from_millis(250)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8,
            line: 64 * 1024,
            answer: 1024 * 1024,
            rows: 500,
            watches: watches(),
            requests: 50,
            state_within: state_within(),
            line_within: Duration::from_secs(10),
            read_within: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            actions: ActionLimits::default(),
            trace: TraceLimits::default(),
        }
    }
}

impl Limits {
    /// What is out of range, if something is: the text names it, its value and the range.
    pub(crate) fn fault(&self) -> Option<String> {
        let numbers = [
            ("connections", self.connections, 1..=64),
            ("bytes of a line", self.line, 256..=1024 * 1024),
            ("bytes of an answer", self.answer, 4096..=16 * 1024 * 1024),
            ("rows", self.rows, 1..=ROWS),
            ("watches", self.watches, 1..=16),
            ("requests a second", self.requests as usize, 1..=1_000),
        ];
        let number = numbers
            .into_iter()
            .chain(self.actions.numbers())
            .chain(self.trace.numbers())
            .find(|(_, value, range)| !range.contains(value))
            .map(|(what, value, range)| {
                format!("console: {value} {what}, allowed are {} to {}", range.start(), range.end())
            });
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(3600));
        let times = [
            ("a request", self.line_within),
            ("reading an answer", self.read_within),
            ("idleness", self.idle),
            ("a view of an actor's state", self.state_within),
        ];
        let time = times.into_iter().chain(self.actions.times()).find(|(_, value)| !(least..=most).contains(value));
        let (within, longest) = (self.trace.within, TraceSpec::WITHIN);
        let trace = (!(least..=longest).contains(&within))
            .then(|| format!("console: {within:?} for a trace, allowed are {least:?} to {longest:?}"));
        number
            .or(trace)
            .or(time.map(|(what, value)| format!("console: {value:?} for {what}, allowed are {least:?} to {most:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_out_of_range_is_named_with_its_value_and_range() {
        assert_eq!(Limits::default().fault(), None);
        let none = Limits { connections: 0, ..Limits::default() };
        assert_eq!(none.fault().as_deref(), Some("console: 0 connections, allowed are 1 to 64"));
        let plans = ActionLimits { plans: 0, ..ActionLimits::default() };
        let none = Limits { actions: plans, ..Limits::default() };
        assert_eq!(none.fault().as_deref(), Some("console: 0 plans, allowed are 1 to 1000"));
        let trace = TraceLimits { count: 1_001, ..TraceLimits::default() };
        let more = Limits { trace, ..Limits::default() };
        assert_eq!(more.fault().as_deref(), Some("console: 1001 messages of a trace, allowed are 1 to 1000"));
        let trace = TraceLimits { within: Duration::from_secs(61), ..TraceLimits::default() };
        let longer = Limits { trace, ..Limits::default() };
        assert_eq!(longer.fault().as_deref(), Some("console: 61s for a trace, allowed are 10ms to 60s"));
        let never = Limits { idle: Duration::ZERO, ..Limits::default() };
        assert_eq!(never.fault().as_deref(), Some("console: 0ns for idleness, allowed are 10ms to 3600s"));
    }
}
