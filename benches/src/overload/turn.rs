//! One peer takes its turn at one scene, in a process of its own: a process keeps what an earlier turn made it take.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Wrong;
use super::callers;
use super::law::Deck;
use super::scene::{Scene, Script};
use super::server::{Clock, Served, Server};
use super::tally::{Tally, Turn};
use crate::peer::{Lane, Peer, Workers};

/// The hidden option under which the program of the same name is such a process.
pub const ALONE: &str = "--alone";

/// Lets the peer of this name take its turn in a process of its own.
///
/// # Errors
/// When the process cannot be run or says that something was wrong.
pub fn measure(scene: &Scene, peer: &str) -> Result<Turn, Wrong> {
    let output = Command::new(std::env::current_exe()?)
        .args(scene.as_args())
        .args(["--peer", peer, ALONE])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(Wrong::Process(format!("its process ended with {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout).map_err(io::Error::from)?)
}

/// Lets a peer take its turn in this process.
///
/// The actor has one of two workers for itself, as far as the peer lets it. The callers are a thread of their own that shares the other core
/// with what the peer's timers and wake-ups take.
///
/// # Errors
/// When calls do not end, or the counts do not agree.
pub fn measure_here<P: Peer>(scene: Scene) -> Result<Turn, Wrong> {
    P::run(Workers::Two, async move |peer: P| {
        let (clock, served) = (Clock::start(), Arc::<Served>::default());
        let (script, deck) = (scene.script(), Deck::new(scene.law, scene.seed));
        let server = Server { clock, deck, script: script.clone(), served: served.clone() };
        // The driver and the timers are on the other lane.
        let actor = peer.spawn(Lane::Nth(1), server).await;
        let (runtime, (done, ended)) = (Handle::current(), oneshot::channel());
        thread::spawn(move || {
            // What the peers use of tokio finds its runtime.
            let _runtime = runtime.enter();
            let _ = done.send(callers_turn::<P>(&actor, &scene, &script, &served, clock));
        });
        ended.await.unwrap_or_else(|_| Err(Wrong::Process("the callers' thread has panicked".to_owned())))
    })
}

fn callers_turn<P: Peer>(
    actor: &P::Addr<Server>,
    scene: &Scene,
    script: &Script,
    served: &Served,
    clock: Clock,
) -> Result<Turn, Wrong> {
    let mut tally = Tally::new(script, scene.deadline_ns());
    let growth = callers::call::<P>(actor, scene, script, &mut tally, clock)?;
    tally.into_turn(served, growth)
}
