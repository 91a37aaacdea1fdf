//! When an actor that is being restarted is expected back.
//!
//! Its mailbox takes messages meanwhile. Who has a deadline is told at once if it will pass before the actor is back and has
//! come to this message: a restart of two milliseconds is nobody's business, one that waits for five seconds is.

use parking_lot::Mutex;

use crate::cell::{Core, flag};

/// A start that takes no longer makes nobody late.
const QUICK_NS: u64 = 1_000_000;

/// What is known of the absence of one actor.
#[derive(Debug, Default)]
pub(super) struct Away(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How long its starts have taken on average, the last ones counting most; 0 while that is quick, or not known.
    start_ns: u64,
    /// When it will be back, should it start as it did before.
    back_at: Option<u64>,
    /// Senders are told to look.
    is_counted: bool,
}

impl Away {
    /// Whether a start has taken so long that senders are to know.
    pub(super) fn is_worth_noting(took_ns: u64) -> bool {
        took_ns >= QUICK_NS
    }

    /// Its next start begins then, and not before.
    pub(super) fn begins(&self, core: &Core, at: u64) {
        let mut state = self.0.lock();
        let back_at = at.saturating_add(state.start_ns);
        state.back_at = Some(back_at).filter(|_| !core.is_over());
        state.publish(core);
    }

    /// It has started, and that took so long.
    pub(super) fn started(&self, core: &Core, took_ns: u64) {
        let mut state = self.0.lock();
        state.start_ns = match state.start_ns {
            0 => took_ns,
            before => before - before / 4 + took_ns / 4,
        };
        if !Self::is_worth_noting(state.start_ns) {
            state.start_ns = 0;
        }
        state.back_at = None;
        state.publish(core);
    }

    /// Nobody expects it any more.
    pub(super) fn ends(&self, core: &Core) {
        let mut state = self.0.lock();
        state.back_at = None;
        state.publish(core);
    }

    /// After what time it is expected back, if that is still to come. If not, nobody needs to look any more.
    pub(super) fn back_in(&self, core: &Core, now: u64) -> Option<u64> {
        let mut state = self.0.lock();
        let left = state.back_at?.checked_sub(now).filter(|left| *left != 0);
        if left.is_none() {
            state.back_at = None;
            state.publish(core);
        }
        left
    }
}

impl State {
    /// Has senders look, or look no more.
    fn publish(&mut self, core: &Core) {
        let is_away = self.back_at.is_some();
        if is_away == self.is_counted {
            return;
        }
        self.is_counted = is_away;
        // What has started, or will, implies a system.
        let stragglers = &core.shared().stragglers;
        if is_away {
            core.raise(flag::AWAY);
            stragglers.one_more_is_unready();
        } else {
            core.lower(flag::AWAY);
            stragglers.one_less_is_unready();
        }
    }
}
