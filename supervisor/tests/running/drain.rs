//! Stop and drain are two verbs: the system's stop serves what is queued, nothing else does.

use crashworthy_runtime::{Reason, System};
use crashworthy_supervisor::{SlotExt, Supervisor};

use crate::world::{Diary, Job, MS, Nurse, SECOND, counted, crash, held, lawful, over, soon, until, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_systems_stop_serves_what_is_queued() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let system = System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk))).await;
    let system = system.expect("it starts");
    diary.reads("+a, +b").await;
    let go = held(&a, &mut diary).await;
    for _ in 0..100 {
        a.tell(Job::Count).expect("it can be told");
    }
    // Work that is passed on while the system drains is served as well.
    a.tell(Job::Pass(1, b.address())).expect("it can be told");
    let stopping = tokio::spawn(over(system));
    until(|| a.tell(Job::Count).is_err_and(|refused| refused.why.reason == Reason::Draining)).await;
    diary.is_read();
    go.notify_one();
    let report = soon(stopping).await.expect("no panic");
    assert_eq!((report.undrained, report.stragglers.len()), (0, 0), "{report}");
    diary.reads("-b shutdown, -a shutdown").await;
    assert_eq!((a.law().undelivered, b.law().handled, b.law().undelivered), (0, 1, 0));
    assert!(a.law().handled >= 102);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_goes_from_hand_to_hand_is_served_to_its_end() {
    const HOPS: u32 = 20_000;
    let diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let system = System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk))).await;
    let system = system.expect("it starts");
    a.tell(Job::Pass(HOPS, b.address())).expect("it can be told");
    let report = over(system).await;
    assert_eq!(report.undrained, 0);
    assert_eq!(a.law().handled + b.law().handled, u64::from(HOPS) + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_survives_a_restart_during_the_drain() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let system = System::start(Supervisor::one_for_one("top").child(a.child(ak))).await.expect("it starts");
    diary.reads("+a").await;
    let go = held(&a, &mut diary).await;
    crash(&a);
    for _ in 0..10 {
        a.tell(Job::Count).expect("it can be told");
    }
    let stopping = tokio::spawn(over(system));
    until(|| a.reserve(crashworthy_runtime::Offer::within(SECOND)).is_err()).await;
    go.notify_one();
    let report = soon(stopping).await.expect("no panic");
    diary.reads("-a crashed, +a, -a shutdown").await;
    assert_eq!((report.undrained, a.law().handled, a.law().given_up), (0, 11, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_with_its_time_and_tells_what_is_left() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { traps: false, ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak));
    let system = System::builder().drain(30 * MS).start(top).await.expect("it starts");
    diary.reads("+a").await;
    let _never = held(&a, &mut diary).await;
    for _ in 0..4 {
        a.tell(Job::Count).expect("it can be told");
    }
    let report = over(system).await;
    assert_eq!(report.undrained, 5, "one in hand and four queued");
    assert!(report.took >= 30 * MS && report.took < 4 * SECOND, "{report}");
    assert_eq!((a.law().given_up, a.law().undelivered), (1, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminating_a_child_does_not_drain() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(ak));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a").await;
    // It traps exits: the handler under way is waited for, what is queued behind it is not.
    a.tell(Job::AwaitStop(diary.pen())).expect("it can be told");
    diary.reads("awaits").await;
    for _ in 0..4 {
        a.tell(Job::Count).expect("it can be told");
    }
    soon(management.terminate_child("a")).await.expect("it answers");
    diary.reads("-a shutdown").await;
    lawful(&system).await;
    assert_eq!((a.law().handled, a.law().undelivered), (1, 4));
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_restart_does_not_drain_its_members() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { traps: false, ..bk };
    let system = System::start(Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk))).await;
    let system = system.expect("it starts");
    diary.reads("+a, +b").await;
    let _never = held(&b, &mut diary).await;
    for _ in 0..3 {
        b.tell(Job::Count).expect("it can be told");
    }
    crash(&a);
    diary.reads("-a crashed, +a, +b").await;
    assert_eq!(counted(&b).await, 0);
    lawful(&system).await;
    assert_eq!((b.law().given_up, b.law().undelivered), (1, 3));
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_the_stop_later_waits_for_the_same_end() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { clings: true, ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak).within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    let stops: Vec<_> = (0..4)
        .map(|_| {
            let system = system.clone();
            tokio::spawn(async move { system.stop().await })
        })
        .collect();
    let mut reports = Vec::new();
    for stop in stops {
        reports.push(soon(stop).await.expect("no panic"));
    }
    reports.push(soon(system.stop()).await);
    assert!(reports.iter().all(|report| *report == reports[0]) && reports[0].stragglers.len() == 1, "{reports:?}");
    diary.reads("+a, -a shutdown").await;
    diary.is_read();
    let ended = soon(system.ended()).await;
    assert!(ended.asked && ended.into_result().is_ok());
}
