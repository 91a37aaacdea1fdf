//! Whom a cell is tied to: links, monitors in both directions, its parent, its children, its names.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::children::Children;
use crate::links::Links;
use crate::pid::{ActorId, Pid};
use crate::signal::{Down, MonitorRef};

/// Who is told of an incarnation's end.
#[derive(Debug)]
pub(crate) enum Watcher {
    /// The actor whose pid it is noted under.
    Actor,
    Outside(oneshot::Sender<Down>),
    Channel(mpsc::UnboundedSender<Down>),
}

/// The ties of the living incarnation, and the slots below it.
///
/// They are identities, by which the system finds cells. What every child of a supervisor has, its parent and the link to
/// it, lies in place; whoever has no other ties pays one pointer for them.
#[derive(Debug, Default)]
pub(crate) struct Ties {
    /// The living incarnation; 0 when there is none. Links and monitors are made against it under this lock.
    living: u32,
    /// It is linked to its parent.
    linked: bool,
    /// And was from before its `init`.
    born_linked: bool,
    /// It has a parent: the one noted here. Else that is what has been one.
    below: bool,
    /// The one whose slot's actors start incarnations here, whether one lives or not.
    parent: Option<Arc<Parent>>,
    tied: Option<Box<Tied>>,
}

/// One life of a parent, as the children that it starts know it.
#[derive(Debug)]
pub(crate) struct Parent {
    pid: Pid,
    /// Empty for the system, which is the parent of the top of its tree.
    path: Box<str>,
}

impl Parent {
    pub(crate) fn new(pid: Pid, path: &str) -> Arc<Self> {
        Arc::new(Self { pid, path: path.into() })
    }
}

/// Every other tie.
#[derive(Debug, Default)]
pub(crate) struct Tied {
    /// Who started it, is not its parent, and was linked to it from before its `init`.
    starter: Option<Pid>,
    /// Itself, once it has started a child.
    as_parent: Option<Arc<Parent>>,
    links: Links,
    /// Who watches this incarnation.
    pub(crate) watchers: BTreeMap<(Pid, MonitorRef), Watcher>,
    /// Whom this incarnation watches.
    pub(crate) monitors: BTreeMap<MonitorRef, Pid>,
    children: Children,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) groups: Vec<Arc<str>>,
}

/// The ties that an incarnation had when it ended.
#[derive(Debug, Default)]
pub(crate) struct Untied {
    pub(crate) parent: Option<Pid>,
    /// Who started it and was linked to it from before its `init`: not signalled if that fails.
    pub(crate) starter: Option<Pid>,
    /// It was linked to its parent.
    pub(crate) linked: bool,
    /// The slots below it, and the links to what lives there.
    pub(crate) children: Children,
    /// The links to others.
    pub(crate) links: Links,
    /// All but its links.
    pub(crate) others: Option<Box<Tied>>,
}

impl Untied {
    /// Who would judge its crash: its parent, if that learns of its end, by the link or as the one that waits for the start.
    pub(crate) fn judge(&self, never_started: bool) -> Option<Pid> {
        self.parent.filter(|_| never_started || self.linked)
    }
}

impl Ties {
    pub(crate) fn lives(&self, incarnation: u32) -> bool {
        incarnation != 0 && self.living == incarnation
    }

    pub(crate) fn living(&self) -> u32 {
        self.living
    }

    /// A new incarnation begins.
    pub(crate) fn begin(&mut self, incarnation: u32) {
        self.living = incarnation;
    }

    /// The new incarnation has a parent, and is linked to it or not.
    pub(crate) fn put_below(&mut self, parent: Arc<Parent>, linked: bool) {
        self.parent = Some(parent);
        self.below = true;
        self.linked = linked;
        self.born_linked = linked;
    }

    /// The living incarnation as a parent.
    pub(crate) fn as_parent(&mut self, pid: Pid, label: impl FnOnce() -> String) -> Arc<Parent> {
        if let Some(parent) = &self.tied().as_parent {
            return parent.clone();
        }
        let parent = Parent::new(pid, &self.path_of(&label()));
        self.tied().as_parent.insert(parent).clone()
    }

    /// Where in its tree the living incarnation is, if it is called so.
    pub(crate) fn path_of(&self, label: &str) -> String {
        match &self.parent {
            Some(parent) if self.below && !parent.path.is_empty() => format!("{}/{label}", parent.path),
            _ => label.to_owned(),
        }
    }

    /// The same of the last incarnation, if none lives.
    pub(crate) fn last_path_of(&self, label: &str) -> String {
        match &self.parent {
            Some(parent) if !parent.path.is_empty() => format!("{}/{label}", parent.path),
            _ => label.to_owned(),
        }
    }

