//! What is said is what is so.

use std::collections::BTreeMap;

use crashworthy_web::{Application, Web};
use serde_json::json;

use crate::support::{Shop, Till, ask, until};

#[test]
fn info_says_what_the_service_is_and_where_and_within_which_limits() {
    let application = Application { name: "shop".into(), version: "3.1.4".into(), commit: Some("c0ffee".into()) };
    let shop = Shop::with(Web::default().application(application));
    let info = shop.ask("/info").json();
    assert_eq!(info["application"], json!({ "name": "shop", "version": "3.1.4", "commit": "c0ffee" }));
    assert_eq!((&info["system"], &info["process"]), (&json!("shop"), &json!(std::process::id())));
    assert_eq!(info["runtime_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["listens"], shop.web.addr().to_string());
    assert!(info["host"]["addresses"].is_array() && info["host"]["name"].is_string(), "{info}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() * 1e3;
    let started = info["started_ms"].as_f64().expect("it is a number");
    assert!((now - 6e5..=now).contains(&started), "{info}");
    assert!(info["up_ms"].as_f64().is_some_and(|up| up <= now - started), "{info}");
    assert_eq!((&info["accepts_work"], &info["turned_away"]["tokens"]), (&json!(true), &json!(0)));
    let pool = &info["pools"]["first"][0];
    assert_eq!((&info["pools"]["total"], &pool["total"]), (&json!(1), &json!(2)), "{info}");
    assert_eq!((pool["workers"].as_array().map(Vec::len), &info["sources"]), (Some(2), &json!([])), "{info}");
    assert_eq!(info["limits"]["web"], json!(crashworthy_web::Limits::default()));
    assert_eq!(info["limits"]["console"]["rows"], 500);
}

/// Every sample of a text in either format, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let text = text.strip_suffix("# EOF\n").unwrap_or(text);
    let mut families = Vec::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            let mut words = about.splitn(3, ' ');
            let (word, family, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&word) && !rest.is_empty(), "{line}");
            families.push(family.to_owned());
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(families.last().is_some_and(|family| name.starts_with(family.as_str())), "{line} is of no family");
            assert_eq!(name.matches('{').count(), 1, "{line}");
            let twice = samples.insert(name.to_owned(), value.parse().expect("it is a number"));
            assert_eq!(twice, None, "{line}");
        }
    }
    samples
}

#[test]
fn what_has_happened_is_told_and_gone_on_from() {
    let shop = Shop::open();
    shop.left.tell(Till::Break("the drawer is stuck")).unwrap();
    shop.total(&shop.left);
    let told = until("the crash is told", || {
        let told = shop.ask("/events").json();
        let events = told["events"].as_array().expect("events").clone();
        let crash = events.into_iter().find(|event| event["text"].as_str().unwrap().contains("the drawer is stuck"));
        crash.map(|crash| (told, crash))
    });
    assert_eq!(told.1["path"], "shop/left");
    let next = told.0["next"].as_u64().expect("a number");
    let later = shop.ask(&format!("/events?since={next}&under=shop/left")).json();
    assert!(
        later["events"].as_array().expect("events").iter().all(|event| event["seq"].as_u64() > Some(next)),
        "{later}"
    );
    let few = shop.ask("/events?since=0&limit=1&kinds=crashed,started").json();
    assert_eq!(few["events"].as_array().map(Vec::len), Some(1), "{few}");
    let wrong = shop.ask("/events?kinds=cake");
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "bad_arguments"));
    assert_eq!(shop.ask_as_anybody("/events").status, 401);
}

#[test]
fn beginnings_and_ends_are_told_to_who_asks_now_and_then_however_many_come_and_go_between() {
    let shop = Shop::open();
    let first = shop.ask("/events").json();
    assert!(first["lifecycle_since"].is_null(), "nobody has asked before");
    shop.left.tell(Till::Break("the drawer is stuck")).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    for _ in 0..10 {
        assert_eq!(shop.ask_as_anybody("/livez").status, 200);
        assert_eq!(shop.system.events_since(0).lifecycle_since, Some(1), "nobody was connected for a moment");
    }
    let told = shop.ask(&format!("/events?since={}&kinds=begins,ends", first["next"])).json();
    assert_eq!((&told["matched"], &told["lifecycle_since"]), (&2.into(), &1.into()), "{told}");
}

