//! What can be done: plans, commits, and the record of them.
//!
//! ```text
//! ▶ {"id":1,"verb":"plan","args":{"do":"kill","actors":["shop/till"]}}
//! ◀ {"id":1,"ok":{"nonce":"9f2c…","valid_ms":30000,"effect":["kill shop/till <3.1#2>, …",…],…}}
//! ▶ {"id":2,"verb":"commit","args":{"nonce":"9f2c…","reason":"it hangs"}}
//! ◀ {"id":2,"ok":{"do":"kill","targets":[…],"audited":true,…}}
//! ```

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crashworthy_runtime::{Pid, State, millis};
use serde::{Deserialize, Serialize};

use super::{Code, Filter, known};

/// What is answered on the socket for actions alone.
pub const ACTION_VERBS: [&str; 2] = ["plan", "commit"];

/// What is to be done to an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Deed {
    /// It is asked to stop, in order and without a time limit. A permanent child is started again by its supervisor.
    Stop,
    /// It is killed: no callback of it runs any more.
    Kill,
    /// It is asked to stop as if it had failed: a permanent or transient child is started again by its supervisor.
    Restart,
    /// It handles no more messages for a while. Signals, a stop and a kill among them, it reads all the same.
    Suspend {
        /// For how long. The console ends it then, whether its client is still there or not.
        #[serde(rename = "for_ms", with = "millis", default = "a_minute")]
        span: Duration,
    },
    /// It handles messages again.
    Resume,
    /// Its mailbox holds so many messages from now on. What is queued beyond that stays queued.
    Limit {
        /// How many.
        capacity: u32,
    },
    /// It and those below it take no new work from others, finish what is queued, and then stop as by [`Stop`](Self::Stop). Of
    /// the top of the tree, which nothing else ends: the system drains and stops, as on SIGTERM.
    Drain {
        /// For how long at most. What is not finished then is stopped all the same.
        #[serde(rename = "within_ms", with = "millis", default = "half_a_minute")]
        within: Duration,
    },
    /// Its gate refuses all new messages, until somebody untrips it. What is queued is handled.
    Trip,
    /// Its gate takes messages again.
    Untrip,
    /// The application logs so much from now on. That is done to no actor.
    LogLevel {
        /// How much.
        level: LogLevel,
    },
}

/// How much is logged: what is so important, and all that is more so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What may be wrong.
    Warn,
    /// What is worth knowing.
    Info,
    /// What helps to find a fault.
    Debug,
    /// All there is.
    Trace,
}

impl LogLevel {
    /// Its name, as on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Deed {
    /// Its name, as on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Suspend { .. } => "suspend",
            Self::Resume => "resume",
            Self::Limit { .. } => "limit",
            Self::Drain { .. } => "drain",
            Self::Trip => "trip",
            Self::Untrip => "untrip",
            Self::LogLevel { .. } => "log_level",
        }
    }

    /// Whether the incarnation ends, and with it those below it.
    pub fn ends(self) -> bool {
        matches!(self, Self::Stop | Self::Kill | Self::Restart | Self::Drain { .. })
    }

    /// Whether it takes back what another one did: nobody is protected from that.
    pub fn takes_back(self) -> bool {
        matches!(self, Self::Resume | Self::Untrip)
    }

    /// Whether it is done to the slot, and so also while that waits for its next incarnation.
    pub fn is_to_slot(self) -> bool {
        matches!(self, Self::Trip | Self::Untrip)
    }

    /// Whether it is done to actors.
    pub fn is_to_actors(self) -> bool {
        !matches!(self, Self::LogLevel { .. })
    }

    /// Whether it takes something away from whoever uses the system: only so many of these are done in a minute.
    pub fn is_destructive(self) -> bool {
        self.ends() || matches!(self, Self::Suspend { .. } | Self::Trip)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspend { span } => write!(f, "suspend for {span:?}"),
            Self::Limit { capacity } => write!(f, "limit to {capacity} messages"),
            Self::Drain { within } => write!(f, "drain within {within:?}"),
            Self::LogLevel { level } => write!(f, "log level {level}"),
            _ => f.write_str(self.name()),
        }
    }
}

