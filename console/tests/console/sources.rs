//! What a service tells of itself besides its actors, over the socket and by the command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use crashworthy::console::Console;
use crashworthy::console::sources::{Reading, Sort, Source};
use crashworthy::{Happening, StartError, System};
use crashworthy_console::protocol::{Events, EventsQuery, SystemView};
use serde_json::json;

use crate::command::{data, run, said};
use crate::support::{Shop, until};

/// A breaker of a test.
#[derive(Default)]
struct Breaker(AtomicBool);

impl Source for Breaker {
    fn name(&self) -> String {
        "bank".to_owned()
    }

    fn sort(&self) -> Sort {
        Sort::Breaker
    }

    fn is_critical(&self) -> bool {
        true
    }

    fn read(&self) -> Reading {
        let open = self.0.load(SeqCst);
        Reading::new(if open { "open" } else { "closed" }).serves(!open).figure("failures", u32::from(open))
    }
}

#[test]
fn a_breaker_is_seen_by_clients_the_command_and_whoever_scrapes() {
    let bank = Arc::new(Breaker::default());
    let shop = Shop::built(|console| console.source(bank.clone()));
    assert!(said(&shop.dir, &["sources"]).contains("breaker  bank  closed  yes     failures 0"));
    bank.0.store(true, SeqCst);
    let view: SystemView = shop.client().ask("system", &()).unwrap();
    let [told] = &view.sources[..] else { panic!("{view:?}") };
    assert_eq!((told.state.as_str(), told.serves, told.critical), ("open", false, true));
    let (code, text, _) = run(&shop.dir, &["sources"]);
    assert!(code == 1 && text.contains("no: critical"), "{code} {text}");
    let (_, text, _) = run(&shop.dir, &["sources", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["sources"][0]["figures"], json!({ "failures": 1.0 }));
    let metrics = said(&shop.dir, &["metrics"]);
    assert!(
        metrics.contains("crashworthy_source_serves{system=\"shop\",sort=\"breaker\",source=\"bank\"} 0"),
        "{metrics}"
    );
    assert!(metrics.contains("source=\"bank\",figure=\"failures\"} 1"), "{metrics}");
    assert_eq!(data(&shop.dir, &["metrics", "--json"])["system"]["sources"][0]["name"], "bank");
}

#[test]
fn who_tells_of_nothing_is_told_how_that_is_done() {
    assert!(said(&Shop::open().dir, &["sources"]).contains("`Console::source`"));
}

#[tokio::test]
async fn two_of_a_name_end_the_start() {
    let console = Console::default().source(Breaker::default()).source(Breaker::default());
    let Err(StartError::Setting(why)) = System::builder().with(console).bare() else { panic!("it starts") };
    assert_eq!(why, "console: two sources are called breaker \"bank\"");
}

#[test]
fn who_stops_or_lacks_a_critical_source_is_not_healthy() {
    let bank = Arc::new(Breaker::default());
    let shop = Shop::built(|console| console.source(bank.clone()));
    assert_eq!(run(&shop.dir, &["health"]).0, 0);
    bank.0.store(true, SeqCst);
    let (code, text, _) = run(&shop.dir, &["health"]);
    assert!(code == 1 && text.trim() == "not ready: breaker bank is open", "{code} {text}");
    bank.0.store(false, SeqCst);
    // It cannot end before its till returns.
    let blocked = shop.block(&shop.left);
    let system = shop.system.clone();
    let stop = shop.runtime.spawn(async move { drop(system.stop().await) });
    let (_, text, _) = until("it stops", || Some(run(&shop.dir, &["health"])).filter(|(code, ..)| *code == 1));
    assert_eq!(text.lines().next(), Some("not ready: the system stops"), "{text}");
    drop(blocked);
    shop.runtime.block_on(stop).unwrap();
}

/// The texts of all events about sources so far.
fn told(shop: &Shop) -> Vec<String> {
    let query = EventsQuery { kinds: vec!["source".to_owned()], ..EventsQuery::default() };
    let events: Events = shop.client().ask("events", &query).unwrap();
    events.events.iter().map(|event| event.what.to_string()).collect()
}

#[test]
fn that_a_breaker_opens_and_closes_is_an_event_once_somebody_looks() {
    let bank = Arc::new(Breaker::default());
    let shop = Shop::built(|console| console.source(bank.clone()));
    let look = || shop.client().ask::<SystemView>("system", &()).unwrap();
    look();
    assert_eq!(told(&shop), [""; 0], "the first look finds all as it is to be");
    bank.0.store(true, SeqCst);
    assert_eq!(told(&shop), [""; 0], "nobody has looked");
    for _ in 0..3 {
        look();
        assert_eq!(run(&shop.dir, &["health"]).0, 1);
    }
    assert_eq!(told(&shop), ["breaker bank: open, and does not serve"], "once, whoever looks");
    bank.0.store(false, SeqCst);
    assert_eq!(run(&shop.dir, &["health"]).0, 0);
    assert_eq!(told(&shop)[1..], ["breaker bank: closed"]);

    let events = data(&shop.dir, &["events", "--json", "--kind", "source"]);
    let open = &events["events"][0];
    assert_eq!((&open["event"], &open["sort"], &open["name"]), (&json!("source"), &json!("breaker"), &json!("bank")));
    assert_eq!((&open["state"], &open["serves"], &open["pid"]), (&json!("open"), &json!(false), &json!(null)));
    let all = shop.system.events_since(0);
    assert_eq!(all.events.iter().filter(|event| matches!(event.what, Happening::Source(_))).count(), 2);
}

/// Its state is what it was told to say, once it can be read; with nothing to say it panics.
struct Obeys(Arc<Mutex<String>>);

impl Source for Obeys {
    fn name(&self) -> String {
        "disk".to_owned()
    }

    fn sort(&self) -> Sort {
        Sort::Cache
    }

    fn read(&self) -> Reading {
        let word = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if word.is_empty() {
            std::panic::resume_unwind(Box::new("as it was told"));
        }
        Reading::new(word)
    }
}

#[test]
fn one_that_answers_no_more_or_panics_and_what_is_long_are_events_too() {
    let word = Arc::new(Mutex::new("warm".to_owned()));
    let shop = Shop::built(|console| console.source(Obeys(word.clone())));
    let see = |state: &str| {
        let look = || shop.client().ask::<SystemView>("system", &()).unwrap().sources.remove(0).state;
        until(state, || Some(look()).filter(|seen| seen == state));
    };
    let held = word.lock().unwrap();
    see("does not answer");
    assert_eq!(told(&shop), ["cache disk: does not answer, and does not serve"], "the first look tells of that");
    drop(held);
    see("warm");
    *word.lock().unwrap() = "x".repeat(100_000);
    let long = "x".repeat(64);
    see(&long);
    word.lock().unwrap().clear();
    see("cannot be read: it panics");
    let told = told(&shop);
    for what in ["warm", &long, "cannot be read: it panics, and does not serve"] {
        let what = format!("cache disk: {what}");
        assert_eq!(told.iter().filter(|event| **event == what).count(), 1, "{what}: {told:?}");
    }
}
