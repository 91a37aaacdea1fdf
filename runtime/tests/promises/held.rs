//! Actors that are held back from outside: their gates are tripped, or they are suspended for a while.

use std::time::Duration;

use crashworthy_runtime::{
    AskError, Criticality, Dep, ExitReason, GateState, Happening, Offer, Pid, Reason, Refused, Slot, State, System,
};
use tokio::sync::oneshot;

use crate::stage::{Nursery, Order, bare, does, everywhere, law, lawful, ms, on_many, pends, puppet, until, who};

const HOUR: Duration = ms(3_600_000);

fn gate(system: &System, pid: Pid) -> GateState {
    system.inspect(pid).expect("it is there").gate
}

fn refused(outcome: Result<u32, AskError>) -> Refused {
    match outcome {
        Err(AskError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_tripped_actor_refuses_whoever_sends_and_serves_what_it_has_until_it_is_untripped() {
    everywhere(async || {
        let system = bare();
        let ((actor, mut journal), (other, _)) = (puppet(&system).await, puppet(&system).await);
        let pid = actor.pid();
        let permit = actor.reserve(Offer::within(HOUR)).unwrap();
        let (open, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        system.set_mailbox(pid, 3).unwrap();
        (0..2).for_each(|note| actor.tell(Order::Note(note)).unwrap());
        let mut waits = Box::pin(actor.admitted(HOUR));
        assert!(pends(waits.as_mut()).await);

        assert!(system.trip(pid) && !system.trip(pid), "once is news");
        let told = waits.await.unwrap_err();
        assert_eq!((told.reason, told.retry_after, actor.gate()), (Reason::Tripped, None, GateState::Tripped));
        assert_eq!(actor.tell(Order::Note(9)).unwrap_err().why.reason, Reason::Tripped);
        assert_eq!(refused(actor.ask(Order::Who).within(HOUR).await).reason, Reason::Tripped);
        let offer = Offer { criticality: Criticality::CriticalPlus, ..Offer::within(HOUR) };
        assert_eq!(actor.reserve(offer).unwrap_err().reason, Reason::Tripped);
        let address = actor.clone();
        let inside = does(&other, move |_| address.tell(Order::Note(9)).map_err(|rejected| rejected.why.reason)).await;
        assert_eq!(inside, Err(Reason::Tripped));
        assert_eq!(actor.refusals().because(Reason::Tripped), 5);
        assert_eq!(other.gate(), GateState::Open, "nobody else refuses");
        assert_eq!((gate(&system, pid), system.unready()[0].gate), (GateState::Tripped, GateState::Tripped));

        permit.send(Order::Note(2)).expect("it was promised");
        open.send(()).unwrap();
        actor.settled().await;
        assert_eq!(journal.notes(), [0, 1, 2]);
        assert!(system.untrip(pid) && !system.untrip(pid));
        assert_eq!((who(&actor).await, gate(&system, pid), system.unready()), (1, GateState::Open, vec![]));
        lawful(&system).await;
    });
}

#[test]
fn a_trip_outlives_restarts_and_is_the_slots() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("child")).await;
        let (slot, first) = (nursery.slot.clone(), nursery.slot.pid());
        assert!(system.trip(first));
        let down = slot.down();
        system.kill(first);
        down.await;
        nursery.signals.signal().await;
        assert_eq!((slot.gate(), slot.tell(Order::Note(1)).unwrap_err().why.reason), {
            (GateState::Tripped, Reason::Tripped)
        });
        let second = nursery.start().await.unwrap();
        assert_eq!(slot.tell(Order::Note(1)).unwrap_err().why.reason, Reason::Tripped);
        assert!(!system.untrip(first), "it is another's by now");
        assert!(system.untrip(second));
        assert_eq!(who(&slot).await, 2);
        let down = slot.down();
        system.kill(second);
        down.await;
        nursery.signals.signal().await;
        assert!(system.trip(second) && system.untrip(second), "between two incarnations as well");
        lawful(&system).await;
    });
}

#[test]
fn whoever_depends_on_a_tripped_actor_lacks_it_and_the_events_tell_of_the_trip() {
    everywhere(async || {
        let system = bare();
        let (ledger, till) = (Slot::named("ledger"), puppet(&system).await.0);
        let nursery = Nursery::open(&system, ledger).await;
        let ledger = nursery.slot.address();
        let on = ledger.clone();
        does(&till, move |cx| cx.depends_on(&on)).await.unwrap();
        system.trip(ledger.pid());
        assert_eq!(till.tell(Order::Note(1)).unwrap_err().why.reason, Reason::NotReady(Dep::named("ledger")));
        system.untrip(ledger.pid());
        assert_eq!(who(&till).await, 1);
        let events = system.events_since(0);
        let about = events.events.iter().filter(|event| event.pid == Some(ledger.pid())).map(|event| &event.what);
        let told: Vec<_> = about.filter(|what| matches!(what, Happening::Tripped | Happening::Untripped)).collect();
        assert_eq!(told, [&Happening::Tripped, &Happening::Untripped]);
    });
}

