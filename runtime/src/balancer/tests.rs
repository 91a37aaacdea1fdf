//! The balancer in virtual time.

use std::time::Duration;

use super::Balancer;
use crate::scripted::{Clerk, Line, Script, busy, clerk, ms, note, once, simulate, slow_clerk};
use crate::{ActorRef, AskError, Offer, Reason, Refused, RetryPolicy, Slot, StartError, System};

async fn clerks(system: &System, scripts: &[Line]) -> (Balancer<Clerk>, Vec<Script>) {
    let (mut members, mut played) = (Vec::new(), Vec::new());
    for line in scripts {
        let (member, script) = clerk(system, [line.clone()]).await;
        members.push(member);
        played.push(script);
    }
    (Balancer::over(members).unwrap(), played)
}

fn plays(scripts: &[Script]) -> Vec<usize> {
    scripts.iter().map(|script| script.played().len()).collect()
}

#[test]
fn a_balancer_has_members() {
    let refused = Balancer::<Clerk>::over([]).unwrap_err();
    assert!(matches!(refused, StartError::Setting(_)), "{refused}");
    let slot = Slot::<Clerk>::anonymous();
    let crowd = std::iter::repeat_with(|| slot.address());
    assert!(Balancer::over(crowd.take(super::MAX_MEMBERS)).is_ok());
    assert!(matches!(Balancer::over(crowd), Err(StartError::Setting(_))), "an endless crowd is refused as well");
}

#[test]
fn of_two_the_one_with_the_shorter_wait_is_asked_whoever_has_more_messages() {
    for seed in 0..10 {
        simulate(seed, async |system| {
            let ((slow, script), (quick, _)) = (slow_clerk(&system).await, clerk(&system, [Line::Answer]).await);
            slow.tell(note()).unwrap();
            let before = script.played().len();
            let balancer = Balancer::over([slow.clone(), quick.clone()]).unwrap();
            // More messages, but nothing that matters.
            let held: Vec<_> = (0..50).map(|_| quick.reserve(Offer::within(ms(60_000))).unwrap()).collect();
            assert!(slow.load().wait > quick.load().wait && slow.load().depth < quick.load().depth);
            balancer.ask(once).await.unwrap();
            slow.settled().await;
            assert_eq!(script.played().len(), before + 1, "the one that waited there");
            drop(held);
        });
    }
}

#[test]
fn of_two_without_a_queue_the_one_that_has_nothing_in_hand_is_asked() {
    for seed in 0..10 {
        simulate(seed, async |system| {
            let ((idle, script), (busy, other)) = (slow_clerk(&system).await, slow_clerk(&system).await);
            let before = script.played().len();
            other.insert(Line::Work(ms(5_000)));
            busy.tell(note()).unwrap();
            while busy.law().in_hand == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(busy.load(), idle.load(), "nothing tells them apart");
            let balancer = Balancer::over([busy, idle]).unwrap();
            for _ in 0..5 {
                balancer.ask(once).within(ms(1_000)).await.unwrap();
            }
            assert_eq!(script.played().len(), before + 5);
        });
    }
}

#[test]
fn the_longest_queue_is_about_as_long_as_the_average_one() {
    simulate(1, async |system| {
        let (members, _) = clerks(&system, &vec![Line::Work(ms(1_000_000)); 20]).await;
        for _ in 0..20 {
            members.tell(note()).unwrap();
        }
        tokio::task::yield_now().await;
        for _ in 0..2_000 {
            members.tell(note()).unwrap();
        }
        let depths: Vec<_> = members.members().iter().map(|member| member.load().depth).collect();
        let longest = depths.iter().max().copied().unwrap();
        // By lot alone it would be 125 and more.
        assert!((100..=106).contains(&longest), "{depths:?}");
    });
}

#[test]
fn if_one_refuses_the_other_is_asked_and_nobody_else() {
    for seed in 0..20 {
        simulate(seed, async |system| {
            let (balancer, scripts) = clerks(&system, &vec![busy(ms(1)); 5]).await;
            let refused = balancer.ask(once).await.unwrap_err();
            assert!(matches!(refused, AskError::Refused(_)));
            let mut plays = plays(&scripts);
            plays.sort_unstable();
            assert_eq!(plays, [0, 0, 0, 1, 1]);
        });
    }
}

