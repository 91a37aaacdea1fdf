//! Running foreign code (a waker, a destructor) that must not be able to stop ours.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// Runs `foreign` and swallows its panic, and a panic of the payload's own destructor.
pub(crate) fn contain(foreign: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign))
        && let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // A payload that panics when dropped: its leak is the smaller evil.
        mem::forget(second);
    }
}

/// Wakes, and contains what the waker does.
pub(crate) fn wake(waker: Waker) {
    contain(|| waker.wake());
}
