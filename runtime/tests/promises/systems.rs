//! Several systems in one process: nothing is shared but the clock and the threads.

use std::time::Duration;

use crashworthy_runtime::{AskError, ExitReason, Reason, Reply, Slot, StartError, System};
use tokio::sync::oneshot;

use crate::stage::{
    Order, Puppet, act, bare, bare_with_letters, does, everywhere, lawful, part, puppet, trapping, two_workers, until,
    who,
};

#[test]
fn names_groups_crashes_and_actors_of_one_system_are_not_seen_in_another() {
    everywhere(async || {
        let (one, mut letters) = bare_with_letters();
        let (other, mut other_letters) = bare_with_letters();
        let (actor, _journal) = puppet(&one).await;
        let (twin, _twin) = puppet(&other).await;
        assert_eq!(actor.pid(), twin.pid(), "the same identity means another actor");
        for actor in [&actor, &twin] {
            does(actor, |cx| cx.register("till")).await.expect("each system has names of its own");
            does(actor, |cx| cx.join("tills")).await;
        }
        assert!(one.whereis::<Puppet>("till").unwrap() == actor);
        assert!(other.whereis::<Puppet>("till").unwrap() == twin);
        assert!(one.members::<Puppet>("tills") == [actor.clone()]);
        let down = actor.down();
        actor.tell(Order::Panic).unwrap();
        down.await;
        assert_eq!(letters.recv().await.unwrap().kind, "Panic");
        assert!(other_letters.try_recv().is_err());
        assert_eq!((one.crashes().0, other.crashes().0), (1, 0));
        assert_eq!((one.dead_letters().0, other.dead_letters().0), (1, 0));
        assert_eq!(other.snapshot().actors.len(), 1);
        assert_eq!(who(&twin).await, 1);
        assert!(other.whereis::<Puppet>("till").is_some());
        lawful(&one).await;
        lawful(&other).await;
    });
}

#[test]
fn a_slot_belongs_to_one_system() {
    everywhere(async || {
        let (one, other) = (bare(), bare());
        let slot = Slot::<Puppet>::named("till");
        let (first, _journal) = part();
        one.start_top(&slot, first).await.unwrap();
        let down = slot.down();
        one.kill(slot.pid());
        down.await;
        let (second, _journal) = part();
        assert!(matches!(other.start_top(&slot, second).await, Err(StartError::SlotTaken(name)) if name == "till"));
    });
}

#[test]
fn stopping_one_system_leaves_the_other_alone() {
    everywhere(async || {
        let (one, other) = (bare(), bare());
        let (actor, _journal) = puppet(&one).await;
        let (twin, mut signals) = trapping(&other).await;
        one.stop().await;
        assert!(one.is_stopped() && !other.is_stopped());
        until("it is gone", || actor.tell(Order::Note(1)).is_err_and(|rejected| rejected.why.reason == Reason::Gone))
            .await;
        let (part, _journal) = part();
        assert!(matches!(one.spawn::<Puppet>(part).await, Err(StartError::SystemStopped)));
        assert_eq!(who(&twin).await, 1);
        assert!(!signals.rest().iter().any(|event| matches!(event, crate::stage::Event::Signal(_))));
        lawful(&other).await;
    });
}

#[test]
fn all_systems_of_a_process_have_one_clock() {
    everywhere(async || {
        let one = bare();
        let before = one.now();
        let other = bare();
        let between = other.now();
        let after = one.now();
        assert!(before <= between && between <= after, "{before:?}, {between:?}, {after:?}");
    });
}

#[test]
fn a_deadline_means_the_same_in_another_system() {
    everywhere(async || {
        let one = bare();
        let (back, _back) = puppet(&one).await;
        let (gate, closed) = oneshot::channel();
        // Younger by far more than the deadline.
        one.sleep_until(one.now() + Duration::from_millis(200)).await;
        let other = bare();
        let (front, _front) = puppet(&other).await;
        let make = |reply: Reply<u64>| {
            let back = back.clone();
            act(move |_, _| {
                Box::pin(async move {
                    reply.send(back.ask(|reply| Order::Echo(5, reply)).within(Duration::from_secs(60)).await?);
                    Ok(())
                })
            })
        };
        // Answered long before its end on any machine; expired before it was sent if the clocks differed.
        assert_eq!(front.ask(make).within(Duration::from_millis(190)).await, Ok(5));
        back.tell(Order::Await(closed)).unwrap();
        until("it is busy", || back.law().in_hand == 1).await;
        let asked = front.ask(make).within(Duration::from_millis(50)).await;
        assert!(matches!(asked, Err(AskError::Expired | AskError::Refused(_))), "{asked:?}");
        until("the inner question ended with the outer one", || front.law().in_hand == 0).await;
        drop(gate);
        lawful(&one).await;
        lawful(&other).await;
    });
}

#[test]
fn actors_of_systems_on_different_runtimes_talk_and_one_may_go() {
    let (first, second) = (two_workers(), two_workers());
    let (one, back) = first.block_on(async {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        (system, actor)
    });
    second.block_on(async {
        let other = System::bare().unwrap();
        let (front, _front) = puppet(&other).await;
        let make = |reply: Reply<u64>| {
            let back = back.clone();
            act(move |_, _| {
                Box::pin(async move {
                    reply.send(back.ask(|reply| Order::Echo(5, reply)).await?);
                    Ok(())
                })
            })
        };
        for _ in 0..50 {
            assert_eq!(front.ask(make).await, Ok(5));
        }
        tokio::task::spawn_blocking(move || drop(first)).await.unwrap();
        assert!(one.is_stopped());
        let asked = front.ask(make).await;
        assert!(matches!(asked, Err(AskError::Refused(_))), "{asked:?}");
        assert_eq!(who(&front).await, 1);
        lawful(&other).await;
        assert_eq!(one.ended().await.reason, None::<ExitReason>);
    });
}