#[test]
fn who_cannot_wait_until_a_suspended_actor_is_resumed_is_told_so_at_once_and_the_others_queue() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let pid = actor.pid();
        system.set_mailbox(pid, 2).unwrap();
        system.suspend(pid);
        actor.tell(Order::Note(1)).expect("nobody knows for how long it is");
        let permit = actor.reserve(Offer::within(ms(60_000))).expect("likewise");
        let (mut short, mut long) = (Box::pin(actor.admitted(HOUR / 2)), Box::pin(actor.admitted(HOUR * 2)));
        assert!(pends(short.as_mut()).await && pends(long.as_mut()).await);

        system.suspend_for(pid, HOUR);
        let why = short.await.unwrap_err();
        assert_eq!((why.reason, actor.gate()), (Reason::Suspended, GateState::Suspended));
        let left = why.retry_after.expect("it is known");
        assert!(left <= HOUR && left > HOUR - ms(240_000), "{left:?}");
        assert_eq!(refused(actor.ask(Order::Who).within(HOUR / 2).await).reason, Reason::Suspended);
        assert_eq!(actor.reserve(Offer::within(ms(1))).unwrap_err().reason, Reason::Suspended);
        assert!(pends(long.as_mut()).await);
        let shot = system.inspect(pid).unwrap();
        assert_eq!((shot.state, shot.gate), (State::Suspended, GateState::Suspended));
        assert!(shot.back_in.is_some_and(|back_in| back_in <= left) && actor.load().wait <= left);

        system.resume(pid);
        drop(permit);
        long.await.unwrap().send(Order::Note(2)).unwrap();
        actor.settled().await;
        assert_eq!((journal.notes(), who(&actor).await), (vec![1, 2], 1));
        let shot = system.inspect(pid).unwrap();
        assert_eq!((shot.state, shot.gate, shot.back_in), (State::Running, GateState::Open, None));
        system.resume(pid);
        let events = system.events_since(0).events.into_iter().filter(|event| event.pid == Some(pid));
        let held = events.map(|event| event.what);
        let held: Vec<_> = held.filter(|what| ["suspended", "resumed"].contains(&what.name())).collect();
        let [Happening::Suspended { within: None }, Happening::Suspended { within: Some(within) }, Happening::Resumed] =
            &held[..]
        else {
            panic!("{held:?}")
        };
        assert!(*within <= HOUR && *within > HOUR - ms(240_000), "{within:?}");
        lawful(&system).await;
    });
}

#[test]
fn a_suspension_for_a_while_ends_by_itself_and_what_was_said_last_counts() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let pid = actor.pid();
        let timers = || system.snapshot().timers;
        system.suspend_for(pid, HOUR);
        system.suspend_for(pid, HOUR * 2);
        assert_eq!(timers(), 1, "one suspension, one timer");
        system.suspend(pid);
        assert_eq!(timers(), 0, "it does not end by itself any more");
        for span in [ms(5), ms(0)] {
            system.suspend_for(pid, HOUR);
            actor.tell(Order::Note(1)).unwrap();
            system.suspend_for(pid, span);
            // Nobody resumes it.
            actor.settled().await;
            assert_eq!(journal.notes(), [1]);
            until("the timer has gone", || timers() == 0).await;
        }
        lawful(&system).await;
    });
}

#[test]
fn a_suspension_ends_with_its_incarnation() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("child")).await;
        let (slot, first) = (nursery.slot.clone(), nursery.slot.pid());
        system.suspend_for(first, HOUR);
        slot.tell(Order::Note(1)).unwrap();
        let down = slot.down();
        system.exit(first, ExitReason::Killed).unwrap();
        down.await;
        nursery.signals.signal().await;
        assert_eq!((system.snapshot().timers, slot.gate()), (0, GateState::Restarting));
        nursery.start().await.unwrap();
        system.suspend_for(first, HOUR);
        assert_eq!((who(&slot).await, slot.gate()), (2, GateState::Open), "the next one is not suspended");
        lawful(&system).await;
        assert_eq!(law(&slot).handled, 2);
    });
}

#[test]
fn however_the_ends_of_suspensions_race_with_their_beginnings_nobody_stays_suspended() {
    on_many(4, async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let pid = actor.pid();
        let hands: Vec<_> = (0..4_u64)
            .map(|hand| {
                let system = system.clone();
                // Threads, so that the wheel is turned meanwhile whatever they do.
                std::thread::spawn(move || {
                    for round in 0..500_u64 {
                        // From none at all to a step of the wheel and more, in an order of its own for each.
                        let micros = (round * 7 + hand * 13) % 40 * 50;
                        system.suspend_for(pid, Duration::from_micros(micros));
                        if (round + hand).is_multiple_of(11) {
                            system.resume(pid);
                        }
                    }
                })
            })
            .collect();
        let mut sent = 0;
        while hands.iter().any(|hand| !hand.is_finished()) {
            sent += u64::from(actor.tell(Order::Note(sent)).is_ok());
            tokio::task::yield_now().await;
        }
        hands.into_iter().for_each(|hand| hand.join().expect("it suspends"));
        // Nobody says so: it is resumed all the same.
        actor.settled().await;
        until("it is resumed", || gate(&system, pid) == GateState::Open).await;
        until("no timer is left", || system.snapshot().timers == 0).await;
        assert_eq!((law(&actor).handled, system.unready()), (sent, vec![]));
        lawful(&system).await;
    });
}
