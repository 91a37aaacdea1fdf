//! What a supervisor will do: how it restarts, whom it starts again, what is left of its restarts, and what of that is spoken for.

use std::collections::BTreeMap;

use crashworthy_runtime::{ActorId, Pid, System};
use crashworthy_supervisor::{AutoShutdown, Restart, Strategy, SupervisorInfo, SystemExt};

use super::scope::Scope;
use super::under_way::UnderWay;
use crate::picture::Picture;
use crate::protocol::{Code, Deed, Refusal};

/// Children of one supervisor to whom something is done.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) supervisor: Pid,
    pub(crate) path: String,
    pub(crate) children: Vec<Pid>,
}

/// The targets by their supervisors, and how many have none.
pub(crate) fn families(picture: &Picture, scope: &Scope) -> (Vec<Family>, usize) {
    let mut parents = BTreeMap::<Option<Pid>, Vec<Pid>>::new();
    for &place in &scope.targets {
        let actor = picture.actor(place);
        parents.entry(actor.parent()).or_default().push(actor.pid);
    }
    let alone = parents.remove(&None).map_or(0, |alone| alone.len());
    let family = |(supervisor, children): (Option<Pid>, _)| {
        let supervisor = supervisor?;
        let path = picture.tie(supervisor).path.unwrap_or_else(|| supervisor.to_string());
        Some(Family { supervisor, path, children })
    };
    (parents.into_iter().filter_map(family).collect(), alone)
}

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
#[derive(Debug, Default)]
pub(crate) struct Outlook<'k> {
    /// Those it starts again, as far as is known: who may come back does.
    pub(crate) back: Vec<Pid>,
    /// How many it does not.
    pub(crate) gone: usize,
    /// How many of those who come back may also not, since the restart type is not known.
    pub(crate) open: usize,
    /// How many others this console has ended already whose restarts the supervisor has not counted yet.
    pub(crate) under_way: usize,
    /// The restart type of the last of them that is known.
    pub(crate) restart: Option<Restart>,
    /// The supervisor, if it is one: an actor may have children otherwise.
    pub(crate) info: Option<&'k SupervisorInfo>,
}

impl<'k> Outlook<'k> {
    /// Of these children.
    pub(crate) fn of(known: &'k Supervisors<'_>, family: &Family, deed: Deed) -> Self {
        let supervisor = family.supervisor;
        let info = known.living.iter().find(|info| info.pid == supervisor);
        let is_other = |child: ActorId| family.children.iter().all(|pid| pid.id != child);
        let under_way = known.under_way.of(supervisor).filter(|&child| is_other(child)).count();
        let mut outlook = Self { info, under_way, ..Self::default() };
        for &child in &family.children {
            let restart = known.system.restart_of(supervisor, child.id);
            match restart.map(|restart| is_back(restart, deed)) {
                Some(false) => outlook.gone += 1,
                known => {
                    outlook.back.push(child);
                    outlook.open += usize::from(known.is_none());
                }
            }
            outlook.restart = restart.or(outlook.restart);
        }
        outlook
    }

    /// Whether the restarts of those who may come back are more than are left.
    pub(crate) fn exhausts(&self) -> bool {
        let more = self.back.len() + self.under_way;
        !self.back.is_empty() && self.info.is_some_and(|info| more > info.budget.left() as usize)
    }

    /// No, because it may end the supervisor.
    pub(crate) fn refusal(&self, path: &str) -> Refusal {
        let why = format!("that is one restart too many, {path} would end; {}", self.budget(path));
        Refusal::new(Code::Budget, why)
    }

    /// How it restarts, and what is left of the restarts that are allowed.
    pub(crate) fn budget(&self, path: &str) -> String {
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
