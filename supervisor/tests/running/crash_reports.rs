//! A crash report is complete, and says what the supervisor decided.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Budget, Context, Decision, Exit, Ruling, Sender, Siblings, Slot, System};
use crashworthy_supervisor::{AutoShutdown, Backoff, Dynamic, Restart, SlotExt, Supervisor, SystemExt, Told};
use tracing::Level;

use crate::crash_world::{ALONE, Ask, Cashier, Till, crashes, decisions, is_crash, until_crashed};
use crate::ear::Ear;
use crate::world::{Diary, Job, MS, Nurse, SECOND, Script, Worker, counted, crash, over, soon, until, worker};

/// Asks the till when it is told to.
struct Desk(ActorRef<Cashier>);

impl Actor for Desk {
    type Args = ActorRef<Cashier>;
    type Msg = Ask;

    async fn init(till: Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(till))
    }

    async fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> Result<(), Exit> {
        self.0.ask(|reply| Till::Split { reply }).await.expect_err("the till crashes");
        Ok(())
    }
}

#[tokio::test]
async fn a_crash_report_has_reason_place_message_sender_kinds_tree_incarnation_budget_and_decision() {
    let (ear, _guard) = Ear::open();
    let (till, desk) = (Slot::<Cashier>::named("till"), Slot::<Desk>::named("desk"));
    let front = Supervisor::one_for_one("front").intensity(3, 500 * SECOND).child(till.child(()));
    let shop = Supervisor::one_for_one("shop").child(front).child(desk.child(till.address()));
    let system = System::start(shop).await.expect("it starts");
    let mut asked = Duration::ZERO;
    for crashed in 1..=2 {
        for _ in 0..20 {
            till.tell(Till::Sell).expect("it can be told");
        }
        till.settled().await;
        tokio::time::sleep(5 * MS).await;
        asked = system.now();
        desk.tell(Ask).expect("it can be told");
        until_crashed(crashed, &system).await;
        until(|| till.is_alive()).await;
    }
    let report = crashes(&system).pop().expect("there are two");

    assert_eq!(report.crash.message, "zero ways");
    assert!(report.crash.panicked && report.crash.location.as_deref().is_some_and(|at| at.contains("crash_world.rs")));
    assert_eq!(report.backtrace.is_some(), std::env::var_os("RUST_BACKTRACE").is_some_and(|set| set != "0"));
    let in_hand = report.in_hand.as_ref().expect("it had a message in hand");
    assert_eq!((&*in_hand.kind, in_hand.asked), ("Split", true));
    assert_eq!(in_hand.from, Sender::Another { id: desk.id(), path: Some("shop/desk".into()) });
    // The clock of stamps is a coarse one, and reports tell whole milliseconds.
    let since = report.at + 3 * MS - asked;
    assert!(in_hand.sent_ago <= since && in_hand.taken_ago <= since, "{in_hand:?}");
    let kinds: Vec<_> = report.recent.iter().map(|handled| &*handled.kind).collect();
    assert_eq!(kinds, [["Sell"; 15].as_slice(), &["Split"]].concat());
    assert!(report.recent.is_sorted_by(|earlier, later| earlier.age >= later.age), "the oldest first");
    assert!(report.recent[14].age - report.recent[15].age >= 3 * MS, "{:?}", report.recent);
    assert_eq!((&*report.path, report.name.as_deref()), ("shop/front/till", Some("till")));
    assert!(report.kind.ends_with("::Cashier"));
    assert_eq!((report.pid.id, report.pid.incarnation, report.restarts), (till.id(), 2, 1));
    assert!(report.at > Duration::ZERO && report.at <= system.now());
    let verdict = report.judgement.verdict().expect("it was judged");
    assert_eq!((&*verdict.by, &*verdict.child), ("shop/front", "till"));
    let budget = Budget { restarts: 2, allowed: 3, period: 500 * SECOND };
    assert_eq!((verdict.ruling, budget.left()), (Ruling { decision: ALONE, budget }, 1));

    let text = report.to_string();
    for part in [
        "crash of shop/front/till",
        "panic in handle: zero ways",
        "Split, asked by shop/desk",
        "15 of Sell",
        "incarnation 2, restarted once before",
        "restarted (by shop/front)",
        "2 of 3 restarts in 500s, 1 left",
    ] {
        assert!(text.contains(part), "`{part}` in:\n{text}");
    }

    // One event a crash, with both in it.
    let said = ear.which(|said| said.level == Level::ERROR);
    assert_eq!((said.len(), report.logged), (2, true), "{said:?}");
    let is = |name: &str, value: &str| assert_eq!(said[1].get(name), value, "{name}");
    is("message", "actor crashed: zero ways");
    is("supervisor", "shop/front");
    is("context", "child_terminated");
    is("child", "till");
    is("decision", "restarted (by shop/front)");
    is("budget", "2 of 3 restarts in 500s, 1 left");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_is_one_too_many_says_that_the_supervisor_gives_up() {
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let below =
        Supervisor::one_for_one("below").restart(Restart::Temporary).intensity(1, 60 * SECOND).child(a.child(ak));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    crash(&a);
    soon(a.ask(Job::Counted)).await.expect("it is restarted");
    crash(&a);
    until_crashed(2, &system).await;
    assert_eq!(decisions(&system), [ALONE, Decision::GiveUp]);
    let budgets = crashes(&system).into_iter().map(|report| report.judgement.verdict().expect("judged").ruling.budget);
    assert_eq!(budgets.map(|budget| (budget.restarts, budget.left())).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decided_says_who_is_restarted_with_it_and_how_long_that_waits() {
    type Strategy = fn(&'static str) -> Supervisor;
    let strategies: [(Strategy, _); 3] = [
        (|name| Supervisor::one_for_one(name), Siblings::Nobody),
        (|name| Supervisor::one_for_all(name), Siblings::All),
        (|name| Supervisor::rest_for_one(name), Siblings::Later),
    ];
    let long = Backoff::new(100_000 * SECOND, 100_000 * SECOND);
    for ((strategy, with), waits) in strategies.into_iter().flat_map(|of| [(of, false), (of, true)]) {
        let diary = Diary::new();
        let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
        let supervisor = if waits { strategy("top").backoff(long) } else { strategy("top") };
        let system = System::start(supervisor.child(a.child(ak)).child(b.child(bk))).await.expect("it starts");
        crash(&a);
        until_crashed(1, &system).await;
        let decided = decisions(&system);
        assert!(
            matches!(decided[..], [Decision::Restart { with: who, wait }] if who == with && wait.is_zero() != waits),
            "{decided:?}"
        );
        over(system).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_temporary_child_is_left_ended_and_a_significant_one_ends_its_supervisor() {
    let diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below")
        .restart(Restart::Temporary)
        .auto_shutdown(AutoShutdown::AllSignificant)
        .child(a.child(ak).restart(Restart::Temporary))
        .child(b.child(bk).restart(Restart::Temporary).significant())
        .child(c.child(ck).restart(Restart::Temporary).significant());
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    for (times, child) in (1..).zip([&a, &b, &c]) {
        crash(child);
        until_crashed(times, &system).await;
    }
    assert_eq!(decisions(&system), [Decision::LeaveEnded, Decision::LeaveEnded, Decision::ShutDown]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_crashes_says_whether_it_is_tried_again() {
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").intensity(5, 60 * SECOND);
    let system = System::start(top.child(a.child(Nurse { failing: (2, 1), ..ak }))).await.expect("it starts");
    crash(&a);
    assert_eq!(counted(&a).await, 0);
    assert_eq!(decisions(&system), [ALONE, Decision::Retry]);
    let starts = crashes(&system).iter().map(|report| report.pid.incarnation).collect::<Vec<_>>();
    assert_eq!(starts, [1, 2]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_request_that_crashes_says_that_whoever_asked_is_told() {
    let diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    soon(crowd.start(Nurse { failing: (1, 9), ..Nurse::new("b", &diary) })).await.expect_err("it fails");
    assert_eq!(decisions(&system), [Decision::Refuse]);
    let verdict = crashes(&system).remove(0).judgement;
    assert_eq!(verdict.verdict().map(|verdict| (&*verdict.by, &*verdict.child)), Some(("top/crowd", "crowd")));
    over(system).await;
}

#[tokio::test]
async fn a_first_start_that_crashes_says_that_the_supervisor_fails_to_start() {
    let (ear, _guard) = Ear::open();
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(Nurse { failing: (1, 9), ..ak }));
    System::start(top).await.expect_err("its child does not start");
    let said = ear.which(is_crash);
    let told: Vec<_> = said.iter().map(|said| (said.get("context"), said.get("decision"))).collect();
    assert_eq!(told, [("start_error", "the supervisor fails to start (by top)")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_way_of_a_stop_says_that_it_was_being_stopped() {
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let at_stop: Script = Arc::new(|_| panic!("at the end"));
    let top = Supervisor::one_for_one("top").child(a.child(Nurse { at_stop: Some(at_stop), ..ak }));
    let system = System::start(top).await.expect("it starts");
    over(system.clone()).await;
    assert_eq!(decisions(&system), [Decision::Stop]);
    let reports = system.supervisor_reports();
    assert_eq!((reports.counts.shutdown_error, reports.errors[0].told), (1, Told::Logged));
}
