//! What the console says is what is so.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crashworthy::prelude::*;
use crashworthy::{Pid, State};
use crashworthy_console::protocol::{
    ActorView, Actors, ActorsQuery, Code, Crashes, CrashesQuery, DeadLetters, Filter, Hello, PROTOCOL, ReportsQuery,
    ReportsView, Sort, SystemView, TreeQuery, TreeView, VERBS,
};
use crashworthy_console::{Application, Client, ClientError};
use serde_json::{Value, json};

use crate::command::{data, said};
use crate::support::{Cashier, Dir, PATIENCE, Raw, Shop, Till, until};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_client_is_greeted_with_version_limits_and_verbs() {
    let shop = Shop::open();
    let hello = shop.client().hello().clone();
    assert_eq!((hello.protocol, hello.system.as_str(), hello.role.as_str()), (PROTOCOL, "shop", "read_only"));
    assert_eq!((hello.process, hello.verbs), (std::process::id(), VERBS.map(str::to_owned).to_vec()));
    assert_eq!(shop.client().ask::<Value>("hello", &()).unwrap()["protocol"], PROTOCOL);
}

#[test]
fn a_client_is_told_what_the_service_is_where_it_runs_and_since_when() {
    let before = SystemTime::now();
    let application = Application { name: "shop".into(), version: "3.1.4".into(), commit: Some("c0ffee".into()) };
    let shop = Shop::built(|console| console.application(application.clone()));
    let hello = shop.client().hello().clone();
    assert_eq!(hello.application, Some(application));
    let host = hello.host.expect("it is told");
    assert!(host.addresses.iter().all(|ip| !ip.is_loopback()));
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    assert_eq!(host.name, name.filter(|name| !name.is_empty()));
    let started = UNIX_EPOCH + Duration::from_millis(hello.started_unix_ms.expect("it is told") + 1);
    assert!(started >= before && started <= SystemTime::now() + Duration::from_millis(1));
    // A server that is older tells none of it, and a service need not say anything.
    let mut older = shop.client().ask::<Value>("hello", &()).unwrap();
    let told = older.as_object_mut().unwrap();
    assert!(["application", "host", "started_unix_ms"].iter().all(|field| told.remove(*field).is_some()));
    let older: Hello = serde_json::from_value(older).unwrap();
    assert_eq!((older.application, older.host, older.started_unix_ms), (None, None, None));
    assert_eq!(Shop::open().client().hello().application, None);
    let systems = data(&shop.dir, &["ps", "--json"]);
    assert_eq!(systems[0]["hello"]["application"]["commit"], "c0ffee");
    assert!(said(&shop.dir, &["ps"]).contains(" 3.1.4 c0ffee "));
}

#[test]
fn the_tree_has_everybody_below_their_parents() {
    let shop = Shop::open();
    let mut client = shop.client();
    let tree: TreeView = client.ask("tree", &TreeQuery::default()).unwrap();
    let told: Vec<_> = tree.nodes.iter().map(|node| (node.level, node.row.path.as_str(), node.row.children)).collect();
    assert_eq!(told, [(0, "shop", 1), (1, "shop/front", 2), (2, "shop/front/left", 0), (2, "shop/front/right", 0)]);
    assert!(tree.nodes.iter().all(|node| node.row.state == State::Running), "{tree:?}");

    let supervises: Vec<_> = tree.nodes.iter().map(|node| Some(&*node.row.supervises.as_ref()?.text)).collect();
    let expected = ["one_for_one, 0 of 1 restarts in 5s, 1 left", "one_for_one, 0 of 3 restarts in 60s, 3 left"];
    assert_eq!(supervises, [Some(expected[0]), Some(expected[1]), None, None]);

    let branch = TreeQuery { path: Some("front".into()), levels: Some(1), ..TreeQuery::default() };
    let tree: TreeView = client.ask("tree", &branch).unwrap();
    let told: Vec<_> = tree.nodes.iter().map(|node| (node.level, node.row.path.as_str())).collect();
    assert_eq!((told, tree.total), (vec![(0, "shop/front")], 3));
    let few: TreeView = client.ask("tree", &TreeQuery { limit: Some(2), ..TreeQuery::default() }).unwrap();
    assert_eq!((few.nodes.len(), few.total), (2, 4));
}

