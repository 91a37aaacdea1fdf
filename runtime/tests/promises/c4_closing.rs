//! Hazard C4: closing has a protocol. Whatever was accepted has an end, whatever comes later is refused.

use crashworthy_runtime::{ActorRef, AskError, ExitReason, Offer, Reason, Slot, StartError, System};

use crate::stage::{Nursery, Order, Puppet, bare, everywhere, law, lawful, ms, on_two, puppet, until, who};

#[test]
fn c4_a_slot_without_a_next_incarnation_drains_tells_askers_and_refuses() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (_gate, closed) = tokio::sync::oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("the gate is in hand", || actor.law().in_hand == 1).await;
        for note in 0..100 {
            actor.tell(Order::Note(note)).unwrap();
        }
        let address = actor.clone();
        let asked = tokio::spawn(async move { address.ask(|reply| Order::Echo(7, reply)).await });
        until("the question is queued", || actor.load().depth == 101).await;
        let down = actor.down();
        system.kill(actor.pid());
        down.await;
        let Err(AskError::Refused(why)) = asked.await.unwrap() else { panic!("the asker is told") };
        assert_eq!((why.reason, why.by), (Reason::Gone, actor.id()));
        lawful(&system).await;
        assert_eq!((law(&actor).given_up, law(&actor).undelivered), (1, 101));
        let rejected = actor.tell(Order::Note(9)).unwrap_err();
        assert_eq!(rejected.why.reason, Reason::Gone);
        assert!(matches!(rejected.into_message(), Order::Note(9)), "the message comes back");
        let asked = actor.ask(|reply| Order::Echo(7, reply)).await;
        assert!(matches!(asked, Err(AskError::Refused(why)) if why.reason == Reason::Gone));
    });
}

#[test]
fn c4_a_slot_that_was_never_started_refuses() {
    everywhere(async || {
        let slot = Slot::<Puppet>::named("till");
        assert_eq!(slot.tell(Order::Note(0)).unwrap_err().why.reason, Reason::NotStarted);
        assert_eq!(slot.reserve(Offer::within(ms(1))).unwrap_err().reason, Reason::NotStarted);
        assert_eq!(slot.admitted(ms(1)).await.unwrap_err().reason, Reason::NotStarted);
        let asked = slot.ask(|reply| Order::Echo(7, reply)).await;
        assert!(matches!(asked, Err(AskError::Refused(why)) if why.reason == Reason::NotStarted));
        slot.settled().await;
        assert_eq!(slot.down().await.reason, ExitReason::NoProc);
    });
}

#[test]
fn c4_a_permit_promises_room_not_life() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let permit = actor.reserve(Offer::within(ms(60_000))).unwrap();
        let unused = actor.reserve(Offer::within(ms(60_000))).unwrap();
        let down = actor.down();
        system.kill(actor.pid());
        down.await;
        until("it is closed", || actor.tell(Order::Note(0)).is_err()).await;
        let rejected = permit.send(Order::Note(5)).unwrap_err();
        assert_eq!(rejected.why.reason, Reason::Gone);
        assert!(matches!(rejected.into_message(), Order::Note(5)), "the message comes back");
        drop(unused);
        assert_eq!(actor.load().depth, 0, "both places were given back");
        lawful(&system).await;
    });
}

#[test]
fn c4_a_stopped_slot_opens_again_and_a_gone_one_does_not() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        nursery.slot.tell(Order::Exit(ExitReason::Normal)).unwrap();
        nursery.signals.signal().await;
        let slot = nursery.slot.clone();
        nursery.parent_does(move |cx| cx.close(&slot, false));
        nursery.parent.settled().await;
        assert_eq!(nursery.slot.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Stopped);
        nursery.start().await.unwrap();
        assert_eq!(who(&nursery.slot).await, 2);
        nursery.slot.tell(Order::Exit(ExitReason::Normal)).unwrap();
        nursery.signals.signal().await;
        let slot = nursery.slot.clone();
        nursery.parent_does(move |cx| cx.close(&slot, true));
        nursery.parent.settled().await;
        assert_eq!(nursery.slot.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Gone);
        assert_eq!(nursery.start().await.unwrap_err(), StartError::SlotTaken("till".into()));
        lawful(&system).await;
    });
}

#[test]
fn c4_a_slot_closed_twice_and_opened_again_keeps_what_it_is_told() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        nursery.slot.tell(Order::Exit(ExitReason::Normal)).unwrap();
        nursery.signals.signal().await;
        for _ in 0..2 {
            let slot = nursery.slot.clone();
            nursery.parent_does(move |cx| cx.close(&slot, false));
            nursery.parent.settled().await;
            lawful(&system).await;
        }
        let (slot, part) = (nursery.slot.clone(), crate::stage::part().0);
        let (told, started) = tokio::sync::oneshot::channel();
        let begin = crate::stage::act(move |_, cx| {
            Box::pin(async move {
                let under = crashworthy_runtime::Under { parent: true, link: true };
                let mut starting = cx.begin(&slot, part, under)?;
                slot.tell(Order::Note(3))?;
                let _ = told.send(starting.ready().await);
                Ok(())
            })
        });
        nursery.parent.tell(begin).unwrap();
        started.await.unwrap().unwrap();
        nursery.slot.settled().await;
        assert_eq!((law(&nursery.slot).undelivered, law(&nursery.slot).handled), (0, 2));
    });
}

