//! Hazards C5 and F4: places in other mailboxes that an abandoned incarnation holds are given back at once, and once.

use std::sync::mpsc;
use std::time::Duration;

use crashworthy_runtime::{Abandoned, ActorRef, Context, Offer, Permit, Pid, Reason, Slot, System};
use tokio::sync::oneshot;

use crate::stage::{Order, Puppet, Tally, bare, lawful, ms, now, on_two, poll_elsewhere, puppet, trapping, until};

const LONG: Duration = Duration::from_secs(60);

fn offer() -> Offer {
    Offer::within(LONG)
}

/// An actor with this much room, which awaits until the gate opens: nobody takes anything out of its mailbox.
async fn with_room(system: &System, capacity: u32) -> (ActorRef<Puppet>, crate::stage::Nursery, oneshot::Sender<()>) {
    let nursery = crate::stage::Nursery::open(system, Slot::anonymous().mailbox(capacity).unwrap()).await;
    let (gate, closed) = oneshot::channel();
    nursery.slot.tell(Order::Await(closed)).unwrap();
    until("it is busy", || nursery.slot.law().in_hand == 1).await;
    (nursery.slot.address(), nursery, gate)
}

/// Has an actor take something in a turn and block its thread with it, then do something with what it took.
async fn stuck_with<T: Send + 'static>(
    actor: &ActorRef<Puppet>,
    take: impl FnOnce(&mut Context<Puppet>) -> T + Send + 'static,
    after: impl FnOnce(T) + Send + 'static,
) -> mpsc::Sender<()> {
    let (gate, closed) = mpsc::channel::<()>();
    let (inside, is_inside) = oneshot::channel();
    let order = now(move |_, cx| {
        let taken = take(cx);
        let _ = inside.send(());
        let _ = closed.recv();
        after(taken);
        Ok(())
    });
    actor.tell(order).unwrap();
    is_inside.await.unwrap();
    gate
}

async fn abandon(system: &System, pid: Pid) {
    system.kill(pid);
    until("it is abandoned", || system.abandon(pid) == Abandoned::Done).await;
}

async fn returned(system: &System, gate: mpsc::Sender<()>) {
    drop(gate);
    until("the turn has returned", || system.stragglers().is_empty()).await;
}

#[test]
fn c5_the_places_an_abandoned_incarnation_reserved_are_free_again_at_once() {
    on_two(async || {
        let system = bare();
        let (target, _nursery, busy) = with_room(&system, 3).await;
        let (middleman, _journal) = puppet(&system).await;
        let (results, mut said) = tokio::sync::mpsc::unbounded_channel();
        let there = target.clone();
        let take = move |_: &mut Context<Puppet>| [(); 3].map(|()| there.reserve(offer()).unwrap());
        let gate = stuck_with(&middleman, take, move |[used, unused, kept]: [Permit<_>; 3]| {
            let rejected = used.send(Order::Note(1)).unwrap_err();
            let why = rejected.why.reason;
            let _ = results.send((why, matches!(rejected.into_message(), Order::Note(1))));
            drop(unused);
            std::mem::forget(kept);
        })
        .await;
        assert_eq!(target.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Full);
        abandon(&system, middleman.pid()).await;
        assert_eq!(target.load().depth, 0, "although the turn has not returned");
        for note in 0..3 {
            target.tell(Order::Note(note)).expect("a healthy actor is not pinned by a blocked one");
        }
        returned(&system, gate).await;
        assert_eq!(said.recv().await.unwrap(), (Reason::Fenced, true), "the message comes back");
        assert_eq!(target.load().depth, 3, "nothing was given back twice");
        drop(busy);
        target.settled().await;
        assert_eq!(target.load().depth, 0);
        lawful(&system).await;
    });
}

