//! Messages are traced as they are: truly, within limits, and for no longer than somebody is there.

use std::io::{BufRead, BufReader, Write as _};
use std::net::Shutdown;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crashworthy::console::Limits;
use crashworthy::{Outcome, Sender, TraceEnd, TraceRecord};
use crashworthy_console::protocol::{Code, TraceQuery, TraceView, Traced, Untraced};
use crashworthy_console::{Client, ClientError, TraceLimits};
use serde_json::{Value, json};

use crate::command::{crashworthy, run};
use crate::newer::interpreter;
use crate::support::{Dir, Raw, Shop, Till, until};

/// As much as there may be, of these.
fn all_of(actors: &[&str]) -> TraceQuery {
    let within = Some(Duration::from_secs(60));
    let actors = actors.iter().map(|&pattern| pattern.to_owned()).collect();
    TraceQuery { actors, messages: vec![], count: Some(1_000), rate: Some(100), within }
}

fn begin(client: &mut Client, query: &TraceQuery) -> TraceView {
    client.trace(query).expect("it is traced")
}

fn traced(client: &mut Client) -> Traced {
    client.traced().expect("it answers")
}

/// What was traced, once that are so many.
fn read(client: &mut Client, messages: usize) -> Vec<TraceRecord> {
    let mut seen = Vec::new();
    until("so many are traced", || {
        seen.extend(traced(client).records);
        (seen.len() >= messages).then_some(())
    });
    seen
}

#[track_caller]
fn refused(client: &mut Client, verb: &str, args: &Value) -> (Code, String) {
    match client.ask::<Value>(verb, args) {
        Err(ClientError::Refused(why)) => (why.code, why.message),
        other => panic!("{verb} {args}: {other:?}"),
    }
}

#[test]
fn what_is_told_is_what_was_sent_and_nothing_else() {
    let shop = Shop::open();
    let mut client = shop.client();
    let (began, wall) = (shop.system.now(), std::time::SystemTime::now());
    assert_eq!(begin(&mut client, &all_of(&["shop/front/left"])).actors, 1);
    let mut sent = Vec::new();
    for number in 0..30 {
        shop.right.tell(Till::Sell).unwrap();
        if number % 3 == 0 {
            shop.total(&shop.left);
            sent.push(("Total", Outcome::Handled, true, 1));
        } else {
            shop.left.tell(Till::Sell).unwrap();
            sent.push(("Sell", Outcome::Handled, false, 1));
        }
    }
    shop.left.tell(Till::Break).unwrap();
    sent.push(("Break", Outcome::Failed, false, 1));
    // Its next life is traced as well.
    shop.total(&shop.left);
    sent.push(("Total", Outcome::Handled, true, 2));

    let messages = read(&mut client, sent.len());
    let told: Vec<_> = messages
        .iter()
        .map(|record| (&*record.message, record.outcome, record.asked, record.pid.incarnation))
        .collect();
    assert_eq!(told, sent);
    let (ended, size) = (shop.system.now(), size_of::<Till>());
    let since_1970 = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap();
    let soon = Duration::from_secs(1);
    for (at, record) in messages.iter().enumerate() {
        assert_eq!((record.number as usize, &*record.path, record.size), (at + 1, "shop/front/left", size));
        assert_eq!((record.pid.id, &record.from), (shop.left.id(), &Sender::Outside));
        assert!((began..=ended).contains(&record.at) && record.took.is_some_and(|took| record.at + took <= ended));
        let (first, last) = (since_1970(wall), since_1970(std::time::SystemTime::now()));
        assert!((first - soon..=last + soon).contains(&record.wall), "{record:?}");
        assert_eq!(record.kind, std::any::type_name::<crate::support::Cashier>());
    }
    let rest = traced(&mut client);
    assert_eq!((rest.taken, rest.in_hand, rest.withheld, rest.lost), (sent.len() as u32, 0, 0, 0));
    let value = serde_json::to_string(&messages).unwrap();
    assert!(!value.contains("reply"), "not what it says: {value}");
}

