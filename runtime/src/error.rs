//! What a sender is told when its message was not taken, or its question not answered.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::brief::brief;
use crate::dep::Dep;
use crate::pid::ActorId;
use crate::slot::LARGEST_MAILBOX;
use crate::waits::Cycle;

/// Why an actor would not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Its mailbox holds as many messages as it may.
    Full,
    /// What it has promised already, and this, would not be done before the deadline; or that had passed before there was
    /// room.
    NoTime,
    /// It refuses some to be quick for the others, or because it [says](crate::Readiness::Only) that it cannot serve all:
    /// those who matter more still have room.
    Shed,
    /// It refuses some, and whoever began this call has as many of its places as are free: the others are to have room, too.
    /// See [`CallScope::on_behalf_of`](crate::CallScope::on_behalf_of).
    Share,
    /// What it has in hand has taken longer already than the sender has time.
    Stuck,
    /// It lacks this, which it [needs](crate::Context::depends_on).
    NotReady(Dep),
    /// It has not been started yet.
    NotStarted,
    /// It is being restarted and will not be back in time.
    Restarting,
    /// It takes no new work: it is about to stop.
    Draining,
    /// It was [tripped](crate::System::trip), and takes nothing until somebody says so. Nobody knows when that will be.
    Tripped,
    /// It is [suspended](crate::System::suspend_for) and will not be resumed in time.
    Suspended,
    /// It has ended; it may be started again.
    Stopped,
    /// It has ended for good.
    Gone,
    /// Whoever asks would wait for itself: it asked itself, or somebody who waits for it, himself or through others. What
    /// was asked last is refused at once, and [says](Refused::cycle) who waits for whom.
    Cycle,
    /// An actor behind it refused.
    Downstream,
    /// The sender's turn was abandoned: its incarnation is no more.
    Fenced,
    /// It had been taken in, and a newer message has [displaced](crate::Overflow) it; or there was no room.
    Displaced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "its mailbox is full",
            Self::NoTime => "there is no room before the deadline",
            Self::Shed => "it is overloaded",
            Self::Share => "it is overloaded, and its sender has his share",
            Self::Stuck => "it is stuck",
            // Of refusals that are counted together no one name is known.
            Self::NotReady(dep) if dep.as_str().is_empty() => "it is not ready: it lacks a dependency",
            Self::NotReady(dep) => return write!(f, "it is not ready: it lacks `{dep}`"),
            Self::NotStarted => "it is not started",
            Self::Restarting => "it is restarting",
            Self::Draining => "it is draining",
            Self::Tripped => "it is tripped",
            Self::Suspended => "it is suspended",
            Self::Stopped => "it is stopped",
            Self::Gone => "it is gone",
            Self::Cycle => "the sender would wait for itself",
            Self::Downstream => "an actor behind it refused",
            Self::Fenced => "the sender's incarnation was abandoned",
            Self::Displaced => "other messages displaced this one",
        })
    }
}

/// What an actor had to do when it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Messages queued, and places promised.
    pub depth: u32,
    /// Messages it would hold at the most; in a refusal, those before the message that was refused.
    pub limit: u32,
    /// How long what is queued is expected to take, and until it is handled at all; zero while that does not matter, or nobody
    /// knows.
    pub wait: Duration,
}

/// The answer "not now": nothing was queued, nothing was lost.
///
/// A refusal is not a failure: by `?` it ends the message in hand, never the incarnation. Whoever asked is told; a message that nobody
/// asked is [given up](crate::Fallen::GivenUp).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// When asking again is worth it, where that is known.
    pub retry_after: Option<Duration>,
    /// What the actor had to do.
    pub load: Load,
    /// Who refused.
    pub by: ActorId,
    /// How many actors the refusal has travelled through.
    pub hops: u8,
    /// Who would have waited for whom, if that is [why](Reason::Cycle).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Arc<Cycle>>,
}

impl Refused {
    /// A refusal by someone who is not an actor, or whose identity does not matter.
    pub fn because(reason: Reason) -> Self {
        Self { reason, retry_after: None, load: Load::default(), by: ActorId::OUTSIDE, hops: 0, cycle: None }
    }

    /// The same refusal as the asker of the actor that met it sees it: who refused, when asking again is worth it and who waits for whom
    /// stay. So is one that ends a message by `?`.
    #[must_use]
    pub fn passed_on(mut self) -> Self {
        self.reason = Reason::Downstream;
        self.hops = self.hops.saturating_add(1);
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {} refused: {}", self.by, self.reason)?;
        if let Some(cycle) = &self.cycle {
            write!(f, ": {cycle}")?;
        }
        if self.load.limit > 0 {
            write!(f, " ({} of {} places taken)", self.load.depth, self.load.limit)?;
        }
        match self.retry_after {
            Some(after) => write!(f, ", try again in {:?}", brief(after)),
            None => Ok(()),
        }
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&EndsMessage::Refused)
    }
}

