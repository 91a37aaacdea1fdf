//! Turns that hold their threads: which, and for how long.
//!
//! A turn is to be short, and most of those that are not are a mistake of somebody who does not know it: a file that is read, a lock, a
//! loop. While other workers get on nothing is slower but them. So each is noticed, not only the one that takes the last worker.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::pool::{Pool, contain};
use crate::port::nanos;

/// What is told of turns that hold their threads.
#[derive(Debug)]
pub(crate) enum Held {
    /// That of this number has held its thread for so long, in nanoseconds, which is longer than turns should. Each is told once.
    Turn(u64, u64),
    /// Work waits, and no worker gets on with it: these hold them, as far as they are turns. Told once for a [`Stretch`], and again when
    /// they are more.
    Workers(Vec<u64>),
}

/// When workers have got on for so long, in nanoseconds, the next time that none does is another matter.
const APART_NS: u64 = 1_000_000_000;

/// A time in which no worker gets on, again and again: handlers that block for a little each, one after the other, are one thing to tell
/// and not hundreds.
#[derive(Default)]
pub(super) struct Stretch {
    /// How many held the workers at most, once that was told.
    told: Option<usize>,
    /// Since when workers have got on.
    free_since: u64,
}

impl Stretch {
    /// No worker gets on from now on, held by so many turns: whether that is news.
    pub(super) fn held(&mut self, now: u64, by: usize) -> bool {
        let is_another = now.saturating_sub(self.free_since) >= APART_NS;
        let is_news = is_another || self.told.is_none_or(|most| by > most);
        if is_news {
            self.told = Some(by);
        }
        is_news
    }

    /// Workers get on.
    pub(super) fn freed(&mut self, now: u64) {
        self.free_since = now;
    }
}

/// Who is told, and after what time.
pub(super) struct Tells {
    after_ns: u64,
    hook: Box<dyn Fn(Held) + Send + Sync>,
}

/// What a thread runs, written by it alone.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) begun: AtomicU64,
    /// Whether one is under way.
    pub(super) under_way: AtomicBool,
    /// What it runs, as [`Pool::now_running`] was told.
    pub(super) runs: AtomicU64,
}

impl Turns {
    /// A turn begins, of nobody knows whom.
    pub(super) fn begin(&self) {
        self.begun.store(self.begun.load(Relaxed) + 1, Relaxed);
        self.runs.store(0, Relaxed);
        self.under_way.store(true, Relaxed);
    }

    pub(super) fn end(&self) {
        self.under_way.store(false, Relaxed);
    }
}

/// A thread as it was seen: which turn it was in, since when, and whether that was told.
#[derive(Clone, Copy, Default)]
pub(super) struct Glance {
    begun: u64,
    since: u64,
    told: bool,
}

impl Glance {
    /// Looks again at a thread that has begun so many turns: what it runs and for how long it was seen to, if that is too long, once.
    pub(super) fn again(&mut self, now: u64, begun: u64, runs: Option<u64>, after_ns: u64) -> Option<(u64, u64)> {
        if self.begun != begun || runs.is_none() {
            *self = Self { begun, since: now, told: false };
        }
        let held_ns = now - self.since;
        let runs = runs.filter(|&runs| runs != 0 && !self.told && held_ns >= after_ns)?;
        self.told = true;
        Some((runs, held_ns))
    }
}

impl Pool {
    /// Calls `hook` with each turn that holds its thread for longer than this, seen every few milliseconds; and when work waits and no
    /// worker gets on with it, once a thread has been sent to take turns: not again while such threads are on duty, nor until workers have
    /// got on for a second, unless more turns hold them. It is to be short: nobody looks on meanwhile. A panic of the hook is
    /// contained.
    pub(crate) fn on_held(&self, after: Duration, hook: impl Fn(Held) + Send + Sync + 'static) {
        let _ = self.tells.set(Tells { after_ns: nanos(after), hook: Box::new(hook) });
    }

    pub(super) fn tell_held(&self, held: Held) {
        if let Some(tells) = self.tells.get() {
            contain(|| (tells.hook)(held));
        }
    }

    /// After what time a turn is told.
    pub(super) fn held_after_ns(&self) -> u64 {
        self.tells.get().map_or(u64::MAX, |tells| tells.after_ns)
    }

    /// What the turns of its pumps run, as far as that is known.
    pub(super) fn in_turns(&self) -> Vec<u64> {
        let in_turn = self.records.iter().filter(|record| record.turn_since.load(Relaxed) != 0);
        in_turn.map(|record| record.runs.load(Relaxed)).filter(|&runs| runs != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_told_once_when_it_has_lasted_and_the_next_one_again() {
        let mut glance = Glance::default();
        let mut look = |now, begun, runs| glance.again(now, begun, runs, 10);
        assert_eq!(look(100, 1, Some(7)), None, "it may have begun just now");
        assert_eq!(look(109, 1, Some(7)), None);
        assert_eq!(look(110, 1, Some(7)), Some((7, 10)));
        assert_eq!(look(200, 1, Some(7)), None, "it was told");
        assert_eq!(look(210, 2, Some(8)), None);
        assert_eq!(look(219, 2, None), None, "it has ended");
        assert_eq!(look(220, 2, Some(8)), None);
        assert_eq!(look(230, 2, Some(0)), None, "nobody knows whose");
        assert_eq!(look(231, 2, Some(8)), Some((8, 12)));
    }

    #[test]
    fn a_stretch_is_told_once_and_again_when_more_hold_the_workers_or_it_had_ended() {
        let mut stretch = Stretch::default();
        let mut now = 0;
        let mut told = |free_ns: u64, by: usize| {
            stretch.freed(now);
            now += free_ns;
            let told = stretch.held(now, by);
            now += 30 * APART_NS;
            told
        };
        assert!(told(0, 1), "the first time, however soon after the start");
        assert!(!told(APART_NS - 1, 1) && !told(5, 0), "however long each time lasts");
        assert!(told(5, 2) && !told(5, 2) && !told(5, 1));
        assert!(told(APART_NS, 1) && !told(5, 1) && told(5, 2));
    }
}
