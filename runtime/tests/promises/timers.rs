//! Messages an actor sends to itself, now, later or again and again: a place of their own, an end with the incarnation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crashworthy_runtime::{
    Abandoned, ActorRef, AskError, Context, ExitReason, Reason, Signal, Slot, StartError, TimerRef,
};
use tokio::sync::oneshot;

use crate::stage::{
    Nursery, Order, Puppet, act, bare, cast, does, everywhere, law, lawful, ms, now, on_two, poll_elsewhere, puppet,
    trapping, until, who,
};

/// Keeps an actor busy until the gate opens.
async fn occupy(actor: &ActorRef<Puppet>) -> oneshot::Sender<()> {
    let (gate, closed) = oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    until("it is busy", || actor.law().in_hand == 1).await;
    gate
}

/// An order that sends itself again until it is enough.
fn chatter(enough: Arc<AtomicBool>) -> Order {
    now(move |_, cx| {
        if !enough.load(Ordering::SeqCst) {
            cx.send_self(chatter(enough))?;
        }
        Ok(())
    })
}

#[test]
fn a_message_to_oneself_comes_before_what_is_queued() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let gate = occupy(&actor).await;
        let order = now(|_, cx| {
            (0..3).try_for_each(|note| cx.send_self(Order::Note(note)))?;
            Ok(())
        });
        actor.tell(order).unwrap();
        actor.tell(Order::Note(3)).unwrap();
        drop(gate);
        actor.settled().await;
        assert_eq!(journal.notes(), [0, 1, 2, 3]);
        lawful(&system).await;
    });
}

#[test]
fn an_actor_that_always_sends_to_itself_reads_its_mailbox_all_the_same() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let enough = Arc::new(AtomicBool::new(false));
        actor.tell(chatter(enough.clone())).unwrap();
        for note in 0..100 {
            actor.tell(Order::Note(note)).unwrap();
        }
        for note in 0..100 {
            assert_eq!(journal.note().await, note);
        }
        assert_eq!(who(&actor).await, 1);
        enough.store(true, Ordering::SeqCst);
        lawful(&system).await;
    });
}

#[test]
fn an_actor_that_reads_its_mailbox_always_reads_its_own_messages_all_the_same() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        // Tells itself through its mailbox, for ever.
        fn again(enough: Arc<AtomicBool>) -> Order {
            now(move |_, cx| {
                if !enough.load(Ordering::SeqCst) {
                    cx.address().tell(again(enough))?;
                }
                Ok(())
            })
        }
        let enough = Arc::new(AtomicBool::new(false));
        actor.tell(again(enough.clone())).unwrap();
        does(&actor, |cx| cx.send_self(Order::Note(1)).unwrap()).await;
        does(&actor, |cx| cx.send_after(Duration::ZERO, Order::Note(2))).await;
        assert_eq!((journal.note().await, journal.note().await), (1, 2));
        enough.store(true, Ordering::SeqCst);
        lawful(&system).await;
    });
}

#[test]
fn messages_to_oneself_have_a_limit() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let refused = does(&actor, |cx| {
            for note in 0..1024 {
                cx.send_self(Order::Note(note)).unwrap();
            }
            cx.send_self(Order::Note(1024)).unwrap_err().reason
        });
        assert_eq!(refused.await, Reason::Full);
        actor.settled().await;
        assert_eq!(journal.notes(), (0..1024).collect::<Vec<_>>());
        lawful(&system).await;
    });
}

#[test]
fn settled_waits_for_messages_with_places_of_their_own() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let gate = occupy(&actor).await;
        let (second_gate, closed) = oneshot::channel();
        actor
            .tell(now(|_, cx| {
                cx.send_self(Order::Await(closed))?;
                cx.send_self(Order::Note(1))?;
                Ok(())
            }))
            .unwrap();
        drop(gate);
        until("it awaits the second gate", || actor.law().in_hand == 1 && actor.law().handled == 2).await;
        let mut settled = Box::pin(actor.settled());
        assert!(poll_elsewhere(&mut settled).is_pending());
        drop(second_gate);
        settled.await;
        assert_eq!(journal.notes(), [1]);
        assert_eq!(law(&actor).handled, 4, "what it waited for has been counted");

        // What is sent after the call is not waited for: else an actor with an interval would never settle.
        let enough = Arc::new(AtomicBool::new(false));
        actor.tell(chatter(enough.clone())).unwrap();
        actor.settled().await;
        enough.store(true, Ordering::SeqCst);
        lawful(&system).await;
    });
}

