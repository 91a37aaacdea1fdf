//! Dumps, and what the command answers from them.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::command::{crashworthy, data, run, said};
use crate::support::{Dir, Shop, Till, until};

/// A dump of the shop in which `left` has crashed once, and its path.
fn dumped(shop: &Shop) -> String {
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    dumped_of(shop, "dump.jsonl")
}

/// A dump of it as it is, and its path.
fn dumped_of(shop: &Shop, name: &str) -> String {
    let file = shop.dir.path().join(name).display().to_string();
    assert_eq!(said(&shop.dir, &["dump", &file]), "");
    file
}

#[test]
fn a_dump_answers_what_the_system_would_have_answered() {
    let shop = Shop::open();
    let file = dumped(&shop);
    let questions: [&[&str]; 14] = [
        &["tree", "shop/front", "--levels", "1"],
        &["top", "--sort", "restarts", "-n", "2"],
        &["top", "--under", "shop/front", "--match", "ri", "--sort", "path"],
        &["crashes", "--under", "shop/front"],
        &["reports"],
        &["reports", "--progress", "-n", "1"],
        &["health"],
        &["dead-letters"],
        &["dead-letters", "--under", "shop/front/left", "-n", "1"],
        &["dead-letters", "--under", "shop/front/right"],
        &["top", "--under", "front", "--sort", "path"],
        &["crashes", "--under", "left"],
        &["reports", "--progress", "--under", "front"],
        &["dead-letters", "--under", "left"],
    ];
    for words in questions {
        let json = [words, &["--json"]].concat();
        let running = without_times(data(&shop.dir, &json));
        let recorded = without_times(data(&shop.dir, &[&json[..], &["--replay", &file]].concat()));
        assert_eq!(recorded, running, "{words:?}");
    }
    for words in [&["events", "--kind", "crashed"][..], &["events", "--since", "1", "-n", "1"], &["events", "-n", "1"]]
    {
        let json = [words, &["--json"]].concat();
        let running = data(&shop.dir, &json);
        let recorded = data(&shop.dir, &[&json[..], &["--replay", &file]].concat());
        assert_eq!((&recorded["events"], &recorded["matched"]), (&running["events"], &running["matched"]), "{words:?}");
    }
    assert!(said(&shop.dir, &["actor", "shop/front/left", "--replay", &file]).contains("restarts   1\n"));
    assert!(said(&shop.dir, &["metrics", "--replay", &file]).contains("crashworthy_crashes_total{system=\"shop\"} 1"));
}

/// A dump of the shop in which the console has done something, too, as if it had been taken an hour later; and its path.
fn hour_later(shop: &Shop) -> String {
    said(&shop.dir, &["suspend", "left", "--for", "5m", "--reason", "a test", "--yes"]);
    let file = dumped_of(shop, "later.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let began = text.split("\"began_ms\":").nth(1).and_then(|rest| rest.split(['}', ',']).next()).expect("a head");
    let later = began.parse::<u64>().unwrap() + 3_600_000;
    std::fs::write(&file, text.replacen(began, &later.to_string(), 1)).unwrap();
    file
}

#[test]
fn what_was_done_is_as_old_as_it_was_at_the_end_of_the_recording() {
    let shop = Shop::open();
    let file = hour_later(&shop);
    let told = said(&shop.dir, &["audit", "--replay", &file]);
    assert!(told.contains("done 1 h 0 min ago\n"), "{told}");
    assert!(!said(&shop.dir, &["audit"]).contains(" h "), "that was just now");
}

