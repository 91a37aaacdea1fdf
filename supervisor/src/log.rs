//! Reports as log events.

use std::fmt;

use crashworthy_runtime::{ExitReason, Pid, print_if_unheard};

use crate::core::Place;
use crate::report::{Context, Report};

/// Emits one report of the supervisor at `path`, and says how many of it were withheld before.
#[cold]
pub(crate) fn emit(path: &str, report: &Report<Pid, ExitReason>, withheld: u64) {
    let context = report.context.as_str();
    let child = &*report.offender.id;
    let place = match &report.offender.place {
        Place::Running(pid) => pid.to_string(),
        Place::Down => "not running".to_owned(),
        Place::Restarting(_) => "restarting".to_owned(),
    };
    if report.context.is_error() {
        let (decision, budget) = report.ruling.map(|ruling| (ruling.decision, ruling.budget)).unzip();
        tracing::error!(
            supervisor = path,
            context,
            child,
            count = report.offender.count,
            place,
            restart = %report.offender.restart,
            decision = decision.map(display),
            budget = budget.map(display),
            withheld,
            "{}",
            report.cause,
        );
        print_if_unheard(Line { path, report, withheld });
    } else {
        tracing::info!(supervisor = path, context, child, place, withheld, "started");
    }
}

/// The same in one line, for where nobody listens.
struct Line<'r> {
    path: &'r str,
    report: &'r Report<Pid, ExitReason>,
    withheld: u64,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { context, cause, offender, ruling } = self.report;
        let what = match context {
            Context::StartError => "a start failed",
            Context::ChildTerminated => "a child ended",
            Context::Shutdown => "it gives up",
            Context::ShutdownError => "a child did not end as asked",
            Context::Progress => "started",
        };
        write!(f, "supervisor {}: {what}: {}", self.path, offender.id)?;
        if let Some(count) = offender.count {
            write!(f, ", {count} of them")?;
        }
        write!(f, ": {cause}")?;
        if let Some(ruling) = ruling {
            write!(f, "; {}, {}", ruling.decision, ruling.budget)?;
        }
        match self.withheld {
            0 => Ok(()),
            withheld => write!(f, "; {withheld} reports before it were withheld"),
        }
    }
}
