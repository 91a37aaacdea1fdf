//! Actors as services of tower, in virtual time.

use std::task::{Context as Poller, Waker};
use std::time::Duration;

use tower::load_shed::error::Overloaded;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::scripted::{Clerk, Line, busy, clerk, ms, note, once, simulate, slow_clerk, small_clerk};
use crate::{ActorRef, AskError, ExitReason, Reason, Reply};

const WITHIN: Duration = ms(1_000);

fn service(
    of: &ActorRef<Clerk>,
) -> impl Service<(), Response = (), Error = AskError, Future: Send> + Clone + Send + use<> {
    of.service(WITHIN, |(), reply: Reply<()>| once(reply))
}

/// Polls once.
fn is_ready<S: Service<(), Error = AskError>>(service: &mut S) -> bool {
    match service.poll_ready(&mut Poller::from_waker(Waker::noop())) {
        std::task::Poll::Ready(ready) => {
            ready.expect("the actor is there");
            true
        }
        std::task::Poll::Pending => false,
    }
}

#[test]
fn ready_is_a_place_that_nobody_else_can_take_and_a_clone_has_none() {
    simulate(1, async |system| {
        let (clerk, script) = small_clerk(&system, 1).await;
        let mut first = service(&clerk);
        assert!(is_ready(&mut first) && is_ready(&mut first));
        assert_eq!(clerk.load().depth, 1);
        let mut other = first.clone();
        assert!(!is_ready(&mut other), "a clone has no part in it");
        assert_eq!(clerk.tell(note()).unwrap_err().why.reason, Reason::Full);
        // The other is woken when the place is free.
        let waits = tokio::spawn(async move {
            other.ready().await.expect("it is let in");
            other.call(()).await
        });
        tokio::task::yield_now().await;
        assert_eq!(first.call(()).await, Ok(()));
        assert_eq!(waits.await.unwrap(), Ok(()));
        assert_eq!((script.played().len(), clerk.load().depth), (2, 0));
    });
}

#[test]
fn a_service_that_is_dropped_gives_its_place_back_and_so_does_one_that_waited() {
    simulate(1, async |system| {
        let (clerk, _) = small_clerk(&system, 1).await;
        let (mut held, mut waits, mut last) = (service(&clerk), service(&clerk), service(&clerk));
        assert!(is_ready(&mut held));
        assert!(!is_ready(&mut waits) && !is_ready(&mut last));
        let ready = tokio::spawn(async move { last.ready().await.map(drop) });
        tokio::task::yield_now().await;
        drop(waits);
        drop(held);
        ready.await.unwrap().expect("it is its turn");
        clerk.settled().await;
        assert_eq!(clerk.load().depth, 0);
    });
}

#[test]
fn whoever_does_not_wait_to_become_ready_leaves_nothing_behind() {
    simulate(1, async |system| {
        let (clerk, _) = small_clerk(&system, 1).await;
        let (mut held, mut waits) = (service(&clerk), service(&clerk));
        assert!(is_ready(&mut held));
        assert!(tokio::time::timeout(ms(10), waits.ready()).await.is_err());
        // It is where it was: ready when there is room.
        drop(held);
        assert!(is_ready(&mut waits));
        drop(waits);
        assert_eq!(clerk.load().depth, 0);
        assert_eq!(system.shared.wheel.armed(), 0);
    });
}

#[test]
fn nobody_keeps_others_out_for_ever_by_being_ready() {
    simulate(1, async |system| {
        let (clerk, script) = small_clerk(&system, 1).await;
        let (mut idle, mut other) = (service(&clerk), service(&clerk));
        // Also where room had to be waited for.
        let mut before = service(&clerk);
        assert!(is_ready(&mut before) && !is_ready(&mut idle));
        drop(before);
        assert!(is_ready(&mut idle));
        tokio::time::sleep(ms(500)).await;
        let begun = system.now();
        other.ready().await.expect("it gets the place").call(()).await.unwrap();
        assert!((ms(400)..ms(800)).contains(&(system.now() - begun)), "{:?}", system.now() - begun);
        // The idle one has to become ready anew, or looks for room when it is called.
        assert!(is_ready(&mut other) && !is_ready(&mut idle));
        drop(other);
        assert_eq!(idle.call(()).await, Ok(()));
        assert_eq!(script.played().len(), 2);
    });
}

