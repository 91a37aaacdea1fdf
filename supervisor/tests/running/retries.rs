//! Restarts that fail: tried again behind whatever has arrived, each counted.

use std::sync::Arc;

use crashworthy_runtime::{ExitReason, Reason, State, System};
use crashworthy_supervisor::core::{CallError, Place};
use crashworthy_supervisor::{ManageError, SlotExt, Strategy, Supervisor};
use tokio::sync::Notify;

use crate::world::{Diary, Jam, Job, MS, Nurse, SECOND, counted, crash, over, soon, until, worker};

const ANSWERS: &str = "the supervisor answers";

/// Fails from its second start on.
fn broken(kit: Nurse) -> Nurse {
    Nurse { failing: (2, u32::MAX), ..kit }
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
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_always_fails_is_tried_as_often_as_allowed() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let starts = ak.starts.clone();
    let top = Supervisor::one_for_one("top").intensity(4, 5 * SECOND).child(a.child(broken(ak)));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    soon(system.ended()).await.into_result().expect_err("it gave up");
    diary.reads("+a, -a crashed, a fails, a fails, a fails, a fails").await;
    diary.is_read();
    assert_eq!(starts.load(std::sync::atomic::Ordering::SeqCst), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_between_retries_and_can_end_them() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut diary = Diary::new();
        let (a, ak) = worker("a", &diary);
        let kit = ak.clone();
        let top = Supervisor::new("top", strategy).intensity(u32::MAX, SECOND).child(a.child(broken(ak)));
        let management = top.management();
        let system = System::start(top).await.expect("it starts");
        crash(&a);
        diary.reads("+a, -a crashed, a fails").await;
        let which = soon(management.which_children()).await.expect(ANSWERS);
        assert!(matches!(which[0].place, Place::Restarting(_)), "{strategy}: {:?}", which[0]);
        let again = soon(management.restart_child("a")).await;
        assert_eq!(again, Err(ManageError::Refused(CallError::Restarting)));
        soon(management.terminate_child("a")).await.expect(ANSWERS);
        let starts = kit.started();
        assert_eq!(soon(management.which_children()).await.expect(ANSWERS)[0].place, Place::Down);
        let by_hand = soon(management.restart_child("a")).await;
        assert!(matches!(by_hand, Err(ManageError::Refused(CallError::StartFailed(_)))), "{by_hand:?}");
        assert_eq!(kit.started(), starts + 1, "only the one by hand");
        over(system).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loop_can_be_stopped_at_any_time() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_all("below").intensity(u32::MAX, SECOND).child(a.child(broken(ak)));
    let system =
        System::start(Supervisor::one_for_one("top").child(b.child(bk)).child(below)).await.expect("it starts");
    crash(&a);
    diary.reads("+b, +a, -a crashed, a fails, a fails").await;
    let report = over(system).await;
    assert!(report.stragglers.is_empty(), "{report}");
    while diary.next().await != "-b shutdown" {}
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_of_siblings_are_read_between_retries() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top").intensity(u32::MAX, SECOND);
    let system = System::start(top.child(a.child(broken(ak))).child(b.child(bk))).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, a fails").await;
    crash(&b);
    soon(async { while diary.next().await != "+b" {} }).await;
    assert_eq!(counted(&b).await, 0);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_for_one_tries_again_from_the_one_that_failed_to_start() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let bk = Nurse { failing: (2, 1), ..bk };
    let top = Supervisor::rest_for_one("top").intensity(2, 5 * SECOND);
    let top = top.child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, +c, -a crashed, -c shutdown, -b shutdown, +a, b fails, +b, +c").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_all_starts_all_again_when_one_fails_to_start() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { failing: (2, 1), ..bk };
    let top = Supervisor::one_for_all("top").intensity(2, 5 * SECOND).child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, -b shutdown, +a, b fails, -a shutdown, +a, +b").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declining_a_restart_is_no_failure_and_ends_it() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let kit = Nurse { declines: 2, ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(kit.clone()));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, -a crashed, a declines").await;
    until(|| system.inspect(a.pid()).is_some_and(|actor| actor.state == State::Stopped)).await;
    assert_eq!(soon(management.which_children()).await.expect(ANSWERS)[0].place, Place::Down);
    assert_eq!(kit.started(), 2);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_takes_too_long_is_tried_again() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let gate = Arc::new(Notify::new());
    let ak = Nurse { gate: Some(gate.clone()), ..ak };
    gate.notify_one();
    let top = Supervisor::one_for_one("top").intensity(2, 5 * SECOND).child(a.child(ak).start_within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("a waits, +a, -a crashed, a waits, a waits").await;
    gate.notify_one();
    diary.reads("+a").await;
    assert_eq!(a.pid().incarnation, 3);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_restart_that_blocks_its_thread_is_tried_again_beside_it() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let jam = Jam::new();
    let stop = jam.stop();
    let stuck = move |start| {
        if start == 2 {
            stop.here();
        }
    };
    let ak = Nurse { at_start: Some(Arc::new(stuck)), ..ak };
    let top = Supervisor::one_for_one("top").intensity(2, 5 * SECOND).child(a.child(ak).start_within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, -a crashed, +a").await;
    assert_eq!(a.pid().incarnation, 3);
    assert_eq!(system.stragglers().len(), 1, "the stuck one is counted until it returns");
    assert_eq!(counted(&a).await, 0);
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
    assert_eq!(counted(&a).await, 0, "its return changes nothing");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_to_a_child_that_stays_down_is_refused() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(broken(ak)));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a").await;
    soon(management.terminate_child("a")).await.expect(ANSWERS);
    soon(management.restart_child("a")).await.expect_err("it fails from now on");
    let refused = a.tell(Job::Count).expect_err("nobody will read it");
    assert_eq!(refused.why.reason, Reason::Stopped);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_to_a_group_whose_restart_was_called_off_is_refused() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").intensity(u32::MAX, SECOND).child(a.child(broken(ak))).child(b.child(bk));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, -b shutdown, a fails").await;
    soon(management.terminate_child("a")).await.expect(ANSWERS);
    // The retry that was due then has been read before this is.
    soon(management.which_children()).await.expect(ANSWERS);
    until(|| b.tell(Job::Count).is_err_and(|refused| refused.why.reason == Reason::Stopped)).await;
    over(system).await;
}
