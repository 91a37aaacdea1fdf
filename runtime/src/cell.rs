//! The cell: everything of an actor that must survive a crash or be seen from outside.
//!
//! One allocation holds the task header (the state word that says who may run it), the mailbox, identity, counters,
//! links and monitors. The actor's own state lives in the incarnation's future ([`Life`]) and dies with it.
//!
//! ```text
//! Task<Cell<A>> ─ header: idle · scheduled · running, epoch       written every turn ┐
//!   ├ Owner: the life, the mailbox's consuming end, the asker     written every turn │ by whoever holds the
//!   ├ mailbox, receiver's half: Envelope<A::Msg>                  written every message │ running claim
//!   ├ Core ┬ what is in hand, since when, how many                written every message ┘
//!   │      ├ pace; control lane                                   every turn; hardly ever
//!   │      ├ flags, home, gate                                    read by all, every message
//!   │      └ ties, name                                           hardly ever
//!   ├ mailbox, senders' half                                      written by every sender
//!   └ beside: A::Msg                                              timers, futures: places of their own; the shelf
//! ```
//! The order matters: what the actor's thread writes with every message, what senders write, and what it reads with every
//! message are further apart than a cache line, without padding, because what is touched less lies in between. What few
//! actors ever have (links, messages of their own, a gate that has refused, waiting senders) costs a pointer.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crashworthy_sync::attention::Attention;
use crashworthy_sync::label::SharedLabel;
use crashworthy_sync::mailbox::{Mailbox, Receiver};
use crashworthy_sync::once_arc::OnceArc;
use crashworthy_sync::promises::Promise;
use crashworthy_sync::task::{Guise, Run as _, Task};
use parking_lot::Mutex;

use crate::actor::Actor;
use crate::actor_ref::reserve;
use crate::counters::{Counters, Law};
use crate::envelope::{Envelope, Own};
use crate::error::{Load, Reason, Refused, StartError};
use crate::exit::Callback;
use crate::gate::{Demand, InForce, LazyGate, events};
use crate::kinds::called;
use crate::lane::Control;
use crate::life::Life;
use crate::message::Criticality;
use crate::pace::Pace;
use crate::pid::{ActorId, Pid};
use crate::places::Hold;
use crate::reply::Caller;
use crate::shared::{Shared, waited};
use crate::shelf::Shelf;
use crate::ties::Ties;
use crate::trace;
use crate::turn::PackedCall;

/// A typed cell, shared by addresses, the scheduler and the tree.
pub(crate) type ActorCell<A> = Arc<Task<Cell<A>>>;

/// Bits that say what an incarnation has to look at before its next message. Set by senders, cleared by the
/// incarnation under the lock of what the bit speaks of.
pub(crate) mod flag {
    /// A kill, a stop, an exit signal that may kill, or a suspension.
    pub(crate) const URGENT: u32 = 1;
    /// A signal that waits for its place among the messages.
    pub(crate) const ORDERED: u32 = 1 << 1;
    /// A message with a place of its own.
    pub(crate) const OWN: u32 = 1 << 2;
    /// Any of what comes before the next message.
    pub(crate) const PENDING: u32 = URGENT | ORDERED | OWN | RECHECK | SHELVED | VIEW;
    /// Any of what keeps the next message from being taken at once.
    pub(crate) const ATTEND: u32 = PENDING | TRACED;
    /// The incarnation traps exits. Set and cleared by the incarnation itself.
    pub(crate) const TRAPS: u32 = 1 << 3;
    /// New messages are refused: the system drains.
    pub(crate) const DRAINS: u32 = 1 << 4;
    /// Between incarnations: throw away what is queued, and rest. Changed under the lock of the control lane.
    pub(crate) const CLOSE: u32 = 1 << 5;
    /// The incarnation judges the crashes of its children.
    pub(crate) const JUDGES: u32 = 1 << 6;
    /// The incarnation is to be asked whether it is ready. Set by itself, and when what it depends on goes up or down while
    /// it says that it is not; cleared by itself.
    pub(crate) const RECHECK: u32 = 1 << 7;
    /// Something is missing that the actor needs. Changed under the lock of what it needs; senders look at it while the
    /// system says that somebody lacks something.
    pub(crate) const UNREADY: u32 = 1 << 8;
    /// A message on the shelf. Changed under the lock of the shelf.
    pub(crate) const SHELVED: u32 = 1 << 9;
    /// The actor is being restarted, and it is known when it will be back. Changed under the lock of what is known; senders look
    /// at it as at [`UNREADY`].
    pub(crate) const AWAY: u32 = 1 << 10;
    /// Somebody wants to see the state. Cleared by the incarnation itself.
    pub(crate) const VIEW: u32 = 1 << 11;
    /// It was ordered to trip, to drain, or to handle nothing for now. Changed under the lock of the orders; senders look at it as
    /// at [`UNREADY`].
    pub(crate) const HELD: u32 = 1 << 12;
    /// Somebody may want to know of each message. Changed under the lock of the traces.
    pub(crate) const TRACED: u32 = 1 << 13;
}