    /// The new incarnation is linked to whoever started it, who is not its parent.
    pub(crate) fn link_to_starter(&mut self, starter: Pid) {
        self.link(starter);
        self.tied().starter = Some(starter);
    }

    /// The incarnation ends: gives out all its ties. What is tied to it from now on meets nobody.
    pub(crate) fn end(&mut self) -> Untied {
        let parent = self.parent();
        let rest = Self { parent: self.parent.take(), ..Self::default() };
        let Self { linked, born_linked, tied: mut others, .. } = std::mem::replace(self, rest);
        let starter = if born_linked { parent } else { others.as_ref().and_then(|tied| tied.starter) };
        let taken = |tied: &mut Box<Tied>| (std::mem::take(&mut tied.links), std::mem::take(&mut tied.children));
        let (links, children) = others.as_mut().map(taken).unwrap_or_default();
        Untied { parent, starter, linked, children, links, others }
    }

    pub(crate) fn tied(&mut self) -> &mut Tied {
        self.tied.get_or_insert_default()
    }

    pub(crate) fn look(&self) -> Option<&Tied> {
        self.tied.as_deref()
    }

    pub(crate) fn parent(&self) -> Option<Pid> {
        self.parent.as_ref().filter(|_| self.below).map(|parent| parent.pid)
    }

    /// The slot whose actors start incarnations here, whether one lives or not.
    pub(crate) fn owner(&self) -> ActorId {
        self.parent.as_ref().map_or(ActorId::OUTSIDE, |parent| parent.pid.id)
    }

    /// The same as the incarnation that has started one here last.
    pub(crate) fn owning(&self) -> Option<Pid> {
        self.parent.as_ref().map(|parent| parent.pid)
    }

    /// From now on anybody may.
    pub(crate) fn disown(&mut self) {
        self.parent = None;
    }

    /// Whether it is linked to `other`, if that is its parent.
    fn linked_below(&mut self, other: Pid) -> Option<&mut bool> {
        if self.parent() == Some(other) { Some(&mut self.linked) } else { None }
    }

    pub(crate) fn is_linked(&self, other: Pid) -> bool {
        match self.parent() {
            Some(parent) if parent == other => self.linked,
            _ => self.tied.as_ref().is_some_and(|tied| tied.links.has(other) || tied.children.is_linked(other)),
        }
    }

    /// At most one link a pair: to link again does nothing.
    pub(crate) fn link(&mut self, other: Pid) {
        match self.linked_below(other) {
            Some(linked) => *linked = true,
            None => {
                let tied = self.tied();
                if tied.links.has(other) || !tied.children.link(other) {
                    tied.links.insert(other);
                }
            }
        }
    }

    /// Removes the link to `other`; false if there was none.
    pub(crate) fn unlink(&mut self, other: Pid) -> bool {
        match self.linked_below(other) {
            Some(linked) => std::mem::take(linked),
            None => self.tied.as_mut().is_some_and(|tied| tied.children.unlink(other) || tied.links.remove(other)),
        }
    }

    /// Whom there are links to, in order.
    pub(crate) fn links(&self) -> Vec<Pid> {
        let parent = self.parent().filter(|_| self.linked);
        let mut links: Vec<Pid> = parent
            .into_iter()
            .chain(self.tied.iter().flat_map(|tied| tied.children.links().chain(tied.links.pids())))
            .collect();
        links.sort_unstable();
        links
    }

    /// Those of them that are neither its parent nor live in slots below it.
    pub(crate) fn peers(&self) -> Vec<Pid> {
        self.tied.as_ref().map_or_else(Vec::new, |tied| tied.links.pids())
    }

    /// A slot is below this one from now on.
    pub(crate) fn adopt(&mut self, slot: ActorId) {
        self.tied().children.adopt(slot);
    }

    /// A slot is not below this one any more.
    pub(crate) fn let_go(&mut self, slot: ActorId) {
        let tied = self.tied();
        if let Some(linked) = tied.children.leave(slot) {
            tied.links.insert(linked);
        }
    }

    /// The slots below this one, in order.
    pub(crate) fn children(&self) -> Vec<ActorId> {
        self.tied.iter().flat_map(|tied| tied.children.slots()).collect()
    }

    /// Ends a monitor of this incarnation.
    pub(crate) fn end_monitor(&mut self, monitor: MonitorRef) -> Option<Pid> {
        self.tied.as_mut()?.monitors.remove(&monitor)
    }
}
