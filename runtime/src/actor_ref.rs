//! The typed address of an actor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_sync::mailbox::{Place, Pushed, ReserveError};
use crashworthy_sync::promises::Promise;
use crashworthy_sync::task::{Runnable, Task};
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::ask::{Ask, Door};
use crate::cell::{ActorCell, AnyCell as _, Cell, Status, flag, wake};
use crate::crash::tell;
use crate::drain;
use crate::envelope::Envelope;
use crate::error::{Load, Reason, Refused, Rejected};
use crate::exit::ExitReason;
use crate::gate::{Demand, GateState, Refusals, Says, Wish, events};
use crate::lane::{Mark, Ordered, What};
use crate::message::{Criticality, Message, Overflow};
use crate::pace::Pace;
use crate::permit::{Admission, Permit, Term};
use crate::pid::{ActorId, Pid};
use crate::places::{Hold, Lease};
use crate::port::nanos;
use crate::readiness;
use crate::recipient::Recipient;
use crate::reply::{Caller, Reply};
use crate::route::Route;
use crate::shared::Shared;
use crate::shelf;
use crate::signal::{Down, MonitorRef};
use crate::ties::Watcher;
use crate::turn::{self, Call, NEVER};
use crate::waits;

/// The address of an actor's slot. Cheap to clone; it survives restarts: the next incarnation answers it.
///
/// # Guarantees
/// * Messages of one sender to one actor are handled in the order sent; those that are [conflated](crate::Overflow) may come
///   earlier.
/// * A message that was accepted ends in exactly one way, and is counted there (see [`Law`](crate::Law)).
pub struct ActorRef<A: Actor> {
    pub(crate) cell: ActorCell<A>,
}

/// What a sender offers: how long it would wait, and how much the message matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// Within which time the message should be handled.
    pub within: Duration,
    /// How much it matters.
    pub criticality: Criticality,
    /// Its work as a multiple of the actor's usual message.
    pub cost: f32,
}

impl Offer {
    /// An ordinary message that should be handled within this time.
    pub fn within(within: Duration) -> Self {
        Self { within, criticality: Criticality::default(), cost: 1.0 }
    }
}

impl<A: Actor> ActorRef<A> {
    pub(crate) fn new(cell: ActorCell<A>) -> Self {
        Self { cell }
    }

    /// Sends a message. Never waits.
    ///
    /// The message carries no deadline, unless its type names one ([`Message::sla`]), and inherits nothing from the message
    /// being handled: a caller that hangs up must not unmake half a transfer.
    ///
    /// # Errors
    /// [`Rejected`] gives the message back: the mailbox is full, the message would not be handled within the time its type
    /// names, or the actor is not started, not [ready](Reason::NotReady), draining or ended.
    ///
    /// # Differs from OTP
    /// `cast` never fails and tells nothing; a tell that was not accepted says so. `cast` never expires; a message whose type
    /// names a time is dropped unhandled when that has passed.
    #[inline]
    pub fn tell(&self, msg: impl Into<A::Msg>) -> Result<(), Rejected<A::Msg>> {
        let msg = msg.into();
        match msg.sla() {
            None => self.push(msg, Call::NONE),
            Some(sla) => self.push_in_time(msg, sla),
        }
    }

    /// Like [`tell`](Self::tell), and the message inherits the deadline of the call being handled: it is dropped
    /// unhandled when that has passed.
    ///
    /// # Errors
    /// As [`tell`](Self::tell); also when it would not be handled before that deadline.
    pub fn tell_scoped(&self, msg: impl Into<A::Msg>) -> Result<(), Rejected<A::Msg>> {
        let (msg, call) = (msg.into(), turn::current().call);
        let criticality = call.lowers(msg.criticality());
        self.push(msg, Call { criticality, ..call })
    }

