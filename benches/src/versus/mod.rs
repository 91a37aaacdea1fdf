//! The comparison: who takes part, how they take turns, how the figures are shown.

pub mod child;
pub mod goals;
pub mod report;
pub mod roster;
pub mod rounds;

use std::panic;

use crate::works::ON_DEMAND;

/// Keeps the panics that `crash-restart` asks for off stderr; all others are shown as ever.
pub fn silence_crashes_on_demand() {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(ON_DEMAND) {
            shown(info);
        }
    }));
}
