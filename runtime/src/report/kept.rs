//! Which crash reports are kept: the newest, but whoever crashes again and again leaves room for those of others.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::CrashReport;

/// Crash reports a system keeps.
const CRASHES: usize = 256;
/// Of an actor, once there is no room for all.
const OF_ONE: usize = 4;
/// Of a type, likewise.
const OF_A_KIND: usize = 64;

/// The reports of a system's crashes.
#[derive(Debug, Default)]
pub(super) struct Crashes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    told: u64,
    /// Oldest first.
    reports: VecDeque<Box<CrashReport>>,
}

impl Crashes {
    pub(super) fn push(&self, report: Box<CrashReport>) {
        let mut kept = self.0.lock();
        kept.told += 1;
        let makes_room = (kept.reports.len() >= CRASHES).then(|| displaced(&kept.reports, &report));
        let displaced = makes_room.and_then(|at| kept.reports.remove(at));
        kept.reports.push_back(report);
        drop(kept);
        // Outside of the lock.
        drop(displaced);
    }

    /// How many were told, and those that are kept, oldest first.
    pub(super) fn read(&self) -> (u64, Vec<CrashReport>) {
        let kept = self.0.lock();
        (kept.told, kept.reports.iter().map(|report| (**report).clone()).collect())
    }

    pub(super) fn told(&self) -> u64 {
        self.0.lock().told
    }
}

/// Which report makes room for one: the oldest of its actor, if that has had its share; else the oldest of its type, likewise;
/// else the oldest.
fn displaced(reports: &VecDeque<Box<CrashReport>>, by: &CrashReport) -> usize {
    let own = oldest(reports, OF_ONE, |report| report.pid.id == by.pid.id);
    own.or_else(|| oldest(reports, OF_A_KIND, |report| is_same(&report.kind, &by.kind))).unwrap_or(0)
}

/// The oldest of these, if there are so many.
fn oldest(
    reports: &VecDeque<Box<CrashReport>>,
    share: usize,
    is_meant: impl Fn(&CrashReport) -> bool,
) -> Option<usize> {
    let mut those = reports.iter().enumerate().filter(|(_, report)| is_meant(report)).map(|(at, _)| at);
    let first = those.next()?;
    (share == 1 || those.nth(share - 2).is_some()).then_some(first)
}

/// The name of a type is mostly the same text in the same place.
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pid::{ActorId, Pid};
    use crate::report::crash_report::tests::sample;

    fn report(id: u64, kind: &'static str) -> Box<CrashReport> {
        let pid = Pid { id: ActorId::new(id), incarnation: 1 };
        Box::new(CrashReport { pid, kind: kind.into(), ..sample() })
    }

    fn ids(crashes: &Crashes) -> Vec<u64> {
        crashes.read().1.iter().map(|report| report.pid.id.as_u64()).collect()
    }

    #[test]
    fn as_long_as_there_is_room_all_are_kept() {
        let crashes = Crashes::default();
        (0..CRASHES).for_each(|_| crashes.push(report(1, "Till")));
        assert_eq!((crashes.told(), crashes.read().1.len()), (CRASHES as u64, CRASHES));
    }

    #[test]
    fn whoever_crashes_again_and_again_displaces_himself() {
        let crashes = Crashes::default();
        crashes.push(report(1, "Bank"));
        (0..1_000).for_each(|_| crashes.push(report(2, "Bank")));
        assert_eq!((crashes.told(), ids(&crashes).len(), ids(&crashes)[0]), (1_001, CRASHES, 1));
    }

    #[test]
    fn many_of_a_type_displace_each_other() {
        let crashes = Crashes::default();
        crashes.push(report(1, "Bank"));
        (2..2_000).for_each(|id| crashes.push(report(id, "Till")));
        let ids = ids(&crashes);
        assert_eq!((ids[0], ids[1], ids.len()), (1, 2_000 - CRASHES as u64 + 1, CRASHES));
    }

    #[test]
    fn else_the_oldest_goes() {
        const KINDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let crashes = Crashes::default();
        (0..1_000).for_each(|id| crashes.push(report(id, KINDS[id as usize % KINDS.len()])));
        assert_eq!(ids(&crashes), (1_000 - CRASHES as u64..1_000).collect::<Vec<_>>());
    }
}
