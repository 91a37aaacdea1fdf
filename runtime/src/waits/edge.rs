//! That an incarnation waits for one other actor, and for nothing else.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crashworthy_sync::mailbox::RoomPass;
use crashworthy_sync::reply::Wait;
use parking_lot::Mutex;

use crate::cell::AnyCell;
use crate::error::{AskError, Refused};
use crate::message::Criticality;
use crate::pid::{ActorId, Pid};

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Awaited {
    Answer(Wait<AskError>),
    Room(RoomPass, Arc<RoomSought>),
}

/// When a wait for room began, and why it was ended if it closed a ring.
#[derive(Debug)]
pub(crate) struct RoomSought {
    pub(crate) since: Since,
    pub(crate) refused: OnceLock<Refused>,
}

impl RoomSought {
    pub(crate) fn new(since: Since) -> Arc<Self> {
        Arc::new(Self { since, refused: OnceLock::new() })
    }
}

/// Who waits for whom.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) by: Pid,
    pub(crate) to: ActorId,
    pub(crate) since: Since,
    pub(crate) criticality: Criticality,
    pub(crate) awaited: Awaited,
}

/// When something was asked: what is asked later is greater, on one thread also where the clock stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Since {
    pub(crate) at: u64,
    pub(crate) order: u32,
}

/// How sure it is that an edge is all that its owner waits for, by the turns that saw it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// One, that saw others beside it, which may have come to their ends.
    Doubtful,
    /// The last saw nothing else. What has a waker in the guise of that turn was not seen.
    Likely,
    /// The last two saw nothing else: in neither guise.
    Sure,
    /// More than one, and the last saw others beside it.
    No,
}

impl Certainty {
    /// After a turn that saw the edge alone, or not; `before`: after the turn before that, if it saw the same.
    fn after(before: Option<Self>, alone: bool) -> Self {
        match (before, alone) {
            (Some(Self::Likely | Self::Sure), true) => Self::Sure,
            (_, true) => Self::Likely,
            (None, false) => Self::Doubtful,
            (Some(_), false) => Self::No,
        }
    }
}

impl Edge {
    /// Whether it is for the same answer, or the same room.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let awaited = match (&self.awaited, &other.awaited) {
            (Awaited::Answer(one), Awaited::Answer(other)) => one.is_same(other),
            (Awaited::Room(_, one), Awaited::Room(_, other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        awaited && self.by == other.by
    }

    /// Whether it is so still, and the outcome owed by whom it points to.
    pub(crate) fn is_good(&self) -> bool {
        match &self.awaited {
            Awaited::Answer(wait) => wait.is_owed(),
            Awaited::Room(pass, _) => pass.is_waiting(),
        }
    }
}

/// What others see of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    serial: u64,
    pub(crate) to: ActorId,
    pub(crate) since: Since,
    /// Whether nothing else is waited for; if not, that is to be looked at.
    pub(crate) is_sure: bool,
    /// It ends when there is room, too.
    pub(crate) is_for_room: bool,
}

impl Sight {
    /// Whether it may end without `callee`.
    pub(crate) fn is_open(self, callee: &dyn AnyCell) -> bool {
        self.is_for_room && callee.may_have_room()
    }
}

/// The edge of a cell, if it has one. Published and withdrawn by the holder of the running claim.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Whether there may be one: so that whoever never waits takes no lock.
    stands: AtomicBool,
    edge: Mutex<(u64, Option<(Edge, Certainty)>)>,
}

impl Standing {
    /// After a turn in which the edge was all there was to wait for, or was not. False if it is not, to be sure.
    pub(crate) fn publish(&self, edge: Edge, alone: bool) -> bool {
        self.stands.store(true, Relaxed);
        let (certainty, before) = {
            let (serial, stands) = &mut *self.edge.lock();
            *serial += 1;
            let before = stands.as_ref().filter(|(before, _)| before.is_same(&edge));
            let certainty = Certainty::after(before.map(|(_, certainty)| *certainty), alone);
            (certainty, stands.replace((edge, certainty)))
        };
        // Under no lock: with it goes, perhaps, the last reference to a question.
        drop(before);
        certainty != Certainty::No
    }

    pub(crate) fn withdraw(&self) {
        if self.stands.load(Relaxed) {
            self.stands.store(false, Relaxed);
            let before = self.edge.lock().1.take();
            drop(before);
        }
    }

    /// The same, if it is of this incarnation: its turn may be a straggler's.
    pub(crate) fn withdraw_of(&self, by: Pid) {
        let before = self.edge.lock().1.take_if(|(edge, _)| edge.by == by);
        drop(before);
    }

    /// The edge, if it is a good one of this incarnation, and may be all that it waits for.
    pub(crate) fn look(&self, pid: Pid) -> Option<Sight> {
        let (serial, edge) = &*self.edge.lock();
        let (edge, certainty) = edge.as_ref()?;
        if *certainty == Certainty::No || edge.by != pid || !edge.is_good() {
            return None;
        }
        let (is_sure, is_for_room) = (*certainty == Certainty::Sure, matches!(edge.awaited, Awaited::Room(..)));
        Some(Sight { serial: *serial, to: edge.to, since: edge.since, is_sure, is_for_room })
    }

    /// Takes the edge that was seen.
    pub(crate) fn take(&self, sight: Sight) -> Option<Edge> {
        let (serial, edge) = &mut *self.edge.lock();
        if *serial == sight.serial { edge.take().map(|(edge, _)| edge) } else { None }
    }
}
