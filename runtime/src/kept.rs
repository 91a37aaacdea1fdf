//! What a panic leaves of an incarnation: everything but the frame that it unwinds.
//!
//! ```text
//!   poll ─▶ the frame owns what lives ─ panic ─▶ unwinds: what lives is laid aside ─▶ caught: it ends, in a frame of its own
//! ```
//! A frame that borrowed what lives, and left it behind by itself, would be two frames, one around the other, and each of a
//! million actors would pay for both.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;

use crate::actor::Actor;
use crate::crash::{contain, discard};
use crate::life::Passed;
use crate::serve::{Being, dies};
use crate::turn::{self, Call};

thread_local! {
    /// What was laid aside, between a panic and whoever catches it.
    static ASIDE: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

/// What lives, within the frame that it lives by.
pub(crate) struct Kept<A: Actor>(Option<Being<A>>);

/// Of one whose frame is there.
const THERE: &str = "it is there until it is taken, or dropped";

impl<A: Actor> Kept<A> {
    pub(crate) fn new(being: Being<A>) -> Self {
        Self(Some(being))
    }

    pub(crate) fn take(&mut self) -> Being<A> {
        self.0.take().expect(THERE)
    }
}

impl<A: Actor> Deref for Kept<A> {
    type Target = Being<A>;

    #[inline(always)]
    fn deref(&self) -> &Being<A> {
        self.0.as_ref().expect(THERE)
    }
}

impl<A: Actor> DerefMut for Kept<A> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Being<A> {
        self.0.as_mut().expect(THERE)
    }
}

impl<A: Actor> Drop for Kept<A> {
    fn drop(&mut self) {
        // The panic of another's turn, or a life that is dropped by the way, is none that unwinds this frame.
        let unwinds = |being: &Being<A>| std::thread::panicking() && turn::current_id() == being.cx.cell().core().id();
        if let Some(being) = self.0.take_if(|being| unwinds(being)) {
            // Its turn may have dropped another system, whose actors have like numbers: what of those lies here goes.
            discard(ASIDE.replace(Some(Box::new(being))));
        }
    }
}

pin_project! {
    /// Polls a frame whose panics end what lives by it.
    pub(crate) struct Catch<A, F> {
        #[pin]
        future: F,
        lives: PhantomData<fn() -> A>,
    }
}

/// Catches what leaves the frame. Also resets the call of the turn, which a panic may have left set.
pub(crate) fn catch<A, F: Future<Output = Passed>>(future: F) -> Catch<A, F> {
    Catch { future, lives: PhantomData }
}

impl<A: Actor, F: Future<Output = Passed>> Future for Catch<A, F> {
    type Output = Passed;

    // A function of its own: unwinding looks through the landing pads of every function that it passes, one by one.
    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Passed> {
        let future = self.project().future;
        match contain(|| future.poll(cx)) {
            Ok(polled) => polled,
            Err(panic) => {
                turn::set_call(Call::NONE);
                let aside = ASIDE.take().and_then(|aside| aside.downcast::<Being<A>>().ok());
                let being = aside.expect("whoever unwinds a frame lays aside what lives by it");
                let cell = being.cx.cell().clone();
                Poll::Ready(Passed::On(Box::pin(dies(cell, being, panic))))
            }
        }
    }
}
