//! The current call (deadline, criticality, span) travels with work that is moved into other tasks, and nowhere else.

use std::time::Duration;

use crashworthy_runtime::{AskError, CallScope, Reply};
use tokio::sync::oneshot;

use crate::stage::{Order, Tally, act, bare, does, everywhere, lawful, ms, now, puppet, until, who};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn an_ask_in_a_scope_ends_with_it_wherever_it_is_polled() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        let scope = CallScope::current().within(&system, ms(30));
        let asks = |actor: crashworthy_runtime::ActorRef<_>| async move {
            actor.ask(|reply| Order::Echo(1, reply)).within(LONG).await
        };
        // In a task of its own, joined with another, and inside a second scope.
        let in_a_task = tokio::spawn(scope.clone().scope(asks(actor.clone())));
        let inner = CallScope::current();
        let nested = scope.scope(async { CallScope::current().scope(asks(actor.clone())).await });
        let free = tokio::spawn(inner.scope(asks(actor.clone())));
        assert_eq!(nested.await, Err(AskError::Expired));
        assert_eq!(in_a_task.await.unwrap(), Err(AskError::Expired));
        drop(gate);
        assert_eq!(free.await.unwrap(), Ok(1), "who is in no call has its own deadline");
        lawful(&system).await;
    });
}

#[test]
fn a_scope_is_made_shorter_and_never_longer() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        let scope = CallScope::current().within(&system, ms(20)).within(&system, LONG);
        let asked = scope.scope(actor.ask(|reply| Order::Echo(1, reply)).within(LONG)).await;
        assert_eq!(asked, Err(AskError::Expired));
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn a_task_that_is_spawned_in_a_scope_ends_its_questions_with_the_call_being_handled() {
    everywhere(async || {
        let system = bare();
        let (back, _back) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        back.tell(Order::Await(closed)).unwrap();
        let (front, _front) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let to = back.clone();
        let make = |reply: Reply<u64>| {
            now(move |_, cx| {
                assert!(cx.remaining().is_some());
                // Two tasks deep: the scope is the call's, not the task's.
                let scope = CallScope::current();
                tokio::spawn(scope.scope(async move {
                    let deeper = CallScope::current();
                    let asks = deeper.scope(async move { to.ask(|reply| Order::Echo(1, reply)).within(LONG).await });
                    let _ = says.send(tokio::spawn(asks).await.unwrap());
                    drop(reply);
                }));
                Ok(())
            })
        };
        let asked = front.ask(make).within(ms(300)).await;
        assert!(matches!(asked, Err(AskError::Expired | AskError::Unanswered)), "{asked:?}");
        assert_eq!(said.await.unwrap(), Err(AskError::Expired));
        drop(gate);
        lawful(&system).await;
    });
}

#[test]
fn a_tell_in_a_scope_inherits_nothing_unless_it_asks_to() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is busy", || actor.law().in_hand == 1).await;
        let scope = CallScope::current().within(&system, ms(5));
        let to = actor.clone();
        scope
            .scope(async move {
                to.tell(Order::Note(1)).unwrap();
                to.tell_scoped(Order::Note(2)).unwrap();
            })
            .await;
        system.sleep_until(system.now() + ms(10)).await;
        drop(gate);
        actor.settled().await;
        assert_eq!(journal.notes(), [1]);
        assert_eq!(actor.law().expired, 1);
        lawful(&system).await;
    });
}

#[test]
fn a_scope_ends_when_its_future_has_been_polled() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        // Side by side in one task: neither has the other's deadline.
        let scope = CallScope::current().within(&system, Duration::ZERO);
        let (gate, opened) = oneshot::channel();
        let scoped = scope.scope(async {
            let answer = actor.ask(|reply| Order::Echo(1, reply)).within(LONG).await;
            let _ = gate.send(());
            answer
        });
        let free = async {
            let _ = opened.await;
            actor.ask(|reply| Order::Echo(2, reply)).await
        };
        let (_, free) = tokio::join!(scoped, free);
        assert_eq!(free, Ok(2));
        // Nor is anything of it left in the thread when it is dropped half-way or panics.
        let panics = CallScope::current().within(&system, Duration::ZERO).scope(async { panic!("inside") });
        assert!(tokio::spawn(panics).await.is_err());
        assert_eq!(who(&actor).await, 1);
        lawful(&system).await;
    });
}

#[test]
fn what_an_actor_awaits_in_its_handler_is_in_the_call_it_handles() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let make = |reply: Reply<bool>| {
            act(move |_, cx| {
                Box::pin(async move {
                    let before = cx.remaining().is_some();
                    tokio::task::yield_now().await;
                    reply.send(before && cx.remaining().is_some());
                    Ok(())
                })
            })
        };
        assert_eq!(actor.ask(make).within(LONG).await, Ok(true));
        let tell = act(move |_, cx| {
            Box::pin(async move {
                tokio::task::yield_now().await;
                let _ = says.send(cx.remaining());
                Ok(())
            })
        });
        actor.tell(tell).unwrap();
        assert_eq!(said.await.unwrap(), None, "the next message is in no call");
        lawful(&system).await;
    });
}

#[test]
fn a_scoped_tell_that_is_handled_late_learns_that_it_is_not_needed() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let begun = Tally::default();
        let counted = begun.clone();
        let order = act(move |puppet, cx| {
            Box::pin(async move {
                counted.bump();
                cx.cancelled().await;
                puppet.note(1);
                assert_eq!(cx.check(), Err(AskError::Expired));
                Ok(())
            })
        });
        let to = actor.clone();
        // Long enough for its handler to begin.
        let scope = CallScope::current().within(&system, ms(200));
        scope.scope(async move { to.tell_scoped(order).unwrap() }).await;
        actor.settled().await;
        if begun.get() == 1 {
            assert_eq!(journal.note().await, 1);
        }
        assert_eq!(does(&actor, |cx| cx.incarnation()).await, 1);
        lawful(&system).await;
    });
}
