//! Health is told to anybody, in few words.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crashworthy::prelude::*;
use crashworthy_web::{Address, Limits, Reading, Sort, Source, Web, WebExt};
use serde_json::json;

use crate::support::{Answer, Cashier, Dir, PATIENCE, Shop, Till, Watch, ask, runtime, until};

#[test]
fn a_system_that_is_well_is_alive_ready_and_started_for_anybody_who_asks() {
    let shop = Shop::open();
    for path in ["/livez", "/readyz", "/startupz"] {
        let answer = shop.ask_as_anybody(path);
        assert_eq!((answer.status, answer.json()), (200, json!({ "ok": true, "reasons": [] })), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[test]
fn it_is_not_ready_while_somebody_lacks_something_and_names_them_for_who_has_the_token() {
    let shop = Shop::open();
    let bank = Dependency::named("bank");
    shop.right.tell(Till::Need(bank.clone())).unwrap();
    assert_eq!(shop.total(&shop.right), 0);
    bank.mark_down(None);
    // What it says may be a moment old.
    let told = until("it is told", || Some(shop.ask_as_anybody("/readyz")).filter(|answer| answer.status == 503));
    assert_eq!(told.json(), json!({ "ok": false, "reasons": ["lacking"] }));
    let told = shop.ask("/readyz").json();
    assert_eq!(
        (&told["unready"][0]["path"], &told["unready"][0]["lacks"][0]["name"]),
        (&json!("shop/right"), &json!("bank"))
    );
    assert_eq!(shop.ask("/info").json()["accepts_work"], false);
    assert_eq!(shop.ask_as_anybody("/livez").status, 200, "a restart would not help");

    bank.mark_up();
    until("it is well again", || (shop.ask_as_anybody("/readyz").status == 200).then_some(()));
}

#[test]
fn it_is_not_ready_while_somebody_is_tripped_or_suspended_and_says_which() {
    let shop = Shop::open();
    let reasons = |of: &[&str]| {
        let told = until("it is told", || {
            Some(shop.ask_as_anybody("/readyz")).filter(|answer| answer.json()["reasons"] == json!(of))
        });
        told.status
    };
    shop.system.trip(shop.right.pid());
    assert_eq!(reasons(&["tripped"]), 503);
    assert_eq!(shop.ask("/readyz").json()["unready"][0]["gate"], "tripped");
    shop.system.suspend(shop.left.pid());
    assert_eq!(reasons(&["tripped", "suspended"]), 503);
    shop.system.untrip(shop.right.pid());
    shop.system.resume(shop.left.pid());
    assert_eq!(reasons(&[]), 200);
}

#[test]
fn every_reason_is_told_however_many_are_not_named() {
    let console = crashworthy::console::Limits { rows: 1, ..Default::default() };
    let shop = Shop::made_of(Console::default().limits(console), Web::default());
    shop.system.suspend(shop.left.pid());
    shop.system.trip(shop.right.pid());
    let is_told = |answer: &Answer| answer.json()["reasons"] == json!(["tripped", "suspended"]);
    until("both are told", || Some(shop.ask("/readyz")).filter(is_told));
    assert_eq!(shop.ask("/readyz").json()["unready"].as_array().map(Vec::len), Some(1));
    shop.system.resume(shop.left.pid());
}

#[test]
fn a_system_that_gives_up_is_not_ready_and_says_so_for_as_long_as_it_is_there() {
    let shop = Shop::open();
    // The top waits for this one when it gives up.
    let held = shop.block(&shop.left);
    let is_told = |answer: &Answer| {
        let reasons = answer.json()["reasons"].as_array().cloned().unwrap_or_default();
        answer.status == 503 && reasons.contains(&json!("failing"))
    };
    until("it is told", || {
        let _ = shop.right.tell(Till::Break("once more"));
        Some(shop.ask_as_anybody("/readyz")).filter(is_told)
    });
    drop(held);
}

#[test]
fn it_is_ready_as_long_as_those_are_who_are_critical() {
    let shop = Shop::with(Web::default().critical(["shop/left"]));
    let (bank, post) = (Dependency::named("bank"), Dependency::named("post"));
    shop.left.tell(Till::Need(bank.clone())).unwrap();
    shop.right.tell(Till::Need(post.clone())).unwrap();
    assert_eq!((shop.total(&shop.left), shop.total(&shop.right)), (0, 0));
    post.mark_down(None);
    // The page is told of everybody.
    until("it is seen", || (Watch::begin(&shop, "").until("picture")["health"]["ready"] == false).then_some(()));
    assert_eq!(shop.ask_as_anybody("/readyz").status, 200);
    bank.mark_down(None);
    until("it is told", || (shop.ask_as_anybody("/readyz").status == 503).then_some(()));
    assert_eq!(shop.ask("/readyz").json()["unready"].as_array().map(Vec::len), Some(1));
}

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
fn what_tells_of_itself_is_told_and_if_it_is_critical_counts() {
    let bank = std::sync::Arc::new(Breaker::default());
    let shop = Shop::with(Web::default().source(bank.clone()));
    let told = |state: &str, serves: bool, failures: f64| {
        json!([{ "name": "bank", "sort": "breaker", "critical": true, "serves": serves, "state": state,
            "figures": { "failures": failures } }])
    };
    assert_eq!(shop.ask("/info").json()["sources"], told("closed", true, 0.0));
    assert_eq!(shop.ask_as_anybody("/readyz").status, 200);
    bank.0.store(true, SeqCst);
    let unready = shop.ask_as_anybody("/readyz");
    assert_eq!((unready.status, unready.json()["reasons"].clone()), (503, json!(["source"])));
    assert_eq!(shop.ask("/readyz").json()["down"], told("open", false, 1.0), "who has the token is told which");
    let info = shop.ask("/info").json();
    assert_eq!((&info["sources"], &info["accepts_work"]), (&told("open", false, 1.0), &json!(false)));
    assert_eq!(Watch::begin(&shop, "").until("picture")["system"]["sources"], told("open", false, 1.0));
}

/// Says where its system is on the web, and begins when it is told to.
struct Waits;

impl Actor for Waits {
    type Args = (Sender<Address>, std::sync::Arc<Mutex<Receiver<()>>>);
    type Msg = ();

    async fn init((told, go): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        told.send(cx.system().web().ok_or("it does not listen")?)?;
        let _ = go.lock().map_err(|_| "poisoned")?.recv();
        Ok(Self)
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[test]
fn it_is_not_started_and_not_ready_before_its_tree_is_up() {
    let (dir, runtime) = (Dir::new(), runtime());
    let ((told, address), (go, held)) = (channel(), channel::<()>());
    let slot = Slot::<Waits>::named("waits");
    let tree = Supervisor::one_for_one("shop").child(slot.child((told, std::sync::Arc::new(Mutex::new(held)))));
    let builder = System::builder().with(Console::default().below(dir.path())).with(Web::default());
    let starts = runtime.spawn(builder.start(tree));

    let at = address.recv_timeout(PATIENCE).expect("it begins").addr();
    for path in ["/startupz", "/readyz"] {
        let answer = ask(at, path, "");
        assert_eq!((answer.status, answer.json()["reasons"].clone()), (503, json!(["starting"])), "{path}");
    }
    assert_eq!(ask(at, "/livez", "").status, 200, "it is not dead");

    drop(go);
    let system = runtime.block_on(starts).unwrap().expect("it starts");
    until("it is started", || (ask(at, "/startupz", "").status == 200).then_some(()));
    until("it is ready", || (ask(at, "/readyz", "").status == 200).then_some(()));
    runtime.block_on(system.stop());
}

#[test]
fn it_is_not_ready_any_more_when_its_stop_has_begun_before_anybody_is_turned_away() {
    let shop = Shop::open();
    // The stop waits for what is in hand.
    let held = shop.block(&shop.left);
    let system = shop.system.clone();
    let stops = shop.runtime.spawn(async move { system.stop().await });
    let told = until("it is told", || Some(shop.ask_as_anybody("/readyz")).filter(|answer| answer.status == 503));
    assert_eq!(told.json(), json!({ "ok": false, "reasons": ["stopping"] }));
    assert_eq!(shop.ask_as_anybody("/livez").status, 200, "it ends by itself");
    drop(held);
    shop.runtime.block_on(stops).unwrap();
}

#[test]
fn it_is_not_alive_while_somebody_waits_and_nobody_takes_a_turn() {
    let dir = Dir::new();
    // Turns are taken while somebody waits for something on this runtime, and not else.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let till = Slot::<Cashier>::named("till");
    let limits = Limits { stuck_after: Duration::from_millis(50), ..Limits::default() };
    let builder = System::builder().with(Console::default().below(dir.path())).with(Web::default().limits(limits));
    let system = runtime.block_on(builder.start(Supervisor::one_for_one("shop").child(till.child(())))).unwrap();
    let at = system.web().unwrap().addr();
    assert_eq!(ask(at, "/livez", "").status, 200);

    till.tell(Till::Sell).unwrap();
    let stuck = until("it is stuck", || Some(ask(at, "/livez", "")).filter(|answer| answer.status == 503));
    assert_eq!(stuck.json(), json!({ "ok": false, "reasons": ["stuck"] }));
    runtime.block_on(till.settled());
    until("it gets on", || (ask(at, "/livez", "").status == 200).then_some(()));
    runtime.block_on(system.stop());
}

#[test]
fn it_goes_with_the_system() {
    let shop = Shop::open();
    let at = shop.web.addr();
    shop.runtime.block_on(shop.system.stop());
    until("it listens no more", || std::net::TcpStream::connect(at).is_err().then_some(()));
    assert!(std::fs::read_dir(shop.dir.path()).unwrap().next().is_none(), "the token went, too");

    let (dir, runtime) = (Dir::new(), runtime());
    let forgotten = {
        let _entered = runtime.enter();
        System::builder().with(Console::default().below(dir.path())).with(Web::default()).bare().unwrap()
    };
    let at = forgotten.web().unwrap().addr();
    drop(forgotten);
    until("it listens no more", || std::net::TcpStream::connect(at).is_err().then_some(()));
}
