//! Hazard C5: a turn that cannot be killed. Its incarnation is abandoned and fenced; the slot goes on without it.

use std::sync::mpsc;
use std::time::Duration;

use crashworthy_runtime::{
    Abandoned, ActorRef, AskError, ExitReason, Offer, Pid, Reason, Reply, Signal, Slot, StartError, System,
};
use tokio::sync::oneshot;

use crate::stage::{
    Event, Nursery, Order, Puppet, Tally, act, bare, bare_with_letters, law, lawful, ms, now, on_two, part, puppet,
    trapping, until, who,
};

/// Has an actor block its thread in a handler, then go on with `after`.
async fn block(
    actor: &ActorRef<Puppet>,
    after: impl FnOnce(&mut crashworthy_runtime::Context<Puppet>) + Send + 'static,
) -> mpsc::Sender<()> {
    let (gate, closed) = mpsc::channel::<()>();
    let (inside, is_inside) = oneshot::channel();
    let order = now(move |_, cx| {
        let _ = inside.send(());
        let _ = closed.recv();
        after(cx);
        Ok(())
    });
    actor.tell(order).unwrap();
    is_inside.await.unwrap();
    gate
}

/// Kills and abandons an incarnation that is stuck in user code.
async fn abandon(system: &System, pid: Pid) {
    system.kill(pid);
    let mut abandoned = Abandoned::Busy;
    until("it is abandoned", || {
        abandoned = system.abandon(pid);
        abandoned != Abandoned::Busy
    })
    .await;
    assert_eq!(abandoned, Abandoned::Done);
}

#[test]
fn c5_an_abandoned_incarnation_is_told_of_at_once_and_the_next_one_answers() {
    on_two(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let gate = block(&nursery.slot, |_| ()).await;
        let stuck = nursery.slot.pid();
        let (watcher, mut downs) = puppet(&system).await;
        watcher
            .tell(now(move |_, cx| {
                cx.monitor(stuck);
                Ok(())
            }))
            .unwrap();
        watcher.settled().await;
        nursery.slot.tell(Order::Note(5)).unwrap();
        let down = nursery.slot.down();
        abandon(&system, stuck).await;
        let down = down.await;
        assert_eq!((down.pid, down.reason, down.abandoned), (stuck, ExitReason::Killed, true));
        assert!(matches!(downs.signal().await, Signal::Down(down) if down.abandoned && down.pid == stuck));
        assert_eq!(nursery.signals.signal().await, Signal::Exit { from: stuck, reason: ExitReason::Killed });
        assert_eq!(system.stragglers(), [stuck], "counted and named");
        assert_eq!(system.snapshot().stragglers, [stuck]);
        let next = nursery.start().await.unwrap();
        assert_eq!(next.incarnation, 2);
        assert_eq!(who(&nursery.slot).await, 2, "beside the stuck turn");
        assert_eq!(nursery.child.note().await, 5, "what was queued is read by the next incarnation");
        assert_eq!(system.stragglers(), [stuck]);
        drop(gate);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        assert_eq!(who(&nursery.slot).await, 2);
        lawful(&system).await;
        assert_eq!(law(&nursery.slot).given_up, 1);
    });
}

#[test]
fn c5_the_asker_of_the_message_in_hand_gets_died_at_once() {
    on_two(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = mpsc::channel::<()>();
        let address = actor.clone();
        let asked = tokio::spawn(async move {
            let make = |reply: Reply<u64>| {
                now(move |_, _| {
                    let _ = closed.recv();
                    reply.send(1);
                    Ok(())
                })
            };
            address.ask(make).within(Duration::from_secs(60)).await
        });
        until("it is in hand", || actor.law().in_hand == 1).await;
        abandon(&system, actor.pid()).await;
        assert_eq!(asked.await.unwrap(), Err(AskError::Died));
        drop(gate);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        lawful(&system).await;
    });
}

#[test]
fn c5_an_incarnation_abandoned_after_an_answer_leaves_nothing_behind() {
    on_two(async || {
        let system = bare();
        let ((asker, _), (other, _)) = (puppet(&system).await, puppet(&system).await);
        let (answers, answer) = oneshot::channel();
        let (inside, is_inside) = oneshot::channel();
        let (gate, closed) = mpsc::channel::<()>();
        let asked = other.clone();
        let order = act(move |_, _| {
            Box::pin(async move {
                let late = |reply: Reply<u64>| {
                    act(move |_, _| {
                        Box::pin(async move {
                            answer.await.expect("the test goes on");
                            reply.send(1);
                            Ok(())
                        })
                    })
                };
                assert_eq!(asked.ask(late).within(Duration::from_secs(60)).await, Ok(1));
                let _ = inside.send(());
                let _ = closed.recv();
                Ok(())
            })
        });
        asker.tell(order).unwrap();
        let pid = asker.pid();
        until("it is seen to wait", || system.inspect(pid).is_some_and(|shot| shot.waits_for.is_some())).await;
        answers.send(()).unwrap();
        is_inside.await.unwrap();
        abandon(&system, pid).await;
        drop(gate);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        drop(asker);
        // What the actor waited for knows whom to wake: kept in its cell, it would keep the cell.
        until("it is forgotten", || system.snapshot().actors.iter().all(|shot| shot.pid != pid)).await;
    });
}

