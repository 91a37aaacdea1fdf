//! Reports are bounded, and a flood of them does not reach the log: how many were withheld does.

use crashworthy_runtime::{RateLimit, System};
use crashworthy_supervisor::{SlotExt, Supervisor, SupervisorReports, SystemExt, Told};
use tracing::Level;

use crate::crash_world::{crashes, is_crash, until_crashed};
use crate::ear::{Ear, Said};
use crate::world::{Diary, Job, MS, SECOND, counted, crash, over, until, worker};

#[tokio::test]
async fn a_crash_loop_does_not_flood_the_log_and_every_crash_is_logged_or_counted() {
    const CRASHES: u64 = 500;
    let (ear, _guard) = Ear::open();
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").intensity(CRASHES as u32, 600 * SECOND).child(a.child(ak));
    let limit = RateLimit::new(10, 60 * SECOND);
    let system = System::builder().error_reports(limit).progress_reports(RateLimit::NONE).start(top).await;
    let system = system.expect("it starts");
    for times in 1..=CRASHES {
        crash(&a);
        until_crashed(times, &system).await;
    }
    assert_eq!(counted(&a).await, 0);
    let (times, reports) = system.crashes();
    assert_eq!((times, reports.len()), (CRASHES, 256));
    assert!(reports.iter().all(|report| !report.logged && report.judgement.verdict().is_some()));
    assert_eq!(reports.last().map(|report| report.withheld), Some(CRASHES - 10));
    assert_eq!(system.snapshot().reports_withheld, CRASHES - 10);
    assert_eq!(ear.which(is_crash).len(), 10);
    // At the latest the end of the system says how many.
    over(system).await;
    let told = ear.which(|said| said.withheld() > 0);
    let [told] = &told[..] else { panic!("once, not {told:?}") };
    assert_eq!((told.level, told.get("source"), told.withheld()), (Level::WARN, "top", CRASHES - 10));
}

#[tokio::test]
async fn how_many_reports_were_withheld_is_told_with_the_next_one_or_when_the_burst_is_over() {
    let (ear, _guard) = Ear::open();
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").intensity(u32::MAX, 600 * SECOND).child(a.child(ak));
    let limit = RateLimit::new(1, 300 * MS);
    let system = System::builder().error_reports(limit).progress_reports(RateLimit::NONE).start(top).await;
    let system = system.expect("it starts");
    let mut crashed = 0;
    while ear.which(|said| is_crash(said) && said.withheld() > 0).is_empty() {
        crash(&a);
        crashed += 1;
        until_crashed(crashed, &system).await;
    }
    let logged = |ear: &Ear| ear.which(is_crash).len() as u64;
    let withheld = |ear: &Ear| ear.heard().iter().map(Said::withheld).sum::<u64>();
    assert_eq!(logged(&ear) + withheld(&ear), crashed, "each is logged or counted");
    // The last of a burst have no next one.
    for _ in 0..2 {
        crash(&a);
        crashed += 1;
        until_crashed(crashed, &system).await;
    }
    until(|| {
        // The attendant runs on this thread.
        logged(&ear) + withheld(&ear) == crashed
    })
    .await;
    over(system).await;
}

#[tokio::test]
async fn reports_of_progress_do_not_crowd_out_errors() {
    let (ear, _guard) = Ear::open();
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let mut top = Supervisor::one_for_one("top").intensity(9, 60 * SECOND).child(a.child(ak));
    for name in ["b", "c", "d", "e"] {
        let (slot, kit) = worker(name, &diary);
        top = top.child(slot.child(kit));
    }
    let limit = RateLimit::new(2, 60 * SECOND);
    let system = System::builder().progress_reports(limit).start(top).await.expect("it starts");
    crash(&a);
    until_crashed(1, &system).await;
    assert_eq!(counted(&a).await, 0);
    assert_eq!(ear.which(|said| said.get("context") == "progress").len(), 2);
    assert_eq!(ear.which(is_crash).len(), 1);
    let SupervisorReports { counts, errors, progress } = system.supervisor_reports();
    assert_eq!((counts.progress, progress.len(), errors.len()), (6, 6, 1));
    let told: Vec<_> = progress.iter().map(|report| report.told).collect();
    assert_eq!(told, [[Told::Logged; 2].as_slice(), &[Told::Withheld; 4]].concat());
    over(system).await;
    assert_eq!(ear.which(|said| said.level == Level::INFO).iter().map(Said::withheld).sum::<u64>(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_of_a_megabyte_is_cut_in_every_report() {
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(ak));
    let system = System::start(top).await.expect("it starts");
    let endless: &'static str = "x".repeat(1 << 20).leak();
    a.tell(Job::Fail(endless)).expect("it can be told");
    until_crashed(1, &system).await;
    let (crash, report) = (crashes(&system).remove(0), system.supervisor_reports().errors.remove(0));
    for text in [crash.to_string(), report.to_string()] {
        assert!(text.len() < 4096 && text.contains("bytes more)"), "{text}");
    }
    over(system).await;
}
