//! What the console says of a situation is what the test knows, who has made it.

use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use crashworthy::scheduler::PumpState;
use crashworthy::{Callback, GateState, Happening, Law, Pid, State};
use crashworthy_console::Client;
use crashworthy_console::protocol::{Doing, Events, Metrics, SystemView, Tie, TreeView};
use serde_json::json;

use crate::bureau::{Bureau, Desk, ROOM, Work, seen, view};
use crate::support::{PATIENCE, until};

/// A step of the clock by which ages are told is a little more than a millisecond; both ends of an age have one.
const STEPS: Duration = Duration::from_millis(3);
/// What can be seen to have lasted.
const A_WHILE: Duration = Duration::from_millis(30);

fn system(client: &mut Client) -> SystemView {
    client.ask("system", &()).expect("it answers")
}

#[test]
fn a_supervisor_is_told_with_its_strategy_and_what_is_left_of_its_restarts() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    for crash in 1..=3 {
        bureau.two.tell(Work::Crash).unwrap();
        until("the next incarnation runs", || {
            (bureau.two.pid().incarnation == crash + 1 && bureau.two.is_alive()).then_some(())
        });
    }
    seen(&mut client, "two", "its restarts", |row| row.restarts == 3);
    let tree: TreeView = client.ask("tree", &json!({})).unwrap();
    let row = |path: &str| &tree.nodes.iter().find(|node| node.row.path == path).expect("it is there").row;
    let supervises = row("bureau").supervises.as_ref().expect("it is a supervisor");
    let budget = supervises.budget;
    assert_eq!((budget.restarts, budget.allowed, budget.period), (3, 5, secs(3_600)));
    assert_eq!(supervises.text, "rest_for_one, 3 of 5 restarts in 3600s, 2 left");
    assert_eq!((row("bureau/two").pid, row("bureau/two").restarts), (bureau.two.pid(), 3));
    // Who was started before it did not go with it.
    assert_eq!((row("bureau/one").pid.incarnation, row("bureau/one").restarts), (1, 0));
}

#[test]
fn the_oldest_message_of_who_is_busy_is_the_one_in_hand_and_as_old_as_that() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let begun = bureau.system.now();
    let held = bureau.block(&bureau.one);
    let was_taken = bureau.system.now();
    (0..3).for_each(|_| bureau.one.tell(Work::Note).unwrap());
    let told = seen(&mut client, "one", "it gets old", |row| row.depth == 3 && row.oldest >= Some(A_WHILE));
    let (age, now) = (told.row.oldest.expect("as asked"), bureau.system.now());
    assert!(age <= now - begun + STEPS && !told.row.oldest_at_least, "{told:?}");
    // Later it is older, by as much.
    let later = seen(&mut client, "one", "it gets older", |row| row.oldest >= Some(age + A_WHILE));
    assert!(later.row.oldest.expect("as asked") + STEPS >= told.at.saturating_sub(was_taken), "{later:?}");
    drop(held);
    let rests = seen(&mut client, "one", "it rests", |row| row.handled == 4);
    assert_eq!((rests.row.oldest, rests.row.depth), (None, 0));
}

#[test]
fn what_waits_for_somebody_who_is_suspended_is_told_to_be_as_old_as_it_is() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    bureau.system.suspend(bureau.one.pid());
    let begun = bureau.system.now();
    (0..3).for_each(|_| bureau.one.tell(Work::Note).unwrap());
    let old = seen(&mut client, "one", "it gets old", |row| row.oldest >= Some(A_WHILE));
    assert!(
        !old.row.oldest_at_least && old.row.oldest.expect("as asked") <= bureau.system.now() - begun + STEPS,
        "{old:?}"
    );
    assert_eq!((old.row.state, old.row.gate, old.row.depth), (State::Suspended, GateState::Suspended, 3));
    // Others come: what was there before them is as old as before.
    bureau.one.tell(Work::Note).unwrap();
    let more = seen(&mut client, "one", "the next one", |row| row.depth == 4);
    assert!(more.row.oldest >= old.row.oldest, "{more:?}");
    // All of those go, and others come: these are young.
    bureau.system.resume(bureau.one.pid());
    bureau.settled(&bureau.one);
    bureau.system.suspend(bureau.one.pid());
    let begun = bureau.system.now();
    bureau.one.tell(Work::Note).unwrap();
    let young = seen(&mut client, "one", "the new one", |row| row.depth == 1 && row.handled == 4);
    assert!(young.row.oldest.expect("it has one") <= bureau.system.now() - begun + STEPS, "{young:?}");
}

