//! The slots below an incarnation, and its links to what lives there.
//!
//! A supervisor is linked to whatever its children live as, and may have a million: slot and link are one entry.

use std::collections::BTreeMap;

use crate::pid::{ActorId, Pid};

/// Slots, each with the incarnation there is a link to; 0 for none.
#[derive(Debug, Default)]
pub(crate) struct Children(BTreeMap<ActorId, u32>);

impl Children {
    /// A slot is below it from now on.
    pub(crate) fn adopt(&mut self, slot: ActorId) {
        self.0.entry(slot).or_insert(0);
    }

    /// A slot is not below it any more. The link that stays.
    #[must_use = "a link is not lost with the slot"]
    pub(crate) fn leave(&mut self, slot: ActorId) -> Option<Pid> {
        linked((slot, self.0.remove(&slot)?))
    }

    /// Notes a link, if it is to what lives in a slot below. At most one a slot.
    pub(crate) fn link(&mut self, other: Pid) -> bool {
        match self.0.get_mut(&other.id) {
            Some(incarnation) if *incarnation == 0 || *incarnation == other.incarnation => {
                *incarnation = other.incarnation;
                true
            }
            _ => false,
        }
    }

    /// Removes a link; false if there was none.
    pub(crate) fn unlink(&mut self, other: Pid) -> bool {
        match self.0.get_mut(&other.id) {
            Some(incarnation) if *incarnation == other.incarnation => {
                *incarnation = 0;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn is_linked(&self, other: Pid) -> bool {
        self.0.get(&other.id) == Some(&other.incarnation)
    }

    /// The slots, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = ActorId> {
        self.0.keys().copied()
    }

    /// The links, in order.
    pub(crate) fn links(&self) -> impl Iterator<Item = Pid> {
        self.0.iter().filter_map(|(slot, incarnation)| linked((*slot, *incarnation)))
    }
}

fn linked((id, incarnation): (ActorId, u32)) -> Option<Pid> {
    (incarnation != 0).then_some(Pid { id, incarnation })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn pid(id: u64, incarnation: u32) -> Pid {
        Pid { id: ActorId(id), incarnation }
    }

    #[test]
    fn a_link_is_noted_with_the_slot_and_outlives_it() {
        let mut children = Children::default();
        assert!(!children.link(pid(1, 1)), "it is no child");
        children.adopt(ActorId(1));
        children.adopt(ActorId(2));
        assert!(children.link(pid(1, 1)) && children.link(pid(1, 1)) && !children.link(pid(1, 2)));
        assert!(children.is_linked(pid(1, 1)) && !children.is_linked(pid(1, 2)) && !children.is_linked(pid(2, 1)));
        assert_eq!(children.slots().collect::<Vec<_>>(), [ActorId(1), ActorId(2)]);
        assert_eq!(children.links().collect::<Vec<_>>(), [pid(1, 1)]);
        children.adopt(ActorId(1));
        assert_eq!((children.leave(ActorId(1)), children.leave(ActorId(2))), (Some(pid(1, 1)), None));
        assert_eq!(children.links().count(), 0);
    }

    #[test]
    fn a_link_is_removed_once() {
        let mut children = Children::default();
        children.adopt(ActorId(1));
        assert!(!children.unlink(pid(1, 1)));
        assert!(children.link(pid(1, 1)) && !children.unlink(pid(1, 2)));
        assert!(children.unlink(pid(1, 1)) && !children.unlink(pid(1, 1)));
        assert!(children.link(pid(1, 2)), "the next incarnation may be linked");
    }
}
