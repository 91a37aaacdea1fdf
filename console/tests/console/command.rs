//! The command, as a process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crashworthy::prelude::*;

use crate::support::{Dir, PATIENCE, Shop, Till, until};

/// The command, as somebody whose sockets are there.
pub(crate) fn crashworthy(dir: &Dir, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crashworthy"));
    command.args(words).env("CRASHWORTHY_RUNTIME_DIR", dir.path()).stdin(Stdio::null());
    command
}

pub(crate) fn run(dir: &Dir, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = crashworthy(dir, words).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    (status.code().expect("it exits"), text(stdout), text(stderr))
}

#[track_caller]
pub(crate) fn said(dir: &Dir, words: &[&str]) -> String {
    match run(dir, words) {
        (0, out, err) if err.is_empty() => out,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn data(dir: &Dir, words: &[&str]) -> Value {
    serde_json::from_str(&said(dir, words)).expect("it is one value")
}

#[test]
fn ps_finds_the_systems_that_run() {
    let shop = Shop::open();
    let table = said(&shop.dir, &["ps"]);
    let (head, row) = table.split_once('\n').expect("a head and a row");
    assert!(head.starts_with("SYSTEM"), "{table}");
    assert!(row.starts_with("shop ") && row.trim_end().ends_with(shop.socket.to_str().unwrap()), "{table}");
    let systems = data(&shop.dir, &["ps", "--json"]);
    assert_eq!((&systems[0]["system"], &systems[0]["view"]["actors"]), (&"shop".into(), &4.into()));

    let nobody = Dir::new();
    assert_eq!(said(&nobody, &["ps"]), "no system runs\n");
    assert_eq!(data(&nobody, &["ps", "--json"]), Value::Array(vec![]));
}

#[test]
fn tree_and_actor_and_crashes_show_what_is_so() {
    let shop = Shop::open();
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);

    let tree = said(&shop.dir, &["tree"]);
    let names: Vec<_> =
        tree.lines().skip(1).map(|line| line.split("  ").find(|word| !word.is_empty()).unwrap()).collect();
    assert_eq!(names, ["shop", "front", "left", "right"], "{tree}");
    let left = tree.lines().nth(3).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(left, ["left", "Cashier", "running", "0", "1", "1", "1"], "{tree}");
    assert_eq!(data(&shop.dir, &["tree", "front", "--json"])["total"], 3);

    let actor = said(&shop.dir, &["actor", "shop/front/left"]);
    assert!(actor.contains("restarts   1\n") && actor.contains("parent     shop/front <"), "{actor}");
    let crashes = said(&shop.dir, &["crashes"]);
    assert!(
        crashes.starts_with("1 crashed; the newest 1 of 1") && crashes.contains("the drawer is stuck"),
        "{crashes}"
    );
    let reports = said(&shop.dir, &["reports"]);
    assert!(reports.contains("1 child_terminated") && reports.contains("the drawer is stuck"), "{reports}");
    let top = data(&shop.dir, &["top", "--sort", "restarts", "-n", "1", "--json", "--system", "shop"]);
    assert_eq!((&top["rows"][0]["path"], &top["matched"]), (&"shop/front/left".into(), &4.into()));
    assert!(!top.to_string().contains('\u{1b}') && !tree.contains('\u{1b}'), "a pipe gets no colours");
}

#[test]
fn an_actor_that_blocks_its_thread_is_told_as_such() {
    let shop = Shop::open();
    let blocked = shop.block(&shop.left);
    let line =
        || said(&shop.dir, &["tree"]).lines().find(|line| line.trim_start().starts_with("left")).map(str::to_owned);
    let begun = Instant::now();
    // It counts from ten milliseconds on.
    while !line().expect("it is in the tree").trim_end().ends_with(", blocks its thread") {
        assert!(begun.elapsed() < PATIENCE, "it is not told");
        std::thread::yield_now();
    }
    drop(blocked);
    assert_eq!(shop.total(&shop.left), 0);
    assert!(!said(&shop.dir, &["tree"]).contains("blocks"));
}

#[test]
fn exit_codes_tell_what_is_missing_from_what_is_misused() {
    let shop = Shop::open();
    let (code, out, err) = run(&shop.dir, &["actor", "shop/nobody"]);
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "crashworthy: no actor \"shop/nobody\"\n"));
    let (code, _, err) = run(&shop.dir, &["tree", "--system", "mall"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("crashworthy: no system \"mall\" runs"), "{err}");
    assert_eq!(run(&shop.dir, &["tree", "--socket", "/nowhere/ro.sock"]).0, 1);
    assert_eq!(run(&Dir::new(), &["tree"]).0, 1);
    for misuse in [&["tree", "--watch", "0"][..], &["top", "--sort", "beauty"], &["frobnicate"], &["actor"]] {
        assert_eq!(run(&shop.dir, misuse).0, 2, "{misuse:?}");
    }
    let (code, _, err) = run(&shop.dir, &[]);
    assert_eq!(code, 2);
    assert!(err.contains("Examples:") && err.contains("crashworthy top --busy --watch 1"), "{err}");
}

