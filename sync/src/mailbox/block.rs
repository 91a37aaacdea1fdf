//! Blocks: where messages lie between their sender and the receiver.
//!
//! ```text
//!   ┌──────┬──────────────────────┬─────────────────────────────┐
//!   │ next │ ready[0] … ready[N-1]│ value[0]   …    value[N-1]  │   N = Block::<T>::SLOTS
//!   └──────┴──────────────────────┴─────────────────────────────┘
//! ```
//!
//! One allocation of at most about a kilobyte, unless messages are large. The message with position `p` lies in the slot `p % N` of the block
//! with number `p / N`. `ready[i]` is 0 until the slot's sender has written the value (or failed to), and is set back only
//! when the whole block is reused, by who owns it then.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    marker::PhantomData,
    mem::{MaybeUninit, align_of, size_of},
    ptr::{self, NonNull},
};

use crate::facade::{AtomicPtr, AtomicU8, Ordering, UnsafeCell};

/// The header of a block; the arrays follow it.
#[repr(C)]
pub(super) struct Block<T> {
    /// The block after this one, once its first place was taken. Release by that sender, acquire by the
    /// receiver.
    pub(super) next: AtomicPtr<Block<T>>,
    _values: PhantomData<T>,
}

/// A slot that holds a value.
pub(super) const FULL: u8 = 1;
/// A slot that will never hold one: whoever had taken it panicked.
pub(super) const HOLE: u8 = 2;

type Value<T> = UnsafeCell<MaybeUninit<T>>;

const fn round_up(offset: usize, align: usize) -> usize {
    offset.div_ceil(align) * align
}

impl<T> Block<T> {
    /// Slots of a block: a power of two.
    pub(super) const SLOTS: usize = if cfg!(loom) {
        2
    } else {
        let mut slots = 32;
        while slots > 4 && slots * size_of::<T>() > 1_024 {
            slots /= 2;
        }
        slots
    };

    const READY_OFFSET: usize = round_up(size_of::<Self>(), align_of::<AtomicU8>());
    const VALUES_OFFSET: usize =
        round_up(Self::READY_OFFSET + Self::SLOTS * size_of::<AtomicU8>(), align_of::<Value<T>>());

    fn layout() -> Layout {
        let align =
            if align_of::<Value<T>>() > align_of::<Self>() { align_of::<Value<T>>() } else { align_of::<Self>() };
        let size = Self::VALUES_OFFSET + Self::SLOTS * size_of::<Value<T>>();
        Layout::from_size_align(size, align).expect("a block is small, and its alignment that of a type")
    }

    /// The slot of a position.
    #[inline(always)]
    pub(super) fn slot(position: u64) -> usize {
        position as usize & (Self::SLOTS - 1)
    }

    /// The lowest bit of the number of the block that a position lies in.
    #[inline(always)]
    pub(super) fn parity(position: u64) -> usize {
        (position as usize / Self::SLOTS) & 1
    }

    /// A new block with every slot empty. Owned by the caller, who gives it to [`Block::free`].
    pub(super) fn allocate() -> NonNull<Self> {
        let layout = Self::layout();
        // SAFETY: the layout is not empty: it has a header.
        let memory = unsafe { alloc(layout) };
        let Some(block) = NonNull::new(memory.cast::<Self>()) else { handle_alloc_error(layout) };
        // SAFETY: the memory is ours, and the layout has room for a header and `SLOTS` of each array.
        unsafe {
            block.write(Block { next: AtomicPtr::new(ptr::null_mut()), _values: PhantomData });
            for slot in 0..Self::SLOTS {
                Self::ready_ptr(block, slot).write(AtomicU8::new(0));
                Self::value_ptr(block, slot).write(UnsafeCell::new(MaybeUninit::uninit()));
            }
        }
        block
    }

    /// Gives the memory back. Does not look at the values.
    ///
    /// # Safety
    ///
    /// The block came from [`Block::allocate`], is the caller's alone, and holds no value worth dropping.
    pub(super) unsafe fn free(block: NonNull<Self>) {
        // SAFETY: by the caller's contract. Atomics and uninitialised cells need no destructor.
        unsafe { dealloc(block.as_ptr().cast(), Self::layout()) }
    }

