//! Links, monitors and exit signals: OTP's rules, sentence by sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crashworthy_runtime::{ActorRef, ExitReason, MonitorRef, Pid, Reason, Signal, StartError, System, Under};
use tokio::sync::oneshot;

use crate::stage::{
    Event, Nursery, Order, Part, Puppet, Tally, act, bare, cast, does, everywhere, lawful, now, on_two, part, puppet,
    trapping, until, who,
};

async fn link(actor: &ActorRef<Puppet>, other: Pid) {
    does(actor, move |cx| cx.link(other)).await;
}

async fn monitor(actor: &ActorRef<Puppet>, other: Pid) -> MonitorRef {
    does(actor, move |cx| cx.monitor(other)).await
}

fn crashed(reason: &ExitReason) -> bool {
    reason.crash().is_some()
}

async fn assert_lives(actor: &ActorRef<Puppet>) {
    assert_eq!(who(actor).await, actor.pid().incarnation);
}

// Exit signals from outside.

#[test]
fn kill_ends_any_actor_and_its_links_and_monitors_see_killed() {
    everywhere(async || {
        let system = bare();
        let (victim, mut last) = trapping(&system).await;
        let (linked, mut links) = trapping(&system).await;
        let (watcher, mut downs) = puppet(&system).await;
        link(&linked, victim.pid()).await;
        monitor(&watcher, victim.pid()).await;
        let down = victim.down();
        system.kill(victim.pid());
        let from = victim.pid();
        assert_eq!(links.signal().await, Signal::Exit { from, reason: ExitReason::Killed });
        assert!(matches!(downs.signal().await, Signal::Down(down) if down.reason == ExitReason::Killed));
        assert_eq!(down.await.reason, ExitReason::Killed);
        assert_eq!(last.rest(), [Event::Dropped(1)], "terminate does not run");
        lawful(&system).await;
    });
}

#[test]
fn an_exit_signal_normal_is_ignored_by_whoever_does_not_trap() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        system.exit(actor.pid(), ExitReason::Normal).unwrap();
        assert_lives(&actor).await;
        assert_eq!(journal.rest(), []);
        lawful(&system).await;
    });
}

#[test]
fn an_exit_signal_normal_to_oneself_ends_the_actor() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        does(&actor, |cx| cx.exit(cx.pid(), ExitReason::Normal)).await.unwrap();
        assert_eq!(down.await.reason, ExitReason::Normal);
        lawful(&system).await;
    });
}

#[test]
fn an_exit_signal_normal_is_read_by_whoever_traps() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = trapping(&system).await;
        system.exit(actor.pid(), ExitReason::Normal).unwrap();
        assert_eq!(journal.signal().await, Signal::Exit { from: Pid::OUTSIDE, reason: ExitReason::Normal });
        assert_lives(&actor).await;
    });
}

#[test]
fn any_other_exit_signal_ends_whoever_does_not_trap_with_that_reason_and_without_terminate() {
    everywhere(async || {
        let system = bare();
        for reason in [ExitReason::Shutdown, ExitReason::ShutdownWith("late".into()), ExitReason::crashed("bad")] {
            let (actor, mut journal) = puppet(&system).await;
            let down = actor.down();
            system.exit(actor.pid(), reason.clone()).unwrap();
            assert_eq!(down.await.reason, reason);
            assert_eq!(journal.rest(), [Event::Dropped(1)]);
        }
        lawful(&system).await;
    });
}

#[test]
fn a_trapping_actor_reads_every_exit_signal_of_strangers_and_goes_on() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = trapping(&system).await;
        let (stranger, _kept) = puppet(&system).await;
        for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed, ExitReason::crashed("bad")] {
            let (pid, sent) = (actor.pid(), reason.clone());
            does(&stranger, move |cx| cx.exit(pid, sent)).await.unwrap();
            assert_eq!(journal.signal().await, Signal::Exit { from: stranger.pid(), reason });
        }
        assert_lives(&actor).await;
        lawful(&system).await;
    });
}

