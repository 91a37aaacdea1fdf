//! Who runs next, where, and for how long.
//!
//! The queues are ours, the threads are tokio's, but for one that looks on, and others that take turns when no worker
//! does. A [`Pool`] is a tokio runtime with as many *pumps* as it has cores: long-lived tasks that drain the queues. An actor made runnable by an actor is a push to
//! the pump that runs right now; made runnable by anybody else, it goes to the injector and an idle pump is woken, by
//! tokio, on that very worker.
//!
//! ```text
//!   worker 1: tokio task · pump 0 [next|waiting…] · tokio task · driver        injector
//!                              ▲ steal                                            │
//!   worker 2: pump 1 [next|waiting…] · tokio task · driver  ◀─────────────────────┘
//! ```
//!
//! # Guarantees
//! - **A pump is a good neighbour.** Its poll ends after about [`POLL_NS`] by the clock, or [`POLL_TURNS`] turns, and
//!   the next is left to tokio; every so often tokio looks at its drivers first.
//! - **Every turn has a budget of its own** for tokio's resources: a turn cannot use up another's.
//! - **Nothing is out of reach.** All that is queued, on any pump, can be taken by another, also while that pump's
//!   turn blocks, and while it waits for its next poll.
//! - **Nobody starves.** An actor that becomes runnable in a turn while `n` others wait in that pump's queue has its own turn after
//!   no more than [`TURNS_PER_PLACE`]` * (n + 1)` further turns of that pump, whatever the others are sent and however often: at
//!   most [`NEXT_RUNS`] times in a row something that was made ready later runs first, and every second turn at the most is left to what
//!   comes from outside, which then queues behind. Who is made runnable from outside is taken out of the injector in the order in which
//!   they came, at least one in 61 turns of each pump. If another pump steals an actor, its wait is no longer: thieves have nothing to
//!   do, and take 32 at a time.
//! - **A notified pump that does not come holds nobody back**: see [`crashworthy_sync::wakeup`].
//! - **Work does not wait for a worker that is not free while another is.** Where pumps relied on each other in vain, the
//!   `lookout` notices within about 10 ms.
//! - **Work does not wait for a handler that blocks**, not even on every worker at once: after about 15 ms `rescue` has threads
//!   that take turns, up to 16 of them, until a worker returns. On a runtime of one thread alone it waits.
//! - **A supervisor acts, and who was killed ends, however many handlers block**: when the rescuers do as well, `reserve` takes such
//!   turns. And a system is stopped although no worker polls a task: see `Pool::run_errand`.
//! - **An idle pool uses no CPU.** No ticker, no polling; the lookout rests.
//! - **The end is told, once.** When the runtime drops its tasks, or [`Pool::close`] is called, the pool takes no more
//!   work, drops what is queued, and calls what was given to [`Pool::on_closed`]; and to [`Pool::on_gone`] when the
//!   last pump has been dropped.

mod current;
mod errand;
mod held;
mod lookout;
mod pool;
mod pump;
mod record;
mod rescue;
mod reserve;
mod stats;
mod waking;

use crashworthy_sync::run_queue::NEXT_RUNS;

pub(crate) use held::Held;
pub use pool::Pool;
pub use rescue::CREW;
pub use stats::{PoolKind, PoolStats, PumpState, PumpStats};

/// Turns of its pump that go by, at most, for each actor that waits before one, and for that one itself: see *Nobody starves*.
pub const TURNS_PER_PLACE: u64 = 2 * (NEXT_RUNS as u64 + 1);

/// A poll of a pump ends when it has taken this long.
pub const POLL_NS: u64 = 100_000;

/// A poll of a pump ends after this many turns, however short: virtual time does not pass by itself.
pub const POLL_TURNS: u32 = 2_048;