#[test]
fn a_message_kind_and_actors_who_start_later_are_chosen_by_pattern() {
    let shop = Shop::open();
    let mut client = shop.client();
    let query = TraceQuery { messages: vec!["Se*".into()], ..all_of(&["Cashier"]) };
    assert_eq!(begin(&mut client, &query).actors, 2);
    let later = shop.runtime.block_on(shop.system.spawn::<crate::support::Cashier>(())).unwrap();
    for till in [&*shop.left, &*shop.right, &later] {
        till.tell(Till::Sell).unwrap();
        shop.runtime.block_on(till.ask(|reply| Till::Total { reply }).into_future()).unwrap();
    }
    let mut told: Vec<_> = read(&mut client, 3).into_iter().map(|message| message.pid.id).collect();
    told.sort_unstable();
    let mut there = [shop.left.id(), shop.right.id(), later.id()];
    there.sort_unstable();
    assert_eq!(told, there);
    let rest = traced(&mut client);
    assert_eq!((rest.actors, rest.taken), (3, 3));
}

#[test]
fn with_the_count_it_ends_and_says_so_once() {
    let shop = Shop::open();
    let mut client = shop.client();
    begin(&mut client, &TraceQuery { count: Some(2), ..all_of(&["left"]) });
    for _ in 0..5 {
        shop.left.tell(Till::Sell).unwrap();
    }
    let mut last = None;
    let seen = until("it has ended", || {
        let traced = traced(&mut client);
        let seen = traced.records.len();
        let ended = traced.end.is_some().then_some(seen);
        last = Some(traced);
        ended
    });
    let last = last.expect("it was read");
    assert_eq!((last.end, last.taken, last.withheld), (Some(TraceEnd::Count), 2, 0));
    assert!(seen <= 2);
    assert_eq!(refused(&mut client, "traced", &json!({})).0, Code::NoTrace);
    begin(&mut client, &all_of(&["left"]));
}

#[test]
fn when_its_time_has_passed_what_is_in_hand_is_told_while_a_worker_is_blocked() {
    let shop = Shop::open();
    let mut client = shop.client();
    begin(&mut client, &TraceQuery { within: Some(Duration::from_millis(200)), ..all_of(&["left"]) });
    let held = shop.block(&shop.left);
    let mut seen = Vec::new();
    let end = until("it has ended", || {
        let traced = traced(&mut client);
        seen.extend(traced.records);
        traced.end
    });
    let [blocks] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&*blocks.message, blocks.outcome, end), ("Block", Outcome::InHand, TraceEnd::Time));
    drop(held);
    shop.assert_serves();
}

#[test]
fn what_was_not_said_or_is_too_much_is_refused_by_name_and_nothing_is_traced() {
    let shop = Shop::open();
    let mut client = shop.client();
    let good = json!({ "actors": ["*"], "count": 1, "rate": 1, "within_ms": 1000 });
    let with = |name: &str, value: Value| {
        let mut query = good.clone();
        query[name] = value;
        query
    };
    for (name, most) in [("count", 1_000), ("rate", 100), ("within_ms", 60_000)] {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(name);
        let missing = format!("trace: `{name}` is missing: it has to be said, from 1 to {most}");
        assert_eq!(refused(&mut client, "trace", &less), (Code::BadArguments, missing));
        for value in [0, most + 1, i64::from(u32::MAX)] {
            let beyond = format!("trace: `{name}` is {value}, allowed are 1 to {most}");
            assert_eq!(refused(&mut client, "trace", &with(name, value.into())), (Code::BeyondLimits, beyond));
        }
        for wrong in [json!(-1), json!("1"), json!([]), json!(1e300)] {
            assert_eq!(refused(&mut client, "trace", &with(name, wrong)).0, Code::BadArguments);
        }
    }
    let (many, long) = (vec!["a"; 17], "x".repeat(257));
    assert_eq!(refused(&mut client, "trace", &with("actors", json!([]))).0, Code::BadArguments);
    assert_eq!(refused(&mut client, "trace", &with("actors", json!(many))).0, Code::BeyondLimits);
    assert_eq!(refused(&mut client, "trace", &with("messages", json!(many))).0, Code::BeyondLimits);
    assert_eq!(refused(&mut client, "trace", &with("actors", json!([""]))).0, Code::BadArguments);
    let (code, why) = refused(&mut client, "trace", &with("messages", json!([long])));
    assert!(code == Code::BadArguments && why.len() < 300, "{why}");
    assert_eq!(refused(&mut client, "traced", &json!({})).0, Code::NoTrace);
    assert_eq!(refused(&mut client, "untrace", &json!({})).0, Code::NoTrace);
}