#[test]
fn the_help_of_a_command_has_the_options_that_it_takes() {
    let nobody = Dir::new();
    let all = ["--socket <", "--system <", "--connect <", "--token-file <", "--replay <"];
    for (command, takes) in [
        ("tree", &all[..]),
        ("dump", &all[..4]),
        ("trace", &all[..4]),
        ("kill", &all[..2]),
        ("ps", &[]),
        ("completions", &[]),
    ] {
        let help = said(&nobody, &[command, "--help"]);
        let told: Vec<_> = all.into_iter().filter(|option| help.contains(option)).collect();
        assert_eq!(told, takes, "{command}: {help}");
    }
    // And what it does not take is told, wherever it is said.
    for (words, why) in [
        (&["ps", "--system", "shop"][..], "ps tells of all systems"),
        (&["--socket", "x.sock", "ps"], "ps tells of all systems"),
        (&["completions", "bash", "--replay", "tape.jsonl"], "completions asks no system"),
        (&["kill", "till", "--reason", "it hangs", "--replay", "tape.jsonl"], "a recording cannot be acted upon"),
        (&["trace", "till", "--replay", "tape.jsonl"], "a recording is not traced"),
    ] {
        let (code, _, err) = run(&nobody, words);
        assert!(code == 2 && err.contains(why), "{words:?}: {code} {err}");
    }
}

#[test]
fn of_several_systems_one_is_to_be_chosen() {
    let shop = Shop::open();
    let console = crashworthy::Console::default().below(shop.dir.path());
    let other = {
        let _entered = shop.runtime.enter();
        crashworthy::System::builder().name("mall").with(console).bare().unwrap()
    };
    let (code, _, err) = run(&shop.dir, &["tree"]);
    assert_eq!(code, 1);
    assert!(err.contains("several systems run") && err.contains("\n  mall: --system mall\n"), "{err}");
    assert_eq!(data(&shop.dir, &["tree", "--json", "--system", "mall"])["total"], 0);
    assert_eq!(data(&shop.dir, &["tree", "--json", "--socket", shop.socket.to_str().unwrap()])["total"], 4);
    shop.runtime.block_on(other.stop());
}

#[test]
fn whoever_names_another_machine_is_told_the_way_there() {
    let dir = Dir::new();
    let there = "ssh://shop.internal/storefront";
    for words in [
        &[there][..],
        &["tree", there, "--nope"],
        &["--socket", there],
        &["--system", there],
        &["tree", "--socket", there],
        &["--system", there, "kill", "shop/till", "--reason", "it hangs"],
        &["--connect", there, "top"],
        &["--connect=ssh://shop.internal/storefront"],
    ] {
        let (code, out, err) = run(&dir, words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains("ssh -fN -L /tmp/storefront.sock:THAT/ro.sock shop.internal\n"), "{err}");
        assert!(err.contains("crashworthy --socket /tmp/storefront.sock\n"), "{err}");
    }
}

#[test]
fn it_watches_until_nobody_reads_or_the_system_ends() {
    let shop = Shop::open();
    let mut watch = crashworthy(&shop.dir, &["tree", "--json", "--watch", "0.1"]);
    let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut byte = [0];
    for _ in 0..3 {
        while out.read(&mut byte).unwrap() == 1 && byte != *b"\n" {}
    }
    // Whoever reads goes: a closed pipe is a quiet end.
    drop(out);
    let end = child.wait_with_output().unwrap();
    assert_eq!((end.status.code(), String::from_utf8(end.stderr).unwrap()), (Some(0), String::new()));

    let mut watch = crashworthy(&shop.dir, &["top", "--watch", "0.1"]);
    let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(child.stdout.as_mut().unwrap().read(&mut byte).unwrap(), 1);
    shop.runtime.block_on(shop.system.stop());
    let end = child.wait_with_output().unwrap();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
}

