//! The run queue of one pump: whatever is in it, another thread can take.
//!
//! ```text
//!                    push_next          displaced                 push
//!   owner (Local) ──────────────▶ [next] ─────────▶ ┌──────────────────┐ ◀──────── owner
//!                 ◀────────────── one word          │  first in, first │
//!                       pop                         │  out             │ ◀──┐ refill: a batch at once
//!   thief (Remote) ◀── take_next ── [next]          └──────────────────┘    │
//!                  ◀── steal ──────────────────────────────┘           [Injector] ◀── any thread
//! ```
//!
//! `next` is the task made ready last: it runs first, while what it needs is still in the cache, unless that
//! has happened [`NEXT_RUNS`] times in a row and others wait. An owner that goes away for a while puts it behind the
//! others ([`Local::shelve`]): thieves take `next` from an owner that is stuck, and who is not there is not stuck.
//!
//! # The word `next`
//!
//! Only the owner ever puts something in. So when the owner finds it empty, it stays empty until the owner
//! fills it: a plain release store does, and no thread's item is overwritten. Everybody, the owner included,
//! takes by swapping null in: of two takers one gets the item. A swap acts on the latest value, so a thief's
//! swap comes before the owner's store (and finds null) or after it (and finds the item): nothing is ever between the
//! value a swap reads and the value it writes.

use std::{fmt, marker::PhantomData, ptr::NonNull};

use crossbeam_deque::{Steal, Stealer, Worker};

use crate::{
    facade::{Arc, AtomicPtr, Ordering},
    task::Runnable,
};

/// Times in a row that the task made ready last runs before those that wait.
pub const NEXT_RUNS: u8 = 8;

/// Most items moved from the injector or from another queue at once.
const BATCH: usize = 32;

/// An owned value that is one pointer wide.
///
/// # Safety
///
/// `from_raw` gives back exactly the value that `into_raw` was called on, on any thread.
pub unsafe trait Thin: Send + Sized {
    /// The value as a pointer.
    fn into_raw(self) -> NonNull<()>;

    /// The value again.
    ///
    /// # Safety
    ///
    /// `raw` came from [`Thin::into_raw`] of the same type, and is turned back once.
    unsafe fn from_raw(raw: NonNull<()>) -> Self;
}

// SAFETY: both are the inherent functions, whose contract is this one.
unsafe impl Thin for Runnable {
    #[inline]
    fn into_raw(self) -> NonNull<()> {
        Runnable::into_raw(self)
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Runnable::from_raw(raw) }
    }
}

// SAFETY: a box of a sized type is one pointer, and given back as it was.
unsafe impl<T: Send> Thin for Box<T> {
    fn into_raw(self) -> NonNull<()> {
        NonNull::from(Box::leak(self)).cast()
    }

    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: the pointer is that of a leaked box of this type, given back once.
        unsafe { Box::from_raw(raw.cast().as_ptr()) }
    }
}

/// Makes the two ends of a queue.
pub fn run_queue<T: Thin>() -> (Local<T>, Remote<T>) {
    let deque = Worker::new_fifo();
    let remote = Remote { stealer: deque.stealer(), next: Arc::new(Next::new()) };
    (Local { deque, next: remote.next.clone(), runs: 0 }, remote)
}

/// The owner's end: on one thread at a time.
pub struct Local<T: Thin> {
    deque: Worker<T>,
    next: Arc<Next<T>>,
    /// Times in a row that `next` was popped although others waited.
    runs: u8,
}

/// Everybody else's end.
pub struct Remote<T: Thin> {
    stealer: Stealer<T>,
    next: Arc<Next<T>>,
}

/// Where items from outside wait for any owner.
pub struct Injector<T>(crossbeam_deque::Injector<T>);

impl<T: Thin> Local<T> {
    /// Puts an item behind all others.
    #[inline]
    pub fn push(&mut self, item: T) {
        self.deque.push(item);
    }

    /// Puts an item before all others. True if that displaced one, which now waits behind all others.
    #[inline]
    pub fn push_next(&mut self, item: T) -> bool {
        // `&mut self`, and one `Local` a queue: we are the only one who fills.
        match self.next.fill(item) {
            Some(displaced) => {
                self.deque.push(displaced);
                true
            }
            None => false,
        }
    }

