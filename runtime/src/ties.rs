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
/// it, lies in place; whoever has other ties has all but the link in a box.
#[derive(Debug)]
pub(crate) enum Ties {
    Few { living: u32, bits: Bits, parent: Option<Arc<Parent>> },
    Many { living: u32, bits: Bits, tied: Box<Tied> },
}

/// What is so of the living incarnation, or of the slot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bits(u8);

impl Bits {
    /// It is linked to its parent.
    const LINKED: Self = Self(1);
    /// And was from before its `init`.
    const BORN_LINKED: Self = Self(1 << 1);
    /// It has a parent: the one noted. Else that is what has been one.
    const BELOW: Self = Self(1 << 2);

    fn has(self, bit: Self) -> bool {
        self.0 & bit.0 != 0
    }

    /// Whether it had the bit.
    fn take(&mut self, bit: Self) -> bool {
        let had = self.has(bit);
        self.0 &= !bit.0;
        had
    }

    fn set(&mut self, bit: Self) {
        self.0 |= bit.0;
    }
}

impl Default for Ties {
    fn default() -> Self {
        Self::Few { living: 0, bits: Bits::default(), parent: None }
    }
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

/// Every tie, where there are others than that to the parent.
#[derive(Debug, Default)]
pub(crate) struct Tied {
    /// The one whose slot's actors start incarnations here, whether one lives or not.
    parent: Option<Arc<Parent>>,
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

/// Where what every actor may have is.
impl Ties {
    /// The living incarnation; 0 when there is none. Links and monitors are made against it under this lock.
    pub(crate) fn living(&self) -> u32 {
        let (Self::Few { living, .. } | Self::Many { living, .. }) = self;
        *living
    }

    fn bits(&self) -> Bits {
        let (Self::Few { bits, .. } | Self::Many { bits, .. }) = self;
        *bits
    }

    fn bits_mut(&mut self) -> &mut Bits {
        let (Self::Few { bits, .. } | Self::Many { bits, .. }) = self;
        bits
    }

    /// The one whose slot's actors start incarnations here, whether one lives or not.
    fn noted(&self) -> &Option<Arc<Parent>> {
        match self {
            Self::Few { parent, .. } => parent,
            Self::Many { tied, .. } => &tied.parent,
        }
    }

    fn noted_mut(&mut self) -> &mut Option<Arc<Parent>> {
        match self {
            Self::Few { parent, .. } => parent,
            Self::Many { tied, .. } => &mut tied.parent,
        }
    }

    pub(crate) fn tied(&mut self) -> &mut Tied {
        if let Self::Few { living, bits, parent } = self {
            let (living, bits, parent) = (*living, *bits, parent.take());
            *self = Self::Many { living, bits, tied: Box::new(Tied { parent, ..Tied::default() }) };
        }
        match self {
            Self::Many { tied, .. } => tied,
            Self::Few { .. } => unreachable!("they are many since just now, or before"),
        }
    }

    pub(crate) fn look(&self) -> Option<&Tied> {
        match self {
            Self::Few { .. } => None,
            Self::Many { tied, .. } => Some(tied),
        }
    }

    fn look_mut(&mut self) -> Option<&mut Tied> {
        match self {
            Self::Few { .. } => None,
            Self::Many { tied, .. } => Some(tied),
        }
    }
}

impl Ties {
    pub(crate) fn lives(&self, incarnation: u32) -> bool {
        incarnation != 0 && self.living() == incarnation
    }

    /// A new incarnation begins.
    pub(crate) fn begin(&mut self, incarnation: u32) {
        let (Self::Few { living, .. } | Self::Many { living, .. }) = self;
        *living = incarnation;
    }