#[test]
fn a_shell_is_told_how_to_complete_the_command() {
    let nobody = Dir::new();
    for (shell, own) in [("bash", "complete -F"), ("zsh", "#compdef crashworthy"), ("fish", "complete -c crashworthy")]
    {
        let script = said(&nobody, &["completions", shell]);
        assert!(script.contains(own) && script.contains("dead-letters"), "{shell}: {script:.200}");
        // Where there is such a shell, it can read it.
        let mut reads = Command::new(shell);
        reads.arg("-n").stdin(Stdio::piped()).stdout(Stdio::null());
        if let Ok(mut child) = reads.spawn() {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "{shell}");
        }
    }
    assert_eq!(run(&nobody, &["completions", "powershell"]).0, 2);
}

#[test]
fn what_is_watched_is_told_with_what_it_comes_to_in_a_second() {
    let shop = Shop::open();
    let _held = shop.block(&shop.right);
    let read = |words: &[&str], is_last: &dyn Fn(&str) -> bool| {
        let mut child = crashworthy(&shop.dir, words).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        let last = lines.find(|line| is_last(line)).expect("it goes on");
        drop(lines);
        child.wait().unwrap();
        last
    };
    let line = read(&["top", "--watch", "0.1", "--sort", "in-hand", "-n", "1"], &|line| line.contains(" 100%  "));
    assert!(line.starts_with("shop/front/right  Cashier  running"), "{line}");
    let line = read(&["tree", "--watch", "0.1", "--json"], &|line| line.contains("busy_percent\":100"));
    let tree: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&tree["nodes"][3]["path"], &tree["nodes"][3]["rates"]["handled"]),
        (&"shop/front/right".into(), &0.0.into())
    );
    assert!(!said(&shop.dir, &["top"]).contains("MSG/S"), "one look says nothing of a second");
}

#[test]
fn health_is_an_exit_code_and_says_who_takes_no_work_and_why() {
    let shop = Shop::open();
    let bank = Dependency::named("bank");
    shop.right.tell(Till::Need(bank.clone())).unwrap();
    assert_eq!(shop.total(&shop.right), 0);
    assert_eq!(said(&shop.dir, &["health"]), "ready: everybody takes new work\n");
    assert_eq!(data(&shop.dir, &["health", "--json"])["ready"], true);

    bank.mark_down(Some(secs(600)));
    // What it says may be a moment old.
    let told = until("it is told", || {
        let (code, out, _) = run(&shop.dir, &["health"]);
        (code == 1).then_some(out)
    });
    assert!(told.starts_with("not ready: these take no new work, or only some\n"), "{told}");
    let row = told.lines().nth(2).expect("a row behind the head");
    assert!(
        row.starts_with("shop/front/right  running  lacks bank for ") && row.contains("expected back in"),
        "{told}"
    );
    let (code, out, _) = run(&shop.dir, &["health", "--json"]);
    let health: Value = serde_json::from_str(&out).expect("it is one value");
    assert_eq!((code, &health["unready"][0]["lacks"][0]["name"]), (1, &"bank".into()));

    bank.mark_up();
    until("it is well again", || (run(&shop.dir, &["health"]).0 == 0).then_some(()));
}

#[test]
fn metrics_are_sums_over_all_of_a_type_in_the_format_of_openmetrics() {
    let shop = Shop::open();
    shop.left.tell(Till::Break).unwrap();
    for till in [&shop.left, &shop.right, &shop.right] {
        shop.total(till);
    }
    let text = said(&shop.dir, &["metrics"]);
    let kind = "system=\"shop\",kind=\"console::support::Cashier\"";
    for line in [
        "# TYPE crashworthy_actors gauge".to_owned(),
        format!("crashworthy_actors{{{kind},state=\"running\"}} 2"),
        format!("crashworthy_restarts{{{kind}}} 1"),
        format!("crashworthy_messages_accepted{{{kind}}} 4"),
        format!("crashworthy_messages_ended{{{kind},end=\"handled\"}} 3"),
        format!("crashworthy_messages_ended{{{kind},end=\"given_up\"}} 1"),
        "crashworthy_crashes_total{system=\"shop\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|said| said == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("left"), "no actor is named");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let kinds = data(&shop.dir, &["metrics", "--json"]);
    assert_eq!((&kinds["total"], &kinds["kinds"][0]["law"]["queued"]), (&2.into(), &0.into()));
}
