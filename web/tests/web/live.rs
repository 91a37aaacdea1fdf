//! What a page that is watched is told.

use std::time::Duration;

use crashworthy::prelude::*;
use crashworthy_console::Watched;
use crashworthy_web::{Limits, Web};
use serde_json::{Value, json};

use crate::support::{Shop, Till, Watch, until};

fn quick() -> Shop {
    Shop::within(Limits { picture_every: Duration::from_millis(20), ..Limits::default() })
}

fn paths(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("it is a list").iter().map(|row| row["path"].as_str().expect("it has a path")).collect()
}

/// Applies a frame to those before it.
fn take(list: &mut Watched, frame: &Value) {
    list.take(serde_json::from_value(frame.clone()).expect("it is a frame")).expect("none is missing");
}

#[test]
fn there_is_a_picture_at_once_and_later_ones_show_what_has_happened_since() {
    let shop = quick();
    let mut watch = Watch::begin(&shop, "");
    let (name, info) = watch.next().expect("something is told");
    assert_eq!((name.as_str(), &info["system"]), ("info", &json!("shop")));
    let (name, first) = watch.next().expect("something is told");
    assert_eq!(name, "picture");
    assert_eq!(paths(&first["tree"]["rows"]), ["shop", "shop/left", "shop/right"]);
    assert_eq!((&first["tree"]["whole"], &first["top"]["whole"]), (&json!(true), &json!(true)));
    let (mut tree, mut top) = (Watched::default(), Watched::default());
    take(&mut tree, &first["tree"]);
    take(&mut top, &first["top"]);
    assert_eq!((&first["tree"]["total"], &first["health"]["ready"]), (&json!(3), &json!(true)));
    let (name, crashes) = watch.next().expect("something is told");
    assert_eq!((name.as_str(), &crashes["total"]), ("crashes", &json!(0)));

    assert!(first["system"]["past"].is_array(), "how it was is told at once");

    let held = shop.block(&shop.right);
    for _ in 0..3 {
        shop.right.tell(Till::Sell).unwrap();
    }
    let later = loop {
        let later = watch.until("picture");
        assert_eq!(later["tree"]["whole"], false, "what was told is not told again");
        assert!(later["system"].get("past").is_none(), "and once");
        take(&mut tree, &later["tree"]);
        take(&mut top, &later["top"]);
        if later["system"]["queued"] == 3 {
            break later;
        }
    };
    let top = top.actors().expect("it is known").rows;
    assert_eq!(top[0].path, "shop/right", "the longest queue comes first");
    let tree = tree.tree().expect("it is known").nodes;
    let names: Vec<_> = tree.iter().map(|node| node.row.path.as_str()).collect();
    assert_eq!((names, tree[2].row.depth), (vec!["shop", "shop/left", "shop/right"], 3));
    assert!(later["system"]["at_ms"].as_f64() > first["system"]["at_ms"].as_f64());
    drop(held);
}

#[test]
fn a_crash_is_told_when_it_has_happened_and_not_again() {
    let shop = quick();
    let mut watch = Watch::begin(&shop, "");
    assert_eq!(watch.until("crashes")["reports"], json!([]));
    shop.left.tell(Till::Break("the drawer is stuck")).unwrap();
    let crashes = watch.until("crashes");
    let newest = &crashes["reports"][0];
    assert_eq!((&newest["path"], &newest["crash"]["message"]), (&json!("shop/left"), &json!("the drawer is stuck")));
    assert_eq!(newest["backtrace"], Value::Null);
    for _ in 0..6 {
        assert_ne!(watch.next().expect("it goes on").0, "crashes");
    }
}

#[test]
fn events_are_told_as_they_happen_each_once_and_beginnings_and_ends_too() {
    let shop = quick();
    let mut watch = Watch::begin(&shop, "");
    let first = watch.until("events");
    let mut last = first["last"].as_u64().expect("a number");
    let patience = std::time::Instant::now() + crate::support::PATIENCE;
    for why in ["the drawer is stuck", "and stuck again"] {
        shop.left.tell(Till::Break(why)).unwrap();
        let mut told: Vec<String> = Vec::new();
        while !told.last().is_some_and(|text| text.starts_with("has started")) {
            assert!(std::time::Instant::now() < patience, "waited in vain: {told:?}");
            for event in watch.until("events")["events"].as_array().expect("events") {
                let seq = event["seq"].as_u64().expect("a number");
                assert_eq!(seq, last + 1, "none is missing, and none comes twice");
                last = seq;
                told.push(event["text"].as_str().expect("text").to_owned());
            }
        }
        assert!(told.iter().any(|text| text.contains(why)), "{told:?}");
    }
}

#[test]
fn whoever_watches_chooses_which_actors_come_first() {
    let shop = quick();
    assert_eq!(shop.total(&shop.right), 0);
    let first = |query: &str| paths(&Watch::begin(&shop, query).until("picture")["top"]["rows"]).join(" ");
    until("it is counted", || (first("?sort=handled") == "shop/right shop shop/left").then_some(()));
    assert_eq!(first("?sort=path"), "shop shop/left shop/right");
    assert_eq!(first("?text=Cashier&sort=path"), "shop/left shop/right");
}

#[test]
fn what_cannot_be_told_is_told_as_trouble_and_the_stream_goes_on() {
    let limits = crashworthy::console::Limits { answer: 4096, ..Default::default() };
    let web = Limits { picture_every: Duration::from_millis(20), ..Limits::default() };
    let shop = Shop::made_of(Console::default().limits(limits), Web::default().limits(web));
    let crowd = shop.crowd(40);
    let mut watch = Watch::begin(&shop, "");
    assert_eq!(watch.until("trouble")["code"], "answer_too_long");
    drop(crowd);
    watch.until("picture");
}

#[test]
fn there_are_so_many_watchers_and_one_that_leaves_makes_room() {
    let shop = Shop::within(Limits { watchers: 2, picture_every: Duration::from_millis(20), ..Limits::default() });
    let mut there: Vec<_> = (0..2).map(|_| Watch::begin(&shop, "")).collect();
    let more = shop.ask("/live");
    assert_eq!((more.status, more.code().as_str()), (503, "too_many_watchers"));
    for watch in &mut there {
        watch.until("picture");
    }
    assert_eq!(shop.ask_as_anybody("/livez").status, 200);
    drop(there.pop());
    until("there is room", || {
        let at = shop.web.addr();
        let mut raw = crate::support::Raw::connect(at);
        raw.say(format!("GET /live HTTP/1.1\r\nHost: {at}\r\n{}\r\n", shop.bearer()).as_bytes()).unwrap();
        raw.head().filter(|(status, _)| *status == 200)
    });
}

#[test]
fn the_stream_ends_with_the_system() {
    let shop = quick();
    let mut watch = Watch::begin(&shop, "");
    watch.until("picture");
    shop.runtime.block_on(shop.system.stop());
    while watch.next().is_some() {}
}
