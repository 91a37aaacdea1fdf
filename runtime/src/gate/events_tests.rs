//! What the log hears of gates, and what is kept of that as events, in virtual time.

use std::time::Duration;

use tracing::Level;

use crate::ear::Ear;
use crate::port::{Port, Simulation};
use crate::scripted::{Clerk, Line, clerk, ms, note, once, slow_clerk, small_clerk};
use crate::waits::tests::{Ask, Gossip};
use crate::{ActorRef, AskError, Builder, GateState, Happening, Offer, RateLimit, Reason, Slot, System};

/// Runs a test in virtual time, with somebody who hears what is logged.
fn listen<F: Future<Output = ()>>(limit: RateLimit, test: impl FnOnce(System, Ear) -> F) {
    let ear = Ear::default();
    let _hears = tracing::subscriber::set_default(ear.clone());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let port = Port::simulated(runtime.handle().clone(), Simulation::seeded(1));
        let system = Builder::default().error_reports(limit).bare_on(port).expect("settings are valid");
        test(system, ear).await;
    });
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What has happened to an actor so far, but for its dead letters.
fn happened(system: &System, actor: &ActorRef<Clerk>) -> Vec<Happening> {
    let events = system.events_since(0).events.into_iter().filter(|event| event.pid == Some(actor.pid()));
    events.map(|event| event.what).filter(|what| what.name() != "dead_letters").collect()
}

fn offer(within: u64) -> Offer {
    Offer::within(ms(within))
}

fn refused(actor: &ActorRef<Clerk>, times: u32) {
    for _ in 0..times {
        assert_eq!(actor.tell(note()).unwrap_err().why.reason, Reason::Full);
    }
}

#[test]
fn a_gate_that_refuses_is_told_once_and_once_when_it_is_open_again() {
    listen(RateLimit::default(), async |system, ear| {
        let (clerk, _) = small_clerk(&system, 1).await;
        let place = clerk.reserve(offer(100_000)).unwrap();
        refused(&clerk, 50);
        pass(ms(1)).await;
        let [(level, told)] = &ear.hears("gate refuses: its mailbox is full")[..] else { panic!("not told once") };
        assert_eq!((*level, &*told["path"], &*told["refused"]), (Level::WARN, &*clerk.id().to_string(), "50"));
        assert_eq!((&*told["depth"], &*told["limit"], &*told["pid"]), ("1", "1", &*clerk.pid().to_string()));
        for _ in 0..10 {
            pass(ms(1_000)).await;
            refused(&clerk, 5);
        }
        drop(place);
        assert_eq!(ear.words(), [], "nothing has changed");
        pass(ms(4_500)).await;
        assert_eq!(ear.words(), [], "it may go on");
        pass(ms(2_000)).await;
        let [(level, told)] = &ear.hears("gate is open again")[..] else { panic!("not told once") };
        assert_eq!((*level, &*told["refused"]), (Level::INFO, "100"));
        assert!(told["lasted"].starts_with("10.0"), "{told:?}");
        pass(ms(60_000)).await;
        assert_eq!(ear.words(), []);
        match &happened(&system, &clerk)[..] {
            [
                Happening::GateRefuses { reason: Reason::Full, refused: 50, depth: 1, limit: 1, .. },
                Happening::GateOpen { refused: 100, lasted },
            ] => assert_eq!(lasted.as_secs(), 10),
            other => panic!("{other:?}"),
        }
        // And all over again.
        let _place = clerk.reserve(offer(100_000)).unwrap();
        refused(&clerk, 1);
        pass(ms(1)).await;
        assert_eq!(ear.hears("gate refuses")[0].1["refused"], "1");
    });
}

