//! A reserved place in a mailbox, and waiting for one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use crashworthy_sync::mailbox::RoomTicket;
use crashworthy_sync::promises::Promise;

use crate::actor::Actor;
use crate::actor_ref::{ActorRef, Offer};
use crate::ask::{Deadline, Door};
use crate::asked::Asked;
use crate::cell::Status;
use crate::error::{Reason, Refused, Rejected};
use crate::gate::{Demand, events};
use crate::intake;
use crate::message::{Criticality, Message};
use crate::places::{Hold, Lease};
use crate::port::nanos;
use crate::reply::Reply;
use crate::turn::{self, Call, NEVER};
use crate::waits::{self, Awaited, RoomSought};

/// Room for one message, reserved. Dropped unsent, it gives the place back.
///
/// It promises room, not life: if the actor ends before it is used, the message comes back. And what was
/// [reserved](ActorRef::reserve) counts until the time offered has passed: whoever holds it and is stuck, or forgets it, does
/// not take room for ever from an actor that is well. What an [admission](ActorRef::admitted) gave has no such end.
///
/// One that was reserved in a turn of an actor belongs to that incarnation, wherever it goes. If the incarnation is
/// [abandoned](crate::System::abandon), the place is given back at once, and who uses the permit later is told
/// [`Fenced`](Reason::Fenced).
#[must_use = "dropping a permit gives the place back"]
pub struct Permit<M: Message> {
    /// Where the place is; `None` once it is used.
    door: Option<Arc<dyn Door<M>>>,
    offer: Offer,
    lease: Lease,
    term: Term,
}

/// How long a place is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) promise: Promise,
    /// Nanoseconds of the system's clock, or never.
    pub(crate) deadline: u64,
}

impl Term {
    /// As long as the permit lasts.
    const ENDLESS: Self = Self { promise: Promise::ENDLESS, deadline: NEVER };
}

impl<M: Message> Permit<M> {
    /// For a place that was reserved just now, and is in the books.
    #[inline]
    pub(crate) fn new<A: Actor<Msg = M>>(target: &ActorRef<A>, offer: Offer, lease: Lease, term: Term) -> Self {
        Self { door: Some(target.cell.clone()), offer, lease, term }
    }

    /// Sends the message into the reserved place.
    ///
    /// # Errors
    /// The actor ended meanwhile, the time for which the place was reserved has passed, or the incarnation that reserved it
    /// was abandoned: [`Rejected`] gives the message back.
    pub fn send(mut self, msg: impl Into<M>) -> Result<(), Rejected<M>> {
        let msg = msg.into();
        let criticality = self.offer.criticality;
        match self.redeem() {
            Ok(door) => door.put_reserved(msg, None, Call { deadline: self.term.deadline, criticality, ..Call::NONE }),
            Err(why) => Err(Rejected::new(why, msg)),
        }
    }

    /// Asks a question in the reserved place. It is sent at once, and ends when the time has passed for which the place was
    /// reserved; inside a handler no later than the call being handled.
    ///
    /// # Errors
    /// See [`AskError`](crate::AskError). It is refused for the reasons for which [`send`](Self::send) is; if its message [is
    /// forwarded](crate::Message::forwards), also by the first whom the actor forwards to that has no room. The place is given
    /// back then.
    ///
    /// # Panics
    /// If `make` does; the place is given back.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the question.
    pub fn ask<R: Send + 'static>(self, make: impl FnOnce(Reply<R>) -> M) -> Asked<M, R> {
        let until = self.term.deadline;
        self.ask_until(until, make)
    }

    /// The same with another deadline; where there is none, with what was offered from now on.
    pub(crate) fn ask_until<R: Send + 'static>(mut self, until: u64, make: impl FnOnce(Reply<R>) -> M) -> Asked<M, R> {
        let Offer { within, criticality, .. } = self.offer;
        match self.redeem() {
            Ok(door) => Asked::in_place(door, until, within, criticality, make),
            Err(why) => Asked::refused(why),
        }
    }

    /// Until when it holds its place, on the clock of the system.
    #[cfg(feature = "tower")]
    pub(crate) fn until(&self) -> u64 {
        self.term.deadline
    }

    /// Gives up the permit for the place that it holds.
    fn redeem(&mut self) -> Result<Arc<dyn Door<M>>, Refused> {
        let door = self.door.take().expect("a permit is used once");
        if !self.lease.take().end(|| door.shared()) {
            return Err(door.counted(door.fenced(), self.offer.criticality));
        }
        let Term { promise, deadline } = self.term;
        if !door.keep(promise) {
            return Err(door.counted(door.too_late(), self.offer.criticality));
        }
        if deadline != NEVER && door.shared().is_none_or(|shared| shared.port.now_ns() >= deadline) {
            door.release();
            return Err(door.counted(door.too_late(), self.offer.criticality));
        }
        Ok(door)
    }
}

