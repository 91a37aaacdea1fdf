//! A reserved place in a mailbox, and waiting for one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use crashworthy_sync::mailbox::RoomTicket;

use crate::actor::Actor;
use crate::actor_ref::{ActorRef, Offer};
use crate::ask::Door;
use crate::cell::Status;
use crate::error::{Reason, Refused, Rejected};
use crate::message::{Criticality, Message};
use crate::shared::Shared;
use crate::time::TimerKey;
use crate::turn::{self, Call};

/// Room for one message, reserved. Dropped unsent, it gives the place back.
///
/// It promises room, not life: if the actor ends before it is used, the message comes back.
#[must_use = "dropping a permit gives the place back"]
pub struct Permit<M: Message> {
    /// Where the place is; `None` once it is used.
    door: Option<Arc<dyn Door<M>>>,
    offer: Offer,
}

impl<M: Message> Permit<M> {
    pub(crate) fn new<A: Actor<Msg = M>>(target: &ActorRef<A>, offer: Offer) -> Self {
        Self { door: Some(target.cell.clone()), offer }
    }

    /// Sends the message into the reserved place.
    ///
    /// # Errors
    /// The actor ended meanwhile: [`Rejected`] gives the message back.
    pub fn send(mut self, msg: impl Into<M>) -> Result<(), Rejected<M>> {
        let msg = msg.into();
        let door = self.door.take().expect("a permit is used once");
        door.put_reserved(msg, Call { criticality: self.offer.criticality, ..Call::NONE })
    }
}

impl<M: Message> Drop for Permit<M> {
    fn drop(&mut self) {
        if let Some(door) = self.door.take() {
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
    /// The deadline and its timer, once it had to wait.
    waiting: Option<(u64, TimerKey, Arc<Shared>)>,
}

impl<A: Actor> Admission<A> {
    pub(crate) fn new(target: ActorRef<A>, within: Duration) -> Self {
        Self { target, within, ticket: RoomTicket::default(), waiting: None }
    }

    fn permit(&self) -> Permit<A::Msg> {
        let criticality = Criticality::default();
        Permit::new(&self.target, Offer { criticality, ..Offer::within(self.within) })
    }
}

impl<A: Actor> Future for Admission<A> {
    type Output = Result<Permit<A::Msg>, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let cell = &this.target.cell;
        if let Err(why) = this.target.look() {
            return Poll::Ready(Err(why));
        }
        if cell.core.home().is_none() || cell.core.status() == Status::Fresh {
            return Poll::Ready(Err(cell.core.closed()));
        }
        match cell.mailbox.poll_room(&mut this.ticket, cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(this.permit())),
            Poll::Ready(Err(_closed)) => return Poll::Ready(Err(cell.core.closed())),
            Poll::Pending => {}
        }
        let shared = cell.core.shared();
        match &mut this.waiting {
            Some((at, ..)) if shared.port.now_ns() >= *at => return Poll::Ready(Err(cell.full(Reason::NoTime))),
            Some((at, timer, _)) => shared.wheel.follow(timer, *at, cx.waker()),
            None => {
                let at = turn::deadline_after(&shared.port, this.within).min(turn::current().call.deadline);
                let timer = shared.wheel.arm_waker(at, cx.waker().clone());
                this.waiting = Some((at, timer, shared.clone()));
            }
        }
        Poll::Pending
    }
}

impl<A: Actor> Drop for Admission<A> {
    fn drop(&mut self) {
        self.target.cell.mailbox.cancel_room(&mut self.ticket);
        if let Some((_, timer, shared)) = self.waiting.take() {
            shared.wheel.cancel(timer);
        }
    }
}

impl<A: Actor> fmt::Debug for Admission<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("to", &self.target).field("within", &self.within).finish_non_exhaustive()
    }
}
