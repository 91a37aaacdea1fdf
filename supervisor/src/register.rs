//! The supervisors of a system, as data: how each restarts, and how much of that is left to it.
#![expect(clippy::disallowed_types, reason = "the shell's: read by whoever looks, who asks no supervisor")]

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crashworthy_runtime::{ActorId, Budget, ExitReason, Pid, System};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::child_spec::Restart;
use crate::core::Core;
use crate::strategy::{Flags, Strategy};
use crate::tree::{Members, Tree};

/// A living supervisor.
///
/// # Differs from OTP
/// There it is asked (`supervisor:count_children`, `sys:get_state`), and answers when it has time. This is read beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorInfo {
    /// Which incarnation of it.
    pub pid: Pid,
    /// Where in its tree it is.
    pub path: Arc<str>,
    /// How it restarts.
    #[serde(flatten)]
    pub flags: Flags,
    /// Whom it looks after.
    pub members: MemberKind,
    /// How many restarts count now, of those that are allowed: as many as it counts itself, unless 4,096 or more are allowed; of
    /// those at least so many ([`is_exact`](Self::is_exact)).
    pub budget: Budget,
    /// How many significant children run or are being restarted.
    #[serde(default)]
    pub significant: usize,
    /// It is ending: it stops its children, and counts and starts nobody any more.
    #[serde(default)]
    pub ends: bool,
}

/// What a supervisor has to do with a child of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it starts it again.
    pub restart: Restart,
    /// Its end may be one that ends the supervisor ([`AutoShutdown`](crate::AutoShutdown)).
    pub significant: bool,
    /// The end of this incarnation is dealt with, although it may not have ended yet: it has been counted, or is stopped with somebody
    /// whose end has been, and will not be counted again.
    pub settled: bool,
}

impl SupervisorInfo {
    /// Whether no more restarts count than the budget says. Not so when 4,096 count of as many or more that are allowed: older ones are not
    /// looked at, so that the memory for them has a limit.
    pub fn is_exact(&self) -> bool {
        let Budget { restarts, allowed, .. } = self.budget;
        restarts.min(allowed) < NEWEST as u32
    }
}

/// What kind of children a supervisor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// Named ones, in start order.
    Static,
    /// Any number of one kind, or so many at the most.
    Dynamic(Option<usize>),
    /// So many of one kind.
    Partitions(usize),
}

impl From<&Members> for MemberKind {
    fn from(members: &Members) -> Self {
        match members {
            Members::Static(_) => Self::Static,
            Members::Dynamic { max_children, .. } => Self::Dynamic(*max_children),
            Members::Partitions { count, .. } => Self::Partitions(*count),
        }
    }
}

impl fmt::Display for SupervisorInfo {
    /// On a line: `one_for_one, 1 of 3 restarts in 5s, 2 left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.flags.strategy)?;
        match self.members {
            MemberKind::Static => {}
            MemberKind::Dynamic(None) => f.write_str(", dynamic")?,
            MemberKind::Dynamic(Some(most)) => write!(f, ", dynamic, at most {most}")?,
            MemberKind::Partitions(count) => write!(f, ", {count} partitions")?,
        }
        let Budget { restarts, allowed, period } = self.budget;
        match self.is_exact() {
            true => write!(f, ", {}", self.budget)?,
            false => write!(f, ", {restarts} or more of {allowed} restarts in {period:?}, what is left is not known")?,
        }
        match &self.flags.backoff {
            Some(backoff) => write!(f, ", {backoff}"),
            None => Ok(()),
        }
    }
}

/// All supervisors of one system that live.
#[derive(Debug, Default)]
pub(crate) struct Register(Mutex<BTreeMap<Pid, Arc<Entry>>>);

impl Register {
    /// Those that live, by identity.
    pub(crate) fn read(&self, system: &System) -> Vec<SupervisorInfo> {
        let entries: Vec<_> = self.0.lock().values().cloned().collect();
        let now = system.now();
        entries.into_iter().map(|entry| entry.read(now)).collect()
    }

    /// What a supervisor that lives has to do with a child.
    pub(crate) fn standing(&self, supervisor: Pid, child: Pid) -> Option<Standing> {
        let entry = self.0.lock().get(&supervisor).cloned()?;
        let (restart, significant) = entry.others.lock().get(&child.id).copied().unwrap_or(entry.usual);
        let settled = entry.settled.lock().get(&child.id).is_some_and(|&last| child.incarnation <= last);
        Some(Standing { restart, significant, settled })
    }

    /// Whether the restart of one child of a supervisor that lives stops another one. Whose place in the order is not known may be
    /// anywhere.
    pub(crate) fn shares_fate(&self, supervisor: Pid, failed: ActorId, other: ActorId) -> Option<bool> {
        let entry = self.0.lock().get(&supervisor).cloned()?;
        Some(match entry.flags.strategy {
            Strategy::OneForOne => false,
            Strategy::OneForAll => true,
            Strategy::RestForOne => entry.order.lock().is_later(other, failed),
        })
    }
}

/// What is known of one.
#[derive(Debug)]
struct Entry {
    pid: Pid,
    path: Arc<str>,
    flags: Flags,
    members: MemberKind,
    restarts: Mutex<Newest>,
    /// The children in start order, where it matters.
    order: Mutex<Order>,
    /// The restart type that its children have unless it is said otherwise, and whether they are significant.
    usual: (Restart, bool),
    /// Of those children that have another one: so those of a million that are all alike cost nothing.
    others: Mutex<BTreeMap<ActorId, (Restart, bool)>>,
    /// Children whose ends are settled, and who are to be started again: up to which incarnation.
    settled: Mutex<BTreeMap<ActorId, u32>>,
    significant: AtomicUsize,
    ends: AtomicBool,
}

