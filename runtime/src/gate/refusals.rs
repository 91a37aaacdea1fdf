//! How often an actor refused, why, and how much that mattered.
//!
//! Counted by those who are refused, each on its own thread: refusing costs the actor nothing. An actor that never refused
//! has no such figures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shares::Shares;
use super::trouble::Notes;
use crate::dep::Dep;
use crate::error::Reason;
use crate::message::Criticality;
use crate::report::millis;

/// Every reason, in the order of the figures.
fn reasons() -> [Reason; REASONS] {
    [
        Reason::Full,
        Reason::NoTime,
        Reason::Shed,
        Reason::Stuck,
        Reason::NotStarted,
        Reason::Restarting,
        Reason::Draining,
        Reason::Stopped,
        Reason::Gone,
        Reason::Cycle,
        Reason::Downstream,
        Reason::Fenced,
        // Whatever is missing: it has no one name.
        Reason::NotReady(Dep::named("")),
        Reason::Displaced,
        Reason::Share,
        Reason::Tripped,
        Reason::Suspended,
    ]
}

const REASONS: usize = 17;

/// Every criticality, in the order of the figures.
const CRITICALITIES: [Criticality; 4] =
    [Criticality::CriticalPlus, Criticality::Critical, Criticality::Sheddable, Criticality::SheddablePlus];

/// The reason whose figures are there.
pub(super) fn reason_of(place: u8) -> Reason {
    reasons()[usize::from(place)]
}

/// Where the figures of a reason are.
pub(super) const fn place(reason: Reason) -> usize {
    match reason {
        Reason::Full => 0,
        Reason::NoTime => 1,
        Reason::Shed => 2,
        Reason::Stuck => 3,
        Reason::NotStarted => 4,
        Reason::Restarting => 5,
        Reason::Draining => 6,
        Reason::Stopped => 7,
        Reason::Gone => 8,
        Reason::Cycle => 9,
        Reason::Downstream => 10,
        Reason::Fenced => 11,
        Reason::NotReady(_) => 12,
        Reason::Displaced => 13,
        Reason::Share => 14,
        Reason::Tripped => 15,
        Reason::Suspended => 16,
    }
}

/// How often an actor refused, by reason and [`Criticality`].
///
/// Counted is what a sender was told by the actor's gate: of every `tell`, question, reservation and admission that was
/// refused, of permits that could not be used any more, and of questions that were [displaced](crate::Overflow). What a handler refuses is not: that is an answer.
///
/// # Guarantees
/// Each refusal is counted once, before whoever is refused knows of it, over all incarnations of the slot.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Reason, Slot};
/// # struct Worker;
/// # impl Actor for Worker {
/// #     type Args = (); type Msg = ();
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Worker) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// let worker = Slot::<Worker>::named("worker");
/// assert!(worker.tell(()).is_err());
/// let refusals = worker.refusals();
/// assert_eq!((refusals.total(), refusals.because(Reason::NotStarted)), (1, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refusals {
    /// What occurred, by reason, and what matters most first.
    pub counts: Vec<RefusalCount>,
    /// When it refused last, on the clock of its system; nothing if it never did while it was part of one.
    #[serde(rename = "last_ms", with = "millis::option")]
    pub last: Option<Duration>,
}

/// How often an actor refused messages of one criticality for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefusalCount {
    /// Why. What was missing when it was [not ready](Reason::NotReady) is not told apart: the name is empty, in texts it is
    /// "a dependency".
    pub reason: Reason,
    /// How much the message mattered.
    pub criticality: Criticality,
    /// How often; not zero.
    pub count: u64,
}

impl Refusals {
    /// How often in all.
    pub fn total(&self) -> u64 {
        self.count(|_| true)
    }

    /// How often for this reason; [`NotReady`](Reason::NotReady) whatever was missing.
    pub fn because(&self, reason: Reason) -> u64 {
        self.count(|counted| place(counted.reason) == place(reason))
    }

