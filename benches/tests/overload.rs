//! Everybody takes a turn at an overload, and the counts agree. Who is good at it is not asked here.
#![forbid(unsafe_code)]

use std::time::Duration;

use crashworthy_benches::overload::law::Law;
use crashworthy_benches::overload::scene::{Scenario, Scene};
use crashworthy_benches::overload::tally::Calls;
use crashworthy_benches::versus::roster;

/// The calls of a short turn of everybody, in which each has one end and each answer was given: or there is no such turn.
fn turns(load: f64, deadline: Duration, lasts: Duration) -> impl Iterator<Item = (&'static str, Calls, u64)> {
    let scene = Scene { scenario: Scenario::Steady, law: Law::Exp, load, deadline, lasts, seed: 1 };
    roster::everybody().into_iter().map(move |contestant| {
        let turn = (contestant.overload)(scene).unwrap_or_else(|wrong| panic!("{}: {wrong}", contestant.name));
        assert!(turn.in_vain <= turn.served && turn.served <= turn.calls.offered, "{}: {turn:?}", contestant.name);
        (contestant.name, turn.calls, turn.served)
    })
}

#[test]
fn everybody_is_offered_the_same_calls_and_each_has_one_end() {
    let mut before = None;
    for (name, calls, _) in turns(3.0, Duration::from_millis(20), Duration::from_millis(300)) {
        assert_eq!(calls.lost, 0, "{name}: {calls:?}");
        assert_eq!(calls.offered, *before.get_or_insert(calls.offered), "{name}: {calls:?}");
    }
    assert!(before.is_some_and(|offered| offered > 2_000), "{before:?}");
}

#[test]
fn everybody_serves_every_call_of_fewer_than_a_mailbox_holds_and_with_time_enough() {
    for (name, calls, served) in turns(0.3, Duration::from_secs(10), Duration::from_millis(100)) {
        assert_eq!(calls, Calls { offered: served, good: served, ..Calls::default() }, "{name}");
        assert!(served > 0, "{name}");
    }
}
