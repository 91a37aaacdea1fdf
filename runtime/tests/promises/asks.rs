//! An ask always ends: reply, refusal, expiry, death or cancellation, never silence.

use std::time::{Duration, Instant};

use crashworthy_runtime::{
    Actor, ActorRef, AskError, CallScope, Context, Exit, ExitReason, LONGEST_DEADLINE, Message, Reason, Reply,
    RetryPolicy, StartError, System,
};
use tokio::sync::oneshot;

use crate::stage::{
    Order, Puppet, SOON, act, bare, everywhere, law, lawful, ms, now, poll_elsewhere, puppet, until, who,
};

const LONG: Duration = Duration::from_secs(60);

/// An actor that is busy until the gate opens.
async fn busy(system: &System) -> (ActorRef<Puppet>, crate::stage::Journal, oneshot::Sender<()>) {
    let (actor, journal) = puppet(system).await;
    let (gate, closed) = oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    until("it is busy", || actor.law().in_hand == 1).await;
    (actor, journal, gate)
}

#[test]
fn no_pumps_are_refused_as_too_many_are() {
    everywhere(async || {
        for wrong in [0, 1_025] {
            let refused = System::builder().pumps(wrong).bare().map(drop);
            assert!(
                matches!(&refused, Err(StartError::Setting(why)) if why.contains("allowed are 1 to 1024")),
                "{refused:?}"
            );
        }
        assert!(System::builder().pumps(1).bare().is_ok());
    });
}

#[test]
fn an_ask_is_answered() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        for value in 0..200 {
            assert_eq!(actor.ask(|reply| Order::Echo(value, reply)).await, Ok(value));
        }
        lawful(&system).await;
        assert_eq!(law(&actor).handled, 200);
    });
}

#[test]
fn an_ask_that_names_no_deadline_ends_at_the_systems() {
    everywhere(async || {
        let system = System::builder().ask_within(ms(20)).bare().unwrap();
        let (actor, _journal, gate) = busy(&system).await;
        let begun = Instant::now();
        assert_eq!(actor.ask(|reply| Order::Echo(1, reply)).await, Err(AskError::Expired));
        assert!(begun.elapsed() >= ms(20), "not before its time");
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn a_deadline_begins_at_the_first_poll() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let ask = actor.ask(|reply| Order::Echo(1, reply)).within(ms(2_000));
        assert_eq!(law(&actor).accepted, 0, "it sends nothing before");
        assert_eq!(ask.await, Ok(1));
        drop(actor.ask(|reply| Order::Echo(2, reply)));
        assert_eq!(law(&actor).accepted, 1);
    });
}

#[test]
fn an_ask_that_moves_to_another_task_keeps_its_deadline() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal, gate) = busy(&system).await;
        let mut ask = actor.ask(|reply| Order::Echo(1, reply)).within(ms(50));
        assert!(poll_elsewhere(&mut ask).is_pending());
        assert_eq!(ask.await, Err(AskError::Expired));
        drop(gate);
        lawful(&system).await;
    });
}

/// Asks until when its answer is waited for, within a time of its own.
struct Hurried(Reply<(Duration, Duration)>);

impl Message for Hurried {
    fn sla(&self) -> Option<Duration> {
        Some(SOON)
    }
}

struct Clock;

impl Actor for Clock {
    type Args = ();
    type Msg = Hurried;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Hurried(reply): Hurried, cx: &mut Context<Self>) -> Result<(), Exit> {
        let (deadline, remaining) = (cx.deadline(), cx.remaining());
        reply.send((deadline.unwrap_or(Duration::MAX), remaining.unwrap_or(Duration::MAX)));
        Ok(())
    }
}

