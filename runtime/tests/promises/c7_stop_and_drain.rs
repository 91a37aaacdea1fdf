//! Hazard C7: stop and drain are two verbs. A stop never queues behind work; a drain serves what is queued.

use crashworthy_runtime::{ExitReason, Offer, Reason, Refused, Signal, Slot, System};
use tokio::sync::oneshot;

use crate::stage::{
    Event, Nursery, Order, Part, Puppet, bare, everywhere, law, lawful, ms, now, on_two, part, puppet, until,
};

#[test]
fn c7_stop_overtakes_what_is_queued() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::with(&system, Slot::named("till"), Part::trapping).await;
        let (gate, closed) = oneshot::channel();
        nursery.slot.tell(Order::Await(closed)).unwrap();
        until("the gate is in hand", || nursery.slot.law().in_hand == 1).await;
        for note in 0..1_000 {
            nursery.slot.tell(Order::Note(note)).unwrap();
        }
        let pid = nursery.slot.pid();
        nursery.parent_does(move |cx| {
            let _ = cx.exit(pid, ExitReason::Shutdown);
        });
        nursery.parent.settled().await;
        // A handler under way is served to its end, then the stop comes, then nothing.
        gate.send(()).unwrap();
        assert_eq!(nursery.signals.signal().await, Signal::Exit { from: pid, reason: ExitReason::Shutdown });
        let rest = nursery.child.rest();
        assert_eq!(rest, [Event::Init(1), Event::Terminate(ExitReason::Shutdown), Event::Dropped(1)]);
        assert_eq!(nursery.slot.load().depth, 1_000, "the next incarnation will read them");
        nursery.start().await.unwrap();
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes().len(), 1_000);
        lawful(&system).await;
    });
}

#[test]
fn c7_an_actor_learns_in_a_long_handler_that_it_is_to_stop() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::with(&system, Slot::named("till"), Part::trapping).await;
        let long = crate::stage::act(|puppet, cx| {
            Box::pin(async move {
                cx.stopping().await;
                puppet.note(1);
                Ok(())
            })
        });
        nursery.slot.tell(long).unwrap();
        until("it is in hand", || nursery.slot.law().in_hand == 1).await;
        let pid = nursery.slot.pid();
        nursery.parent_does(move |cx| {
            let _ = cx.exit(pid, ExitReason::Shutdown);
        });
        nursery.signals.signal().await;
        let rest = nursery.child.rest();
        assert_eq!(rest[1..], [Event::Note(1), Event::Terminate(ExitReason::Shutdown), Event::Dropped(1)]);
        lawful(&system).await;
    });
}

/// A system whose root is a puppet.
async fn rooted(builder: crashworthy_runtime::Builder) -> (System, Slot<Puppet>, crate::stage::Journal) {
    struct Top(Slot<Puppet>, Part);
    impl crashworthy_runtime::Root for Top {
        async fn start(self, system: &System) -> Result<crashworthy_runtime::Pid, crashworthy_runtime::StartError> {
            system.start_top(&self.0, self.1).await
        }
    }
    let (part, journal) = part();
    let slot = Slot::named("top");
    let system = builder.start(Top(slot.clone(), part.trapping())).await.unwrap();
    (system, slot, journal)
}

#[test]
fn c7_the_systems_stop_serves_what_is_queued_first_and_refuses_new_work() {
    everywhere(async || {
        let (system, top, mut journal) = rooted(System::builder()).await;
        let (worker, mut work) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        worker.tell(Order::Await(closed)).unwrap();
        for note in 0..500 {
            worker.tell(Order::Note(note)).unwrap();
        }
        let address = top.address();
        // Actors may still talk to each other while the system drains.
        worker.tell(now(move |_, _| Ok(address.tell(Order::Note(1))?))).unwrap();
        let stopping = tokio::spawn({
            let system = system.clone();
            async move { system.stop().await }
        });
        let draining = |refused: Refused| refused.reason == Reason::Draining;
        until("it drains", || worker.reserve(Offer::within(ms(1))).is_err_and(draining)).await;
        assert_eq!(worker.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Draining);
        gate.send(()).unwrap();
        let report = stopping.await.unwrap();
        assert_eq!((report.undrained, report.stragglers.len()), (0, 0));
        assert_eq!(work.notes()[..500], (0..500).collect::<Vec<_>>());
        let rest = journal.rest();
        assert_eq!(rest, [Event::Init(1), Event::Note(1), Event::Terminate(ExitReason::Shutdown), Event::Dropped(1)]);
        let ended = system.ended().await;
        assert_eq!((ended.reason.clone(), ended.asked), (Some(ExitReason::Shutdown), true));
        ended.into_result().unwrap();
        lawful(&system).await;
        assert_eq!(law(&worker).undelivered, 0);
    });
}

#[test]
fn c7_a_drain_ends_at_its_time_and_says_what_was_not_served() {
    everywhere(async || {
        let (system, _top, _journal) = rooted(System::builder().drain(ms(20))).await;
        let (worker, _work) = puppet(&system).await;
        let (_gate, closed) = oneshot::channel();
        worker.tell(Order::Await(closed)).unwrap();
        for note in 0..10 {
            worker.tell(Order::Note(note)).unwrap();
        }
        let report = system.stop().await;
        assert_eq!(report.undrained, 11);
        until("the worker ended", || !worker.is_alive()).await;
        lawful(&system).await;
        assert_eq!((law(&worker).given_up, law(&worker).undelivered), (1, 10));
    });
}

#[test]
fn c7_a_system_ends_with_its_root_and_takes_everybody_along() {
    everywhere(async || {
        let (system, top, _journal) = rooted(System::builder()).await;
        let (worker, _work) = puppet(&system).await;
        let down = worker.down();
        top.tell(Order::Panic).unwrap();
        let ended = system.ended().await;
        assert!(!ended.asked && ended.reason.as_ref().is_some_and(|reason| reason.crash().is_some()));
        assert!(ended.into_result().is_err());
        assert_eq!(down.await.reason, ExitReason::Killed);
        until("it refuses", || worker.tell(Order::Note(0)).is_err()).await;
        assert_eq!(worker.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Gone);
        assert!(system.spawn::<Puppet>(part().0).await.is_err(), "nothing starts any more");
        lawful(&system).await;
    });
}

#[test]
fn c7_nothing_that_starts_while_a_system_ends_outlives_it() {
    on_two(async || {
        for _ in 0..50 {
            let system = bare();
            let spawner = tokio::spawn({
                let system = system.clone();
                async move {
                    let mut started = Vec::new();
                    while let Ok(actor) = system.launch::<Puppet>(part().0) {
                        started.push(actor);
                        tokio::task::yield_now().await;
                    }
                    started
                }
            });
            until("some have started", || system.snapshot().actors.len() > 3).await;
            system.stop().await;
            let started = spawner.await.unwrap();
            until("all have ended", || started.iter().all(|actor| !actor.is_alive())).await;
            lawful(&system).await;
        }
    });
}
