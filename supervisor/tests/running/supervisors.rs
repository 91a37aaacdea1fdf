//! What is known of the supervisors themselves, without asking them.

use crashworthy_runtime::System;
use crashworthy_supervisor::{
    Backoff, Dynamic, IntoChild, MemberKind, Restart, SlotExt, Strategy, Supervisor, SupervisorInfo, SystemExt,
};

use crate::world::{Diary, MS, SECOND, Worker, crash, over, until, worker};

fn of(system: &System, path: &str) -> Option<SupervisorInfo> {
    system.supervisors().into_iter().find(|info| &*info.path == path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_supervisor_says_how_it_restarts_and_how_many_restarts_are_left_to_it() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let shop = Supervisor::one_for_all("shop").intensity(5, 3600 * SECOND).child(a.child(ak)).child(b.child(bk));
    let crowd = Dynamic::<Worker>::named("crowd").max_children(7).backoff(Backoff::new(MS, 2 * MS));
    let top = Supervisor::rest_for_one("top").intensity(1, 9 * MS).child(shop).child(crowd);
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b").await;

    let mut texts: Vec<_> = system.supervisors().iter().map(|info| format!("{}: {info}", info.path)).collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "top/crowd: one_for_one, dynamic, at most 7, 0 of 1 restarts in 5s, 1 left, back-off 1ms to 2ms",
            "top/shop: one_for_all, 0 of 5 restarts in 3600s, 5 left",
            "top: rest_for_one, 0 of 1 restarts in 9ms, 1 left",
        ]
    );
    for _ in 0..2 {
        crash(&a);
        diary.reads("-a crashed, -b shutdown, +a, +b").await;
    }
    until(|| of(&system, "top/shop").is_some_and(|shop| shop.budget.restarts == 2)).await;
    let shop = of(&system, "top/shop").expect("it lives");
    assert_eq!((shop.flags.strategy, shop.members, shop.budget.left()), (Strategy::OneForAll, MemberKind::Static, 3));
    assert_eq!(of(&system, "top").expect("it lives").budget.restarts, 0);

    // The next incarnation of a supervisor begins with nothing counted, and is told of in place of the one before.
    system.kill(shop.pid);
    until(|| of(&system, "top/shop").is_some_and(|next| next.pid != shop.pid)).await;
    let next = of(&system, "top/shop").expect("it lives");
    assert_eq!((next.pid.id, next.pid.incarnation, next.budget.restarts), (shop.pid.id, 2, 0));
    let json = serde_json::to_value(&next).expect("plain data");
    assert_eq!(
        (&json["strategy"], &json["members"], &json["budget"]["allowed"]),
        (&"one_for_all".into(), &"static".into(), &5.into())
    );

    // What was long ago counts no more: nobody has to look for that.
    until(|| of(&system, "top").is_some_and(|top| top.budget.restarts == 0)).await;
    let register = system.clone();
    over(system).await;
    assert_eq!(register.supervisors(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_child_is_restarted_is_told_as_long_as_it_may_be() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let crowd = Dynamic::<Worker>::named("crowd");
    let mixed = Dynamic::any("mixed").intensity(9, SECOND);
    let top = Supervisor::one_for_one("top").intensity(9, SECOND).child(a.child(ak));
    let top = top.child(b.child(bk).restart(Restart::Transient)).child(crowd.clone()).child(mixed.clone());
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b").await;
    let [c, d, e] = ["c", "d", "e"].map(|name| worker(name, &diary));
    let c = crowd.start(c.1).await.expect("it starts");
    let (d, e) = ((d.0.clone(), d.0.child(d.1)), (e.0.clone(), e.0.child(e.1).restart(Restart::Temporary)));
    mixed.start(d.1.into_child()).await.expect("it starts");
    mixed.start(e.1.into_child()).await.expect("it starts");
    diary.reads("+c, +d, +e").await;

    let pid = |path: &str| of(&system, path).expect("it lives").pid;
    let told = |supervisor: &str, child| system.standing(pid(supervisor), child).map(|standing| standing.restart);
    assert_eq!(told("top", a.pid()), Some(Restart::Permanent));
    assert_eq!(told("top", b.pid()), Some(Restart::Transient));
    assert_eq!(told("top/crowd", c.pid()), Some(Restart::Temporary));
    assert_eq!(told("top/mixed", d.0.pid()), Some(Restart::Permanent));
    assert_eq!(told("top/mixed", e.0.pid()), Some(Restart::Temporary));
    assert_eq!(system.standing(a.pid(), b.pid()), None, "that is no supervisor");
    let first = b.pid();
    assert_eq!(system.standing(pid("top"), first).map(|standing| standing.settled), Some(false));
    crash(&b);
    diary.reads("-b crashed, +b").await;
    assert_eq!(system.standing(pid("top"), b.pid()).map(|standing| standing.settled), Some(false));
    assert_eq!(told("top", b.pid()), Some(Restart::Transient));
    // Of whoever is not started again nothing is kept.
    crash(&e.0);
    diary.reads("-e crashed").await;
    until(|| told("top/mixed", e.0.pid()) != Some(Restart::Temporary)).await;
    let before = pid("top");
    over(system.clone()).await;
    assert_eq!(system.standing(before, a.pid()), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_exact_however_many_restarts_are_allowed_up_to_so_many_and_says_so_beyond() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let many = Supervisor::one_for_one("many").intensity(70, 3600 * SECOND).child(a.child(ak));
    let endless = Supervisor::one_for_one("endless").intensity(9_999, 3600 * SECOND).child(b.child(bk));
    let system = System::start(Supervisor::one_for_one("top").child(many).child(endless)).await.expect("it starts");
    diary.reads("+a, +b").await;
    for _ in 0..70 {
        crash(&a);
        diary.reads("-a crashed, +a").await;
    }
    let many = of(&system, "top/many").expect("it lives");
    assert_eq!((many.budget.restarts, many.budget.left(), many.is_exact()), (70, 0, true), "{many}");
    for _ in 0..4_097 {
        crash(&b);
        diary.reads("-b crashed, +b").await;
    }
    let endless = of(&system, "top/endless").expect("it lives");
    assert_eq!((endless.budget.restarts, endless.is_exact()), (4_096, false));
    assert_eq!(endless.to_string(), "one_for_one, 4096 or more of 9999 restarts in 3600s, what is left is not known");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_stopped_with_whom_is_told_by_strategy_and_start_order() {
    let mut diary = Diary::new();
    // By their names they are in another order.
    let [(c, ck), (a, ak), (b, bk)] = ["c", "a", "b"].map(|name| worker(name, &diary));
    let top =
        Supervisor::rest_for_one("top").intensity(9, SECOND).child(c.child(ck)).child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+c, +a, +b").await;
    crash(&a);
    diary.reads("-a crashed, -b shutdown, +a, +b").await;
    let top = of(&system, "top").expect("it lives").pid;
    let stops = |failed: crashworthy_runtime::ActorId, other| system.shares_fate(top, failed, other);
    assert_eq!(
        [stops(a.id(), c.id()), stops(a.id(), b.id()), stops(c.id(), a.id())],
        [Some(false), Some(true), Some(true)]
    );
    assert_eq!(system.shares_fate(a.pid(), c.id(), b.id()), None, "that is no supervisor");
    over(system).await;
}