    /// Asks a question: `make` puts the [`Reply`] into the message. The question is sent when the future is first
    /// polled, and ends within 5 s unless [`within`](Ask::within) says otherwise; inside a handler it ends no later
    /// than the call being handled. It always ends.
    ///
    /// It is refused at once if what the actor has to do already, and this, would not be done before that deadline, as its
    /// messages have taken so far: an overloaded actor says so in time. An actor with nothing to do takes every question.
    /// Once a question has expired behind a handler that does not return, those who have less time than that has taken are
    /// refused as [`Stuck`](Reason::Stuck).
    ///
    /// Actors that wait for each other in a ring would wait until their deadlines. Inside a handler, or another callback, a
    /// question that closes one is refused at once as a [`Cycle`](Reason::Cycle), with the [path](Refused::cycle); a question
    /// to oneself is the shortest such ring. Everybody in it must wait for the answer of the next and for nothing else: a
    /// handler that waits for a timer, a channel or another answer as well (`join!`, `select!`, a timeout) may yet go on, and
    /// so may one whose answer somebody else owes (see [`Reply::handed_on`]). Such rings, those of more than 128 actors, and
    /// those through tasks or other systems, end at their deadlines. A question that is refused so had been queued; it is
    /// dropped unhandled.
    ///
    /// # Errors
    /// See [`AskError`](crate::AskError).
    ///
    /// # Differs from OTP
    /// Processes that call each other wait until their timeouts; only a call to oneself fails at once (`calling_self`).
    ///
    /// `gen_server:call` queues behind whatever is there and fails when the time is over; the server handles the request
    /// all the same. Here it is refused before it is queued, or dropped unhandled.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the question: if it is still queued it is dropped unhandled.
    #[inline]
    pub fn ask<R, F>(&self, make: F) -> Ask<'_, A::Msg, R, F>
    where
        F: FnOnce(Reply<R>) -> A::Msg,
    {
        Ask::new(&*self.cell, make)
    }

    /// Reserves room for one message, without waiting, for the time offered: the message is to be handled within it. When it
    /// has passed, the place may be another's, the permit sends nothing, and the message it had sent is dropped unhandled. In
    /// a turn of an actor the permit belongs to that incarnation.
    ///
    /// # Errors
    /// [`Refused`] with the actor's load: [`Full`](Reason::Full), or [`NoTime`](Reason::NoTime) and [`Shed`](Reason::Shed) if
    /// the message would not be handled within the time offered; [`NotReady`](Reason::NotReady) and the like as for a tell.
    pub fn reserve(&self, offer: Offer) -> Result<Permit<A::Msg>, Refused> {
        self.take_place(offer).map_err(|why| self.cell.core().counted(why, offer.criticality))
    }

    fn take_place(&self, offer: Offer) -> Result<Permit<A::Msg>, Refused> {
        let Offer { within, criticality, cost } = offer;
        let core = self.cell.core();
        let flow = turn::flow(core.home().map_or(0, |home| home.shared.salt));
        let demand = Demand { left_ns: nanos(within), criticality, cost, flow };
        let promise = reserve(&self.cell, demand, || turn::deadline_after(&core.shared().port, within))?;
        let lease = self.sign(promise)?;
        let deadline = turn::deadline_after(&core.shared().port, within);
        Ok(Permit::new(self, offer, lease, Term { promise, deadline }))
    }

    /// Waits for room for one message: back pressure. Waiting senders are served in the order they came.
    ///
    /// # Errors
    /// [`NoTime`](Reason::NoTime) at once when what is queued would not be done within `deadline`, and later when there was
    /// no room within it (inside a handler: or before the call being handled ends); `Stopped`, `Gone` and the like when the actor ends.
    /// [`NotReady`](Reason::NotReady) and `Draining` at once, also when that comes about while it waits.
    /// [`Cycle`](Reason::Cycle) at once, inside a handler, when the actor waits for whoever waits here, and nobody holds a place
    /// in its mailbox that may yet be given back; the rules are those of [questions](Self::ask).
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue; nothing is lost.
    pub fn admitted(&self, deadline: Duration) -> Admission<A> {
        Admission::new(self.clone(), deadline)
    }

    /// What the actor has to do, and how long that is expected to take: what a balancer compares.
    pub fn load(&self) -> Load {
        self.cell.load()
    }

    /// What its gate is to new messages just now: to look at it is to ask whether it is well. Of an actor that takes no messages
    /// the state is what a [refusal](Reason) says.
    pub fn gate(&self) -> GateState {
        GateState::of(self.cell.core())
    }

    /// The incarnation that was started last.
    pub fn pid(&self) -> Pid {
        self.cell.core().pid()
    }

