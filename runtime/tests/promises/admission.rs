//! Room in a mailbox: who waits for it is served in turn and never past the deadline; a permit is a place of one's own.

use std::time::Duration;

use crashworthy_runtime::{ActorRef, AskError, ExitReason, Offer, Permit, Reason, Reply, Slot, System};
use tokio::sync::oneshot;

use crate::stage::{
    Nursery, Order, Puppet, SOON, act, bare, everywhere, law, lawful, ms, poll_elsewhere, puppet, until, who,
};

const LONG: Duration = Duration::from_secs(60);

/// A busy child with this much room.
async fn with_room(system: &System, capacity: u32) -> (Nursery, oneshot::Sender<()>) {
    let nursery = Nursery::open(system, Slot::anonymous().mailbox(capacity).unwrap()).await;
    let gate = occupy(&nursery.slot).await;
    (nursery, gate)
}

/// Keeps an actor busy until the gate opens.
async fn occupy(actor: &ActorRef<Puppet>) -> oneshot::Sender<()> {
    let (gate, closed) = oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    until("it is busy", || actor.law().in_hand == 1).await;
    gate
}

fn offer() -> Offer {
    Offer::within(LONG)
}

#[test]
fn who_finds_room_is_admitted_at_once() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let mut admission = actor.admitted(Duration::ZERO);
        let std::task::Poll::Ready(Ok(permit)) = poll_elsewhere(&mut admission) else { panic!("there is room") };
        permit.send(Order::Note(1)).unwrap();
        assert_eq!(journal.note().await, 1);
        lawful(&system).await;
    });
}

#[test]
fn who_waits_for_room_is_admitted_when_a_message_is_taken_out() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = with_room(&system, 1).await;
        nursery.slot.tell(Order::Note(1)).unwrap();
        let mut admission = nursery.slot.admitted(LONG);
        assert!(poll_elsewhere(&mut admission).is_pending());
        gate.send(()).unwrap();
        admission.await.unwrap().send(Order::Note(2)).unwrap();
        assert_eq!((nursery.child.note().await, nursery.child.note().await), (1, 2));
        lawful(&system).await;
    });
}

#[test]
fn waiting_senders_are_served_in_the_order_they_came() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = with_room(&system, 1).await;
        nursery.slot.tell(Order::Note(0)).unwrap();
        let mut waiting = Vec::new();
        for note in 1..=20 {
            let mut admission = nursery.slot.admitted(LONG);
            assert!(poll_elsewhere(&mut admission).is_pending());
            waiting.push((note, admission));
        }
        gate.send(()).unwrap();
        // The last to be polled is the first to come.
        let mut senders = tokio::task::JoinSet::new();
        for (note, admission) in waiting.into_iter().rev() {
            senders.spawn(async move { admission.await.unwrap().send(Order::Note(note)).unwrap() });
        }
        while let Some(sent) = senders.join_next().await {
            sent.unwrap();
        }
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), (0..=20).collect::<Vec<_>>());
        lawful(&system).await;
    });
}

#[test]
fn nobody_overtakes_who_waits_for_room() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = with_room(&system, 1).await;
        let held = nursery.slot.reserve(offer()).unwrap();
        let mut admission = nursery.slot.admitted(LONG);
        assert!(poll_elsewhere(&mut admission).is_pending());
        drop(held);
        // The place that was given back is the waiter's already.
        assert_eq!(nursery.slot.tell(Order::Note(2)).unwrap_err().why.reason, Reason::Full);
        assert_eq!(nursery.slot.reserve(offer()).unwrap_err().reason, Reason::Full);
        admission.await.unwrap().send(Order::Note(1)).unwrap();
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn nobody_waits_for_room_past_the_deadline() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = with_room(&system, 1).await;
        nursery.slot.tell(Order::Note(1)).unwrap();
        let begun = system.now();
        let refused = nursery.slot.admitted(ms(30)).await.unwrap_err();
        assert_eq!((refused.reason, refused.load.depth, refused.load.limit), (Reason::NoTime, 1, 1));
        assert!(system.now() - begun >= ms(30), "not before its time");
        assert_eq!(nursery.slot.admitted(Duration::ZERO).await.unwrap_err().reason, Reason::NoTime);
        drop(gate);
        nursery.slot.settled().await;
        assert_eq!(law(&nursery.slot).accepted, 2, "who did not wait to the end sent nothing");
        assert!(nursery.slot.admitted(ms(30)).await.is_ok(), "who left does not stand in the way");
        lawful(&system).await;
    });
}

