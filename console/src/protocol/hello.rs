//! The beginning of a connection: who knocks, and who is there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// The first line from a client over TCP, before it is told anything: what it knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// The [token](crate::Token) of the console.
    pub token: String,
}

impl fmt::Debug for Knock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Knock(..)")
    }
}

/// The first line to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greeting {
    /// Who is there.
    pub hello: Hello,
}

/// Who is there, and what it can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// The version of this crate.
    pub version: String,
    /// What the client may do: `read_only`, or `read_write` on the socket for actions.
    pub role: String,
    /// The system's name.
    pub system: String,
    /// The process.
    pub process: u32,
    /// [`VERBS`](super::VERBS), and [`ACTION_VERBS`](super::ACTION_VERBS) on the socket for actions.
    pub verbs: Vec<String>,
    /// The limits in force.
    pub limits: Limits,
}
