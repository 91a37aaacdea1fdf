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
use super::scene::{Scenario, Scene, Script};
use super::server::{Clock, Served, Server};
use super::tally::{Tally, Turn};
use super::target::{Alone, Chain, Fan, Supervised, Target};
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
    // Where several work there is one thread for all of them: what they can do together is what one could.
    let workers = if scene.scenario.stages().len() == 1 { Workers::Two } else { Workers::One };
    P::run(workers, async move |peer: P| {
        let (clock, served) = (Clock::start(), Arc::<Served>::default());
        let script = scene.script();
        let make = {
            let (script, served) = (script.clone(), served.clone());
            move || Server {
                clock,
                deck: Deck::new(scene.law, scene.seed),
                script: script.clone(),
                served: served.clone(),
            }
        };
        if let [_, _, ..] = scene.scenario.stages() {
            let mut stages = Vec::new();
            for (stage, share) in scene.scenario.stages().iter().enumerate() {
                let deck = Deck::new(scene.law, scene.seed + stage as u64).scaled(*share);
                stages.push(peer.spawn(Lane::Here, Server { deck, ..make() }).await);
            }
            match scene.scenario {
                Scenario::Chain => callers_thread(Chain::<P, _>(stages), scene, script, served, clock).await,
                _ => callers_thread(Fan::<P, _>(stages), scene, script, served, clock).await,
            }
        } else if script.falls_at_ns.is_some() {
            callers_thread(Supervised::<P, _>(peer.supervise(make).await), scene, script, served, clock).await
        } else {
            // The driver and the timers are on the other lane.
            callers_thread(Alone::<P, _>(peer.spawn(Lane::Nth(1), make()).await), scene, script, served, clock).await
        }
    })
}

/// The callers' turn, on a thread of their own.
async fn callers_thread(
    actor: impl Target<Server> + Send + 'static,
    scene: Scene,
    script: Script,
    served: Arc<Served>,
    clock: Clock,
) -> Result<Turn, Wrong> {
    let (runtime, (done, ended)) = (Handle::current(), oneshot::channel());
    thread::spawn(move || {
        // What the peers use of tokio finds its runtime.
        let _runtime = runtime.enter();
        let _ = done.send(callers_turn(&actor, &scene, &script, &served, clock));
    });
    ended.await.unwrap_or_else(|_| Err(Wrong::Process("the callers' thread has panicked".to_owned())))
}

fn callers_turn(
    actor: &impl Target<Server>,
    scene: &Scene,
    script: &Script,
    served: &Served,
    clock: Clock,
) -> Result<Turn, Wrong> {
    let mut tally = Tally::new(script, scene.deadline_ns());
    let growth = callers::call(actor, scene, script, &mut tally, served, clock)?;
    tally.into_turn(served, scene.scenario.stages().len() as u64, growth)
}
