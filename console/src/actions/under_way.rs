//! Ends that this console has brought about and supervisors have not counted yet: between a commit and the restart lies the
//! child's own end, which may take its time, and whoever commits meanwhile is not to spend the same restart again.

use std::collections::{BTreeMap, BTreeSet};

use crashworthy_runtime::{Pid, State, System};
use crashworthy_supervisor::SystemExt;

use super::reach::{Cause, Reached};
use crate::forest::is_living;

/// Actors that are kept, at the most.
const KEPT: usize = 4096;

/// Those who end, or may, and will be started again, and those by whose ends that is.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    ends: BTreeMap<Pid, End>,
}

/// An end that its supervisor has not seen yet.
#[derive(Debug)]
struct End {
    supervisor: Pid,
    /// It comes back then, and that counts.
    comes: bool,
    /// By what it may end; by nothing if it ends for certain.
    causes: BTreeSet<Cause>,
}

/// What is seen of one of them.
struct Sight {
    /// It has ended, and what becomes of it is its supervisor's to say.
    over: bool,
    /// It ends, whatever becomes of others.
    certain: bool,
    /// Its supervisor has seen its end, or will not.
    settled: bool,
    links: Vec<Pid>,
}

impl UnderWay {
    /// Forgets those whose end has been counted, or will not come.
    pub(crate) fn look(&mut self, system: &System) {
        if self.ends.is_empty() {
            return;
        }
        let before = Supervising::look(system);
        let sights = self.ends.iter().filter_map(|(&pid, end)| Some((pid, end.look(system, pid)?)));
        let mut sights: BTreeMap<_, _> = sights.collect();
        // After that: whoever sees that a child will not be started again sees that its supervisor ends.
        let supervising = Supervising::look(system).after(&before);
        for (pid, sight) in &mut sights {
            sight.certain |= supervising.ends(*pid) || supervising.ends(self.ends[pid].supervisor);
        }
        let ending = self.who_ends(system, &sights);
        self.ends.retain(|pid, end| {
            let Some(sight) = sights.get(pid) else { return false };
            // Who is only a cause is one as long as he lives.
            let is_counted = sight.settled || !supervising.counts(end.supervisor);
            end.comes &= !is_counted;
            ending.contains(pid) && !(sight.over && is_counted)
        });
    }

    /// Those who end for certain, and those who may by their ends.
    fn who_ends(&self, system: &System, sights: &BTreeMap<Pid, Sight>) -> BTreeSet<Pid> {
        // He has been told, or will be.
        let is_told = |end: &End, sight: &Sight| {
            end.causes.iter().any(|cause| match *cause {
                Cause::Actor(by) => sight.links.contains(&by) && has_ended(system, by),
                Cause::Below(_) => false,
            })
        };
        let mut ending = BTreeSet::new();
        let mut below = BTreeSet::new();
        loop {
            let before = ending.len();
            for (&pid, sight) in sights {
                let end = &self.ends[&pid];
                if ending.contains(&pid) {
                    continue;
                }
                let by = |cause: &Cause| match cause {
                    Cause::Actor(by) => ending.contains(by),
                    Cause::Below(supervisor) => below.contains(supervisor),
                };
                if sight.certain || end.causes.iter().any(by) || is_told(end, sight) {
                    ending.insert(pid);
                    if !sight.settled {
                        below.insert(end.supervisor);
                    }
                }
            }
            // Bounded: each round but the last one meets somebody.
            if ending.len() == before {
                return ending;
            }
        }
    }

    /// Those whose restarts a supervisor has yet to count.
    pub(crate) fn come_back_to(&self, supervisor: Pid) -> impl Iterator<Item = Pid> {
        self.of(supervisor).filter(|(_, end)| end.comes).map(|(pid, _)| pid)
    }

    /// Those who end and may not come back.
    pub(crate) fn leave(&self, supervisor: Pid) -> impl Iterator<Item = Pid> {
        self.of(supervisor).map(|(pid, _)| pid)
    }

    fn of(&self, supervisor: Pid) -> impl Iterator<Item = (Pid, &End)> {
        self.ends.iter().filter(move |(_, end)| end.supervisor == supervisor).map(|(&pid, end)| (pid, end))
    }

    /// Whether there is room for these, too.
    pub(crate) fn has_room(&self, more: &[Reached]) -> bool {
        self.ends.len() + more.len() <= KEPT
    }

    /// Notes those who end now, or may.
    pub(crate) fn begin(&mut self, more: Vec<Reached>) {
        for Reached { pid, supervisor, comes, causes } in more {
            let new = || End { supervisor, comes: false, causes: causes.clone() };
            let end = self.ends.entry(pid).or_insert_with(new);
            end.comes |= comes;
            match causes.is_empty() {
                true => end.causes.clear(),
                false if !end.causes.is_empty() => end.causes.extend(causes),
                false => {}
            }
        }
    }
}

impl End {
    /// What is seen of it; nothing if it has been started again, or will not be.
    fn look(&self, system: &System, pid: Pid) -> Option<Sight> {
        let actor = system.inspect(pid).filter(|actor| actor.pid == pid)?;
        let over = match actor.state {
            State::NotStarted | State::Stopped | State::Gone => return None,
            state => !is_living(state),
        };
        // After that: whoever sees it end sees what its supervisor has made of that.
        let standing = system.standing(self.supervisor, pid);
        let settled = standing.is_some_and(|standing| standing.settled);
        let is_orphan = standing.is_none() && self.supervisor != Pid::OUTSIDE && has_ended(system, self.supervisor);
        let certain = self.causes.is_empty() || actor.ends || over || settled || is_orphan;
        Some(Sight { over, certain, settled, links: actor.links })
    }
}

/// Which supervisors live, and whether they end.
struct Supervising(BTreeMap<Pid, bool>);

impl Supervising {
    fn look(system: &System) -> Self {
        Self(system.supervisors().into_iter().map(|info| (info.pid, info.ends)).collect())
    }

    /// With those who have ended since.
    fn after(mut self, before: &Self) -> Self {
        for &pid in before.0.keys() {
            self.0.entry(pid).or_insert(true);
        }
        self
    }

    fn ends(&self, pid: Pid) -> bool {
        self.0.get(&pid) == Some(&true)
    }

    /// Whether it will count whatever it has not.
    fn counts(&self, pid: Pid) -> bool {
        self.0.get(&pid) == Some(&false)
    }
}

fn has_ended(system: &System, pid: Pid) -> bool {
    !system.inspect(pid).is_some_and(|actor| actor.pid == pid && is_living(actor.state))
}
