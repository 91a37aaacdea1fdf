//! Everybody takes a turn at an overload, and the counts agree. Who is good at it is not asked here.
#![forbid(unsafe_code)]

use std::time::Duration;

use crashworthy_benches::overload::law::Law;
use crashworthy_benches::overload::scene::{Scenario, Scene};
use crashworthy_benches::overload::tally::{Calls, Turn};
use crashworthy_benches::versus::{roster, silence_crashes_on_demand};

/// What short turns of everybody have shown, in which each call has one end and each answer was given: or there is no such turn.
fn turns(
    scenario: Scenario,
    load: f64,
    deadline: Duration,
    lasts: Duration,
) -> impl Iterator<Item = (&'static str, Turn)> {
    let scene = Scene { scenario, law: Law::Exp, load, deadline, lasts, seed: 1 };
    roster::hosts().into_iter().map(move |host| {
        let turn = (host.overload)(scene).unwrap_or_else(|wrong| panic!("{}: {wrong}", host.name));
        // Who tries again may be served more often than once.
        let attempts = if scenario == Scenario::Dogpile { 3 } else { 1 };
        assert!(
            turn.in_vain <= turn.served && turn.served <= attempts * turn.all.calls.offered,
            "{}: {turn:?}",
            host.name
        );
        (host.name, turn)
    })
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn everybody_is_offered_the_same_calls_and_each_has_one_end() {
    for (scenario, load, fewest) in [(Scenario::Steady, 3.0, 2_000), (Scenario::Dogpile, 0.3, 900)] {
        let mut before = None;
        for (name, turn) in turns(scenario, load, ms(20), ms(300)) {
            let calls = turn.all.calls;
            assert_eq!(calls.lost, 0, "{name}: {calls:?}");
            assert_eq!(calls.offered, *before.get_or_insert(calls.offered), "{name}: {calls:?}");
        }
        assert!(before.is_some_and(|offered| offered > fewest), "{before:?}");
    }
}

#[test]
fn everybody_serves_every_call_of_fewer_than_a_mailbox_holds_and_with_time_enough() {
    for (name, turn) in turns(Scenario::Steady, 0.3, ms(10_000), ms(100)) {
        let served = turn.served;
        assert_eq!(turn.all.calls, Calls { offered: served, good: served, ..Calls::default() }, "{name}");
        assert!(served > 0 && !turn.fallen, "{name}");
    }
}

#[test]
fn everybody_falls_once_and_serves_again() {
    silence_crashes_on_demand();
    for (name, turn) in turns(Scenario::Restart, 0.3, ms(1_000), ms(500)) {
        assert!(turn.fallen && turn.all.calls.good > 0, "{name}: {turn:?}");
    }
}

#[test]
fn modest_callers_and_the_hog_beside_them_are_counted_apart() {
    for (name, turn) in turns(Scenario::Hog, 2.0, ms(20), ms(300)) {
        let [modest, hog] = &turn.classes[..] else { panic!("{name}: {turn:?}") };
        assert_eq!(modest.calls.offered + hog.calls.offered, turn.all.calls.offered, "{name}: {turn:?}");
        assert!(hog.calls.offered > 3 * modest.calls.offered && modest.calls.offered > 0, "{name}: {turn:?}");
    }
}

#[test]
fn calls_that_matter_more_and_less_are_all_calls() {
    for (name, turn) in turns(Scenario::Criticality, 2.0, ms(20), ms(300)) {
        let offered = turn.classes.iter().map(|class| class.calls.offered).collect::<Vec<_>>();
        assert_eq!((offered.len(), offered.iter().sum()), (4, turn.all.calls.offered), "{name}: {turn:?}");
        assert!(offered[2] > offered[1] && offered[1] > offered[3] && offered[3] > offered[0], "{name}: {offered:?}");
    }
}
