//! Children by their keys, which grow: found, and walked in that order, at a cost that does not grow with their number.
//!
//! ```text
//!   pages   key / 64 ─▶ { taken: 0…0110101, things: [k0, k2, k4, k5], before, after }
//! ```
//! A page has what belongs to sixty-four keys in a row, as far as they are here: a bit a key, and as many things as there are
//! bits. So a key costs what belongs to it and a bit more, and where most have gone a page shrinks with them. Pages know
//! their neighbours, so that whoever walks needs no order of pages.

use std::fmt;

use crate::core::ChildKey;
use crate::index::Index;

/// What belongs to keys of children.
#[derive(Clone)]
pub(crate) struct Roll<V> {
    pages: Index<u64, Page<V>>,
    first: u64,
    last: u64,
    len: usize,
}

/// What belongs to keys in a row.
#[derive(Clone)]
struct Page<V> {
    /// Which of them are here.
    taken: u64,
    /// What belongs to those, in order.
    things: Vec<V>,
    before: u64,
    after: u64,
}

/// Keys a page.
const KEYS: u64 = u64::BITS as u64;

/// No page.
const NONE: u64 = u64::MAX;

/// Where a key is: on which page, and the bit it has there.
fn place(ChildKey(key): ChildKey) -> (u64, u64) {
    (key / KEYS, 1 << (key % KEYS))
}

impl<V> Default for Roll<V> {
    fn default() -> Self {
        Self { pages: Index::default(), first: NONE, last: NONE, len: 0 }
    }
}

impl<V> Page<V> {
    /// How many are here before the one with this bit.
    fn rank(&self, bit: u64) -> usize {
        (self.taken & (bit - 1)).count_ones() as usize
    }

    /// Where the thing with this bit is, if it is here.
    fn find(&self, bit: u64) -> Option<usize> {
        (self.taken & bit != 0).then(|| self.rank(bit))
    }
}

impl<V> Roll<V> {
    /// Adds what belongs to a key.
    ///
    /// # Panics
    /// If the key is not above all that are here.
    pub(crate) fn push(&mut self, key: ChildKey, thing: V) {
        assert!(self.last().is_none_or(|last| last < key), "keys grow");
        let (number, bit) = place(key);
        if self.last != number {
            let before = std::mem::replace(&mut self.last, number);
            match self.pages.get_mut(&before) {
                Some(page) => page.after = number,
                None => self.first = number,
            }
            self.pages.insert(number, Page { taken: 0, things: Vec::new(), before, after: NONE });
        }
        let page = self.pages.get_mut(&number).expect("the last page is here");
        page.taken |= bit;
        page.things.push(thing);
        self.len += 1;
    }