#[test]
fn who_blocks_its_thread_is_told_from_who_awaits_and_with_what_and_for_how_long() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let begun = bureau.system.now();
    let (blocks, awaits) = (bureau.block(&bureau.one), bureau.hold(&bureau.two));
    for (desk, message, on_thread) in [("one", "Block", true), ("two", "Await", false)] {
        let long = |row: &crashworthy_console::protocol::Row| {
            row.doing.as_ref().is_some_and(|doing| doing.since >= A_WHILE && doing.on_thread == on_thread)
        };
        let told = seen(&mut client, desk, "it takes long", long);
        let doing = told.row.doing.expect("as asked");
        assert!(doing.since <= bureau.system.now() - begun + STEPS, "{doing:?}");
        let expected = Doing {
            callback: Some(Callback::Handle),
            message: Some(message.to_owned()),
            on_thread,
            since: doing.since,
            waits_for: None,
        };
        assert_eq!(doing, expected);
    }
    drop((blocks, awaits));
    for desk in ["one", "two"] {
        seen(&mut client, desk, "it rests", |row| row.doing.is_none() && row.handled == 1);
    }
}

#[test]
fn limits_and_refusals_by_reason_are_those_that_senders_met() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let held = bureau.block(&bureau.two);
    (0..ROOM).for_each(|_| bureau.two.tell(Work::Note).unwrap());
    for _ in 0..7 {
        assert_eq!(bureau.two.tell(Work::Note).unwrap_err().why.reason, Reason::Full);
    }
    bureau.system.trip(bureau.two.pid());
    for _ in 0..5 {
        assert_eq!(bureau.two.tell(Work::Note).unwrap_err().why.reason, Reason::Tripped);
    }
    let told = seen(&mut client, "two", "the refusals", |row| row.refused == 12);
    assert_eq!((told.row.limit, told.row.depth, told.row.gate), (ROOM, ROOM, GateState::Tripped));
    assert_eq!((told.refusals.because(Reason::Full), told.refusals.because(Reason::Tripped)), (7, 5));
    assert_eq!(told.refusals, bureau.two.refusals());
    let metrics: Metrics = client.ask("metrics", &()).unwrap();
    let desks = metrics.kinds.iter().find(|kind| kind.kind.ends_with("Desk")).expect("there are desks");
    let mut refused: Vec<_> = desks.refusals.iter().map(|of| (of.reason.as_str(), of.count)).collect();
    refused.sort_unstable();
    assert_eq!(refused, [("full", 7), ("tripped", 5)]);
    drop(held);
}