#[test]
fn c5_nothing_a_straggler_does_later_counts() {
    on_two(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let (other, mut heard) = trapping(&system).await;
        let (results, mut said) = tokio::sync::mpsc::unbounded_channel();
        let kept = other.reserve(Offer::within(ms(60_000))).unwrap();
        let (address, pid, of) = (other.clone(), other.pid(), system.clone());
        let after = move |cx: &mut crashworthy_runtime::Context<Puppet>| {
            let told = address.tell(Order::Note(1)).map_err(|rejected| rejected.why.reason);
            let reserved = address.reserve(Offer::within(ms(60_000))).map(drop).map_err(|why| why.reason);
            let sent = kept.send(Order::Note(2)).map_err(|rejected| rejected.why.reason);
            let own = cx.send_self(Order::Note(3)).map_err(|why| why.reason);
            let _ = results.send([told, reserved, sent, own]);
            // None of these must reach anybody either.
            cx.send_after(Duration::ZERO, Order::Note(4));
            let _ = cx.exit(pid, ExitReason::Shutdown);
            cx.kill(pid);
            cx.link(pid);
            cx.monitor(pid);
            let _ = cx.register("usurper");
            cx.join("usurpers");
            let _ = of;
        };
        let gate = block(&nursery.slot, after).await;
        let stuck = nursery.slot.pid();
        abandon(&system, stuck).await;
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        drop(gate);
        assert_eq!(said.recv().await.unwrap(), [Err(Reason::Fenced); 4]);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        assert_eq!(who(&other).await, 1, "it was not killed");
        other.settled().await;
        assert_eq!(heard.rest(), []);
        assert_eq!(system.registered(), []);
        assert!(system.members::<Puppet>("usurpers").is_empty());
        let shot = system.inspect(nursery.slot.pid()).unwrap();
        assert_eq!((shot.links, shot.monitors.len()), (vec![nursery.parent.pid()], 0), "the next one inherits nothing");
        assert_eq!(who(&nursery.slot).await, 2);
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), []);
        assert_eq!(other.load().depth, 0, "its permit gave the place back");
        lawful(&system).await;
    });
}

#[test]
fn c5_a_stragglers_asks_and_replies_are_fenced() {
    on_two(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (other, _other) = puppet(&system).await;
        let (gate, closed) = mpsc::channel::<()>();
        let (inside, is_inside) = oneshot::channel();
        let (says, said) = oneshot::channel();
        let (reply, answer) = Reply::pair();
        let order = now(move |_, cx| {
            let _ = inside.send(());
            let _ = closed.recv();
            let checked = cx.check();
            let mut ask = std::pin::pin!(other.ask(|reply| Order::Echo(7, reply)));
            let mut poller = std::task::Context::from_waker(std::task::Waker::noop());
            let asked = ask.as_mut().poll(&mut poller);
            reply.send(1_u64);
            let _ = says.send((checked, asked));
            Ok(())
        });
        actor.tell(order).unwrap();
        is_inside.await.unwrap();
        abandon(&system, actor.pid()).await;
        drop(gate);
        let (checked, asked) = said.await.unwrap();
        assert_eq!(checked, Err(AskError::Fenced));
        assert_eq!(asked, std::task::Poll::Ready(Err(AskError::Fenced)));
        assert_eq!(answer.await, Err(AskError::Unanswered), "its answer does not count");
    });
}

