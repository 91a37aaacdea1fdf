//! Reports as log events.

use crashworthy_runtime::{ExitReason, Pid};

use crate::core::Place;
use crate::report::Report;

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
    } else {
        tracing::info!(supervisor = path, context, child, place, withheld, "started");
    }
}
