//! A system in which a ball is played among many actors that do nothing, with a console or without.

use std::path::PathBuf;
use std::time::Duration;

use crashworthy::console::ConsoleExt;
use crashworthy::prelude::*;
use tokio::runtime::Runtime;

use super::Mode;
use super::ball::{Game, Player};
use crate::wrong::{Wrong, wrong};

/// The system, and those who are in it.
pub(super) struct World {
    system: System,
    idle: Vec<ActorRef<Player>>,
    /// Those who have played: whoever plays next has another place in memory.
    played: Vec<ActorRef<Player>>,
    place: Place,
}

impl World {
    /// With so many actors that do nothing.
    pub(super) fn make(runtime: &Runtime, mode: Mode, actors: usize) -> Result<Self, Wrong> {
        let place = Place::new(mode);
        let builder = System::builder().name("cost").drain(Duration::ZERO);
        let builder = if mode.has_console() { builder.with(Console::default().below(&place.0)) } else { builder };
        let system = {
            let _inside = runtime.enter();
            builder.bare().map_err(wrong)?
        };
        let idle = runtime.block_on(crowd(system.clone(), actors))?;
        Ok(Self { system, idle, played: Vec::new(), place })
    }

    /// Where its console listens.
    pub(super) fn socket(&self) -> Result<PathBuf, Wrong> {
        self.system.console().ok_or_else(|| wrong("the console is not open"))
    }

    /// Lets two who have not played before play for so long. What a way of the ball takes, in nanoseconds.
    pub(super) fn play_for(&mut self, runtime: &Runtime, time: Duration) -> Result<f64, Wrong> {
        let game = runtime.block_on(Game::begin(&self.system, u64::MAX))?;
        let pass_ns = game.ends_after(time)?;
        self.played.extend(game.players());
        Ok(pass_ns)
    }

    /// Lets the ball fly so many ways. What each takes, in nanoseconds.
    pub(super) fn play(&mut self, runtime: &Runtime, ways: u64) -> Result<f64, Wrong> {
        let game = runtime.block_on(Game::begin(&self.system, ways / 2))?;
        let pass_ns = game.ends()?;
        self.played.extend(game.players());
        Ok(pass_ns)
    }

    /// Ends it.
    pub(super) fn end(self, runtime: &Runtime) {
        let Self { system, idle, played, place } = self;
        drop((idle, played));
        runtime.block_on(system.stop());
        drop(place);
    }
}

/// Those who do nothing. They are started from inside: whoever waits outside is woken by the kernel for each of them.
async fn crowd(system: System, actors: usize) -> Result<Vec<ActorRef<Player>>, Wrong> {
    let started = tokio::spawn(async move {
        let mut idle = Vec::with_capacity(actors);
        for _ in 0..actors {
            idle.push(system.spawn::<Player>(()).await?);
        }
        Ok::<_, StartError>(idle)
    });
    started.await.map_err(wrong)?.map_err(wrong)
}

/// A directory for a console, as long as it lasts.
struct Place(PathBuf);

impl Place {
    fn new(mode: Mode) -> Self {
        let name = format!("crashworthy-cost-{}-{}", std::process::id(), mode.name());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It is there only if there was a console.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
