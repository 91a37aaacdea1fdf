//! Names and process groups of one system.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cell::{AnyCell, WeakCell};
use crate::pid::Pid;

/// Longest name, in bytes.
pub(crate) const LONGEST: usize = 255;

/// One actor a name. A name is given back before links and monitors hear of the end.
#[derive(Default)]
pub(crate) struct Names(Mutex<BTreeMap<Arc<str>, (Pid, WeakCell)>>);

impl Names {
    /// False if another incarnation has the name.
    pub(crate) fn register(&self, name: &Arc<str>, pid: Pid, cell: WeakCell) -> bool {
        match self.0.lock().entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert((pid, cell));
                true
            }
            Entry::Occupied(taken) => taken.get().0 == pid,
        }
    }

    pub(crate) fn release(&self, name: &str, pid: Pid) -> bool {
        let mut names = self.0.lock();
        let held = names.get(name).is_some_and(|(holder, _)| *holder == pid);
        held && names.remove(name).is_some()
    }

    pub(crate) fn find(&self, name: &str) -> Option<(Pid, Arc<dyn AnyCell>)> {
        let (pid, cell) = self.0.lock().get(name)?.clone();
        Some((pid, cell.upgrade()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(crate) fn list(&self) -> Vec<(Arc<str>, Pid)> {
        self.0.lock().iter().map(|(name, (pid, _))| (name.clone(), *pid)).collect()
    }
}

/// Many actors a group; an actor may be in many.
#[derive(Default)]
pub(crate) struct Groups(Mutex<BTreeMap<Arc<str>, BTreeMap<Pid, WeakCell>>>);

impl Groups {
    pub(crate) fn join(&self, group: &Arc<str>, pid: Pid, cell: WeakCell) {
        self.0.lock().entry(group.clone()).or_default().insert(pid, cell);
    }

    pub(crate) fn leave(&self, group: &str, pid: Pid) -> bool {
        let mut groups = self.0.lock();
        let Some(members) = groups.get_mut(group) else { return false };
        let was = members.remove(&pid).is_some();
        if members.is_empty() {
            groups.remove(group);
        }
        was
    }

    /// Those of all groups.
    pub(crate) fn memberships(&self) -> usize {
        self.0.lock().values().map(BTreeMap::len).sum()
    }

    pub(crate) fn members(&self, group: &str) -> Vec<Arc<dyn AnyCell>> {
        let groups = self.0.lock();
        groups.get(group).into_iter().flat_map(BTreeMap::values).filter_map(WeakCell::upgrade).collect()
    }
}
