//! The part of a reply that does not depend on the type of the answer: the state word and who waits.

use std::{
    any::Any,
    fmt, mem,
    ptr::NonNull,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use super::shared::SharedCore;
use crate::{
    contain::{contain, wake},
    facade::{AtomicU32, Mutex, Ordering, UnsafeCell},
};

/// The outcome is the value. Set by the replier; then the value is the asker's.
pub(super) const VALUE: u32 = 1 << 0;
/// The outcome is the error. Set by who claimed it; then the error is the asker's.
pub(super) const ERROR: u32 = 1 << 1;
/// Somebody has the right to write the error, and will set ERROR. Excludes VALUE.
const CLAIMED: u32 = 1 << 2;
/// The asker left before it took an outcome. Excludes new outcomes.
pub(super) const GONE: u32 = 1 << 3;
/// The asker's waker is in its cell. Set and cleared by the asker, as long as there is no outcome.
const WAKER: u32 = 1 << 4;
/// The replier was dropped unsent.
pub(super) const DROPPED: u32 = 1 << 5;
/// The turn that had the question in hand is over. Not set when there is an outcome already.
pub(super) const OVER: u32 = 1 << 6;
/// Somebody waits for the asker to go, or for an outcome. Never cleared.
const WATCHED: u32 = 1 << 7;

/// Somebody else than the turn may hold the replier. Never cleared.
pub(super) const LENT: u32 = 1 << 8;

/// The asker goes because its time has passed. Never cleared.
pub(super) const LATE: u32 = 1 << 9;

/// There is an outcome.
pub(super) const ENDED: u32 = VALUE | ERROR;
/// There can be no other outcome.
const DECIDED: u32 = ENDED | CLAIMED | GONE;
/// The outcome is not owed by whoever has the question in its mailbox or in hand, or there is nothing owed any more.
pub(super) const UNOWED: u32 = DECIDED | OVER | LENT;

pub(super) struct Core<E> {
    pub(super) state: AtomicU32,
    pub(super) observers: AtomicU32,
    /// References to the whole: see `shared.rs`.
    pub(super) references: AtomicU32,
    /// How many questions this one is asked within.
    depth: u32,
    /// Frees the whole, whose type only it knows.
    pub(super) free: unsafe fn(NonNull<()>),
    /// What a drop means, until it is claimed; then the claimant's; the asker's when ERROR is set.
    error: UnsafeCell<Option<E>>,
    /// The asker's while WAKER is clear; read by who publishes an outcome when it is set.
    waker: UnsafeCell<Option<Waker>>,
    watchers: Mutex<Vec<Waker>>,
    /// What travels with the question, and is dropped with the last of its ends.
    pub(super) baggage: OnceLock<Baggage>,
    /// The question that this one is asked for.
    around: Option<SharedCore<E>>,
}

/// Whatever a question takes along.
pub type Baggage = std::sync::Arc<dyn Any + Send + Sync>;

/// The longest chain of questions within each other. The next one is asked for nobody's sake: the end of a long chain would be a deep recursion.
const DEEPEST: u32 = 64;

/// More wakers than this are not kept: the oldest is woken instead, and comes back if it still waits.
const WATCHERS: usize = 8;

impl<E> Core<E> {
    pub(super) fn new(
        on_drop: E,
        around: Option<&SharedCore<E>>,
        references: u32,
        free: unsafe fn(NonNull<()>),
    ) -> Self {
        let around = around.filter(|around| around.depth < DEEPEST).cloned();
        Core {
            state: AtomicU32::new(0),
            observers: AtomicU32::new(1),
            references: AtomicU32::new(references),
            depth: around.as_ref().map_or(0, |around| around.depth + 1),
            free,
            error: UnsafeCell::new(Some(on_drop)),
            waker: UnsafeCell::new(None),
            watchers: Mutex::new(Vec::new()),
            baggage: OnceLock::new(),
            around,
        }
    }

    #[inline]
    pub(super) fn has(&self, bits: u32) -> bool {
        // Acquire: who sees an end sees what led to it.
        self.state.load(Ordering::Acquire) & bits != 0
    }

    /// Whether the asker of a question that this one is asked within has gone without an outcome.
    pub(super) fn is_cancelled_around(&self) -> bool {
        let mut around = self.around.as_ref();
        // Bounded by `DEEPEST`.
        while let Some(core) = around {
            // Acquire: as in `has`.
            if core.state.load(Ordering::Acquire) & (GONE | ENDED) == GONE {
                return true;
            }
            around = core.around.as_ref();
        }
        false
    }

    /// Adds `bits` unless there can be no other outcome. Answers the state before, or the one that forbids it.
    fn decide(&self, bits: u32) -> Result<u32, u32> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & DECIDED != 0 {
                return Err(state);
            }
            // AcqRel: what was written before is published; the asker's waker is seen.
            match self.state.compare_exchange_weak(state, state | bits, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(state),
                Err(seen) => state = seen,
            }
        }
    }

    /// Makes the value that the replier has written the outcome. False: there is, or will be, another.
    pub(super) fn publish_value(&self) -> bool {
        let Ok(before) = self.decide(VALUE) else { return false };
        self.tell(before);
        true
    }

    /// Makes an error the outcome: the given one, or the one given at the beginning. False: there is, or will
    /// be, another.
    pub(super) fn publish_error(&self, error: Option<E>) -> bool {
        let Some(error) = error else {
            let Ok(before) = self.decide(ERROR) else { return false };
            self.tell(before);
            return true;
        };
        self.publish_error_with(|| error)
    }

    /// Makes an error the outcome that is made when it can be: until then nobody else brings one. False: there is, or will
    /// be, another.
    pub(super) fn publish_error_with(&self, error: impl FnOnce() -> E) -> bool {
        if self.decide(CLAIMED).is_err() {
            return false;
        }
        let error = error();
        // SAFETY: the claim is ours, and the asker looks only when ERROR is set.
        let replaced = self.error.with_mut(|cell| unsafe { (*cell).replace(error) });
        // AcqRel: as in `decide`.
        let before = self.state.fetch_or(ERROR, Ordering::AcqRel);
        self.tell(before);
        drop(replaced);
        true
    }

    /// After the outcome was published, in place of the state `before`.
    fn tell(&self, before: u32) {
        if before & (WAKER | GONE) == WAKER {
            self.waker.with(|waker| {
                // SAFETY: WAKER was set when the outcome was published, and the asker was there: from then on it
                // does not change the waker; a reference to the whole keeps it where it is.
                if let Some(waker) = unsafe { &*waker } {
                    contain(|| waker.wake_by_ref());
                }
            });
        }
        if before & WATCHED != 0 {
            self.wake_watchers();
        }
    }

    /// Sets OVER. If the replier was dropped before, brings the error.
    ///
    /// Where there is an outcome nothing is left to say: whoever ends it after that would bring none either.
    #[inline]
    pub(super) fn end_turn(&self, if_dropped: Option<E>) {
        if self.has(ENDED) {
            return;
        }
        // AcqRel: as in the replier's drop.
        let before = self.state.fetch_or(OVER, Ordering::AcqRel);
        if before & (DROPPED | OVER) == DROPPED {
            self.publish_error(if_dropped);
        }
    }

    pub(super) fn lend(&self) {
        // Release: pairs with the look of whoever asks who owes the outcome.
        self.state.fetch_or(LENT, Ordering::Release);
    }

    pub(super) fn note_late(&self) {
        // Relaxed: whoever sees that the asker has gone sees this in the same word.
        self.state.fetch_or(LATE, Ordering::Relaxed);
    }

    pub(super) fn is_last_observer(&self) -> bool {
        // Who is alone stays alone: an observer is made from an observer. Acquire, AcqRel: the others' turns are
        // over before ours ends.
        self.observers.load(Ordering::Acquire) == 1 || self.observers.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// # Safety
    ///
    /// The caller is the asker, and ERROR is published.
    pub(super) unsafe fn take_error(&self) -> E {
        // SAFETY: by the caller's contract.
        let error = self.error.with_mut(|error| unsafe { (*error).take() });
        error.expect("there is an error from the beginning, and it is taken once")
    }

    /// Leaves the asker's waker. False: there is an outcome.
    ///
    /// # Safety
    ///
    /// The caller is the asker.
    pub(super) unsafe fn wait(&self, cx: &Context<'_>) -> bool {
        let state = self.state.load(Ordering::Acquire);
        if state & WAKER != 0 {
            // SAFETY: nobody changes the waker but the asker, which we are; others at most read it.
            let same = self.waker.with(|waker| unsafe { (*waker).as_ref() }.is_some_and(|w| w.will_wake(cx.waker())));
            if same {
                // Acquire: an outcome that came meanwhile is taken by the caller.
                return !self.has(ENDED);
            }
            if !self.take_waker_back() {
                return false;
            }
        }
        let fresh = cx.waker().clone();
        // SAFETY: WAKER is clear, so only the asker touches the cell.
        let stale = self.waker.with_mut(|waker| unsafe { (*waker).replace(fresh) });
        // AcqRel: the waker is published; the outcome that came before is seen.
        let before = self.state.fetch_or(WAKER, Ordering::AcqRel);
        contain(|| drop(stale));
        before & ENDED == 0
    }

    /// Clears WAKER. False: there is an outcome, and who published it may be reading the waker.
    fn take_waker_back(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & ENDED == 0 {
            match self.state.compare_exchange_weak(state, state & !WAKER, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => state = seen,
            }
        }
        false
    }

    /// The asker goes. Answers the state that it left.
    ///
    /// # Safety
    ///
    /// The caller is the asker, and does nothing else from then on but take the outcome that it finds.
    pub(super) unsafe fn leave(&self) -> u32 {
        // AcqRel: an outcome that came before is seen; who comes later sees that we are gone.
        let before = self.state.fetch_or(GONE, Ordering::AcqRel);
        if before & ENDED != 0 {
            return before;
        }
        if before & WAKER != 0 {
            // SAFETY: nobody reads the waker of an asker that was gone before the outcome.
            let waker = self.waker.with_mut(|waker| unsafe { (*waker).take() });
            contain(|| drop(waker));
        }
        if before & WATCHED != 0 {
            self.wake_watchers();
        }
        before
    }

    /// Resolves when one of `bits` is set.
    pub(super) fn watch(&self, bits: u32, cx: &Context<'_>) -> Poll<()> {
        if self.has(bits) {
            return Poll::Ready(());
        }
        let fresh = cx.waker().clone();
        let (surplus, evicted) = {
            let mut watchers = self.watchers.lock();
            if watchers.iter().any(|waker| waker.will_wake(&fresh)) {
                (Some(fresh), None)
            } else {
                let evicted = (watchers.len() == WATCHERS).then(|| watchers.remove(0));
                watchers.push(fresh);
                (None, evicted)
            }
        };
        contain(|| drop(surplus));
        if let Some(waker) = evicted {
            wake(waker);
        }
        // AcqRel: an end that did not see this is seen here.
        let before = self.state.fetch_or(WATCHED, Ordering::AcqRel);
        if before & bits != 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    #[cold]
    fn wake_watchers(&self) {
        let watchers = mem::take(&mut *self.watchers.lock());
        for watcher in watchers {
            wake(watcher);
        }
    }
}

impl<E> fmt::Debug for Core<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        let names = [
            (VALUE, "value"),
            (ERROR, "error"),
            (CLAIMED, "claimed"),
            (GONE, "asker gone"),
            (DROPPED, "replier dropped"),
            (OVER, "turn over"),
            (LENT, "lent"),
            (LATE, "asker late"),
        ];
        let set = names.into_iter().filter(|(bit, _)| state & bit != 0).map(|(_, name)| name);
        f.debug_list().entries(set).finish()
    }
}