    pub(crate) fn get(&self, key: ChildKey) -> Option<&V> {
        let (number, bit) = place(key);
        let page = self.pages.get(&number)?;
        Some(&page.things[page.find(bit)?])
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut V> {
        let (number, bit) = place(key);
        let page = self.pages.get_mut(&number)?;
        let at = page.find(bit)?;
        Some(&mut page.things[at])
    }

    pub(crate) fn remove(&mut self, key: ChildKey) -> Option<V> {
        let (number, bit) = place(key);
        let page = self.pages.get_mut(&number)?;
        let removed = page.things.remove(page.find(bit)?);
        page.taken &= !bit;
        self.len -= 1;
        if page.taken == 0 {
            let Page { before, after, .. } = self.pages.remove(&number).expect("it was here just now");
            match self.pages.get_mut(&before) {
                Some(page) => page.after = after,
                None => self.first = after,
            }
            match self.pages.get_mut(&after) {
                Some(page) => page.before = before,
                None => self.last = before,
            }
        } else if page.things.len() < page.things.capacity() / 4 {
            page.things.shrink_to(page.things.len() * 2);
        }
        Some(removed)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The lowest key.
    pub(crate) fn first(&self) -> Option<ChildKey> {
        self.lowest(self.first, u64::MAX)
    }

    /// The highest key.
    pub(crate) fn last(&self) -> Option<ChildKey> {
        self.highest(self.last, u64::MAX)
    }

    /// The next key above one that is here.
    pub(crate) fn after(&self, key: ChildKey) -> Option<ChildKey> {
        let (number, bit) = place(key);
        let page = self.pages.get(&number)?;
        self.lowest(number, !(bit | (bit - 1))).or_else(|| self.lowest(page.after, u64::MAX))
    }

    /// The next key below one that is here.
    pub(crate) fn before(&self, key: ChildKey) -> Option<ChildKey> {
        let (number, bit) = place(key);
        let page = self.pages.get(&number)?;
        self.highest(number, bit - 1).or_else(|| self.highest(page.before, u64::MAX))
    }

    /// The lowest key of a page that has one of these bits.
    fn lowest(&self, number: u64, of: u64) -> Option<ChildKey> {
        let bits = self.pages.get(&number)?.taken & of;
        (bits != 0).then(|| ChildKey(number * KEYS + u64::from(bits.trailing_zeros())))
    }

    /// The highest key of a page that has one of these bits.
    fn highest(&self, number: u64, of: u64) -> Option<ChildKey> {
        let bits = self.pages.get(&number)?.taken & of;
        (bits != 0).then(|| ChildKey(number * KEYS + u64::from(bits.ilog2())))
    }
}

impl<V> fmt::Debug for Roll<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roll").field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::iter::successors;

    use super::*;

    #[test]
    fn a_roll_finds_and_walks_what_a_map_does() {
        let (mut roll, mut map) = (Roll::default(), BTreeMap::new());
        let mut next = 0;
        for step in 0..20_000_u64 {
            if step % 5 < 3 {
                // Some pages are left out.
                next += if step % 1_000 == 0 { 1_000 } else { 1 + step % 3 };
                roll.push(ChildKey(next), step);
                map.insert(ChildKey(next), step);
            } else {
                let key = ChildKey(step.wrapping_mul(2_654_435_761) % (next + 1));
                assert_eq!(roll.remove(key), map.remove(&key));
            }
            let key = ChildKey(step.wrapping_mul(40_503) % (next + 1));
            assert_eq!(roll.get(key), map.get(&key));
            assert_eq!(roll.get_mut(key), map.get_mut(&key));
            assert_eq!(roll.len(), map.len());
            assert_eq!(roll.first(), map.keys().next().copied());
            assert_eq!(roll.last(), map.keys().next_back().copied());
        }
        assert!(successors(roll.first(), |key| roll.after(*key)).eq(map.keys().copied()));
        assert!(successors(roll.last(), |key| roll.before(*key)).eq(map.keys().rev().copied()));
        for key in map.into_keys() {
            assert!(roll.remove(key).is_some() && roll.remove(key).is_none());
        }
        assert!(roll.pages.is_empty() && roll.first().is_none() && roll.last().is_none());
    }

    #[test]
    fn a_page_shrinks_with_what_is_on_it() {
        let mut roll = Roll::default();
        (0..6_400_u64).for_each(|key| roll.push(ChildKey(key), key));
        for key in (0..6_400).filter(|key| key % 64 != 7) {
            roll.remove(ChildKey(key));
        }
        assert_eq!(roll.len(), 100);
        let room = (0..100).map(|number| roll.pages.get(&number).expect("one is left on each").things.capacity());
        assert!(room.max() <= Some(4), "room for those who have gone is kept");
        assert!(successors(roll.first(), |key| roll.after(*key)).eq((0..100).map(|page| ChildKey(page * 64 + 7))));
    }

    #[test]
    #[should_panic(expected = "keys grow")]
    fn a_key_that_is_not_above_the_last_is_not_added() {
        let mut roll = Roll::default();
        roll.push(ChildKey(7), ());
        roll.push(ChildKey(7), ());
    }
}
