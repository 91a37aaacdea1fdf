//! Restarts that wait: on the running system.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Decision, Offer, Reason, State, System};
use crashworthy_supervisor::core::{CallError, Place};
use crashworthy_supervisor::{Backoff, Dynamic, ManageError, Restart, SlotExt, Supervisor, SystemExt};
use parking_lot::Mutex;

use crate::world::{Diary, Job, MS, Nurse, SECOND, Worker, counted, crash, over, soon, until, worker};

const ANSWERS: &str = "the supervisor answers";
const HOUR: Duration = Duration::from_secs(3600);
/// A wait that nobody lives to see the end of, but for one chance in a million.
const LONG: Backoff = Backoff::new(Duration::from_secs(1 << 32), Duration::from_secs(1 << 32));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_comes_back_after_its_wait_with_what_was_sent_meanwhile() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").intensity(9, SECOND).backoff(Backoff::new(20 * MS, 20 * MS));
    let system = System::start(top.child(a.child(ak))).await.expect("it starts");
    for _ in 0..3 {
        crash(&a);
        a.tell(Job::Count).expect("its mailbox is open");
        diary.reads("+a, -a crashed").await;
    }
    diary.reads("+a").await;
    assert_eq!(counted(&a).await, 1);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_answers_while_a_child_waits_and_can_call_the_restart_off() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").backoff(LONG).child(a.child(ak));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, -a crashed").await;
    soon(async { while management.count_children().await.expect(ANSWERS).active > 0 {} }).await;
    let which = async || soon(management.which_children()).await.expect(ANSWERS)[0].place;
    soon(async { while !matches!(which().await, Place::Restarting(Some(_))) {} }).await;
    let running = soon(management.restart_child("a")).await;
    assert_eq!(running, Err(ManageError::Refused(CallError::Restarting)));
    soon(management.terminate_child("a")).await.expect(ANSWERS);
    assert_eq!(which().await, Place::Down);
    until(|| system.inspect(a.pid()).is_some_and(|actor| actor.state == State::Stopped)).await;
    soon(management.restart_child("a")).await.expect(ANSWERS);
    diary.reads("+a").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_wait() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_all("below").backoff(LONG).child(a.child(ak)).child(b.child(bk));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, -b shutdown").await;
    let report = over(system).await;
    assert!(report.stragglers.is_empty() && report.took < HOUR, "{report}");
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_less_time_than_a_restart_waits_is_refused_at_once_by_the_whole_group() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_all("below").backoff(LONG).child(a.child(ak)).child(b.child(bk));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, -b shutdown").await;
    for slot in [&a, &b] {
        until(|| system.inspect(slot.pid()).is_some_and(|actor| actor.back_in.is_some())).await;
        let why = slot.reserve(Offer::within(SECOND)).expect_err("it will not be back in time");
        assert_eq!(why.reason, Reason::Restarting);
        assert!(why.retry_after.is_some_and(|after| after > SECOND), "{why}");
        slot.tell(Job::Count).expect("whoever names no time can wait");
    }
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_waits_as_a_group() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::rest_for_one("top").intensity(9, SECOND).backoff(Backoff::new(10 * MS, 10 * MS));
    let top = top.child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    crash(&b);
    diary.reads("-b crashed, -c shutdown, +b, +c").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_of_a_dead_dependency_come_back_one_by_one() {
    const MANY: u32 = 200;
    let diary = Diary::new();
    let window = 400 * MS;
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).intensity(MANY, HOUR);
    let crowd = crowd.backoff(Backoff::new(window, window));
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    let back = Arc::new(Mutex::new(Vec::new()));
    let (clock, list) = (system.clone(), back.clone());
    let kit = Nurse { at_start: Some(Arc::new(move |_| list.lock().push(clock.now()))), ..Nurse::new("x", &diary) };
    let mut children = Vec::new();
    for _ in 0..MANY {
        children.push(soon(crowd.start(kit.clone())).await.expect("it starts"));
    }
    back.lock().clear();
    let began = system.now();
    for child in &children {
        child.tell(Job::Crash).expect("it runs");
    }
    // The supervisor is not held up by those who wait.
    assert_eq!(soon(crowd.count()).await.expect(ANSWERS).workers, MANY as usize);
    for child in &children {
        counted(child).await;
    }
    let mut waits: Vec<Duration> = back.lock().iter().map(|at| *at - began).collect();
    waits.sort();
    assert_eq!(waits.len(), MANY as usize);
    // In step they would all be back at one moment. However late a machine is, the last does not come before its time, and
    // a tenth of 200 in the last tenth of the window is missed once in a billion runs.
    assert!(waits[MANY as usize - 1] > window * 9 / 10, "{:?}", waits.last());
    // Nor is it all of the window that they wait: this is what was drawn, which no machine changes.
    let drawn =
        system.supervisor_reports().errors.into_iter().filter_map(|error| match error.report.ruling?.decision {
            Decision::Restart { wait, .. } => Some(wait),
            _ => None,
        });
    assert!(drawn.min().is_some_and(|least| least < window / 2), "the first comes in the first half");
    over(system).await;
}
