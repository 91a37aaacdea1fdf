//! The address of whoever takes one kind of message, its actor type forgotten.

use std::fmt;
use std::sync::Arc;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::error::{Load, Rejected};
use crate::message::Message;
use crate::pid::{ActorId, Pid};

/// Takes messages of type `M`, whichever actor is behind it. Made by [`ActorRef::recipient`].
pub struct Recipient<M: Message> {
    behind: Arc<dyn Takes<M>>,
}

trait Takes<M>: Send + Sync {
    fn tell(&self, msg: M) -> Result<(), Rejected<M>>;
    fn load(&self) -> Load;
    fn pid(&self) -> Pid;
    fn id(&self) -> ActorId;
}

impl<A: Actor, M: Message> Takes<M> for ActorRef<A>
where
    A::Msg: From<M> + TryInto<M>,
{
    fn tell(&self, msg: M) -> Result<(), Rejected<M>> {
        ActorRef::tell(self, msg).map_err(|rejected| {
            let why = rejected.why.clone();
            match rejected.into_message().try_into() {
                Ok(message) => Rejected::new(why, message),
                Err(_) => unreachable!("what was made from an `M` turns back into it"),
            }
        })
    }

    fn load(&self) -> Load {
        ActorRef::load(self)
    }

    fn pid(&self) -> Pid {
        ActorRef::pid(self)
    }

    fn id(&self) -> ActorId {
        ActorRef::id(self)
    }
}

impl<M: Message> Recipient<M> {
    pub(crate) fn new<A: Actor>(actor: ActorRef<A>) -> Self
    where
        A::Msg: From<M> + TryInto<M>,
    {
        Self { behind: Arc::new(actor) }
    }

    /// Sends a message. Never waits.
    ///
    /// # Errors
    /// As [`ActorRef::tell`].
    ///
    /// # Panics
    /// If the actor's message type does not turn back into the `M` it was made from.
    pub fn tell(&self, msg: M) -> Result<(), Rejected<M>> {
        self.behind.tell(msg)
    }

    /// What the actor has to do.
    pub fn load(&self) -> Load {
        self.behind.load()
    }

    /// The incarnation that was started last.
    pub fn pid(&self) -> Pid {
        self.behind.pid()
    }

    /// The identity of the slot.
    pub fn id(&self) -> ActorId {
        self.behind.id()
    }
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self { behind: self.behind.clone() }
    }
}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient").field("pid", &self.pid()).finish()
    }
}
