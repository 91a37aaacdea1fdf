//! Places at several actors at once: at all of them, or at enough of them, or at none.
//!
//! Nothing waits here. Who finds one of them without room gives back at once what was taken at the others, so nobody ever
//! holds a place while waiting for another, and no order among actors is needed: two who want the same places in opposite
//! orders may both be refused, and neither is stuck.

use std::time::Duration;

use crate::actor::Actor;
use crate::actor_ref::{ActorRef, Offer};
use crate::balancer::rank;
use crate::error::Refused;
use crate::permit::Permit;

/// Reserves a place at each of several actors, or at none: what a request needs before it is worth beginning. Never waits.
///
/// The actors are a tuple of two to eight addresses of any types, or a slice of addresses of one type; the permits come in the
/// same shape and order. Each is what [`ActorRef::reserve`] gives for this offer. Who names an actor twice reserves two
/// places there.
///
/// # Guarantees
/// * All or none: when one refuses, every place that was taken before is free again when this returns, and nobody behind it
///   is asked.
/// * Nothing is waited for, so places are never held while waiting: actors may be named in any order.
///
/// # Errors
/// The first refusal, in the order the actors are named; [`by`](Refused::by) says whose it is.
///
/// # Differs from OTP
/// There is no such thing: a process that needs two others calls one after the other, and the second may have no time for
/// it when the first has done its part.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Message, Offer, Reply, System, reserve_all};
/// # use std::time::Duration;
/// # struct Book(Reply<u32>);
/// # impl Message for Book {}
/// # struct Hotel(u32);
/// # impl Actor for Hotel {
/// #     type Args = (); type Msg = Book;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Hotel(0)) }
/// #     async fn handle(&mut self, Book(reply): Book, _: &mut Context<Self>) -> Result<(), Exit> {
/// #         self.0 += 1;
/// #         reply.send(self.0);
/// #         Ok(())
/// #     }
/// # }
/// # type Airline = Hotel;
/// /// A room and a flight, or neither.
/// async fn travel(hotel: &ActorRef<Hotel>, airline: &ActorRef<Airline>) -> Result<(u32, u32), AskError> {
///     let offer = Offer::within(Duration::from_secs(1));
///     let (room, flight) = reserve_all((hotel, airline), offer).map_err(AskError::Refused)?;
///     let (room, flight) = (room.ask(Book), flight.ask(Book));
///     Ok((room.await?, flight.await?))
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let system = System::bare()?;
/// # let (hotel, airline) = (system.spawn::<Hotel>(()).await?, system.spawn::<Airline>(()).await?);
/// assert_eq!(travel(&hotel, &airline).await?, (1, 1));
/// // When the hotel cannot be asked, the airline holds no place.
/// system.kill(hotel.pid());
/// hotel.down().await;
/// let AskError::Refused(refused) = travel(&airline, &hotel).await.unwrap_err() else { panic!() };
/// assert_eq!((refused.by, airline.load().depth), (hotel.id(), 0));
/// # system.stop().await;
/// # Ok(()) }
/// ```
pub fn reserve_all<T: ReserveAll>(actors: T, offer: Offer) -> Result<T::Permits, Refused> {
    actors.reserve_all(offer)
}

