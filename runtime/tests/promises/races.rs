//! Races between the end of an actor and what ties others to it: whoever wins, the promise is the same.

use crashworthy_runtime::{ActorRef, Context, Exit, ExitReason, Pid, Signal, Slot, StartError, System, Under};
use tokio::sync::oneshot;

use crate::stage::{
    Event, Journal, Nursery, Order, Puppet, act, bare, does, everywhere, lawful, on_many, part, puppet, trapping, until,
};

/// Each race is run so often, with more threads than there are cores.
const TIMES: u32 = 200;

fn dead() -> ExitReason {
    ExitReason::ShutdownWith("dead".into())
}

/// An order that waits for the start of the race.
fn at_the_start(
    start: oneshot::Receiver<()>,
    deed: impl FnOnce(&mut Context<Puppet>) -> Result<(), Exit> + Send + 'static,
) -> Order {
    act(move |_, cx| {
        Box::pin(async move {
            let _ = start.await;
            deed(cx)
        })
    })
}

/// Lets two actors do something at once; returns when both have been let loose.
async fn race(
    (one, does_one): (&ActorRef<Puppet>, impl FnOnce(&mut Context<Puppet>) -> Result<(), Exit> + Send + 'static),
    (two, does_two): (&ActorRef<Puppet>, impl FnOnce(&mut Context<Puppet>) -> Result<(), Exit> + Send + 'static),
) {
    let ((first, begin_one), (second, begin_two)) = (oneshot::channel(), oneshot::channel());
    one.tell(at_the_start(begin_one, does_one)).unwrap();
    two.tell(at_the_start(begin_two, does_two)).unwrap();
    until("both stand at the start", || one.law().in_hand == 1 && two.law().in_hand == 1).await;
    for start in [first, second] {
        // The end of the other may have ended this one already.
        let _ = start.send(());
    }
}

/// An actor that reads signals, and one that dies while it does something.
struct Race {
    system: System,
    actor: ActorRef<Puppet>,
    journal: Journal,
    mortal: ActorRef<Puppet>,
    /// Is told of the end after all others.
    witness: (ActorRef<Puppet>, Journal),
}

impl Race {
    async fn new(system: &System) -> Self {
        let (mortal, _) = puppet(system).await;
        let (mut first, mut witness) = (trapping(system).await, trapping(system).await);
        let pid = mortal.pid();
        // Watchers are told in the order of their identities, which is not the one they began in.
        if witness.0.pid() < first.0.pid() {
            std::mem::swap(&mut first, &mut witness);
        }
        let (actor, journal) = first;
        does(&witness.0, move |cx| cx.monitor(pid)).await;
        Self { system: system.clone(), actor, journal, mortal, witness }
    }

    fn link(&self) -> impl Future<Output = ()> {
        let pid = self.mortal.pid();
        does(&self.actor, move |cx| cx.link(pid))
    }

    /// Runs it; afterwards all are told. What the actor has read.
    async fn run(mut self, deed: impl FnOnce(&mut Context<Puppet>, Pid) + Send + 'static) -> Vec<Signal> {
        let pid = self.mortal.pid();
        let does = move |cx: &mut Context<Puppet>| {
            deed(cx, pid);
            Ok(())
        };
        race((&self.actor, does), (&self.mortal, |_| Err(Exit::because(dead())))).await;
        self.witness.1.signal().await;
        // First what it did, then what it was told meanwhile.
        self.actor.settled().await;
        self.actor.settled().await;
        assert!(self.system.inspect(self.actor.pid()).unwrap().links.is_empty(), "no link to the dead is left");
        assert!(self.system.inspect(self.actor.pid()).unwrap().monitors.is_empty(), "no monitor of the dead is left");
        let read = self.journal.rest().into_iter();
        read.filter_map(|event| if let Event::Signal(signal) = event { Some(signal) } else { None }).collect()
    }
}

/// Runs a race many times in one system.
fn many_times<F: Future<Output = ()>>(one: impl Fn(Race) -> F) {
    on_many(4, async || {
        let system = bare();
        for _ in 0..TIMES {
            one(Race::new(&system).await).await;
        }
        lawful(&system).await;
    });
}

fn exit(from: Pid, reason: ExitReason) -> Signal {
    Signal::Exit { from, reason }
}

// Links.

#[test]
fn an_exit_against_unlink_once_unlinked_and_taken_no_exit_is_read() {
    many_times(async |race| {
        race.link().await;
        let read = race.run(|cx, other| {
            cx.unlink(other);
            let waited = cx.take_exit(other);
            assert!(waited.is_none_or(|reason| reason == dead()));
        });
        assert_eq!(read.await, [], "neither later nor twice");
    });
}

#[test]
fn a_link_against_the_end_gives_one_exit_signal() {
    many_times(async |race| {
        let from = race.mortal.pid();
        let read = race.run(|cx, other| cx.link(other)).await;
        let [Signal::Exit { from: of, reason }] = &read[..] else { panic!("one exit signal: {read:?}") };
        assert!(*of == from && (*reason == dead() || *reason == ExitReason::NoProc), "{read:?}");
    });
}

#[test]
fn to_link_again_against_the_end_changes_nothing_the_true_reason_is_read_once() {
    many_times(async |race| {
        race.link().await;
        let from = race.mortal.pid();
        let mut read = race.run(|cx, other| cx.link(other)).await;
        // Linked anew after the exit signal had taken the first link away: then that is a link to the dead.
        if read.last() == Some(&exit(from, ExitReason::NoProc)) {
            read.pop();
        }
        assert_eq!(read, [exit(from, dead())]);
    });
}

#[test]
fn a_link_against_an_unlink_from_the_other_side_ties_both_or_neither() {
    on_many(4, async || {
        let system = bare();
        let (one, _one) = trapping(&system).await;
        let (two, _two) = trapping(&system).await;
        let (first, second) = (one.pid(), two.pid());
        for _ in 0..TIMES {
            does(&one, move |cx| cx.link(second)).await;
            let unlinks = move |cx: &mut Context<Puppet>| {
                cx.unlink(second);
                Ok(())
            };
            let links = move |cx: &mut Context<Puppet>| {
                cx.link(first);
                Ok(())
            };
            race((&one, unlinks), (&two, links)).await;
            one.settled().await;
            two.settled().await;
            let links = |pid| system.inspect(pid).unwrap().links;
            assert_eq!(links(first) == [second], links(second) == [first]);
        }
        lawful(&system).await;
    });
}

#[test]
fn of_two_linked_actors_that_end_at_once_each_has_one_end_of_its_own() {
    on_many(4, async || {
        let system = bare();
        for _ in 0..TIMES {
            let (one, _one) = puppet(&system).await;
            let (two, _two) = puppet(&system).await;
            let pid = two.pid();
            does(&one, move |cx| cx.link(pid)).await;
            let (first, second) = (one.down(), two.down());
            let ends = |word: &'static str| move |_: &mut _| Err(Exit::because(ExitReason::ShutdownWith(word.into())));
            race((&one, ends("one")), (&two, ends("two"))).await;
            let own = [first.await.reason, second.await.reason].map(|reason| reason.to_string());
            let possible = [["one", "two"], ["one", "one"], ["two", "two"]]
                .map(|words| words.map(|word| format!("shutdown: {word}")));
            assert!(possible.contains(&own), "{own:?}");
        }
        lawful(&system).await;
    });
}

// Monitors.

#[test]
fn a_monitor_against_the_end_gives_one_down() {
    many_times(async |race| {
        let pid = race.mortal.pid();
        let read = race.run(|cx, other| _ = cx.monitor(other)).await;
        let [Signal::Down(down)] = &read[..] else { panic!("one Down: {read:?}") };
        assert!(down.pid == pid && (down.reason == dead() || down.reason == ExitReason::NoProc), "{read:?}");
    });
}

#[test]
fn a_demonitor_against_the_end_means_no_down_whoever_wins() {
    many_times(async |race| {
        let pid = race.mortal.pid();
        let monitor = does(&race.actor, move |cx| cx.monitor(pid)).await;
        assert_eq!(race.run(move |cx, _| cx.demonitor(monitor)).await, []);
    });
}

#[test]
fn kills_and_exits_against_each_other_end_an_actor_once() {
    on_many(4, async || {
        let system = bare();
        let (one, _one) = puppet(&system).await;
        let (two, _two) = puppet(&system).await;
        let (watcher, mut downs) = puppet(&system).await;
        for _ in 0..TIMES {
            let (victim, _victim) = puppet(&system).await;
            let pid = victim.pid();
            let monitor = does(&watcher, move |cx| cx.monitor(pid)).await;
            let kills = move |cx: &mut Context<Puppet>| {
                cx.kill(pid);
                Ok(())
            };
            let exits = move |cx: &mut Context<Puppet>| Ok(cx.exit(pid, dead())?);
            race((&one, kills), (&two, exits)).await;
            let Signal::Down(down) = downs.signal().await else { panic!("a Down") };
            assert_eq!(down.monitor, monitor);
            assert!([ExitReason::Killed, dead()].contains(&down.reason), "{down:?}");
        }
        for actor in [&one, &two, &watcher] {
            actor.settled().await;
        }
        assert_eq!(downs.rest(), []);
        lawful(&system).await;
    });
}

// Names.

#[test]
fn of_two_that_register_one_name_at_once_one_has_it_and_the_other_is_told() {
    on_many(4, async || {
        let system = bare();
        let (one, _one) = puppet(&system).await;
        let (two, _two) = puppet(&system).await;
        for _ in 0..TIMES {
            let ((first, told_one), (second, told_two)) = (oneshot::channel(), oneshot::channel());
            let registers = |told: oneshot::Sender<bool>| {
                move |cx: &mut Context<Puppet>| {
                    let taken = match cx.register("till") {
                        Ok(()) => false,
                        Err(StartError::NameTaken(_)) => true,
                        Err(other) => Err(other)?,
                    };
                    let _ = told.send(taken);
                    Ok(())
                }
            };
            race((&one, registers(first)), (&two, registers(second))).await;
            let taken = (told_one.await.unwrap(), told_two.await.unwrap());
            assert_ne!(taken.0, taken.1, "one has it");
            let holder = if taken.0 { &two } else { &one };
            assert!(system.whereis::<Puppet>("till").unwrap() == *holder);
            assert!(does(holder, |cx| cx.unregister("till")).await);
        }
    });
}

#[test]
fn whoever_has_read_the_down_takes_the_name_of_the_dead_at_once() {
    on_many(4, async || {
        let system = bare();
        let heir = |part: crate::stage::Part| part.trapping();
        let (next, mut journal) = crate::stage::cast(&system, heir).await;
        for _ in 0..TIMES {
            let (holder, _holder) = puppet(&system).await;
            does(&holder, |cx| cx.register("till")).await.unwrap();
            let pid = holder.pid();
            does(&next, move |cx| cx.monitor(pid)).await;
            holder.tell(Order::Panic).unwrap();
            journal.signal().await;
            does(&next, |cx| cx.register("till")).await.expect("the name is free");
            assert!(does(&next, |cx| cx.unregister("till")).await);
        }
    });
}

#[test]
fn an_init_that_fails_after_registering_has_given_back_its_name_when_its_starter_is_answered() {
    everywhere(async || {
        let system = bare();
        for ends in [0, 1, 2].repeat(20) {
            let (failing, _journal) = part();
            let failing = failing.init(move |cx| {
                Box::pin(async move {
                    cx.register("till")?;
                    cx.join("tills");
                    match ends {
                        0 => Err("no money")?,
                        1 => panic!("no money"),
                        _ => Err(Exit::ignore()),
                    }
                })
            });
            let started = system.spawn::<Puppet>(failing).await;
            assert!(matches!(started, Err(StartError::Failed(_) | StartError::Ignored)), "{started:?}");
            assert_eq!(system.registered(), []);
            assert!(system.members::<Puppet>("tills").is_empty());
        }
    });
}

#[test]
fn an_init_that_fails_runs_no_terminate_and_whoever_it_had_linked_and_monitored_hears_of_it_once() {
    everywhere(async || {
        let system = bare();
        let (other, mut journal) = trapping(&system).await;
        let pid = other.pid();
        let (failing, mut failed) = part();
        let failing = failing.trapping().init(move |cx| {
            Box::pin(async move {
                cx.link(pid);
                cx.monitor(pid);
                Err(Exit::because(dead()))
            })
        });
        let started = system.spawn::<Puppet>(failing).await;
        assert_eq!(started.unwrap_err(), StartError::Failed(dead()));
        assert!(matches!(journal.signal().await, Signal::Exit { reason, .. } if reason == dead()));
        other.settled().await;
        assert_eq!(journal.rest(), []);
        assert!(system.inspect(pid).unwrap().watchers.is_empty());
        assert_eq!(failed.rest(), [Event::Dropped(1)], "terminate does not run");
        lawful(&system).await;
    });
}

// Parents.

#[test]
fn the_end_of_a_parent_during_the_init_of_a_linked_child_ends_that_child() {
    everywhere(async || {
        let system = bare();
        for traps in [false, true] {
            let (parent, _parent) = puppet(&system).await;
            let slot = Slot::<Puppet>::anonymous();
            let (child, mut journal) = part();
            let (in_init, begun) = oneshot::channel();
            let (_gate, closed) = oneshot::channel::<()>();
            let child = child.init(move |cx| {
                Box::pin(async move {
                    cx.trap_exit(traps);
                    let _ = in_init.send(());
                    let _ = closed.await;
                    Ok(())
                })
            });
            let started = slot.clone();
            let begins = act(move |_, cx| {
                Box::pin(async move {
                    drop(cx.start(&started, child, Under { parent: true, link: true }).await);
                    Ok(())
                })
            });
            parent.tell(begins).unwrap();
            begun.await.unwrap();
            let down = slot.down();
            system.kill(parent.pid());
            if traps {
                // It would read that as a stop, after its init: nothing but a kill ends an init that traps exits.
                system.kill(slot.pid());
            }
            assert_eq!(down.await.reason, ExitReason::Killed);
            assert_eq!(journal.rest(), [Event::Dropped(1)], "neither its init came to an end nor terminate ran");
            assert!(!slot.is_alive());
        }
    });
}

#[test]
fn a_parents_stop_against_a_crash_ends_the_child_once_and_its_true_reason_is_told() {
    on_many(4, async || {
        let system = bare();
        let mut nursery = Nursery::with(&system, Slot::named("till"), crate::stage::Part::trapping).await;
        for _ in 0..TIMES {
            let pid = nursery.slot.pid();
            let stops = move |cx: &mut Context<Puppet>| Ok(cx.exit(pid, ExitReason::Shutdown)?);
            race((&nursery.parent, stops), (&nursery.slot, |_| Err(Exit::because(dead())))).await;
            let Signal::Exit { from, reason } = nursery.signals.signal().await else { panic!("an exit signal") };
            assert!(from == pid && (reason == dead() || reason == ExitReason::Shutdown), "{reason:?}");
            nursery.parent.settled().await;
            assert!(nursery.signals.rest().iter().all(|event| !matches!(event, Event::Signal(_))), "one end");
            nursery.start().await.unwrap();
        }
        lawful(&system).await;
    });
}
