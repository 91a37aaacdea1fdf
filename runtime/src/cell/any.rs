//! A cell whose types nobody needs to know.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use crashworthy_sync::promises::Promise;
use crashworthy_sync::task::{Run as _, Task};

use super::{Cell, Core, Status, flag, wake};
use crate::actor::Actor;
use crate::counters::Law;
use crate::error::{Load, Refused};
use crate::gate::Demand;
use crate::intake;
use crate::places::Hold;
use crate::reply::{Around, Caller};

/// A cell whose types nobody needs to know: what signals, the tree and inspectors hold.
pub(crate) trait AnyCell: Send + Sync {
    fn core(&self) -> &Core;
    /// The position of the next message: the ticket of an ordered signal sent now.
    fn tail(&self) -> u64;
    fn wake(&self);
    /// Whether its turns are to be taken before others', where there are too few threads: it ends others, or is to end.
    fn hurries(&self, urgent: bool);
    /// Whether some thread runs a turn of it.
    fn is_in_turn(&self) -> bool;
    /// Name of the actor's type.
    fn kind(&self) -> &'static str;
    fn load(&self) -> Load;
    /// Whether there may be room in its mailbox without a turn of it: there is some, or somebody holds a place.
    fn may_have_room(&self) -> bool;
    fn law(&self) -> Law;
    /// Changes how many messages its mailbox holds. To be called under no lock: whoever waits for room is woken.
    fn set_capacity(&self, capacity: u32);
    /// Refuses from now on, and lets the next turn throw away what is queued.
    fn shut(&self, status: Status);
    /// Lets the mailbox of a slot that has ended refuse, and what is on the shelf be thrown away; to be called with the locks of ties and lane, before its turns
    /// are told to throw away what is queued. True: afterwards [`tell_closed`](Self::tell_closed) is to be called.
    fn close_mailbox(&self) -> bool;
    /// Tells whoever waits for room.
    fn tell_closed(&self);
    /// Has whoever waits for room look whether that is in vain by now. To be called under no lock.
    fn rouse_waiters(&self);
    /// Throws away what is queued, between two incarnations.
    fn flush(&self);
    /// The signals that were to come before what is on the shelf were forgotten. To be called under the lock of the lane.
    fn forget_order(&self);
    /// Reserves a place for somebody who has so much time left, until the deadline. A refusal is counted.
    fn reserve(&self, demand: Demand, deadline: u64) -> Result<Promise, Refused>;
    /// The question that is in hand, for the turn of it that this thread runs.
    fn asked_for(&self) -> Option<Around>;
    /// Takes a reserved place back from a holder who has lost it, or ends the wait for one.
    fn give_back(&self, held: &Hold);
    /// Takes the slot from an incarnation whose turn does not return.
    fn abandon(self: Arc<Self>, incarnation: u32) -> crate::process::Abandoning;
    /// Takes the turns that are left to it on this thread: it was killed, and no pump will. Whether it is at rest now.
    fn end_here(self: Arc<Self>) -> bool;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl fmt::Debug for dyn AnyCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.core().pid())
    }
}

/// A tie to a cell that does not keep it alive.
pub(crate) type WeakCell = Weak<dyn AnyCell>;

impl<A: Actor> AnyCell for Task<Cell<A>> {
    fn core(&self) -> &Core {
        self.mailbox.between()
    }

    fn tail(&self) -> u64 {
        self.mailbox.tail()
    }

    fn asked_for(&self) -> Option<Around> {
        // In `init` it is whoever waits for the start: what is asked there is not asked for him.
        let starting = self.core().status() == Status::Starting;
        let caller = |owner: &mut super::Owner<A>| owner.caller.as_ref().filter(|_| !starting).map(Caller::wait);
        self.interlude(caller).flatten()
    }

    fn wake(&self) {
        wake(self);
    }

    fn hurries(&self, urgent: bool) {
        self.set_urgent(urgent);
    }

