//! The one task that turns the wheel.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::Sleep;

use super::TICK_NS;
use super::shard::NEVER;
use super::wheel::Wheel;
use crate::port::Port;

/// Batches ended before other tasks have their turn.
const ROUNDS: usize = 8;

/// Ends what is due, then sleeps until the wheel's head, or until something earlier is armed. Ends with the wheel.
pub(super) async fn drive(wheel: Weak<Wheel>, bell: Arc<Notify>, port: Arc<Port>) {
    let mut sleep = Box::pin(port.sleep_until(0));
    let mut due = Vec::new();
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
            }
        }
    }
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
