//! What a supervisor will do: how it restarts, whom it starts again, what is left of its restarts, what of that is
//! spoken for, and whether it ends.

use std::collections::BTreeMap;

use crashworthy_runtime::{ActorId, Pid, System};
use crashworthy_supervisor::{AutoShutdown, Restart, Strategy, SupervisorInfo, SystemExt};

use super::family::Family;
use super::under_way::UnderWay;
use crate::protocol::{Code, Deed, Refusal};

/// What is known of all supervisors just now.
pub(crate) struct Supervisors<'s> {
    system: &'s System,
    living: Vec<SupervisorInfo>,
    under_way: &'s UnderWay,
}

impl<'s> Supervisors<'s> {
    pub(crate) fn of(system: &'s System, under_way: &'s UnderWay) -> Self {
        Self { system, living: system.supervisors(), under_way }
    }
}

/// What becomes of children that end by an action, under one supervisor.
#[derive(Debug)]
pub(crate) struct Outlook<'k> {
    pub(crate) family: &'k Family,
    /// Those it starts again, as far as is known: who may come back does.
    pub(crate) back: Vec<Pid>,
    /// Those of its children that are supervisors and end because too many below them do.
    pub(crate) ended: Vec<Pid>,
    /// How many it does not start again.
    pub(crate) gone: usize,
    /// How many of those who come back may also not, since the restart type is not known.
    pub(crate) open: usize,
    /// How many of them are linked with whoever ends, and may not end at all.
    pub(crate) linked: usize,
    /// How many others this console has ended already whose restarts the supervisor has not counted yet.
    under_way: usize,
    /// The restart type of the last of them that is known.
    pub(crate) restart: Option<Restart>,
    /// The supervisor, if it is one: an actor may have children otherwise.
    info: Option<&'k SupervisorInfo>,
}

/// What becomes of all who end by an action, the deepest first: a supervisor with too few restarts left for it ends, too, and is one
/// end more below the next.
pub(crate) fn outlooks<'k>(known: &'k Supervisors<'_>, families: &'k [Family], deed: Deed) -> Vec<Outlook<'k>> {
    let (mut outlooks, mut ended) = (Vec::new(), BTreeMap::<Pid, Vec<Pid>>::new());
    for family in families {
        let ended_below = ended.remove(&family.supervisor).unwrap_or_default();
        if family.children.is_empty() && family.linked.is_empty() && ended_below.is_empty() {
            continue;
        }
        let outlook = Outlook::of(known, family, ended_below, deed);
        if let Some(parent) = family.parent.filter(|_| outlook.exhausts() || outlook.fails()) {
            ended.entry(parent).or_default().push(family.supervisor);
        }
        outlooks.push(outlook);
    }
    outlooks
}

impl<'k> Outlook<'k> {
    fn of(known: &'k Supervisors<'_>, family: &'k Family, ended: Vec<Pid>, deed: Deed) -> Self {
        let supervisor = family.supervisor;
        let info = known.living.iter().find(|info| info.pid == supervisor);
        let ends = || family.children.iter().chain(&family.linked).chain(&ended);
        let is_other = |child: ActorId| ends().all(|pid| pid.id != child);
        let under_way = known.under_way.of(supervisor).filter(|&child| is_other(child)).count();
        let mut outlook =
            Self { family, back: Vec::new(), ended, gone: 0, open: 0, linked: 0, under_way, restart: None, info };
        for &child in &family.children {
            outlook.add(known, child, deed);
        }
        for &child in &family.linked {
            outlook.add_linked(known, child, deed);
        }
        for child in outlook.ended.clone() {
            // It gives up in order, as if it was stopped.
            outlook.add(known, child, Deed::Stop);
        }
        outlook
    }

    fn add(&mut self, known: &Supervisors<'_>, child: Pid, deed: Deed) {
        let restart = known.system.restart_of(self.family.supervisor, child.id);
        match restart.map(|restart| is_back(restart, deed)) {
            Some(false) => self.gone += 1,
            known => {
                self.back.push(child);
                self.open += usize::from(known.is_none());
            }
        }
        self.restart = restart.or(self.restart);
    }

    /// Whether somebody ends who traps no exits is not known of those who are linked.
    fn add_linked(&mut self, known: &Supervisors<'_>, child: Pid, deed: Deed) {
        let restart = known.system.restart_of(self.family.supervisor, child.id);
        if restart.is_none_or(|restart| is_back(restart, deed)) {
            self.back.push(child);
            self.linked += 1;
        } else {
            self.gone += 1;
        }
    }

