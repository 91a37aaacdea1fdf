//! Events that wait until the step under way is done, in arrival order.

use std::collections::BTreeMap;

use super::event::{CallId, ChildKey, Identity, Request};
use super::waits::Generation;

/// What waits to be read.
#[derive(Clone, Debug)]
pub(super) enum Letter<P, R> {
    Exited {
        pid: P,
        reason: R,
    },
    ParentExit {
        reason: R,
    },
    Call(CallId, Request<P>),
    /// The supervisor's message to itself: the restart of this child failed and is to be tried again.
    Retry(ChildKey),
    /// The wait of this child before its restart is over.
    Waited(ChildKey, Generation),
}

/// A queue out of which the exit of one incarnation can be taken early.
#[derive(Clone, Debug)]
pub(super) struct Inbox<P, R> {
    letters: BTreeMap<u64, Letter<P, R>>,
    exits: BTreeMap<P, u64>,
    next: u64,
}

impl<P: Identity, R> Inbox<P, R> {
    pub(super) fn new() -> Self {
        Self { letters: BTreeMap::new(), exits: BTreeMap::new(), next: 0 }
    }

    pub(super) fn push(&mut self, letter: Letter<P, R>) {
        if let Letter::Exited { pid, .. } = letter {
            self.exits.insert(pid, self.next);
        }
        self.letters.insert(self.next, letter);
        self.next += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Letter<P, R>> {
        let (number, letter) = self.letters.pop_first()?;
        if let Letter::Exited { pid, .. } = &letter
            && self.exits.get(pid) == Some(&number)
        {
            self.exits.remove(pid);
        }
        Some(letter)
    }

    /// Takes the pending exit of this incarnation out of the queue.
    pub(super) fn take_exit(&mut self, pid: P) -> Option<R> {
        let number = self.exits.remove(&pid)?;
        match self.letters.remove(&number) {
            Some(Letter::Exited { reason, .. }) => Some(reason),
            _ => unreachable!("only exits that wait are indexed"),
        }
    }

    pub(super) fn clear(&mut self) {
        self.letters.clear();
        self.exits.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }
}
