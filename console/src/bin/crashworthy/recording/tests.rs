//! Round trips, and files that are none.

use std::time::Duration;

use crashworthy_console::protocol::Outcome;
use crashworthy_console::recording::{Told, Writer};
use serde_json::{Value, json};

use super::{Problem, Recording};

const HEAD: &str = r#"{"crashworthy":"recording","version":1,"protocol":1,"began_ms":0}"#;

fn row(id: u64, path: &str, depth: u32) -> Value {
    json!({
        "pid": { "id": id, "incarnation": 1 }, "path": path, "kind": "shop::Till", "state": "running", "doing": null,
        "depth": depth, "limit": 8, "restarts": 0, "accepted": 0, "handled": 0, "given_up": 0, "undelivered": 0,
        "children": 0, "level": path.matches('/').count(),
    })
}

/// `shop` with `front`, in which is `till`, and `back`.
fn tree(at_ms: u64, depth: u32) -> Value {
    let nodes = [row(1, "shop", 0), row(2, "shop/front", 0), row(3, "shop/front/till", depth), row(4, "shop/back", 1)];
    json!({ "at_ms": at_ms, "total": 4, "nodes": nodes })
}

/// A file with the tree at these times.
fn written(trees: &[(u64, Value)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, Duration::ZERO, 1 << 20).unwrap();
    for (at, tree) in trees {
        let outcome = Outcome::Ok(tree.clone());
        let told = Told { verb: "tree", args: json!({ "limit": 500 }), outcome: &outcome };
        writer.picture(Duration::from_millis(*at), std::iter::once(told)).unwrap();
    }
    file
}

fn ask(recording: &Recording, at: u64, verb: &str, args: Value) -> Value {
    match recording.ask(Duration::from_millis(at), verb, &args) {
        Outcome::Ok(value) => value,
        Outcome::Error(why) => why.message.into(),
    }
}

fn paths(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("rows").iter().map(|row| row["path"].as_str().expect("a path")).collect()
}

#[track_caller]
fn refused(bytes: impl Into<Vec<u8>>) -> String {
    Recording::read(bytes.into()).expect_err("it is no recording").to_string()
}

#[test]
fn answers_are_those_of_their_time() {
    let recording = Recording::read(written(&[(0, tree(500, 3)), (1000, tree(1500, 7))])).unwrap();
    let depth = |at| ask(&recording, at, "tree", json!({}))["nodes"][2]["depth"].clone();
    assert_eq!((depth(0), depth(999), depth(1000), depth(99_000)), (3.into(), 3.into(), 7.into(), 7.into()));
    assert_eq!(recording.times(), [Duration::ZERO, Duration::from_secs(1)]);
    assert!(!recording.is_cut);
}

#[test]
fn the_first_picture_is_the_first_at_which_there_is_something_to_see() {
    let frame = |at: u64, verb: &str, outcome: Value| {
        let mut frame = json!({ "at_ms": at, "verb": verb, "args": null });
        frame.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
        format!("{frame}\n")
    };
    let limits = json!({
        "connections": 8, "line": 1, "answer": 1, "rows": 1, "requests": 1, "line_within_ms": 1, "read_within_ms": 1,
        "idle_ms": 1,
    });
    let hello = json!({
        "protocol": 1, "version": "0.1.0", "role": "read_only", "system": "shop", "process": 1, "verbs": [],
        "limits": limits,
    });
    let hello = frame(3, "hello", json!({ "ok": hello }));
    let refused = frame(4, "system", json!({ "error": { "code": "system_ended", "message": "" } }));
    let told = frame(5, "tree", json!({ "ok": tree(0, 1) }));
    let read = |frames: &[&String]| {
        let file = frames.iter().fold(format!("{HEAD}\n"), |file, frame| file + frame);
        Recording::read(file.into_bytes())
    };
    let times = |frames: &[&String]| read(frames).unwrap().times().iter().map(Duration::as_millis).collect::<Vec<_>>();
    let system = frame(
        6,
        "system",
        json!({ "ok": {
        "name": "shop", "process": 1, "at_ms": 0, "actors": 4, "busy": 0, "queued": 0, "crashes": 0,
        "reports": { "start_error": 0, "child_terminated": 0, "shutdown": 0, "shutdown_error": 0, "progress": 0 },
        "reports_withheld": 0, "dead_letters": 0, "stragglers": [], "timers": 0, "names": 0, "memberships": 0,
        "runnable": 0, "turns": 0,
    } }),
    );
    assert_eq!(
        times(&[&hello, &refused, &told]),
        [4, 5],
        "of a system that never tells of itself there is what there is"
    );
    assert_eq!(times(&[&hello, &refused, &told, &system]), [6]);
    assert!(matches!(read(&[&hello]), Err(Problem::NoPicture)), "nobody has told anything");
}

