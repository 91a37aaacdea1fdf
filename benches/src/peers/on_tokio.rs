//! What the peers that live on a tokio runtime have in common.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::peer::{Unanswered, Workers};

/// Runs `main` as a task of a fresh runtime. The calling thread only waits.
pub(super) fn run<T: Send + 'static>(workers: Workers, main: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = build(workers);
    let outcome = runtime.block_on(async { tokio::spawn(main).await });
    outcome.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

fn build(workers: Workers) -> Runtime {
    match workers {
        Workers::One => Builder::new_current_thread().enable_all().build(),
        Workers::Two => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    }
    .expect("a runtime needs nothing but threads and an event queue")
}

/// Runs a future to its end or to its panic.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// What a future has to say at its first poll.
pub(super) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Waits for the answer to a question that is in the mailbox, for so long.
pub(super) async fn answer_within<A>(answer: oneshot::Receiver<A>, within: Duration) -> Result<A, Unanswered> {
    match timeout(within, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Unanswered::Lost),
        Err(_) => Err(Unanswered::TimedOut),
    }
}
