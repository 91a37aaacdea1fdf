//! Those to whom something is done, by their supervisors, and the supervisors above those, whom an end may reach.

use std::collections::{BTreeMap, BTreeSet};

use crashworthy_runtime::{Pid, State};

use crate::forest::is_living;
use crate::picture::Picture;

/// Children of one supervisor that end, or may; none of one that is only above others.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) supervisor: Pid,
    pub(crate) path: String,
    /// Whose child it is itself; [`Pid::OUTSIDE`] for the top.
    pub(crate) parent: Option<Pid>,
    /// To whom it is done.
    pub(crate) children: Vec<Pid>,
    /// Its children that are linked with somebody who ends, directly or through others: whoever does not trap exits ends, too.
    pub(crate) linked: Vec<Pid>,
    /// Its children that are supervisors, and end because of those below them.
    pub(crate) ended: Vec<Pid>,
    /// Those of all of them that are being started: if they do not come to it, that is tried again.
    pub(crate) starting: BTreeSet<Pid>,
    /// It is being started itself: if a child of its ends, its start fails.
    pub(crate) starts: bool,
    /// Who lives in its branch and is protected: its child that it is, or is below, and its path. For the supervisor, itself.
    pub(crate) guarded: Vec<(Pid, String)>,
}

impl Family {
    /// Its children that end, or may.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Pid> {
        self.children.iter().chain(&self.linked).chain(&self.ended).copied()
    }
}

/// Those of all whom an action concerns.
#[derive(Debug, Default)]
pub(crate) struct Families {
    pub(crate) all: BTreeMap<Pid, Family>,
    /// How many targets have nobody above them.
    pub(crate) alone: usize,
    /// Who is protected, below each of those above him: [`Family::guarded`].
    guarded: BTreeMap<Pid, Vec<(Pid, String)>>,
}

impl Families {
    /// Of these targets.
    pub(crate) fn of(picture: &Picture, targets: &[usize], protected: &[String]) -> Self {
        let mut families = Self { guarded: guarded(picture, protected), ..Self::default() };
        for &place in targets {
            match families.above(picture, place) {
                Some(family) => family.children.push(picture.actor(place).pid),
                None => families.alone += 1,
            }
        }
        families
    }

    /// The family of somebody who ends, or may. It is added if it is not there, with all above it. The top of the tree has none.
    pub(crate) fn above(&mut self, picture: &Picture, place: usize) -> Option<&mut Family> {
        let actor = picture.actor(place);
        let parent = actor.parent().filter(|&parent| parent != Pid::OUTSIDE)?;
        let mut next = Some(parent);
        // Whoever is there already has those above.
        while let Some(supervisor) = next.filter(|pid| !self.all.contains_key(pid)) {
            let family = self.family(picture, supervisor);
            next = family.parent.filter(|&parent| parent != Pid::OUTSIDE);
            self.all.insert(supervisor, family);
        }
        let family = self.all.get_mut(&parent)?;
        if actor.state == State::Starting {
            family.starting.insert(actor.pid);
        }
        Some(family)
    }

    fn family(&mut self, picture: &Picture, supervisor: Pid) -> Family {
        // Of one that has ended nobody above learns of anything.
        let itself = picture.find_pid(supervisor).map(|place| picture.actor(place));
        let itself = itself.filter(|actor| actor.pid == supervisor && is_living(actor.state));
        let parent = itself.and_then(|actor| actor.parent());
        let starts = itself.is_some_and(|actor| actor.state == State::Starting);
        let path = picture.tie(supervisor).path.unwrap_or_else(|| supervisor.to_string());
        let guarded = self.guarded.remove(&supervisor).unwrap_or_default();
        let (children, linked, ended, starting) = Default::default();
        Family { supervisor, path, parent, children, linked, ended, starting, starts, guarded }
    }
}

/// Who is protected, with each of those above him.
fn guarded(picture: &Picture, protected: &[String]) -> BTreeMap<Pid, Vec<(Pid, String)>> {
    let mut guarded = BTreeMap::<Pid, Vec<(Pid, String)>>::new();
    if protected.is_empty() {
        return guarded;
    }
    let is_meant = |&place: &usize| {
        is_living(picture.actor(place).state) && protected.iter().any(|name| picture.is_at(place, name))
    };
    for place in picture.everybody().filter(is_meant) {
        let (mut below, path) = (place, picture.path(place));
        let itself = picture.actor(place).pid;
        guarded.entry(itself).or_default().push((itself, path.clone()));
        while let Some(parent) = picture.actor(below).parent() {
            guarded.entry(parent).or_default().push((picture.actor(below).pid, path.clone()));
            // A picture is not of one instant: nobody is above himself.
            match picture.find_pid(parent).filter(|&above| picture.rank(above) < picture.rank(below)) {
                Some(above) => below = above,
                None => break,
            }
        }
    }
    guarded
}
