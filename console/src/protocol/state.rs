//! What an actor shows of its state.

use std::time::Duration;

use crashworthy_runtime::{Pid, StateView, ViewError, millis};
use serde::{Deserialize, Serialize};

/// The answer to `state`, whose arguments are those of `actor`: what the actor shows of its state. It is the one answer that the
/// actor makes itself, between two messages; one that has no turn for it within [`Limits::state_within`](crate::Limits::state_within) is told as busy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorState {
    /// When it was asked, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The incarnation that was asked.
    pub pid: Pid,
    /// Its path.
    pub path: String,
    /// The actor's type.
    pub kind: String,
    /// What it shows, or why it does not.
    #[serde(flatten)]
    pub seen: Seen,
}

/// What is seen of an actor's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// What its author shows; nothing, if he has not said what may be seen.
    State(StateView),
    /// Why nothing is seen.
    Unseen(ViewError),
}
