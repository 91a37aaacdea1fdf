//! Whom a call goes to: an actor, or one of several.

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::slot::Slot;
use sealed::{Choice, Choose};

/// Whom a call that may be made more than once goes to: an [`ActorRef`], a [`Slot`] or a
/// [`Balancer`](crate::Balancer). It cannot be implemented for others.
pub trait Target: Choose {}

impl<T: Choose> Target for T {}

pub(crate) mod sealed {
    use super::{Actor, ActorRef};

    /// The actor that is to be asked, and the one that is to be asked if it refuses.
    #[derive(Debug)]
    pub struct Choice<'a, A: Actor> {
        pub(crate) first: &'a ActorRef<A>,
        pub(crate) second: Option<&'a ActorRef<A>>,
    }

    pub trait Choose {
        /// The actors behind it.
        type Actor: Actor;

        /// Chooses anew: once for each attempt.
        fn choose(&self) -> Choice<'_, Self::Actor>;
    }
}

impl<A: Actor> Choose for ActorRef<A> {
    type Actor = A;

    fn choose(&self) -> Choice<'_, A> {
        Choice { first: self, second: None }
    }
}

impl<A: Actor> Choose for Slot<A> {
    type Actor = A;

    fn choose(&self) -> Choice<'_, A> {
        Choice { first: self, second: None }
    }
}
