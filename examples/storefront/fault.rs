//! Trouble to order: what the admin endpoint can do to an actor.

use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use serde::Deserialize;

/// A way to go wrong. It arrives as an ordinary message, and strikes in the actor's own turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// Panics.
    Panic,
    /// Returns an error from `handle`, which ends the incarnation as a panic does.
    Error,
    /// Awaits something that takes this long; the thread is free meanwhile.
    Hang { ms: u64 },
    /// Blocks its thread for this long, as a careless call of a blocking library would.
    Block { ms: u64 },
    /// From now on every message takes this much longer, until healed or restarted.
    Slow { ms: u64 },
    /// Ends `Slow`.
    Heal,
}

/// The trouble an actor is in.
#[derive(Default)]
pub(crate) struct Trouble {
    drag: Duration,
}

impl Trouble {
    /// Called before each message: takes the extra time that was ordered.
    pub(crate) async fn drag(&self) {
        if !self.drag.is_zero() {
            tokio::time::sleep(self.drag).await;
        }
    }

    /// Does what was ordered.
    pub(crate) async fn strike(&mut self, fault: Fault) -> Result<(), Exit> {
        let since = Instant::now();
        tracing::warn!(?fault, "a fault strikes");
        match fault {
            Fault::Panic => panic!("ordered to panic"),
            Fault::Error => return Err("ordered to fail".into()),
            Fault::Hang { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Fault::Block { ms } => std::thread::sleep(Duration::from_millis(ms)),
            Fault::Slow { ms } => self.drag = Duration::from_millis(ms),
            Fault::Heal => self.drag = Duration::ZERO,
        }
        tracing::info!(?fault, after = ?since.elapsed(), "the fault is over");
        Ok(())
    }
}
