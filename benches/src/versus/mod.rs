//! The comparison: who takes part, how they take turns, how the figures are shown.

pub mod child;
pub mod goals;
pub mod report;
pub mod roster;
pub mod rounds;

use std::panic;

use crate::works::ON_DEMAND;

/// Keeps the panics that `crash-restart` asks for off stderr, and the reports of them; all other panics are shown as ever.
pub fn silence_crashes_on_demand() {
    // Somebody who listens has to say so before anything is logged. Whoever was first is left to it.
    let _ = tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new());
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(ON_DEMAND) {
            shown(info);
        }
    }));
}
