//! Futures and streams that run beside an actor: their results come as messages, their source feels back pressure, and
//! they end with the incarnation.

use std::pin::Pin;
use std::sync::mpsc as blocking;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use crashworthy_runtime::{Abandoned, AskError, Offer, Reason, Reply, Signal, Slot, System};
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::stage::{
    Nursery, Order, SOON, Tally, act, bare, does, everywhere, law, lawful, ms, now, on_two, puppet, trapping, until,
    who,
};

/// Counts up to a limit; remembers how often it was pulled, and when it went.
struct Numbers {
    next: u64,
    limit: u64,
    pulled: Tally,
    _kept: Option<mpsc::Sender<()>>,
}

impl Numbers {
    fn up_to(limit: u64) -> (Self, Tally) {
        let pulled = Tally::default();
        (Self { next: 0, limit, pulled: pulled.clone(), _kept: None }, pulled)
    }
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<Option<u64>> {
        if self.next == self.limit {
            return Poll::Ready(None);
        }
        self.pulled.bump();
        self.next += 1;
        Poll::Ready(Some(self.next))
    }
}

/// What the channel brings.
struct Received(mpsc::Receiver<u64>);

impl Stream for Received {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<u64>> {
        self.0.poll_recv(cx)
    }
}

#[test]
fn a_piped_future_runs_beside_the_actor_and_its_result_comes_as_a_message() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (sends, sent) = oneshot::channel::<u64>();
        does(&actor, |cx| cx.pipe(sent, |value| Order::Note(value.unwrap_or(0)))).await.unwrap();
        assert_eq!(who(&actor).await, 1, "it serves meanwhile");
        sends.send(7).unwrap();
        assert_eq!(journal.note().await, 7);
        lawful(&system).await;
    });
}

#[test]
fn a_full_mailbox_does_not_swallow_the_result_of_a_pipe() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous().mailbox(1).unwrap()).await;
        let (gate, closed) = oneshot::channel::<()>();
        let order = act(move |_, cx| {
            let piped = cx.pipe(async { 1 }, Order::Note);
            Box::pin(async move {
                piped?;
                let _ = closed.await;
                Ok(())
            })
        });
        nursery.slot.tell(order).unwrap();
        until("it is in hand", || nursery.slot.law().in_hand == 1).await;
        nursery.slot.tell(Order::Note(2)).unwrap();
        until("the result is queued", || nursery.slot.law().queued == 2).await;
        drop(gate);
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), [1, 2]);
        lawful(&system).await;
    });
}

#[test]
fn every_item_of_a_stream_comes_in_order_and_then_its_end() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (numbers, _) = Numbers::up_to(200);
        does(&actor, |cx| cx.pipe_stream(numbers, Order::Note, || Order::Note(1_000))).await.unwrap();
        for number in 1..=200 {
            assert_eq!(journal.note().await, number);
        }
        assert_eq!(journal.note().await, 1_000);
        lawful(&system).await;
        assert_eq!(law(&actor).handled, 202);
    });
}

#[test]
fn a_stream_is_pulled_only_when_the_item_before_has_been_handled() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (numbers, pulled) = Numbers::up_to(3);
        // The handler of each item awaits a gate of its own.
        let (gates, mut closed) = mpsc::channel::<oneshot::Receiver<()>>(3);
        let mut opens = Vec::new();
        for _ in 0..3 {
            let (open, gate) = oneshot::channel();
            opens.push(open);
            gates.send(gate).await.unwrap();
        }
        let item = move |number| {
            let gate = closed.try_recv().unwrap();
            act(move |puppet, _| {
                Box::pin(async move {
                    puppet.note(number);
                    let _ = gate.await;
                    Ok(())
                })
            })
        };
        does(&actor, |cx| cx.pipe_stream(numbers, item, || Order::Note(9))).await.unwrap();
        for (number, open) in (1..=3).zip(opens) {
            assert_eq!(journal.note().await, number);
            // Others run as long as they like: nothing more is pulled.
            let (others, _journal) = puppet(&system).await;
            assert_eq!(who(&others).await, 1);
            assert_eq!((pulled.get(), actor.law().queued), (number, 0));
            drop(open);
        }
        assert_eq!(journal.note().await, 9);
        lawful(&system).await;
    });
}

#[test]
fn back_pressure_reaches_the_source_of_a_stream() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (source, received) = mpsc::channel(2);
        let (gate, closed) = oneshot::channel();
        does(&actor, |cx| cx.pipe_stream(Received(received), Order::Note, || Order::Note(1_000))).await.unwrap();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        // One waits unread, two in the channel.
        for number in 0..3 {
            source.send(number).await.unwrap();
        }
        until("one waits unread", || actor.law().queued == 1).await;
        assert!(source.try_send(3).is_err(), "nobody takes more");
        drop(gate);
        for number in 0..3 {
            assert_eq!(journal.note().await, number);
        }
        source.send(3).await.unwrap();
        drop(source);
        assert_eq!((journal.note().await, journal.note().await), (3, 1_000));
        lawful(&system).await;
    });
}