    fn is_in_turn(&self) -> bool {
        self.is_running()
    }

    fn kind(&self) -> &'static str {
        std::any::type_name::<A>()
    }

    fn load(&self) -> Load {
        Cell::load(self)
    }

    fn may_have_room(&self) -> bool {
        // Places of what is on the shelf are given back by a turn.
        let shelved = self.shelf().map_or(0, |shelf| shelf.lock().counts().0) as u32;
        self.mailbox.reserved() > shelved || self.mailbox.len() + shelved < self.mailbox.capacity()
    }

    fn law(&self) -> Law {
        let in_hand = u64::from(!self.core().doing.get().is_none());
        // The ends come first: what has ended by then was taken in by the time that is read.
        let ends = self.core().counters().read(0, in_hand, 0);
        let (shelved, taken_in, displaced) = self.shelf().map_or((0, 0, 0), |shelf| shelf.lock().counts());
        // Own messages are counted when they are taken out: until then they are queued.
        let (own_tail, own) = (self.own_tail(), self.own().map_or(0, |own| own.lock().len() as u64));
        let (tail, queued) = (self.mailbox.tail(), u64::from(self.mailbox.len()));
        Law { accepted: tail + own_tail + taken_in, displaced, queued: queued + own + shelved, ..ends }
    }

    fn set_capacity(&self, capacity: u32) {
        self.mailbox.set_capacity(capacity);
    }

    fn shut(&self, status: Status) {
        let awaited;
        {
            let ties = self.core().ties.lock();
            if ties.living() != 0 {
                return;
            }
            // Before the status changes: a turn that sees the slot over, and nothing to be thrown away, lets go of it.
            let _control = self.core().control.lock();
            match self.core().status() {
                Status::Gone => return,
                // Closed already, and what was queued is seen to.
                Status::Fresh | Status::Stopped => return self.core().set_status(status),
                Status::Starting | Status::Running | Status::Down => self.core().set_status(status),
            }
            awaited = self.mailbox.close_quietly();
            self.doom_shelf();
            self.core().raise(flag::CLOSE);
        }
        self.core().gate.is_over(self.core());
        if awaited {
            self.mailbox.tell_waiters_closed();
        }
        self.core().gate.tell_dependants(self.core());
        wake(self);
    }

    fn close_mailbox(&self) -> bool {
        self.doom_shelf();
        self.mailbox.close_quietly()
    }

    fn tell_closed(&self) {
        self.mailbox.tell_waiters_closed();
    }

    fn rouse_waiters(&self) {
        self.mailbox.rouse_waiters();
    }

    fn flush(&self) {
        {
            let mut control = self.core().control.lock();
            control.lane().flush = Some(self.mailbox.tail());
            self.doom_shelf();
        }
        wake(self);
    }

    fn forget_order(&self) {
        if let Some(shelf) = self.shelf() {
            shelf.lock().forget_signals();
        }
    }

    fn reserve(&self, demand: Demand, deadline: u64) -> Result<Promise, Refused> {
        let reserved = intake::reserve(self, demand, || deadline);
        reserved.map(|(promise, _)| promise).map_err(|why| self.core().counted(why, demand.criticality))
    }

    fn give_back(&self, held: &Hold) {
        match held {
            Hold::Awaited(pass) => self.mailbox.revoke_room(pass),
            Hold::Reserved(promise) if self.core().gate.keep(*promise) => self.mailbox.release_reserved(),
            Hold::Reserved(_) => {}
        }
    }

    fn abandon(self: Arc<Self>, incarnation: u32) -> crate::process::Abandoning {
        crate::process::abandon(&self, incarnation)
    }

    fn end_here(self: Arc<Self>) -> bool {
        let mut next = Task::claim_now(&self).and_then(|claimed| claimed.run(Cell::run));
        while let Some(runnable) = next {
            next = runnable.run();
        }
        !self.is_held()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
