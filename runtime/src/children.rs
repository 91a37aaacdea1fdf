//! The slots below an incarnation, and its links to what lives there.
//!
//! A supervisor is linked to whatever its children live as, and may have a million: slot and link are one entry, of six bytes.
//!
//! ```text
//!   neighbourhood 7 ─▶ [ 3 · 1 │ 11 · 1 │ 19 · 2 ]      what identities begin with ─▶ how they go on · the linked incarnation
//!   neighbourhood 8 ─▶ [ 3 · 1 ]
//! ```
//! Actors that start one after the other have identities near one another, so that most of what they have in common is
//! written once.

use std::collections::BTreeMap;

use crate::pid::{ActorId, Pid};

/// Slots in order, each with the incarnation there is a link to.
#[derive(Debug, Default)]
pub(crate) struct Children(BTreeMap<u64, Vec<Child>>);

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Child {
    /// How its identity goes on, in its neighbourhood.
    rest: u16,
    /// The linked incarnation, lower half first; 0 for none.
    linked: [u16; 2],
}

impl Child {
    fn linked(self) -> u32 {
        let [lower, upper] = self.linked.map(u32::from);
        upper << 16 | lower
    }

    fn link(&mut self, incarnation: u32) {
        self.linked = [incarnation as u16, (incarnation >> 16) as u16];
    }
}

/// Identities in a neighbourhood: as many as are given out before the next segment of the table is begun.
const NEAR: u64 = 512;

/// Where a slot is noted: in which neighbourhood, and as what.
fn place(slot: ActorId) -> (u64, u16) {
    (slot.as_u64() / NEAR, (slot.as_u64() % NEAR) as u16)
}

fn search(near: &[Child], rest: u16) -> Result<usize, usize> {
    near.binary_search_by_key(&rest, |child| child.rest)
}

impl Children {
    /// A slot is below it from now on.
    pub(crate) fn adopt(&mut self, slot: ActorId) {
        let (begin, rest) = place(slot);
        let near = self.0.entry(begin).or_default();
        if let Err(at) = search(near, rest) {
            near.insert(at, Child { rest, linked: [0; 2] });
        }
    }

    /// A slot is not below it any more. The link that stays.
    #[must_use = "a link is not lost with the slot"]
    pub(crate) fn leave(&mut self, slot: ActorId) -> Option<Pid> {
        let (begin, rest) = place(slot);
        let near = self.0.get_mut(&begin)?;
        let left = near.remove(search(near, rest).ok()?);
        if near.is_empty() {
            self.0.remove(&begin);
        } else if near.len() < near.capacity() / 4 {
            near.shrink_to(near.len() * 2);
        }
        linked((slot, left.linked()))
    }

    /// The entry of a slot, if that is below it.
    fn find(&mut self, slot: ActorId) -> Option<&mut Child> {
        let (begin, rest) = place(slot);
        let near = self.0.get_mut(&begin)?;
        let at = search(near, rest).ok()?;
        Some(&mut near[at])
    }

    /// Notes a link, if it is to what lives in a slot below. At most one a slot.
    pub(crate) fn link(&mut self, other: Pid) -> bool {
        match self.find(other.id) {
            Some(child) if child.linked() == 0 || child.linked() == other.incarnation => {
                child.link(other.incarnation);
                true
            }
            _ => false,
        }
    }

    /// Removes a link; false if there was none.
    pub(crate) fn unlink(&mut self, other: Pid) -> bool {
        match self.find(other.id) {
            Some(child) if child.linked() == other.incarnation => {
                child.link(0);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn is_linked(&self, other: Pid) -> bool {
        let (begin, rest) = place(other.id);
        let near = self.0.get(&begin).map_or(&[][..], Vec::as_slice);
        search(near, rest).is_ok_and(|at| near[at].linked() == other.incarnation)
    }

    fn each(&self) -> impl Iterator<Item = (ActorId, u32)> {
        self.0.iter().flat_map(|(begin, near)| {
            near.iter().map(move |child| (ActorId::new(begin * NEAR + u64::from(child.rest)), child.linked()))
        })
    }

    /// The slots, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = ActorId> {
        self.each().map(|(slot, _)| slot)
    }

    /// The links, in order.
    pub(crate) fn links(&self) -> impl Iterator<Item = Pid> {
        self.each().filter_map(linked)
    }
}

fn linked((id, incarnation): (ActorId, u32)) -> Option<Pid> {
    (incarnation != 0).then_some(Pid { id, incarnation })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn pid(id: u64, incarnation: u32) -> Pid {
        Pid { id: ActorId::new(id), incarnation }
    }

    #[test]
    fn a_link_is_noted_with_the_slot_and_outlives_it() {
        let mut children = Children::default();
        assert!(!children.link(pid(1, 1)), "it is no child");
        children.adopt(ActorId::new(1));
        children.adopt(ActorId::new(2));
        assert!(children.link(pid(1, 1)) && children.link(pid(1, 1)) && !children.link(pid(1, 2)));
        assert!(children.is_linked(pid(1, 1)) && !children.is_linked(pid(1, 2)) && !children.is_linked(pid(2, 1)));
        assert_eq!(children.slots().collect::<Vec<_>>(), [ActorId::new(1), ActorId::new(2)]);
        assert_eq!(children.links().collect::<Vec<_>>(), [pid(1, 1)]);
        children.adopt(ActorId::new(1));
        assert_eq!((children.leave(ActorId::new(1)), children.leave(ActorId::new(2))), (Some(pid(1, 1)), None));
        assert_eq!(children.links().count(), 0);
    }

    #[test]
    fn a_link_is_removed_once() {
        let mut children = Children::default();
        children.adopt(ActorId::new(1));
        assert!(!children.unlink(pid(1, 1)));
        assert!(children.link(pid(1, 1)) && !children.unlink(pid(1, 2)));
        assert!(children.unlink(pid(1, 1)) && !children.unlink(pid(1, 1)));
        assert!(children.link(pid(1, 2)), "the next incarnation may be linked");
    }

    #[test]
    fn children_are_those_of_a_map_wherever_their_identities_lie() {
        let (mut children, mut map) = (Children::default(), BTreeMap::new());
        // Near one another and far apart, in an order that a fixed rule scatters.
        for step in 0..20_000_u64 {
            let id = ActorId::new(step.wrapping_mul(2_654_435_761) % 1_500 + (step % 3) * (1 << 32));
            match step % 7 {
                0..3 => {
                    children.adopt(id);
                    map.entry(id).or_insert(0);
                }
                3 | 4 => {
                    let left = map.remove(&id).and_then(|incarnation| linked((id, incarnation)));
                    assert_eq!(children.leave(id), left);
                }
                _ => {
                    let known = map.get_mut(&id);
                    assert_eq!(children.link(Pid { id, incarnation: 1 }), known.is_some());
                    known.into_iter().for_each(|incarnation| *incarnation = 1);
                }
            }
            assert_eq!(children.is_linked(Pid { id, incarnation: 1 }), map.get(&id) == Some(&1));
        }
        assert!(children.slots().eq(map.keys().copied()));
        assert!(children.links().eq(map.iter().filter_map(|(id, incarnation)| linked((*id, *incarnation)))));
        for id in map.into_keys() {
            let _ = children.leave(id);
        }
        assert!(children.0.is_empty(), "whoever has gone leaves nothing behind");
    }
}
