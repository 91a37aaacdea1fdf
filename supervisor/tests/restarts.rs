//! What the supervising actor does when children end: the core's decisions, carried out.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Diary, Job, Nurse, Worker, counted, crash, soon, worker};
use crashworthy_runtime::{ExitReason, Reason, Slot, System};
use crashworthy_supervisor::{AutoShutdown, Dynamic, Restart, SlotExt, Supervisor};
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_start_left_to_right_and_stop_right_to_left() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").child(b.child(bk));
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(below).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    let report = soon(system.stop()).await;
    diary.reads("-c shutdown, -b shutdown, -a shutdown").await;
    assert!(report.stragglers.is_empty(), "{report}");
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_one_restarts_the_child_alone_and_keeps_its_mailbox() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let system =
        System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk))).await.expect("it starts");
    let before = a.pid();
    // One turn after the other: all are queued before the crash is handled.
    let until = Arc::new(Notify::new());
    a.tell(Job::Await(diary.pen(), until.clone())).expect("it can be told");
    diary.reads("+a, +b, awaits").await;
    crash(&a);
    for _ in 0..3 {
        a.tell(Job::Count).expect("it can be told");
    }
    until.notify_one();
    diary.reads("-a crashed, +a").await;
    assert_eq!(counted(&a).await, 3);
    assert_eq!((a.pid().id, a.pid().incarnation), (before.id, before.incarnation + 1));
    assert_eq!(b.pid().incarnation, 1);
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_all_restarts_all_in_order() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    crash(&b);
    diary.reads("-b crashed, -c shutdown, -a shutdown, +a, +b, +c").await;
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_for_one_leaves_those_before_untouched() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::rest_for_one("top").child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    crash(&b);
    diary.reads("-b crashed, -c shutdown, +b, +c").await;
    soon(system.stop()).await;
    diary.reads("-c shutdown, -b shutdown, -a shutdown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_restart_empties_the_mailboxes_of_its_members() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { traps: false, ..bk };
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    b.tell(Job::Await(diary.pen(), Arc::new(Notify::new()))).expect("it can be told");
    diary.reads("+a, +b, awaits").await;
    for _ in 0..3 {
        b.tell(Job::Count).expect("it can be told");
    }
    crash(&a);
    diary.reads("-a crashed, +a, +b").await;
    assert_eq!(counted(&b).await, 0);
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_child_that_ended_normally_refuses_with_stopped() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(ak).transient());
    let system = System::start(top).await.expect("it starts");
    a.tell(Job::Finish).expect("it can be told");
    diary.reads("+a, -a normal").await;
    soon(a.settled()).await;
    // The supervisor decides in its own time whether the place is kept.
    let refused = soon(async {
        loop {
            match a.tell(Job::Count) {
                Err(rejected) if rejected.why.reason == Reason::Stopped => return rejected,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    drop(refused.await);
    diary.is_read();
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_restarts_end_the_supervisor_and_the_system_with_it() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top").intensity(1, 5 * SECOND).child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, +a").await;
    crash(&a);
    diary.reads("-a crashed, -b shutdown").await;
    let ended = soon(system.ended()).await;
    assert_eq!(ended.reason, Some(ExitReason::Shutdown));
    ended.into_result().expect_err("nobody had asked for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_gave_up_is_restarted_by_its_parent_with_a_fresh_budget() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").intensity(0, SECOND).child(a.child(ak)).child(b.child(bk));
    let system =
        System::start(Supervisor::one_for_one("top").intensity(5, SECOND).child(below)).await.expect("it starts");
    diary.reads("+a, +b").await;
    for _ in 0..2 {
        crash(&a);
        diary.reads("-a crashed, -b shutdown, +a, +b").await;
    }
    assert_eq!(counted(&a).await, 0);
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_supervisor_that_gave_up_stays_down() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").intensity(0, SECOND).restart(Restart::Transient).child(a.child(ak));
    let top = Supervisor::one_for_one("top").intensity(0, SECOND).child(below).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed").await;
    soon(a.settled()).await;
    assert_eq!(counted(&b).await, 0, "the rest lives on");
    soon(system.stop()).await;
    diary.reads("-b shutdown").await;
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_restart_is_tried_again_and_counts() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { failing: (2, 2), ..ak };
    let top = Supervisor::one_for_one("top").intensity(3, 5 * SECOND).child(a.child(ak));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, -a crashed, a fails, a fails, +a").await;
    crash(&a);
    diary.reads("-a crashed").await;
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_significant_child_ends_the_supervisor() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top")
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(a.child(ak))
        .child(b.child(bk).transient().significant());
    let system = System::start(top).await.expect("it starts");
    b.tell(Job::Finish).expect("it can be told");
    diary.reads("+a, +b, -b normal, -a shutdown").await;
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_declines_is_no_failure() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let ak = Nurse { declines: true, ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    diary.reads("a declines, +b").await;
    assert!(!a.is_alive());
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamic_children_come_and_go() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").max_children(2);
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("there is room");
    let b = soon(crowd.start_once(Nurse::new("b", &diary))).await.expect("there is room");
    diary.reads("+a, +b").await;
    soon(crowd.start(Nurse::new("c", &diary))).await.expect_err("there is no room for a third");
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("-a crashed").await;
    assert!(soon(crowd.stop(b.pid())).await.expect("the supervisor answers"));
    diary.reads("-b shutdown").await;
    // Who has seen a death cannot conclude that the supervisor has.
    while soon(crowd.count()).await.expect("the supervisor answers").active > 0 {}
    soon(crowd.start(Nurse::new("d", &diary))).await.expect("there is room again");
    soon(system.stop()).await;
    diary.reads("+d, -d shutdown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_child_that_is_permanent_is_restarted_with_its_own_arguments() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent);
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    let a = soon(crowd.start(Nurse::new("a", &diary))).await.expect("it starts");
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("+a, -a crashed, +a").await;
    assert_eq!(counted(&a).await, 0);
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_takes_its_children_with_it_and_is_restarted() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").child(a.child(ak)).child(b.child(bk));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    diary.reads("+a, +b").await;
    let supervisor = system.snapshot().actors.into_iter().find(|actor| actor.name.as_deref() == Some("below"));
    system.kill(supervisor.expect("it runs").pid);
    // The links carry the news to both at once: in which order they end is open.
    let mut lines = Vec::new();
    while lines.iter().filter(|line: &&String| line.starts_with('+')).count() < 2 {
        lines.push(diary.next().await);
    }
    assert!(lines.contains(&"-a killed".to_owned()) && lines.contains(&"-b killed".to_owned()), "{lines:?}");
    assert_eq!(counted(&a).await, 0);
    assert_eq!(a.pid().incarnation, 2);
    soon(system.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_is_the_child_of_one_supervisor_only() {
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let one = System::start(Supervisor::one_for_one("one").child(a.child(ak.clone()))).await.expect("it starts");
    System::start(Supervisor::one_for_one("other").child(a.child(ak))).await.expect_err("the slot is taken");
    soon(one.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_has_one_place_in_a_tree_and_who_has_it_keeps_it() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let [one, other] = ["one", "other"].map(|name| Supervisor::one_for_one(name).child(a.child(ak.clone())));
    let error = System::start(Supervisor::one_for_one("top").child(one).child(other)).await.expect_err("it is taken");
    assert!(error.to_string().contains("slot `a` is already taken"), "{error}");
    diary.reads("+a, -a shutdown").await;
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_rules_are_checked_before_anything_starts() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let twin = Slot::<Worker>::named("a");
    let below = Supervisor::one_for_one("below").child(twin.child(ak.clone())).child(a.child(ak));
    let error = System::start(Supervisor::one_for_one("top").child(below)).await.expect_err("two have one name");
    assert!(error.to_string().contains("top/below/a: an earlier child"), "{error}");
    diary.is_read();
}
