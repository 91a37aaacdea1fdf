//! The beginning of a connection: who knocks, and who is there.

use std::fmt;
use std::net::IpAddr;

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
    /// The version of the runtime, whose parts have one version.
    pub version: String,
    /// What the client may do: `read_only`, or `read_write` on the socket for actions.
    pub role: String,
    /// The system's name.
    pub system: String,
    /// The process.
    pub process: u32,
    /// [`VERBS`](super::VERBS), and [`ACTION_VERBS`](super::ACTION_VERBS) on the socket for actions.
    pub verbs: Vec<String>,
    /// [`KNOWS`](super::KNOWS): arguments that it heeds; an older server leaves out of account what it does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knows: Vec<String>,
    /// The limits in force.
    pub limits: Limits,
    /// What the service says it is; none if it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Application>,
    /// Where it runs; none where an older server does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// When the system was started, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_unix_ms: Option<u64>,
}

impl Hello {
    /// Whether it heeds that argument, one of [`KNOWS`](super::KNOWS).
    pub fn knows(&self, argument: &str) -> bool {
        self.knows.iter().any(|known| known == argument)
    }
}

/// What a service says it is.
///
/// # Examples
/// ```
/// let shop = crashworthy_console::Application {
///     name: env!("CARGO_PKG_NAME").to_owned(),
///     version: env!("CARGO_PKG_VERSION").to_owned(),
///     // Whoever builds it knows.
///     commit: option_env!("GIT_COMMIT").map(str::to_owned),
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// The commit that it was built from.
    #[serde(default)]
    pub commit: Option<String>,
}

/// The machine that a system runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, where the kernel tells it.
    #[serde(default)]
    pub name: Option<String>,
    /// The first 32 of its addresses, but for those that only it can reach.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}
