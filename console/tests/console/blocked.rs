//! The console answers when nothing else does.

use std::time::Duration;

use crashworthy::{AskError, GateState, Reason};
use crashworthy_console::protocol::{Actors, Health, SystemView};
use serde_json::json;

use crate::command::run;
use crate::support::{Shop, Till, until};

#[test]
fn while_every_worker_is_blocked_it_says_by_whom_and_what_waits() {
    let shop = Shop::open();
    let blocked = [shop.block(&shop.left), shop.block(&shop.right)];
    for _ in 0..7 {
        shop.left.tell(Till::Sell).unwrap();
    }

    let mut client = shop.client();
    let busy: Actors = client.ask("actors", &json!({ "busy": true, "sort": "path", "under": "shop/front" })).unwrap();
    let told: Vec<_> =
        busy.rows.iter().filter_map(|row| Some((row.path.as_str(), row.doing.clone()?.message?))).collect();
    assert!(busy.rows.iter().all(|row| row.doing.as_ref().is_some_and(|doing| doing.on_thread)));
    assert_eq!(told, [("shop/front/left", "Block".to_owned()), ("shop/front/right", "Block".to_owned())]);
    assert_eq!(busy.rows.iter().find(|row| row.path.ends_with("left")).map(|row| row.depth), Some(7));
    let view: SystemView = client.ask("system", &()).unwrap();
    assert_eq!((view.busy, view.queued), (2, 7));

    drop(blocked);
    assert_eq!(shop.total(&shop.left), 7);
}

#[test]
fn who_refuses_because_it_is_stuck_is_seen_to_and_is_not_healthy() {
    let shop = Shop::open();
    let blocked = shop.block(&shop.left);
    let ask = || shop.left.ask(|reply| Till::Total { reply }).within(Duration::from_millis(20));
    until("somebody is told", || match shop.runtime.block_on(async { ask().await }) {
        Err(AskError::Refused(why)) if why.reason == Reason::Stuck => Some(()),
        Err(_) => None,
        Ok(total) => panic!("{total}"),
    });
    let mut client = shop.client();
    let shut: Actors = client.ask("actors", &json!({ "shut": true })).unwrap();
    let gates: Vec<_> = shut.rows.iter().map(|row| (row.path.as_str(), row.gate)).collect();
    assert_eq!(gates, [("shop/front/left", GateState::Stuck)]);
    let unhealthy = || Some(client.ask::<Health>("health", &()).unwrap()).filter(|health| !health.ready);
    let health = until("it has been for long", unhealthy);
    assert_eq!((health.total, health.unready[0].row.path.as_str()), (1, "shop/front/left"));
    let (code, text, _) = run(&shop.dir, &["health"]);
    assert!(code == 1 && text.contains("is stuck: who has less time"), "{code} {text}");
    drop(blocked);
    shop.total(&shop.left);
    // The answer is sent before the turn is over.
    until("it is healthy again", || (run(&shop.dir, &["health"]).0 == 0).then_some(()));
}
