//! Retries in virtual time. Timers of tokio end up to a millisecond late, those of the wheel likewise.

use std::time::Duration;

use tokio::task::JoinSet;

use super::RetryPolicy;
use crate::scripted::{Clerk, Line, Question, busy, clerk, ms, note, once, simulate, slow_clerk, twice};
use crate::{ActorRef, AskError, CallScope, Reason, Refused, Slot};

const LATE: Duration = ms(3);

fn policy() -> RetryPolicy {
    RetryPolicy::new()
}

/// How long lay between what was played.
fn gaps(played: &[Duration]) -> Vec<Duration> {
    played.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn what_was_refused_is_asked_again_after_the_time_the_refusal_says_and_a_part_of_the_base() {
    let mut waits = Vec::new();
    for seed in 0..20 {
        simulate(seed, async |system| {
            let (clerk, script) = clerk(&system, [busy(ms(100)), busy(ms(100)), Line::Answer]).await;
            assert_eq!(policy().ask(&clerk, once).await, Ok(()));
            let gaps = gaps(&script.played());
            let [first, second] = gaps[..] else { panic!("{gaps:?}") };
            assert!((ms(100)..=ms(110) + LATE).contains(&first), "{first:?}");
            assert!((ms(100)..=ms(120) + LATE).contains(&second), "{second:?}");
            waits.push((first, second));
        });
    }
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 5, "they do not come again in step: {waits:?}");
    assert!(waits.iter().any(|(_, second)| *second > ms(110) + LATE), "the base doubles: {waits:?}");
}

#[test]
fn there_are_three_attempts_at_the_most_and_the_last_failure_is_the_calls() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [busy(ms(1)), busy(ms(2)), busy(ms(3)), busy(ms(4))]).await;
        let refused = policy().ask(&clerk, twice).await.unwrap_err();
        assert!(matches!(refused, AskError::Refused(why) if why.retry_after == Some(ms(3))));
        assert_eq!(script.played().len(), 3);
    });
}

#[test]
fn what_would_not_be_answered_before_the_deadline_is_not_asked_again() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [busy(ms(100))]).await;
        let begun = system.now();
        let refused = policy().ask(&clerk, once).within(ms(180)).await;
        assert!(matches!(refused, Err(AskError::Refused(_))), "{refused:?}");
        assert_eq!(script.played().len(), 2);
        assert!(system.now() - begun < ms(110) + LATE, "it does not wait in vain");
    });
}

#[test]
fn what_is_queued_counts_as_time_until_the_answer() {
    simulate(1, async |system| {
        let (clerk, _) = slow_clerk(&system).await;
        for _ in 0..40 {
            clerk.tell(note()).unwrap();
        }
        let wait = clerk.load().wait;
        assert!(wait >= ms(400), "{wait:?}");
        let begun = system.now();
        // It says that there is room in about 110 ms. What is queued now takes longer than there is time.
        let refused = policy().ask(&clerk, once).within(ms(300)).await;
        let Err(AskError::Refused(Refused { retry_after: Some(after), .. })) = refused else { panic!("{refused:?}") };
        assert!(after < ms(200), "{after:?}");
        assert_eq!(system.now(), begun);
    });
}

/// Has so many ask who all go away after 20 ms: what they asked is thrown away when its turn comes.
async fn crowd(clerk: &ActorRef<Clerk>, many: u32) {
    for _ in 0..many {
        let clerk = clerk.clone();
        let ask = async move { clerk.ask(once).within(Duration::from_secs(60)).await };
        tokio::spawn(tokio::time::timeout(ms(20), ask));
    }
    while clerk.load().depth < many - 1 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_actor_that_had_no_time_is_asked_again_when_it_says_that_it_will_have() {
    simulate(1, async |system| {
        let (clerk, _) = slow_clerk(&system).await;
        crowd(&clerk, 40).await;
        let costly = |reply| Question { cost: 30.0, ..once(reply) };
        let plain = clerk.ask(costly).within(ms(600)).await;
        assert!(matches!(plain, Err(AskError::Refused(why)) if why.reason == Reason::NoTime));
        assert_eq!(policy().ask(&clerk, costly).within(ms(600)).await, Ok(()));
        assert!(system.now() > ms(300), "{:?}", system.now());
    });
}

#[test]
fn a_message_that_came_back_is_sent_again() {
    simulate(1, async |system| {
        let (clerk, script) = slow_clerk(&system).await;
        crowd(&clerk, 40).await;
        let (costly, begun) = (|| Question { cost: 30.0, ..note() }, system.now());
        policy().tell(&clerk, costly()).within(ms(600)).await.unwrap();
        assert!(system.now() > begun + ms(100));
        let before = script.played().len();
        clerk.settled().await;
        assert_eq!(script.played().len(), before + 1);
    });
}

#[test]
fn what_is_sent_at_a_later_attempt_has_the_deadline_of_the_first() {
    simulate(1, async |system| {
        let (clerk, script) = slow_clerk(&system).await;
        crowd(&clerk, 40).await;
        let costly = Question { cost: 30.0, ..note() };
        let policy = policy();
        let begun = system.now();
        let telling = policy.tell(&clerk, costly).within(ms(600));
        // When the crowd has gone there is one that takes long, and then the message.
        let blocked = async {
            tokio::time::sleep(ms(50)).await;
            // Until after the deadline of the first attempt, and before one that would begin with the second.
            script.insert(Line::Work(ms(610)));
            clerk.tell(note()).unwrap();
        };
        let (told, ()) = tokio::join!(telling, blocked);
        told.unwrap();
        assert!(system.now() > begun + ms(100), "at a later attempt: {:?}", system.now());
        clerk.settled().await;
        assert_eq!(clerk.law().expired, 1, "{:?}", clerk.law());
    });
}

#[test]
fn a_refusal_that_was_passed_on_is_for_the_layer_below_to_retry() {
    simulate(1, async |system| {
        let passed_on = Refused { retry_after: Some(ms(1)), ..Refused::because(Reason::Full) }.passed_on();
        let (clerk, script) = clerk(&system, [Line::Refuse(passed_on.clone())]).await;
        assert_eq!(policy().ask(&clerk, twice).await, Err(AskError::Refused(passed_on)));
        assert_eq!(script.played().len(), 1);
    });
}

#[test]
fn a_refusal_that_does_not_say_when_is_not_retried() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [Line::Refuse(Refused::because(Reason::Full))]).await;
        assert_eq!(policy().ask(&clerk, twice).await, Err(AskError::Refused(Refused::because(Reason::Full))));
        assert_eq!(script.played().len(), 1);
        let never = Slot::<Clerk>::named("never started");
        let refused = policy().ask(&never, twice).await.unwrap_err();
        assert!(matches!(refused, AskError::Refused(why) if why.reason == Reason::NotStarted));
    });
}

