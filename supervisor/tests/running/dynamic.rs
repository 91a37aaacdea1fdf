//! Children that are started on request.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{AskError, ExitReason, Reason, StartError, System};
use crashworthy_supervisor::core::CallError;
use crashworthy_supervisor::{AutoShutdown, Backoff, Dynamic, IntoChild, ManageError, Restart, Shutdown, Supervisor};
use tokio::sync::Notify;

use crate::world::{Diary, Job, MS, Nurse, SECOND, Worker, counted, held, over, soon, until};

const ANSWERS: &str = "the supervisor answers";

async fn with(crowd: &Dynamic<Worker>) -> System {
    System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_come_and_go_and_there_are_never_too_many() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").max_children(2);
    let system = with(&crowd).await;
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("there is room");
    let b = soon(crowd.start_once(Nurse::new("b", &diary))).await.expect("there is room");
    diary.reads("+a, +b").await;
    let full = soon(crowd.start(Nurse::new("c", &diary))).await;
    assert_eq!(full.expect_err("there is no room for a third"), StartError::MaxChildren(2));
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("-a crashed").await;
    assert!(soon(crowd.stop(b.pid())).await.expect(ANSWERS));
    assert!(!soon(crowd.stop(b.pid())).await.expect(ANSWERS), "it is no child any more");
    diary.reads("-b shutdown").await;
    // Who has seen a death cannot conclude that the supervisor has.
    while soon(crowd.count()).await.expect(ANSWERS).active > 0 {}
    let gone = [&a, &b].map(|gone| gone.tell(Job::Count).expect_err("it has ended").why.reason);
    assert_eq!(gone, [Reason::Gone; 2]);
    soon(crowd.start(Nurse::new("d", &diary))).await.expect("there is room again");
    over(system).await;
    diary.reads("+d, -d shutdown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_the_mailbox_of_a_supervisor_full_waits_for_room() {
    const MANY: usize = 1_100;
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = with(&crowd).await;
    let gate = Arc::new(Notify::new());
    let mut starts = Vec::new();
    let start = |nurse: Nurse| {
        let crowd = crowd.clone();
        tokio::spawn(async move { crowd.start(nurse).await.map(drop) })
    };
    starts.push(start(Nurse { gate: Some(gate.clone()), ..Nurse::new("slow", &diary) }));
    diary.reads("slow waits").await;
    let quiet = Diary::new();
    starts.extend((0..MANY).map(|_| start(Nurse::new("a", &quiet))));
    until(|| system.snapshot().actors.iter().any(|actor| actor.depth == actor.limit)).await;
    gate.notify_one();
    for start in starts {
        soon(start).await.expect("no panic").expect("it starts");
    }
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).active, MANY + 1);
    over(system).await;
}

