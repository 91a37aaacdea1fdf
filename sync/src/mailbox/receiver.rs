//! The receiver's side: one at a time, and what happens when the one is stuck.
//!
//! The right to receive is claimed in `claim`:
//!
//! ```text
//!   63                                  3   2     1    0
//!  ┌─────────────────────────────────────┬───────┬──────┬──────┐
//!  │ generation: receivers so far        │ STALE │ BANK │ HELD │
//!  └─────────────────────────────────────┴───────┴──────┴──────┘
//! ```
//!
//! A receiver that belongs to a turn which never came back can be *taken over*: the next one gets the next
//! generation and the other bank, and from then on the stale receiver does nothing. For that, each
//! operation marks its bank busy, looks whether its generation is current, works, and clears the mark; who
//! takes over changes the generation and waits for the mark to be gone (an operation is short and runs no
//! foreign code). Mark and look have the asymmetric fence between them. A bank is free again when its stale
//! receiver is dropped; until then a second take-over is refused.

use std::{fmt, ptr::NonNull};

use super::{
    Cursor, Mailbox,
    block::{Block, Tagged},
    word::{CLOSED, INSTALLING, PARKED, WAITERS, Word},
};
use crate::{
    asymmetric,
    facade::{Arc, AtomicPtr, Backoff, Ordering},
};

/// A receiver exists that is current.
const HELD: u64 = 1 << 0;
/// Which bank the current receiver (or the last one, if none is) has.
const BANK: u64 = 1 << 1;
/// A receiver that was taken over still has the other bank.
const STALE: u64 = 1 << 2;
const GENERATION: u64 = 1 << 3;

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
    /// Another receiver has taken over.
    Fenced,
}

/// The only consumer of a mailbox, which it keeps alive as a part of `X`.
pub struct Receiver<X, T: Send> {
    /// The mailbox lies in there.
    mailbox: NonNull<Mailbox<T>>,
    /// The head of the queue; current as long as we are.
    head: u64,
    generation: u64,
    bank: usize,
    keep: Arc<X>,
}

// SAFETY: a receiver is the exclusive right to the receiving half of a `Mailbox<T>` (`T: Send`), and an
// `Arc<X>`.
unsafe impl<X: Send + Sync, T: Send> Send for Receiver<X, T> {}
// SAFETY: `&Receiver` reads plain data.
unsafe impl<X: Send + Sync, T: Send> Sync for Receiver<X, T> {}

impl<X: Send + Sync, T: Send> Receiver<X, T> {
    /// Claims the receiving side of the mailbox that `get` finds in `keep`. `None` while another has it.
    pub fn claim(keep: Arc<X>, get: fn(&X) -> &Mailbox<T>) -> Option<Self> {
        Self::acquire(keep, get, |claim| (claim & HELD == 0).then_some((claim | HELD).wrapping_add(GENERATION)))
    }

    /// Claims the receiving side even from a receiver that is alive, which does nothing from then on.
    ///
    /// For a turn that was abandoned. `None` when an earlier stale receiver still exists.
    pub fn take_over(keep: Arc<X>, get: fn(&X) -> &Mailbox<T>) -> Option<Self> {
        Self::acquire(keep, get, |claim| {
            if claim & HELD == 0 {
                Some((claim | HELD).wrapping_add(GENERATION))
            } else if claim & STALE == 0 {
                Some(((claim | STALE) ^ BANK).wrapping_add(GENERATION))
            } else {
                None
            }
        })
    }

    fn acquire(keep: Arc<X>, get: fn(&X) -> &Mailbox<T>, next: impl Fn(u64) -> Option<u64>) -> Option<Self> {
        let mailbox = get(&keep);
        let half = &mailbox.receiver;
        let mut before = half.claim.load(Ordering::Relaxed);
        let after = loop {
            let after = next(before)?;
            // Acquire: the cursor as the last receiver left it.
            match half.claim.compare_exchange(before, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break after,
                Err(seen) => before = seen,
            }
        };
        if before & HELD != 0 {
            // Pairs with `light` in `enter`: the stale receiver sees the new generation, or we its mark.
            asymmetric::heavy();
            let mut backoff = Backoff::default();
            // Acquire: its last operation is over, and we see what it did.
            while half.busy[bank_of(before)].load(Ordering::Acquire) {
                backoff.wait();
            }
        }
        Some(Receiver {
            mailbox: NonNull::from(mailbox),
            head: half.head.load(Ordering::Relaxed),
            generation: after / GENERATION,
            bank: bank_of(after),
            keep,
        })
    }

    /// Takes the message that was sent first.
    #[inline]
    pub fn pop(&mut self) -> Pop<T> {
        if !self.enter() {
            return Pop::Fenced;
        }
        let mut found = self.take();
        if found.is_none() {
            let word = self.mailbox().word();
            if word.taken_since(self.head) == 0 {
                self.leave();
                return if word.any(CLOSED) { Pop::ClosedAndEmpty } else { Pop::Empty };
            }
            // It may have been published between the first look and the word.
            found = self.take();
        }
        let due = found.is_some() && self.flush_is_due();
        self.leave();
        if due {
            self.mailbox().grant_if_awaited();
        }
        found.map_or(Pop::Busy, Pop::Message)
    }

