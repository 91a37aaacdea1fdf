//! What is left of a system that has failed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crashworthy::console::Console;
use crashworthy::prelude::*;

use crate::command::{data, run, said};
use crate::support::{Cashier, Dir, PATIENCE, Till};
use crate::terminal::Terminal;

/// A shop that may restart nobody, with a console of this kind.
async fn shop(dir: &Dir, made: impl FnOnce(Console) -> Console) -> (System, [Slot<Cashier>; 2]) {
    let tills = [Slot::<Cashier>::named("left"), Slot::named("right")];
    let tree = Supervisor::one_for_one("shop").intensity(0, secs(60));
    let tree = tree.child(tills[0].child(())).child(tills[1].child(()));
    let console = made(Console::default().below(dir.path()));
    (System::builder().name("shop").with(console).start(tree).await.expect("it starts"), tills)
}

/// Has one of its tills end it.
async fn fail(system: &System, till: &Slot<Cashier>) {
    till.tell(Till::Break).expect("there is room");
    let ended = tokio::time::timeout(PATIENCE, system.ended()).await.expect("it gives up");
    ended.into_result().expect_err("nobody has asked for it");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).map_or(Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

#[crashworthy::test]
async fn a_system_that_gives_up_leaves_a_picture_of_how_it_was_before_it_ended_anybody() {
    let dir = Dir::new();
    let (system, [left, right]) = shop(&dir, |console| console).await;
    for _ in 0..3 {
        right.tell(Till::Sell).unwrap();
    }
    right.settled().await;
    fail(&system, &left).await;

    let [file] = &files(&dir.path().join("dumps"))[..] else { panic!("there is one dump") };
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let file = file.display().to_string();
    let replay = |words: &[&str]| data(&dir, &[words, &["--json", "--replay", &file]].concat());
    let tree = replay(&["tree"]);
    let told: Vec<_> = tree["nodes"].as_array().unwrap().iter().map(|node| (&node["path"], &node["state"])).collect();
    let (running, stopped) = ("running".into(), "stopped".into());
    let paths = ["shop", "shop/left", "shop/right"].map(serde_json::Value::from);
    // Who ended it is not started again.
    assert_eq!(told, [(&paths[0], &running), (&paths[1], &stopped), (&paths[2], &running)]);
    assert_eq!(replay(&["actor", "shop/left"])["parent"]["path"], "shop", "as the tree has it");
    assert_eq!(replay(&["actor", "shop/right"])["handled"], 3, "who was to end with it, in full");
    assert_eq!(replay(&["crashes"])["reports"][0]["crash"]["message"], "the drawer is stuck");
    assert_eq!(replay(&["reports"])["reports"].as_array().unwrap().last().unwrap()["context"], "shutdown");
    let events = replay(&["events", "--kind", "gives_up"]);
    assert_eq!(events["events"][0]["path"], "shop");
    assert_eq!(replay(&["dead-letters"])["given_up"], 1);
    assert_eq!(replay(&["audit"])["total"], 0);
    let health = run(&dir, &["health", "--replay", &file]);
    let fails = "not ready: the system fails: the top of its tree has ended, or gives up\n";
    assert_eq!(health, (1, fails.to_owned(), String::new()), "who had ended is no matter of it");
    let (code, json, _) = run(&dir, &["health", "--json", "--replay", &file]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["ready"], &json["failing"]), (1, &false.into(), &true.into()));
    assert_eq!(run(&dir, &["state", "shop/right", "--replay", &file]).0, 1, "nobody asks the dead");
    let told = format!("no system runs; one that failed has left --replay {file}\n");
    assert_eq!(run(&dir, &["tree"]), (1, String::new(), format!("crashworthy: {told}")));
    assert_eq!(said(&dir, &["ps"]), told);

    let Some(terminal) = Terminal::open(&dir, &format!("--replay {file}")) else { return };
    terminal.see_text("recorded");
    terminal.press(&["4", "Enter"]);
    terminal.see_text("reason     error in handle: the drawer is stuck");
    terminal.press(&["q"]);
    terminal.see_text("it ended with 0");
}

#[crashworthy::test]
async fn a_system_that_was_asked_to_stop_leaves_none_and_neither_does_one_that_is_not_to() {
    let dir = Dir::new();
    let (system, _tills) = shop(&dir, |console| console).await;
    system.stop().await;
    let (system, [left, _right]) = shop(&dir, Console::without_dumps).await;
    fail(&system, &left).await;
    assert!(!dir.path().join("dumps").exists());
}

#[crashworthy::test]
async fn of_a_large_system_what_matters_most_is_written_in_time() {
    const MANY: usize = 20_000;
    let dir = Dir::new();
    let (system, [left, _right]) = shop(&dir, |console| console).await;
    for _ in 0..MANY {
        drop(system.spawn::<Cashier>(()).await.expect("it starts"));
    }
    fail(&system, &left).await;
    let [file] = &files(&dir.path().join("dumps"))[..] else { panic!("there is one dump") };
    let file = file.display().to_string();
    let replay = |words: &[&str]| data(&dir, &[words, &["--json", "--replay", &file]].concat());
    let crashes = replay(&["crashes", "--backtrace"]);
    assert_eq!(crashes["reports"][0]["crash"]["message"], "the drawer is stuck");
    assert_eq!(replay(&["events", "--kind", "gives_up"])["events"][0]["path"], "shop");
    assert!(replay(&["metrics"])["system"]["actors"].as_u64() > Some(MANY as u64));
    let (code, tree, why) = run(&dir, &["tree", "--match", "left", "--replay", &file]);
    assert!(code == 0 && tree.contains("left"), "it is behind none of the many: {code} {tree} {why}");
    // As many as there was time for.
    let told = why.strip_prefix("recorded are ").and_then(|why| why.split_once(" of 20003 actors"));
    let told: usize = told.expect(&why).0.parse().expect("a number");
    assert!((303..=10_003).contains(&told), "{why}");
}

#[crashworthy::test]
async fn the_newest_few_are_kept_wherever_they_are_to_be() {
    let dir = Dir::new();
    let there = dir.path().join("far/away");
    std::fs::create_dir_all(&there).unwrap();
    let others = ["shop-1-1.txt", "bank-1-1.jsonl", "shop-old-1-1.jsonl"];
    for name in ["shop-3-1.jsonl", "shop-20-1.jsonl", "shop-4-1.jsonl", "shop-100-1.jsonl"].iter().chain(&others) {
        std::fs::write(there.join(name), "").unwrap();
    }
    let (system, [left, _right]) = shop(&dir, |console| console.dumps_to(&there)).await;
    fail(&system, &left).await;
    let mut left: Vec<_> = files(&there).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    left.retain(|name| !others.iter().any(|other| *other == name));
    left.sort();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left.iter().all(|name| name != "shop-3-1.jsonl"), "the oldest went: {left:?}");
    assert!(left.iter().any(|name| name == "shop-4-1.jsonl"), "{left:?}");
    assert!(others.iter().all(|other| there.join(other).exists()), "others stay");
}

#[crashworthy::test]
async fn where_none_can_be_written_the_system_ends_all_the_same() {
    let dir = Dir::new();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (system, [left, _right]) = shop(&dir, |console| console.dumps_to(file.join("below"))).await;
    fail(&system, &left).await;
    assert_eq!(said(&dir, &["ps"]), "no system runs\n");
}