impl<M: Message> Drop for Permit<M> {
    fn drop(&mut self) {
        if let Some(door) = self.door.take()
            && self.lease.take().end(|| door.shared())
            && door.keep(self.term.promise)
        {
            door.release();
        }
    }
}

impl<M: Message> fmt::Debug for Permit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("offer", &self.offer).finish_non_exhaustive()
    }
}

/// Waits for room in a mailbox. Made by [`ActorRef::admitted`].
#[must_use = "futures do nothing unless polled"]
pub struct Admission<A: Actor> {
    target: ActorRef<A>,
    within: Duration,
    ticket: RoomTicket,
    /// Of the turn in which it began to wait.
    lease: Lease,
    /// Until when, once it had to wait.
    deadline: Option<Deadline>,
    /// When somebody's place may be forgiven: it looks again then.
    forgiven: Option<Deadline>,
    lasts: Lasts,
    /// What others see of it, once it waits in a turn.
    seen: Option<Arc<RoomSought>>,
}

/// How long what an admission gives is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    /// As long as the permit.
    Endless,
    /// As long again as room was waited for at the most.
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "what a service reserves has an end"))]
    Within,
}

impl<A: Actor> Admission<A> {
    pub(crate) fn new(target: ActorRef<A>, within: Duration) -> Self {
        let (ticket, lasts) = (RoomTicket::default(), Lasts::Endless);
        Self { target, within, ticket, lease: Lease::Free, deadline: None, forgiven: None, lasts, seen: None }
    }

    /// The same, for a permit that promises a place for as long again, as a reservation does.
    #[cfg(feature = "tower")]
    pub(crate) fn for_a_while(mut self) -> Self {
        self.lasts = Lasts::Within;
        self
    }

    /// For a place that is ours, unless we were abandoned while we waited for it.
    fn permit(&mut self) -> Result<Permit<A::Msg>, Refused> {
        let cell = &self.target.cell;
        if !self.lease.take().end(|| cell.shared()) {
            // It was granted before the wait was revoked, and seen after.
            cell.release();
            return Err(cell.fenced());
        }
        let criticality = Criticality::default();
        let term = match self.lasts {
            Lasts::Endless => Term::ENDLESS,
            Lasts::Within => {
                let now = cell.core().shared().port.now_ns();
                let promise = cell.core().gate.promise(now, nanos(self.within));
                Term { promise, deadline: turn::after(now, self.within) }
            }
        };
        let lease = self.target.sign(term.promise)?;
        Ok(Permit::new(&self.target, Offer { criticality, ..Offer::within(self.within) }, lease, term))
    }

    /// The refusal, if what is queued will not be done before the deadline: to wait for room would be in vain. Looked at
    /// once.
    fn late(&self) -> Option<Refused> {
        let cell = &self.target.cell;
        if self.deadline.is_some() {
            return None;
        }
        let demand = Demand {
            left_ns: nanos(self.within),
            criticality: Criticality::default(),
            cost: 1.0,
            flow: turn::flow(cell.core().shared().salt),
        };
        let gate = &cell.core().gate;
        if gate.is_ample(demand.left_ns) {
            return None;
        }
        // A message that has been in hand for long may be done with at any time, and leave room.
        let says = gate
            .ask(demand, 0, cell.core().shared().port.coarse_ns(), &intake::query(cell, &|| None, &|| cell.depth()))
            .filter(|says| cell.load().depth >= says.places_in_time())?;
        Some(Refused { reason: Reason::NoTime, ..intake::late(cell, says) })
    }

    /// Why there will be no place.
    fn refused(&mut self) -> Refused {
        let cell = &self.target.cell;
        if !self.lease.take().end(|| cell.shared()) {
            return cell.fenced();
        }
        match self.seen.as_ref().and_then(|seen| seen.refused.get()) {
            Some(refused) => {
                events::cycle(cell.core().shared(), &**cell, refused);
                refused.clone()
            }
            None => cell.core().closed(),
        }
    }

