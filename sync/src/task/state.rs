//! The bits of a task's state word, who sets each, and when it cannot be set.

use std::fmt;

/// A turn is due. Set by `wake` at any time, cleared when a turn begins.
/// Without HELD it is stale and means nothing: nobody has a runnable.
pub(super) const SCHEDULED: u64 = 1 << 0;
/// A turn is under way. Set by who begins it, cleared by who ends or abandons it. Only with HELD.
pub(super) const RUNNING: u64 = 1 << 1;
/// The task owns a count of its own `Arc`. Set by `hold_and_wake` and `hold_and_claim`, cleared by the runner's `release`.
pub(super) const HELD: u64 = 1 << 2;
/// Somebody decides whether the turn is to be abandoned. Only with RUNNING, and freezes it.
pub(super) const ABANDONING: u64 = 1 << 3;
/// An abandoned turn has not come back. Set by `abandon`, cleared by the straggler.
pub(super) const STRAGGLER: u64 = 1 << 4;
/// Which of the two owner banks is current. Flipped by `abandon`.
const BANK: u64 = 1 << 5;

const EPOCH_SHIFT: u32 = 32;

/// One value of the state word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

impl State {
    pub(super) const NEW: State = State(0);

    #[inline]
    pub(super) fn has(self, bit: u64) -> bool {
        self.0 & bit != 0
    }

    #[inline]
    pub(super) fn bank(self) -> usize {
        usize::from(self.has(BANK))
    }

    #[inline]
    pub(super) fn epoch(self) -> u32 {
        (self.0 >> EPOCH_SHIFT) as u32
    }

    /// Whether nobody decides about the turn, and this is its epoch still.
    #[inline(always)]
    pub(super) fn goes_on(self, epoch: u32) -> bool {
        const EPOCH: u64 = u64::MAX << EPOCH_SHIFT;
        self.0 & (EPOCH | ABANDONING) == u64::from(epoch) << EPOCH_SHIFT
    }

    /// The state after the turn was left behind: scheduled, next epoch, other bank.
    pub(super) fn abandoned(self) -> State {
        let bits = (self.0 & !(RUNNING | ABANDONING) | STRAGGLER | SCHEDULED) ^ BANK;
        State(bits.wrapping_add(1 << EPOCH_SHIFT))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {} bank {}", self.epoch(), self.bank())?;
        let names = [
            (SCHEDULED, "scheduled"),
            (RUNNING, "running"),
            (HELD, "held"),
            (ABANDONING, "abandoning"),
            (STRAGGLER, "straggler"),
        ];
        for (bit, name) in names {
            if self.has(bit) {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}
