//! The newest of what was told.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// The newest of what was told, and how much was told in all. Older entries make room.
///
/// What events and letters are kept in, and what other crates keep theirs in.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::Ring;
/// let ring = Ring::new(2);
/// for told in ["a", "b", "c"] {
///     ring.push(told);
/// }
/// assert_eq!(ring.read(), (3, vec!["b", "c"]));
/// ```
#[derive(Debug)]
pub struct Ring<T> {
    limit: usize,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    told: u64,
    newest: VecDeque<T>,
}

impl<T> Ring<T> {
    /// An empty one that keeps at most so many.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::new(Kept { told: 0, newest: VecDeque::new() }) }
    }

    /// Adds one.
    pub fn push(&self, entry: T) {
        let mut kept = self.kept.lock();
        kept.told += 1;
        let full = kept.newest.len() >= self.limit;
        // Dropped outside of the lock.
        let oldest = if full { kept.newest.pop_front() } else { None };
        if self.limit > 0 {
            kept.newest.push_back(entry);
        }
        drop(kept);
        drop(oldest);
    }

    /// How many were told, and the newest of them, oldest first.
    pub fn read(&self) -> (u64, Vec<T>)
    where
        T: Clone,
    {
        let kept = self.kept.lock();
        (kept.told, kept.newest.iter().cloned().collect())
    }

    /// How many were told, and the newest of those that were told after so many, oldest first.
    pub fn read_since(&self, told: u64) -> (u64, Vec<T>)
    where
        T: Clone,
    {
        let kept = self.kept.lock();
        let after = usize::try_from(kept.told.saturating_sub(told)).unwrap_or(usize::MAX);
        let skip = kept.newest.len().saturating_sub(after);
        (kept.told, kept.newest.range(skip..).cloned().collect())
    }

    /// How many were told.
    pub fn told(&self) -> u64 {
        self.kept.lock().told
    }
}
