//! How far an action reaches: whoever ends takes along those below him and those who are linked with him, has his supervisor stop his
//! siblings, and may end that supervisor, which is an end below the next one.
//!
//! ```text
//! target ─▶ those below ─▶ linked ─▶ those below ─▶ …          who does not trap exits ends, too: he may
//!    └────▶ its supervisor ─▶ siblings of a group ─▶ linked     they are stopped, and not counted
//!                    └──────▶ ends itself: too many restarts, a failed start, automatic shutdown ─▶ …
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crashworthy_runtime::Pid;

use super::family::Families;
use super::outlook::{Outlook, Supervisors};
use super::scope::Scope;
use crate::forest::is_living;
use crate::picture::Picture;
use crate::protocol::Deed;

/// By what somebody may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// By the end of this one.
    Actor(Pid),
    /// By the end of a child of this supervisor.
    Below(Pid),
}

/// Somebody who ends by an action, or may.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) pid: Pid,
    pub(crate) supervisor: Pid,
    /// He comes back then, and that counts.
    pub(crate) comes: bool,
    /// By nothing if he ends for certain.
    pub(crate) causes: BTreeSet<Cause>,
}

/// All whom an action concerns, and by what.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) families: Families,
    deed: Deed,
    /// The targets and those below them, with their targets: they end for certain.
    touched: BTreeMap<Pid, Pid>,
    causes: BTreeMap<Pid, BTreeSet<Cause>>,
    parents: BTreeMap<Pid, Pid>,
    /// Supervisors with too few restarts left: they count nothing more.
    fallen: BTreeSet<Pid>,
}

impl Reach {
    pub(crate) fn of(
        picture: &Picture,
        scope: &Scope,
        deed: Deed,
        protected: &[String],
        known: &Supervisors<'_>,
    ) -> Self {
        let families = Families::of(picture, &scope.targets, protected);
        let (touched, causes, parents, fallen) = Default::default();
        let mut reach = Self { families, deed, touched, causes, parents, fallen };
        for &top in &scope.targets {
            let target = picture.actor(top).pid;
            for (place, _) in picture.branch(Some(top)) {
                reach.touched.insert(picture.actor(place).pid, target);
            }
        }
        let mut next = scope.targets.clone();
        for &place in &scope.targets {
            reach.causes.insert(picture.actor(place).pid, BTreeSet::new());
        }
        // Bounded: everybody is met once.
        while !next.is_empty() {
            while let Some(place) = next.pop() {
                reach.take_along(picture, place, known, &mut next);
            }
            reach.go_up(picture, known, &mut next);
        }
        reach
    }

