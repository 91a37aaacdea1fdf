//! Polling user code outside of the loop over messages: panics become values, and what kills is obeyed at every await.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use crashworthy_sync::task::Stale;
use pin_project_lite::pin_project;

use crate::actor::Actor;
use crate::cell::{ActorCell, flag};
use crate::crash::{Panic, contain, contain_drop};
use crate::lane::Fate;
use crate::waits;

/// How a callback ended.
#[derive(Debug)]
pub(crate) enum Met<T> {
    /// It returned.
    Returned(T),
    /// It did not. Boxed, since the other is what everybody hands on.
    Broken(Box<Broken>),
}

/// Why a callback did not return.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It, or dropping what it left behind, panicked.
    Panicked(Panic),
    /// A kill or an exit signal came while it awaited.
    Interrupted(Fate),
}

impl<T> Met<T> {
    #[cold]
    pub(crate) fn panicked(panic: Panic) -> Self {
        Self::Broken(Box::new(Broken::Panicked(panic)))
    }

    #[cold]
    pub(crate) fn interrupted(fate: Fate) -> Self {
        Self::Broken(Box::new(Broken::Interrupted(fate)))
    }

    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self, Self::Broken(broken) if matches!(**broken, Broken::Interrupted(Fate::Fenced)))
    }
}

/// What kills the incarnation, if something came while a callback awaited.
#[inline(always)]
pub(crate) fn killer<A: Actor>(cell: &ActorCell<A>) -> Option<Fate> {
    if cell.core().flags() & flag::URGENT == 0 { None } else { killed(cell) }
}

#[cold]
fn killed<A: Actor>(cell: &ActorCell<A>) -> Option<Fate> {
    cell.core().control.lock().fate(cell.core().pid(), cell.core().traps(), true)
}

/// Drops a callback that is interrupted. Whatever its remains do, what interrupted it stands.
#[cold]
pub(crate) fn interrupt<A: Actor, T>(cell: &ActorCell<A>, fate: Fate, discard: impl FnOnce()) -> Met<T> {
    match cell.user(|| contain(discard)) {
        Ok(Ok(())) => Met::interrupted(fate),
        Ok(Err(panic)) => {
            let name = cell.core().label();
            tracing::error!(name, location = panic.location, "an interrupted callback panicked: {}", panic.message);
            Met::interrupted(fate)
        }
        Err((_, Stale)) => Met::interrupted(Fate::Fenced),
    }
}

pin_project! {
    /// Polls one callback. The future is dropped, contained, as soon as it has ended.
    pub(crate) struct Guard<'c, A: Actor, F> {
        cell: &'c ActorCell<A>,
        polled: bool,
        #[pin]
        future: Option<F>,
    }
}

thread_local! {
    /// Why a callback has no future. Here, between the call and the first poll, it costs no frame a word.
    static BROKEN: Cell<Option<Box<Broken>>> = const { Cell::new(None) };
}

/// Calls a callback, which is user code already if it is no `async fn`. To be awaited at once.
///
/// It handles no message: asks made in it inherit nothing.
pub(crate) fn guard<A: Actor, F: Future>(cell: &ActorCell<A>, call: impl FnOnce() -> F) -> Guard<'_, A, F> {
    let broken = match cell.user(|| contain(call)) {
        Ok(Ok(future)) => return Guard { cell, polled: false, future: Some(future) },
        Ok(Err(panic)) => Broken::Panicked(panic),
        Err((called, Stale)) => {
            let _ = contain_drop(called);
            Broken::Interrupted(Fate::Fenced)
        }
    };
    BROKEN.set(Some(Box::new(broken)));
    Guard { cell, polled: false, future: None }
}

impl<A: Actor, F: Future> Future for Guard<'_, A, F> {
    type Output = Met<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if *this.polled
            && let Some(fate) = killer(this.cell)
        {
            return Poll::Ready(interrupt(this.cell, fate, || this.future.set(None)));
        }
        if !*this.polled
            && this.future.is_none()
            && let Some(broken) = BROKEN.take()
        {
            return Poll::Ready(Met::Broken(broken));
        }
        *this.polled = true;
        waits::begins();
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
        match polled {
            Ok(Ok(Poll::Pending)) => {
                waits::awaits();
                Poll::Pending
            }
            Ok(Ok(polled)) => polled.map(Met::Returned),
            Ok(Err(panic)) => Poll::Ready(Met::panicked(panic)),
            Err((_, Stale)) => {
                let _ = contain(|| this.future.set(None));
                Poll::Ready(Met::interrupted(Fate::Fenced))
            }
        }
    }
}
