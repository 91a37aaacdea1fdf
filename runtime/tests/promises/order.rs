//! Messages of one sender are handled in the order sent, whatever else goes on; mailbox and address outlive a crash.

use crashworthy_runtime::{ActorRef, Reason, Slot};

use crate::stage::{Nursery, Order, Puppet, bare, everywhere, law, lawful, on_two, puppet, until, who};

#[test]
fn messages_of_one_sender_are_handled_in_the_order_sent() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        for note in 0..1_000 {
            actor.tell(Order::Note(note)).unwrap();
        }
        actor.settled().await;
        assert_eq!(journal.notes(), (0..1_000).collect::<Vec<_>>());
        lawful(&system).await;
    });
}

/// Sends its own sequence, from a thread of its own, waiting for room when there is none.
fn sender(actor: ActorRef<Puppet>, thread: u64, messages: u64) {
    for number in 0..messages {
        let mut order = Order::Note(thread << 32 | number);
        while let Err(rejected) = actor.tell(order) {
            assert_eq!(rejected.why.reason, Reason::Full);
            order = rejected.into_message();
            std::thread::yield_now();
        }
    }
}

#[test]
fn order_per_sender_holds_under_many_threads_and_nothing_is_lost_or_doubled() {
    const THREADS: u64 = 6;
    const MESSAGES: u64 = 2_000;
    on_two(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let actor = actor.clone();
                std::thread::spawn(move || sender(actor, thread, MESSAGES))
            })
            .collect();
        let mut next = [0; THREADS as usize];
        for _ in 0..THREADS * MESSAGES {
            let note = journal.note().await;
            let (thread, number) = ((note >> 32) as usize, note & 0xffff_ffff);
            assert_eq!(number, next[thread], "of thread {thread}");
            next[thread] += 1;
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        lawful(&system).await;
        assert_eq!(law(&actor).handled, THREADS * MESSAGES);
    });
}

#[test]
fn order_per_sender_holds_across_restarts() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        for note in 0..50 {
            nursery.slot.tell(Order::Note(note)).unwrap();
            if note % 10 == 9 {
                nursery.slot.tell(Order::Panic).unwrap();
            }
        }
        for _ in 0..5 {
            nursery.signals.signal().await;
            nursery.start().await.unwrap();
        }
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), (0..50).collect::<Vec<_>>());
        lawful(&system).await;
        assert_eq!(law(&nursery.slot).given_up, 5);
    });
}

#[test]
fn the_next_incarnation_answers_the_same_address_and_reads_what_was_queued() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let address = nursery.slot.address();
        address.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        assert!(!address.is_alive());
        for note in 0..3 {
            address.tell(Order::Note(note)).expect("a slot that waits for its next incarnation takes messages");
        }
        let before = address.pid();
        let asked = tokio::spawn({
            let address = address.clone();
            async move { who(&address).await }
        });
        until("the question is queued", || address.load().depth == 4).await;
        let after = nursery.start().await.unwrap();
        assert_eq!((after.id, after.incarnation), (before.id, before.incarnation + 1));
        assert_eq!(asked.await.unwrap(), 2);
        assert_eq!(nursery.child.notes(), [0, 1, 2]);
        lawful(&system).await;
    });
}

#[test]
fn a_full_mailbox_hands_the_message_back() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::anonymous().mailbox(2).unwrap()).await;
        let (gate, closed) = tokio::sync::oneshot::channel();
        nursery.slot.tell(Order::Await(closed)).unwrap();
        until("the gate is in hand", || nursery.slot.law().in_hand == 1).await;
        nursery.slot.tell(Order::Note(0)).unwrap();
        nursery.slot.tell(Order::Note(1)).unwrap();
        let rejected = nursery.slot.tell(Order::Note(2)).unwrap_err();
        assert_eq!((rejected.why.reason, rejected.why.load.depth, rejected.why.load.limit), (Reason::Full, 2, 2));
        assert!(matches!(rejected.into_message(), Order::Note(2)));
        gate.send(()).unwrap();
        nursery.slot.settled().await;
        assert_eq!(law(&nursery.slot).accepted, 3);
        lawful(&system).await;
    });
}

#[test]
fn messages_of_one_actor_to_another_are_handled_in_the_order_sent() {
    on_two(async || {
        let system = bare();
        let (from, _kept) = puppet(&system).await;
        let (to, mut journal) = puppet(&system).await;
        let address = to.clone();
        let send = crate::stage::now(move |_, _| {
            for note in 0..500 {
                address.tell(Order::Note(note))?;
            }
            Ok(())
        });
        from.tell(send).unwrap();
        from.settled().await;
        to.settled().await;
        assert_eq!(journal.notes(), (0..500).collect::<Vec<_>>());
        lawful(&system).await;
    });
}
