//! Every short history with a back-off: waits that are due, not due yet, noticed late, cancelled by everything that can
//! cancel them, and calls meanwhile. They last a few nanoseconds, so that they end together, too.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::ChildKey;
use super::super::waits::Waits;
use super::every_history::{RESTARTS, STRATEGIES, assert_tried, child, every_of, limits};
use super::history::{Limits, SEEDS, Scene};
use crate::backoff::Backoff;
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::strategy::{AutoShutdown, Flags, Strategy};

/// A first wait of 0 or 1 ns, the others of 0 to 3.
fn backoff() -> Backoff {
    let nanos = Duration::from_nanos;
    Backoff::new(nanos(2), nanos(4)).reset_after(nanos(3))
}

fn flags(strategy: Strategy, restarts: u32) -> Flags {
    Flags::new(strategy).intensity(restarts, Duration::from_secs(5)).backoff(backoff())
}

fn every(flags: Flags, children: &[ChildSpec], limits: Limits) -> u64 {
    SEEDS.into_iter().map(|seed| every_of(&Scene::named(flags, children), seed, limits)).sum()
}

#[test]
fn the_seeds_make_short_and_long_waits_in_either_order() {
    let pairs: BTreeSet<_> = SEEDS
        .into_iter()
        .map(|seed| {
            let mut waits = Waits::new(seed);
            [0, 1].map(|key| waits.draw(ChildKey(key), Duration::ZERO, &backoff()).as_nanos())
        })
        .collect();
    assert_eq!(pairs, [[0, 0], [0, 1], [1, 0], [1, 1]].into());
}

#[test]
fn two_children_that_wait_under_all_strategies() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        for second in [Restart::Permanent, Restart::Transient] {
            let children = [child("a", Restart::Permanent), child("b", second)];
            histories += every(flags(strategy, 3), &children, limits(3, 0, 0));
        }
    }
    assert_tried(histories, 50_000);
}

#[test]
fn a_crash_and_what_comes_before_and_after_the_wait_is_over() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        histories += every(flags(strategy, 3), &[child("a", Restart::Permanent)], limits(4, 0, 0));
    }
    assert_tried(histories, 50_000);
}

#[test]
fn restarts_that_fail_after_their_wait() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        let children = [child("a", Restart::Permanent), child("b", Restart::Transient)];
        histories += every(flags(strategy, 3), &children, limits(3, 0, 1));
        histories += every(flags(strategy, 2), &children[..1], limits(3, 0, 3));
    }
    assert_tried(histories, 100_000);
}

#[test]
fn waits_that_are_over_in_the_midst_of_something() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        for second in RESTARTS {
            let children = [child("a", Restart::Permanent), child("b", second)];
            histories += every(flags(strategy, 3), &children, limits(2, 1, 0));
        }
    }
    assert_tried(histories, 100_000);
}

#[test]
fn three_children_of_which_some_wait_and_some_are_slow_to_stop() {
    let mut histories = 0;
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        for shutdown in [Shutdown::BrutalKill, Shutdown::Within(Duration::from_nanos(2))] {
            let children = [
                child("a", Restart::Permanent),
                child("b", Restart::Transient),
                child("c", Restart::Permanent).shutdown(shutdown),
            ];
            let scene = Scene::named(flags(strategy, 3), &children);
            histories += every_of(&scene, SEEDS[1], limits(2, 0, 1));
            histories += every_of(&scene, SEEDS[2], limits(3, 0, 0));
        }
    }
    assert_tried(histories, 50_000);
}

#[test]
fn significant_children_that_wait() {
    let mut histories = 0;
    for auto in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        for strategy in STRATEGIES {
            let children = ["a", "b"].map(|name| child(name, Restart::Transient).significant());
            let scene = Scene::named(flags(strategy, 3).auto_shutdown(auto), &children);
            histories += every_of(&scene, SEEDS[3], limits(3, 0, 0));
        }
    }
    assert_tried(histories, 10_000);
}
