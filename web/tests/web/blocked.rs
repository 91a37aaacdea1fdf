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
    assert!(shop.ask("/metrics").body.ends_with("# EOF\n"));
    assert_eq!(shop.ask_as_anybody("/").status, 200);

    let mut watch = Watch::begin(&shop, "?sort=in_hand");
    let picture = watch.until("picture");
    assert_eq!(picture["system"]["queued"], 7);
    let blocks = |row: &serde_json::Value| row["doing"]["message"] == "Block";
    assert_eq!(picture["top"]["rows"].as_array().unwrap().iter().filter(|row| blocks(row)).count(), 2, "{picture}");

    drop(blocked);
    assert_eq!(shop.total(&shop.left), 7);
}
