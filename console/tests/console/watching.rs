//! Lists that are watched: told once, and then in steps, as they are.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crashworthy::ExitReason;
use crashworthy::console::Limits;
use crashworthy_console::protocol::{
    Actors, ActorsQuery, Code, Filter, Frame, FrameQuery, Node, Sort, TreeQuery, TreeView, WatchQuery, Watchable,
};
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::command::{crashworthy, run, said};
use crate::support::{Cashier, Raw, Shop, Till, until};

fn tills(every: Option<Duration>) -> WatchQuery {
    let filter = Filter { text: Some("Cashier".into()), ..Filter::default() };
    WatchQuery { of: Watchable::Actors(ActorsQuery { filter, sort: Sort::Path, ..ActorsQuery::default() }), every }
}

fn tree() -> WatchQuery {
    WatchQuery { of: Watchable::Tree(TreeQuery::default()), every: None }
}

fn names(rows: &[Node]) -> Vec<&str> {
    rows.iter().map(|node| node.row.path.rsplit('/').next().expect("a name")).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Code {
    match answer {
        Err(ClientError::Refused(why)) => why.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_first_frame_is_whole_and_the_next_ones_tell_what_has_changed() {
    let shop = Shop::open();
    let mut client = shop.client();
    let watch = client.watch(&tree()).unwrap();
    let mut frame = |whole| -> Frame { client.ask("frame", &FrameQuery { watch, whole }).unwrap() };
    let first = frame(false);
    assert_eq!((first.seq, first.whole, first.total), (1, true, 4));
    assert_eq!(names(&first.rows), ["shop", "front", "left", "right"]);
    assert!(first.wall > Duration::from_secs(1_700_000_000) && first.at < Duration::from_secs(3600));

    shop.right.tell(Till::Sell).unwrap();
    assert_eq!(shop.total(&shop.right), 1);
    let mut seq = 1;
    let changed = until("what has changed is told", || {
        let next = frame(false);
        seq += 1;
        assert_eq!((next.seq, next.whole, next.total), (seq, false, 4));
        next.rows.iter().find(|node| node.row.handled == 2).cloned()
    });
    assert_eq!(changed.row.path, "shop/front/right");

    // A crash: another incarnation comes, and the one before is removed.
    let before = shop.left.pid();
    shop.left.tell(Till::Break).unwrap();
    until("the next incarnation is told, and the end of the one before", || {
        let next = frame(false);
        let is_new = next.rows.iter().any(|node| node.row.pid == shop.left.pid() && node.row.restarts == 1);
        assert!(next.rows.len() < 4, "only what has changed: {next:?}");
        (is_new && next.removed.contains(&before)).then_some(())
    });
    let whole = frame(true);
    assert_eq!((whole.whole, names(&whole.rows)), (true, vec!["shop", "front", "left", "right"]));
}

#[test]
fn what_a_client_watches_is_what_it_would_be_answered() {
    let shop = Shop::open();
    let mut client = shop.client();
    let (tree_watch, tills_watch) = (client.watch(&tree()).unwrap(), client.watch(&tills(None)).unwrap());
    for round in 0..5 {
        shop.right.tell(Till::Sell).unwrap();
        if round == 2 {
            shop.left.tell(Till::Break).unwrap();
        }
        shop.total(&shop.left);
        shop.total(&shop.right);
        until("both tell the same look", || {
            let mut told = client.refresh(tree_watch).unwrap().tree().expect("it is known");
            told.nodes.iter_mut().for_each(|node| node.row.rates = None);
            let mut tills = client.refresh(tills_watch).unwrap().actors().expect("it is known");
            tills.rows.iter_mut().for_each(|row| row.rates = None);
            let tree: TreeView = client.ask("tree", &TreeQuery::default()).unwrap();
            let Watchable::Actors(query) = self::tills(None).of else { unreachable!() };
            let actors: Actors = client.ask("actors", &query).unwrap();
            // Of a system at rest a later look tells the same.
            (told.at, tills.at) = (tree.at, actors.at);
            (told == tree && tills == actors).then_some(())
        });
    }
}

#[test]
fn rates_are_true_to_what_happens() {
    let shop = Shop::open();
    let mut client = shop.client();
    let watch = client.watch(&tills(None)).unwrap();
    let held = shop.block(&shop.right);
    client.refresh(watch).unwrap();
    let rates = |client: &mut Client| {
        let tills = client.refresh(watch).unwrap().actors().expect("it is known");
        [tills.rows[0].rates, tills.rows[1].rates]
    };
    // Between two looks half of the time could be before it was blocked.
    until("who blocks is busy, and who does nothing is not", || {
        let [left, right] = rates(&mut client);
        let (left, right) = (left?, right?);
        (left.busy_percent? == 0 && right.busy_percent? == 100 && (right.handled, right.refused) == (0.0, 0.0))
            .then_some(())
    });
    drop(held);
    shop.total(&shop.right);
    let known = client.refresh(watch).unwrap().actors().expect("it is known");
    for _ in 0..1_000 {
        shop.left.tell(Till::Sell).unwrap();
    }
    shop.total(&shop.left);
    until("what was handled is told, by the clock of the system", || {
        let now = client.refresh(watch).unwrap().actors().expect("it is known");
        let handled = now.rows[0].handled - known.rows[0].handled;
        let rate = now.rows[0].rates?.handled;
        // All of it lies between two looks; a look before it says less.
        let seconds = (now.at - known.at).as_secs_f64();
        (handled == 1_001 && rate >= handled as f64 / seconds * 0.99).then_some(())
    });
}

#[test]
fn frames_come_unasked_with_an_interval_and_between_answers_until_nobody_watches() {
    let shop = Shop::with(Limits { idle: Duration::from_millis(300), ..Limits::default() });
    let mut client = shop.client();
    let watch = client.watch(&tills(Some(Duration::from_millis(100)))).unwrap();
    // Longer than a client may say nothing that does not watch.
    for _ in 0..6 {
        assert_eq!(client.wait(watch).unwrap().actors().map(|tills| tills.rows.len()), Some(2));
    }
    shop.left.tell(Till::Sell).unwrap();
    until("a frame tells it", || {
        let handled = client.wait(watch).unwrap().actors().expect("it is known").rows[0].handled;
        client.ask::<Value>("system", &()).expect("answers come all the same");
        (handled == 1).then_some(())
    });
    client.unwatch(watch).unwrap();
    assert_eq!(refused(client.ask::<Frame>("frame", &FrameQuery { watch, whole: false })), Code::NoWatch);
    // Now it is told to say something.
    match client.wait(watch) {
        Err(ClientError::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    assert_eq!(refused(client.unwatch(watch)), Code::NoWatch);
}

#[test]
fn a_branch_that_is_not_there_is_told_as_such_and_watched_all_the_same() {
    let shop = Shop::open();
    let mut client = shop.client();
    let query = TreeQuery { path: Some("shop/bank".into()), ..TreeQuery::default() };
    let every = Some(Duration::from_millis(100));
    let watch = client.watch(&WatchQuery { of: Watchable::Tree(query), every }).unwrap();
    assert_eq!(refused(client.wait(watch).map(|_| ())), Code::NotFound);
    assert_eq!(refused(client.wait(watch).map(|_| ())), Code::NotFound);
}

#[test]
fn watches_have_limits_which_are_named() {
    let shop = Shop::with(Limits { watches: 2, ..Limits::default() });
    let mut client = shop.client();
    for wrong in [Duration::from_millis(99), Duration::from_secs(3_601)] {
        assert_eq!(refused(client.watch(&tills(Some(wrong)))), Code::BadArguments);
    }
    let first = client.watch(&tills(None)).unwrap();
    client.watch(&tills(None)).unwrap();
    match client.watch(&tills(None)) {
        Err(ClientError::Refused(why)) => {
            assert_eq!((why.code, why.message.as_str()), (Code::TooManyWatches, "there are 2 watches already: end one"))
        }
        other => panic!("{other:?}"),
    }
    client.unwatch(first).unwrap();
    client.watch(&tills(None)).unwrap();
}

#[test]
fn a_list_that_would_be_too_long_is_told_to_be_and_whole_when_it_fits() {
    let shop = Shop::with(Limits { answer: 4096, ..Limits::default() });
    let more: Vec<_> = (0..40).map(|_| shop.runtime.block_on(shop.system.spawn::<Cashier>(())).unwrap()).collect();
    let mut raw = Raw::greeted(&shop);
    let watch = json!({ "id": 1, "verb": "watch", "args": { "tree": {}, "every_ms": 100 } });
    raw.say(format!("{watch}\n").as_bytes()).unwrap();
    assert_eq!(raw.line().expect("an answer")["ok"]["watch"], 1);
    for _ in 0..2 {
        assert_eq!(raw.line().expect("a frame")["error"]["code"], "answer_too_long", "and not half of it");
    }
    for actor in more {
        shop.system.stop_actor(actor.pid(), ExitReason::Shutdown);
    }
    let fits = until("it fits", || raw.line().filter(|line| line["error"].is_null()));
    assert_eq!(fits["frame"]["whole"], true, "{fits}");
    shop.assert_serves();
}

#[test]
fn who_reads_slowly_gets_fewer_frames_and_knows_how_many_are_missing() {
    // Its pace is not to keep the server from being blocked.
    let shop = Shop::with(Limits { requests: 1_000, ..Limits::default() });
    // A list that fills what lies between, soon.
    let mut raw = Raw::greeted(&shop);
    for id in 1..=4 {
        let watch = json!({ "id": id, "verb": "watch", "args": { "tree": {}, "every_ms": 100 } });
        raw.say(format!("{watch}\n").as_bytes()).unwrap();
    }
    // What is asked for is not read, until the server cannot write.
    let mut asks = raw.stream().try_clone().unwrap();
    let asking = thread::spawn(move || {
        let whole = b"{\"id\":9,\"verb\":\"frame\",\"args\":{\"watch\":1,\"whole\":true}}\n";
        asks.write_within(Duration::from_millis(500));
        while asks.write_all(whole).is_ok() {}
        asks
    });
    let asks = asking.join().unwrap();
    let dropped = until("frames that were due are counted", || {
        let line = raw.line().expect("the server is still there");
        line["frame"]["dropped"].as_u64().filter(|dropped| *dropped > 0)
    });
    assert!(dropped >= 1, "{dropped}");
    drop(asks);
    shop.assert_serves();
}

#[test]
fn who_never_reads_what_it_watches_is_cut_off_and_nobody_waits_for_it() {
    let soon = Duration::from_millis(100);
    let shop = Shop::with(Limits { read_within: soon, requests: 1_000, ..Limits::default() });
    let mut raw = Raw::mute(&shop);
    raw.say(b"{\"id\":1,\"verb\":\"watch\",\"args\":{\"tree\":{},\"every_ms\":100}}\n").unwrap();
    until("the server gives it up", || {
        raw.say(b"{\"id\":2,\"verb\":\"frame\",\"args\":{\"watch\":1,\"whole\":true}}\n").is_err().then_some(())
    });
    shop.assert_serves();
}

#[test]
fn nonsense_about_watches_is_refused_and_the_connection_goes_on() {
    let shop = Shop::open();
    let mut raw = Raw::greeted(&shop);
    for args in [
        json!({}),
        json!({ "health": {} }),
        json!({ "tree": {}, "every_ms": -1 }),
        json!({ "tree": { "levels": "many" } }),
        json!({ "actors": [] }),
        json!(7),
    ] {
        raw.say(format!("{}\n", json!({ "id": 1, "verb": "watch", "args": args })).as_bytes()).unwrap();
        assert_eq!(raw.refused(), "bad_arguments", "{args}");
    }
    for _ in 0..2 {
        raw.say(b"{\"id\":1,\"verb\":\"watch\",\"args\":{\"tree\":{}}}\n").unwrap();
    }
    assert_eq!(raw.line().expect("an answer")["ok"]["watch"], 1);
    assert_eq!(raw.refused(), "bad_arguments", "the name is taken");
    shop.assert_serves();
}

#[test]
fn who_does_most_in_a_second_comes_first_of_what_is_watched() {
    let shop = Shop::open();
    // It has done most of all, and nothing now.
    (0..500).for_each(|_| shop.right.tell(Till::Sell).unwrap());
    assert_eq!(shop.total(&shop.right), 500);
    let _held = shop.block(&shop.right);
    let read = |words: &[&str], is_last: &dyn Fn(&Value) -> bool| {
        let mut child = crashworthy(&shop.dir, words).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(|line| {
            shop.left.tell(Till::Sell).unwrap();
            serde_json::from_str::<Value>(&line.unwrap()).unwrap()
        });
        let last = lines.by_ref().take(100).find(|line| is_last(line)).expect("it was never so");
        drop(lines);
        child.wait().unwrap();
        last
    };
    let top = |sort: &'static str, way: &'static [&'static str], first: &str| {
        let words = [&["top", "--json", "--watch", "0.1", "-n", "1", "--sort", sort], way].concat();
        let is_first = |line: &Value| line["rows"][0]["path"] == first && line["rows"].as_array().unwrap().len() == 1;
        read(&words, &is_first);
    };
    top("rate", &[], "shop/front/left");
    top("busy", &[], "shop/front/right");
    top("busy", &["--reverse"], "shop");
    for sort in ["rate", "busy"] {
        let (code, _, err) = run(&shop.dir, &["top", "--sort", sort]);
        assert!(code == 2 && err.contains("go with --watch"), "{err}");
    }
    assert!(said(&shop.dir, &["top", "--sort", "oldest"]).contains("OLDEST"));
}

#[test]
fn who_watches_and_has_to_make_way_is_told_why() {
    let shop = Shop::with(Limits { connections: 1, ..Limits::default() });
    let mut first = shop.client();
    let watch = first.watch(&WatchQuery { every: Some(Duration::from_secs(3600)), ..tree() }).unwrap();
    first.wait(watch).unwrap();
    until("the next one stays", || {
        let mut next = shop.client();
        let watch = next.watch(&WatchQuery { every: Some(Duration::from_secs(3600)), ..tree() }).ok()?;
        next.wait(watch).is_ok().then_some(next)
    });
    let told = first.wait(watch).unwrap_err();
    assert!(matches!(&told, ClientError::Parted(why) if why.code == Code::Displaced), "{told:?}");
    assert!(told.to_string().starts_with("it has closed the connection: another connection needs"), "{told}");
}

#[test]
fn whoever_asks_to_watch_nothing_or_two_lists_is_told_what_there_is() {
    let shop = Shop::open();
    let mut raw = Raw::greeted(&shop);
    let nothing = "args: it does not say what to watch: tree or actors";
    let both = "args: one watch is of one list: tree or actors, not both";
    for (args, why) in [
        (json!({}), nothing),
        (json!({ "every_ms": 100 }), nothing),
        (json!({ "pools": {} }), nothing),
        (json!({ "tree": {}, "actors": {} }), both),
    ] {
        raw.say(format!("{}\n", json!({ "id": 1, "verb": "watch", "args": args })).as_bytes()).unwrap();
        let told = raw.line().expect("an answer");
        assert_eq!(
            (&told["error"]["code"], &told["error"]["message"]),
            (&"bad_arguments".into(), &why.into()),
            "{args}"
        );
    }
}