    /// Goes to sleep, unless something has come. To be called after [`Pop::Empty`].
    ///
    /// True: the sender of the next message is told to wake the receiver. False: there is something to pop,
    /// or the mailbox is closed, or another receiver has taken over.
    pub fn park(&mut self) -> bool {
        if !self.enter() {
            return false;
        }
        let parked = self.try_park();
        self.leave();
        // The word that we replaced is later than any place we freed: who waits for one is seen here, or
        // sees the head as it is.
        if parked.is_some_and(|word| word.any(WAITERS)) {
            self.mailbox().grant();
        }
        parked.is_some()
    }

    /// Hands room that was freed to those who wait for it.
    ///
    /// `pop` does so every 64 messages, or half the capacity, and `park` does; to be called before something
    /// that takes long.
    pub fn flush(&mut self) {
        if self.enter() {
            self.with_cursor(|cursor| cursor.since_flush = 0);
            self.leave();
            self.mailbox().grant_if_awaited();
        }
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

    /// Marks the bank busy. False, and not marked, when another receiver has taken over.
    #[inline(always)]
    fn enter(&self) -> bool {
        let half = &self.mailbox().receiver;
        // Relaxed: what orders it is the fence.
        half.busy[self.bank].store(true, Ordering::Relaxed);
        // Pairs with `heavy` in `acquire`.
        asymmetric::light();
        if half.claim.load(Ordering::Relaxed) / GENERATION == self.generation {
            return true;
        }
        self.leave();
        false
    }

    #[inline(always)]
    fn leave(&self) {
        // Release: who takes over sees what we did.
        self.mailbox().receiver.busy[self.bank].store(false, Ordering::Release);
    }

    #[inline(always)]
    fn with_cursor<R>(&self, work: impl FnOnce(&mut Cursor<T>) -> R) -> R {
        // SAFETY: between `enter` and `leave` only. The claim is ours, `&mut self` is in every caller's hands,
        // and who takes over waits for `leave`.
        self.mailbox().receiver.cursor.with_mut(|cursor| work(unsafe { &mut *cursor }))
    }

    /// Takes the message at the head, if it is there. Between `enter` and `leave`.
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        let mailbox = self.mailbox();
        let message = self.with_cursor(|cursor| {
            // SAFETY: the spent block is given up by its last user: ours alone, its messages taken.
            let give_up = |spent| unsafe {
                Block::reset(spent);
                mailbox.keep_or_free(spent);
            };
            // SAFETY: we are the receiver; each position is taken once, as the head moves past it.
            let message = unsafe {
                let block = cursor.advance(&mailbox.receiver.first, give_up)?;
                Block::take(block, Block::<T>::slot(self.head))?
            };
            cursor.spent = Block::<T>::slot(self.head + 1) == 0;
            cursor.since_flush += 1;
            Some(message)
        })?;
        self.head += 1;
        // Release: who sees the message gone sees what we did before taking it.
        self.mailbox().receiver.head.store(self.head, Ordering::Release);
        Some(message)
    }

    #[inline(always)]
    fn flush_is_due(&self) -> bool {
        let due = (self.mailbox().capacity() / 2).clamp(1, 64);
        self.with_cursor(|cursor| {
            let is_due = cursor.since_flush >= due;
            if is_due {
                cursor.since_flush = 0;
            }
            is_due
        })
    }

    /// Sets PARKED if the queue is open and empty; answers the word that this replaced.
    fn try_park(&self) -> Option<Word> {
        let mailbox = self.mailbox();
        let mut word = mailbox.word();
        loop {
            if word.any(CLOSED) || word.taken_since(self.head) != 0 {
                return None;
            }
            debug_assert!(!word.any(INSTALLING), "an installer has taken a place");
            let spent = self.with_cursor(|cursor| cursor.block.filter(|_| cursor.spent));
            let tidy = if spent.is_some() { INSTALLING } else { 0 };
            match mailbox.swap_word(word, Word(word.0 | PARKED | tidy)) {
                Ok(()) => {
                    if let Some(block) = spent {
                        self.reuse(block);
                    }
                    mailbox.free_spare();
                    self.with_cursor(|cursor| cursor.since_flush = 0);
                    return Some(word);
                }
                Err(seen) => word = seen,
            }
        }
    }

    /// Makes the spent block the current one again, so that an actor which sleeps after each message gets
    /// along with one block. INSTALLING is set, and nothing is queued.
    fn reuse(&self, block: NonNull<Block<T>>) {
        let senders = &self.mailbox().senders;
        // SAFETY: all its messages were taken, it has no successor (that would have a message), and none gets
        // one while INSTALLING is set: the block is ours alone.
        unsafe { Block::reset(block) };
        // Release, twice: senders see the block as we leave it, and the pointer when the flag is gone.
        senders.block.store(Tagged::new(block, self.head).into_raw(), Ordering::Release);
        self.with_cursor(|cursor| cursor.spent = false);
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
        let claim = unsafe { &self.mailbox.as_ref().receiver.claim };
        let mut before = claim.load(Ordering::Relaxed);
        loop {
            let current = before / GENERATION == self.generation;
            let after = before & !(if current { HELD } else { STALE });
            // Release: the next receiver sees the cursor as we leave it.
            match claim.compare_exchange(before, after, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => before = seen,
            }
        }
    }
}

impl<X, T: Send> fmt::Debug for Receiver<X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("position", &self.head)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

fn bank_of(claim: u64) -> usize {
    usize::from(claim & BANK != 0)
}
