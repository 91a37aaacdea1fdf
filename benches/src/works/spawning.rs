//! spawn: actors that live for one message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::support::{Wrong, check, each, sum_to};
use crate::peer::{Behaviour, CAPACITY, Lane, Next, Peer};

/// How often the spawning task lets others run.
const STRIDE: u64 = 64;

/// What all the actors of one run did.
#[derive(Default)]
struct Ledger {
    started: AtomicU64,
    sum: AtomicU64,
    dropped: AtomicU64,
}

/// Adds its first message to the ledger and stops.
struct Mayfly(Arc<Ledger>);

impl Behaviour for Mayfly {
    type Tell = u64;
    type Ask = ();
    type Answer = ();

    fn started(&mut self) {
        self.0.started.fetch_add(1, Ordering::Relaxed);
    }

    fn on_tell(&mut self, number: u64) -> Next {
        self.0.sum.fetch_add(number, Ordering::Relaxed);
        Next::Stop
    }

    fn on_ask(&mut self, (): ()) {}
}

impl Drop for Mayfly {
    fn drop(&mut self) {
        // Release: what the actor did before is seen by the driver that counts it as gone.
        self.0.dropped.fetch_add(1, Ordering::Release);
    }
}

/// One task spawns `count` actors, with at most a thousand alive; ends when the state of the last one is dropped.
pub(super) async fn spawn<P: Peer>(peer: P, count: u64) -> Result<f64, Wrong> {
    let ledger = Arc::new(Ledger::default());
    let start = Instant::now();
    for number in 1..=count {
        let actor = peer.spawn(Lane::Here, Mayfly(ledger.clone())).await;
        P::send::<Mayfly>(&actor, number).await?;
        if number.is_multiple_of(STRIDE) {
            tokio::task::yield_now().await;
        }
        while number - ledger.dropped.load(Ordering::Acquire) > CAPACITY as u64 {
            tokio::task::yield_now().await;
        }
    }
    while ledger.dropped.load(Ordering::Acquire) < count {
        tokio::task::yield_now().await;
    }
    let elapsed = start.elapsed();
    check("actors that started", count, ledger.started.load(Ordering::Relaxed))?;
    check("actors that were dropped", count, ledger.dropped.load(Ordering::Relaxed))?;
    check("the sum of first messages", sum_to(count), ledger.sum.load(Ordering::Relaxed))?;
    Ok(each(count, elapsed))
}
