//! Where crash reports lie until whoever judges the crash has judged it.
//!
//! Who judges its children has a *tray* here from when it says so until it ends. The end of a child lays its report into
//! the tray before anybody is told of the end; the judge takes it out when it reads of the end. The tray is opened,
//! filled and cleared under one lock: a report is taken by its judge, or by whoever clears the tray, never by neither.
#![expect(clippy::vec_box, reason = "a report is made in its box and handed on in it, to the ring at last")]

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::crash_report::CrashReport;
use super::verdict::Judgement;
use crate::pid::Pid;

/// Reports that lie on the desk of a system at most.
pub(crate) const DESK: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Trays>);

#[derive(Debug, Default)]
struct Trays {
    /// By judge.
    trays: BTreeMap<Pid, Vec<Lying>>,
    lying: usize,
}

#[derive(Debug)]
struct Lying {
    since: Duration,
    report: Box<CrashReport>,
}

impl Desk {
    /// From now on this incarnation judges its children.
    pub(crate) fn open(&self, judge: Pid) {
        self.0.lock().trays.entry(judge).or_default();
    }

    /// The judge has ended: gives out what it has not judged.
    pub(crate) fn clear(&self, judge: Pid) -> Vec<Box<CrashReport>> {
        let mut desk = self.0.lock();
        let unjudged = desk.trays.remove(&judge).unwrap_or_default();
        desk.lying -= unjudged.len();
        unjudged.into_iter().map(|lying| lying.report).collect()
    }

    /// Lays a report into the tray of its judge. Given back, with what is to be told instead, if there is no tray or no room.
    pub(crate) fn lay(
        &self,
        judge: Pid,
        report: Box<CrashReport>,
        now: Duration,
    ) -> Result<(), (Box<CrashReport>, Judgement)> {
        let mut desk = self.0.lock();
        let full = desk.lying >= DESK;
        let Some(tray) = desk.trays.get_mut(&judge) else {
            return Err((report, Judgement::Nobodys));
        };
        if full {
            return Err((report, Judgement::DeskFull));
        }
        tray.push(Lying { since: now, report });
        desk.lying += 1;
        Ok(())
    }

    /// Takes the report of one incarnation out of the tray of its judge.
    pub(crate) fn take(&self, judge: Pid, child: Pid) -> Option<Box<CrashReport>> {
        let mut desk = self.0.lock();
        let tray = desk.trays.get_mut(&judge)?;
        let at = tray.iter().position(|lying| lying.report.pid == child)?;
        let Lying { report, .. } = tray.remove(at);
        desk.lying -= 1;
        Some(report)
    }

    /// Takes out what has lain here since before then.
    pub(crate) fn late(&self, before: Duration) -> Vec<Box<CrashReport>> {
        let mut desk = self.0.lock();
        let mut late = Vec::new();
        for tray in desk.trays.values_mut() {
            late.extend(tray.extract_if(.., |lying| lying.since < before).map(|lying| lying.report));
        }
        desk.lying -= late.len();
        late
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().lying == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pid::ActorId;
    use crate::report::crash_report::tests::sample;

    const NOW: Duration = Duration::from_secs(70);
    const JUDGE: Pid = Pid { id: ActorId::new(1), incarnation: 1 };

    fn of(child: u64) -> Box<CrashReport> {
        Box::new(CrashReport { pid: Pid { id: ActorId::new(child), incarnation: 1 }, ..sample() })
    }

    #[test]
    fn a_report_without_a_judge_comes_back() {
        let desk = Desk::default();
        assert!(matches!(desk.lay(JUDGE, of(2), NOW), Err((_, Judgement::Nobodys))));
    }

    #[test]
    fn a_report_is_taken_once_by_its_judge_or_by_whoever_clears_its_tray() {
        let desk = Desk::default();
        desk.open(JUDGE);
        let (taken, left) = (of(2), of(3));
        let pids = (taken.pid, left.pid);
        desk.lay(JUDGE, taken, NOW).unwrap();
        desk.lay(JUDGE, left, NOW).unwrap();
        assert_eq!(desk.take(JUDGE, pids.0).map(|report| report.pid), Some(pids.0));
        assert_eq!(desk.take(JUDGE, pids.0), None);
        assert_eq!(desk.clear(JUDGE).iter().map(|report| report.pid).collect::<Vec<_>>(), [pids.1]);
        assert!(desk.is_empty());
        assert!(matches!(desk.lay(JUDGE, of(4), NOW), Err((_, Judgement::Nobodys))), "the judge has ended");
    }

    #[test]
    fn a_full_desk_gives_the_report_back_until_there_is_room() {
        let desk = Desk::default();
        desk.open(JUDGE);
        for child in 0..DESK as u64 {
            desk.lay(JUDGE, of(child), NOW).unwrap();
        }
        assert!(matches!(desk.lay(JUDGE, of(1000), NOW), Err((_, Judgement::DeskFull))));
        desk.take(JUDGE, of(7).pid).unwrap();
        desk.lay(JUDGE, of(1000), NOW).unwrap();
    }

    #[test]
    fn what_has_lain_too_long_is_taken_out() {
        let desk = Desk::default();
        desk.open(JUDGE);
        let at = |at| Duration::from_secs(at);
        // How long it took to end after the crash is not held against its judge.
        desk.lay(JUDGE, Box::new(CrashReport { at: at(2), ..*of(2) }), at(3)).unwrap();
        desk.lay(JUDGE, Box::new(CrashReport { at: at(1), ..*of(3) }), at(5)).unwrap();
        assert_eq!(desk.late(at(4)).iter().map(|report| report.at).collect::<Vec<_>>(), [at(2)]);
        assert_eq!(desk.clear(JUDGE).len(), 1);
    }
}
