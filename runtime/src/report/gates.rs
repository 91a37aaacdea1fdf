//! Looking after actors with whose gates something is wrong: each is on a list once, and leaves it when it is well.

use std::sync::Arc;

use super::attend;
use super::limit::Pass;
use crate::gate::{Notes, events};
use crate::pid::ActorId;
use crate::shared::Shared;

/// Whether something is told of an actor's gate now; if so, how much was withheld since the last.
pub(crate) fn pass_gate(shared: &Shared, source: &str) -> Option<u64> {
    match shared.reports.gates.pass(source, shared.port.now_ns()) {
        Pass::Log { withheld } => Some(withheld),
        Pass::Withhold { .. } => None,
    }
}

/// Something is wrong with an actor's gate: it is looked after from now on.
pub(crate) fn watch(shared: &Shared, actor: ActorId, notes: &Notes) {
    shared.reports.watched.lock().insert(actor, notes.watch());
    attend(shared);
}

/// Tells what has changed at gates that are looked after.
pub(super) fn look_at_gates(shared: &Arc<Shared>) {
    // Taken out: whoever hears of it may be refused somewhere, and somebody else is.
    let watched = std::mem::take(&mut *shared.reports.watched.lock());
    for (actor, mut watch) in watched {
        let Some(cell) = shared.find(actor) else { continue };
        let Some(notes) = cell.core().gate.notes() else { continue };
        if notes.tells_exceeds() {
            events::tell_exceeds(shared, &cell);
        }
        let seen = notes.seen(shared.port.now_ns(), cell.core().running_ns());
        for change in watch.look(&seen) {
            events::tell(shared, &cell, change);
        }
        if !watch.is_calm(&seen) || !notes.unlist(watch) {
            shared.reports.watched.lock().insert(actor, watch);
        }
    }
}
