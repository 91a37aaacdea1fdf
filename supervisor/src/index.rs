//! Finding by key at a cost that does not grow with the number of keys.

#![expect(
    clippy::disallowed_types,
    reason = "nothing here can be walked, so that the order of the hash is nobody's order"
)]

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

/// What belongs to a key. It has no order and cannot be walked: whoever needs an order keeps one beside it.
///
/// The hash has no seed, so that runs do not even differ in their cost.
#[derive(Clone)]
pub(crate) struct Index<K, V> {
    map: HashMap<K, V, BuildHasherDefault<DefaultHasher>>,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { map: HashMap::default() }
    }
}

impl<K: Eq + Hash, V> Index<K, V> {
    /// What belonged to the key before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.map.insert(key, value)
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.map.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let removed = self.map.remove(key);
        // Room for a crowd that has gone is given back, and the cost of that is shared by those who went.
        if self.map.capacity() > 64 && self.map.len() < self.map.capacity() / 8 {
            self.map.shrink_to(self.map.len() * 2);
        }
        removed
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

impl<K, V> fmt::Debug for Index<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.map.len()).finish()
    }
}
