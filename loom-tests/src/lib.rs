//! What the scenarios in `tests/` need to run twice.
//!
//! ```text
//! cargo test -p crashworthy-loom-tests                                       a few hundred times, on real threads
//! RUSTFLAGS="--cfg loom" cargo test -p crashworthy-loom-tests --release      every interleaving, up to a bound
//! ```
//!
//! A scenario is a closure given to [`model`]. It makes its objects, lets threads loose on them, joins them and
//! asserts. Under loom it must do the same whenever it is run, and may have few threads and few steps: the number
//! of interleavings is exponential in both. The primitives shrink their blocks and segments there, so that
//! edges are near.

#![forbid(unsafe_code)]

use std::{future::Future, pin::pin, task::Context};

#[cfg(not(loom))]
pub use std::{
    sync::{Arc, Mutex, atomic},
    thread,
};

#[cfg(loom)]
pub use loom::{
    sync::{Arc, Mutex, atomic},
    thread,
};

/// Runs a scenario a few hundred times.
#[cfg(not(loom))]
pub fn model(scenario: impl Fn() + Send + Sync + 'static) {
    for _ in 0..if cfg!(miri) { 10 } else { 500 } {
        scenario();
    }
}

/// Runs a scenario in every interleaving with at most two pre-emptions (or `LOOM_MAX_PREEMPTIONS`).
#[cfg(loom)]
pub fn model(scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(scenario);
}

/// Waits for a future.
#[cfg(not(loom))]
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Waits for a future. A wake-up that is lost is a deadlock, which loom reports.
#[cfg(loom)]
pub fn block_on<F: Future>(future: F) -> F::Output {
    loom::future::block_on(future)
}

/// Polls a future once, with a waker that does nothing.
pub fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
