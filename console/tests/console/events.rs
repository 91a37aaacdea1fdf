//! What has happened, over the socket and by the command.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crashworthy::{Acted, Decision, Fallen, Happening, Judgement, Sender};
use crashworthy_console::protocol::{Code, DeadLetters, DeadLettersQuery, Deed, Events, EventsQuery};
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::actions::{audit, commit, plan, refused};
use crate::command::{crashworthy, data, run, said};
use crate::support::{Shop, Till, until};

fn names(events: &Events) -> Vec<&str> {
    events.events.iter().map(|event| event.what.name()).collect()
}

/// Those that were told after a number.
fn since(client: &mut Client, seq: u64) -> Events {
    client.ask("events", &EventsQuery { since: Some(seq), ..EventsQuery::default() }).expect("it answers")
}

#[test]
fn a_crash_and_its_restart_are_told_in_order_to_who_has_asked_before() {
    let shop = Shop::open();
    let mut client = shop.client();
    let before: Events = client.ask("events", &()).unwrap();
    assert_eq!((before.lifecycle_since, before.events.len()), (None, 0), "nobody has asked, and nothing is wrong");
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);

    let after = since(&mut client, before.next);
    assert_eq!(names(&after), ["dead_letters", "ends", "crashed", "begins", "started"], "{after:?}");
    assert!(after.events.iter().all(|event| &*event.path == "shop/front/left"), "{after:?}");
    assert_eq!((after.next, after.dropped, after.lifecycle_since), (5, 0, Some(1)));
    let Happening::Crashed { judgement: Judgement::Judged(verdict), .. } = &after.events[2].what else {
        panic!("{after:?}")
    };
    assert!(matches!(verdict.ruling.decision, Decision::Restart { .. }) && &*verdict.by == "shop/front");

    let of = |query: EventsQuery, client: &mut Client| client.ask::<Events>("events", &query).unwrap();
    let crashes = EventsQuery { kinds: vec!["crashed".into()], ..EventsQuery::default() };
    assert_eq!(names(&of(crashes, &mut client)), ["crashed"]);
    let elsewhere = EventsQuery { under: Some("shop/front/right".into()), ..EventsQuery::default() };
    assert_eq!(of(elsewhere, &mut client).matched, 0);
    // Page by page nothing is lost.
    let (mut seen, mut next) = (Vec::new(), 0);
    while next < after.next {
        let page = of(EventsQuery { since: Some(next), limit: Some(2), ..EventsQuery::default() }, &mut client);
        assert!((1..=2).contains(&page.events.len()));
        seen.extend(page.events.iter().map(|event| event.seq));
        next = page.next;
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    match client.ask::<Value>("events", &json!({ "kinds": ["sings"] })) {
        Err(ClientError::Refused(why)) => assert_eq!(why.code, Code::BadArguments),
        other => panic!("{other:?}"),
    }
}

#[test]
fn when_the_last_client_has_left_beginnings_and_ends_are_told_no_more() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.ask::<Events>("events", &()).unwrap();
    let attended = || shop.system.events_since(0).lifecycle_since.is_some();
    assert!(attended());
    // Who has not asked leaves, somebody else who has, too: that is nothing to who has.
    drop(shop.client());
    let mut other = shop.client();
    other.ask::<Events>("events", &()).unwrap();
    drop(other);
    shop.assert_serves();
    assert!(attended());
    drop(client);
    until("nobody attends", || (!attended()).then_some(()));
}

#[test]
fn a_supervisor_that_gives_up_is_told_with_what_it_had_used_up() {
    let shop = Shop::open();
    let mut client = shop.client();
    let broken = until("it has given up", || {
        // Between two lives its mailbox takes the next.
        let _ = shop.left.tell(Till::Break);
        let told = since(&mut client, 0);
        told.events.into_iter().find(|event| event.what.name() == "gives_up")
    });
    assert_eq!(&*broken.path, "shop/front");
    let Happening::GivesUp { budget: Some(budget) } = broken.what else { panic!("{broken:?}") };
    assert_eq!((budget.allowed, budget.left()), (3, 0));
}

#[test]
fn dead_letters_are_told_with_kind_sender_and_reason_and_counted_by_reason() {
    let shop = Shop::open();
    let mut client = shop.client();
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    let letters: DeadLetters = client.ask("dead_letters", &()).unwrap();
    assert_eq!((letters.total, letters.given_up, letters.undelivered, letters.matched), (1, 1, 0, 1));
    let letter = &letters.letters[0];
    assert_eq!((&*letter.path, &*letter.kind, letter.why), ("shop/front/left", "Break", Fallen::GivenUp));
    assert_eq!(letter.from, Sender::Outside);
    let none = [
        DeadLettersQuery { why: Some(Fallen::Undelivered), ..DeadLettersQuery::default() },
        DeadLettersQuery { under: Some("shop/front/right".into()), ..DeadLettersQuery::default() },
    ];
    for query in none {
        assert_eq!(client.ask::<DeadLetters>("dead_letters", &query).unwrap().matched, 0, "{query:?}");
    }

    let told = said(&shop.dir, &["dead-letters"]);
    assert!(told.starts_with("1 dead letter: 1 given up, 0 undelivered; the newest 1 of 1"), "{told}");
    let row: Vec<_> = told.lines().nth(2).expect("a row behind the head").split("  ").map(str::trim).collect();
    assert!(row.contains(&"shop/front/left") && row.contains(&"Break") && row.ends_with(&["outside"]), "{told}");
    assert_eq!(data(&shop.dir, &["dead-letters", "--why", "undelivered", "--json"])["matched"], 0);
}

