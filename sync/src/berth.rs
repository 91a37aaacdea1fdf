//! A pinned place for one future after the other.

use std::{fmt, marker::PhantomPinned, pin::Pin};

/// Where a future lies while it is polled: empty, or with a future that does not move before it is dropped.
///
/// Unlike a pinned `Option` it need not look for an earlier future when it is filled.
pub struct Berth<F> {
    future: Option<F>,
    _pinned: PhantomPinned,
}

impl<F> Berth<F> {
    /// An empty place.
    #[inline(always)]
    pub fn new() -> Self {
        Berth { future: None, _pinned: PhantomPinned }
    }

    /// Makes a future in an empty place.
    ///
    /// # Panics
    ///
    /// When it is not empty; and when `make` does: then it stays empty.
    #[inline(always)]
    pub fn fill(self: Pin<&mut Self>, make: impl FnOnce() -> F) -> Pin<&mut F> {
        // SAFETY: nothing is moved out of the place.
        let place = unsafe { &mut self.get_unchecked_mut().future };
        assert!(place.is_none(), "a place is filled when it is empty");
        // SAFETY: an empty place has nothing to drop.
        unsafe { std::ptr::write(place, Some(make())) };
        match place {
            // SAFETY: it stays where it is until it is dropped: the place is pinned, and offers no way to move it.
            Some(future) => unsafe { Pin::new_unchecked(future) },
            None => unreachable!("it was filled just now"),
        }
    }

    /// The future in there.
    pub fn look(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        // SAFETY: as in `fill`.
        let future = unsafe { self.get_unchecked_mut() }.future.as_mut()?;
        // SAFETY: likewise.
        Some(unsafe { Pin::new_unchecked(future) })
    }

    /// Drops the future in there. The place is empty then, also when its destructor panics.
    pub fn clear(self: Pin<&mut Self>) {
        struct Empties<'p, F>(&'p mut Option<F>);
        impl<F> Drop for Empties<'_, F> {
            fn drop(&mut self) {
                // SAFETY: what was in there has been dropped, or as much of it as its destructor did.
                unsafe { std::ptr::write(self.0, None) };
            }
        }
        // SAFETY: nothing is moved out of the place.
        let place = Empties(unsafe { &mut self.get_unchecked_mut().future });
        // SAFETY: the place is ours, holds what may be dropped, in place, and is overwritten before anybody looks.
        unsafe { std::ptr::drop_in_place(place.0 as *mut Option<F>) };
    }
}

impl<F> Default for Berth<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for Berth<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Berth").field("filled", &self.future.is_some()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{cell::Cell, pin::pin, rc::Rc};

    use super::*;

    struct Counted(Rc<Cell<u32>>, bool);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(!self.1, "a future that panics when it is dropped");
        }
    }

    #[test]
    fn a_place_is_filled_cleared_and_filled_again() {
        let dropped = Rc::new(Cell::new(0));
        let mut place = pin!(Berth::new());
        place.as_mut().fill(|| Counted(dropped.clone(), false));
        assert!(place.as_mut().look().is_some());
        place.as_mut().clear();
        assert!(place.as_mut().look().is_none());
        assert_eq!(dropped.get(), 1);
        place.as_mut().fill(|| Counted(dropped.clone(), false));
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    fn what_panics_when_it_is_dropped_is_dropped_once() {
        let dropped = Rc::new(Cell::new(0));
        {
            let mut place = pin!(Berth::new());
            place.as_mut().fill(|| Counted(dropped.clone(), true));
            let cleared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| place.as_mut().clear()));
            assert!(cleared.is_err() && place.as_mut().look().is_none());
        }
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    #[should_panic(expected = "filled when it is empty")]
    fn a_full_place_is_not_filled() {
        let mut place = pin!(Berth::new());
        place.as_mut().fill(|| 1);
        place.as_mut().fill(|| 2);
    }
}