/// Where a slot is in its life. Written under the lock of [`Core::ties`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Never started.
    Fresh,
    /// `init` runs.
    Starting,
    /// Handles messages.
    Running,
    /// Between two incarnations: its supervisor decides; messages queue.
    Down,
    /// Ended; may be started again.
    Stopped,
    /// Ended for good.
    Gone,
}

impl Status {
    fn of(word: u8) -> Self {
        [Self::Fresh, Self::Starting, Self::Running, Self::Down, Self::Stopped, Self::Gone][word as usize]
    }
}

/// Which system a cell belongs to, and as whom.
#[derive(Clone, Copy)]
pub(crate) struct Home<'c> {
    pub(crate) shared: &'c Shared,
    pub(crate) id: ActorId,
}

/// What a slot is called. Most are not.
struct Name(Arc<str>);

/// The part of a cell that knows no types. It lies between the two halves of the mailbox.
#[repr(C)]
pub(crate) struct Core {
    // Written by the incarnation, every message.
    pub(crate) counters: Counters,
    /// Who sent the message in hand, and when: for the dead-letter hook, should it be given up.
    from: AtomicU64,
    /// Kind of the message in hand, with a mark if it did not come through the mailbox. Written by the incarnation.
    pub(crate) doing: SharedLabel,
    sent: AtomicU32,
    /// When the turn began in which the message in hand was taken, as a stamp of the coarse clock.
    since: AtomicU32,
    pub(crate) pace: Pace,
    // Hardly ever touched: most of a cache line.
    pub(crate) control: Mutex<Control>,
    // Read by everybody for every message, hardly ever written.
    flags: Attention,
    incarnation: AtomicU32,
    /// The system. Set when it is first started, after the identity.
    home: OnceArc<Shared>,
    id: AtomicU64,
    pub(crate) gate: LazyGate,
    // Hardly ever touched: again as much.
    pub(crate) ties: Mutex<Ties>,
    name: Option<Box<Name>>,
}

impl Core {
    fn new(name: Option<Arc<str>>) -> Self {
        Self {
            name: name.map(|name| Box::new(Name(name))),
            home: OnceArc::new(),
            id: AtomicU64::new(ActorId::OUTSIDE.0),
            flags: Attention::new(),
            incarnation: AtomicU32::new(0),
            doing: SharedLabel::default(),
            from: AtomicU64::new(0),
            sent: AtomicU32::new(0),
            since: AtomicU32::new(0),
            control: Mutex::default(),
            ties: Mutex::default(),
            counters: Counters::default(),
            pace: Pace::default(),
            gate: LazyGate::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn home(&self) -> Option<Home<'_>> {
        let shared = self.home.get()?;
        Some(Home { shared, id: self.id() })
    }

    /// The system this cell runs in.
    ///
    /// # Panics
    /// If it was never started: only an incarnation, which implies a home, may ask.
    #[inline(always)]
    pub(crate) fn shared(&self) -> &Shared {
        self.home.get().expect("an incarnation runs in a system")
    }

    /// The same, to be kept.
    ///
    /// # Panics
    /// Likewise.
    pub(crate) fn shared_arc(&self) -> Arc<Shared> {
        self.home.get_arc().expect("an incarnation runs in a system")
    }

    /// Whom it is known as; nobody before it is first started.
    #[inline(always)]
    pub(crate) fn id(&self) -> ActorId {
        ActorId(self.id.load(Relaxed))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &*name.0)
    }