#[test]
fn c4_slots_whose_parent_died_are_closed_by_the_runtime() {
    everywhere(async || {
        let system = bare();
        for child_first in [true, false] {
            let mut nursery = Nursery::open(&system, Slot::named("till")).await;
            if child_first {
                nursery.slot.tell(Order::Panic).unwrap();
                nursery.signals.signal().await;
                nursery.slot.tell(Order::Note(0)).unwrap();
            } else {
                let wait = crate::stage::act(|_, _| Box::pin(std::future::pending()));
                nursery.slot.tell(wait).unwrap();
                nursery.slot.tell(Order::Note(0)).unwrap();
            }
            nursery.parent.tell(Order::Panic).unwrap();
            until("it is closed", || nursery.slot.tell(Order::Note(1)).is_err()).await;
            lawful(&system).await;
            let undelivered = law(&nursery.slot).undelivered;
            assert!(undelivered >= 1, "what was queued has an end");
        }
    });
}

#[test]
fn c4_the_next_incarnation_of_a_parent_may_start_its_slots_again() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let down = nursery.slot.down();
        nursery.parent.tell(Order::Panic).unwrap();
        down.await;
        let (parent, signals) = crate::stage::trapping(&system).await;
        nursery.parent = parent;
        nursery.signals = signals;
        nursery.start().await.unwrap();
        assert_eq!(who(&nursery.slot).await, 2);
        lawful(&system).await;
    });
}

#[test]
fn c4_attaching_a_slot_to_a_second_system_is_slot_taken() {
    everywhere(async || {
        let (first, second) = (bare(), bare());
        let nursery = Nursery::open(&first, Slot::named("till")).await;
        let (part, _journal) = crate::stage::part();
        assert_eq!(second.start_top(&nursery.slot, part).await.unwrap_err(), StartError::SlotTaken("till".into()));
    });
}

/// Sends until it is refused for good, waiting for room; returns what was accepted.
fn pour(actor: &ActorRef<Puppet>) -> u64 {
    let mut accepted = 0;
    loop {
        match actor.tell(Order::Note(accepted)) {
            Ok(()) => accepted += 1,
            Err(rejected) if rejected.why.reason == Reason::Full => std::thread::yield_now(),
            Err(rejected) => {
                assert!(matches!(rejected.why.reason, Reason::Gone | Reason::Stopped), "{rejected}");
                return accepted;
            }
        }
    }
}

/// Sends into reserved places until it is refused for good, giving some back unused; returns what was accepted.
fn pour_with_permits(actor: &ActorRef<Puppet>) -> u64 {
    let mut accepted = 0;
    for round in 0_u64.. {
        match actor.reserve(Offer::within(ms(60_000))) {
            Ok(permit) if round % 7 == 3 => drop(permit),
            Ok(permit) => match permit.send(Order::Note(accepted)) {
                Ok(()) => accepted += 1,
                Err(_) => break,
            },
            Err(why) if why.reason == Reason::Full => std::thread::yield_now(),
            Err(_) => break,
        }
    }
    accepted
}

/// A sender that passed the gate while the slot was closed leaves no orphan behind.
#[test]
fn c4_whoever_sends_while_a_slot_is_closed_is_either_accepted_and_counted_or_refused() {
    on_two(async || {
        for _ in 0..30 {
            let system: System = bare();
            let (actor, _journal) = puppet(&system).await;
            let senders: Vec<std::thread::JoinHandle<u64>> = (0..4)
                .map(|number| {
                    let actor = actor.clone();
                    let pour: fn(&_) -> u64 = if number % 2 == 0 { pour } else { pour_with_permits };
                    std::thread::spawn(move || pour(&actor))
                })
                .collect();
            until("it is busy", || actor.law().accepted > 500).await;
            system.kill(actor.pid());
            let accepted: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
            lawful(&system).await;
            assert_eq!(law(&actor).accepted, accepted);
            assert_eq!(actor.load().depth, 0);
        }
    });
}

#[test]
fn c4_a_slot_that_nobody_holds_and_that_has_ended_leaves_nothing_behind() {
    everywhere(async || {
        let system = bare();
        for _ in 0..50 {
            let (actor, _journal) = puppet(&system).await;
            let down = actor.down();
            actor.tell(Order::Panic).unwrap();
            for note in 0..10 {
                let _ = actor.tell(Order::Note(note));
            }
            down.await;
        }
        until("all are forgotten", || system.snapshot().actors.is_empty()).await;
        assert_eq!(system.snapshot().crashes, 50);
    });
}
