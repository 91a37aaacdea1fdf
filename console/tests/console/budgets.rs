//! What ends a supervisor is refused unless it is wanted: by the plan, and again by the commit.

use crashworthy::console::{ActionLimits, Limits};
use crashworthy::prelude::*;
use crashworthy_console::protocol::{Code, CommitQuery, CommitView, Deed, PlanQuery, PlanView};
use crashworthy_console::{Client, ClientError};

use crate::actions::{audit, commit, plan, query, refused};
use crate::support::{Cashier, Dir, PATIENCE, Shop, Till, until};

fn why(answer: Result<CommitView, ClientError>) -> String {
    match answer {
        Err(ClientError::Refused(why)) if why.code == Code::Budget => why.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn plans_that_are_each_within_the_budget_are_committed_only_as_far_as_they_are_together() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tills: Vec<_> = (0..5).map(|number| Slot::<Cashier>::named(format!("till-{number}"))).collect();
    let tree = Supervisor::one_for_one("shop").intensity(3, PATIENCE);
    let tree = tills.iter().fold(tree, |tree, till| tree.child(till.child(())));
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().with(console).start(tree)).unwrap();
    let connect = || Client::connect(&system.console_for_actions().unwrap(), PATIENCE).unwrap();
    let (mut one, mut other) = (connect(), connect());
    // All of them are made while nothing has been used up: by two, and one that was meant so.
    let plans: Vec<_> = (0..4).map(|number| plan(&mut one, Deed::Kill, &format!("till-{number}"))).collect();
    let forced = PlanQuery { force: true, ..query(Deed::Kill, &["till-4"]) };
    let forced: PlanView = other.ask("plan", &forced).unwrap();
    for plan in &plans {
        assert!(plan.effect.iter().any(|line| line.ends_with(", 3 left")), "{plan:?}");
    }
    commit(&mut one, &plans[0]).unwrap();
    commit(&mut other, &plans[1]).unwrap();
    commit(&mut one, &plans[2]).unwrap();
    let why = why(commit(&mut other, &plans[3]));
    assert!(
        why.starts_with(
            "that needs 1 restart and 0 are left: shop would end, and the system with it; restarts count: shop is "
        ),
        "{why}"
    );
    assert_eq!(tills[3].pid().incarnation, 1, "nothing was done");
    assert_eq!(audit(&mut one).entries.len(), 4, "and that is in the audit");
    until("the others are back", || tills[..3].iter().all(|till| till.pid().incarnation == 2).then_some(()));
    // Whoever wants it has it.
    commit(&mut other, &forced).unwrap();
    runtime.block_on(system.ended());
}

#[test]
fn who_was_asked_to_stop_and_has_not_ended_yet_is_counted_and_once() {
    let actions = ActionLimits { destructive: 60, ..ActionLimits::default() };
    let shop = Shop::with(Limits { actions, ..Limits::default() });
    let mut client = shop.actor();
    for incarnation in 2..=3 {
        shop.left.tell(Till::Break).unwrap();
        until("it is back", || (shop.left.pid().incarnation == incarnation).then_some(()));
    }
    let right = until("the console sees it", || {
        let kill = plan(&mut client, Deed::Kill, "right");
        kill.effect.iter().any(|line| line.contains("2 of 3 restarts")).then_some(kill)
    });
    let held = shop.block(&shop.left);
    // Twice: it ends once.
    for _ in 0..2 {
        let stop = until("it lives", || client.ask::<PlanView>("plan", &query(Deed::Stop, &["left"])).ok());
        commit(&mut client, &stop).unwrap();
    }
    assert_eq!(shop.left.pid().incarnation, 3, "its handler goes on");
    let under_way = why(commit(&mut client, &right));
    assert!(
        under_way.ends_with("2 of 3 restarts in 60s, 1 left; 1 more by this console, not counted there yet"),
        "{under_way}"
    );
    assert_eq!(refused(client.ask::<PlanView>("plan", &query(Deed::Kill, &["right"]))), Code::Budget);
    let forced = PlanQuery { force: true, ..query(Deed::Kill, &["right"]) };
    let forced: PlanView = client.ask("plan", &forced).unwrap();
    assert!(forced.effect.iter().any(|line| line.ends_with("1 more by this console, not counted there yet")));
    drop(held);
    until("it is back", || (shop.left.pid().incarnation == 4).then_some(()));
    let counted = until("it is counted", || match client.ask::<PlanView>("plan", &query(Deed::Kill, &["right"])) {
        Err(ClientError::Refused(why)) => why.message.ends_with("0 left, one more ends it").then_some(why.code),
        other => panic!("{other:?}"),
    });
    assert_eq!(counted, Code::Budget);
    assert_eq!(shop.right.pid().incarnation, 1);
}

#[test]
fn how_a_child_is_restarted_is_known_however_much_has_been_reported_since() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (clerk, guest) = (Slot::<Cashier>::named("clerk"), Slot::<Cashier>::named("guest"));
    let crowd = Dynamic::<Cashier>::named("crowd");
    let tree = Supervisor::one_for_one("shop")
        .intensity(0, PATIENCE)
        .child(clerk.child(()))
        .child(guest.child(()).restart(Restart::Temporary))
        .child(crowd.clone())
        .child((0..300).fold(Supervisor::one_for_one("others"), |others, number| {
            others.child(Slot::<Cashier>::named(format!("{number}")).child(()))
        }));
    let console = Console::default().below(dir.path());
    let system = runtime.block_on(System::builder().with(console).start(tree)).unwrap();
    let first = runtime.block_on(crowd.start(())).unwrap();
    let reports = system.supervisor_reports();
    let is_told = |pid: Pid| reports.progress.iter().any(|report| report.report.offender.place.pid() == Some(pid));
    assert!(![clerk.pid(), guest.pid(), first.pid()].into_iter().any(is_told), "nothing is reported of them any more");
    let mut client = Client::connect(&system.console_for_actions().unwrap(), PATIENCE).unwrap();
    assert_eq!(refused(client.ask::<PlanView>("plan", &query(Deed::Kill, &["clerk"]))), Code::Budget);
    for temporary in ["guest", &first.pid().to_string()] {
        let kill =
            until("the console sees it", || client.ask::<PlanView>("plan", &query(Deed::Kill, &[temporary])).ok());
        assert!(kill.effect.iter().any(|line| line.ends_with("does not start it again, it is temporary")), "{kill:?}");
        let commit_it = CommitQuery { nonce: kill.nonce, reason: "it is slow".into() };
        client.ask::<CommitView>("commit", &commit_it).unwrap();
    }
    runtime.block_on(system.stop());
}
