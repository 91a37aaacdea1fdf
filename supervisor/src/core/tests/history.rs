//! The words in which a short history is written down.

use std::time::Duration;

use super::super::{Reason, ReasonClass};
use crate::report::Context;

/// An exit reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Normal,
    Shutdown,
    Killed,
    Boom,
    NoProc,
    FailedToStart,
}

impl Reason for Why {
    fn class(&self) -> ReasonClass {
        match self {
            Self::Shutdown => ReasonClass::Shutdown,
            Self::Normal | Self::FailedToStart => ReasonClass::OtherNormal,
            Self::Killed => ReasonClass::Killed,
            Self::Boom | Self::NoProc => ReasonClass::Abnormal,
        }
    }

    fn shutdown() -> Self {
        Self::Shutdown
    }

    fn failed_to_start(_: &str, _: &Self) -> Self {
        Self::FailedToStart
    }
}

/// What arrives at a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    Exited(u32, Why),
    ParentExit(Why),
    Terminate(u64),
    Restart(u64),
    Delete(u64),
    /// Adds a child like the first one, with the next key.
    Add,
    Retry(u64),
}

/// How a start ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok(u32),
    Ignore,
    Fails,
}

/// How a stop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was dead already.
    Dead,
    /// It ends like this when asked to, or killed.
    With(Why),
    /// It does not end before it is killed, if it is given a time.
    Late,
}

/// One line of a trace: what the world did, or what the supervisor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Time passes, then this arrives.
    Arrives(Duration, Letter),
    Start(u64),
    Started(Outcome),
    Stop(u32),
    Stopped(End),
    Report(Context, u64),
    Reply(&'static str),
    Ready,
    Exit(Why),
}

/// Everything that happened, in order.
pub(super) type Trace = Vec<Line>;

/// Where a world's choices come from: below the bound.
pub(super) trait Choose {
    fn choose(&mut self, bound: usize) -> usize;
}

/// How eventful a history may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Letters that arrive while nothing is going on.
    pub(super) letters: usize,
    /// Letters that arrive during a start or a stop.
    pub(super) interruptions: usize,
    /// Starts and stops that do not go well.
    pub(super) mishaps: usize,
    /// Whether time may pass before letters.
    pub(super) time: bool,
}