#[test]
fn a_stuck_actor_is_told_with_what_it_has_in_hand_and_when_it_is_well() {
    listen(RateLimit::default(), async |system, ear| {
        let (clerk, script) = clerk(&system, [Line::Answer]).await;
        for _ in 0..100 {
            clerk.ask(once).await.unwrap();
        }
        script.insert(Line::Work(ms(100_000)));
        clerk.tell(note()).unwrap();
        pass(ms(1)).await;
        assert_eq!(clerk.ask(once).within(ms(1_000)).await, Err(AskError::Expired));
        pass(ms(10)).await;
        for _ in 0..20 {
            let refused = clerk.ask(once).within(ms(1_000)).await;
            assert!(matches!(refused, Err(AskError::Refused(why)) if why.reason == Reason::Stuck));
        }
        pass(ms(1)).await;
        let [(level, told)] = &ear.hears("actor is stuck")[..] else { panic!("not told once") };
        assert_eq!((*level, &*told["refused"]), (Level::WARN, "20"));
        assert!(told["in_hand"].starts_with("1.0") && told["message_in_hand"].contains("Question"), "{told:?}");
        pass(ms(90_000)).await;
        assert_eq!(ear.words(), [], "it still is");
        assert_eq!(clerk.gate(), GateState::Stuck, "and is seen to be");
        pass(ms(11_000)).await;
        assert_eq!(ear.hears("actor is stuck no more").len(), 1);
        assert_eq!(clerk.gate(), GateState::Open);
        match &happened(&system, &clerk)[..] {
            [
                Happening::Stuck { message: Some(message), in_hand, refused: 20, depth: 1 },
                Happening::StuckNoMore { refused: 20, .. },
                // The one that was taken in before anybody knew.
                Happening::Expires { count: 1, .. },
            ] => assert!(message.contains("Question") && in_hand.as_secs() == 1, "{message} for {in_hand:?}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_actor_is_known_to_be_stuck_within_one_deadline_although_nobody_waits_for_it() {
    // Told in places that were reserved; asked, and given up before the deadline; with somebody before who has a day.
    for (is_told, patient) in [(true, false), (false, false), (true, true), (false, true)] {
        listen(RateLimit::default(), async |system, _ear| {
            let (clerk, script) = clerk(&system, [Line::Answer]).await;
            for _ in 0..300 {
                clerk.ask(once).await.unwrap();
            }
            script.insert(Line::Work(ms(3_000)));
            let (began, mut taken) = (system.now(), 0);
            clerk.tell(note()).unwrap();
            pass(ms(1)).await;
            if patient {
                clerk.reserve(offer(86_000_000)).unwrap().send(note()).unwrap();
            }
            let refused = loop {
                if is_told {
                    match clerk.reserve(offer(50)) {
                        Ok(place) => place.send(note()).unwrap(),
                        Err(why) => break why,
                    }
                } else {
                    match tokio::time::timeout(ms(10), clerk.ask(once).within(ms(50))).await {
                        Ok(Err(AskError::Refused(why))) => break why,
                        Ok(answer) => panic!("{answer:?}"),
                        Err(_) => {}
                    }
                }
                taken += 1;
                assert!(taken < 20, "told: {is_told}, patient: {patient}: nobody has noticed");
                pass(ms(10)).await;
            };
            let after = system.now() - began;
            assert_eq!(refused.reason, Reason::Stuck, "{refused:?}");
            assert!(after < ms(75), "told: {is_told}, patient: {patient}: {taken} were taken in for {after:?}");
            pass(ms(3_000)).await;
            clerk.settled().await;
            assert!(clerk.ask(once).within(ms(50)).await.is_ok(), "it is well again");
        });
    }
}

#[test]
fn broken_promises_are_told_once_with_their_number() {
    listen(RateLimit::default(), async |system, ear| {
        let (clerk, _) = clerk(&system, [Line::Work(ms(100)), Line::Answer]).await;
        // Nobody knows yet how slow it is, and it takes all of them.
        let permits: Vec<_> = (0..5).map(|_| clerk.reserve(offer(50)).unwrap()).collect();
        permits.into_iter().for_each(|permit| permit.send(note()).unwrap());
        clerk.settled().await;
        assert_eq!((clerk.law().handled, clerk.law().expired), (1, 4));
        pass(ms(1)).await;
        let [(level, told)] = &ear.hears("gate breaks promises")[..] else { panic!("not told once") };
        assert_eq!((*level, &*told["broken"], &*told["accepted"]), (Level::WARN, "4", "5"));
        assert_eq!(told["not_begun_in_time"], "0");
        pass(ms(7_000)).await;
        assert_eq!(ear.hears("gate keeps its promises again")[0].1["broken"], "4");
        match &happened(&system, &clerk)[..] {
            [Happening::Expires { count: 4, not_begun_in_time: 0, .. }, Happening::ExpiresNoMore { count: 4, .. }] => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn broken_promises_of_questions_are_told_although_their_askers_have_gone() {
    listen(RateLimit::default(), async |system, ear| {
        let (clerk, _) = clerk(&system, [Line::Work(ms(100)), Line::Answer]).await;
        let mut askers = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let clerk = clerk.clone();
            askers.spawn(async move { clerk.ask(once).within(ms(50)).await });
        }
        assert_eq!(askers.join_all().await, vec![Err(AskError::Expired); 5]);
        clerk.settled().await;
        assert_eq!((clerk.law().handled, clerk.law().expired, clerk.law().cancelled), (1, 4, 0));
        pass(ms(1)).await;
        assert_eq!(ear.hears("gate breaks promises")[0].1["broken"], "4");
        assert!(matches!(&happened(&system, &clerk)[..], [Happening::Expires { count: 4, .. }]));
    });
}

#[test]
fn a_mailbox_that_holds_more_than_callers_wait_for_is_told_once() {
    listen(RateLimit::default(), async |system, ear| {
        let (small, _) = small_clerk(&system, 100).await;
        for _ in 0..50 {
            small.tell(note()).unwrap();
        }
        small.settled().await;
        pass(ms(10_000)).await;
        assert_eq!(ear.words(), []);
        // Ten seconds of work have room, and a question ends after five.
        let (slow, _) = slow_clerk(&system).await;
        for _ in 0..20 {
            slow.ask(once).await.unwrap();
        }
        pass(ms(10_000)).await;
        let [(level, told)] = &ear.hears("bound exceeds deadline")[..] else { panic!("not told once") };
        assert_eq!((*level, &*told["limit"], &*told["deadline"]), (Level::INFO, "1024", "5s"));
        assert_eq!(told["path"], slow.id().to_string());
        assert!(told["takes"].starts_with("10.") || told["takes"].starts_with("11."), "{told:?}");
        match &happened(&system, &slow)[..] {
            [Happening::BoundExceedsDeadline { limit: 1024, takes, deadline }] => {
                assert!((10..12).contains(&takes.as_secs()) && *deadline == ms(5_000), "{takes:?} of {deadline:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(happened(&system, &small), []);
    });
}

#[test]
fn what_is_told_of_gates_is_limited_and_what_is_withheld_is_counted() {
    listen(RateLimit::new(1, ms(60_000)), async |system, ear| {
        let (clerk, _) = small_clerk(&system, 1).await;
        for _ in 0..2 {
            let _place = clerk.reserve(offer(1_000)).unwrap();
            refused(&clerk, 1);
            pass(ms(10_000)).await;
        }
        assert_eq!(ear.words(), [(Level::WARN, "gate refuses: its mailbox is full".to_owned())]);
        assert_eq!(system.snapshot().reports_withheld, 3);
        pass(ms(60_000)).await;
        let told = ear.words();
        assert!(told.len() == 1 && told[0].1.starts_with("events of a gate were withheld: 3 more of"), "{told:?}");
        assert!(!clerk.cell.core().shared().reports.owes(), "nobody looks any more when nothing is wrong");
        let kept: Vec<_> = happened(&system, &clerk).iter().map(Happening::name).collect();
        assert_eq!(kept, ["gate_refuses", "gate_open", "gate_refuses", "gate_open"], "no limit withholds an event");
    });
}

#[test]
fn a_cycle_is_told_once_with_its_path_as_often_as_it_is_refused() {
    listen(RateLimit::default(), async |system, ear| {
        let slots = ["a", "b", "c"].map(Slot::<Gossip>::named);
        for slot in &slots {
            system.start_top(slot, ()).await.expect("it starts");
        }
        let [a, b, c] = slots.each_ref().map(|slot| ActorRef::clone(slot));
        for _ in 0..2 {
            let begun = system.now();
            let rest = vec![a.clone(), c.clone(), b.clone()];
            let told = a.ask(|reply| Ask(rest, reply)).await.unwrap();
            let Err(AskError::Refused(why)) = told else { panic!("{told:?}") };
            assert_eq!(why.cycle.as_ref().map(|cycle| cycle.to_string()).as_deref(), Some("c → a → b → c"));
            assert_eq!((why.reason, why.by, system.now()), (Reason::Cycle, a.id(), begun));
            let [(level, told)] = &ear.hears("cycle refused: c → a → b → c")[..] else { panic!("not told once") };
            assert_eq!((*level, &*told["path"], &*told["cycle"]), (Level::WARN, "a", "c → a → b → c"));
        }
        let rings = system.events_since(0).events.into_iter().filter_map(|event| match event.what {
            Happening::CycleRefused { cycle } => Some((event.pid, cycle.to_string())),
            _ => None,
        });
        let ring = (Some(a.pid()), "c → a → b → c".to_owned());
        assert_eq!(rings.collect::<Vec<_>>(), [ring.clone(), ring]);
        assert_eq!((a.refusals().because(Reason::Cycle), b.refusals().total(), c.refusals().total()), (2, 0, 0));
    });
}
