//! What whoever looks after a running system from outside may do to one actor.

use crashworthy_runtime::{ExitReason, Reason, Signal, StartError, State};

use crate::stage::{Event, Order, Part, bare, cast, everywhere, lawful, ms, pends, puppet, until, who};

fn because() -> ExitReason {
    ExitReason::ShutdownWith("console: too slow".into())
}

#[test]
fn an_actor_that_is_asked_to_stop_ends_in_order_and_with_the_reason_given() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = cast(&system, Part::trapping).await;
        let (watcher, mut signals) = puppet(&system).await;
        let pid = actor.pid();
        crate::stage::does(&watcher, move |cx| cx.monitor(pid)).await;
        // Suspended it reads the request all the same, and before what is queued.
        system.suspend(pid);
        actor.tell(Order::Note(1)).unwrap();
        system.stop_actor(pid, because());
        system.stop_actor(pid, ExitReason::Shutdown);
        assert!(matches!(signals.signal().await, Signal::Down(down) if down.pid == pid && down.reason == because()));
        let seen: Vec<_> = std::iter::once(journal.next().await).chain([journal.next().await]).collect();
        assert_eq!(seen, [Event::Terminate(because()), Event::Dropped(1)]);
        // To the dead it is a no-op.
        system.stop_actor(pid, because());
        assert_eq!(who(&watcher).await, 1);
        lawful(&system).await;
    });
}

#[test]
fn the_room_of_a_mailbox_is_changed_while_its_actor_runs() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let pid = actor.pid();
        system.suspend(pid);
        until("it is suspended", || system.inspect(pid).is_some_and(|seen| seen.state == State::Suspended)).await;
        for note in 0..3 {
            actor.tell(Order::Note(note)).unwrap();
        }
        system.set_mailbox(pid, 2).unwrap();
        assert_eq!((actor.load().depth, actor.load().limit), (3, 2), "what is beyond stays queued");
        assert_eq!(actor.tell(Order::Note(9)).unwrap_err().why.reason, Reason::Full);
        // Whoever waits for room is let in when there is more of it.
        let mut waits = Box::pin(actor.admitted(ms(60_000)));
        assert!(pends(waits.as_mut()).await);
        system.set_mailbox(pid, 8).unwrap();
        assert!(waits.await.unwrap().send(Order::Note(3)).is_ok());
        system.resume(pid);
        actor.settled().await;
        assert_eq!(journal.notes(), [0, 1, 2, 3]);

        for wrong in [0, crashworthy_runtime::LARGEST_MAILBOX + 1] {
            assert!(matches!(system.set_mailbox(pid, wrong), Err(StartError::Setting(why)) if why.contains("allowed")));
        }
        let down = actor.down();
        system.kill(pid);
        down.await;
        system.set_mailbox(pid, 1).unwrap();
        assert_eq!(actor.load().limit, 8, "to the dead it is a no-op");
        lawful(&system).await;
    });
}
