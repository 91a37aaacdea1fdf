//! Links, monitors and exit signals: the public words, and how a signal finds its receiver.
//!
//! # Order
//! * Signals and messages from one actor to another arrive in the order sent. [`Signal`]s carry a *ticket*, the
//!   receiver's mailbox tail when they were sent, and are read when the receiver has passed it: what an actor sent
//!   before it died is read before its `Down`.
//! * Kills, stops by the parent and exit signals that are not trapped overtake the mailbox.
//! * Nothing is promised between different senders or different receivers.
//!
//! A receiver looks whether something is in its lane *after* it has seen its next message and before it takes it, so that
//! a message does not pass a signal that was sent before it (`crashworthy_sync::attention`).
//!
//! # Locks
//! A cell's ties, then its control lane. The ties of two cells are locked together only to link and to unlink them
//! ([`both`]), the lower identity first: a link is in the ties of both, or of neither.

use std::fmt;
use std::sync::Arc;

use parking_lot::MutexGuard;
use serde::{Deserialize, Serialize};

use crate::cell::{AnyCell, flag};
use crate::crash::tell;
use crate::error::{Reason, Refused};
use crate::exit::ExitReason;
use crate::lane::{Ordered, What};
use crate::pid::Pid;
use crate::shared::Shared;
use crate::ties::{Ties, Watcher};

/// What an actor may read besides messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// An exit signal that was trapped: a linked actor ended, or somebody called `exit`.
    Exit {
        /// Who sent it.
        from: Pid,
        /// Why.
        reason: ExitReason,
    },
    /// A monitored incarnation ended.
    Down(Down),
}

/// The end of a monitored incarnation. There is exactly one for each monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Which monitor.
    pub monitor: MonitorRef,
    /// Which incarnation.
    pub pid: Pid,
    /// Why it ended; [`NoProc`](ExitReason::NoProc) if it had ended before it was monitored.
    pub reason: ExitReason,
    /// Whether it was given up while one of its turns still blocks a thread.
    pub abandoned: bool,
}

/// A monitor, to tell its `Down` from others and to end it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MonitorRef(pub(crate) u64);

impl fmt::Debug for MonitorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "monitor {}", self.0)
    }
}

/// Exit signals and `Down`s that may wait in one actor before strangers' signals are refused.
const PENDING_SIGNALS: usize = 4096;

/// Links a living incarnation with another.
pub(crate) fn link(cell: &Arc<dyn AnyCell>, own: Pid, other: Pid) {
    // The cell of another incarnation of its own is its own: the other is dead.
    let target = cell.core().shared().find(other.id).filter(|_| other.id != own.id);
    let mut ties = both(cell, target.as_ref());
    if other == own || !ties.0.lives(own.incarnation) || ties.0.is_linked(other) {
        // If the other has ended and the link is there, its exit signal is on its way.
        return;
    }
    let alive = ties.1.as_mut().filter(|ties| ties.lives(other.incarnation));
    match alive {
        Some(others) => {
            ties.0.link(other);
            others.link(own);
        }
        None => {
            ties.0.link(other);
            drop(ties);
            let _ = send_exit(cell, own.incarnation, other, ExitReason::NoProc, Via::Link);
        }
    }
}

/// Ends a link, from both sides.
pub(crate) fn unlink(cell: &Arc<dyn AnyCell>, own: Pid, other: Pid) {
    let target = cell.core().shared().find(other.id).filter(|_| other.id != own.id);
    let mut ties = both(cell, target.as_ref());
    if ties.0.lives(own.incarnation)
        && ties.0.unlink(other)
        && let Some(others) = ties.1.as_mut().filter(|ties| ties.lives(other.incarnation))
    {
        others.unlink(own);
    }
}

type Guard<'c> = MutexGuard<'c, Ties>;

