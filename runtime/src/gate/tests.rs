//! The gate of a running actor, in virtual time: an actor that awaits ten milliseconds for each message.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{SHARED, Trial};
use crate::port::{Port, Simulation};
use crate::{Actor, ActorRef, AskError, Builder, Context, Exit, Message, Reason, Reply, System};

const SERVICE: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_secs(1);

struct Clerk;

/// A question, and how long its answer takes.
struct Serve(Duration, Reply<()>);

impl Message for Serve {}

impl Actor for Clerk {
    type Args = ();
    type Msg = Serve;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Clerk)
    }

    async fn handle(&mut self, Serve(takes, reply): Serve, _: &mut Context<Self>) -> Result<(), Exit> {
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        reply.send(());
        Ok(())
    }
}

/// Runs a test in virtual time, with an actor.
pub(super) fn simulate<A: Actor<Args = ()>, F: Future<Output = ()>>(
    rules: Simulation,
    test: impl FnOnce(System, ActorRef<A>) -> F,
) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let port = Port::simulated(runtime.handle().clone(), rules);
        let system = Builder::default().bare_on(port).expect("default settings are valid");
        let actor = system.spawn::<A>(()).await.expect("it starts");
        test(system, actor).await;
    });
}

async fn ask(clerk: &ActorRef<Clerk>, takes: Duration, within: Duration) -> Result<(), AskError> {
    clerk.ask(|reply| Serve(takes, reply)).within(within).await
}

/// How questions ended that were asked by many who do not wait for each other.
#[derive(Debug, Default)]
struct Tally {
    answered: u32,
    refused: u32,
    late: u32,
}

