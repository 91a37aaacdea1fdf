//! Steps of a list make the list, whatever is lost on the way.

use std::time::Duration;

use crashworthy_runtime::Pid;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::differ::{Differ, Shot};
use super::sampler::Sampler;
use super::watched::{Amiss, Watched};
use crate::protocol::{Frame, Node, Rates, SeenBusy};

/// An actor that has handled so many messages.
fn node(id: u64, incarnation: u32, handled: u64) -> Node {
    serde_json::from_value(json!({
        "pid": { "id": id, "incarnation": incarnation }, "path": format!("shop/{id}"), "kind": "Till", "state": "running",
        "doing": null, "depth": 0, "limit": 8, "restarts": 0, "accepted": handled, "handled": handled, "given_up": 0,
        "undelivered": 0, "children": 0, "level": 0,
    }))
    .expect("it is a node")
}

fn shot(at: u64, rows: Vec<Node>) -> Shot {
    let at = Duration::from_millis(at);
    Shot { at, wall: at * 2, total: rows.len() + 1, matched: rows.len(), lines: Some(rows.len()), rows }
}

/// A list of some of a few actors, in some order, each incarnation once.
fn lists() -> impl Strategy<Value = Vec<Node>> {
    vec((0..8_u64, 1..3_u32, 0..3_u64), 0..10).prop_map(|rows| {
        let mut list: Vec<Node> = Vec::new();
        for (id, incarnation, handled) in rows {
            if list.iter().all(|known| known.row.pid.id != node(id, 1, 0).row.pid.id) {
                list.push(node(id, incarnation, handled));
            }
        }
        list
    })
}

/// A list, whether the client asks for a whole one, and whether the frame is lost.
fn steps() -> impl Strategy<Value = Vec<(Vec<Node>, bool, bool)>> {
    vec((lists(), prop::bool::weighted(0.1), prop::bool::weighted(0.3)), 1..20)
}

/// As it goes over the wire.
fn sent(frame: Frame) -> Frame {
    serde_json::from_slice(&serde_json::to_vec(&frame).expect("it is plain data")).expect("it is a frame")
}

proptest! {
    #[test]
    fn any_loss_of_frames_followed_by_a_whole_one_equals_a_fresh_look(steps in steps(), last in lists()) {
        let (mut system, mut client) = (Differ::default(), Watched::default());
        let mut is_astray = true;
        for (at, (rows, whole, is_lost)) in steps.into_iter().enumerate() {
            let shot = shot(at as u64, rows);
            let frame = sent(system.next(shot.clone(), whole));
            if is_lost {
                is_astray = true;
                continue;
            }
            let is_whole = frame.whole;
            let taken = client.take(frame);
            // What was missed is noticed at once, and nothing is shown that was not so.
            is_astray &= !is_whole;
            prop_assert_eq!(taken.is_err(), is_astray);
            prop_assert_eq!(client.shot(), (!is_astray).then_some(shot));
        }
        let fresh = shot(99, last);
        client.take(sent(system.next(fresh.clone(), true))).expect("a whole frame stands for itself");
        prop_assert_eq!(client.shot(), Some(fresh));
    }

    #[test]
    fn frames_of_anybody_are_taken_or_refused_and_nothing_else(
        frames in vec((0..4_u64, any::<bool>(), lists(), vec(0..9_u64, 0..4), prop::option::of(vec(0..9_u64, 0..9))), 0..9)
    ) {
        let pid = |id: u64| node(id, 1, 0).row.pid;
        let mut client = Watched::default();
        for (seq, whole, rows, removed, order) in frames {
            let removed = removed.into_iter().map(pid).collect();
            let order = order.map(|order| order.into_iter().map(pid).collect());
            let taken = client.take(Frame { seq, whole, rows, removed, order, ..Frame::default() });
            prop_assert_eq!(client.actors().is_some(), taken.is_ok());
        }
    }
}

#[test]
fn what_has_not_changed_is_not_told_again() {
    let mut system = Differ::default();
    let first = system.next(shot(0, vec![node(1, 1, 0), node(2, 1, 0), node(3, 1, 0)]), false);
    assert_eq!((first.seq, first.whole, first.rows.len()), (1, true, 3));
    let same = system.next(shot(1, vec![node(1, 1, 0), node(2, 1, 0), node(3, 1, 0)]), false);
    assert_eq!((same.seq, same.whole, same.rows, same.removed, same.order), (2, false, vec![], vec![], None));
    // A restart is another incarnation; whoever only moves is told by the order.
    let next = system.next(shot(2, vec![node(3, 1, 0), node(1, 1, 0), node(2, 2, 0)]), false);
    assert_eq!((next.rows, next.removed), (vec![node(2, 2, 0)], vec![node(2, 1, 0).row.pid]));
    assert_eq!(next.order.map(|order| order.len()), Some(3));
}

