//! Who matches, and what is folded, is seen to where everybody is: also by whoever is told a few rows alone.

use std::io::Write;

use crashworthy::console::Limits;
use crashworthy_console::protocol::{
    ActorView, Actors, ActorsQuery, Code, Deed, Filter, Frame, FrameQuery, KNOWS, PlanQuery, PlanView, Row, Sort,
    TreeQuery, TreeView, WatchQuery, Watchable,
};
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::command::{data, run, said};
use crate::newer::interpreter;
use crate::support::{Shop, until};

/// A shop that tells three rows at most.
fn brief() -> Shop {
    Shop::with(Limits { rows: 3, requests: 1_000, ..Limits::default() })
}

fn matching(pattern: &str) -> Filter {
    Filter { pattern: Some(pattern.into()), ..Filter::default() }
}

fn paths<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<&'a str> {
    rows.into_iter().map(|row| row.path.as_str()).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Refused(why)) if why.code == Code::BadArguments => why.message,
        other => panic!("not refused: {other:?}"),
    }
}

fn tree(client: &mut Client, query: &TreeQuery) -> (usize, Option<usize>, Option<usize>, Vec<String>) {
    let TreeView { total, matched, lines, nodes, .. } = client.ask("tree", query).unwrap();
    (total, matched, lines, nodes.into_iter().map(|node| node.row.path).collect())
}

#[test]
fn an_actor_is_found_by_a_pattern_however_many_there_are() {
    let shop = brief();
    let crowd = shop.adds(40);
    let mut client = shop.client();
    let last = crowd.last().unwrap().pid().id.to_string();
    let mut found = |pattern: &str| {
        let query = ActorsQuery { filter: matching(pattern), sort: Sort::Path, ..ActorsQuery::default() };
        let Actors { total, matched, rows, .. } = client.ask("actors", &query).unwrap();
        (total, matched, paths(&rows).join(" "))
    };
    until("the console sees them all", || (found("").0 == 44).then_some(()));
    assert_eq!(found(&format!("^{}$", last.replace('.', "[.]"))), (44, 1, last.clone()));
    assert_eq!(found("right$|left$"), (44, 2, "shop/front/left shop/front/right".into()));
    assert_eq!(found("~SFRIGHT"), (44, 1, "shop/front/right".into()));
    assert_eq!(found("!Cashier"), (44, 2, "shop shop/front".into()));
    assert_eq!(found("Cash.er$").1, 42, "and by its type");
    assert_eq!((found("").1, found("!").1, found("nobody.").1), (44, 44, 0));

    let branch = |pattern: &str| TreeQuery { pattern: Some(pattern.into()), ..TreeQuery::default() };
    let told = tree(&mut client, &branch(&last));
    assert_eq!(told, (44, Some(1), Some(1), vec![last]));
    let told = tree(&mut client, &branch("t$"));
    let with_those_above = ["shop", "shop/front", "shop/front/left"].map(str::to_owned).to_vec();
    assert_eq!(told, (44, Some(3), Some(4), with_those_above), "as many as there is room for");
    let below = TreeQuery { path: Some("shop/front".into()), ..branch("right$") };
    let alone = ["shop/front", "shop/front/right"].map(str::to_owned).to_vec();
    assert_eq!(tree(&mut client, &below), (3, Some(1), Some(2), alone));
    assert_eq!(tree(&mut client, &branch("nobody.")), (44, Some(0), Some(0), vec![]));
}

#[test]
fn what_is_folded_makes_room_for_what_comes_after_it() {
    let shop = brief();
    let others = shop.adds(1);
    let last = others[0].pid().id.to_string();
    let mut client = shop.client();
    let whole = until("the console sees them all", || {
        let told = tree(&mut client, &TreeQuery::default());
        (told.0 == 5).then_some(told)
    });
    assert_eq!(whole, (5, Some(5), Some(5), ["shop", "shop/front", "shop/front/left"].map(str::to_owned).to_vec()));
    let front: ActorView = client.ask("actor", &json!({ "actor": "shop/front" })).unwrap();
    let folded = TreeQuery { folded: vec![front.row.pid.id], ..TreeQuery::default() };
    let told: TreeView = client.ask("tree", &folded).unwrap();
    assert_eq!(paths(told.nodes.iter().map(|node| &node.row)), ["shop", "shop/front", &last]);
    assert_eq!((told.total, told.lines, told.nodes[1].row.children), (5, Some(3), 2));

    // Watched it is the same, and what cannot be is refused before it begins.
    let watch = client.watch(&WatchQuery { of: Watchable::Tree(folded), every: None }).unwrap();
    let list = client.refresh(watch).unwrap().tree().expect("it is known");
    assert_eq!((list.total, list.matched, list.lines, list.nodes.len()), (5, Some(5), Some(3), 3));
    let found = TreeQuery { pattern: Some("ri.ht".into()), ..TreeQuery::default() };
    let watch = client.watch(&WatchQuery { of: Watchable::Tree(found), every: None }).unwrap();
    let frame: Frame = client.ask("frame", &FrameQuery { watch, whole: true }).unwrap();
    assert_eq!((frame.total, frame.matched, frame.lines, frame.rows.len()), (5, 1, Some(3), 3));
    let top = ActorsQuery { filter: matching("!t$"), ..ActorsQuery::default() };
    let watch = client.watch(&WatchQuery { of: Watchable::Actors(top), every: None }).unwrap();
    let list = client.refresh(watch).unwrap().actors().expect("it is known");
    assert_eq!((list.total, list.matched), (5, 2));
}

