//! Slots behind keys that are never reused: an old key never names a new thing.
//!
//! ```text
//!   Key: generation:32 | index:32          index = place * SHARDS + shard
//!
//!   shard 0 ── lock ── [ segment of 64 ][ segment of 64 ]…   vacant: 17 ▶ 3 ▶ 64
//!   shard 1 ── lock ── [ segment of 64 ]                     vacant: ∅
//!     ⋮
//! ```
//!
//! Each slot counts its generations: a key fits while its generation is the slot's, and a slot whose count is
//! used up is never filled again. A thread inserts into a shard of its own, as far as there are enough of them.
//! Growing adds a segment and moves nothing. No foreign code runs under a lock, except `Clone`.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::facade::{Mutex, MutexGuard};
use crate::thread::number;

const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };
const SEGMENT: usize = if cfg!(loom) { 2 } else { 64 };

/// Names one thing in a [`Table`], for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    fn new(shard: usize, place: u32, generation: u32) -> Self {
        Key(u64::from(generation) << 32 | (u64::from(place) * SHARDS as u64 + shard as u64))
    }

    /// The key as a number. No key is 0.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn shard(self) -> usize {
        self.0 as u32 as usize % SHARDS
    }

    fn place(self) -> usize {
        self.0 as u32 as usize / SHARDS
    }
}

/// Any number is a key; most name nothing.
impl From<u64> for Key {
    fn from(number: u64) -> Self {
        Key(number)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}.{})", self.0 as u32, self.generation())
    }
}

/// Things behind keys.
pub struct Table<T> {
    shards: Box<[CachePadded<Mutex<Shard<T>>>]>,
}

struct Shard<T> {
    segments: Vec<Box<Segment<T>>>,
    /// The first of the vacant slots, which are linked.
    vacant: Option<u32>,
    /// Slots that were ever filled; the next one is behind them.
    begun: u32,
    filled: usize,
}

/// Slots in a row. What they hold and their generations lie apart: side by side, each would be padded.
struct Segment<T> {
    /// Of the thing in a slot, or of the next one.
    generations: [u32; SEGMENT],
    contents: [Content<T>; SEGMENT],
}

/// One of them.
struct Slot<'s, T> {
    generation: &'s mut u32,
    content: &'s mut Content<T>,
}

enum Content<T> {
    Filled(T),
    Vacant { next: Option<u32> },
}

impl<T: Clone> Table<T> {
    /// An empty table.
    pub fn new() -> Self {
        Table { shards: (0..SHARDS).map(|_| CachePadded::new(Mutex::new(Shard::new()))).collect() }
    }

    /// Puts a thing in, and answers its key.
    ///
    /// # Panics
    ///
    /// At half a billion things or more.
    pub fn insert(&self, thing: T) -> Key {
        let home = number().unwrap_or(0) % SHARDS;
        let (place, generation) = self.shards[home].lock().insert(thing);
        Key::new(home, place, generation)
    }

    /// The thing that `key` names, if it is still there.
    ///
    /// It is cloned under a lock: for things that are cheap to clone.
    pub fn get(&self, key: Key) -> Option<T> {
        self.shard(key).find(key).and_then(|slot| match slot.content {
            Content::Filled(thing) => Some(thing.clone()),
            Content::Vacant { .. } => None,
        })
    }

    /// Takes out the thing that `key` names. From then on the key names nothing.
    pub fn remove(&self, key: Key) -> Option<T> {
        self.shard(key).remove(key)
    }

    /// How many things are in. A snapshot.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().filled).sum()
    }

    /// Is nothing in? A snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows everything that was in the table when its part was looked at. `show` runs under no lock.
    pub fn for_each(&self, mut show: impl FnMut(Key, &T)) {
        for (number, shard) in self.shards.iter().enumerate() {
            for segment in 0.. {
                let Some(things) = shard.lock().snapshot(number, segment) else { break };
                for (key, thing) in &things {
                    show(*key, thing);
                }
            }
        }
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard<T>> {
        self.shards[key.shard()].lock()
    }
}

impl<T: Clone> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.shards.iter().map(|shard| shard.lock().filled).sum::<usize>();
        f.debug_struct("Table").field("len", &len).finish_non_exhaustive()
    }
}

impl<T> Shard<T> {
    /// Places of a shard, so that an index fits 32 bits.
    const PLACES: u32 = u32::MAX / SHARDS as u32;

    fn new() -> Self {
        Shard { segments: Vec::new(), vacant: None, begun: 0, filled: 0 }
    }

    fn insert(&mut self, thing: T) -> (u32, u32) {
        let place = self.vacant.unwrap_or(self.begun);
        if self.vacant.is_none() {
            assert!(place < Self::PLACES, "a table has room for four billion things");
            if place as usize / SEGMENT == self.segments.len() {
                self.segments.push(Box::new(Segment::new()));
            }
            self.begun += 1;
        }
        let slot = self.segments[place as usize / SEGMENT].slot(place as usize);
        if let Content::Vacant { next } = slot.content {
            self.vacant = *next;
        }
        *slot.content = Content::Filled(thing);
        self.filled += 1;
        (place, *slot.generation)
    }

