//! A snapshot of a system with its tree: who is below whom, and every path.

use std::collections::HashMap;
use std::time::Duration;

use crashworthy_runtime::{ActorId, ActorSnapshot, Pid, SystemSnapshot};
use crashworthy_supervisor::SupervisorInfo;

use crate::protocol::{Doing, Row, Supervises, Tie, Ties};

/// One look at a system.
#[derive(Debug)]
pub(crate) struct Picture {
    /// When it was, by the clock of the system.
    pub(crate) at: Duration,
    pub(crate) system: SystemSnapshot,
    /// By the place in the snapshot.
    paths: Vec<String>,
    below: Vec<Vec<usize>>,
    places: HashMap<ActorId, usize>,
    /// Parents before their children, with the level of each.
    order: Vec<(usize, usize)>,
    supervisors: HashMap<Pid, Supervises>,
}

impl Picture {
    pub(crate) fn of(system: SystemSnapshot, supervisors: Vec<SupervisorInfo>, at: Duration) -> Self {
        let actors = &system.actors;
        let places: HashMap<_, _> = actors.iter().enumerate().map(|(place, actor)| (actor.pid.id, place)).collect();
        let parents = parents(actors, &places);
        let mut below = vec![Vec::new(); actors.len()];
        let mut tops = Vec::new();
        for (place, parent) in parents.iter().enumerate() {
            match parent {
                Some(parent) => below[*parent].push(place),
                None => tops.push(place),
            }
        }
        for siblings in below.iter_mut().chain([&mut tops]) {
            siblings.sort_by_cached_key(|&place| rank(&actors[place]));
        }
        let order = walk(&tops, &below);
        let mut paths = vec![String::new(); actors.len()];
        for &(place, level) in &order {
            let label = label(&actors[place]);
            paths[place] = match parents[place] {
                Some(_) if level > DEEPEST => format!("…/{label}"),
                Some(parent) => format!("{}/{label}", paths[parent]),
                None => label,
            };
        }
        let supervisors = supervisors.into_iter().map(|info| (info.pid, Supervises::from(info))).collect();
        Self { at, system, paths, below, places, order, supervisors }
    }

    pub(crate) fn actor(&self, place: usize) -> &ActorSnapshot {
        &self.system.actors[place]
    }

    pub(crate) fn path(&self, place: usize) -> &str {
        &self.paths[place]
    }

    /// Everybody, in the order of the snapshot.
    pub(crate) fn everybody(&self) -> std::ops::Range<usize> {
        0..self.system.actors.len()
    }

    /// Whom a path means, or else an id, or a name that only one has. The error says how many have it.
    pub(crate) fn find(&self, word: &str) -> Result<usize, usize> {
        let has_id = |pid: Pid| pid.to_string() == word || pid.id.to_string() == word;
        let by_path = self.everybody().find(|&place| self.path(place) == word);
        if let Some(place) = by_path.or_else(|| self.everybody().find(|&place| has_id(self.actor(place).pid))) {
            return Ok(place);
        }
        let is_named = |&place: &usize| self.actor(place).name.as_deref() == Some(word);
        let mut named = self.everybody().filter(is_named);
        match (named.next(), named.count()) {
            (Some(place), 0) => Ok(place),
            (first, others) => Err(others + usize::from(first.is_some())),
        }
    }

    /// Where an actor is, whichever incarnation is meant.
    pub(crate) fn find_pid(&self, pid: Pid) -> Option<usize> {
        self.places.get(&pid.id).copied()
    }

    /// An actor and those below it, parents first, with how far below they are; everybody if none is named.
    pub(crate) fn branch(&self, top: Option<usize>) -> impl Iterator<Item = (usize, usize)> {
        let end = self.order.len();
        let start = top.map_or(0, |top| self.order.iter().position(|&(place, _)| place == top).unwrap_or(end));
        let base = self.order.get(start).map_or(0, |&(_, level)| level);
        let mut rest = self.order[start..].iter();
        let first = rest.next();
        let rest = rest.take_while(move |&&(_, level)| top.is_none() || level > base);
        first.into_iter().chain(rest).map(move |&(place, level)| (place, level - base))
    }

    pub(crate) fn row(&self, place: usize) -> Row {
        let actor = self.actor(place);
        Row {
            pid: actor.pid,
            path: self.path(place).to_owned(),
            kind: actor.kind.clone(),
            state: actor.state,
            gate: actor.gate,
            doing: self.doing(actor),
            depth: actor.depth,
            limit: actor.limit,
            restarts: actor.restarts,
            accepted: actor.law.accepted,
            handled: actor.law.handled,
            given_up: actor.law.given_up,
            undelivered: actor.law.undelivered,
            children: self.below[place].len(),
            back_in: actor.back_in,
            supervises: self.supervisors.get(&actor.pid).cloned(),
        }
    }

