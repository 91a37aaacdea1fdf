//! One trace: its limits, and what waits to be read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::pattern::means_message;
use super::{Outcome, TraceEnd, TraceRead, TraceRecord, TraceSpec};
use crate::pid::{ActorId, Pid};
use crate::port::nanos;
use crate::report::millis::whole;
use crate::report::{self, Sender};
use crate::shared::Shared;

const SECOND_NS: u64 = 1_000_000_000;

/// A message that was taken, as the actor's thread notes it: nothing of it is text that has to be made.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) at: u64,
    pub(super) wall: Duration,
    pub(super) pid: Pid,
    pub(super) path: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) message: &'static str,
    pub(super) size: usize,
    pub(super) age: Duration,
    pub(super) from: ActorId,
    pub(super) asked: bool,
}

/// One that has ended, or was still in hand at the end.
#[derive(Debug)]
struct Noted {
    number: u32,
    taken: Taken,
    ended: Option<(Outcome, u64)>,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    /// It has not begun: actors are looked for.
    New,
    /// Messages are recorded.
    Open,
    /// No more are.
    Over,
}

/// One trace.
#[derive(Debug)]
pub(crate) struct One {
    pub(super) spec: TraceSpec,
    /// When its time has passed.
    until: u64,
    /// A [`Stage`]. It is told a little late; what follows from it is decided under the lock.
    stage: AtomicU8,
    /// Before that the rate is used up: nobody has to look further.
    opens_at: AtomicU64,
    withheld: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    begun: u32,
    /// When the last of them began, as many as may in a second.
    window: VecDeque<u64>,
    /// Fewer than may begin.
    in_hand: BTreeMap<u32, Taken>,
    unread: VecDeque<Noted>,
    lost: u64,
}

impl Kept {
    fn note(&mut self, noted: Noted) {
        if self.unread.len() == TraceSpec::UNREAD {
            self.unread.pop_front();
            self.lost += 1;
        }
        self.unread.push_back(noted);
    }
}