    /// The new incarnation has a parent, and is linked to it or not.
    pub(crate) fn put_below(&mut self, parent: Arc<Parent>, linked: bool) {
        *self.noted_mut() = Some(parent);
        let bits = self.bits_mut();
        *bits = Bits::BELOW;
        if linked {
            bits.set(Bits::LINKED);
            bits.set(Bits::BORN_LINKED);
        }
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
        match self.noted() {
            Some(parent) if self.bits().has(Bits::BELOW) && !parent.path.is_empty() => {
                format!("{}/{label}", parent.path)
            }
            _ => label.to_owned(),
        }
    }

    /// The same of the last incarnation, if none lives.
    pub(crate) fn last_path_of(&self, label: &str) -> String {
        match self.noted() {
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
        let (parent, bits, noted) = (self.parent(), self.bits(), self.noted_mut().take());
        let ended = std::mem::replace(self, Self::Few { living: 0, bits: Bits::default(), parent: noted });
        let mut others = match ended {
            Self::Few { .. } => None,
            Self::Many { tied, .. } => Some(tied),
        };
        let born_linked = bits.has(Bits::BORN_LINKED);
        let starter = if born_linked { parent } else { others.as_ref().and_then(|tied| tied.starter) };
        let taken = |tied: &mut Box<Tied>| (std::mem::take(&mut tied.links), std::mem::take(&mut tied.children));
        let (links, children) = others.as_mut().map(taken).unwrap_or_default();
        Untied { parent, starter, linked: bits.has(Bits::LINKED), children, links, others }
    }

    pub(crate) fn parent(&self) -> Option<Pid> {
        self.noted().as_ref().filter(|_| self.bits().has(Bits::BELOW)).map(|parent| parent.pid)
    }

    /// The slot whose actors start incarnations here, whether one lives or not.
    pub(crate) fn owner(&self) -> ActorId {
        self.noted().as_ref().map_or(ActorId::OUTSIDE, |parent| parent.pid.id)
    }

    /// The same as the incarnation that has started one here last.
    pub(crate) fn owning(&self) -> Option<Pid> {
        self.noted().as_ref().map(|parent| parent.pid)
    }

    /// From now on anybody may.
    pub(crate) fn disown(&mut self) {
        *self.noted_mut() = None;
    }

    /// What is so of it, if `other` is its parent: also whether they are linked.
    fn below(&mut self, other: Pid) -> Option<&mut Bits> {
        if self.parent() == Some(other) { Some(self.bits_mut()) } else { None }
    }

    pub(crate) fn is_linked(&self, other: Pid) -> bool {
        match self.parent() {
            Some(parent) if parent == other => self.bits().has(Bits::LINKED),
            _ => self.look().is_some_and(|tied| tied.links.has(other) || tied.children.is_linked(other)),
        }
    }

    /// At most one link a pair: to link again does nothing.
    pub(crate) fn link(&mut self, other: Pid) {
        match self.below(other) {
            Some(bits) => bits.set(Bits::LINKED),
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
        match self.below(other) {
            Some(bits) => bits.take(Bits::LINKED),
            None => self.look_mut().is_some_and(|tied| tied.children.unlink(other) || tied.links.remove(other)),
        }
    }

    /// Whom there are links to, in order.
    pub(crate) fn links(&self) -> Vec<Pid> {
        let parent = self.parent().filter(|_| self.bits().has(Bits::LINKED));
        let mut links: Vec<Pid> = parent
            .into_iter()
            .chain(self.look().into_iter().flat_map(|tied| tied.children.links().chain(tied.links.pids())))
            .collect();
        links.sort_unstable();
        links
    }

    /// Those of them that are neither its parent nor live in slots below it.
    pub(crate) fn peers(&self) -> Vec<Pid> {
        self.look().map_or_else(Vec::new, |tied| tied.links.pids())
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
        self.look().into_iter().flat_map(|tied| tied.children.slots()).collect()
    }

    /// Ends a monitor of this incarnation.
    pub(crate) fn end_monitor(&mut self, monitor: MonitorRef) -> Option<Pid> {
        self.look_mut()?.monitors.remove(&monitor)
    }
}