#[test]
fn again_and_again_every_command_tells_of_the_file_and_looks_for_no_system() {
    let shop = Shop::open();
    let (file, nobody) = (hour_later(&shop), Dir::new());
    let commands: [&[&str]; 12] = [
        &["tree"],
        &["top"],
        &["actor", "left"],
        &["state", "left"],
        &["crashes"],
        &["events"],
        &["dead-letters"],
        &["health"],
        &["metrics"],
        &["sources"],
        &["audit"],
        &["reports"],
    ];
    for words in commands {
        let replay = [words, &["--replay", &file]].concat();
        let once = run(&nobody, &replay);
        let again = crashworthy(&nobody, &[&replay[..], &["--watch", "0.1"]].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut again = again.expect("it runs");
        if once.1.is_empty() {
            // It was not recorded.
            let end = again.wait_with_output().unwrap();
            assert_eq!((end.status.code(), String::from_utf8(end.stderr).unwrap()), (Some(1), once.2), "{words:?}");
            assert_eq!(words[0], "state", "everything else is in a dump");
            continue;
        }
        let mut told = vec![0; 2 * once.1.len()];
        let all = again.stdout.as_mut().unwrap().read_exact(&mut told);
        let _ = again.kill();
        let end = again.wait_with_output().unwrap();
        assert!(all.is_ok(), "{words:?}: {}", String::from_utf8_lossy(&end.stderr));
        assert_eq!(String::from_utf8(told).unwrap(), once.1.repeat(2), "{words:?}");
    }
    // None is forgotten.
    let help = said(&nobody, &["--help"]);
    let names = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.contains(&"audit"), "{names:?}");
    for name in names {
        let is_watched = said(&nobody, &[name, "--help"]).contains("--watch <SECS>");
        let is_tried = commands.iter().any(|words| words[0] == name);
        assert!(is_watched == is_tried || name == "ps", "{name}");
    }
}

#[test]
fn a_recording_is_sorted_by_its_rates_and_one_without_says_so() {
    let shop = Shop::open();
    let file = dumped(&shop);
    let watch: [&[&str]; 2] = [&[], &["--watch", "0.1"]];
    for more in watch {
        let words = [&["top", "--sort", "rate", "--replay", &file], more].concat();
        let (code, out, err) = run(&shop.dir, &words);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.starts_with("crashworthy: not with --replay: "), "{err}");
    }
    // As the screens record it.
    let text = std::fs::read_to_string(&file).unwrap();
    let rated = text.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["verb"] == "tree" {
            for node in line["ok"]["nodes"].as_array_mut().expect("nodes") {
                let handled = f64::from(u8::from(node["path"] == "shop/front/right"));
                node["rates"] = serde_json::json!({ "handled": handled, "refused": 0.0, "busy_percent": 7 });
            }
        }
        format!("{line}\n")
    });
    let recorded = shop.dir.path().join("rated.jsonl").display().to_string();
    std::fs::write(&recorded, rated.collect::<String>()).unwrap();
    let top = data(&Dir::new(), &["top", "--sort", "rate", "-n", "1", "--replay", &recorded, "--json"]);
    assert_eq!((&top["rows"][0]["path"], top["rows"].as_array().unwrap().len()), (&"shop/front/right".into(), 1));
}

#[test]
fn a_dump_of_more_actors_than_an_answer_holds_has_everybody() {
    let shop = Shop::open();
    let _many = shop.adds(1_051);
    let file = shop.dir.path().join("many.jsonl").display().to_string();
    let (code, json, why) = run(&shop.dir, &["dump", &file, "--json"]);
    assert_eq!((code, why), (0, format!("{file}: 1055 actors, 1000 of them in full\n")));
    let whole = serde_json::json!({ "file": file, "actors": 1_055, "listed": 1_055, "in_full": 1_000, "whole": false });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), whole);
    let replay = |words: &[&str]| data(&Dir::new(), &[words, &["--json", "--replay", &file]].concat());
    let tree = replay(&["tree"]);
    assert_eq!((&tree["total"], tree["nodes"].as_array().unwrap().len()), (&1_055.into(), 1_055));
    assert_eq!(replay(&["top", "--sort", "path", "-n", "2000"])["rows"].as_array().unwrap().len(), 1_055);
    // Who is not told in full is there all the same.
    let last = tree["nodes"][1_054]["path"].as_str().unwrap();
    assert_eq!(replay(&["tree", last])["nodes"][0]["path"], last);
    let (code, out, why) = run(&Dir::new(), &["actor", last, "--replay", &file]);
    assert_eq!((code, out.as_str()), (1, ""), "{why}");
    assert!(why.contains("in full are 1000 of 1055 actors"), "{why}");
    for words in [&["health"][..], &["metrics"], &["crashes"], &["events"], &["dead-letters"], &["reports"]] {
        assert!(replay(words).is_object(), "{words:?}");
    }
}

