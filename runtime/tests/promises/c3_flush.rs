//! Hazard C3: what is queued survives a restart of this one actor, and is thrown away when its supervisor says so:
//! poison does not eat one restart budget after another.

use crashworthy_runtime::{AskError, Fallen, Reason, Slot};

use crate::stage::{Nursery, Order, bare, bare_with_letters, everywhere, law, lawful, until};

/// Ends the child with three notes and a question behind it.
async fn fall(nursery: &mut Nursery) -> tokio::task::JoinHandle<Result<u64, AskError>> {
    nursery.slot.tell(Order::Panic).unwrap();
    nursery.signals.signal().await;
    for note in 0..3 {
        nursery.slot.tell(Order::Note(note)).unwrap();
    }
    let address = nursery.slot.address();
    let asked = tokio::spawn(async move { address.ask(|reply| Order::Echo(7, reply)).await });
    until("the question is queued", || nursery.slot.load().depth == 4).await;
    asked
}

#[test]
fn c3_a_flush_between_two_incarnations_tells_askers_and_the_hook() {
    everywhere(async || {
        let (system, mut letters) = bare_with_letters();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let asked = fall(&mut nursery).await;
        let slot = nursery.slot.clone();
        nursery.parent_does(move |cx| cx.flush(&slot));
        assert!(matches!(asked.await.unwrap(), Err(AskError::Refused(_))), "the asker is told at once");
        assert_eq!(letters.recv().await.unwrap().fallen, Fallen::GivenUp);
        for kind in ["Note", "Note", "Note", "Echo"] {
            let fallen = letters.recv().await.unwrap();
            assert_eq!((fallen.kind, fallen.fallen), (kind, Fallen::Undelivered));
        }
        nursery.slot.tell(Order::Note(9)).expect("a slot that was flushed takes messages");
        nursery.start().await.unwrap();
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), [9]);
        assert_eq!(law(&nursery.slot).undelivered, 4);
        lawful(&system).await;
    });
}

#[test]
fn c3_a_restart_without_a_flush_keeps_what_is_queued() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let asked = fall(&mut nursery).await;
        nursery.start().await.unwrap();
        assert_eq!(asked.await.unwrap(), Ok(7));
        assert_eq!(nursery.child.notes(), [0, 1, 2]);
        assert_eq!(law(&nursery.slot).undelivered, 0);
        lawful(&system).await;
    });
}

#[test]
fn c3_a_flush_and_a_start_in_one_go_flush_first() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let asked = fall(&mut nursery).await;
        let slot = nursery.slot.clone();
        nursery.parent_does(move |cx| cx.flush(&slot));
        nursery.start().await.unwrap();
        assert!(matches!(asked.await.unwrap(), Err(AskError::Refused(_))));
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), []);
        lawful(&system).await;
    });
}

#[test]
fn c3_poison_behind_poison_falls_when_the_parent_gives_up() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        for _ in 0..100 {
            nursery.slot.tell(Order::Panic).unwrap();
        }
        for _ in 0..3 {
            nursery.signals.signal().await;
            nursery.start().await.unwrap();
        }
        nursery.signals.signal().await;
        // The parent gives up: its own end closes the slots below it.
        let down = nursery.parent.down();
        nursery.parent.tell(Order::Exit(crashworthy_runtime::ExitReason::Shutdown)).unwrap();
        down.await;
        lawful(&system).await;
        let law = law(&nursery.slot);
        assert_eq!((law.given_up, law.undelivered), (4, 96));
        assert_eq!(nursery.slot.tell(Order::Panic).unwrap_err().why.reason, Reason::Stopped);
    });
}
