//! Who wakes whom: which pumps are idle, notified or searching, in one word and one byte a pump.
//!
//! A pump is a task on somebody else's threads: that it was notified does not mean that it will run soon.
//! Hence three states, and *searching* is counted only of pumps that are being polled.
//!
//! ```text
//!                  notify                    polled                 found
//!        IDLE ──────────────▶ NOTIFIED ──────────────▶ searching ─────────▶ running
//!          ▲                  (its waker is woken)        │  ▲   try_search     │
//!          └──────────────────────────────────────────────┘  └─────────────────┤
//!          └──────────────────────── idle ─────────────────────────────────────┘
//!
//!   word   CLOSED:1 | … | searching:16 | notified:16 | idle:16
//!   state  one byte a pump: IDLE, NOTIFIED, ACTIVE (searching or running)
//! ```
//!
//! # No work is left behind
//!
//! Who makes work visible does: **push; fence; look at the word.** A pump that gives up does: **say idle; fence;
//! look at the queues.** Of the two fences one comes first in the order all of them share. Is it the pump's,
//! the pusher sees an idle pump and notifies one. Is it the pusher's, the pump sees the work and notifies one
//! (possibly itself). The pusher holds back in two cases:
//!
//! - *somebody searches*: that pump says idle later, and looks at the queues after that; or it finds something,
//!   and if it was the last to search it looks whether there is more ([`Wakeup::found`]).
//! - *somebody was notified and is not overdue*: it will search once it is polled. Whether that takes too long
//!   is the caller's to judge: a notified pump may sit behind a task that computes.
//!
//! # Tickets
//!
//! `idle` in the word counts tickets. A pump writes its byte, *then* adds a ticket; a notifier takes a ticket,
//! *then* turns somebody's IDLE into NOTIFIED. So there are never fewer idle bytes than tickets taken, and a
//! notifier with a ticket finds a pump.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::facade::{AtomicU8, AtomicU64, Backoff, Ordering, fence};

const IDLE: u8 = 0;
const NOTIFIED: u8 = 1;
const ACTIVE: u8 = 2;

const ONE_IDLE: u64 = 1;
const ONE_NOTIFIED: u64 = 1 << 16;
const ONE_SEARCHING: u64 = 1 << 32;
const CLOSED: u64 = 1 << 63;

/// Most pumps of a pool.
pub const PUMPS: usize = 1024;

/// The pumps of one pool.
pub struct Wakeup {
    word: CachePadded<AtomicU64>,
    pumps: Box<[CachePadded<AtomicU8>]>,
}

/// What a pump is when it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Polled {
    /// It was notified, and now counts as searching: it looks for work, and says [`Wakeup::found`] or [`Wakeup::idle`].
    Searching,
    /// It goes on where it stopped.
    Running,
    /// Nobody notified it: a stray wake-up. It stays idle.
    Idle,
}

/// Numbers of pumps, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Idle pumps that nobody is about to notify.
    pub idle: usize,
    /// Pumps notified and not yet polled.
    pub notified: usize,
    /// Pumps that are polled and look for work.
    pub searching: usize,
    /// No more work is taken.
    pub closed: bool,
}

impl Wakeup {
    /// So many pumps, none of which has been polled: all count as notified.
    ///
    /// # Panics
    ///
    /// Unless there are 1 to [`PUMPS`] of them.
    pub fn new(pumps: usize) -> Self {
        assert!((1..=PUMPS).contains(&pumps), "a pool has 1 to {PUMPS} pumps");
        Wakeup {
            word: CachePadded::new(AtomicU64::new(pumps as u64 * ONE_NOTIFIED)),
            pumps: (0..pumps).map(|_| CachePadded::new(AtomicU8::new(NOTIFIED))).collect(),
        }
    }

