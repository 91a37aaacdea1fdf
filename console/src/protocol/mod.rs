//! What goes over the socket: lines of JSON.
//!
//! ```text
//! ◀ {"hello":{"protocol":1,"system":"shop",…}}
//! ▶ {"id":1,"verb":"actors","args":{"sort":"depth","limit":3}}
//! ◀ {"id":1,"ok":{"at_ms":73001,"total":14,"matched":14,"rows":[…]}}
//! ▶ {"id":2,"verb":"actor","args":{"actor":"shop/till"}}
//! ◀ {"id":2,"error":{"code":"not_found","message":"no actor \"shop/till\""}}
//! ▶ {"id":3,"verb":"tree","args":{"pattern":"till-[0-9]+$","folded":[4294967298],"limit":50}}
//! ◀ {"id":3,"ok":{"at_ms":73050,"total":14,"matched":2,"lines":4,"nodes":[…]}}
//! ```
//! The server speaks first, but over TCP, where the client begins with its [token](Knock). A connection answers one request
//! after the other, in order; what is [watched](Watchable) is told between answers. Fields that are not known are ignored on
//! both sides; a verb that is not known is an error. Durations are in milliseconds and their names say so.

mod actions;
mod actor;
mod happened;
mod hello;
mod known;
mod line;
mod lists;
mod pools;
mod reports;
mod row;
mod sources;
mod state;
mod sums;
mod system;
mod trace;
mod watch;

pub use self::actions::{
    ACTION_VERBS, AuditEntry, AuditQuery, AuditResult, AuditView, AuditedPlan, CommitQuery, CommitView, Deed, LogLevel,
    Peer, PlanQuery, PlanView, Target,
};
pub use self::actor::{ActorQuery, ActorView, Tie, Ties};
pub use self::happened::{DeadLetters, DeadLettersQuery, Events, EventsQuery};
pub use self::hello::{Application, Greeting, Hello, Host, Knock};
pub use self::line::{Code, Outcome, Refusal, Request, Response};
pub use self::lists::{Actors, ActorsQuery, Filter, Node, Sort, TreeQuery, TreeView};
pub use self::pools::{PoolView, Pools, WorkerView};
pub use self::reports::{Crashes, CrashesQuery, ReportsQuery, ReportsView};
pub use self::row::{Doing, Row, Supervises};
pub use self::sources::SourceView;
pub use self::state::{ActorState, Seen};
pub use self::sums::{Health, InGate, InState, KindMetrics, Metrics, Refused, Unready, Unwilling};
pub use self::system::{Moment, SystemQuery, SystemView};
pub use self::trace::{TraceQuery, TraceView, Traced, Untraced};
pub use self::watch::{Frame, FrameQuery, News, Push, Rates, SeenBusy, Unwatch, WatchQuery, WatchView, Watchable};

/// The version of this protocol. It changes when an old client would misread a new server.
pub const PROTOCOL: u32 = 1;

/// Arguments that older servers do not know: of `actors`, `tree`, `watch` and `plan` the pattern that actors are to match, of `tree`
/// and `watch` what is folded, of `tree` the lines to leave out.
pub const KNOWS: [&str; 3] = ["pattern", "folded", "skip"];

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
