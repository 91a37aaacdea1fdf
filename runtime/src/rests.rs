//! Rests of the coarse clock: stretches in which nobody looked at the precise one, because nothing was to be done.
//!
//! What comes from outside and ends such a stretch is stamped with its beginning, since reading the clock would cost more than
//! sending. Whoever wants to know how old that is looks here for the end: it was sent before that, and as a rule just before.

use parking_lot::Mutex;

/// A shorter one is not worth noting.
pub(crate) const SHORTEST_NS: u64 = 10_000_000;
/// The longest so many are kept.
const KEPT: usize = 32;

/// The longest of them.
#[derive(Debug, Default)]
pub(crate) struct Rests(Mutex<Vec<Rest>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rest {
    from: u64,
    to: u64,
}

impl Rest {
    fn length(self) -> u64 {
        self.to - self.from
    }
}

impl Rests {
    /// One has ended, by the precise clock.
    #[cold]
    pub(crate) fn note(&self, from: u64, to: u64) {
        let rest = Rest { from, to };
        let mut kept = self.0.lock();
        if kept.len() < KEPT {
            return kept.push(rest);
        }
        if let Some(shortest) = kept.iter_mut().min_by_key(|rest| rest.length())
            && shortest.length() <= rest.length()
        {
            *shortest = rest;
        }
    }

    /// When the one ended that began so.
    pub(crate) fn end_of(&self, began: impl Fn(u64) -> bool) -> Option<u64> {
        self.0.lock().iter().find(|rest| began(rest.from)).map(|rest| rest.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_kept_and_of_equals_the_newest() {
        let rests = Rests::default();
        rests.note(0, 1_000);
        for at in 1..100 {
            rests.note(at * 10_000, at * 10_000 + 10);
        }
        let end = |from| rests.end_of(|began| began == from);
        assert_eq!((end(0), end(990_000), end(10_000)), (Some(1_000), Some(990_010), None));
        rests.note(5, 7);
        assert_eq!((end(5), rests.0.lock().len()), (None, KEPT));
    }
}
