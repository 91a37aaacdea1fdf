//! The senders' side: taking a place, filling it.

use std::{fmt, marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

use super::{
    Host, Mailbox,
    block::Block,
    word::{CAREFUL, CLOSED, INSTALLING, PARKED, WAITERS, Word},
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
    slot: u32,
    wake: bool,
    _mailbox: PhantomData<&'m Block<T>>,
}

impl<T: Send, B: Host> Mailbox<T, B> {
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

    /// Takes a place in the ordinary case, as [`Mailbox::place_within`] does. `None` in every other: that asks again.
    ///
    /// Ordinary is: open, nobody waits, room by the head last seen, room in the block, nobody else sends just now, and senders
    /// were not [told](Mailbox::set_careful) to take care.
    #[inline(always)]
    pub fn place_at_once(&self, at_most: u32) -> Option<Place<'_, T>> {
        let (word, current) = (self.word(), self.current());
        // Relaxed: a past value of the head, which only errs on the safe side.
        let seen_head = self.senders.seen_head.load(Ordering::Relaxed);
        let capacity = self.senders.capacity.load(Ordering::Relaxed).min(at_most);
        let used = word.taken_since(seen_head) + word.reserved();
        if word.any(CAREFUL | CLOSED | INSTALLING | WAITERS) || used >= u64::from(capacity) {
            return None;
        }
        let block = current.covering(word)?;
        self.swap_word(word, word.advanced()).ok()?;
        // SAFETY: the compare-and-swap proved the block to be the current one, and the place is in it.
        Some(unsafe { Place::new(block, word) })
    }

    #[inline(always)]
    fn take(&self, from: From, at_most: u32) -> Result<Place<'_, T>, ReserveError> {
        let place = if from == From::Free { self.place_at_once(at_most) } else { None };
        match place {
            Some(place) => Ok(place),
            None => self.take_with_care(from, at_most),
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
            let current = self.current();
            if let Some(block) = current.covering(word) {
                if self.swap_word(word, next).is_ok() {
                    // SAFETY: as in `place_at_once`.
                    return Ok(unsafe { Place::new(block, word) });
                }
                // Of two that send at once, one sends on undisturbed for a moment.
                backoff.give_way();
                continue;
            }
            let block = brought.block(word);
            if self.swap_word(word, Word(next.0 | INSTALLING)).is_ok() {
                brought.block = None;
                self.install(current.block, block, word.position());
                // SAFETY: we have just made it the current one.
                return Ok(unsafe { Place::new(block, word) });
            }
        }
    }

    /// The current block, which may not be it any more: whoever has a word from before learns that from its
    /// compare-and-swap.
    #[inline(always)]
    fn current(&self) -> Current<T> {
        // Acquire: a block is seen as its installer made it.
        let block = NonNull::new(self.senders.block.load(Ordering::Acquire));
        Current { block, end: self.senders.end.load(Ordering::Relaxed) }
    }

    /// Makes `block` the current one, from a position on. The caller has set INSTALLING.
    fn install(&self, previous: Option<NonNull<Block<T>>>, block: NonNull<Block<T>>, position: u64) {
        // SAFETY: nobody else knows the block.
        unsafe { Block::begin_at(block, position) };
        let link = match previous {
            // SAFETY: the receiver gives a block up only when it has found its link, which we are about to
            // set; and the compare-and-swap proved `previous` to be the current block.
            Some(previous) => unsafe { &(*previous.as_ptr()).next },
            None => &self.receiver.block,
        };
        // Release: the receiver follows the link to a block as it was made.
        link.store(block.as_ptr(), Ordering::Release);
        // SAFETY: the receiver cannot get past a place that is not ready, and its first one is the caller's.
        unsafe { self.announce(block) };
    }

    /// Tells senders of the current block, and takes INSTALLING away.
    ///
    /// # Safety
    ///
    /// The block is alive, and the receiver's next or current one. The caller has set INSTALLING.
    pub(super) unsafe fn announce(&self, block: NonNull<Block<T>>) {
        let senders = &self.senders;
        // SAFETY: by the caller's contract.
        let end = unsafe { Block::end(block) };
        // Release: senders see the block as we leave it.
        senders.block.store(block.as_ptr(), Ordering::Release);
        // Relaxed: who sees the flag gone sees it, too.
        senders.end.store(end, Ordering::Relaxed);
        // Release: who sees the flag gone sees the new block.
        senders.tail.fetch_and(!INSTALLING, Ordering::Release);
    }
}

/// The current block, and the position after its last slot.
struct Current<T> {
    block: Option<NonNull<Block<T>>>,
    end: u32,
}

impl<T> Current<T> {
    /// The block, if it covers the word's position: that is in there, or the one after its end.
    #[inline(always)]
    fn covering(&self, word: Word) -> Option<NonNull<Block<T>>> {
        if word.position() as u32 == self.end { None } else { self.block }
    }
}

impl<T> Place<'_, T> {
    /// The place that a successful compare-and-swap on `word` took.
    ///
    /// # Safety
    ///
    /// It lies in this block.
    #[inline(always)]
    unsafe fn new(block: NonNull<Block<T>>, word: Word) -> Self {
        // SAFETY: the receiver cannot get past the place, and so the block is alive.
        let slot = unsafe { Block::slot(block, word.position()) };
        Place { block, slot, wake: word.any(PARKED), _mailbox: PhantomData }
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
struct Brought<'a, T: Send, B: Host> {
    mailbox: &'a Mailbox<T, B>,
    block: Option<NonNull<Block<T>>>,
}

impl<T: Send, B: Host> Brought<'_, T, B> {
    /// A block as large as the queue is long.
    fn block(&mut self, word: Word) -> NonNull<Block<T>> {
        *self.block.get_or_insert_with(|| {
            let (fewest, most) = (u64::from(Block::<T>::FEWEST), u64::from(Block::<T>::MOST));
            let queued = word.taken_since_or_none(self.mailbox.head());
            let wanted = queued.clamp(fewest, most).next_power_of_two() as u32;
            self.mailbox.take_spare(wanted).unwrap_or_else(|| Block::allocate(wanted))
        })
    }
}

impl<T: Send, B: Host> Drop for Brought<'_, T, B> {
    fn drop(&mut self) {
        if let Some(block) = self.block {
            // SAFETY: allocated or taken from the spare slot by us, shown to nobody, empty.
            unsafe { self.mailbox.keep_or_free(block) };
        }
    }
}

impl<T: Send, B: Host> Mailbox<T, B> {
    /// Takes the block that was kept, if it has so many slots.
    fn take_spare(&self, slots: u32) -> Option<NonNull<Block<T>>> {
        let spare = &self.senders.spare;
        // Relaxed look, so that an empty place costs nothing; acquire, to own the block as it was left.
        if spare.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let block = NonNull::new(spare.swap(std::ptr::null_mut(), Ordering::Acquire))?;
        // SAFETY: whoever swaps it out owns it, and it is empty.
        unsafe {
            if Block::slots(block) >= slots {
                return Some(block);
            }
            Block::free(block);
        }
        None
    }

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