    /// What an actor does, and for whom it waits.
    fn doing(&self, actor: &ActorSnapshot) -> Option<Doing> {
        let waits_for = actor.waits_for.and_then(|waits| self.places.get(&waits.id));
        let waits_for = waits_for.map(|&place| self.path(place).to_owned());
        Some(Doing { waits_for, ..doing(actor)? })
    }

    pub(crate) fn tie(&self, pid: Pid) -> Tie {
        Tie { pid, path: self.places.get(&pid.id).map(|&place| self.path(place).to_owned()) }
    }

    pub(crate) fn ties(&self, pids: &[Pid], limit: usize) -> Ties {
        Ties { total: pids.len(), first: pids.iter().take(limit).map(|&pid| self.tie(pid)).collect() }
    }

    pub(crate) fn children(&self, place: usize, limit: usize) -> Ties {
        let below = &self.below[place];
        let pids = below.iter().take(limit).map(|&child| self.tie(self.actor(child).pid));
        Ties { total: below.len(), first: pids.collect() }
    }
}

/// Whether `path` is `top` or below it.
pub(crate) fn is_under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether it has something in hand.
pub(crate) fn is_busy(actor: &ActorSnapshot) -> bool {
    actor.in_hand.is_some() || actor.callback.is_some()
}

/// How long the callback that runs has run; what comes first is longer.
pub(crate) fn doing(actor: &ActorSnapshot) -> Option<Doing> {
    let (message, callback) = (actor.in_hand.as_ref(), actor.callback);
    let since = message.map(|(_, since)| *since).or(callback.map(|(_, since)| since))?;
    Some(Doing {
        callback: callback.map(|(callback, _)| callback),
        message: message.map(|(kind, _)| kind.clone()),
        on_thread: actor.in_turn,
        since,
        waits_for: None,
    })
}

/// How deep a path is told in full. Trees of supervisors end before; a chain of actors that are each other's parents need not,
/// and all its paths would together be as long as its square.
const DEEPEST: usize = 64;

fn label(actor: &ActorSnapshot) -> String {
    actor.name.clone().unwrap_or_else(|| actor.pid.id.to_string())
}

/// The order of siblings, since a snapshot does not know in which they were started: by name, numbers as numbers, and
/// those without a name by identity.
fn rank(actor: &ActorSnapshot) -> (bool, Option<u64>, Option<String>, ActorId) {
    let name = actor.name.clone();
    let number = name.as_deref().and_then(|name| name.parse().ok());
    (name.is_none(), number, name, actor.pid.id)
}

/// The parent of each. A slot that is down has no parent of its own: whoever has it among its children is its parent.
fn parents(actors: &[ActorSnapshot], places: &HashMap<ActorId, usize>) -> Vec<Option<usize>> {
    let mut parents = vec![None; actors.len()];
    for (parent, actor) in actors.iter().enumerate() {
        for child in actor.children.iter().filter_map(|child| places.get(child)) {
            parents[*child] = Some(parent);
        }
    }
    for (place, actor) in actors.iter().enumerate() {
        if let Some(parent) = actor.parent.and_then(|parent| places.get(&parent.id)) {
            parents[place] = Some(*parent);
        }
    }
    parents
}

/// Those below the tops, parents first. The snapshot is not of one instant: who would be below itself is left out.
fn walk(tops: &[usize], below: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let mut order = Vec::with_capacity(below.len());
    let mut next: Vec<_> = tops.iter().rev().map(|&top| (top, 0)).collect();
    while let Some((place, level)) = next.pop() {
        order.push((place, level));
        next.extend(below[place].iter().rev().map(|&child| (child, level + 1)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_under_itself_and_its_parents_and_under_no_namesake() {
        assert!(is_under("shop/till", "shop/till"));
        assert!(is_under("shop/till", "shop"));
        assert!(!is_under("shop/tills", "shop/till"));
        assert!(!is_under("shop", "shop/till"));
    }

    #[test]
    fn a_walk_goes_down_before_it_goes_on_and_ends_whatever_the_snapshot_says() {
        // 0 ─ 1 ─ 2, 0 ─ 3; 4 and 5 are each other's parent.
        let below = [vec![1, 3], vec![2], vec![], vec![], vec![5], vec![4]];
        assert_eq!(walk(&[0], &below), [(0, 0), (1, 1), (2, 2), (3, 1)]);
    }
}
