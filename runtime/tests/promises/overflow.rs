//! What becomes of a message that finds no room is its receiver's to say: it displaces its like, and nothing else.

use crashworthy_runtime::Overflow::{self, Conflate, DropNew, DropOldest, Refuse};
use crashworthy_runtime::{ActorRef, AskError, ExitReason, Fallen, Offer, Probe, Reason, Signal, Slot, System};
use tokio::sync::oneshot;

use crate::stage::{
    Event, Nursery, Order, Part, Puppet, bare, bare_with_letters, everywhere, law, lawful, ms, on_two, part,
    poll_elsewhere, puppet, until,
};

fn fleeting(note: u64, overflow: Overflow) -> Order {
    Order::Fleeting(note, overflow, None)
}

/// A puppet with a mailbox for so many messages, which awaits until the sender is used.
async fn held(system: &System, capacity: u32, as_what: impl FnOnce(Part) -> Part) -> (Nursery, oneshot::Sender<()>) {
    let nursery = Nursery::with(system, Slot::named("feed").mailbox(capacity).unwrap(), as_what).await;
    let gate = hold(&nursery.slot).await;
    (nursery, gate)
}

async fn hold(actor: &ActorRef<Puppet>) -> oneshot::Sender<()> {
    let (gate, opens) = oneshot::channel();
    actor.tell(Order::Await(opens)).unwrap();
    until("it awaits", || actor.load().depth == 0).await;
    gate
}

fn tell(actor: &ActorRef<Puppet>, note: u64, overflow: Overflow) -> Option<Reason> {
    actor.tell(fleeting(note, overflow)).err().map(|rejected| rejected.why.reason)
}

#[test]
fn where_there_is_room_it_is_handled_in_its_order_whatever_it_says() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 8, |part| part).await;
        for (note, overflow) in [Refuse, DropOldest, Conflate(1), Refuse, DropNew, Conflate(2)].into_iter().enumerate()
        {
            assert_eq!(tell(&nursery.slot, note as u64, overflow), None);
        }
        assert_eq!(nursery.slot.load().depth, 6);
        gate.send(()).unwrap();
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), [0, 1, 2, 3, 4, 5]);
        assert_eq!((law(&nursery.slot).handled, nursery.slot.load().depth), (7, 0));
        lawful(&system).await;
    });
}

#[test]
fn the_oldest_of_those_that_say_so_makes_room_and_no_other_message_does() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 4, |part| part).await;
        let slot = nursery.slot.address();
        for (note, overflow) in [(0, Refuse), (1, DropOldest), (2, DropNew), (3, DropOldest)] {
            assert_eq!(tell(&slot, note, overflow), None);
        }
        assert_eq!(tell(&slot, 4, Conflate(1)), Some(Reason::Full));
        assert_eq!(tell(&slot, 5, DropOldest), None);
        assert_eq!(tell(&slot, 6, DropOldest), None);
        assert_eq!(slot.load().depth, 4);
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!(nursery.child.notes(), [0, 2, 5, 6]);
        assert_eq!(law(&slot).displaced, 2);
        lawful(&system).await;
    });
}

#[test]
fn whoever_may_not_be_dropped_and_whoever_reserves_a_place_displaces_the_oldest_that_is_worth_less() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 4, |part| part).await;
        let slot = nursery.slot.address();
        for note in 0..100 {
            assert_eq!(tell(&slot, note, DropOldest), None);
        }
        assert_eq!((tell(&slot, 100, Refuse), slot.load().depth), (None, 4));
        let permit = slot.reserve(Offer::within(ms(60_000))).unwrap();
        for note in [101, 102] {
            assert_eq!((tell(&slot, note, Refuse), slot.load().depth), (None, 4));
        }
        assert_eq!(tell(&slot, 103, Refuse), Some(Reason::Full), "nobody is left who is worth less");
        permit.send(fleeting(104, Refuse)).unwrap();
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!(nursery.child.notes(), [100, 101, 102, 104]);
        assert_eq!(law(&slot).displaced, 100);
        lawful(&system).await;
    });
}