#[test]
fn the_command_lists_events_and_knows_their_names() {
    let shop = Shop::open();
    shop.left.tell(Till::Break).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    let told = said(&shop.dir, &["events"]);
    assert!(
        told.starts_with("2 happened, and who began and ended is not told while nobody follows events; 2 of 2"),
        "{told}"
    );
    let crashed = told.lines().last().expect("a line each");
    assert!(crashed.contains("shop/front/left <") && crashed.contains("the drawer is stuck"), "{told}");
    let events = data(&shop.dir, &["events", "--kind", "crashed", "--kind", "gives_up", "--since", "1", "--json"]);
    assert_eq!((&events["events"][0]["event"], &events["matched"]), (&"crashed".into(), &1.into()));
    assert_eq!(run(&shop.dir, &["events", "--kind", "sings"]).0, 2);
}

#[test]
fn who_follows_is_told_each_event_once_until_the_system_ends() {
    let shop = Shop::open();
    let mut watch = crashworthy(&shop.dir, &["events", "--watch", "0.1", "--json"]);
    let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("more comes").unwrap()).unwrap() };
    assert_eq!(next()["events"], json!([]), "it says at once what there is");
    shop.left.tell(Till::Break).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let events = next();
        let new = events["events"].as_array().expect("a list").clone();
        assert!(!new.is_empty(), "it says nothing if there is nothing new");
        seen.extend(new.into_iter().map(|event| event["event"].as_str().expect("a name").to_owned()));
    }
    assert_eq!(seen, ["dead_letters", "ends", "crashed", "begins", "started"]);
    shop.runtime.block_on(shop.system.stop());
    // Some of the end may still come.
    lines.for_each(drop);
    let end = child.wait_with_output().unwrap();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
}

#[test]
fn own_messages_that_end_with_their_incarnation_are_told_apart_and_the_sums_agree() {
    let shop = Shop::open();
    let mut client = shop.client();
    shop.left.tell(Till::Forget).unwrap();
    assert_eq!(shop.total(&shop.left), 0);

    let told: DeadLetters = client.ask("dead_letters", &()).unwrap();
    assert_eq!((told.total, told.given_up, told.undelivered, told.own_undelivered), (1, 1, 0, 2));
    assert_eq!((told.actors[0].given_up, told.actors[0].undelivered), (1, 2));
    let lost: u64 = told.actors.iter().map(|row| row.given_up + row.undelivered).sum();
    assert_eq!(lost, told.total + told.own_undelivered, "LOST is the letters and the own messages");
    let law = shop.look(&shop.left).law;
    assert!(law.holds() && law.undelivered == told.undelivered + told.own_undelivered, "{law:?}");

    let text = said(&shop.dir, &["dead-letters"]);
    let first =
        "1 dead letter: 1 given up, 0 undelivered, and 2 own messages (ticks, pipes) of incarnations that had ended;";
    assert!(text.starts_with(first), "{text}");
    let metrics = said(&shop.dir, &["metrics"]);
    for line in ["dead_letters_total{system=\"shop\"} 1", "own_messages_undelivered_total{system=\"shop\"} 2"] {
        assert!(metrics.contains(&format!("\ncrashworthy_{line}\n")), "no {line} in\n{metrics}");
    }
    let dump = shop.dir.path().join("dump.jsonl").display().to_string();
    said(&shop.dir, &["dump", &dump]);
    assert!(said(&shop.dir, &["dead-letters", "--replay", &dump]).starts_with(first));
}

#[test]
fn what_is_done_through_the_console_is_told_with_who_why_and_what_became_of_it() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let first = shop.left.pid();
    let kills: Vec<_> = (0..2).map(|_| plan(&mut client, Deed::Kill, "left")).collect();
    commit(&mut client, &kills[0]).unwrap();
    until("it is back", || (shop.left.pid() != first).then_some(()));
    assert_eq!(refused(commit(&mut client, &kills[1])), Code::Changed);
    let acted = EventsQuery { kinds: vec!["acted".into()], under: Some("shop/front".into()), ..EventsQuery::default() };
    let events: Events = client.ask("events", &acted).unwrap();
    let told: Vec<_> = events.events.iter().map(|event| (event.pid, &*event.path, event.what.to_string())).collect();
    let by = &audit(&mut client).entries[0].peer;
    assert_eq!(
        told,
        [
            (Some(first), "shop/front/left", format!("kill by {by}: it is slow; done")),
            (Some(first), "shop/front/left", format!("kill by {by}: it is slow; refused, changed")),
        ]
    );
    let Happening::Acted(Acted { verb, reason, outcome, actors, .. }) = &events.events[0].what else {
        panic!("{told:?}")
    };
    assert_eq!((&**verb, reason.as_str(), &**outcome, *actors), ("kill", "it is slow", "done", 1));
    assert!(said(&shop.dir, &["events", "--kind", "acted"]).contains(": it is slow; done"));
}
