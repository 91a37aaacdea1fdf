//! Which turn a thread is running, and whether what its runner owns may be lent.
//!
//! The thread remembers the innermost turn by a pointer into its trampoline's frame: looking is one load, and lending
//! is a store to that frame. Turns run in place nest; each restores the one before when it ends.

use std::{cell::Cell, ptr};

use super::{
    Header, RUNTIME, USER,
    claim::{Lends, Turn},
};
use crate::{asymmetric, facade::Ordering};

#[cfg(not(loom))]
std::thread_local! {
    static CURRENT: Cell<*const Turn> = const { Cell::new(ptr::null()) };
}

#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<*const Turn> = Cell::new(ptr::null());
}

/// Makes a turn the thread's current one for as long as it lives.
pub(super) struct Nested<'t> {
    before: *const Turn,
    _turn: &'t Turn,
}

impl<'t> Nested<'t> {
    #[inline]
    pub(super) fn enter(turn: &'t Turn) -> Self {
        Nested { before: CURRENT.with(|current| current.replace(turn)), _turn: turn }
    }
}

impl Drop for Nested<'_> {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.before));
    }
}

/// The current turn, if it is of the task at this address and stands like that.
///
/// # Safety
///
/// The caller lets go of the turn before it returns: the frame it lies in is further up this thread's stack.
#[inline(always)]
pub(super) unsafe fn current<'t>(task: usize, stands: Lends) -> Option<&'t Turn> {
    let turn = CURRENT.with(Cell::get);
    // SAFETY: not null, it points into the frame of a trampoline that is further up this thread's stack: the frame's
    // `Nested` takes it back before the frame goes, also on unwinding. The caller does not keep it.
    let turn = unsafe { turn.as_ref() }?;
    if turn.task == task && turn.lends.get() == stands { Some(turn) } else { None }
}

/// The owner is lent until this goes.
pub(super) struct Lent<'t>(&'t Cell<Lends>);

impl<'t> Lent<'t> {
    #[inline(always)]
    pub(super) fn enter(turn: &'t Turn) -> Self {
        turn.lends.set(Lends::Lent);
        Lent(&turn.lends)
    }
}

impl Drop for Lent<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(Lends::Yes);
    }
}

/// A turn in foreign code; back in the runtime's when dropped, also on unwinding.
pub(super) struct UserPhase<'t> {
    header: &'t Header,
    turn: &'t Turn,
}

impl<'t> UserPhase<'t> {
    #[inline(always)]
    pub(super) fn enter(header: &'t Header, turn: &'t Turn) -> Self {
        turn.lends.set(Lends::Foreign);
        // Release: an abandoner that reads USER sees everything this turn did before.
        header.phase[turn.bank & 1].store(USER, Ordering::Release);
        UserPhase { header, turn }
    }
}

impl Drop for UserPhase<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.turn.lends.set(if come_back(self.header, self.turn) { Lends::Yes } else { Lends::Never });
    }
}

/// Foreign code that has come back to the runtime's for a moment; foreign again when dropped, also on unwinding.
pub(super) struct Interlude<'t> {
    header: &'t Header,
    turn: &'t Turn,
}

impl<'t> Interlude<'t> {
    /// `None` if the turn was abandoned meanwhile.
    pub(super) fn enter(header: &'t Header, turn: &'t Turn) -> Option<Self> {
        let interlude = Interlude { header, turn };
        if !come_back(header, turn) {
            // Dropped: what follows is foreign code still.
            return None;
        }
        turn.lends.set(Lends::Lent);
        Some(interlude)
    }
}

impl Drop for Interlude<'_> {
    fn drop(&mut self) {
        self.turn.lends.set(Lends::Foreign);
        // Release: as in `UserPhase::enter`.
        self.header.phase[self.turn.bank & 1].store(USER, Ordering::Release);
    }
}

/// Back from foreign code. False: the turn was abandoned. If it was not it cannot be, before it is in foreign code again.
#[inline(always)]
fn come_back(header: &Header, turn: &Turn) -> bool {
    // Released to nobody: an abandoner that reads RUNTIME only goes away.
    header.phase[turn.bank & 1].store(RUNTIME, Ordering::Relaxed);
    // Pairs with `heavy` in `abandon`: it sees RUNTIME, or we, who look at the state now, see its ABANDONING or its new
    // epoch.
    asymmetric::light(turn.fences);
    // Acquire: as in `decided`.
    header.load(Ordering::Acquire).goes_on(turn.epoch) || header.decided().epoch() == turn.epoch
}