/// Reserves a place at `quorum` of these actors, or at none: for work that is done when enough of them have done it. Never
/// waits.
///
/// They are tried in the order in which a message would be handled: those that run before those that do not, the shorter
/// [wait](crate::Load::wait) before the longer, the fewer messages queued or in hand before the more, and else as they were named.
/// The permits come in that order. Actors should be named once each: one that is named twice may count twice.
///
/// # Guarantees
/// * All or none: when too many have refused, every place that was taken is free again when this returns, and nobody else is
///   asked.
/// * Nothing is waited for.
///
/// # Errors
/// Of the refusals that leave fewer than `quorum`, the one that says to come again soonest.
///
/// # Panics
/// If there are fewer than `quorum` actors: they can never be enough.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Message, Offer, Reply, Slot, System, reserve_some};
/// # use std::time::Duration;
/// # struct Write(Reply<()>);
/// # impl Message for Write {}
/// # struct Replica;
/// # impl Actor for Replica {
/// #     type Args = (); type Msg = Write;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Replica) }
/// #     async fn handle(&mut self, Write(reply): Write, _: &mut Context<Self>) -> Result<(), Exit> {
/// #         reply.send(());
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let system = System::bare()?;
/// # let mut replicas = Vec::new();
/// # for _ in 0..3 { replicas.push(system.spawn::<Replica>(()).await?); }
/// // Two of three will do, and one is gone.
/// system.kill(replicas[0].pid());
/// replicas[0].down().await;
/// for place in reserve_some(2, &replicas, Offer::within(Duration::from_secs(1)))? {
///     place.ask(Write).await?;
/// }
/// # system.stop().await;
/// # Ok(()) }
/// ```
pub fn reserve_some<A: Actor>(
    quorum: usize,
    actors: &[ActorRef<A>],
    offer: Offer,
) -> Result<Vec<Permit<A::Msg>>, Refused> {
    assert!(quorum <= actors.len(), "a quorum of {quorum} among {} actors", actors.len());
    let mut sooner_first: Vec<_> = actors.iter().collect();
    sooner_first.sort_by_cached_key(|actor| rank(actor));
    let (mut permits, mut soonest) = (Vec::with_capacity(quorum), None::<Refused>);
    let mut spare = actors.len() - quorum;
    for actor in sooner_first {
        if permits.len() == quorum {
            break;
        }
        let refused = match actor.reserve(offer) {
            Ok(permit) => {
                permits.push(permit);
                continue;
            }
            Err(refused) => refused,
        };
        soonest = match soonest {
            Some(known) if known_again(&known) <= known_again(&refused) => Some(known),
            _ => Some(refused),
        };
        if spare == 0 {
            break;
        }
        spare -= 1;
    }
    match soonest {
        Some(soonest) if permits.len() < quorum => Err(soonest),
        _ => Ok(permits),
    }
}

/// After what time asking again is worth it; as long as there is where nobody knows.
fn known_again(refused: &Refused) -> Duration {
    refused.retry_after.unwrap_or(Duration::MAX)
}

/// Several actors at which places are reserved together: a tuple of two to eight `&ActorRef`, or a slice of `ActorRef`.
///
/// For [`reserve_all`]; it cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not several actors",
    note = "a tuple of two to eight `&ActorRef`s, or a slice `&[ActorRef<A>]`"
)]
pub trait ReserveAll: sealed::Sealed {
    /// The permits, in the same shape.
    type Permits;

    #[doc(hidden)]
    fn reserve_all(self, offer: Offer) -> Result<Self::Permits, Refused>;
}

mod sealed {
    pub trait Sealed {}
}

impl<A: Actor> sealed::Sealed for &[ActorRef<A>] {}

impl<A: Actor> ReserveAll for &[ActorRef<A>] {
    type Permits = Vec<Permit<A::Msg>>;

    fn reserve_all(self, offer: Offer) -> Result<Self::Permits, Refused> {
        self.iter().map(|actor| actor.reserve(offer)).collect()
    }
}

impl<A: Actor, const N: usize> sealed::Sealed for &[ActorRef<A>; N] {}

impl<A: Actor, const N: usize> ReserveAll for &[ActorRef<A>; N] {
    type Permits = Vec<Permit<A::Msg>>;

    fn reserve_all(self, offer: Offer) -> Result<Self::Permits, Refused> {
        self.as_slice().reserve_all(offer)
    }
}

/// A tuple of addresses. What was taken is dropped, and so given back, where a later one refuses.
macro_rules! tuple {
    ($($actor:ident $at:tt),+) => {
        impl<$($actor: Actor),+> sealed::Sealed for ($(&ActorRef<$actor>,)+) {}

        impl<$($actor: Actor),+> ReserveAll for ($(&ActorRef<$actor>,)+) {
            type Permits = ($(Permit<$actor::Msg>,)+);

            fn reserve_all(self, offer: Offer) -> Result<Self::Permits, Refused> {
                Ok(($(self.$at.reserve(offer)?,)+))
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

#[cfg(test)]
mod tests;
