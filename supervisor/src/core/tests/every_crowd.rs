//! Every short history of a dynamic supervisor.

use std::time::Duration;

use super::every_history::{RESTARTS, assert_tried, every_of, limits};
use super::history::{Limits, SEEDS, Scene};
use crate::backoff::Backoff;
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::strategy::{AutoShutdown, Flags};

const SECOND: Duration = Duration::from_secs(1);

fn every(flags: Flags, template: ChildSpec, max: usize, limits: Limits) -> u64 {
    every_of(&Scene::crowd(flags, &[template], max), SEEDS[0], limits)
}

fn flags(restarts: u32) -> Flags {
    Flags::default().intensity(restarts, 5 * SECOND)
}

fn template(restart: Restart) -> ChildSpec {
    ChildSpec::worker("w").restart(restart)
}

#[test]
fn children_come_and_go() {
    let mut histories = 0;
    for restart in RESTARTS {
        histories += every(flags(2), template(restart), 2, limits(5, 0, 1));
        histories += every(flags(1), template(restart), 2, limits(4, 1, 1));
    }
    assert_tried(histories, 100_000);
}

#[test]
fn restarts_that_fail_and_what_happens_between_retries() {
    let mut histories = 0;
    for restart in [Restart::Permanent, Restart::Transient] {
        histories += every(flags(3), template(restart), 2, limits(3, 1, 2));
        histories += every(flags(3), template(restart), 2, limits(2, 2, 1));
    }
    assert_tried(histories, 50_000);
}

/// They end in every order, before the others are asked and after, by themselves, as asked, otherwise, or not until they
/// are killed.
#[test]
fn the_end_of_all_at_once() {
    let mut histories = 0;
    for shutdown in
        [Shutdown::BrutalKill, Shutdown::Within(SECOND), Shutdown::Within(Duration::ZERO), Shutdown::Unlimited]
    {
        for restart in RESTARTS {
            histories += every(flags(2), template(restart).shutdown(shutdown), 3, limits(3, 1, 2));
        }
    }
    assert_tried(histories, 100_000);
}

#[test]
fn the_last_one_ends_or_the_first() {
    let mut histories = 0;
    for auto in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        for restart in [Restart::Transient, Restart::Temporary] {
            histories += every(flags(2).auto_shutdown(auto), template(restart).significant(), 2, limits(5, 0, 1));
        }
    }
    assert_tried(histories, 20_000);
}

#[test]
fn restarts_that_wait() {
    let nanos = Duration::from_nanos;
    let waiting = flags(3).backoff(Backoff::new(nanos(2), nanos(4)).reset_after(nanos(3)));
    let mut histories = 0;
    for seed in SEEDS {
        let scene = Scene::crowd(waiting, &[template(Restart::Permanent)], 2);
        histories += every_of(&scene, seed, limits(4, 0, 1));
        histories += every_of(&scene, seed, limits(3, 1, 1));
    }
    assert_tried(histories, 40_000);
}

/// Each as it is told: restarted or not, and asked, killed, or waited for. The times of all run from the same moment.
#[test]
fn children_that_bring_their_own_settings() {
    let kinds = [
        template(Restart::Temporary),
        template(Restart::Permanent).shutdown(Shutdown::Within(SECOND)),
        template(Restart::Transient).shutdown(Shutdown::BrutalKill),
        template(Restart::Transient).shutdown(Shutdown::Within(2 * SECOND)),
    ];
    let mut histories = every_of(&Scene::crowd(flags(2), &kinds, 2), SEEDS[0], limits(3, 0, 2));
    for some in [&kinds[..2], &kinds[1..3], &kinds[2..]] {
        histories += every_of(&Scene::crowd(flags(1), some, 2), SEEDS[0], limits(3, 1, 1));
        histories += every_of(&Scene::crowd(flags(1), some, 3), SEEDS[0], limits(3, 0, 2));
    }
    assert_tried(histories, 50_000);
}