#[test]
fn a_question_whose_asker_names_no_time_has_the_one_that_its_message_names() {
    everywhere(async || {
        let system = bare();
        let clock = system.spawn::<Clock>(()).await.unwrap();
        let policy = RetryPolicy::default();
        let in_time = |earliest: Duration, within: Duration, (deadline, remaining): (Duration, Duration)| {
            assert!(remaining <= within && deadline <= system.now() + remaining, "{remaining:?} until {deadline:?}");
            assert!(deadline >= earliest + within, "{deadline:?} is sooner than {within:?} after {earliest:?}");
        };
        let (begun, longer) = (system.now(), SOON * 9);
        in_time(begun, SOON, clock.ask(Hurried).await.unwrap());
        in_time(begun, SOON, policy.ask(&clock, Hurried).await.unwrap());
        in_time(begun, longer, clock.ask(Hurried).within(longer).await.unwrap());
        in_time(begun, longer, policy.ask(&clock, Hurried).within(longer).await.unwrap());
        lawful(&system).await;
    });
}

/// Asks the first of them, who asks the next, and so on; the last says who was asked.
fn through(
    mut all: std::collections::VecDeque<ActorRef<Puppet>>,
    replies_first: bool,
) -> impl Future<Output = Result<u64, AskError>> + Send {
    let first = all.pop_front().expect("somebody is asked");
    async move {
        let asked = first.ask(|reply: Reply<u64>| {
            act(move |_, _| {
                Box::pin(async move {
                    if all.is_empty() {
                        reply.send(7);
                    } else if replies_first {
                        reply.send(5);
                        through(all, false).await?;
                    } else {
                        reply.send(Box::pin(through(all, false)).await?);
                    }
                    Ok(())
                })
            })
        });
        asked.within(LONG).await
    }
}

#[test]
fn who_gives_up_empties_the_mailboxes_of_all_who_are_asked_for_his_sake() {
    everywhere(async || {
        let system = bare();
        let (front, _front) = puppet(&system).await;
        let (middle, _middle) = puppet(&system).await;
        let (back, _journal, gate) = busy(&system).await;
        let mut asks = Box::pin(through([&front, &middle, &back].map(Clone::clone).into(), false));
        let queued = || law(&back).queued == 1;
        // The one who asks is polled here, and dropped.
        tokio::select! {
            answer = &mut asks => panic!("{answer:?}"),
            () = until("the last is asked", queued) => {}
        }
        drop(asks);
        gate.send(()).unwrap();
        for actor in [&back, &middle, &front] {
            actor.settled().await;
        }
        assert_eq!((law(&back).cancelled, law(&back).handled), (1, 1), "its first message and no more");
        // Who asked it is told, and goes on.
        assert_eq!((who(&middle).await, who(&front).await), (1, 1));
        lawful(&system).await;
    });
}

#[test]
fn who_has_his_answer_has_not_given_up() {
    everywhere(async || {
        let system = bare();
        let (front, _front) = puppet(&system).await;
        let (back, _journal, gate) = busy(&system).await;
        assert_eq!(through([&front, &back].map(Clone::clone).into(), true).await, Ok(5));
        until("the last is asked", || law(&back).queued == 1).await;
        gate.send(()).unwrap();
        front.settled().await;
        assert_eq!((law(&back).cancelled, law(&back).handled), (0, 2));
        lawful(&system).await;
    });
}

#[test]
fn a_question_that_expired_in_the_queue_is_dropped_unhandled() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal, gate) = busy(&system).await;
        // Its asker waits on, so that it is the deadline alone that ends it.
        let scope = CallScope::current().within(&system, ms(3));
        let address = actor.clone();
        let runs = crate::stage::Tally::default();
        let counted = runs.clone();
        scope
            .scope(async move {
                let order = now(move |_, _| {
                    counted.bump();
                    Ok(())
                });
                address.tell_scoped(order).unwrap();
            })
            .await;
        system.sleep_until(system.now() + ms(5)).await;
        gate.send(()).unwrap();
        actor.settled().await;
        assert_eq!((runs.get(), law(&actor).expired), (0, 1));
        lawful(&system).await;
    });
}

