//! A round: systems in one process, of each mode one, which take turns with short windows in which the ball flies.
//!
//! What a machine gives to a process changes from second to second, and where things lie in memory from process to process. So what is
//! compared is near in time and in the same process, the order changes, and those who play are new in each window.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::clients::{Clients, Seen};
use super::threads::Worked;
use super::world::World;
use super::{MODES, Mode, runtime};
use crate::wrong::Wrong;

/// What a round has shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What was seen in a window of each mode.
    pub cycles: Vec<[Window; MODES]>,
    /// What the clients have seen.
    pub seen: Seen,
}

/// What was seen in a window. Parts are of the time it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// What a way of the ball took, in nanoseconds.
    pub pass_ns: f64,
    /// For how much of it threads on which actors run waited for a core.
    pub waited: f64,
    /// How much of a core the console's thread took.
    pub console: f64,
    /// How much of a core those took who came to it.
    pub clients: f64,
}

/// Plays a round of so many cycles. Another number is another order.
///
/// # Errors
/// When a system does not start, the ball gets lost, or nobody answers who is asked.
pub fn round(
    modes: [Mode; MODES],
    actors: usize,
    workers: usize,
    cycles: u32,
    time: Duration,
    number: u32,
) -> Result<Round, Wrong> {
    let runtime = runtime(workers)?;
    // In the first system of a process a ball flies some per cent faster than in those that follow: nobody is compared with that one.
    let first = World::make(&runtime, Mode::Without, 0)?;
    let mut fields = Vec::new();
    for at in order(number) {
        fields.push((at, Field::make(&runtime, modes[at], actors)?));
    }
    fields.sort_by_key(|(at, _)| *at);
    let mut round = Round::default();
    for cycle in 0..cycles {
        let mut windows = [Window::default(); MODES];
        for at in order(number + cycle) {
            windows[at] = fields[at].1.play(&runtime, time, &mut round.seen)?;
        }
        round.cycles.push(windows);
    }
    for (_, field) in fields {
        drop(field.clients);
        field.world.end(&runtime);
    }
    first.end(&runtime);
    Ok(round)
}

/// The order of a cycle: each begins in its turn, and every other goes backwards.
fn order(number: u32) -> [usize; MODES] {
    let number = number as usize;
    let mut order = std::array::from_fn(|at| (at + number / 2) % MODES);
    if number % 2 == 1 {
        order.reverse();
    }
    order
}

/// A system, and those who come to its console.
struct Field {
    world: World,
    clients: Option<Clients>,
}

impl Field {
    fn make(runtime: &Runtime, mode: Mode, actors: usize) -> Result<Self, Wrong> {
        let world = World::make(runtime, mode, actors)?;
        let clients = if mode.has_clients() { Some(Clients::start(mode, &world.socket()?)?) } else { None };
        Ok(Self { world, clients })
    }

    /// A window: those who come to the console are there for as long as the ball flies, and nobody else is.
    fn play(&mut self, runtime: &Runtime, time: Duration, seen: &mut Seen) -> Result<Window, Wrong> {
        if let Some(clients) = &mut self.clients {
            clients.begin()?;
        }
        let process = self.clients.as_ref().map(Clients::process);
        let (begun, before) = (Instant::now(), Worked::so_far(process));
        let pass_ns = self.world.play_for(runtime, time)?;
        let (took, worked) = (begun.elapsed(), Worked::so_far(process) - before);
        if let Some(clients) = &mut self.clients {
            seen.add(clients.end()?);
        }
        let [waited, console, clients] =
            [worked.waited, worked.console, worked.clients].map(|worked| worked.div_duration_f64(took));
        Ok(Window { pass_ns, waited, console, clients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_at_every_place_of_the_order_as_often_as_the_others() {
        let mut times = [[0; MODES]; MODES];
        for number in 0..2 * MODES as u32 {
            order(number).into_iter().enumerate().for_each(|(place, mode)| times[place][mode] += 1);
        }
        assert_eq!(times, [[2; MODES]; MODES]);
    }
}
