//! What somebody reads: it stays as it was seen until he closes it, however much has come after it.

use crashworthy_console::protocol::AuditEntry;
use crashworthy_runtime::SystemEvent;
use crashworthy_supervisor::SupervisorReport;

use super::model::{Model, What};
use super::screens;

/// One of those of which only the newest are kept.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Event(SystemEvent),
    Report(SupervisorReport),
    /// With its number.
    Audit(u64, AuditEntry),
}

/// Keeps what is open, and nothing else.
pub(super) fn hold(model: &mut Model) {
    let held = model.opened.iter().rev().find_map(|opened| match &opened.what {
        What::Event(number) => screens::event(model, *number).cloned().map(Held::Event),
        What::Report(key) => screens::report(model, key).cloned().map(Held::Report),
        What::Audit(number) => screens::entry(model, *number).cloned().map(|entry| Held::Audit(*number, entry)),
        _ => None,
    });
    model.picture.held = held;
}
