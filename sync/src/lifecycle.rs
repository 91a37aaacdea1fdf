//! Where a slot is in its life, and where it may go from there.
//!
//! ```text
//!                 ┌─────────────restart──────────────┐
//!                 ▼                                  │
//!   Fresh ───▶ Starting ───▶ Running ───▶ Stopping ──┤
//!     │           │             │             │      │
//!     │           └─────────────┴─────────────┴──▶ Stopped ───▶ Gone
//!     └──────────────────────────────────────────────┴───────────▲
//! ```
//!
//! `Stopped` can be started again (a group restart, `restart_child`); `Gone` is for ever.

use std::fmt;

use crate::facade::{AtomicU8, Ordering};

/// A stage of a slot's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// Declared, never started.
    Fresh,
    /// An incarnation is in `init`.
    Starting,
    /// An incarnation handles messages.
    Running,
    /// The incarnation was told to stop, or is ending.
    Stopping,
    /// No incarnation; there may be another.
    Stopped,
    /// No incarnation, and never again.
    Gone,
}

use Stage::{Fresh, Gone, Running, Starting, Stopped, Stopping};

impl Stage {
    const ALL: [Stage; 6] = [Fresh, Starting, Running, Stopping, Stopped, Gone];

    /// May a slot go from this stage to `next`? The table is the law; whatever it does not list is illegal.
    pub const fn may_become(self, next: Stage) -> bool {
        matches!(
            (self, next),
            // The first start, and every later one: after a stop, or at once after a crash.
            (Fresh | Stopped | Running | Stopping, Starting)
            // `init` succeeded.
            | (Starting, Running)
            // The orderly way out.
            | (Starting | Running, Stopping)
            // The end of an incarnation, or of the hope for one.
            | (Fresh | Starting | Running | Stopping, Stopped)
            // The end of the slot: only where nothing runs.
            | (Fresh | Stopped, Gone)
        )
    }

    fn from_bits(bits: u8) -> Stage {
        Stage::ALL[usize::from(bits)]
    }
}

/// A transition that is not in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// Where the slot was, and still is.
    pub from: Stage,
    /// Where it was to go.
    pub to: Stage,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a slot does not go from {:?} to {:?}", self.from, self.to)
    }
}

impl std::error::Error for Illegal {}

/// A slot's stage, as an atomic.
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// A slot that is [`Stage::Fresh`].
    pub fn new() -> Self {
        Lifecycle(AtomicU8::new(Fresh as u8))
    }

    /// The current stage.
    pub fn stage(&self) -> Stage {
        // Acquire: who sees a stage sees what led to it.
        Stage::from_bits(self.0.load(Ordering::Acquire))
    }

    /// Goes to `next`, and answers where it came from. Of two that go the same way at once, one does.
    ///
    /// # Errors
    ///
    /// [`Illegal`]: one does not get there from here. Nothing changed.
    pub fn become_stage(&self, next: Stage) -> Result<Stage, Illegal> {
        let mut bits = self.0.load(Ordering::Relaxed);
        loop {
            let from = Stage::from_bits(bits);
            if !from.may_become(next) {
                return Err(Illegal { from, to: next });
            }
            // AcqRel: what was done in the last stage is seen in the next.
            match self.0.compare_exchange(bits, next as u8, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(from),
                Err(seen) => bits = seen,
            }
        }
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lifecycle").field(&self.stage()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_law() {
        let drawn: String = Stage::ALL
            .iter()
            .map(|from| {
                let to: Vec<_> = Stage::ALL.iter().filter(|to| from.may_become(**to)).collect();
                format!("{from:?} -> {to:?}\n")
            })
            .collect();
        assert_eq!(
            drawn,
            "Fresh -> [Starting, Stopped, Gone]\n\
             Starting -> [Running, Stopping, Stopped]\n\
             Running -> [Starting, Stopping, Stopped]\n\
             Stopping -> [Starting, Stopped]\n\
             Stopped -> [Starting, Gone]\n\
             Gone -> []\n"
        );
    }

    #[test]
    fn c4_stopped_is_reopenable_and_gone_is_not() {
        let life = Lifecycle::new();
        for stage in [Starting, Running, Stopping, Stopped, Starting, Stopped] {
            life.become_stage(stage).unwrap();
        }
        assert_eq!(life.become_stage(Gone), Ok(Stopped));
        assert_eq!(life.become_stage(Starting), Err(Illegal { from: Gone, to: Starting }));
        assert_eq!(life.stage(), Gone);
    }
}
