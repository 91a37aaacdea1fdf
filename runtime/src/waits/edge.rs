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
    Room(RoomWait),
}

/// A wait for room, and why it was ended if it closed a ring.
#[derive(Clone, Debug)]
pub(crate) struct RoomWait {
    pub(crate) pass: RoomPass,
    pub(crate) refused: Arc<OnceLock<Refused>>,
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

impl Edge {
    /// Whether it is so still, and the outcome owed by whom it points to.
    pub(crate) fn is_good(&self) -> bool {
        match &self.awaited {
            Awaited::Answer(wait) => wait.is_owed(),
            Awaited::Room(room) => room.pass.is_waiting(),
        }
    }
}

/// What others see of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    serial: u64,
    pub(crate) to: ActorId,
    pub(crate) since: Since,
    /// It ends when there is room, too.
    is_for_room: bool,
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
    edge: Mutex<(u64, Option<Edge>)>,
}

impl Standing {
    pub(crate) fn publish(&self, edge: Edge) {
        self.stands.store(true, Relaxed);
        let before = {
            let (serial, stands) = &mut *self.edge.lock();
            *serial += 1;
            stands.replace(edge)
        };
        // Under no lock: with it goes, perhaps, the last reference to a question.
        drop(before);
    }

    pub(crate) fn withdraw(&self) {
        if self.stands.load(Relaxed) {
            self.stands.store(false, Relaxed);
            let before = self.edge.lock().1.take();
            drop(before);
        }
    }

    /// The edge, if it is a good one of this incarnation.
    pub(crate) fn look(&self, pid: Pid) -> Option<Sight> {
        let (serial, edge) = &*self.edge.lock();
        let edge = edge.as_ref().filter(|edge| edge.by == pid && edge.is_good())?;
        let is_for_room = matches!(edge.awaited, Awaited::Room(_));
        Some(Sight { serial: *serial, to: edge.to, since: edge.since, is_for_room })
    }

    /// Takes the edge that was seen.
    pub(crate) fn take(&self, sight: Sight) -> Option<Edge> {
        let (serial, edge) = &mut *self.edge.lock();
        if *serial == sight.serial { edge.take() } else { None }
    }
}