#[test]
fn a_question_whose_asker_has_gone_at_its_deadline_has_expired_and_was_not_cancelled() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal, gate) = busy(&system).await;
        assert_eq!(actor.ask(|reply| Order::Echo(1, reply)).within(ms(5)).await, Err(AskError::Expired));
        gate.send(()).unwrap();
        actor.settled().await;
        assert_eq!((law(&actor).expired, law(&actor).cancelled, law(&actor).handled), (1, 0, 1));
        lawful(&system).await;
    });
}

#[test]
fn dropping_an_ask_cancels_the_question_if_it_is_still_queued() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal, gate) = busy(&system).await;
        let address = actor.clone();
        let asked = tokio::spawn(async move { address.ask(|reply| Order::Echo(1, reply)).await });
        until("it is queued", || actor.law().queued == 1).await;
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        gate.send(()).unwrap();
        actor.settled().await;
        assert_eq!((law(&actor).cancelled, law(&actor).handled), (1, 1));
        lawful(&system).await;
    });
}

#[test]
fn a_handler_learns_that_its_asker_has_gone() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let address = actor.clone();
        let asked = tokio::spawn(async move {
            let make = |reply: Reply<u64>| {
                act(move |puppet, cx| {
                    Box::pin(async move {
                        cx.check()?;
                        puppet.note(1);
                        cx.cancelled().await;
                        puppet.note(2);
                        assert!(reply.is_cancelled());
                        cx.check()?;
                        puppet.note(3);
                        Ok(())
                    })
                })
            };
            address.ask(make).await
        });
        assert_eq!(journal.note().await, 1);
        asked.abort();
        assert_eq!(journal.note().await, 2);
        assert_eq!(who(&actor).await, 1, "`check()?` ends the message, not the actor");
        assert_eq!(journal.notes(), []);
        lawful(&system).await;
    });
}

#[test]
fn a_handler_learns_that_the_deadline_has_passed() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let make = |reply: Reply<u64>| {
            act(move |puppet, cx| {
                Box::pin(async move {
                    assert!(cx.remaining().is_some_and(|left| left <= SOON));
                    cx.cancelled().await;
                    puppet.note(1);
                    drop(reply);
                    Ok(())
                })
            })
        };
        // The handler may be quicker to drop its reply than the asker to go.
        let asked = actor.ask(make).within(SOON).await;
        assert!(matches!(asked, Err(AskError::Expired | AskError::Unanswered)), "{asked:?}");
        assert_eq!(journal.note().await, 1);
        lawful(&system).await;
    });
}

/// Asks `front` to ask `back`, within these times, and returns both outcomes and what was left in `front`.
async fn nested(
    front: &ActorRef<Puppet>,
    back: &ActorRef<Puppet>,
    outer: Duration,
    inner: Duration,
) -> (Result<u64, AskError>, Option<Result<u64, AskError>>) {
    let (says, said) = oneshot::channel();
    let back = back.clone();
    let make = |reply: Reply<u64>| {
        act(move |_, _| {
            Box::pin(async move {
                let answer = back.ask(|reply| Order::Echo(1, reply)).within(inner).await;
                let _ = says.send(answer.clone());
                reply.send(answer?);
                Ok(())
            })
        })
    };
    let answer = front.ask(make).within(outer).await;
    (answer, said.await.ok())
}

#[test]
fn a_late_answer_is_dropped_and_whoever_gives_it_goes_on() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel::<()>();
        let asked = actor.ask(|reply: Reply<u64>| {
            act(move |_, _| {
                Box::pin(async move {
                    let _ = closed.await;
                    reply.send(7);
                    Ok(())
                })
            })
        });
        assert_eq!(asked.within(ms(20)).await, Err(AskError::Expired));
        drop(gate);
        assert_eq!(actor.ask(|reply| Order::Echo(8, reply)).await, Ok(8), "the next answer is its own");
        assert_eq!(who(&actor).await, 1);
        lawful(&system).await;
    });
}

