//! Everybody in brief: what lists of all actors are made of, again and again, while somebody looks.
//!
//! A [snapshot](crate::ActorSnapshot) tells all of an actor and owns every word of it, which is half a kilobyte and several
//! allocations. A glance is two cache lines; what few actors have is apart. Reading it takes the lock of an actor's ties, for
//! the copy of a pid, and no other.

use std::sync::Arc;
use std::time::Duration;

use crate::cell::{AnyCell, Core, Status, flag};
use crate::counters::Law;
use crate::exit::Callback;
use crate::gate::{GateState, Refusals};
use crate::inspect::{State, SystemSnapshot, WaitsFor, status, waits_for};
use crate::message::Criticality;
use crate::pid::{ActorId, Pid};
use crate::readiness::{self, Lack};
use crate::shared::Shared;
use crate::system::System;

/// One actor in brief.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The incarnation that was started last.
    pub pid: Pid,
    /// The slot's name, if it has one.
    pub name: Option<Arc<str>>,
    /// The actor's type.
    pub kind: &'static str,
    /// Where it is in its life.
    pub state: State,
    /// What its gate is to new messages.
    pub gate: GateState,
    /// The callback that runs or awaits.
    pub callback: Option<Callback>,
    /// The kind of the message in hand.
    pub message: Option<&'static str>,
    /// Some thread runs a turn of it.
    pub in_turn: bool,
    /// Messages queued and places promised.
    pub depth: u32,
    /// Messages it would hold.
    pub limit: u32,
    /// Whoever is above, in two parts, which leave no gap.
    above: ActorId,
    incarnation_above: u32,
    is_below: bool,
    busy_ms: u32,
    sent_ms: u32,
    queued: u32,
    accepted: u64,
    handled: u64,
    seldom: Option<Box<Seldom>>,
}

/// What few actors have.
#[derive(Clone, Debug, Default)]
struct Seldom {
    waits_for: Option<WaitsFor>,
    lacks: Vec<Lack>,
    only: Option<Criticality>,
    back_in: Option<Duration>,
    /// How long ago the message was sent that a suspended actor would take next.
    waits: Option<Duration>,
    refusals: Refusals,
    peers: Vec<Pid>,
    /// The ends of messages that are not handled.
    lost: Law,
}

impl Glance {
    fn of(cell: &Arc<dyn AnyCell>) -> Self {
        let core = cell.core();
        let (load, law) = (cell.load(), cell.law());
        let suspension = suspension(core);
        let message = core.kind_in_hand();
        let callback = core.callback();
        let is_busy = message.is_some() || callback.is_some();
        let busy = if is_busy { core.in_hand_for() } else { Duration::ZERO };
        let sent = if message.is_some() { core.origin().1 } else { Duration::ZERO };
        let millis = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        let mut glance = Self {
            pid: core.pid(),
            name: core.name_arc(),
            kind: cell.kind(),
            state: status(core.status(), suspension.is_some()),
            gate: GateState::of(core),
            callback,
            message,
            in_turn: cell.is_in_turn(),
            depth: load.depth,
            limit: load.limit,
            above: Pid::OUTSIDE.id,
            incarnation_above: Pid::OUTSIDE.incarnation,
            is_below: false,
            busy_ms: millis(busy),
            sent_ms: millis(sent),
            queued: u32::try_from(law.queued).unwrap_or(u32::MAX),
            accepted: law.accepted,
            handled: law.handled,
            seldom: None,
        };
        let mut seldom = Seldom::of(core, law);
        seldom.waits = suspension.flatten();
        {
            let ties = core.ties.lock();
            let (parent, owner) = (ties.parent(), ties.owning());
            glance.is_below = parent.is_some();
            let above = parent.or(owner).unwrap_or(Pid::OUTSIDE);
            (glance.above, glance.incarnation_above) = (above.id, above.incarnation);
            seldom.peers = ties.peers();
        }
        if !seldom.is_nothing() {
            glance.seldom = Some(Box::new(seldom));
        }
        glance
    }

    /// Its parent, if it lives and has one; [`Pid::OUTSIDE`] for the top of the tree.
    pub fn parent(&self) -> Option<Pid> {
        self.is_below.then_some(self.above())
    }

    /// Whose slot it is: its parent, or while it does not live whoever may start it.
    pub fn owner(&self) -> Option<Pid> {
        (self.is_below || self.above() != Pid::OUTSIDE).then_some(self.above())
    }

    fn above(&self) -> Pid {
        Pid { id: self.above, incarnation: self.incarnation_above }
    }

    /// Whether it has something in hand.
    pub fn is_busy(&self) -> bool {
        self.message.is_some() || self.callback.is_some()
    }

    /// How long it has been busy, to a millisecond or so; nothing if it is not.
    pub fn busy_for(&self) -> Option<Duration> {
        self.is_busy().then(|| Duration::from_millis(self.busy_ms.into()))
    }

