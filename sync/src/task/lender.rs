//! Which turn a thread is running, and whether what its runner owns may be lent.

use std::cell::Cell;

use super::{RUNTIME, USER};
use crate::{
    asymmetric,
    facade::{AtomicU8, Ordering, thread_local},
};

/// The turn a thread is running.
#[derive(Clone, Copy)]
pub(super) struct Lender {
    task: usize,
    pub(super) epoch: u32,
    pub(super) bank: usize,
    /// The turn is in its RUNTIME phase and nothing of its owner is lent.
    lends: bool,
}

const NOBODY: Lender = Lender { task: 0, epoch: 0, bank: 0, lends: false };

thread_local! {
    static LENDER: Cell<Lender> = Cell::new(NOBODY);
}

impl Lender {
    /// Makes a turn the thread's current one until the guard goes.
    #[inline]
    pub(super) fn enter(task: usize, epoch: u32, bank: usize) -> Nested {
        Nested::set(Lender { task, epoch, bank, lends: true })
    }

    /// The current turn, if it is of this task and may lend.
    #[inline]
    pub(super) fn of(task: usize) -> Option<Lender> {
        let lender = LENDER.with(Cell::get);
        (lender.task == task && lender.lends).then_some(lender)
    }

    /// Lends nothing until the guard goes.
    #[inline]
    pub(super) fn lends_nothing(self) -> Nested {
        Nested::set(Lender { lends: false, ..self })
    }
}

/// Restores the turn that was current before, also on unwinding: turns run in place nest.
pub(super) struct Nested(Lender);

impl Nested {
    #[inline]
    fn set(lender: Lender) -> Self {
        Nested(LENDER.with(|current| current.replace(lender)))
    }
}

impl Drop for Nested {
    #[inline]
    fn drop(&mut self) {
        LENDER.with(|current| current.set(self.0));
    }
}

/// A turn in foreign code; back in the runtime's when dropped, also on unwinding.
pub(super) struct UserPhase<'a> {
    phase: &'a AtomicU8,
    _lends_nothing: Nested,
}

impl<'a> UserPhase<'a> {
    #[inline]
    pub(super) fn enter(phase: &'a AtomicU8, lender: Lender) -> Self {
        let nothing = lender.lends_nothing();
        // Release: an abandoner that reads USER sees everything this turn did before.
        phase.store(USER, Ordering::Release);
        UserPhase { phase, _lends_nothing: nothing }
    }
}

impl Drop for UserPhase<'_> {
    #[inline]
    fn drop(&mut self) {
        // Released to nobody: an abandoner that reads RUNTIME only goes away.
        self.phase.store(RUNTIME, Ordering::Relaxed);
        // Pairs with `heavy` in `abandon`: it sees RUNTIME, or whoever looks at the state from here on, also after
        // an unwinding, sees its ABANDONING or its new epoch.
        asymmetric::light();
    }
}