#[test]
fn a_question_ends_when_whoever_is_asked_does_normal_and_shutdown_included() {
    everywhere(async || {
        let system = bare();
        for reason in [ExitReason::Normal, ExitReason::Shutdown] {
            let (actor, _journal, gate) = busy(&system).await;
            let down = actor.down();
            actor.tell(Order::Exit(reason.clone())).unwrap();
            let asker = actor.clone();
            let queued = tokio::spawn(async move { asker.ask(|reply| Order::Echo(1, reply)).within(LONG).await });
            until("both are queued", || law(&actor).queued == 2).await;
            drop(gate);
            assert_eq!(down.await.reason, reason);
            let ended = queued.await.unwrap();
            assert!(matches!(ended, Err(AskError::Died | AskError::Refused(_))), "{ended:?}");
        }
        lawful(&system).await;
    });
}

#[test]
fn a_nested_ask_ends_no_later_than_the_call_being_handled() {
    everywhere(async || {
        let system = bare();
        let (back, _back, gate) = busy(&system).await;
        let (front, _front) = puppet(&system).await;
        let begun = Instant::now();
        let (outer, inner) = nested(&front, &back, SOON, LONG).await;
        assert!(matches!(outer, Err(AskError::Refused(_) | AskError::Expired)), "{outer:?}");
        assert_eq!(inner, Some(Err(AskError::Expired)));
        assert!(begun.elapsed() < LONG, "not at its own");
        assert_eq!(who(&front).await, 1, "an expiry by `?` ends the message, not the actor");
        gate.send(()).unwrap();
        lawful(&system).await;
    });
}

#[test]
fn a_nested_ask_keeps_its_own_deadline_when_that_is_sooner() {
    everywhere(async || {
        let system = bare();
        let (back, _back, gate) = busy(&system).await;
        let (front, _front) = puppet(&system).await;
        let (outer, inner) = nested(&front, &back, Duration::from_secs(60), ms(5)).await;
        assert_eq!(inner, Some(Err(AskError::Expired)));
        assert!(matches!(outer, Err(AskError::Refused(_) | AskError::Expired)), "{outer:?}");
        gate.send(()).unwrap();
        lawful(&system).await;
    });
}

#[test]
fn the_scope_of_a_call_reaches_other_tasks() {
    everywhere(async || {
        let system = bare();
        let (back, _back, gate) = busy(&system).await;
        let (front, _front) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let to = back.clone();
        let make = |reply: Reply<u64>| {
            now(move |_, _| {
                let ask = async move { to.ask(|reply| Order::Echo(1, reply)).within(Duration::from_secs(60)).await };
                let scoped = CallScope::current().scope(ask);
                tokio::spawn(async move {
                    let _ = says.send(scoped.await);
                    drop(reply);
                });
                Ok(())
            })
        };
        let asked = front.ask(make).within(SOON).await;
        assert!(matches!(asked, Err(AskError::Expired | AskError::Unanswered)), "{asked:?}");
        assert_eq!(said.await.unwrap(), Err(AskError::Expired), "the task's question ended with the call");
        gate.send(()).unwrap();
        lawful(&system).await;
    });
}

#[test]
fn outside_of_its_scope_a_task_has_no_deadline_of_the_call() {
    everywhere(async || {
        let system = bare();
        let (back, _back, gate) = busy(&system).await;
        let (front, _front) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let to = back.clone();
        let make = |reply: Reply<u64>| {
            now(move |_, _| {
                tokio::spawn(async move {
                    let _ = says.send(to.ask(|reply| Order::Echo(1, reply)).within(Duration::from_secs(60)).await);
                });
                drop(reply);
                Ok(())
            })
        };
        assert_eq!(front.ask(make).within(SOON).await, Err(AskError::Unanswered));
        until("it is queued", || back.law().queued == 1).await;
        system.sleep_until(system.now() + SOON).await;
        gate.send(()).unwrap();
        assert_eq!(said.await.unwrap(), Ok(1));
        lawful(&system).await;
    });
}