    /// How long ago the message in hand was sent, to a millisecond or so; nothing if none is in hand.
    pub fn sent_ago(&self) -> Option<Duration> {
        self.message.is_some().then(|| Duration::from_millis(self.sent_ms.into()))
    }

    /// How long ago its oldest message was sent, to a millisecond or so: the one in hand, or the one that it would take next if it was not
    /// suspended. Nothing if it has none, or that is not known.
    pub fn oldest(&self) -> Option<Duration> {
        self.sent_ago().or_else(|| self.seldom.as_ref()?.waits)
    }

    /// How often it was started anew.
    pub fn restarts(&self) -> u32 {
        self.pid.incarnation.saturating_sub(1)
    }

    /// How its messages ended.
    pub fn law(&self) -> Law {
        Law {
            accepted: self.accepted,
            handled: self.handled,
            in_hand: self.message.is_some().into(),
            queued: self.queued.into(),
            ..self.seldom.as_ref().map_or_else(Law::default, |seldom| seldom.lost)
        }
    }

    /// Messages taken in so far.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Messages handled so far.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// Whom it waits for, as far as is seen.
    pub fn waits_for(&self) -> Option<WaitsFor> {
        self.seldom.as_ref()?.waits_for
    }

    /// What it needs and lacks.
    pub fn lacks(&self) -> &[Lack] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.lacks)
    }

    /// It takes messages that matter at least this much, as far as nothing is missing.
    pub fn only(&self) -> Option<Criticality> {
        self.seldom.as_ref()?.only
    }

    /// After what time it is expected back, if it is being restarted, and that is known and still to come.
    pub fn back_in(&self) -> Option<Duration> {
        self.seldom.as_ref()?.back_in
    }

    /// How often it refused, and why; nothing if it never did.
    pub fn refusals(&self) -> Option<&Refusals> {
        self.seldom.as_ref().map(|seldom| &seldom.refusals)
    }

    /// Whom it is linked with, but for its parent and the slots below it.
    pub fn peers(&self) -> &[Pid] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.peers)
    }
}

impl Seldom {
    fn of(core: &Core, law: Law) -> Self {
        let (lacks, only) = readiness::lacks(core);
        let lost = Law { accepted: 0, handled: 0, in_hand: 0, queued: 0, ..law };
        let (waits_for, back_in) = (waits_for(core), core.back_in().map(|(back_in, _)| back_in));
        Self { waits_for, lacks, only, back_in, waits: None, refusals: core.gate.refusals(), peers: Vec::new(), lost }
    }

    fn is_nothing(&self) -> bool {
        let Self { waits_for, lacks, only, back_in, waits, refusals, peers, lost } = self;
        waits_for.is_none()
            && waits.is_none()
            && only.is_none()
            && back_in.is_none()
            && lacks.is_empty()
            && refusals.counts.is_empty()
            && peers.is_empty()
            && *lost == Law::default()
    }
}

/// Whether the living incarnation is suspended (whoever suspends it says that it is urgent), and how long ago the message was sent that
/// it would take next, if there is one.
fn suspension(core: &Core) -> Option<Option<Duration>> {
    if core.flags() & flag::URGENT == 0 {
        return None;
    }
    let oldest = core.control.lock().look().filter(|lane| lane.suspended)?.oldest;
    Some(oldest.map(|stamp| core.shared().sent_ago(stamp)))
}

impl System {
    /// Everybody in brief, in no order, in place of what is in `actors`, whose room is used again. What is returned tells of
    /// the system itself and of no actor. The figures of different actors are of slightly different instants.
    ///
    /// It is what to look at a large system with again and again; [`snapshot`](Self::snapshot) tells more, and costs more.
    pub fn glance(&self, actors: &mut Vec<Glance>) -> SystemSnapshot {
        actors.clear();
        actors.reserve(self.shared.cells());
        self.shared.visit_cells(|cell| actors.push(Glance::of(cell)));
        SystemSnapshot::without_actors(&self.shared)
    }

    /// The system itself, without a look at its actors: what is counted anyway, and costs no more however many there are.
    pub fn totals(&self) -> SystemSnapshot {
        SystemSnapshot::without_actors(&self.shared)
    }

    /// Whether an actor has something in hand just now, whichever incarnation is meant; nothing if there is no such actor. It
    /// locks no actor: for whoever samples what some of them do.
    pub fn is_busy(&self, id: ActorId) -> Option<bool> {
        is_busy(&self.shared, id)
    }
}

fn is_busy(shared: &Shared, id: ActorId) -> Option<bool> {
    shared.find(id).map(|cell| {
        let core = cell.core();
        matches!(core.status(), Status::Starting | Status::Running) && core.callback().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_glance_is_two_cache_lines() {
        assert_eq!(size_of::<Glance>(), 128);
    }
}
