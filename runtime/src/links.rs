//! Whom an incarnation is linked to.
//!
//! Almost everybody has at most one link, to its supervisor: that one lies in place. A map of one entry would take more room
//! than the actor.

use std::collections::BTreeMap;

use crate::cell::WeakCell;
use crate::pid::Pid;

/// The links of one incarnation, by pid.
#[derive(Debug, Default)]
pub(crate) enum Links {
    #[default]
    None,
    One(Pid, WeakCell),
    Many(BTreeMap<Pid, WeakCell>),
}

impl Links {
    pub(crate) fn insert(&mut self, other: Pid, cell: WeakCell) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(other, cell),
            Self::One(pid, _) if pid == other => Self::One(other, cell),
            Self::One(pid, linked) => Self::Many(BTreeMap::from([(pid, linked), (other, cell)])),
            Self::Many(mut links) => {
                links.insert(other, cell);
                Self::Many(links)
            }
        };
    }

    /// Removes the link to `other`; false if there was none.
    pub(crate) fn remove(&mut self, other: Pid) -> bool {
        match self {
            Self::One(pid, _) if *pid == other => {
                *self = Self::None;
                true
            }
            Self::None | Self::One(..) => false,
            Self::Many(links) => links.remove(&other).is_some(),
        }
    }

    pub(crate) fn has(&self, other: Pid) -> bool {
        match self {
            Self::None => false,
            Self::One(pid, _) => *pid == other,
            Self::Many(links) => links.contains_key(&other),
        }
    }

    /// Whom there are links to, in order.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        match self {
            Self::None => Vec::new(),
            Self::One(pid, _) => vec![*pid],
            Self::Many(links) => links.keys().copied().collect(),
        }
    }
}

/// In the order of the pids.
impl IntoIterator for Links {
    type Item = (Pid, WeakCell);
    type IntoIter =
        std::iter::Chain<std::option::IntoIter<Self::Item>, std::collections::btree_map::IntoIter<Pid, WeakCell>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, BTreeMap::new()),
            Self::One(pid, cell) => (Some((pid, cell)), BTreeMap::new()),
            Self::Many(links) => (None, links),
        };
        one.into_iter().chain(many)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cell::{AnyCell, Cell};
    use crate::pid::ActorId;

    struct Nobody;

    impl crate::Actor for Nobody {
        type Args = ();
        type Msg = ();

        async fn init((): (), _: &mut crate::Context<Self>) -> Result<Self, crate::Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut crate::Context<Self>) -> Result<(), crate::Exit> {
            Ok(())
        }
    }

    #[test]
    fn links_are_those_of_a_map_however_many_there_are() {
        let cell: Arc<dyn AnyCell> = Cell::<Nobody>::new(None, 1);
        let pid = |id: u64| Pid { id: ActorId(id % 4), incarnation: 1 };
        let (mut links, mut map) = (Links::default(), BTreeMap::new());
        // Every order of a few inserts and removals.
        for step in 0..4_096_u64 {
            let other = pid(step / 2 * 7 / 3);
            if step % 3 == 0 || step % 5 == 0 {
                assert_eq!(links.remove(other), map.remove(&other).is_some());
            } else {
                links.insert(other, Arc::downgrade(&cell));
                map.insert(other, ());
            }
            assert_eq!(links.pids(), map.keys().copied().collect::<Vec<_>>());
            assert!((0..4).all(|id| links.has(pid(id)) == map.contains_key(&pid(id))));
            if step % 64 == 0 {
                let left = std::mem::take(&mut links).into_iter().map(|(pid, _)| pid).collect::<Vec<_>>();
                assert_eq!(left, std::mem::take(&mut map).into_keys().collect::<Vec<_>>());
            }
        }
    }
}
