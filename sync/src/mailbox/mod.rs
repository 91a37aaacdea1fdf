//! The bounded queue of one actor: many senders, one receiver, memory as messages arrive.
//!
//! ```text
//!  senders' half                               receiver's half
//!  ┌───────────────────────────────────┐       ┌───────────────────────────────┐
//!  │ tail: position | flags | reserved │       │ head: messages ever taken     │
//!  │ block: current block, end: its end│       │ block: where the head lies    │
//!  │ seen_head: a past value of head   │       │ claimed: somebody receives    │
//!  │ capacity, spare; a waiting room   │       │                               │
//!  └───────────────────────────────────┘       └───────────────────────────────┘
//!                     │                                  │
//!        ┌────────┐   ▼    ┌────────┐        ┌────────┐◀─┘
//!        │ block 9│◀───────│ block 8│◀───────│ block 7│          (`next`, from old to new)
//!        └────────┘        └────────┘        └────────┘
//! ```
//!
//! **Sending** is: look at the tail word; if it is open and there is room, advance its position by one
//! compare-and-swap; write the message into the place thus taken; set the place's ready byte. A refusal
//! writes nothing. The same compare-and-swap clears PARKED, and so tells exactly one sender to wake the
//! receiver, *after* it has published.
//!
//! **Receiving** is: look at the ready byte of the head's place; take the message; advance the head by a
//! plain store. No locked operation. An empty place is *busy* when the tail is ahead of the head (a sender
//! has taken the place and not yet published). `park` is a compare-and-swap on the tail word that expects
//! its position to be the head: so it fails when a sender has been there, published or not.
//!
//! **Room** is `capacity - reserved - (position - head)`. Senders compute it from `seen_head`, which is
//! never ahead of the head, and look at the head itself (the receiver's cache line) only when the queue
//! would be full.
//!
//! **Blocks.** The sender that takes the first place of a block sets INSTALLING in its compare-and-swap,
//! having brought a block along; it links the block (the first one to the receiver, who has none yet), stores the
//! block pointer, and clears the flag. Others wait meanwhile: a few instructions. A sender reads the block pointer *between* loading the tail word and
//! its compare-and-swap, and the pointer changes only under INSTALLING, which moves the word; so a
//! successful compare-and-swap proves the pointer current, and from then on the block cannot go away,
//! because the receiver cannot get past a place that is not ready. (The word would have to come back to the
//! same value in between: 2^39 messages while one sender is asleep between two instructions.)
//! The receiver owns a block when it has taken its last message *and* moved to the next one: the installer
//! of the next block touches the old one once more, to link.
//!
//! **Waiting for room** is first come, first served, by hand-over: a waiter is given a *reserved* place. As
//! long as somebody waits, `push` and `try_reserve` are refused as full, so nobody overtakes.
//!
//! **Closing** sets one bit. Senders that took their place before it still publish; the receiver drains
//! what is there and is told *busy* while one of them is on its way. Nobody takes a place afterwards.

mod block;
mod receiver;
mod room;
mod send;
mod word;

#[cfg(all(test, not(loom)))]
mod tests;

use std::{fmt, ptr, ptr::NonNull};

use self::{
    block::{Block, FULL},
    receiver::flush_every,
    word::{CAREFUL, CLOSED, WAITERS, Word},
};
pub use self::{
    receiver::{Nothing, Pop, Ready, Receiver},
    room::{Closed, Host, RoomPass, RoomTicket, RoomWait, WaitingRoom},
    send::{Place, PushError, Pushed, ReserveError},
};
use crate::{
    contain::contain,
    facade::{AtomicBool, AtomicPtr, AtomicU64, Ordering, StoredU32, StoredU64, UnsafeCell},
};

/// A bounded queue: the module's documentation has the picture.
///
/// Its halves are written by different threads, often on different cores. They do not share a cache line if what the
/// owner keeps `between` them is at least as long as one, and rarely written. What every sender writes begins a pointer
/// behind that.
#[repr(C)]
pub struct Mailbox<T, B = WaitingRoom> {
    receiver: ReceiverHalf<T>,
    between: B,
    senders: Senders<T>,
}

/// What few touch comes first: it is a part of the distance to what the receiver reads.
#[repr(C)]
struct Senders<T> {
    /// A block for the next installer, so that a steady stream allocates nothing.
    spare: AtomicPtr<Block<T>>,
    tail: AtomicU64,
    /// The block of the latest place. Written under INSTALLING only.
    block: AtomicPtr<Block<T>>,
    /// Some past value of the head: full refusals are checked against the head itself.
    seen_head: StoredU64,
    capacity: StoredU32,
    /// The position after the current block's last slot: the lower half. Written under INSTALLING only.
    end: StoredU32,
}

