//! Who is tripped, drained, or suspended through the console, and what the application logs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crashworthy::prelude::*;
use crashworthy::{GateState, Reason};
use crashworthy_console::LogControl;
use crashworthy_console::protocol::{
    Actors, AuditResult, Code, Deed, Filter, Health, LogLevel, Metrics, PlanQuery, PlanView, Row,
};
use crashworthy_console::{Client, ClientError};
use serde_json::json;

use crate::actions::{audit, commit, plan, query, refused};
use crate::command::run;
use crate::support::{Cashier, Dir, PATIENCE, Shop, Till, until};

#[track_caller]
fn says(plan: &PlanView, words: &str) {
    assert!(plan.effect.iter().any(|line| line.contains(words)), "no {words:?} in {:#?}", plan.effect);
}

/// The actors whose gates are not open, as the console has them a moment later.
fn shut(client: &mut Client, how_many: usize) -> Vec<Row> {
    let query = json!(crashworthy_console::protocol::ActorsQuery {
        filter: Filter { shut: true, ..Filter::default() },
        ..Default::default()
    });
    until("the console sees it", || {
        let seen: Actors = client.ask("actors", &query).expect("it answers");
        (seen.rows.len() == how_many).then_some(seen.rows)
    })
}

#[test]
fn a_gate_is_tripped_over_restarts_until_it_is_untripped_and_everybody_is_told() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let trip = plan(&mut client, Deed::Trip, "left");
    says(&trip, "trip: shop/front/left <");
    says(&trip, "refused from now on: all new messages");
    says(&trip, "queued: 0 messages; handled all the same");
    assert_eq!((trip.ends, shop.left.gate()), (0, GateState::Open), "a plan does nothing");
    commit(&mut client, &trip).unwrap();
    assert_eq!(shop.left.tell(Till::Sell).unwrap_err().why.reason, Reason::Tripped);

    let seen = shut(&mut client, 1);
    assert_eq!((seen[0].path.as_str(), seen[0].gate), ("shop/front/left", GateState::Tripped));
    let health: Health = client.ask("health", &json!({})).unwrap();
    assert_eq!((health.ready, health.total, health.unready[0].row.gate), (false, 1, GateState::Tripped));
    let metrics: Metrics = client.ask("metrics", &json!({})).unwrap();
    let gates: Vec<_> = metrics.kinds.iter().flat_map(|kind| &kind.gates).collect();
    assert!(gates.iter().any(|of| of.gate == GateState::Tripped && of.actors == 1), "{gates:?}");

    let kill = plan(&mut client, Deed::Kill, "left");
    commit(&mut client, &kill).unwrap();
    until("the next incarnation runs", || (shop.left.pid().incarnation == 2 && shop.left.is_alive()).then_some(()));
    assert_eq!(shop.left.tell(Till::Sell).unwrap_err().why.reason, Reason::Tripped);
    says(&plan(&mut client, Deed::Trip, "left"), "tripped already: 1 of 1");
    let untrip = plan(&mut client, Deed::Untrip, "left");
    says(&untrip, "tripped: 1 of 1; refused for that so far: 2 messages");
    commit(&mut client, &untrip).unwrap();
    assert_eq!(shop.total(&shop.left), 0);
    shut(&mut client, 0);
    let entries = audit(&mut client).entries;
    let deeds: Vec<_> = entries.iter().map(|entry| entry.plan.as_ref().unwrap().deed).collect();
    assert_eq!(deeds, [Deed::Trip, Deed::Kill, Deed::Untrip]);
}

#[test]
fn whoever_is_protected_is_not_tripped_and_is_untripped_all_the_same() {
    let shop = Shop::built(|console| console.protect(["shop/front/left"]));
    let mut client = shop.actor();
    let refuses = |client: &mut Client, deed| refused(client.ask::<PlanView>("plan", &query(deed, &["left"])));
    assert_eq!(refuses(&mut client, Deed::Trip), Code::Protected);
    assert_eq!(refuses(&mut client, Deed::Drain { within: PATIENCE }), Code::Protected);
    shop.system.trip(shop.left.pid());
    let untrip = plan(&mut client, Deed::Untrip, "left");
    commit(&mut client, &untrip).unwrap();
    assert_eq!(shop.left.gate(), GateState::Open);
}

