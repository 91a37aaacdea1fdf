//! The command, where it does something.

use crashworthy_console::protocol::{AuditView, CommitView, PlanView};

use crate::command::{data, run, said};
use crate::support::{Shop, until};

const BECAUSE: [&str; 2] = ["--reason", "it hangs"];

fn words<'w>(verb: &'w [&'w str], more: &[&'w str]) -> Vec<&'w str> {
    [verb, &BECAUSE, more].concat()
}

#[test]
fn a_kill_shows_its_plan_is_done_and_is_in_the_audit() {
    let shop = Shop::open();
    let out = said(&shop.dir, &words(&["kill", "shop/front/left"], &["--yes"]));
    assert!(out.starts_with("kill: shop/front/left <") && out.contains("it is permanent"), "{out}");
    let mut last = out.lines().skip_while(|line| !line.starts_with("done: kill, shop/front/left <")).skip(1);
    assert!(last.next().unwrap().starts_with("now: "), "{out}");
    until("it is killed", || (shop.left.pid().incarnation == 2).then_some(()));

    let audit = said(&shop.dir, &["audit"]);
    assert!(audit.starts_with("1 entries; the newest 1:\n\nkill, done "), "{audit}");
    assert!(audit.contains("  reason  it hangs\n  actor   shop/front/left <"), "{audit}");
    assert!(audit.contains("audit/shop.jsonl"), "{audit}");
    let view: AuditView = serde_json::from_value(data(&shop.dir, &["audit", "--json"])).unwrap();
    assert_eq!(view.entries.len(), 1);
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_done() {
    let shop = Shop::open();
    let (code, out, err) = run(&shop.dir, &words(&["kill", "left"], &[]));
    assert_eq!(code, 3);
    assert!(out.starts_with("kill: shop/front/left <") && !out.contains("done"), "{out}");
    assert!(err.contains("nothing was done; `--yes` does it without asking"), "{err}");
    assert_eq!((shop.total(&shop.left), shop.left.pid().incarnation), (0, 1));
    assert_eq!(data(&shop.dir, &["audit", "--json"])["total"], 0);
}

#[test]
fn as_json_the_plan_is_a_line_and_what_was_done_another() {
    let shop = Shop::open();
    let socket = shop.socket.to_str().unwrap();
    let out = said(&shop.dir, &words(&["limit", "left", "--to", "5"], &["--yes", "--json", "--socket", socket]));
    let (plan, done) = out.split_once('\n').unwrap();
    let plan: PlanView = serde_json::from_str(plan).unwrap();
    let done: CommitView = serde_json::from_str(done).unwrap();
    assert_eq!((plan.total, plan.targets, done.audited), (1, done.targets, true));
    assert_eq!(shop.look(&shop.left).limit, 5);
}

#[test]
fn what_is_done_to_all_who_match_a_pattern_is_done_to_those_whom_the_plan_tells() {
    let shop = Shop::open();
    for (pattern, path) in [("f.*/l.ft$", "shop/front/left"), ("~FRONTRGHT", "shop/front/right")] {
        let out = said(&shop.dir, &words(&["trip", "--match", pattern], &["--yes", "--json"]));
        let (plan, done) = out.split_once('\n').unwrap();
        let plan: PlanView = serde_json::from_str(plan).unwrap();
        let done: CommitView = serde_json::from_str(done).unwrap();
        assert_eq!((plan.total, plan.targets[0].path.as_str()), (1, path));
        assert_eq!(plan.targets, done.targets);
    }
    let out = said(&shop.dir, &words(&["untrip", "--match", "!right$", "--under", "front"], &["--yes", "--json"]));
    let done: CommitView = serde_json::from_str(out.lines().nth(1).unwrap()).unwrap();
    let paths: Vec<_> = done.targets.iter().map(|target| target.path.as_str()).collect();
    assert_eq!(paths, ["shop/front", "shop/front/left"]);
    let gates = [&shop.left, &shop.right].map(|till| till.gate());
    assert_eq!(gates, [crashworthy::GateState::Open, crashworthy::GateState::Tripped]);
    let (code, out, err) = run(&shop.dir, &words(&["kill", "--match", "nob.dy"], &["--yes"]));
    assert!(code == 1 && out.is_empty() && err.contains("nobody matches, lives"), "{code} {out} {err}");
}

#[test]
fn suspend_resume_restart_and_stop_do_what_they_say() {
    use crashworthy::State::{Running, Suspended};
    let shop = Shop::open();
    let is = |state| until("it is so", || (shop.look(&shop.left).state == state).then_some(()));
    let out = said(&shop.dir, &words(&["suspend", "left", "--for", "5m"], &["--yes"]));
    assert!(out.starts_with("suspend for 300s: shop/front/left <"), "{out}");
    is(Suspended);
    // What it sees may be a moment old.
    let resume = words(&["resume", "--state", "suspended"], &["--yes"]);
    until("somebody is seen to be suspended", || (run(&shop.dir, &resume).0 == 0).then_some(()));
    is(Running);
    for (verb, incarnation) in [("restart", 2), ("stop", 3)] {
        said(&shop.dir, &words(&[verb, "left"], &["--yes"]));
        until("it is back", || (shop.left.pid().incarnation == incarnation).then_some(()));
        is(Running);
    }
}

#[test]
fn trip_untrip_and_drain_do_what_they_say_and_top_shows_whose_gate_is_shut() {
    use crashworthy::GateState::{Open, Tripped};
    let shop = Shop::open();
    let out = said(&shop.dir, &words(&["trip", "left"], &["--yes"]));
    assert!(out.starts_with("trip: shop/front/left <") && out.contains("done: trip, shop/front/left <"), "{out}");
    assert_eq!(shop.left.gate(), Tripped);
    until("it is seen", || said(&shop.dir, &["top", "--shut"]).contains("  tripped  ").then_some(()));
    assert!(said(&shop.dir, &["actor", "left"]).contains("  gate       tripped"));
    let (code, out, _) = run(&shop.dir, &["health"]);
    assert!(code == 1 && out.contains("tripped, until it is untripped"), "{out}");
    said(&shop.dir, &words(&["untrip", "left"], &["--yes"]));
    assert_eq!(shop.left.gate(), Open);
    let out = said(&shop.dir, &words(&["drain", "left", "--within", "5m"], &["--yes"]));
    assert!(out.starts_with("drain within 300s: shop/front/left <") && out.contains("\nnow: "), "{out}");
    until("it is back", || (shop.left.pid().incarnation == 2).then_some(()));
}

#[test]
fn a_log_level_that_nobody_lets_the_console_set_is_an_error_that_says_so() {
    let shop = Shop::open();
    let (code, out, err) = run(&shop.dir, &words(&["log-level", "debug"], &["--yes"]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("nothing to set the log level with"), "{err}");
    assert_eq!(run(&shop.dir, &words(&["log-level", "loud"], &["--yes"])).0, 2);
}

#[test]
fn exit_codes_tell_what_is_refused_from_what_is_misused() {
    let shop = Shop::built(|console| console.protect(["shop/front/left"]));
    let (code, out, err) = run(&shop.dir, &words(&["kill", "left"], &["--yes"]));
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "crashworthy: shop/front/left is protected\n"));
    let by_type = ["kill", "--under", "shop", "--match", "Cashier"];
    let (code, out, _) = run(&shop.dir, &words(&by_type, &["--yes"]));
    assert!(code == 0 && out.contains("protected: 1 more match and are left out"), "{out}");
    for nothing in ["", "!", "~"] {
        let (code, _, err) = run(&shop.dir, &words(&["kill", "--match", nothing], &["--yes"]));
        assert!(code == 2 && err.contains("it looks for nothing, which all match"), "{code} {err}");
    }
    for misuse in [
        &["kill", "--match", "(", "--reason", "it hangs"][..],
        &["kill", "left"],
        &words(&["kill"], &[]),
        &words(&["kill", "left", "--under", "shop"], &[]),
        &words(&["suspend", "left", "--for", "60"], &[]),
        &words(&["limit", "left"], &[]),
    ] {
        assert_eq!(run(&shop.dir, misuse).0, 2, "{misuse:?}");
    }
    let closed = Shop::built(|console| console.read_only());
    let (code, _, err) = run(&closed.dir, &words(&["kill", "left"], &["--yes"]));
    assert_eq!(code, 1);
    assert!(err.contains("the console is read-only"), "{err}");
    assert_eq!(data(&closed.dir, &["audit", "--json"])["total"], 0);
}