#[repr(C)]
struct ReceiverHalf<T> {
    /// The block that the head lies in, or the one before it, which is spent then. Written by the receiver; the first of
    /// all, while it is null, by its installer, under INSTALLING.
    block: AtomicPtr<Block<T>>,
    /// Messages ever taken. Written by the receiver.
    head: StoredU64,
    /// Messages to take before waiters are looked for. Likewise.
    until_flush: StoredU32,
    /// A `Receiver` exists.
    claimed: AtomicBool,
    /// How far behind the beginning of what the receiver keeps the mailbox lies, in bytes. Only a receiver touches this.
    offset: UnsafeCell<u16>,
}

// SAFETY: messages move from senders' threads to the receiver's (`T: Send`); nobody shares one. All other
// fields are atomics, locks, or what only the receiver touches (`receiver.rs`).
unsafe impl<T: Send, B: Send> Send for Mailbox<T, B> {}
// SAFETY: as above.
unsafe impl<T: Send, B: Sync> Sync for Mailbox<T, B> {}

impl<T: Send> Mailbox<T> {
    /// An open, empty mailbox. Allocates nothing.
    ///
    /// # Panics
    ///
    /// Unless the capacity is within `1..=MAX_CAPACITY`.
    pub fn new(capacity: u32) -> Self {
        Self::with_word(capacity, WaitingRoom::default(), Word(0))
    }
}

impl<T: Send, B: Host> Mailbox<T, B> {
    /// The largest capacity.
    pub const MAX_CAPACITY: u32 = 1 << 19;

    /// A mailbox that starts closed, to be opened by [`Mailbox::reopen`]. Allocates nothing.
    ///
    /// # Panics
    ///
    /// Unless the capacity is within `1..=MAX_CAPACITY`.
    pub fn closed(capacity: u32, between: B) -> Self {
        Self::with_word(capacity, between, Word(CLOSED))
    }

    fn with_word(capacity: u32, between: B, word: Word) -> Self {
        Self::check_capacity(capacity);
        Mailbox {
            receiver: ReceiverHalf {
                block: AtomicPtr::new(ptr::null_mut()),
                head: StoredU64::new(0),
                until_flush: StoredU32::new(flush_every(capacity)),
                claimed: AtomicBool::new(false),
                offset: UnsafeCell::new(0),
            },
            between,
            senders: Senders {
                spare: AtomicPtr::new(ptr::null_mut()),
                tail: AtomicU64::new(word.0),
                block: AtomicPtr::new(ptr::null_mut()),
                seen_head: StoredU64::new(0),
                capacity: StoredU32::new(capacity),
                end: StoredU32::new(0),
            },
        }
    }

    /// What its owner keeps between its halves.
    #[inline(always)]
    pub fn between(&self) -> &B {
        &self.between
    }

    fn check_capacity(capacity: u32) {
        assert!(
            (1..=Self::MAX_CAPACITY).contains(&capacity),
            "a mailbox's capacity is within 1..={}, not {capacity}",
            Self::MAX_CAPACITY,
        );
    }

    /// Ends the taking of places. True if this call did.
    ///
    /// Everybody who waits for room is told. What is queued stays for the receiver to drain.
    pub fn close(&self) -> bool {
        let before = self.mark_closed();
        if before.any(WAITERS) {
            self.tell_waiters_closed();
        }
        !before.any(CLOSED)
    }

    /// [`Mailbox::close`] for whoever holds a lock under which no foreign waker may be woken. True: somebody waits for
    /// room, and [`Mailbox::tell_waiters_closed`] is to be called when the lock is released.
    #[must_use = "whoever waits for room is to be told"]
    pub fn close_quietly(&self) -> bool {
        self.mark_closed().any(WAITERS)
    }

    fn mark_closed(&self) -> Word {
        // AcqRel: the closer's thread sees what was taken before, and the other way round.
        Word(self.senders.tail.fetch_or(CLOSED, Ordering::AcqRel))
    }