#[test]
fn a_signal_to_a_dead_pid_is_a_no_op() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, crashworthy_runtime::Slot::named("till")).await;
        let old = nursery.slot.pid();
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        nursery.start().await.unwrap();
        system.kill(old);
        system.exit(old, ExitReason::Shutdown).unwrap();
        assert_eq!(who(&nursery.slot).await, 2, "the next incarnation is somebody else");
        lawful(&system).await;
    });
}

#[test]
fn strangers_exit_signals_are_bounded_and_refused_beyond() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = trapping(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("the gate is in hand", || actor.law().in_hand == 1).await;
        let sent = (0..100_000).take_while(|_| system.exit(actor.pid(), ExitReason::Normal).is_ok()).count();
        assert!(sent < 100_000, "the lane is bounded");
        assert_eq!(system.exit(actor.pid(), ExitReason::Normal).unwrap_err().reason, Reason::Full);
        let down = actor.down();
        system.kill(actor.pid());
        assert_eq!(down.await.reason, ExitReason::Killed, "a kill is never refused");
        drop(gate);
    });
}

// Links.

#[test]
fn a_link_is_symmetric_and_a_non_trapping_actor_ends_with_the_same_reason() {
    everywhere(async || {
        let system = bare();
        for first_dies in [true, false] {
            let (a, _a) = puppet(&system).await;
            let (b, _b) = puppet(&system).await;
            link(&a, b.pid()).await;
            let (dies, follows) = if first_dies { (&a, &b) } else { (&b, &a) };
            let (first, second) = (dies.down(), follows.down());
            dies.tell(Order::Panic).unwrap();
            assert_eq!(first.await.reason, second.await.reason);
        }
        lawful(&system).await;
    });
}

#[test]
fn a_normal_end_does_nothing_to_linked_actors_that_do_not_trap() {
    everywhere(async || {
        let system = bare();
        let (a, _a) = puppet(&system).await;
        let (b, mut journal) = puppet(&system).await;
        link(&a, b.pid()).await;
        let down = a.down();
        a.tell(Order::Exit(ExitReason::Normal)).unwrap();
        assert_eq!(down.await.reason, ExitReason::Normal);
        assert_lives(&b).await;
        assert_eq!(journal.rest(), []);
        assert!(system.inspect(b.pid()).unwrap().links.is_empty(), "the link is gone");
        lawful(&system).await;
    });
}

#[test]
fn a_trapping_actor_reads_the_end_of_a_linked_one_whatever_its_reason() {
    everywhere(async || {
        let system = bare();
        let (trapper, mut journal) = trapping(&system).await;
        for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed, ExitReason::crashed("bad")] {
            let (a, _a) = puppet(&system).await;
            link(&trapper, a.pid()).await;
            a.tell(Order::Exit(reason.clone())).unwrap();
            let Signal::Exit { from, reason: read } = journal.signal().await else { panic!("an exit signal") };
            assert_eq!(from, a.pid());
            assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&reason));
        }
        assert_lives(&trapper).await;
        lawful(&system).await;
    });
}

#[test]
fn there_is_at_most_one_link_a_pair() {
    everywhere(async || {
        let system = bare();
        let (trapper, mut journal) = trapping(&system).await;
        let (a, _a) = puppet(&system).await;
        link(&trapper, a.pid()).await;
        link(&trapper, a.pid()).await;
        link(&a, trapper.pid()).await;
        let down = a.down();
        a.tell(Order::Panic).unwrap();
        down.await;
        journal.signal().await;
        trapper.settled().await;
        assert_eq!(journal.rest(), [], "one exit signal for one link");
        lawful(&system).await;
    });
}

#[test]
fn linking_to_a_dead_actor_gives_the_exit_signal_noproc() {
    everywhere(async || {
        let system = bare();
        let (dead, _dead) = puppet(&system).await;
        let down = dead.down();
        dead.tell(Order::Exit(ExitReason::Normal)).unwrap();
        down.await;
        let (trapper, mut journal) = trapping(&system).await;
        link(&trapper, dead.pid()).await;
        assert_eq!(journal.signal().await, Signal::Exit { from: dead.pid(), reason: ExitReason::NoProc });
        let (other, _other) = puppet(&system).await;
        let down = other.down();
        link(&other, dead.pid()).await;
        assert_eq!(down.await.reason, ExitReason::NoProc, "whoever does not trap ends with it");
        lawful(&system).await;
    });
}