#[test]
fn what_one_of_two_refuses_the_other_does() {
    for seed in 0..20 {
        simulate(seed, async |system| {
            let (balancer, scripts) = clerks(&system, &[busy(ms(1)), Line::Answer]).await;
            assert_eq!(balancer.ask(once).await, Ok(()));
            assert_eq!(plays(&scripts)[1], 1);
        });
    }
}

#[test]
fn what_was_taken_is_done_nowhere_else_whatever_became_of_it() {
    let passed_on = Refused { retry_after: Some(ms(1)), ..Refused::because(Reason::Full) }.passed_on();
    for (line, outcome) in [
        (Line::Forget, AskError::Unanswered),
        (Line::Crash, AskError::Died),
        (Line::Work(ms(200)), AskError::Expired),
        (Line::Refuse(passed_on.clone()), AskError::Refused(passed_on)),
    ] {
        simulate(3, async |system| {
            let (balancer, scripts) = clerks(&system, &[line.clone(), line]).await;
            assert_eq!(balancer.ask(once).within(ms(100)).await, Err(outcome));
            assert_eq!(plays(&scripts).iter().sum::<usize>(), 1);
        });
    }
}

/// A member that was started and has ended.
async fn dead(system: &System) -> ActorRef<Clerk> {
    let (dead, _) = clerk(system, [Line::Crash]).await;
    let down = dead.down();
    dead.tell(note()).unwrap();
    down.await;
    dead
}

#[test]
fn a_member_that_is_not_running_is_passed_over() {
    for seed in 0..20 {
        simulate(seed, async |system| {
            let (alive, script) = clerk(&system, [Line::Answer]).await;
            let busy: Vec<_> = (0..10).map(|_| alive.reserve(Offer::within(ms(60_000))).unwrap()).collect();
            let others = [dead(&system).await, Slot::<Clerk>::anonymous().address()];
            for other in others {
                let balancer = Balancer::over([other.clone(), alive.clone()]).unwrap();
                let refusals = other.law();
                balancer.ask(once).await.unwrap();
                balancer.tell(note()).unwrap();
                drop(balancer.reserve(Offer::within(ms(100))).unwrap());
                assert_eq!(other.law(), refusals);
            }
            alive.settled().await;
            assert_eq!(script.played().len(), 4);
            drop(busy);
        });
    }
}

#[test]
fn where_nobody_runs_the_call_is_refused_and_the_message_comes_back() {
    simulate(1, async |system| {
        let dead = [dead(&system).await, dead(&system).await];
        let balancer = Balancer::over(dead).unwrap();
        assert!(matches!(balancer.ask(once).await, Err(AskError::Refused(_))));
        assert!(balancer.reserve(Offer::within(ms(100))).is_err());
        let rejected = balancer.tell(note()).unwrap_err();
        assert!(rejected.into_message().reply.is_none());
        let fresh = Slot::<Clerk>::anonymous();
        let nowhere = Balancer::over([fresh.address(), fresh.address()]).unwrap();
        let refused = nowhere.ask(once).await.unwrap_err();
        assert!(matches!(refused, AskError::Refused(why) if why.reason == Reason::NotStarted));
    });
}

#[test]
fn what_both_of_two_refuse_is_tried_again_with_two_that_are_drawn_anew() {
    let mut seen = 0;
    for seed in 0..20 {
        simulate(seed, async |system| {
            let (balancer, scripts) = clerks(&system, &vec![busy(ms(1)); 6]).await;
            let policy = RetryPolicy::new();
            assert!(policy.ask(&balancer, once).await.is_err());
            assert_eq!(plays(&scripts).iter().sum::<usize>(), 6, "three times two");
            seen = seen.max(plays(&scripts).iter().filter(|plays| **plays > 0).count());
            let rejected = policy.tell(&balancer, note()).within(Duration::from_secs(1)).await;
            assert!(rejected.is_ok());
        });
    }
    assert!(seen > 3, "{seen}");
}
