//! Whom a cell is tied to: links, monitors in both directions, its parent, its children, its names.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot};

use crate::cell::AnyCell;
use crate::links::Links;
use crate::pid::{ActorId, Pid};
use crate::signal::{Down, MonitorRef};

/// Who is told of an incarnation's end.
#[derive(Debug)]
pub(crate) enum Watcher {
    Actor { cell: Weak<dyn AnyCell>, incarnation: u32 },
    Outside(oneshot::Sender<Down>),
    Channel(mpsc::UnboundedSender<Down>),
}

/// The ties of the living incarnation, and the slots below it. Most actors have none and pay one pointer.
#[derive(Debug, Default)]
pub(crate) struct Ties {
    /// The living incarnation; 0 when there is none. Links and monitors are made against it under this lock.
    living: u32,
    /// The slot whose actors start incarnations here, whether one lives or not.
    pub(crate) owner: ActorId,
    tied: Option<Box<Tied>>,
}

#[derive(Debug, Default)]
pub(crate) struct Tied {
    /// Who started it and may stop it; the system itself has no cell.
    pub(crate) parent: Option<(Pid, Option<Weak<dyn AnyCell>>)>,
    /// The path of its parent.
    pub(crate) above: Option<Arc<str>>,
    /// Its own, once it has started a child.
    pub(crate) path: Option<Arc<str>>,
    /// Who started it and was linked to it from before its `init`: not signalled if that fails.
    pub(crate) starter: Option<Pid>,
    pub(crate) links: Links,
    /// Who watches this incarnation.
    pub(crate) watchers: BTreeMap<(Pid, MonitorRef), Watcher>,
    /// Whom this incarnation watches.
    pub(crate) monitors: BTreeMap<MonitorRef, (Pid, Weak<dyn AnyCell>)>,
    pub(crate) children: BTreeMap<ActorId, Weak<dyn AnyCell>>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) groups: Vec<Arc<str>>,
}

impl Tied {
    /// Where it is in its tree, if it is called so.
    pub(crate) fn path_of(&self, label: &str) -> Arc<str> {
        match &self.above {
            Some(above) => format!("{above}/{label}").into(),
            None => label.into(),
        }
    }

    /// Whether somebody may start the next incarnation.
    pub(crate) fn has_living_parent(&self) -> bool {
        let Some((pid, Some(cell))) = &self.parent else { return false };
        // Not its ties' lock: one cell's ties at a time.
        cell.upgrade().is_some_and(|cell| cell.core().is_living(pid.incarnation))
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

    /// The incarnation ends: gives out all its ties. What is tied to it from now on meets nobody.
    pub(crate) fn end(&mut self) -> Option<Box<Tied>> {
        self.living = 0;
        self.tied.take()
    }

    pub(crate) fn tied(&mut self) -> &mut Tied {
        self.tied.get_or_insert_default()
    }

    pub(crate) fn look(&self) -> Option<&Tied> {
        self.tied.as_deref()
    }

    pub(crate) fn parent(&self) -> Option<Pid> {
        self.tied.as_ref()?.parent.as_ref().map(|(pid, _)| *pid)
    }

    pub(crate) fn is_linked(&self, other: Pid) -> bool {
        self.tied.as_ref().is_some_and(|tied| tied.links.has(other))
    }

    /// Removes the link to `other`; false if there was none.
    pub(crate) fn unlink(&mut self, other: Pid) -> bool {
        self.tied.as_mut().is_some_and(|tied| tied.links.remove(other))
    }

    /// Ends a monitor of this incarnation.
    pub(crate) fn end_monitor(&mut self, monitor: MonitorRef) -> Option<(Pid, Weak<dyn AnyCell>)> {
        self.tied.as_mut()?.monitors.remove(&monitor)
    }
}
