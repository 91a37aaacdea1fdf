//! A message on its way, with what the runtime needs to know of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::OwnedSemaphorePermit;

use crate::gate::Marks;
use crate::message::Criticality;
use crate::pid::ActorId;
use crate::reply::Caller;

/// A message in a mailbox.
pub(crate) struct Envelope<M> {
    pub(crate) msg: M,
    /// Whoever waits for an answer to it.
    pub(crate) caller: Option<Caller>,
    /// Nanoseconds of the system's clock, or never. Flat, so that a message carries no padding.
    pub(crate) deadline: u64,
    pub(crate) from: ActorId,
    /// When it was sent, in steps of the coarse clock, wrapping.
    pub(crate) stamp: u32,
    pub(crate) criticality: Criticality,
    /// Who began the call.
    pub(crate) flow: u8,
    /// How it is counted while it waits: as a place of that flow, as one of its kind.
    pub(crate) marks: Marks,
}

/// A message with a place of its own, so that a full mailbox cannot swallow it.
pub(crate) struct Own<M> {
    pub(crate) msg: M,
    pub(crate) token: Token,
}

/// What whoever sent it learns when the message has been handled.
#[derive(Default)]
pub(crate) enum Token {
    #[default]
    None,
    /// An interval: no second tick is queued while one waits.
    #[expect(dead_code, reason = "dropping it is its use")]
    Tick(Ticket),
    /// A piped stream: the next item is pulled when this one is taken.
    #[expect(dead_code, reason = "dropping it is its use")]
    Item(OwnedSemaphorePermit),
}

/// Says "taken" when dropped.
pub(crate) struct Ticket(pub(crate) Arc<AtomicBool>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.store(false, std::sync::atomic::Ordering::Release);
    }
}
