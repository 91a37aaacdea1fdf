//! Polling user code: panics become values, and what kills is obeyed at every await.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use crashworthy_sync::task::Stale;
use pin_project_lite::pin_project;

use crate::actor::Actor;
use crate::cell::{ActorCell, flag};
use crate::crash::{Panic, contain};
use crate::lane::Fate;
use crate::serve::interrupt;
use crate::turn::{self, Call};

/// How a callback ended.
#[derive(Debug)]
pub(crate) enum Met<T> {
    /// It returned.
    Returned(T),
    /// It, or dropping what it left behind, panicked.
    Panicked(Panic),
    /// A kill or an exit signal came while it awaited.
    Interrupted(Fate),
}

pin_project! {
    /// Polls one callback. The future is dropped, contained, as soon as it has ended.
    pub(crate) struct Guard<'c, A: Actor, F> {
        cell: &'c ActorCell<A>,
        call: Call,
        polled: bool,
        #[pin]
        future: Option<F>,
    }
}

/// The callback runs for `call`: asks made in it inherit that deadline.
pub(crate) fn guard<A: Actor, F: Future>(cell: &ActorCell<A>, call: Call, future: F) -> Guard<'_, A, F> {
    Guard { cell, call, polled: false, future: Some(future) }
}

impl<A: Actor, F: Future> Future for Guard<'_, A, F> {
    type Output = Met<F::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let core = &this.cell.core;
        if *this.polled && core.flags() & flag::URGENT != 0 {
            let fate = core.control.lock().fate(core.pid(), core.traps(), true);
            if let Some(fate) = fate {
                return Poll::Ready(interrupt(this.cell, fate, || this.future.set(None)));
            }
        }
        *this.polled = true;
        let scoped = *this.call != Call::NONE;
        if scoped {
            turn::set_call(*this.call);
        }
        let polled = this.cell.user(|| {
            let polled = contain(|| match this.future.as_mut().as_pin_mut() {
                Some(future) => {
                    let output = ready!(future.poll(cx));
                    this.future.set(None);
                    Poll::Ready(output)
                }
                None => unreachable!("a callback that has ended is not polled again"),
            });
            if polled.is_err() {
                // What the panic left of the future is dropped contained, too; its first panic is the one to report.
                let _ = contain(|| this.future.set(None));
            }
            polled
        });
        if scoped {
            turn::set_call(Call::NONE);
        }
        match polled {
            Ok(Ok(polled)) => polled.map(Met::Returned),
            Ok(Err(panic)) => Poll::Ready(Met::Panicked(panic)),
            Err((_, Stale)) => {
                let _ = contain(|| this.future.set(None));
                Poll::Ready(Met::Interrupted(Fate::Fenced))
            }
        }
    }
}

pin_project! {
    /// Polls a future whose panics become values; the future is dropped, contained, when it has panicked.
    pub(crate) struct Catch<F> {
        #[pin]
        future: Option<F>,
    }
}

/// Catches what leaves `future`. Also resets the call of the turn, which a panic may have left set.
pub(crate) fn catch<F: Future>(future: F) -> Catch<F> {
    Catch { future: Some(future) }
}

impl<F: Future> Future for Catch<F> {
    type Output = Result<F::Output, Panic>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = contain(|| match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => unreachable!("a loop that has ended is not polled again"),
        });
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => {
                turn::set_call(Call::NONE);
                let _ = contain(|| this.future.set(None));
                Poll::Ready(Err(panic))
            }
        }
    }
}
