//! What an actor is told: the properties a message may have.

use std::any::Any;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crash::contain;

/// How much a message matters when not everything can be served. Highest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Served whatever is refused beside it.
    CriticalPlus,
    /// Users see its absence.
    Critical,
    /// May be refused under load.
    #[default]
    Sheddable,
    /// Batch work: the first to be refused.
    SheddablePlus,
}

/// What becomes of a message that finds no room in its actor's mailbox: the four answers to a full queue, but for waiting,
/// which is [`admitted`](crate::ActorRef::admitted).
///
/// It is the receiver's answer, for senders that cannot react to a refusal. Only room is made: a message that would be too
/// late for its deadline is refused whatever it says here, and so is every message while the actor takes none. What has a
/// place of its own (timers, pipes, messages to oneself) or a [reserved](crate::ActorRef::reserve) one is not concerned.
///
/// # Guarantees
/// * All messages together, those that may be displaced included, are never more than the mailbox's capacity. No message is
///   displaced that does not say so, and one that says nothing displaces the oldest that is [worth less](Self::DropOldest): orders are
///   safe from telemetry.
/// * A message that is displaced was accepted, and is counted as [displaced](crate::Law::displaced). Whoever asked is told
///   [`Displaced`](crate::Reason::Displaced). Neither is told to the dead-letter hook.
/// * Messages of one sender are handled in the order sent, whatever they say here; those that are conflated may come earlier.
///
/// # Differs from OTP
/// Mailboxes there have no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The sender is refused, and has the message back, unless the oldest that says [`DropOldest`](Self::DropOldest) makes room.
    #[default]
    Refuse,
    /// The message is dropped, and its sender told that all is well: for what is repeated anyway.
    DropNew,
    /// The oldest message that says the same is dropped, for this one: for what is worth less the older it is. If there is
    /// none, the sender is refused. So it is for a message that says [`Refuse`](Self::Refuse), and for who reserves a place; who waits for room waits.
    DropOldest,
    /// Where a message of the same [kind](Message::kind) with the same key waits, this one takes its place, whether or not there
    /// is room: for values of which only the last one counts. It is handled when that would have been, unless an exit signal or a `Down` has come in
    /// between, which it does not pass. If no such message waits, and there is no room, the sender is refused.
    Conflate(u64),
}

/// What an actor is told. `impl Message for M {}` is enough; `#[derive(Message)]` fills the properties per variant.
///
/// The properties belong to the *value*: an actor has one message enum, and its variants differ.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a `Message`",
    note = "add `#[derive(Message)]` to it, or `impl Message for {Self} {{}}`",
    note = "a type of another crate cannot be one: wrap it, as in `#[derive(Message)] struct Wrapped({Self});`"
)]
pub trait Message: Send + 'static {
    /// A short name for logs, reports and per-kind figures: the variant's name where it is derived, else the path of
    /// the type, which reports shorten. Called for every message: it should cost nothing.
    ///
    /// Messages of one kind are expected to take about the same time: an actor's gate learns what each of its first seven
    /// kinds takes, and what all others do. Kinds that differ by less than two times are not told apart.
    ///
    /// One that panics is the actor's crash when its turn comes, never the sender's.
    fn kind(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// How much it matters under overload; of a question asked in a call that is being handled, no more than that call. An actor that refuses
    /// keeps its last places for what matters more.
    fn criticality(&self) -> Criticality {
        Criticality::default()
    }

    /// Within which time it should be handled when its sender names no deadline, told or asked. A message that would not be is refused;
    /// one that was not is dropped unhandled. Where it is the same for all messages of an actor, it is that actor's: the derive takes
    /// one for the whole type.
    fn sla(&self) -> Option<Duration> {
        None
    }

    /// Its work as a multiple of this actor's usual message, for those who have a deadline: one that takes longer needs
    /// more room. What is less than 1, or no number, counts as 1. Where its [kind](Self::kind) is known to take longer than
    /// that, it is what its kind takes.
    fn cost(&self) -> f32 {
        1.0
    }

    /// Whether handling it twice is as good as once, so that a retry is safe.
    fn idempotent(&self) -> bool {
        false
    }

    /// Whether handling it takes nothing that its actor [depends on](crate::Context::depends_on): then it is taken in while
    /// that is down, too. A reservation is made for any message, and needs everything. What an actor says
    /// [of itself](crate::Actor::ready) holds for all.
    fn needs_nothing(&self) -> bool {
        false
    }

    /// Whether handling it takes answers of those whom its actor [forwards to](crate::Context::forwards_to): then a question is
    /// taken in only if there is room at all of them, too, and holds a place there.
    fn forwards(&self) -> bool {
        false
    }

    /// What becomes of it when there is no room.
    fn overflow(&self) -> Overflow {
        Overflow::Refuse
    }

    /// A copy for the dead-letter hook, taken before the message is handled: a crash destroys the original.
    ///
    /// The default keeps nothing and costs nothing; `#[message(salvage)]` derives the copy.
    fn salvage(&self) -> Option<Box<dyn Any + Send>> {
        None
    }
}

impl Message for () {}

/// What a message calls itself, for how it is counted. One that panics then is counted as nameless: it is asked again when its
/// turn comes, and the panic is that of the actor, not of whoever sends.
pub(crate) fn kind_of<M: Message>(msg: &M) -> &'static str {
    contain(|| msg.kind()).unwrap_or_default()
}
