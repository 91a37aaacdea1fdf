//! Bits that say what an incarnation has to look at before its next message. Set by senders, cleared by the
//! incarnation under the lock of what the bit speaks of.

/// A kill, a stop, an exit signal that may kill, or a suspension.
pub(crate) const URGENT: u32 = 1;
/// A signal that waits for its place among the messages.
pub(crate) const ORDERED: u32 = 1 << 1;
/// A message with a place of its own.
pub(crate) const OWN: u32 = 1 << 2;
/// Any of what comes before the next message.
pub(crate) const PENDING: u32 = URGENT | ORDERED | OWN | RECHECK | SHELVED | VIEW;
/// Any of what keeps the next message from being taken at once.
pub(crate) const ATTEND: u32 = PENDING | TRACED;
/// The incarnation traps exits. Set and cleared by the incarnation itself.
pub(crate) const TRAPS: u32 = 1 << 3;
/// New messages are refused: the system drains.
pub(crate) const DRAINS: u32 = 1 << 4;
/// Between incarnations: throw away what is queued, and rest. Changed under the lock of the control lane.
pub(crate) const CLOSE: u32 = 1 << 5;
/// The incarnation judges the crashes of its children.
pub(crate) const JUDGES: u32 = 1 << 6;
/// The incarnation is to be asked whether it is ready. Set by itself, and when what it depends on goes up or down while
/// it says that it is not; cleared by itself.
pub(crate) const RECHECK: u32 = 1 << 7;
/// Something is missing that the actor needs. Changed under the lock of what it needs; senders look at it while the
/// system says that somebody lacks something.
pub(crate) const UNREADY: u32 = 1 << 8;
/// A message on the shelf. Changed under the lock of the shelf.
pub(crate) const SHELVED: u32 = 1 << 9;
/// The actor is being restarted, and it is known when it will be back. Changed under the lock of what is known; senders look
/// at it as at [`UNREADY`].
pub(crate) const AWAY: u32 = 1 << 10;
/// Somebody wants to see the state. Cleared by the incarnation itself.
pub(crate) const VIEW: u32 = 1 << 11;
/// It was ordered to trip, to drain, or to handle nothing for now. Changed under the lock of the orders; senders look at it as
/// at [`UNREADY`].
pub(crate) const HELD: u32 = 1 << 12;
/// Where the number of its pool begins, which takes up the rest. Changed when an incarnation begins, and by a turn.
pub(crate) const POOL_SHIFT: u32 = 16;
pub(crate) const POOL: u32 = !0 << POOL_SHIFT;
/// Somebody may want to know of each message. Changed under the lock of the traces.
pub(crate) const TRACED: u32 = 1 << 13;
