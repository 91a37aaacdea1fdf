//! The receiver's side. There is one receiver at a time; it moves between threads with whoever owns it.

use std::{
    fmt,
    marker::PhantomData,
    ptr::{self, NonNull},
};

use super::{
    Host, Mailbox, ReceiverHalf, WaitingRoom,
    block::{Block, FULL, HOLE},
    word::{CLOSED, INSTALLING, PARKED, WAITERS, Word},
};
use crate::{
    attention::Attention,
    facade::{Arc, Ordering},
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

/// The only consumer of a mailbox, which it keeps alive as a part of `X`. One pointer long.
pub struct Receiver<X, T: Send, B: Host = WaitingRoom> {
    /// Within the `X` of an `Arc<X>` whose count is ours; how far within, the mailbox's `offset` says.
    mailbox: NonNull<Mailbox<T, B>>,
    keep: PhantomData<Arc<X>>,
}

// SAFETY: a receiver is the exclusive right to the receiving half of a `Mailbox<T>` (`T: Send`), and an
// `Arc<X>`.
unsafe impl<X: Send + Sync, T: Send, B: Host + Send + Sync> Send for Receiver<X, T, B> {}
// SAFETY: `&Receiver` reads plain data.
unsafe impl<X: Send + Sync, T: Send, B: Host + Send + Sync> Sync for Receiver<X, T, B> {}

impl<X: Send + Sync, T: Send, B: Host + Send + Sync> Receiver<X, T, B> {
    /// Claims the receiving side of the mailbox that `get` finds in `keep`. `None` while another has it.
    ///
    /// # Panics
    ///
    /// If the mailbox does not lie within the first 64 KiB of what is kept.
    pub fn claim(keep: Arc<X>, get: fn(&X) -> &Mailbox<T, B>) -> Option<Self> {
        let mailbox = get(&keep);
        let offset = ptr::from_ref(mailbox).addr().wrapping_sub(Arc::as_ptr(&keep).addr());
        let ends = offset.saturating_add(size_of::<Mailbox<T, B>>());
        assert!(ends <= size_of::<X>() && offset <= usize::from(u16::MAX), "the mailbox is a part of what is kept");
        let half = &mailbox.receiver;
        // Acquire: the block and the head as the last receiver left them.
        half.claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: the claim is ours.
        half.offset.with_mut(|held| unsafe { *held = offset as u16 });
        // SAFETY: within the `X`, as was checked; derived from the pointer to all of it, to which `keep` goes back.
        let mailbox = unsafe { NonNull::new_unchecked(Arc::into_raw(keep).byte_add(offset).cast_mut().cast()) };
        Some(Receiver { mailbox, keep: PhantomData })
    }

    /// Takes the message that was sent first, and hands out room when most of the capacity was freed.
    pub fn pop(&mut self) -> Pop<T> {
        let taken = self.look().map(Ready::take);
        match taken {
            Ok(message) => {
                self.mailbox().frees(1);
                Pop::Message(message)
            }
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
        match unsafe { mailbox.at_own_head() } {
            Some(ready) => Ok(ready),
            // Holes may lie between.
            None => self.look_again(),
        }
    }

    /// The message at the head, if it is there already. Where it says `None` a message may be there all the same, or on its
    /// way: [`Receiver::look`] tells.
    #[inline(always)]
    pub fn glance(&mut self) -> Option<Ready<'_, T, B>> {
        // SAFETY: we are the receiver, and borrowed for as long as what it gives is used.
        unsafe { self.mailbox().at_own_head() }
    }

    /// The head's place holds no message: is one on its way?
    #[inline(never)]
    fn look_again(&mut self) -> Result<Ready<'_, T, B>, Nothing> {
        self.pass_holes();
        let mailbox = self.mailbox();
        let (head, word) = (mailbox.own_head(), mailbox.word());
        if word.taken_since(head) == 0 {
            return Err(if word.any(CLOSED) { Nothing::ClosedAndEmpty } else { Nothing::Empty });
        }
        // It may have been published between the first look and the word.
        // SAFETY: we are the receiver, and borrowed.
        let (block, slot) = unsafe { mailbox.at_head(head, FULL) }.ok_or(Nothing::Busy)?;
        Ok(Ready { mailbox, head, block, slot })
    }

    /// Passes over places that will never hold a message.
    fn pass_holes(&mut self) {
        // SAFETY: as in `mailbox`, for as long as we are borrowed.
        let mailbox = unsafe { self.mailbox.as_ref() };
        // SAFETY: we are the receiver.
        while unsafe { mailbox.at_head(mailbox.own_head(), HOLE) }.is_some() {
            mailbox.advance(mailbox.own_head());
        }
    }

    /// Goes to sleep, unless something has come. To be called after [`Pop::Empty`].
    ///
    /// True: the sender of the next message is told to wake the receiver. False: there is something to pop, or the
    /// mailbox is closed.
    pub fn park(&mut self) -> bool {
        let (head, block) = (self.position(), self.mailbox().receiver.own_block());
        let untidy = block.filter(|block| is_untidy(*block, head));
        let tidy = if untidy.is_some() { INSTALLING } else { 0 };
        let mailbox = self.mailbox();
        let mut word = mailbox.word();
        loop {
            if word.any(CLOSED) || word.taken_since(head) != 0 {
                return false;
            }
            debug_assert!(!word.any(INSTALLING), "who installs has taken a place: {word:?}");
            match mailbox.swap_word(word, Word(word.0 | PARKED | tidy)) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        if let Some(block) = untidy {
            self.tidy(block);
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
    /// [`Ready::take`] does so at the end of a block when most of the capacity was freed, and `park` does; to be called
    /// before something that takes long.
    pub fn flush(&mut self) {
        self.mailbox().flush();
    }

    /// Messages ever taken from this mailbox: the position of the next one.
    #[inline]
    pub fn position(&self) -> u64 {
        self.mailbox().own_head()
    }

    fn mailbox(&self) -> &Mailbox<T, B> {
        // SAFETY: it lies in what our count keeps alive: that does not move, and nobody gets a `&mut` to it.
        unsafe { self.mailbox.as_ref() }
    }

    /// Makes a spent block the current one again, so that an actor which sleeps after each message gets along with one
    /// block; gives a large one back. INSTALLING is set, and nothing is queued.
    #[cold]
    fn tidy(&mut self, block: NonNull<Block<T>>) {
        let (mailbox, head) = (self.mailbox(), self.position());
        // SAFETY: all its messages were taken, it has no successor (that would have a message), and none gets
        // one while INSTALLING is set: the block is ours alone.
        unsafe {
            if Block::slots(block) <= Block::<T>::FEWEST {
                Block::reset(block);
                Block::begin_at(block, head);
                return mailbox.announce(block);
            }
            Block::free(block);
        }
        let mailbox = self.mailbox();
        // As it was before the first block. Relaxed: who sees the flag gone sees it all.
        mailbox.receiver.block.store(ptr::null_mut(), Ordering::Relaxed);
        mailbox.senders.block.store(ptr::null_mut(), Ordering::Relaxed);
        mailbox.senders.end.store(head as u32, Ordering::Relaxed);
        // Release: as above.
        mailbox.senders.tail.fetch_and(!INSTALLING, Ordering::Release);
    }
}

/// Whether the block of a receiver that goes to sleep is spent, or larger than it need be.
fn is_untidy<T>(block: NonNull<Block<T>>, head: u64) -> bool {
    // SAFETY: the receiver's own block is alive.
    unsafe { Block::slots(block) > Block::<T>::FEWEST || Block::end(block) == head as u32 }
}

/// A message that can be taken.
#[must_use = "a message that is not taken stays where it is"]
pub struct Ready<'r, T: Send, B: Host = WaitingRoom> {
    mailbox: &'r Mailbox<T, B>,
    head: u64,
    block: NonNull<Block<T>>,
    slot: u32,
}

impl<T: Send, B: Host> Mailbox<T, B> {
    /// The head, for the receiver, who alone moves it.
    #[inline(always)]
    fn own_head(&self) -> u64 {
        self.receiver.head.load(Ordering::Relaxed)
    }

    /// Where the head's place is, if that is published as `what`.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and this is its head.
    #[inline(always)]
    unsafe fn at_head(&self, head: u64, what: u8) -> Option<(NonNull<Block<T>>, u32)> {
        // SAFETY: by the caller's contract.
        let (block, slot) = unsafe { self.receiver.at(head, |spent| self.give_up(spent)) }?;
        // SAFETY: the receiver's own block is alive.
        unsafe { Block::ready(block, slot) == what }.then_some((block, slot))
    }

    /// The message at the head, if its place is full.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and takes the message before it looks for another.
    #[inline(always)]
    unsafe fn at_own_head(&self) -> Option<Ready<'_, T, B>> {
        let head = self.own_head();
        // SAFETY: by the caller's contract.
        let (block, slot) = unsafe { self.at_head(head, FULL) }?;
        Some(Ready { mailbox: self, head, block, slot })
    }

    /// Gives up a spent block, and hands out room now and then.
    ///
    /// # Safety
    ///
    /// Its last user was the caller, who is the receiver.
    unsafe fn give_up(&self, spent: NonNull<Block<T>>) {
        // SAFETY: ours alone, its messages taken.
        let slots = unsafe {
            let slots = Block::slots(spent);
            Block::reset(spent);
            self.keep_or_free(spent);
            slots
        };
        self.frees(slots);
    }

    /// So many messages were taken: hands out room when they are most of the capacity. To be called by the receiver.
    fn frees(&self, messages: u32) {
        let until_flush = &self.receiver.until_flush;
        // Relaxed: only the receiver looks at it.
        match until_flush.load(Ordering::Relaxed).saturating_sub(messages) {
            0 => self.flush(),
            left => until_flush.store(left, Ordering::Relaxed),
        }
    }

    /// Moves the head past its place. To be called by the receiver.
    #[inline(always)]
    fn advance(&self, head: u64) {
        // Release: who sees the message gone sees what we did before taking it.
        self.receiver.head.store(head + 1, Ordering::Release);
    }

    /// Hands out room. To be called by the receiver.
    fn flush(&self) {
        self.receiver.until_flush.store(flush_every(self.capacity()), Ordering::Relaxed);
        self.grant_if_awaited();
    }
}

impl<T: Send, B: Host> Ready<'_, T, B> {
    /// It, unless one of these bits is raised. They are looked at after the message was seen: a bit raised before it was
    /// sent is seen now.
    #[inline(always)]
    pub fn unless(self, attention: &Attention, bits: u32) -> Option<Self> {
        (attention.bits() & bits == 0).then_some(self)
    }

    /// It, where it lies.
    #[inline(always)]
    pub fn message(&self) -> &T {
        // SAFETY: it is ready, and stays there until we take it.
        unsafe { Block::look(self.block, self.slot) }
    }

    /// Takes it.
    #[inline(always)]
    pub fn take(self) -> T {
        let Ready { mailbox, head, block, slot } = self;
        // SAFETY: it is ready, and each position is taken once, as the head moves past it.
        let message = unsafe { Block::take(block, slot) };
        mailbox.advance(head);
        message
    }
}

