//! What a gate is to new messages just now, in a word.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cell::{Core, Status, flag};

/// What an actor's gate is to new messages. Of several that apply, the one that refuses most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateState {
    /// Takes what there is room and time for.
    #[default]
    Open,
    /// Refuses some for want of time, to be quick for the others.
    Shedding,
    /// Refuses whoever has less time than it has had the same in hand: see [`Reason::Stuck`](crate::Reason::Stuck). It is told so to the
    /// first of them.
    Stuck,
    /// Lacks something it [needs](crate::Context::depends_on), or takes only what [matters](crate::Readiness::Only).
    NotReady,
    /// Is [suspended](crate::System::suspend): takes what has time to wait until it is resumed.
    Suspended,
    /// Is being restarted: takes what has time to wait until it is back.
    Restarting,
    /// Takes no new work: it is about to [stop](crate::System::drain), or its system is.
    Draining,
    /// Was [tripped](crate::System::trip): takes nothing until it is untripped.
    Tripped,
    /// Has not been started yet.
    NotStarted,
    /// Has ended; it may be started again.
    Stopped,
    /// Has ended for good.
    Gone,
    /// Is in a state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl GateState {
    /// That of an actor.
    pub(crate) fn of(core: &Core) -> Self {
        let status = core.status();
        match status {
            Status::Gone => return Self::Gone,
            Status::Stopped => return Self::Stopped,
            Status::Fresh => return Self::NotStarted,
            Status::Starting | Status::Running | Status::Down => {}
        }
        let flags = core.flags();
        let orders = core.orders();
        if orders.tripped {
            Self::Tripped
        } else if orders.drains || flags & flag::DRAINS != 0 {
            Self::Draining
        } else if status == Status::Down {
            Self::Restarting
        } else if orders.suspended {
            Self::Suspended
        } else if flags & flag::UNREADY != 0 {
            Self::NotReady
        } else if core.gate.is_stuck(core) {
            Self::Stuck
        } else if core.gate.is_shedding(&core.shared().port) {
            Self::Shedding
        } else {
            Self::Open
        }
    }

    /// Whether it refuses some or all although its actor has begun and not ended: whoever looks for what is wrong looks here.
    pub fn is_shut(self) -> bool {
        !matches!(self, Self::Open | Self::NotStarted | Self::Stopped | Self::Gone)
    }

    /// Its name, as on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shedding => "shedding",
            Self::Stuck => "stuck",
            Self::NotReady => "not_ready",
            Self::Suspended => "suspended",
            Self::Restarting => "restarting",
            Self::Draining => "draining",
            Self::Tripped => "tripped",
            Self::NotStarted => "not_started",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for GateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "not ready",
            Self::NotStarted => "not started",
            other => other.name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{ms, once, simulate, slow_clerk};

    #[test]
    fn who_rests_sheds_no_load_whatever_was_the_last_that_was_seen() {
        simulate(1, async |system| {
            let (clerk, _) = slow_clerk(&system).await;
            // Five times what it can do, until it sheds.
            let mut calls = 0;
            while clerk.gate() != GateState::Shedding {
                let clerk = clerk.clone();
                tokio::spawn(async move { clerk.ask(once).within(ms(50)).await });
                tokio::time::sleep(ms(2)).await;
                calls += 1;
                assert!(calls < 2_000, "it never sheds");
            }
            clerk.settled().await;
            tokio::time::sleep(ms(60)).await;
            assert_eq!(clerk.gate(), GateState::Open, "it rests, and nobody was refused for a deadline");
        });
    }
}
