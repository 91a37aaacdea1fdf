//! One system in a process of its own: what it has in memory, and a ball that flies so many ways, for whoever counts instructions.

use std::thread;
use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use serde::{Deserialize, Serialize};

use super::clients::Clients;
use super::world::World;
use super::{Mode, runtime};
use crate::crowd::resident;
use crate::wrong::Wrong;

/// How long clients are there before it is looked what there is in memory.
const THERE: Duration = secs(1);

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    /// Of one way of the ball.
    pub pass_ns: f64,
    /// Of the process, once everybody is there and the ball has flown.
    pub resident_bytes: u64,
}

/// Makes the system, lets the ball fly so many ways, and looks.
///
/// # Errors
/// When the system does not start, the ball gets lost, or nobody answers who is asked.
pub fn alone(mode: Mode, actors: usize, ways: u64) -> Result<Alone, Wrong> {
    let runtime = runtime(1)?;
    let mut world = World::make(&runtime, mode, actors)?;
    let begun = Instant::now();
    let mut clients = if mode.has_clients() { Some(Clients::start(mode, &world.socket()?)?) } else { None };
    if let Some(clients) = &mut clients {
        clients.begin()?;
    }
    let pass_ns = world.play(&runtime, ways)?;
    if let Some(clients) = &mut clients {
        thread::sleep(THERE.saturating_sub(begun.elapsed()));
        let resident_bytes = resident();
        clients.end()?;
        return Ok(Alone { pass_ns, resident_bytes });
    }
    let seen = Alone { pass_ns, resident_bytes: resident() };
    world.end(&runtime);
    Ok(seen)
}
