//! A fence whose price is paid by the rare side.
//!
//! Two threads that each *store, then look at what the other stored* need a full fence between the
//! store and the look, or both may miss the other's store. When one of them does so on every turn
//! and the other once in a blue moon, the frequent side uses [`light`], which only keeps the
//! compiler from reordering, and the rare side [`heavy`], which makes every thread of the process
//! run a full fence (Linux: `membarrier`). For a pair (`light`, `heavy`) this holds:
//!
//! > either the heavy side sees what was stored before `light`,
//! > or the light side sees what was stored before `heavy` (or both).
//!
//! Where the kernel refuses, on other systems, under miri and in loom's models, both sides are
//! ordinary sequentially consistent fences.

use crate::facade::{Ordering, fence};

/// The frequent side: between its store and its look. `fences` is what [`is_light`] denied, asked earlier: a fence too
/// many does no harm.
#[inline(always)]
pub(crate) fn light(fences: bool) {
    if fences {
        fence(Ordering::SeqCst);
    } else {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// Whether the frequent side need only keep the compiler from reordering. Once true, it stays true.
#[inline(always)]
pub(crate) fn is_light() -> bool {
    kernel::ready()
}

/// The rare side: between its store and its look. Costs microseconds.
pub(crate) fn heavy() {
    if kernel::prepare() && kernel::barrier() {
        return;
    }
    fence(Ordering::SeqCst);
}

/// Decides, once a process, which of the two forms is used; cheap afterwards.
///
/// Called where the things are made that use [`light`]. A `light` that runs before the decision is
/// a real fence, which pairs with either form of `heavy`.
pub(crate) fn prepare() {
    kernel::prepare();
}

#[cfg(all(target_os = "linux", not(loom), not(miri)))]
mod kernel {
    use std::sync::atomic::{AtomicU8, Ordering};

    const UNDECIDED: u8 = 0;
    const READY: u8 = 1;
    const REFUSED: u8 = 2;

    static MODE: AtomicU8 = AtomicU8::new(UNDECIDED);

    const REGISTER: libc::c_int = 1 << 4; // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    const EXPEDITED: libc::c_int = 1 << 3; // MEMBARRIER_CMD_PRIVATE_EXPEDITED

    #[inline(always)]
    pub(super) fn ready() -> bool {
        // Relaxed: READY is final, and a thread that still sees another value uses a real fence.
        MODE.load(Ordering::Relaxed) == READY
    }

    #[inline]
    pub(super) fn prepare() -> bool {
        match MODE.load(Ordering::Relaxed) {
            READY => true,
            REFUSED => false,
            _ => decide(),
        }
    }

    #[cold]
    fn decide() -> bool {
        let mode = if membarrier(REGISTER) && membarrier(EXPEDITED) { READY } else { REFUSED };
        // Two threads may decide at once. The first decision stands: a `light` that was compiled
        // down to nothing must never meet a `heavy` that is only a local fence.
        match MODE.compare_exchange(UNDECIDED, mode, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => mode == READY,
            Err(standing) => standing == READY,
        }
    }

    /// True when every running thread of the process has passed a full fence.
    ///
    /// # Panics
    ///
    /// When the kernel refuses after it agreed to serve this process: nothing can stand in for it.
    pub(super) fn barrier() -> bool {
        assert!(membarrier(EXPEDITED), "membarrier was registered for this process");
        true
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0_u32, 0_i32) == 0 }
    }
}

#[cfg(not(all(target_os = "linux", not(loom), not(miri))))]
mod kernel {
    pub(super) fn ready() -> bool {
        false
    }

    pub(super) fn prepare() -> bool {
        false
    }

    pub(super) fn barrier() -> bool {
        false
    }
}
