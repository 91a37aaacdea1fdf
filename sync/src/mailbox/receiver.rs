//! The receiver's side. There is one receiver at a time; it moves between threads with whoever owns it.

use std::{
    fmt,
    ptr::{self, NonNull},
};

use super::{
    Cursor, Mailbox,
    block::{Block, FULL, HOLE, Tagged},
    word::{CLOSED, INSTALLING, PARKED, WAITERS, Word},
};
use crate::{
    attention::Attention,
    facade::{Arc, AtomicPtr, Ordering},
};

/// What [`Receiver::pop`] found.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a message that is popped and not looked at is lost"]
pub enum Pop<T> {
    /// The message that was sent first.
    Message(T),
    /// Nothing: [`Receiver::park`], to be woken.
    Empty,
    /// A sender has taken the next place and not filled it yet: come back soon.
    Busy,
    /// Nothing, and nothing will come.
    ClosedAndEmpty,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// [`Receiver::park`], to be woken.
    Empty,
    /// A sender has taken the next place and not filled it yet: come back soon.
    Busy,
    /// Nothing will come.
    ClosedAndEmpty,
}

/// The only consumer of a mailbox, which it keeps alive as a part of `X`.
pub struct Receiver<X, T: Send, B = ()> {
    /// The mailbox lies in there.
    mailbox: NonNull<Mailbox<T, B>>,
    /// The head of the queue; only we move it.
    head: u64,
    keep: Arc<X>,
}

// SAFETY: a receiver is the exclusive right to the receiving half of a `Mailbox<T>` (`T: Send`), and an
// `Arc<X>`.
unsafe impl<X: Send + Sync, T: Send, B: Send + Sync> Send for Receiver<X, T, B> {}
// SAFETY: `&Receiver` reads plain data and lends `&Arc<X>`.
unsafe impl<X: Send + Sync, T: Send, B: Send + Sync> Sync for Receiver<X, T, B> {}

impl<X: Send + Sync, T: Send, B: Send + Sync> Receiver<X, T, B> {
    /// Claims the receiving side of the mailbox that `get` finds in `keep`. `None` while another has it.
    pub fn claim(keep: Arc<X>, get: fn(&X) -> &Mailbox<T, B>) -> Option<Self> {
        let mailbox = get(&keep);
        let half = &mailbox.receiver;
        // Acquire: the cursor and the head as the last receiver left them.
        half.claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let head = half.head.load(Ordering::Relaxed);
        Some(Receiver { mailbox: NonNull::from(mailbox), head, keep })
    }

    /// Takes the message that was sent first.
    #[inline]
    pub fn pop(&mut self) -> Pop<T> {
        match self.look() {
            Ok(ready) => Pop::Message(ready.take()),
            Err(Nothing::Empty) => Pop::Empty,
            Err(Nothing::Busy) => Pop::Busy,
            Err(Nothing::ClosedAndEmpty) => Pop::ClosedAndEmpty,
        }
    }

