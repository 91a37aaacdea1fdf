//! An `Arc` that is set once, in one word.

use std::{fmt, ptr};

use crate::facade::{Arc, AtomicPtr, Ordering};

/// Nothing at first, and for ever what it was set to first. As long as a pointer, and read at the cost of one.
pub struct OnceArc<T> {
    /// What `Arc::into_raw` gave, or null. Changes once; the count that it stands for is ours.
    value: AtomicPtr<T>,
}

// SAFETY: it owns an `Arc<T>`, lends `&T` and gives out `Arc<T>`.
unsafe impl<T: Send + Sync> Send for OnceArc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for OnceArc<T> {}

impl<T> OnceArc<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { value: AtomicPtr::new(ptr::null_mut()) }
    }

    #[inline(always)]
    fn load(&self) -> *mut T {
        // Acquire: pairs with `set`.
        self.value.load(Ordering::Acquire)
    }

    /// What it was set to.
    #[inline(always)]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: null, or what our count keeps alive for as long as we are borrowed.
        unsafe { self.load().as_ref() }
    }

    /// The same as a count of its own.
    pub fn get_arc(&self) -> Option<Arc<T>> {
        let value = self.load();
        if value.is_null() {
            return None;
        }
        // SAFETY: it came from `Arc::into_raw`, and our count keeps it alive; the new count is the new `Arc`'s.
        unsafe {
            Arc::increment_strong_count(value);
            Some(Arc::from_raw(value))
        }
    }

    /// Sets it, unless it is set.
    ///
    /// # Errors
    ///
    /// What was to be set, if it was set already.
    pub fn set(&self, value: Arc<T>) -> Result<(), Arc<T>> {
        let new = Arc::into_raw(value).cast_mut();
        // Release: whoever gets it sees what it points to.
        match self.value.compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            // SAFETY: it came from `Arc::into_raw` just now, and nobody else knows it.
            Err(_) => Err(unsafe { Arc::from_raw(new) }),
        }
    }
}

impl<T> Default for OnceArc<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for OnceArc<T> {
    fn drop(&mut self) {
        let value = self.load();
        if !value.is_null() {
            // SAFETY: it came from `Arc::into_raw`, and nobody can ask for it any more.
            drop(unsafe { Arc::from_raw(value) });
        }
    }
}

impl<T> fmt::Debug for OnceArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceArc").field("is_set", &!self.load().is_null()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_once_and_dropped_once() {
        let (first, second) = (Arc::new(1), Arc::new(2));
        let once = OnceArc::new();
        assert!(once.get().is_none() && once.get_arc().is_none());
        assert!(once.set(first.clone()).is_ok());
        assert_eq!(once.set(second.clone()), Err(second.clone()));
        assert_eq!(once.get(), Some(&1));
        assert!(once.get_arc().is_some_and(|held| Arc::ptr_eq(&held, &first)));
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (2, 1));
        drop(once);
        assert_eq!(Arc::strong_count(&first), 1);
    }

    #[test]
    fn of_many_who_set_it_one_does() {
        for _ in 0..200 {
            let once = OnceArc::new();
            let won = std::thread::scope(|scope| {
                let once = &once;
                let threads = [0, 1, 2].map(|n| scope.spawn(move || once.set(Arc::new(n)).is_ok().then_some(n)));
                threads.into_iter().filter_map(|thread| thread.join().expect("nobody panics")).collect::<Vec<_>>()
            });
            assert_eq!(won, [*once.get().expect("somebody has set it")]);
        }
    }
}