#[test]
fn branches_and_lists_are_made_from_the_tree() {
    let recording = Recording::read(written(&[(0, tree(0, 5))])).unwrap();
    let branch = ask(&recording, 0, "tree", json!({ "path": "front" }));
    assert_eq!((paths(&branch["nodes"]), &branch["total"]), (vec!["shop/front", "shop/front/till"], &2.into()));
    assert_eq!(branch["nodes"][1]["level"], 1);
    let flat = ask(&recording, 0, "tree", json!({ "levels": 2, "limit": 2 }));
    assert_eq!(paths(&flat["nodes"]), ["shop", "shop/front"]);
    let top = ask(&recording, 0, "actors", json!({ "sort": "depth", "limit": 2 }));
    assert_eq!((paths(&top["rows"]), &top["matched"]), (vec!["shop/front/till", "shop/back"], &4.into()));
    let under = ask(&recording, 0, "actors", json!({ "sort": "path", "under": "shop/front", "text": "till" }));
    assert_eq!(paths(&under["rows"]), ["shop/front/till"]);
}

#[test]
fn who_matches_is_found_in_what_was_recorded_and_what_is_folded_is_left_out() {
    let recording = Recording::read(written(&[(0, tree(0, 5))])).unwrap();
    let told = |args: Value| {
        let tree = ask(&recording, 0, "tree", args);
        let numbers = ["total", "matched", "lines"].map(|number| tree[number].as_u64().unwrap());
        (numbers, paths(&tree["nodes"]).join(" "))
    };
    assert_eq!(told(json!({ "pattern": "t.ll$" })), ([4, 1, 3], "shop shop/front shop/front/till".into()));
    assert_eq!(
        told(json!({ "pattern": "~fronttill", "path": "front" })),
        ([2, 1, 2], "shop/front shop/front/till".into())
    );
    assert_eq!(told(json!({ "folded": [2] })), ([4, 4, 3], "shop shop/front shop/back".into()));
    assert_eq!(told(json!({ "levels": 2, "limit": 1 })), ([4, 4, 3], "shop".into()));
    let top = ask(&recording, 0, "actors", json!({ "sort": "path", "pattern": "!^shop/" }));
    assert_eq!((paths(&top["rows"]), &top["matched"]), (vec!["shop"], &1.into()));
    for verb in ["tree", "actors"] {
        let why = ask(&recording, 0, verb, json!({ "pattern": "(" }));
        assert!(why.as_str().is_some_and(|why| why.starts_with("the pattern cannot be understood: ")), "{why}");
    }
}

#[test]
fn a_longer_list_serves_for_a_shorter_one_and_the_tree_for_others() {
    let mut few = tree(0, 5);
    few["total"] = 1000.into();
    few["nodes"].as_array_mut().unwrap().truncate(2);
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, Duration::ZERO, 1 << 20).unwrap();
    let (few, full) = (
        Outcome::Ok(few),
        Outcome::Ok(json!({
            "at_ms": 0, "total": 1000, "matched": 1000, "rows": [row(77, "shop/far", 9), row(3, "shop/front/till", 5)],
        })),
    );
    let told = [
        Told { verb: "tree", args: Value::Null, outcome: &few },
        Told { verb: "actors", args: json!({ "sort": "depth", "limit": 2 }), outcome: &full },
    ];
    writer.picture(Duration::ZERO, told.into_iter()).unwrap();
    let recording = Recording::read(file).unwrap();
    let list = |args: Value| {
        let list = ask(&recording, 0, "actors", args);
        (paths(&list["rows"]).iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(), list["matched"].clone())
    };
    assert_eq!(list(json!({ "sort": "depth", "limit": 1 })), (vec!["shop/far".to_owned()], 1000.into()));
    let by_tree = vec!["shop".to_owned(), "shop/front".to_owned()];
    assert_eq!(list(json!({ "sort": "path", "limit": 9 })), (by_tree.clone(), 1000.into()));
    assert_eq!(list(json!({ "sort": "depth", "limit": 9 })), (by_tree, 1000.into()));
    assert_eq!(list(json!({ "sort": "depth", "text": "front" })), (vec!["shop/front".to_owned()], 1.into()));
}

fn crash(incarnation: u32, path: &str, backtrace: Option<&str>) -> Value {
    json!({
        "pid": { "id": 4, "incarnation": incarnation }, "path": path, "name": null, "kind": "Till", "at_ms": 0,
        "restarts": 0, "crash": { "panicked": true, "message": "", "location": null, "callback": "handle" },
        "in_hand": null, "recent": [], "backtrace": backtrace, "judgement": "nobodys", "logged": true, "withheld": 0,
    })
}

