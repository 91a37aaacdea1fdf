//! The one task that turns the wheel.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Sleep;

use super::TICK_NS;
use super::shard::NEVER;
use super::wheel::Wheel;
use crate::port::Port;

/// Batches ended before other tasks have their turn.
const ROUNDS: usize = 8;

/// A `Sleep` that is so much too early was ended by another clock than ours.
const APART_NS: u64 = 100_000_000;

const APART: &str = "tokio's clock was paused after the system had started: its timers come by the real one";

/// How long such a one is made up for at a time.
const MADE_UP: Duration = Duration::from_millis(100);

/// Ends what is due, then sleeps until the wheel's head, or until something earlier is armed. Ends with the wheel.
pub(super) async fn drive(wheel: Weak<Wheel>, bell: Arc<Notify>, port: Arc<Port>) {
    let mut sleep = Box::pin(port.sleep_until(0));
    let (mut due, mut told) = (Vec::new(), false);
    loop {
        let until = {
            let Some(wheel) = wheel.upgrade() else { return };
            wheel.awake();
            match (0..ROUNDS).any(|_| !wheel.fire_into(&mut due).more) {
                true => Some(wheel.rest()),
                false => None,
            }
        };
        match until {
            None => tokio::task::yield_now().await,
            Some(NEVER) => bell.notified().await,
            Some(tick) => {
                sleep.as_mut().reset(port.instant(tick.saturating_mul(TICK_NS)));
                either(sleep.as_mut(), bell.notified()).await;
                let early = tick.saturating_mul(TICK_NS).saturating_sub(port.now_ns());
                if sleep.is_elapsed() && early > APART_NS {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!("{APART}");
                    }
                    make_up(&port, Duration::from_nanos(early)).await;
                }
            }
        }
    }
}

/// Tokio's clock was paused after the system had started, and is ahead of the system's: waits by that, or this task would never wait.
#[cold]
async fn make_up(port: &Port, early: Duration) {
    // It does not matter how it ends: then there is no runtime.
    let _ = port.run_blocking(move || std::thread::sleep(early.min(MADE_UP))).await;
}

/// Ends when one of the two has: only ever polled to know that it is time to look.
async fn either(mut sleep: Pin<&mut Sleep>, bell: impl Future<Output = ()>) {
    let mut bell = pin!(bell);
    poll_fn(|cx| {
        if bell.as_mut().poll(cx).is_ready() || sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}