#[test]
fn once_unlink_returns_no_further_exit_of_that_link_arrives() {
    everywhere(async || {
        let system = bare();
        let (trapper, mut journal) = trapping(&system).await;
        let (a, _a) = puppet(&system).await;
        link(&trapper, a.pid()).await;
        let pid = a.pid();
        does(&trapper, move |cx| cx.unlink(pid)).await;
        let down = a.down();
        a.tell(Order::Panic).unwrap();
        down.await;
        trapper.settled().await;
        assert_eq!(journal.rest(), []);
        assert_lives(&trapper).await;
        lawful(&system).await;
    });
}

#[test]
fn a_link_has_both_ends_or_none_however_it_is_made_and_removed() {
    const TIMES: u32 = 2_000;
    on_two(async || {
        let system = bare();
        let ((a, _a), (b, _b)) = (trapping(&system).await, trapping(&system).await);
        let (to_a, to_b) = (a.pid(), b.pid());
        let (met, met_too) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        // Both have come so far.
        let meet = |met: &AtomicU32, at: u32| {
            met.fetch_add(1, Ordering::SeqCst);
            while met.load(Ordering::SeqCst) < 2 * at {
                std::hint::spin_loop();
            }
        };
        let (before, after) = (met.clone(), met_too.clone());
        let links = now(move |_, cx| {
            for time in 1..=TIMES {
                meet(&before, time);
                cx.link(to_b);
                meet(&after, time);
            }
            Ok(())
        });
        let looks = system.clone();
        let (halves, halved) = oneshot::channel();
        let unlinks = now(move |_, cx| {
            let linked = |of, with| looks.inspect(of).is_some_and(|actor| actor.links.contains(&with));
            let mut half = 0;
            for time in 1..=TIMES {
                cx.link(to_a);
                meet(&met, time);
                cx.unlink(to_a);
                meet(&met_too, time);
                half += u32::from(linked(to_a, to_b) != linked(to_b, to_a));
            }
            let _ = halves.send(half);
            Ok(())
        });
        a.tell(links).unwrap();
        b.tell(unlinks).unwrap();
        assert_eq!(halved.await, Ok(0), "half a link");
    });
}

#[test]
fn unlink_and_then_take_the_exit_that_was_there_already() {
    everywhere(async || {
        let system = bare();
        let (trapper, mut journal) = trapping(&system).await;
        let (a, _a) = puppet(&system).await;
        link(&trapper, a.pid()).await;
        let (gate, closed) = oneshot::channel();
        trapper.tell(Order::Await(closed)).unwrap();
        // Queued before the exit arrives, so that the exit waits behind it.
        let pid = a.pid();
        let (sender, taken) = oneshot::channel();
        let order = now(move |_, cx| {
            cx.unlink(pid);
            let _ = sender.send((cx.take_exit(pid), cx.take_exit(pid)));
            Ok(())
        });
        trapper.tell(order).unwrap();
        let down = a.down();
        a.tell(Order::Panic).unwrap();
        down.await;
        gate.send(()).unwrap();
        let (first, second) = taken.await.unwrap();
        assert!(first.as_ref().is_some_and(crashed));
        assert_eq!(second, None);
        trapper.settled().await;
        assert_eq!(journal.rest(), []);
        lawful(&system).await;
    });
}

#[test]
fn an_exit_travels_along_a_chain_of_links() {
    everywhere(async || {
        let system = bare();
        let mut chain = Vec::new();
        for _ in 0..50 {
            chain.push(puppet(&system).await);
        }
        for pair in chain.windows(2) {
            link(&pair[0].0, pair[1].0.pid()).await;
        }
        let last = chain[49].0.down();
        chain[0].0.tell(Order::Panic).unwrap();
        assert!(crashed(&last.await.reason));
        until("all ended", || chain.iter().all(|(actor, _)| !actor.is_alive())).await;
        lawful(&system).await;
    });
}

