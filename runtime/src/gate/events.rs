//! What the log and the events are told of gates: that something is wrong with one, and that it is well again. Once for each
//! change.
//!
//! ```text
//! who is refused, who drops what was promised ─▶ Notes ─ the first time ─▶ list of the system ─▶ attendant: Watch ─▶ limit ─▶ log
//! ```
//! Senders and actors only leave a note. The attendant of the system's reports looks at those that are on the list: at once
//! when it is woken for it, then once a second for as long as something is wrong.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::refusals::{place, reason_of};
use super::trouble::{Change, Trouble};
use crate::cell::{AnyCell, Core};
use crate::error::{Reason, Refused};
use crate::event::{self, Happening};
use crate::message::Criticality;
use crate::report;
use crate::report::millis::whole;
use crate::shared::Shared;
use crate::waits::Cycle;

/// Somebody is refused. When is told by the coarse clock: an overload is no time to read the other for everybody.
#[cold]
pub(crate) fn refused(core: &Core, reason: Reason, criticality: Criticality) {
    let tally = core.gate.tally();
    let Some(home) = core.home() else { return tally.count(reason, criticality, None) };
    let now = home.shared.port.coarse_ns();
    tally.count(reason, criticality, Some(now));
    let trouble = match reason {
        Reason::Full | Reason::NoTime | Reason::Shed | Reason::Share => Trouble::Refuses,
        Reason::Stuck => Trouble::Stuck,
        _ => return,
    };
    if trouble == Trouble::Refuses {
        tally.notes.why.store(place(reason) as u8, Relaxed);
    }
    if tally.notes.note(trouble, now) {
        report::watch(home.shared, home.id, &tally.notes);
    }
}

/// Somebody is refused who did not ask the gate: what he had of it is over.
#[cold]
pub(crate) fn counted(core: &Core, reason: Reason, criticality: Criticality) {
    let now = core.home().map(|home| home.shared.port.coarse_ns());
    core.gate.tally().count(reason, criticality, now);
}

/// Somebody who closed a ring was refused.
#[cold]
pub(crate) fn cycle(shared: &Shared, by: &dyn AnyCell, refused: &Refused) {
    let source = by.core().path();
    let (Some(withheld), Some(cycle)) = (report::pass_gate(shared, &source), &refused.cycle) else { return };
    let (pid, kind) = (by.core().pid(), by.kind());
    event::note(shared, Some(pid), source.clone(), Happening::CycleRefused { cycle: Cycle::clone(cycle) });
    tracing::warn!(path = &*source, kind, %pid, %cycle, withheld, "cycle refused: {cycle}");
}

/// What was taken in is dropped unhandled: its deadline has passed, or would have before it was done.
#[cold]
pub(crate) fn broke(core: &Core, deadline: u64) {
    let (tally, shared) = (core.gate.tally(), core.shared());
    let now = shared.port.now_ns();
    if now < deadline {
        tally.notes.futile.fetch_add(1, Relaxed);
    }
    if tally.notes.note(Trouble::Breaks, now) {
        report::watch(shared, core.id(), &tally.notes);
    }
}

/// A full mailbox is more work than callers wait for who name no time: it is told once.
#[cold]
pub(crate) fn exceeds(core: &Core) {
    let notes = &core.gate.tally().notes;
    if notes.exceeds() && notes.list() {
        report::watch(core.shared(), core.id(), notes);
    }
}

