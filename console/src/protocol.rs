//! What goes over the socket: lines of JSON.
//!
//! ```text
//! ◀ {"hello":{"protocol":1,"system":"shop",…}}
//! ▶ {"id":1,"verb":"actors","args":{"sort":"depth","limit":3}}
//! ◀ {"id":1,"ok":{"at_ms":73001,"total":14,"matched":14,"rows":[…]}}
//! ▶ {"id":2,"verb":"actor","args":{"actor":"shop/till"}}
//! ◀ {"id":2,"error":{"code":"not_found","message":"no actor \"shop/till\""}}
//! ```
//! The server speaks first, but over TCP, where the client begins with its [token](Knock). A connection answers one request after the other, in order; what is [watched](Watchable) is told
//! between answers. Fields that are not known are
//! ignored on both sides; a verb that is not known is an error. Durations are in milliseconds and their names say so.

mod actions;
mod happened;
mod state;
mod trace;
mod watch;

use std::fmt;
use std::time::Duration;

use crashworthy_runtime::{
    Budget, Callback, CrashReport, Criticality, GateState, Lack, Law, Pid, Refusals, State, millis,
};
use crashworthy_supervisor::{Flags, MemberKind, ReportCounts, SupervisorInfo, SupervisorReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::actions::{
    ACTION_VERBS, AuditEntry, AuditQuery, AuditResult, AuditView, AuditedPlan, CommitQuery, CommitView, Deed, LogLevel,
    Peer, PlanQuery, PlanView, Target,
};
pub use self::happened::{DeadLetters, DeadLettersQuery, Events, EventsQuery};
pub use self::state::{ActorState, Seen};
pub use self::trace::{TraceQuery, TraceView, Traced, TracedMessage, Untraced};
pub use self::watch::{Frame, FrameQuery, News, Push, Rates, SeenBusy, Unwatch, WatchQuery, WatchView, Watchable};
use crate::limits::Limits;

/// The version of this protocol. It changes when an old client would misread a new server.
pub const PROTOCOL: u32 = 1;

/// What can be asked.
pub const VERBS: [&str; 19] = [
    "hello",
    "system",
    "tree",
    "actors",
    "actor",
    "state",
    "crashes",
    "reports",
    "events",
    "dead_letters",
    "trace",
    "traced",
    "untrace",
    "health",
    "metrics",
    "audit",
    "watch",
    "frame",
    "unwatch",
];

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

/// One line from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What the client calls it.
    pub id: u64,
    /// One of [`VERBS`].
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

/// The first line to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greeting {
    /// Who is there.
    pub hello: Hello,
}

/// Who is there, and what it can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The version of this crate.
    pub version: String,
    /// What the client may do: `read_only`, or `read_write` on the socket for actions.
    pub role: String,
    /// The system's name.
    pub system: String,
    /// The process.
    pub process: u32,
    /// [`VERBS`], and [`ACTION_VERBS`] on the socket for actions.
    pub verbs: Vec<String>,
    /// The limits in force.
    pub limits: Limits,
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
    /// There are as many connections as allowed. The connection is closed.
    TooManyConnections,
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

/// The answer to `system`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemView {
    /// The system's name.
    pub name: String,
    /// The process.
    pub process: u32,
    /// When it was, by the clock of the system; how long that has run.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Actors: slots that are held, ended ones among them.
    pub actors: usize,
    /// Those of them that have something in hand.
    pub busy: usize,
    /// Messages queued, and places promised, in all mailboxes.
    pub queued: u64,
    /// Crashes so far.
    pub crashes: u64,
    /// Reports of supervisors so far.
    pub reports: ReportCounts,
    /// Reports that were withheld from the log.
    pub reports_withheld: u64,
    /// Dead letters so far.
    pub dead_letters: u64,
    /// Abandoned incarnations whose turns still block a thread.
    pub stragglers: Vec<Pid>,
    /// Timers that are armed.
    pub timers: usize,
    /// Names that are taken.
    pub names: usize,
    /// Memberships of process groups.
    pub memberships: usize,
    /// Actors that wait for a turn, and pumps that are not idle.
    pub runnable: usize,
    /// Turns taken so far.
    pub turns: u64,
}

/// One actor in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The incarnation that was started last.
    pub pid: Pid,
    /// The names from the top, with `/` between; of an actor without a name its id.
    pub path: String,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervises: Option<Supervises>,
    /// What it did in a second. A system does not say that: whoever [watches](Watchable) it does.
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

