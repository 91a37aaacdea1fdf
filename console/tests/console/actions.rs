//! What the console does is what it said, and is done to whom it was planned for.

use crashworthy::prelude::*;
use crashworthy::{AutoShutdown, ExitReason, State};
use crashworthy_console::protocol::{
    ActorView, AuditResult, AuditView, Code, CommitQuery, CommitView, Deed, PlanQuery, PlanView,
};
use crashworthy_console::{Client, ClientError};
use serde_json::{Value, json};

use crate::support::{Cashier, Dir, PATIENCE, Shop, Till, until};

pub(crate) fn query(deed: Deed, actors: &[&str]) -> PlanQuery {
    PlanQuery { deed, actors: actors.iter().map(|&actor| actor.to_owned()).collect(), matching: None, force: false }
}

pub(crate) fn plan(client: &mut Client, deed: Deed, actor: &str) -> PlanView {
    client.ask("plan", &query(deed, &[actor])).expect("it is planned")
}

pub(crate) fn commit(client: &mut Client, plan: &PlanView) -> Result<CommitView, ClientError> {
    client.ask("commit", &CommitQuery { nonce: plan.nonce.clone(), reason: "it is slow".into() })
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Code {
    match answer {
        Err(ClientError::Refused(why)) => why.code,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn audit(client: &mut Client) -> AuditView {
    client.ask("audit", &json!({})).expect("it answers")
}

#[track_caller]
fn says(plan: &PlanView, words: &str) {
    assert!(plan.effect.iter().any(|line| line.contains(words)), "no {words:?} in {:#?}", plan.effect);
}

/// What the newest report of a supervisor says of the end of a child.
fn reported(system: &System) -> String {
    format!("{}", system.supervisor_reports().errors.last().expect("there is one").report.cause)
}

#[test]
fn a_stop_is_planned_then_done_and_the_supervisors_report_says_who_did_it_and_why() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let first = shop.left.pid();
    let stop = plan(&mut client, Deed::Stop, "shop/front/left");
    assert_eq!((stop.total, stop.ends, stop.targets[0].pid), (1, 1, first));
    says(&stop, "stop: shop/front/left <");
    says(&stop, "supervisor: shop/front starts it again, it is permanent");
    says(&stop, "restarts count: shop/front is one_for_one, 0 of 3 restarts in 60s, 3 left");
    says(&stop, "siblings: 1, left alone");
    assert_eq!(shop.left.pid(), first, "a plan does nothing");

    let done = commit(&mut client, &stop).unwrap();
    assert_eq!((done.deed, done.targets[0].pid, done.audited), (Deed::Stop, first, true));
    until("the next incarnation serves", || (shop.left.pid().incarnation == 2).then_some(()));
    assert_eq!(shop.total(&shop.left), 0);
    let report = reported(&shop.system);
    assert!(report.starts_with("shutdown: console: uid ") && report.ends_with(": it is slow"), "{report}");
    assert_eq!(shop.system.crashes().0, 0, "that was no crash");

    let again = plan(&mut client, Deed::Stop, "shop/front/left");
    says(&again, "restarts count: shop/front is one_for_one, 1 of 3 restarts in 60s, 2 left");
}

#[test]
fn a_kill_ends_also_who_is_suspended_and_reports_say_killed() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, "left");
    says(&suspend, "stop, kill and exit signals are read all the same");
    commit(&mut client, &suspend).unwrap();
    until("it is suspended", || (shop.look(&shop.left).state == State::Suspended).then_some(()));
    shop.left.tell(Till::Sell).unwrap();

    // What it says may be a moment old.
    let kill = until("the console sees what is queued", || {
        let kill = plan(&mut client, Deed::Kill, "left");
        kill.effect.iter().any(|line| line.starts_with("queued: 1 message, for the next incarnation")).then_some(kill)
    });
    commit(&mut client, &kill).unwrap();
    until("the next incarnation serves", || (shop.left.pid().incarnation == 2).then_some(()));
    assert_eq!(shop.total(&shop.left), 1, "what was queued is the next one's, which is not suspended");
    assert_eq!(reported(&shop.system), "killed");
}

#[test]
fn suspended_it_handles_nothing_until_it_is_resumed() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let suspend = plan(&mut client, Deed::Suspend { span: PATIENCE }, "left");
    commit(&mut client, &suspend).unwrap();
    until("it is suspended", || (shop.look(&shop.left).state == State::Suspended).then_some(()));
    shop.left.tell(Till::Sell).unwrap();
    assert_eq!(shop.total(&shop.right), 0, "others go on");
    assert_eq!(shop.look(&shop.left).law.queued, 1);
    let resume = plan(&mut client, Deed::Resume, "left");
    commit(&mut client, &resume).unwrap();
    assert_eq!(shop.total(&shop.left), 1);
    assert_eq!((shop.look(&shop.left).state, shop.left.pid().incarnation), (State::Running, 1));
}

