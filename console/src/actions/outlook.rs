//! What a supervisor will do: how it restarts, whom it starts again, what is left of its restarts, what of that is
//! spoken for, and whether it ends.

use crashworthy_runtime::{Pid, System};
use crashworthy_supervisor::{AutoShutdown, Restart, Standing, Strategy, SupervisorInfo, SystemExt};

use super::family::Family;
use super::under_way::UnderWay;
use crate::forest::is_living;
use crate::picture::Picture;
use crate::protocol::{Code, Deed, Refusal};

/// What is known of all supervisors just now.
pub(crate) struct Supervisors<'s> {
    system: &'s System,
    /// By identity.
    living: Vec<SupervisorInfo>,
    under_way: &'s UnderWay,
}

impl<'s> Supervisors<'s> {
    pub(crate) fn of(system: &'s System, under_way: &'s UnderWay) -> Self {
        Self { system, living: system.supervisors(), under_way }
    }

    /// A living supervisor.
    pub(crate) fn find(&self, pid: Pid) -> Option<&SupervisorInfo> {
        self.living.binary_search_by_key(&pid, |info| info.pid).ok().map(|found| &self.living[found])
    }
}

/// What becomes of children that end by an action, under one supervisor.
#[derive(Debug)]
pub(crate) struct Outlook<'k> {
    pub(crate) family: &'k Family,
    /// Those it starts again, as far as is known: who may come back does.
    pub(crate) back: Vec<Pid>,
    /// Those of them who come back for certain if they end, and are not only linked with whoever does.
    sure: Vec<Pid>,
    /// How many it does not start again.
    pub(crate) gone: usize,
    /// How many of those who come back may also not, since the restart type is not known.
    pub(crate) open: usize,
    /// How many of them are linked with whoever ends, and may not end at all.
    pub(crate) linked: usize,
    /// How many of them it is stopping already, to start them again.
    pub(crate) settled: usize,
    /// How many others this console has ended already whose restarts the supervisor has not counted yet.
    under_way: usize,
    /// The restart type of the last of them that is known.
    pub(crate) restart: Option<Restart>,
    /// Significant ones that may go for good.
    leave: Vec<Pid>,
    /// Those may be the last, or end the supervisor at once: it shuts down by itself then.
    pub(crate) shuts_down: bool,
    /// The supervisor, if it is one: an actor may have children otherwise.
    info: Option<&'k SupervisorInfo>,
}

/// What becomes of a child.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Back,
    Gone,
    /// One or the other.
    Either,
}

impl<'k> Outlook<'k> {
    pub(crate) fn of(known: &'k Supervisors<'_>, family: &'k Family, deed: Deed) -> Self {
        let info = known.find(family.supervisor);
        let mut outlook = Self {
            family,
            back: Vec::new(),
            sure: Vec::new(),
            gone: 0,
            open: 0,
            linked: 0,
            settled: 0,
            under_way: 0,
            restart: None,
            leave: Vec::new(),
            shuts_down: false,
            info,
        };
        for &child in &family.children {
            outlook.add(known, child, |restart| by_deed(restart, deed));
        }
        for &child in &family.linked {
            let (before, open, sure) = (outlook.back.len(), outlook.open, outlook.sure.len());
            outlook.add(known, child, by_link);
            outlook.linked += outlook.back.len() - before;
            outlook.open = open;
            outlook.sure.truncate(sure);
        }
        for &child in &family.ended {
            // In order, as if it was stopped.
            outlook.add(known, child, |restart| by_deed(restart, Deed::Stop));
        }
        let is_other = |child: &Pid| !outlook.back.contains(child);
        outlook.under_way = known.under_way.come_back_to(family.supervisor).filter(is_other).count();
        outlook.shuts_down = outlook.may_be_the_last(known);
        outlook
    }