#[test]
fn a_step_that_does_not_fit_is_refused_and_a_whole_one_mends_it() {
    let mut client = Watched::default();
    let delta = |seq| Frame { seq, ..Frame::default() };
    assert_eq!(client.take(delta(1)), Err(Amiss::Missed { after: 0 }));
    let whole = Frame { seq: 2, whole: true, rows: vec![node(1, 1, 0)], ..Frame::default() };
    assert_eq!(client.take(whole.clone()), Ok(()));
    let strange = |order: Vec<Pid>| Frame { order: Some(order), ..delta(3) };
    let one = node(1, 1, 0).row.pid;
    for order in [vec![], vec![one, one], vec![node(2, 1, 0).row.pid]] {
        let mut client = client.clone();
        assert_eq!(client.take(strange(order)), Err(Amiss::Unfit));
        assert_eq!((client.actors(), client.take(delta(3))), (None, Err(Amiss::Missed { after: 2 })));
        assert_eq!(client.take(Frame { seq: 9, ..whole.clone() }), Ok(()));
    }
    let crowd = (0..10_001).map(|id| node(id, 1, 0)).collect();
    assert_eq!(client.take(Frame { seq: 3, whole: true, rows: crowd, ..Frame::default() }), Err(Amiss::TooMany));
}

#[test]
fn rates_are_by_the_clock_of_the_system_and_by_samples() {
    let mut client = Watched::default();
    let frame = |seq, at, handled, refused, samples, times| {
        let mut till = node(1, 1, handled);
        till.row.refused = refused;
        let id = till.row.pid.id;
        let (at, busy) = (Duration::from_millis(at), vec![SeenBusy { id, times }]);
        Frame { seq, whole: seq == 1, at, rows: vec![till], samples, busy, ..Frame::default() }
    };
    let rates = |client: &Watched| client.actors().expect("it is known").rows[0].rates;
    client.take(frame(1, 1_000, 100, 0, 0, 0)).unwrap();
    assert_eq!(rates(&client), None, "one look says nothing of what happens");
    client.take(frame(2, 3_000, 500, 10, 100, 25)).unwrap();
    let first = Rates { handled: 200.0, refused: 5.0, busy_percent: Some(25) };
    assert_eq!(rates(&client), Some(first));
    // The same look again.
    client.take(frame(3, 3_000, 500, 10, 0, 0)).unwrap();
    assert_eq!(rates(&client), Some(first));
    client.take(Frame { seq: 4, at: Duration::from_millis(3_500), samples: 10, ..Frame::default() }).unwrap();
    assert_eq!(rates(&client), Some(Rates { handled: 0.0, refused: 0.0, busy_percent: Some(0) }), "it rests");
    // A clock that goes back is another system's.
    client.take(frame(5, 10, 900, 10, 5, 9)).unwrap();
    assert_eq!(rates(&client), None);
    client.take(frame(6, 1_010, 901, 10, 5, 9)).unwrap();
    assert_eq!(rates(&client).and_then(|rates| rates.busy_percent), Some(100), "no more than always");
}

#[test]
fn a_restart_is_no_break_in_what_an_actor_handles() {
    let mut client = Watched::default();
    let at = |ms| Duration::from_millis(ms);
    client.take(Frame { seq: 1, whole: true, rows: vec![node(1, 1, 10)], ..Frame::default() }).unwrap();
    let removed = vec![node(1, 1, 0).row.pid];
    client.take(Frame { seq: 2, at: at(500), rows: vec![node(1, 2, 15)], removed, ..Frame::default() }).unwrap();
    let actors = client.actors().expect("it is known");
    assert_eq!((actors.rows.len(), actors.rows[0].rates.map(|rates| rates.handled)), (1, Some(10.0)));
}

#[test]
fn samples_begin_anew_with_each_frame_and_are_of_those_shown() {
    let mut sampler = Sampler::default();
    assert_eq!(sampler.turn_to(&[node(1, 1, 0), node(2, 1, 0)]), (0, vec![]));
    assert_eq!(sampler.ids().len(), 2);
    assert_eq!(sampler.turn_to(&[]), (0, vec![]));
    assert_eq!(sampler.ids(), []);
}