#[test]
fn what_cannot_be_understood_or_is_too_much_is_refused_with_the_reason() {
    let shop = Shop::open();
    let mut client = shop.client();
    let long = "x".repeat(257);
    for (pattern, why) in [("till(", "without closing"), ("a{1000}{1000}", "size limit"), (&long, "257 bytes")] {
        let top = ActorsQuery { filter: matching(pattern), ..ActorsQuery::default() };
        let branch = TreeQuery { pattern: Some(pattern.into()), ..TreeQuery::default() };
        let watches = [Watchable::Actors(top.clone()), Watchable::Tree(branch.clone())];
        let watched = watches.map(|of| refused(client.watch(&WatchQuery { of, every: None })));
        let asked = [refused(client.ask::<Value>("actors", &top)), refused(client.ask::<Value>("tree", &branch))];
        for told in asked.iter().chain(&watched) {
            assert!(told.contains("the pattern cannot be understood: ") && told.contains(why), "{told}");
        }
    }
    let folded: Vec<u64> = (0..=1_000).collect();
    let why = refused(client.ask::<Value>("tree", &json!({ "folded": folded })));
    assert_eq!(why, "1001 branches are folded, allowed are 1000");
    let why = refused(client.ask::<Value>("watch", &json!({ "tree": { "folded": folded } })));
    assert_eq!(why, "1001 branches are folded, allowed are 1000");
    assert!(
        client.ask::<Value>("tree", &json!({ "folded": &folded[1..] })).is_ok(),
        "as many as are allowed fit a line"
    );
    shop.assert_serves();
}

#[test]
fn what_is_done_to_all_who_match_is_done_to_nobody_else() {
    let shop = Shop::open();
    let mut actor = shop.actor();
    let query = |pattern: &str| PlanQuery {
        deed: Deed::Trip,
        actors: Vec::new(),
        matching: Some(matching(pattern)),
        force: false,
    };
    let plan: PlanView = actor.ask("plan", &query("front/l.ft$")).unwrap();
    assert_eq!((plan.total, plan.targets[0].path.as_str()), (1, "shop/front/left"));
    assert!(refused(actor.ask::<Value>("plan", &query("("))).contains("the pattern cannot be understood"));
    // What is not known would be left out of account, and mean everybody.
    let why = refused(actor.ask::<Value>("plan", &json!({ "do": "trip", "matching": { "kind": "Cell" } })));
    assert_eq!(
        why,
        "args: unknown field `kind`, expected one of `text`, `pattern`, `under`, `state`, `shut`, `min_depth`, `busy`"
    );
    let left = json!({ "do": "trip", "from": "a newer client", "matching": { "text": "left", "state": "running" } });
    let plan: PlanView = actor.ask("plan", &left).unwrap();
    assert_eq!(plan.total, 1);
    let busy = json!({ "filter": "of no meaning", "text": "left", "kind": "Cell" });
    assert!(actor.ask::<Value>("actors", &busy).is_ok(), "a question is answered as far as it is understood");
}

#[test]
fn the_command_looks_for_patterns_of_a_system_and_of_a_file() {
    let shop = Shop::open();
    let file = shop.dir.path().join("dump.jsonl").display().to_string();
    said(&shop.dir, &["dump", &file]);
    for more in [&[][..], &["--replay", &file]] {
        let found = |words: &[&str]| data(&shop.dir, &[words, &["--json"], more].concat());
        let tree = found(&["tree", "--match", "ri.ht$"]);
        let told: Vec<_> = tree["nodes"].as_array().unwrap().iter().map(|node| &node["path"]).collect();
        assert_eq!(told, ["shop", "shop/front", "shop/front/right"]);
        assert_eq!((&tree["total"], &tree["matched"], &tree["lines"]), (&4.into(), &1.into(), &3.into()));
        let top = found(&["top", "--match", "!Cashier", "--sort", "path"]);
        assert_eq!((&top["matched"], &top["rows"][1]["path"]), (&2.into(), &"shop/front".into()));
        assert_eq!(found(&["top", "--match", "Cash"])["matched"], 2, "a part of a text is one, too");
        let text = said(&shop.dir, &[&["tree", "--match", "~right"], more].concat());
        assert!(text.contains("right") && text.ends_with("1 of 4 match\n"), "{text}");
    }
    for verb in ["tree", "top"] {
        let (code, _, err) = run(&shop.dir, &[verb, "--match", "("]);
        assert!(code == 2 && err.contains("without closing"), "{code} {err}");
    }
}

