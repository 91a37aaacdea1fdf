//! Ends that this console has brought about and supervisors have not counted yet: between a commit and the restart lies the
//! child's own end, which may take its time, and whoever commits meanwhile is not to spend the same restart again.

use std::collections::BTreeMap;

use crashworthy_runtime::{ActorId, Pid, State, System};
use crashworthy_supervisor::SystemExt;

/// Children that are kept, at the most.
const KEPT: usize = 4096;

/// Children that end and will be started again.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    children: BTreeMap<Pid, End>,
}

/// An end that its supervisor has not counted yet.
#[derive(Debug)]
struct End {
    supervisor: Pid,
    /// Those below it, by whose ends it ends itself, a supervisor with too few restarts left; nobody if it was ended itself.
    causes: Vec<Pid>,
    /// It has counted more restarts than are allowed, so that it ends, whatever becomes of those.
    gives_up: bool,
}

impl UnderWay {
    /// Forgets those whose restart has been counted, or will not come.
    pub(crate) fn look(&mut self, system: &System) {
        loop {
            let before = self.children.len();
            self.children.retain(|&child, _| is_open(system, child));
            // After that: whoever sees a child come back sees its restart counted.
            self.note_who_gives_up(system);
            let open: Vec<_> = self.children.keys().copied().collect();
            let comes = |cause: &Pid| open.binary_search(cause).is_ok();
            self.children.retain(|_, end| end.causes.is_empty() || end.gives_up || end.causes.iter().any(comes));
            // Those above have lost a cause. Each round but the last one forgets somebody.
            if self.children.len() == before {
                return;
            }
        }
    }

    fn note_who_gives_up(&mut self, system: &System) {
        if self.children.values().all(|end| end.causes.is_empty() || end.gives_up) {
            return;
        }
        for info in system.supervisors() {
            if let Some(end) = self.children.get_mut(&info.pid) {
                end.gives_up |= info.budget.restarts > info.budget.allowed;
            }
        }
    }

    /// Those of one supervisor.
    pub(crate) fn of(&self, supervisor: Pid) -> impl Iterator<Item = ActorId> {
        self.children.iter().filter(move |(_, end)| end.supervisor == supervisor).map(|(child, _)| child.id)
    }

    /// Whether there is room for so many more.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.children.len() + more <= KEPT
    }

    /// Notes a child that ends now and comes back: itself, or by the ends of those below it.
    pub(crate) fn begin(&mut self, supervisor: Pid, child: Pid, causes: Vec<Pid>) {
        let end =
            self.children.entry(child).or_insert_with(|| End { supervisor, causes: causes.clone(), gives_up: false });
        match causes.is_empty() {
            true => end.causes.clear(),
            false if !end.causes.is_empty() => end.causes.extend(causes),
            false => {}
        }
    }
}

/// Whether its supervisor may still have to count it: it is the same incarnation, or there is none and no time for the next one.
fn is_open(system: &System, child: Pid) -> bool {
    system.inspect(child).is_some_and(|actor| {
        let is_over = matches!(actor.state, State::NotStarted | State::Stopped | State::Gone);
        // Of somebody suspended that is when he is resumed: he has yet to end.
        let is_counted = actor.state == State::Restarting && actor.back_in.is_some();
        actor.pid == child && !is_over && !is_counted
    })
}
