//! Whether a system is up, and gets on.

use std::time::Duration;

use crashworthy_runtime::{Glance, State};

use crate::inspector::Inspector;
use crate::picture::Picture;
use crate::protocol::Refusal;

/// What says of a system whether it has begun and gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// When it was, by the clock of the system.
    pub at: Duration,
    /// Its tree is there, and everybody at the top has begun. A supervisor begins when those below it have.
    pub up: bool,
    /// Its orderly stop has begun.
    pub stopping: bool,
    /// It has ended: nothing starts any more.
    pub ended: bool,
    /// Turns taken so far.
    pub turns: u64,
    /// Actors that could work and do not: messages are queued, and no callback runs. While somebody takes turns this is
    /// how long a queue is; while nobody does, the scheduler stands still.
    pub waiting: usize,
}

impl Inspector {
    /// Whether the system has begun and gets on.
    ///
    /// # Errors
    /// [`Code::SystemEnded`](crate::protocol::Code::SystemEnded).
    pub fn vitals(&self) -> Result<Vitals, Refusal> {
        let (system, picture) = self.look()?;
        let waiting = picture.actors().iter().filter(|actor| waits(actor)).count();
        let (up, turns) = (is_up(&picture), picture.system.turns);
        Ok(Vitals { at: picture.at, up, stopping: system.is_stopping(), ended: system.is_stopped(), turns, waiting })
    }
}

fn is_up(picture: &Picture) -> bool {
    let mut tops = picture.tops().map(|actor| actor.state);
    let begun = |state| !matches!(state, State::NotStarted | State::Starting);
    tops.next().is_some_and(begun) && tops.all(begun)
}

fn waits(actor: &Glance) -> bool {
    actor.state == State::Running && actor.law().queued > 0 && !actor.in_turn && !actor.is_busy()
}
