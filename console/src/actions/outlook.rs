//! What a supervisor will do: its settings and what is left of its restarts it tells; how it restarts a child, its reports.

use crashworthy_runtime::{ActorId, Pid};
use crashworthy_supervisor::{
    AutoShutdown, Restart, Strategy, SupervisorInfo, SupervisorReport, SupervisorReports, SystemExt,
};

use crate::protocol::Deed;

/// What is known of all supervisors just now.
#[derive(Debug)]
pub(crate) struct Supervisors {
    living: Vec<SupervisorInfo>,
    reports: SupervisorReports,
}

impl Supervisors {
    pub(crate) fn of(system: &impl SystemExt) -> Self {
        Self { living: system.supervisors(), reports: system.supervisor_reports() }
    }
}

/// What becomes of children that end by an action, under one supervisor.
#[derive(Debug, Default)]
pub(crate) struct Outlook<'k> {
    /// How many it starts again.
    pub(crate) back: usize,
    /// How many it does not.
    pub(crate) gone: usize,
    /// Of how many the restart type is not known.
    pub(crate) open: usize,
    /// The restart type of the last of them that is known.
    pub(crate) restart: Option<Restart>,
    /// The supervisor, if it is one: an actor may have children otherwise.
    pub(crate) info: Option<&'k SupervisorInfo>,
}

impl<'k> Outlook<'k> {
    /// Of these children.
    pub(crate) fn of(known: &'k Supervisors, supervisor: Pid, deed: Deed, children: &[ActorId]) -> Self {
        let info = known.living.iter().find(|info| info.pid == supervisor);
        let mut outlook = Self { info, ..Self::default() };
        for &child in children {
            let restart = restart(&known.reports, supervisor, child);
            match restart.map(|restart| is_back(restart, deed)) {
                Some(true) => outlook.back += 1,
                Some(false) => outlook.gone += 1,
                None => outlook.open += 1,
            }
            outlook.restart = restart.or(outlook.restart);
        }
        outlook
    }

    /// Whether the restarts of those who come back, as far as that is known, are more than are left.
    pub(crate) fn exhausts(&self) -> bool {
        self.info.is_some_and(|info| self.back > info.budget.left() as usize)
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

/// The restart type of a child, from the newest report about any life of it.
fn restart(reports: &SupervisorReports, supervisor: Pid, child: ActorId) -> Option<Restart> {
    let is_about = |report: &&SupervisorReport| {
        let life = report.report.offender.place.pid();
        report.pid == supervisor && life.is_some_and(|life| life.id == child)
    };
    let newest = |of: &[SupervisorReport]| {
        of.iter().rev().find(is_about).map(|report| (report.at, report.report.offender.restart))
    };
    let found = newest(&reports.progress).into_iter().chain(newest(&reports.errors));
    found.max_by_key(|(at, _)| *at).map(|(_, restart)| restart)
}
