//! Which turn a thread is running, and whether what its runner owns may be lent.
//!
//! The thread remembers the innermost turn by a pointer into its trampoline's frame: looking is one load, and lending
//! is a store to that frame. Turns run in place nest; each restores the one before when it ends.

use std::{cell::Cell, ptr};

use super::{RUNTIME, USER, claim::Turn};
use crate::{
    asymmetric,
    facade::{AtomicU8, Ordering},
};

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

/// Calls `with` with the current turn, if it is of the task at this address and may lend.
#[inline(always)]
pub(super) fn with_lender<R>(task: usize, with: impl FnOnce(Option<&Turn>) -> R) -> R {
    let turn = CURRENT.with(Cell::get);
    // SAFETY: not null, it points into the frame of a trampoline that is further up this thread's stack: the frame's
    // `Nested` takes it back before the frame goes, also on unwinding.
    let turn = unsafe { turn.as_ref() };
    with(turn.filter(|turn| turn.task == task && turn.lends.get()))
}

/// Nothing is lent until this goes.
pub(super) struct Lent<'t>(&'t Cell<bool>);

impl<'t> Lent<'t> {
    #[inline(always)]
    pub(super) fn enter(turn: &'t Turn) -> Self {
        turn.lends.set(false);
        Lent(&turn.lends)
    }
}

impl Drop for Lent<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// A turn in foreign code; back in the runtime's when dropped, also on unwinding.
pub(super) struct UserPhase<'t> {
    phase: &'t AtomicU8,
    _lent: Lent<'t>,
}

impl<'t> UserPhase<'t> {
    #[inline(always)]
    pub(super) fn enter(phase: &'t AtomicU8, turn: &'t Turn) -> Self {
        let lent = Lent::enter(turn);
        // Release: an abandoner that reads USER sees everything this turn did before.
        phase.store(USER, Ordering::Release);
        UserPhase { phase, _lent: lent }
    }
}

impl Drop for UserPhase<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Released to nobody: an abandoner that reads RUNTIME only goes away.
        self.phase.store(RUNTIME, Ordering::Relaxed);
        // Pairs with `heavy` in `abandon`: it sees RUNTIME, or whoever looks at the state from here on, also after
        // an unwinding, sees its ABANDONING or its new epoch.
        asymmetric::light();
    }
}
