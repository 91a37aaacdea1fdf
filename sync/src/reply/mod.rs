//! The one-shot reply: one question, three parties, exactly one outcome, one allocation.
//!
//! ```text
//!        Asker                     Replier                    Observer (any number)
//!    waits for the             answers, once;              the turn that has the question in hand:
//!      outcome                 may be kept, moved,         says what a dropped replier means,
//!         │                    dropped                     or ends the question by force
//!         └──────────────┬──────────┴──────────┬───────────────────┘
//!              ┌─────────▼─────────────────────▼────────┐
//!              │ core   state    (one word)             │
//!              │        error    E: what a drop means   │
//!              │        waker    of the asker           │
//!              │        watchers wakers of who waits    │
//!              │                 for the asker to go    │
//!              │ value  R                               │
//!              └────────────────────────────────────────┘
//! ```
//!
//! **One outcome.** A value is written into its cell first (only the replier writes there) and becomes the
//! outcome by one compare-and-swap on the state; when that fails, the value goes back to the replier. An
//! error has several possible authors, so it is first CLAIMED by a compare-and-swap, then written, then
//! published. Both swaps require that there is no outcome, no claim, and that the asker is there.
//!
//! **A replier that is dropped unsent** sets DROPPED; the end of the turn ([`Observer::settle`], or the last
//! observer's end) sets OVER. Whoever comes second sees the first, and brings the error: the one given to
//! `settle`, or, if the turn was over already, the one given to [`channel`].
//!
//! **The asker's waker** is in its cell while WAKER is set. The one who publishes the outcome reads it if it
//! saw WAKER in that very read-modify-write; the asker changes it only after it has cleared WAKER in a
//! compare-and-swap that found no outcome.

mod core;
mod shared;

#[cfg(all(test, not(loom)))]
mod tests;

use std::{
    fmt,
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    task::{Context, Poll},
};

pub use self::core::Baggage;
use self::{
    core::{Core, DROPPED, ENDED, ERROR, GONE, LATE, OVER, UNOWED, VALUE},
    shared::{Shared, SharedCore, TRIO, free, trio},
};
use crate::facade::{Ordering, UnsafeCell};

/// Makes the three ends of a question. `on_drop` is the outcome of a replier that is dropped unsent when no
/// turn is there to say otherwise.
pub fn channel<R: Send + 'static, E: Send + 'static>(on_drop: E) -> (Asker<R, E>, Replier<R, E>, Observer<E>) {
    channel_within(on_drop, None)
}

/// The same for a question that is asked for the sake of another: who answers can see whether [that](Observer::is_cancelled_around) is
/// wanted still.
pub fn channel_within<R: Send + 'static, E: Send + 'static>(
    on_drop: E,
    around: Option<&Wait<E>>,
) -> (Asker<R, E>, Replier<R, E>, Observer<E>) {
    let core = Core::new(on_drop, around.map(|around| &around.core), TRIO, free::<R, E>);
    let (asker, replier, observer) = trio(Inner { core, value: UnsafeCell::new(None) });
    (Asker { inner: asker, done: false }, Replier { inner: replier }, Observer { core: observer })
}

#[repr(C)]
struct Inner<R, E> {
    /// First, so that a pointer to the whole is a pointer to the core.
    core: Core<E>,
    /// The replier's until VALUE is published, the asker's from then on.
    value: UnsafeCell<Option<R>>,
}

// SAFETY: the cells are handed from thread to thread by the state word, as the module's documentation says;
// their contents are `Send`. Nobody shares a reference to either.
unsafe impl<R: Send, E: Send> Send for Inner<R, E> {}
// SAFETY: as above.
unsafe impl<R: Send, E: Send> Sync for Inner<R, E> {}

/// Who waits for the outcome. Dropping it cancels the question.
#[must_use = "who drops the asker does not want to know"]
pub struct Asker<R, E> {
    inner: Shared<R, E>,
    /// The outcome was taken.
    done: bool,
}

