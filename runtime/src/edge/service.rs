//! An actor as a service of tower: readiness is a reserved place.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use tower_service::Service;

use crate::actor::Actor;
use crate::actor_ref::{ActorRef, Offer};
use crate::ask::Door as _;
use crate::asked::Asked;
use crate::error::{AskError, Reason, Refused};
use crate::permit::{Admission, Permit};
use crate::reply::Reply;
use crate::turn::{self, NEVER};

/// An actor as a [`Service`] of tower. Made by [`ActorRef::service`].
///
/// *Ready* means that a place in the actor's mailbox is reserved: the next call is taken, whatever others send meanwhile. (One
/// whose message [is forwarded](crate::Message::forwards) may yet be refused by whom it is forwarded to.)
/// Who is not ready waits for room in the order of coming, as with [`ActorRef::admitted`].
///
/// * As tower would have it, `poll_ready` fails only if the service will never work again: the actor is
///   [gone](Reason::Gone). If it refuses *now* (it has no time, it is stopped), the service is ready to say so: the next call
///   fails with that refusal at once, and the service goes on. So layers that give up a service that fails to become ready
///   (`Buffer`, `Balance`) do not, and those that look at answers (`Retry`) see it.
/// * What is reserved is held for as long as calls may take, and then given back, although the service may say so no sooner
///   than at the next call, which looks for room anew. Nobody takes a place for ever by being ready.
/// * A clone holds no reservation: it becomes ready by itself.
/// * Dropping the service gives back what it has reserved. A service that waits for room keeps its place in the queue while
///   it is not polled, and has its turn there: drop it if you have lost interest.
///
/// # Cancel safety
/// Dropping the future of a call cancels the question.
///
/// # Examples
/// ```
/// # use std::time::Duration;
/// # use crashworthy_runtime::{Actor, Context, Exit, Message, Reply, System};
/// # struct Price { sku: String, reply: Reply<u64> }
/// # impl Message for Price {}
/// # struct Catalogue;
/// # impl Actor for Catalogue {
/// #     type Args = (); type Msg = Price;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Catalogue) }
/// #     async fn handle(&mut self, Price { sku, reply }: Price, _: &mut Context<Self>) -> Result<(), Exit> {
/// #         reply.send(sku.len() as u64);
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower::{Service as _, ServiceExt as _};
///
/// # let system = System::bare()?;
/// # let catalogue = system.spawn::<Catalogue>(()).await?;
/// let mut prices = catalogue.service(Duration::from_millis(200), |sku, reply| Price { sku, reply });
/// let cents = prices.ready().await?.call("spoon".to_owned()).await?;
/// assert_eq!(cents, 5);
/// # system.stop().await;
/// # Ok(()) }
/// ```
pub struct ActorService<A: Actor, Q, R, F> {
    target: ActorRef<A>,
    within: Duration,
    make: F,
    seat: Seat<A>,
    asks: PhantomData<fn(Q) -> R>,
}

/// What has become of the wish to be served next.
#[derive(Default)]
enum Seat<A: Actor> {
    #[default]
    None,
    Awaited(Admission<A>),
    Held(Permit<A::Msg>),
    /// The next call is told so.
    Refused(Refused),
}

impl<A: Actor> ActorRef<A> {
    /// This actor as a service of tower: `make` puts a request and its [`Reply`] into a message. A call waits for room for at
    /// most `within`, and its answer comes within as long again.
    pub fn service<Q, R, F>(&self, within: Duration, make: F) -> ActorService<A, Q, R, F>
    where
        F: FnMut(Q, Reply<R>) -> A::Msg,
    {
        ActorService { target: self.clone(), within, make, seat: Seat::None, asks: PhantomData }
    }

    /// `within` from now, on the clock of its system.
    fn after(&self, within: Duration) -> u64 {
        self.cell.shared().map_or(NEVER, |shared| turn::deadline_after(&shared.port, within))
    }
}

impl<A, Q, R, F> Service<Q> for ActorService<A, Q, R, F>
where
    A: Actor,
    R: Send + 'static,
    F: FnMut(Q, Reply<R>) -> A::Msg,
{
    type Response = R;
    type Error = AskError;
    type Future = Asked<A::Msg, R>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), AskError>> {
        if !matches!(self.seat, Seat::Awaited(_)) && !self.seat.is_held(&self.target) {
            self.seat = Seat::Awaited(self.target.admitted(self.within).for_a_while());
        }
        let Seat::Awaited(admission) = &mut self.seat else { return Poll::Ready(Ok(())) };
        let admitted = ready!(Pin::new(admission).poll(cx));
        self.seat = match admitted {
            Ok(permit) => Seat::Held(permit),
            Err(why) if why.reason == Reason::Gone => {
                self.seat = Seat::None;
                return Poll::Ready(Err(AskError::Refused(why)));
            }
            Err(why) => Seat::Refused(why),
        };
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> Asked<A::Msg, R> {
        let is_held = self.seat.is_held(&self.target);
        let permit = match std::mem::take(&mut self.seat) {
            Seat::Held(permit) if is_held => Ok(permit),
            Seat::Refused(why) => Err(why),
            // It was never ready, or has been for too long. What it has waited for is not kept from it.
            stale => {
                drop(stale);
                self.target.reserve(Offer::within(self.within))
            }
        };
        match permit {
            Ok(permit) => permit.ask_until(self.target.after(self.within), |reply| (self.make)(request, reply)),
            Err(why) => Asked::refused(why),
        }
    }
}

impl<A: Actor> Seat<A> {
    /// Whether there is a place, and for some time to come.
    fn is_held(&self, target: &ActorRef<A>) -> bool {
        let Self::Held(permit) = self else { return false };
        target.cell.shared().is_some_and(|shared| shared.port.now_ns() < permit.until())
    }
}

impl<A: Actor, Q, R, F: Clone> Clone for ActorService<A, Q, R, F> {
    fn clone(&self) -> Self {
        let (target, make) = (self.target.clone(), self.make.clone());
        Self { target, within: self.within, make, seat: Seat::None, asks: PhantomData }
    }
}

impl<A: Actor, Q, R, F> fmt::Debug for ActorService<A, Q, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seat = match &self.seat {
            Seat::None => "none",
            Seat::Awaited(_) => "awaited",
            Seat::Held(_) => "held",
            Seat::Refused(_) => "refused",
        };
        f.debug_struct("ActorService").field("of", &self.target).field("seat", &seat).finish_non_exhaustive()
    }
}