    /// How often to messages of this criticality.
    pub fn of(&self, criticality: Criticality) -> u64 {
        self.count(|counted| counted.criticality == criticality)
    }

    fn count(&self, which: impl Fn(&RefusalCount) -> bool) -> u64 {
        self.counts.iter().filter(|counted| which(counted)).map(|counted| counted.count).sum()
    }
}

/// The figures of one actor. Each stands for itself; written by whoever is refused.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [[AtomicU64; CRITICALITIES.len()]; REASONS],
    /// 0 says that there is no time.
    last: AtomicU64,
    pub(super) shares: Shares,
    pub(super) notes: Notes,
}

impl Tally {
    /// Counts a refusal; outside of any system at no time.
    pub(crate) fn count(&self, reason: Reason, criticality: Criticality, now: Option<u64>) {
        self.counts[place(reason)][criticality as usize].fetch_add(1, Relaxed);
        if let Some(now) = now {
            // Of two senders the later stays.
            self.last.fetch_max(now.max(1), Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Refusals {
        let rows = reasons().into_iter().zip(&self.counts);
        let cells = rows.flat_map(|(reason, row)| CRITICALITIES.iter().zip(row).map(move |cell| (reason, cell)));
        let counts = cells.filter_map(|(reason, (&criticality, count))| {
            let count = count.load(Relaxed);
            (count != 0).then_some(RefusalCount { reason, criticality, count })
        });
        let last = Some(self.last.load(Relaxed)).filter(|&last| last != 0);
        Refusals { counts: counts.collect(), last: last.map(Duration::from_nanos) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_data_it_says_when_in_milliseconds() {
        let tally = Tally::default();
        let json = |tally: &Tally| serde_json::to_string(&tally.read()).expect("plain data");
        assert_eq!(json(&tally), r#"{"counts":[],"last_ms":null}"#);
        tally.count(Reason::NoTime, Criticality::Critical, Some(5_000_000));
        let told = r#"{"counts":[{"reason":"no_time","criticality":"critical","count":1}],"last_ms":5}"#;
        assert_eq!(json(&tally), told);
        assert_eq!(serde_json::from_str::<Refusals>(told).expect("it was written so"), tally.read());
    }

    #[test]
    fn what_was_missing_of_refusals_that_are_counted_together_is_told_without_a_name() {
        let tally = Tally::default();
        tally.count(Reason::NotReady(Dep::named("orders-db")), Criticality::Critical, None);
        let Refusals { counts, .. } = tally.read();
        assert_eq!(counts[0].reason.to_string(), "it is not ready: it lacks a dependency");
    }

    #[test]
    fn every_refusal_is_counted_where_it_belongs() {
        let tally = Tally::default();
        for (at, reason) in reasons().into_iter().enumerate() {
            for (of, criticality) in CRITICALITIES.into_iter().enumerate() {
                (0..=4 * at + of).for_each(|_| tally.count(reason, criticality, Some(7)));
            }
        }
        tally.count(Reason::Full, Criticality::CriticalPlus, Some(5));
        let read = tally.read();
        let all = reasons().into_iter().flat_map(|reason| CRITICALITIES.map(|criticality| (reason, criticality)));
        let seen: Vec<_> = read.counts.iter().map(|seen| (seen.reason, seen.criticality, seen.count)).collect();
        let counted = all.enumerate().map(|(at, (reason, of))| (reason, of, at as u64 + 1 + u64::from(at == 0)));
        assert_eq!(seen, counted.collect::<Vec<_>>());
        assert_eq!(read.total(), 68 * 69 / 2 + 1);
        assert_eq!(
            (read.because(Reason::NoTime), read.of(Criticality::SheddablePlus)),
            (5 + 6 + 7 + 8, 4 * 17 * 18 / 2)
        );
        assert_eq!(read.last, Some(Duration::from_nanos(7)), "the later stays");
    }
}
