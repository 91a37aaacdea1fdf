//! What is known of the supervisors themselves, without asking them.

use crashworthy_runtime::System;
use crashworthy_supervisor::{Backoff, Dynamic, MemberKind, SlotExt, Strategy, Supervisor, SupervisorInfo, SystemExt};

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
