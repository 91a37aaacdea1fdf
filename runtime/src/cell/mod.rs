//! The cell: everything of an actor that must survive a crash or be seen from outside.
//!
//! One allocation holds the task header (the state word that says who may run it), the mailbox, identity, counters,
//! links and monitors. The actor's own state lives in the incarnation's future ([`Life`]) and dies with it.
//!
//! ```text
//! Task<Cell<A>> ─ header: idle · scheduled · running, epoch       written every turn ┐
//!   ├ Owner: the life, the mailbox's consuming end, the asker     written every turn │ by whoever holds the
//!   ├ mailbox, receiver's half: Envelope<A::Msg>                  written every message │ running claim
//!   ├ Core ┬ what is in hand, since when, how many                written every message │
//!   │      ├ pace                                                 every turn ┘
//!   │      ├ ties                                                 hardly ever
//!   │      ├ home, flags; gate ──▶ annex: name, gate, …           read by all, every message; some
//!   │      └ control lane                                         hardly ever
//!   ├ mailbox, senders' half: spare                               hardly ever
//!   │                         tail, block                         written by every sender
//!   └ beside: A::Msg                                              timers, futures: places of their own; the shelf
//! ```
//! The order matters: what the actor's thread writes with every message, what senders write, and what it reads with every
//! message share no cache line, without padding, because what is touched less lies in between. What few
//! actors ever have (links, messages of their own, a gate that has refused, waiting senders, a start that has to wait) costs
//! a pointer.

mod annex;
mod any;
mod beside;
mod core;
pub(crate) mod flag;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_sync::mailbox::{Host, Mailbox, Receiver, WaitingRoom};
use crashworthy_sync::once_arc::OnceArc;
use crashworthy_sync::task::Task;
use parking_lot::Mutex;

pub(crate) use self::annex::Annex;
#[cfg(test)]
pub(crate) use self::annex::ROOMS;
pub(crate) use self::any::{AnyCell, WeakCell};
pub(crate) use self::beside::Beside;
pub(crate) use self::core::{Core, Status};
use crate::actor::Actor;
use crate::envelope::{Envelope, Own};
use crate::error::{Load, Reason, Refused, StartError};
use crate::life::Life;
use crate::pid::ActorId;
use crate::reply::Caller;
use crate::shared::Shared;
use crate::shelf::Shelf;
use crate::trace;
use crate::turn::PackedCall;

/// A typed cell, shared by addresses, the scheduler and the tree.
pub(crate) type ActorCell<A> = Arc<Task<Cell<A>>>;

/// A cell of actors of type `A`.
#[repr(C)]
pub(crate) struct Cell<A: Actor> {
    pub(crate) mailbox: Inbound<A>,
    /// Messages that are not in the mailbox, since there was the first.
    beside: OnceArc<Beside<A::Msg>>,
}

/// The mailbox of actors of type `A`, around the rest of their cell.
pub(crate) type Inbound<A> = Mailbox<Envelope<<A as Actor>::Msg>, Core>;

/// What belongs to whoever holds the running claim.
pub(crate) struct Owner<A: Actor> {
    pub(crate) life: Option<Life>,
    /// The consuming end of the mailbox.
    pub(crate) receiver: Option<Inlet<A>>,
    /// The asker of the message in hand; of `init`, whoever waits for the start. Whoever ends the turn, the incarnation
    /// or its abandoner, takes it.
    pub(crate) caller: Option<Caller>,
    /// The call that the message in hand is for.
    pub(crate) call: PackedCall,
}

impl<A: Actor> Owner<A> {
    /// Of a slot that nobody lives in, with nothing in hand.
    pub(crate) fn new(receiver: Option<Inlet<A>>) -> Self {
        Self { life: None, receiver, caller: None, call: PackedCall::NONE }
    }
}

/// The consuming end of a mailbox of actors of type `A`.
pub(crate) type Inlet<A> = Receiver<Task<Cell<A>>, Envelope<<A as Actor>::Msg>, Core>;

/// Messages a mailbox holds unless told otherwise.
pub(crate) const CAPACITY: u32 = 1024;