#[test]
fn a_branch_is_drained_before_it_is_stopped_and_comes_back() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let held = shop.block(&shop.left);
    (0..3).for_each(|_| shop.left.tell(Till::Sell).unwrap());
    let drain = until("the console sees what is queued", || {
        let drain = plan(&mut client, Deed::Drain { within: PATIENCE }, "shop/front");
        drain.effect.iter().any(|line| line.contains("3 messages now")).then_some(drain)
    });
    assert_eq!((drain.total, drain.ends), (1, 3));
    says(&drain, "drain within 60s: shop/front <");
    says(&drain, "first: new work from others is refused as draining");
    says(
        &drain,
        "first: what is queued of 3 actors is handled, 3 messages now, for at most 60s; then they are stopped",
    );
    says(&drain, "queued below: 3 messages, what is left then thrown away");
    says(&drain, "supervisor: shop starts it again, it is permanent");
    commit(&mut client, &drain).unwrap();
    assert_eq!((shop.left.gate(), shop.right.gate()), (GateState::Draining, GateState::Draining));
    assert_eq!(shop.right.tell(Till::Sell).unwrap_err().why.reason, Reason::Draining);
    assert!(shut(&mut client, 3).iter().all(|row| row.gate == GateState::Draining));
    says(&plan(&mut client, Deed::Drain { within: PATIENCE }, "front"), "draining already: 1 of 1");

    drop(held);
    let runs = |till: &Slot<Cashier>| till.pid().incarnation == 2 && till.is_alive();
    until("the next incarnations run", || [&shop.left, &shop.right].into_iter().all(runs).then_some(()));
    assert_eq!((shop.total(&shop.left), shop.total(&shop.right)), (0, 0));
    let law = shop.left.law();
    assert_eq!((law.handled, law.undelivered, law.given_up), (5, 0, 0), "what was queued was handled first");
    let report = format!("{}", shop.system.supervisor_reports().errors.last().expect("there is one").report.cause);
    assert!(report.starts_with("shutdown: console: uid ") && report.ends_with(": it is slow"), "{report}");
}

#[test]
fn who_cannot_wait_for_the_end_of_a_suspension_is_told_when_to_come_again() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, "left");
    commit(&mut client, &suspend).unwrap();
    let asked = shop.left.ask(|reply| Till::Total { reply }).within(PATIENCE / 2);
    let why = match shop.runtime.block_on(asked) {
        Err(AskError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why.reason, Reason::Suspended);
    assert!(why.retry_after.is_some_and(|after| after > PATIENCE / 2), "{why:?}");
    let seen = shut(&mut client, 1);
    assert!(seen[0].back_in.is_some_and(|back_in| back_in <= PATIENCE), "{seen:?}");
}

/// What it was set to; says no to `off`, and panics at `error`.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<LogLevel>>>);

impl LogControl for Logs {
    fn current(&self) -> String {
        format!("shop=info,{}", "x".repeat(10_000))
    }

    fn set(&self, level: LogLevel) -> Result<(), String> {
        match level {
            LogLevel::Off => Err("somebody has to listen".into()),
            LogLevel::Error => panic!("as it was told"),
            level => {
                self.0.lock().unwrap().push(level);
                Ok(())
            }
        }
    }
}