#[tokio::test]
async fn before_the_start_and_after_the_end_a_start_is_refused() {
    let diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let refused = |answer: Result<_, StartError>| match answer {
        Err(StartError::Supervisor(AskError::Refused(refused))) => refused.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(crowd.start(Nurse::new("a", &diary)).await), Reason::NotStarted);
    let system = with(&crowd).await;
    over(system).await;
    assert_eq!(refused(crowd.start(Nurse::new("a", &diary)).await), Reason::Gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_child_is_restarted_with_its_own_arguments() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).intensity(9, SECOND);
    let system = with(&crowd).await;
    let [a, b] = ["a", "b"].map(|name| crowd.start(Nurse::new(name, &diary)));
    let (a, b) = (soon(a).await.expect("it starts"), soon(b).await.expect("it starts"));
    a.tell(Job::Count).expect("it can be told");
    a.tell(Job::Crash).expect("it can be told");
    a.tell(Job::Count).expect("it can be told");
    diary.reads("+a, +b, -a crashed, +a").await;
    assert_eq!((counted(&a).await, a.pid().incarnation), (1, 2));
    b.tell(Job::Finish).expect("it can be told");
    diary.reads("-b normal, +b").await;
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).active, 2);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_whose_arguments_are_used_up_is_never_restarted() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).intensity(9, SECOND);
    let system = with(&crowd).await;
    let a = soon(crowd.start_once(Nurse::new("a", &diary))).await.expect("it starts");
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("+a, -a crashed").await;
    until(|| !a.is_alive() && a.tell(Job::Count).is_err_and(|gone| gone.why.reason == Reason::Gone)).await;
    let counts = soon(crowd.count()).await.expect(ANSWERS);
    assert_eq!((counts.active, counts.workers), (0, 0));
    diary.is_read();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_or_declined_start_leaves_nothing_behind() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").max_children(1).start_within(SECOND);
    let system = with(&crowd).await;
    let failing = Nurse { failing: (1, 1), ..Nurse::new("a", &diary) };
    let failed = soon(crowd.start(failing)).await.expect_err("it fails").to_string();
    assert!(failed.contains("error in init: no"), "{failed}");
    let declining = Nurse { declines: 1, ..Nurse::new("b", &diary) };
    assert_eq!(soon(crowd.start(declining)).await.expect_err("it declines"), StartError::Ignored);
    let slow = Nurse { gate: Some(Arc::default()), ..Nurse::new("c", &diary) };
    let late = soon(crowd.start(slow)).await.expect_err("it never is ready").to_string();
    assert!(late.contains("not ready within 1s"), "{late}");
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).workers, 0);
    soon(crowd.start(Nurse::new("d", &diary))).await.expect("there is room");
    diary.reads("a fails, b declines, c waits, +d").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stop_at_once_under_one_limit() {
    const MANY: usize = 50;
    let diary = Diary::new();
    let limit = 100 * MS;
    let crowd = Dynamic::<Worker>::named("crowd").shutdown(Shutdown::Within(limit));
    let system = with(&crowd).await;
    for _ in 0..MANY {
        let clinging = Nurse { clings: true, ..Nurse::new("x", &diary) };
        soon(crowd.start(clinging)).await.expect("it starts");
    }
    let report = over(system).await;
    assert_eq!(report.stragglers.len(), MANY);
    assert!(report.stragglers.iter().all(|late| late.path.starts_with("top/crowd/") && !late.abandoned), "{report}");
    assert!(report.took >= limit && report.took < MANY as u32 * limit, "not one after the other: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_end_with_the_life_of_their_supervisor_that_started_them() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).intensity(0, SECOND);
    let system = with(&crowd).await;
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("it starts");
    let b = soon(crowd.start(Nurse::new("b", &diary))).await.expect("it starts");
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("+a, +b, -a crashed, -b shutdown").await;
    soon(async { while crowd.count().await.is_err() {} }).await;
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).workers, 0);
    for gone in [a, b] {
        gone.tell(Job::Count).expect_err("it has ended");
    }
    soon(crowd.start(Nurse::new("c", &diary))).await.expect("its next life starts others");
    diary.reads("+c").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_goes_on_when_nobody_waits_for_it_any_more() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = with(&crowd).await;
    let gate = Arc::new(Notify::new());
    let slow = Nurse { gate: Some(gate.clone()), ..Nurse::new("a", &diary) };
    let starting = tokio::spawn({
        let crowd = crowd.clone();
        async move { crowd.start(slow).await }
    });
    diary.reads("a waits").await;
    starting.abort();
    let _ = soon(starting).await;
    gate.notify_one();
    diary.reads("+a").await;
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).active, 1);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_start_end_and_start_again() {
    const MANY: usize = 300;
    let diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = with(&crowd).await;
    for _ in 0..3 {
        let starts: Vec<_> = (0..MANY)
            .map(|_| {
                let (crowd, kit) = (crowd.clone(), Nurse::new("x", &diary));
                tokio::spawn(async move { crowd.start(kit).await })
            })
            .collect();
        for start in starts {
            let child = soon(start).await.expect("no panic").expect("it starts");
            child.tell(Job::Finish).expect("it can be told");
        }
        soon(async { while crowd.count().await.expect(ANSWERS).workers > 0 {} }).await;
    }
    // Nothing is left of children that have ended.
    until(|| system.snapshot().actors.len() == 2).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_child_is_not_drained() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = with(&crowd).await;
    let kit = Nurse { traps: false, ..Nurse::new("a", &diary) };
    let a = soon(crowd.start(kit)).await.expect("it starts");
    diary.reads("+a").await;
    let _never = held(&a, &mut diary).await;
    for _ in 0..5 {
        a.tell(Job::Count).expect("it can be told");
    }
    assert!(soon(crowd.stop(a.pid())).await.expect(ANSWERS));
    over(system).await;
    assert_eq!((a.law().given_up, a.law().undelivered), (1, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_supervisor_can_be_the_top_of_a_system() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = System::start(crowd.clone()).await.expect("it starts");
    soon(crowd.start(Nurse::new("a", &diary))).await.expect("there is room");
    let management = crowd.management();
    let children = soon(management.which_children()).await.expect(ANSWERS);
    assert_eq!(children.iter().map(|child| &child.id).collect::<Vec<_>>(), [&None], "its children have no names");
    let refused = soon(management.restart_child("a")).await.expect_err("there is no such name");
    assert_eq!(refused, ManageError::Refused(CallError::Dynamic));
    over(system).await;
    diary.reads("+a, -a shutdown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_supervisor_is_to_the_one_above_it_is_told_to_it_as_a_child() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).intensity(0, SECOND);
    let child = crowd.clone().into_child().restart(Restart::Temporary).shutdown(Shutdown::Within(SECOND)).significant();
    let top = Supervisor::one_for_one("top").auto_shutdown(AutoShutdown::AnySignificant).child(child);
    assert!(top.to_string().contains("temporary, shutdown within 1s, significant"), "{top}");
    let system = System::start(top).await.expect("it starts");
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("there is room");
    a.tell(Job::Crash).expect("it can be told");
    // It gives up at once, for good, and takes the top with it.
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
    diary.reads("+a, -a crashed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_children_are_shown_newest_first_and_have_no_names() {
    let diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent);
    let management = crowd.management();
    let system = with(&crowd).await;
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("it starts");
    let b = soon(crowd.start(Nurse::new("b", &diary))).await.expect("it starts");
    let shown = soon(management.which_children()).await.expect(ANSWERS);
    let places: Vec<_> = shown.iter().map(|child| (child.id.as_deref(), child.place.pid())).collect();
    assert_eq!(places, [(None, Some(b.pid())), (None, Some(a.pid()))]);
    assert_eq!(soon(management.count_children()).await.expect(ANSWERS).specs, 1);
    // The name of all of them is that of their kind.
    assert_eq!(soon(management.child_spec("crowd")).await.expect(ANSWERS).restart, Restart::Permanent);
    for refused in [
        soon(management.terminate_child("a")).await,
        soon(management.restart_child("a")).await.map(drop),
        soon(management.delete_child("a")).await,
    ] {
        assert_eq!(refused, Err(ManageError::Refused(CallError::Dynamic)));
    }
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_waits_for_its_restart_is_stopped_by_the_incarnation_before() {
    let mut diary = Diary::new();
    let never = Duration::from_secs(1 << 32);
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).backoff(Backoff::new(never, never));
    let system = with(&crowd).await;
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("it starts");
    let before = a.pid();
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("+a, -a crashed").await;
    soon(async { while crowd.count().await.expect(ANSWERS).active > 0 {} }).await;
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).workers, 1, "it is to come back");
    assert!(soon(crowd.stop(before)).await.expect(ANSWERS));
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).workers, 0);
    until(|| a.tell(Job::Count).is_err_and(|gone| gone.why.reason == Reason::Gone)).await;
    over(system).await;
    diary.is_read();
}