    /// Takes the item whose turn it is.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.runs < NEXT_RUNS
            && let Some(item) = self.next.take()
        {
            self.runs += 1;
            return Some(item);
        }
        self.runs = 0;
        self.deque.pop().or_else(|| self.next.take())
    }

    /// Puts the next item behind all others.
    pub fn shelve(&mut self) {
        if let Some(item) = self.next.take() {
            self.deque.push(item);
        }
    }

    /// Takes one item from the injector, and moves more of them behind all others.
    pub fn refill(&mut self, injector: &Injector<T>) -> Option<T> {
        persist(|| injector.0.steal_batch_with_limit_and_pop(&self.deque, BATCH))
    }

    /// Takes one item that waits in another queue, and moves more of them here: at most half.
    pub fn steal(&mut self, from: &Remote<T>) -> Option<T> {
        persist(|| from.stealer.steal_batch_with_limit_and_pop(&self.deque, BATCH))
    }

    /// Items that wait, besides the next.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.deque.len()
    }

    /// Whether there is nothing to pop.
    pub fn is_empty(&self) -> bool {
        self.next.is_empty() && self.deque.is_empty()
    }
}

impl<T: Thin> Remote<T> {
    /// Takes the item the owner would run next: for when the owner is stuck.
    pub fn take_next(&self) -> Option<T> {
        self.next.take()
    }

    /// Whether the owner has an item to run next.
    pub fn has_next(&self) -> bool {
        !self.next.is_empty()
    }

    /// Items that wait, besides the next.
    pub fn waiting(&self) -> usize {
        self.stealer.len()
    }
}

impl<T> Injector<T> {
    /// An empty injector.
    pub fn new() -> Self {
        Injector(crossbeam_deque::Injector::new())
    }

    /// Puts an item in, from any thread.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Takes one item.
    pub fn pop(&self) -> Option<T> {
        persist(|| self.0.steal())
    }

    /// Items in it, roughly while others push and pop.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Injector<T> {
    fn default() -> Self {
        Injector::new()
    }
}

/// Steals until it is known whether there was anything.
///
/// A retry means that another thread got something meanwhile, so all of them together make progress.
fn persist<T>(mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

/// One item, or null: the word `next` of the module's documentation.
struct Next<T: Thin> {
    item: AtomicPtr<()>,
    owns: PhantomData<T>,
}

// SAFETY: the word hands items from thread to thread (release, acquire), each to one taker; they are `Send`.
unsafe impl<T: Thin> Send for Next<T> {}
// SAFETY: as above: a shared `Next` gives out owned items only.
unsafe impl<T: Thin> Sync for Next<T> {}

impl<T: Thin> Next<T> {
    fn new() -> Self {
        Next { item: AtomicPtr::new(std::ptr::null_mut()), owns: PhantomData }
    }

    /// Puts an item in and gives back the one that was there. Called by the owner only, whose other calls have ended.
    #[inline]
    fn fill(&self, item: T) -> Option<T> {
        let raw = item.into_raw().as_ptr();
        // Relaxed: null was last written by a taker or by nobody; there is nothing behind it to acquire.
        //
        // Not under loom, which does not know that nothing comes between what a swap reads and what it writes: it
        // would let a swap that found the word empty wipe out an item stored after that.
        if cfg!(not(loom)) && self.item.load(Ordering::Relaxed).is_null() {
            // Release pairs with the acquire in `take`: the taker sees the item as it was put in.
            self.item.store(raw, Ordering::Release);
            return None;
        }
        // Acquire too: what was there may come back to this thread from a queue moved across threads.
        owned(self.item.swap(raw, Ordering::AcqRel))
    }

    #[inline]
    fn take(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // Acquire pairs with the release in `fill`.
        owned(self.item.swap(std::ptr::null_mut(), Ordering::Acquire))
    }

    #[inline]
    fn is_empty(&self) -> bool {
        // Relaxed: a hint for everybody but the owner, who sees its own writes.
        self.item.load(Ordering::Relaxed).is_null()
    }
}

/// The item behind a pointer that has just been swapped out of a [`Next`].
#[inline]
fn owned<T: Thin>(raw: *mut ()) -> Option<T> {
    // SAFETY: `fill` puts in what `into_raw` gave, and the swap that got it gave it to nobody else.
    NonNull::new(raw).map(|raw| unsafe { T::from_raw(raw) })
}

impl<T: Thin> Drop for Next<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T: Thin> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (next, waiting) = (!self.next.is_empty(), self.waiting());
        f.debug_struct("Local").field("next", &next).field("waiting", &waiting).finish()
    }
}