#[test]
fn an_actor_that_stops_trapping_dies_of_what_it_had_trapped_and_not_read() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = trapping(&system).await;
        let (gate, closed) = oneshot::channel();
        let order = act(move |_, cx| {
            Box::pin(async move {
                let _ = closed.await;
                cx.trap_exit(false);
                Ok(())
            })
        });
        actor.tell(order).unwrap();
        until("the gate is in hand", || actor.law().in_hand == 1).await;
        system.exit(actor.pid(), ExitReason::Shutdown).unwrap();
        let down = actor.down();
        gate.send(()).unwrap();
        assert_eq!(down.await.reason, ExitReason::Shutdown);
        lawful(&system).await;
    });
}

// Monitors.

#[test]
fn each_monitor_gets_exactly_one_down_with_the_reason() {
    everywhere(async || {
        let system = bare();
        let (watcher, mut journal) = puppet(&system).await;
        let (a, _a) = puppet(&system).await;
        let mut monitors = Vec::new();
        for _ in 0..5 {
            monitors.push(monitor(&watcher, a.pid()).await);
        }
        a.tell(Order::Exit(ExitReason::ShutdownWith("done".into()))).unwrap();
        for _ in 0..5 {
            let Signal::Down(down) = journal.signal().await else { panic!("a Down") };
            assert_eq!((down.pid, &down.reason), (a.pid(), &ExitReason::ShutdownWith("done".into())));
            let at = monitors.iter().position(|monitor| *monitor == down.monitor).expect("one Down each");
            monitors.remove(at);
        }
        watcher.settled().await;
        assert_eq!(journal.rest(), []);
        assert_lives(&watcher).await;
        lawful(&system).await;
    });
}

#[test]
fn a_monitor_of_a_dead_actor_says_noproc() {
    everywhere(async || {
        let system = bare();
        let (a, _a) = puppet(&system).await;
        let down = a.down();
        a.tell(Order::Exit(ExitReason::Normal)).unwrap();
        down.await;
        let (watcher, mut journal) = puppet(&system).await;
        let dead = a.pid();
        let monitor = monitor(&watcher, dead).await;
        let Signal::Down(down) = journal.signal().await else { panic!("a Down") };
        assert_eq!((down.monitor, down.pid, down.reason), (monitor, dead, ExitReason::NoProc));
        assert_eq!(a.down().await.reason, ExitReason::NoProc);
        drop(a);
        until("nobody holds the slot", || system.inspect(dead).is_none()).await;
        let (sender, mut downs) = tokio::sync::mpsc::unbounded_channel();
        system.watch(dead, &sender);
        assert_eq!(downs.recv().await.map(|down| down.reason), Some(ExitReason::NoProc));
    });
}

#[test]
fn demonitor_takes_back_a_down_that_waits_unread() {
    everywhere(async || {
        let system = bare();
        let (watcher, mut journal) = puppet(&system).await;
        let (a, _a) = puppet(&system).await;
        let monitor = monitor(&watcher, a.pid()).await;
        let (gate, closed) = oneshot::channel();
        watcher.tell(Order::Await(closed)).unwrap();
        watcher
            .tell(now(move |_, cx| {
                cx.demonitor(monitor);
                Ok(())
            }))
            .unwrap();
        let down = a.down();
        a.tell(Order::Panic).unwrap();
        down.await;
        gate.send(()).unwrap();
        watcher.settled().await;
        assert_eq!(journal.rest(), []);
        lawful(&system).await;
    });
}

#[test]
fn demonitor_before_the_end_means_no_down() {
    everywhere(async || {
        let system = bare();
        let (watcher, mut journal) = puppet(&system).await;
        let (a, _a) = puppet(&system).await;
        let monitor = monitor(&watcher, a.pid()).await;
        does(&watcher, move |cx| cx.demonitor(monitor)).await;
        assert!(system.inspect(a.pid()).unwrap().watchers.is_empty());
        let down = a.down();
        a.tell(Order::Panic).unwrap();
        down.await;
        watcher.settled().await;
        assert_eq!(journal.rest(), []);
        lawful(&system).await;
    });
}

