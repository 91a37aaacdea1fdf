//! What this project wants of itself, in the units of the works.
//!
//! The figures are for two cores of an AMD EPYC, in a virtual machine that others share, with Rust 1.95. They come from the
//! limits measured there (a raw ring between two cores: 240 M msg/s; a call through `dyn` on one: 404 M msg/s, 61 M boxed; two bare
//! turns of tokio: 133 ns; a task of tokio, spawned: 320 to 580 ns; a panic that is caught: 1.9 us) and from prototypes of mailboxes
//! and run queues, without identities, gates, counters or supervision. On another machine they say little: there the ratios count.

use crate::works::{Unit, Work};

/// What is to be reached in a work, in its unit: at least where more is better, else at most.
pub fn of(work: Work) -> f64 {
    match work {
        Work::Tell => 60.0,
        Work::TellSingle => 90.0,
        Work::Fanin8 => 30.0,
        Work::Fanin64 => 15.0,
        Work::Pairs => 125.0,
        Work::Pingpong => 100.0,
        Work::Ask => 80.0,
        Work::Ask64 => 8.0,
        Work::Ring1 => 60.0,
        Work::Ring64 => 20.0,
        Work::Big => 20.0,
        Work::Bank => 4.0,
        Work::Spawn => 400.0,
        Work::IdleMemory => 512.0,
        Work::CrashRestart => 3_000.0,
    }
}

/// Whether a figure of a work reaches its goal.
pub fn is_met(work: Work, figure: f64) -> bool {
    work.unit().ratio(figure, of(work)) >= 1.0
}

/// The goal of a work, and whether a figure reaches it.
pub(super) fn verdict(work: Work, figure: f64) -> String {
    let bound = if work.unit().more_is_better() { "≥" } else { "≤" };
    let unit = if work.unit() == Unit::Millions { "M" } else { work.unit().name() };
    let verdict = if is_met(work, figure) { "met" } else { "missed" };
    format!("{bound} {} {unit}: {verdict}", of(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_lower_bound_where_more_is_better_and_else_an_upper_one() {
        assert!(is_met(Work::Tell, 60.0) && is_met(Work::Tell, 61.0) && !is_met(Work::Tell, 59.9));
        assert!(is_met(Work::Ask, 80.0) && is_met(Work::Ask, 79.0) && !is_met(Work::Ask, 80.1));
        assert_eq!(verdict(Work::Tell, 70.0), "≥ 60 M: met");
        assert_eq!(verdict(Work::IdleMemory, 570.0), "≤ 512 bytes: missed");
    }
}
