//! The typed address of an actor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_sync::promises::Promise;
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::ask::{Ask, Door as _};
use crate::cell::{ActorCell, AnyCell as _, flag, wake};
use crate::crash::tell;
use crate::error::{Load, Refused, Rejected};
use crate::exit::ExitReason;
use crate::gate::{Demand, GateState, Refusals, Wish};
use crate::intake;
use crate::lane::{Mark, Ordered, What};
use crate::message::{Criticality, Message};
use crate::permit::{Admission, Permit, Term};
use crate::pid::{ActorId, Pid};
use crate::places::{Hold, Lease};
use crate::port::nanos;
use crate::recipient::Recipient;
use crate::reply::Reply;
use crate::signal::{Down, MonitorRef};
use crate::ties::Watcher;
use crate::turn::{self, Call, NEVER};

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
    /// Within which time the message should be handled; [`LONGEST_DEADLINE`](crate::LONGEST_DEADLINE) at most.
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
    /// names, or the actor is not started, not [ready](crate::Reason::NotReady), draining or ended.
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
    /// polled, and ends within 5 s unless [`within`](Ask::within) or [its message](Message::sla) says otherwise; inside a handler it ends no later
    /// than the call being handled. It always ends.
    ///
    /// It is refused at once if what the actor has to do already, and this, would not be done before that deadline, as its
    /// messages have taken so far: an overloaded actor says so in time. An actor with nothing to do takes every question.
    /// Once the time of a message has passed behind a handler that does not return, those who have less time than that has taken
    /// are refused as [`Stuck`](crate::Reason::Stuck).
    ///
    /// Actors that wait for each other in a ring would wait until their deadlines. Inside a handler, or another callback, a
    /// question that closes one is refused at once as a [`Cycle`](crate::Reason::Cycle), with the [path](Refused::cycle); a question
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
    /// [`Refused`] with the actor's load: [`Full`](crate::Reason::Full), or [`NoTime`](crate::Reason::NoTime) and [`Shed`](crate::Reason::Shed) if
    /// the message would not be handled within the time offered; [`NotReady`](crate::Reason::NotReady) and the like as for a tell.
    pub fn reserve(&self, offer: Offer) -> Result<Permit<A::Msg>, Refused> {
        self.take_place(offer).map_err(|why| self.cell.core().counted(why, offer.criticality))
    }

    fn take_place(&self, offer: Offer) -> Result<Permit<A::Msg>, Refused> {
        let Offer { within, criticality, cost } = offer;
        let core = self.cell.core();
        let flow = turn::flow(core.home().map_or(0, |home| home.shared.salt));
        let demand = Demand { left_ns: nanos(within), criticality, cost, flow };
        let (promise, now) = intake::reserve(&self.cell, demand, || turn::deadline_after(&core.shared().port, within))?;
        let lease = self.sign(promise)?;
        Ok(Permit::new(self, offer, lease, Term { promise, deadline: turn::after(now, within) }))
    }

    /// Waits for room for one message: back pressure. Waiting senders are served in the order they came. A deadline beyond
    /// [`LONGEST_DEADLINE`](crate::LONGEST_DEADLINE) is cut to it.
    ///
    /// # Errors
    /// [`NoTime`](crate::Reason::NoTime) at once when what is queued would not be done within `deadline`, and later when there was
    /// no room within it (inside a handler: or before the call being handled ends); `Stopped`, `Gone` and the like when the actor ends.
    /// [`NotReady`](crate::Reason::NotReady) and `Draining` at once, also when that comes about while it waits.
    /// [`Cycle`](crate::Reason::Cycle) at once, inside a handler, when the actor waits for whoever waits here, and nobody holds a place
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
    /// the state is what a [refusal](crate::Reason) says.
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
        intake::look(&self.cell, || Wish { criticality, needs_nothing: false, deadline: deadline() })
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
        match intake::put(&self.cell, msg, None, call) {
            Ok(false) => {}
            Ok(true) => wake(&self.cell),
            Err((why, msg)) => return Err(intake::rejected(&self.cell, why, msg, call)),
        }
        Ok(())
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