#[test]
fn c5_a_permit_belongs_to_the_incarnation_that_reserved_it_wherever_it_goes() {
    on_two(async || {
        let system = bare();
        let (target, _nursery, busy) = with_room(&system, 2).await;
        let (middleman, _journal) = puppet(&system).await;
        let (permits, mut elsewhere) = tokio::sync::mpsc::unbounded_channel();
        let there = target.clone();
        let take = move |_: &mut Context<Puppet>| {
            let _ = permits.send(there.reserve(offer()).unwrap());
        };
        let gate = stuck_with(&middleman, take, |()| ()).await;
        let permit = elsewhere.recv().await.unwrap();
        let own = target.reserve(offer()).expect("room for one more");
        abandon(&system, middleman.pid()).await;
        assert_eq!(target.load().depth, 1);
        assert_eq!(permit.send(Order::Note(1)).unwrap_err().why.reason, Reason::Fenced);
        own.send(Order::Note(2)).expect("a test's own permit is nobody else's");
        returned(&system, gate).await;
        drop(busy);
        target.settled().await;
        assert_eq!(target.load().depth, 0);
        lawful(&system).await;
    });
}

#[test]
fn c5_a_permit_of_an_incarnation_that_lives_on_or_ends_in_order_is_good() {
    on_two(async || {
        let system = bare();
        let (target, _nursery, busy) = with_room(&system, 4).await;
        let (holder, _journal) = puppet(&system).await;
        let (permits, mut elsewhere) = tokio::sync::mpsc::unbounded_channel();
        let there = target.clone();
        let order = now(move |_, _| {
            for _ in 0..3 {
                let _ = permits.send(there.reserve(offer()).unwrap());
            }
            there.reserve(offer()).unwrap().send(Order::Note(1)).unwrap();
            Ok(())
        });
        holder.tell(order).unwrap();
        elsewhere.recv().await.unwrap().send(Order::Note(2)).expect("its holder lives");
        drop(elsewhere.recv().await.unwrap());
        // It has reserved, and sent, all that it was to.
        holder.settled().await;
        assert_eq!(target.load().depth, 3);
        let down = holder.down();
        holder.tell(Order::Panic).unwrap();
        down.await;
        elsewhere.recv().await.unwrap().send(Order::Note(3)).expect("a permit that was passed on outlives a crash");
        drop(busy);
        target.settled().await;
        assert_eq!(target.load().depth, 0);
        lawful(&system).await;
    });
}

#[test]
fn c5_who_waits_for_room_in_a_turn_that_is_abandoned_stands_in_nobodys_way() {
    on_two(async || {
        let system = bare();
        let (target, _nursery, busy) = with_room(&system, 1).await;
        let (middleman, _journal) = puppet(&system).await;
        let held = target.reserve(offer()).unwrap();
        let (says, said) = oneshot::channel();
        let there = target.clone();
        let take = move |_: &mut Context<Puppet>| {
            let mut waits = [(); 3].map(|()| there.admitted(LONG));
            assert!(waits.iter_mut().all(|wait| poll_elsewhere(wait).is_pending()));
            waits
        };
        let gate = stuck_with(&middleman, take, move |[mut granted, mut waiting, unseen]| {
            let _ =
                says.send([poll_elsewhere(&mut granted), poll_elsewhere(&mut waiting)].map(|polled| match polled {
                    std::task::Poll::Ready(Err(refused)) => refused.reason,
                    other => panic!("a straggler is admitted: {other:?}"),
                }));
            drop(unseen);
        })
        .await;
        let mut next = target.admitted(LONG);
        assert!(poll_elsewhere(&mut next).is_pending());
        // It goes to the first of the straggler's, which is granted it and does not look.
        drop(held);
        assert!(poll_elsewhere(&mut next).is_pending());
        abandon(&system, middleman.pid()).await;
        let permit = next.await.expect("the place of the straggler, and its turn in the queue, are gone");
        returned(&system, gate).await;
        assert_eq!(said.await.unwrap(), [Reason::Fenced; 2]);
        assert_eq!(target.load().depth, 1, "nothing was given back twice");
        permit.send(Order::Note(1)).unwrap();
        drop(busy);
        target.settled().await;
        assert_eq!(target.load().depth, 0);
        lawful(&system).await;
    });
}