#[test]
fn a_gate_is_told_not_ready_shedding_or_restarting_when_it_is_that() {
    let long = Backoff::new(secs(1 << 32), secs(1 << 32));
    let bureau = Bureau::under(Supervisor::one_for_one("bureau").backoff(long));
    let mut client = bureau.client();
    let bank = Dependency::named("bank");
    bureau.one.tell(Work::Need(bank.clone())).unwrap();
    bureau.settled(&bureau.one);
    bank.mark_down(None);
    let lacking = seen(&mut client, "one", "what it lacks", |row| row.gate == GateState::NotReady);
    assert_eq!((lacking.row.state, bureau.one.gate()), (State::Running, GateState::NotReady));
    bank.mark_up();
    seen(&mut client, "one", "that it lacks nothing", |row| row.gate == GateState::Open);

    // More than can be done in time, until some are refused for the sake of the others.
    let asks = || {
        let asked = bureau.one.reserve(Offer::within(ms(50)));
        if let Ok(permit) = asked {
            let _ = permit.send(Work::Take(ms(5)));
        }
    };
    let told = until("it is seen to shed", || {
        (0..50).for_each(|_| asks());
        Some(view(&mut client, "one").row).filter(|row| row.gate == GateState::Shedding)
    });
    assert!(told.refused > 0 && told.state == State::Running, "{told:?}");

    bureau.two.tell(Work::Crash).unwrap();
    let down = seen(&mut client, "two", "it is down", |row| row.gate == GateState::Restarting);
    assert_eq!((down.row.state, bureau.two.gate()), (State::Restarting, GateState::Restarting));
    assert!(down.row.back_in.is_some_and(|back_in| back_in > secs(3_600)), "{down:?}");
}

#[test]
fn links_monitors_and_watchers_are_those_that_were_made() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let tie = |path: &str, pid: Pid| Tie { pid, path: Some(format!("bureau{path}")) };
    bureau.one.tell(Work::Link(bureau.two.pid())).unwrap();
    bureau.one.tell(Work::Watch(bureau.two.pid())).unwrap();
    bureau.settled(&bureau.one);
    let [one, two] = ["one", "two"].map(|desk| seen(&mut client, desk, "both ties", |_| true));
    let top = one.parent.clone().expect("it is supervised");
    assert_eq!((two.parent.as_ref(), top.path.as_deref()), (Some(&top), Some("bureau")));
    let is_linked = |ties: &[Tie], with: &Tie| ties.contains(with) && ties.len() <= 2;
    assert!(is_linked(&one.links.first, &tie("/two", bureau.two.pid())), "{one:?}");
    assert!(is_linked(&two.links.first, &tie("/one", bureau.one.pid())), "{two:?}");
    assert_eq!((one.monitors.total, one.monitors.first), (1, vec![tie("/two", bureau.two.pid())]));
    assert_eq!(two.monitors.total, 0);
    assert!(two.watchers.first.contains(&tie("/one", bureau.one.pid())), "{two:?}");
}

#[test]
fn who_waits_for_whom_is_told_and_a_ring_is_an_event_with_its_path() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let held = bureau.hold(&bureau.two);
    // It will ask back before it answers.
    bureau.two.tell(Work::AskOf(bureau.one.address())).unwrap();
    bureau.one.tell(Work::AskOf(bureau.two.address())).unwrap();
    let waits = seen(&mut client, "one", "for whom it waits", |row| {
        // It is told for whom before its turn has gone off its thread.
        row.doing.as_ref().is_some_and(|doing| doing.waits_for.is_some() && !doing.on_thread)
    });
    let doing = waits.row.doing.expect("as asked");
    assert_eq!((doing.waits_for.as_deref(), doing.message.as_deref()), (Some("bureau/two"), Some("AskOf")));
    assert_eq!(view(&mut client, "two").row.doing.and_then(|doing| doing.waits_for), None);
    // Now the other one asks back, which would be a ring.
    drop(held);
    let refused = until("the cycle is told", || {
        let events: Events = client.ask("events", &json!({ "kinds": ["cycle_refused"] })).unwrap();
        events.events.into_iter().next()
    });
    let Happening::CycleRefused { cycle } = &refused.what else { panic!("{refused:?}") };
    assert_eq!(cycle.path.len(), 3, "{cycle}");
    assert!(["one", "two"].iter().all(|desk| cycle.to_string().contains(desk)), "{cycle}");
    for desk in ["one", "two"] {
        seen(&mut client, desk, "it goes on", |row| row.doing.is_none());
    }
}