#[test]
fn c5_a_second_straggler_of_one_slot_is_refused() {
    on_two(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let first = block(&nursery.slot, |_| ()).await;
        abandon(&system, nursery.slot.pid()).await;
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        // Only one worker is left, and the next handler would take it: from a thread of the test's own.
        let (of, slot) = (system.clone(), nursery.slot.clone());
        let (gate, closed) = mpsc::channel::<()>();
        let (inside, is_inside) = mpsc::channel();
        let order = now(move |_, _| {
            let _ = inside.send(());
            let _ = closed.recv();
            Ok(())
        });
        let abandoner = std::thread::spawn(move || {
            slot.tell(order).unwrap();
            is_inside.recv().unwrap();
            of.kill(slot.pid());
            let again = loop {
                match of.abandon(slot.pid()) {
                    Abandoned::Busy => std::thread::yield_now(),
                    other => break other,
                }
            };
            drop((first, gate));
            again
        });
        assert_eq!(abandoner.join().unwrap(), Abandoned::Straggling);
        nursery.signals.signal().await;
        until("both have returned", || system.stragglers().is_empty()).await;
        nursery.start().await.unwrap();
        assert_eq!(who(&nursery.slot).await, 3);
        lawful(&system).await;
    });
}

#[test]
fn c5_what_has_ended_or_is_in_the_runtimes_hands_is_not_abandoned() {
    on_two(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let pid = actor.pid();
        assert_eq!(system.abandon(pid), Abandoned::Busy, "no turn of it is stuck");
        let down = actor.down();
        system.kill(pid);
        down.await;
        assert_eq!(system.abandon(pid), Abandoned::Ended);
        assert_eq!(system.stragglers(), []);
    });
}

#[test]
fn c5_the_state_of_an_abandoned_incarnation_is_dropped_contained_when_its_turn_returns() {
    on_two(async || {
        let system = bare();
        let drops = Tally::default();
        let counted = drops.clone();
        let as_what = move |part: crate::stage::Part| {
            part.dropped(move || {
                counted.bump();
                panic!("in drop")
            })
        };
        let mut nursery = Nursery::with(&system, Slot::named("till"), as_what).await;
        let gate = block(&nursery.slot, |_| panic!("out of a stuck turn")).await;
        abandon(&system, nursery.slot.pid()).await;
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        assert_eq!(drops.get(), 0);
        drop(gate);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        assert_eq!(drops.get(), 1);
        assert_eq!(who(&nursery.slot).await, 2);
        let events = nursery.child.rest();
        assert!(!events.iter().any(|event| matches!(event, Event::Terminate(_))), "{events:?}");
        lawful(&system).await;
    });
}

#[test]
fn c5_an_abandoned_init_ends_its_start() {
    on_two(async || {
        let system = bare();
        let (gate, closed) = mpsc::channel::<()>();
        let (inside, is_inside) = oneshot::channel();
        let (stuck, _journal) = part();
        let stuck = stuck.init(move |cx| {
            let _ = inside.send(cx.pid());
            let _ = closed.recv();
            Box::pin(async { Ok(()) })
        });
        let of = system.clone();
        let started = tokio::spawn(async move { of.spawn::<Puppet>(stuck).await.map(|actor| actor.pid()) });
        abandon(&system, is_inside.await.unwrap()).await;
        assert_eq!(started.await.unwrap(), Err(StartError::Failed(ExitReason::Killed)));
        drop(gate);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        lawful(&system).await;
    });
}

#[test]
fn c5_the_message_in_hand_of_an_abandoned_incarnation_reaches_the_hook() {
    on_two(async || {
        let (system, mut letters) = bare_with_letters();
        let (actor, _journal) = puppet(&system).await;
        let gate = block(&actor, |_| ()).await;
        abandon(&system, actor.pid()).await;
        let fallen = letters.recv().await.unwrap();
        assert_eq!((fallen.kind, fallen.to), ("Do", actor.pid()));
        drop(gate);
        until("the turn has returned", || system.stragglers().is_empty()).await;
        assert_eq!(system.dead_letters(), (1, 0), "once");
    });
}

/// Nothing of a turn is refused as long as it may still turn out that it is not abandoned.
#[test]
fn c5_an_attempt_to_abandon_that_comes_to_nothing_leaves_no_trace() {
    on_two(async || {
        let system = bare();
        for _ in 0..100 {
            let (actor, _journal) = puppet(&system).await;
            let tried = std::thread::spawn({
                let (system, pid) = (system.clone(), actor.pid());
                move || (0..20_000).all(|_| system.abandon(pid) == Abandoned::Busy)
            });
            loop {
                match actor.ask(|reply| Order::Echo(7, reply)).within(Duration::from_secs(100)).await {
                    Ok(answer) => assert_eq!(answer, 7),
                    Err(AskError::Died | AskError::Refused(_)) => break,
                    Err(other) => panic!("its handler answers: {other:?}"),
                }
                if tried.is_finished() {
                    break;
                }
            }
            tried.join().unwrap();
            system.kill(actor.pid());
        }
        until("its turns have returned", || system.stragglers().is_empty()).await;
    });
}
