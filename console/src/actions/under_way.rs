//! Ends that this console has brought about and supervisors have not counted yet: between a commit and the restart lies the
//! child's own end, which may take its time, and whoever commits meanwhile is not to spend the same restart again.

use std::collections::BTreeMap;

use crashworthy_runtime::{ActorId, Pid, State, System};

/// Children that are kept, at the most.
const KEPT: usize = 4096;

/// Children that end and will be started again, with their supervisors.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    children: BTreeMap<Pid, Pid>,
}

impl UnderWay {
    /// Forgets those whose restart has been counted, or will not come.
    pub(crate) fn look(&mut self, system: &System) {
        self.children.retain(|&child, _| is_open(system, child));
    }

    /// Those of one supervisor.
    pub(crate) fn of(&self, supervisor: Pid) -> impl Iterator<Item = ActorId> {
        self.children.iter().filter(move |(_, parent)| **parent == supervisor).map(|(child, _)| child.id)
    }

    /// Whether there is room for so many more.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.children.len() + more <= KEPT
    }

    /// Notes children that end now and come back.
    pub(crate) fn begin(&mut self, supervisor: Pid, children: impl IntoIterator<Item = Pid>) {
        self.children.extend(children.into_iter().map(|child| (child, supervisor)));
    }
}

/// Whether its supervisor may still have to count it: it is the same incarnation, or there is none and no time for the next one.
fn is_open(system: &System, child: Pid) -> bool {
    system.inspect(child).is_some_and(|actor| {
        let is_over = matches!(actor.state, State::NotStarted | State::Stopped | State::Gone);
        actor.pid == child && !is_over && actor.back_in.is_none()
    })
}
