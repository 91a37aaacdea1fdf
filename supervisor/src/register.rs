//! The supervisors of a system, as data: how each restarts, and how much of that is left to it.
#![expect(clippy::disallowed_types, reason = "the shell's: read by whoever looks, who asks no supervisor")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{ActorId, Budget, ExitReason, Pid, System};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::child_spec::Restart;
use crate::core::Core;
use crate::strategy::Flags;
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
    /// How many restarts count now, of those that are allowed. With more than 64 in a period: at least.
    pub budget: Budget,
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
        write!(f, ", {}", self.budget)?;
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

    /// When a supervisor that lives starts a child again.
    pub(crate) fn restart_of(&self, supervisor: Pid, child: ActorId) -> Option<Restart> {
        let entry = self.0.lock().get(&supervisor).cloned()?;
        let others = entry.others.lock();
        Some(others.get(&child).copied().unwrap_or(entry.usual))
    }
}

/// What is known of one.
#[derive(Debug)]
struct Entry {
    pid: Pid,
    path: Arc<str>,
    flags: Flags,
    members: MemberKind,
    /// When restarts were made, the newest.
    restarts: Mutex<Vec<Duration>>,
    /// The restart type that its children have unless it is said otherwise.
    usual: Restart,
    /// Of those children that have another one: so those of a million that are all alike cost nothing.
    others: Mutex<BTreeMap<ActorId, Restart>>,
}

impl Entry {
    fn read(&self, now: Duration) -> SupervisorInfo {
        let limit = self.flags.intensity;
        let counts = |at: &&Duration| now.saturating_sub(**at) <= limit.period;
        let restarts = self.restarts.lock().iter().filter(counts).count() as u32;
        SupervisorInfo {
            pid: self.pid,
            path: self.path.clone(),
            flags: self.flags,
            members: self.members,
            budget: Budget { restarts, allowed: limit.restarts, period: limit.period },
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
            Members::Static(_) => Restart::default(),
            Members::Dynamic { template, .. } | Members::Partitions { template, .. } => template.restart,
        };
        let (path, members) = (path.clone(), MemberKind::from(&tree.members));
        let (flags, restarts, others) = (tree.flags, Mutex::default(), Mutex::default());
        let entry = Arc::new(Entry { pid, path, flags, members, restarts, usual, others });
        register.0.lock().insert(pid, entry.clone());
        Self { register, entry, counted: 0 }
    }

    /// Notes restarts that were counted since it last looked.
    pub(crate) fn look(&mut self, core: &Core<Pid, ExitReason>) {
        let counted = core.restarts_ever();
        if counted != self.counted {
            self.counted = counted;
            *self.entry.restarts.lock() = core.newest_restarts(NEWEST);
        }
    }

    /// Notes a child that is being started, with its restart type.
    pub(crate) fn begins(&self, child: ActorId, restart: Restart) {
        if restart != self.entry.usual {
            self.entry.others.lock().insert(child, restart);
        }
    }

    /// Forgets a child that will not be started again.
    pub(crate) fn forget(&self, child: ActorId) {
        self.entry.others.lock().remove(&child);
    }
}

/// Restarts that are looked at, at the most.
const NEWEST: usize = 64;

impl Drop for Registered {
    fn drop(&mut self) {
        self.register.0.lock().remove(&self.entry.pid);
    }
}