#[test]
fn monitors_links_names_and_groups_die_with_the_incarnation() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, crashworthy_runtime::Slot::named("till")).await;
        let (other, _other) = trapping(&system).await;
        let pid = other.pid();
        does(&nursery.slot, move |cx| {
            cx.monitor(pid);
            cx.link(pid);
            cx.register("teller").unwrap();
            cx.join("tellers");
        })
        .await;
        nursery.slot.tell(Order::Panic).unwrap();
        nursery.signals.signal().await;
        assert!(system.whereis::<Puppet>("teller").is_none());
        assert!(system.members::<Puppet>("tellers").is_empty());
        nursery.start().await.unwrap();
        let shot = system.inspect(nursery.slot.pid()).unwrap();
        assert_eq!((shot.links.as_slice(), shot.monitors.len()), ([nursery.parent.pid()].as_slice(), 0));
        let down = other.down();
        other.tell(Order::Panic).unwrap();
        down.await;
        nursery.slot.settled().await;
        assert!(nursery.child.rest().iter().all(|event| !matches!(event, Event::Signal(_))));
        assert_lives(&nursery.slot).await;
        lawful(&system).await;
    });
}

#[test]
fn dropping_the_future_of_a_down_ends_the_monitor() {
    everywhere(async || {
        let system = bare();
        let (a, _a) = puppet(&system).await;
        for _ in 0..100 {
            drop(a.down());
        }
        let down = a.down();
        assert!(system.inspect(a.pid()).unwrap().watchers.len() <= 1);
        a.tell(Order::Panic).unwrap();
        assert!(crashed(&down.await.reason));
    });
}

// Parents.

#[test]
fn a_trapping_child_stops_in_order_when_its_parent_says_so_and_terminate_runs() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::with(&system, crashworthy_runtime::Slot::named("till"), Part::trapping).await;
        let pid = nursery.slot.pid();
        nursery.parent_does(move |cx| {
            let _ = cx.exit(pid, ExitReason::Shutdown);
        });
        let from = pid;
        assert_eq!(nursery.signals.signal().await, Signal::Exit { from, reason: ExitReason::Shutdown });
        let events = nursery.child.rest();
        assert_eq!(events, [Event::Init(1), Event::Terminate(ExitReason::Shutdown), Event::Dropped(1)]);
        lawful(&system).await;
    });
}

#[test]
fn a_child_that_does_not_trap_ends_at_once_when_its_parent_says_so_without_terminate() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, crashworthy_runtime::Slot::named("till")).await;
        let pid = nursery.slot.pid();
        nursery.parent_does(move |cx| {
            let _ = cx.exit(pid, ExitReason::Shutdown);
        });
        nursery.signals.signal().await;
        assert_eq!(nursery.child.rest(), [Event::Init(1), Event::Dropped(1)]);
        lawful(&system).await;
    });
}

#[test]
fn a_trapping_child_stops_when_its_parent_dies() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::with(&system, crashworthy_runtime::Slot::named("till"), Part::trapping).await;
        let down = nursery.slot.down();
        nursery.parent.tell(Order::Panic).unwrap();
        assert!(crashed(&down.await.reason));
        let events = nursery.child.rest();
        assert!(matches!(&events[1], Event::Terminate(reason) if crashed(reason)), "{events:?}");
        assert_eq!(nursery.slot.tell(Order::Note(0)).unwrap_err().why.reason, Reason::Stopped);
        lawful(&system).await;
    });
}

// Starting.

#[test]
fn a_start_that_fails_is_answered_and_sends_no_exit_signal() {
    everywhere(async || {
        let system = bare();
        for parent in [true, false] {
            let (starter, mut journal) = puppet(&system).await;
            let slot = crashworthy_runtime::Slot::<Puppet>::anonymous();
            let (failing, _failed) = part();
            let failing = failing.init(|_| Box::pin(async { Err("no money")? }));
            let (sender, started) = oneshot::channel();
            let begin = act(move |_, cx| {
                Box::pin(async move {
                    let _ = sender.send(cx.start(&slot, failing, Under { parent, link: true }).await);
                    Ok(())
                })
            });
            starter.tell(begin).unwrap();
            let error = started.await.expect("the starter lives").unwrap_err();
            assert!(matches!(&error, StartError::Failed(reason) if crashed(reason)), "{error:?}");
            assert_lives(&starter).await;
            assert_eq!(journal.rest(), []);
            assert!(system.inspect(starter.pid()).unwrap().links.is_empty());
        }
        lawful(&system).await;
    });
}