#[test]
fn a_suspension_ends_by_itself_also_when_its_client_has_gone_and_never_that_of_another_incarnation() {
    let shop = Shop::open();
    {
        let mut client = shop.actor();
        for (span, actor) in [(ms(100), "left"), (ms(200), "right")] {
            let suspend = plan(&mut client, Deed::Suspend { span }, actor);
            commit(&mut client, &suspend).unwrap();
        }
        // Another incarnation, which somebody else suspends.
        shop.system.kill(shop.left.pid());
        until("the next incarnation runs", || {
            (shop.left.pid().incarnation == 2 && shop.look(&shop.left).state == State::Running).then_some(())
        });
        shop.system.suspend(shop.left.pid());
    }
    shop.right.tell(Till::Sell).unwrap();
    assert_eq!(shop.total(&shop.right), 1, "it is resumed");
    // By then the time of the other one is over, too.
    assert_eq!(shop.look(&shop.left).state, State::Suspended);
}

fn ms(ms: u64) -> std::time::Duration {
    std::time::Duration::from_millis(ms)
}

#[test]
fn a_mailbox_is_given_less_room_and_more() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let held = shop.block(&shop.left);
    let limit = plan(&mut client, Deed::Limit { capacity: 1 }, "left");
    says(&limit, "limit: 1024 now");
    commit(&mut client, &limit).unwrap();
    shop.left.tell(Till::Sell).unwrap();
    assert!(shop.left.tell(Till::Sell).is_err());
    let limit = plan(&mut client, Deed::Limit { capacity: 2 }, "left");
    commit(&mut client, &limit).unwrap();
    shop.left.tell(Till::Sell).unwrap();
    drop(held);
    until("there is room again", || (shop.look(&shop.left).law.handled == 3).then_some(()));
    assert_eq!(shop.total(&shop.left), 2);
    until("the console sees it", || {
        let view: ActorView = client.ask("actor", &json!({ "actor": "left" })).unwrap();
        (view.row.limit == 2).then_some(())
    });
    // Nothing ends by that, so the top may have it, too.
    let limit = plan(&mut client, Deed::Limit { capacity: 9 }, "shop");
    commit(&mut client, &limit).unwrap();
    until("the console sees that", || {
        let view: ActorView = client.ask("actor", &json!({ "actor": "shop" })).unwrap();
        (view.row.limit == 9).then_some(())
    });
}

#[test]
fn a_transient_child_stays_away_after_a_stop_and_comes_back_after_a_restart() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (clerk, alone) = (Slot::<Cashier>::named("clerk"), Slot::<Cashier>::named("alone"));
    let tree = Supervisor::one_for_all("shop")
        .child(clerk.child(()).restart(Restart::Transient))
        .child(alone.child(()).restart(Restart::Temporary));
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().with(console).start(tree)).unwrap();
    let mut client = Client::connect(&system.console_for_actions().unwrap(), PATIENCE).unwrap();

    let gone = plan(&mut client, Deed::Kill, "alone");
    says(&gone, "supervisor: shop does not start it again, it is temporary");
    let restart = plan(&mut client, Deed::Restart, "clerk");
    says(&restart, "supervisor: shop starts it again, it is transient");
    says(&restart, "siblings: 1, stopped and started with it");
    commit(&mut client, &restart).unwrap();
    until("it is back", || (clerk.pid().incarnation == 2).then_some(()));
    let report = reported(&system);
    assert!(report.contains("on_signal: restart by console: uid ") && report.contains(": it is slow"), "{report}");

    let stop = until("it lives", || client.ask::<PlanView>("plan", &query(Deed::Stop, &["clerk"])).ok());
    says(&stop, "supervisor: shop does not start it again, it is transient");
    commit(&mut client, &stop).unwrap();
    until("it has ended", || {
        let state = system.inspect(clerk.pid()).map(|clerk| clerk.state);
        matches!(state, Some(State::Stopped | State::Gone) | None).then_some(())
    });
    assert_eq!(clerk.pid().incarnation, 2);
    let stopped =
        until("the console sees it", || match client.ask::<PlanView>("plan", &query(Deed::Stop, &["clerk"])) {
            Err(ClientError::Refused(why)) => Some(why.code),
            _ => None,
        });
    assert!(matches!(stopped, Code::NotLiving | Code::NotFound), "{stopped:?}");

    // Whom nobody supervises does not come back, and the plan says so.
    let single = runtime.block_on(system.spawn::<Cashier>(())).unwrap();
    let kill = until("the console sees it", || {
        client.ask::<PlanView>("plan", &query(Deed::Kill, &[&single.pid().to_string()])).ok()
    });
    says(&kill, "supervisor: none, no new incarnation comes");
    let down = single.down();
    commit(&mut client, &kill).unwrap();
    assert_eq!(runtime.block_on(down).reason, ExitReason::Killed);
    runtime.block_on(system.stop());
}

