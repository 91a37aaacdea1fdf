//! Who must be closed because nobody will start it, and who must not be.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::super::super::*;
use super::{Broken, Why, holds};

pub(super) struct Mailboxes {
    flags: Flags,
    names: BTreeMap<Arc<str>, ChildKey>,
    /// How many actions there were. All other numbers are of this count.
    steps: u64,
    closed: BTreeMap<ChildKey, u64>,
    /// When a child was last reported to have ended or not to have started.
    fell: BTreeMap<ChildKey, u64>,
    /// When a call was answered that can close it.
    asked: BTreeMap<ChildKey, u64>,
    /// Whom the calls are about that are not answered, which they are in their order.
    calls: VecDeque<Option<ChildKey>>,
}

impl Mailboxes {
    pub(super) fn new(flags: Flags, children: &[ChildSpec]) -> Self {
        let names = (0..).zip(children).map(|(key, spec)| (spec.id.clone(), ChildKey(key)));
        Self {
            flags,
            names: names.collect(),
            steps: 0,
            closed: BTreeMap::new(),
            fell: BTreeMap::new(),
            asked: BTreeMap::new(),
            calls: VecDeque::new(),
        }
    }

    pub(super) fn event(&mut self, event: &Event<u32, Why>) {
        let Event::Call(_, request) = event else { return };
        if let Request::StartChild { child, spec } = request {
            self.names.insert(spec.id.clone(), *child);
        }
        self.calls.push_back(match request {
            Request::TerminateChild(Target::Id(name)) | Request::RestartChild(Target::Id(name)) => {
                self.names.get(name.as_str()).copied()
            }
            _ => None,
        });
    }

    pub(super) fn action(&mut self, action: &Action<u32, Why>) {
        self.steps += 1;
        match action {
            Action::Start { child, .. } => drop(self.closed.remove(child)),
            Action::Close { child } => drop(self.closed.entry(*child).or_insert(self.steps)),
            Action::Report(Report { context: Context::ChildTerminated | Context::StartError, offender, .. }) => {
                self.fell.extend(self.names.get(&offender.id).map(|child| (*child, self.steps)));
            }
            Action::Reply(..) => {
                let about = self.calls.pop_front().flatten();
                self.asked.extend(about.map(|child| (child, self.steps)));
            }
            _ => {}
        }
    }

    pub(super) fn rests(&self, children: &[ChildInfo<u32>]) -> Result<(), Broken> {
        for down in children.iter().filter(|info| info.place == Place::Down).map(|info| info.child) {
            let restarting = children.iter().filter(|info| matches!(info.place, Place::Restarting(_)));
            let fate = |group: &&ChildInfo<u32>| {
                std::ops::RangeBounds::contains(&self.flags.strategy.fate(group.child), &down)
            };
            let closed = self.closed.get(&down);
            let mut comes_along = false;
            for group in restarting.filter(fate) {
                comes_along = true;
                let since = self.fell.get(&group.child).copied().unwrap_or(0);
                let asked = self.asked.get(&down).is_some_and(|asked| *asked >= since);
                holds(asked || closed.is_none_or(|closed| *closed < since), "who_comes_along_is_not_closed")?;
            }
            holds(comes_along || closed.is_some(), "who_stays_down_is_closed")?;
        }
        Ok(())
    }
}
