//! Places that are promised until a moment: kept by whoever was promised one, or forgiven when the moment has passed.
//!
//! ```text
//!   slot:  until (40 bits) | how many (24 bits)          make: + 1      keep: - 1      forgive: all of a moment past → 0
//! ```
//!
//! A reservation whose holder is stuck must not take room for ever from an actor that is well. So it counts until its
//! deadline, and whoever finds no room takes what is past.
//!
//! **A place has one owner.** Whoever takes a promise out of its slot by a compare-and-swap has the place: the holder, who
//! uses it or gives it back; somebody who acts for a holder that is no more; or who forgives, and gives it back. Promises
//! for one moment are all alike: a count is enough.
//!
//! Moments are steps of the caller's clock, from 1. There is a fixed number of slots; promises for one moment share one.
//! When all are taken a promise is not written down: it counts until it is used. They are taken by those that are past as well, until
//! somebody finds no room and forgives them.

use std::fmt;

use crate::facade::{AtomicU64, Ordering};

const SLOTS: usize = if cfg!(loom) { 1 } else { 15 };
const MANY: u32 = 24;
const MOST: u64 = (1 << MANY) - 1;
/// What of a moment is remembered beside the slot: a promise that is older than that is forgiven long ago.
const LOW: u32 = 28;
const LOW_BITS: u64 = (1 << LOW) - 1;

/// The promises of one owner of places.
pub struct Promises {
    slots: [AtomicU64; SLOTS],
}

/// One place, promised until a moment. A word, to be kept anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise(u32);

impl Promise {
    /// One that is written down nowhere, and counts until it is used.
    pub const UNWRITTEN: Self = Self(0);

    fn new(slot: usize, until: u64) -> Self {
        Self((slot as u32 + 1) << LOW | (until & LOW_BITS) as u32)
    }

    /// The promise as a word, and back.
    pub fn to_word(self) -> u32 {
        self.0
    }

    /// A word that [`Promise::to_word`] gave.
    pub fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// Its slot, and the low bits of its moment.
    fn parts(self) -> Option<(usize, u64)> {
        let slot = (self.0 >> LOW).checked_sub(1)?;
        Some((slot as usize, u64::from(self.0) & LOW_BITS))
    }
}

/// A slot's word.
fn word(until: u64, many: u64) -> u64 {
    until << MANY | many
}

/// The moment and the number in a slot's word.
fn read(word: u64) -> (u64, u64) {
    (word >> MANY, word & MOST)
}

impl Promises {
    /// None yet.
    pub fn new() -> Self {
        Self { slots: [(); SLOTS].map(|()| AtomicU64::new(0)) }
    }

    /// Writes down that a place is promised until a moment.
    pub fn make(&self, until: u64) -> Promise {
        let (first, last) = (until as usize % SLOTS, u64::MAX >> MANY);
        let until = until.min(last);
        let slots = (first..SLOTS).chain(0..first);
        for slot in slots {
            let mut seen = self.slots[slot].load(Ordering::Relaxed);
            loop {
                let (at, many) = read(seen);
                if many != 0 && (at != until || many == MOST) {
                    break;
                }
                match self.swap(slot, seen, word(until, many + 1)) {
                    Ok(()) => return Promise::new(slot, until),
                    Err(now) => seen = now,
                }
            }
        }
        Promise::UNWRITTEN
    }

    /// Takes the place that was promised. False: it was forgiven, and is somebody else's.
    #[must_use = "what was forgiven is somebody else's"]
    pub fn keep(&self, promise: Promise) -> bool {
        let Some((slot, low)) = promise.parts() else { return true };
        let mut seen = self.slots[slot].load(Ordering::Relaxed);
        loop {
            let (until, many) = read(seen);
            if many == 0 || until & LOW_BITS != low {
                return false;
            }
            match self.swap(slot, seen, word(until, many - 1)) {
                Ok(()) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes all places whose moment lies before this one. So many are the caller's.
    pub fn forgive(&self, now: u64) -> u64 {
        let mut forgiven = 0;
        for slot in 0..SLOTS {
            let mut seen = self.slots[slot].load(Ordering::Relaxed);
            while let (until, many @ 1..) = read(seen)
                && until < now
            {
                match self.swap(slot, seen, word(until, 0)) {
                    Ok(()) => {
                        forgiven += many;
                        break;
                    }
                    Err(new) => seen = new,
                }
            }
        }
        forgiven
    }

    /// The first moment until which anything is promised.
    pub fn first(&self) -> Option<u64> {
        let moments = self.slots.iter().map(|slot| read(slot.load(Ordering::Relaxed)));
        moments.filter(|(_, many)| *many != 0).map(|(until, _)| until).min()
    }

    fn swap(&self, slot: usize, seen: u64, new: u64) -> Result<(), u64> {
        // AcqRel: whoever has the place has it as the one before left it.
        self.slots[slot].compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed).map(drop)
    }
}

impl Default for Promises {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = self.slots.iter().map(|slot| read(slot.load(Ordering::Relaxed)).1).sum::<u64>();
        f.debug_struct("Promises").field("places", &many).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_or_forgiven_once() {
        let promises = Promises::new();
        let made = [5, 5, 9].map(|until| promises.make(until));
        assert_eq!(promises.first(), Some(5));
        assert!(promises.keep(made[0]));
        assert_eq!(promises.forgive(5), 0, "its moment has not passed");
        assert_eq!(promises.forgive(6), 1);
        assert!(!promises.keep(made[1]));
        assert_eq!((promises.forgive(9), promises.first()), (0, Some(9)));
        assert!(promises.keep(made[2]));
        assert!(!promises.keep(made[2]));
        assert_eq!((promises.forgive(u64::MAX >> MANY), promises.first()), (0, None));
    }

    #[test]
    fn what_finds_no_slot_counts_until_it_is_used() {
        let promises = Promises::new();
        let made: Vec<_> = (1..=SLOTS as u64 + 1).map(|until| promises.make(until)).collect();
        assert_eq!(made[SLOTS], Promise::UNWRITTEN);
        assert_eq!(promises.forgive(1_000), SLOTS as u64);
        assert!(promises.keep(made[SLOTS]));
        assert_ne!(promises.make(2_000), Promise::UNWRITTEN, "a slot whose promises have ended is free");
    }

    #[test]
    fn a_promise_is_a_word() {
        let promises = Promises::new();
        for until in [1, 12_345, u64::MAX >> MANY, u64::MAX] {
            let promise = Promise::from_word(promises.make(until).to_word());
            assert!(promises.keep(promise), "until {until}");
        }
    }
}
