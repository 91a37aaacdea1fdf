//! The senders' side: taking a place, filling it.

use std::{fmt, marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

use super::{
    Mailbox,
    block::{Block, Tagged},
    word::{CLOSED, INSTALLING, PARKED, WAITERS, Word},
};
use crate::facade::{Backoff, Ordering};

/// A message is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the sender that is told to wake the receiver is the only one that is"]
pub struct Pushed {
    /// The receiver was parked: the caller must wake it.
    pub wake: bool,
}

/// A message is not in the queue, and comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// No room, or others wait for it.
    Full(T),
    /// No more messages are taken.
    Closed(T),
}

/// A place was not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveError {
    /// No room, or others wait for it.
    Full,
    /// No more places are given.
    Closed,
}

impl<T> PushError<T> {
    /// The message.
    pub fn into_inner(self) -> T {
        match self {
            PushError::Full(message) | PushError::Closed(message) => message,
        }
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full(_) => "Full(..)",
            PushError::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::Full(_) => ReserveError::Full.fmt(f),
            PushError::Closed(_) => ReserveError::Closed.fmt(f),
        }
    }
}

impl<T> std::error::Error for PushError<T> {}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReserveError::Full => "the mailbox is full",
            ReserveError::Closed => "the mailbox is closed",
        })
    }
}

impl std::error::Error for ReserveError {}

/// Where a place comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The free part of the capacity.
    Free,
    /// The caller's reservation.
    Reserved,
}

/// A place in the queue, to be filled at once, with nothing in between that could fail.
///
/// Dropped unfilled it stays empty: the receiver passes over it, but nobody is told to wake it.
#[must_use = "a place that is dropped unfilled stays empty"]
pub struct Place<'m, T> {
    block: NonNull<Block<T>>,
    slot: usize,
    wake: bool,
    _mailbox: PhantomData<&'m Block<T>>,
}

impl<T: Send, B> Mailbox<T, B> {
    /// Puts a message in the queue, if there is room. Never waits.
    ///
    /// # Errors
    ///
    /// [`PushError`] with the message: no room (or others wait for it), or closed.
    #[inline]
    pub fn push(&self, message: T) -> Result<Pushed, PushError<T>> {
        match self.take(From::Free, u32::MAX) {
            Ok(place) => Ok(place.fill(message)),
            Err(ReserveError::Full) => Err(PushError::Full(message)),
            Err(ReserveError::Closed) => Err(PushError::Closed(message)),
        }
    }

    /// Takes a place in the queue, if there is room. Never waits. It is to be filled at once: the receiver cannot get
    /// past it before.
    ///
    /// # Errors
    ///
    /// [`ReserveError`]: no room (or others wait for it), or closed.
    #[inline(always)]
    pub fn place(&self) -> Result<Place<'_, T>, ReserveError> {
        self.take(From::Free, u32::MAX)
    }

    /// The same, if no more than so many places are taken or reserved with this one.
    ///
    /// # Errors
    ///
    /// As [`Mailbox::place`]; more than that are taken: full.
    #[inline(always)]
    pub fn place_within(&self, at_most: u32) -> Result<Place<'_, T>, ReserveError> {
        self.take(From::Free, at_most)
    }

    /// Puts a message in a place that the caller has reserved.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`] with the message; the place is given back.
    ///
    /// # Panics
    ///
    /// When nothing is reserved.
    pub fn push_reserved(&self, message: T) -> Result<Pushed, PushError<T>> {
        match self.take(From::Reserved, u32::MAX) {
            Ok(place) => Ok(place.fill(message)),
            Err(_) => Err(PushError::Closed(message)),
        }
    }

    /// Sets one place aside for [`Mailbox::push_reserved`], if there is room. Never waits.
    ///
    /// # Errors
    ///
    /// [`ReserveError`]: no room (or others wait for it), or closed.
    pub fn try_reserve(&self) -> Result<(), ReserveError> {
        self.reserve(WAITERS, u32::MAX)
    }

    /// The same, if no more than so many places are taken or reserved with this one.
    ///
    /// # Errors
    ///
    /// As [`Mailbox::try_reserve`]; more than that are taken: full.
    pub fn try_reserve_within(&self, at_most: u32) -> Result<(), ReserveError> {
        self.reserve(WAITERS, at_most)
    }

    /// Sets one place aside, unless one of the `flags` is set, or the mailbox is closed, or so many places are taken.
    pub(super) fn reserve(&self, flags: u64, at_most: u32) -> Result<(), ReserveError> {
        let mut word = self.word();
        loop {
            if word.any(CLOSED) {
                return Err(ReserveError::Closed);
            }
            if word.any(flags) || !self.has_room(word, at_most) {
                return Err(ReserveError::Full);
            }
            match self.swap_word(word, word.one_more_reserved()) {
                Ok(()) => return Ok(()),
                Err(seen) => word = seen,
            }
        }
    }

    /// Gives a reserved place back. It goes to who waits longest, if somebody does.
    ///
    /// # Panics
    ///
    /// When nothing is reserved.
    pub fn release_reserved(&self) {
        let mut word = self.word();
        while let Err(seen) = self.swap_word(word, word.one_fewer_reserved()) {
            word = seen;
        }
        // Who began to wait before that is seen in the word; who began later sees the place.
        if word.any(WAITERS) {
            self.grant();
        }
    }

    /// Takes a place, in the ordinary case: open, nobody waits, room by the head last seen, room in the block.
    #[inline(always)]
    fn take(&self, from: From, at_most: u32) -> Result<Place<'_, T>, ReserveError> {
        let senders = &self.senders;
        let mut word = self.word();
        loop {
            // Acquire: a block is seen as its installer made it.
            let current = Tagged::from_raw(senders.block.load(Ordering::Acquire));
            // Relaxed: a past value of the head, which only errs on the safe side.
            let seen_head = senders.seen_head.load(Ordering::Relaxed);
            let room = word.is_plain()
                && word.taken_since(seen_head) < u64::from(senders.capacity.load(Ordering::Relaxed).min(at_most))
                && from == From::Free;
            let Some(block) = current.covering(word.position()).filter(|_| room) else {
                return self.take_with_care(from, at_most);
            };
            match self.swap_word(word, word.advanced_plain()) {
                Ok(()) => return Ok(Place::new(block, word)),
                Err(seen) => word = seen,
            }
        }
    }

    /// Takes a place in every case.
    #[cold]
    fn take_with_care(&self, from: From, at_most: u32) -> Result<Place<'_, T>, ReserveError> {
        let mut brought = Brought { mailbox: self, block: None };
        let mut backoff = Backoff::default();
        loop {
            let word = self.word();
            let next = match from {
                From::Free if word.any(CLOSED) => return Err(ReserveError::Closed),
                From::Free if word.any(WAITERS) || !self.has_room(word, at_most) => {
                    return Err(ReserveError::Full);
                }
                From::Free => word.advanced(),
                From::Reserved if word.any(CLOSED) => {
                    self.release_reserved();
                    return Err(ReserveError::Closed);
                }
                From::Reserved => word.one_fewer_reserved().advanced(),
            };
            if word.any(INSTALLING) {
                backoff.wait();
                continue;
            }
            let current = Tagged::from_raw(self.senders.block.load(Ordering::Acquire));
            if let Some(block) = current.covering(word.position()) {
                if self.swap_word(word, next).is_ok() {
                    return Ok(Place::new(block, word));
                }
                continue;
            }
            let block = brought.block();
            if self.swap_word(word, Word(next.0 | INSTALLING)).is_ok() {
                brought.block = None;
                self.install(current, block, word.position());
                return Ok(Place::new(block, word));
            }
        }
    }

    /// Makes `block` the current one. The caller has set INSTALLING.
    fn install(&self, previous: Tagged<T>, block: NonNull<Block<T>>, position: u64) {
        let link = match previous.block() {
            // SAFETY: the receiver gives a block up only when it has found its link, which we are about to
            // set; and the compare-and-swap proved `previous` to be the current block.
            Some(previous) => unsafe { &(*previous.as_ptr()).next },
            None => &self.receiver.first,
        };
        // Release: the receiver follows the link to a block as it was made.
        link.store(block.as_ptr(), Ordering::Release);
        // Release: likewise, for senders.
        self.senders.block.store(Tagged::new(block, position).into_raw(), Ordering::Release);
        // Release: who sees the flag gone sees the new pointer.
        self.senders.tail.fetch_and(!INSTALLING, Ordering::Release);
    }
}

