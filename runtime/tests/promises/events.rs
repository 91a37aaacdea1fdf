//! What happens in a system is told as data: troubles always, beginnings and ends while somebody attends.

use std::sync::mpsc;

use crashworthy_runtime::{
    Abandoned, Context, Dependency, Exit, ExitReason, Fallen, Happening, Judgement, Reason, Sender, Slot, System,
    SystemEvent,
};
use tokio::sync::oneshot;

use crate::e1_cycles::{ask, puppets};
use crate::f_gate::{Deal, Dealer, LONG, SERVICE};
use crate::stage::{
    Nursery, Order, Part, Puppet, act, bare, cast, does, everywhere, lawful, now, on_two, part, puppet, trapping, until,
};

fn names(events: &[SystemEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.what.name()).collect()
}

/// What is told of the actors. A machine that is busy with other things may hold up the workers for a moment: that is told, too.
fn of_actors(system: &System) -> Vec<SystemEvent> {
    let all = system.events_since(0);
    assert_eq!(all.dropped, 0);
    all.events.into_iter().filter(|event| !matches!(event.what, Happening::WorkersBlocked { .. })).collect()
}

/// Waits for an event of this name.
async fn told(system: &System, name: &str) -> SystemEvent {
    let mut found = None;
    until(name, || {
        found = system.events_since(0).events.into_iter().find(|event| event.what.name() == name);
        found.is_some()
    })
    .await;
    found.expect("it was found")
}

#[test]
fn while_nobody_attends_no_beginning_or_end_is_told_and_troubles_are() {
    everywhere(async || {
        let system = bare();
        for _ in 0..10 {
            let (actor, _journal) = puppet(&system).await;
            actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
            actor.down().await;
        }
        assert_eq!((names(&of_actors(&system)), system.events_since(0).lifecycle_since), (vec![], None));

        let (actor, _journal) = puppet(&system).await;
        actor.tell(Order::Panic).unwrap();
        actor.down().await;
        let troubles = ["dead_letters", "crashed"];
        assert_eq!(names(&of_actors(&system)), troubles);
        drop(system.attend_events());
        assert_eq!(system.events_since(0).lifecycle_since, None);
        let (actor, _journal) = puppet(&system).await;
        actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
        actor.down().await;
        assert_eq!(names(&of_actors(&system)), troubles, "who attended has left");
    });
}

#[test]
fn who_attends_is_told_that_an_incarnation_begins_has_started_and_ends_in_this_order() {
    everywhere(async || {
        let system = bare();
        let attending = system.attend_events();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let (parent, child) = (nursery.parent.pid(), nursery.slot.pid());
        nursery.slot.tell(Order::Exit(ExitReason::ShutdownWith("closing time".into()))).unwrap();
        nursery.slot.down().await;

        let events = system.events_since(0);
        assert_eq!((events.dropped, events.lifecycle_since), (0, Some(1)));
        let of_child: Vec<_> = events.events.iter().filter(|event| event.pid == Some(child)).collect();
        let path = format!("{}/till", parent.id);
        assert!(of_child.iter().all(|event| *event.path == path), "{of_child:?}");
        let told: Vec<_> = of_child.into_iter().map(|event| &event.what).filter(|what| what.is_lifecycle()).collect();
        let reason = ExitReason::ShutdownWith("closing time".into());
        let begins = Happening::Begins { kind: "promises::stage::Puppet".into(), parent: Some(parent) };
        assert_eq!(told, [&begins, &Happening::Started, &Happening::Ends { reason, parent: Some(parent) }]);
        let after = system.events_since(events.last);
        assert!(after.events.iter().all(|event| event.seq > events.last && !event.what.is_lifecycle()), "{after:?}");
        drop(attending);
    });
}

#[test]
fn a_start_that_fails_is_told_though_nobody_attends_and_one_that_is_declined_is_not() {
    everywhere(async || {
        let system = bare();
        let declines = part().0.init(|_| Box::pin(std::future::ready(Err(Exit::ignore()))));
        let fails = part().0.init(|_| Box::pin(std::future::ready(Err("no drawer".into()))));
        for start in [declines, fails] {
            system.spawn::<Puppet>(start).await.map(drop).expect_err("it does not start");
        }
        let events = of_actors(&system);
        assert_eq!(names(&events), ["start_failed", "crashed"]);
        let Happening::StartFailed { reason, parent: None } = &events[0].what else { panic!("{events:?}") };
        assert_eq!(reason.crash().map(|crash| &*crash.message), Some("no drawer"));
        assert_eq!(events[0].pid, events[1].pid);
    });
}

