//! The kinds of one actor's messages, told apart where senders and the actor meet.
//!
//! ```text
//!   the actor:  which kind it turns to ──▶ Told ── what each kind takes ──▶ services
//!   senders:    which kind is sent ──▶ names ──▶ queued: one more of it      services × queued = work that waits
//!   the actor:  it is taken out ───────────────▶ queued: one fewer of it
//! ```
//! Counted are messages, not their times: what was added is what is taken away, whatever has been learnt meanwhile, and
//! the whole queue is valued anew when something was. A message carries the place of its kind in the table, so it is
//! counted out where it was counted in.
//!
//! Only an actor whose kinds differ, and which somebody asks who has not all the time there is, has its messages counted: all
//! others, and those sent before, stand for what a message of any kind takes.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crashworthy_sync::label::{Label, SharedLabel};
use parking_lot::Mutex;

use super::amid::{Amid, Work};
use super::kinds::{KINDS, NAMED, Slot, Told};
use super::limits::ServiceTime;
use super::standing::step;

/// So long after somebody asked for whom it matters, messages are counted no more: about a minute, so that whoever asks now and
/// then is not the first each time.
const MATTERED: u32 = 1 << 16;

/// How a message is counted, with a word to spare: one bit says whether it is a place of a [flow](super::shares).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// It is not counted.
    pub(crate) const NONE: Self = Self(0);
    const SHARE: u8 = 1 << 7;

    fn of(slot: Slot) -> Self {
        Self(slot.at() as u8 + 1)
    }

    fn slot(self) -> Option<Slot> {
        (self.0 & !Self::SHARE).checked_sub(1).map(|at| Slot::new(at.into()))
    }

    pub(crate) fn with_share(self, is_share: bool) -> Self {
        if is_share { Self(self.0 | Self::SHARE) } else { self }
    }

    pub(super) fn is_share(self) -> bool {
        self.0 & Self::SHARE != 0
    }
}

/// What is known of the kinds of an actor's messages. Few have one: it is made when a second kind is met.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// In the order they were met. Written by the actor.
    names: [SharedLabel; NAMED],
    /// The same. One of which little is known is all zeros.
    services: [[AtomicU32; 3]; KINDS],
    /// Messages that wait. Written by senders, and by whoever takes messages out.
    queued: [AtomicU32; KINDS],
    /// Whether messages are counted.
    counts: AtomicBool,
    /// When somebody asked last for whom it matters: a [`step`]; 0 if nobody did.
    asked_at: AtomicU32,
    /// Touched by the holder of the running claim alone.
    told: Mutex<Told>,
}

/// The actor's side.
impl Apart {
    /// So many messages were handled, of a kind at last; what comes now is of another.
    pub(super) fn turns_to(&self, last: &'static str, kind: &'static str, handled: u32) {
        let slots = [last, kind].map(|kind| if kind.is_empty() { Slot::REST } else { self.enter(kind) });
        let mut told = self.told.lock();
        if !last.is_empty() {
            // It may have been turned to when there was no table.
            told.stays(slots[0]);
        }
        told.turns_to(slots[1], handled);
    }

    /// A stretch of work begins.
    pub(super) fn begins(&self, handled: u32) {
        self.told.lock().begins(handled);
    }

    /// A stretch has ended; of all kinds this is believed.
    pub(super) fn ends(&self, before: u32, messages: u32, took_ns: u64, all: ServiceTime, now: u64) {
        let mut told = self.told.lock();
        told.ends(before, messages, took_ns, all, step(now));
        for (at, words) in self.services.iter().enumerate() {
            let service = told.service(Slot::new(at)).unwrap_or_default();
            for (word, figure) in words.iter().zip(service.to_words()) {
                word.store(figure, Relaxed);
            }
        }
        let asked_at = self.asked_at.load(Relaxed);
        // Whoever asked may have looked at the clock later than this stretch did.
        let matters = asked_at != 0 && (step(now).wrapping_sub(asked_at) as i32) < MATTERED as i32;
        self.counts.store(matters && told.differ().is_some(), Relaxed);
    }

    /// What the slowest kind takes, if kinds differ.
    pub(super) fn slowest(&self) -> Option<ServiceTime> {
        self.told.lock().differ()
    }

    /// The place of a kind in the table, which is made if there is room.
    fn enter(&self, kind: &'static str) -> Slot {
        let slot = self.slot(Label::new(kind));
        if slot != Slot::REST {
            return slot;
        }
        match self.names.iter().position(|name| name.get().is_none()) {
            None => Slot::REST,
            Some(free) => {
                self.names[free].set(Label::new(kind));
                Slot::new(free)
            }
        }
    }
}

