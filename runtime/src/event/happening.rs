//! What may happen in a system.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dead_letter::Fallen;
use crate::error::Reason;
use crate::exit::{Callback, Crash, ExitReason};
use crate::pid::{ActorId, Pid};
use crate::report::{Budget, Judgement, millis};
use crate::waits::Cycle;

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happening {
    /// An incarnation begins: `init` will run.
    Begins {
        /// The actor's type.
        kind: Cow<'static, str>,
        /// Its parent.
        parent: Option<Pid>,
    },
    /// `init` has returned.
    Started,
    /// The incarnation has ended.
    Ends {
        /// Why.
        reason: ExitReason,
        /// Who was its parent.
        parent: Option<Pid>,
    },
    /// It has ended before it had started.
    StartFailed {
        /// Why.
        reason: ExitReason,
        /// Who was its parent.
        parent: Option<Pid>,
    },
    /// It crashed. Told when its parent has decided what happens now, as a [report](crate::CrashReport) is.
    Crashed {
        /// What is known of the crash.
        crash: Arc<Crash>,
        /// How often it had been started anew before.
        restarts: u32,
        /// What was decided.
        judgement: Judgement,
    },
    /// A supervisor gives up: one restart more than is allowed. What it decides of itself is its own parent's.
    GivesUp {
        /// What was used up.
        budget: Option<Budget>,
    },
    /// The gate begins to refuse for want of room or time.
    GateRefuses {
        /// Why it refused last.
        reason: Reason,
        /// How often so far.
        refused: u64,
        /// Messages queued and places promised.
        depth: u32,
        /// Messages the mailbox holds.
        limit: u32,
        /// How long a message would wait.
        #[serde(rename = "wait_ms", with = "millis")]
        wait: Duration,
    },
    /// It refuses no more.
    GateOpen {
        /// How often it did.
        refused: u64,
        /// From the first time that was seen to the last.
        #[serde(rename = "lasted_ms", with = "millis")]
        lasted: Duration,
    },
    /// The gate was [tripped](crate::System::trip): it takes nothing new.
    Tripped,
    /// It is no more.
    Untripped,
    /// It is [suspended](crate::System::suspend_for): it handles no more messages. What was said last counts.
    Suspended {
        /// For how long, if that was said.
        #[serde(default, rename = "within_ms", with = "millis::option", skip_serializing_if = "Option::is_none")]
        within: Option<Duration>,
    },
    /// It handles messages again: somebody said so, or its time was over. That its incarnation ends is told as that.
    Resumed,
    /// The actor and all below it [drain](crate::System::drain): they take no new work from others, and then stop.
    Drains {
        /// For how long at most.
        #[serde(rename = "within_ms", with = "millis")]
        within: Duration,
    },
    /// What is in hand takes longer than callers have.
    Stuck {
        /// The kind of the message in hand.
        message: Option<Cow<'static, str>>,
        /// Since when it is.
        #[serde(rename = "in_hand_ms", with = "millis")]
        in_hand: Duration,
        /// How many were refused for that so far.
        refused: u64,
        /// Messages queued and places promised.
        depth: u32,
    },
    /// It has something else in hand, or nothing.
    StuckNoMore {
        /// How many were refused for that.
        refused: u64,
        /// From the first to the last of them.
        #[serde(rename = "lasted_ms", with = "millis")]
        lasted: Duration,
    },
    /// Messages that were taken in are dropped unhandled: their deadlines have passed, or would have before they were done.
    Expires {
        /// How many so far.
        count: u64,
        /// Of those of all times, how many had not expired and were not worth beginning.
        not_begun_in_time: u64,
        /// Messages queued and places promised.
        depth: u32,
    },
    /// They are no more.
    ExpiresNoMore {
        /// How many were.
        count: u64,
        /// From the first to the last of them.
        #[serde(rename = "lasted_ms", with = "millis")]
        lasted: Duration,
    },
    /// A full mailbox is more work than callers wait for who name no time. Told once.
    BoundExceedsDeadline {
        /// Messages the mailbox holds.
        limit: u32,
        /// How long they would take.
        #[serde(rename = "takes_ms", with = "millis")]
        takes: Duration,
        /// How long such callers wait.
        #[serde(rename = "deadline_ms", with = "millis")]
        deadline: Duration,
    },
    /// No worker of a pool takes turns: rescuers do. About the system. Told once, and not again until workers have got on for a second,
    /// unless more actors are found to block them.
    WorkersBlocked {
        /// The pool: the system's name for its own, else that of the bulkhead.
        #[serde(default)]
        pool: Cow<'static, str>,
        /// Workers there are.
        workers: usize,
        /// Actors that were found to block them; 0: other tasks of the runtime do.
        actors: usize,
    },
    /// The bulkheads of the system have more threads than there are cores. Told once.
    PoolsExceedCores {
        /// Threads of the bulkheads together.
        threads: usize,
        /// How many run at a time.
        cores: usize,
    },
    /// A turn of this actor holds its thread for longer than [`Builder::blocked_after`](crate::Builder::blocked_after).
    Blocks {
        /// The callback that does not return.
        callback: Callback,
        /// The kind of the message in hand.
        message: Option<Cow<'static, str>>,
        /// For how long it was seen to, when that was told: it may take longer.
        #[serde(rename = "held_ms", with = "millis")]
        held: Duration,
    },
    /// It has blocked its thread again and again, and has one of its own from now on.
    Moved {
        /// How long the last such turn held the thread.
        #[serde(rename = "last_ms", with = "millis")]
        last: Duration,
    },
    /// The incarnation was abandoned: a turn of it does not return.
    Abandoned {
        /// The kind of the message in hand.
        message: Option<Cow<'static, str>>,
    },
    /// That turn has returned.
    Returned,
    /// Messages that nobody handled: those that fell together, as one.
    DeadLetters {
        /// Why they fell.
        why: Fallen,
        /// How many.
        count: u64,
        /// The kind of the first.
        message: Cow<'static, str>,
        /// Who had sent that.
        from: ActorId,
        /// How long it had been queued, to a millisecond or so.
        #[serde(rename = "age_ms", with = "millis")]
        age: Duration,
    },
    /// Actors would have waited for each other: the one that asked last was refused.
    CycleRefused {
        /// Who for whom.
        cycle: Cycle,
    },
    /// Something that actors need is missing. About the first that is told of it.
    DependencyDown {
        /// Its name.
        dependency: Cow<'static, str>,
        /// How many of the system need it.
        actors: usize,
    },
    /// It is back.
    DependencyUp {
        /// Its name.
        dependency: Cow<'static, str>,
        /// How many of the system need it.
        actors: usize,
    },
    /// Somebody who looks after the system has done something to it, or was not let.
    Acted(Acted),
    /// Something that the service has besides its actors is not as it was when somebody looked before.
    Source(SourceSeen),
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// What was done to a system from outside, by whom and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// What.
    pub verb: Cow<'static, str>,
    /// By whom, in the words of whoever tells it.
    pub by: String,
    /// Why, in theirs.
    pub reason: String,
    /// What became of it: `done`, or why it was refused.
    pub outcome: Cow<'static, str>,
    /// To how many actors it was done together: there is an event for each of the first 32.
    pub actors: usize,
}

