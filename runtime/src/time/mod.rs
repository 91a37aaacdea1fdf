//! The system's own timers: a hierarchical wheel with a tick of one millisecond, and the one task that turns it.
//!
//! Arming and cancelling cost a lock and a few stores, however many timers there are; asks do both millions of times
//! a second and almost never wait for the end. The wheel keeps tokio out of that: the driver is one task holding one
//! `Sleep` at the wheel's head: a clock that was paused before the system started sees what to advance to.
//!
//! ```text
//!   arm, cancel ──▶ shard ─┐            slots[level][digit] ─▶ node ⇄ node ⇄ node
//!   arm, cancel ──▶ shard ─┼─ head ──▶ driver: one tokio Sleep ──▶ Expire::expire, outside every lock
//!   arm, cancel ──▶ shard ─┘
//! ```
//!
//! # Guarantees
//! - A timer never fires early, and fires at most once; a `cancel` that returns true means it will not.
//! - It fires at most one tick late, plus what the driver is late: tokio's timer (another millisecond) and its wait for
//!   a free worker. A driver that is later than that, because a turn blocks the worker that turns tokio's own timers, is
//!   stood in for by the pool's lookout.
//! - While no timer is armed nothing wakes up. (A wake-up for a timer that was cancelled meanwhile happens once.)
//! - Nobody waits for a wheel that nobody turns: once it is closed, it wakes who waits at once.
//! - Memory follows the timers that are armed: a cancelled one leaves nothing behind, and emptied segments are freed.

mod driver;
mod nap;
mod shard;
mod slab;
#[cfg(test)]
mod tests;
mod wheel;

pub(crate) use nap::Nap;
pub(crate) use wheel::Aside;
pub use wheel::{Expire, TimerKey, Wheel};

/// Nanoseconds of one tick.
pub(crate) const TICK_NS: u64 = 1_000_000;
