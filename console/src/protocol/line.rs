//! Lines: what a client says, what it is answered, and why it is refused.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What the client calls it.
    pub id: u64,
    /// One of [`VERBS`](super::VERBS).
    pub verb: String,
    /// What belongs to the verb; may be left out.
    #[serde(default)]
    pub args: Value,
}

/// One line to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response<T> {
    /// The request's; none if the request could not be read.
    pub id: Option<u64>,
    /// The answer.
    #[serde(flatten)]
    pub outcome: Outcome<T>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// With an answer.
    Ok(T),
    /// Without one.
    Error(Refusal),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// What kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The line is not a request.
    Malformed,
    /// The line is longer than allowed. The connection is closed.
    LineTooLong,
    /// The line took too long. The connection is closed.
    TooSlow,
    /// There was no request for too long. The connection is closed.
    Idle,
    /// There are as many connections as allowed, and all are in use. The connection is closed.
    TooManyConnections,
    /// Another connection needed the place of this one, which had been silent for longest. The connection is closed.
    Displaced,
    /// No such verb.
    UnknownVerb,
    /// The verb's arguments cannot be read.
    BadArguments,
    /// No such actor.
    NotFound,
    /// The answer would be longer than allowed.
    AnswerTooLong,
    /// The system has ended.
    SystemEnded,
    /// Another user may not do that.
    NotAllowed,
    /// That is done on the socket for actions alone.
    ReadOnly,
    /// The actor, or one that would end with it, is protected.
    Protected,
    /// The actor does not live just now: there is nothing to be done to it.
    NotLiving,
    /// More than may be at once: actors that are meant, or traces.
    TooMany,
    /// More actions than may be done in a minute.
    TooOften,
    /// It may use up the restarts that a supervisor is allowed, which would end it.
    Budget,
    /// The first line over TCP does not have the token. The connection is closed.
    WrongToken,
    /// No such watch.
    NoWatch,
    /// There are as many watches on this connection as allowed.
    TooManyWatches,
    /// No such plan: it was displaced by newer ones, or never was.
    NoPlan,
    /// That plan was committed already.
    PlanUsed,
    /// That plan is too old.
    PlanExpired,
    /// An actor is not the incarnation any more that was planned for. Nothing was done.
    Changed,
    /// The application has given the console nothing to do that with.
    Unsupported,
    /// The application could not do it.
    Failed,
    /// A number is beyond the limits, which the message says.
    BeyondLimits,
    /// Others look for patterns, too, and this search had not enough turns in time.
    Busy,
    /// The connection traces already.
    TracesAlready,
    /// The connection traces nothing.
    NoTrace,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
