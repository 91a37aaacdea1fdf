//! What is wrong at a gate, as it is noted by whoever meets it, and when it begins and ends: plain values, without a clock.
//!
//! Whoever is refused, or drops what was promised, leaves a figure and a time, and once has the actor looked after
//! (`listed`). What that means is decided elsewhere and at leisure ([`Watch::look`]), once for each change of state.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// A gate that has refused nobody for so long, and for the deadline of those it refused, is open again.
const CALM_NS: u64 = 5_000_000_000;
/// Whatever that deadline is, nobody wants to wait longer for the news.
const CALM_MOST_NS: u64 = 60_000_000_000;

/// What can be wrong at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It refuses for want of room or time.
    Refuses,
    /// What is in hand takes longer than callers have.
    Stuck,
    /// What was taken in was not done.
    Breaks,
}

/// All of it, in the order of the figures.
pub(crate) const TROUBLES: [Trouble; 3] = [Trouble::Refuses, Trouble::Stuck, Trouble::Breaks];

/// What is noted of one gate. Each figure stands for itself.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    counts: [AtomicU64; 3],
    at: [AtomicU64; 3],
    /// Of what was not done: what had not expired, and was not worth beginning.
    pub(crate) futile: AtomicU64,
    /// Why it refused last: a place among the reasons.
    pub(crate) why: AtomicU8,
    /// The longest time that somebody had who was refused.
    patience_ns: AtomicU64,
    /// How often each had happened when it ended last. Written by whoever looks after the actor.
    told: [AtomicU64; 3],
    /// A full mailbox is more than its callers wait for: whether that was found, and whether it is to be told yet.
    exceeds: AtomicBool,
    tells: AtomicBool,
    /// Somebody looks after the actor. Ordered with `counts` and `tells`: either who notes something sees that nobody does
    /// any more, or who stops sees the note.
    listed: AtomicBool,
}

impl Notes {
    /// Notes that this happened. Whether the actor is to be looked after from now on.
    pub(crate) fn note(&self, trouble: Trouble, now: u64) -> bool {
        self.at[trouble as usize].fetch_max(now, Relaxed);
        self.counts[trouble as usize].fetch_add(1, SeqCst);
        self.list()
    }

    /// Whether nobody looks after the actor yet: the caller sees to it.
    pub(crate) fn list(&self) -> bool {
        !self.listed.load(SeqCst) && !self.listed.swap(true, SeqCst)
    }

    /// Nothing is wrong, and nobody looks after it from now on. False if something was noted meanwhile: go on.
    pub(crate) fn unlist(&self, watch: Watch) -> bool {
        self.patience_ns.store(0, Relaxed);
        for (told, before) in self.told.iter().zip(watch.before) {
            told.store(before, Relaxed);
        }
        self.listed.store(false, SeqCst);
        let noted = self.counts.iter().zip(watch.before).any(|(count, before)| count.load(SeqCst) != before);
        let rests = !noted && !self.tells.load(SeqCst);
        rests || !self.list()
    }

    /// Whether somebody was refused because of what is in hand still, which has been for so long.
    pub(crate) fn is_stuck(&self, now: impl FnOnce() -> u64, running_ns: impl FnOnce() -> u64) -> bool {
        let at = self.at[Trouble::Stuck as usize].load(Relaxed);
        at != 0 && {
            let running_ns = running_ns();
            running_ns != 0 && running_ns >= now().saturating_sub(at)
        }
    }

    /// What is known when somebody begins to look after the actor.
    pub(crate) fn watch(&self) -> Watch {
        Watch { since: [None; 3], before: [0, 1, 2].map(|at: usize| self.told[at].load(Relaxed)) }
    }

    /// A full mailbox is more than its callers wait for. Whether that is news.
    pub(crate) fn exceeds(&self) -> bool {
        let is_new = !self.exceeds.swap(true, Relaxed);
        if is_new {
            self.tells.store(true, SeqCst);
        }
        is_new
    }

    /// Whether that was found already.
    pub(crate) fn is_known_to_exceed(&self) -> bool {
        self.exceeds.load(Relaxed)
    }

    /// Whether that is to be told: once.
    pub(crate) fn tells_exceeds(&self) -> bool {
        self.tells.load(Relaxed) && self.tells.swap(false, Relaxed)
    }

    pub(crate) fn has_patience(&self, left_ns: u64) {
        self.patience_ns.fetch_max(left_ns, Relaxed);
    }

    /// What is noted by now, while something has been in hand for so long.
    pub(crate) fn seen(&self, now: u64, running_ns: u64) -> Seen {
        let read = |figures: &[AtomicU64; 3]| [0, 1, 2].map(|at: usize| figures[at].load(Relaxed));
        let calm_ns = self.patience_ns.load(Relaxed).clamp(CALM_NS, CALM_MOST_NS);
        Seen { now, counts: read(&self.counts), at: read(&self.at), calm_ns, running_ns }
    }
}

/// What is noted of a gate at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    now: u64,
    counts: [u64; 3],
    at: [u64; 3],
    calm_ns: u64,
    running_ns: u64,
}

impl Seen {
    /// Whether that is over.
    fn is_over(&self, trouble: Trouble) -> bool {
        let since = self.now.saturating_sub(self.at[trouble as usize]);
        match trouble {
            Trouble::Refuses => since >= self.calm_ns,
            // What is in hand now was not when somebody was told so.
            Trouble::Stuck => self.running_ns < since,
            Trouble::Breaks => since >= CALM_NS,
        }
    }
}