    pub(crate) fn name_arc(&self) -> Option<Arc<str>> {
        self.name.as_ref().map(|name| name.0.clone())
    }

    /// The incarnation that was started last.
    pub(crate) fn pid(&self) -> Pid {
        Pid { id: self.id(), incarnation: self.incarnation.load(Relaxed) }
    }

    pub(crate) fn next_incarnation(&self) -> u32 {
        let next = self.incarnation.load(Relaxed) + 1;
        self.incarnation.store(next, Relaxed);
        next
    }

    pub(crate) fn status(&self) -> Status {
        Status::of(self.pace.stage.status.load(Acquire))
    }

    /// Whether no incarnation lives here, nor is one expected.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status(), Status::Fresh | Status::Stopped | Status::Gone)
    }

    /// Whether this incarnation lives, by the status alone: for those who hold the ties of another cell.
    pub(crate) fn is_living(&self, incarnation: u32) -> bool {
        matches!(self.status(), Status::Starting | Status::Running) && self.incarnation.load(Relaxed) == incarnation
    }

    /// The caller holds the lock of `ties`.
    pub(crate) fn set_status(&self, status: Status) {
        self.pace.stage.status.store(status as u8, Release);
    }

    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.flags.bits()
    }

    /// The bits themselves, for whoever takes a message.
    #[inline(always)]
    pub(crate) fn attention(&self) -> &Attention {
        &self.flags
    }

    /// Sets bits; whoever sets them wakes the cell afterwards.
    pub(crate) fn raise(&self, bits: u32) {
        self.flags.raise(bits);
    }

    pub(crate) fn lower(&self, bits: u32) {
        self.flags.lower(bits);
    }

    pub(crate) fn traps(&self) -> bool {
        self.flags() & flag::TRAPS != 0
    }

    /// What the actor is called in texts: its name, else its identity.
    pub(crate) fn label(&self) -> String {
        self.name().map_or_else(|| self.id().to_string(), str::to_owned)
    }

    /// Where in its tree the living incarnation is: the names from the top, with `/` between.
    pub(crate) fn path(&self) -> Arc<str> {
        let id;
        let label = match self.name() {
            Some(name) => name,
            None => {
                id = self.id().to_string();
                &id
            }
        };
        self.ties.lock().path_of(label).into()
    }

    /// The same of the last incarnation, if none lives.
    pub(crate) fn last_path(&self) -> Arc<str> {
        let label = self.label();
        self.ties.lock().last_path_of(&label).into()
    }

    /// After what time an actor that is being restarted, or is suspended, is expected back, and which of the two it is; if that is
    /// known and still to come.
    pub(crate) fn back_in(&self) -> Option<(Duration, Reason)> {
        let flags = self.flags();
        if flags & (flag::AWAY | flag::HELD) == 0 {
            return None;
        }
        let now = self.shared().port.now_ns();
        let away = if flags & flag::AWAY == 0 { None } else { self.gate.back_in(self, now).map(Duration::from_nanos) };
        let suspended = self.orders().left(now);
        match (away, suspended) {
            (Some(away), suspended) if suspended.is_none_or(|suspended| suspended < away) => {
                Some((away, Reason::Restarting))
            }
            (_, suspended) => Some((suspended?, Reason::Suspended)),
        }
    }

    /// What it was ordered.
    pub(crate) fn orders(&self) -> InForce {
        if self.flags() & flag::HELD == 0 { InForce::default() } else { self.gate.in_force() }
    }

    /// A refusal is told to whoever wanted something: it is counted.
    #[cold]
    pub(crate) fn counted(&self, why: Refused, criticality: Criticality) -> Refused {
        events::refused(self, why.reason, criticality);
        why
    }

    pub(crate) fn refuse(&self, reason: Reason) -> Refused {
        Refused { by: self.id(), ..Refused::because(reason) }
    }

    /// Notes where the message in hand came from. Written by the incarnation.
    #[inline(always)]
    pub(crate) fn note_origin(&self, from: ActorId, stamp: u32) {
        self.from.store(from.0, Relaxed);
        self.sent.store(stamp, Relaxed);
    }

    /// Who sent the message in hand, and how long ago.
    pub(crate) fn origin(&self) -> (ActorId, Duration) {
        (ActorId(self.from.load(Relaxed)), self.shared().age(self.sent.load(Relaxed)))
    }

    /// How long the message that was taken last had waited when a turn began, as far as steps of the coarse clock tell.
    pub(crate) fn waited_ns(&self, began: u64) -> u64 {
        waited(self.sent.load(Relaxed), began)
    }

    /// What is taken from now on is taken in a turn that begins now.
    pub(crate) fn note_turn(&self) {
        self.since.store(self.shared().stamp(), Relaxed);
    }

    /// Which callback runs from now on, besides handlers.
    pub(crate) fn enters(&self, callback: Option<Callback>) {
        self.pace.stage.callback.store(callback.map_or(0, |callback| callback as u8 + 1), Relaxed);
        if callback.is_some() {
            self.note_turn();
        }
    }

    /// The callback that runs, if one does: what a thread that hangs hangs in.
    pub(crate) fn callback(&self) -> Option<Callback> {
        match self.status() {
            Status::Starting => return Some(Callback::Init),
            Status::Running => {}
            Status::Fresh | Status::Down | Status::Stopped | Status::Gone => return None,
        }
        if !self.doing.get().is_none() {
            return Some(Callback::Handle);
        }
        let callback = self.pace.stage.callback.load(Relaxed).checked_sub(1)?;
        [Callback::Init, Callback::Handle, Callback::OnSignal, Callback::Terminate, Callback::Drop, Callback::View]
            .get(usize::from(callback))
            .copied()
    }

    /// For how long the callback has run, or the message been in hand.
    pub(crate) fn in_hand_for(&self) -> Duration {
        // The coarse clock may stand still behind the very turn that is asked about.
        self.shared().port.now_ns();
        self.shared().age(self.since.load(Relaxed))
    }

    /// When the message in hand was taken, or rather the turn began in which it was: a stamp of the coarse clock.
    #[inline(always)]
    pub(crate) fn taken(&self) -> u32 {
        self.since.load(Relaxed)
    }

    /// For how long a message has been in hand, or rather the turn has run in which it was taken, at least: to the step of
    /// the coarse clock. 0 if none is.
    pub(crate) fn running_ns(&self) -> u64 {
        if self.doing.get().is_none() { 0 } else { waited(self.taken(), self.shared().port.now_ns()) }
    }

    /// The kind of the message in hand.
    pub(crate) fn kind_in_hand(&self) -> Option<&'static str> {
        let kind = self.doing.get();
        (!kind.is_none()).then(|| called(kind))
    }

    /// Whether the message in hand did not come through the mailbox.
    pub(crate) fn handles_own(&self) -> bool {
        self.doing.get().is_marked()
    }

    /// Why a closed mailbox is closed.
    pub(crate) fn closed(&self) -> Refused {
        self.refuse(match self.status() {
            Status::Fresh => Reason::NotStarted,
            Status::Gone => Reason::Gone,
            Status::Starting | Status::Running | Status::Down | Status::Stopped => Reason::Stopped,
        })
    }
}

