//! What has happened, as far as it was told: the newest events, and how many of those since the first were missed.

use std::collections::VecDeque;

use crashworthy_console::protocol::Events;
use crashworthy_runtime::{Happening, SystemEvent};

use crate::events::{Weight, weight};

/// Events that are kept.
pub(crate) const KEPT: usize = 1_000;

/// Events, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Happened {
    pub(crate) events: VecDeque<SystemEvent>,
    /// The number up to which it is known what happened.
    last: u64,
    /// How many happened since the first that was told, and were not: more than an answer holds, or while nobody asked.
    pub(crate) lost: u64,
    /// From this number on there is every beginning and end.
    pub(crate) lifecycle_since: Option<u64>,
}

impl Happened {
    /// Takes in the newest, or what came next.
    pub(crate) fn enter(&mut self, view: Events) {
        if view.last < self.last {
            // Another system, or an earlier moment.
            *self = Self::default();
        }
        let is_first = self.events.is_empty() && self.last == 0;
        let before = self.events.len() as u64;
        self.events.extend(view.events.into_iter().filter(|event| event.seq > self.last));
        let new = self.events.len() as u64 - before;
        if !is_first {
            self.lost = self.lost.saturating_add(view.next.saturating_sub(self.last).saturating_sub(new));
        }
        self.last = self.last.max(view.next);
        self.lifecycle_since = view.lifecycle_since;
        let excess = self.events.len().saturating_sub(KEPT);
        self.events.drain(..excess);
    }
}

/// Which events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    All,
    /// What needs somebody's eye.
    Troubles,
    /// Beginnings and ends.
    Lifecycle,
    /// Those of this name.
    One(&'static str),
}

impl Kinds {
    /// All there are to choose of.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::All, Self::Troubles, Self::Lifecycle].into_iter().chain(Happening::NAMES.map(Self::One))
    }

    pub(crate) fn takes(self, what: &Happening) -> bool {
        match self {
            Self::All => true,
            Self::Troubles => weight(what) != Weight::Usual,
            Self::Lifecycle => what.is_lifecycle(),
            Self::One(name) => what.name() == name,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Troubles => "troubles",
            Self::Lifecycle => "beginnings and ends",
            Self::One(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn view(numbers: std::ops::RangeInclusive<u64>) -> Events {
        let (at, last) = (Duration::ZERO, *numbers.end());
        let event = |seq| SystemEvent { seq, at, pid: None, path: "".into(), what: Happening::Started };
        let events: Vec<_> = numbers.map(event).collect();
        Events { at, last, next: last, dropped: 0, lifecycle_since: Some(1), matched: events.len(), events }
    }

    fn numbers(happened: &Happened) -> Vec<u64> {
        happened.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn each_event_is_kept_once_and_those_between_are_counted() {
        let mut happened = Happened::default();
        happened.enter(view(5..=7));
        assert_eq!((numbers(&happened), happened.lost), (vec![5, 6, 7], 0), "what was before is nobody's loss");
        happened.enter(view(6..=9));
        assert_eq!((numbers(&happened), happened.lost), ((5..=9).collect(), 0));
        happened.enter(view(6..=9));
        assert_eq!(numbers(&happened).len(), 5);
        happened.enter(view(13..=14));
        assert_eq!((numbers(&happened).last(), happened.lost), (Some(&14), 3), "10, 11 and 12");
        // The first of more that come next.
        happened.enter(Events { last: 90, ..view(15..=16) });
        assert_eq!((numbers(&happened).last(), happened.lost), (Some(&16), 3), "the others are not lost");
        happened.enter(view(1..=2));
        assert_eq!((numbers(&happened), happened.lost), (vec![1, 2], 0), "it begins anew");
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut happened = Happened::default();
        for end in (100..=3_000).step_by(100) {
            happened.enter(view(end - 99..=end));
        }
        assert_eq!((happened.events.len(), happened.lost, happened.events[0].seq), (KEPT, 0, 2_001));
    }
}
