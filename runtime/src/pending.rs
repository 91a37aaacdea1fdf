//! Signals that wait to be read, in order of arrival, out of which the exit signals of one incarnation can be taken early.
//!
//! A supervisor that stops a million children finds the exit signal of each in here. What is taken leaves its place empty,
//! so that nothing moves, and from the first time on whose exit signals are where is kept in an index. Whoever never takes
//! any early, which is almost everybody, has no index.

use std::collections::{BTreeSet, VecDeque};

use crate::exit::ExitReason;
use crate::lane::{Ordered, What};
use crate::pid::Pid;
use crate::signal::Signal;

/// What waits to be read.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The first is there; those behind it may have been taken.
    entries: VecDeque<Option<Ordered>>,
    /// The number of the first. Numbers never come again.
    first: u64,
    waiting: usize,
    exits: Option<BTreeSet<(Pid, u64)>>,
}

impl Pending {
    pub(crate) fn push(&mut self, entry: Ordered) {
        if let (Some(exits), Some(from)) = (&mut self.exits, sender(&entry)) {
            exits.insert((from, self.first + self.entries.len() as u64));
        }
        self.entries.push_back(Some(entry));
        self.waiting += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// The number of the next that comes.
    pub(crate) fn next_number(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Those that wait, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Ordered> {
        self.entries.iter().flatten()
    }

    /// Takes out the oldest for which `is_next` holds, if its number is below `before` and then `is_due` holds.
    pub(crate) fn take_first(
        &mut self,
        before: u64,
        is_next: impl Fn(&Ordered) -> bool,
        is_due: impl Fn(&Ordered) -> bool,
    ) -> Option<Ordered> {
        let at = self.entries.iter().position(|entry| entry.as_ref().is_some_and(&is_next))?;
        if self.first + at as u64 >= before {
            return None;
        }
        self.entries[at].as_ref().filter(|entry| is_due(entry))?;
        self.take_at(at)
    }

    /// Takes out the oldest exit signal of `from`.
    pub(crate) fn take_exit(&mut self, from: Pid) -> Option<ExitReason> {
        let (entries, first) = (&self.entries, self.first);
        let exits = self.exits.get_or_insert_with(|| {
            let numbered = (first..).zip(entries);
            numbered.filter_map(|(number, entry)| Some((sender(entry.as_ref()?)?, number))).collect()
        });
        let (_, number) = *exits.range((from, 0)..=(from, u64::MAX)).next()?;
        match self.take_at((number - self.first) as usize)?.what {
            What::Signal(Signal::Exit { reason, .. }) => Some(reason),
            What::Signal(Signal::Down(_)) | What::Mark(_) => unreachable!("only exit signals are indexed"),
        }
    }

    /// Throws away those for which `keep` does not hold.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Ordered) -> bool) {
        for entry in &mut self.entries {
            *entry = entry.take().filter(&keep);
        }
        self.waiting = self.entries.iter().flatten().count();
        self.exits = None;
        self.pass_taken();
    }

    /// Takes out all, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Ordered> {
        self.exits = None;
        self.waiting = 0;
        self.first = self.next_number();
        self.entries.drain(..).flatten()
    }

    fn take_at(&mut self, at: usize) -> Option<Ordered> {
        let taken = self.entries[at].take()?;
        self.waiting -= 1;
        if let (Some(exits), Some(from)) = (&mut self.exits, sender(&taken)) {
            exits.remove(&(from, self.first + at as u64));
        }
        self.pass_taken();
        Some(taken)
    }

    /// Forgets the places before the first that is there.
    fn pass_taken(&mut self) {
        while self.entries.front().is_some_and(Option::is_none) {
            self.entries.pop_front();
            self.first += 1;
        }
    }
}

