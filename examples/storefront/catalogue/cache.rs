//! A small cache that forgets what was not used for longest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::insight::CacheTally;

/// At most `room` values; a full cache forgets the one whose last use is furthest back.
///
/// Forgetting looks at every entry: fine for a few hundred, and there is nothing to get wrong.
pub(crate) struct Cache<V> {
    room: usize,
    uses: u64,
    tally: Arc<CacheTally>,
    entries: HashMap<String, Entry<V>>,
}

struct Entry<V> {
    value: Arc<V>,
    last_use: u64,
}

impl<V> Cache<V> {
    pub(crate) fn new(room: usize, tally: Arc<CacheTally>) -> Self {
        tally.entries.store(0, Relaxed);
        Self { room, uses: 0, tally, entries: HashMap::new() }
    }

    /// The value kept under the key, or the one that `make` makes.
    pub(crate) fn get_or(&mut self, key: &str, make: impl FnOnce() -> V) -> Arc<V> {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            entry.last_use = self.uses;
            self.tally.hits.fetch_add(1, Relaxed);
            return entry.value.clone();
        }
        self.tally.misses.fetch_add(1, Relaxed);
        if self.entries.len() >= self.room {
            self.forget_one();
        }
        let value = Arc::new(make());
        self.entries.insert(key.to_owned(), Entry { value: value.clone(), last_use: self.uses });
        self.tally.entries.store(self.entries.len() as u32, Relaxed);
        value
    }

    fn forget_one(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.entries.remove(&key);
            self.tally.evictions.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let tally = Arc::<CacheTally>::default();
        let mut cache = Cache::new(2, tally.clone());
        let mut made = Vec::new();
        for key in ["a", "b", "a", "c", "a", "b"] {
            cache.get_or(key, || made.push(key));
        }
        assert_eq!(made, ["a", "b", "c", "b"]);
        assert_eq!(cache.entries.len(), 2);
        let counts = [&tally.hits, &tally.misses, &tally.evictions].map(|count| count.load(Relaxed));
        assert_eq!((counts, tally.entries.load(Relaxed)), ([2, 4, 2], 2));
    }
}
