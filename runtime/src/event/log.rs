//! Where events are kept, and who attends.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{SystemEvent, SystemEvents};
use crate::report::Ring;
use crate::shared::Shared;

/// Events a system keeps: the newest.
const EVENTS: usize = 1024;

/// The events of one system.
#[derive(Debug)]
pub(crate) struct EventLog {
    ring: Ring<SystemEvent>,
    /// Whether somebody attends: what those look at who begin and end. It says so a little late, and nothing follows from it
    /// but that an event is kept.
    attended: AtomicBool,
    attendance: Mutex<Attendance>,
}

#[derive(Debug, Default)]
struct Attendance {
    attending: usize,
    since: Option<u64>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { ring: Ring::new(EVENTS), attended: AtomicBool::new(false), attendance: Mutex::default() }
    }

    /// Whether beginnings and ends are told.
    #[inline(always)]
    pub(crate) fn is_attended(&self) -> bool {
        self.attended.load(Relaxed)
    }

    pub(super) fn push(&self, event: SystemEvent) {
        self.ring.push(event);
    }

    pub(super) fn since(&self, seq: u64) -> SystemEvents {
        let lifecycle_since = self.attendance.lock().since;
        let (told, mut events) = self.ring.read_since(seq);
        for (event, number) in events.iter_mut().rev().zip((0..=told).rev()) {
            event.seq = number;
        }
        let dropped = told.saturating_sub(seq) - events.len() as u64;
        SystemEvents { last: told, dropped, lifecycle_since, events }
    }

    fn attend(&self) {
        let mut attendance = self.attendance.lock();
        attendance.attending += 1;
        if attendance.attending == 1 {
            self.attended.store(true, Relaxed);
            attendance.since = Some(self.ring.told() + 1);
        }
    }

    fn leave(&self) {
        let mut attendance = self.attendance.lock();
        attendance.attending -= 1;
        if attendance.attending == 0 {
            self.attended.store(false, Relaxed);
            attendance.since = None;
        }
    }
}

/// Somebody attends to the events of a system, until this is dropped: see [`System::attend_events`](crate::System::attend_events).
#[must_use = "nobody attends any more once it is dropped"]
pub struct Attending(Weak<Shared>);

impl Attending {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.events.attend();
        Self(Arc::downgrade(shared))
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.events.leave();
        }
    }
}

impl std::fmt::Debug for Attending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Happening;

    fn event() -> SystemEvent {
        SystemEvent { seq: 0, at: Duration::ZERO, pid: None, path: "".into(), what: Happening::Started }
    }

    fn numbers(events: &SystemEvents) -> Vec<u64> {
        events.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn numbers_have_no_gaps_and_what_is_lost_is_counted() {
        let log = EventLog::new();
        assert_eq!(log.since(0), SystemEvents::default());
        (0..3).for_each(|_| log.push(event()));
        assert_eq!(numbers(&log.since(0)), [1, 2, 3]);
        assert_eq!((numbers(&log.since(2)), numbers(&log.since(3))), (vec![3], vec![]));
        let ahead = log.since(7);
        assert_eq!((ahead.last, ahead.dropped, ahead.events.len()), (3, 0, 0), "another system's number is no harm");

        (0..EVENTS).for_each(|_| log.push(event()));
        let all = log.since(0);
        assert_eq!((all.last, all.dropped, all.events.len()), (EVENTS as u64 + 3, 3, EVENTS));
        assert_eq!((all.events[0].seq, all.events[EVENTS - 1].seq), (4, EVENTS as u64 + 3));
        assert_eq!((log.since(1).dropped, log.since(3).dropped, log.since(4).dropped), (2, 0, 0));
    }

    #[test]
    fn it_is_attended_until_the_last_who_attends_has_left() {
        let log = EventLog::new();
        log.push(event());
        assert!(!log.is_attended());
        log.attend();
        log.attend();
        log.push(event());
        assert_eq!((log.is_attended(), log.since(0).lifecycle_since), (true, Some(2)));
        log.leave();
        assert!(log.is_attended());
        log.leave();
        assert_eq!((log.is_attended(), log.since(0).lifecycle_since), (false, None));
    }
}
