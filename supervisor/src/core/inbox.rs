//! Events that wait until the step under way is done, in arrival order.

use std::collections::VecDeque;

use super::event::{CallId, ChildKey, Identity, Request};
use super::waits::Generation;
use crate::index::Index;

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

/// A queue out of which the exit of one incarnation can be taken early. What is taken leaves its place empty.
#[derive(Clone, Debug)]
pub(super) struct Inbox<P, R> {
    letters: VecDeque<Option<Letter<P, R>>>,
    /// The number of the first.
    first: u64,
    waiting: usize,
    exits: Index<P, u64>,
}

impl<P: Identity, R> Inbox<P, R> {
    pub(super) fn new() -> Self {
        Self { letters: VecDeque::new(), first: 0, waiting: 0, exits: Index::default() }
    }

    pub(super) fn push(&mut self, letter: Letter<P, R>) {
        if let Letter::Exited { pid, .. } = letter {
            self.exits.insert(pid, self.first + self.letters.len() as u64);
        }
        self.letters.push_back(Some(letter));
        self.waiting += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Letter<P, R>> {
        loop {
            let number = self.first;
            let place = self.letters.pop_front()?;
            self.first += 1;
            let Some(letter) = place else { continue };
            self.waiting -= 1;
            if let Letter::Exited { pid, .. } = &letter
                && self.exits.get(pid) == Some(&number)
            {
                self.exits.remove(pid);
            }
            return Some(letter);
        }
    }

    /// Takes the pending exit of this incarnation out of the queue.
    pub(super) fn take_exit(&mut self, pid: P) -> Option<R> {
        let number = self.exits.remove(&pid)?;
        self.waiting -= 1;
        match self.letters.get_mut((number - self.first) as usize).and_then(Option::take) {
            Some(Letter::Exited { reason, .. }) => Some(reason),
            _ => unreachable!("only exits that wait are indexed"),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }
}