#[test]
fn an_actor_whose_streams_always_have_something_reads_its_mailbox_all_the_same() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        does(&actor, |cx| {
            for _ in 0..20 {
                let (numbers, _) = Numbers::up_to(u64::MAX);
                let nothing = |_| now(|_, _| Ok(()));
                cx.pipe_stream(numbers, nothing, || Order::Note(0)).unwrap();
            }
        })
        .await;
        for note in 0..100 {
            actor.tell(Order::Note(note)).unwrap();
        }
        for note in 0..100 {
            assert_eq!(journal.note().await, note);
        }
        let down = actor.down();
        actor.tell(Order::Exit(crashworthy_runtime::ExitReason::Normal)).unwrap();
        down.await;
        lawful(&system).await;
    });
}

#[test]
fn pipes_end_with_the_incarnation_that_started_them() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        let (kept, mut future_gone) = mpsc::channel::<()>(1);
        let (also_kept, mut stream_gone) = mpsc::channel::<()>(1);
        does(&nursery.slot, |cx| {
            let future = async move {
                let _kept = kept;
                std::future::pending::<u64>().await
            };
            cx.pipe(future, Order::Note).unwrap();
            let (mut numbers, _) = Numbers::up_to(u64::MAX);
            numbers._kept = Some(also_kept);
            cx.pipe_stream(numbers, |_| now(|_, _| Ok(())), || Order::Note(0)).unwrap();
        })
        .await;
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        assert_eq!((future_gone.recv().await, stream_gone.recv().await), (None, None), "both are dropped");
        nursery.child.rest();
        nursery.start().await.unwrap();
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), []);
        lawful(&system).await;
    });
}

#[test]
fn a_panic_in_a_pipe_is_an_exit_signal_of_the_actor_to_itself() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        does(&actor, |cx| cx.pipe(async { panic!("in the pipe") }, Order::Note)).await.unwrap();
        assert_eq!(down.await.reason.crash().map(|crash| crash.message.clone()).as_deref(), Some("in the pipe"));

        let (actor, mut journal) = trapping(&system).await;
        does(&actor, |cx| cx.pipe(async { 1 }, |_| panic!("what makes the message"))).await.unwrap();
        let Signal::Exit { from, reason } = journal.signal().await else { panic!("an exit signal") };
        assert_eq!((from, reason.crash().is_some()), (actor.pid(), true));
        assert_eq!(who(&actor).await, 1, "it was trapped");
        lawful(&system).await;
    });
}

#[test]
fn pipes_have_a_limit_and_those_that_ended_make_room() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (opens, gate) = tokio::sync::watch::channel(false);
        let refused = does(&actor, move |cx| {
            for note in 0..1024 {
                let mut gate = gate.clone();
                let opened = async move {
                    let _ = gate.wait_for(|open| *open).await;
                    note
                };
                cx.pipe(opened, Order::Note).unwrap();
            }
            cx.pipe(async { 0 }, Order::Note).unwrap_err().reason
        });
        assert_eq!(refused.await, Reason::Full);
        opens.send(true).unwrap();
        let mut notes = Vec::new();
        while notes.len() < 1024 {
            notes.push(journal.note().await);
        }
        notes.sort_unstable();
        assert_eq!(notes, (0..1024).collect::<Vec<_>>());
        let mut piped = false;
        while !piped {
            // The task of the last one may still be on its way out.
            piped = does(&actor, |cx| cx.pipe(async { 5 }, Order::Note).is_ok()).await;
        }
        assert_eq!(journal.note().await, 5);
        lawful(&system).await;
    });
}

#[test]
fn a_pipe_runs_in_the_call_being_handled() {
    everywhere(async || {
        let system = bare();
        let (back, _back) = puppet(&system).await;
        let (_gate, closed) = oneshot::channel();
        back.tell(Order::Await(closed)).unwrap();
        let (front, _front) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let to = back.clone();
        let make = |reply: Reply<u64>| {
            now(move |_, cx| {
                let asks = async move { to.ask(|reply| Order::Echo(1, reply)).within(Duration::from_secs(60)).await };
                Ok(cx.pipe(asks, |answer| {
                    let _ = says.send(answer);
                    drop(reply);
                    Order::Note(1)
                })?)
            })
        };
        let asked = front.ask(make).within(SOON).await;
        assert!(matches!(asked, Err(AskError::Expired | AskError::Unanswered)), "{asked:?}");
        assert_eq!(said.await.unwrap(), Err(AskError::Expired), "its question ended with the call");
        system.kill(back.pid());
        lawful(&system).await;
    });
}

