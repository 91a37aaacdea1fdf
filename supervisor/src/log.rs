//! Reports as log events.

use crashworthy_runtime::{ExitReason, Pid};

use crate::core::Place;
use crate::report::{Cause, Report};

/// Emits one report of the supervisor at `path`.
pub(crate) fn emit(path: &str, report: &Report<Pid, ExitReason>) {
    let context = report.context.as_str();
    let child = &*report.offender.id;
    let place = match &report.offender.place {
        Place::Running(pid) => pid.to_string(),
        Place::Down => "not running".to_owned(),
        Place::Restarting(_) => "restarting".to_owned(),
    };
    let cause = match &report.cause {
        Cause::Reason(reason) => reason.to_string(),
        Cause::ReachedMaxRestartIntensity(intensity) => format!("more than {intensity}"),
        Cause::Various => "in various ways".to_owned(),
        Cause::Started => String::new(),
    };
    if report.context.is_error() {
        let count = report.offender.count;
        tracing::error!(supervisor = path, context, child, count, place, restart = %report.offender.restart, "{cause}");
    } else {
        tracing::info!(supervisor = path, context, child, place, "started");
    }
}