impl<T: Thin> fmt::Debug for Remote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (next, waiting) = (self.has_next(), self.waiting());
        f.debug_struct("Remote").field("next", &next).field("waiting", &waiting).finish()
    }
}

impl<T> fmt::Debug for Injector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector").field("len", &self.len()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    fn queue() -> (Local<Box<u32>>, Remote<Box<u32>>) {
        run_queue()
    }

    #[test]
    fn the_last_made_ready_runs_first_and_displaces_to_the_back() {
        let (mut local, _remote) = queue();
        local.push(Box::new(1));
        assert!(!local.push_next(Box::new(2)));
        assert!(local.push_next(Box::new(3)));
        let order: Vec<_> = std::iter::from_fn(|| local.pop()).collect();
        assert_eq!(order, [3, 1, 2].map(Box::new));
        assert!(local.is_empty());
    }

    #[test]
    fn those_who_wait_run_although_something_is_always_next() {
        let (mut local, _remote) = queue();
        local.push(Box::new(0));
        for turn in 1..=u32::from(NEXT_RUNS) {
            local.push_next(Box::new(turn));
            assert_eq!(local.pop(), Some(Box::new(turn)));
        }
        local.push_next(Box::new(99));
        assert_eq!(local.pop(), Some(Box::new(0)));
        assert_eq!(local.pop(), Some(Box::new(99)));
    }

    #[test]
    fn everything_in_a_queue_can_be_taken_by_another() {
        let (mut local, remote) = queue();
        local.push(Box::new(1));
        local.push(Box::new(2));
        local.push_next(Box::new(3));
        let (mut thief, _) = queue();
        let mut got: Vec<_> = std::iter::from_fn(|| thief.steal(&remote).or_else(|| thief.pop())).collect();
        assert!(remote.has_next());
        got.extend(remote.take_next());
        got.sort();
        assert_eq!(got, [1, 2, 3].map(Box::new));
        assert!(local.is_empty() && local.pop().is_none());
    }

    #[test]
    fn what_is_shelved_waits_behind_all_others_and_can_be_stolen() {
        let (mut local, remote) = queue();
        local.push(Box::new(1));
        local.push_next(Box::new(2));
        local.shelve();
        assert!(!remote.has_next());
        let (mut thief, _) = queue();
        let got: Vec<_> = std::iter::from_fn(|| thief.steal(&remote).or_else(|| thief.pop())).collect();
        assert_eq!(got, [1, 2].map(Box::new));
        local.shelve();
        assert!(local.is_empty());
    }

    #[test]
    fn a_dropped_queue_drops_what_is_in_it() {
        static LEFT: AtomicUsize = AtomicUsize::new(0);
        struct Counted;
        impl Drop for Counted {
            fn drop(&mut self) {
                LEFT.fetch_add(1, Relaxed);
            }
        }
        let (mut local, remote) = run_queue();
        local.push(Box::new(Counted));
        local.push_next(Box::new(Counted));
        let injector = Injector::new();
        injector.push(Box::new(Counted));
        drop((local, remote, injector));
        assert_eq!(LEFT.load(Relaxed), 3);
    }

    #[test]
    fn owner_and_thieves_take_every_item_once() {
        const ITEMS: u32 = 20_000;
        let (mut local, remote) = run_queue::<Box<u32>>();
        let (seen, taken) = ((0..ITEMS).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>(), AtomicUsize::new(0));
        let note = |item: Box<u32>| {
            seen[*item as usize].fetch_add(1, Relaxed);
            taken.fetch_add(1, Relaxed);
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (mut own, _) = run_queue();
                    while taken.load(Relaxed) < ITEMS as usize {
                        remote.take_next().into_iter().chain(own.steal(&remote)).for_each(note);
                        while let Some(item) = own.pop() {
                            note(item);
                        }
                        std::thread::yield_now();
                    }
                });
            }
            for item in 0..ITEMS {
                if item % 3 == 0 {
                    local.push(Box::new(item));
                } else {
                    local.push_next(Box::new(item));
                }
                if item % 5 == 0 {
                    local.pop().into_iter().for_each(note);
                }
            }
            while let Some(item) = local.pop() {
                note(item);
            }
        });
        assert!(seen.iter().all(|times| times.load(Relaxed) == 1));
    }
}