/// The senders' side.
impl Apart {
    /// Somebody asks who has not all the time there is.
    pub(super) fn is_asked(&self, now: u64) {
        let now = step(now).max(1);
        if self.asked_at.load(Relaxed) != now {
            self.asked_at.store(now, Relaxed);
        }
    }

    /// Whether messages are counted.
    pub(super) fn counts(&self) -> bool {
        self.counts.load(Relaxed)
    }

    /// How a message of this kind is counted.
    pub(super) fn marks(&self, kind: &'static str) -> Marks {
        Marks::of(self.slot(Label::new(kind)))
    }

    /// A message that is marked so is about to be put into the mailbox.
    pub(super) fn comes(&self, marks: Marks) {
        if let Some(slot) = marks.slot() {
            self.queued[slot.at()].fetch_add(1, Relaxed);
        }
    }

    /// It has been taken out.
    pub(super) fn goes(&self, marks: Marks) {
        if let Some(slot) = marks.slot() {
            let before = self.queued[slot.at()].fetch_sub(1, Relaxed);
            debug_assert_ne!(before, 0, "what is taken out was put in");
        }
    }

    /// The place of a kind; that of the rest if it has none of its own.
    ///
    /// One text may have several addresses: it is compared where no address is the same.
    fn slot(&self, kind: Label) -> Slot {
        let by = |is: &dyn Fn(Label) -> bool| {
            let names = self.names.iter().map(SharedLabel::get);
            names.take_while(|name| !name.is_none()).position(is)
        };
        let found = by(&|name| name == kind).or_else(|| by(&|name| name.name() == kind.name()));
        found.map_or(Slot::REST, Slot::new)
    }

    /// What a kind is believed to take; of one that is not known enough, what any does.
    pub(super) fn service(&self, marks: Marks, usual: ServiceTime) -> ServiceTime {
        marks.slot().map_or(usual, |slot| self.service_of(slot, usual))
    }

    fn service_of(&self, slot: Slot, usual: ServiceTime) -> ServiceTime {
        let words = self.services[slot.at()].each_ref().map(|word| word.load(Relaxed));
        let service = ServiceTime::from_words(words);
        if service.is_sure() { service } else { usual }
    }

    #[cfg(test)]
    pub(super) fn is_balanced(&self) -> bool {
        self.queued.iter().all(|queued| queued.load(Relaxed) == 0)
    }

    /// The work that so many messages are which wait.
    pub(super) fn waiting(&self, messages: u32, usual: ServiceTime) -> Work {
        let (mut left, mut work) = (messages, Work::default());
        for (at, queued) in self.queued.iter().enumerate() {
            // Of two figures that were read one after the other.
            let queued = queued.load(Relaxed).min(left);
            if queued != 0 {
                left -= queued;
                work = work.and(Work::of(self.service_of(Slot::new(at), usual), queued));
            }
        }
        work.and(Work::of(usual, left))
    }

