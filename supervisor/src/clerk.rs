//! The reports of one supervisor: crashes are judged, everything is kept with the system, and what its limit allows is
//! logged.
//!
//! One event a crash: where the crash report of a child is at hand, the ruling goes into that, and `child_terminated` or
//! `start_error` is not logged besides. How a child ended that was stopped is another matter, and a report of its own.

use std::sync::Arc;

use crashworthy_runtime::{
    Budget, Context as Life, Decision, ExitReason, Importance, Pid, Ruling, System, Unjudged, millis,
};

use crate::book::{Book, SupervisorReport, Told};
use crate::manager::{Blueprint, Manager};
use crate::report::{Cause, Context, Report};
use crate::tree::Members;

pub(crate) struct Clerk {
    path: Arc<str>,
    system: System,
    book: Arc<Book>,
    /// What children without a name are called.
    template: Option<Arc<str>>,
    /// The life whose start has failed, until that is reported, and what the child is called.
    failed: Option<(Pid, Option<Arc<str>>)>,
}

impl Clerk {
    /// The clerk of an incarnation that begins.
    pub(crate) fn new(blueprint: &Blueprint, cx: &mut Life<Manager>) -> Self {
        cx.judge_children();
        let system = cx.system();
        let template = match &blueprint.tree.members {
            Members::Dynamic { template, .. } => Some(template.id.clone()),
            Members::Static(_) | Members::Partitions { .. } => None,
        };
        Self { path: blueprint.path.clone(), book: system.extension(), system, template, failed: None }
    }

    /// The start of this life has failed: the core will say what of it.
    pub(crate) fn start_failed(&mut self, pid: Pid, child: Option<Arc<str>>) {
        self.failed = Some((pid, child));
    }

    /// Somebody had asked for the start that has failed, and is told.
    pub(crate) fn start_refused(&mut self, budget: Budget, cx: &Life<Manager>) {
        if let Some((pid, child)) = self.failed.take()
            && let Some(crash) = cx.take_crash(pid)
        {
            crash.judge(&self.path, &self.name(child, pid), Ruling { decision: Decision::Refuse, budget });
        }
    }

    /// A child that was stopped is down, and had crashed, before it was asked or on the way.
    pub(crate) fn crashed_while_stopped(&self, pid: Pid, child: Option<Arc<str>>, crash: Unjudged, budget: Budget) {
        crash.judge(&self.path, &self.name(child, pid), Ruling { decision: Decision::Stop, budget });
    }

    fn name(&self, child: Option<Arc<str>>, pid: Pid) -> Arc<str> {
        child.or_else(|| self.template.clone()).unwrap_or_else(|| pid.to_string().into())
    }

    /// Reports what the core says.
    pub(crate) fn report(&mut self, report: Report<Pid, ExitReason>, cx: &Life<Manager>) {
        let report = bounded(report);
        let gives_up =
            matches!((report.context, &report.cause), (Context::Shutdown, Cause::ReachedMaxRestartIntensity(_)));
        let budget = report.ruling.map(|ruling| ruling.budget);
        let told = if self.goes_with_crash(&report, cx) { Told::WithCrash } else { self.log(&report) };
        self.book.enter(SupervisorReport {
            supervisor: self.path.clone(),
            pid: cx.pid(),
            at: millis::whole(self.system.now()),
            report,
            told,
        });
        if gives_up {
            // Whoever looks then finds the report.
            self.system.note_given_up(cx.pid(), &self.path, budget);
        }
    }

    /// Whether a crash report says what this one does.
    fn goes_with_crash(&mut self, report: &Report<Pid, ExitReason>, cx: &Life<Manager>) -> bool {
        let crashed = match report.context {
            Context::ChildTerminated => report.offender.place.pid(),
            Context::StartError => self.failed.take().map(|(pid, _)| pid),
            Context::Shutdown | Context::ShutdownError | Context::Progress => None,
        };
        match (crashed.and_then(|pid| cx.take_crash(pid)), report.ruling) {
            (Some(crash), Some(ruling)) => {
                crash.judge(&self.path, &report.offender.id, ruling);
                true
            }
            _ => false,
        }
    }

    fn log(&self, report: &Report<Pid, ExitReason>) -> Told {
        let importance = if report.context.is_error() { Importance::Error } else { Importance::Progress };
        match self.system.may_report(&self.path, importance) {
            Some(withheld) => {
                crate::log::emit(&self.path, report, withheld);
                Told::Logged
            }
            None => Told::Withheld,
        }
    }
}

/// The same, with a cause that is not longer than may be.
fn bounded(report: Report<Pid, ExitReason>) -> Report<Pid, ExitReason> {
    let cause = match report.cause {
        Cause::Reason(reason) => Cause::Reason(reason.bounded()),
        other => other,
    };
    Report { cause, ..report }
}
