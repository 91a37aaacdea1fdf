//! Hazard C2: a crash gives up exactly the message in hand, and the dead-letter hook hears of it.

use std::future::poll_fn;
use std::task::Poll;

use crashworthy_runtime::{AskError, DeadLetter, Exit, ExitReason, Fallen, Reason, Reply, Slot};
use tokio::sync::{mpsc, oneshot};

use crate::stage::{
    Event, Nursery, Order, Puppet, act, bare, bare_with_letters, everywhere, law, lawful, ms, now, part, puppet,
    trapping, until,
};

async fn letter(letters: &mut mpsc::UnboundedReceiver<DeadLetter>) -> DeadLetter {
    letters.recv().await.expect("the hook runs as long as its system")
}

#[test]
fn c2_exactly_the_message_in_hand_is_given_up_and_reaches_the_hook() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let (sender, _kept) = puppet(&system).await;
        let to = nursery.slot.address();
        let order = now(move |_, _| {
            for note in 0..10 {
                to.tell(Order::Note(note))?;
            }
            to.tell(Order::Panic)?;
            for note in 10..20 {
                to.tell(Order::Note(note))?;
            }
            Ok(())
        });
        sender.tell(order).unwrap();
        nursery.signals.signal().await;
        let fallen = letter(&mut letters).await;
        assert_eq!((fallen.to, fallen.to_name.as_deref()), (nursery.slot.pid(), Some("till")));
        assert_eq!((fallen.kind, fallen.from, fallen.fallen), ("Panic", sender.id(), Fallen::GivenUp));
        assert_eq!(fallen.size, size_of::<Order>());
        assert!(fallen.age < ms(10_000));
        assert!(fallen.message.is_none(), "this kind of message keeps no copy");
        nursery.start().await.unwrap();
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), (0..20).collect::<Vec<_>>(), "the others are handled, once");
        assert_eq!(law(&nursery.slot).given_up, 1);
        assert_eq!(system.dead_letters(), (1, 0));
        assert!(letters.try_recv().is_err());
        lawful(&system).await;
    });
}

#[test]
fn c2_a_message_that_opts_in_reaches_the_hook_as_a_copy() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        nursery.slot.tell(Order::Fail).unwrap();
        nursery.slot.tell(Order::Note(77)).unwrap();
        nursery.signals.signal().await;
        assert_eq!(letter(&mut letters).await.kind, "Fail");
        // Thrown away unhandled, it falls as well.
        let slot = nursery.slot.clone();
        nursery.parent_does(move |cx| cx.close(&slot, true));
        let fallen = letter(&mut letters).await;
        assert_eq!((fallen.kind, fallen.fallen), ("Note", Fallen::Undelivered));
        assert_eq!(fallen.message.and_then(|copy| copy.downcast::<u64>().ok()), Some(Box::new(77)));
        lawful(&system).await;
    });
}

#[test]
fn c2_an_error_a_panic_and_a_kill_each_give_up_the_message_in_hand() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        for order in ["Panic", "Fail", "Exit", "Await"] {
            let (actor, _journal) = puppet(&system).await;
            let (_gate, closed) = oneshot::channel();
            let down = actor.down();
            let message = match order {
                "Panic" => Order::Panic,
                "Fail" => Order::Fail,
                "Exit" => Order::Exit(ExitReason::Shutdown),
                _ => Order::Await(closed),
            };
            actor.tell(message).unwrap();
            if order == "Await" {
                until("it is in hand", || actor.law().in_hand == 1).await;
                system.kill(actor.pid());
            }
            down.await;
            let fallen = letter(&mut letters).await;
            assert_eq!((fallen.kind, fallen.to), (order, actor.pid()));
            lawful(&system).await;
            assert_eq!(law(&actor).given_up, 1);
        }
    });
}

#[test]
fn c2_a_handler_that_ends_its_actor_well_has_handled_its_message() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        actor.tell(Order::Exit(ExitReason::Normal)).unwrap();
        down.await;
        lawful(&system).await;
        let law = law(&actor);
        assert_eq!((law.handled, law.given_up), (1, 0));
        assert!(letters.try_recv().is_err());
    });
}

#[test]
fn c2_no_message_is_given_up_when_a_signal_ends_the_actor() {
    everywhere(async || {
        let (system, _letters) = bare_with_letters();
        let (part, mut journal) = part();
        let part = part.trapping().signalled(|_| Err("too sad to go on")?);
        let actor = system.spawn::<crate::stage::Puppet>(part).await.unwrap();
        assert_eq!(journal.next().await, Event::Init(1));
        let down = actor.down();
        system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
        assert!(down.await.reason.crash().is_some());
        lawful(&system).await;
        assert_eq!(law(&actor).given_up, 0);
        assert_eq!(system.dead_letters(), (0, 0));
    });
}

