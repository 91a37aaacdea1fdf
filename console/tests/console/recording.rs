//! Dumps, and what the command answers from them.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::command::{crashworthy, data, run, said};
use crate::support::{Dir, Shop, Till, until};

/// A dump of the shop in which `left` has crashed once, and its path.
fn dumped(shop: &Shop) -> String {
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    let file = shop.dir.path().join("dump.jsonl").display().to_string();
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

    let piped = said(&shop.dir, &["dump", "-"]);
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
    let (code, _, err) = run(&shop.dir, &["tree", "--replay", &damaged]);
    assert_eq!((code, err), (1, format!("crashworthy: {damaged}: line 3: no question \"trees\"\n")));
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
