//! One name for every atomic: the standard library's, or loom's when a model runs.
//!
//! Nothing else in this crate imports either, so that a model checks the very code that ships.
//! Three differences are papered over here: loom's cells are accessed through closures, loom's
//! threads must *yield* where real ones may spin, and loom has no `parking_lot`.

#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU32 as StoredU32, AtomicU64, AtomicU64 as StoredU64,
            Ordering, fence,
        },
    },
    thread::yield_now,
};

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32 as StoredU32, AtomicU64 as StoredU64, Ordering, fence},
    },
    thread::yield_now,
};

/// Atomic integers whose every load is a point where loom considers another order.
///
/// Of the accesses to an object loom remembers the last one only. A thread that loads and then swaps thereby
/// hides from loom that its swap also competes with an earlier load of another thread, and half of the
/// interleavings of any compare-and-swap loop are never tried. Here a load first touches `order`, which loom
/// takes for a write, so loads compete with loads. It is relaxed and its value is not used: nothing is
/// synchronised by it.
///
/// Integers that are only ever loaded and stored need none of it: they are `StoredU32` and `StoredU64`.
#[cfg(loom)]
macro_rules! ordered {
    ($($name:ident: $integer:ty),*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name {
            value: loom::sync::atomic::$name,
            order: loom::sync::atomic::AtomicU8,
        }

        impl $name {
            pub(crate) fn new(value: $integer) -> Self {
                let order = loom::sync::atomic::AtomicU8::new(0);
                Self { value: loom::sync::atomic::$name::new(value), order }
            }

            pub(crate) fn load(&self, order: Ordering) -> $integer {
                self.order.fetch_add(0, Ordering::Relaxed);
                self.value.load(order)
            }
        }

        impl std::ops::Deref for $name {
            type Target = loom::sync::atomic::$name;

            fn deref(&self) -> &Self::Target {
                &self.value
            }
        }
    )*};
}

#[cfg(loom)]
ordered!(AtomicU32: u32, AtomicU64: u64);

/// Shared mutable memory, accessed through closures as loom wants it.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Lends a pointer that the closure may read through.
    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Lends a pointer that the closure may write through.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;

#[cfg(not(loom))]
pub(crate) use parking_lot::MutexGuard;

#[cfg(loom)]
pub(crate) use loom::sync::MutexGuard;

/// A lock without poisoning: what it guards is left consistent by whoever panics under it.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(#[cfg(not(loom))] parking_lot::Mutex<T>, #[cfg(loom)] loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Mutex(parking_lot::Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock()
    }

    #[cfg(loom)]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Waiting for another thread to take its next few instructions: spins, then lets it run.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    #[cfg(not(loom))]
    steps: u32,
}

impl Backoff {
    /// Spins this often (doubling) before the processor is given away: about a microsecond.
    #[cfg(not(loom))]
    const SPINS: u32 = 6;

    pub(crate) fn wait(&mut self) {
        #[cfg(not(loom))]
        if self.steps < Self::SPINS {
            for _ in 0..1_u32 << self.steps {
                std::hint::spin_loop();
            }
            self.steps += 1;
            return;
        }
        yield_now();
    }

    /// Lets others finish who do not need to be waited for: it is as right not to. In a model nothing is won by it.
    pub(crate) fn give_way(&mut self) {
        if cfg!(not(loom)) {
            self.wait();
        }
    }
}
