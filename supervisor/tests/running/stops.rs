//! Stops: their order, their limits, and whom the report names.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Callback, System};
use crashworthy_supervisor::{Shutdown, SlotExt, Supervisor};
use tokio::sync::Notify;

use crate::world::{Diary, MS, Nurse, SECOND, crash, held, over, soon, until, worker};

/// How long a start may take that hangs.
const HANG: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_child_that_clings_to_life_is_killed_and_named() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { clings: true, ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).within(20 * MS));
    let system = System::start(top).await.expect("it starts");
    let report = over(system).await;
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
    let report = over(system).await;
    diary.reads("+a, +b, -a shutdown").await;
    diary.is_read();
    assert!(report.stragglers.is_empty(), "it ended as it was to: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_stop_in_reverse_order_each_in_its_way() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck), (d, dk)] = ["a", "b", "c", "d"].map(|name| worker(name, &diary));
    let done = Arc::new(Notify::new());
    let bk = Nurse { lingers: Some(done.clone()), ..bk };
    let dk = Nurse { clings: true, ..dk };
    let top = Supervisor::one_for_one("top")
        .child(a.child(ak))
        .child(b.child(bk).shutdown(Shutdown::Unlimited))
        .child(c.child(ck).shutdown(Shutdown::BrutalKill))
        .child(d.child(dk).within(10 * MS));
    let system = System::start(top).await.expect("it starts");
    let stopping = tokio::spawn(over(system));
    diary.reads("+a, +b, +c, +d, -d shutdown, -b shutdown").await;
    assert!(!c.is_alive() && !d.is_alive() && a.is_alive() && !stopping.is_finished(), "`b` is waited for");
    diary.is_read();
    done.notify_one();
    diary.reads("b is done, -a shutdown").await;
    let report = soon(stopping).await.expect("no panic");
    let named: Vec<_> = report.stragglers.iter().map(|late| (late.path.as_str(), late.abandoned)).collect();
    assert_eq!(named, [("top/d", false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_does_not_trap_exits_ends_at_its_next_await() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { traps: false, ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak).shutdown(Shutdown::Unlimited));
    let system = System::builder().drain(Duration::ZERO).start(top).await.expect("it starts");
    diary.reads("+a").await;
    let _never = held(&a, &mut diary).await;
    let report = over(system).await;
    assert!(report.stragglers.is_empty(), "{report}");
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_ends_in_its_own_way_while_it_is_asked_is_no_straggler() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { at_stop: Some(Arc::new(|_| panic!("on the way out"))), ..ak };
    let system = System::start(Supervisor::one_for_one("top").child(a.child(ak))).await.expect("it starts");
    let report = over(system.clone()).await;
    diary.reads("+a, -a shutdown").await;
    assert!(report.stragglers.is_empty(), "{report}");
    assert_eq!(system.crashes().0, 1, "its panic is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_in_a_start_while_the_system_stops_is_named() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let gate = Arc::new(Notify::new());
    let bk = Nurse { gate: Some(gate.clone()), ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).start_within(HANG).within(20 * MS));
    gate.notify_one();
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, b waits, +b").await;
    crash(&b);
    diary.reads("-b crashed, b waits").await;
    let report = over(system).await;
    diary.reads("-a shutdown").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned, late.callback), ("top/b", false, Some(Callback::Init)), "{report}");
    // Times are told in steps of a millisecond.
    assert!(late.after >= HANG && late.hung_for + 5 * MS >= HANG, "{late:?}");
    assert!(late.to_string().contains("in init for"), "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_with_a_limit_of_its_own_is_killed_with_all_below() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { clings: true, ..bk };
    let below = Supervisor::one_for_one("below").shutdown(Shutdown::Within(20 * MS));
    let below = below.child(b.child(bk).shutdown(Shutdown::Unlimited));
    let system =
        System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(below)).await.expect("it starts");
    let report = over(system).await;
    diary.reads("+a, +b, -b shutdown, -a shutdown").await;
    let named: Vec<_> = report.stragglers.iter().map(|late| late.path.as_str()).collect();
    assert_eq!(named, ["top/below", "top/below/b"], "{report}");
    // Not the 5 s that a child has unless told otherwise, let alone no limit.
    assert!(report.took < 4 * SECOND, "{report}");
    until(|| !b.is_alive()).await;
}
