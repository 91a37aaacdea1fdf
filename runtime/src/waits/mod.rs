//! Who waits for whom: rings of actors that wait for each other are refused at once.
//!
//! ```text
//! question, polled in a turn and not answered ─▶ notes of the turn ─ the turn ends ─▶ edge of the cell ─▶ look round the ring
//! ```
//! An *edge* says that an incarnation waits, in a callback that it has begun, for one answer of one other actor and for
//! nothing else, or for room in its mailbox. It is as good as the reply slot behind it: gone as soon as there is an answer,
//! the asker has given up, or somebody else may be the one who answers. What may end in another way makes no edge, and meets
//! its deadline. That is:
//!
//! * *Several things at once* (`join!`, `select!`, a timeout): whoever waits in a callback has a clone of the waker that it
//!   was polled with, in the guise of this turn or, if it had one already, of the last. So what two turns saw waiting alone
//!   does wait alone. Until then an edge is unsure.
//! * *An answer that somebody else owes*: the handler has returned with the reply alive; it has sent a message, no question,
//!   that may carry the reply along, or started an actor with it; or it [said so](crate::Reply::handed_on).
//! * *A place that somebody else holds*: room may come when a permit is dropped.
//! * What is asked outside of any turn, as in a task that was spawned, or across systems.
//!
//! **No ring is missed.** An edge is published under its lock, and behind a fence, before its owner looks at those of others
//! under theirs. Of two who close a ring the one whose edge comes second in some order of the locks sees the other's. Whoever finds a ring in
//! which edges are unsure wakes their owners: each is polled once or twice more, and looks again.
//!
//! **No ring is imagined.** What made an edge good never comes back, and an edge that is published anew has another serial
//! number. If a second look round finds the same edges as the first, all sure and all good still, all were good at once in
//! between: so everybody in the ring waited for the next, and nobody could ever go on. The question that was asked last is
//! refused. It is queued still, since whom it was put to has waited since before; it is withdrawn, and dropped unhandled.
//!
//! **One who closes a ring in a turn that is run in place** for a question of another member has its edge before that other
//! has one, whose turn goes on. The other finds the ring then, and refuses what was asked last all the same: the outcome is
//! that of a ring whose turns are run by pumps.
//!
//! What it costs: nothing where nobody waits; for a question that goes on when the turn of an actor ends, a box that is made
//! once for each such actor, two locks of its own, and a look at the callee. The turns more are those of actors in a ring. No
//! lock of one cell is held while that of another is taken.

mod edge;
mod notes;
mod ring;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::edge::{Awaited, RoomSought, Since, Standing};
pub(crate) use self::notes::{
    Notes, awaits, begins, gives, is_answered, pends, quietly, since, takes_in_hand, waker_is_kept, whose, withdraw,
};
pub use self::ring::Cycle;