    /// Looks whether there is a message, without taking it.
    ///
    /// # Errors
    ///
    /// [`Nothing`], and what that means.
    #[inline(always)]
    pub fn look(&mut self) -> Result<Ready<'_, T, B>, Nothing> {
        // SAFETY: as in `mailbox`, for as long as we are borrowed; the claim is ours.
        let mailbox = unsafe { self.mailbox.as_ref() };
        // SAFETY: we are the receiver, and borrowed.
        let block = match unsafe { mailbox.block_at_head(self.head, FULL) } {
            Some(block) => block,
            None => self.look_again()?,
        };
        Ok(Ready { mailbox, head: &mut self.head, block })
    }

    /// The head's place holds no message: is one on its way?
    #[inline(never)]
    fn look_again(&mut self) -> Result<NonNull<Block<T>>, Nothing> {
        self.pass_holes();
        let mailbox = self.mailbox();
        let word = mailbox.word();
        if word.taken_since(self.head) == 0 {
            return Err(if word.any(CLOSED) { Nothing::ClosedAndEmpty } else { Nothing::Empty });
        }
        // It may have been published between the first look and the word.
        // SAFETY: we are the receiver, and borrowed.
        unsafe { mailbox.block_at_head(self.head, FULL) }.ok_or(Nothing::Busy)
    }

    /// Passes over places that will never hold a message.
    fn pass_holes(&mut self) {
        // SAFETY: as in `mailbox`, for as long as we are borrowed.
        let mailbox = unsafe { self.mailbox.as_ref() };
        // SAFETY: we are the receiver.
        while unsafe { mailbox.block_at_head(self.head, HOLE) }.is_some() {
            mailbox.advance(&mut self.head);
        }
    }

    /// Goes to sleep, unless something has come. To be called after [`Pop::Empty`].
    ///
    /// True: the sender of the next message is told to wake the receiver. False: there is something to pop, or the
    /// mailbox is closed.
    pub fn park(&mut self) -> bool {
        let spent = self.with_cursor(|cursor| cursor.block.filter(|_| cursor.spent));
        let tidy = if spent.is_some() { INSTALLING } else { 0 };
        let mailbox = self.mailbox();
        let mut word = mailbox.word();
        loop {
            if word.any(CLOSED) || word.taken_since(self.head) != 0 {
                return false;
            }
            debug_assert!(!word.any(INSTALLING), "who installs has taken a place: {word:?}");
            match mailbox.swap_word(word, Word(word.0 | PARKED | tidy)) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        if let Some(block) = spent {
            self.reuse(block);
        }
        let mailbox = self.mailbox();
        mailbox.free_spare();
        // The word that we replaced is later than any place we freed: who waits for one is seen here, or sees
        // the head as it is.
        if word.any(WAITERS) {
            mailbox.grant();
        }
        true
    }

    /// Hands room that was freed to those who wait for it.
    ///
    /// Taking does so when half of the capacity is free, and `park` does; to be called before something that takes long.
    pub fn flush(&mut self) {
        let mailbox = self.mailbox();
        let until_flush = flush_every(mailbox.capacity());
        self.with_cursor(|cursor| cursor.until_flush = until_flush);
        self.mailbox().grant_if_awaited();
    }

    /// Messages ever taken from this mailbox: the position of the next one.
    #[inline]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// What the mailbox lies in.
    pub fn keeper(&self) -> &Arc<X> {
        &self.keep
    }

    fn mailbox(&self) -> &Mailbox<T, B> {
        // SAFETY: `get` found it in `keep` for as long as that is borrowed, which we do by keeping the
        // `Arc`: the value does not move, and nobody gets a `&mut` to it.
        unsafe { self.mailbox.as_ref() }
    }

    #[inline(always)]
    fn with_cursor<R>(&mut self, work: impl FnOnce(&mut Cursor<T>) -> R) -> R {
        // SAFETY: the claim is ours, and we are borrowed exclusively; no `work` nests another.
        self.mailbox().receiver.cursor.with_mut(|cursor| work(unsafe { &mut *cursor }))
    }

    /// Makes the spent block the current one again, so that an actor which sleeps after each message gets
    /// along with one block. INSTALLING is set, and nothing is queued.
    #[cold]
    fn reuse(&mut self, block: NonNull<Block<T>>) {
        // SAFETY: all its messages were taken, it has no successor (that would have a message), and none gets
        // one while INSTALLING is set: the block is ours alone.
        unsafe { Block::reset(block) };
        self.with_cursor(|cursor| cursor.spent = false);
        let senders = &self.mailbox().senders;
        // Release, twice: senders see the block as we leave it, and the pointer when the flag is gone.
        senders.block.store(Tagged::new(block, self.head).into_raw(), Ordering::Release);
        senders.tail.fetch_and(!INSTALLING, Ordering::Release);
    }
}

/// A message that can be taken.
#[must_use = "a message that is not taken stays where it is"]
pub struct Ready<'r, T: Send, B = ()> {
    mailbox: &'r Mailbox<T, B>,
    head: &'r mut u64,
    block: NonNull<Block<T>>,
}

impl<T: Send, B> Mailbox<T, B> {
    /// The block of the head's place, if that is published as `what`.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and this is its head.
    #[inline(always)]
    unsafe fn block_at_head(&self, head: u64, what: u8) -> Option<NonNull<Block<T>>> {
        // SAFETY: the cursor is the receiver's.
        let block = self.receiver.cursor.with_mut(|cursor| unsafe {
            let spent = |spent| {
                // Given up by its last user: ours alone, its messages taken.
                Block::reset(spent);
                self.keep_or_free(spent);
            };
            (*cursor).advance(&self.receiver.first, spent)
        })?;
        // SAFETY: the receiver's own block is alive.
        unsafe { Block::ready(block, Block::<T>::slot(head)) == what }.then_some(block)
    }