#[test]
fn who_looks_for_nobody_who_is_there_is_told_so_and_who_is_too_deep_is_counted() {
    let shop = Shop::open();
    let file = shop.dir.path().join("dump.jsonl").display().to_string();
    said(&shop.dir, &["dump", &file]);
    for more in [&[][..], &["--replay", &file]] {
        for verb in ["tree", "top"] {
            let nobody = run(&shop.dir, &[&[verb, "--match", "n[o]body"], more].concat());
            assert_eq!(nobody, (1, String::new(), "crashworthy: nobody of 4 matches n[o]body\n".to_owned()));
            let (code, json, err) = run(&shop.dir, &[&[verb, "--match", "n[o]body", "--json"], more].concat());
            assert!(code == 1 && err.is_empty() && json.contains("\"matched\":0"), "{code} {json} {err}");
        }
        assert_eq!(
            run(&shop.dir, &[&["top", "--min-depth", "7"], more].concat()).0,
            0,
            "that is no question for somebody"
        );
        let tree = |words: &[&str]| said(&shop.dir, &[&["tree"], words, more].concat());
        let flat = tree(&["--levels", "2", "--match", "shop/"]);
        assert!(flat.ends_with("3 of 4 match, 2 of them deeper than is shown\n"), "{flat}");
        assert_eq!(flat.lines().count(), 4, "the head, the shop, its front, and this: {flat}");
        let flat = tree(&["--levels", "1", "--match", "left"]);
        assert!(flat.ends_with("1 of 4 match, 1 of them deeper than is shown\n"), "{flat}");
        let all = tree(&["--levels", "3", "--match", "left"]);
        assert!(all.ends_with("1 of 4 match\n"), "{all}");
    }
}

#[test]
fn an_older_system_does_nothing_to_those_whom_a_pattern_leaves_out() {
    let shop = Shop::open();
    let older = interpreter(&shop, |line, client| {
        let mut said: Value = serde_json::from_str(line).expect("it is a value");
        if let Some(hello) = said["hello"].as_object_mut() {
            hello.remove("knows");
        }
        let _ = writeln!(client, "{said}");
    });
    let socket = older.display().to_string();
    let words = ["trip", "--match", "l.ft$", "--reason", "wrong prices", "--yes", "--socket", &socket];
    let told = "crashworthy: this system is of an older version, which does not know what a pattern is\n";
    assert_eq!(run(&shop.dir, &words), (1, String::new(), told.to_owned()));
    assert_eq!(shop.left.gate(), crashworthy::GateState::Open);
}

#[test]
fn a_system_that_is_older_is_asked_for_parts_of_texts_and_for_nothing_that_it_would_not_heed() {
    let shop = Shop::open();
    let older = interpreter(&shop, |line, client| {
        let mut said: Value = serde_json::from_str(line).expect("it is a value");
        if let Some(hello) = said["hello"].as_object_mut() {
            assert_eq!(hello.remove("knows"), Some(json!(KNOWS)));
        }
        let _ = writeln!(client, "{said}");
    });
    let socket = older.display().to_string();
    let asked = |words: &[&str]| run(&shop.dir, &[words, &["--socket", &socket]].concat());
    let (code, out, err) = asked(&["top", "--match", "right", "--json"]);
    assert!(code == 0 && err.is_empty() && out.contains("\"matched\":1"), "{out} {err}");
    assert_eq!(asked(&["tree"]).0, 0);
    for words in [
        &["top", "--match", "ri.ht"][..],
        &["tree", "--match", "right"],
        &["top", "--match", "!right", "--watch", "1"],
        &["tree", "--match", "right", "--watch", "1"],
    ] {
        let (code, out, err) = asked(words);
        assert_eq!((code, out.as_str()), (1, ""), "{words:?}");
        assert_eq!(err, "crashworthy: this system is of an older version, which does not know what a pattern is\n");
    }
}

#[test]
fn what_an_older_system_does_not_say_is_not_made_up() {
    let old = json!({ "at_ms": 1, "total": 0, "nodes": [] });
    let tree: TreeView = serde_json::from_value(old).unwrap();
    assert_eq!((tree.matched, tree.lines), (None, None));
    let plain = serde_json::to_value(TreeQuery::default()).unwrap();
    assert_eq!(plain, json!({ "path": null, "levels": null, "limit": null }), "what is not wanted is not said");
    let frame = json!({ "seq": 1, "whole": true, "at_ms": 1, "wall_ms": 1, "total": 7, "matched": 7, "rows": [] });
    let mut watched = crashworthy_console::Watched::default();
    watched.take(serde_json::from_value(frame).unwrap()).unwrap();
    assert_eq!(watched.tree().map(|tree| (tree.total, tree.matched, tree.lines)), Some((7, None, None)));
}
