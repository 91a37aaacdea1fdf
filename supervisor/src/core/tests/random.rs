//! Long random histories against the reference.

use std::time::Duration;

use proptest::prelude::*;

use super::history::{Choose, Limits};
use super::reference::Reference;
use super::replay::{actions, replay};
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
    (strategy, 0..6_u32, 1..3_u64, auto).prop_map(|(strategy, restarts, period, auto)| {
        Flags::new(strategy).intensity(restarts, Duration::from_secs(period)).auto_shutdown(auto)
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

use proptest::strategy::Strategy as Strategy_;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_long_history_is_the_same_as_the_references(
        flags in flags(),
        children in proptest::collection::vec(child(), 0..6),
        numbers in proptest::collection::vec(any::<u16>(), 0..200),
    ) {
        let children: Vec<ChildSpec> = children.into_iter().enumerate().map(|(index, child)| named(index, child)).collect();
        let limits = Limits { letters: 30, interruptions: 20, mishaps: 20, time: true };
        let trace = Reference::play(flags, &children, limits, &mut Tape { numbers, at: 0 });
        replay(flags, &children, &trace);
    }

    #[test]
    fn the_same_events_give_the_same_actions(
        flags in flags(),
        children in proptest::collection::vec(child(), 0..6),
        numbers in proptest::collection::vec(any::<u16>(), 0..200),
    ) {
        let children: Vec<ChildSpec> = children.into_iter().enumerate().map(|(index, child)| named(index, child)).collect();
        let limits = Limits { letters: 30, interruptions: 20, mishaps: 20, time: true };
        let trace = Reference::play(flags, &children, limits, &mut Tape { numbers, at: 0 });
        assert_eq!(actions(flags, &children, &trace), actions(flags, &children, &trace));
    }
}