#[test]
fn workers_are_told_as_many_as_there_are_and_what_they_are_about() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let begun = Instant::now();
    let mut held = vec![bureau.block(&bureau.one), bureau.block(&bureau.two)];
    let mut others = Vec::new();
    let told = until("both workers are in a turn that lasts", || {
        let pools = system(&mut client).pools;
        // A worker that got no core in time has lost its turn to a rescuer: there is another one for it.
        if pools.first[0].workers.iter().any(|worker| worker.state != PumpState::InTurn) && others.len() < 16 {
            let other = Slot::<Desk>::anonymous();
            bureau.runtime.block_on(bureau.system.start_top(&other, ())).expect("it starts");
            held.push(bureau.block(&other));
            others.push(other);
        }
        let lasts = |pool: &crashworthy_console::protocol::PoolView| {
            pool.workers.iter().all(|worker| worker.in_turn_for >= Some(A_WHILE))
        };
        (pools.first.iter().all(lasts)).then_some(pools)
    });
    let [pool] = &told.first[..] else { panic!("{told:?}") };
    assert_eq!((told.total, pool.total, pool.in_turn, pool.workers.len(), pool.closed), (1, 2, 2, 2, false));
    assert!(pool.workers.iter().all(|worker| worker.state == PumpState::InTurn), "{pool:?}");
    // The clock that says since when is a coarse one.
    assert!(pool.workers.iter().all(|worker| worker.in_turn_for < Some(begun.elapsed() + ms(50))), "{pool:?}");
    // Somebody else takes the turns of others meanwhile, and that is told.
    let third = bureau.runtime.block_on(bureau.system.spawn::<Desk>(())).expect("it starts");
    // A rescuer is counted when whoever sent it goes on, which may be after its first turn.
    until("rescuers are told", || {
        let pools = system(&mut client).pools;
        (pools.first[0].rescuers > 0 && pools.first[0].rescues > 0).then_some(())
    });
    drop(third);
    drop(held);
    until("they rest", || (system(&mut client).pools.first[0].in_turn == 0).then_some(()));
    // The turns of all pools are of a picture, which may be a moment older.
    until("nobody takes turns any more", || {
        let quiet = system(&mut client);
        (quiet.pools.first[0].turns == quiet.turns).then_some(())
    });
    bureau.runtime.block_on(bureau.system.stop());
}

#[test]
fn how_messages_ended_is_what_became_of_them() {
    let bureau = Bureau::open();
    let mut client = bureau.client();
    let held = bureau.hold(&bureau.one);
    // Two that are told in time and are late when their turn comes, one whose asker goes, three that are handled.
    for _ in 0..2 {
        // On a machine that stands still meanwhile it is late before it is sent, and has to be sent again.
        until("it is taken in", || bureau.one.reserve(Offer::within(ms(1))).ok()?.send(Work::Note).ok());
    }
    let one = bureau.one.address();
    let asked = bureau.runtime.spawn(async move { one.ask(|reply| Work::Count { reply }).within(PATIENCE).await });
    seen(&mut client, "one", "the question", |row| row.depth == 3);
    asked.abort();
    bureau.runtime.block_on(asked).expect_err("nobody asks any more");
    (0..3).for_each(|_| bureau.one.tell(Work::Note).unwrap());
    let before = view(&mut client, "one").law;
    assert!(before.in_hand == 1 && before.holds(), "{before:?}");
    // The clock that says whether they are is a coarse one.
    let late = Instant::now() + ms(50);
    until("the first are late", || (Instant::now() > late).then_some(()));
    drop(held);
    bureau.settled(&bureau.one);
    bureau.one.tell(Work::Crash).unwrap();
    bureau.settled(&bureau.one);
    let told = seen(&mut client, "one", "the crash", |row| row.given_up == 1 && row.restarts == 1);
    let expected = Law { accepted: 8, handled: 4, expired: 2, cancelled: 1, given_up: 1, ..Law::default() };
    assert_eq!((told.law, told.law.holds()), (expected, true));
    assert_eq!(told.law, bureau.one.law());
}
