//! How much may be done, to whom, and what is kept of it; whatever a client sends.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crashworthy::State;
use crashworthy::console::{ActionLimits, Limits};
use crashworthy::prelude::*;
use crashworthy_console::protocol::{AuditEntry, AuditResult, Code, CommitQuery, Deed, Filter, PlanQuery, PlanView};
use serde_json::{Value, json};

use crate::actions::{audit, commit, plan, query, refused};
use crate::support::{Cashier, PATIENCE, Shop, Till, until};

fn governed(actions: ActionLimits) -> Shop {
    Shop::with(Limits { actions, requests: 1_000, ..Limits::default() })
}

fn all_of(text: &str, deed: Deed) -> PlanQuery {
    let matching = Some(Filter { text: Some(text.into()), ..Filter::default() });
    PlanQuery { deed, actors: vec![], matching, force: false }
}

#[test]
fn a_plan_that_is_too_old_is_refused_and_nothing_is_done() {
    let valid = Duration::from_millis(10);
    let shop = governed(ActionLimits { plan_valid: valid, ..ActionLimits::default() });
    let mut client = shop.actor();
    let kill = plan(&mut client, Deed::Kill, "left");
    let told = Instant::now();
    until("it is too old", || (told.elapsed() > valid).then_some(()));
    assert_eq!(refused(commit(&mut client, &kill)), Code::PlanExpired);
    assert_eq!(shop.total(&shop.left), 0);
    assert_eq!(shop.left.pid().incarnation, 1);
    assert_eq!(audit(&mut client).entries[0].result, AuditResult::Refused(Code::PlanExpired));
}

#[test]
fn a_plan_is_good_for_one_commit_and_a_nonce_that_is_made_up_for_none() {
    let shop = governed(ActionLimits::default());
    let mut client = shop.actor();
    let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, "left");
    commit(&mut client, &suspend).unwrap();
    for _ in 0..100 {
        assert_eq!(refused(commit(&mut client, &suspend)), Code::PlanUsed);
    }
    let forged = PlanView { nonce: "0".repeat(32), ..suspend };
    assert_eq!(refused(commit(&mut client, &forged)), Code::NoPlan);
    let view = audit(&mut client);
    assert_eq!((view.total, view.forged), (1, 101), "they are counted, and displace nothing");
}

#[test]
fn plans_displace_the_oldest_and_cost_no_more_than_so_many() {
    let shop = governed(ActionLimits { plans: 4, ..ActionLimits::default() });
    let mut client = shop.actor();
    let plans: Vec<_> = (0..200).map(|_| plan(&mut client, Deed::Resume, "left")).collect();
    assert_eq!(refused(commit(&mut client, &plans[195])), Code::NoPlan);
    for kept in &plans[196..] {
        commit(&mut client, kept).unwrap();
    }
}

#[test]
fn destructive_actions_are_few_in_a_minute_and_what_undoes_them_is_free() {
    let shop = governed(ActionLimits { destructive: 2, ..ActionLimits::default() });
    let mut client = shop.actor();
    for left in [2, 1] {
        let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, "left");
        assert_eq!(suspend.left, left);
        commit(&mut client, &suspend).unwrap();
    }
    let kill = plan(&mut client, Deed::Kill, "right");
    assert_eq!(kill.left, 0);
    assert_eq!(refused(commit(&mut client, &kill)), Code::TooOften);
    for deed in [Deed::Resume, Deed::Limit { capacity: 7 }] {
        let free = plan(&mut client, deed, "left");
        commit(&mut client, &free).unwrap();
    }
    assert_eq!((shop.total(&shop.left), shop.total(&shop.right)), (0, 0));
    assert_eq!(shop.right.pid().incarnation, 1);
}

#[test]
fn an_action_to_several_says_how_many_first_and_there_is_one_in_a_minute() {
    let shop = governed(ActionLimits { bulk_percent: 100, ..ActionLimits::default() });
    let mut client = shop.actor();
    let kill: PlanView = client.ask("plan", &all_of("Cashier", Deed::Kill)).unwrap();
    assert_eq!((kill.total, kill.ends, kill.left), (2, 2, 1));
    assert_eq!(kill.effect[0], "2 actors, kill: 2 console::support::Cashier");
    assert!(kill.effect.contains(&"supervisor: shop/front starts 2 of 2 again, leaves 0; not known of 0".into()));
    commit(&mut client, &kill).unwrap();
    until("both are back", || [&shop.left, &shop.right].iter().all(|till| till.pid().incarnation == 2).then_some(()));
    let named = query(Deed::Suspend { span: PATIENCE }, &["left", "right", "left"]);
    let again: PlanView = until("they live", || client.ask("plan", &named).ok());
    assert_eq!((again.total, again.left), (2, 0));
    assert_eq!(refused(commit(&mut client, &again)), Code::TooOften);
    let one = plan(&mut client, Deed::Suspend { span: PATIENCE }, "left");
    commit(&mut client, &one).unwrap();
}