    /// When waiting ends: nanoseconds of the system's clock.
    fn until(&self) -> u64 {
        match &self.deadline {
            Some(deadline) => deadline.at(),
            None => turn::deadline_after(&self.target.cell.core().shared().port, self.within),
        }
    }

    /// Whoever waits in a turn does not outlast an abandoned incarnation in the queue.
    fn sign(&mut self) -> Result<(), Refused> {
        if !self.lease.is_signed() {
            let Some(pass) = self.ticket.pass() else { return Ok(()) };
            self.lease = Lease::sign(&self.target.cell, Hold::Awaited(pass));
            self.target.look_around()?;
        }
        Ok(())
    }
}

impl<A: Actor> Future for Admission<A> {
    type Output = Result<Permit<A::Msg>, Refused>;

    /// Never a part of its caller: who sends, and waits only if he must, is to stay small.
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let polled = waits::quietly(|| self.poll_place(cx));
        match &polled {
            Poll::Pending => self.pends(),
            Poll::Ready(Ok(_)) => {}
            // Who keeps what has ended holds no place.
            Poll::Ready(Err(_)) => {
                let this = &mut *self;
                this.target.cell.mailbox.cancel_room(&mut this.ticket);
            }
        }
        polled.map_err(|why| self.target.cell.core().counted(why, Criticality::default()))
    }
}

impl<A: Actor> Admission<A> {
    /// Somebody waits for room, as others see it.
    fn pends(&mut self) {
        let core = self.target.cell.core();
        let Some(by) = waits::whose(core.shared()) else { return };
        let Some(pass) = self.ticket.pass() else { return };
        let seen = self.seen.get_or_insert_with(|| RoomSought::new(waits::since(core.shared().port.now_ns())));
        waits::pends(by, core.id(), seen.since, Criticality::default(), || Awaited::Room(pass, seen.clone()));
    }

    fn poll_place(&mut self, cx: &mut Poller<'_>) -> Poll<Result<Permit<A::Msg>, Refused>> {
        let this = self;
        let cell = &this.target.cell;
        if let Err(why) = this.target.look(Criticality::default(), || this.until()) {
            return Poll::Ready(Err(why));
        }
        if cell.core().home().is_none() || cell.core().status() == Status::Fresh {
            return Poll::Ready(Err(cell.core().closed()));
        }
        if let Some(late) = this.late() {
            return Poll::Ready(Err(late));
        }
        let mut polled = cell.mailbox.poll_room(&mut this.ticket, cx);
        if polled.is_pending() && cell.forgives() {
            polled = cell.mailbox.poll_room(&mut this.ticket, cx);
        }
        match polled {
            Poll::Ready(Ok(())) => return Poll::Ready(this.permit()),
            Poll::Ready(Err(_closed)) => return Poll::Ready(Err(this.refused())),
            Poll::Pending => {}
        }
        // Once more: what has come about before somebody could be seen to wait wakes nobody.
        if let Err(why) = this.target.look(Criticality::default(), || this.until()) {
            return Poll::Ready(Err(why));
        }
        if let Err(fenced) = this.sign() {
            return Poll::Ready(Err(fenced));
        }
        let cell = &this.target.cell;
        let shared = cell.core().shared();
        let deadline = this.deadline.get_or_insert_with(|| {
            let at = turn::deadline_after(&shared.port, this.within).min(turn::current().call.deadline);
            Deadline::new(shared, at)
        });
        if !deadline.wakes(cx) {
            return Poll::Ready(Err(cell.full(Reason::NoTime)));
        }
        this.forgiven = cell.core().gate.forgives_at().map(|at| Deadline::new(shared, at));
        if let Some(forgiven) = &mut this.forgiven {
            forgiven.wakes(cx);
        }
        Poll::Pending
    }
}

impl<A: Actor> Drop for Admission<A> {
    fn drop(&mut self) {
        let cell = &self.target.cell;
        cell.mailbox.cancel_room(&mut self.ticket);
        // Whether or not it was revoked, nothing is held any more.
        self.lease.take().end(|| cell.shared());
    }
}

impl<A: Actor> fmt::Debug for Admission<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("to", &self.target).field("within", &self.within).finish_non_exhaustive()
    }
}
