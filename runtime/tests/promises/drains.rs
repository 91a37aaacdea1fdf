//! Draining one actor and all below it.

use std::time::Duration;

use crashworthy_runtime::{Drained, ExitReason, GateState, Happening, Offer, Reason, Slot};
use tokio::sync::oneshot;

use crate::stage::{Event, Nursery, Order, act, bare, does, everywhere, law, lawful, ms, pends, puppet, until, who};

const HOUR: Duration = ms(3_600_000);

fn because() -> ExitReason {
    ExitReason::ShutdownWith("drained".into())
}

fn stopped(undrained: u64) -> Drained {
    Drained::Ended { reason: because(), undrained }
}

#[test]
fn a_branch_that_drains_takes_no_new_work_from_others_finishes_what_it_has_and_then_stops_in_order() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::with(&system, Slot::named("child"), crate::stage::Part::trapping).await;
        let (child, parent, (other, _)) = (nursery.slot.address(), nursery.parent.clone(), puppet(&system).await);
        let (open, closed) = oneshot::channel();
        child.tell(Order::Await(closed)).unwrap();
        system.set_mailbox(child.pid(), 2).unwrap();
        until("it is in hand", || child.law().in_hand == 1).await;
        (0..2).for_each(|note| child.tell(Order::Note(note)).unwrap());
        let mut waits = Box::pin(child.admitted(HOUR));
        assert!(pends(waits.as_mut()).await);
        let permit = parent.reserve(Offer::within(HOUR)).unwrap();

        let drained = tokio::spawn(system.drain(parent.pid(), HOUR, because()));
        assert_eq!(waits.await.unwrap_err().reason, Reason::Draining);
        assert_eq!((child.gate(), parent.gate()), (GateState::Draining, GateState::Draining));
        assert_eq!(child.tell(Order::Note(9)).unwrap_err().why.reason, Reason::Draining);
        let address = child.clone();
        let outside = does(&other, move |_| address.tell(Order::Note(9)).map_err(|rejected| rejected.why.reason)).await;
        assert_eq!(outside, Err(Reason::Draining));
        assert_eq!(who(&other).await, 1, "the others take new work");
        // Among those that drain work goes on.
        system.set_mailbox(child.pid(), 8).unwrap();
        let address = child.clone();
        permit.send(act(move |_, _| Box::pin(async move { Ok(address.tell(Order::Note(2))?) }))).unwrap();
        parent.settled().await;
        assert!(nursery.child.notes().is_empty() && !drained.is_finished());

        open.send(()).unwrap();
        assert_eq!(drained.await.unwrap(), stopped(0));
        assert_eq!(nursery.child.notes(), [0, 1, 2]);
        let ends: Vec<_> = nursery.signals.rest();
        assert!(ends.contains(&Event::Terminate(because())), "{ends:?}");
        assert!(system.events_since(0).events.iter().any(|event| event.what == Happening::Drains { within: HOUR }));
        until("its child has gone with it", || !child.is_alive()).await;
        assert_eq!(law(&child).undelivered, 0);
        lawful(&system).await;
    });
}

#[test]
fn a_drain_of_a_branch_ends_at_its_time_and_says_what_was_not_served() {
    everywhere(async || {
        let system = bare();
        let (actor, _) = puppet(&system).await;
        let (_open, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        (0..10).for_each(|note| actor.tell(Order::Note(note)).unwrap());
        let drained = system.drain(actor.pid(), ms(20), because()).await;
        assert_eq!(drained, stopped(11));
        lawful(&system).await;
        assert_eq!((law(&actor).given_up, law(&actor).undelivered), (1, 10));
    });
}

#[test]
fn whoever_comes_back_after_a_drain_takes_new_work_and_finds_what_was_not_served() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("child")).await;
        let child = nursery.slot.address();
        let (_open, closed) = oneshot::channel();
        child.tell(Order::Await(closed)).unwrap();
        until("it is in hand", || child.law().in_hand == 1).await;
        child.tell(Order::Note(1)).unwrap();
        let drained = system.drain(child.pid(), ms(20), because()).await;
        assert_eq!(drained, stopped(2));
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        assert_eq!((who(&child).await, child.gate(), nursery.child.notes()), (2, GateState::Open, vec![1]));
        lawful(&system).await;
    });
}

#[test]
fn an_incarnation_is_drained_once_and_one_that_ends_by_itself_is_asked_nothing() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("child")).await;
        let child = nursery.slot.address();
        let pid = child.pid();
        let (_open, closed) = oneshot::channel();
        child.tell(Order::Await(closed)).unwrap();
        until("it is in hand", || child.law().in_hand == 1).await;
        let first = system.drain(pid, HOUR, because());
        assert_eq!(system.drain(pid, HOUR, because()).await, Drained::NotBegun);
        system.kill(pid);
        assert_eq!(first.await, Drained::Ended { reason: ExitReason::Killed, undrained: 0 });
        assert_eq!(system.drain(pid, HOUR, because()).await, Drained::NotBegun, "it has ended");
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        assert_eq!(who(&child).await, 2);
        lawful(&system).await;
    });
}

#[test]
fn who_is_started_anew_in_a_branch_that_drains_drains_as_well() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("child")).await;
        let (child, parent) = (nursery.slot.address(), nursery.parent.clone());
        let (open, closed) = oneshot::channel();
        let permit = parent.reserve(Offer::within(HOUR)).unwrap();
        // Something is to be done for as long as this lasts.
        parent.tell(Order::Await(closed)).unwrap();
        let drained = tokio::spawn(system.drain(parent.pid(), HOUR, because()));
        until("it drains", || child.gate() == GateState::Draining).await;
        let (slot, (part, _journal)) = (nursery.slot.clone(), crate::stage::part());
        let down = child.down();
        system.kill(child.pid());
        down.await;
        let (again, go_on) = oneshot::channel::<()>();
        permit
            .send(act(move |_, cx| {
                Box::pin(async move {
                    let under = crashworthy_runtime::Under { parent: true, link: true };
                    cx.start(&slot, part, under).await.expect("it starts");
                    let _ = go_on.await;
                    Ok(())
                })
            }))
            .unwrap();
        open.send(()).unwrap();
        until("the next one drains", || {
            child.pid().incarnation == 2 && child.gate() == GateState::Draining && child.is_alive()
        })
        .await;
        again.send(()).unwrap();
        assert_eq!(drained.await.unwrap(), stopped(0));
        nursery.signals.rest();
        lawful(&system).await;
    });
}

#[test]
fn the_drain_of_a_branch_ends_with_the_stop_of_the_system_and_none_begins_then() {
    everywhere(async || {
        let system = bare();
        let (actor, _) = puppet(&system).await;
        let (open, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        let drained = system.drain(actor.pid(), HOUR, because());
        let stopping = tokio::spawn({
            let system = system.clone();
            async move { system.stop().await }
        });
        until("the system stops", || system.is_stopping()).await;
        assert_eq!(system.drain(actor.pid(), HOUR, because()).await, Drained::NotBegun);
        drop(open);
        assert!(matches!(drained.await, Drained::Ended { .. }));
        stopping.await.unwrap();
        assert_eq!(law(&actor).undelivered, 0);
    });
}
