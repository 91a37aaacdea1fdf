//! Where a runner's private data lies: one bank a runner, and room for one straggler beside the current one.

use crate::facade::UnsafeCell;

/// Two banks. The second, which only a task that was abandoned needs, is made when it is first filled.
pub(super) struct Banks<O> {
    first: UnsafeCell<Option<O>>,
    second: UnsafeCell<Option<Box<O>>>,
}

impl<O> Banks<O> {
    pub(super) fn new(owner: O) -> Self {
        Banks { first: UnsafeCell::new(Some(owner)), second: UnsafeCell::new(None) }
    }

    /// What lies in a bank.
    ///
    /// # Safety
    ///
    /// The bank is the caller's, and nobody has a reference into it for as long as this one is used.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the contract says whose it is")]
    pub(super) unsafe fn look(&self, bank: usize) -> Option<&mut O> {
        if bank == 0 {
            // SAFETY: by the caller's contract.
            self.first.with_mut(|first| unsafe { (*first).as_mut() })
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
    unsafe fn look_at_second(&self) -> Option<&mut O> {
        // SAFETY: by the caller's contract.
        self.second.with_mut(|second| unsafe { (*second).as_deref_mut() })
    }

    /// Exchanges what lies in a bank.
    ///
    /// # Safety
    ///
    /// The bank is the caller's.
    pub(super) unsafe fn replace(&self, bank: usize, owner: Option<O>) -> Option<O> {
        if bank == 0 {
            // SAFETY: by the caller's contract.
            return self.first.with_mut(|first| unsafe { std::mem::replace(&mut *first, owner) });
        }
        let owner = owner.map(Box::new);
        // SAFETY: likewise.
        self.second.with_mut(|second| unsafe { std::mem::replace(&mut *second, owner) }).map(|owner| *owner)
    }
}