#[test]
fn an_admission_that_moves_to_another_task_keeps_its_deadline() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = with_room(&system, 1).await;
        nursery.slot.tell(Order::Note(1)).unwrap();
        let mut admission = nursery.slot.admitted(ms(50));
        assert!(poll_elsewhere(&mut admission).is_pending());
        assert_eq!(admission.await.unwrap_err().reason, Reason::NoTime);
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn inside_a_handler_waiting_for_room_ends_with_the_call() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = with_room(&system, 1).await;
        nursery.slot.tell(Order::Note(1)).unwrap();
        let (front, _front) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let target = nursery.slot.address();
        let make = |reply: Reply<()>| {
            act(move |_, _| {
                Box::pin(async move {
                    let refused = target.admitted(LONG).await.unwrap_err();
                    let _ = says.send(refused.reason);
                    drop(reply);
                    Err(refused)?
                })
            })
        };
        let asked = front.ask(make).within(SOON).await;
        assert!(matches!(asked, Err(AskError::Expired | AskError::Refused(_))), "{asked:?}");
        assert_eq!(said.await.unwrap(), Reason::NoTime);
        assert_eq!(who(&front).await, 1, "a refusal by `?` ends the message, not the actor");
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn dropping_an_admission_gives_its_turn_to_the_next() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = with_room(&system, 1).await;
        let held = nursery.slot.reserve(offer()).unwrap();
        let mut granted = nursery.slot.admitted(LONG);
        let mut waiting = nursery.slot.admitted(LONG);
        assert!(poll_elsewhere(&mut granted).is_pending());
        assert!(poll_elsewhere(&mut waiting).is_pending());
        let mut next = nursery.slot.admitted(LONG);
        assert!(poll_elsewhere(&mut next).is_pending());
        drop(held);
        // The first was given a place and has not looked yet; the second waits.
        drop(waiting);
        drop(granted);
        next.await.unwrap().send(Order::Note(1)).unwrap();
        drop(gate);
        assert_eq!(nursery.child.note().await, 1);
        lawful(&system).await;
        assert_eq!(nursery.slot.load().depth, 0);
    });
}

#[test]
fn who_waits_for_room_is_told_when_the_actor_ends() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let gate = occupy(&actor).await;
        let mut permits: Vec<Permit<_>> = std::iter::from_fn(|| actor.reserve(offer()).ok()).collect();
        let mut admission = actor.admitted(LONG);
        assert!(poll_elsewhere(&mut admission).is_pending());
        let down = actor.down();
        system.kill(actor.pid());
        assert_eq!(admission.await.unwrap_err().reason, Reason::Gone);
        down.await;
        let rejected = permits.pop().unwrap().send(Order::Note(7)).unwrap_err();
        assert_eq!(rejected.why.reason, Reason::Gone);
        assert!(matches!(rejected.into_message(), Order::Note(7)), "a permit promises room, not life");
        drop((permits, gate));
        lawful(&system).await;
    });
}

#[test]
fn a_slot_that_was_never_started_admits_nobody() {
    everywhere(async || {
        let slot = Slot::<Puppet>::anonymous();
        assert_eq!(slot.admitted(LONG).await.unwrap_err().reason, Reason::NotStarted);
        assert_eq!(slot.reserve(offer()).unwrap_err().reason, Reason::NotStarted);
    });
}

#[test]
fn a_permit_is_a_place_that_nobody_else_gets() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = with_room(&system, 2).await;
        let first = nursery.slot.reserve(offer()).unwrap();
        let second = nursery.slot.reserve(offer()).unwrap();
        assert_eq!(nursery.slot.load().depth, 2, "a promise counts as load");
        assert_eq!(law(&nursery.slot).queued, 0, "and is no message");
        assert_eq!(nursery.slot.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Full);
        assert_eq!(nursery.slot.reserve(offer()).unwrap_err().reason, Reason::Full);
        drop(second);
        nursery.slot.tell(Order::Note(1)).expect("a permit that is dropped gives its place back");
        first.send(Order::Note(2)).expect("the mailbox is full, and this place is its own");
        drop(gate);
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), [1, 2]);
        lawful(&system).await;
    });
}

#[test]
fn permits_and_waiting_senders_outlive_a_crash() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous().mailbox(2).unwrap()).await;
        let gate = occupy(&nursery.slot).await;
        let permit = nursery.slot.reserve(offer()).unwrap();
        nursery.slot.tell(Order::Panic).unwrap();
        let mut waiting = nursery.slot.admitted(LONG);
        assert!(poll_elsewhere(&mut waiting).is_pending());
        drop(gate);
        nursery.signals.signal().await;
        permit.send(Order::Note(1)).expect("its place is kept between two incarnations");
        nursery.start().await.unwrap();
        waiting.await.unwrap().send(Order::Note(2)).unwrap();
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), [1, 2]);
        lawful(&system).await;
    });
}

#[test]
fn many_senders_that_wait_for_room_lose_nothing() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous().mailbox(2).unwrap()).await;
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..16_u64 {
            let actor = nursery.slot.address();
            senders.spawn(async move {
                for number in 0..50 {
                    actor.admitted(LONG).await.unwrap().send(Order::Note(sender << 32 | number)).unwrap();
                }
            });
        }
        let mut next = [0; 16];
        for _ in 0..16 * 50 {
            let note = nursery.child.note().await;
            let (sender, number) = ((note >> 32) as usize, note & 0xffff_ffff);
            assert_eq!(number, next[sender], "of sender {sender}");
            next[sender] += 1;
        }
        senders.join_all().await;
        lawful(&system).await;
        assert_eq!(nursery.slot.load().depth, 0);
    });
}

#[test]
fn a_permit_for_a_slot_that_stopped_serves_its_next_life() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous().mailbox(1).unwrap()).await;
        let permit = nursery.slot.reserve(offer()).unwrap();
        let down = nursery.slot.down();
        system.exit(nursery.slot.pid(), ExitReason::Shutdown).unwrap();
        down.await;
        let slot = nursery.slot.address();
        nursery.parent_does(move |cx| cx.close(&slot, false));
        let refusal = || nursery.slot.tell(Order::Note(0)).unwrap_err().why.reason;
        until("it is closed", || refusal() == Reason::Stopped).await;
        nursery.start().await.unwrap();
        assert_eq!(refusal(), Reason::Full);
        permit.send(Order::Note(1)).unwrap();
        assert_eq!(nursery.child.note().await, 1);
        lawful(&system).await;
    });
}
