//! idle-memory: what an actor that waits for its first message keeps resident. Runs in a process of its own: see `versus::child`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::{Wrong, check};
use crate::crowd::resident;
use crate::peer::{Behaviour, Lane, Next, Peer};

/// Actors spawned between two looks at the memory, at most.
const BATCH: usize = 10_000;
/// Actors that come and stay before the first look, so that the runtime itself has taken what it takes.
const BEFORE: usize = 1_000;

/// What the actors did.
#[derive(Default)]
struct Ledger {
    started: AtomicU64,
    told: AtomicU64,
}

/// Waits. Its state is one word.
struct Sleeper(Arc<Ledger>);

impl Behaviour for Sleeper {
    type Tell = ();
    type Ask = ();
    type Answer = ();

    fn started(&mut self) {
        self.0.started.fetch_add(1, Ordering::Relaxed);
    }

    fn on_tell(&mut self, (): ()) -> Next {
        self.0.told.fetch_add(1, Ordering::Relaxed);
        Next::Continue
    }

    fn on_ask(&mut self, (): ()) {}
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// How many actors there were in the end.
    pub actors: u64,
    /// Bytes each.
    pub bytes_each: f64,
}

/// Spawns `wanted` actors, or as many as `limit` bytes hold, and looks at the resident memory when all have started; then tells every one.
pub async fn measure<P: Peer>(peer: P, wanted: usize, limit: u64) -> Result<Resident, Wrong> {
    let ledger = Arc::new(Ledger::default());
    // Touched beforehand, so that the driver's own list is not counted.
    let mut actors: Vec<Option<P::Addr<Sleeper>>> = vec![None; wanted + BEFORE];
    let mut spawned = 0;
    grow(&peer, &ledger, &mut actors, &mut spawned, BEFORE).await;
    let before = resident();
    while spawned < actors.len() && resident().saturating_sub(before) < limit {
        let batch = BATCH.min(actors.len() - spawned);
        grow(&peer, &ledger, &mut actors, &mut spawned, batch).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The system may have taken pages away meanwhile.
    let taken = resident().saturating_sub(before);

    for actor in actors.iter().take(spawned).flatten() {
        P::send::<Sleeper>(actor, ()).await?;
        if !P::BOUNDED {
            tokio::task::consume_budget().await;
        }
    }
    while ledger.told.load(Ordering::Relaxed) < spawned as u64 {
        tokio::task::yield_now().await;
    }
    check("actors that started", spawned as u64, ledger.started.load(Ordering::Relaxed))?;
    let counted = (spawned - BEFORE) as u64;
    Ok(Resident { actors: counted, bytes_each: taken as f64 / counted as f64 })
}

/// Spawns some more and waits until all have started.
async fn grow<P: Peer>(
    peer: &P,
    ledger: &Arc<Ledger>,
    actors: &mut [Option<P::Addr<Sleeper>>],
    spawned: &mut usize,
    more: usize,
) {
    for _ in 0..more {
        actors[*spawned] = Some(peer.spawn(Lane::Nth(*spawned), Sleeper(ledger.clone())).await);
        *spawned += 1;
        if spawned.is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
    while ledger.started.load(Ordering::Relaxed) < *spawned as u64 {
        tokio::task::yield_now().await;
    }
}