#[test]
fn who_would_displace_and_finds_nobody_is_refused_and_has_the_message_back() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = held(&system, 2, |part| part).await;
        let slot = nursery.slot.address();
        assert_eq!((tell(&slot, 0, Refuse), tell(&slot, 1, Conflate(1))), (None, None));
        for overflow in [DropOldest, Conflate(2)] {
            let rejected = slot.tell(fleeting(7, overflow)).unwrap_err();
            assert_eq!(rejected.why.reason, Reason::Full);
            assert!(matches!(rejected.into_message(), Order::Fleeting(7, ..)));
        }
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!((law(&slot).accepted, law(&slot).displaced), (3, 0));
        lawful(&system).await;
    });
}

#[test]
fn the_newest_is_dropped_and_counted_and_its_sender_is_told_that_all_is_well() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 2, |part| part).await;
        let slot = nursery.slot.address();
        for note in 0..5 {
            assert_eq!(tell(&slot, note, DropNew), None);
        }
        assert_eq!((law(&slot).accepted, law(&slot).displaced), (6, 3));
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!(crate::stage::does(&slot, |cx| cx.displaced()).await, 3);
        assert_eq!(nursery.child.notes(), [0, 1]);
        lawful(&system).await;
    });
}

#[test]
fn the_last_value_of_a_key_is_handled_where_the_first_would_have_been() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 4, |part| part).await;
        let slot = nursery.slot.address();
        assert_eq!(
            (tell(&slot, 10, Conflate(1)), tell(&slot, 5, Refuse), tell(&slot, 20, Conflate(2))),
            (None, None, None)
        );
        // With room, and without.
        assert_eq!(tell(&slot, 11, Conflate(1)), None);
        assert_eq!(tell(&slot, 6, Refuse), None);
        assert_eq!((tell(&slot, 12, Conflate(1)), tell(&slot, 21, Conflate(2))), (None, None));
        assert_eq!((slot.load().depth, tell(&slot, 30, Conflate(3))), (4, Some(Reason::Full)));
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!(nursery.child.notes(), [12, 5, 21, 6]);
        assert_eq!(law(&slot).displaced, 3);
        lawful(&system).await;
    });
}

#[test]
fn whoever_asked_is_told_that_the_question_was_displaced() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = held(&system, 1, |part| part).await;
        let slot = nursery.slot.address();
        let mut first = slot.ask(|reply| Order::Fleeting(1, DropOldest, Some(reply)));
        assert!(poll_elsewhere(&mut first).is_pending());
        let mut second = slot.ask(|reply| Order::Fleeting(2, DropOldest, Some(reply)));
        assert!(poll_elsewhere(&mut second).is_pending());
        let Err(AskError::Refused(why)) = first.await else { panic!("it was displaced") };
        assert_eq!((why.reason, why.by), (Reason::Displaced, slot.id()));
        assert_eq!(slot.refusals().because(Reason::Displaced), 1);
        gate.send(()).unwrap();
        assert_eq!(second.await, Ok(2));
        lawful(&system).await;
    });
}

#[test]
fn a_question_whose_asker_has_gone_or_whose_deadline_has_passed_is_dropped_unhandled() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 4, |part| part).await;
        let slot = nursery.slot.address();
        let mut cancelled = slot.ask(|reply| Order::Fleeting(1, DropOldest, Some(reply)));
        assert!(poll_elsewhere(&mut cancelled).is_pending());
        drop(cancelled);
        let expired = slot.ask(|reply| Order::Fleeting(2, DropOldest, Some(reply))).within(ms(5)).await;
        assert_eq!(expired, Err(AskError::Expired));
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!((nursery.child.notes(), law(&slot).cancelled + law(&slot).expired), (vec![], 2));
        lawful(&system).await;
    });
}