/// What changes at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) trouble: Trouble,
    /// How often it happened: so far, or until it ended.
    pub(crate) count: u64,
    /// It is over after so long, from when it was seen first until it happened last; nothing if it begins.
    pub(crate) lasted_ns: Option<u64>,
}

/// What is known of the troubles of one actor while it is looked after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// When each began that is not over.
    since: [Option<u64>; 3],
    /// How often each had happened when it ended last.
    before: [u64; 3],
}

impl Watch {
    /// What has changed since somebody looked last.
    pub(crate) fn look(&mut self, seen: &Seen) -> impl Iterator<Item = Change> {
        TROUBLES.into_iter().filter_map(|trouble| {
            let at = trouble as usize;
            let count = seen.counts[at] - self.before[at];
            match self.since[at] {
                None if count > 0 => {
                    self.since[at] = Some(seen.at[at]);
                    Some(Change { trouble, count, lasted_ns: None })
                }
                Some(since) if seen.is_over(trouble) => {
                    (self.since[at], self.before[at]) = (None, seen.counts[at]);
                    Some(Change { trouble, count, lasted_ns: Some(seen.at[at].saturating_sub(since)) })
                }
                _ => None,
            }
        })
    }

    /// Whether nothing is wrong any more.
    pub(crate) fn is_calm(&self, seen: &Seen) -> bool {
        self.since == [None; 3] && self.before == seen.counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn changes(watch: &mut Watch, notes: &Notes, now: u64, running_ns: u64) -> Vec<(Trouble, u64, Option<u64>)> {
        let seen = notes.seen(now, running_ns);
        let changes: Vec<_> = watch.look(&seen).collect();
        changes.into_iter().map(|change| (change.trouble, change.count, change.lasted_ns)).collect()
    }

    #[test]
    fn a_trouble_is_told_when_it_begins_and_when_it_is_over_however_often_it_happened() {
        let (mut watch, notes) = (Notes::default().watch(), Notes::default());
        assert!(notes.note(Trouble::Refuses, S));
        assert!((0..9).all(|_| !notes.note(Trouble::Refuses, S)), "it is looked after once");
        assert_eq!(changes(&mut watch, &notes, S, 0), [(Trouble::Refuses, 10, None)]);
        notes.note(Trouble::Refuses, 3 * S);
        assert_eq!(changes(&mut watch, &notes, 4 * S, 0), []);
        assert_eq!(changes(&mut watch, &notes, 8 * S - 1, 0), []);
        assert_eq!(changes(&mut watch, &notes, 8 * S, 0), [(Trouble::Refuses, 11, Some(2 * S))]);
        assert!(watch.is_calm(&notes.seen(9 * S, 0)));
        assert_eq!(changes(&mut watch, &notes, 9 * S, 0), []);
        assert!(notes.unlist(watch), "nobody has to look after it");
        assert!(notes.note(Trouble::Refuses, 10 * S));
        assert!(!notes.unlist(watch), "what was noted meanwhile is not forgotten");
        let mut watch = notes.watch();
        assert_eq!(changes(&mut watch, &notes, 10 * S, 0), [(Trouble::Refuses, 1, None)]);
    }

    #[test]
    fn a_gate_is_open_again_when_nobody_was_refused_for_as_long_as_they_had_time() {
        let (mut watch, notes) = (Notes::default().watch(), Notes::default());
        notes.has_patience(60 * S);
        notes.note(Trouble::Refuses, S);
        changes(&mut watch, &notes, S, 0);
        assert_eq!(changes(&mut watch, &notes, 60 * S, 0), []);
        assert_eq!(changes(&mut watch, &notes, 61 * S, 0).len(), 1);
    }

    #[test]
    fn a_stuck_actor_is_well_when_it_has_something_else_in_hand_or_nothing() {
        for running_ns in [0, S - 1] {
            let (mut watch, notes) = (Notes::default().watch(), Notes::default());
            notes.note(Trouble::Stuck, 10 * S);
            assert_eq!(changes(&mut watch, &notes, 10 * S, 4 * S), [(Trouble::Stuck, 1, None)]);
            assert_eq!(changes(&mut watch, &notes, 30 * S, 24 * S), [], "it is still in hand");
            assert_eq!(changes(&mut watch, &notes, 31 * S, running_ns), [(Trouble::Stuck, 1, Some(0))]);
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_beginnings_and_ends_alternate_and_every_time_is_counted_once(
            steps in prop::collection::vec((0..3 * S, 0..4_usize), 0..100),
        ) {
            let (mut watch, notes, mut now) = (Notes::default().watch(), Notes::default(), 1);
            let (mut open, mut told, mut happened) = ([false; 3], [0; 3], [0; 3]);
            let mut look = |now: u64| {
                for change in watch.look(&notes.seen(now, 0)).collect::<Vec<_>>() {
                    let at = change.trouble as usize;
                    assert_eq!(open[at], change.lasted_ns.is_some(), "{change:?}");
                    open[at] = !open[at];
                    told[at] += change.lasted_ns.map_or(0, |_| change.count);
                }
            };
            for (passes, what) in steps {
                now += passes;
                if let Some(&trouble) = TROUBLES.get(what) {
                    notes.note(trouble, now);
                    happened[what] += 1;
                }
                look(now);
            }
            (1..4).for_each(|later| look(now + later * CALM_NS));
            prop_assert_eq!((open, told), ([false; 3], happened));
            prop_assert!(watch.is_calm(&notes.seen(now, 0)));
        }
    }
}
