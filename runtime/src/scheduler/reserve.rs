//! The reserve: threads for those who end others, when every worker and every rescuer is blocked.
//!
//! A rescuer is there for anybody, so handlers that block for ever get them all in the end. Then nothing goes on in the pool
//! but this: a supervisor acts, who was killed ends. So a supervisor can kill, or leave behind, those who block, start
//! others, and be stopped itself. Such turns are *urgent* ([`Runnable::is_urgent`]): the lookout picks them out of what waits.
//!
//! They run user code, too: destructors of the killed, arguments of children. What blocks there keeps a thread of the reserve,
//! of which there are no more than [`RESERVE`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

use crashworthy_sync::task::Runnable;
use parking_lot::Mutex;

use super::pool::Pool;
use super::rescue::turn;

/// Threads of the reserve of a pool at a time.
const RESERVE: usize = 16;

/// The lookout looks through all that waits for no more than about one part in so many of its time.
const PART: u64 = 10;

/// Urgent turns, and the threads that take them.
#[derive(Default)]
pub(super) struct Reserve {
    waiting: Mutex<VecDeque<Runnable>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    turns: AtomicU64,
}

/// What the lookout knows of a reserve.
#[derive(Default)]
pub(super) struct Watch {
    /// Turns it had taken at the last look.
    seen: u64,
    /// Not to look through what waits before.
    not_before: u64,
}

impl Reserve {
    /// Whether nothing waits for it.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// Threads that take such turns, or have not returned.
    pub(super) fn threads(&self) -> usize {
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.len()
    }

    /// Turns that were taken.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// What waits for it is anybody's again.
    pub(super) fn take_back(&self) -> VecDeque<Runnable> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// Takes what is urgent out of what waits, and has a thread see to it. For the lookout, at every look at which nobody
    /// else gets on.
    pub(super) fn look(&self, pool: &Arc<Pool>, watch: &mut Watch) {
        let now = pool.port.now_ns();
        if now >= watch.not_before {
            let urgent = pool.take_out(Runnable::is_urgent);
            watch.not_before = now + PART * pool.port.now_ns().saturating_sub(now);
            self.waiting.lock().extend(urgent);
            if pool.is_closed() {
                // Whoever closed it may have looked before.
                pool.drop_queued();
            }
        }
        let turns = self.turns();
        let gets_on = std::mem::replace(&mut watch.seen, turns) != turns;
        let threads = self.threads();
        if self.is_empty() || threads >= RESERVE || (threads > 0 && gets_on) {
            return;
        }
        let relieved = pool.clone();
        match pool.port.spawn_worker("reserve", move || relieve(&relieved)) {
            Ok(thread) => self.threads.lock().push(thread),
            Err(error) => tracing::error!(pool = &*pool.name(), %error, "no thread for those who end others"),
        }
    }
}

/// Takes urgent turns until none waits.
fn relieve(pool: &Arc<Pool>) {
    // Its turns may be under way when the last pump goes: it counts as one.
    if !pool.one_more() {
        return;
    }
    let _runtime = pool.runtime.enter();
    let reserve = &pool.rescue.reserve;
    loop {
        // Not kept for as long as the turn.
        let Some(runnable) = reserve.waiting.lock().pop_front() else { break };
        turn(pool, runnable, &reserve.turns);
    }
    pool.one_less();
}