/// How long a suspension lasts unless told otherwise.
fn a_minute() -> Duration {
    Duration::from_secs(60)
}

/// How long a drain lasts at most unless told otherwise.
fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

/// A console that does not say so tells of all as if they counted.
fn yes() -> bool {
    true
}

/// The arguments of `plan`: what is to be done, and to whom. Either actors are named, or all that match are meant; none of it if it
/// is done to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanQuery {
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
    /// To these: paths, names that only one has, ids, or pids.
    #[serde(default)]
    pub actors: Vec<String>,
    /// To all that match and live. Those that are protected are left out. A field that is not known is refused: left out of account it
    /// would mean more actors.
    #[serde(default, deserialize_with = "known::whole_filter")]
    pub matching: Option<Filter>,
    /// Although it may use up a restart budget.
    #[serde(default)]
    pub force: bool,
}

/// The answer to `plan`. Nothing has been done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// What `commit` is to be told.
    pub nonce: String,
    /// How long it may be.
    #[serde(rename = "valid_ms", with = "millis")]
    pub valid: Duration,
    /// What would be done.
    #[serde(flatten)]
    pub deed: Deed,
    /// To how many actors.
    pub total: usize,
    /// To whom.
    pub targets: Vec<Target>,
    /// How many actors would end, those below the targets included.
    pub ends: usize,
    /// What would come of it, in words and numbers: what is known, and what is not.
    pub effect: Vec<String>,
    /// Whether it is one of those of which there may be so many in a minute.
    #[serde(default = "yes")]
    pub counts: bool,
    /// How many more of those there may be just now. Of a deed that is none of them that says nothing.
    pub left: u32,
}

/// An incarnation that something is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which.
    pub pid: Pid,
    /// Its path.
    pub path: String,
    /// Its type.
    pub kind: String,
    /// Where it was in its life.
    pub state: State,
}

/// The arguments of `commit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitQuery {
    /// From the plan. It is good for one commit, whatever comes of that.
    pub nonce: String,
    /// Why, in a line: for the audit, and for the reports of supervisors.
    pub reason: String,
}

/// The answer to `commit`: it was done. What comes of it is to be seen in snapshots and reports; nobody waits for that here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
    /// To whom.
    pub targets: Vec<Target>,
    /// Whether the file of the audit has it.
    pub audited: bool,
}

/// Who did it: as the kernel says of the other end of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The process, where it is known.
    pub process: Option<i32>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(process) => write!(f, "uid {} (process {process})", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

/// One line of the audit: a commit, or somebody who was turned away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When it was, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The system.
    pub system: String,
    /// Its process.
    pub process: u32,
    /// Who did it.
    pub peer: Peer,
    /// What, and to whom; none if nothing was planned.
    pub plan: Option<AuditedPlan>,
    /// Why, in the words of who did it.
    pub reason: String,
    /// What became of it.
    pub result: AuditResult,
}

/// What was to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditedPlan {
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
    /// To whom.
    pub targets: Vec<Target>,
    /// What was said that would come of it.
    pub effect: Vec<String>,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    /// It was done.
    Done,
    /// It was refused, and nothing was done.
    Refused(Code),
}

/// The arguments of `audit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    /// The newest so many; 20 if it is left out.
    pub limit: Option<usize>,
}

/// The answer to `audit`: what was done through this console since it began. The file has more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Where the file is, once there is something in it; none where nothing can be done.
    pub file: Option<PathBuf>,
    /// How many entries there were.
    pub total: u64,
    /// How many of them could not be written to the file.
    pub unwritten: u64,
    /// Commits that named no plan: a nonce that was used, displaced, or made up. They are counted and not entered.
    pub forged: u64,
    /// The newest entries, oldest first.
    #[serde(deserialize_with = "super::known::list")]
    pub entries: Vec<AuditEntry>,
}