#[test]
fn of_a_type_so_many_per_cent_are_touched_at_once_and_of_all_so_many() {
    let shop = governed(ActionLimits { bulk_actors: 3, ..ActionLimits::default() });
    let mut client = shop.actor();
    // They are all that there are.
    let both = query(Deed::Kill, &["left", "right"]);
    let why = client.ask::<Value>("plan", &both).unwrap_err().to_string();
    assert!(
        why.starts_with("2 of 2 ") && why.contains("allowed are 1 at once: 10 % of a type, or 3, but never all"),
        "{why}"
    );
    // What takes something back is not limited so.
    client.ask::<PlanView>("plan", &query(Deed::Resume, &["left", "right"])).expect("all may be resumed");
    let third = shop.runtime.block_on(shop.system.spawn::<Cashier>(())).unwrap();
    let plan: PlanView = until("the console sees the third", || client.ask("plan", &both).ok());
    assert_eq!((plan.total, plan.effect[0].starts_with("2 actors, kill: 2 ")), (2, true), "{plan:?}");
    drop(third);
    let others: Vec<_> = (0..28).map(|_| shop.runtime.block_on(shop.system.spawn::<Cashier>(())).unwrap()).collect();
    let pids: Vec<_> = others.iter().map(|other| other.pid().to_string()).collect();
    let of = |count: usize| {
        let mut these = query(Deed::Kill, &[]);
        these.actors = pids[..count].to_vec();
        these
    };
    let three: PlanView = until("the console sees all of them", || client.ask("plan", &of(3)).ok());
    assert_eq!(three.total, 3);
    assert_eq!(refused(client.ask::<Value>("plan", &of(4))), Code::TooMany);
    assert_eq!(refused(client.ask::<Value>("plan", &all_of("Cashier", Deed::Kill))), Code::TooMany);
}

#[test]
fn who_is_protected_and_who_is_above_is_left_alone_and_so_is_the_top() {
    let shop = Shop::built(|console| console.protect(["shop/front/left"]));
    let mut client = shop.actor();
    let mut code = |query: &PlanQuery| refused(client.ask::<Value>("plan", query));
    let suspend = Deed::Suspend { span: PATIENCE };
    for deed in [Deed::Stop, Deed::Kill, Deed::Restart, suspend, Deed::Limit { capacity: 1 }] {
        assert_eq!(code(&query(deed, &["left"])), Code::Protected, "{deed}");
        if deed.is_destructive() {
            assert_eq!(code(&query(deed, &["shop"])), Code::Protected, "{deed}");
        }
    }
    assert_eq!(code(&query(Deed::Kill, &["shop/front"])), Code::Protected);
    assert_eq!(code(&query(Deed::Kill, &["right", "left"])), Code::Protected);
    // Whoever matches is left out, and counted.
    let rest: PlanView = client.ask("plan", &all_of("shop", Deed::Kill)).unwrap();
    assert_eq!((rest.total, rest.targets[0].path.as_str()), (1, "shop/front/right"));
    assert_eq!(rest.effect[1], "protected: 3 more match and are left out");
    assert_eq!(refused(client.ask::<Value>("plan", &all_of("left", Deed::Kill))), Code::NotFound);
    plan(&mut client, Deed::Resume, "left");
}

#[test]
fn what_may_end_a_supervisor_is_refused_unless_that_is_wanted() {
    let shop = governed(ActionLimits::default());
    let mut client = shop.actor();
    for incarnation in 2..=4 {
        shop.left.tell(Till::Break).unwrap();
        until("it is back", || {
            let left = shop.look(&shop.left);
            (left.pid.incarnation == incarnation && left.state == State::Running).then_some(())
        });
    }
    let refusal = until("the console sees it", || match client.ask::<Value>("plan", &query(Deed::Kill, &["right"])) {
        Err(crashworthy_console::ClientError::Refused(why)) => Some(why),
        _ => None,
    });
    assert_eq!(refusal.code, Code::Budget);
    assert!(
        refusal.message.starts_with(
            "that needs 1 restart and 0 are left: shop/front would end, and shop starts shop/front again; "
        ),
        "{refusal}"
    );
    let forced: PlanView = client.ask("plan", &PlanQuery { force: true, ..query(Deed::Kill, &["right"]) }).unwrap();
    assert!(
        forced.effect.iter().any(|line| line.ends_with("3 of 3 restarts in 60s, 0 left, one more ends it")),
        "{forced:?}"
    );
}