#[test]
fn an_answer_may_come_from_a_pipe_while_the_actor_serves_others() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (sends, sent) = oneshot::channel::<u64>();
        let make = |reply: Reply<u64>| {
            now(move |_, cx| {
                let answered = |value: Result<u64, _>| {
                    now(move |_, _| {
                        reply.send(value?);
                        Ok(())
                    })
                };
                Ok(cx.pipe(sent, answered)?)
            })
        };
        let asked = tokio::spawn({
            let actor = actor.clone();
            async move { actor.ask(make).await }
        });
        until("it was handled", || actor.law().handled == 1).await;
        assert_eq!(who(&actor).await, 1);
        sends.send(42).unwrap();
        assert_eq!(asked.await.unwrap(), Ok(42));
        lawful(&system).await;
    });
}

#[test]
fn a_drain_does_not_refuse_what_a_pipe_sends_for_its_actor() {
    everywhere(async || {
        let system = System::builder().drain(Duration::from_secs(60)).bare().unwrap();
        let (back, mut journal) = puppet(&system).await;
        let (busy, _busy) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        busy.tell(Order::Await(closed)).unwrap();
        until("it is busy", || busy.law().in_hand == 1).await;
        let (front, _front) = puppet(&system).await;
        let (opens, opened) = oneshot::channel::<()>();
        let to = back.clone();
        does(&front, |cx| {
            let tells = async move {
                let _ = opened.await;
                to.tell(Order::Note(1)).map_err(|rejected| rejected.why.reason)
            };
            cx.pipe(tells, |told| {
                now(move |puppet, _| {
                    puppet.note(u64::from(told.is_ok()));
                    Ok(())
                })
            })
        })
        .await
        .unwrap();
        let stopping = tokio::spawn({
            let system = system.clone();
            async move { system.stop().await }
        });
        // Not by messages: a mailbox that is full of them would refuse the one that is waited for.
        let is_draining = || back.reserve(Offer::within(ms(1))).is_err_and(|why| why.reason == Reason::Draining);
        until("it drains", is_draining).await;
        opens.send(()).unwrap();
        while journal.note().await != 1 {}
        drop(gate);
        assert_eq!(stopping.await.unwrap().undrained, 0);
    });
}

#[test]
fn what_an_abandoned_incarnation_piped_is_fenced_like_its_turn() {
    on_two(async || {
        let system = bare();
        let nursery = Nursery::open(&system, Slot::named("till")).await;
        let (witness, mut journal) = puppet(&system).await;
        let (opens, opened) = oneshot::channel::<()>();
        let (says, said) = oneshot::channel();
        let (begins, begun) = oneshot::channel();
        let to = witness.clone();
        does(&nursery.slot, |cx| {
            let tells = async move {
                let _ = begins.send(());
                let _ = opened.await;
                let told = to.tell(Order::Note(1)).map_err(|rejected| rejected.why.reason);
                let asked = to.ask(|reply| Order::Echo(1, reply)).await;
                let _ = says.send((told, asked));
                2
            };
            cx.pipe(tells, Order::Note)
        })
        .await
        .unwrap();
        // It waits already when its actor blocks a thread.
        begun.await.unwrap();
        let (inside, is_inside) = oneshot::channel();
        let (gate, closed) = blocking::channel::<()>();
        let order = now(move |_, _| {
            let _ = inside.send(());
            let _ = closed.recv();
            Ok(())
        });
        nursery.slot.tell(order).unwrap();
        is_inside.await.unwrap();
        let stuck = nursery.slot.pid();
        system.kill(stuck);
        until("it is abandoned", || system.abandon(stuck) == Abandoned::Done).await;
        opens.send(()).unwrap();
        assert_eq!(said.await.unwrap(), (Err(Reason::Fenced), Err(AskError::Fenced)));
        drop(gate);
        until("the straggler has returned", || system.stragglers().is_empty()).await;
        witness.settled().await;
        assert_eq!(journal.notes(), []);
        lawful(&system).await;
    });
}

#[test]
fn blocking_code_runs_beside_the_threads_of_the_actors_and_its_panic_is_an_exit() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (gate, closed) = blocking::channel::<()>();
        let order = act(move |puppet, cx| {
            let running = cx.run_blocking(move || {
                let _ = closed.recv();
                5
            });
            Box::pin(async move {
                let value = running.await?;
                puppet.note(value);
                Ok(())
            })
        });
        actor.tell(order).unwrap();
        until("it awaits", || actor.law().in_hand == 1).await;
        let (other, _other) = puppet(&system).await;
        assert_eq!(who(&other).await, 1, "nobody else is blocked");
        drop(gate);
        assert_eq!(journal.note().await, 5);
        let down = actor.down();
        let order = act(|_, cx| {
            let running = cx.run_blocking(|| panic!("while it blocks"));
            Box::pin(running)
        });
        actor.tell(order).unwrap();
        assert_eq!(down.await.reason.crash().map(|crash| crash.message.clone()).as_deref(), Some("while it blocks"));
        lawful(&system).await;
    });
}