#[test]
fn an_exit_signal_or_a_down_is_not_passed_by_what_its_sender_sends_after_it_nor_passes_what_was_sent_before() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 4, Part::trapping).await;
        let slot = nursery.slot.address();
        let (sender, _journal) = puppet(&system).await;
        let (to, down) = (slot.clone(), sender.down());
        sender
            .tell(crate::stage::now(move |_, cx| {
                for (note, overflow) in [(1, Conflate(1)), (2, DropOldest)] {
                    assert_eq!(tell(&to, note, overflow), None);
                }
                let _ = cx.exit(to.pid(), ExitReason::Shutdown);
                for (note, overflow) in [(3, Conflate(1)), (4, DropOldest), (5, Conflate(1))] {
                    assert_eq!(tell(&to, note, overflow), None);
                }
                Ok(())
            }))
            .unwrap();
        sender.settled().await;
        gate.send(()).unwrap();
        slot.settled().await;
        let told: Vec<_> = nursery
            .child
            .rest()
            .into_iter()
            .filter_map(|event| match event {
                Event::Note(note) => Some(note),
                Event::Signal(Signal::Exit { .. }) => Some(0),
                _ => None,
            })
            .collect();
        // What 3 conflated lay before the signal: it does not take that place. 5 takes the place of 3.
        assert_eq!(told, [2, 0, 5, 4]);
        drop(down);
        lawful(&system).await;
    });
}

#[test]
fn what_may_be_displaced_survives_a_restart_and_signals_to_the_next_incarnation_come_behind_it() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 8, Part::trapping).await;
        let slot = nursery.slot.address();
        let (sender, _journal) = puppet(&system).await;
        let exit = |to: crashworthy_runtime::Pid| {
            crate::stage::does(&sender, move |cx| cx.exit(to, ExitReason::Shutdown).is_ok())
        };
        // Signals of one incarnation, so that a message says which of them come before it.
        assert!(exit(slot.pid()).await);
        slot.tell(Order::Panic).unwrap();
        assert_eq!(tell(&slot, 1, DropOldest), None);
        gate.send(()).unwrap();
        nursery.signals.signal().await;
        assert_eq!(tell(&slot, 2, Conflate(1)), None);

        let (next, mut child) = part();
        let ((traps, trapped), (gate, opens)) = (oneshot::channel(), oneshot::channel());
        let next = next.trapping().init(|_| {
            Box::pin(async move {
                let _ = traps.send(());
                let _ = opens.await;
                Ok(())
            })
        });
        let signal = async {
            trapped.await.unwrap();
            assert!(exit(slot.pid()).await);
            assert_eq!(tell(&slot, 3, DropOldest), None);
            gate.send(()).unwrap();
        };
        let (started, ()) = tokio::join!(nursery.start_as(next), signal);
        started.unwrap();
        slot.settled().await;
        let told: Vec<_> = child.rest().into_iter().filter(|event| !matches!(event, Event::Init(_))).collect();
        assert!(matches!(&*told, [Event::Note(1), Event::Note(2), Event::Signal(_), Event::Note(3)]), "{told:?}");
        assert_eq!((law(&slot).given_up, law(&slot).displaced), (1, 0));
        lawful(&system).await;
    });
}

#[test]
fn a_flush_and_a_close_throw_it_away_and_tell_the_hook_and_a_flush_spares_what_comes_after() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let (mut nursery, gate) = held(&system, 8, |part| part).await;
        let slot = nursery.slot.address();
        slot.tell(Order::Panic).unwrap();
        assert_eq!((tell(&slot, 1, DropOldest), tell(&slot, 2, Conflate(2))), (None, None));
        gate.send(()).unwrap();
        nursery.signals.signal().await;
        let of = nursery.slot.clone();
        nursery.parent_does(move |cx| cx.flush(&of));
        nursery.parent.settled().await;
        // One of which a like was there, too.
        assert_eq!((tell(&slot, 3, DropOldest), tell(&slot, 7, Conflate(2))), (None, None));
        nursery.start().await.unwrap();
        slot.settled().await;
        assert_eq!((nursery.child.notes(), law(&slot).undelivered + law(&slot).displaced), (vec![3, 7], 2));
        assert_eq!(letters.recv().await.unwrap().fallen, Fallen::GivenUp);
        assert_eq!(letters.recv().await.unwrap().fallen, Fallen::Undelivered);

        let _gate = hold(&slot).await;
        assert_eq!(tell(&slot, 4, DropOldest), None);
        let (ended, down) = (slot.down(), nursery.parent.down());
        nursery.parent.tell(Order::Exit(ExitReason::Shutdown)).unwrap();
        down.await;
        ended.await;
        assert_eq!(tell(&slot, 5, DropOldest), Some(Reason::Stopped));
        assert_eq!(tell(&slot, 6, DropNew), Some(Reason::Stopped));
        lawful(&system).await;
        assert_eq!(law(&slot).undelivered + law(&slot).displaced, 3);
    });
}