impl<A: Actor> Cell<A> {
    /// A cell that refuses everything until it is started.
    pub(crate) fn new(name: Option<Arc<str>>, capacity: u32) -> ActorCell<A> {
        let cell = Cell { mailbox: Mailbox::closed(capacity, Core::new(name)), beside: OnceArc::new() };
        Task::new(cell, Owner::new(None))
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &Core {
        self.mailbox.between()
    }

    /// Where messages are put that do not go to the mailbox.
    pub(crate) fn beside(&self) -> &Beside<A::Msg> {
        if self.beside.get().is_none() {
            // Somebody else may have been quicker.
            let _ = self.beside.set(Arc::default());
        }
        self.beside.get().expect("it was set just now, or before")
    }

    /// Messages with places of their own, if there ever was one.
    pub(crate) fn own(&self) -> Option<&Mutex<VecDeque<Own<A::Msg>>>> {
        self.beside.get().map(|beside| &beside.own)
    }

    /// Messages that may be displaced, if there ever was one.
    pub(crate) fn shelf(&self) -> Option<&Mutex<Shelf<A::Msg>>> {
        self.beside.get()?.shelf_if_any()
    }

    /// Own messages so far, those still queued included.
    pub(crate) fn own_tail(&self) -> u64 {
        // Under its lock: a message that is taken out is counted before that goes.
        let own = self.own().map(|own| own.lock());
        self.core().counters().own() + own.map_or(0, |own| own.len() as u64)
    }

    /// Whether the turn of a message on the shelf may have come, for whoever has read so many of the mailbox and has seen the
    /// flag.
    pub(crate) fn shelf_is_due(&self, position: u64) -> bool {
        self.beside.get().is_some_and(|beside| beside.is_due(position))
    }

    /// What is on the shelf now is to be thrown away. To be called under the lock of the lane.
    pub(crate) fn doom_shelf(&self) {
        if let Some(shelf) = self.shelf() {
            shelf.lock().doom();
        }
    }

    /// Messages that are queued, and places that are reserved.
    pub(crate) fn depth(&self) -> u32 {
        self.mailbox.len() + self.mailbox.reserved()
    }

    pub(crate) fn load(&self) -> Load {
        let depth = self.depth();
        let back_in = self.core().back_in().map_or(Duration::ZERO, |(back_in, _)| back_in);
        let wait = self.core().gate.wait(depth).saturating_add(back_in);
        Load { depth, limit: self.mailbox.capacity(), wait }
    }

    /// Gives back reserved places whose time has passed: whoever finds no room looks for such. Whether there were any.
    #[cold]
    pub(crate) fn forgives(&self) -> bool {
        let forgiven = self.core().home().map_or(0, |home| self.core().gate.forgive(&home.shared.port));
        for _ in 0..forgiven {
            self.mailbox.release_reserved();
        }
        forgiven != 0
    }

    pub(crate) fn full(&self, reason: Reason) -> Refused {
        Refused { load: self.load(), ..self.core().refuse(reason) }
    }
}

impl Host for Core {
    fn waiting_room(&self) -> &WaitingRoom {
        self.gate.annex().waiting_room()
    }
}

impl<A: Actor> Drop for Cell<A> {
    fn drop(&mut self) {
        if let Some(home) = self.core().home() {
            self.core().gate.end(self.core());
            trace::goes(self.core(), home.shared);
            home.shared.strike(home.id);
            home.shared.pools.give_back(self.core().pool_number());
        }
    }
}

/// Gives the cell its place in a system, once; a second system is told that the slot is taken.
pub(crate) fn attach<A: Actor>(cell: &ActorCell<A>, shared: &Arc<Shared>) -> Result<ActorId, StartError> {
    let core = cell.core();
    if core.home().is_none() {
        // Of several who start it at once, one does this.
        let _ties = core.ties.lock();
        if core.home().is_none() {
            let weak: WeakCell = Arc::<Task<Cell<A>>>::downgrade(cell);
            core.settle(shared, shared.enroll(weak));
        }
    }
    if std::ptr::eq(core.shared(), &**shared) { Ok(core.id()) } else { Err(StartError::SlotTaken(core.label())) }
}

/// Makes a cell runnable, on its pool.
#[inline]
pub(crate) fn wake<A: Actor>(cell: &Task<Cell<A>>) {
    if let Some(runnable) = cell.wake() {
        cell.core().pool().schedule(runnable);
    }
}