/// Questions at a multiple of the capacity, for so many services' time.
async fn overload(system: &System, clerk: &ActorRef<Clerk>, load: f64, services: u32) -> Tally {
    let (mut calls, mut at) = (JoinSet::new(), tokio::time::Instant::now());
    let until = at + SERVICE * services;
    while at < until {
        let uniform: f64 = (system.port().rng_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        at += SERVICE.mul_f64(-(1.0 - uniform).ln() / load);
        let clerk = clerk.clone();
        calls.spawn(async move {
            tokio::time::sleep_until(at).await;
            ask(&clerk, SERVICE, DEADLINE).await
        });
    }
    let mut tally = Tally::default();
    for answer in calls.join_all().await {
        match answer {
            Ok(()) => tally.answered += 1,
            Err(AskError::Refused(_)) => tally.refused += 1,
            Err(AskError::Expired) => tally.late += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(clerk.law().holds());
    tally
}

#[test]
fn an_overloaded_actor_refuses_in_time_and_goodput_stays_at_capacity() {
    for load in [2.0, 20.0] {
        simulate(Simulation::seeded(1), async |system, clerk: ActorRef<Clerk>| {
            // Tokio's timers end up to a millisecond late.
            let services = 2_000;
            let tally = overload(&system, &clerk, load, services).await;
            let could = services * 10 / 11;
            assert!(tally.answered >= could - could / 50, "at {load}: {tally:?} of {could}");
            assert!(tally.late <= services / 100, "at {load}: {tally:?}");
            assert!(tally.refused > services / 2, "at {load}: {tally:?}");
            assert_eq!(clerk.law().expired, u64::from(tally.late));
        });
    }
}

#[test]
fn f2_what_a_handler_awaits_is_service_time() {
    simulate(Simulation::seeded(1), async |_, clerk: ActorRef<Clerk>| {
        for _ in 0..20 {
            ask(&clerk, SERVICE, DEADLINE).await.unwrap();
        }
        let wait = clerk.cell.core().gate.wait(10);
        assert!((10 * SERVICE..=11 * SERVICE).contains(&wait), "{wait:?}");
    });
}

#[test]
fn f5_in_virtual_time_a_message_takes_what_the_simulation_says() {
    let rules = Simulation { turn_cost: SERVICE, ..Simulation::seeded(1) };
    simulate(rules, async |_, clerk: ActorRef<Clerk>| {
        for _ in 0..20 {
            ask(&clerk, Duration::ZERO, DEADLINE).await.unwrap();
        }
        assert_eq!(clerk.cell.core().gate.wait(10), 10 * SERVICE);
    });
    simulate(Simulation::seeded(1), async |_, clerk: ActorRef<Clerk>| {
        for _ in 0..20 {
            ask(&clerk, Duration::ZERO, DEADLINE).await.unwrap();
        }
        assert_eq!(clerk.cell.core().gate.wait(10), Duration::ZERO, "and nothing, unless it says so");
    });
}

#[test]
fn f1_one_absurd_message_does_not_lock_an_idle_actor() {
    simulate(Simulation::seeded(1), async |_, clerk: ActorRef<Clerk>| {
        assert_eq!(ask(&clerk, Duration::from_secs(100), DEADLINE).await, Err(AskError::Expired));
        // Whatever was measured: an idle actor takes it, and begins it.
        tokio::time::sleep(Duration::from_secs(200)).await;
        for call in 0..20 {
            assert_eq!(ask(&clerk, SERVICE, DEADLINE).await, Ok(()), "call {call}");
        }
        let law = clerk.law();
        assert_eq!((law.accepted, law.handled, law.expired), (21, 21, 0));
        assert!(clerk.cell.core().gate.wait(1) < 5 * SERVICE, "and it has learnt");
    });
}

#[test]
fn a_refusal_says_why_and_after_what_time_to_come_again() {
    simulate(Simulation::seeded(1), async |_, clerk: ActorRef<Clerk>| {
        for _ in 0..20 {
            ask(&clerk, SERVICE, DEADLINE).await.unwrap();
        }
        let mut calls = JoinSet::new();
        for _ in 0..200 {
            let clerk = clerk.clone();
            calls.spawn(async move { ask(&clerk, SERVICE, DEADLINE).await });
        }
        let answers = calls.join_all().await;
        let refused: Vec<_> = answers
            .iter()
            .filter_map(|answer| match answer {
                Err(AskError::Refused(refused)) => Some(refused),
                _ => None,
            })
            .collect();
        assert!((80..=100).contains(&(answers.len() - refused.len())), "{} are refused", refused.len());
        for refused in refused {
            assert_eq!((refused.reason, refused.by), (Reason::NoTime, clerk.id()));
            let after = refused.retry_after.expect("it is known");
            assert!((SERVICE..=2 * SERVICE).contains(&after), "{after:?}");
            assert_eq!(refused.load.depth, refused.load.limit);
            assert!(refused.load.wait >= 80 * SERVICE && refused.load.wait <= DEADLINE, "{refused:?}");
        }
        assert_eq!(answers.iter().filter(|answer| **answer == Err(AskError::Expired)).count(), 0);
        let law = clerk.law();
        assert_eq!(law.accepted, law.handled, "who is refused costs nothing");
    });
}

#[test]
fn a_stuck_handler_is_told_to_callers_within_their_deadline() {
    simulate(Simulation::seeded(1), async |system, clerk: ActorRef<Clerk>| {
        let ages = Duration::from_secs(1_000);
        for _ in 0..100 {
            ask(&clerk, Duration::ZERO, DEADLINE).await.unwrap();
        }
        let stuck = tokio::spawn({
            let clerk = clerk.clone();
            async move { ask(&clerk, Duration::from_secs(100), ages).await }
        });
        while clerk.law().in_hand == 0 {
            tokio::task::yield_now().await;
        }
        // The first to come has to find out.
        assert_eq!(ask(&clerk, Duration::ZERO, DEADLINE).await, Err(AskError::Expired));
        tokio::time::sleep(SERVICE).await;
        let begun = system.now();
        match ask(&clerk, Duration::ZERO, DEADLINE).await {
            Err(AskError::Refused(refused)) => assert_eq!(refused.reason, Reason::Stuck),
            other => panic!("{other:?}"),
        }
        assert_eq!(system.now(), begun, "at once");
        // Who has more time than that waits, and is answered.
        assert_eq!(ask(&clerk, Duration::ZERO, ages).await, Ok(()));
        assert_eq!(stuck.await.unwrap(), Ok(()));
        assert_eq!(ask(&clerk, Duration::ZERO, DEADLINE).await, Ok(()), "it is well again");
        let law = clerk.law();
        assert_eq!((law.handled, law.expired + law.cancelled, law.accepted), (103, 1, 104));
    });
}

#[test]
fn whether_there_is_room_for_all_is_tried_the_more_rarely_the_sooner_that_failed() {
    let (mut trial, ms, deadline) = (Trial::default(), 1 << 20, 50 << 20);
    let mut now = 1_000 * ms;
    // Nobody had tried.
    trial.fails(now);
    assert_eq!(trial.after, SHARED.0);
    let mut waited = Vec::new();
    for _ in 0..6 {
        trial.begins(now, deadline);
        now += 3 * ms;
        assert!(trial.goes_on(now));
        trial.fails(now);
        assert!(!trial.goes_on(now));
        waited.push(trial.after);
    }
    assert_eq!(waited, [8, 16, 32, 64, 64, 64]);
    trial.begins(now, deadline);
    trial.fails(now + 2 * deadline);
    assert_eq!(trial.after, SHARED.0, "there was room for two deadlines");
}
