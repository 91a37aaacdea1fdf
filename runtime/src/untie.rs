//! The end of an incarnation, for everybody else: its names are given back, and whoever is tied to it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cell::{AnyCell, Status, flag};
use crate::event;
use crate::exit::ExitReason;
use crate::pid::Pid;
use crate::report::{self, CrashReport};
use crate::shared::Shared;
use crate::signal::{Down, MonitorRef, Via, send_down, send_exit};
use crate::ties::{Tied, Untied};

/// Unties a dead incarnation from everybody.
pub(crate) fn bury(
    cell: &dyn AnyCell,
    pid: Pid,
    reason: &ExitReason,
    never_started: bool,
    report: Option<Box<CrashReport>>,
    abandoned: bool,
) {
    let core = cell.core();
    let shared = core.shared();
    let (tied, path, forgotten, awaited, judged, kept) = {
        let mut ties = core.ties.lock();
        if !ties.lives(pid.incarnation) {
            return;
        }
        let judged = core.flags() & flag::JUDGES != 0;
        core.lower(flag::TRAPS | flag::URGENT | flag::ORDERED | flag::JUDGES | flag::VIEW);
        cell.hurries(false);
        let mut control = core.control.lock();
        let forgotten = control.clear_signals();
        cell.forget_order();
        let path = event::tells_end(shared, reason, never_started).then(|| ties.path_of(&core.label()));
        core.gate.outlives(core);
        let tied = ties.end();
        // Not its ties' lock: one cell's ties at a time.
        let lives = |parent: Pid| shared.find(parent.id).is_some_and(|cell| cell.core().is_living(parent.incarnation));
        let kept = tied.parent.is_some_and(lives) && !shared.is_closed();
        // The slot of a child whose parent has ended may be started again by the parent's next incarnation.
        let over = if shared.is_closed() || tied.parent.is_none() { Status::Gone } else { Status::Stopped };
        core.set_status(if kept { Status::Down } else { over });
        // First: what is accepted before is thrown away, and nothing is accepted after.
        let awaited = !kept && cell.close_mailbox();
        if !kept {
            core.raise(flag::CLOSE);
        }
        (tied, path, forgotten, awaited, judged, kept)
    };
    if awaited {
        cell.tell_closed();
    }
    drop(forgotten);
    if kept {
        core.gate.restarts(core, &shared.port);
    } else {
        core.gate.is_over(core);
    }
    core.gate.tell_dependants(core);
    // Before anybody is told who would act on it.
    tracing::trace!(system = &*shared.settings.name, %pid, %reason, "ends");
    if let Some(path) = path {
        event::ends(shared, pid, path, tied.parent, reason, never_started);
    }
    if let Some(report) = report {
        report::lay(shared, report, tied.judge(never_started));
    }
    if judged {
        report::clear(shared, pid);
    }
    untie(shared, tied, pid, &Last { reason, never_started, abandoned });
}

/// How an incarnation ended, for those who are tied to it.
struct Last<'r> {
    reason: &'r ExitReason,
    never_started: bool,
    abandoned: bool,
}

/// Gives back the names of a dead incarnation, and tells whoever was tied to it.
fn untie(shared: &Shared, tied: Untied, pid: Pid, last: &Last<'_>) {
    let Untied { parent, starter, linked, children, links, others } = tied;
    // Most have nothing but a parent.
    let watchers = others.map(|others| {
        let Tied { watchers, monitors, names, groups, .. } = *others;
        give_back(shared, pid, names, groups, monitors);
        watchers
    });
    let quiet = starter.filter(|_| last.never_started);
    let tell = |other: Pid| {
        let Some(cell) = shared.find(other.id) else { return };
        if Some(other) == quiet {
            // A failed start is answered, not signalled.
            cell.core().ties.lock().unlink(pid);
        } else {
            let _ = send_exit(&cell, other.incarnation, pid, last.reason.clone(), Via::Link);
        }
    };
    if let Some(parent) = parent.filter(|_| linked) {
        tell(parent);
    }
    children.links().for_each(tell);
    links.each(tell);
    for ((watcher, monitor), how) in watchers.into_iter().flatten() {
        let down = Down { monitor, pid, reason: last.reason.clone(), abandoned: last.abandoned };
        send_down(shared, watcher, how, down);
    }
    // Slots whose parent died: the living are told by their links and close when they end; the others close now.
    for child in children.slots().filter_map(|child| shared.find(child)) {
        child.shut(Status::Stopped);
    }
}

/// Gives back the names of a dead incarnation, and whom it watched.
fn give_back(
    shared: &Shared,
    pid: Pid,
    names: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
    monitors: BTreeMap<MonitorRef, Pid>,
) {
    for name in names {
        shared.names.release(&name, pid);
    }
    for group in groups {
        shared.groups.leave(&group, pid);
    }
    for (monitor, target) in monitors {
        if let Some(cell) = shared.find(target.id) {
            let mut ties = cell.core().ties.lock();
            if ties.lives(target.incarnation) {
                ties.tied().watchers.remove(&(pid, monitor));
            }
        }
    }
}
