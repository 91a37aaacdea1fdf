//! Everybody in brief: the same as a snapshot tells, as far as it goes.

use std::time::{Duration, Instant};

use crashworthy_runtime::{Dependency, Glance, Pid, System, SystemSnapshot};
use tokio::sync::oneshot;

use crate::stage::{Order, act, bare, does, everywhere, ms, on_many, puppet, until};

/// What a glance tells, put as a snapshot would.
fn told(glance: &Glance) -> String {
    let Glance { pid, name, kind, state, callback, message, in_turn, depth, limit, .. } = glance;
    let (law, lacks, only) = (glance.law(), glance.lacks(), glance.only());
    let refusals = glance.refusals().cloned().unwrap_or_default();
    let waits_for = glance.waits_for().map(|waits| (waits.id, waits.for_room));
    let (parent, restarts) = (glance.parent(), glance.restarts());
    format!(
        "{pid} {name:?} {kind} {state:?} {callback:?} {message:?} {in_turn} {waits_for:?} {lacks:?} {only:?} {depth} {limit} \
         {restarts} {law:?} {refusals:?} {parent:?}"
    )
}

fn snapped(system: &System) -> Vec<String> {
    let line = |actor: crashworthy_runtime::ActorSnapshot| {
        let waits_for = actor.waits_for.map(|waits| (waits.id, waits.for_room));
        let (callback, message) = (actor.callback.map(|(what, _)| what), actor.in_hand.map(|(kind, _)| kind));
        format!(
            "{} {:?} {} {:?} {callback:?} {message:?} {} {waits_for:?} {:?} {:?} {} {} {} {:?} {:?} {:?}",
            actor.pid,
            actor.name,
            actor.kind,
            actor.state,
            actor.in_turn,
            actor.lacks,
            actor.only,
            actor.depth,
            actor.limit,
            actor.restarts,
            actor.law,
            actor.refusals,
            actor.parent
        )
    };
    system.snapshot().actors.into_iter().map(line).collect()
}

fn glanced(system: &System, actors: &mut Vec<Glance>) -> Vec<String> {
    let totals = system.glance(actors);
    // A pump may come to rest between the two.
    let SystemSnapshot { uptime, runnable, turns, .. } = totals;
    assert_eq!(totals, SystemSnapshot { actors: Vec::new(), uptime, runnable, turns, ..system.snapshot() });
    actors.sort_by_key(|actor| actor.pid.id);
    actors.iter().map(told).collect()
}

#[test]
fn a_glance_tells_what_a_snapshot_does() {
    everywhere(async || {
        let system = bare();
        let (idle, _seen) = puppet(&system).await;
        let (linked, _seen) = puppet(&system).await;
        let (suspended, _seen) = puppet(&system).await;
        let (ended, _seen) = puppet(&system).await;
        let (lacking, _seen) = puppet(&system).await;
        let other = linked.pid();
        does(&idle, move |cx| cx.link(other)).await;
        let bank = Dependency::named("bank");
        let needs = bank.clone();
        does(&lacking, move |cx| cx.depends_on(&needs).unwrap()).await;
        bank.mark_down(None);
        assert!(lacking.tell(Order::Note(1)).is_err());
        let down = ended.down();
        system.kill(ended.pid());
        down.await;
        system.suspend(suspended.pid());
        for note in 0..3 {
            suspended.tell(Order::Note(note)).unwrap();
        }
        let mut actors = Vec::new();
        until("all is at rest", || glanced(&system, &mut actors) == snapped(&system)).await;
        let peers = |of: Pid| actors.iter().find(|actor| actor.pid == of).expect("it is there").peers().to_vec();
        assert_eq!((peers(idle.pid()), peers(linked.pid())), (vec![linked.pid()], vec![idle.pid()]));
        let queued = actors.iter().find(|actor| actor.pid == suspended.pid()).expect("it is there");
        assert_eq!((queued.depth, queued.law().queued, queued.is_busy()), (3, 3, false));
        // What was seen before is not in the next glance.
        let room = actors.capacity();
        drop(ended);
        until("a slot that nobody holds is gone", || {
            glanced(&system, &mut actors);
            actors.len() == 4
        })
        .await;
        assert_eq!(actors.capacity(), room, "room is used again");
    });
}