#[test]
fn two_trace_one_actor_and_neither_knows_of_the_other() {
    let shop = Shop::open();
    let (mut first, mut second) = (shop.client(), shop.client());
    begin(&mut first, &all_of(&["left"]));
    begin(&mut second, &TraceQuery { messages: vec!["Total".into()], ..all_of(&["shop"]) });
    assert_eq!(refused(&mut first, "trace", &serde_json::to_value(all_of(&["*"])).unwrap()).0, Code::TracesAlready);
    shop.left.tell(Till::Sell).unwrap();
    shop.total(&shop.left);
    assert_eq!(read(&mut first, 2).len(), 2);
    let ended: Untraced = first.untrace().unwrap();
    assert_eq!((ended.taken, ended.withheld, ended.lost), (2, 0, 0));
    shop.total(&shop.left);
    let totals = read(&mut second, 2);
    assert!(totals.iter().all(|message| message.message == "Total") && totals.len() == 2, "{totals:?}");
}

#[test]
fn a_trace_ends_with_its_connection_however_that_ends() {
    let limits = TraceLimits { at_once: 1, ..TraceLimits::default() };
    let shop = Shop::with(Limits { trace: limits, ..Limits::default() });
    let query = serde_json::to_value(all_of(&["*"])).unwrap();
    let request = json!({ "id": 1, "verb": "trace", "args": query }).to_string() + "\n";
    let mut other = shop.client();
    for leaves_in_the_middle in [false, true] {
        let mut raw = Raw::greeted(&shop);
        until("the place is free", || {
            raw.say(request.as_bytes()).unwrap();
            raw.line().expect("an answer").get("ok").map(|_| ())
        });
        let (code, why) = refused(&mut other, "trace", &query);
        assert_eq!((code, &*why), (Code::TooMany, "trace: there are 1 traces already"));
        if leaves_in_the_middle {
            raw.say(b"{\"id\":2,\"verb\":\"tra").unwrap();
        }
        drop(raw);
        // Long before its time has passed.
        until("it has ended", || other.trace(&all_of(&["*"])).ok());
        other.untrace().unwrap();
    }
}

#[test]
fn what_does_not_fit_into_an_answer_comes_with_the_next() {
    let shop = Shop::with(Limits { answer: 4096, requests: 1_000, ..Limits::default() });
    let mut client = shop.client();
    begin(&mut client, &TraceQuery { count: Some(60), ..all_of(&["left"]) });
    for _ in 0..60 {
        shop.left.tell(Till::Sell).unwrap();
    }
    shop.total(&shop.left);
    let mut numbers = Vec::new();
    let last = until("it has ended", || {
        let traced = traced(&mut client);
        numbers.extend(traced.records.iter().map(|message| message.number));
        traced.end.map(|_| traced.lost)
    });
    assert_eq!((numbers, last), ((1..=60).collect(), 0));
}

#[test]
fn a_flood_of_traces_harms_nobody() {
    let shop = Shop::with(Limits { requests: 1_000, ..Limits::default() });
    let mut client = shop.client();
    for _ in 0..200 {
        begin(&mut client, &all_of(&["*", "shop*", "Cash"]));
        shop.left.tell(Till::Sell).unwrap();
        client.untrace().unwrap();
    }
    assert_eq!(shop.total(&shop.left), 200);
    shop.assert_serves();
}

