//! Hazard C6: accepted = handled + expired + cancelled + displaced + undelivered + given up + in hand + queued.

use std::time::Duration;

use crashworthy_runtime::{AskError, ExitReason, Law, Offer};
use tokio::sync::oneshot;

use crate::stage::{Order, act, bare, everywhere, law, lawful, ms, now, puppet, until};

#[test]
fn c6_every_term_of_the_law_counts_what_it_says() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        actor.tell(Order::Note(1)).unwrap();
        actor.settled().await;
        assert_eq!(law(&actor), Law { accepted: 1, handled: 1, ..Law::default() });

        let (gate, closed) = oneshot::channel();
        actor.tell(Order::Await(closed)).unwrap();
        until("it is in hand", || actor.law().in_hand == 1).await;
        assert_eq!(law(&actor), Law { accepted: 2, handled: 1, in_hand: 1, ..Law::default() });

        // A question whose asker goes, and one whose deadline passes while it is queued.
        let asked = tokio::spawn({
            let actor = actor.clone();
            async move { actor.ask(|reply| Order::Echo(1, reply)).await }
        });
        until("it is queued", || actor.law().queued == 1).await;
        asked.abort();
        assert!(asked.await.is_err());
        let expired = actor.ask(|reply| Order::Echo(2, reply)).within(ms(2)).await;
        assert_eq!(expired, Err(AskError::Expired));
        actor.tell(Order::Note(2)).unwrap();
        assert_eq!(law(&actor), Law { accepted: 5, handled: 1, in_hand: 1, queued: 3, ..Law::default() });

        // A place that is only promised is no message.
        let permit = actor.reserve(Offer::within(ms(60_000))).unwrap();
        assert_eq!(law(&actor).accepted, 5);
        drop(permit);

        gate.send(()).unwrap();
        actor.settled().await;
        let ended = law(&actor);
        assert_eq!((ended.accepted, ended.handled, ended.in_hand, ended.queued), (5, 3, 0, 0));
        // An asker that gave up at its deadline is gone as well: one of the two says why, both count once.
        assert_eq!(ended.expired + ended.cancelled, 2);

        let down = actor.down();
        let die = act(|_, _| Box::pin(async { Err("poison")? }));
        actor.tell(die).unwrap();
        actor.tell(Order::Note(3)).map_err(|_| "it has died already").ok();
        down.await;
        lawful(&system).await;
        let last = law(&actor);
        assert_eq!(last.given_up, 1);
        assert_eq!(last.undelivered, last.accepted - 6);
    });
}

#[test]
fn c6_messages_with_places_of_their_own_are_part_of_the_law() {
    everywhere(async || {
        let system = bare();
        let (actor, mut journal) = puppet(&system).await;
        let order = now(|_, cx| {
            for note in 0..10 {
                cx.send_self(Order::Note(note))?;
            }
            cx.send_after(Duration::ZERO, Order::Note(10));
            cx.pipe(async { 11 }, Order::Note)?;
            Ok(())
        });
        actor.tell(order).unwrap();
        for _ in 0..12 {
            journal.note().await;
        }
        actor.settled().await;
        assert_eq!(law(&actor), Law { accepted: 13, handled: 13, ..Law::default() });
    });
}

#[test]
fn c6_own_messages_that_die_with_their_incarnation_are_undelivered() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        let order = now(|_, cx| {
            for note in 0..10 {
                cx.send_self(Order::Note(note))?;
            }
            Err(crashworthy_runtime::Exit::because(ExitReason::Shutdown))
        });
        actor.tell(order).unwrap();
        down.await;
        lawful(&system).await;
        assert_eq!(law(&actor), Law { accepted: 11, given_up: 1, undelivered: 10, ..Law::default() });
        let letters = system.letters();
        assert_eq!((letters.given_up, letters.undelivered, letters.own_undelivered), (1, 0, 10));
        assert_eq!(system.snapshot().own_undelivered, 10);
    });
}

#[test]
fn c6_a_handler_that_returned_an_error_has_given_its_message_up() {
    everywhere(async || {
        let system = bare();
        let (actor, _journal) = puppet(&system).await;
        let down = actor.down();
        actor.tell(Order::Fail).unwrap();
        down.await;
        lawful(&system).await;
        assert_eq!(law(&actor), Law { accepted: 1, given_up: 1, ..Law::default() });
    });
}
