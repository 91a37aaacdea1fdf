//! Where a runner's private data lies: one bank a runner, and room for one straggler beside the current one.

use std::mem::MaybeUninit;

use crate::facade::UnsafeCell;

/// Two banks. The second, which only a task that was abandoned needs, is made when it is first filled.
///
/// Which of them is filled is not noted here but in the header: a bank is when a turn begins with it, until the turn gives it
/// back. That of the current turn always is.
pub(super) struct Banks<O> {
    first: UnsafeCell<MaybeUninit<O>>,
    second: UnsafeCell<Option<Box<O>>>,
}

/// The box of a filled second bank.
const FILLED: &str = "a bank that a turn has is filled";

impl<O> Banks<O> {
    /// The first is filled.
    pub(super) fn new(owner: O) -> Self {
        Banks { first: UnsafeCell::new(MaybeUninit::new(owner)), second: UnsafeCell::new(None) }
    }

    /// What lies in a bank.
    ///
    /// # Safety
    ///
    /// The bank is the caller's and filled, and nobody has a reference into it for as long as this one is used.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the contract says whose it is")]
    pub(super) unsafe fn look(&self, bank: usize) -> &mut O {
        if bank == 0 {
            // SAFETY: by the caller's contract.
            self.first.with_mut(|first| unsafe { (*first).assume_init_mut() })
        } else {
            // SAFETY: likewise.
            unsafe { self.look_at_second() }
        }
    }

    /// # Safety
    ///
    /// That of [`Banks::look`].
    #[cold]
    #[expect(clippy::mut_from_ref, reason = "the contract says whose it is")]
    unsafe fn look_at_second(&self) -> &mut O {
        // SAFETY: by the caller's contract.
        self.second.with_mut(|second| unsafe { (*second).as_deref_mut() }).expect(FILLED)
    }

    /// Fills a bank.
    ///
    /// # Safety
    ///
    /// The bank is the caller's and empty.
    pub(super) unsafe fn fill(&self, bank: usize, owner: O) {
        if bank == 0 {
            // SAFETY: by the caller's contract.
            self.first.with_mut(|first| unsafe { (*first).write(owner) });
        } else {
            // SAFETY: likewise.
            self.second.with_mut(|second| unsafe { *second = Some(Box::new(owner)) });
        }
    }

    /// Empties a bank.
    ///
    /// # Safety
    ///
    /// The bank is the caller's and filled.
    pub(super) unsafe fn take(&self, bank: usize) -> O {
        if bank == 0 {
            // SAFETY: by the caller's contract; nobody looks at it any more before it is filled again.
            return self.first.with_mut(|first| unsafe { (*first).assume_init_read() });
        }
        // SAFETY: by the caller's contract.
        *self.second.with_mut(|second| unsafe { (*second).take() }).expect(FILLED)
    }
}