impl One {
    /// A trace that has not begun.
    pub(super) fn new(spec: TraceSpec, now: u64) -> Self {
        Self {
            until: now.saturating_add(nanos(spec.within)),
            spec,
            stage: AtomicU8::new(Stage::New as u8),
            opens_at: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }

    fn is(&self, stage: Stage) -> bool {
        self.stage.load(Relaxed) == stage as u8
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// It begins.
    pub(super) fn begin(&self) {
        self.enter(Stage::Open);
    }

    /// Nothing more is recorded.
    pub(super) fn end(&self) {
        self.enter(Stage::Over);
    }

    /// Whether nothing more will be recorded.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.until || self.is(Stage::Over)
    }

    /// A message of an actor that is watched was taken: its number, if it is recorded.
    pub(super) fn take(&self, taken: impl FnOnce() -> Taken, kind: &str, now: u64) -> Option<u32> {
        if !self.is(Stage::Open) || now >= self.until || !means_message(&self.spec.messages, kind) {
            return None;
        }
        if now < self.opens_at.load(Relaxed) {
            self.withheld.fetch_add(1, Relaxed);
            return None;
        }
        let mut kept = self.kept.lock();
        if kept.begun >= self.spec.count {
            return None;
        }
        while kept.window.front().is_some_and(|first| first.saturating_add(SECOND_NS) <= now) {
            kept.window.pop_front();
        }
        if kept.window.len() >= self.spec.rate as usize {
            let first = kept.window.front().copied().unwrap_or(now);
            self.opens_at.store(first.saturating_add(SECOND_NS), Relaxed);
            self.withheld.fetch_add(1, Relaxed);
            return None;
        }
        kept.window.push_back(now);
        kept.begun += 1;
        if kept.begun == self.spec.count {
            self.enter(Stage::Over);
        }
        let number = kept.begun;
        kept.in_hand.insert(number, taken());
        Some(number)
    }

    /// It has ended so.
    pub(super) fn settle(&self, number: u32, outcome: Outcome, now: u64) {
        let mut kept = self.kept.lock();
        // It may have been read as in hand.
        if let Some(taken) = kept.in_hand.remove(&number) {
            kept.note(Noted { number, taken, ended: Some((outcome, now)) });
        }
    }

    /// What was noted since this was called last.
    pub(super) fn read(&self, shared: &Shared) -> TraceRead {
        let (noted, read) = self.collect(shared.port.now_ns());
        TraceRead { records: noted.into_iter().map(|noted| told(shared, noted)).collect(), ..read }
    }

    /// What is left when the system has gone, by which records are told: how many they were.
    pub(super) fn lose(&self) -> TraceRead {
        let mut kept = self.kept.lock();
        kept.lost += (kept.unread.len() + kept.in_hand.len()) as u64;
        kept.unread.clear();
        kept.in_hand.clear();
        let (withheld, lost) = (self.withheld.load(Relaxed), kept.lost);
        TraceRead { taken: kept.begun, withheld, lost, end: Some(TraceEnd::SystemGone), ..TraceRead::default() }
    }

    /// The same, with records that are no text yet.
    fn collect(&self, now: u64) -> (VecDeque<Noted>, TraceRead) {
        let mut kept = self.kept.lock();
        let (is_full, is_late) = (kept.begun >= self.spec.count, now >= self.until);
        let in_hand = kept.in_hand.len() as u32;
        if is_late {
            for (number, taken) in std::mem::take(&mut kept.in_hand) {
                kept.note(Noted { number, taken, ended: None });
            }
        }
        let end = match (is_full, is_late) {
            (true, _) if in_hand == 0 => Some(TraceEnd::Count),
            (_, true) => Some(TraceEnd::Time),
            _ => None,
        };
        let (withheld, lost) = (self.withheld.load(Relaxed), kept.lost);
        let read = TraceRead { taken: kept.begun, in_hand, withheld, lost, end, ..TraceRead::default() };
        (std::mem::take(&mut kept.unread), read)
    }
}

/// In full, for whoever reads.
fn told(shared: &Shared, Noted { number, taken, ended }: Noted) -> TraceRecord {
    let Taken { at, wall, pid, path, kind, message, size, age, from, asked } = taken;
    TraceRecord {
        number,
        at: Duration::from_nanos(at),
        wall: whole(wall),
        pid,
        path,
        kind: report::kind(kind),
        message: report::kind(message),
        size,
        age: whole(age),
        from: Sender::of(shared, pid.id, from),
        asked,
        outcome: ended.map_or(Outcome::InHand, |(outcome, _)| outcome),
        took: ended.map(|(_, then)| Duration::from_nanos(then.saturating_sub(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn one(count: u32, rate: u32, within: Duration) -> One {
        let one = One::new(TraceSpec { whom: vec!["*".into()], messages: vec![], count, rate, within }, 0);
        one.begin();
        one
    }

    fn take(one: &One, at: u64) -> Option<u32> {
        let taken = || Taken {
            at,
            wall: Duration::ZERO,
            pid: Pid::OUTSIDE,
            path: "".into(),
            kind: "Till",
            message: "Sell",
            size: 0,
            age: Duration::ZERO,
            from: ActorId::OUTSIDE,
            asked: false,
        };
        one.take(taken, "Sell", at)
    }

    #[test]
    fn in_no_second_are_there_more_than_the_rate_allows_and_the_others_are_counted() {
        let one = one(1_000, 3, Duration::from_secs(60));
        // Every tenth of a second, for ten seconds.
        let taken: Vec<u64> = (0..100).map(|step| step * 100 * MS).filter(|at| take(&one, *at).is_some()).collect();
        for first in &taken {
            let within = taken.iter().filter(|at| (*first..first + SECOND_NS).contains(at)).count();
            assert!(within <= 3, "{within} from {first} on: {taken:?}");
        }
        assert_eq!((taken.len(), one.collect(10 * SECOND_NS).1.withheld), (30, 70));
    }

    #[test]
    fn with_the_last_message_it_is_over_and_has_ended_when_that_is_settled() {
        let one = one(2, 100, Duration::from_secs(60));
        assert_eq!((take(&one, 0), take(&one, 1), take(&one, 2)), (Some(1), Some(2), None));
        assert!(one.is_over(2));
        one.settle(2, Outcome::Handled, 5);
        let (noted, read) = one.collect(6);
        assert_eq!((noted.len(), read.taken, read.in_hand, read.withheld, read.end), (1, 2, 1, 0, None));
        one.settle(1, Outcome::Handled, 7);
        let (noted, read) = one.collect(8);
        assert_eq!((noted[0].number, noted.len(), read.end), (1, 1, Some(TraceEnd::Count)));
    }

    #[test]
    fn when_the_time_has_passed_what_is_in_hand_is_told_and_nothing_more() {
        let one = one(10, 10, Duration::from_millis(5));
        assert_eq!((take(&one, 4 * MS), take(&one, 5 * MS)), (Some(1), None));
        let (noted, read) = one.collect(5 * MS);
        assert_eq!((noted.len(), noted[0].ended, read.end), (1, None, Some(TraceEnd::Time)));
        one.settle(1, Outcome::Handled, 6 * MS);
        assert_eq!(one.collect(7 * MS).0.len(), 0, "it was told");
    }

    #[test]
    fn what_nobody_reads_makes_room_and_is_counted() {
        let one = one(1_000, 100, Duration::from_secs(60));
        let numbers: Vec<u32> = (0..1_000).filter_map(|step| take(&one, step * 20 * MS)).collect();
        assert_eq!(numbers.len(), 1_000);
        numbers.iter().for_each(|number| one.settle(*number, Outcome::Handled, 0));
        let (noted, read) = one.collect(0);
        assert_eq!((noted.len(), read.lost), (TraceSpec::UNREAD, 1_000 - TraceSpec::UNREAD as u64));
        assert_eq!(noted.back().map(|noted| noted.number), Some(1_000), "the newest are kept");
    }

    #[test]
    fn before_it_begins_nothing_is_recorded_or_counted() {
        let one = One::new(
            TraceSpec { whom: vec![], messages: vec![], count: 1, rate: 1, within: Duration::from_secs(1) },
            0,
        );
        assert_eq!((take(&one, 0), one.is_over(0), one.collect(0).1.withheld), (None, false, 0));
    }
}
