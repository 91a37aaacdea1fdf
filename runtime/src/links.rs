//! Whom an incarnation is linked to, its parent aside.
//!
//! Few have more than one such link: a single one lies in place.

use std::collections::BTreeSet;

use crate::pid::Pid;

/// The links of one incarnation, by pid.
#[derive(Debug, Default)]
pub(crate) enum Links {
    #[default]
    None,
    One(Pid),
    Many(BTreeSet<Pid>),
}

impl Links {
    pub(crate) fn insert(&mut self, other: Pid) {
        match self {
            Self::None => *self = Self::One(other),
            Self::One(pid) if *pid == other => {}
            Self::One(pid) => *self = Self::Many(BTreeSet::from([*pid, other])),
            Self::Many(links) => {
                links.insert(other);
            }
        }
    }

    /// Removes the link to `other`; false if there was none.
    pub(crate) fn remove(&mut self, other: Pid) -> bool {
        match self {
            Self::One(pid) if *pid == other => {
                *self = Self::None;
                true
            }
            Self::None | Self::One(_) => false,
            Self::Many(links) => links.remove(&other),
        }
    }

    pub(crate) fn has(&self, other: Pid) -> bool {
        match self {
            Self::None => false,
            Self::One(pid) => *pid == other,
            Self::Many(links) => links.contains(&other),
        }
    }

    /// Visits whom there are links to, in order.
    pub(crate) fn each(self, visit: impl FnMut(Pid)) {
        match self {
            Self::None => {}
            Self::One(pid) => Some(pid).into_iter().for_each(visit),
            Self::Many(links) => links.into_iter().for_each(visit),
        }
    }

    /// Whom there are links to, in order.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        match self {
            Self::None => Vec::new(),
            Self::One(pid) => vec![*pid],
            Self::Many(links) => links.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pid::ActorId;

    #[test]
    fn links_are_those_of_a_set_however_many_there_are() {
        let pid = |id: u64| Pid { id: ActorId::new(id % 4), incarnation: 1 };
        let (mut links, mut set) = (Links::default(), BTreeSet::new());
        // Every order of a few inserts and removals.
        for step in 0..4_096_u64 {
            let other = pid(step / 2 * 7 / 3);
            if step % 3 == 0 || step % 5 == 0 {
                assert_eq!(links.remove(other), set.remove(&other));
            } else {
                links.insert(other);
                set.insert(other);
            }
            assert_eq!(links.pids(), set.iter().copied().collect::<Vec<_>>());
            assert!((0..4).all(|id| links.has(pid(id)) == set.contains(&pid(id))));
            if step % 64 == 0 {
                let mut left = Vec::new();
                std::mem::take(&mut links).each(|pid| left.push(pid));
                assert_eq!(left, std::mem::take(&mut set).into_iter().collect::<Vec<_>>());
            }
        }
    }
}