    /// What a message of a kind finds before it: so many that wait, and what is in hand.
    pub(super) fn amid(&self, kind: Option<&'static str>, in_hand: Label, queued: u32, usual: ServiceTime) -> Amid {
        let own = kind.map_or(usual, |kind| self.service(self.marks(kind), usual));
        let slot = (!in_hand.is_none()).then(|| self.slot(in_hand.unmarked()));
        let in_hand = slot.map(|slot| self.service_of(slot, usual));
        Amid { queued, waiting: self.waiting(queued, usual), in_hand, own, usual }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: u64 = 1_000;
    /// Any of these is met; there is room for seven by name.
    const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

    /// A stretch of one message of this kind.
    fn handles(apart: &Apart, last: usize, kind: usize, handled: u32, took_ns: u64) {
        apart.begins(handled);
        apart.turns_to(NAMES[last], NAMES[kind], handled);
        apart.ends(handled, 1, took_ns, usual(), step_ns(1));
    }

    fn usual() -> ServiceTime {
        ServiceTime::new(500.0 * US as f64, 0.0, u32::MAX)
    }

    const fn step_ns(steps: u64) -> u64 {
        steps << 20
    }

    /// "a" takes 10 us, "b" a millisecond; both are known.
    fn two_kinds() -> Apart {
        let apart = Apart::default();
        apart.is_asked(step_ns(1));
        (0..20).for_each(|n| handles(&apart, 1, 0, n, 10 * US));
        (20..40).for_each(|n| handles(&apart, 0, 1, n, 1_000 * US));
        apart
    }

    #[test]
    fn messages_are_counted_while_kinds_differ_and_somebody_asks_for_whom_that_matters() {
        let apart = Apart::default();
        (0..20).for_each(|n| handles(&apart, 1, 0, n, 10 * US));
        (20..40).for_each(|n| handles(&apart, 0, 1, n, 1_000 * US));
        assert!(!apart.counts() && apart.slowest().is_some(), "nobody has asked");
        apart.is_asked(step_ns(1));
        handles(&apart, 1, 1, 40, 1_000 * US);
        assert!(apart.counts());
        apart.begins(41);
        apart.ends(41, 1, 1_000 * US, usual(), step_ns(1 + u64::from(MATTERED)));
        assert!(!apart.counts(), "that was long ago");
    }

    #[test]
    fn the_queue_is_valued_by_what_is_in_it() {
        let apart = two_kinds();
        let (short, long) = (apart.marks("a"), apart.marks("b"));
        (0..100).for_each(|_| apart.comes(short));
        assert_eq!(apart.waiting(100, usual()).wait_ns(), 1_000 * US);
        apart.comes(long);
        assert_eq!(apart.waiting(101, usual()).wait_ns(), 2_000 * US);
        assert_eq!(apart.waiting(102, usual()).wait_ns(), 2_500 * US, "one was not counted: it is a usual one");
        apart.goes(short);
        assert_eq!(apart.waiting(100, usual()).wait_ns(), 1_990 * US);
        apart.comes(apart.marks("never met"));
        assert_eq!(apart.waiting(101, usual()).wait_ns(), 2_490 * US, "of a kind that is not known: the same");
    }

    #[test]
    fn a_name_is_known_wherever_its_text_lies() {
        let apart = two_kinds();
        let elsewhere: &'static str = String::from("b").leak();
        assert_eq!(apart.marks(elsewhere), apart.marks("b"));
        assert_ne!(apart.marks(elsewhere), apart.marks("a"));
    }

    #[test]
    fn kinds_beyond_the_seventh_share_an_estimate() {
        let apart = Apart::default();
        for n in 0..400_u32 {
            let kind = n as usize % NAMES.len();
            handles(&apart, (kind + 9) % NAMES.len(), kind, n, (1 + kind as u64) * 100 * US);
        }
        let takes = |kind| apart.service(apart.marks(kind), usual()).mean_ns();
        // The last of the names is met first, as what came before.
        let named = NAMES.map(|kind| apart.marks(kind) != apart.marks("never met"));
        assert_eq!(named.iter().filter(|named| **named).count(), NAMED, "{named:?}");
        assert_eq!((takes("a"), takes("b")), (100 * US, 200 * US));
        assert!((700 * US..=1_000 * US).contains(&takes("h")), "{}", takes("h"));
        assert_eq!(apart.marks("h"), apart.marks("i"));
    }

    #[test]
    fn marks_say_both_whose_place_and_which_kind() {
        let apart = two_kinds();
        for marks in [Marks::NONE, apart.marks("a"), apart.marks("b"), apart.marks("never met")] {
            let shared = marks.with_share(true);
            assert!(shared.is_share() && !marks.is_share() && shared.slot() == marks.slot());
        }
    }

    proptest! {
        #[test]
        fn what_was_added_is_taken_away_however_the_estimates_have_changed(
            steps in prop::collection::vec((0..NAMES.len(), any::<bool>(), 1..100_000_000_u64), 0..300),
        ) {
            let apart = two_kinds();
            let (mut waits, mut handled) = (Vec::new(), 40);
            for (kind, comes, took) in steps {
                if comes || waits.is_empty() {
                    let marks = apart.marks(NAMES[kind]);
                    apart.comes(marks);
                    waits.push(marks);
                } else {
                    apart.goes(waits.swap_remove(kind % waits.len()));
                }
                // Meanwhile something else is learnt, and places in the table are taken.
                handles(&apart, (kind + 1) % NAMES.len(), kind, handled, took);
                handled += 1;
                let expected: f64 = waits.iter().map(|&marks| apart.service(marks, usual()).unit().0).sum();
                let work = apart.waiting(waits.len() as u32, usual()).wait_ns();
                prop_assert!((work as f64 - expected).abs() <= 1.0 + expected / 1e6, "{work}, not {expected}");
            }
            waits.into_iter().for_each(|marks| apart.goes(marks));
            prop_assert_eq!(apart.waiting(0, usual()), Work::default());
            prop_assert!(apart.is_balanced());
        }
    }
}