    /// Chooses a pump to wake, for work that was made visible before this call. Its waker is the caller's to wake.
    ///
    /// `overdue` is asked if a pump was notified and has not been polled: true wakes another one beside it.
    pub fn notify(&self, overdue: impl FnOnce() -> bool) -> Option<usize> {
        // SeqCst pairs with the fences in `idle` and `found`: the module's documentation has the argument.
        fence(Ordering::SeqCst);
        let mut overdue = Some(overdue);
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let census = Census::of(seen);
            if census.idle == 0 || census.searching > 0 || census.closed {
                return None;
            }
            if census.notified > 0
                && let Some(overdue) = overdue.take()
                && !overdue()
            {
                return None;
            }
            // Acquire pairs with the release in `idle`: with the ticket comes the byte it stands for.
            match self.word.compare_exchange_weak(
                seen,
                seen - ONE_IDLE + ONE_NOTIFIED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(self.spend_ticket()),
                Err(now) => seen = now,
            }
        }
    }

    /// Turns an idle pump into a notified one. The caller has taken a ticket, so there is one.
    fn spend_ticket(&self) -> usize {
        let mut backoff = Backoff::default();
        loop {
            for (pump, state) in self.pumps.iter().enumerate() {
                // AcqRel: what the pump wrote before it was idle, and what the notifier writes before it wakes it.
                if state.load(Ordering::Relaxed) == IDLE
                    && state.compare_exchange(IDLE, NOTIFIED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
                {
                    return pump;
                }
            }
            // Idle bytes moved while we went through them.
            backoff.wait();
        }
    }

    /// Begins a poll of a pump.
    pub fn polled(&self, pump: usize) -> Polled {
        // Acquire pairs with the notifier's exchange.
        match self.pumps[pump].load(Ordering::Acquire) {
            NOTIFIED => {
                // Only the pump itself leaves NOTIFIED.
                self.pumps[pump].store(ACTIVE, Ordering::Relaxed);
                self.word.fetch_add(ONE_SEARCHING - ONE_NOTIFIED, Ordering::AcqRel);
                Polled::Searching
            }
            ACTIVE => Polled::Running,
            _ => Polled::Idle,
        }
    }

    /// A running pump wants to search other queues. One at a time may.
    #[must_use]
    pub fn try_search(&self) -> bool {
        let seen = self.word.load(Ordering::Relaxed);
        Census::of(seen).searching == 0
            && self.word.compare_exchange(seen, seen + ONE_SEARCHING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// A searching pump has found work, and runs. True: nobody else searches, so whoever made work visible meanwhile
    /// relied on this pump: it looks whether there is more, and notifies.
    #[must_use]
    pub fn found(&self) -> bool {
        let before = self.word.fetch_sub(ONE_SEARCHING, Ordering::AcqRel);
        // SeqCst pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        Census::of(before).searching == 1
    }

    /// A pump that has found nothing ends its poll. It looks at the queues once more *after* this call, and notifies
    /// if there is something: whoever made it visible may not have seen that this pump is idle.
    pub fn idle(&self, pump: usize, searching: bool) {
        // The byte first, then the ticket. Release pairs with the acquire of who takes a ticket.
        self.pumps[pump].store(IDLE, Ordering::Release);
        let searching = if searching { ONE_SEARCHING } else { 0 };
        self.word.fetch_add(ONE_IDLE.wrapping_sub(searching), Ordering::AcqRel);
        // SeqCst pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
    }

    /// Whether work could get another pump: one is idle and none searches. Cheap, and a guess.
    #[inline]
    pub fn could_notify(&self) -> bool {
        // Relaxed: who acts on it calls `notify`.
        let census = Census::of(self.word.load(Ordering::Relaxed));
        census.idle > 0 && census.searching == 0
    }

    /// Takes no more work. True for the call that did it.
    ///
    /// Who pushes looks at [`Wakeup::is_closed`] after `notify`, who closes looks at the queues after this: one of
    /// them finds what was pushed.
    pub fn close(&self) -> bool {
        let before = self.word.fetch_or(CLOSED, Ordering::AcqRel);
        // SeqCst pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        before & CLOSED == 0
    }

    /// Whether no more work is taken.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Numbers of pumps, for the curious.
    pub fn census(&self) -> Census {
        Census::of(self.word.load(Ordering::Relaxed))
    }

    /// Whether a pump is idle, and nobody has notified it.
    pub fn is_idle(&self, pump: usize) -> bool {
        self.pumps[pump].load(Ordering::Relaxed) == IDLE
    }

    /// Whether a pump was notified and has not been polled since.
    pub fn is_notified(&self, pump: usize) -> bool {
        self.pumps[pump].load(Ordering::Relaxed) == NOTIFIED
    }
}

impl Census {
    #[inline]
    fn of(word: u64) -> Self {
        let field = |one: u64| (word / one) as usize & 0xFFFF;
        Census {
            idle: field(ONE_IDLE),
            notified: field(ONE_NOTIFIED),
            searching: field(ONE_SEARCHING),
            closed: word & CLOSED != 0,
        }
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.census().fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn all_idle(pumps: usize) -> Wakeup {
        let wakeup = Wakeup::new(pumps);
        for pump in 0..pumps {
            assert_eq!(wakeup.polled(pump), Polled::Searching);
            wakeup.idle(pump, true);
        }
        wakeup
    }

    fn never() -> bool {
        false
    }

    #[test]
    fn one_is_notified_at_a_time() {
        let wakeup = all_idle(3);
        let first = wakeup.notify(never).expect("three are idle");
        assert_eq!(wakeup.notify(never), None, "one is on its way");
        assert_eq!(wakeup.polled(first), Polled::Searching);
        assert_eq!(wakeup.notify(|| unreachable!()), None, "one searches");
        assert!(wakeup.found(), "it was the last to search");
        assert!(wakeup.notify(never).is_some());
    }

    #[test]
    fn a_notified_pump_that_is_overdue_holds_nobody_back() {
        let wakeup = all_idle(2);
        let stuck = wakeup.notify(never).expect("two are idle");
        let other = wakeup.notify(|| true).expect("one is idle");
        assert_ne!(stuck, other);
        assert_eq!(wakeup.notify(|| unreachable!("nobody is idle")), None);
        assert!(wakeup.is_notified(stuck));
    }

    #[test]
    fn a_stray_wakeup_changes_nothing() {
        let wakeup = all_idle(1);
        let before = wakeup.census();
        assert_eq!(wakeup.polled(0), Polled::Idle);
        assert_eq!(wakeup.census(), before);
    }

    #[test]
    fn one_running_pump_at_a_time_searches() {
        let wakeup = all_idle(2);
        for pump in 0..2 {
            assert_eq!(wakeup.notify(never), Some(pump));
            assert_eq!(wakeup.polled(pump), Polled::Searching);
            assert!(wakeup.found());
        }
        assert!(wakeup.try_search());
        assert!(!wakeup.try_search());
        wakeup.idle(0, true);
        assert!(wakeup.try_search());
    }

    #[test]
    fn a_closed_pool_notifies_nobody() {
        let wakeup = all_idle(1);
        assert!(wakeup.close());
        assert!(!wakeup.close());
        assert!(wakeup.is_closed());
        assert_eq!(wakeup.notify(|| true), None);
    }
}