    /// The identity of the slot, once it is part of a system.
    pub fn id(&self) -> ActorId {
        self.cell.core().id()
    }

    /// The slot's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.cell.core().name()
    }

    /// Whether an incarnation lives.
    pub fn is_alive(&self) -> bool {
        self.cell.core().ties.lock().living() != 0
    }

    /// Resolves when the living incarnation ends; at once with [`ExitReason::NoProc`] if there is none.
    ///
    /// # Cancel safety
    /// Dropping the future ends the monitor.
    pub fn down(&self) -> impl Future<Output = Down> + Send + use<A> {
        let (sender, receiver) = oneshot::channel();
        let core = self.cell.core();
        let pid = core.pid();
        let monitor = MonitorRef(core.home().map_or(0, |home| home.shared.next_monitor()));
        let mut ties = core.ties.lock();
        if ties.living() != 0 {
            let watchers = &mut ties.tied().watchers;
            let over = |watcher: &mut Watcher| matches!(watcher, Watcher::Outside(sender) if sender.is_closed());
            let gone: Vec<_> = watchers.extract_if(.., |_, watcher| over(watcher)).collect();
            watchers.insert((Pid::OUTSIDE, monitor), Watcher::Outside(sender));
            drop(ties);
            // The wakers of those who have gone are foreign: not under the lock.
            tell(|| gone);
        }
        async move {
            // A sender that vanished means that there was nobody to watch.
            receiver.await.unwrap_or(Down { monitor, pid, reason: ExitReason::NoProc, abandoned: false })
        }
    }

    /// Resolves when every message that was queued before this call has been handled (or has otherwise ended), those
    /// with places of their own (ticks, results of pipes) included, or the incarnation has ended. What tests wait for
    /// instead of a while.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub fn settled(&self) -> impl Future<Output = ()> + Send + use<A> {
        let (sender, reached) = oneshot::channel();
        let core = self.cell.core();
        {
            let ties = core.ties.lock();
            if ties.living() != 0 {
                let mark = Mark { own: self.cell.own_tail(), reached: sender };
                let mark = Ordered { ticket: self.cell.mailbox.tail(), what: What::Mark(mark) };
                core.control.lock().lane().ordered.push(mark);
                core.raise(flag::ORDERED);
            }
        }
        wake(&self.cell);
        async move {
            // A mark that was dropped: the incarnation has ended.
            let _ = reached.await;
        }
    }

    /// An address that takes one kind of this actor's messages.
    pub fn recipient<M: Message>(&self) -> Recipient<M>
    where
        A::Msg: From<M> + TryInto<M>,
    {
        Recipient::new(self.clone())
    }

    /// How often this slot has refused, and why.
    pub fn refusals(&self) -> Refusals {
        self.cell.core().gate.refusals()
    }

    /// How the messages of this slot ended.
    pub fn law(&self) -> crate::Law {
        self.cell.law()
    }

    /// What the gate says before anything is written.
    pub(crate) fn look(&self, criticality: Criticality, deadline: impl FnOnce() -> u64) -> Result<(), Refused> {
        look(&self.cell, || Wish { criticality, needs_nothing: false, deadline: deadline() })
    }

    /// Enters a place that was reserved just now in the books. If the incarnation that reserved it was abandoned
    /// meanwhile, whoever abandoned it may not have seen it there: it is given back.
    #[inline]
    pub(crate) fn sign(&self, promise: Promise) -> Result<Lease, Refused> {
        let lease = Lease::sign(&self.cell, Hold::Reserved(promise));
        if lease.is_signed()
            && let Err(fenced) = self.look_around()
        {
            if lease.end(|| self.cell.shared()) && self.cell.keep(promise) {
                self.cell.release();
            }
            return Err(fenced);
        }
        Ok(lease)
    }

    /// Whether the sender still exists.
    #[inline(always)]
    pub(crate) fn look_around(&self) -> Result<(), Refused> {
        let fenced = self.cell.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers));
        if fenced { Err(self.cell.fenced()) } else { Ok(()) }
    }

    /// A message that is to be handled within a time, whoever sends it.
    fn push_in_time(&self, msg: A::Msg, within: Duration) -> Result<(), Rejected<A::Msg>> {
        let deadline = self.cell.core().home().map_or(NEVER, |home| turn::deadline_after(&home.shared.port, within));
        let criticality = msg.criticality();
        self.push(msg, Call { deadline, criticality, ..Call::NONE })
    }

    #[inline(always)]
    fn push(&self, msg: A::Msg, call: Call) -> Result<(), Rejected<A::Msg>> {
        match put(&self.cell, msg, None, call) {
            Ok(false) => {}
            Ok(true) => wake(&self.cell),
            Err((why, msg)) => return Err(rejected(&self.cell, why, msg, call)),
        }
        Ok(())
    }
}