#[test]
fn numbers_are_those_that_the_test_knows() {
    let shop = Shop::open();
    let mut client = shop.client();
    for _ in 0..5 {
        shop.left.tell(Till::Sell).unwrap();
    }
    assert_eq!(shop.total(&shop.left), 5);
    let held = shop.block(&shop.right);
    for _ in 0..3 {
        shop.right.tell(Till::Sell).unwrap();
    }

    // A picture may be as old as it took to take it, ten times over.
    let right = until("the console sees what is queued", || {
        let right: ActorView = client.ask("actor", &json!({ "actor": "right" })).unwrap();
        (right.row.depth == 3).then_some(right)
    });
    let doing = right.row.doing.expect("it has a message in hand");
    assert_eq!((doing.message.as_deref(), doing.callback), (Some("Block"), Some(crashworthy::Callback::Handle)));
    assert_eq!((right.law.in_hand, right.law.queued, right.law.handled), (1, 3, 0));
    let parent = right.parent.expect("it is supervised");
    assert_eq!(parent.path.as_deref(), Some("shop/front"));
    assert_eq!(Some(parent.pid), shop.system.inspect(right.row.pid).and_then(|right| right.parent));

    let left: ActorView = client.ask("actor", &json!({ "actor": left_id(&shop) })).unwrap();
    assert_eq!((left.row.path.as_str(), left.row.handled, left.row.depth), ("shop/front/left", 6, 0));
    let view: SystemView = client.ask("system", &()).unwrap();
    assert_eq!((view.actors, view.queued, view.crashes), (4, 3, 0));
    assert!(view.busy >= 1);
    drop(held);
    assert_eq!(shop.total(&shop.right), 3);
}

/// The id of `left`, as it is printed.
fn left_id(shop: &Shop) -> String {
    let actors = shop.system.snapshot().actors;
    let left = actors.iter().find(|actor| actor.name.as_deref() == Some("left")).expect("it is there");
    left.pid.id.to_string()
}

#[test]
fn actors_are_filtered_and_sorted_and_counted_where_they_are() {
    let shop = Shop::open();
    let mut client = shop.client();
    let held = shop.block(&shop.right);
    for _ in 0..3 {
        shop.right.tell(Till::Sell).unwrap();
    }
    shop.left.tell(Till::Sell).unwrap();
    assert_eq!(shop.total(&shop.left), 1);
    let mut ask = |filter: Filter, sort, limit| -> (usize, Vec<String>) {
        let query = ActorsQuery { filter, sort, limit, ..ActorsQuery::default() };
        let actors: Actors = client.ask("actors", &query).unwrap();
        assert_eq!(actors.total, 4);
        (actors.matched, actors.rows.into_iter().map(|row| row.path).collect())
    };
    let all = Filter::default;
    until("the console sees what is queued", || {
        (ask(all(), Sort::Depth, Some(1)) == (4, vec!["shop/front/right".to_owned()])).then_some(())
    });
    assert_eq!(ask(all(), Sort::Path, Some(2)), (4, vec!["shop".to_owned(), "shop/front".to_owned()]));
    // Who has something in hand has the oldest message.
    assert_eq!(ask(all(), Sort::Oldest, Some(1)).1, ["shop/front/right"]);
    let tills = Filter { text: Some("Cashier".into()), ..all() };
    assert_eq!(ask(tills, Sort::Path, None).1, ["shop/front/left", "shop/front/right"]);
    let busy = Filter { busy: true, under: Some("shop/front".into()), min_depth: 1, ..all() };
    assert_eq!(ask(busy, Sort::InHand, None).1, ["shop/front/right"]);
    let down = Filter { state: Some(State::Restarting), ..all() };
    assert_eq!(ask(down, Sort::Restarts, None), (0, vec![]));
    drop(held);
    let mut reversed = |sort| {
        let query = ActorsQuery { sort, reversed: true, ..ActorsQuery::default() };
        let rows = client.ask::<Actors>("actors", &query).unwrap().rows;
        rows.into_iter().map(|row| row.path).collect::<Vec<_>>()
    };
    assert_eq!(reversed(Sort::Path), ["shop/front/right", "shop/front/left", "shop/front", "shop"]);
    assert_eq!(reversed(Sort::Depth), ["shop", "shop/front", "shop/front/left", "shop/front/right"], "least first");
}

