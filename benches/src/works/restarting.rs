//! crash-restart: an actor that panics, and its next incarnation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::support::{Wrong, check, median};
use crate::peer::{Behaviour, Next, Peer};

/// What the panics of this work say, so that they can be told from others.
pub(crate) const ON_DEMAND: &str = "crash on demand";

/// Panics when it is told to; knows which incarnation it is.
struct Fragile {
    incarnation: u64,
}

impl Behaviour for Fragile {
    type Tell = ();
    type Ask = ();
    type Answer = u64;

    fn on_tell(&mut self, (): ()) -> Next {
        panic!("{}", ON_DEMAND);
    }

    fn on_ask(&mut self, (): ()) -> u64 {
        self.incarnation
    }
}

/// The median time from sending the fatal message until the next incarnation has answered.
pub(super) async fn restart<P: Peer>(peer: P, crashes: u64) -> Result<f64, Wrong> {
    let made = Arc::new(AtomicU64::new(0));
    let make = {
        let made = made.clone();
        move || Fragile { incarnation: 1 + made.fetch_add(1, Ordering::Relaxed) }
    };
    let mut supervised = peer.supervise(make).await;
    let mut samples = Vec::with_capacity(crashes as usize);
    for crash in 1..=crashes {
        let start = Instant::now();
        let incarnation = P::crash::<Fragile>(&mut supervised, (), ()).await?;
        samples.push(start.elapsed().as_nanos() as f64);
        check("incarnation", crash + 1, incarnation)?;
    }
    check("incarnations made", crashes + 1, made.load(Ordering::Relaxed))?;
    Ok(median(&mut samples))
}
