//! Everybody at once: whether all take new work, and figures of all actors of a type.

use std::time::Duration;

use crashworthy_runtime::{Criticality, GateState, Lack, Law, State, millis};
use serde::{Deserialize, Serialize};

use super::{PoolView, Row, SourceView, SystemView, known};

/// The answer to `health`: whether everybody takes new work, and else who does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Nobody lacks what it needs or takes only what matters, and nobody is being started again, tripped, draining, suspended or stuck for a
    /// second; no pool stands still for that long, no critical source is down, and the system neither stops nor fails.
    pub ready: bool,
    /// The system stops: nobody takes new work, and nobody is to.
    #[serde(default)]
    pub stopping: bool,
    /// The system fails: the top of its tree has ended, or gives up, and nobody has asked for that. So it is in the dump that is left of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failing: bool,
    /// Critical [sources](crate::sources::Source::is_critical) that do not serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<SourceView>,
    /// Pools in which nobody gets on with what waits, since handlers block every thread that there may be: for a second or longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still: Vec<PoolView>,
    /// Why actors do not take new work, all of them and each reason once.
    #[serde(default)]
    pub because: Vec<Unwilling>,
    /// How many do not take new work.
    pub total: usize,
    /// The first of them by path.
    pub unready: Vec<Unready>,
}

/// Why an actor takes no new work, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unwilling {
    /// It is between two incarnations.
    Restarting,
    /// Its gate was tripped.
    Tripped,
    /// It drains: it is about to stop.
    Draining,
    /// It is suspended.
    Suspended,
    /// It lacks what it needs.
    Lacking,
    /// It takes only what matters.
    Choosy,
    /// It refuses, as stuck in what it has had in hand for a second or longer.
    Refusing,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An actor that takes no new work, for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unready {
    /// The actor.
    #[serde(flatten)]
    pub row: Row,
    /// What it needs and lacks.
    pub lacks: Vec<Lack>,
    /// It takes what matters at least so much, if nothing is missing.
    #[serde(default, deserialize_with = "known::one")]
    pub only: Option<Criticality>,
}

/// The answer to `metrics`: sums over all actors of a type, never a figure of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The system as a whole.
    pub system: SystemView,
    /// How many types of actors there are.
    pub total: usize,
    /// The first of them by name.
    pub kinds: Vec<KindMetrics>,
}

/// The figures of all actors of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindMetrics {
    /// The type.
    pub kind: String,
    /// How many are in which state.
    pub states: Vec<InState>,
    /// How many gates are what to new messages.
    #[serde(default)]
    pub gates: Vec<InGate>,
    /// Those that have something in hand.
    pub busy: usize,
    /// Messages queued and places promised.
    pub depth: u64,
    /// Restarts so far.
    pub restarts: u64,
    /// How their messages ended.
    pub law: Law,
    /// How often they refused.
    #[serde(deserialize_with = "known::list")]
    pub refusals: Vec<Refused>,
}

/// How many actors are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InState {
    /// The state.
    pub state: State,
    /// How many.
    pub actors: usize,
}

/// How many gates are so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InGate {
    /// What they are to new messages.
    pub gate: GateState,
    /// How many.
    pub actors: usize,
}

/// How often messages of one criticality were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The name of the reason; what was missing is not told apart.
    pub reason: String,
    /// How much the messages mattered.
    pub criticality: Criticality,
    /// How often.
    pub count: u64,
}