#[test]
fn a_crash_is_told_with_what_was_decided_and_what_was_lost() {
    let shop = Shop::open();
    let mut client = shop.client();
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);

    let query = CrashesQuery { under: Some("shop/front".into()), ..CrashesQuery::default() };
    let crashes: Crashes = client.ask("crashes", &query).unwrap();
    assert_eq!((crashes.total, crashes.reports), (1, shop.system.crashes().1));
    let elsewhere = CrashesQuery { under: Some("shop/front/right".into()), ..CrashesQuery::default() };
    assert_eq!(client.ask::<Crashes>("crashes", &elsewhere).unwrap().matched, 0);
    let pid = shop.system.crashes().1[0].pid;
    let of = |pid| CrashesQuery { of: Some(pid), ..CrashesQuery::default() };
    assert_eq!(client.ask::<Crashes>("crashes", &of(pid)).unwrap().reports, shop.system.crashes().1);
    let next = Pid { incarnation: pid.incarnation + 1, ..pid };
    assert_eq!(client.ask::<Crashes>("crashes", &of(next)).unwrap().matched, 0);

    let reports: ReportsView = client.ask("reports", &ReportsQuery::default()).unwrap();
    assert_eq!((reports.counts.child_terminated, reports.matched), (1, 1));
    assert_eq!(reports.reports, shop.system.supervisor_reports().errors);
    let progress = ReportsQuery { progress: true, limit: Some(2), under: None };
    let progress: ReportsView = client.ask("reports", &progress).unwrap();
    let newest = shop.system.supervisor_reports().progress;
    assert_eq!(progress.reports, newest[newest.len() - 2..]);

    let letters = until("the console sees the message that was given up", || {
        let letters: DeadLetters = client.ask("dead_letters", &()).unwrap();
        (!letters.actors.is_empty()).then_some(letters)
    });
    assert_eq!((letters.total, letters.actors[0].path.as_str(), letters.actors[0].given_up), (1, "shop/front/left", 1));
    assert_eq!(letters.actors[0].restarts, 1);
}

#[test]
fn what_cannot_be_answered_is_refused_by_name_and_the_connection_goes_on() {
    let shop = Shop::open();
    let mut client = shop.client();
    let mut code = |verb: &str, args: Value| match client.ask::<Value>(verb, &args) {
        Err(ClientError::Refused(why)) => why.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code("actor", json!({ "actor": "nobody" })), Code::NotFound);
    assert_eq!(code("tree", json!({ "path": "shop/nobody" })), Code::NotFound);
    assert_eq!(code("kill", json!({ "actor": "shop" })), Code::UnknownVerb);
    assert_eq!(code("actor", json!({ "actor": 7 })), Code::BadArguments);
    assert_eq!(code("actors", json!({ "sort": "beauty" })), Code::BadArguments);
    let view: SystemView = client.ask("system", &json!({ "from the future": true })).unwrap();
    assert_eq!(view.name, "shop");
}

#[test]
fn a_name_that_several_have_means_none_of_them() {
    let (dir, runtime) = (Dir::new(), runtime());
    let branch = |name, till: &Slot<Cashier>| Supervisor::one_for_one(name).child(till.child(()));
    let tree = Supervisor::one_for_one("mall")
        .child(branch("north", &Slot::named("till")))
        .child(branch("south", &Slot::named("till")));
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().with(console).start(tree)).unwrap();
    let mut client = Client::connect(&system.console().unwrap(), PATIENCE).unwrap();
    let mut ask = |actor: &str| client.ask::<ActorView>("actor", &json!({ "actor": actor }));
    assert_eq!(ask("mall/south/till").unwrap().row.path, "mall/south/till");
    let why = ask("till").unwrap_err().to_string();
    assert_eq!(why, "2 actors have the name \"till\": a path tells them apart");
    runtime.block_on(system.stop());
}

#[test]
fn an_answer_that_would_be_too_long_is_refused_and_fewer_are_told() {
    let limits = crashworthy::console::Limits { answer: 4096, ..Default::default() };
    let shop = Shop::with(limits);
    let mut client = shop.client();
    let children: Vec<_> =
        (0..40).map(|_| shop.runtime.block_on(shop.system.spawn::<Cashier>(())).expect("it starts")).collect();
    let everybody = until("the console sees all of them", || match client.ask::<Actors>("actors", &json!({})) {
        Err(ClientError::Refused(why)) => Some(why.code),
        _ => None,
    });
    assert_eq!(everybody, Code::AnswerTooLong);
    let few: Actors = client.ask("actors", &json!({ "limit": 3 })).unwrap();
    assert_eq!((few.rows.len(), few.matched), (3, 44));
    drop(children);
}