/// The right to answer, once.
#[must_use = "a replier that is dropped leaves its asker without an answer"]
pub struct Replier<R, E> {
    inner: Shared<R, E>,
}

/// The view of the turn that has the question in hand.
pub struct Observer<E> {
    core: SharedCore<E>,
}

/// That somebody waits, as others see it: who owes the outcome, and a way to end the wait.
pub struct Wait<E> {
    core: SharedCore<E>,
}

impl<R, E> Asker<R, E> {
    /// The wait for this outcome, for others to look at.
    pub fn wait(&self) -> Wait<E> {
        Wait { core: self.inner.to_core() }
    }

    /// Whether the question has taken something along.
    #[inline]
    pub fn has_baggage(&self) -> bool {
        self.inner.core.baggage.get().is_some()
    }

    /// Says why the asker is about to go: its time has passed.
    #[cold]
    pub fn note_late(&self) {
        self.inner.core.note_late();
    }

    /// Takes the outcome, if there is one.
    ///
    /// # Panics
    ///
    /// When it was taken before.
    pub fn try_take(&mut self) -> Option<Result<R, E>> {
        assert!(!self.done, "an outcome is taken once");
        // Acquire: pairs with the release of who published the outcome.
        let state = self.inner.core.state.load(Ordering::Acquire);
        if state & VALUE != 0 {
            self.done = true;
            // SAFETY: a published value is the asker's, which we are.
            let value = self.inner.value.with_mut(|value| unsafe { (*value).take() });
            Some(Ok(value.expect("the replier wrote a value before it published it")))
        } else if state & ERROR != 0 {
            self.done = true;
            // SAFETY: a published error is the asker's, which we are.
            Some(Err(unsafe { self.inner.core.take_error() }))
        } else {
            None
        }
    }
}

impl<R, E> Future for Asker<R, E> {
    type Output = Result<R, E>;

    /// # Panics
    ///
    /// When the outcome was taken before.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if let Some(outcome) = this.try_take() {
                return Poll::Ready(outcome);
            }
            // SAFETY: we are the asker.
            if unsafe { this.inner.core.wait(cx) } {
                return Poll::Pending;
            }
        }
    }
}

impl<R, E> Drop for Asker<R, E> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // SAFETY: we are the asker, and this is its end.
        let state = unsafe { self.inner.core.leave() };
        if state & VALUE != 0 {
            // SAFETY: a published value is the asker's.
            drop(self.inner.value.with_mut(|value| unsafe { (*value).take() }));
        }
    }
}

impl<R, E> Replier<R, E> {
    /// Answers.
    ///
    /// # Errors
    ///
    /// The value, when the asker has gone, or has another outcome already.
    pub fn send(self, value: R) -> Result<(), R> {
        let inner = self.into_inner();
        // SAFETY: nobody but the replier, which we are, touches the cell before VALUE is published.
        inner.value.with_mut(|cell| unsafe { *cell = Some(value) });
        if inner.core.publish_value() {
            return Ok(());
        }
        // SAFETY: it was not published, so it is still ours.
        let value = inner.value.with_mut(|cell| unsafe { (*cell).take() });
        Err(value.expect("we have just put it there"))
    }

    /// Answers that there is no answer. In vain, when the asker has gone, or has another outcome already.
    pub fn fail(self, error: E) {
        self.into_inner().core.publish_error(Some(error));
    }

    /// Does nobody wait for the answer any more?
    pub fn is_cancelled(&self) -> bool {
        self.inner.core.has(GONE | ENDED)
    }

    /// From now on somebody else than the turn that has the question in hand may be the one who answers.
    pub fn lend(&self) {
        self.inner.core.lend();
    }

    /// Resolves when nobody waits for the answer any more.
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.core.watch(GONE | ENDED, cx)
    }

    /// Leaves the right to answer with the caller.
    fn into_inner(self) -> Shared<R, E> {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used again nor dropped.
        unsafe { std::ptr::read(&this.inner) }
    }
}

