//! Routes: a question that will be passed on holds a place at everybody it needs before anybody works on it.
//!
//! ```text
//!   asker ── a place at b, at c ──▶ a: message, caller ── has along: [place at b, place at c]
//!                                     │ a asks b: in its place
//!                                     ▼
//!                                   b: message, caller ── has along the same: [place at c]
//! ```
//! An actor says whom it [forwards to](Context::forwards_to), a message whether it [is forwarded](crate::Message::forwards). The asker
//! reserves at all of them or is refused by the first without room; so no work is begun that cannot be finished, and the root
//! refuses for the leaf. The places belong to the question: all who handle it, or what is asked for it, share them. A question
//! that is asked for it and is forwarded itself borrows what it needs of them, reserves the rest, and puts back what it has not
//! used; what nobody has used is given back with the last end of the question whose it is.

use std::sync::Arc;

use crashworthy_sync::promises::Promise;
use parking_lot::Mutex;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::ask::Door;
use crate::cell::{AnyCell, Core, WeakCell};
use crate::context::Context;
use crate::dependency::DependencyError;
use crate::error::{Reason, Refused};
use crate::gate::Demand;
use crate::message::Message;
use crate::pid::ActorId;
use crate::places::Hold;
use crate::reply::Caller;
use crate::shared::Shared;
use crate::turn::{self, Call};

/// Actors that one forwards to, at the most.
pub(crate) const MOST: usize = 16;

/// Whom an actor forwards to.
#[derive(Debug, Default)]
pub(crate) struct Route(Mutex<Stops>);

#[derive(Debug, Default)]
struct Stops {
    /// Who has named them: the living incarnation, or the last that did.
    named_by: u32,
    stops: Vec<Stop>,
}

#[derive(Clone, Debug)]
struct Stop {
    cell: WeakCell,
    /// As it was known when it was named: nobody, before it is first started.
    id: ActorId,
}

/// Which slot a cell is. An identity would not do: a slot that was never started has none, and those of other systems are
/// numbered alike. No two are in one place while somebody keeps a tie to them.
fn place_of(cell: &WeakCell) -> *const () {
    cell.as_ptr().cast()
}

impl Route {
    /// An incarnation names somebody. What earlier ones have named is over.
    fn names(&self, incarnation: u32, id: ActorId, cell: WeakCell) -> Result<(), DependencyError> {
        let mut named = self.0.lock();
        if named.named_by != incarnation {
            *named = Stops { named_by: incarnation, stops: Vec::new() };
        }
        if named.stops.iter().any(|stop| place_of(&stop.cell) == place_of(&cell)) {
            return Ok(());
        }
        if named.stops.len() == MOST {
            return Err(DependencyError::TooMany(MOST));
        }
        named.stops.push(Stop { cell, id });
        Ok(())
    }

    /// A place at each of them, or at none; nothing where nobody was named. What the question has along already is used
    /// first.
    pub(crate) fn reserve(
        &self,
        shared: &Shared,
        call: Call,
        along: Option<&Arc<Carried>>,
    ) -> Result<Option<Arc<Carried>>, Refused> {
        // Nobody's gate is looked at under this lock.
        let stops = self.0.lock().stops.clone();
        if stops.is_empty() {
            return Ok(None);
        }
        // What it has so far goes back where it came from if the next has no room.
        let mut carried = Carried { places: Mutex::default(), around: along.cloned() };
        for Stop { cell, id } in stops {
            let place = match along.and_then(|along| along.take(place_of(&cell))) {
                Some(place) => place.borrowed(),
                None => Place::reserve(cell, shared, call)
                    .map_err(|why| if why.reason == Reason::Gone { Refused { by: id, ..why } } else { why })?,
            };
            carried.places.get_mut().push(place);
        }
        Ok(Some(Arc::new(carried)))
    }
}

/// Places that a question has along.
#[derive(Debug)]
pub(crate) struct Carried {
    places: Mutex<Vec<Place>>,
    /// What the question has that this one is asked for.
    around: Option<Arc<Carried>>,
}

impl Carried {
    /// The one at this actor, if there is one left, be it of what is around.
    fn take(&self, at: *const ()) -> Option<Place> {
        let own = {
            let mut places = self.places.lock();
            let found = places.iter().position(|place| place_of(&place.cell) == at);
            found.map(|found| places.swap_remove(found))
        };
        own.or_else(|| Some(self.around.as_ref()?.take(at)?.borrowed()))
    }

    /// What the question has along that this is the asker of.
    pub(crate) fn of(caller: &Caller) -> Option<Arc<Self>> {
        caller.baggage()?.clone().downcast().ok()
    }
}

impl Drop for Carried {
    /// What was lent and is not used goes back to whose it is; the rest is given back.
    fn drop(&mut self) {
        if let Some(around) = &self.around {
            let lent = self.places.get_mut().extract_if(.., |place| place.lent != 0);
            around.places.lock().extend(lent.map(Place::put_back));
        }
    }
}

/// A place in a mailbox. Dropped, it is given back.
#[derive(Debug)]
struct Place {
    cell: WeakCell,
    /// Nothing, once it is used.
    promise: Option<Promise>,
    /// How many questions further around the one is whose it is.
    lent: u32,
}

impl Place {
    fn reserve(cell: WeakCell, shared: &Shared, call: Call) -> Result<Self, Refused> {
        let at = cell.upgrade().ok_or(Refused::because(Reason::Gone))?;
        let left_ns = call.deadline.saturating_sub(shared.port.coarse_ns());
        let demand = Demand { left_ns, criticality: call.criticality, cost: 1.0, flow: call.flow(shared.salt) };
        let promise = at.reserve(demand, call.deadline)?;
        Ok(Self { cell, promise: Some(promise), lent: 0 })
    }

