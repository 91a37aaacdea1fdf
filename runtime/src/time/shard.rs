//! One wheel: timers sorted by the digits of their tick, base 64. Knows no clock, no lock and no task.
//!
//! A timer lies at the level of the highest digit in which its tick differs from the time the wheel has reached, in
//! the slot of that digit. So the lowest occupied slot of the lowest occupied level comes first, and when time reaches
//! a slot above level 0, its timers move down. Eight levels hold every tick there is.

use std::task::Waker;

use super::slab::{Entry, NIL, Slab};

const LEVELS: usize = 8;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;

/// No timer.
pub(super) const NEVER: u64 = u64::MAX;

/// Ticks have this many bits: half a millennium and more.
const TICK_BITS: u32 = LEVELS as u32 * DIGIT_BITS;

pub(super) struct Shard {
    /// Time has reached this tick: every timer of an earlier one has been taken out.
    reached: u64,
    /// No slot begins earlier. Exact after `advance`; cancelling leaves it too low.
    earliest: u64,
    /// One bit a slot: whether it holds anything.
    occupied: [u64; LEVELS],
    /// The first node of each slot's ring.
    slots: Box<[[u32; SLOTS]; LEVELS]>,
    slab: Slab,
}

/// Whether `advance` stopped before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advanced {
    Done,
    /// The limit was reached: call again.
    More,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self {
            reached: 0,
            earliest: NEVER,
            occupied: [0; LEVELS],
            slots: Box::new([[NIL; SLOTS]; LEVELS]),
            slab: Slab::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.slab.bytes()
    }

    /// When to call `advance` next, at the latest; [`NEVER`] if nothing is armed.
    pub(super) fn earliest(&self) -> u64 {
        self.earliest
    }

    /// Puts a timer in; `now` may lag behind the true time, never lead. Says which node it is, and when to look.
    pub(super) fn insert(&mut self, now: u64, tick: u64, entry: Entry) -> (u32, u64, u64) {
        if self.len() == 0 {
            self.earliest = NEVER;
        }
        if now > self.reached && now < self.earliest {
            // Nothing lies in between: with a fresh view of the time the timer sits as low as it can.
            self.reached = now;
        }
        let tick = tick.min((1 << TICK_BITS) - 1);
        let (index, serial) = self.slab.insert(tick, entry);
        let begins = self.link(index, tick);
        self.earliest = self.earliest.min(begins);
        (index, serial, begins)
    }

    /// Takes a timer out before its time.
    pub(super) fn remove(&mut self, index: u32, serial: u64) -> Option<Entry> {
        let (level, digit) = self.slab.get(index, serial)?.place;
        self.unlink(index, level, digit);
        Some(self.slab.remove(index))
    }

    pub(super) fn contains(&self, index: u32, serial: u64) -> bool {
        self.slab.get(index, serial).is_some()
    }

    /// Whether the timer is there, and wakes the task of this waker.
    pub(super) fn wakes(&self, index: u32, serial: u64, waker: &Waker) -> bool {
        let node = self.slab.get(index, serial);
        node.is_some_and(|node| matches!(&node.entry, Entry::Wake(armed) if armed.will_wake(waker)))
    }

    /// Lets time reach `now`: appends what is due to `due`, touching at most `limit` timers.
    pub(super) fn advance(&mut self, now: u64, due: &mut Vec<Entry>, mut limit: usize) -> Advanced {
        loop {
            let first = self.first();
            self.earliest = first.map_or(NEVER, |(.., begins)| begins);
            let Some((level, digit, begins)) = first.filter(|(.., begins)| *begins <= now) else {
                self.reached = self.reached.max(now);
                return Advanced::Done;
            };
            self.reached = self.reached.max(begins);
            while self.occupied[level as usize] & 1 << digit != 0 {
                if limit == 0 {
                    return Advanced::More;
                }
                limit -= 1;
                let index = self.slots[level as usize][digit as usize];
                self.unlink(index, level, digit);
                if level == 0 {
                    due.push(self.slab.remove(index));
                } else {
                    let tick = self.slab.node(index).tick;
                    self.link(index, tick);
                }
            }
        }
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Entry> + use<> {
        self.occupied = [0; LEVELS];
        self.slots.iter_mut().for_each(|slots| slots.fill(NIL));
        self.slab.take().into_entries()
    }

    /// The slot to look at first, and the tick at which it begins.
    fn first(&self) -> Option<(u8, u8, u64)> {
        let mut first: Option<(u8, u8, u64)> = None;
        for level in 0..LEVELS {
            if self.occupied[level] == 0 {
                continue;
            }
            // Occupied slots lie at or after the time reached: none has wrapped around.
            let digit = self.occupied[level].trailing_zeros() as u64;
            let shift = level as u32 * DIGIT_BITS;
            let above = shift + DIGIT_BITS;
            let begins = (self.reached >> above << above) | digit << shift;
            if first.is_none_or(|(.., earlier)| begins < earlier) {
                first = Some((level as u8, digit as u8, begins));
            }
        }
        first
    }

    /// Appends a node to the ring of its slot, and says when that slot begins.
    fn link(&mut self, index: u32, tick: u64) -> u64 {
        let tick = tick.max(self.reached);
        let differs = tick ^ self.reached;
        let level = if differs == 0 { 0 } else { (differs.ilog2() / DIGIT_BITS) as usize };
        let shift = level as u32 * DIGIT_BITS;
        let digit = (tick >> shift) as usize % SLOTS;
        let first = self.slots[level][digit];
        let (prev, next) = if first == NIL {
            self.slots[level][digit] = index;
            self.occupied[level] |= 1 << digit;
            (index, index)
        } else {
            let last = std::mem::replace(&mut self.slab.node(first).prev, index);
            self.slab.node(last).next = index;
            (last, first)
        };
        let node = self.slab.node(index);
        (node.prev, node.next, node.place) = (prev, next, (level as u8, digit as u8));
        tick >> shift << shift
    }

    fn unlink(&mut self, index: u32, level: u8, digit: u8) {
        let node = self.slab.node(index);
        let (prev, next) = (node.prev, node.next);
        let first = &mut self.slots[level as usize][digit as usize];
        if next == index {
            *first = NIL;
            self.occupied[level as usize] &= !(1 << digit);
            return;
        }
        if *first == index {
            *first = next;
        }
        self.slab.node(prev).next = next;
        self.slab.node(next).prev = prev;
    }
}