#[test]
fn a_message_sent_after_a_while_comes_once_and_never_early() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        loop {
            let begun = system.now();
            let armed = does(&actor, |cx| {
                let begun = cx.system().now();
                cx.send_after(ms(30), Order::Note(3));
                cx.send_after(ms(20), Order::Note(2));
                cx.send_after(Duration::ZERO, Order::Note(1));
                cx.send_after(Duration::MAX, Order::Note(4));
                cx.system().now() - begun
            })
            .await;
            let mut came = Vec::new();
            for _ in 0..3 {
                let note = journal.note().await;
                let after = [ms(0), ms(20), ms(30)][note as usize - 1];
                assert!(system.now() - begun >= after, "{note} is early");
                came.push(note);
            }
            actor.settled().await;
            assert_eq!(journal.notes(), []);
            // Each time begins when it is named: a machine that stands still between two of them has changed their order.
            if armed < ms(10) {
                break assert_eq!(came, [1, 2, 3]);
            }
            came.sort_unstable();
            assert_eq!(came, [1, 2, 3]);
        }
        lawful(&system).await;
    });
}

#[test]
fn a_full_mailbox_does_not_swallow_a_tick() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous().mailbox(1).unwrap()).await;
        let (gate, closed) = oneshot::channel::<()>();
        let order = act(move |_, cx| {
            cx.send_after(ms(1), Order::Note(1));
            Box::pin(async {
                let _ = closed.await;
                Ok(())
            })
        });
        nursery.slot.tell(order).unwrap();
        until("it is in hand", || nursery.slot.law().in_hand == 1).await;
        nursery.slot.tell(Order::Note(2)).unwrap();
        assert!(nursery.slot.tell(Order::Note(3)).is_err(), "the mailbox is full");
        until("the timer has fired", || nursery.slot.law().queued == 2).await;
        drop(gate);
        nursery.slot.settled().await;
        assert_eq!(nursery.child.notes(), [1, 2]);
        lawful(&system).await;
    });
}

#[test]
fn a_cancelled_timer_sends_nothing_and_says_so() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let timer = loop {
            let timer = does(&actor, |cx| {
                cx.send_after(ms(20), Order::Note(2));
                cx.send_after(ms(10), Order::Note(1))
            })
            .await;
            if does(&actor, move |cx| cx.cancel(timer)).await {
                break timer;
            }
            // On a machine that stood still it had fired, and is not to be lost.
            let mut both = [journal.note().await, journal.note().await];
            both.sort_unstable();
            assert_eq!(both, [1, 2]);
        };
        assert!(!does(&actor, move |cx| cx.cancel(timer)).await, "it was stopped before");
        assert_eq!(journal.note().await, 2, "the other one is still armed");
        let fired = does(&actor, |cx| cx.send_after(Duration::ZERO, Order::Note(3))).await;
        assert_eq!(journal.note().await, 3);
        assert!(!does(&actor, move |cx| cx.cancel(fired)).await, "it has fired");
        lawful(&system).await;
    });
}

#[test]
fn many_timers_fire_each_once_and_those_that_fired_are_forgotten() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        for round in 0..5_u64 {
            does(&actor, move |cx| {
                for note in 0..100 {
                    cx.send_after(ms(note % 7), Order::Note(round * 100 + note));
                }
            })
            .await;
        }
        let mut notes = Vec::new();
        while notes.len() < 500 {
            notes.push(journal.note().await);
        }
        notes.sort_unstable();
        assert_eq!(notes, (0..500).collect::<Vec<_>>());
        lawful(&system).await;
    });
}