#[test]
fn the_socket_is_the_users_alone_and_goes_with_the_system() {
    let shop = Shop::open();
    let mode = |path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(shop.socket.as_path()), 0o600);
    assert_eq!(mode(shop.socket.parent().unwrap()), 0o700);
    let mut client = Raw::greeted(&shop);
    shop.runtime.block_on(shop.system.stop());
    assert!(shop.dir.is_empty(), "whoever is told of the end finds no socket");
    assert_eq!(client.line(), None, "whoever is connected sees it, too");
}

#[test]
fn a_system_that_is_forgotten_takes_its_console_along() {
    let dir = Dir::new();
    let runtime = runtime();
    let system = {
        let _entered = runtime.enter();
        System::builder().with(Console::default().below(dir.path())).bare().unwrap()
    };
    let client = Client::connect(&system.console().unwrap(), PATIENCE).unwrap();
    drop(system);
    until("the socket goes", || dir.is_empty().then_some(()));
    drop(client);
}

#[test]
fn a_console_that_cannot_listen_keeps_no_system_from_starting_but_a_wrong_setting_does() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let system = System::builder().with(Console::default().below("/dev/null/nowhere")).bare().unwrap();
    assert_eq!(system.console(), None);
    let wrong = crashworthy::console::Limits { rows: 0, ..Default::default() };
    let refused = System::builder().with(Console::default().limits(wrong)).bare();
    assert_eq!(refused.map(drop).unwrap_err().to_string(), "console: 0 rows, allowed are 1 to 10000");
}

#[test]
fn who_asks_after_the_connection_was_closed_is_told_why_if_that_was_said() {
    let dir = Dir::new();
    let shop = Shop::open();
    let greeting = json!({ "hello": shop.client().hello() }).to_string();
    let farewell = json!({ "id": null, "error": { "code": "idle", "message": "no request for 30s" } }).to_string();
    for (place, farewell, told) in [
        ("a.sock", farewell + "\n", "it has closed the connection: no request for 30s"),
        ("b.sock", String::new(), "it has closed the connection"),
    ] {
        let place = dir.path().join(place);
        let listener = UnixListener::bind(&place).unwrap();
        let (greeting, (closed, is_closed)) = (greeting.clone() + "\n", channel());
        let server = std::thread::spawn(move || {
            let mut client = listener.accept().unwrap().0;
            client.write_all((greeting + &farewell).as_bytes()).unwrap();
            drop(client);
            closed.send(()).unwrap();
        });
        let mut client = Client::connect(&place, PATIENCE).unwrap();
        is_closed.recv().unwrap();
        let error = client.ask::<Value>("system", &()).unwrap_err();
        assert_eq!(error.to_string(), told, "{error:?}");
        server.join().unwrap();
    }
}

#[test]
fn whoever_begins_to_look_is_told_how_the_last_minute_was_if_he_asks() {
    let shop = Shop::open();
    let plain: Value = shop.client().ask("system", &json!({})).unwrap();
    assert!(plain.get("past").is_none(), "it is told on demand: {plain}");
    shop.right.tell(Till::Sell).unwrap();
    shop.total(&shop.right);
    // It needs no client: nobody asks for it in between.
    let (began, span) = (shop.system.now(), Duration::from_secs(4));
    until("some seconds have passed", || (shop.system.now() >= began + span).then_some(()));
    let told: Value = shop.client().ask("system", &json!({ "past": true })).unwrap();
    let past = told["past"].as_array().expect("there is one");
    let (at, turns) = (told["at_ms"].as_f64().unwrap(), told["turns"].as_u64().unwrap());
    assert!(past.len() >= 2 && past[0]["at_ms"].as_f64() < Some(at - 1_000.0), "{past:?}");
    let ats: Vec<_> = past.iter().map(|moment| moment["at_ms"].as_f64().unwrap()).collect();
    assert!(ats.windows(2).all(|pair| (pair[1] - pair[0] - 1_000.0).abs() < 0.01), "a second each: {ats:?}");
    assert!(ats[ats.len() - 1] <= at + 1_000.0);
    assert!(past.iter().all(|moment| moment["turns"].as_u64().unwrap() <= turns), "{past:?}");
    assert!(past.last().unwrap()["turns"].as_u64() > Some(0));
}
