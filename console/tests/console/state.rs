//! What actors show of their state, over the socket and by the command.

use crashworthy::console::Limits;
use crashworthy::{Callback, Shown, ViewError};
use crashworthy_console::ClientError;
use crashworthy_console::protocol::{ActorState, Code, Seen};
use serde_json::{Value, json};

use crate::command::{data, run, said};
use crate::support::{PATIENCE, Shop, Till, until};

#[test]
fn an_actor_shows_what_its_author_says_and_a_supervisor_nothing() {
    // However slow the machine is.
    let shop = Shop::with(Limits { state_within: PATIENCE, ..Limits::default() });
    for _ in 0..3 {
        shop.left.tell(Till::Sell).unwrap();
    }
    assert_eq!(shop.total(&shop.left), 3);
    let mut client = shop.client();
    let state: ActorState = client.ask("state", &json!({ "actor": "left" })).unwrap();
    assert_eq!((state.path.as_str(), state.pid), ("shop/front/left", shop.left.pid()));
    let Seen::State(view) = state.seen else { panic!("{state:?}") };
    assert_eq!((view.find("sold"), view.find("pin")), (Some(&Shown::Count(3)), Some(&Shown::Secret)));

    let silent: ActorState = client.ask("state", &json!({ "actor": "shop" })).unwrap();
    assert!(matches!(&silent.seen, Seen::State(view) if view.is_empty()), "{silent:?}");
    match client.ask::<Value>("state", &json!({ "actor": "nobody" })) {
        Err(ClientError::Refused(why)) => assert_eq!(why.code, Code::NotFound),
        other => panic!("{other:?}"),
    }
    match client.ask::<Value>("state", &json!({})) {
        Err(ClientError::Refused(why)) => assert_eq!(why.code, Code::BadArguments),
        other => panic!("{other:?}"),
    }

    let text = said(&shop.dir, &["state", "shop/front/left"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("shop/front/left <") && lines[0].ends_with("Cashier"), "{text}");
    assert_eq!(&lines[1..], ["  sold: 3", "  pin: (secret)"]);
    let data = data(&shop.dir, &["state", "left", "--json"]);
    assert_eq!(data["state"]["entries"][0], json!({ "name": "sold", "value": { "count": 3 } }));
    assert!(said(&shop.dir, &["state", "front"]).contains("shows nothing of its state"));
}

#[test]
fn while_every_worker_is_blocked_it_says_in_what_the_actor_is_busy() {
    let shop = Shop::open();
    let blocked = [shop.block(&shop.left), shop.block(&shop.right)];
    let mut client = shop.client();
    let state: ActorState = client.ask("state", &json!({ "actor": "left" })).unwrap();
    let Seen::Unseen(ViewError::Busy { callback: Some(Callback::Handle), message: Some(message), held }) = state.seen
    else {
        panic!("{state:?}")
    };
    assert_eq!(message, "Block");
    assert!(held >= client.hello().limits.state_within / 2, "{held:?}");
    let (code, text, _) = run(&shop.dir, &["state", "left"]);
    assert!(code == 1 && text.contains("  busy in handle Block for "), "{code} {text}");
    drop(blocked);
    assert_eq!(shop.total(&shop.left), 0);
    until("it has a turn", || run(&shop.dir, &["state", "left"]).1.contains("sold: 0").then_some(()));
}

#[test]
fn clients_that_ask_at_once_are_all_answered() {
    let shop = Shop::open();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| shop.client()).collect();
        for mut client in clients {
            scope.spawn(move || {
                for _ in 0..3 {
                    let state: ActorState = client.ask("state", &json!({ "actor": "left" })).expect("it answers");
                    assert_eq!(state.path, "shop/front/left");
                }
            });
        }
    });
    shop.assert_serves();
}