/// Tells what has changed at a gate; the log as far as its source may tell more.
pub(crate) fn tell(shared: &Arc<Shared>, cell: &Arc<dyn AnyCell>, change: Change) {
    event::note_of(cell.core(), happening(cell, change));
    let (core, path) = (cell.core(), cell.core().path());
    let Some(withheld) = report::pass_gate(shared, &path) else { return };
    let (pid, kind, path, load) = (core.pid(), cell.kind(), &*path, cell.load());
    let notes = &core.gate.tally().notes;
    let Change { trouble, count, lasted_ns } = change;
    let lasted = lasted_ns.map(Duration::from_nanos);
    match (trouble, lasted) {
        (Trouble::Refuses, None) => {
            let (why, wait) = (reason_of(notes.why.load(Relaxed)), load.wait);
            tracing::warn!(
                path, kind, %pid, reason = %why, refused = count, depth = load.depth, limit = load.limit, ?wait, withheld,
                "gate refuses: {why}"
            );
        }
        (Trouble::Refuses, Some(lasted)) => {
            tracing::info!(path, kind, %pid, refused = count, ?lasted, withheld, "gate is open again");
        }
        (Trouble::Stuck, None) => {
            let message = core.kind_in_hand().unwrap_or_default();
            let in_hand = core.in_hand_for();
            tracing::warn!(
                path, kind, %pid, message_in_hand = message, ?in_hand, refused = count, depth = load.depth, withheld,
                "actor is stuck"
            );
        }
        (Trouble::Stuck, Some(lasted)) => {
            tracing::info!(path, kind, %pid, refused = count, ?lasted, withheld, "actor is stuck no more");
        }
        (Trouble::Breaks, None) => {
            let futile = notes.futile.load(Relaxed);
            let accepted = cell.law().accepted;
            tracing::warn!(
                path, kind, %pid, broken = count, not_begun_in_time = futile, accepted, depth = load.depth, withheld,
                "gate breaks promises: what it took in is dropped unhandled"
            );
        }
        (Trouble::Breaks, Some(lasted)) => {
            tracing::info!(path, kind, %pid, broken = count, ?lasted, withheld, "gate keeps its promises again");
        }
    }
}

/// What has changed at a gate, as an event.
fn happening(cell: &Arc<dyn AnyCell>, change: Change) -> Happening {
    let (core, load) = (cell.core(), cell.load());
    let notes = &core.gate.tally().notes;
    let Change { trouble, count, lasted_ns } = change;
    let (lasted, depth) = (lasted_ns.map(|ns| whole(Duration::from_nanos(ns))), load.depth);
    match (trouble, lasted) {
        (Trouble::Refuses, None) => {
            let reason = reason_of(notes.why.load(Relaxed));
            Happening::GateRefuses { reason, refused: count, depth, limit: load.limit, wait: whole(load.wait) }
        }
        (Trouble::Refuses, Some(lasted)) => Happening::GateOpen { refused: count, lasted },
        (Trouble::Stuck, None) => {
            let (message, in_hand) = (core.kind_in_hand().map(report::kind), whole(core.in_hand_for()));
            Happening::Stuck { message, in_hand, refused: count, depth }
        }
        (Trouble::Stuck, Some(lasted)) => Happening::StuckNoMore { refused: count, lasted },
        (Trouble::Breaks, None) => Happening::Expires { count, not_begun_in_time: notes.futile.load(Relaxed), depth },
        (Trouble::Breaks, Some(lasted)) => Happening::ExpiresNoMore { count, lasted },
    }
}

/// Tells that a full mailbox is more work than callers wait for.
pub(crate) fn tell_exceeds(shared: &Arc<Shared>, cell: &Arc<dyn AnyCell>) {
    let (core, limit) = (cell.core(), cell.load().limit);
    let (takes, deadline) = (core.gate.wait(limit), shared.settings.ask_within);
    let exceeds = Happening::BoundExceedsDeadline { limit, takes: whole(takes), deadline: whole(deadline) };
    event::note_of(core, exceeds);
    let path = core.path();
    let Some(withheld) = report::pass_gate(shared, &path) else { return };
    let (pid, kind) = (core.pid(), cell.kind());
    tracing::info!(
        path = &*path, kind, %pid, limit, ?takes, ?deadline, withheld,
        "bound exceeds deadline: a full mailbox is more work than callers wait for, who are refused before it is full"
    );
}