#[test]
fn an_answer_has_as_long_as_was_said_from_the_call_on() {
    simulate(1, async |system| {
        let (clerk, script) = clerk(&system, [Line::Work(ms(800)), Line::Work(ms(1_200)), Line::Answer]).await;
        let mut service = service(&clerk);
        assert!(is_ready(&mut service));
        tokio::time::sleep(ms(900)).await;
        assert_eq!(service.call(()).await, Ok(()));
        let begun = system.now();
        assert_eq!(service.ready().await.unwrap().call(()).await, Err(AskError::Expired));
        assert!((WITHIN..WITHIN + ms(5)).contains(&(system.now() - begun)));
        // Whoever goes away is not waited for.
        clerk.settled().await;
        drop(service.ready().await.unwrap().call(()));
        clerk.settled().await;
        assert_eq!((script.played().len(), clerk.law().cancelled), (2, 1));
    });
}

#[test]
fn a_refusal_is_the_answer_of_the_next_call_and_the_service_goes_on() {
    simulate(1, async |system| {
        let (clerk, _) = slow_clerk(&system).await;
        for _ in 0..200 {
            clerk.tell(note()).unwrap();
        }
        let mut service = service(&clerk);
        let begun = system.now();
        assert!(is_ready(&mut service), "it is ready to say no");
        let refused = service.call(()).await.unwrap_err();
        assert!(matches!(&refused, AskError::Refused(why) if why.reason == Reason::NoTime), "{refused}");
        assert_eq!(system.now(), begun);
        clerk.settled().await;
        assert_eq!(service.ready().await.unwrap().call(()).await, Ok(()));
    });
}

#[test]
fn only_an_actor_that_is_gone_makes_a_service_fail_to_become_ready() {
    simulate(1, async |system| {
        let (clerk, _) = small_clerk(&system, 1).await;
        let mut service = service(&clerk);
        let down = clerk.down();
        system.exit(clerk.pid(), ExitReason::Killed).unwrap();
        down.await;
        // It may be started again.
        assert!(matches!(service.ready().await.unwrap().call(()).await, Err(AskError::Refused(_))));
        system.stop().await;
        let gone = service.ready().await.map(drop).unwrap_err();
        assert!(matches!(&gone, AskError::Refused(why) if why.reason == Reason::Gone), "{gone}");
    });
}

#[test]
fn a_question_in_a_reserved_place_ends_as_any_other_does() {
    simulate(1, async |system| {
        let (crasher, _) = clerk(&system, [Line::Crash]).await;
        assert_eq!(service(&crasher).ready().await.unwrap().call(()).await, Err(AskError::Died));
        let (forgetful, _) = clerk(&system, [Line::Forget]).await;
        assert_eq!(service(&forgetful).ready().await.unwrap().call(()).await, Err(AskError::Unanswered));
        let (refuses, _) = clerk(&system, [busy(ms(1))]).await;
        assert!(matches!(service(&refuses).ready().await.unwrap().call(()).await, Err(AskError::Refused(_))));
    });
}

#[test]
fn the_layers_of_tower_work_on_it() {
    simulate(1, async |system| {
        let (clerk, _) = small_clerk(&system, 1).await;
        // Shed: not ready is an error at once.
        let mut held = service(&clerk);
        assert!(is_ready(&mut held));
        let mut shed = ServiceBuilder::new().load_shed().service(service(&clerk));
        let error = shed.ready().await.unwrap().call(()).await.unwrap_err();
        assert!(error.is::<Overloaded>(), "{error}");
        drop((held, shed));
        // Buffer: one service for many callers, that outlives refusals.
        let mut shared = ServiceBuilder::new().buffer(8).service(service(&clerk));
        for _ in 0..3 {
            shared.ready().await.unwrap().call(()).await.unwrap();
        }
        let (slow, _) = slow_clerk(&system).await;
        let mut shared = ServiceBuilder::new().buffer(8).concurrency_limit(4).service(service(&slow));
        for _ in 0..200 {
            slow.tell(note()).unwrap();
        }
        let refused = shared.ready().await.unwrap().call(()).await.unwrap_err();
        assert!(refused.downcast_ref::<AskError>().is_some(), "{refused}");
        slow.settled().await;
        shared.ready().await.unwrap().call(()).await.expect("the buffer still works");
    });
}
