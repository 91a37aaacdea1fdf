//! Hazards D1, D2, D3: replies, properties of messages, and what a message inherits.

use std::time::Duration;

use crashworthy_runtime::{ActorId, AskError, Criticality, Exit, Message, Reason, Refused, Reply, Slot};
use tokio::sync::oneshot;

use crate::stage::{Done, Nursery, Order, Puppet, SOON, act, bare, everywhere, law, lawful, ms, puppet, until, who};

/// Asks with a deed that is given the reply.
async fn asks(
    actor: &crashworthy_runtime::ActorRef<Puppet>,
    deed: impl FnOnce(Reply<u64>) -> Done<'static> + Send + 'static,
) -> Result<u64, AskError> {
    actor.ask(|reply| act(move |_, _| deed(reply))).within(Duration::from_secs(5)).await
}

#[test]
fn d1_a_reply_dropped_unsent_has_an_outcome_that_says_how_the_handler_ended() {
    everywhere(async || {
        let system = bare();
        let mut nursery = Nursery::open(&system, Slot::named("till")).await;
        let actor = nursery.slot.address();

        let sent = asks(&actor, |reply| {
            reply.send(1);
            Box::pin(async { Ok(()) })
        });
        assert_eq!(sent.await, Ok(1));

        let dropped = asks(&actor, |reply| {
            drop(reply);
            Box::pin(async { Ok(()) })
        });
        assert_eq!(dropped.await, Err(AskError::Unanswered));

        let refusing = asks(&actor, |reply| {
            Box::pin(async move {
                let nobody = Slot::<Puppet>::anonymous();
                nobody.tell(Order::Note(0))?;
                reply.send(1);
                Ok(())
            })
        });
        let Err(AskError::Refused(why)) = refusing.await else { panic!("a refusal is passed on") };
        assert_eq!((why.reason, why.by, why.hops), (Reason::Downstream, ActorId::OUTSIDE, 1), "nobody refused");
        assert_eq!(who(&actor).await, 1, "a refusal by `?` ends the message, not the actor");

        let erring = asks(&actor, |reply| {
            Box::pin(async move {
                let _reply = reply;
                Err(Exit::from("no"))
            })
        });
        assert_eq!(erring.await, Err(AskError::Died));
        nursery.signals.signal().await;
        nursery.start().await.unwrap();

        let panicking = asks(&actor, |reply| {
            Box::pin(async move {
                let _reply = reply;
                panic!("no")
            })
        });
        assert_eq!(panicking.await, Err(AskError::Died));
        nursery.signals.signal().await;
        lawful(&system).await;
        assert_eq!((law(&actor).given_up, law(&actor).handled), (2, 4));
    });
}

#[test]
fn d1_a_reply_is_settled_when_the_turn_ends_not_when_it_is_dropped() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel::<()>();
        let mut asked = std::pin::pin!(asks(&actor, |reply| {
            Box::pin(async move {
                drop(reply);
                let _ = closed.await;
                Err(Exit::from("after all"))
            })
        }));
        tokio::select! {
            biased;
            early = &mut asked => panic!("settled too early: {early:?}"),
            () = crate::stage::until("it is in hand", || actor.law().in_hand == 1) => {}
        }
        gate.send(()).unwrap();
        assert_eq!(asked.await, Err(AskError::Died));
    });
}

#[test]
fn d1_a_reply_may_be_kept_moved_and_answered_later_by_another() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (other, _other) = puppet(&system).await;
        let answered = asks(&actor, move |reply| {
            let late = act(move |_, _| {
                reply.send(9);
                Box::pin(async { Ok(()) })
            });
            Box::pin(async move { Ok(other.tell(late)?) })
        });
        assert_eq!(answered.await, Ok(9));
        // Kept after the turn, then dropped: nobody will answer.
        let (keep, kept) = std::sync::mpsc::channel::<Reply<u64>>();
        let mut forgotten = std::pin::pin!(asks(&actor, move |reply| {
            keep.send(reply).unwrap();
            Box::pin(async { Ok(()) })
        }));
        tokio::select! {
            biased;
            early = &mut forgotten => panic!("settled too early: {early:?}"),
            () = crate::stage::until("it is handled", || actor.law().handled == 2) => {}
        }
        drop(kept.recv().unwrap());
        assert_eq!(forgotten.await, Err(AskError::Unanswered));
        lawful(&system).await;
    });
}

