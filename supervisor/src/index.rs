//! Finding by key at a cost that does not grow with the number of keys.
//!
//! ```text
//!   entries   [ (k0, v0) │ (k1, v1) │ (k2, v2) ]       dense, in no order that anybody sees
//!                 ▲          ▲          ▲
//!   places    { 1 · · 0 · 2 · · }                      by the hash of the key: five bytes a bucket
//! ```
//!
//! What is found by hash cannot be walked, so that the order of the hash is nobody's order: whoever needs an order keeps one
//! beside it. The hash has no seed, so that runs do not even differ in their cost, and is a quick one: keys are made here or
//! by the program, not by strangers. Room for a crowd that has gone is given
//! back, and the cost of that is shared by those who went.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::core::ChildKey;

/// What belongs to a key.
#[derive(Clone)]
pub(crate) struct Index<K, V> {
    entries: Vec<(K, V)>,
    places: HashTable<u32>,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: HashTable::new() }
    }
}

impl<K: Eq + Hash, V> Index<K, V> {
    /// What belonged to the key before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(&key) {
            return Some(std::mem::replace(held, value));
        }
        let place = u32::try_from(self.entries.len()).expect("four billion entries are more than memory holds");
        let entries = &self.entries;
        self.places.insert_unique(hash(&key), place, |place| hash(&entries[*place as usize].0));
        self.entries.push((key, value));
        None
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let place = self.places.find(hash(key), |place| self.entries[*place as usize].0.borrow() == key)?;
        Some(&self.entries[*place as usize].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.places.find(hash(key), |place| self.entries[*place as usize].0 == *key)?;
        Some(&mut self.entries[*place as usize].1)
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let found = self.places.find_entry(hash(key), |place| self.entries[*place as usize].0.borrow() == key);
        let (place, _) = found.ok()?.remove();
        // The last one takes its place.
        let moved = self.entries.len() as u32 - 1;
        if place != moved {
            let at = self.places.find_mut(hash(&self.entries[moved as usize].0), |at| *at == moved);
            *at.expect("every entry has its place") = place;
        }
        let (_, value) = self.entries.swap_remove(place as usize);
        if let Some(room) = room_for_fewer(self.entries.capacity(), self.entries.len()) {
            let entries = &mut self.entries;
            entries.shrink_to(room);
            self.places.shrink_to(room, |place| hash(&entries[*place as usize].0));
        }
        Some(value)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K, V> fmt::Debug for Index<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.entries.len()).finish()
    }
}

/// Keys of children, found by a second name which is noted where the keys lead, and not here.
///
/// Keys grow, so that hardly ever two have another upper half: those that share one are noted by their lower halves, five
/// bytes a bucket. Every function is told how to look a name up; it must know all keys that are in.
#[derive(Clone, Default)]
pub(crate) struct ByName(BTreeMap<u32, HashTable<u32>>);

/// The upper and the lower half of a key.
fn halves(ChildKey(key): ChildKey) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

fn whole(upper: u32, lower: u32) -> ChildKey {
    ChildKey(u64::from(upper) << 32 | u64::from(lower))
}

impl ByName {
    pub(crate) fn find<N: Eq + Hash>(&self, name: &N, name_of: impl Fn(ChildKey) -> N) -> Option<ChildKey> {
        let hash = hash(name);
        // Most were started lately.
        self.0.iter().rev().find_map(|(&upper, lowers)| {
            let lower = lowers.find(hash, |lower| name_of(whole(upper, *lower)) == *name)?;
            Some(whole(upper, *lower))
        })
    }

    /// Adds a key. It is not in yet, and no other has its name.
    pub(crate) fn insert<N: Eq + Hash>(&mut self, key: ChildKey, name_of: impl Fn(ChildKey) -> N) {
        let (upper, lower) = halves(key);
        let lowers = self.0.entry(upper).or_default();
        lowers.insert_unique(hash(&name_of(key)), lower, |lower| hash(&name_of(whole(upper, *lower))));
    }

    /// Removes a key, if it is in.
    pub(crate) fn remove<N: Eq + Hash>(&mut self, key: ChildKey, name_of: impl Fn(ChildKey) -> N) {
        let (upper, lower) = halves(key);
        let Some(lowers) = self.0.get_mut(&upper) else { return };
        if let Ok(found) = lowers.find_entry(hash(&name_of(key)), |held| *held == lower) {
            found.remove();
        }
        if lowers.is_empty() {
            self.0.remove(&upper);
        } else if let Some(room) = room_for_fewer(lowers.capacity(), lowers.len()) {
            lowers.shrink_to(room, |lower| hash(&name_of(whole(upper, *lower))));
        }
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.values().map(HashTable::len).sum::<usize>();
        f.debug_struct("ByName").field("len", &len).finish()
    }
}

fn hash<Q: Hash + ?Sized>(key: &Q) -> u64 {
    FxBuildHasher.hash_one(key)
}

/// To how much room to shrink when most of it is empty.
fn room_for_fewer(room: usize, left: usize) -> Option<usize> {
    (room > 64 && left < room / 8).then_some(left * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inserts, replacements and removals in an order that a fixed rule scatters.
    fn steps() -> impl Iterator<Item = (bool, u32)> {
        (0..20_000_u32).map(|step| (step % 5 < 3, step.wrapping_mul(2_654_435_761) >> 23))
    }

    #[test]
    fn an_index_finds_what_a_map_finds() {
        let (mut index, mut map) = (Index::default(), BTreeMap::new());
        for (step, (adds, key)) in steps().enumerate() {
            if adds {
                assert_eq!(index.insert(key, step), map.insert(key, step));
            } else {
                assert_eq!(index.remove(&key), map.remove(&key));
            }
            assert_eq!((index.len(), index.is_empty()), (map.len(), map.is_empty()));
            assert_eq!(index.get(&key), map.get(&key));
        }
        for key in 0..512 {
            assert_eq!(index.get_mut(&key), map.get_mut(&key));
        }
    }

    #[test]
    fn an_index_gives_back_the_room_of_a_crowd_that_has_gone() {
        let mut index = Index::default();
        for key in 0..10_000 {
            index.insert(key, ());
        }
        for key in 0..9_990 {
            index.remove(&key);
        }
        assert!(index.entries.capacity() < 200 && index.places.capacity() < 200, "room for a crowd is kept");
        assert!((9_990..10_000).all(|key| index.get(&key).is_some()));
    }

    #[test]
    fn keys_are_found_by_their_other_names() {
        // Of three upper halves.
        let key_of = |key: u32| ChildKey(u64::from(key % 3) << 32 | u64::from(key));
        let name_of = |ChildKey(key): ChildKey| key.wrapping_mul(3);
        let (mut by_name, mut map) = (ByName::default(), BTreeMap::new());
        for (adds, key) in steps() {
            let key = key_of(key);
            if adds {
                if map.insert(name_of(key), key).is_none() {
                    by_name.insert(key, name_of);
                }
            } else {
                by_name.remove(key, name_of);
                map.remove(&name_of(key));
            }
            assert_eq!(by_name.find(&name_of(key), name_of), map.get(&name_of(key)).copied());
        }
        assert!(map.iter().all(|(name, key)| by_name.find(name, name_of) == Some(*key)));
        for key in map.into_values() {
            by_name.remove(key, name_of);
        }
        assert!(by_name.0.is_empty(), "halves of keys that have gone cost nothing");
    }
}
