//! Waiting until an instant of the system's clock, by the wheel: whatever tokio's workers are doing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use super::wheel::{TimerKey, Wheel};

/// Ends when the clock has reached an instant; at once where nobody turns the wheel any more.
pub(crate) struct Nap {
    wheel: Arc<Wheel>,
    at: u64,
    timer: Option<TimerKey>,
}

impl Nap {
    /// Until `at`, in nanoseconds of the port's clock.
    pub(crate) fn until(wheel: &Arc<Wheel>, at: u64) -> Self {
        Self { wheel: wheel.clone(), at, timer: None }
    }
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.wheel.has_reached(this.at) || this.wheel.is_closed() {
            return Poll::Ready(());
        }
        let armed = this.timer.is_some_and(|timer| this.wheel.rewake(timer, cx.waker()));
        if !armed {
            this.timer = Some(this.wheel.arm_waker(this.at, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.wheel.cancel(timer);
        }
    }
}
