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
//! When all are taken, by moments that are past as well until somebody finds no room, a promise is kept apart, under a lock.
//! Each has a place, so of those apart there are never more than places.

use std::collections::BTreeMap;
use std::fmt;

use crate::facade::{AtomicU64, Mutex, Ordering, StoredU64};

const SLOTS: usize = if cfg!(loom) { 1 } else { 14 };
/// The number, in the place of a slot's, of what is kept apart.
const APART: usize = SLOTS;
const MANY: u32 = 24;
const MOST: u64 = (1 << MANY) - 1;
/// What of a moment is remembered beside the slot: a promise that is older than that is forgiven long ago.
const LOW: u32 = 28;
const LOW_BITS: u64 = (1 << LOW) - 1;

/// The promises of one owner of places.
pub struct Promises {
    slots: [AtomicU64; SLOTS],
    apart: Apart,
}

/// Those that found no slot: how many for each moment.
struct Apart {
    moments: Mutex<BTreeMap<u64, u64>>,
    /// The first of these moments, 0 for none: written under the lock, and read to pass by without it.
    first: StoredU64,
}

/// One place, promised until a moment. A word, to be kept anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise(u32);

impl Promise {
    /// One without a moment, that counts until it is used.
    pub const ENDLESS: Self = Self(0);

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
        let apart = Apart { moments: Mutex::new(BTreeMap::new()), first: StoredU64::new(0) };
        Self { slots: [(); SLOTS].map(|()| AtomicU64::new(0)), apart }
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
        self.apart.make(until);
        Promise::new(APART, until)
    }

    /// Takes the place that was promised. False: it was forgiven, and is somebody else's.
    #[must_use = "what was forgiven is somebody else's"]
    pub fn keep(&self, promise: Promise) -> bool {
        let Some((slot, low)) = promise.parts() else { return true };
        if slot == APART {
            return self.apart.keep(low);
        }
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
        let mut forgiven = self.apart.forgive(now);
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
        moments.filter(|(_, many)| *many != 0).map(|(until, _)| until).chain(self.apart.first()).min()
    }

    fn swap(&self, slot: usize, seen: u64, new: u64) -> Result<(), u64> {
        // AcqRel: whoever has the place has it as the one before left it.
        self.slots[slot].compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed).map(drop)
    }
}

impl Apart {
    #[cold]
    fn make(&self, until: u64) {
        self.change(|moments| *moments.entry(until).or_default() += 1);
    }

    #[cold]
    fn keep(&self, low: u64) -> bool {
        self.change(|moments| {
            let Some((&until, many)) = moments.iter_mut().find(|(until, _)| **until & LOW_BITS == low) else {
                return false;
            };
            *many -= 1;
            if *many == 0 {
                moments.remove(&until);
            }
            true
        })
    }

    fn forgive(&self, now: u64) -> u64 {
        if self.first().is_none_or(|first| first >= now) {
            return 0;
        }
        self.change(|moments| {
            let kept = moments.split_off(&now);
            std::mem::replace(moments, kept).into_values().sum()
        })
    }

    fn first(&self) -> Option<u64> {
        Some(self.first.load(Ordering::Relaxed)).filter(|first| *first != 0)
    }

    fn change<R>(&self, change: impl FnOnce(&mut BTreeMap<u64, u64>) -> R) -> R {
        let mut moments = self.moments.lock();
        let changed = change(&mut moments);
        self.first.store(moments.keys().next().copied().unwrap_or(0), Ordering::Relaxed);
        changed
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
        let apart = self.apart.moments.lock().values().sum::<u64>();
        f.debug_struct("Promises").field("places", &(many + apart)).finish_non_exhaustive()
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
    fn those_that_find_no_slot_have_an_end_as_well() {
        let (promises, many) = (Promises::new(), SLOTS as u64 + 3);
        let made: Vec<_> = (1..=many).chain([many]).map(|until| promises.make(until)).collect();
        let apart = made[SLOTS..].iter().map(|promise| promise.parts().map(|(slot, _)| slot));
        assert_eq!(apart.collect::<Vec<_>>(), [Some(APART); 4], "all the slots are taken");
        assert!(promises.keep(made[SLOTS]) && !promises.keep(made[SLOTS]), "one that is apart is kept, once");
        assert_eq!(promises.forgive(many), SLOTS as u64 + 1);
        assert_eq!(promises.first(), Some(many));
        assert!(!promises.keep(made[SLOTS + 1]), "it was forgiven");
        assert!(promises.keep(made[SLOTS + 2]) && promises.keep(made[SLOTS + 3]));
        assert_eq!((promises.forgive(u64::MAX), promises.first()), (0, None));
        assert_eq!(promises.make(1).parts().map(|(slot, _)| slot), Some(1), "a slot whose promises have ended is free");
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