/// Messages that are not in the mailbox.
pub(crate) struct Beside<M> {
    /// Those with places of their own, oldest first. Bounded by the timers and futures of the incarnation.
    pub(crate) own: Mutex<VecDeque<Own<M>>>,
    /// Those that may be displaced, since there was the first.
    shelf: OnceArc<Mutex<Shelf<M>>>,
    /// The ticket of the first of those: nobody needs to look before that. Written under the lock of the shelf.
    first_ticket: AtomicU64,
}

impl<M> Beside<M> {
    pub(crate) fn shelf(&self) -> &Mutex<Shelf<M>> {
        if self.shelf.get().is_none() {
            // Somebody else may have been quicker.
            let _ = self.shelf.set(Arc::default());
        }
        self.shelf.get().expect("it was set just now, or before")
    }

    /// Whoever has changed what is on the shelf says which is the first.
    pub(crate) fn note_first(&self, ticket: u64) {
        self.first_ticket.store(ticket, Relaxed);
    }
}

impl<M> Default for Beside<M> {
    fn default() -> Self {
        Self { own: Mutex::default(), shelf: OnceArc::new(), first_ticket: AtomicU64::new(u64::MAX) }
    }
}

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
    /// In which guise the callbacks of the next turn are polled: unlike that of the last.
    pub(crate) guise: Guise,
}