#[test]
fn what_comes_after_a_rest_is_not_as_old_as_the_rest() {
    const REST: Duration = ms(100);
    on_many(2, async || {
        let system = bare();
        let (actor, _seen) = puppet(&system).await;
        let id = actor.pid();
        until("it rests", || system.is_busy(actor.id()) == Some(false)).await;
        // Nothing that is asked of the system may look at its clock meanwhile. If something does all the same, the next time
        // will do.
        loop {
            let began = Instant::now();
            while began.elapsed() < REST {
                std::thread::yield_now();
            }
            let (release, held) = std::sync::mpsc::channel::<()>();
            let sends = Instant::now();
            let mut blocked = Box::pin(does(&actor, move |_| held.recv_timeout(ms(60_000)).is_err()));
            assert!(crate::stage::pends(blocked.as_mut()).await);
            until("it works", || system.is_busy(actor.id()) == Some(true)).await;
            let mut glances = Vec::new();
            system.glance(&mut glances);
            let glanced =
                glances.iter().find(|glance| glance.pid == id).and_then(Glance::sent_ago).expect("it is busy");
            let seen = system.inspect(id).and_then(|actor| actor.sent_ago).expect("it is busy");
            let took = sends.elapsed();
            drop(release);
            assert!(blocked.await);
            // It took no longer to look than the rest, or nothing is shown.
            if took < REST / 2 {
                assert!(seen <= took + ms(2) && glanced <= took + ms(2), "{seen:?} and {glanced:?} of {took:?}");
                break;
            }
        }
    });
}

#[test]
fn whether_an_actor_is_busy_is_told_while_it_blocks_its_thread() {
    on_many(2, async || {
        let system = bare();
        let (actor, _seen) = puppet(&system).await;
        let id = actor.id();
        until("it has begun", || system.is_busy(id) == Some(false)).await;
        let (release, held) = std::sync::mpsc::channel::<()>();
        let mut blocked = Box::pin(does(&actor, move |_| held.recv_timeout(ms(60_000)).is_err()));
        assert!(crate::stage::pends(blocked.as_mut()).await);
        until("it works", || system.is_busy(id) == Some(true)).await;
        drop(release);
        assert!(blocked.await, "who held it has let go");
        until("it rests", || system.is_busy(id) == Some(false)).await;
        let down = actor.down();
        system.kill(actor.pid());
        down.await;
        drop(actor);
        until("it is gone", || system.is_busy(id).is_none()).await;
    });
}

#[test]
fn it_is_known_how_long_the_oldest_message_of_a_suspended_actor_has_waited() {
    everywhere(async || {
        let system = bare();
        let oldest = |pid: Pid| {
            let mut actors = Vec::new();
            system.glance(&mut actors);
            actors.iter().find(|actor| actor.pid == pid).expect("it is there").oldest()
        };
        let (idle, _seen) = puppet(&system).await;
        let (busy, _told) = puppet(&system).await;
        let (go, gate) = oneshot::channel::<()>();
        let waits = act(move |_, _| {
            Box::pin(async move {
                let _ = gate.await;
                Ok(())
            })
        });
        busy.tell(waits).unwrap();
        until("it is in hand", || oldest(busy.pid()).is_some()).await;
        for actor in [&idle, &busy] {
            system.suspend(actor.pid());
        }
        drop(go);
        until("it is done", || oldest(busy.pid()).is_none()).await;
        for actor in [&idle, &busy] {
            // Nobody has looked before, and the first of them counts.
            actor.tell(Order::Note(1)).unwrap();
            until("it is seen", || oldest(actor.pid()).is_some_and(|age| age >= ms(20))).await;
            actor.tell(Order::Note(2)).unwrap();
            assert!(oldest(actor.pid()) >= Some(ms(20)));
            system.resume(actor.pid());
            until("all is done", || oldest(actor.pid()).is_none() && actor.load().depth == 0).await;
        }
    });
}