#[test]
fn the_log_level_is_set_by_the_handle_of_the_application_and_what_that_says_is_told() {
    let logs = Logs::default();
    let shop = Shop::built(|console| console.log(logs.clone()));
    let mut client = shop.actor();
    let mut plan = |level| client.ask::<PlanView>("plan", &query(Deed::LogLevel { level }, &[])).expect("planned");
    let (debug, off, error) = (plan(LogLevel::Debug), plan(LogLevel::Off), plan(LogLevel::Error));
    assert!(debug.effect[0].starts_with("log level debug: of the whole application, shop=info,xxx"));
    assert!(debug.effect[0].len() < 400, "what it says is bounded");
    assert!(debug.targets.is_empty() && logs.0.lock().unwrap().is_empty());
    assert_eq!(commit(&mut client, &debug).unwrap().targets, []);
    assert_eq!(*logs.0.lock().unwrap(), [LogLevel::Debug]);
    match commit(&mut client, &off) {
        Err(ClientError::Refused(why)) => {
            assert_eq!(why.message, "the log level was not set: somebody has to listen");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(refused(commit(&mut client, &error)), Code::Failed);
    let results: Vec<_> = audit(&mut client).entries.into_iter().map(|entry| entry.result).collect();
    assert_eq!(results, [AuditResult::Done, AuditResult::Refused(Code::Failed), AuditResult::Refused(Code::Failed)]);
    let to_somebody = query(Deed::LogLevel { level: LogLevel::Debug }, &["left"]);
    assert_eq!(refused(client.ask::<PlanView>("plan", &to_somebody)), Code::BadArguments);
}

#[test]
fn where_the_application_gave_no_handle_for_its_log_the_answer_says_so() {
    let shop = Shop::open();
    let asked = shop.actor().ask::<PlanView>("plan", &query(Deed::LogLevel { level: LogLevel::Debug }, &[]));
    match asked {
        Err(ClientError::Refused(why)) => {
            assert_eq!(why.code, Code::Unsupported);
            assert!(why.message.contains("`Console::log`"), "{}", why.message);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_time_of_a_drain_has_a_range() {
    let shop = Shop::open();
    let mut client = shop.actor();
    for wrong in [Duration::ZERO, Duration::from_secs(3601)] {
        let drain = query(Deed::Drain { within: wrong }, &["left"]);
        assert_eq!(refused(client.ask::<PlanView>("plan", &drain)), Code::BadArguments);
    }
}

#[test]
fn who_waits_for_its_next_incarnation_is_tripped_all_the_same_and_nothing_else_is_done_to_it() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let till = Slot::<Cashier>::named("till");
    let long = Backoff::new(Duration::from_secs(1 << 32), Duration::from_secs(1 << 32));
    let tree = Supervisor::one_for_one("shop").backoff(long).child(till.child(()));
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().name("shop").with(console).start(tree)).expect("it starts");
    let mut client = Client::connect(&system.console_for_actions().expect("it takes actions"), PATIENCE).unwrap();
    till.tell(Till::Break).unwrap();
    let asked = query(Deed::Trip, &["till"]);
    let trip = until("it waits", || {
        let is_down = system.inspect(till.pid()).is_some_and(|seen| seen.state == crashworthy::State::Restarting);
        let plan = client.ask::<PlanView>("plan", &asked).expect("it can be tripped at any time");
        (is_down && plan.targets[0].state == crashworthy::State::Restarting).then_some(plan)
    });
    assert_eq!(refused(client.ask::<PlanView>("plan", &query(Deed::Stop, &["till"]))), Code::NotLiving);
    commit(&mut client, &trip).unwrap();
    assert_eq!((till.gate(), till.tell(Till::Sell).unwrap_err().why.reason), (GateState::Tripped, Reason::Tripped));
    runtime.block_on(system.stop());
}

#[test]
fn a_drain_of_the_top_ends_the_whole_system_in_order_and_nothing_else_does() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let drain = query(Deed::Drain { within: PATIENCE }, &["shop"]);
    let plan: PlanView = client.ask("plan", &drain).unwrap();
    assert_eq!((plan.total, plan.ends), (1, 4));
    assert!(plan.effect.iter().any(|line| line.starts_with("the system: it ends then, as on SIGTERM")), "{plan:#?}");
    // Who means it says so.
    let supervisors = Filter { text: Some("Manager".into()), ..Filter::default() };
    let by_pattern = PlanQuery { actors: vec![], matching: Some(supervisors), ..drain };
    let others: PlanView = client.ask("plan", &by_pattern).unwrap();
    assert_eq!((others.total, others.targets[0].path.as_str()), (1, "shop/front"));

    let blocks = shop.block(&shop.left);
    shop.left.tell(Till::Sell).unwrap();
    commit(&mut client, &plan).unwrap();
    until("it takes nothing new", || {
        shop.left.tell(Till::Sell).err().filter(|error| error.why.reason == Reason::Draining)
    });
    assert!(!shop.system.is_stopped(), "it waits for what is queued");
    let before = shop.look(&shop.left).law.handled;
    drop(blocks);
    let ended = shop.runtime.block_on(shop.system.ended());
    assert!(ended.asked && ended.report.undrained == 0 && ended.report.stragglers.is_empty(), "{ended:?}");
    assert!(shop.look(&shop.left).law.handled > before + 1, "what was queued was handled");
    match ended.reason {
        Some(crashworthy::ExitReason::ShutdownWith(why)) => {
            assert!(why.starts_with("console: ") && why.ends_with("it is slow"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_system_of_which_somebody_is_protected_is_not_drained() {
    let shop = Shop::built(|console| console.protect(["shop/front/left"]));
    let drain = query(Deed::Drain { within: PATIENCE }, &["shop"]);
    assert_eq!(refused(shop.actor().ask::<PlanView>("plan", &drain)), Code::Protected);
}

#[test]
fn the_command_says_that_the_top_has_gone_or_the_system_with_it() {
    let shop = Shop::open();
    let (code, out, err) = run(&shop.dir, &["drain", "shop", "--reason", "a new version", "--yes"]);
    // It may look once more between the end of the top and that of the system.
    let tells = ["now: the system has ended\n", "now: it is gone\n"].iter().any(|now| out.ends_with(now));
    assert!(code == 0 && tells, "{code} {out} {err}");
    assert!(shop.runtime.block_on(shop.system.ended()).into_result().is_ok());
}