    /// How many children end in all, or may.
    pub(crate) fn total(&self) -> usize {
        self.family.children.len() + self.family.linked.len() + self.ended.len()
    }

    /// Whether it is being started, and is not, since a child of its ends.
    pub(crate) fn fails(&self) -> bool {
        self.family.starts && self.total() > 0
    }

    /// Whether the restarts of those who may come back are more than are left, or than is known to be left.
    pub(crate) fn exhausts(&self) -> bool {
        !self.back.is_empty() && self.left().is_some_and(|left| left.is_none_or(|left| self.needs() > left))
    }

    /// How many restarts so many ends are. All of a group are one: whoever is stopped with the first to end does not end again.
    /// Whoever is started after another one may end before it, and then there are two.
    fn restarts(&self, ends: usize) -> usize {
        if self.strategy() == Some(Strategy::OneForAll) { ends.min(1) } else { ends }
    }

    fn needs(&self) -> usize {
        self.restarts(self.back.len())
    }

    /// What is left of the restarts beside what is spoken for: of no supervisor nothing, and then a number if it is known.
    fn left(&self) -> Option<Option<usize>> {
        let info = self.info?;
        let left = (info.budget.left() as usize).saturating_sub(self.restarts(self.under_way));
        Some(info.is_exact().then_some(left))
    }

    /// No, because it may end the supervisor.
    pub(crate) fn refusal(&self) -> Refusal {
        let (needs, path) = (self.needs(), &self.family.path);
        let s = if needs == 1 { "" } else { "s" };
        let left = match self.left().flatten() {
            Some(1) => "1 is left".to_owned(),
            Some(left) => format!("{left} are left"),
            None => "how many are left is not known".to_owned(),
        };
        let budget = self.budget();
        Refusal::new(Code::Budget, format!("that needs {needs} restart{s} and {left}: {path} would end; {budget}"))
    }

    /// No, because somebody who is protected would be stopped: with the supervisor, or as a sibling of whoever is started again.
    pub(crate) fn shield(&self, known: &Supervisors<'_>) -> Option<Refusal> {
        let Family { supervisor, path, guarded, .. } = self.family;
        let no = |why| Some(Refusal::new(Code::Protected, why));
        if self.exhausts()
            && let Some((_, name)) = guarded.first()
        {
            return no(format!("{name} is protected, and would end with {path}, which has no restart left for that"));
        }
        let is_linked = |child: &Pid| self.family.linked.contains(child);
        if let Some((_, name)) = guarded.iter().find(|(child, _)| is_linked(child)) {
            return no(format!(
                "{name} is protected, and would end with whoever it is linked with, unless it traps exits"
            ));
        }
        let shares =
            |failed: &Pid, child: &Pid| known.system.shares_fate(*supervisor, failed.id, child.id).unwrap_or(false);
        let is_stopped = |child: &Pid| child != supervisor && self.back.iter().any(|failed| shares(failed, child));
        let (_, name) = guarded.iter().find(|(child, _)| is_stopped(child))?;
        let strategy = self.strategy()?;
        no(format!("{name} is protected, and would be stopped and started with it: {path} is {strategy}"))
    }

    /// How it restarts, and what is left of the restarts that are allowed.
    pub(crate) fn budget(&self) -> String {
        let path = &self.family.path;
        let under_way = match self.under_way {
            0 => String::new(),
            more => format!("; {more} more by this console, not counted there yet"),
        };
        match self.info {
            Some(info) if info.budget.left() == 0 => {
                format!("restarts count: {path} is {info}, one more ends it{under_way}")
            }
            Some(info) => format!("restarts count: {path} is {info}{under_way}"),
            None => format!("restarts: {path} is no supervisor; what it does is not known"),
        }
    }

    /// Who is restarted with a child.
    pub(crate) fn strategy(&self) -> Option<Strategy> {
        self.info.map(|info| info.flags.strategy)
    }

    /// Whether the end of a child that does not come back may end the supervisor.
    pub(crate) fn may_shut_down(&self) -> bool {
        let never = |info: &SupervisorInfo| info.flags.auto_shutdown == AutoShutdown::Never;
        self.gone + self.open > 0 && self.info.is_some_and(|info| !never(info))
    }
}

/// Whether a child comes back after it.
fn is_back(restart: Restart, deed: Deed) -> bool {
    match restart {
        Restart::Permanent => true,
        // A stop is an end in order.
        Restart::Transient => !matches!(deed, Deed::Stop | Deed::Drain { .. }),
        Restart::Temporary => false,
    }
}