#[test]
fn crashes_are_as_full_as_they_were_asked_for() {
    let list = |reports: &[Value]| Outcome::Ok(json!({ "at_ms": 0, "total": 2, "matched": 2, "reports": reports }));
    let brief = list(&[crash(1, "shop/a", None), crash(2, "shop/b", None)]);
    let full = list(&[crash(2, "shop/b", Some("0: main"))]);
    let of = json!({ "id": 4, "incarnation": 2 });
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, Duration::ZERO, 1 << 20).unwrap();
    let told = [
        Told { verb: "crashes", args: json!({ "brief": true }), outcome: &brief },
        Told { verb: "crashes", args: json!({ "of": of }), outcome: &full },
    ];
    writer.picture(Duration::ZERO, told.into_iter()).unwrap();
    let recording = Recording::read(file).unwrap();
    let backtraces = |args: Value| {
        let crashes = ask(&recording, 0, "crashes", args);
        let reports = crashes["reports"].as_array().expect("reports").clone();
        (reports.iter().map(|report| report["backtrace"].clone()).collect::<Vec<_>>(), crashes["matched"].clone())
    };
    assert_eq!(backtraces(json!({})), (vec![Value::Null, "0: main".into()], 2.into()));
    assert_eq!(backtraces(json!({ "brief": true })), (vec![Value::Null, Value::Null], 2.into()));
    assert_eq!(backtraces(json!({ "of": of })), (vec!["0: main".into()], 1.into()));
    assert_eq!(backtraces(json!({ "under": "shop/a" })), (vec![Value::Null], 1.into()));
    assert_eq!(backtraces(json!({ "of": { "id": 4, "incarnation": 9 } })), (vec![], 0.into()));
}

#[test]
fn a_branch_or_a_few_levels_are_not_taken_for_the_tree() {
    let mut part = tree(0, 5);
    part["nodes"].as_array_mut().unwrap().truncate(1);
    let (whole, part) = (Outcome::Ok(tree(0, 5)), Outcome::Ok(part));
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, Duration::ZERO, 1 << 20).unwrap();
    let told = [
        Told { verb: "tree", args: Value::Null, outcome: &whole },
        Told { verb: "tree", args: json!({ "levels": 1 }), outcome: &part },
        Told { verb: "tree", args: json!({ "path": "1.0" }), outcome: &part },
        Told { verb: "tree", args: json!({ "pattern": "shop$" }), outcome: &part },
        Told { verb: "tree", args: json!({ "folded": [1] }), outcome: &part },
    ];
    writer.picture(Duration::ZERO, told.into_iter()).unwrap();
    let recording = Recording::read(file).unwrap();
    assert_eq!(paths(&ask(&recording, 0, "tree", Value::Null)["nodes"]).len(), 4);
    assert_eq!(ask(&recording, 0, "actors", Value::Null)["matched"], 4);
}

#[test]
fn what_was_not_recorded_is_refused_and_not_made_up() {
    let recording = Recording::read(written(&[(0, tree(0, 5))])).unwrap();
    assert_eq!(ask(&recording, 0, "actor", json!({ "actor": "shop" })), "no details of \"shop\" were recorded");
    assert_eq!(ask(&recording, 0, "health", Value::Null), "health was not recorded");
    assert_eq!(ask(&recording, 0, "tree", json!({ "path": "bank" })), "no actor \"bank\"");
    assert_eq!(ask(&recording, 0, "frobnicate", Value::Null), "frobnicate was not recorded");
    assert!(recording.hello(Duration::MAX).is_none());
}

#[test]
fn a_picture_beyond_the_limit_is_not_begun() {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, Duration::ZERO, 500).unwrap();
    let outcome = Outcome::Ok(tree(0, 1));
    let told = || std::iter::once(Told { verb: "tree", args: Value::Null, outcome: &outcome });
    let full = writer.picture(Duration::ZERO, told()).unwrap_err();
    assert_eq!(full.to_string(), "more than 500 bytes are not written");
    assert_eq!(writer.written(), (0, HEAD.len() as u64 + 1));
    assert_eq!(String::from_utf8(file).unwrap(), format!("{HEAD}\n"));
}