    /// Makes a spent block as good as new.
    ///
    /// # Safety
    ///
    /// The block is the caller's alone, and its values were taken.
    pub(super) unsafe fn reset(block: NonNull<Self>) {
        // SAFETY: the caller owns the block, so plain writes race with nobody.
        unsafe {
            (*block.as_ptr()).next = AtomicPtr::new(ptr::null_mut());
            for slot in 0..Self::SLOTS {
                Self::ready_ptr(block, slot).write(AtomicU8::new(0));
            }
        }
    }

    /// Writes a slot and publishes it.
    ///
    /// # Safety
    ///
    /// The slot's place is the caller's: it took the position, and fills it once.
    #[inline(always)]
    pub(super) unsafe fn fill(block: NonNull<Self>, slot: usize, value: T) {
        // SAFETY: a block is not freed before the receiver has taken all its values, and this one is not
        // there yet; nobody else writes this slot, and the receiver reads it only when it is ready.
        unsafe {
            (*Self::value_ptr(block, slot)).with_mut(|cell| {
                (*cell).write(value);
            });
            // Release: pairs with the acquire in `ready`, after which the value is read.
            (*Self::ready_ptr(block, slot)).store(FULL, Ordering::Release);
        }
    }

    /// Publishes a slot that has no value.
    ///
    /// # Safety
    ///
    /// The place is the caller's, and was not written.
    pub(super) unsafe fn leave_empty(block: NonNull<Self>, slot: usize) {
        // SAFETY: as in `fill`.
        unsafe { (*Self::ready_ptr(block, slot)).store(HOLE, Ordering::Release) };
    }

    /// Whether a slot is published: 0, [`FULL`] or [`HOLE`].
    ///
    /// # Safety
    ///
    /// The block is alive.
    #[inline(always)]
    pub(super) unsafe fn ready(block: NonNull<Self>, slot: usize) -> u8 {
        // SAFETY: the arrays are within the block.
        let ready = unsafe { &*Self::ready_ptr(block, slot) };
        // Acquire: pairs with the release in `publish`, so that the value is there.
        ready.load(Ordering::Acquire)
    }

    /// Takes the value of a slot.
    ///
    /// # Safety
    ///
    /// It is ready, the caller is the only receiver, and takes each slot once.
    #[inline(always)]
    pub(super) unsafe fn take(block: NonNull<Self>, slot: usize) -> T {
        // SAFETY: ready means written, and never written again before a reset.
        unsafe { (*Self::value_ptr(block, slot)).with(|cell| (*cell).assume_init_read()) }
    }

    #[inline(always)]
    unsafe fn ready_ptr(block: NonNull<Self>, slot: usize) -> *mut AtomicU8 {
        debug_assert!(slot < Self::SLOTS);
        // SAFETY: the caller's block has `SLOTS` of them at this offset.
        unsafe { block.as_ptr().byte_add(Self::READY_OFFSET).cast::<AtomicU8>().add(slot) }
    }

    #[inline(always)]
    unsafe fn value_ptr(block: NonNull<Self>, slot: usize) -> *mut Value<T> {
        debug_assert!(slot < Self::SLOTS);
        // SAFETY: as above.
        unsafe { block.as_ptr().byte_add(Self::VALUES_OFFSET).cast::<Value<T>>().add(slot) }
    }
}

/// A pointer to a block, and the parity of the block's number, in one word.
///
/// Whether the current block covers a position is thereby known without looking into the block, which a
/// sender may not do before the place is its own.
pub(super) struct Tagged<T>(*mut Block<T>);

impl<T> Clone for Tagged<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tagged<T> {}

impl<T> Tagged<T> {
    #[inline(always)]
    pub(super) fn from_raw(raw: *mut Block<T>) -> Self {
        Tagged(raw)
    }

    pub(super) fn new(block: NonNull<Block<T>>, position: u64) -> Self {
        Tagged(block.as_ptr().map_addr(|address| address | Block::<T>::parity(position)))
    }

    pub(super) fn into_raw(self) -> *mut Block<T> {
        self.0
    }

    /// The block, whatever its number.
    #[inline(always)]
    pub(super) fn block(self) -> Option<NonNull<Block<T>>> {
        NonNull::new(self.0.map_addr(|address| address & !1))
    }

    /// The block if it covers `position`, which is in this block or is the first of the next.
    #[inline(always)]
    pub(super) fn covering(self, position: u64) -> Option<NonNull<Block<T>>> {
        if self.0.addr() & 1 == Block::<T>::parity(position) { self.block() } else { None }
    }
}