    fn find(&mut self, key: Key) -> Option<Slot<'_, T>> {
        let slot = self.segments.get_mut(key.place() / SEGMENT)?.slot(key.place());
        (*slot.generation == key.generation()).then_some(slot)
    }

    fn remove(&mut self, key: Key) -> Option<T> {
        let vacant = self.vacant;
        let slot = self.find(key)?;
        if let Content::Vacant { .. } = slot.content {
            return None;
        }
        let content = std::mem::replace(slot.content, Content::Vacant { next: vacant });
        // The last generation has no successor: the slot stays empty, and off the list.
        let reusable = *slot.generation < u32::MAX;
        if reusable {
            *slot.generation += 1;
            self.vacant = Some(key.place() as u32);
        } else {
            *slot.generation = 0;
        }
        self.filled -= 1;
        match content {
            Content::Filled(thing) => Some(thing),
            Content::Vacant { .. } => unreachable!("it was filled a moment ago, under this lock"),
        }
    }

    /// Clones of what a segment holds; `None` behind the last.
    fn snapshot(&self, shard: usize, segment: usize) -> Option<Vec<(Key, T)>>
    where
        T: Clone,
    {
        let Segment { generations, contents } = &**self.segments.get(segment)?;
        let slots = generations.iter().zip(contents).zip(segment * SEGMENT..);
        let named = slots.filter_map(|((generation, content), place)| match content {
            Content::Filled(thing) => Some((Key::new(shard, place as u32, *generation), thing.clone())),
            Content::Vacant { .. } => None,
        });
        Some(named.collect())
    }
}

impl<T> Segment<T> {
    /// Generation 0 is of no thing, so that the key 0 names nothing.
    fn new() -> Self {
        Segment { generations: [1; SEGMENT], contents: std::array::from_fn(|_| Content::Vacant { next: None }) }
    }

    /// The slot at this place of the shard.
    fn slot(&mut self, place: usize) -> Slot<'_, T> {
        let at = place % SEGMENT;
        Slot { generation: &mut self.generations[at], content: &mut self.contents[at] }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_key_names_its_thing_until_it_is_removed() {
        let table = Table::new();
        let key = table.insert("one");
        assert_eq!(table.get(key), Some("one"));
        assert_eq!(table.get(Key::from(key.as_u64())), Some("one"));
        assert_eq!(table.remove(key), Some("one"));
        assert_eq!((table.get(key), table.remove(key)), (None, None));
        assert!(table.is_empty());
    }

    #[test]
    fn an_old_key_never_names_a_new_thing() {
        let table = Table::new();
        let mut old = Vec::new();
        for number in 0..1_000 {
            let key = table.insert(number);
            assert!(!old.contains(&key));
            assert!(old.iter().all(|&old| table.get(old).is_none()));
            table.remove(key);
            old.push(key);
        }
        assert!(old.iter().all(|key| key.place() == 0), "though the slot is reused");
    }

    #[test]
    fn a_slot_that_has_used_up_its_generations_is_retired() {
        let mut shard = Shard::new();
        assert_eq!(shard.insert('a'), (0, 1));
        *shard.segments[0].slot(0).generation = u32::MAX;
        let last = Key::new(0, 0, u32::MAX);
        assert_eq!(shard.remove(last), Some('a'));
        assert!(shard.find(last).is_none());
        assert_eq!(shard.insert('b'), (1, 1));
        assert_eq!(shard.insert('c'), (2, 1));
    }

    #[test]
    fn numbers_that_are_no_keys_name_nothing() {
        let table = Table::new();
        table.insert(());
        for number in [0, 1, u64::MAX, 1 << 32 | 5_000, 7 << 32] {
            assert_eq!(table.get(Key::from(number)), None);
        }
    }

    #[test]
    fn everything_is_shown_and_counted() {
        let table = Table::new();
        let keys: Vec<_> = (0..1_000).map(|number| table.insert(number)).collect();
        for key in keys.iter().step_by(3) {
            table.remove(*key);
        }
        let mut shown = Vec::new();
        // The table can be used from within.
        table.for_each(|key, number| {
            assert_eq!(table.get(key), Some(*number));
            shown.push(*number);
        });
        shown.sort_unstable();
        assert_eq!(shown, (0..1_000).filter(|number| number % 3 != 0).collect::<Vec<_>>());
        assert_eq!(table.len(), shown.len());
    }

    #[test]
    fn threads_do_not_disturb_each_other() {
        let table = Table::new();
        let rounds = if cfg!(miri) { 20 } else { 2_000 };
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let table = &table;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let key = table.insert((thread, round));
                        assert_eq!(table.get(key), Some((thread, round)));
                        assert_eq!(table.remove(key), Some((thread, round)));
                    }
                });
            }
        });
        assert!(table.is_empty());
    }
}