    /// Opens a closed mailbox again. To be called when it was drained: what is left is received later.
    pub fn reopen(&self) {
        self.senders.tail.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// Does it give no more places?
    pub fn is_closed(&self) -> bool {
        self.word().any(CLOSED)
    }

    /// From now on no place is given [at once](Mailbox::place_at_once), so that whoever sends comes to where he can do more than
    /// send; or that is over. A sender who has begun already may not know.
    pub fn set_careful(&self, careful: bool) {
        if self.word().any(CAREFUL) == careful {
            return;
        }
        // Relaxed: nothing is ordered by it.
        match careful {
            true => self.senders.tail.fetch_or(CAREFUL, Ordering::Relaxed),
            false => self.senders.tail.fetch_and(!CAREFUL, Ordering::Relaxed),
        };
    }

    /// Messages queued, in-flight ones included. A snapshot.
    pub fn len(&self) -> u32 {
        let word = self.word();
        // The head is read after the tail and may have passed it: then nothing is left of what we saw.
        word.taken_since_or_none(self.head()).try_into().unwrap_or(u32::MAX)
    }

    /// Is nothing queued? A snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Places promised and not yet used. A snapshot.
    pub fn reserved(&self) -> u32 {
        self.word().reserved() as u32
    }

    /// How many messages and reserved places fit.
    pub fn capacity(&self) -> u32 {
        self.senders.capacity.load(Ordering::Relaxed)
    }

    /// Changes the capacity. What is beyond a smaller one stays queued.
    ///
    /// # Panics
    ///
    /// Unless the capacity is within `1..=MAX_CAPACITY`.
    pub fn set_capacity(&self, capacity: u32) {
        Self::check_capacity(capacity);
        // Relaxed: `grant` fences before it looks for waiters, and waiters fence before they look at room.
        self.senders.capacity.store(capacity, Ordering::Relaxed);
        self.grant_if_awaited();
    }

    /// Places ever taken: the messages that were accepted.
    pub fn tail(&self) -> u64 {
        // The head first: the tail is then not behind it, and the distance is less than 2^39.
        let head = self.head();
        head + self.word().taken_since(head)
    }

    /// Messages ever received.
    pub fn head(&self) -> u64 {
        // Acquire: who sees a message gone sees what the receiver did before.
        self.receiver.head.load(Ordering::Acquire)
    }

    #[inline(always)]
    fn word(&self) -> Word {
        // Acquire: pairs with the release of who cleared INSTALLING, so that the block pointer which is
        // read next is at least as new as this word.
        Word(self.senders.tail.load(Ordering::Acquire))
    }

    /// Replaces the word. Acquires what others did before theirs, releases what we did before ours.
    #[inline(always)]
    fn swap_word(&self, from: Word, to: Word) -> Result<(), Word> {
        match self.senders.tail.compare_exchange_weak(from.0, to.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(seen) => Err(Word(seen)),
        }
    }

    /// Is there room, if no more than so many places are to be taken? Looks at the receiver's own cache line only when a
    /// past value of the head leaves none, and leaves the answer for other senders.
    fn has_room(&self, word: Word, at_most: u32) -> bool {
        let places = u64::from(self.capacity().min(at_most));
        let fits = |head| word.taken_since_or_none(head) + word.reserved() < places;
        // Relaxed: a hint that errs on the safe side.
        if fits(self.senders.seen_head.load(Ordering::Relaxed)) {
            return true;
        }
        let head = self.head();
        let room = fits(head);
        if room {
            // Relaxed, and possibly older than what another sender stored: as above.
            self.senders.seen_head.store(head, Ordering::Relaxed);
        }
        room
    }
}

impl<T, B> Drop for Mailbox<T, B> {
    fn drop(&mut self) {
        // Every sender is gone, so every place taken is published; every receiver is gone, too.
        let head = self.receiver.head.load(Ordering::Relaxed);
        let queued = Word(self.senders.tail.load(Ordering::Relaxed)).taken_since(head);
        for position in head..head + queued {
            // SAFETY: `&mut self` makes us the receiver, and the places up to the tail were filled.
            let message = unsafe {
                let found = self.receiver.at(position, |spent| Block::free(spent));
                found
                    .filter(|(block, slot)| Block::ready(*block, *slot) == FULL)
                    .map(|(block, slot)| Block::take(block, slot))
            };
            // A message whose destructor panics takes no other with it.
            contain(|| drop(message));
        }
        // The block of the last message is left (a block without a message is never installed), and the spare.
        let left = [&self.receiver.block, &self.senders.spare].map(|block| block.load(Ordering::Relaxed));
        for block in left.into_iter().filter_map(NonNull::new) {
            // SAFETY: ours alone, and empty.
            unsafe { Block::free(block) };
        }
    }
}

impl<T, B> fmt::Debug for Mailbox<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("tail", &Word(self.senders.tail.load(Ordering::Relaxed)))
            .field("head", &self.receiver.head.load(Ordering::Relaxed))
            .field("capacity", &self.senders.capacity.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