#[test]
fn c5_a_place_in_the_mailbox_of_another_system_is_given_back_as_well() {
    on_two(async || {
        let (system, other) = (bare(), bare());
        let (target, _nursery, busy) = with_room(&other, 2).await;
        // The same identity over there: it must not be taken for the straggler.
        let (middleman, _journal) = puppet(&system).await;
        let there = target.clone();
        let take = move |_: &mut Context<Puppet>| {
            let mut waits = there.admitted(LONG);
            let permits = [(); 2].map(|()| there.reserve(offer()).unwrap());
            assert!(poll_elsewhere(&mut waits).is_pending());
            (permits, waits)
        };
        let gate = stuck_with(&middleman, take, drop).await;
        assert_eq!(target.load().depth, 2);
        abandon(&system, middleman.pid()).await;
        assert_eq!(target.load().depth, 0);
        returned(&system, gate).await;
        assert_eq!(target.load().depth, 0);
        for note in 0..2 {
            target.tell(Order::Note(note)).unwrap();
        }
        drop(busy);
        target.settled().await;
        lawful(&other).await;
    });
}

#[test]
fn c5_a_place_is_given_back_once_however_use_and_abandonment_meet() {
    on_two(async || {
        let system = bare();
        let (target, _journal) = trapping(&system).await;
        let sent = Tally::default();
        for round in 0..300_u64 {
            let (middleman, _journal) = puppet(&system).await;
            let (there, tally) = (target.clone(), sent.clone());
            let (inside, is_inside) = oneshot::channel();
            let (go, goes) = mpsc::channel::<()>();
            let order = now(move |_, _| {
                let permits = [(); 8].map(|()| there.reserve(offer()).unwrap());
                let _ = inside.send(());
                let _ = goes.recv();
                for (number, permit) in permits.into_iter().enumerate() {
                    if number % 2 == 0 && permit.send(Order::Note(round)).is_ok() {
                        tally.bump();
                    }
                }
                Ok(())
            });
            middleman.tell(order).unwrap();
            is_inside.await.unwrap();
            let pid = middleman.pid();
            system.kill(pid);
            // Now it uses its permits, while somebody takes them from it, or finds that it has ended.
            go.send(()).unwrap();
            until("it is over", || matches!(system.abandon(pid), Abandoned::Done | Abandoned::Ended)).await;
            until("it has returned", || system.stragglers().is_empty()).await;
        }
        target.settled().await;
        assert_eq!(target.load().depth, 0, "neither lost nor given back twice");
        assert_eq!(target.law().handled, sent.get());
        lawful(&system).await;
    });
}

#[test]
fn c5_an_incarnation_that_was_abandoned_reserves_nothing() {
    on_two(async || {
        let system = bare();
        let (target, _nursery, busy) = with_room(&system, 1).await;
        let (middleman, _journal) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let there = target.clone();
        let gate = stuck_with(
            &middleman,
            |_| (),
            move |()| {
                let reserved = there.reserve(offer()).map(drop).map_err(|refused| refused.reason);
                let mut waits = there.admitted(ms(1));
                let admitted = match poll_elsewhere(&mut waits) {
                    std::task::Poll::Ready(Err(refused)) => Err(refused.reason),
                    _ => Ok(()),
                };
                let _ = says.send([reserved, admitted]);
            },
        )
        .await;
        abandon(&system, middleman.pid()).await;
        returned(&system, gate).await;
        assert_eq!(said.await.unwrap(), [Err(Reason::Fenced); 2]);
        assert_eq!(target.load().depth, 0);
        drop(busy);
        lawful(&system).await;
    });
}

#[test]
fn f4_a_place_that_was_forgiven_is_not_given_back_again_when_its_holder_is_abandoned() {
    on_two(async || {
        let system = bare();
        let (target, _nursery, busy) = with_room(&system, 2).await;
        let (middleman, _journal) = puppet(&system).await;
        let there = target.clone();
        let take = move |_: &mut Context<Puppet>| [(); 2].map(|()| there.reserve(Offer::within(ms(20))).unwrap());
        let gate = stuck_with(&middleman, take, drop).await;
        until("its time has passed", || target.tell(Order::Note(0)).is_ok()).await;
        until("that of the other, too", || target.tell(Order::Note(1)).is_ok()).await;
        abandon(&system, middleman.pid()).await;
        assert_eq!(target.load().depth, 2);
        returned(&system, gate).await;
        assert_eq!((target.load().depth, target.tell(Order::Note(2)).is_err()), (2, true));
        drop(busy);
        target.settled().await;
        assert_eq!(target.load().depth, 0);
        lawful(&system).await;
    });
}