impl Entry {
    fn read(&self, now: Duration) -> SupervisorInfo {
        let limit = self.flags.intensity;
        let counts = |at: &&Duration| now.saturating_sub(**at) <= limit.period;
        let restarts = self.restarts.lock().0.iter().filter(counts).count() as u32;
        SupervisorInfo {
            pid: self.pid,
            path: self.path.clone(),
            flags: self.flags,
            members: self.members,
            budget: Budget { restarts, allowed: limit.restarts, period: limit.period },
            significant: self.significant.load(SeqCst),
            ends: self.ends.load(SeqCst),
        }
    }
}

/// When restarts were made, the newest, oldest first.
#[derive(Debug, Default)]
struct Newest(VecDeque<Duration>);

impl Newest {
    /// Notes those that were made since. One more than are allowed is enough to know that there are too many.
    fn note(&mut self, since: Vec<Duration>, allowed: u32) {
        let most = NEWEST.min((allowed as usize).saturating_add(1));
        self.0.extend(since);
        let older = self.0.len().saturating_sub(most);
        self.0.drain(..older);
    }
}

/// In which order children were started first: a restart changes nothing of that.
#[derive(Debug, Default)]
struct Order {
    turns: BTreeMap<ActorId, u64>,
    next: u64,
}

impl Order {
    fn begins(&mut self, child: ActorId) {
        let next = &mut self.next;
        self.turns.entry(child).or_insert_with(|| {
            *next += 1;
            *next
        });
    }

    fn is_later(&self, child: ActorId, than: ActorId) -> bool {
        match (self.turns.get(&child), self.turns.get(&than)) {
            (Some(child), Some(than)) => child > than,
            _ => child != than,
        }
    }
}

/// A supervisor's place in the register, for as long as it lives.
pub(crate) struct Registered {
    register: Arc<Register>,
    entry: Arc<Entry>,
    /// How many restarts it had counted when they were last looked at.
    counted: u64,
}

impl Registered {
    pub(crate) fn new(system: &System, pid: Pid, path: &Arc<str>, tree: &Tree) -> Self {
        let register: Arc<Register> = system.extension();
        let usual = match &tree.members {
            Members::Static(_) => (Restart::default(), false),
            Members::Dynamic { template, .. } | Members::Partitions { template, .. } => {
                (template.restart, template.significant)
            }
        };
        let (path, members) = (path.clone(), MemberKind::from(&tree.members));
        let (flags, restarts, order, others) = (tree.flags, Mutex::default(), Mutex::default(), Mutex::default());
        let (settled, significant, ends) = Default::default();
        let entry = Entry { pid, path, flags, members, restarts, order, usual, others, settled, significant, ends };
        let entry = Arc::new(entry);
        register.0.lock().insert(pid, entry.clone());
        Self { register, entry, counted: 0 }
    }

    /// Notes restarts that were counted since it last looked, and whether it ends.
    pub(crate) fn look(&mut self, core: &Core<Pid, ExitReason>) {
        // Before it is seen that a child has gone.
        self.entry.significant.store(core.significant(), SeqCst);
        self.entry.ends.store(core.is_ending(), SeqCst);
        let counted = core.restarts_ever();
        if counted != self.counted {
            let since = usize::try_from(counted - self.counted).unwrap_or(usize::MAX);
            self.counted = counted;
            let allowed = self.entry.flags.intensity.restarts;
            self.entry.restarts.lock().note(core.newest_restarts(since.min(NEWEST)), allowed);
        }
    }

    /// Notes children whose ends are settled by a restart that was counted.
    pub(crate) fn settle(&self, children: impl Iterator<Item = Pid>) {
        self.entry.settled.lock().extend(children.map(|child| (child.id, child.incarnation)));
    }

    /// Notes a child that is being started: its restart type, and whether it is significant. What its life before came to is no matter
    /// any more.
    pub(crate) fn begins(&self, child: ActorId, restart: Restart, significant: bool) {
        if (restart, significant) != self.entry.usual {
            self.entry.others.lock().insert(child, (restart, significant));
        }
        self.entry.settled.lock().remove(&child);
        if self.entry.flags.strategy == Strategy::RestForOne {
            self.entry.order.lock().begins(child);
        }
    }

    /// Forgets a child that will not be started again.
    pub(crate) fn forget(&self, child: ActorId) {
        self.entry.others.lock().remove(&child);
        self.entry.settled.lock().remove(&child);
        self.entry.order.lock().turns.remove(&child);
    }
}

/// Restarts of one supervisor that are looked at, at the most: 64 KiB, of those that allow as many.
const NEWEST: usize = 4096;

impl Drop for Registered {
    fn drop(&mut self) {
        self.register.0.lock().remove(&self.entry.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_restarts_are_kept_as_are_allowed_and_one_and_no_more_than_so_many() {
        for (allowed, kept) in [(0, 1), (3, 4), (70, 71), (4_095, 4_096), (10_000, 4_096), (u32::MAX, 4_096)] {
            let mut newest = Newest::default();
            for at in 0..6_000 {
                newest.note(vec![Duration::from_millis(at)], allowed);
            }
            let oldest = 6_000 - kept as u64;
            assert_eq!((newest.0.len(), newest.0[0]), (kept, Duration::from_millis(oldest)), "{allowed}");
        }
        let mut few = Newest::default();
        few.note(vec![Duration::ZERO; 3], u32::MAX);
        assert!(few.0.capacity() < 16, "what is not there costs nothing");
    }
}
