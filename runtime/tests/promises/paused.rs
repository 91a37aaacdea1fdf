//! Tokio's clock, paused as in tests: timers and deadlines come when nothing else is to be done.

use std::time::Instant;

use crashworthy_runtime::AskError;
use tokio::sync::oneshot;

use crate::stage::{Order, act, bare, does, lawful, ms, puppet, who};

/// Longer than any test runs.
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

#[tokio::test(start_paused = true)]
async fn timers_and_deadlines_of_a_day_come_at_once() {
    let (began, system) = (Instant::now(), bare());
    let (actor, mut journal) = puppet(&system).await;
    let before = system.now();
    does(&actor, |cx| {
        cx.send_after(DAY, Order::Note(7));
    })
    .await;
    tokio::time::sleep(DAY - ms(2)).await;
    assert_eq!(journal.notes(), [], "it is not yet time");
    tokio::time::sleep(ms(4)).await;
    actor.settled().await;
    assert_eq!(journal.notes(), [7]);
    assert!((DAY..DAY + ms(10)).contains(&(system.now() - before)));

    let (_gate, closed) = oneshot::channel();
    actor.tell(Order::Await(closed)).unwrap();
    let asked = actor.ask(Order::Who).within(DAY).await;
    assert_eq!(asked, Err(AskError::Expired));
    assert!(system.now() - before >= 2 * DAY);
    system.stop().await;
    lawful(&system).await;
    assert!(began.elapsed() < DAY / 2);
}

#[tokio::test(start_paused = true)]
async fn blocking_calls_run_in_place_and_their_panics_are_errors() {
    let system = bare();
    let (actor, _journal) = puppet(&system).await;
    let (tell, told) = oneshot::channel();
    let calls = act(move |_, cx| {
        Box::pin(async move {
            let here = std::thread::current().id();
            let place = cx.run_blocking(|| std::thread::current().id()).await;
            let failed = cx.run_blocking(|| panic!("as it was told")).await;
            let _: Result<(), _> = failed;
            let _ = tell.send((place.ok() == Some(here), failed.is_err()));
            Ok(())
        })
    });
    actor.tell(calls).unwrap();
    assert_eq!(told.await, Ok((true, true)));
    system.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_paused_after_the_system_has_started_is_another_and_nobody_spins() {
    let system = bare();
    let (actor, mut journal) = puppet(&system).await;
    tokio::time::pause();
    let before = system.now();
    does(&actor, |cx| {
        cx.send_after(ms(250), Order::Note(7));
    })
    .await;
    assert_eq!(journal.note().await, 7);
    assert!(system.now() - before >= ms(250), "it comes by the clock of the system");
    assert_eq!(who(&actor).await, 1);
    tokio::time::resume();
    system.stop().await;
}