/// The arguments of `actors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActorsQuery {
    /// Which ones; all that match.
    #[serde(flatten)]
    pub filter: Filter,
    /// Which come first.
    pub sort: Sort,
    /// How many at most.
    pub limit: Option<usize>,
}

/// Which actors. What is not said matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// A part of the path or the kind.
    pub text: Option<String>,
    /// This actor and those below it, by path.
    pub under: Option<String>,
    /// Those in this state.
    pub state: Option<State>,
    /// Those that have begun and not ended, and whose gates are not open.
    pub shut: bool,
    /// Those with at least so many messages queued.
    pub min_depth: u32,
    /// Those that have something in hand.
    pub busy: bool,
}

/// Which actors come first: the largest; equals in the order of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Messages queued.
    #[default]
    Depth,
    /// How long the callback that runs has run.
    InHand,
    /// Messages handled.
    Handled,
    /// Restarts.
    Restarts,
    /// Messages given up or undelivered.
    Lost,
    /// As in the tree.
    Path,
}

/// The answer to `actors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actors {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there are.
    pub total: usize,
    /// How many of them match.
    pub matched: usize,
    /// The first of those.
    pub rows: Vec<Row>,
}

/// The arguments of `tree`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TreeQuery {
    /// This actor and those below it; everybody if it is left out.
    pub path: Option<String>,
    /// How many levels at most.
    pub levels: Option<usize>,
    /// How many at most.
    pub limit: Option<usize>,
}

/// The answer to `tree`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there are below the path, whether they are told or not.
    pub total: usize,
    /// Parents before their children, siblings by name.
    pub nodes: Vec<Node>,
}

/// One actor in a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// How many are above it, up to the top of what was asked for.
    pub level: usize,
    /// The actor.
    #[serde(flatten)]
    pub row: Row,
}

/// The arguments of `actor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorQuery {
    /// Its path, its name if only one has it, or its id.
    pub actor: String,
}

/// The answer to `actor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The actor.
    #[serde(flatten)]
    pub row: Row,
    /// The slot's name.
    pub name: Option<String>,
    /// How its messages ended.
    pub law: Law,
    /// How often it refused, and why.
    #[serde(default)]
    pub refusals: Refusals,
    /// Exit signals and `Down`s that wait to be read.
    pub signals: usize,
    /// Its parent.
    pub parent: Option<Tie>,
    /// Whom it is linked with.
    pub links: Ties,
    /// Whom it monitors.
    pub monitors: Ties,
    /// Who monitors it.
    pub watchers: Ties,
    /// Who is below it.
    pub below: Ties,
}

/// Others that an actor has to do with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ties {
    /// How many.
    pub total: usize,
    /// The first of them.
    pub first: Vec<Tie>,
}

/// One of those.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tie {
    /// Who.
    pub pid: Pid,
    /// Its path, if it is still there; none for who is not an actor.
    pub path: Option<String>,
}

/// The arguments of `crashes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashesQuery {
    /// Of this actor and those below it, by path.
    pub under: Option<String>,
    /// Of this incarnation: there is one at most.
    pub of: Option<Pid>,
    /// Without backtraces, which are most of a report.
    pub brief: bool,
    /// The newest so many; 20 if it is left out.
    pub limit: Option<usize>,
}

/// The answer to `crashes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crashes {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there were.
    pub total: u64,
    /// How many of the reports that are kept match.
    pub matched: usize,
    /// The newest of those, oldest first.
    pub reports: Vec<CrashReport>,
}

/// The arguments of `reports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportsQuery {
    /// Of this supervisor and those below it, by path.
    pub under: Option<String>,
    /// Reports of progress instead of errors.
    pub progress: bool,
    /// The newest so many; 20 if it is left out.
    pub limit: Option<usize>,
}

/// The answer to `reports`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportsView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there were.
    pub counts: ReportCounts,
    /// How many of the reports that are kept match.
    pub matched: usize,
    /// The newest of those, oldest first.
    pub reports: Vec<SupervisorReport>,
}

/// The answer to `health`: whether everybody takes new work, and else who does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Nobody lacks what it needs or takes only what matters, and nobody is being started again, tripped, draining or suspended.
    pub ready: bool,
    /// How many do not take new work.
    pub total: usize,
    /// The first of them by path.
    pub unready: Vec<Unready>,
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