#[test]
fn damage_is_told_with_its_line_and_why() {
    let whole = String::from_utf8(written(&[(0, tree(0, 1)), (1000, tree(1000, 2))])).unwrap();
    assert!(Recording::read(whole.clone().into()).is_ok());
    let lines: Vec<&str> = whole.lines().collect();
    let with = |line: &str| format!("{}\n{}\n{line}\n", lines[0], lines[1]);
    assert!(refused(with("{\"at_ms\":1")).starts_with("line 3: not an answer: EOF while parsing"));
    assert!(refused(with("")).starts_with("line 3: not an answer: EOF"));
    assert!(refused(with("7")).starts_with("line 3: not an answer: invalid type"));
    assert!(refused(with(&lines[2].replace("\"nodes\"", "\"notes\""))).starts_with("line 3: not an answer to tree: "));
    assert_eq!(refused(with(&lines[2].replace("\"tree\"", "\"tee\""))), "line 3: no question \"tee\"");
    let turned = format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1]);
    assert_eq!(refused(turned), "line 3: it was before the one above it");
    let mut bytes = whole.into_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] = 0xff;
    assert!(refused(bytes).starts_with("line 2: not an answer: "));
}

#[test]
fn what_is_no_recording_of_ours_is_told_as_such() {
    assert_eq!(refused(""), "it is empty");
    for foreign in [
        "hello\n",
        "{}\n",
        "\n",
        "\u{0}\u{1}",
        "{\"crashworthy\":\"cake\",\"version\":1,\"protocol\":1,\"began_ms\":0}\n",
    ] {
        assert_eq!(refused(foreign), "line 1: it does not say that this is a recording of crashworthy", "{foreign:?}");
    }
    let newer = format!("{}\n", HEAD.replace("\"version\":1", "\"version\":2"));
    assert_eq!(refused(newer), "line 1: a recording of version 2, and this command reads version 1");
    let other = format!("{}\n", HEAD.replace("\"protocol\":1", "\"protocol\":9"));
    assert_eq!(refused(other), "line 1: it speaks protocol 9, and this command another one");
    assert_eq!(refused(format!("{HEAD}\n")), "nothing was recorded in it");
    assert!(matches!(Recording::open(std::path::Path::new("/nowhere/at/all")), Err(Problem::Io(_))));
}

#[test]
fn a_last_line_that_is_cut_is_left_out_and_told() {
    let mut bytes = written(&[(0, tree(0, 1)), (1000, tree(1000, 2))]);
    bytes.truncate(bytes.len() - 40);
    let recording = Recording::read(bytes).unwrap();
    assert_eq!((recording.is_cut, recording.times().len()), (true, 1));
}

#[test]
fn a_file_cut_or_changed_anywhere_is_read_or_refused_and_nothing_else() {
    let whole = written(&[(0, tree(0, 1)), (1000, tree(1000, 2))]);
    for place in (0..whole.len()).step_by(7) {
        let _ = Recording::read(whole[..place].to_vec());
        for byte in [b'\n', b'"', b'}', 0, 0xff] {
            let mut changed = whole.clone();
            changed[place] = byte;
            if let Ok(recording) = Recording::read(changed) {
                ask(&recording, 2000, "actors", json!({}));
            }
        }
    }
}

/// As they were written before lists were watched: rows had no refusals and no rates, and nobody could be asked to be watched.
const GOLDEN: &[u8] = include_bytes!("golden.jsonl");

#[test]
fn recordings_of_before_are_read_as_they_were() {
    let recording = Recording::read(GOLDEN.to_vec()).unwrap();
    assert_eq!((recording.times().len(), recording.is_cut), (1, false));
    let hello = recording.hello(Duration::ZERO).expect("it was greeted");
    assert_eq!((hello.system.as_str(), hello.limits.watches, hello.verbs.len()), ("storefront", 4, 13));
    let tree = ask(&recording, 0, "tree", json!({}));
    assert_eq!((paths(&tree["nodes"]).len(), paths(&tree["nodes"])[1]), (14, "storefront/delivery"));
    let most = ask(&recording, 0, "actors", json!({ "sort": "handled", "limit": 1 }));
    assert_eq!((&most["rows"][0]["refused"], most["rows"][0].get("rates")), (&0.into(), None));
    assert_eq!(ask(&recording, 0, "actor", json!({ "actor": "storefront" }))["signals"], 0);
    for verb in ["system", "crashes", "health", "metrics", "reports"] {
        assert!(ask(&recording, 0, verb, json!({})).is_object(), "{verb}");
    }
}

#[test]
fn what_was_watched_is_recorded_with_its_rates() {
    let mut watched = tree(0, 5);
    let rates = json!({ "handled": 12.5, "refused": 0.0, "busy_percent": 40 });
    watched["nodes"][2]["rates"] = rates.clone();
    let recording = Recording::read(written(&[(0, watched)])).unwrap();
    assert_eq!(ask(&recording, 0, "tree", json!({}))["nodes"][2]["rates"], rates);
    let top = ask(&recording, 0, "actors", json!({ "sort": "depth", "limit": 1 }));
    assert_eq!(top["rows"][0]["rates"], rates);
}
