//! Who holds what: written down for almost nothing, struck out exactly once.
//!
//! ```text
//!   slot: state = generation | FREE ───────▶ HELD ───────▶ (next generation) FREE        what: three words
//!                                   enter           strike, or sweep: whose compare-and-swap wins has it
//! ```
//!
//! An entry is made by the holder, and ends in one of two ways: the holder strikes it out, or somebody who has revoked the
//! holder's rights sweeps it up. Both are the same compare-and-swap, so exactly one of them has what was held.
//!
//! **Nothing escapes a sweep.** Who enters something looks afterwards whether it was revoked; who sweeps has revoked
//! before. The two fences of `asymmetric` lie in between: either the sweep sees the entry, or the holder sees that it
//! was revoked (and may strike it out itself, or find that the sweep has).
//!
//! **A sweep reads no mixture.** The words of an entry may be those of a later one by the time they are read. Then the
//! generation has moved on, and the compare-and-swap that would have taken it fails.
//!
//! The ledger has a fixed number of slots, a few for each of a number of threads, which alone fills them: with plain
//! stores. A thread whose slots are in use, or that has none, is told so, and keeps what it holds elsewhere.

use std::fmt;

use crate::{
    asymmetric,
    facade::{AtomicU64, Ordering},
    thread::number,
};

/// Slots that one thread looks at.
const OWN: usize = if cfg!(loom) { 1 } else { 16 };
/// Threads that have slots.
const THREADS: usize = if cfg!(loom) { 1 } else { 32 };
const SLOTS: usize = OWN * THREADS;

const FREE: u64 = 0;
const HELD: u64 = 1;
const STATES: u64 = 2;

/// What an entry says: it is for its owner to give the words a meaning.
pub type Words = [u64; 3];

/// Entries about what is held.
pub struct Ledger {
    slots: Box<[Slot]>,
}

struct Slot {
    /// `generation * STATES + state`.
    state: AtomicU64,
    words: [AtomicU64; 3],
}

/// An entry, to be struck out by who made it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    slot: usize,
    generation: u64,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        asymmetric::prepare();
        Ledger { slots: (0..SLOTS).map(|_| Slot::new()).collect() }
    }

    /// Writes down that something is held. `None`: there is no room for it.
    ///
    /// To be followed by a look whether the holder may hold anything: see the module.
    #[inline]
    pub fn enter(&self, words: Words) -> Option<Entry> {
        let first = number().filter(|number| *number < THREADS)? * OWN;
        (first..first + OWN).find_map(|slot| {
            let generation = self.slots[slot].fill(words)?;
            asymmetric::light(!asymmetric::is_light());
            Some(Entry { slot, generation })
        })
    }

    /// Strikes an entry out. False: it was swept up, and what it spoke of is not the caller's any more.
    #[inline]
    #[must_use = "what was swept up is somebody else's"]
    pub fn strike(&self, entry: Entry) -> bool {
        self.slots[entry.slot].empty(entry.generation)
    }

    /// Strikes out all entries that `pick` picks, and hands over what they said. What was entered before it was revoked is
    /// among them, or its holder finds out.
    pub fn sweep(&self, pick: impl Fn(&Words) -> bool, mut take: impl FnMut(Words)) {
        asymmetric::heavy();
        for slot in &self.slots {
            // Acquire: the words are at least as new as the entry that they are to be of.
            let state = slot.state.load(Ordering::Acquire);
            if state % STATES != HELD {
                continue;
            }
            let words = [0, 1, 2].map(|word: usize| slot.words[word].load(Ordering::Relaxed));
            if pick(&words) && slot.empty(state / STATES) {
                take(words);
            }
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Slot {
    fn new() -> Self {
        Slot { state: AtomicU64::new(FREE), words: [0; 3].map(AtomicU64::new) }
    }

    /// Writes an entry, if there is none, and says which it is. For the thread whose slot it is.
    #[inline]
    fn fill(&self, words: Words) -> Option<u64> {
        // Acquire: pairs with the release of who emptied the slot, so that it has read the words before we write others.
        let state = self.state.load(Ordering::Acquire);
        if state % STATES != FREE {
            return None;
        }
        let generation = state / STATES;
        for (word, value) in self.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        // Release: who sees the entry sees its words.
        self.state.store(generation * STATES + HELD, Ordering::Release);
        Some(generation)
    }

    /// Ends the entry of this generation, if it has not ended.
    #[inline]
    fn empty(&self, generation: u64) -> bool {
        let (held, free) = (generation * STATES + HELD, (generation + 1) * STATES + FREE);
        // Release: who fills the slot next does so after we have read it. Acquire: what was held is as its holder left it.
        self.state.compare_exchange(held, free, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.slots.iter().filter(|slot| slot.state.load(Ordering::Relaxed) % STATES == HELD);
        f.debug_struct("Ledger").field("held", &held.count()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}.{})", self.slot, self.generation)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_struck_out_once() {
        let ledger = Ledger::new();
        let entry = ledger.enter([1, 2, 3]).expect("room");
        assert!(ledger.strike(entry));
        assert!(!ledger.strike(entry));
        let next = ledger.enter([4, 5, 6]).expect("room");
        assert!(!ledger.strike(entry), "an old entry does not name a new one");
        assert!(ledger.strike(next));
    }

    #[test]
    fn a_sweep_takes_what_it_picks_and_nothing_else() {
        let ledger = Ledger::new();
        let entries = [1, 2, 1].map(|holder| ledger.enter([holder, 0, 7]).expect("room"));
        let mut taken = Vec::new();
        ledger.sweep(|words| words[0] == 1, |words| taken.push(words));
        assert_eq!(taken, [[1, 0, 7], [1, 0, 7]]);
        assert_eq!(entries.map(|entry| ledger.strike(entry)), [false, true, false]);
    }

    #[test]
    fn a_thread_whose_slots_are_in_use_is_told_so() {
        let ledger = Ledger::new();
        let entries: Vec<_> = std::iter::from_fn(|| ledger.enter([0; 3])).collect();
        assert_eq!(entries.len(), OWN);
        assert!(ledger.strike(entries[3]));
        assert!(ledger.enter([0; 3]).is_some());
    }
}
