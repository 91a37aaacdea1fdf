//! Whether an actor still has in hand what it had when somebody with a deadline found it busy.
//!
//! ```text
//!   a sender finds it busy ──▶ a timer, unless one is to end before ──▶ the same in hand all the while? ─ yes ─▶ everybody looks closely
//!                                    ▲                                             │ something newer
//!                                    └────────── when that will have been ◀────────┘ as long in hand
//! ```
//! Of an actor that has been quick senders look at nothing but the size of its mailbox. One of them that waits in vain tells, if it
//! waits at all: a message that was told has nobody who waits, and who gives up before his deadline says nothing. So the first of those
//! who find the actor busy has a timer look at it when his time has passed. There is one at a time, but for those who have less time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crate::cell::Core;
use crate::pid::ActorId;
use crate::shared::Shared;
use crate::time::{Aside, Expire};

/// No timer is armed.
const NONE: u64 = u64::MAX;

/// When somebody is to look next, by the clock of the system.
#[derive(Debug)]
pub(crate) struct Due(AtomicU64);

impl Default for Due {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

impl Due {
    /// Whether somebody looks before that.
    #[inline(always)]
    pub(super) fn is_before(&self, deadline: u64) -> bool {
        self.0.load(Relaxed) <= deadline
    }

    /// Somebody is to look then. False if somebody does before.
    fn takes(&self, at: u64) -> bool {
        self.0.fetch_min(at, Relaxed) > at
    }

    /// It is time: whether it is still he who looks.
    fn ends(&self, at: u64) -> bool {
        self.0.compare_exchange(at, NONE, Relaxed, Relaxed).is_ok()
    }
}

/// Whoever looks.
struct Looks {
    shared: Weak<Shared>,
    id: ActorId,
    at: u64,
    /// Nobody waits for it: a system at rest may have some.
    _aside: Aside,
}

/// Has somebody look at the deadline of a message that has found its actor busy.
#[cold]
pub(super) fn watch(core: &Core, due: &Due, deadline: u64) {
    let shared = core.shared();
    look_at(shared, core.id(), due, deadline, deadline.saturating_sub(shared.port.now_ns()));
}

fn look_at(shared: &Shared, id: ActorId, due: &Due, at: u64, span_ns: u64) {
    if due.takes(at) {
        let looks = Looks { shared: shared.weak(), id, at, _aside: shared.wheel.aside() };
        shared.wheel.arm(at, Arc::new(looks), span_ns);
    }
}

impl Expire for Looks {
    fn expire(&self, span_ns: u64) {
        let Some(shared) = self.shared.upgrade() else { return };
        let Some(cell) = shared.find(self.id) else { return };
        let core = cell.core();
        let Some(due) = core.gate.due().filter(|due| due.ends(self.at)) else { return };
        match core.running_ns() {
            0 => {}
            running_ns if running_ns >= span_ns => core.gate.is_suspect(),
            running_ns => look_at(&shared, self.id, due, shared.port.now_ns() + (span_ns - running_ns), span_ns),
        }
    }
}
