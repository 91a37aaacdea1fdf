//! Whoever looks for what takes long keeps nobody waiting, himself included.

use serde_json::{Value, json};

use crate::support::{Raw, Shop};

/// What takes long to look for in any text.
const COSTLY: &str = "([a-z0-9]|.){10,40}[a-z0-9/-]{10,40}(x+x+)+y$";

#[test]
fn what_is_watched_by_a_pattern_holds_up_nothing_else_that_the_connection_is_told() {
    let shop = Shop::open();
    let _many = shop.adds(2_000);
    let mut raw = Raw::greeted(&shop);
    let mut watch = |id: u64, list: Value| {
        let watch = json!({ "id": id, "verb": "watch", "args": list });
        raw.say(format!("{watch}\n").as_bytes()).unwrap();
    };
    watch(7, json!({ "tree": { "limit": 1, "pattern": COSTLY }, "every_ms": 100 }));
    watch(8, json!({ "tree": { "limit": 1 }, "every_ms": 100 }));
    raw.say(b"{\"id\":9,\"verb\":\"system\"}\n").unwrap();
    let (mut answered, mut frames) = (false, 0);
    loop {
        let told = raw.line().expect("it is told more");
        match told["watch"].as_u64() {
            Some(8) => frames += 1,
            // Whatever has come of it.
            Some(7) => break,
            _ => answered |= told["id"] == 9,
        }
    }
    assert!(answered && frames > 0, "{answered}, {frames} frames");
    shop.assert_serves();
}
