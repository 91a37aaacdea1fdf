//! Every short history, tried: all choices of a world, one after the other, against the reference.

use std::time::Duration;

use super::history::{Choose, Limits, SEEDS, Scene};
use super::reference::Reference;
use super::replay::replay;
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::strategy::{AutoShutdown, Flags, Strategy};

pub(super) const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
pub(super) const RESTARTS: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];

/// All sequences of choices in turn, like the wheels of an odometer.
#[derive(Default)]
struct Odometer {
    /// Each choice with its bound.
    wheels: Vec<(usize, usize)>,
    at: usize,
}

impl Choose for Odometer {
    fn choose(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is always something to choose");
        if self.at == self.wheels.len() {
            self.wheels.push((0, bound));
        }
        let (choice, same) = self.wheels[self.at];
        assert_eq!(bound, same, "the same choices lead to the same world");
        self.at += 1;
        choice
    }
}

impl Odometer {
    /// Goes on to the next sequence; false after the last one.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, bound)) = self.wheels.pop() {
            if choice + 1 < bound {
                self.wheels.push((choice + 1, bound));
                return true;
            }
        }
        false
    }
}

fn every(flags: Flags, children: &[ChildSpec], limits: Limits) -> u64 {
    every_of(&Scene::named(flags, children), SEEDS[0], limits)
}

pub(super) fn every_of(scene: &Scene, seed: u64, limits: Limits) -> u64 {
    let mut odometer = Odometer::default();
    let mut histories = 0;
    loop {
        let trace = Reference::play(scene, seed, limits, &mut odometer);
        replay(scene, seed, &trace);
        histories += 1;
        if !odometer.next() {
            return histories;
        }
    }
}

pub(super) fn limits(letters: usize, interruptions: usize, mishaps: usize) -> Limits {
    Limits { letters, interruptions, mishaps, time: false }
}

/// Whoever makes a history smaller is to know by how much.
#[track_caller]
pub(super) fn assert_tried(histories: u64, least: u64) {
    eprintln!("{histories} histories");
    assert!(histories >= least, "only {histories} histories");
}

pub(super) fn child(name: &str, restart: Restart) -> ChildSpec {
    ChildSpec::worker(name.to_owned()).restart(restart)
}

fn flags(strategy: Strategy, restarts: u32) -> Flags {
    Flags::new(strategy).intensity(restarts, Duration::from_secs(5))
}

#[test]
fn two_children_of_all_kinds_under_all_strategies() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        for first in RESTARTS {
            for second in RESTARTS {
                let children = [child("a", first), child("b", second)];
                histories += every(flags(strategy, 2), &children, limits(3, 0, 1));
                histories += every(flags(strategy, 1), &children, limits(2, 1, 1));
            }
        }
    }
    assert_tried(histories, 1_000_000);
}

#[test]
fn three_children_in_a_group() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        for middle in RESTARTS {
            let children = [child("a", Restart::Permanent), child("b", middle), child("c", Restart::Transient)];
            histories += every(flags(strategy, 2), &children, limits(2, 1, 0));
            histories += every(flags(strategy, 2), &children, limits(2, 0, 2));
        }
    }
    assert_tried(histories, 300_000);
}

#[test]
fn failing_restarts_and_what_happens_between_retries() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        let children = [child("a", Restart::Permanent), child("b", Restart::Transient)];
        histories += every(flags(strategy, 3), &children, limits(2, 1, 2));
    }
    assert_tried(histories, 300_000);
}

#[test]
fn significant_children() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        for auto in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            let flags = flags(strategy, 2).auto_shutdown(auto);
            for (first, second) in [(1, 1), (1, 2), (2, 2), (2, 1)] {
                let children = [child("a", RESTARTS[first]).significant(), child("b", RESTARTS[second]).significant()];
                histories += every(flags, &children, limits(3, 0, 1));
            }
            let children = [child("a", Restart::Permanent), child("b", Restart::Transient).significant()];
            histories += every(flags, &children, limits(2, 1, 1));
        }
    }
    assert_tried(histories, 300_000);
}

/// Crashes at once, at the very edge of the window, just before and just after it: by themselves, and in a group whose
/// restarts fail meanwhile.
#[test]
fn restarts_at_all_edges_of_the_window() {
    let mut histories = 0;
    for restarts in 0..4 {
        let timed = Limits { time: true, ..limits(3, 0, 0) };
        histories += every(flags(Strategy::OneForOne, restarts), &[child("a", Restart::Permanent)], timed);
    }
    for strategy in STRATEGIES {
        let children = [child("a", Restart::Permanent), child("b", Restart::Transient)];
        let timed = Limits { time: true, ..limits(2, 0, 1) };
        histories += every(flags(strategy, 1), &children, timed);
    }
    assert_tried(histories, 100_000);
}

#[test]
fn all_ways_to_be_stopped() {
    let mut histories = 0;
    for shutdown in [Shutdown::BrutalKill, Shutdown::Within(Duration::from_secs(1)), Shutdown::Unlimited] {
        for strategy in STRATEGIES {
            for restart in RESTARTS {
                let children = [child("a", restart).shutdown(shutdown), child("b", Restart::Permanent)];
                histories += every(flags(strategy, 1), &children, limits(1, 1, 1));
            }
        }
    }
    assert_tried(histories, 50_000);
}

/// Whatever goes on (a start, a stop, a retry that waits, a call), two letters arrive in its midst: deaths of anybody, calls,
/// the parent's exit.
#[test]
fn two_interruptions_of_anything() {
    let mut histories = 0;
    for strategy in STRATEGIES {
        for second in RESTARTS {
            let children = [child("a", Restart::Permanent), child("b", second)];
            histories += every(flags(strategy, 1), &children, limits(1, 2, 0));
        }
    }
    assert_tried(histories, 100_000);
}