#[test]
fn the_command_tells_messages_as_they_come_and_ends_by_itself() {
    let shop = Shop::open();
    let words = ["trace", "left", "-n", "3", "--rate", "100", "--for", "60s", "--message", "Sell", "--json"];
    let mut child = crashworthy(&shop.dir, &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    until("it has ended", || {
        shop.left.tell(Till::Sell).unwrap();
        child.try_wait().unwrap()
    });
    let mut lines = Vec::new();
    let mut line = String::new();
    while out.read_line(&mut line).unwrap() > 0 {
        lines.push(serde_json::from_str::<Value>(&line).unwrap());
        line.clear();
    }
    let end = child.wait_with_output().unwrap();
    let told = String::from_utf8(end.stderr).unwrap();
    assert_eq!(
        (end.status.code(), &*told),
        (
            Some(0),
            "1 actor matches; 3 messages, 100 in a second, 1 min 0 s at most\n\
             3 messages traced, 0 withheld by the rate, 0 lost: as many as were asked for\n"
        )
    );
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(
        (&lines[0]["message"], &lines[0]["outcome"], &lines[0]["number"]),
        (&"Sell".into(), &"handled".into(), &1.into())
    );
    let last = json!({ "end": "count", "taken": 3, "withheld": 0, "lost": 0, "actors": 1, "left_out": 0 });
    assert_eq!(lines[3], last);
}

#[test]
fn the_command_says_when_there_was_nothing_and_what_has_to_be_said() {
    let shop = Shop::open();
    let (code, out, err) = run(&shop.dir, &["trace", "nobody", "-n", "3", "--rate", "5", "--for", "50ms"]);
    let told = "no actor matches yet, those that start are traced; 3 messages, 5 in a second, 50 ms at most\n0 messages traced, 0 withheld by the rate, 0 lost: its time has passed\n";
    assert_eq!((code, &*out, &*err), (1, "", told));
    assert_eq!(run(&shop.dir, &["trace", "-n", "3", "--rate", "5", "--for", "1s"]).0, 2, "whom?");
    // A name means its branch, and what is not said is told.
    let (_, _, err) = run(&shop.dir, &["trace", "front", "--for", "50ms"]);
    assert!(err.starts_with("3 actors match; 100 messages, 10 in a second, 50 ms at most\n"), "{err}");
    let (_, _, err) =
        run(&shop.dir, &["trace", "left", "-n", "2", "--rate", "3", "--message", "Sell", "--for", "50ms"]);
    assert!(err.starts_with("1 actor matches; 2 messages, 3 in a second, 50 ms at most\n"), "{err}");
}

#[test]
fn more_than_may_be_traced_is_a_wrong_command_line_whoever_says_so() {
    let limits = TraceLimits { rate: 20, within: Duration::from_secs(5), ..TraceLimits::default() };
    let shop = Shop::with(Limits { trace: limits, ..Limits::default() });
    for (option, wrong) in [
        ("-n", &["0", "1001", "100000", "-1"][..]),
        ("--rate", &["0", "101", "500"]),
        ("--for", &["0s", "0ms", "61s", "2m"]),
    ] {
        for value in wrong {
            let (code, out, err) = run(&shop.dir, &["trace", "left", option, value]);
            assert!(code == 2 && out.is_empty() && err.contains(value), "{option} {value}: {code} {err}");
        }
    }
    for (option, value, why) in [
        ("--rate", "21", "trace: `rate` is 21, allowed are 1 to 20"),
        ("--for", "6s", "trace: `within_ms` is 6000, allowed are 1 to 5000"),
    ] {
        let (code, _, err) = run(&shop.dir, &["trace", "left", option, value]);
        assert_eq!((code, err), (2, format!("crashworthy: {why}\n")));
    }
    let (code, _, err) = run(&shop.dir, &["trace", "", "--for", "1s"]);
    assert!(code == 2 && err.starts_with("crashworthy: trace"), "{err}");
    assert_eq!(run(&Dir::new(), &["trace", "left"]).0, 1, "nobody runs");
}

/// Says goodbye in place of the third answer of a trace, as a server does to whoever has to make way.
fn that_parts(shop: &Shop, farewell: &'static str) -> PathBuf {
    let lines = Arc::new(AtomicUsize::new(0));
    interpreter(shop, move |line, client| match lines.fetch_add(1, Relaxed) {
        // The greeting, that it has begun, and once what was traced.
        0..=2 => _ = client.write_all(format!("{line}\n").as_bytes()),
        _ => {
            let _ = client.write_all(farewell.as_bytes());
            let _ = client.shutdown(Shutdown::Both);
        }
    })
}

#[test]
fn who_traces_is_told_that_the_connection_was_closed_and_why_if_that_was_said() {
    let said = "{\"id\":null,\"error\":{\"code\":\"displaced\",\"message\":\"another connection needs its place\"}}\n";
    for (farewell, why) in [
        (said, "it has closed the connection: another connection needs its place"),
        ("", "it has closed the connection"),
    ] {
        let shop = Shop::open();
        let place = that_parts(&shop, farewell);
        let words = ["trace", "left", "--rate", "100", "--json", "--socket", place.to_str().unwrap()];
        let (code, out, err) = run(&shop.dir, &words);
        let told = err.lines().last().unwrap_or_default();
        assert_eq!((code, told), (1, &*format!("0 messages traced, 0 withheld by the rate, 0 lost: {why}")));
        let last: Value = serde_json::from_str(out.lines().last().expect("a line for the end")).unwrap();
        let end = json!({
            "end": "connection_lost", "why": why, "taken": 0, "withheld": 0, "lost": 0, "actors": 1, "left_out": 0,
        });
        assert_eq!(last, end);
    }
}
