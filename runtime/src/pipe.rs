//! Futures and streams that run beside an actor and end in its mailbox.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Poll};

use futures_core::Stream;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::actor::Actor;
use crate::cell::{ActorCell, AnyCell};
use crate::crash::{Panic, contain, discard};
use crate::envelope::Token;
use crate::error::{Reason, Refused};
use crate::exit::Callback;
use crate::pid::Pid;
use crate::signal::{Via, send_exit};
use crate::timers::post;
use crate::turn::{self, CallScope, Scoped};
use crate::waits;

/// Futures and streams one actor may have running.
const RUNNING: usize = 1024;

/// What runs beside one incarnation; aborted when it ends.
#[derive(Default)]
pub(crate) struct Pipes {
    running: Arc<AtomicUsize>,
    handles: Vec<AbortHandle>,
}

/// The author's future. Polled and dropped contained.
struct Piped<F>(Option<Scoped<F>>);

impl<F: Future> Piped<F> {
    fn poll(&mut self, cx: &mut Poller<'_>) -> Poll<Result<F::Output, Panic>> {
        let Some(future) = &mut self.0 else { unreachable!("a pipe that has ended is not polled again") };
        let polled = match contain(|| Pin::new(future).poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        discard(self.0.take());
        Poll::Ready(polled)
    }
}

impl<F> Drop for Piped<F> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

/// Counts one running pipe.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pipes {
    pub(crate) fn future<A: Actor, T: Send + 'static>(
        &mut self,
        cell: &ActorCell<A>,
        pid: Pid,
        future: impl Future<Output = T> + Send + 'static,
        to: impl FnOnce(T) -> A::Msg + Send + 'static,
    ) -> Result<(), Refused> {
        let weak = Arc::downgrade(cell);
        self.run(cell, pid, async move {
            let value = future.await;
            if let Some(cell) = weak.upgrade() {
                post(&cell, pid.incarnation, to(value), Token::None);
            }
        })
    }

    pub(crate) fn stream<A: Actor, S>(
        &mut self,
        cell: &ActorCell<A>,
        pid: Pid,
        stream: S,
        mut to: impl FnMut(S::Item) -> A::Msg + Send + 'static,
        end: impl FnOnce() -> A::Msg + Send + 'static,
    ) -> Result<(), Refused>
    where
        S: Stream + Send + 'static,
        S::Item: Send,
    {
        let weak = Arc::downgrade(cell);
        self.run(cell, pid, async move {
            let room = Arc::new(Semaphore::new(1));
            let mut stream = pin!(stream);
            loop {
                // Closed never: the semaphore is ours.
                let Ok(place) = room.clone().acquire_owned().await else { return };
                let item = poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
                let Some(cell) = weak.upgrade() else { return };
                let Some(item) = item else {
                    post(&cell, pid.incarnation, end(), Token::None);
                    return;
                };
                if !post(&cell, pid.incarnation, to(item), Token::Item(place)) {
                    return;
                }
            }
        })
    }

    fn run<A: Actor>(
        &mut self,
        cell: &ActorCell<A>,
        pid: Pid,
        pipe: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Refused> {
        if turn::is_fenced() {
            return Err(cell.core().refuse(Reason::Fenced));
        }
        if self.running.fetch_add(1, Ordering::AcqRel) >= RUNNING {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return Err(cell.core().refuse(Reason::Full));
        }
        // A reply that it may have along with it is owed by nobody in particular.
        waits::gives();
        let running = Running(self.running.clone());
        let weak = Arc::downgrade(cell);
        let mut pipe = Piped(Some(CallScope::current().scope(pipe)));
        let shared = cell.core().shared();
        let stragglers = shared.stragglers.clone();
        let task = cell.core().pool().spawn(async move {
            let _running = running;
            let met = poll_fn(move |cx| {
                // It acts for its actor: what it sends is sent by that incarnation, or refused with it.
                let _turn = turn::enter_system(pid, &stragglers);
                pipe.poll(cx)
            });
            if let (Err(panic), Some(cell)) = (met.await, weak.upgrade()) {
                crashed(cell, pid, &panic);
            }
        });
        if self.handles.len() >= 32 {
            self.handles.retain(|handle| !handle.is_finished());
        }
        self.handles.push(task.abort_handle());
        Ok(())
    }
}

/// A pipe that panics is an exit signal of the actor to itself.
fn crashed(cell: Arc<dyn AnyCell>, pid: Pid, panic: &Panic) {
    let _ = send_exit(&cell, pid.incarnation, pid, panic.reason(Callback::Handle, None), Via::Call);
}

impl Drop for Pipes {
    fn drop(&mut self) {
        for handle in &self.handles {
            handle.abort();
        }
    }
}