#[test]
fn a_crash_is_told_with_what_is_known_of_it_and_what_was_decided() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        nursery.slot.tell(Order::Fail).unwrap();
        let crashed = told(&system, "crashed").await;
        let (_, reports) = system.crashes();
        let Happening::Crashed { crash, restarts: 0, judgement: Judgement::Nobodys } = crashed.what else {
            panic!("{crashed:?}")
        };
        assert_eq!((crash, &crashed.path), (reports[0].crash.clone(), &reports[0].path));
        assert!(crashed.at >= reports[0].at);
    });
}

#[test]
fn messages_that_fall_together_are_one_event_and_each_is_kept_without_what_it_said() {
    everywhere(async || {
        let system = bare();
        let (sender, _journal) = puppet(&system).await;
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel::<()>();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let to = actor.clone();
        does(&sender, move |_| to.tell(Order::Note(0)).unwrap()).await;
        for note in 1..300 {
            actor.tell(Order::Note(note)).unwrap();
        }
        system.kill(actor.pid());
        actor.down().await;
        lawful(&system).await;

        let fell: Vec<_> = of_actors(&system).into_iter().map(|event| event.what).collect();
        let fell: Vec<_> = fell
            .iter()
            .map(|what| match what {
                Happening::DeadLetters { why, count, message, from, .. } => (*why, *count, &**message, *from),
                other => panic!("{other:?}"),
            })
            .collect();
        let queued = (Fallen::Undelivered, 300, "Note", sender.id());
        // Who is killed while he awaits has given that up.
        assert_eq!(fell, [(Fallen::GivenUp, 1, "Await", crashworthy_runtime::ActorId::OUTSIDE), queued]);
        let letters = system.letters();
        assert_eq!((letters.given_up, letters.undelivered, letters.letters.len()), (1, 300, 256));
        assert_eq!(system.dead_letters(), (301, 0));
        let newest = letters.letters.last().expect("there are some");
        assert_eq!((newest.to, &*newest.kind, &newest.from), (actor.pid(), "Note", &Sender::Outside));
        assert_eq!((newest.why, newest.size), (Fallen::Undelivered, size_of::<Order>()));
        drop(gate);
    });
}

#[test]
fn who_sent_a_dead_letter_is_known_by_its_place() {
    everywhere(async || {
        let system = bare();
        let (sender, _journal) = puppet(&system).await;
        let (actor, _journal) = puppet(&system).await;
        let to = actor.clone();
        does(&sender, move |_| to.tell(Order::Fail).unwrap()).await;
        actor.down().await;
        let letter = system.letters().letters.remove(0);
        assert_eq!(letter.from, Sender::Another { id: sender.id(), path: Some(sender.id().to_string().into()) });
        assert_eq!((&*letter.path, &*letter.kind), (&*actor.id().to_string(), "Fail"));
    });
}

#[test]
fn an_abandoned_incarnation_is_told_and_that_its_turn_has_returned() {
    on_two(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let (gate, closed) = mpsc::channel::<()>();
        let (inside, is_inside) = oneshot::channel();
        let blocks = move |_: &mut _, _: &mut Context<_>| {
            let _ = inside.send(());
            let _ = closed.recv();
            Ok(())
        };
        nursery.slot.tell(now(blocks)).unwrap();
        is_inside.await.unwrap();
        let pid = nursery.slot.pid();
        system.kill(pid);
        until("it is abandoned", || system.abandon(pid) == Abandoned::Done).await;
        let abandoned = told(&system, "abandoned").await;
        assert_eq!((abandoned.pid, abandoned.what), (Some(pid), Happening::Abandoned { message: Some("Do".into()) }));
        drop(gate);
        assert_eq!(told(&system, "returned").await.pid, Some(pid));
        lawful(&system).await;
    });
}