    /// What becomes of all who end: under the supervisors of those to whom it is done, under those of others who are linked with them,
    /// and under those who lose a supervisor below them; of each sort the deepest first.
    pub(crate) fn outlooks<'k>(&'k self, picture: &Picture, known: &'k Supervisors<'_>) -> Vec<Outlook<'k>> {
        let families = self.families.all.values().filter(|family| family.ends().next().is_some());
        let mut outlooks: Vec<_> = families.map(|family| Outlook::of(known, family, self.deed)).collect();
        let rank = |pid: Pid| picture.find_pid(pid).map(|place| picture.rank(place));
        outlooks.sort_by_key(|Outlook { family, .. }| {
            (family.children.is_empty(), family.linked.is_empty(), std::cmp::Reverse(rank(family.supervisor)))
        });
        outlooks
    }

    /// All who are counted by somebody, and those by whose ends they may end.
    pub(crate) fn reached(&self, outlooks: &[Outlook<'_>]) -> Vec<Reached> {
        let mut reached = BTreeMap::new();
        for outlook in outlooks {
            let supervisor = outlook.family.supervisor;
            for pid in outlook.family.ends() {
                reached.insert(pid, (supervisor, outlook.back.contains(&pid)));
            }
        }
        let mut next: Vec<Pid> = reached.keys().copied().collect();
        while let Some(pid) = next.pop() {
            for cause in self.causes.get(&pid).into_iter().flatten() {
                if let Cause::Actor(by) = *cause
                    && !reached.contains_key(&by)
                {
                    reached.insert(by, (self.parents.get(&by).copied().unwrap_or(Pid::OUTSIDE), false));
                    next.push(by);
                }
            }
        }
        let causes = |pid: &Pid| self.causes.get(pid).cloned().unwrap_or_default();
        let all = reached.into_iter();
        all.map(|(pid, (supervisor, comes))| Reached { pid, supervisor, comes, causes: causes(&pid) }).collect()
    }

    /// Somebody may end by this. Whether that is news of him.
    fn meet(&mut self, picture: &Picture, place: usize, cause: Cause) -> bool {
        let actor = picture.actor(place);
        let is_target = self.touched.get(&actor.pid) == Some(&actor.pid);
        if is_target {
            return false;
        }
        if let Some(parent) = actor.parent() {
            self.parents.insert(actor.pid, parent);
        }
        let is_new = !self.causes.contains_key(&actor.pid);
        self.causes.entry(actor.pid).or_default().insert(cause);
        is_new
    }

    /// Those who go with somebody who ends.
    fn take_along(&mut self, picture: &Picture, place: usize, known: &Supervisors<'_>, next: &mut Vec<usize>) {
        let pid = picture.actor(place).pid;
        for child in picture.below(place) {
            let actor = picture.actor(child);
            if is_living(actor.state) && actor.parent() == Some(pid) && self.meet(picture, child, Cause::Actor(pid)) {
                next.push(child);
            }
        }
        for &peer in picture.actor(place).peers() {
            let is_it = |&place: &usize| picture.actor(place).pid == peer && is_living(picture.actor(place).state);
            // A supervisor traps exits, and does not mind those of strangers.
            let Some(place) = picture.find_pid(peer).filter(is_it).filter(|_| known.find(peer).is_none()) else {
                continue;
            };
            if self.meet(picture, place, Cause::Actor(pid)) {
                next.push(place);
            }
            // Who ends with the same target is not counted by anybody who does not.
            let with = self.touched.get(&peer);
            if with.is_some() && (with == self.touched.get(&pid) || with == Some(&peer)) {
                continue;
            }
            if let Some(family) = self.families.above(picture, place)
                && !self.fallen.contains(&family.supervisor)
                && !family.linked.contains(&peer)
            {
                family.linked.push(peer);
            }
        }
    }

    /// What supervisors do of whom a child ends: they stop its siblings, or end.
    fn go_up(&mut self, picture: &Picture, known: &Supervisors<'_>, next: &mut Vec<usize>) {
        let supervisors: Vec<Pid> = self.families.all.keys().copied().collect();
        for supervisor in supervisors {
            let family = &self.families.all[&supervisor];
            if family.ends().next().is_none() {
                continue;
            }
            let outlook = Outlook::of(known, family, self.deed);
            let (ends, stopped) = (outlook.ends(), outlook.stopped(picture, known));
            if outlook.exhausts() {
                self.fallen.insert(supervisor);
            }
            for place in stopped {
                if self.meet(picture, place, Cause::Below(supervisor)) {
                    next.push(place);
                }
            }
            if !ends || self.touched.contains_key(&supervisor) {
                continue;
            }
            let is_it = |&place: &usize| picture.actor(place).pid == supervisor;
            let Some(place) = picture.find_pid(supervisor).filter(is_it) else { continue };
            if self.meet(picture, place, Cause::Below(supervisor)) {
                next.push(place);
            }
            if let Some(family) = self.families.above(picture, place)
                && !family.ended.contains(&supervisor)
            {
                family.ended.push(supervisor);
                // Once more, for whoever comes before it.
                next.push(place);
            }
        }
    }
}
