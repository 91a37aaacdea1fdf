//! A single slot for whoever waits.
//!
//! ```text
//!            register                    register ends
//!   IDLE ───────────────▶ REGISTERING ───────────────────▶ IDLE
//!    │  take                   │ take: WAKING is set beside it
//!    ▼                         ▼
//!   WAKING ──▶ IDLE       REGISTERING | WAKING ──▶ the one who registers wakes, and IDLE
//! ```
//!
//! The waker is touched by the one who moved the state away from IDLE, nobody else. **No wake-up is lost:** a
//! `wake` that comes before a `register` is over is seen by its end; one that comes later finds the waker.
//! What made the waker worth waking is published before `wake`, and looked for after `register`.

use std::{fmt, task::Waker};

use crate::{
    contain::{contain, wake},
    facade::{AtomicU8, Backoff, Ordering, UnsafeCell},
};

const IDLE: u8 = 0;
const REGISTERING: u8 = 1 << 0;
const WAKING: u8 = 1 << 1;

/// A slot for one waker.
pub struct WakerSlot {
    state: AtomicU8,
    /// Of whoever set REGISTERING, or set WAKING in an idle slot.
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: wakers are `Send + Sync`, and the state gives the cell to one thread at a time.
unsafe impl Send for WakerSlot {}
// SAFETY: as above.
unsafe impl Sync for WakerSlot {}

impl WakerSlot {
    /// A slot where nobody waits.
    pub fn new() -> Self {
        WakerSlot { state: AtomicU8::new(IDLE), waker: UnsafeCell::new(None) }
    }

    /// Leaves a waker, in place of the one before. To be followed by a look at what is waited for.
    ///
    /// One task waits at a time. When another thread is registering just now, this waker is woken instead.
    pub fn register(&self, waker: &Waker) {
        // Acquire: pairs with the release of who had the cell last.
        match self.state.compare_exchange(IDLE, REGISTERING, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {}
            Err(_) => {
                contain(|| waker.wake_by_ref());
                // The other thread is a few instructions from leaving the slot; the task comes back at once.
                Backoff::default().wait();
                return;
            }
        }
        // SAFETY: the cell is ours until REGISTERING is cleared.
        let same = self.waker.with(|cell| unsafe { (*cell).as_ref() }.is_some_and(|old| old.will_wake(waker)));
        let stale = if same {
            None
        } else {
            // A clone that panics leaves the old waker, and the slot usable.
            let end = EndRegistering(self);
            let fresh = waker.clone();
            std::mem::forget(end);
            // SAFETY: as above.
            self.waker.with_mut(|cell| unsafe { (*cell).replace(fresh) })
        };
        // AcqRel: the waker is published; what a waker that came meanwhile published is seen.
        if self.state.compare_exchange(REGISTERING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: as above: who set WAKING beside REGISTERING left the cell, and the waking, to us.
            let waker = self.waker.with_mut(|cell| unsafe { (*cell).take() });
            self.state.swap(IDLE, Ordering::AcqRel);
            waker.into_iter().for_each(wake);
        }
        contain(|| drop(stale));
    }

    /// Wakes who waits, if somebody does.
    pub fn wake(&self) {
        if let Some(waker) = self.take() {
            wake(waker);
        }
    }

    /// Takes the waker out: to be woken where foreign code may run.
    pub fn take(&self) -> Option<Waker> {
        // AcqRel: what we published before is seen by who registers; the waker is seen.
        match self.state.fetch_or(WAKING, Ordering::AcqRel) {
            IDLE => {
                // SAFETY: we moved the state away from IDLE.
                let waker = self.waker.with_mut(|cell| unsafe { (*cell).take() });
                // Release: the next one sees the cell as we leave it.
                self.state.fetch_and(!WAKING, Ordering::Release);
                waker
            }
            _ => None,
        }
    }
}

/// Ends a registration that a panic cut short.
struct EndRegistering<'a>(&'a WakerSlot);

impl Drop for EndRegistering<'_> {
    fn drop(&mut self) {
        self.0.state.swap(IDLE, Ordering::AcqRel);
    }
}

impl Default for WakerSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WakerSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakerSlot").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_latest_waker_is_woken_once() {
        let slot = WakerSlot::new();
        let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
        slot.wake();
        for bell in &bells {
            slot.register(&Arc::clone(bell).into());
        }
        slot.wake();
        slot.wake();
        assert_eq!(bells.each_ref().map(|bell| bell.0.load(Ordering::SeqCst)), [0, 1]);
        assert_eq!(Arc::strong_count(&bells[0]) + Arc::strong_count(&bells[1]), 2, "no waker is kept");
    }

    #[test]
    fn a_taken_waker_is_not_woken_by_the_slot() {
        let slot = WakerSlot::new();
        let bell = Arc::new(Bell::default());
        slot.register(&Arc::clone(&bell).into());
        let waker = slot.take().expect("it was registered");
        slot.wake();
        assert_eq!(bell.0.load(Ordering::SeqCst), 0);
        waker.wake();
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    }
}
