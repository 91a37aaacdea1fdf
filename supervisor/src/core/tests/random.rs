//! Long random histories against the reference.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy as Strategy_;

use super::history::{Choose, Limits, Scene};
use super::reference::Reference;
use super::replay::{actions, replay};
use crate::backoff::Backoff;
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::strategy::{AutoShutdown, Flags, Strategy};

/// Choices from a list; zeros, the simplest, after its end. So that shrinking the list shrinks the history.
struct Tape {
    numbers: Vec<u16>,
    at: usize,
}

impl Choose for Tape {
    fn choose(&mut self, bound: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % bound
    }
}

fn flags() -> impl Strategy_<Value = Flags> {
    let strategy = prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    let auto = prop_oneof![Just(AutoShutdown::AnySignificant), Just(AutoShutdown::AllSignificant)];
    let backoff = proptest::option::of((1..50_u64, 0..500_u64, 0..3_000_u64).prop_map(|(base, more, reset)| {
        let ms = Duration::from_millis;
        Backoff::new(ms(base), ms(base + more)).reset_after(ms(reset))
    }));
    (strategy, 0..6_u32, 1..3_u64, auto, backoff).prop_map(|(strategy, restarts, period, auto, backoff)| {
        let flags = Flags::new(strategy).intensity(restarts, Duration::from_secs(period)).auto_shutdown(auto);
        Flags { backoff, ..flags }
    })
}

fn child() -> impl Strategy_<Value = (Restart, Shutdown, bool)> {
    let restart = prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)];
    let shutdown = prop_oneof![
        Just(Shutdown::BrutalKill),
        Just(Shutdown::Unlimited),
        (0..2000_u64).prop_map(|ms| Shutdown::Within(Duration::from_millis(ms)))
    ];
    (restart, shutdown, proptest::bool::weighted(0.2))
}

fn named(index: usize, (restart, shutdown, significant): (Restart, Shutdown, bool)) -> ChildSpec {
    let spec = ChildSpec::worker(format!("c{index}")).restart(restart).shutdown(shutdown);
    if significant && restart != Restart::Permanent { spec.significant() } else { spec }
}

fn scene() -> impl Strategy_<Value = Scene> {
    let named = |children: Vec<_>| -> Vec<ChildSpec> {
        children.into_iter().enumerate().map(|(index, child)| named(index, child)).collect()
    };
    prop_oneof![
        3 => (flags(), proptest::collection::vec(child(), 0..6))
            .prop_map(move |(flags, children)| Scene::named(flags, &named(children))),
        1 => (flags(), proptest::collection::vec(child(), 1..4), 1..6_usize).prop_map(|(flags, kinds, max)| {
            let kinds: Vec<ChildSpec> = kinds.into_iter().map(|kind| self::named(0, kind)).collect();
            Scene::crowd(Flags { strategy: Strategy::OneForOne, ..flags }, &kinds, max)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_long_history_is_the_same_as_the_references(
        scene in scene(),
        seed in any::<u64>(),
        numbers in proptest::collection::vec(any::<u16>(), 0..200),
    ) {
        let limits = Limits { letters: 30, interruptions: 20, mishaps: 20, time: true };
        let trace = Reference::play(&scene, seed, limits, &mut Tape { numbers, at: 0 });
        replay(&scene, seed, &trace);
    }

    #[test]
    fn the_same_events_give_the_same_actions(
        scene in scene(),
        seed in any::<u64>(),
        numbers in proptest::collection::vec(any::<u16>(), 0..200),
    ) {
        let limits = Limits { letters: 30, interruptions: 20, mishaps: 20, time: true };
        let trace = Reference::play(&scene, seed, limits, &mut Tape { numbers, at: 0 });
        assert_eq!(actions(&scene, seed, &trace), actions(&scene, seed, &trace));
    }
}