#[test]
fn d1_a_refusal_met_downstream_names_how_far_it_came() {
    everywhere(async || {
        let system = bare();
        let (front, _front) = puppet(&system).await;
        let (middle, _middle) = puppet(&system).await;
        let (leaf, _leaf) = puppet(&system).await;
        let hour = Duration::from_secs(3_600);
        system.suspend_for(leaf.pid(), hour);
        until("it refuses", || leaf.load().wait > hour / 2).await;
        let (leaf_id, own) = (leaf.id(), leaf.ask(|reply| Order::Echo(1, reply)).await);
        let Err(AskError::Refused(own)) = own else { panic!("it is suspended") };
        let asked = asks(&front, move |reply| {
            Box::pin(async move {
                let deed = |reply: Reply<u64>| {
                    act(move |_, _| {
                        Box::pin(async move {
                            let answer = leaf.ask(|reply| Order::Echo(1, reply)).await?;
                            reply.send(answer);
                            Ok(())
                        })
                    })
                };
                reply.send(middle.ask(deed).await?);
                Ok(())
            })
        });
        let Err(AskError::Refused(why)) = asked.await else { panic!("refused") };
        assert_eq!(
            (why.reason, why.by, why.hops),
            (Reason::Downstream, leaf_id, 2),
            "who refused is told, through two"
        );
        let soon = |refused: &Refused| refused.retry_after.is_some_and(|after| after > hour / 2);
        assert!(soon(&own) && soon(&why) && why.load.limit == own.load.limit, "and when to ask again: {why:?}");
        assert_eq!(who(&front).await, 1);
        lawful(&system).await;
    });
}

enum Till {
    Sell,
    Report,
}

impl Message for Till {
    fn kind(&self) -> &'static str {
        match self {
            Self::Sell => "Sell",
            Self::Report => "Report",
        }
    }

    fn criticality(&self) -> Criticality {
        match self {
            Self::Sell => Criticality::CriticalPlus,
            Self::Report => Criticality::SheddablePlus,
        }
    }

    fn sla(&self) -> Option<Duration> {
        matches!(self, Self::Sell).then_some(ms(50))
    }

    fn idempotent(&self) -> bool {
        matches!(self, Self::Report)
    }
}

#[test]
fn d2_properties_are_per_value() {
    let (sell, report) = (Till::Sell, Till::Report);
    assert_eq!((sell.kind(), report.kind()), ("Sell", "Report"));
    assert_eq!((sell.criticality(), report.criticality()), (Criticality::CriticalPlus, Criticality::SheddablePlus));
    assert_eq!((sell.sla(), report.sla()), (Some(ms(50)), None));
    assert_eq!((sell.idempotent(), report.idempotent()), (false, true));
}

/// The debit is handled, the client hangs up: the credit goes through.
#[test]
fn d3_tells_inherit_nothing() {
    everywhere(async || {
        let system = bare();
        let (debit, _debit) = puppet(&system).await;
        let (credit, mut credited) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        credit.tell(Order::Await(closed)).unwrap();
        let to = credit.clone();
        let asked = asks_within(&debit, SOON, move |reply, scoped| {
            Box::pin(async move {
                to.tell(Order::Note(1))?;
                // Opting in is possible.
                to.tell_scoped(Order::Note(2))?;
                let _ = scoped.send(());
                // The asker hears nothing before its deadline.
                let _reply = reply;
                std::future::pending().await
            })
        });
        assert_eq!(asked.await, Err(AskError::Expired));
        gate.send(()).unwrap();
        credit.settled().await;
        assert_eq!(credited.notes(), [1], "a tell has no deadline, a scoped one has its caller's");
        assert_eq!(law(&credit).expired, 1);
        system.kill(debit.pid());
        lawful(&system).await;
    });
}

async fn asks_within(
    actor: &crashworthy_runtime::ActorRef<Puppet>,
    within: Duration,
    deed: impl FnOnce(Reply<u64>, oneshot::Sender<()>) -> Done<'static> + Send + 'static,
) -> Result<u64, AskError> {
    let (sender, told) = oneshot::channel();
    let answer = actor.ask(|reply| act(move |_, _| deed(reply, sender))).within(within).await;
    told.await.expect("the handler has told");
    answer
}

#[test]
fn d3_a_tell_of_a_cancelled_caller_is_handled() {
    everywhere(async || {
        let system = bare();
        let (front, _front) = puppet(&system).await;
        let (back, mut heard) = puppet(&system).await;
        let to = back.clone();
        let (gate, closed) = oneshot::channel();
        back.tell(Order::Await(closed)).unwrap();
        let asking = tokio::spawn({
            let front = front.clone();
            async move {
                asks(&front, move |reply| {
                    Box::pin(async move {
                        to.tell(Order::Note(1))?;
                        reply.send(1);
                        Ok(())
                    })
                })
                .await
            }
        });
        asking.await.unwrap().unwrap();
        gate.send(()).unwrap();
        back.settled().await;
        assert_eq!(heard.notes(), [1]);
    });
}