impl<A: Actor> Owner<A> {
    /// Of a slot that nobody lives in, with nothing in hand.
    pub(crate) fn new(receiver: Option<Inlet<A>>, guise: Guise) -> Self {
        Self { life: None, receiver, caller: None, call: PackedCall::NONE, guise }
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
        Task::new(cell, Owner::new(None, Guise::default()))
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
        self.beside.get()?.shelf.get()
    }

    /// Own messages so far, those still queued included.
    pub(crate) fn own_tail(&self) -> u64 {
        // Under its lock: a message that is taken out is counted before that goes.
        let own = self.own().map(|own| own.lock());
        self.core().counters.own() + own.map_or(0, |own| own.len() as u64)
    }

    /// Whether the turn of a message on the shelf may have come, for whoever has read so many of the mailbox and has seen the
    /// flag.
    pub(crate) fn shelf_is_due(&self, position: u64) -> bool {
        // Relaxed: who raised the flag had written it before.
        self.beside.get().is_some_and(|beside| beside.first_ticket.load(Relaxed) <= position)
    }

    /// What is on the shelf now is to be thrown away. To be called under the lock of the lane.
    pub(crate) fn doom_shelf(&self) {
        if let Some(shelf) = self.shelf() {
            shelf.lock().doom();
        }
    }

    pub(crate) fn load(&self) -> Load {
        let depth = self.mailbox.len() + self.mailbox.reserved();
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

impl<A: Actor> Drop for Cell<A> {
    fn drop(&mut self) {
        if let Some(home) = self.core().home() {
            self.core().gate.end(self.core());
            trace::goes(self.core(), home.shared);
            home.shared.strike(home.id);
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
            core.id.store(shared.enroll(weak).0, Relaxed);
            // Whoever sees the system sees the identity.
            let _ = core.home.set(shared.clone());
        }
    }
    if std::ptr::eq(core.shared(), &**shared) { Ok(core.id()) } else { Err(StartError::SlotTaken(core.label())) }
}

/// Makes a cell runnable, on the scheduler of its system.
#[inline]
pub(crate) fn wake<A: Actor>(cell: &Task<Cell<A>>) {
    if let Some(runnable) = cell.wake() {
        cell.core().shared().pool.schedule(runnable);
    }
}

/// A cell whose types nobody needs to know: what signals, the tree and inspectors hold.
pub(crate) trait AnyCell: Send + Sync {
    fn core(&self) -> &Core;
    /// The position of the next message: the ticket of an ordered signal sent now.
    fn tail(&self) -> u64;
    fn wake(&self);
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

    fn wake(&self) {
        wake(self);
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
        let own = self.own().map_or(0, |own| own.lock().len() as u64);
        let (shelved, taken_in, displaced) = self.shelf().map_or((0, 0, 0), |shelf| shelf.lock().counts());
        let (tail, queued) = (self.mailbox.tail(), u64::from(self.mailbox.len()));
        let in_hand = u64::from(!self.core().doing.get().is_none());
        // Own messages are counted when they are taken out: until then they are queued.
        let law = self.core().counters.read(tail, in_hand, queued + own + shelved);
        Law { accepted: law.accepted + own + taken_in, displaced, ..law }
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
        let reserved = reserve(self, demand, || deadline);
        reserved.map_err(|why| self.core().counted(why, demand.criticality))
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