/// A refused tell: says why, and gives the message back.
///
/// It is an [`Error`] whatever the message is: the message sits in a mutex that is never locked, so that it need not
/// be `Sync`.
pub struct Rejected<M> {
    /// Why it was refused.
    pub why: Refused,
    message: Mutex<M>,
}

impl<M> Rejected<M> {
    pub(crate) fn new(why: Refused, message: M) -> Self {
        Self { why, message: Mutex::new(message) }
    }

    /// The message.
    pub fn into_message(self) -> M {
        self.message.into_inner()
    }
}

impl<M> fmt::Display for Rejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<M> fmt::Debug for Rejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("why", &self.why).finish_non_exhaustive()
    }
}

impl<M: Send> Error for Rejected<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Where it is known by its type, whatever the message is.
        Some(&self.why)
    }
}

/// How a question ended without an answer. Every ask ends: there is no silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AskError {
    /// The actor, or one behind it, would not take it.
    Refused(Refused),
    /// The deadline passed.
    Expired,
    /// Whoever the question was asked for has gone.
    Cancelled,
    /// The incarnation that had the question in hand ended, or the system's runtime went away before the answer.
    Died,
    /// The handler ended well and dropped the reply unsent.
    Unanswered,
    /// The turn that asked was abandoned: its incarnation is no more.
    Fenced,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Expired => f.write_str("no answer before the deadline"),
            Self::Cancelled => f.write_str("the question was cancelled"),
            Self::Died => f.write_str("the actor died with the question in hand"),
            Self::Unanswered => f.write_str("the handler dropped the reply unsent"),
            Self::Fenced => f.write_str("the asker's incarnation was abandoned"),
        }
    }
}

impl Error for AskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) => Some(&EndsMessage::Refused),
            Self::Expired => Some(&EndsMessage::Expired),
            Self::Cancelled => Some(&EndsMessage::Cancelled),
            Self::Died | Self::Unanswered | Self::Fenced => None,
        }
    }
}

/// The leaf below every error that ends a message rather than an incarnation.
///
/// It is a source, not the error itself, so that it is found below wrappers that hide the concrete type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndsMessage {
    Refused,
    Expired,
    Cancelled,
}

impl fmt::Display for EndsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message ends here; the actor goes on")
    }
}

impl Error for EndsMessage {}

/// Why an actor did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Its `init` failed, or the incarnation ended before it was ready.
    Failed(crate::ExitReason),
    /// It was not ready within its start timeout.
    TimedOut(Duration),
    /// The slot is running, or belongs to another tree or system.
    SlotTaken(String),
    /// Another actor has that name.
    NameTaken(String),
    /// The tree breaks a rule: the text names the path and the rule.
    InvalidTree(String),
    /// There is no room for another child.
    MaxChildren(usize),
    /// A setting is out of range: the text names it, its value and the range.
    Setting(String),
    /// The system is stopping or its runtime has gone.
    SystemStopped,
    /// The supervisor that should start it could not be asked.
    Supervisor(AskError),
    /// The turn that would start it was abandoned: its incarnation is no more.
    Fenced,
    /// It chose not to run.
    Ignored,
}

impl StartError {
    pub(crate) fn mailbox(of: &str, capacity: u32) -> Self {
        Self::Setting(format!("mailbox of `{of}`: {capacity} messages, allowed are 1 to {LARGEST_MAILBOX}"))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => write!(f, "the start failed: {reason}"),
            Self::TimedOut(limit) => write!(f, "not ready within {limit:?}"),
            Self::SlotTaken(slot) => write!(f, "slot `{slot}` is already taken"),
            Self::NameTaken(name) => write!(f, "the name `{name}` is already taken"),
            Self::InvalidTree(why) => write!(f, "the supervision tree is not valid: {why}"),
            Self::MaxChildren(max) => write!(f, "there are already {max} children, the most allowed"),
            Self::Setting(why) => write!(f, "{why}"),
            Self::SystemStopped => f.write_str("the system has stopped"),
            Self::Supervisor(why) => write!(f, "the supervisor did not answer: {why}"),
            Self::Fenced => f.write_str("the starter's incarnation was abandoned"),
            Self::Ignored => f.write_str("it chose not to run"),
        }
    }
}

impl Error for StartError {}