impl<R, E> Drop for Replier<R, E> {
    fn drop(&mut self) {
        // AcqRel: who brings the error, we or the turn, follows the other.
        let before = self.inner.core.state.fetch_or(DROPPED, Ordering::AcqRel);
        if before & OVER != 0 {
            self.inner.core.publish_error(None);
        }
    }
}

impl<E> Observer<E> {
    /// Has the asker gone without an outcome?
    pub fn is_cancelled(&self) -> bool {
        self.core.has(GONE)
    }

    /// Resolves when the asker goes without an outcome. If it gets one, never.
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.core.watch(GONE, cx)
    }

    /// Is there an outcome, taken or not?
    pub fn is_answered(&self) -> bool {
        self.core.has(ENDED)
    }

    /// Is there nobody who waits for an outcome: has the asker gone, or is there one?
    pub fn is_moot(&self) -> bool {
        self.core.has(GONE | ENDED)
    }

    /// Has the asker of a question gone, without an outcome, for whose sake this one is asked, itself or through others? A
    /// chain of more than 64 begins anew.
    #[inline]
    pub fn is_cancelled_around(&self) -> bool {
        self.core.is_cancelled_around()
    }

    /// The wait for this outcome, for others to look at.
    pub fn wait(&self) -> Wait<E> {
        Wait { core: self.core.clone() }
    }

    /// Has the asker gone because its [time had passed](Asker::note_late), rather than for another reason?
    pub fn is_late(&self) -> bool {
        self.core.has(LATE)
    }

    /// From now on somebody else than the turn that has the question in hand may be the one who answers.
    pub fn lend(&self) {
        self.core.lend();
    }

    /// Gives the question something to take along, once; who gives it more later gives it nothing. It is dropped when all
    /// ends of the question are.
    pub fn load(&self, baggage: Baggage) {
        // What comes too late is dropped.
        let _ = self.core.baggage.set(baggage);
    }

    /// What the question has taken along.
    #[inline]
    pub fn baggage(&self) -> Option<&Baggage> {
        self.core.baggage.get()
    }

    /// The turn is over. If the replier was dropped unsent, the outcome is `if_dropped`. If it lives on, its
    /// drop will mean what [`channel`] was told.
    pub fn settle(&self, if_dropped: E) {
        self.core.end_turn(Some(if_dropped));
    }

    /// Ends the question with `error`, whoever holds the replier. True if that became the outcome.
    pub fn force(&self, error: E) -> bool {
        self.core.publish_error(Some(error))
    }
}

impl<E> Wait<E> {
    /// Is the outcome owed by whoever has the question, in its mailbox or in hand? No more when there is one, the asker has
    /// gone, or the replier outlived the turn or was [lent](Observer::lend). What is not owed is never owed again.
    pub fn is_owed(&self) -> bool {
        !self.core.has(UNOWED)
    }

    /// Is it the wait for the same outcome?
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.core, &raw const *other.core)
    }

    /// Ends the wait with an error, which is made if it is to be the outcome. True if it is.
    pub fn end_with(&self, error: impl FnOnce() -> E) -> bool {
        self.core.publish_error_with(error)
    }
}

impl<E> Clone for Observer<E> {
    fn clone(&self) -> Self {
        // Relaxed: a new observer is made from one that exists.
        self.core.observers.fetch_add(1, Ordering::Relaxed);
        Observer { core: self.core.clone() }
    }
}

impl<E> Drop for Observer<E> {
    /// The end of the last observer is the end of the turn.
    fn drop(&mut self) {
        if !self.core.has(OVER) && self.core.is_last_observer() {
            self.core.end_turn(None);
        }
    }
}

impl<R, E> fmt::Debug for Asker<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("state", &self.inner.core).finish()
    }
}

impl<R, E> fmt::Debug for Replier<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replier").field("state", &self.inner.core).finish()
    }
}

impl<E> fmt::Debug for Wait<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("state", &*self.core).finish()
    }
}

impl<E> fmt::Debug for Observer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("state", &*self.core).finish()
    }
}