/// Starts an interval of notes that count up from 1.
async fn counting(actor: &ActorRef<Puppet>, period: Duration) -> TimerRef {
    let interval = move |cx: &mut Context<Puppet>| {
        let mut ticks = 0;
        cx.interval(period, move || {
            ticks += 1;
            Order::Note(ticks)
        })
    };
    does(actor, interval).await.unwrap()
}

#[test]
fn an_interval_ticks_until_it_is_cancelled_and_never_early() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let begun = system.now();
        let timer = counting(&actor, ms(3)).await;
        for tick in 1..=5 {
            assert_eq!(journal.note().await, tick);
            assert!(system.now() - begun >= ms(3) * tick as u32, "tick {tick} is early");
        }
        // However many have come until then.
        let (says, was_armed) = oneshot::channel();
        let stop = now(move |puppet, cx| {
            let _ = says.send(cx.cancel(timer));
            puppet.note(0);
            Ok(())
        });
        actor.tell(stop).unwrap();
        while journal.note().await != 0 {}
        assert!(was_armed.await.unwrap());
        assert!(!does(&actor, move |cx| cx.cancel(timer)).await);
        // One may have been on its way; by the time of this message more would have come.
        does(&actor, |cx| cx.send_after(ms(20), Order::Note(1_000))).await;
        let mut late = 0;
        while journal.note().await != 1_000 {
            late += 1;
        }
        assert!(late <= 1, "{late} ticks of a cancelled interval");
        lawful(&system).await;
    });
}

#[test]
fn ticks_do_not_pile_up_while_one_waits_unread() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let timer = counting(&actor, ms(1)).await;
        let gate = occupy(&actor).await;
        until("a tick waits", || actor.law().queued == 1).await;
        system.sleep_until(system.now() + ms(20)).await;
        assert_eq!(actor.law().queued, 1);
        drop(gate);
        let first = journal.note().await;
        let next = journal.note().await;
        assert!(next > first, "it goes on");
        does(&actor, move |cx| cx.cancel(timer)).await;
        lawful(&system).await;
    });
}

#[test]
fn an_interval_shorter_than_the_clocks_tick_is_an_error() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        for period in [Duration::ZERO, Duration::from_micros(999)] {
            let refused = does(&actor, move |cx| cx.interval(period, || Order::Note(1))).await;
            assert!(matches!(refused, Err(StartError::Setting(why)) if why.contains("1ms")));
        }
        assert!(does(&actor, |cx| cx.interval(Duration::MAX, || Order::Note(1))).await.is_ok());
        lawful(&system).await;
    });
}

#[test]
fn timers_end_with_the_incarnation_that_started_them() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::anonymous()).await;
        does(&nursery.slot, |cx| {
            cx.send_after(ms(20), Order::Note(1));
            cx.interval(ms(5), || Order::Note(2)).unwrap();
        })
        .await;
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        nursery.child.rest();
        nursery.start().await.unwrap();
        // Armed later, and for later than any of those of the first life.
        does(&nursery.slot, |cx| cx.send_after(ms(30), Order::Note(3))).await;
        assert_eq!(nursery.child.note().await, 3);
        lawful(&system).await;
    });
}

#[test]
fn a_panic_in_the_maker_of_ticks_is_an_exit_signal_of_the_actor_to_itself() {
    everywhere(async || {
        let system = bare();
        let ticking = |cx: &mut Context<Puppet>| cx.interval(ms(1), || panic!("no more ticks")).map(drop);
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        does(&actor, ticking).await.unwrap();
        let reason = down.await.reason;
        assert_eq!(reason.crash().map(|crash| crash.message.as_str()), Some("no more ticks"));

        let (actor, mut journal) = trapping(&system).await;
        does(&actor, ticking).await.unwrap();
        let Signal::Exit { from, reason } = journal.signal().await else { panic!("an exit signal") };
        assert_eq!((from, reason.crash().is_some()), (actor.pid(), true));
        assert_eq!(who(&actor).await, 1, "it was trapped");
        lawful(&system).await;
    });
}