#[test]
fn the_call_of_one_message_does_not_leak_into_the_next() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let left = |reply: Reply<Option<Duration>>| {
            now(move |_, cx| {
                reply.send(cx.remaining());
                Ok(())
            })
        };
        assert!(actor.ask(left).within(ms(5_000)).await.unwrap().is_some());
        let (says, said) = oneshot::channel();
        actor
            .tell(now(move |_, cx| {
                let _ = says.send(cx.remaining());
                Ok(())
            }))
            .unwrap();
        assert_eq!(said.await.unwrap(), None);
        assert!(actor.ask(left).within(Duration::MAX).await.is_ok());
    });
}

#[test]
fn many_asks_at_once_each_get_their_own_answer() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let mut asks = tokio::task::JoinSet::new();
        for value in 0..500 {
            let actor = actor.clone();
            asks.spawn(async move { (value, actor.ask(|reply| Order::Echo(value, reply)).await) });
        }
        while let Some(answered) = asks.join_next().await {
            let (value, answer) = answered.unwrap();
            assert_eq!(answer, Ok(value));
        }
        lawful(&system).await;
    });
}

#[test]
fn a_deadline_that_is_too_long_is_cut_to_the_longest() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let left = |says: oneshot::Sender<Option<Duration>>| {
            act(move |_, cx| {
                let _ = says.send(cx.remaining());
                Box::pin(async { Ok(()) })
            })
        };
        let is_cut = |left: Option<Duration>| left.is_some_and(|left| left <= LONGEST_DEADLINE);

        // A question; what is asked inside is asked within what is left of it.
        let asks = |reply: Reply<Option<Duration>>| {
            act(move |_, cx| {
                reply.send(cx.remaining());
                Box::pin(async { Ok(()) })
            })
        };
        let asked = actor.ask(asks).within(Duration::MAX).await.unwrap();
        assert!(is_cut(asked), "{asked:?}");
        // A message by a permit for which somebody would have waited for ever.
        let (says, said) = oneshot::channel();
        actor.admitted(Duration::MAX).await.unwrap().send(left(says)).unwrap();
        said.await.unwrap();
        // The calls of a scope.
        let scope = CallScope::current().within(&system, Duration::MAX);
        let asked = scope.scope(async { actor.ask(asks).within(Duration::MAX).await }).await.unwrap();
        assert!(is_cut(asked), "{asked:?}");
        // A system whose asks would never end.
        let endless = System::builder().ask_within(Duration::MAX).bare().unwrap();
        let (other, _other) = puppet(&endless).await;
        let asked = other.ask(asks).await.unwrap();
        assert!(is_cut(asked), "{asked:?}");
        // What is told without a deadline has none.
        let (says, said) = oneshot::channel();
        actor.tell(left(says)).unwrap();
        assert_eq!(said.await.unwrap(), None);
        lawful(&system).await;
    });
}

#[test]
fn an_actor_that_asks_itself_is_refused_at_once() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let make = |reply: Reply<u64>| {
            act(move |_, cx| {
                Box::pin(async move {
                    let me = cx.address();
                    reply.send(me.ask(|reply| Order::Echo(1, reply)).await?);
                    Ok(())
                })
            })
        };
        // The refusal is passed on by `?`, and ends the question: well before its deadline.
        let begun = Instant::now();
        let asked = actor.ask(make).within(LONG).await;
        assert!(matches!(&asked, Err(AskError::Refused(why)) if why.reason == Reason::Downstream), "{asked:?}");
        assert!(begun.elapsed() < LONG);
        assert_eq!(who(&actor).await, 1);
        lawful(&system).await;
    });
}
