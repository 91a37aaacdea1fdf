//! How long an actor's turns and messages take, as its cell notes it.
//!
//! The clock costs a third of a short turn. So turns that are short are timed now and then; while they are long, each is,
//! and while the gate watches how its mailbox empties. A timed turn of an actor that has been busy since the last one
//! counts for all that happened in between, waiting for a thread included.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::actor::Actor;
use crate::cell::{Cell, Core, Status};
use crate::gate::{Stretch, events};
use crate::inbox::BATCH;
use crate::offender;
use crate::port::nanos;

/// How many times as long everything takes where it is not optimised: a turn that would be short is so there, too.
const SLOWER: u64 = if cfg!(debug_assertions) { 20 } else { 1 };
/// A turn no longer than this is shorter than a wake-up.
const SHORT_NS: u64 = 2_000 * SLOWER;
/// One in the place of its asker that takes longer is followed by none before one was timed that did not; so long may a thread be
/// interrupted in any.
const LONG_NS: u64 = 50_000 * SLOWER;
/// Who waits for room in a mailbox may wait for so long a turn, and a few more.
pub(crate) const QUICK_NS: u32 = 20_000;
/// One turn in so many is timed while they are quick; a full one counts for four.
const TIMED: u32 = 16;
/// The first turns, in which nothing is in any cache yet. Most actors do no more than these.
const EARLY: u32 = 3;
/// Messages make up a turn of no more than about this, if they take longer than a few microseconds.
const TURN_NS: u64 = 400_000;
/// Messages that a turn handles while nobody knows how long they take.
pub(crate) const UNTIMED: u8 = 2;
/// Turns that are timed after a handler has awaited, or when the gate watches.
const CLOSELY: u8 = 16;

/// Written by the holder of the running claim.
#[derive(Debug)]
pub(crate) struct Pace {
    turns: AtomicU32,
    last_ns: AtomicU32,
    /// Messages that had been handled when the mark was set.
    handled: AtomicU32,
    /// Messages that the next turn handles at the most.
    batch: AtomicU8,
    /// Turns that are timed however quick they are.
    closely: AtomicU8,
    /// A [`Mark`].
    mark: AtomicU64,
    /// Where what would be padding otherwise is put to use.
    pub(crate) stage: Stage,
}

/// Where a slot is in its life, and what its incarnation runs: a byte each.
#[derive(Debug)]
pub(crate) struct Stage {
    /// A [`Status`].
    pub(crate) status: AtomicU8,
    /// The callback that runs while no message is in hand, plus one; 0 for none. Written by the incarnation.
    pub(crate) callback: AtomicU8,
}

/// What an actor has done since it was timed last.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// Nobody has looked.
    Unknown,
    /// It has had something to do ever since.
    BusySince(u64),
    /// It has had nothing to do since.
    RestsSince(u64),
}

impl Mark {
    fn of(word: u64) -> Self {
        match (word >> 1, word & 1) {
            (0, _) => Self::Unknown,
            (at, 0) => Self::BusySince(at),
            (at, _) => Self::RestsSince(at),
        }
    }

    fn word(self) -> u64 {
        match self {
            Self::Unknown => 0,
            Self::BusySince(at) => at << 1,
            Self::RestsSince(at) => (at << 1) | 1,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            turns: AtomicU32::new(0),
            last_ns: AtomicU32::new(u32::MAX),
            handled: AtomicU32::new(0),
            batch: AtomicU8::new(UNTIMED),
            closely: AtomicU8::new(0),
            mark: AtomicU64::new(Mark::Unknown.word()),
            stage: Stage { status: AtomicU8::new(Status::Fresh as u8), callback: AtomicU8::new(0) },
        }
    }
}

impl Pace {
    /// Whether the turn that begins is to be timed.
    #[inline]
    fn is_due(&self) -> bool {
        let turns = self.turns.load(Relaxed).wrapping_add(1);
        self.turns.store(turns, Relaxed);
        turns.is_multiple_of(TIMED) || (turns > EARLY && (!self.is_quick() || self.is_watched()))
    }

    fn is_watched(&self) -> bool {
        let closely = self.closely.load(Relaxed);
        if closely != 0 {
            self.closely.store(closely - 1, Relaxed);
        }
        closely != 0
    }

