//! What a supervisor does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{CallId, ChildKey};
use crate::child_spec::{ChildSpec, Kind, Restart, Rule};
use crate::report::Report;

/// Something to carry out now, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<P, R> {
    /// Start this child. Answered by `Started`, `Ignored` or `StartFailed`; until then no step is taken.
    Start {
        /// The child.
        child: ChildKey,
        /// How often it was to be started under this key, from 1; failed and ignored starts count.
        attempt: u64,
    },
    /// Monitor this incarnation. Answered by `Down`, also when it is dead already.
    Monitor {
        /// The child's life.
        pid: P,
    },
    /// Send an exit signal.
    Signal {
        /// The child's life.
        pid: P,
        /// Which one.
        signal: ExitSignal,
    },
    /// Remove the link to this incarnation, which is dead.
    Unlink {
        /// The child's life.
        pid: P,
    },
    /// Empty the child's mailbox: it shares the fate of a group, and so does what was sent to it.
    Flush {
        /// The child.
        child: ChildKey,
    },
    /// The child waits for its restart, or for that of its group: who has less time than that is told so at once.
    Postpone {
        /// The child.
        child: ChildKey,
        /// When its wait is over.
        until: Duration,
    },
    /// The child is not running and will not be started without being asked for: close its mailbox.
    /// A later `Start` opens it again.
    Close {
        /// The child.
        child: ChildKey,
    },
    /// The child's specification is gone: forget how to start it.
    Forget {
        /// The child.
        child: ChildKey,
    },
    /// Tell the log.
    Report(Report<P, R>),
    /// Answer a call.
    Reply(CallId, Response<P, R>),
    /// The first start is over and succeeded: acknowledge it to whoever started the supervisor.
    Ready,
    /// The supervisor ends. The last action, with no child up; calls not replied to are void, and the children
    /// that are still specified are closed.
    Exit {
        /// Why.
        reason: R,
    },
}

/// The exit signals a supervisor sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitSignal {
    /// Asks to stop.
    Shutdown,
    /// Ends it without asking.
    Kill,
}

/// What a child's place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place<P> {
    /// Started; perhaps dead already, with its exit not yet read.
    Running(P),
    /// Specified, not running.
    Down,
    /// The last automatic restart failed and a retry is queued. Carries the life that ended before.
    Restarting(Option<P>),
}

impl<P: Copy> Place<P> {
    /// The running incarnation.
    pub fn pid(&self) -> Option<P> {
        match self {
            Self::Running(pid) => Some(*pid),
            Self::Down | Self::Restarting(_) => None,
        }
    }
}

/// The answer to a [`Request`](super::Request).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<P, R> {
    /// It was started.
    Started(P),
    /// It declined to start, which is not an error.
    Ignored,
    /// Done.
    Done,
    /// The specification asked for.
    Spec(Arc<ChildSpec>),
    /// The children, newest first.
    Children(Vec<ChildInfo<P>>),
    /// How many children there are.
    Counts(Counts<P>),
    /// It was refused, or the start failed.
    Refused(CallError<P, R>),
}

/// One child, as `which_children` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildInfo<P> {
    /// Its key.
    pub child: ChildKey,
    /// Its name; `None` under a dynamic supervisor.
    pub id: Option<Arc<str>>,
    /// Whether it runs.
    pub place: Place<P>,
    /// What it is.
    pub kind: Kind,
    /// When it is restarted.
    pub restart: Restart,
}

/// How many children there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts<P> {
    /// How many specifications there are; 1 under a dynamic supervisor.
    pub specs: usize,
    /// How many children have been started and not been seen to end.
    pub active: usize,
    /// How many children are supervisors, running or not.
    pub supervisors: usize,
    /// How many are not.
    pub workers: usize,
    /// Those of `active` whose liveness is to be checked when replying: whoever is dead by then is not active.
    /// Empty under a dynamic supervisor, as in OTP.
    pub check: Vec<P>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallError<P, R> {
    /// No such child. Under a dynamic supervisor a pid that is dead counts as done instead, which only whoever
    /// replies can tell.
    NotFound,
    /// A child of this name is specified and not running.
    AlreadyPresent,
    /// A child of this name runs.
    AlreadyStarted(P),
    /// The child runs.
    Running,
    /// The child is being restarted.
    Restarting,
    /// The child could not be started.
    StartFailed(R),
    /// The specification breaks a rule.
    Invalid(Rule),
    /// A dynamic supervisor is as full as it may be.
    MaxChildren(usize),
    /// This supervisor's children have no names (`simple_one_for_one`).
    Dynamic,
    /// This supervisor's children have names.
    Static,
}

impl<P: fmt::Debug, R: fmt::Display> fmt::Display for CallError<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such child"),
            Self::AlreadyPresent => f.write_str("a child of this name is specified already"),
            Self::AlreadyStarted(pid) => write!(f, "a child of this name runs already as {pid:?}"),
            Self::Running => f.write_str("the child is running"),
            Self::Restarting => f.write_str("the child is being restarted"),
            Self::StartFailed(reason) => write!(f, "the child failed to start: {reason}"),
            Self::Invalid(rule) => write!(f, "{rule}"),
            Self::MaxChildren(max) => {
                write!(f, "the supervisor has all the {max} children it may have")
            }
            Self::Dynamic => f.write_str("the children of a dynamic supervisor have no names"),
            Self::Static => f.write_str("the children of this supervisor are addressed by name"),
        }
    }
}

impl<P: fmt::Debug, R: fmt::Debug + fmt::Display> std::error::Error for CallError<P, R> {}