#[test]
fn who_waits_for_room_gets_the_place_of_what_was_on_the_shelf() {
    everywhere(async || {
        let system = bare();
        let (nursery, gate) = held(&system, 1, |part| part).await;
        let slot = nursery.slot.address();
        assert_eq!(tell(&slot, 1, DropOldest), None);
        let mut admitted = slot.admitted(ms(60_000));
        assert!(poll_elsewhere(&mut admitted).is_pending());
        gate.send(()).unwrap();
        admitted.await.expect("there is room").send(Order::Note(2)).unwrap();
        lawful(&system).await;
        assert_eq!(law(&slot).handled, 3);
    });
}

#[test]
fn the_order_of_each_sender_and_the_law_hold_under_many_threads_whatever_is_displaced() {
    const THREADS: u64 = 4;
    const MESSAGES: u64 = 4_000;
    on_two(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(16).unwrap()).await;
        let Nursery { slot, mut child, .. } = nursery;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let actor = slot.address();
                std::thread::spawn(move || {
                    for number in 0..MESSAGES {
                        let overflow = [Refuse, DropOldest, DropNew, Conflate(thread)][(number * 7 % 4) as usize];
                        let _ = tell(&actor, thread << 32 | number, overflow);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        slot.settled().await;
        lawful(&system).await;
        let (mut next, mut last) = ([0; THREADS as usize], [0; THREADS as usize]);
        let notes = child.notes();
        for note in &notes {
            let (thread, number) = ((note >> 32) as usize, note & 0xffff_ffff);
            if number * 7 % 4 == 3 {
                // It may come before others, but values of a key keep their order.
                assert!(number >= last[thread], "{number} of thread {thread} came after {}", last[thread]);
                last[thread] = number;
                continue;
            }
            assert!(number >= next[thread], "{number} of thread {thread} came after {}", next[thread]);
            next[thread] = number + 1;
        }
        let law = law(&slot);
        assert_eq!((law.handled, slot.load().depth), (notes.len() as u64, 0));
        assert!(law.displaced > 0 && law.handled > 0, "{law:?}");
    });
}

#[test]
fn a_stand_in_hears_of_it_in_its_order_whatever_it_says() {
    everywhere(async || {
        let mut probe = Probe::<Puppet>::start().unwrap();
        for (note, overflow) in [Refuse, DropOldest, Conflate(1), DropNew].into_iter().enumerate() {
            assert_eq!(tell(&probe.address(), note as u64, overflow), None);
        }
        probe.address().settled().await;
        for expected in 0..4 {
            assert!(matches!(probe.try_next(), Some(Order::Fleeting(note, ..)) if note == expected), "not {expected}");
        }
        assert_eq!(law(&probe.address()).handled, 4);
    });
}

#[test]
fn messages_of_different_kinds_with_one_key_are_not_alike() {
    everywhere(async || {
        let system = bare();
        let (mut nursery, gate) = held(&system, 4, |part| part).await;
        let slot = nursery.slot.address();
        assert_eq!(tell(&slot, 1, Conflate(7)), None);
        slot.tell(Order::Other(2, Conflate(7))).unwrap();
        assert_eq!(tell(&slot, 3, Conflate(7)), None);
        gate.send(()).unwrap();
        slot.settled().await;
        assert_eq!(nursery.child.notes(), [3, 2]);
        lawful(&system).await;
    });
}

#[test]
fn what_lies_there_does_not_hide_that_who_waits_for_room_would_wait_for_himself() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(1).unwrap()).await;
        let (slot, me) = (nursery.slot.address(), nursery.slot.address());
        let (told, refused) = oneshot::channel();
        let order = crate::stage::act(move |_, _| {
            Box::pin(async move {
                assert_eq!(tell(&me, 1, DropOldest), None);
                let _ = told.send(me.admitted(ms(60_000)).await.map(drop).map_err(|why| why.reason));
                Ok(())
            })
        });
        slot.tell(order).unwrap();
        assert_eq!(refused.await.unwrap(), Err(Reason::Cycle));
        lawful(&system).await;
    });
}