#[test]
fn a_dependency_that_goes_down_is_one_event_however_many_need_it_and_so_is_its_return() {
    everywhere(async || {
        let system = bare();
        let database = Dependency::named("db");
        let mut actors = Vec::new();
        for _ in 0..5 {
            let on = database.clone();
            let needs =
                |part: Part| part.init(move |cx| Box::pin(std::future::ready(cx.depends_on(&on).map_err(Exit::from))));
            actors.push(cast(&system, needs).await.0);
        }
        database.mark_down(None);
        // That it will take longer is no news.
        database.mark_down(Some(crate::stage::ms(60_000)));
        database.mark_up();
        database.mark_up();
        let events = of_actors(&system);
        let told: Vec<_> = events.iter().map(|event| &event.what).collect();
        let down = Happening::DependencyDown { dependency: "db".into(), actors: 5 };
        let up = Happening::DependencyUp { dependency: "db".into(), actors: 5 };
        assert_eq!((told, events[0].pid), (vec![&down, &up], Some(actors[0].pid())));
    });
}

#[test]
fn a_gate_that_refuses_is_one_event_however_many_it_refuses() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till").mailbox(4).unwrap()).await;
        let (gate, closed) = oneshot::channel::<()>();
        nursery.slot.tell(Order::Await(closed)).unwrap();
        until("it is busy", || nursery.slot.law().in_hand == 1).await;
        let refused = (0..100).filter(|note| nursery.slot.tell(Order::Note(*note)).is_err()).count();
        assert!(refused >= 90, "{refused}");
        let refuses = told(&system, "gate_refuses").await;
        let Happening::GateRefuses { reason: Reason::Full, depth: 4, limit: 4, .. } = refuses.what else {
            panic!("{refuses:?}")
        };
        assert_eq!(refuses.pid, Some(nursery.slot.pid()));
        let many = system.events_since(0).events.iter().filter(|event| event.what == refuses.what).count();
        assert_eq!(many, 1);
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn messages_that_expire_after_they_were_taken_in_are_told() {
    everywhere(async || {
        let system = bare();
        let dealer = system.spawn::<Dealer>(()).await.unwrap();
        // A machine that stands still between the two sees the second refused.
        while dealer.law().expired == 0 {
            dealer.tell(Deal(LONG)).unwrap();
            let _ = dealer.tell(Deal(SERVICE / 2));
            dealer.settled().await;
        }
        let expires = told(&system, "expires").await;
        assert_eq!(expires.pid, Some(dealer.pid()));
        assert!(matches!(expires.what, Happening::Expires { count: 1.., .. }), "{expires:?}");
    });
}

#[test]
fn a_refused_cycle_is_told_with_who_waits_for_whom() {
    everywhere(async || {
        let system = bare();
        let ring = puppets(&system, 2).await;
        let asked = ask(&ring[0], &[ring[1].clone(), ring[0].clone()]).await;
        assert!(asked.is_err());
        let refused = told(&system, "cycle_refused").await;
        let Happening::CycleRefused { cycle } = refused.what else { panic!("{refused:?}") };
        assert_eq!(cycle.path.len(), 3);
        lawful(&system).await;
    });
}

#[test]
fn only_the_newest_are_kept_and_what_is_lost_is_counted() {
    everywhere(async || {
        let system = bare();
        let attending = system.attend_events();
        let (parent, _journal) = trapping(&system).await;
        let (done, is_done) = oneshot::channel();
        let many = act(move |_, cx| {
            Box::pin(async move {
                for _ in 0..400 {
                    let slot = Slot::<Puppet>::anonymous();
                    let under = crashworthy_runtime::Under { parent: true, link: false };
                    let pid = cx.start(&slot, part().0, under).await.expect("it starts");
                    cx.system().kill(pid);
                    slot.down().await;
                }
                let _ = done.send(());
                Ok(())
            })
        });
        parent.tell(many).unwrap();
        is_done.await.unwrap();
        let events = system.events_since(0);
        // Two of the parent and three of each child; what the machine does is told, too, and may be lost already.
        let all = 2 + 3 * 400;
        let of_machine = events.last.checked_sub(all).expect("all are told");
        let kept = events.events.iter().filter(|event| event.what.is_lifecycle()).count() as u64;
        assert!((1024 - of_machine..=1024).contains(&kept), "{kept} of {}", events.last);
        assert_eq!((events.events.len(), events.dropped), (1024, events.last - 1024));
        let seqs: Vec<_> = events.events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (events.dropped + 1..=events.last).collect::<Vec<_>>());
        drop(attending);
    });
}