impl<T: Send, B: Host> fmt::Debug for Ready<'_, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("position", &self.head).finish_non_exhaustive()
    }
}

/// Most of the capacity: senders that wait are woken when it pays, and not one by one.
pub(super) fn flush_every(capacity: u32) -> u32 {
    (capacity - capacity / 8).max(1)
}

impl<T: Send, B: Host> Mailbox<T, B> {
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

impl<T> ReceiverHalf<T> {
    /// The receiver's block, if there ever was one.
    #[inline(always)]
    fn own_block(&self) -> Option<NonNull<Block<T>>> {
        // Acquire: the first one is seen as its installer made it. The others were put there by receivers.
        NonNull::new(self.block.load(Ordering::Acquire))
    }

    /// The block and the slot of the head's place, if that block is there yet.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and this is its head.
    #[inline(always)]
    pub(super) unsafe fn at(
        &self,
        head: u64,
        give_up: impl FnOnce(NonNull<Block<T>>),
    ) -> Option<(NonNull<Block<T>>, u32)> {
        let block = self.own_block()?;
        // SAFETY: the receiver's own block is alive.
        let (end, slot) = unsafe { (Block::end(block), Block::slot(block, head)) };
        if head as u32 != end {
            return Some((block, slot));
        }
        // SAFETY: by the caller's contract; and the next block is alive until we give it up.
        unsafe {
            let block = self.move_on(block, give_up)?;
            Some((block, Block::slot(block, head)))
        }
    }