#[test]
fn what_failed_is_asked_again_only_if_the_message_is_idempotent() {
    simulate(1, async |system| {
        let (first, script) = clerk(&system, [Line::Forget, Line::Answer]).await;
        assert_eq!(policy().ask(&first, once).await, Err(AskError::Unanswered));
        assert_eq!(script.played().len(), 1);
        let (second, script) = clerk(&system, [Line::Forget, Line::Answer]).await;
        assert_eq!(policy().ask(&second, twice).await, Ok(()));
        let gaps = gaps(&script.played());
        assert!(gaps.len() == 1 && gaps[0] <= ms(10) + LATE, "{gaps:?}");
        // Whose actor is gone for good asks in vain.
        let (third, script) = clerk(&system, [Line::Crash]).await;
        let ended = policy().ask(&third, twice).await.unwrap_err();
        assert!(matches!(ended, AskError::Refused(why) if why.retry_after.is_none()));
        assert_eq!(script.played().len(), 1);
    });
}

#[test]
fn callers_with_clones_of_a_policy_share_its_budget() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [busy(ms(1))]).await;
        let policy = policy();
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let (policy, clerk) = (policy.clone(), clerk.clone());
            calls.spawn(async move { policy.ask(&clerk, once).within(ms(900)).await });
        }
        assert!(calls.join_all().await.into_iter().all(|answer| answer.is_err()));
        // Ten were saved. A call that comes while as much is saved as can be adds nothing, and they all come at once.
        let retries = script.played().len() - 100;
        assert!((10..=20).contains(&retries), "{retries}");
        assert!(policy.saved() < 1.0, "{policy:?}");
        // One a second there is in any case.
        tokio::time::sleep(ms(1_100)).await;
        let before = script.played().len();
        assert!(policy.ask(&clerk, once).within(ms(900)).await.is_err());
        assert_eq!(script.played().len(), before + 2);
    });
}

#[test]
fn who_goes_away_between_two_attempts_asks_no_more() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [busy(ms(50)), Line::Answer]).await;
        let policy = policy();
        let gone = tokio::time::timeout(ms(20), policy.ask(&clerk, once)).await;
        assert!(gone.is_err());
        tokio::time::sleep(ms(500)).await;
        assert_eq!(script.played().len(), 1);
        assert_eq!(system.shared.wheel.armed(), 0, "and nothing wakes for it");
    });
}

#[test]
fn who_goes_away_while_it_waits_for_the_answer_has_cancelled_the_question() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [Line::Work(ms(100))]).await;
        clerk.tell(note()).unwrap();
        let policy = policy();
        assert!(tokio::time::timeout(ms(20), policy.ask(&clerk, twice)).await.is_err());
        clerk.settled().await;
        assert_eq!((script.played().len(), clerk.law().cancelled), (1, 1));
    });
}

#[test]
fn attempts_end_with_the_call_they_are_made_for() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [busy(ms(100))]).await;
        let call = CallScope::current().within(&system, ms(150));
        let policy = policy();
        let refused = call.scope(policy.ask(&clerk, once).within(ms(1_000))).await;
        assert!(matches!(refused, Err(AskError::Refused(_))), "{refused:?}");
        assert_eq!(script.played().len(), 2);
    });
}

#[test]
fn a_message_that_is_not_taken_comes_back_after_the_last_attempt() {
    simulate(1, async |system| {
        let (clerk, _) = slow_clerk(&system).await;
        for _ in 0..100 {
            clerk.tell(note()).unwrap();
        }
        let rejected =
            policy().tell(&clerk, Question { idempotent: true, ..note() }).within(ms(300)).await.unwrap_err();
        assert!(matches!(rejected.why.reason, Reason::NoTime | Reason::Shed), "{rejected}");
        assert!(rejected.into_message().idempotent);
        // It has no deadline where nobody names one: only a full mailbox refuses it.
        policy().tell(&clerk, note()).await.unwrap();
    });
}