    /// The turn has handled as many messages as it may.
    pub(crate) fn was_full(&self) {
        let turns = self.turns.load(Relaxed);
        // No further than to the next one that is timed.
        self.turns.store((turns | (TIMED - 1)).min(turns.wrapping_add(3)), Relaxed);
    }

    /// There is nothing to do, or what there is does not count.
    #[inline(always)]
    pub(crate) fn rests(&self) {
        self.mark.store(Mark::Unknown.word(), Relaxed);
    }

    /// A handler awaits: its turns are not short until one is timed again.
    #[inline]
    pub(crate) fn awaits(&self) {
        self.last_ns.store(u32::MAX, Relaxed);
        self.closely.store(CLOSELY, Relaxed);
    }

    /// Messages that a turn handles before others get one.
    pub(crate) fn batch(&self) -> u8 {
        self.batch.load(Relaxed)
    }

    /// Whether a turn, however many messages it handles, takes no longer than it costs to wake somebody who sleeps.
    pub(crate) fn is_quick(&self) -> bool {
        self.last_ns.load(Relaxed) <= QUICK_NS
    }

    #[inline]
    pub(crate) fn is_short(&self) -> bool {
        u64::from(self.last_ns.load(Relaxed)) <= SHORT_NS
    }

    /// A turn in the place of its asker took so long, at the most.
    #[inline]
    pub(crate) fn was_in_place(&self, took_ns: u64) {
        if took_ns > LONG_NS {
            self.was_long(took_ns);
        }
    }

    #[cold]
    fn was_long(&self, took_ns: u64) {
        self.last_ns.store(u32::try_from(took_ns).unwrap_or(u32::MAX), Relaxed);
        self.closely.store(CLOSELY, Relaxed);
    }

    /// A turn took so long and ended so many messages, or worked at one.
    fn note(&self, took_ns: u64, messages: u32) {
        self.last_ns.store(u32::try_from(took_ns).unwrap_or(u32::MAX), Relaxed);
        let fit = (TURN_NS * u64::from(messages.max(1))).checked_div(took_ns).unwrap_or(u64::MAX);
        self.batch.store(fit.clamp(1, u64::from(BATCH)) as u8, Relaxed);
    }

    fn set(&self, mark: Mark, handled: u32) {
        self.mark.store(mark.word(), Relaxed);
        self.handled.store(handled, Relaxed);
    }
}

/// A turn that is being timed.
pub(crate) struct Timing {
    began: u64,
    /// Messages handled before it.
    handled: u32,
    mark: Mark,
    /// Of its own, before it.
    own: u64,
    /// A message was in hand before it.
    held: bool,
}

impl Timing {
    /// A turn begins: its timing, if it is to be timed.
    #[inline]
    pub(crate) fn begin(core: &Core) -> Option<Self> {
        core.pace.is_due().then(|| {
            let handled = core.handled.get() as u32;
            let mark = match Mark::of(core.pace.mark.load(Relaxed)) {
                // It has worked since, in turns that were not timed.
                Mark::RestsSince(_) if core.pace.handled.load(Relaxed) != handled => Mark::Unknown,
                mark => mark,
            };
            if !matches!(mark, Mark::BusySince(_)) {
                core.gate.begins_stretch(handled);
            }
            let own = core.counters().own();
            Self { began: core.shared().port.now_ns(), handled, own, mark, held: !core.doing.get().is_none() }
        })
    }

