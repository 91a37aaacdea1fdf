//! The receiver's side. There is one receiver at a time; it moves between threads with whoever owns it.

use std::{fmt, ptr::NonNull};

use super::{
    Cursor, Mailbox,
    block::{Block, Tagged},
    word::{CLOSED, INSTALLING, PARKED, WAITERS, Word},
};
use crate::facade::{Arc, AtomicPtr, Ordering};

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

/// The only consumer of a mailbox, which it keeps alive as a part of `X`.
pub struct Receiver<X, T: Send> {
    /// The mailbox lies in there.
    mailbox: NonNull<Mailbox<T>>,
    /// The head of the queue; only we move it.
    head: u64,
    keep: Arc<X>,
}

// SAFETY: a receiver is the exclusive right to the receiving half of a `Mailbox<T>` (`T: Send`), and an
// `Arc<X>`.
unsafe impl<X: Send + Sync, T: Send> Send for Receiver<X, T> {}
// SAFETY: `&Receiver` reads plain data and lends `&Arc<X>`.
unsafe impl<X: Send + Sync, T: Send> Sync for Receiver<X, T> {}

impl<X: Send + Sync, T: Send> Receiver<X, T> {
    /// Claims the receiving side of the mailbox that `get` finds in `keep`. `None` while another has it.
    pub fn claim(keep: Arc<X>, get: fn(&X) -> &Mailbox<T>) -> Option<Self> {
        let mailbox = get(&keep);
        let half = &mailbox.receiver;
        // Acquire: the cursor and the head as the last receiver left them.
        half.claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let head = half.head.load(Ordering::Relaxed);
        Some(Receiver { mailbox: NonNull::from(mailbox), head, keep })
    }

    /// Takes the message that was sent first.
    #[inline(always)]
    pub fn pop(&mut self) -> Pop<T> {
        if let Some(message) = self.take() {
            if self.flush_is_due() {
                self.flush();
            }
            return Pop::Message(message);
        }
        let word = self.mailbox().word();
        if word.taken_since(self.head) == 0 {
            return if word.any(CLOSED) { Pop::ClosedAndEmpty } else { Pop::Empty };
        }
        // It may have been published between the first look and the word.
        self.take().map_or(Pop::Busy, Pop::Message)
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
    /// `pop` does so every 64 messages, or half the capacity, and `park` does; to be called before something
    /// that takes long.
    pub fn flush(&mut self) {
        self.with_cursor(|cursor| cursor.since_flush = 0);
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

    fn mailbox(&self) -> &Mailbox<T> {
        // SAFETY: `get` found it in `keep` for as long as that is borrowed, which we do by keeping the
        // `Arc`: the value does not move, and nobody gets a `&mut` to it.
        unsafe { self.mailbox.as_ref() }
    }

    #[inline(always)]
    fn with_cursor<R>(&mut self, work: impl FnOnce(&mut Cursor<T>) -> R) -> R {
        // SAFETY: the claim is ours, and we are borrowed exclusively; no `work` nests another.
        self.mailbox().receiver.cursor.with_mut(|cursor| work(unsafe { &mut *cursor }))
    }

    /// Takes the message at the head, if it is there.
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        let head = self.head;
        // SAFETY: as in `mailbox`.
        let mailbox = unsafe { self.mailbox.as_ref() };
        let message = self.with_cursor(|cursor| {
            // SAFETY: the spent block is given up by its last user: ours alone, its messages taken.
            let give_up = |spent| unsafe {
                Block::reset(spent);
                mailbox.keep_or_free(spent);
            };
            // SAFETY: we are the receiver; each position is taken once, as the head moves past it.
            let message = unsafe {
                let block = cursor.advance(&mailbox.receiver.first, give_up)?;
                Block::take(block, Block::<T>::slot(head))?
            };
            cursor.spent = Block::<T>::slot(head + 1) == 0;
            cursor.since_flush += 1;
            Some(message)
        })?;
        self.head = head + 1;
        // Release: who sees the message gone sees what we did before taking it.
        mailbox.receiver.head.store(head + 1, Ordering::Release);
        Some(message)
    }

    #[inline(always)]
    fn flush_is_due(&mut self) -> bool {
        let since_flush = self.with_cursor(|cursor| cursor.since_flush);
        since_flush >= 64 || since_flush >= (self.mailbox().capacity() / 2).max(1)
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

impl<T: Send> Mailbox<T> {
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

impl<X, T: Send> Drop for Receiver<X, T> {
    fn drop(&mut self) {
        // SAFETY: as in `mailbox`: `keep` is still here.
        let half = unsafe { &self.mailbox.as_ref().receiver };
        // Release: the next receiver sees the cursor and the head as we leave them.
        half.claimed.store(false, Ordering::Release);
    }
}

impl<X, T: Send> fmt::Debug for Receiver<X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("position", &self.head).finish_non_exhaustive()
    }
}
