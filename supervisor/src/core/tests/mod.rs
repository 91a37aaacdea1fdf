//! The core's tests: scenarios as transcripts, every short history, random long ones.

mod backoff;
mod called_off;
mod calls;
mod dynamic;
mod every_crowd;
mod every_history;
mod every_wait;
mod history;
mod invariants;
mod random;
mod reference;
mod replay;
mod restarting;
mod scale;
mod significant;
mod starting;
mod stopping;
mod world;

use std::time::Duration;

use super::Spec;
use crate::strategy::{AutoShutdown, Flags, Strategy};

fn spec(strategy: Strategy, restarts: u32, children: &str) -> Spec {
    let flags = Flags::new(strategy).intensity(restarts, Duration::from_secs(5));
    Spec::new(flags, world::children(children)).expect("the children keep the rules")
}

/// One for one, with so many restarts in 5 s.
fn one_for_one(restarts: u32, children: &str) -> Spec {
    spec(Strategy::OneForOne, restarts, children)
}

/// One for all, with so many restarts in 5 s.
fn one_for_all(restarts: u32, children: &str) -> Spec {
    spec(Strategy::OneForAll, restarts, children)
}

/// Rest for one, with so many restarts in 5 s.
fn rest_for_one(restarts: u32, children: &str) -> Spec {
    spec(Strategy::RestForOne, restarts, children)
}

/// One for one with automatic shutdown.
fn automatic(auto_shutdown: AutoShutdown, children: &str) -> Spec {
    let flags = Flags::default().intensity(9, Duration::from_secs(5)).auto_shutdown(auto_shutdown);
    Spec::new(flags, world::children(children)).expect("the children keep the rules")
}