/// The ties of two cells at once.
fn both<'c>(cell: &'c Arc<dyn AnyCell>, other: Option<&'c Arc<dyn AnyCell>>) -> (Guard<'c>, Option<Guard<'c>>) {
    let (cell, other) = (cell.core(), other.map(|other| other.core()));
    match other {
        Some(other) if other.id() < cell.id() => {
            let others = other.ties.lock();
            (cell.ties.lock(), Some(others))
        }
        other => (cell.ties.lock(), other.map(|other| other.ties.lock())),
    }
}

/// Where an exit signal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// Through a link: dropped if the link is gone.
    Link,
    /// By a call to `exit`.
    Call,
}

/// Sends an exit signal to one incarnation. A signal to a dead pid is a no-op.
pub(crate) fn send_exit(
    to: &Arc<dyn AnyCell>,
    incarnation: u32,
    from: Pid,
    reason: ExitReason,
    via: Via,
) -> Result<(), Refused> {
    let core = to.core();
    let mut asked = None;
    {
        let mut ties = core.ties.lock();
        if !ties.lives(incarnation) || (via == Via::Link && !ties.unlink(from)) {
            return Ok(());
        }
        let parent = ties.parent() == Some(from);
        let mut control = core.control.lock();
        let lane = control.lane();
        if parent {
            lane.stop.get_or_insert(reason);
            asked = lane.awaited();
        } else if via == Via::Call && lane.ordered.len() >= PENDING_SIGNALS {
            return Err(core.refuse(Reason::Full));
        } else {
            lane.ordered.push(Ordered { ticket: to.tail(), what: What::Signal(Signal::Exit { from, reason }) });
        }
        core.raise(flag::URGENT | flag::ORDERED);
    }
    if let Some(asked) = asked {
        tell(|| asked.notify_waiters());
    }
    to.wake();
    Ok(())
}

/// Asks one incarnation to stop, in the way of its parent.
pub(crate) fn send_stop(to: &Arc<dyn AnyCell>, incarnation: u32, reason: ExitReason) {
    let core = to.core();
    let asked;
    {
        let ties = core.ties.lock();
        if !ties.lives(incarnation) {
            return;
        }
        let mut control = core.control.lock();
        let lane = control.lane();
        lane.stop.get_or_insert(reason);
        asked = lane.awaited();
        core.raise(flag::URGENT);
    }
    if let Some(asked) = asked {
        tell(|| asked.notify_waiters());
    }
    to.wake();
}

/// Kills one incarnation: no callback runs, links and monitors see [`ExitReason::Killed`].
pub(crate) fn send_kill(to: &Arc<dyn AnyCell>, incarnation: u32) {
    let core = to.core();
    let asked;
    {
        let ties = core.ties.lock();
        if !ties.lives(incarnation) {
            return;
        }
        let mut control = core.control.lock();
        let lane = control.lane();
        lane.kill = true;
        asked = lane.awaited();
        core.raise(flag::URGENT);
        to.hurries(true);
    }
    if let Some(asked) = asked {
        tell(|| asked.notify_waiters());
    }
    to.wake();
}

/// Tells a watcher, noted under this pid, that an incarnation ended.
pub(crate) fn send_down(shared: &Shared, pid: Pid, to: Watcher, down: Down) {
    match to {
        Watcher::Outside(sender) => {
            // Whoever waited may have gone: then nobody needs to know.
            tell(|| sender.send(down));
        }
        Watcher::Channel(sender) => tell(|| sender.send(down)),
        Watcher::Actor => {
            let Some(cell) = shared.find(pid.id) else { return };
            let core = cell.core();
            {
                let mut ties = core.ties.lock();
                if !ties.lives(pid.incarnation) || ties.end_monitor(down.monitor).is_none() {
                    return;
                }
                let ordered = Ordered { ticket: cell.tail(), what: What::Signal(Signal::Down(down)) };
                core.control.lock().lane().ordered.push(ordered);
                core.raise(flag::ORDERED);
            }
            cell.wake();
        }
    }
}