    fn borrowed(mut self) -> Self {
        self.lent += 1;
        self
    }

    fn put_back(mut self) -> Self {
        self.lent -= 1;
        self
    }

    /// Uses it. False: its time had passed, and it is another's.
    fn redeem<M>(mut self, door: &dyn Door<M>) -> bool {
        self.promise.take().is_some_and(|promise| door.keep(promise))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(promise), Some(cell)) = (self.promise.take(), self.cell.upgrade()) {
            cell.give_back(&Hold::Reserved(promise));
        }
    }
}

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Like any other.
    Open,
    /// Into a place that it had along, which is the caller's now.
    Reserved,
}

/// Gives a question along what it needs: places of its own, if its message is forwarded, and else what the question has that it
/// is asked for. Whether there is a place for it already.
///
/// # Errors
/// The refusal of the first who has no room.
#[inline]
pub(crate) fn prepare<M: Message>(
    door: &dyn Door<M>,
    shared: &Shared,
    message: &M,
    caller: &Caller,
    call: Call,
) -> Result<Way, Refused> {
    if !message.forwards() && !turn::carries() { Ok(Way::Open) } else { load(door, shared, message, caller, call) }
}

#[cold]
fn load<M: Message>(
    door: &dyn Door<M>,
    shared: &Shared,
    message: &M,
    caller: &Caller,
    call: Call,
) -> Result<Way, Refused> {
    let along = turn::carried();
    let reserved = match door.route().filter(|_| message.forwards()) {
        Some(route) => route.reserve(shared, call, along.as_ref())?,
        None => None,
    };
    let own = along.as_ref().and_then(|along| along.take(door.at()));
    if let Some(carried) = reserved.or(along) {
        caller.load(carried);
    }
    Ok(if own.is_some_and(|place| place.redeem(door)) { Way::Reserved } else { Way::Open })
}

/// Whom an actor forwards to.
impl<A: Actor> Context<A> {
    /// Says that handling a message that [is forwarded](crate::Message::forwards) takes an answer of this actor, too, whoever asks it: this one,
    /// or somebody further on. From now on a question with such a message is taken in only if there is room at each of
    /// those named, and holds a place there. So the first refuses for the last, before anybody has begun to work.
    ///
    /// What is asked while it is handled, by this actor, by [pipes](Context::pipe) and [scopes](crate::CallScope) of it, and by
    /// whoever is asked for it, goes into these places. Each is used once; what is asked there more often, or where nobody
    /// was named, finds room like any other question. A place that nobody has used is given back when the question ends, and
    /// at its deadline at the latest.
    ///
    /// What an incarnation has named holds until the next one names something; so name in [`init`](Actor::init) what every
    /// incarnation needs. To name somebody twice does nothing. Messages that are told reserve nothing.
    ///
    /// # Errors
    /// [`DependencyError::TooMany`] if it forwards to 16 others.
    ///
    /// # Differs from OTP
    /// There is no such thing: each process calls the next, and all but the last have worked in vain when that has no time.
    ///
    /// # Examples
    /// ```
    /// # use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Message, Reply, System};
    /// # struct Charge(Reply<u32>);
    /// # impl Message for Charge {}
    /// # struct Payment;
    /// # impl Actor for Payment {
    /// #     type Args = (); type Msg = Charge;
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Payment) }
    /// #     async fn handle(&mut self, Charge(reply): Charge, _: &mut Context<Self>) -> Result<(), Exit> {
    /// #         reply.send(7);
    /// #         Ok(())
    /// #     }
    /// # }
    /// struct Order(Reply<u32>);
    ///
    /// impl Message for Order {
    ///     fn forwards(&self) -> bool {
    ///         true
    ///     }
    /// }
    ///
    /// struct Orders {
    ///     payment: ActorRef<Payment>,
    /// }
    ///
    /// impl Actor for Orders {
    ///     type Args = ActorRef<Payment>;
    ///     type Msg = Order;
    ///
    ///     async fn init(payment: ActorRef<Payment>, cx: &mut Context<Self>) -> Result<Self, Exit> {
    ///         cx.forwards_to(&payment)?;
    ///         Ok(Orders { payment })
    ///     }
    ///
    ///     async fn handle(&mut self, Order(reply): Order, _: &mut Context<Self>) -> Result<(), Exit> {
    ///         // In the place that whoever asked has reserved here.
    ///         reply.send(self.payment.ask(Charge).await?);
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let system = System::bare()?;
    /// # let payment = system.spawn::<Payment>(()).await?;
    /// # let orders = system.spawn::<Orders>(payment.clone()).await?;
    /// assert_eq!(orders.ask(Order).await, Ok(7));
    /// # system.kill(payment.pid());
    /// # payment.down().await;
    /// // Nobody has begun with this order.
    /// let Err(AskError::Refused(refused)) = orders.ask(Order).await else { panic!() };
    /// assert_eq!((refused.by, orders.law().accepted), (payment.id(), 1));
    /// # system.stop().await;
    /// # Ok(()) }
    /// ```
    pub fn forwards_to<B: Actor>(&mut self, actor: &ActorRef<B>) -> Result<(), DependencyError> {
        // Under this lock it stays this incarnation.
        let Some(_ties) = self.ties() else { return Err(DependencyError::Fenced) };
        let any: Arc<dyn AnyCell> = actor.cell.clone();
        let core: &Core = self.cell().core();
        core.gate.make_route().names(self.incarnation(), actor.id(), Arc::downgrade(&any))
    }
}

#[cfg(test)]
mod nested_tests;
#[cfg(test)]
mod tests;