#[test]
fn the_audit_has_who_did_what_to_whom_and_why_and_outlives_system_and_connection() {
    let shop = governed(ActionLimits::default());
    let mut client = shop.actor();
    let file = shop.dir.path().join("audit/shop.jsonl");
    assert!(!file.exists(), "there is nothing to be said yet");
    let first = shop.left.pid();
    let kill = plan(&mut client, Deed::Kill, "left");
    // Whoever commits does not wait for the answer.
    let commit =
        json!({ "id": 1, "verb": "commit", "args": CommitQuery { nonce: kill.nonce, reason: " it hangs ".into() } });
    let mut hasty = UnixStream::connect(shop.system.console_for_actions().unwrap()).unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&hasty), &mut String::new()).unwrap();
    std::io::Write::write_all(&mut hasty, format!("{commit}\n").as_bytes()).unwrap();
    drop(hasty);
    until("it is killed", || (shop.left.pid().incarnation == 2).then_some(()));

    // Everybody may read what was done.
    let view = until("it is entered", || Some(audit(&mut shop.client())).filter(|view| view.total == 1));
    let entry = view.entries[0].clone();
    assert_eq!(
        (entry.peer.uid, entry.peer.process),
        (std::fs::metadata(&file).unwrap().uid(), Some(std::process::id() as i32))
    );
    assert_eq!(
        (entry.reason.as_str(), &entry.result, entry.process),
        ("it hangs", &AuditResult::Done, std::process::id())
    );
    let plan = entry.plan.as_ref().unwrap();
    assert_eq!((plan.deed, plan.targets[0].pid, plan.targets[0].path.as_str()), (Deed::Kill, first, "shop/front/left"));
    assert_eq!(plan.effect, kill.effect);
    assert_eq!((view.file.as_ref(), view.unwritten), (Some(&file), 0));

    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(&shop.system.console_for_actions().unwrap()), 0o600);
    shop.runtime.block_on(shop.system.stop());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().map(|line| serde_json::from_str::<AuditEntry>(line).unwrap()).collect::<Vec<_>>(), [entry]);
}

#[test]
fn who_looks_keeps_nobody_from_acting_and_so_many_are_suspended_at_a_time() {
    let actions = ActionLimits { suspended: 1, ..ActionLimits::default() };
    let shop = Shop::with(Limits { actions, connections: 1, ..Limits::default() });
    let _looks = shop.client();
    let mut client = shop.actor();
    for (actor, refusal) in [("left", None), ("right", Some(Code::TooMany))] {
        let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, actor);
        assert_eq!(commit(&mut client, &suspend).map_err(|why| refused::<()>(Err(why))).err(), refusal);
    }
    let resume = plan(&mut client, Deed::Resume, "left");
    commit(&mut client, &resume).unwrap();
    let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, "right");
    commit(&mut client, &suspend).unwrap();
}

#[test]
fn whatever_is_sent_is_refused_by_name_and_changes_nothing() {
    let shop = governed(ActionLimits::default());
    let mut client = shop.actor();
    let mut code = |verb: &str, args: Value| refused(client.ask::<Value>(verb, &args));
    assert_eq!(code("explode", json!({})), Code::UnknownVerb);
    for args in [
        json!(null),
        json!({ "do": "explode", "actors": ["left"] }),
        json!({ "do": "kill" }),
        json!({ "do": "kill", "actors": [] }),
        json!({ "do": "kill", "actors": ["left"], "matching": {} }),
        json!({ "do": "kill", "actors": "left" }),
        json!({ "do": "limit", "actors": ["left"] }),
        json!({ "do": "limit", "capacity": 0, "actors": ["left"] }),
        json!({ "do": "limit", "capacity": u64::MAX, "actors": ["left"] }),
        json!({ "do": "limit", "capacity": u32::MAX, "actors": ["left"] }),
        json!({ "do": "suspend", "for_ms": 0, "actors": ["left"] }),
        json!({ "do": "suspend", "for_ms": u64::MAX, "actors": ["left"] }),
    ] {
        assert_eq!(code("plan", args.clone()), Code::BadArguments, "{args}");
    }
    assert_eq!(code("plan", json!({ "do": "kill", "actors": ["x".repeat(60_000)] })), Code::NotFound);
    assert_eq!(code("plan", json!({ "do": "kill", "actors": vec!["left"; 5_000] })), Code::TooMany);
    assert_eq!(code("plan", json!({ "do": "resume", "matching": { "text": "nobody" } })), Code::NotFound);
    let resume = plan(&mut client, Deed::Resume, "left");
    for reason in ["", "  ", &"x".repeat(257), "a\nb", "\u{1b}[2J"] {
        let commit = CommitQuery { nonce: resume.nonce.clone(), reason: reason.to_owned() };
        assert_eq!(refused(client.ask::<Value>("commit", &commit)), Code::BadArguments, "{reason:?}");
    }
    assert_eq!(audit(&mut client).total, 0);
    commit(&mut client, &resume).expect("what was refused for its reason may still be done");
    assert_eq!((shop.total(&shop.left), shop.left.pid().incarnation), (0, 1));
    shop.assert_serves();
}
