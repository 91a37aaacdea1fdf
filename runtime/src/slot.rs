//! A place in the tree, declared before anything runs: wire actors first, start them later.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::cell::{CAPACITY, Cell};
use crate::error::StartError;

/// Most messages a mailbox can be told to hold.
pub const LARGEST_MAILBOX: u32 = 1 << 19;

/// The place of one actor: an address before the actor runs, the same address after every restart.
///
/// Until it is started, a slot refuses with [`NotStarted`](crate::Reason::NotStarted). It can be part of one tree only.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Slot, Reason};
/// # struct Cashier;
/// # impl Actor for Cashier {
/// #     type Args = (); type Msg = ();
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Cashier) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// let till = Slot::<Cashier>::named("till");
/// assert_eq!(till.tell(()).unwrap_err().why.reason, Reason::NotStarted);
/// ```
pub struct Slot<A: Actor> {
    actor: ActorRef<A>,
}

impl<A: Actor> Slot<A> {
    /// A slot with a name: its id in the tree, and what logs call it. Its mailbox holds 1,024 messages.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { actor: ActorRef::new(Cell::new(Some(name.into()), CAPACITY)) }
    }

    /// A slot without a name: for children that are started on request.
    pub fn anonymous() -> Self {
        Self { actor: ActorRef::new(Cell::new(None, CAPACITY)) }
    }

    /// The same slot with room for this many messages.
    ///
    /// # Errors
    /// [`StartError::Setting`] unless it is between 1 and [`LARGEST_MAILBOX`].
    pub fn mailbox(self, capacity: u32) -> Result<Self, StartError> {
        if (1..=LARGEST_MAILBOX).contains(&capacity) {
            self.actor.cell.mailbox.set_capacity(capacity);
            Ok(self)
        } else {
            Err(StartError::mailbox(&self.actor.cell.core().label(), capacity))
        }
    }

    /// The address.
    pub fn address(&self) -> ActorRef<A> {
        self.actor.clone()
    }
}

/// A slot is used as the address it is.
impl<A: Actor> Deref for Slot<A> {
    type Target = ActorRef<A>;

    fn deref(&self) -> &ActorRef<A> {
        &self.actor
    }
}

impl<A: Actor> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone() }
    }
}

impl<A: Actor> fmt::Debug for Slot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.actor).finish()
    }
}
