//! Those to whom something is done, by their supervisors, and the supervisors above those, whom an end may reach.

use std::collections::{BTreeMap, BTreeSet};

use crashworthy_runtime::{Pid, State};

use super::scope::Scope;
use crate::forest::is_living;
use crate::picture::Picture;

/// Children of one supervisor to whom something is done; none of one that is only above others.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) supervisor: Pid,
    pub(crate) path: String,
    /// Whose child it is itself; [`Pid::OUTSIDE`] for the top.
    pub(crate) parent: Option<Pid>,
    pub(crate) children: Vec<Pid>,
    /// Its children that are linked with one to whom something is done, directly or through others: whoever does not trap exits ends, too.
    pub(crate) linked: Vec<Pid>,
    /// It is being started: if a child of its ends, its start fails.
    pub(crate) starts: bool,
    /// Who lives in its branch and is protected: its child that it is, or is below, and its path. For the supervisor, itself.
    pub(crate) guarded: Vec<(Pid, String)>,
}

/// All whom an action concerns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Families {
    /// The deepest first: whoever is above comes after.
    pub(crate) all: Vec<Family>,
    /// How many targets have nobody above them.
    pub(crate) alone: usize,
}

impl Families {
    /// Of these targets.
    pub(crate) fn of(picture: &Picture, scope: &Scope, protected: &[String]) -> Self {
        let (mut families, mut alone) = (BTreeMap::<Pid, Family>::new(), 0);
        for &place in &scope.targets {
            let actor = picture.actor(place);
            let Some(parent) = actor.parent() else {
                alone += 1;
                continue;
            };
            add(picture, &mut families, parent);
            families.entry(parent).and_modify(|family| family.children.push(actor.pid));
        }
        link(picture, &mut families, scope);
        if !protected.is_empty() {
            guard(picture, &mut families, protected);
        }
        let rank = |family: &Family| picture.find_pid(family.supervisor).map(|place| picture.rank(place));
        let mut all: Vec<_> = families.into_values().collect();
        all.sort_by_key(|family| std::cmp::Reverse(rank(family)));
        Self { all, alone }
    }
}

/// Adds a supervisor and all above it. Whoever is there already has them.
fn add(picture: &Picture, families: &mut BTreeMap<Pid, Family>, lowest: Pid) {
    let mut next = Some(lowest);
    while let Some(supervisor) = next.filter(|pid| !families.contains_key(pid)) {
        let itself = picture.find_pid(supervisor).map(|place| picture.actor(place));
        let parent = itself.and_then(|actor| actor.parent());
        let starts = itself.is_some_and(|actor| actor.state == State::Starting);
        let path = picture.tie(supervisor).path.unwrap_or_else(|| supervisor.to_string());
        let (children, linked, guarded) = Default::default();
        families.insert(supervisor, Family { supervisor, path, parent, children, linked, starts, guarded });
        next = parent.filter(|&parent| parent != Pid::OUTSIDE);
    }
}

/// Adds those who are linked with whoever ends, with their supervisors.
fn link(picture: &Picture, families: &mut BTreeMap<Pid, Family>, scope: &Scope) {
    let mut met: BTreeSet<Pid> = scope.touched.iter().map(|&place| picture.actor(place).pid).collect();
    let mut next = scope.touched.clone();
    // Bounded: each is met once.
    while let Some(place) = next.pop() {
        for &peer in picture.actor(place).peers() {
            let Some(place) = picture.find_pid(peer).filter(|_| met.insert(peer)) else { continue };
            next.push(place);
            if let Some(parent) = picture.actor(place).parent() {
                add(picture, families, parent);
                families.entry(parent).and_modify(|family| family.linked.push(peer));
            }
        }
    }
}

/// Notes who is protected with each of those above him.
fn guard(picture: &Picture, families: &mut BTreeMap<Pid, Family>, protected: &[String]) {
    let is_meant = |&place: &usize| {
        is_living(picture.actor(place).state) && protected.iter().any(|name| picture.is_at(place, name))
    };
    for place in picture.everybody().filter(is_meant) {
        let (mut below, path) = (place, picture.path(place));
        if let Some(itself) = families.get_mut(&picture.actor(place).pid) {
            itself.guarded.push((itself.supervisor, path.clone()));
        }
        while let Some(parent) = picture.actor(below).parent() {
            if let Some(family) = families.get_mut(&parent) {
                family.guarded.push((picture.actor(below).pid, path.clone()));
            }
            // A picture is not of one instant: nobody is above himself.
            match picture.find_pid(parent).filter(|&above| picture.rank(above) < picture.rank(below)) {
                Some(above) => below = above,
                None => break,
            }
        }
    }
}