#[test]
fn c2_a_message_from_a_timer_is_given_up_like_any_other() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let (actor, _journal) = trapping(&system).await;
        let down = actor.down();
        let order = now(|_, cx| {
            cx.send_after(ms(1), Order::Panic);
            Ok(())
        });
        actor.tell(order).unwrap();
        down.await;
        let fallen = letter(&mut letters).await;
        assert_eq!((fallen.kind, fallen.from, fallen.fallen), ("Panic", actor.id(), Fallen::GivenUp));
        lawful(&system).await;
        assert_eq!((law(&actor).given_up, law(&actor).handled), (1, 1));
    });
}

/// Batches belong to the cell: whatever was taken out of the queue together with the bad one is still there.
#[test]
fn c2_a_crash_in_the_midst_of_a_batch_loses_none_of_the_rest() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        let (gate, closed) = oneshot::channel();
        nursery.slot.tell(Order::Await(closed)).unwrap();
        for note in 0..1_000 {
            let order = if note % 100 == 50 { Order::Panic } else { Order::Note(note) };
            nursery.slot.tell(order).unwrap();
        }
        gate.send(()).unwrap();
        for _ in 0..10 {
            nursery.signals.signal().await;
            nursery.start().await.unwrap();
        }
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), (0..1_000).filter(|note| note % 100 != 50).collect::<Vec<_>>());
        lawful(&system).await;
    });
}

#[test]
fn c2_a_refusal_passed_on_ends_the_message_and_not_the_actor_and_somebody_hears_of_it() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let (actor, _journal) = puppet(&system).await;
        let nobody = Slot::<Puppet>::anonymous();
        // Whoever asked is told.
        let order = |reply: Reply<()>| {
            let nobody = nobody.clone();
            act(move |_, _| {
                Box::pin(async move {
                    nobody.tell(Order::Note(0))?;
                    reply.send(());
                    Ok(())
                })
            })
        };
        let told = actor.ask(order).await;
        assert!(matches!(&told, Err(AskError::Refused(why)) if why.reason == Reason::Downstream), "{told:?}");
        actor.settled().await;
        assert_eq!((law(&actor).handled, law(&actor).given_up), (1, 0));

        // Where nobody asked the message has come to nothing: it is given up like any other.
        let order = now(move |_, _| Ok(nobody.tell(Order::Note(0))?));
        actor.tell(order).unwrap();
        let fallen = letter(&mut letters).await;
        assert_eq!((fallen.to, fallen.fallen), (actor.pid(), Fallen::GivenUp));
        actor.settled().await;
        assert!(actor.is_alive() && letters.try_recv().is_err());
        assert_eq!((law(&actor).handled, law(&actor).given_up), (1, 1));
        lawful(&system).await;
    });
}

#[test]
fn c2_a_slow_hook_does_not_sit_in_the_crash_path_and_what_it_misses_is_counted() {
    everywhere(async || {
        let (entered, blocked) = std::sync::mpsc::channel();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        // On one thread a hook that blocks would block everything: there it is only slow to be called.
        let multi = tokio::runtime::Handle::current().metrics().num_workers() > 1;
        let hook = move |_| {
            let _ = entered.send(());
            if multi {
                let _ = gate.lock().unwrap().recv();
            }
        };
        let system = crashworthy_runtime::System::builder().on_dead_letter(hook).bare().unwrap();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(4096).unwrap()).await;
        let slot = nursery.slot.clone();
        nursery.slot.tell(Order::Panic).unwrap();
        until("the child is down", || !slot.is_alive()).await;
        for note in 0..4_000 {
            slot.tell(Order::Note(note)).unwrap();
        }
        nursery.parent_does(move |cx| cx.close(&slot, true));
        until("all have fallen", || system.dead_letters().0 == 4_001).await;
        let seen_later = |system: &crashworthy_runtime::System| 4_001 - system.dead_letters().1;
        assert!(seen_later(&system) <= 1_024 + 1 + 1, "letters that wait are bounded");
        drop(release);
        for _ in 0..seen_later(&system) {
            poll_fn(|cx| match blocked.try_recv() {
                Ok(()) => Poll::Ready(()),
                Err(_) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
        }
        lawful(&system).await;
    });
}

#[test]
fn c2_a_message_that_takes_the_actor_down_is_never_redelivered() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        let runs = crate::stage::Tally::default();
        let counted = runs.clone();
        let order = act(move |_, _| {
            counted.bump();
            Box::pin(async { Err(Exit::from("poison")) })
        });
        nursery.slot.tell(order).unwrap();
        for _ in 0..3 {
            if nursery.slot.is_alive() {
                break;
            }
            nursery.signals.signal().await;
            nursery.start().await.unwrap();
        }
        nursery.slot.settled().await;
        assert_eq!(runs.get(), 1);
        lawful(&system).await;
    });
}
