//! What whoever looks after the system has ordered of one actor: that it is tripped, that it drains, that it is suspended.
//!
//! Kept in the gate, made with the first order, and read by senders who see that there is one. A trip is the slot's: the next
//! incarnation finds it. What else is ordered is of one incarnation, and ends with it.

use std::time::Duration;

use parking_lot::Mutex;

use crate::cell::{Core, flag};
use crate::time::TimerKey;

/// The orders in force.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    tripped: bool,
    drains: bool,
    suspended: Option<Suspended>,
    /// Senders are told to look.
    is_counted: bool,
}

/// A suspension, and when it ends by itself, if it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suspended {
    /// Nanoseconds of the system's clock.
    pub(crate) until: Option<u64>,
    pub(crate) timer: Option<TimerKey>,
}

/// Which orders are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) tripped: bool,
    pub(crate) drains: bool,
    pub(crate) suspended: bool,
    /// When the suspension ends, on the system's clock.
    pub(crate) until: Option<u64>,
}

impl Orders {
    /// Whether that is news.
    pub(super) fn trips(&self, core: &Core, tripped: bool) -> bool {
        self.change(core, |state| std::mem::replace(&mut state.tripped, tripped) != tripped)
    }

    /// Whether that is news.
    pub(super) fn drains(&self, core: &Core, drains: bool) -> bool {
        self.change(core, |state| std::mem::replace(&mut state.drains, drains) != drains)
    }

    /// What was ordered before.
    pub(super) fn suspends(&self, core: &Core, suspended: Option<Suspended>) -> Option<Suspended> {
        self.change(core, |state| std::mem::replace(&mut state.suspended, suspended))
    }

    /// The incarnation has ended. The timer that would have resumed it, if there is one.
    pub(super) fn outlives(&self, core: &Core) -> Option<TimerKey> {
        self.change(core, |state| {
            state.drains = false;
            state.suspended.take()?.timer
        })
    }

    /// The cell goes. Likewise.
    pub(super) fn end(&self, core: &Core) -> Option<TimerKey> {
        self.change(core, |state| std::mem::take(&mut state.tripped));
        self.outlives(core)
    }

    pub(super) fn in_force(&self) -> InForce {
        let state = self.0.lock();
        InForce {
            tripped: state.tripped,
            drains: state.drains,
            suspended: state.suspended.is_some(),
            until: state.suspended.and_then(|suspended| suspended.until),
        }
    }

    fn change<R>(&self, core: &Core, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.lock();
        let changed = change(&mut state);
        state.publish(core);
        changed
    }
}

impl InForce {
    /// How long the suspension still lasts, if that is known, and not over.
    pub(crate) fn left(self, now: u64) -> Option<Duration> {
        self.until?.checked_sub(now).filter(|left| *left != 0).map(Duration::from_nanos)
    }
}

impl State {
    /// Has senders look, or look no more.
    fn publish(&mut self, core: &Core) {
        let is_any = self.tripped || self.drains || self.suspended.is_some();
        if is_any == self.is_counted {
            return;
        }
        self.is_counted = is_any;
        // An incarnation, and there was one, implies a system.
        let stragglers = &core.shared().stragglers;
        if is_any {
            core.raise(flag::HELD);
            stragglers.one_more_is_unready();
        } else {
            core.lower(flag::HELD);
            stragglers.one_less_is_unready();
        }
    }
}