/// Reserves a place, until the deadline, for somebody who has so much time left.
pub(crate) fn reserve<A: Actor>(
    cell: &Task<Cell<A>>,
    demand: Demand,
    deadline: impl FnOnce() -> u64,
) -> Result<Promise, Refused> {
    look(cell, || Wish { criticality: demand.criticality, needs_nothing: false, deadline: deadline() })?;
    let says = says(cell, demand);
    let reserve = || cell.mailbox.try_reserve_within(places(says));
    let reserved = match reserve() {
        Err(ReserveError::Full) if cell.forgives() => reserve(),
        reserved => reserved,
    };
    reserved.map_err(|error| refused(cell, error, says))?;
    let core = cell.core();
    Ok(core.gate.promise(core.shared().port.now_ns(), demand.left_ns))
}

/// A message that was not taken in. One that names no time is looked at only now.
#[cold]
fn rejected<A: Actor>(cell: &Task<Cell<A>>, why: Refused, msg: A::Msg, call: Call) -> Rejected<A::Msg> {
    let criticality = if call.deadline == NEVER { msg.criticality() } else { call.criticality };
    Rejected::new(cell.core().counted(why, criticality), msg)
}

/// What the gate says before anything is written: whether the sender still exists, whether the actor takes new work.
#[inline(always)]
fn look<A: Actor>(cell: &Task<Cell<A>>, wish: impl FnOnce() -> Wish) -> Result<(), Refused> {
    // Where there is no system the mailbox is closed.
    if cell.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers)) {
        return Err(cell.core().refuse(Reason::Fenced));
    }
    match cell.core().flags() & (flag::DRAINS | flag::UNREADY | flag::AWAY | flag::HELD) {
        0 => Ok(()),
        flags => look_closely(cell, flags, wish()),
    }
}

/// The same of an actor that drains, lacks something, is being restarted, or was ordered something.
#[cold]
fn look_closely<A: Actor>(cell: &Task<Cell<A>>, flags: u32, wish: Wish) -> Result<(), Refused> {
    if flags & flag::DRAINS != 0 && turn::current().pid == Pid::OUTSIDE {
        return Err(draining(cell));
    }
    if cell.core().is_over() {
        return Err(cell.core().closed());
    }
    let orders = cell.core().orders();
    if orders.tripped {
        return Err(Refused { load: cell.load(), ..cell.core().refuse(Reason::Tripped) });
    }
    if orders.drains && !drain::is_part_of_it(cell.core()) {
        return Err(cell.core().refuse(Reason::Draining));
    }
    if let Some(why) = readiness::refusal(cell.core(), wish) {
        return Err(why);
    }
    match cell.core().back_in() {
        Some((back_in, reason)) => look_ahead(cell, back_in, reason, wish.deadline),
        None => Ok(()),
    }
}

/// Whether an actor that will be back after this time will have come to one more message by then.
#[cold]
fn look_ahead<A: Actor>(cell: &Task<Cell<A>>, back_in: Duration, reason: Reason, deadline: u64) -> Result<(), Refused> {
    let (core, load) = (cell.core(), cell.load());
    let left = Duration::from_nanos(deadline.saturating_sub(core.shared().port.now_ns()));
    if deadline == NEVER || load.wait.max(back_in) <= left {
        return Ok(());
    }
    Err(Refused { retry_after: Some(back_in), load, ..core.refuse(reason) })
}

/// Who drains takes no new work; who has ended since does not drain any more.
#[cold]
fn draining<A: Actor>(cell: &Task<Cell<A>>) -> Refused {
    match cell.core().status() {
        Status::Stopped | Status::Gone => cell.core().closed(),
        Status::Fresh | Status::Starting | Status::Running | Status::Down => cell.core().refuse(Reason::Draining),
    }
}

