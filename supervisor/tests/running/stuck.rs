//! Turns that block their threads: abandoned within their limits, named, their slots free for the next life.

use std::sync::Arc;

use crashworthy_runtime::{AskError, ExitReason, System};
use crashworthy_supervisor::{Shutdown, SlotExt, Supervisor};

use crate::world::{
    Diary, Jam, Job, MS, Nurse, SECOND, blocked, counted, crash, held, lawful, over, soon, until, worker,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_blocks_its_thread_is_abandoned_and_named() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    // The message that blocks is not waited for before the stop begins.
    let system = System::builder().drain(10 * MS).start(top).await.expect("it starts");
    diary.reads("+a, +b").await;
    let jam = Jam::new();
    blocked(&b, &jam, &mut diary).await;
    let report = over(system.clone()).await;
    diary.reads("-a shutdown").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned, late.in_hand.as_deref()), ("top/b", true, Some("Block")));
    assert!(late.after >= 20 * MS && report.took < 2 * SECOND, "{report}");
    assert_eq!(system.stragglers(), [b.pid()]);
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_group_restart_does_not_wait_for_a_child_that_blocks_its_thread() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b").await;
    let jam = Jam::new();
    blocked(&b, &jam, &mut diary).await;
    let down = b.down();
    let asked = tokio::spawn({
        let b = b.address();
        async move { b.ask(Job::Counted).await }
    });
    until(|| b.load().depth == 1).await;
    crash(&a);
    diary.reads("-a crashed, +a, +b").await;
    let down = soon(down).await;
    assert!(down.abandoned && down.reason == ExitReason::Killed, "{down:?}");
    let refused = soon(asked).await.expect("no panic");
    assert!(matches!(refused, Err(AskError::Refused(_))), "what was queued falls with its group: {refused:?}");
    assert_eq!(counted(&b).await, 0, "the next life answers while the old one still blocks");
    lawful(&system).await;
    assert_eq!((b.law().given_up, b.law().undelivered), (1, 1));
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
    let report = over(system).await;
    assert!(report.stragglers.is_empty(), "what happened before the stop is not of the stop: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_brutal_kill_does_not_wait_for_a_thread() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(ak).shutdown(Shutdown::BrutalKill));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a").await;
    let jam = Jam::new();
    blocked(&a, &jam, &mut diary).await;
    soon(management.terminate_child("a")).await.expect("it answers");
    assert_eq!(soon(management.restart_child("a")).await, Ok(Some(a.pid())));
    diary.reads("+a").await;
    assert_eq!(counted(&a).await, 0);
    jam.clear();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_hangs_in_its_destructor_is_abandoned_too() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let jam = Jam::new();
    let stop = jam.stop();
    let bk = Nurse { at_drop: Some(Arc::new(move |_| stop.here())), ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    let report = over(system).await;
    diary.reads("+a, +b, -b shutdown, -a shutdown").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned), ("top/b", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_hangs_in_terminate_is_abandoned_too() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let jam = Jam::new();
    let stop = jam.stop();
    let ak = Nurse { at_stop: Some(Arc::new(move |_| stop.here())), ..ak };
    let system =
        System::start(Supervisor::one_for_one("top").child(a.child(ak).within(20 * MS))).await.expect("it starts");
    let report = over(system).await;
    diary.reads("+a, -a shutdown").await;
    assert!(matches!(&report.stragglers[..], [late] if late.abandoned && late.path == "top/a"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_stuck_life_of_a_slot_escalates() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_all("below").intensity(9, 5 * SECOND).child(a.child(ak));
    let below = below.child(b.child(bk).within(20 * MS));
    let top = Supervisor::one_for_one("top").intensity(1, 5 * SECOND).child(c.child(ck)).child(below);
    let system = System::start(top).await.expect("it starts");
    diary.reads("+c, +a, +b").await;
    let jam = Jam::new();
    blocked(&b, &jam, &mut diary).await;
    crash(&a);
    diary.reads("-a crashed, +a, +b").await;
    blocked(&b, &jam, &mut diary).await;
    crash(&a);
    diary.reads("-a crashed").await;
    // Nothing can run in the slot any more: whoever tries to start it fails, level by level.
    let ended = soon(system.ended()).await;
    ended.into_result().expect_err("nobody had asked for it");
    jam.clear();
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_ends_in_order_however_many_lives_of_a_slot_are_stuck() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::rest_for_one("top").intensity(9, 5 * SECOND).child(c.child(ck)).child(a.child(ak));
    let top = top.child(b.child(bk).within(20 * MS));
    let system = System::builder().drain(10 * MS).start(top).await.expect("it starts");
    diary.reads("+c, +a, +b").await;
    let jam = Jam::new();
    blocked(&b, &jam, &mut diary).await;
    crash(&a);
    diary.reads("-a crashed, +a, +b").await;
    blocked(&b, &jam, &mut diary).await;
    let report = soon(system.stop()).await;
    diary.reads("-a shutdown, -c shutdown").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned, late.in_hand.as_deref()), ("top/b", true, Some("Block")));
    jam.clear();
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_time_of_a_shutdown_is_at_most_the_sum_of_its_limits() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck), (d, dk)] = ["a", "b", "c", "d"].map(|name| worker(name, &diary));
    let jam = Jam::new();
    let ck = Nurse { clings: true, ..ck };
    let limit = 50 * MS;
    let below = Supervisor::one_for_one("below").child(a.child(ak).within(limit)).child(b.child(bk).within(limit));
    let top =
        Supervisor::one_for_one("top").child(d.child(dk).within(limit)).child(below).child(c.child(ck).within(limit));
    let system = System::builder().drain(limit).start(top).await.expect("it starts");
    diary.reads("+d, +a, +b, +c").await;
    blocked(&a, &jam, &mut diary).await;
    blocked(&b, &jam, &mut diary).await;
    let _never = held(&d, &mut diary).await;
    let report = soon(system.stop()).await;
    let named: Vec<_> = report.stragglers.iter().map(|late| (late.path.as_str(), late.abandoned)).collect();
    assert_eq!(
        named,
        [("top/c", false), ("top/below/b", true), ("top/below/a", true), ("top/d", false)],
        "in the order in which they were stopped"
    );
    // Beside the limits and the drain: 100 ms for each of two that were killed to come to their next await.
    let (least, most) = (5 * limit, 5 * limit + 200 * MS);
    assert!(report.took >= least && report.took < most + SECOND, "{report}");
    jam.clear();
    lawful(&system).await;
}
