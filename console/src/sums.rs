//! What all actors come to, and those of a type.

use crashworthy_runtime::{Glance, Law, Reason};

use crate::protocol::{InGate, InState, KindMetrics, Refused};

/// What all have to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) busy: usize,
    pub(crate) queued: u64,
}

impl Load {
    pub(crate) fn of(actors: &[Glance]) -> Self {
        let busy = actors.iter().filter(|actor| actor.is_busy()).count();
        Self { busy, queued: actors.iter().map(|actor| u64::from(actor.depth)).sum() }
    }
}

/// Of nobody.
pub(crate) fn none(kind: &str) -> KindMetrics {
    KindMetrics {
        kind: kind.to_owned(),
        states: Vec::new(),
        gates: Vec::new(),
        busy: 0,
        depth: 0,
        restarts: 0,
        law: Law::default(),
        refusals: Vec::new(),
    }
}

/// With one more.
pub(crate) fn add(sum: &mut KindMetrics, actor: &Glance) {
    match sum.states.iter_mut().find(|known| known.state == actor.state) {
        Some(known) => known.actors += 1,
        None => sum.states.push(InState { state: actor.state, actors: 1 }),
    }
    match sum.gates.iter_mut().find(|known| known.gate == actor.gate) {
        Some(known) => known.actors += 1,
        None => sum.gates.push(InGate { gate: actor.gate, actors: 1 }),
    }
    sum.busy += usize::from(actor.is_busy());
    sum.depth += u64::from(actor.depth);
    sum.restarts += u64::from(actor.restarts());
    sum.law += actor.law();
    for counted in actor.refusals().map_or(&[][..], |refusals| &refusals.counts) {
        let reason = name(counted.reason);
        let same = |known: &&mut Refused| known.reason == reason && known.criticality == counted.criticality;
        match sum.refusals.iter_mut().find(same) {
            Some(known) => known.count += counted.count,
            None => sum.refusals.push(Refused { reason, criticality: counted.criticality, count: counted.count }),
        }
    }
}

/// The name of a reason, as it is on the wire.
fn name(reason: Reason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(name)) => name,
        // What is missing belongs to this one.
        _ => "not_ready".to_owned(),
    }
}
