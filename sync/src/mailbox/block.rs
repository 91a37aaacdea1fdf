//! Blocks: where messages lie between their sender and the receiver.
//!
//! ```text
//!   ┌──────┬─────┬──────┬────────┬──────────────────────┬─────────────────────────────┐
//!   │ next │ end │ mask │ values │ ready[0] … ready[n-1]│ value[0]   …    value[n-1]  │   n = mask + 1
//!   └──────┴─────┴──────┴────────┴──────────────────────┴─────────────────────────────┘
//! ```
//!
//! One allocation, with a power of two of slots. The message with position `p` lies in slot `p & mask` of the block that
//! covers it: from where that began to the next multiple of its slots. `ready[i]` is 0 until the slot's sender has written
//! the value (or failed to), and is set back only when the whole block is reused, by who owns it then.
//!
//! The first block of a mailbox is small, since most mailboxes hold little. While messages pile up each block is as large as
//! the queue is long, up to a few kilobytes: so a long queue is made of few blocks.

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
    /// The position after its last one; its lower half, since a block is short. Changes when nobody but its owner knows it.
    end: u32,
    mask: u32,
    /// Where the values begin, in bytes.
    values: u32,
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
    /// Slots of the smallest block.
    pub(super) const FEWEST: u32 = if cfg!(loom) { 2 } else { Self::no_more_than(8, 512) };
    /// Slots of the largest.
    pub(super) const MOST: u32 = if cfg!(loom) { 4 } else { Self::no_more_than(64, 4_096) };

    /// So many slots, or as many as have no more than so many bytes: one at least.
    const fn no_more_than(slots: u32, bytes: usize) -> u32 {
        let mut slots = slots;
        while slots > 1 && slots as usize * size_of::<T>() > bytes {
            slots /= 2;
        }
        slots
    }

    const READY_OFFSET: usize = round_up(std::mem::offset_of!(Self, values) + size_of::<u32>(), align_of::<AtomicU8>());

    const fn values_offset(slots: u32) -> usize {
        round_up(Self::READY_OFFSET + slots as usize * size_of::<AtomicU8>(), align_of::<Value<T>>())
    }

    fn layout(slots: u32) -> Layout {
        let align =
            if align_of::<Value<T>>() > align_of::<Self>() { align_of::<Value<T>>() } else { align_of::<Self>() };
        // The arrays begin where the header's own padding does; that is part of a header all the same.
        let size = (Self::values_offset(slots) + slots as usize * size_of::<Value<T>>()).max(size_of::<Self>());
        Layout::from_size_align(size, align).expect("a block is small, and its alignment that of a type")
    }

    /// A new block with every slot empty. Owned by the caller, who gives it to [`Block::free`].
    pub(super) fn allocate(slots: u32) -> NonNull<Self> {
        let layout = Self::layout(slots);
        // SAFETY: the layout is not empty: it has a header.
        let memory = unsafe { alloc(layout) };
        let Some(block) = NonNull::new(memory.cast::<Self>()) else { handle_alloc_error(layout) };
        // SAFETY: the memory is ours, and the layout has room for a header and `slots` of each array. The header is
        // written first, padding and all.
        unsafe {
            let (mask, values) = (slots - 1, Self::values_offset(slots) as u32);
            block.write(Block { next: AtomicPtr::new(ptr::null_mut()), end: 0, mask, values, _values: PhantomData });
            for slot in 0..slots {
                Self::ready_ptr(block, slot).write(AtomicU8::new(0));
                Self::value_ptr(block, slot).write(UnsafeCell::new(MaybeUninit::uninit()));
            }
        }
        block
    }

    /// How many slots it has.
    ///
    /// # Safety
    ///
    /// The block is alive.
    #[inline(always)]
    pub(super) unsafe fn slots(block: NonNull<Self>) -> u32 {
        // SAFETY: written once, before anybody else knew the block.
        unsafe { (*block.as_ptr()).mask + 1 }
    }

    /// Says which position it is used from.
    ///
    /// # Safety
    ///
    /// The block is the caller's alone.
    pub(super) unsafe fn begin_at(block: NonNull<Self>, position: u64) {
        // SAFETY: by the caller's contract.
        unsafe {
            let block = block.as_ptr();
            (*block).end = (position as u32 | (*block).mask).wrapping_add(1);
        }
    }

    /// The position after its last one: the lower half.
    ///
    /// # Safety
    ///
    /// The block is alive, and in use.
    #[inline(always)]
    pub(super) unsafe fn end(block: NonNull<Self>) -> u32 {
        // SAFETY: written before the block was published.
        unsafe { (*block.as_ptr()).end }
    }

    /// The slot of a position that it covers. The upper bits of the position do not matter.
    ///
    /// # Safety
    ///
    /// The block is alive.
    #[inline(always)]
    pub(super) unsafe fn slot(block: NonNull<Self>, position: u64) -> u32 {
        // SAFETY: as in `slots`.
        position as u32 & unsafe { (*block.as_ptr()).mask }
    }

    /// Gives the memory back. Does not look at the values.
    ///
    /// # Safety
    ///
    /// The block came from [`Block::allocate`], is the caller's alone, and holds no value worth dropping.
    pub(super) unsafe fn free(block: NonNull<Self>) {
        // SAFETY: by the caller's contract. Atomics and uninitialised cells need no destructor.
        unsafe { dealloc(block.as_ptr().cast(), Self::layout(Self::slots(block))) }
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
            for slot in 0..Self::slots(block) {
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
    pub(super) unsafe fn fill(block: NonNull<Self>, slot: u32, value: T) {
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
    pub(super) unsafe fn leave_empty(block: NonNull<Self>, slot: u32) {
        // SAFETY: as in `fill`.
        unsafe { (*Self::ready_ptr(block, slot)).store(HOLE, Ordering::Release) };
    }

    /// Whether a slot is published: 0, [`FULL`] or [`HOLE`].
    ///
    /// # Safety
    ///
    /// The block is alive.
    #[inline(always)]
    pub(super) unsafe fn ready(block: NonNull<Self>, slot: u32) -> u8 {
        // SAFETY: the arrays are within the block.
        let ready = unsafe { &*Self::ready_ptr(block, slot) };
        // Acquire: pairs with the release in `publish`, so that the value is there.
        ready.load(Ordering::Acquire)
    }

    /// The value of a slot, where it lies.
    ///
    /// # Safety
    ///
    /// It is ready, the caller is the only receiver, and takes it no earlier than the reference was used last.
    #[inline(always)]
    pub(super) unsafe fn look<'a>(block: NonNull<Self>, slot: u32) -> &'a T {
        // SAFETY: ready means written, and nobody writes there before the receiver has taken it.
        unsafe { (*Self::value_ptr(block, slot)).with(|cell| (*cell).assume_init_ref()) }
    }

    /// Takes the value of a slot.
    ///
    /// # Safety
    ///
    /// It is ready, the caller is the only receiver, and takes each slot once.
    #[inline(always)]
    pub(super) unsafe fn take(block: NonNull<Self>, slot: u32) -> T {
        // SAFETY: ready means written, and never written again before a reset.
        unsafe { (*Self::value_ptr(block, slot)).with(|cell| (*cell).assume_init_read()) }
    }

    #[inline(always)]
    unsafe fn ready_ptr(block: NonNull<Self>, slot: u32) -> *mut AtomicU8 {
        // SAFETY: the caller's block has `slots` of them at this offset.
        unsafe { block.as_ptr().byte_add(Self::READY_OFFSET).cast::<AtomicU8>().add(slot as usize) }
    }

    #[inline(always)]
    unsafe fn value_ptr(block: NonNull<Self>, slot: u32) -> *mut Value<T> {
        // SAFETY: as above.
        unsafe { block.as_ptr().byte_add((*block.as_ptr()).values as usize).cast::<Value<T>>().add(slot as usize) }
    }
}
