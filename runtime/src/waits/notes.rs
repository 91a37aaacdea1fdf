//! What a turn was seen to wait for: plain words of the thread that runs it.

use std::cell::{Cell, RefCell};

use super::edge::{Awaited, Edge, Since};
use super::ring;
use crate::cell::{AnyCell, Core};
use crate::message::Criticality;
use crate::pid::{ActorId, Pid};
use crate::shared::Shared;
use crate::turn::{self, Whose};

/// Something was polled that waits and is not a question.
const OTHERS: u32 = 1;
/// A message was sent that may carry along the reply of the question in hand.
const GIVES: u32 = 1 << 1;
/// The turn ends in a callback, not between two.
const AWAITS: u32 = 1 << 2;
/// A question, or a wait for room, was polled and goes on: so often.
const ONE: u32 = 1 << 3;

thread_local! {
    static NOTES: Cell<u32> = const { Cell::new(OTHERS) };

    /// What was asked on this thread.
    static ASKED: Cell<u32> = const { Cell::new(0) };

    /// Of the first question that goes on.
    static EDGE: RefCell<Option<Edge>> = const { RefCell::new(None) };
}

fn note(bit: u32) {
    NOTES.with(|notes| notes.set(notes.get() | bit));
}

/// A turn begins, or a callback is polled again.
#[inline]
pub(crate) fn begins() {
    NOTES.with(|notes| notes.set(0));
}

/// A waker of an actor is cloned, or wakes it without need: in its own turn somebody waits.
#[inline]
pub(crate) fn waker_is_kept(of: ActorId) {
    if turn::current_id() == of {
        note(OTHERS);
    }
}

/// A message is sent that may carry a reply along.
#[inline(always)]
pub(crate) fn gives() {
    note(GIVES);
}

/// A question is taken into hand: its reply cannot have been given away before.
#[inline]
pub(crate) fn takes_in_hand() {
    NOTES.with(|notes| notes.set(notes.get() & !GIVES));
}

/// The turn ends in a callback.
pub(crate) fn awaits() {
    note(AWAITS);
}

/// Polls what says itself whether it waits.
#[inline]
pub(crate) fn quietly<R>(poll: impl FnOnce() -> R) -> R {
    let others = NOTES.with(Cell::get) & OTHERS;
    let polled = poll();
    NOTES.with(|notes| notes.set(notes.get() & !OTHERS | others));
    polled
}

/// Something is asked at this time.
#[inline]
pub(crate) fn since(at: u64) -> Since {
    let order = ASKED.with(|asked| asked.replace(asked.get().wrapping_add(1)));
    Since { at, order }
}

/// Whose turn sees what is polled now, if any does.
#[inline]
pub(crate) fn whose(shared: &Shared) -> Option<Pid> {
    match turn::whose(&shared.stragglers) {
        Whose::Here(pid) => Some(pid),
        _ => None,
    }
}

/// Something that `by` began at `since`, with `to`, was polled in a turn and goes on.
pub(crate) fn pends(by: Pid, to: ActorId, since: Since, criticality: Criticality, awaited: impl FnOnce() -> Awaited) {
    let edge = Edge { by, to, since, criticality, awaited: awaited() };
    // A thread that is ending runs no turn any more.
    let noted = EDGE.try_with(|first| {
        let mut first = first.borrow_mut();
        let known = first.as_ref().filter(|_| NOTES.with(Cell::get) >= ONE);
        match known {
            // Somebody looks at it more than once.
            Some(known) if known.is_same(&edge) => Some(edge),
            Some(known) if known.is_good() => {
                NOTES.with(|notes| notes.set(notes.get().saturating_add(ONE)));
                Some(edge)
            }
            // One that has come to its end since, or was given up, is not waited for any more.
            _ => first.replace(edge),
        }
    });
    if NOTES.with(Cell::get) < ONE {
        note(ONE);
    }
    // Under no borrow: with it goes, perhaps, the last reference to a question.
    drop(noted);
}

/// A question that has something along is answered in a turn: what others see of the wait for it would keep that until the turn
/// ends.
#[cold]
pub(crate) fn is_answered(shared: &Shared) {
    let Some(by) = whose(shared) else { return };
    let cell = shared.find(by.id);
    if let Some(standing) = cell.as_ref().and_then(|cell| cell.core().counters().standing()) {
        standing.withdraw_of(by);
    }
}

/// What was noted in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notes(u32);

impl Notes {
    /// The notes of the turn that has just been taken.
    #[inline]
    pub(crate) fn take() -> Self {
        Self(NOTES.with(|notes| notes.replace(OTHERS)))
    }

    /// Those of a turn that is interrupted: put back when they go.
    #[inline]
    pub(crate) fn keep() -> Kept {
        let notes = Self::take();
        Kept { notes, edge: notes.take_edge() }
    }

    /// The question that was noted, if one was.
    #[inline]
    pub(super) fn take_edge(self) -> Option<Edge> {
        if self.0 < ONE { None } else { EDGE.try_with(RefCell::take).ok().flatten() }
    }

    /// The turn was of an incarnation that is no more.
    pub(crate) fn forget(self) {
        drop(self.take_edge());
    }

    /// Whether the reply of the question in hand may be somebody else's.
    #[inline]
    pub(crate) fn gave(self) -> bool {
        self.0 & GIVES != 0
    }

    /// The turn has ended with its callback waiting, or between two callbacks: others see for what.
    #[inline(always)]
    pub(crate) fn publish(self, core: &Core, cell: &dyn AnyCell) {
        if self.0 < ONE { withdraw(core) } else { self.publish_edge(core, cell) }
    }

    #[cold]
    fn publish_edge(self, core: &Core, cell: &dyn AnyCell) {
        let is_the_one = self.0 & !(GIVES | OTHERS) == ONE | AWAITS;
        match self.take_edge().filter(|edge| is_the_one && edge.by == core.pid() && edge.is_good()) {
            Some(edge) => ring::publish(cell, edge, self.0 & OTHERS == 0),
            None => withdraw(core),
        }
    }
}

/// The incarnation waits for nobody.
#[inline]
pub(crate) fn withdraw(core: &Core) {
    if let Some(standing) = core.counters().standing() {
        standing.withdraw();
    }
}

/// Notes that are put back.
pub(crate) struct Kept {
    notes: Notes,
    edge: Option<Edge>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        NOTES.with(|notes| notes.set(self.notes.0));
        if let Some(edge) = self.edge.take() {
            let _ = EDGE.try_with(|first| first.replace(Some(edge)));
        }
    }
}