/// Whose exit signal it is, if it is one.
fn sender(entry: &Ordered) -> Option<Pid> {
    match &entry.what {
        What::Signal(Signal::Exit { from, .. }) => Some(*from),
        What::Signal(Signal::Down(_)) | What::Mark(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pid::ActorId;

    fn pid(id: u64) -> Pid {
        Pid { id: ActorId::new(id), incarnation: 1 }
    }

    fn exit(id: u64, reason: ExitReason) -> Ordered {
        Ordered { ticket: 0, what: What::Signal(Signal::Exit { from: pid(id), reason }) }
    }

    fn senders(pending: &Pending) -> Vec<u64> {
        pending.iter().filter_map(sender).map(|pid| pid.id.as_u64()).collect()
    }

    fn take(pending: &mut Pending) -> Option<u64> {
        pending.take_first(u64::MAX, |_| true, |_| true).and_then(|entry| sender(&entry)).map(|pid| pid.id.as_u64())
    }

    #[test]
    fn the_others_keep_their_order_when_one_is_taken_early() {
        let mut pending = Pending::default();
        for id in 1..=5 {
            pending.push(exit(id, ExitReason::Normal));
        }
        assert_eq!(pending.take_exit(pid(3)), Some(ExitReason::Normal));
        assert_eq!(pending.take_exit(pid(3)), None);
        pending.push(exit(6, ExitReason::Killed));
        assert_eq!(pending.take_exit(pid(6)), Some(ExitReason::Killed));
        assert_eq!((senders(&pending), pending.len()), (vec![1, 2, 4, 5], 4));
        assert_eq!([take(&mut pending), take(&mut pending), take(&mut pending)], [Some(1), Some(2), Some(4)]);
        assert_eq!(pending.take_exit(pid(5)), Some(ExitReason::Normal));
        assert!(pending.is_empty() && pending.entries.is_empty());
    }

    #[test]
    fn the_oldest_of_one_sender_comes_first_and_what_is_thrown_away_is_not_found() {
        let mut pending = Pending::default();
        pending.push(exit(1, ExitReason::Normal));
        pending.push(exit(2, ExitReason::Normal));
        pending.push(exit(1, ExitReason::Shutdown));
        assert_eq!(pending.take_exit(pid(1)), Some(ExitReason::Normal));
        pending.retain(|entry| sender(entry) != Some(pid(2)));
        assert_eq!(pending.take_exit(pid(2)), None);
        assert_eq!(pending.take_exit(pid(1)), Some(ExitReason::Shutdown));
        assert_eq!(pending.drain().count(), 0);
    }

    #[test]
    fn places_of_those_taken_early_are_given_back_as_the_first_are_read() {
        let mut pending = Pending::default();
        for round in 0..100 {
            for id in 0..10 {
                pending.push(exit(round * 10 + id, ExitReason::Normal));
            }
            for id in (1..10).rev() {
                assert!(pending.take_exit(pid(round * 10 + id)).is_some());
            }
            assert_eq!(take(&mut pending), Some(round * 10));
            assert!(pending.entries.is_empty() && pending.exits.as_ref().is_some_and(BTreeSet::is_empty));
        }
    }

    #[test]
    fn numbers_do_not_come_again_and_who_comes_before_one_is_taken_before_it() {
        let mut pending = Pending::default();
        let numbers: Vec<_> = (1..=3)
            .map(|id| {
                let number = pending.next_number();
                pending.push(exit(id, ExitReason::Normal));
                number
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2]);
        let first = |pending: &mut Pending, before| {
            pending.take_first(before, |_| true, |_| true).and_then(|entry| sender(&entry)).map(|pid| pid.id.as_u64())
        };
        assert_eq!((first(&mut pending, 0), first(&mut pending, 1), first(&mut pending, 1)), (None, Some(1), None));
        pending.take_exit(pid(3));
        assert_eq!(pending.next_number(), 3);
        pending.retain(|entry| sender(entry) != Some(pid(2)));
        assert_eq!((pending.is_empty(), pending.next_number()), (true, 3));
        pending.push(exit(4, ExitReason::Normal));
        assert_eq!(pending.drain().count(), 1);
        assert_eq!(pending.next_number(), 4);
    }
}