/// Takes a message in. True: the actor is to be woken.
#[inline(always)]
fn put<A: Actor>(
    cell: &Task<Cell<A>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
) -> Result<bool, (Refused, A::Msg)> {
    let Some(home) = cell.core().home() else { return Err((refused(cell, ReserveError::Closed, None), msg)) };
    let shared = home.shared;
    if !turn::is_carefree(&shared.stragglers)
        && let Err(why) = look(cell, || {
            let criticality = if call.deadline == NEVER { msg.criticality() } else { call.criticality };
            Wish { criticality, needs_nothing: msg.needs_nothing(), deadline: call.deadline }
        })
    {
        return Err((why, msg));
    }
    let says = match call.deadline {
        NEVER => None,
        deadline => {
            let left_ns = deadline.saturating_sub(shared.port.coarse_ns());
            let (criticality, cost, flow) = (call.criticality, msg.cost(), call.flow(shared.salt));
            says(cell, Demand { left_ns, criticality, cost, flow })
        }
    };
    match msg.overflow() {
        Overflow::Refuse => {}
        overflow => return put_aside(cell, envelope(shared, msg, caller, call, false), overflow, says),
    }
    match cell.mailbox.place_at_once(places(says)) {
        Some(place) => Ok(fill(cell, place, msg, caller, call, says)),
        None => put_with_care(cell, msg, caller, call, says),
    }
}

/// Takes a message in where that is not ordinary: a block ends, there is no room by what is known, somebody waits.
#[inline(never)]
fn put_with_care<A: Actor>(
    cell: &Task<Cell<A>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
    says: Option<Says>,
) -> Result<bool, (Refused, A::Msg)> {
    let place = match cell.mailbox.place_within(places(says)) {
        Err(ReserveError::Full) => place_again(cell, places(says)),
        place => place,
    };
    match place {
        Ok(place) => Ok(fill(cell, place, msg, caller, call, says)),
        Err(error) => Err((refused(cell, error, says), msg)),
    }
}

/// Takes in a message that has a word to say about what happens when there is no room.
#[cold]
fn put_aside<A: Actor>(
    cell: &Task<Cell<A>>,
    envelope: Envelope<A::Msg>,
    overflow: Overflow,
    says: Option<Says>,
) -> Result<bool, (Refused, A::Msg)> {
    shelf::put(cell, envelope, overflow, places(says)).map_err(|(error, msg)| (refused(cell, error, says), msg))
}

/// Makes the envelope where it is to lie, field by field. Whether the actor is to be woken.
#[inline(always)]
fn fill<A: Actor>(
    cell: &Task<Cell<A>>,
    place: Place<'_, Envelope<A::Msg>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
    says: Option<Says>,
) -> bool {
    let is_share = says.is_some() && cell.core().gate.takes_share(says);
    place.fill(envelope(cell.core().shared(), msg, caller, call, is_share)).wake
}

/// What a message becomes on its way.
#[inline(always)]
fn envelope<M>(shared: &Shared, msg: M, caller: Option<Caller>, call: Call, is_share: bool) -> Envelope<M> {
    let Call { deadline, criticality, .. } = call;
    let flow = if deadline == NEVER { 0 } else { call.flow(shared.salt) };
    if caller.is_none() && std::mem::needs_drop::<M>() {
        waits::gives();
    }
    let (from, stamp) = (turn::current_id(), shared.stamp());
    Envelope { msg, caller, deadline, criticality, from, stamp, flow, is_share }
}

/// Takes a place whose time has passed from whoever holds it, if there is one.
#[cold]
fn place_again<A: Actor>(cell: &Task<Cell<A>>, at_most: u32) -> Result<Place<'_, Envelope<A::Msg>>, ReserveError> {
    if cell.forgives() { cell.mailbox.place_within(at_most) } else { Err(ReserveError::Full) }
}

