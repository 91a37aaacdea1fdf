//! The console answers when nothing else does.

use crashworthy_console::protocol::{Actors, SystemView};
use serde_json::json;

use crate::support::{Shop, Till};

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