impl<T> Place<'_, T> {
    /// The place that a successful compare-and-swap on `word` took.
    #[inline(always)]
    fn new(block: NonNull<Block<T>>, word: Word) -> Self {
        Place { block, slot: Block::<T>::slot(word.position()), wake: word.any(PARKED), _mailbox: PhantomData }
    }

    /// Puts the message there.
    #[inline(always)]
    pub fn fill(self, message: T) -> Pushed {
        let place = ManuallyDrop::new(self);
        // SAFETY: the compare-and-swap gave us the place and proved the block to be its block.
        unsafe { Block::fill(place.block, place.slot, message) };
        Pushed { wake: place.wake }
    }
}

impl<T> Drop for Place<'_, T> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: the place is ours, and nothing was written there.
        unsafe { Block::leave_empty(self.block, self.slot) };
    }
}

impl<T> fmt::Debug for Place<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// The block that a sender has brought along and may not need after all.
struct Brought<'a, T: Send, B> {
    mailbox: &'a Mailbox<T, B>,
    block: Option<NonNull<Block<T>>>,
}

impl<T: Send, B> Brought<'_, T, B> {
    fn block(&mut self) -> NonNull<Block<T>> {
        *self.block.get_or_insert_with(|| {
            let spare = &self.mailbox.senders.spare;
            // Relaxed look, so that an empty slot costs nothing; acquire, to own the block as it was left.
            let found = if spare.load(Ordering::Relaxed).is_null() {
                None
            } else {
                NonNull::new(spare.swap(std::ptr::null_mut(), Ordering::Acquire))
            };
            found.unwrap_or_else(Block::allocate)
        })
    }
}

impl<T: Send, B> Drop for Brought<'_, T, B> {
    fn drop(&mut self) {
        if let Some(block) = self.block {
            // SAFETY: allocated or taken from the spare slot by us, shown to nobody, empty.
            unsafe { self.mailbox.keep_or_free(block) };
        }
    }
}

impl<T: Send, B> Mailbox<T, B> {
    /// Keeps an empty block for the next installer, if there is none yet.
    ///
    /// # Safety
    ///
    /// The block is the caller's alone, and as good as new.
    pub(super) unsafe fn keep_or_free(&self, block: NonNull<Block<T>>) {
        let spare = &self.senders.spare;
        // Release: the next owner sees the block as we leave it.
        let kept = spare.compare_exchange(std::ptr::null_mut(), block.as_ptr(), Ordering::Release, Ordering::Relaxed);
        if kept.is_err() {
            // SAFETY: by the caller's contract.
            unsafe { Block::free(block) };
        }
    }
}