/// Two answers are not of one time.
fn without_times(mut answer: serde_json::Value) -> serde_json::Value {
    answer.as_object_mut().expect("fields").remove("at_ms");
    answer
}

#[test]
fn a_dump_is_the_users_alone_takes_the_place_of_no_file_and_goes_to_a_pipe() {
    let shop = Shop::open();
    let file = dumped(&shop);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    let (code, out, err) = run(&shop.dir, &["dump", &file]);
    let why = format!("crashworthy: {file}: there is such a file, and it stays as it is\n");
    assert_eq!((code, out, err), (1, String::new(), why));
    assert_eq!(std::fs::read(&file).unwrap(), before);

    let other = shop.dir.path().join("other.jsonl").display().to_string();
    let whole = serde_json::json!({ "file": other, "actors": 4, "listed": 4, "in_full": 4, "whole": true });
    assert_eq!(data(&shop.dir, &["dump", &other, "--json"]), whole);

    // Scripts say that of every command.
    let piped = said(&shop.dir, &["dump", "-", "--json"]);
    let verbs =
        piped.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["verb"].clone());
    let verbs: Vec<_> = verbs.map(|verb| verb.as_str().unwrap().to_owned()).collect();
    assert_eq!(verbs[0], "hello");
    assert_eq!(verbs.iter().filter(|verb| *verb == "actor").count(), 4, "each of the four");
}

#[test]
fn a_file_that_is_none_is_told_with_its_line_and_the_command_line_with_its_misuse() {
    let shop = Shop::open();
    let file = dumped(&shop);
    let text = std::fs::read_to_string(&file).unwrap();
    let damaged = shop.dir.path().join("damaged.jsonl").display().to_string();
    std::fs::write(&damaged, text.replacen("\"verb\":\"tree\"", "\"verb\":\"trees\"", 1)).unwrap();
    let at = 1 + text.lines().position(|line| line.contains("\"verb\":\"tree\"")).expect("it has one");
    let (code, _, err) = run(&shop.dir, &["tree", "--replay", &damaged]);
    assert_eq!((code, err), (1, format!("crashworthy: {damaged}: line {at}: no question \"trees\"\n")));
    let (code, out, err) = run(&shop.dir, &["--replay", &file]);
    assert_eq!((code, out.as_str()), (1, ""), "there is no terminal: {err}");
    for (words, why) in [
        (&["ps"][..], "not of recordings"),
        (&["completions", "bash"], "asks no system"),
        (&["dump", "-"], "a file already"),
        (&["trace", "left"], "nothing happens in it"),
        (&["stop", "left", "--reason", "r", "--yes"], "cannot be acted upon"),
    ] {
        let (code, out, err) = run(&shop.dir, &[words, &["--replay", &file]].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains(why), "{words:?}: {err}");
    }
    for words in [&["ps"][..], &["completions", "bash"]] {
        assert_eq!(run(&shop.dir, &[words, &["--system", "shop"]].concat()).0, 2, "{words:?}");
    }
    assert_eq!(run(&shop.dir, &["tree", "--replay", &file, "--system", "shop"]).0, 2);
    assert_eq!(run(&shop.dir, &["--record", &file, "--replay", &file]).0, 2);
    assert_eq!(run(&shop.dir, &["--record", "new.jsonl", "tree"]).0, 2);
    let recorded = crashworthy(&shop.dir, &["--record", &file]).output().unwrap();
    assert_eq!(recorded.status.code(), Some(1), "there is no terminal");
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let dir = Dir::new();
    let pipe = dir.path().join("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("it runs").success());
    let folder = dir.path().display().to_string();
    for place in [&pipe, &folder, "/dev/zero", "/dev/null"] {
        let mut child = crashworthy(&dir, &["tree", "--replay", place]).stderr(Stdio::piped()).spawn().unwrap();
        // Nobody writes into the pipe: who opens it waits for ever.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until("it ends", || child.try_wait().expect("it is ours"))
        }));
        let _ = child.kill();
        assert_eq!(ended.expect("it ends").code(), Some(1), "{place}");
        let err = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert_eq!(err, format!("crashworthy: {place}: it is not a regular file\n"));
    }
}
