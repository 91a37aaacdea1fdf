//! Hazard E1: who waits for whom in a circle ends at the deadline, and who only seems to is not refused.

use crashworthy_runtime::{ActorRef, AskError, Reply};
use tokio::sync::oneshot;

use crate::stage::{Order, Puppet, SOON, act, bare, everywhere, lawful, puppet, until, who};

/// A question that is answered by asking another actor who it is, after this was said.
fn asks(other: &ActorRef<Puppet>, first: oneshot::Receiver<()>, reply: Reply<Result<u32, AskError>>) -> Order {
    let other = other.clone();
    act(move |_, _| {
        Box::pin(async move {
            let _ = first.await;
            reply.send(other.ask(Order::Who).await);
            Ok(())
        })
    })
}

#[test]
fn e1_two_actors_that_ask_each_other_end_at_their_deadline_and_go_on() {
    everywhere(async || {
        let system = bare();
        let (a, _a) = puppet(&system).await;
        let (b, _b) = puppet(&system).await;
        let (both, first) = oneshot::channel();
        let crossing = tokio::spawn({
            let (a, b) = (a.clone(), b.clone());
            async move { a.ask(|reply| asks(&b, first, reply)).within(SOON).await }
        });
        let (_, at_once) = oneshot::channel();
        let other = {
            let (a, b) = (a.clone(), b.clone());
            async move { b.ask(|reply| asks(&a, at_once, reply)).within(SOON).await }
        };
        until("the first is in hand", || a.law().in_hand == 1).await;
        let other = tokio::spawn(other);
        until("the second asks the first", || a.load().depth == 1).await;
        let _ = both.send(());
        let ended = crossing.await.unwrap();
        assert!(matches!(ended, Err(AskError::Expired) | Ok(Err(AskError::Expired))), "{ended:?}");
        // Who came later has time left when the first gives up.
        let ended = other.await.unwrap();
        assert!(matches!(ended, Err(AskError::Expired) | Ok(Err(AskError::Expired) | Ok(1))), "{ended:?}");
        assert_eq!((who(&a).await, who(&b).await), (1, 1));
        lawful(&system).await;
    });
}

#[test]
fn e1_who_has_replied_may_ask_who_asked() {
    everywhere(async || {
        let system = bare();
        let (a, _a) = puppet(&system).await;
        let (b, _b) = puppet(&system).await;
        let (says, said) = oneshot::channel();
        let (back, target) = (a.clone(), b.clone());
        // A asks B; B replies first and then asks A, which is at rest or about to be.
        let question = act(move |_, _| {
            Box::pin(async move {
                let early = |reply: Reply<()>| {
                    act(move |_, _| {
                        Box::pin(async move {
                            reply.send(());
                            let _ = says.send(back.ask(Order::Who).await);
                            Ok(())
                        })
                    })
                };
                target.ask(early).await?;
                Ok(())
            })
        });
        a.tell(question).unwrap();
        assert_eq!(said.await.unwrap(), Ok(1));
        lawful(&system).await;
    });
}
