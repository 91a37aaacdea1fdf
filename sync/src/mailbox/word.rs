//! The mailbox's tail word: everything a sender must know and change in one compare-and-swap.
//!
//! ```text
//!   63                              25 24   20 19        0
//!  ┌──────────────────────────────────┬───────┬──────────┐
//!  │ position: places ever taken      │ flags │ reserved │   the position wraps without touching the rest
//!  └──────────────────────────────────┴───────┴──────────┘
//! ```

use std::fmt;

/// Senders are to take their places with care: [`place_at_once`](super::Mailbox::place_at_once) gives none.
pub(super) const CAREFUL: u64 = 1 << 24;
/// No more places are given. Set by `close`, cleared by `reopen`.
pub(super) const CLOSED: u64 = 1 << 23;
/// The receiver found nothing and went to sleep. Set by `park`, cleared by the compare-and-swap of the
/// sender that takes the next place: that one wakes.
pub(super) const PARKED: u64 = 1 << 22;
/// The block pointer is being changed. Set by the compare-and-swap that takes the first place of a new
/// block (or by a receiver that tidies an empty queue), cleared by the same thread a few instructions later.
pub(super) const INSTALLING: u64 = 1 << 21;
/// Somebody waits for room: a freed place is handed over, not taken. Changed under the waiters' lock.
pub(super) const WAITERS: u64 = 1 << 20;

const ONE_RESERVED: u64 = 1;
const RESERVED: u64 = WAITERS - 1;
const POSITION_SHIFT: u32 = 25;
const ONE_TAKEN: u64 = 1 << POSITION_SHIFT;
const POSITION: u64 = u64::MAX >> POSITION_SHIFT;

/// One value of the tail word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// Any of these flags?
    #[inline(always)]
    pub(super) fn any(self, flags: u64) -> bool {
        self.0 & flags != 0
    }

    #[inline(always)]
    pub(super) fn position(self) -> u64 {
        self.0 >> POSITION_SHIFT
    }

    #[inline(always)]
    pub(super) fn reserved(self) -> u64 {
        self.0 & RESERVED
    }

    /// How many places were taken after `head`, a full position. Wraps when `head` is ahead of this word.
    #[inline(always)]
    pub(super) fn taken_since(self, head: u64) -> u64 {
        self.0.wrapping_sub(head << POSITION_SHIFT) >> POSITION_SHIFT
    }

    /// As above, for a word that may be older than `head`: then nothing.
    pub(super) fn taken_since_or_none(self, head: u64) -> u64 {
        let taken = self.taken_since(head);
        if taken > POSITION / 2 { 0 } else { taken }
    }

    /// The next place is taken, and the receiver is not parked any more.
    #[inline(always)]
    pub(super) fn advanced(self) -> Word {
        Word((self.0 & !PARKED).wrapping_add(ONE_TAKEN))
    }

    pub(super) fn one_more_reserved(self) -> Word {
        Word(self.0 + ONE_RESERVED)
    }

    /// # Panics
    ///
    /// When none is reserved: the caller gives back what it did not take.
    pub(super) fn one_fewer_reserved(self) -> Word {
        assert!(self.reserved() > 0, "a reserved place is used or released only by who reserved it");
        Word(self.0 - ONE_RESERVED)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {} reserved {}", self.position(), self.reserved())?;
        let names = [
            (CAREFUL, "careful"),
            (CLOSED, "closed"),
            (PARKED, "parked"),
            (INSTALLING, "installing"),
            (WAITERS, "waiters"),
        ];
        for (flag, name) in names {
            if self.any(flag) {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_position_wraps_and_touches_nothing_else() {
        let last = Word(CAREFUL | CLOSED | PARKED | POSITION << POSITION_SHIFT).one_more_reserved();
        let next = last.advanced();
        assert_eq!(next, Word(CAREFUL | CLOSED | ONE_RESERVED));
        assert_eq!(next.taken_since(POSITION), 1);
        assert_eq!(next.taken_since(POSITION - 1), 2);
        assert_eq!(next.taken_since_or_none(1), 0, "the head is ahead of an old word");
    }

    #[test]
    fn a_full_count_of_reservations_stays_in_its_field() {
        let mut word = Word(7 << POSITION_SHIFT);
        for _ in 0..1 << 19 {
            word = word.one_more_reserved();
        }
        assert_eq!((word.reserved(), word.position()), (1 << 19, 7));
        assert!(!word.any(CAREFUL | CLOSED | PARKED | INSTALLING | WAITERS));
    }
}