#[test]
fn an_actor_that_is_spawned_linked_takes_its_starter_along() {
    everywhere(async || {
        let system = bare();
        let (starter, _starter) = puppet(&system).await;
        let (linked, _linked) = part();
        let (sender, started) = oneshot::channel();
        let order = act(move |_, cx| {
            Box::pin(async move {
                let _ = sender.send(cx.spawn_link::<Puppet>(linked).await);
                Ok(())
            })
        });
        starter.tell(order).unwrap();
        let linked = started.await.unwrap().unwrap();
        let down = starter.down();
        linked.tell(Order::Panic).unwrap();
        assert!(crashed(&down.await.reason));
        lawful(&system).await;
    });
}

#[test]
fn an_actor_may_choose_not_to_run_and_that_is_no_failure() {
    everywhere(async || {
        let system = bare();
        let (ignoring, _journal) = part();
        let ignoring = ignoring.init(|_| Box::pin(async { Err(crashworthy_runtime::Exit::ignore()) }));
        assert_eq!(system.spawn::<Puppet>(ignoring).await.unwrap_err(), StartError::Ignored);
        assert_eq!(system.snapshot().crashes, 0);
    });
}

#[test]
fn a_kill_reaches_an_awaiting_init_and_the_start_fails() {
    everywhere(async || {
        let system = bare();
        let (stuck, _journal) = part();
        let (_gate, closed) = oneshot::channel::<()>();
        let stuck = stuck.init(|_| {
            Box::pin(async {
                let _ = closed.await;
                Ok(())
            })
        });
        let actor = system.launch::<Puppet>(stuck).unwrap();
        let down = actor.down();
        system.kill(actor.pid());
        assert_eq!(down.await.reason, ExitReason::Killed);
        lawful(&system).await;
    });
}

#[test]
fn a_slot_that_runs_cannot_be_started_again() {
    everywhere(async || {
        let system = bare();
        let nursery = Nursery::open(&system, crashworthy_runtime::Slot::named("till")).await;
        assert_eq!(nursery.start().await.unwrap_err(), StartError::SlotTaken("till".into()));
        assert_lives(&nursery.slot).await;
    });
}

/// A third party that has seen the death cannot conclude that others have; but everybody is told.
#[test]
fn everybody_tied_to_a_dead_actor_is_told() {
    everywhere(async || {
        let system: System = bare();
        let (victim, _victim) = puppet(&system).await;
        let mut told = Vec::new();
        for linked in [true, false].repeat(10) {
            let (other, journal) = trapping(&system).await;
            if linked {
                link(&other, victim.pid()).await;
            } else {
                monitor(&other, victim.pid()).await;
            }
            told.push((other, journal));
        }
        victim.tell(Order::Panic).unwrap();
        for (_, journal) in &mut told {
            journal.signal().await;
        }
        lawful(&system).await;
    });
}

/// A turn in place takes the question and leaves the rest to the pumps: they are told of signals, too.
#[test]
fn a_signal_that_meets_a_question_on_its_way_is_read() {
    const TIMES: u64 = 5_000;
    on_two(async || {
        let system = bare();
        let read = Tally::default();
        let reads = read.clone();
        let (actor, _journal) = cast(&system, |part| {
            part.trapping().signalled(move |_| {
                reads.bump();
                Ok(())
            })
        })
        .await;
        let go = Arc::new(AtomicU32::new(0));
        let sender = std::thread::spawn({
            let (system, pid, go) = (system.clone(), actor.pid(), go.clone());
            move || {
                for time in 1..=TIMES as u32 {
                    while go.load(Ordering::SeqCst) < time {
                        std::hint::spin_loop();
                    }
                    system.exit(pid, ExitReason::Shutdown).expect("few signals wait");
                }
            }
        });
        // A task of the runtime: its questions are handled in place.
        let asked = tokio::spawn(async move {
            for time in 1..=TIMES {
                go.store(time as u32, Ordering::SeqCst);
                who(&actor).await;
                until("the signal is read", || read.get() == time).await;
            }
        });
        asked.await.unwrap();
        sender.join().unwrap();
    });
}