#[test]
fn a_plan_says_who_may_end_with_it_a_supervisor_that_shuts_down_and_who_is_linked() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (clerk, porter) = (Slot::<Cashier>::named("clerk"), Slot::<Cashier>::named("porter"));
    let tree = Supervisor::rest_for_one("shop")
        .auto_shutdown(AutoShutdown::AnySignificant)
        // Both may end by themselves, and be counted.
        .intensity(2, PATIENCE)
        .child(clerk.child(()).restart(Restart::Transient).significant())
        .child(porter.child(()));
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().with(console).start(tree)).unwrap();
    let mut client = Client::connect(&system.console_for_actions().unwrap(), PATIENCE).unwrap();
    let porter = porter.pid();
    runtime.block_on(async {
        let _ = clerk.tell(Till::Link(porter));
        clerk.settled().await;
    });
    let stop = until("the console sees the link", || {
        let stop = plan(&mut client, Deed::Stop, "clerk");
        stop.effect.iter().any(|line| line.starts_with("linked: 1 other")).then_some(stop)
    });
    says(&stop, "automatic shutdown: shop ends, and all below it, 2 in all");
    let restart = plan(&mut client, Deed::Restart, "clerk");
    says(&restart, "siblings: 1, those started later are stopped and started with it");
    assert!(!restart.effect.iter().any(|line| line.starts_with("automatic")), "{restart:?}");
    runtime.block_on(system.stop());
}

#[test]
fn what_ends_with_a_supervisor_is_counted_and_ends_with_it() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let both: PlanView = client.ask("plan", &query(Deed::Kill, &["left", "shop/front"])).unwrap();
    assert_eq!((both.total, both.targets[0].path.as_str(), both.ends), (1, "shop/front", 3), "one ends with the other");
    let suspended = shop.left.pid();
    shop.system.suspend(suspended);
    until("it is suspended", || (shop.look(&shop.left).state == State::Suspended).then_some(()));
    shop.left.tell(Till::Sell).unwrap();
    let restart = until("the console sees what is queued", || {
        let restart = plan(&mut client, Deed::Restart, "shop/front");
        restart.effect.contains(&"queued below: 1 message, thrown away".to_owned()).then_some(restart)
    });
    assert_eq!((restart.total, restart.ends), (1, 3));
    says(&restart, "below: 2 more end, 3 in all");
    commit(&mut client, &restart).unwrap();
    until("all are back", || {
        let back = [&shop.left, &shop.right].iter().all(|till| till.pid().incarnation == 2);
        (back && shop.look(&shop.left).state == State::Running).then_some(())
    });
    assert_eq!((shop.total(&shop.left), shop.total(&shop.right)), (0, 0));
}

#[test]
fn another_incarnation_than_was_planned_for_is_not_touched() {
    let shop = Shop::open();
    let mut client = shop.actor();
    let kill = plan(&mut client, Deed::Kill, "left");
    shop.left.tell(Till::Break).unwrap();
    until("the next incarnation serves", || (shop.left.pid().incarnation == 2).then_some(()));
    assert_eq!(refused(commit(&mut client, &kill)), Code::Changed);
    assert_eq!((shop.total(&shop.left), shop.left.pid().incarnation), (0, 2));
    let entries = audit(&mut client).entries;
    assert_eq!(entries.last().unwrap().result, AuditResult::Refused(Code::Changed));
    // The plan is gone with it.
    assert_eq!(refused(commit(&mut client, &kill)), Code::PlanUsed);
}

#[test]
fn who_only_looks_can_do_nothing_and_is_told_where() {
    let shop = Shop::open();
    let mut client = shop.client();
    assert_eq!(refused(client.ask::<Value>("plan", &query(Deed::Kill, &["left"]))), Code::ReadOnly);
    let made = plan(&mut shop.actor(), Deed::Kill, "left");
    assert_eq!(refused(commit(&mut client, &made)), Code::ReadOnly);
    assert_eq!(shop.actor().hello().role, "read_write");
    assert_eq!(shop.actor().ask::<Value>("hello", &()).unwrap()["role"], "read_write");
    assert!(!client.hello().verbs.contains(&"commit".to_owned()));
    assert_eq!(shop.total(&shop.left), 0);
    assert_eq!(shop.left.pid().incarnation, 1);
    // Whoever acts may look as well.
    assert_eq!(shop.actor().ask::<Value>("system", &()).unwrap()["name"], "shop");
}

#[test]
fn a_console_that_is_read_only_has_no_socket_for_actions() {
    let shop = Shop::built(|console| console.read_only());
    assert_eq!(shop.system.console_for_actions(), None);
    let names: Vec<_> =
        std::fs::read_dir(shop.socket.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["ro.sock"]);
    let mut client = shop.client();
    assert_eq!(refused(client.ask::<Value>("plan", &query(Deed::Kill, &["left"]))), Code::ReadOnly);
    let view = audit(&mut client);
    assert_eq!((view.total, view.file), (0, None));
}