    /// Moves from a spent block to the next one, if that is there yet, and gives the spent one up.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and has taken what was in its block, which is this one.
    #[inline(never)]
    unsafe fn move_on(
        &self,
        spent: NonNull<Block<T>>,
        give_up: impl FnOnce(NonNull<Block<T>>),
    ) -> Option<NonNull<Block<T>>> {
        // SAFETY: the receiver's own block is alive until it is given up here.
        let link = unsafe { &(*spent.as_ptr()).next };
        // Acquire: pairs with the installer's release.
        let next = NonNull::new(link.load(Ordering::Acquire))?;
        // Relaxed: an installer looks only while it is null.
        self.block.store(next.as_ptr(), Ordering::Relaxed);
        // The installer of `next` was the last to look into it.
        give_up(spent);
        Some(next)
    }
}

impl<X, T: Send, B: Host> Drop for Receiver<X, T, B> {
    fn drop(&mut self) {
        // SAFETY: as in `mailbox`: our count is still there.
        let half = unsafe { &self.mailbox.as_ref().receiver };
        // SAFETY: the claim is ours still.
        let offset = half.offset.with_mut(|offset| unsafe { *offset });
        // Release: the next receiver sees the block and the head as we leave them.
        half.claimed.store(false, Ordering::Release);
        // SAFETY: so `claim` came from the pointer of the `Arc` to that of the mailbox; the count is ours to give back.
        unsafe { drop(Arc::<X>::from_raw(self.mailbox.as_ptr().cast_const().byte_sub(usize::from(offset)).cast())) };
    }
}

impl<X, T: Send, B: Host> fmt::Debug for Receiver<X, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
