//! Rests of the coarse clock: stretches in which nobody looked at the precise one, because nothing was to be done.
//!
//! What comes from outside and ends such a stretch is stamped with its beginning, since reading the clock would cost more than
//! sending. Whoever wants to know how old that is looks here for the end: it was sent before that, and as a rule just before.
//!
//! The newest are kept, so that the age of what was sent lately is right whatever the rhythm in which it comes; and of those
//! before them the longest, so that the age of what was sent long ago is wrong by little. There is room for about 1,500.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// A shorter one is not worth noting.
pub(crate) const SHORTEST_NS: u64 = 10_000_000;
/// So many of the newest are kept: at 50 ms each more than a minute.
const NEWEST: usize = 1_500;
/// So many of the longest before them.
const LONGEST: usize = 32;

/// The newest of them, and the longest.
#[derive(Debug, Default)]
pub(crate) struct Rests(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// In the order in which they began.
    newest: VecDeque<Rest>,
    /// In no order.
    longest: Vec<Rest>,
}

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
        let mut kept = self.0.lock();
        if kept.newest.len() == NEWEST
            && let Some(oldest) = kept.newest.pop_front()
        {
            keep_longest(&mut kept.longest, oldest);
        }
        // Of two who end one each, the later may be here first: it is seldom that one has to go further than its neighbour.
        let at = kept.newest.iter().rposition(|rest| rest.from <= from).map_or(0, |before| before + 1);
        kept.newest.insert(at, Rest { from, to });
    }

    /// When the one ended that began in this step of the clock, if steps are so long.
    pub(crate) fn end_of(&self, step: u64, step_ns: u64) -> Option<u64> {
        let kept = self.0.lock();
        let newest = kept.newest.binary_search_by_key(&step, |rest| rest.from / step_ns).map(|at| kept.newest[at]);
        let found = newest.ok().or_else(|| kept.longest.iter().find(|rest| rest.from / step_ns == step).copied());
        found.map(|rest| rest.to)
    }
}

fn keep_longest(longest: &mut Vec<Rest>, rest: Rest) {
    if longest.len() < LONGEST {
        return longest.push(rest);
    }
    if let Some(shortest) = longest.iter_mut().min_by_key(|rest| rest.length())
        && shortest.length() <= rest.length()
    {
        *shortest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 1_000;

    fn end(rests: &Rests, from: u64) -> Option<u64> {
        rests.end_of(from / STEP, STEP)
    }

    #[test]
    fn the_newest_are_kept_and_of_those_before_them_the_longest() {
        let rests = Rests::default();
        rests.note(0, 5_000);
        let begins = |at: u64| at * 10_000;
        let all = 1 + (NEWEST + 2 * LONGEST) as u64;
        for at in 1..all {
            rests.note(begins(at), begins(at) + 100);
        }
        assert_eq!(end(&rests, 0), Some(5_000), "the longest stays");
        assert_eq!(end(&rests, begins(1)), None, "of equals the newest stay");
        let newest = (all - NEWEST as u64..all).all(|at| end(&rests, begins(at)) == Some(begins(at) + 100));
        assert!(newest, "short as they are");
        let kept = rests.0.lock();
        assert_eq!((kept.newest.len(), kept.longest.len()), (NEWEST, LONGEST));
    }

    #[test]
    fn who_comes_too_late_with_one_puts_it_where_it_belongs() {
        let rests = Rests::default();
        for at in [2, 5, 1, 4, 3] {
            rests.note(at * 10_000, at * 10_000 + at);
        }
        let ends = [1, 2, 3, 4, 5, 6].map(|at| end(&rests, at * 10_000));
        assert_eq!(ends, [Some(10_001), Some(20_002), Some(30_003), Some(40_004), Some(50_005), None]);
    }
}