    fn add(&mut self, known: &Supervisors<'_>, child: Pid, fate: impl Fn(Restart) -> Fate) {
        let Some(Standing { restart, significant, settled }) = known.system.standing(self.family.supervisor, child)
        else {
            self.back.push(child);
            self.open += 1;
            return;
        };
        self.restart = Some(restart);
        let fate = match fate(restart) {
            // A start that fails is tried again, whatever it failed for.
            Fate::Gone if restart != Restart::Temporary && self.family.starting.contains(&child) => Fate::Either,
            fate => fate,
        };
        // It comes back with those whose end has been counted.
        if settled {
            self.settled += 1;
            return;
        }
        if fate == Fate::Back {
            self.sure.push(child);
        }
        match fate {
            Fate::Gone => self.gone += 1,
            Fate::Back | Fate::Either => self.back.push(child),
        }
        if significant && fate != Fate::Back {
            self.leave.push(child);
        }
    }

    /// Whether the supervisor may end because significant children do: the first, or the last.
    fn may_be_the_last(&self, known: &Supervisors<'_>) -> bool {
        let Some(info) = self.info.filter(|_| !self.leave.is_empty()) else { return false };
        let others = known.under_way.leave(info.pid).filter(|child| {
            let is_significant = |standing: Standing| standing.significant;
            !self.leave.contains(child) && known.system.standing(info.pid, *child).is_some_and(is_significant)
        });
        match info.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => self.leave.len() + others.count() >= info.significant,
        }
    }

    /// How many children end in all, or may.
    pub(crate) fn total(&self) -> usize {
        self.family.ends().count()
    }

    /// Whether it is being started, and is not, since a child of its ends.
    pub(crate) fn fails(&self) -> bool {
        self.family.starts && self.total() > 0
    }

    /// Whether it ends, or may.
    pub(crate) fn ends(&self) -> bool {
        self.exhausts() || self.fails() || self.shuts_down
    }

    /// Whether the restarts of those who come back for certain are more than are left, whatever others do; `all` are those whom the
    /// action concerns.
    pub(crate) fn surely_exhausts(&self, all: &[Self]) -> bool {
        let Some(info) = self.info.filter(|info| info.is_exact()) else { return false };
        let of = |pid: Pid| all.iter().find(move |other| other.family.supervisor == pid);
        let ends =
            |pid: &&Pid| !self.family.ended.contains(pid) || of(**pid).is_some_and(|below| below.surely_ends(all));
        let certain = self.sure.iter().filter(ends).count();
        certain > 0 && self.restarts(certain + self.under_way) > info.budget.left() as usize
    }

    /// Whether it ends for certain.
    pub(crate) fn surely_ends(&self, all: &[Self]) -> bool {
        self.fails() || self.shuts_down || self.surely_exhausts(all)
    }

    /// Whether the restarts of those who may come back are more than are left, or than is known to be left.
    pub(crate) fn exhausts(&self) -> bool {
        let Some(info) = self.info.filter(|_| !self.back.is_empty()) else { return false };
        let needs = self.restarts(self.back.len() + self.under_way);
        !info.is_exact() || needs > info.budget.left() as usize
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
        let spoken_for = self.restarts(self.back.len() + self.under_way) - self.needs();
        let left = (info.budget.left() as usize).saturating_sub(spoken_for);
        Some(info.is_exact().then_some(left))
    }

    /// No, because it may end the supervisor; with what that comes to above it.
    pub(crate) fn refusal(&self, all: &[Self]) -> Refusal {
        let (needs, path) = (self.needs(), &self.family.path);
        let s = if needs == 1 { "" } else { "s" };
        let left = match self.left().flatten() {
            Some(1) => "1 is left".to_owned(),
            Some(left) => format!("{left} are left"),
            None => "how many are left is not known".to_owned(),
        };
        let (budget, above) = (self.budget(), self.above(all));
        let why = format!("that needs {needs} restart{s} and {left}: {path} would end{above}; {budget}");
        Refusal::new(Code::Budget, why)
    }

    /// What its end comes to, one supervisor after the other, up to the one that decides; `all` are those whom the action concerns.
    fn above(&self, all: &[Self]) -> String {
        let (mut told, mut ended) = (String::new(), self);
        // Nobody is above himself.
        for _ in 0..all.len() {
            let parent = match ended.family.parent {
                Some(Pid::OUTSIDE) => return format!("{told}, and the system with it"),
                parent => parent,
            };
            let Some(next) = all.iter().find(|other| Some(other.family.supervisor) == parent) else { break };
            if !next.ends() {
                return format!("{told}, and {}", next.decision(ended.family));
            }
            told = format!("{told}, then {}", next.family.path);
            ended = next;
        }
        told
    }

    /// What it does about a supervisor below it that ends.
    fn decision(&self, ended: &Family) -> String {
        let (who, whom) = (&self.family.path, &ended.path);
        match (self.back.contains(&ended.supervisor), self.info) {
            (true, Some(_)) => format!("{who} starts {whom} again"),
            (true, None) => format!("whether {who} starts {whom} again is not known"),
            (false, _) => format!("{who} does not start {whom} again"),
        }
    }

    /// No, because somebody who is protected would be stopped: with the supervisor, or as a sibling of whoever is started again.
    pub(crate) fn shield(&self, known: &Supervisors<'_>) -> Option<Refusal> {
        let Family { supervisor, path, guarded, .. } = self.family;
        let (_, first) = guarded.first()?;
        let no = |why| Some(Refusal::new(Code::Protected, why));
        if self.exhausts() {
            return no(format!("{first} is protected, and would end with {path}, which has no restart left for that"));
        }
        if self.fails() {
            return no(format!("{first} is protected, and would end with {path}, which is being started"));
        }
        if self.shuts_down {
            return no(format!("{first} is protected, and would end with {path}, which shuts down by itself then"));
        }
        let is_linked = |child: &Pid| self.family.linked.contains(child);
        if let Some((_, name)) = guarded.iter().find(|(child, _)| is_linked(child)) {
            return no(format!(
                "{name} is protected, and would end with whoever it is linked with, unless it traps exits"
            ));
        }
        let is_stopped = |child: &Pid| child != supervisor && self.stops(known, *child);
        let (_, name) = guarded.iter().find(|(child, _)| is_stopped(child))?;
        let strategy = self.strategy()?;
        no(format!("{name} is protected, and would be stopped and started with it: {path} is {strategy}"))
    }

    /// Whether a child is stopped with one of those who come back.
    fn stops(&self, known: &Supervisors<'_>, child: Pid) -> bool {
        let supervisor = self.family.supervisor;
        let shares = |failed: &Pid| known.system.shares_fate(supervisor, failed.id, child.id).unwrap_or(false);
        self.back.iter().any(shares)
    }

    /// The places of its other children that are stopped with those who come back.
    pub(crate) fn stopped(&self, picture: &Picture, known: &Supervisors<'_>) -> Vec<usize> {
        if self.strategy().is_none_or(|strategy| strategy == Strategy::OneForOne) || self.back.is_empty() {
            return Vec::new();
        }
        let Some(place) = picture.find_pid(self.family.supervisor) else { return Vec::new() };
        let is_stopped = |&child: &usize| {
            let actor = picture.actor(child);
            is_living(actor.state) && self.family.ends().all(|pid| pid != actor.pid) && self.stops(known, actor.pid)
        };
        picture.below(place).filter(is_stopped).collect()
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
}

/// Whether a child comes back after it.
fn by_deed(restart: Restart, deed: Deed) -> Fate {
    match restart {
        Restart::Permanent => Fate::Back,
        // A stop is an end in order.
        Restart::Transient if matches!(deed, Deed::Stop | Deed::Drain { .. }) => Fate::Gone,
        Restart::Transient => Fate::Back,
        Restart::Temporary => Fate::Gone,
    }
}

/// Whether a child comes back after the end of somebody it is linked with, who may have been stopped in order by his supervisor, or
/// killed by it since he took too long.
fn by_link(restart: Restart) -> Fate {
    match restart {
        Restart::Permanent => Fate::Back,
        Restart::Transient => Fate::Either,
        Restart::Temporary => Fate::Gone,
    }
}
