//! Whether everybody takes new work, and else who does not, and why.

use std::collections::BTreeSet;
use std::time::Duration;

use crashworthy_runtime::{GateState, Glance, State};

use crate::inspector::Inspector;
use crate::order::first;
use crate::picture::{Picture, is_under};
use crate::protocol::{Health, Pools, Refusal, Sort, Unready, Unwilling};
use crate::sources::Sources;

/// Who is stuck for so long takes no new work; for less it may be a matter of those who have little time.
const STUCK: Duration = Duration::from_secs(1);

impl Inspector {
    /// The answer to `health`.
    ///
    /// # Errors
    /// [`Code::SystemEnded`](crate::protocol::Code::SystemEnded).
    pub fn health(&self) -> Result<Health, Refusal> {
        self.health_of(&[])
    }

    /// The same of these actors and those below them, by path; of everybody if none is named.
    ///
    /// # Errors
    /// [`Code::SystemEnded`](crate::protocol::Code::SystemEnded).
    pub fn health_of(&self, tops: &[String]) -> Result<Health, Refusal> {
        let (system, picture) = self.look()?;
        let (stopping, failing) = (system.is_stopping(), system.is_failing());
        let mut path = String::new();
        let mut is_meant = |place: usize| {
            tops.is_empty() || {
                picture.write_path(place, &mut path);
                tops.iter().any(|top| is_under(&path, top))
            }
        };
        let mut because = BTreeSet::new();
        let is_unready = |&place: &usize| {
            let why = why(picture.actor(place), stopping).filter(|_| is_meant(place));
            because.extend(why);
            why.is_some()
        };
        let unready = picture.everybody().filter(is_unready);
        let (total, places) = first(&picture, unready, (Sort::Path, false), self.limits().rows);
        let unready = places.into_iter().map(|place| told(&picture, place)).collect();
        let mut down = system.extension::<Sources>().read(&system);
        down.retain(|source| source.critical && !source.serves);
        let mut still = Pools::from(system.pools()).first;
        still.retain(|pool| pool.still_for.is_some_and(|still| still >= STUCK));
        let ready = total == 0 && !stopping && !failing && down.is_empty() && still.is_empty();
        let because = because.into_iter().collect();
        Ok(Health { at: picture.at, ready, stopping, failing, down, still, because, total, unready })
    }
}

fn told(picture: &Picture, place: usize) -> Unready {
    let actor = picture.actor(place);
    Unready { row: picture.row(place), lacks: actor.lacks().to_vec(), only: actor.only() }
}

/// Why an actor takes no new work, if it does not.
fn why(actor: &Glance, is_stopping: bool) -> Option<Unwilling> {
    let comes_back = actor.state == State::Starting && actor.restarts() > 0;
    if actor.state == State::Restarting || comes_back {
        return Some(Unwilling::Restarting);
    }
    if matches!(actor.state, State::NotStarted | State::Stopped | State::Gone) {
        return None;
    }
    match actor.gate {
        GateState::Tripped => Some(Unwilling::Tripped),
        GateState::Suspended => Some(Unwilling::Suspended),
        // Of a system that stops everybody drains.
        GateState::Draining if !is_stopping => Some(Unwilling::Draining),
        _ if !actor.lacks().is_empty() => Some(Unwilling::Lacking),
        GateState::Stuck if actor.busy_for().is_some_and(|held| held >= STUCK) => Some(Unwilling::Refusing),
        _ => actor.only().map(|_| Unwilling::Choosy),
    }
}
