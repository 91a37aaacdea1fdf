//! What the drivers share: how they check, how they wait for the end, how they hold senders back.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::peer::{CAPACITY, Lost};

/// Why a figure was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A message, an answer or a task did not arrive.
    Lost,
    /// What was counted differs from what was sent.
    Count {
        /// What was counted.
        what: &'static str,
        /// How much it should have been.
        expected: u64,
        /// How much it was.
        found: u64,
    },
    /// What another program says that did the work.
    Elsewhere(String),
}

impl From<Lost> for Wrong {
    fn from(Lost: Lost) -> Self {
        Wrong::Lost
    }
}

impl From<oneshot::error::RecvError> for Wrong {
    fn from(_: oneshot::error::RecvError) -> Self {
        Wrong::Lost
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Lost => Lost.fmt(f),
            Wrong::Count { what, expected, found } => write!(f, "{what}: expected {expected}, found {found}"),
            Wrong::Elsewhere(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Wrong {}

/// Accepts what was counted only if it is what was sent.
pub(crate) fn check(what: &'static str, expected: u64, found: u64) -> Result<(), Wrong> {
    if found == expected { Ok(()) } else { Err(Wrong::Count { what, expected, found }) }
}

/// Millions a second.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64() / 1e6
}

/// Nanoseconds each.
pub(crate) fn each(count: u64, elapsed: Duration) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

/// The middle of the values.
pub fn median(values: &mut [f64]) -> f64 {
    assert!(!values.is_empty(), "a median needs a value");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// Ends once the last of `n` parties has arrived.
#[derive(Clone)]
pub(crate) struct Countdown(Arc<(AtomicU64, Mutex<Option<oneshot::Sender<()>>>)>);

impl Countdown {
    pub(crate) fn new(parties: u64) -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Countdown(Arc::new((AtomicU64::new(parties), Mutex::new(Some(sender))))), receiver)
    }

    pub(crate) fn arrive(&self) {
        let (left, done) = &*self.0;
        // AcqRel: whoever is told of the end sees what every party did before it arrived.
        if left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(done) = done.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // A driver that has gone needs no telling.
            let _ = done.send(());
        }
    }
}

/// How far a receiver has come, so that senders whom no mailbox holds back stay within one mailbox's length of it.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

/// How often a receiver publishes and a sender looks.
const STRIDE: u64 = 64;

impl Progress {
    /// Publishes how much was received, now and then.
    pub(super) fn publish(&self, received: u64) {
        if received.is_multiple_of(STRIDE) {
            self.0.store(received, Ordering::Relaxed);
        }
    }

    /// Waits until the receiver is near, for one of `senders` that are each about as far.
    pub(super) async fn wait(&self, sent: u64, senders: u64) {
        if sent.is_multiple_of(STRIDE) {
            while sent * senders > self.0.load(Ordering::Relaxed) + CAPACITY as u64 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A small pseudo-random generator (xorshift), the same for every peer.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn roll(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }
}

/// The sum of 1..=n, modulo 2^64.
pub(super) fn sum_to(n: u64) -> u64 {
    let (even, odd) = if n.is_multiple_of(2) { (n / 2, n + 1) } else { (n.div_ceil(2), n) };
    even.wrapping_mul(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
    }

    #[test]
    fn sums_agree_with_adding() {
        for n in 0..100 {
            assert_eq!(sum_to(n), (1..=n).sum::<u64>());
        }
    }

    #[test]
    fn a_count_that_differs_is_wrong() {
        assert_eq!(check("messages", 3, 3), Ok(()));
        assert_eq!(check("messages", 3, 2), Err(Wrong::Count { what: "messages", expected: 3, found: 2 }));
    }
}
