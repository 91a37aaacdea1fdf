//! Hazard C1: `Down` and trapped exits keep their place among the messages; what ends an actor overtakes them.

use crashworthy_runtime::{ExitReason, Signal};
use tokio::sync::oneshot;

use crate::stage::{Event, Order, Puppet, act, bare, everywhere, lawful, now, puppet, trapping, until};
use crashworthy_runtime::{ActorRef, Pid};

/// Has one actor send notes to another and die.
fn send_and_die(from: &ActorRef<Puppet>, to: &ActorRef<Puppet>, notes: u64) {
    let to = to.clone();
    let order = now(move |_, _| {
        for note in 0..notes {
            to.tell(Order::Note(note))?;
        }
        panic!("having said everything")
    });
    from.tell(order).unwrap();
}

fn watch(watcher: &ActorRef<Puppet>, pid: Pid) {
    watcher
        .tell(now(move |_, cx| {
            cx.monitor(pid);
            Ok(())
        }))
        .unwrap();
}

#[test]
fn c1_what_an_actor_sent_before_it_died_is_read_before_its_down() {
    everywhere(async || {
        let system = bare();
        let (watcher, mut journal) = puppet(&system).await;
        let (dying, _kept) = puppet(&system).await;
        watch(&watcher, dying.pid());
        watcher.settled().await;
        // The watcher is busy while everything arrives, so that only the places decide.
        let (gate, closed) = oneshot::channel();
        watcher.tell(Order::Await(closed)).unwrap();
        let down = dying.down();
        send_and_die(&dying, &watcher, 300);
        down.await;
        gate.send(()).unwrap();
        for note in 0..300 {
            assert_eq!(journal.next().await, Event::Note(note));
        }
        let Event::Signal(Signal::Down(down)) = journal.next().await else { panic!("the Down comes last") };
        assert_eq!(down.pid, dying.pid());
        assert!(down.reason.crash().is_some() && !down.abandoned);
        lawful(&system).await;
    });
}

#[test]
fn c1_a_trapped_exit_is_read_after_what_its_sender_sent() {
    everywhere(async || {
        let system = bare();
        let (trapper, mut journal) = trapping(&system).await;
        let (dying, _kept) = puppet(&system).await;
        let (pid, other) = (dying.pid(), trapper.clone());
        trapper
            .tell(now(move |_, cx| {
                cx.link(pid);
                Ok(())
            }))
            .unwrap();
        trapper.settled().await;
        let (gate, closed) = oneshot::channel();
        trapper.tell(Order::Await(closed)).unwrap();
        let down = dying.down();
        send_and_die(&dying, &other, 100);
        down.await;
        // What others send after the exit is read after it.
        trapper.tell(Order::Note(100)).unwrap();
        gate.send(()).unwrap();
        for note in 0..100 {
            assert_eq!(journal.next().await, Event::Note(note));
        }
        assert!(matches!(journal.next().await, Event::Signal(Signal::Exit { from, .. }) if from == pid));
        assert_eq!(journal.next().await, Event::Note(100));
        lawful(&system).await;
    });
}

#[test]
fn c1_a_trapped_exit_that_is_full_of_signals_keeps_their_order() {
    everywhere(async || {
        let system = bare();
        let (trapper, mut journal) = trapping(&system).await;
        let (from, _kept) = puppet(&system).await;
        let (to, pid) = (trapper.clone(), trapper.pid());
        let order = now(move |_, cx| {
            for note in 0..50 {
                to.tell(Order::Note(note))?;
                cx.exit(pid, ExitReason::ShutdownWith(note.to_string()))?;
            }
            Ok(())
        });
        from.tell(order).unwrap();
        for note in 0..50_u64 {
            assert_eq!(journal.next().await, Event::Note(note));
            let reason = ExitReason::ShutdownWith(note.to_string());
            assert_eq!(journal.next().await, Event::Signal(Signal::Exit { from: from.pid(), reason }));
        }
        lawful(&system).await;
    });
}

/// An actor that awaits in a handler, with a thousand messages behind it.
async fn flooded(actor: &ActorRef<Puppet>) -> oneshot::Sender<()> {
    let (gate, closed) = oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    until("the gate is in hand", || actor.law().in_hand == 1).await;
    for note in 0..1_000 {
        actor.tell(Order::Note(note)).unwrap();
    }
    gate
}

#[test]
fn c1_an_exit_that_is_not_trapped_overtakes_a_thousand_messages_and_an_awaiting_handler() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let _gate = flooded(&actor).await;
        let down = actor.down();
        system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
        assert_eq!(down.await.reason, ExitReason::Shutdown);
        assert_eq!(journal.notes(), []);
        lawful(&system).await;
    });
}

#[test]
fn c1_a_kill_overtakes_a_thousand_messages_and_reaches_an_awaiting_handler() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = trapping(&system).await;
        let _gate = flooded(&actor).await;
        let down = actor.down();
        system.kill(actor.pid());
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(journal.rest(), [Event::Dropped(1)], "no callback runs after a kill");
        lawful(&system).await;
    });
}

#[test]
fn c1_a_kill_is_obeyed_between_two_messages_of_a_flood() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (system_of, pid) = (system.clone(), actor.pid());
        let order = act(move |_, _| {
            Box::pin(async move {
                system_of.kill(pid);
                Ok(())
            })
        });
        let down = actor.down();
        // On one thread everything is queued before the first turn; on two some of it is read before the kill.
        for note in 0..10 {
            actor.tell(Order::Note(note)).unwrap();
        }
        actor.tell(order).unwrap();
        for note in 10..500 {
            // The actor may have died already.
            let _ = actor.tell(Order::Note(note));
        }
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(journal.notes(), (0..10).collect::<Vec<_>>());
        lawful(&system).await;
    });
}