/// How a cache, a circuit breaker, a pool of the service was found when somebody looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSeen {
    /// What sort of thing it is.
    pub sort: Cow<'static, str>,
    /// What it is called, among those of its sort.
    pub name: String,
    /// How it is, in a word or two.
    pub state: String,
    /// Whether it does what it is there for.
    pub serves: bool,
    /// How many changes have been seen since it was told of last: this one, and those that came too soon after others.
    pub changes: u64,
}

impl Happening {
    /// The names of all, as they are serialised.
    pub const NAMES: [&'static str; 30] = [
        "begins",
        "started",
        "ends",
        "start_failed",
        "crashed",
        "gives_up",
        "gate_refuses",
        "gate_open",
        "tripped",
        "untripped",
        "suspended",
        "resumed",
        "drains",
        "stuck",
        "stuck_no_more",
        "expires",
        "expires_no_more",
        "bound_exceeds_deadline",
        "workers_blocked",
        "pools_exceed_cores",
        "blocks",
        "moved",
        "abandoned",
        "returned",
        "dead_letters",
        "cycle_refused",
        "dependency_down",
        "dependency_up",
        "acted",
        "source",
    ];

    /// Its name, as it is serialised.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begins { .. } => "begins",
            Self::Started => "started",
            Self::Ends { .. } => "ends",
            Self::StartFailed { .. } => "start_failed",
            Self::Crashed { .. } => "crashed",
            Self::GivesUp { .. } => "gives_up",
            Self::GateRefuses { .. } => "gate_refuses",
            Self::GateOpen { .. } => "gate_open",
            Self::Tripped => "tripped",
            Self::Untripped => "untripped",
            Self::Suspended { .. } => "suspended",
            Self::Resumed => "resumed",
            Self::Drains { .. } => "drains",
            Self::Stuck { .. } => "stuck",
            Self::StuckNoMore { .. } => "stuck_no_more",
            Self::Expires { .. } => "expires",
            Self::ExpiresNoMore { .. } => "expires_no_more",
            Self::BoundExceedsDeadline { .. } => "bound_exceeds_deadline",
            Self::WorkersBlocked { .. } => "workers_blocked",
            Self::PoolsExceedCores { .. } => "pools_exceed_cores",
            Self::Blocks { .. } => "blocks",
            Self::Moved { .. } => "moved",
            Self::Abandoned { .. } => "abandoned",
            Self::Returned => "returned",
            Self::DeadLetters { .. } => "dead_letters",
            Self::CycleRefused { .. } => "cycle_refused",
            Self::DependencyDown { .. } => "dependency_down",
            Self::DependencyUp { .. } => "dependency_up",
            Self::Acted(_) => "acted",
            Self::Source(_) => "source",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is told only while somebody [attends](crate::System::attend_events).
    pub fn is_lifecycle(&self) -> bool {
        matches!(self, Self::Begins { .. } | Self::Started | Self::Ends { .. })
    }
}
