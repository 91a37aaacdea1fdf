//! Every value of one sort that was ever made in a round, and what became of it.
//!
//! States and messages carry a [`Token`]. Its register knows whether the value was dropped, and once; of messages also
//! whether they were taken in, handed to a handler, handled, and told of as dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

/// What is known of a value: bits.
pub mod mark {
    /// Its destructor ran.
    pub const DROPPED: u32 = 1;
    /// A mailbox took it.
    pub const ACCEPTED: u32 = 1 << 1;
    /// It came back to its sender.
    pub const REFUSED: u32 = 1 << 2;
    /// A handler was given it.
    pub const ENTERED: u32 = 1 << 3;
    /// Its handler has returned and the actor goes on, or said that it is done.
    pub const HANDLED: u32 = 1 << 4;
    /// The dead-letter hook was told of it.
    pub const LETTER: u32 = 1 << 5;
    /// It was told: nobody waits for it, it has no deadline.
    pub const TELL: u32 = 1 << 6;
    /// It was asked.
    pub const ASK: u32 = 1 << 7;
    /// An actor sent it to itself: a tick, the result of a future.
    pub const OWN: u32 = 1 << 8;
}

/// The number of a value that the register had no room for.
const UNKNOWN: u32 = u32::MAX;

/// The values of one sort.
#[derive(Debug)]
pub struct Register {
    marks: Box<[AtomicU32]>,
    next: AtomicU32,
    /// Destructors that ran a second time.
    twice: AtomicU32,
}

/// One value: part of it, dropped with it.
#[derive(Debug)]
pub struct Token {
    register: Arc<Register>,
    id: u32,
}

impl Register {
    /// A register with room for so many values; more are made without being watched.
    pub fn with_room(room: usize) -> Arc<Self> {
        let marks = (0..room).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Self { marks, next: AtomicU32::new(0), twice: AtomicU32::new(0) })
    }

    /// A new value.
    pub fn token(self: &Arc<Self>, marks: u32) -> Token {
        let id = self.next.fetch_add(1, Relaxed);
        match self.marks.get(id as usize) {
            Some(value) => {
                value.store(marks, Relaxed);
                Token { register: self.clone(), id }
            }
            None => {
                self.next.fetch_sub(1, Relaxed);
                Token { register: self.clone(), id: UNKNOWN }
            }
        }
    }

    /// Marks a value; says how it was marked before.
    pub fn mark(&self, id: u32, marks: u32) -> u32 {
        self.marks.get(id as usize).map_or(0, |value| value.fetch_or(marks, AcqRel))
    }

    /// The marks of every value.
    pub fn all(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let made = self.next.load(Acquire).min(self.marks.len() as u32);
        (0..made).map(|id| (id, self.marks[id as usize].load(Acquire)))
    }

    /// How many are marked with all of `with` and none of `without`.
    pub fn count(&self, with: u32, without: u32) -> u64 {
        self.all().filter(|(_, marks)| marks & with == with && marks & without == 0).count() as u64
    }

    /// How many have not been dropped.
    pub fn living(&self) -> u64 {
        self.count(0, mark::DROPPED)
    }

    /// How many were dropped twice.
    pub fn dropped_twice(&self) -> u32 {
        self.twice.load(Relaxed)
    }
}

impl Token {
    /// The number of the value.
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if self.register.mark(self.id, mark::DROPPED) & mark::DROPPED != 0 {
            self.register.twice.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_from_its_making_to_its_drop() {
        let register = Register::with_room(2);
        let (one, two) = (register.token(mark::TELL), register.token(mark::ASK));
        assert_eq!(register.living(), 2);
        register.mark(one.id(), mark::ACCEPTED);
        drop(one);
        assert_eq!((register.living(), register.count(mark::TELL | mark::ACCEPTED | mark::DROPPED, 0)), (1, 1));
        // One more than there is room for is made all the same.
        drop(register.token(0));
        drop(two);
        assert_eq!((register.living(), register.dropped_twice()), (0, 0));
    }
}
