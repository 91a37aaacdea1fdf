//! What holds of nameless children: how many there are, and how they are stopped together.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::*;
use super::super::history::Why;
use super::{Broken, holds};
use crate::child_spec::Shutdown;

pub(super) struct Crowd {
    max: usize,
    known: BTreeSet<ChildKey>,
    /// Of those who run, how they are stopped.
    manners: BTreeMap<u32, Shutdown>,
    /// Since when they are stopped.
    stopping: Option<Duration>,
    monitored: BTreeSet<u32>,
    asked: BTreeSet<u32>,
    killed: BTreeSet<u32>,
}

impl Crowd {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            known: BTreeSet::new(),
            manners: BTreeMap::new(),
            stopping: None,
            monitored: BTreeSet::new(),
            asked: BTreeSet::new(),
            killed: BTreeSet::new(),
        }
    }

    /// From now on all are stopped, this one by this way.
    pub(super) fn stopping(&mut self, now: Duration, pid: u32, shutdown: Shutdown) {
        self.stopping.get_or_insert(now);
        self.manners.insert(pid, shutdown);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    pub(super) fn action(&mut self, now: Duration, action: &Action<u32, Why>) -> Result<(), Broken> {
        match (action, self.stopping) {
            (Action::Start { child, .. }, stopping) => {
                holds(stopping.is_none(), "nobody_starts_while_all_are_stopped")?;
                self.known.insert(*child);
                holds(self.known.len() <= self.max, "no_more_than_max_children")
            }
            (Action::Forget { child }, _) => {
                self.known.remove(child);
                Ok(())
            }
            (Action::Monitor { pid }, Some(_)) => holds(self.monitored.insert(*pid), "each_is_asked_once"),
            (Action::Signal { pid, signal }, Some(since)) => self.signal(now, since, *pid, *signal),
            _ => Ok(()),
        }
    }

    fn signal(&mut self, now: Duration, since: Duration, pid: u32, signal: ExitSignal) -> Result<(), Broken> {
        let shutdown = self.manners.get(&pid).copied().unwrap_or(Shutdown::Unlimited);
        let first = match shutdown {
            Shutdown::BrutalKill => ExitSignal::Kill,
            Shutdown::Within(_) | Shutdown::Unlimited => ExitSignal::Shutdown,
        };
        if self.asked.insert(pid) {
            return holds(signal == first && self.monitored.contains(&pid), "each_is_asked_once");
        }
        holds(signal == ExitSignal::Kill && self.killed.insert(pid), "each_is_asked_once")?;
        let due = matches!(shutdown, Shutdown::Within(limit) if now >= since + limit);
        holds(due, "nobody_is_killed_before_the_time_is_up")
    }

    pub(super) fn rests(&self, children: &[ChildInfo<u32>]) -> Result<(), Broken> {
        holds(children.iter().all(|info| info.place != Place::Down), "nobody_is_kept_who_is_down")
    }
}
