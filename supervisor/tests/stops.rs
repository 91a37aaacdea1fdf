//! Failing starts, slow starts, stubborn stops.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Diary, Job, Nurse, crash, soon, worker};
use crashworthy_runtime::System;
use crashworthy_supervisor::{Shutdown, SlotExt, Supervisor};
use tokio::sync::Notify;

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_failing_first_start_is_rolled_back_in_reverse_and_names_the_child() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck), (d, dk)] = ["a", "b", "c", "d"].map(|name| worker(name, &diary));
    let ck = Nurse { failing: (1, 9), ..ck };
    let below = Supervisor::one_for_one("below").child(b.child(bk)).child(c.child(ck));
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(below).child(d.child(dk));
    let error = System::start(top).await.expect_err("c fails").to_string();
    diary.reads("+a, +b, c fails, -b shutdown, -a shutdown").await;
    diary.is_read();
    assert!(error.contains("child below failed") && error.contains("child c failed"), "{error}");
}

#[tokio::test]
async fn a_start_that_takes_too_long_has_failed() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { gate: Some(Arc::new(Notify::new())), ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak).start_within(10 * MS));
    let error = soon(System::start(top)).await.expect_err("it never is ready").to_string();
    assert!(error.contains("not ready within 10ms"), "{error}");
    diary.reads("a waits").await;
    soon(a.settled()).await;
}

#[tokio::test]
async fn calls_and_crashes_wait_while_a_sibling_starts() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let gate = Arc::new(Notify::new());
    let bk = Nurse { gate: Some(gate.clone()), ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk));
    let meanwhile = async {
        diary.reads("+a, b waits").await;
        crash(&a);
        diary.reads("-a crashed").await;
        gate.notify_one();
        diary.reads("+b, +a").await;
    };
    let (system, ()) = soon(async { tokio::join!(System::start(top), meanwhile) }).await;
    let system = system.expect("it starts");
    soon(system.stop()).await;
}

#[tokio::test]
async fn a_child_that_clings_to_life_is_killed_and_named() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { clings: true, ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    let report = soon(system.stop()).await;
    diary.reads("+a, +b, -b shutdown, -a shutdown").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned), ("top/b", false));
    assert!(late.after >= 20 * MS, "{late}");
}

#[tokio::test]
async fn brutal_kill_runs_no_callback() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).shutdown(Shutdown::BrutalKill));
    let system = System::start(top).await.expect("it starts");
    let report = soon(system.stop()).await;
    diary.reads("+a, +b, -a shutdown").await;
    diary.is_read();
    assert!(report.stragglers.is_empty(), "it ended as it was to: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_blocks_its_thread_is_abandoned_and_named() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    // The message that blocks is not waited for before the stop begins.
    let system = System::builder().drain(10 * MS).start(top).await.expect("it starts");
    let (release, until) = std::sync::mpsc::channel();
    b.tell(Job::Block(diary.pen(), until)).expect("it can be told");
    diary.reads("+a, +b, blocks").await;
    let report = soon(system.stop()).await;
    diary.reads("-a shutdown").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned, late.in_hand.as_deref()), ("top/b", true, Some("Block")));
    drop(release);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_group_restart_does_not_wait_for_a_child_that_blocks_its_thread() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    let (release, until) = std::sync::mpsc::channel();
    b.tell(Job::Block(diary.pen(), until)).expect("it can be told");
    diary.reads("+a, +b, blocks").await;
    crash(&a);
    diary.reads("-a crashed, +a, +b").await;
    assert_eq!(common::counted(&b).await, 0, "the next life answers while the old one still blocks");
    drop(release);
    soon(system.stop()).await;
}
