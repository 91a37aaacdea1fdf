//! What a gate says to those who found no room.

use super::{Demand, LazyGate, Query, Says, Stretch};
use crate::cell::Annex;
use crate::error::Reason;
use crate::message::Criticality;
use crashworthy_sync::label::Label;

const MS: u64 = 1_000_000;
/// There is one kind of message.
const NOBODY: Query<'static> = Query { kind: &|| None, in_hand: Label::NONE, queued: &|| 0 };

/// A gate that has seen a hundred messages of a millisecond each.
fn measured() -> LazyGate {
    let gate = LazyGate::new(Annex::default());
    for n in 1..=100 {
        let stretch = Stretch {
            ended_at: n * MS,
            took_ns: MS,
            before: n as u32 - 1,
            messages: 1,
            own: 0,
            left: 4,
            idle_ns: None,
        };
        gate.worked(stretch, 1_024, false);
    }
    gate
}

fn says(gate: &LazyGate, left_ns: u64) -> Says {
    let demand = Demand { left_ns, criticality: Criticality::Sheddable, cost: 1.0, flow: 1 };
    gate.ask(demand, 0, 0, &NOBODY).expect("its pace is known")
}

#[test]
fn whom_time_does_not_limit_is_refused_as_full_however_many_are_queued() {
    let gate = measured();
    // Of 16 places some may be kept for those who wait for room.
    for queued in [0, 12, 16] {
        let (reason, after) = gate.refuse(says(&gate, 10_000 * MS), 100 * MS, queued, 16);
        assert_eq!(reason, Reason::Full);
        assert!(after.as_nanos() > 0, "it says when to come again");
    }
    assert_eq!(gate.refuse(says(&gate, 20 * MS), 100 * MS, 30, 1_024).0, Reason::NoTime, "so far it has shed nobody");
}

#[test]
fn whom_time_limits_is_told_so_until_the_mailbox_is_full() {
    let gate = measured();
    assert_eq!(gate.refuse(says(&gate, 20 * MS), 100 * MS, 30, 1_024).0, Reason::NoTime);
    assert_eq!(gate.refuse(says(&gate, 20 * MS), 100 * MS, 30, 30).0, Reason::Full);
}
