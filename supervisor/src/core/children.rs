//! The children of one supervisor in start order, found by key, name or incarnation.

use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::sync::Arc;

use super::action::Place;
use super::event::{ChildKey, Identity};
use crate::child_spec::ChildSpec;

/// One child.
#[derive(Clone, Debug)]
pub(super) struct Child<P> {
    pub(super) spec: Arc<ChildSpec>,
    pub(super) attempts: u64,
    place: Place<P>,
}

impl<P: Identity> Child<P> {
    pub(super) fn new(spec: Arc<ChildSpec>) -> Self {
        Self { spec, attempts: 0, place: Place::Down }
    }

    pub(super) fn place(&self) -> Place<P> {
        self.place
    }
}

/// All of them. Keys grow, so that key order is start order.
///
/// A name or an incarnation, running or about to be followed by the next, is indexed exactly as long as its child is here
/// and holds it.
#[derive(Clone, Debug)]
pub(super) struct Children<P> {
    by_key: BTreeMap<ChildKey, Child<P>>,
    by_name: BTreeMap<Arc<str>, ChildKey>,
    by_pid: BTreeMap<P, ChildKey>,
    running: usize,
    restarting: usize,
    named: bool,
}

impl<P: Identity> Children<P> {
    /// No children yet, with names to be or without.
    pub(super) fn new(named: bool) -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_pid: BTreeMap::new(),
            running: 0,
            restarting: 0,
            named,
        }
    }

    pub(super) fn add(&mut self, key: ChildKey, spec: Arc<ChildSpec>) {
        assert!(self.by_key.last_key_value().is_none_or(|(last, _)| *last < key), "keys grow in start order");
        if self.named {
            let earlier = self.by_name.insert(spec.id.clone(), key);
            assert!(earlier.is_none(), "names are unique in a supervisor");
        }
        self.by_key.insert(key, Child::new(spec));
    }

    pub(super) fn remove(&mut self, key: ChildKey) {
        self.put(key, Place::Down);
        let child = self.by_key.remove(&key).expect("put has found it");
        if self.named {
            self.by_name.remove(&child.spec.id);
        }
    }

    /// What the child's place held, which now holds `place`.
    pub(super) fn put(&mut self, key: ChildKey, place: Place<P>) -> Place<P> {
        let child = self.by_key.get_mut(&key).expect("only a child that is here is moved");
        let before = std::mem::replace(&mut child.place, place);
        match before {
            Place::Running(_) => self.running -= 1,
            Place::Restarting(_) => self.restarting -= 1,
            Place::Down => {}
        }
        match place {
            Place::Running(_) => self.running += 1,
            Place::Restarting(_) => self.restarting += 1,
            Place::Down => {}
        }
        let (left, taken) = (known(&before), known(&place));
        if left != taken {
            left.map(|pid| self.by_pid.remove(&pid));
            let other = taken.and_then(|pid| self.by_pid.insert(pid, key));
            assert!(other.is_none(), "an incarnation belongs to one child");
        }
        before
    }

    /// Counts one more start of this child.
    pub(super) fn attempt(&mut self, key: ChildKey) -> u64 {
        let child = self.by_key.get_mut(&key).expect("only a child that is here is started");
        child.attempts += 1;
        child.attempts
    }

    pub(super) fn get(&self, key: ChildKey) -> Option<&Child<P>> {
        self.by_key.get(&key)
    }

    pub(super) fn named(&self, name: &str) -> Option<ChildKey> {
        self.by_name.get(name).copied()
    }

    /// The child that runs as this incarnation.
    pub(super) fn running_as(&self, pid: P) -> Option<ChildKey> {
        self.known_as(pid).filter(|key| matches!(self.by_key.get(key), Some(Child { place: Place::Running(_), .. })))
    }

    /// The same, or the child that is being restarted after it.
    pub(super) fn known_as(&self, pid: P) -> Option<ChildKey> {
        self.by_pid.get(&pid).copied()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Child<P>)> {
        self.by_key.iter().map(|(key, child)| (*key, child))
    }

    pub(super) fn range(
        &self,
        range: impl RangeBounds<ChildKey>,
    ) -> impl DoubleEndedIterator<Item = (ChildKey, &Child<P>)> {
        self.by_key.range(range).map(|(key, child)| (*key, child))
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn restarting(&self) -> usize {
        self.restarting
    }
}

/// The incarnation that a child is known by.
fn known<P: Copy>(place: &Place<P>) -> Option<P> {
    match place {
        Place::Running(pid) => Some(*pid),
        Place::Restarting(before) => *before,
        Place::Down => None,
    }
}
