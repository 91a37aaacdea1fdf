//! The terms of the conservation law, one set a cell.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::cell::Annex;
use crate::offender;
use crate::waits::Standing;

/// A number that one writer raises and anybody reads.
///
/// The writer is whoever holds the cell's running claim, so a load and a store do where an addition would lock the
/// line.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn bump(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed) + n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How the messages of a cell ended, where it notes that. Written by the holder of the running claim alone.
#[derive(Clone, Copy)]
pub(crate) struct Counters<'c> {
    pub(crate) handled: &'c Count,
    /// Where other ends are counted, since there was one.
    pub(crate) annex: &'c Annex,
}

/// Ends that most actors never see, and other things that few have.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// Messages that came through places of their own (timers, futures, signals to self), not through the mailbox.
    pub(crate) own: Count,
    /// How many of those there had been when the actor was timed last.
    own_timed: Count,
    pub(crate) expired: Count,
    pub(crate) cancelled: Count,
    pub(crate) undelivered: Count,
    pub(crate) given_up: Count,
    /// Whom it waits for.
    pub(crate) standing: Standing,
    /// Turns that blocked their threads, lately.
    pub(crate) offences: offender::Record,
    /// Turns that were seen to hold their threads for too long. By whoever looks.
    held: AtomicU64,
}

impl<'c> Counters<'c> {
    /// Whom the actor waits for, if it ever was seen to wait for one other.
    #[inline]
    pub(crate) fn standing(self) -> Option<&'c Standing> {
        self.annex.rare().map(|rare| &rare.standing)
    }

    /// Turns that blocked, if there are other ends than usual.
    #[inline]
    pub(crate) fn offences(self) -> Option<&'c offender::Record> {
        self.annex.rare().map(|rare| &rare.offences)
    }

    /// A turn was seen to hold its thread for too long.
    pub(crate) fn was_held(self) {
        self.rare().held.fetch_add(1, Relaxed);
    }

    /// How many were.
    pub(crate) fn held(self) -> u64 {
        self.annex.rare().map_or(0, |rare| rare.held.load(Relaxed))
    }

    pub(crate) fn rare(self) -> &'c Rare {
        self.annex.make_rare()
    }

    /// Messages that came through places of their own and were taken out.
    pub(crate) fn own(self) -> u64 {
        self.annex.rare().map_or(0, |rare| rare.own.get())
    }

    /// How many of those there had been when the actor was timed last.
    pub(crate) fn own_timed(self) -> u64 {
        self.annex.rare().map_or(0, |rare| rare.own_timed.get())
    }

    /// The actor is timed, after so many of them.
    pub(crate) fn times_own(self, own: u64) {
        if let Some(rare) = self.annex.rare() {
            rare.own_timed.0.store(own, Relaxed);
        }
    }

    /// The ends so far, but for what was displaced. Reading them while the actor runs gives figures of slightly different instants.
    pub(crate) fn read(self, through_mailbox: u64, in_hand: u64, queued: u64) -> Law {
        let rare = |count: fn(&Rare) -> &Count| self.annex.rare().map_or(0, |rare| count(rare).get());
        Law {
            accepted: through_mailbox + self.own(),
            handled: self.handled.get(),
            expired: rare(|rare| &rare.expired),
            cancelled: rare(|rare| &rare.cancelled),
            displaced: 0,
            undelivered: rare(|rare| &rare.undelivered),
            given_up: rare(|rare| &rare.given_up),
            in_hand,
            queued,
        }
    }
}

/// The conservation law of one cell: every accepted message ends in exactly one way.
///
/// `accepted = handled + expired + cancelled + displaced + undelivered + given_up + in_hand + queued`, exact when the
/// actor is quiescent; while it runs the figures are of slightly different instants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Law {
    /// Messages taken in, read off the mailbox's tail, and those with places of their own.
    pub accepted: u64,
    /// Handled, and the handler returned `Ok`, or passed a refusal on to whoever asked.
    pub handled: u64,
    /// Dropped unhandled: their deadline had passed, whether whoever asked was still there or had gone by then for that reason.
    pub expired: u64,
    /// Dropped unhandled: whoever asked had gone, before its deadline.
    pub cancelled: u64,
    /// Pushed out by newer ones under an overflow policy.
    pub displaced: u64,
    /// Flushed when the slot was closed or its supervisor gave up; or of its own (a tick, the result of a pipe), and queued when the
    /// incarnation ended.
    pub undelivered: u64,
    /// In hand when the incarnation crashed, was killed or returned an error, or when the handler passed a refusal on and nobody had asked.
    pub given_up: u64,
    /// In hand now.
    pub in_hand: u64,
    /// Queued now.
    pub queued: u64,
}

impl Law {
    /// Whether the figures add up.
    pub fn holds(&self) -> bool {
        self.accepted
            == self.handled
                + self.expired
                + self.cancelled
                + self.displaced
                + self.undelivered
                + self.given_up
                + self.in_hand
                + self.queued
    }
}

/// Of several actors.
impl AddAssign for Law {
    fn add_assign(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.handled += more.handled;
        self.expired += more.expired;
        self.cancelled += more.cancelled;
        self.displaced += more.displaced;
        self.undelivered += more.undelivered;
        self.given_up += more.given_up;
        self.in_hand += more.in_hand;
        self.queued += more.queued;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_holds_only_when_every_message_has_an_end() {
        let (handled, annex) = (Count::default(), Annex::default());
        let counters = Counters { handled: &handled, annex: &annex };
        counters.handled.add(2);
        counters.rare().given_up.bump();
        assert!(counters.read(4, 0, 1).holds());
        assert!(!counters.read(5, 0, 1).holds());
    }
}
