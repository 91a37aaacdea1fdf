//! What was decided about a crash, and by whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::millis;
use crate::brief::brief;

/// Who has judged a crash, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Judgement {
    /// Nobody: it has no parent that [judges its children](crate::Context::judge_children).
    #[default]
    Nobodys,
    /// Its parent ended before it had judged.
    ParentEnded,
    /// More crashes waited for a judgement than are kept.
    DeskFull,
    /// Its parent is busy with something else, and had not judged after a second.
    Late,
    /// Its parent.
    Judged(Box<Verdict>),
}

impl Judgement {
    /// The verdict, if there is one.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Judged(verdict) => Some(verdict),
            Self::Nobodys | Self::ParentEnded | Self::DeskFull | Self::Late => None,
        }
    }
}

/// What a parent decided about the crash of a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Where in its tree the parent is.
    pub by: Arc<str>,
    /// What the parent calls the child.
    pub child: Arc<str>,
    /// What it decided, and what it may still decide.
    #[serde(flatten)]
    pub ruling: Ruling,
}

/// A decision and the budget it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What happens now.
    pub decision: Decision,
    /// What is left of the restarts that are allowed.
    pub budget: Budget,
}

/// What happens after a crash. The words are those of OTP's supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// It is started again.
    Restart {
        /// Who is stopped and started with it.
        with: Siblings,
        /// How long the restart waits (back-off); zero: not at all.
        #[serde(rename = "wait_ms", with = "millis")]
        wait: Duration,
    },
    /// It is not: that is how the child is specified (a temporary one).
    LeaveEnded,
    /// It is not, and its end ends the supervisor (an automatic shutdown).
    ShutDown,
    /// It is not: one restart more than is allowed. The supervisor ends.
    GiveUp,
    /// The start is tried again, after everything that has arrived meanwhile.
    Retry,
    /// The start is not tried again: the supervisor, whose first start it was a part of, fails to start.
    FailStart,
    /// Whoever asked for the start is told that it failed.
    Refuse,
    /// It was being stopped, and is.
    Stop,
}

/// Who shares the fate of a child that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Siblings {
    /// Nobody (`one_for_one`).
    #[default]
    Nobody,
    /// All its siblings (`one_for_all`).
    All,
    /// Those that were started after it (`rest_for_one`).
    Later,
}

/// How many restarts are allowed, and how many have been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Restarts that count now, one just decided included.
    pub restarts: u32,
    /// How many are allowed to count.
    pub allowed: u32,
    /// How long each of them counts.
    #[serde(rename = "period_ms", with = "millis")]
    pub period: Duration,
}

impl Budget {
    /// How many restarts are left: the next one after those ends the supervisor, unless earlier ones count no longer by then.
    pub fn left(&self) -> u32 {
        self.allowed.saturating_sub(self.restarts)
    }
}

impl Decision {
    /// OTP's context of the supervisor's report that the crash report stands for, if it does for one.
    pub fn context(&self) -> Option<&'static str> {
        match self {
            Self::Restart { .. } | Self::LeaveEnded | Self::ShutDown | Self::GiveUp => Some("child_terminated"),
            Self::Retry | Self::FailStart => Some("start_error"),
            Self::Refuse | Self::Stop => None,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart { with, wait } => {
                f.write_str(match with {
                    Siblings::Nobody => "restarted",
                    Siblings::All => "restarted with all its siblings",
                    Siblings::Later => "restarted with its later siblings",
                })?;
                if wait.is_zero() { Ok(()) } else { write!(f, " after {:?}", brief(*wait)) }
            }
            Self::LeaveEnded => f.write_str("not restarted: it is temporary"),
            Self::ShutDown => f.write_str("not restarted: its end ends the supervisor"),
            Self::GiveUp => f.write_str("not restarted: too many restarts, the supervisor gives up"),
            Self::Retry => f.write_str("its start is tried again"),
            Self::FailStart => f.write_str("the supervisor fails to start"),
            Self::Refuse => f.write_str("whoever asked for its start is told"),
            Self::Stop => f.write_str("it was being stopped"),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { restarts, allowed, period } = self;
        write!(f, "{restarts} of {allowed} restarts in {period:?}, {} left", self.left())
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobodys => f.write_str("nobody supervises it"),
            Self::ParentEnded => f.write_str("its supervisor ended before it decided"),
            Self::DeskFull => f.write_str("not known: too many crashes wait for a decision"),
            Self::Late => f.write_str("not known yet: its supervisor is busy"),
            Self::Judged(verdict) => write!(f, "{} (by {})", verdict.ruling.decision, verdict.by),
        }
    }
}
