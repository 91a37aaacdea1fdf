//! What an actor is told: the properties a message may have.

use std::any::Any;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// What an actor is told. `impl Message for M {}` is enough; `#[derive(Message)]` fills the properties per variant.
///
/// The properties belong to the *value*: an actor has one message enum, and its variants differ.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a `Message`",
    note = "add `#[derive(Message)]` to it, or `impl Message for {Self} {{}}`"
)]
pub trait Message: Send + 'static {
    /// A short name for logs, reports and per-kind figures: the variant's name where it is derived, else the path of
    /// the type, which reports shorten. Called for every message: it should cost nothing.
    fn kind(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// How much it matters under overload; of a question asked in a call that is being handled, no more than that call. An actor that refuses
    /// keeps its last places for what matters more.
    fn criticality(&self) -> Criticality {
        Criticality::default()
    }

    /// Within which time it should be handled when its sender names no deadline. A message that would not be is refused;
    /// one that was not is dropped unhandled.
    fn sla(&self) -> Option<Duration> {
        None
    }

    /// Its work as a multiple of this actor's usual message, for those who have a deadline: one that takes longer needs
    /// more room. What is less than 1, or no number, counts as 1.
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

    /// A copy for the dead-letter hook, taken before the message is handled: a crash destroys the original.
    ///
    /// The default keeps nothing and costs nothing; `#[message(salvage)]` derives the copy.
    fn salvage(&self) -> Option<Box<dyn Any + Send>> {
        None
    }
}

impl Message for () {}
