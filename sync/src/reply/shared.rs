//! Counted references to a reply, of whom some do not know the type of the answer.
//!
//! An `Arc` made three times over costs a locked operation for each of the ends before anything has happened; this
//! one begins with three references, and the last one goes without a locked operation.

use std::{mem::ManuallyDrop, ops::Deref, process::abort, ptr::NonNull};

use super::{Inner, core::Core};
use crate::{
    contain::contain,
    facade::{Ordering, fence},
};

/// Nobody makes that many observers, except by forgetting them in a loop.
const MAX_REFERENCES: u32 = u32::MAX / 2;

/// A reference to the whole.
pub(super) struct Shared<R, E>(NonNull<Inner<R, E>>);

/// A reference to the core, which keeps the whole alive.
pub(super) struct SharedCore<E>(NonNull<Core<E>>);

// SAFETY: a counted reference gives what `&Inner` gives, and the last one drops an `Inner`.
unsafe impl<R, E> Send for Shared<R, E> where Inner<R, E>: Send + Sync {}
// SAFETY: as above.
unsafe impl<R, E> Sync for Shared<R, E> where Inner<R, E>: Send + Sync {}
// SAFETY: as above; that the answer is `Send`, too, is checked where the whole is made (`trio`).
unsafe impl<E: Send> Send for SharedCore<E> {}
// SAFETY: as above.
unsafe impl<E: Send> Sync for SharedCore<E> {}

/// References that [`trio`] makes.
pub(super) const TRIO: u32 = 3;

/// Makes the three references that `inner`, which counts [`TRIO`] and frees with [`free`], begins with.
pub(super) fn trio<R: Send + 'static, E: Send>(inner: Inner<R, E>) -> (Shared<R, E>, Shared<R, E>, SharedCore<E>) {
    let whole = NonNull::from(Box::leak(Box::new(inner)));
    (Shared(whole), Shared(whole), SharedCore(whole.cast()))
}

/// Frees the whole.
///
/// # Safety
///
/// `whole` came out of [`trio`] of these types, and the last reference is gone.
pub(super) unsafe fn free<R, E>(whole: NonNull<()>) {
    // SAFETY: it was a box there, and nobody looks at it any more.
    let whole = unsafe { Box::from_raw(whole.cast::<Inner<R, E>>().as_ptr()) };
    // Wakers that were never woken die here, in the hands of whoever happened to be last.
    contain(|| drop(whole));
}

/// Gives a reference back.
///
/// # Safety
///
/// `core` is that of a live whole, of which the caller has a reference that it does not use again.
unsafe fn release<E>(core: NonNull<Core<E>>) {
    // SAFETY: by the caller's contract it is alive.
    let (references, free) = unsafe { (&core.as_ref().references, core.as_ref().free) };
    // Acquire: who is alone stays alone, since references are made from references, and sees what the others did
    // before they gave theirs back (release). The fence does the same for the one that counts down to nothing.
    if references.load(Ordering::Acquire) != 1 {
        if references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
    }
    // SAFETY: ours was the last reference.
    unsafe { free(core.cast()) }
}

impl<R, E> Shared<R, E> {
    /// Another reference, of somebody who does not know the type of the answer.
    pub(super) fn to_core(&self) -> SharedCore<E> {
        // Not dropped, it is only borrowed: the core is the first field of the whole.
        SharedCore::clone(&ManuallyDrop::new(SharedCore(self.0.cast())))
    }
}

impl<R, E> Deref for Shared<R, E> {
    type Target = Inner<R, E>;

    fn deref(&self) -> &Inner<R, E> {
        // SAFETY: our reference keeps it alive.
        unsafe { self.0.as_ref() }
    }
}

impl<R, E> Drop for Shared<R, E> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and this is its end. The core is the first field of the whole.
        unsafe { release(self.0.cast::<Core<E>>()) }
    }
}

impl<E> Deref for SharedCore<E> {
    type Target = Core<E>;

    fn deref(&self) -> &Core<E> {
        // SAFETY: our reference keeps the whole alive, and its core is its first field.
        unsafe { self.0.as_ref() }
    }
}

impl<E> Clone for SharedCore<E> {
    fn clone(&self) -> Self {
        // Relaxed: a new reference is made from one that exists.
        if self.references.fetch_add(1, Ordering::Relaxed) > MAX_REFERENCES {
            abort();
        }
        SharedCore(self.0)
    }
}

impl<E> Drop for SharedCore<E> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and this is its end.
        unsafe { release(self.0) }
    }
}