    /// Moves the head past a place. To be called by the receiver.
    #[inline(always)]
    fn advance(&self, head: &mut u64) {
        let next = *head + 1;
        *head = next;
        // Release: who sees the message gone sees what we did before taking it.
        self.receiver.head.store(next, Ordering::Release);
        let flush = self.receiver.cursor.with_mut(|cursor| {
            // SAFETY: the cursor is the receiver's.
            let cursor = unsafe { &mut *cursor };
            cursor.spent = Block::<T>::slot(next) == 0;
            cursor.until_flush = cursor.until_flush.wrapping_sub(1);
            cursor.until_flush == 0
        });
        if flush {
            self.flush();
        }
    }

    #[cold]
    fn flush(&self) {
        let until_flush = flush_every(self.capacity());
        // SAFETY: as in `advance`, which calls this.
        self.receiver.cursor.with_mut(|cursor| unsafe { (*cursor).until_flush = until_flush });
        self.grant_if_awaited();
    }
}

impl<T: Send, B> Ready<'_, T, B> {
    /// It, unless one of these bits is raised. They are looked at after the message was seen: a bit raised before it was
    /// sent is seen now.
    #[inline(always)]
    pub fn unless(self, attention: &Attention, bits: u32) -> Option<Self> {
        (attention.bits() & bits == 0).then_some(self)
    }

    /// Takes it.
    #[inline(always)]
    pub fn take(self) -> T {
        let Ready { mailbox, head, block } = self;
        // SAFETY: it is ready, and each position is taken once, as the head moves past it.
        let message = unsafe { Block::take(block, Block::<T>::slot(*head)) };
        mailbox.advance(head);
        message
    }

    /// Takes it to an empty place, without a copy in between.
    ///
    /// # Panics
    ///
    /// When the place is not empty.
    #[inline(always)]
    pub fn take_to(self, place: &mut Option<T>) {
        assert!(place.is_none(), "a message is taken to an empty place");
        let Ready { mailbox, head, block } = self;
        // SAFETY: as in `take`; and an empty place has nothing to drop.
        unsafe { ptr::write(place, Some(Block::take(block, Block::<T>::slot(*head)))) };
        mailbox.advance(head);
    }
}

impl<T: Send, B> fmt::Debug for Ready<'_, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("position", &self.head).finish_non_exhaustive()
    }
}

/// Most of the capacity: senders that wait are woken when it pays, and not one by one.
pub(super) fn flush_every(capacity: u32) -> u32 {
    (capacity - capacity / 8).max(1)
}

impl<T: Send, B> Mailbox<T, B> {
    /// Gives memory back when there is nothing to do.
    fn free_spare(&self) {
        let spare = &self.senders.spare;
        if !spare.load(Ordering::Relaxed).is_null() {
            // Acquire: to own the block as it was left.
            let block = NonNull::new(spare.swap(std::ptr::null_mut(), Ordering::Acquire));
            if let Some(block) = block {
                // SAFETY: the spare is owned by who swaps it out, and is empty.
                unsafe { Block::free(block) };
            }
        }
    }
}

impl<T> Cursor<T> {
    /// The block of the head's place, if it is there yet. On the way the spent block is given up.
    ///
    /// # Safety
    ///
    /// The caller is the receiver.
    #[inline(always)]
    pub(super) unsafe fn advance(
        &mut self,
        first: &AtomicPtr<Block<T>>,
        give_up: impl FnOnce(NonNull<Block<T>>),
    ) -> Option<NonNull<Block<T>>> {
        if !self.spent && self.block.is_some() {
            return self.block;
        }
        let link = match self.block {
            // SAFETY: the receiver's own block is alive until it is given up here.
            Some(spent) => unsafe { &(*spent.as_ptr()).next },
            None => first,
        };
        // Acquire: pairs with the installer's release.
        let next = NonNull::new(link.load(Ordering::Acquire))?;
        self.spent = false;
        if let Some(spent) = self.block.replace(next) {
            // The installer of `next` was the last to look into it.
            give_up(spent);
        }
        Some(next)
    }
}

impl<X, T: Send, B> Drop for Receiver<X, T, B> {
    fn drop(&mut self) {
        // SAFETY: as in `mailbox`: `keep` is still here.
        let half = unsafe { &self.mailbox.as_ref().receiver };
        // Release: the next receiver sees the cursor and the head as we leave them.
        half.claimed.store(false, Ordering::Release);
    }
}

impl<X, T: Send, B> fmt::Debug for Receiver<X, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("position", &self.head).finish_non_exhaustive()
    }
}