/// What the gate says to whoever wants something, if time may limit it.
#[inline]
fn says<A: Actor>(cell: &Task<Cell<A>>, demand: Demand) -> Option<Says> {
    let core = cell.core();
    let free = core.gate.is_ample(demand.left_ns) && demand.cost <= 1.0;
    if free {
        return None;
    }
    let now = core.home().map_or(0, |home| home.shared.port.coarse_ns());
    core.gate.ask(demand, core.running_ns(), now)
}

/// How many messages may be in the mailbox.
#[inline(always)]
fn places(says: Option<Says>) -> u32 {
    says.map_or(u32::MAX, |says| says.places())
}

#[cold]
fn refused<A: Actor>(cell: &Task<Cell<A>>, error: ReserveError, says: Option<Says>) -> Refused {
    match (error, says) {
        (ReserveError::Full, None) => cell.full(Reason::Full),
        (ReserveError::Full, Some(says)) => late(cell, says),
        (ReserveError::Closed, _) => cell.core().closed(),
    }
}

/// Refuses who has a deadline.
pub(crate) fn late<A: Actor>(cell: &Task<Cell<A>>, says: Says) -> Refused {
    let load = cell.load();
    let now = cell.core().shared().port.now_ns();
    let (reason, after) = cell.core().gate.refuse(says, now, load.depth, load.limit);
    Refused {
        retry_after: Some(after).filter(|after| !after.is_zero()),
        load: Load { limit: load.limit.min(says.places()), ..load },
        ..cell.core().refuse(reason)
    }
}

/// Sends into a place that was reserved.
fn push_reserved<A: Actor>(
    cell: &Task<Cell<A>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
) -> Result<(), Rejected<A::Msg>> {
    // Whoever has a place has it in a mailbox that was open.
    let envelope = envelope(cell.core().shared(), msg, caller, call, false);
    match cell.mailbox.push_reserved(envelope) {
        Ok(Pushed { wake: true }) => wake(cell),
        Ok(Pushed { wake: false }) => {}
        // A place that is reserved is lost to a close alone.
        Err(error) => {
            let why = cell.core().counted(cell.core().closed(), call.criticality);
            return Err(Rejected::new(why, error.into_inner().msg));
        }
    }
    Ok(())
}

impl<A: Actor> Door<A::Msg> for Task<Cell<A>> {
    fn put(&self, msg: A::Msg, caller: Caller, call: Call) -> Result<Option<Runnable>, Refused> {
        match put(self, msg, Some(caller), call) {
            Ok(true) => Ok(self.wake()),
            Ok(false) => Ok(None),
            Err((why, _)) => Err(self.core().counted(why, call.criticality)),
        }
    }

    fn pace(&self) -> &Pace {
        &self.core().pace
    }

    fn put_reserved(&self, msg: A::Msg, caller: Option<Caller>, call: Call) -> Result<(), Rejected<A::Msg>> {
        if self.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers)) {
            self.mailbox.release_reserved();
            let why = self.core().refuse(Reason::Fenced);
            return Err(Rejected::new(self.core().counted(why, call.criticality), msg));
        }
        push_reserved(self, msg, caller, call)
    }

    fn release(&self) {
        self.mailbox.release_reserved();
    }

    fn shared(&self) -> Option<&Shared> {
        self.core().home().map(|home| home.shared)
    }

    fn route(&self) -> Option<&Route> {
        self.core().gate.route()
    }

    fn id(&self) -> ActorId {
        self.core().id()
    }

    fn refuse(&self) -> Refused {
        self.core().closed()
    }

    fn fenced(&self) -> Refused {
        self.core().refuse(Reason::Fenced)
    }

    fn keep(&self, promise: Promise) -> bool {
        self.core().gate.keep(promise)
    }

    fn too_late(&self) -> Refused {
        let is_fenced = self.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers));
        if is_fenced { self.fenced() } else { self.full(Reason::NoTime) }
    }

    fn counted(&self, why: Refused, criticality: Criticality) -> Refused {
        events::counted(self.core(), why.reason, criticality);
        why
    }

    fn was_late(&self) {
        self.core().gate.is_suspect();
    }
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone() }
    }
}

impl<A: Actor> PartialEq for ActorRef<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cell, &other.cell)
    }
}

impl<A: Actor> Eq for ActorRef<A> {}

impl<A: Actor> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorRef").field("pid", &self.pid()).field("name", &self.name()).finish()
    }
}
