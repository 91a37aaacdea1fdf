//! It answers when nothing else does.

use serde_json::json;

use crate::support::{Shop, Till, Watch, until};

#[test]
fn while_every_worker_is_blocked_it_answers_and_says_by_whom() {
    let shop = Shop::open();
    let blocked = [shop.block(&shop.left), shop.block(&shop.right)];
    for _ in 0..7 {
        shop.left.tell(Till::Sell).unwrap();
    }
    // What it says may be a moment old.
    let left = until("what waits is seen", || {
        let left = shop.ask("/actor?actor=left").json();
        (left["depth"] == 7).then_some(left)
    });
    assert_eq!((&left["doing"]["message"], &left["doing"]["on_thread"]), (&json!("Block"), &json!(true)));
    assert_eq!(shop.ask_as_anybody("/livez").status, 200, "others could go on");
    assert_eq!(shop.ask_as_anybody("/readyz").status, 200, "there is room in their mailboxes");
    assert!(shop.ask("/metrics").body.contains("\ncrashworthy_turns_total{"));
    assert_eq!(shop.ask_as_anybody("/").status, 200);

    let mut watch = Watch::begin(&shop, "?sort=in_hand");
    let picture = watch.until("picture");
    assert_eq!(picture["system"]["queued"], 7);
    let blocks = |row: &serde_json::Value| row["doing"]["message"] == "Block";
    assert_eq!(picture["top"]["rows"].as_array().unwrap().iter().filter(|row| blocks(row)).count(), 2, "{picture}");

    drop(blocked);
    assert_eq!(shop.total(&shop.left), 7);
}

#[test]
fn while_every_thread_that_there_may_be_is_blocked_it_is_not_ready_and_says_where() {
    let shop = Shop::open();
    // Workers, and those that stand in for them.
    let crowd = shop.crowd(32);
    let blocked: Vec<_> = crowd.members.iter().map(|member| shop.ask_to_block(member)).collect();
    let unready = until("nobody gets on for a second", || {
        Some(shop.ask_as_anybody("/readyz")).filter(|answer| answer.status == 503)
    });
    assert_eq!(unready.json(), json!({ "ok": false, "reasons": ["stuck"] }));
    let still = &shop.ask("/readyz").json()["still"][0];
    assert!(still["name"] == "shop" && still["still_for_ms"].as_f64() >= Some(1_000.0), "{still}");
    assert_eq!(Watch::begin(&shop, "").until("picture")["health"]["ready"], false);
    drop(blocked);
    until("somebody gets on", || (shop.ask_as_anybody("/readyz").status == 200).then_some(()));
}