    /// The turn has ended; a message may be in hand. What it tells is noted in the cell, and at its gate.
    pub(crate) fn end<A: Actor>(self, cell: &Cell<A>, holds: bool) {
        let core = cell.core();
        let (pace, port) = (&core.pace, &core.shared().port);
        let (ended, handled) = (port.now_ns(), core.handled.get() as u32);
        let own = core.counters().own();
        let (here, left) = (handled.wrapping_sub(self.handled), cell.mailbox.len());
        offender::took(core, ended.saturating_sub(self.began), here);
        let cost = if here == 0 { 0 } else { nanos(port.turn_cost()) };
        if here == 0 && !holds {
            // A beginning, a signal, or a look into an empty mailbox: who rested goes on resting.
            let rests = left == 0 && matches!(self.mark, Mark::RestsSince(_));
            return pace.set(if rests { self.mark } else { Mark::Unknown }, handled);
        }
        pace.note(ended.saturating_sub(self.began) + cost, here);
        let (since, before, own_before) = self.start(core);
        // Nobody has seen the beginning of what was in hand: nor is it known how long it took.
        let unseen = self.held && matches!(self.mark, Mark::Unknown);
        let rests = !holds && left == 0;
        let mark = if rests { Mark::RestsSince(ended) } else { Mark::BusySince(ended) };
        if here == 0 {
            core.counters().times_own(own_before);
            return pace.set(if unseen { Mark::Unknown } else { Mark::BusySince(since) }, before);
        }
        let messages = handled.wrapping_sub(before);
        let stretch_own = u32::try_from(own - own_before).unwrap_or(u32::MAX).min(messages);
        if stretch_own == messages && left > 0 {
            // All were its own, and somebody waits: they are a part of what his message takes.
            core.counters().times_own(own_before);
            return pace.set(Mark::BusySince(since), before);
        }
        pace.set(mark, handled);
        core.counters().times_own(own);
        if unseen || stretch_own == messages {
            return;
        }
        let idle_ns = match self.mark {
            Mark::RestsSince(at) => Some(since.saturating_sub(at)),
            Mark::BusySince(_) | Mark::Unknown => None,
        };
        let took_ns = ended.saturating_sub(since) + cost;
        let stretch = Stretch { ended_at: ended, took_ns, before, messages, own: stretch_own, left, idle_ns };
        let is_early = pace.turns.load(Relaxed) < TIMED;
        if core.gate.worked(stretch, cell.mailbox.capacity(), is_early) {
            pace.closely.store(CLOSELY, Relaxed);
        }
        cell.mailbox.set_careful(core.gate.counts());
        if core.gate.exceeds(cell.mailbox.capacity(), nanos(core.shared().settings.ask_within)) {
            events::exceeds(core);
        }
    }

    /// When the work began that ends with this turn, and how many messages had been handled by then, and of its own.
    fn start(&self, core: &Core) -> (u64, u32, u64) {
        match self.mark {
            Mark::BusySince(at) => (at, core.pace.handled.load(Relaxed), core.counters().own_timed()),
            // It may have had to wait for this turn.
            Mark::RestsSince(at) => {
                (self.began.saturating_sub(core.waited_ns(self.began)).max(at), self.handled, self.own)
            }
            Mark::Unknown => (self.began, self.handled, self.own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_it_was() {
        for mark in [Mark::Unknown, Mark::BusySince(7), Mark::RestsSince(8)] {
            assert_eq!(format!("{:?}", Mark::of(mark.word())), format!("{mark:?}"));
        }
    }

    #[test]
    fn f3_quick_turns_are_timed_now_and_then_and_slow_ones_each() {
        let pace = Pace::default();
        let timed = |turns: u32| (0..turns).filter(|_| pace.is_due()).count();
        assert_eq!(timed(EARLY), 0, "most actors do no more");
        pace.note(1_000, 1);
        assert_eq!(timed(16 * TIMED), 16);
        pace.note(u64::from(QUICK_NS) + 1, 1);
        assert_eq!(timed(100), 100);
        pace.awaits();
        pace.note(1_000, 1);
        assert!(timed(u32::from(CLOSELY)) >= usize::from(CLOSELY), "its handlers may await again");
    }

    #[test]
    fn f3_full_turns_of_a_quick_actor_are_timed_four_times_as_often() {
        let pace = Pace::default();
        pace.note(1_000, 64);
        let timed = (0..4 * TIMED).filter(|_| {
            let due = pace.is_due();
            pace.was_full();
            due
        });
        assert!((TIMED - 1..=TIMED).contains(&(timed.count() as u32)));
    }

    #[test]
    fn turns_of_slow_messages_are_short() {
        let pace = Pace::default();
        let batch = |took_ns, messages| {
            pace.note(took_ns, messages);
            pace.batch()
        };
        assert_eq!([batch(64, 64), batch(640_000, 64), batch(100_000, 1), batch(1 << 40, 1)], [128, 40, 4, 1]);
        assert_eq!(batch(0, 1), 128);
    }
}