#[test]
fn an_actor_shows_of_its_state_what_its_author_says_and_whoever_is_busy_is_told_as_such() {
    let shop = Shop::open();
    shop.right.tell(Till::Sell).unwrap();
    shop.total(&shop.right);
    let state = shop.ask("/state?actor=shop/right").json();
    assert_eq!(
        (&state["path"], state["text"].as_str()),
        (&json!("shop/right"), Some("sold: 1\npin: (secret)")),
        "{state}"
    );
    let held = shop.block(&shop.right);
    let busy = shop.ask("/state?actor=shop/right").json();
    assert!(busy["unseen"].is_object() || busy["unseen"].is_string(), "{busy}");
    assert!(busy["text"].as_str().is_some_and(|text| text.contains("busy")), "{busy}");
    drop(held);
    assert_eq!((shop.ask("/state?actor=nobody").status, shop.ask("/state").status), (404, 400));
    assert_eq!(shop.ask_as_anybody("/state?actor=shop/right").status, 401);
}

#[test]
fn metrics_are_read_back_and_are_of_types_and_of_no_actor() {
    let shop = Shop::open();
    shop.left.tell(Till::Break("the drawer is stuck")).unwrap();
    for till in [&shop.left, &shop.right, &shop.right] {
        shop.total(till);
    }
    let kind = "system=\"shop\",kind=\"web::support::Cashier\"";
    let (answer, read) = until("the figures are there", || {
        let answer = shop.ask("/metrics");
        let read = samples(&answer.body);
        (read.get(&format!("crashworthy_messages_accepted{{{kind}}}")) == Some(&4.0)).then_some((answer, read))
    });
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    assert!(answer.body.contains("# TYPE crashworthy_crashes_total counter\n"), "{}", answer.body);
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3\r\n";
    let newer = ask(shop.web.addr(), "/metrics", &format!("{}{accept}", shop.bearer()));
    assert_eq!(newer.header("content-type"), Some(crashworthy_console::openmetrics::MEDIA_TYPE));
    assert!(newer.body.contains("# TYPE crashworthy_crashes counter\n") && newer.body.ends_with("# EOF\n"));
    assert_eq!(samples(&newer.body).keys().collect::<Vec<_>>(), read.keys().collect::<Vec<_>>());
    for (name, value) in [
        (format!("crashworthy_actors{{{kind},state=\"running\"}}"), 2.0),
        (format!("crashworthy_restarts{{{kind}}}"), 1.0),
        (format!("crashworthy_messages_ended{{{kind},end=\"handled\"}}"), 3.0),
        (format!("crashworthy_messages_ended{{{kind},end=\"given_up\"}}"), 1.0),
        ("crashworthy_crashes_total{system=\"shop\"}".to_owned(), 1.0),
    ] {
        assert_eq!(read.get(&name), Some(&value), "{name} in {}", answer.body);
    }
    assert!(!answer.body.contains("left"), "no actor is named: {}", answer.body);
}

#[test]
fn an_actor_is_told_by_path_and_one_that_is_not_there_is_not_found() {
    let shop = Shop::open();
    assert_eq!(shop.ask("/actor?actor=shop%2Fleft").json()["path"], "shop/left");
    let nobody = shop.ask("/actor?actor=nobody");
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "not_found"));
    for path in
        ["/actor", "/state", "/live?sort=beauty", "/events?limit=many", &format!("/live?sort={}", "x".repeat(2_000))]
    {
        let answer = shop.ask(path);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_arguments"), "{path}");
    }
    assert_eq!(shop.ask("/nowhere").code(), "not_found");
}

#[test]
fn the_page_is_one_file_that_loads_nothing_and_says_which_of_it_may_run() {
    let shop = Shop::open();
    let policy = |answer: &crate::support::Answer| answer.header("content-security-policy").unwrap().to_owned();
    let (page, again) = (shop.ask_as_anybody("/"), shop.ask_as_anybody("/"));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let nonce = page.body.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has one");
    assert!(policy(&page).contains(&format!("script-src 'nonce-{nonce}'")), "{page:?}");
    assert!(policy(&page).starts_with("default-src 'none';") && !policy(&page).contains("unsafe"), "{page:?}");
    assert_ne!(policy(&page), policy(&again), "nobody can guess the next one");
    assert!(!page.body.contains("{{nonce}}") && !page.body.contains("shop"), "it holds no data");
    for outside in ["http://", "https://", "src=\"", "@import", "url(", "innerHTML", "insertAdjacentHTML"] {
        let own = page.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(outside), "{outside}");
    }
}

#[test]
fn every_answer_is_kept_by_nobody_and_shown_in_no_other_page() {
    let shop = Shop::open();
    for path in ["/", "/livez", "/readyz", "/info", "/metrics", "/actor?actor=left", "/actor?actor=nobody", "/nowhere"]
    {
        for answer in [shop.ask(path), shop.ask_as_anybody(path)] {
            for (name, value) in [
                ("cache-control", "no-store"),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
                ("x-frame-options", "DENY"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{path}: {answer:?}");
            }
            let policy = answer.header("content-security-policy").expect("it has one");
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
}