#[test]
fn what_init_sends_to_itself_comes_first() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = cast(&system, |part| {
            part.init(|cx| {
                cx.send_after(Duration::ZERO, Order::Note(2));
                Box::pin(std::future::ready(cx.send_self(Order::Note(1)).map_err(Into::into)))
            })
        })
        .await;
        assert_eq!((journal.note().await, journal.note().await), (1, 2));
        let down = actor.down();
        system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
        down.await;
        lawful(&system).await;
    });
}

#[test]
fn a_turn_that_arms_a_timer_and_blocks_its_thread_holds_up_nobody_elses_timers() {
    on_two(async || {
        let system = bare();
        let (blocking, _blocking) = puppet(&system).await;
        let (other, mut journal) = puppet(&system).await;
        let (inside, is_inside) = oneshot::channel();
        let (gate, closed) = mpsc::channel::<()>();
        let order = now(move |_, cx| {
            cx.send_after(ms(5), Order::Note(1));
            let _ = inside.send(());
            let _ = closed.recv();
            Ok(())
        });
        blocking.tell(order).unwrap();
        is_inside.await.unwrap();
        does(&other, |cx| cx.send_after(ms(10), Order::Note(2))).await;
        assert_eq!(journal.note().await, 2);
        let (_gate, never) = oneshot::channel();
        other.tell(Order::Await(never)).unwrap();
        assert_eq!(other.ask(Order::Who).within(ms(10)).await, Err(AskError::Expired));
        drop(gate);
        blocking.settled().await;
        system.kill(other.pid());
        lawful(&system).await;
    });
}

#[test]
fn a_timer_of_an_abandoned_incarnation_sends_nothing() {
    on_two(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let (inside, is_inside) = oneshot::channel();
        let (gate, closed) = mpsc::channel::<()>();
        let order = now(move |_, cx| {
            cx.send_after(ms(20), Order::Note(1));
            cx.interval(ms(5), || Order::Note(2))?;
            let _ = inside.send(());
            let _ = closed.recv();
            Ok(())
        });
        nursery.slot.tell(order).unwrap();
        is_inside.await.unwrap();
        let stuck = nursery.slot.pid();
        system.kill(stuck);
        until("it is abandoned", || system.abandon(stuck) == Abandoned::Done).await;
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        nursery.child.rest();
        does(&nursery.slot, |cx| cx.send_after(ms(30), Order::Note(3))).await;
        assert_eq!(nursery.child.note().await, 3);
        drop(gate);
        until("the straggler has returned", || system.stragglers().is_empty()).await;
        lawful(&system).await;
    });
}

/// Whoever sleeps is woken on the worker that turns tokio's timers, and nobody takes them over while it is blocked, unless
/// something else happens.
#[test]
fn a_turn_that_blocks_the_worker_that_turns_tokios_timers_holds_up_no_deadline() {
    on_two(async || {
        for asks in [true, false, true, false] {
            let system = bare();
            let (blocker, _journal) = puppet(&system).await;
            let (gate, closed) = mpsc::channel::<()>();
            let order = act(move |_, _| {
                Box::pin(async move {
                    tokio::time::sleep(ms(30)).await;
                    let _ = closed.recv();
                    Ok(())
                })
            });
            blocker.tell(order).unwrap();
            // Tokio's own timeouts would not end this test: a thread of its own does, and says so.
            let (ends, ended) = mpsc::channel::<()>();
            let watch = std::thread::spawn(move || {
                let in_time = ended.recv_timeout(Duration::from_secs(60)).is_ok();
                drop(gate);
                in_time
            });
            // Armed before that, for later.
            if asks {
                assert_eq!(blocker.ask(Order::Who).within(ms(200)).await, Err(AskError::Expired));
            } else {
                system.sleep_until(system.now() + ms(200)).await;
            }
            let _ = ends.send(());
            assert!(watch.join().unwrap(), "deadlines waited for the turn");
            system.stop().await;
        }
    });
}
