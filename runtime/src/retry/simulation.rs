//! Many who try again, in virtual time: what it costs, and that it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;

use super::RetryPolicy;
use crate::scripted::{ms, simulate};
use crate::{Actor, ActorRef, Context, Exit, Message, Reply, System};

struct Serve(Reply<()>);

impl Message for Serve {}

/// Takes as many milliseconds for each question as it is told at the time.
struct Worker(Arc<AtomicU64>);

impl Actor for Worker {
    type Args = Arc<AtomicU64>;
    type Msg = Serve;

    async fn init(takes_ms: Arc<AtomicU64>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(takes_ms))
    }

    async fn handle(&mut self, Serve(reply): Serve, _: &mut Context<Self>) -> Result<(), Exit> {
        tokio::time::sleep(ms(self.0.load(Relaxed))).await;
        reply.send(());
        Ok(())
    }
}

/// What became of a call that was made at this time.
#[derive(Debug)]
struct Call {
    at: Duration,
    attempts: u32,
    answered: bool,
}

/// Makes calls at a multiple of the capacity of a worker that takes 10 ms, for this time. Nobody waits for another.
async fn calls(system: &System, worker: &ActorRef<Worker>, load: f64, time: Duration) -> Vec<Call> {
    let (policy, mut calls, mut at) = (RetryPolicy::new(), JoinSet::new(), tokio::time::Instant::now());
    let (begun, until) = (at, at + time);
    while at < until {
        let uniform = (system.random() >> 11) as f64 / (1_u64 << 53) as f64;
        at += ms(10).mul_f64(-(1.0 - uniform).ln() / load);
        let (worker, policy) = (worker.clone(), policy.clone());
        calls.spawn(async move {
            tokio::time::sleep_until(at).await;
            let mut attempts = 0;
            let ask = |reply| {
                attempts += 1;
                Serve(reply)
            };
            let answered = policy.ask(&worker, ask).within(ms(1_000)).await.is_ok();
            Call { at: at - begun, attempts, answered }
        });
    }
    calls.join_all().await
}

#[test]
fn under_an_overload_retries_add_a_tenth_and_goodput_stays_at_capacity() {
    simulate(1, async |system| {
        let worker = system.spawn::<Worker>(Arc::new(AtomicU64::new(10))).await.unwrap();
        let calls = calls(&system, &worker, 3.0, ms(10_000)).await;
        let answered = calls.iter().filter(|call| call.answered).count();
        // Tokio's timers end up to a millisecond late.
        assert!(answered >= 1_000 * 10 / 11 * 98 / 100, "{answered}");
        let attempts: u32 = calls.iter().map(|call| call.attempts).sum();
        let attempts = attempts as usize;
        let most = calls.len() + calls.len() / 10 + 10 + 10;
        assert!(attempts > calls.len() && attempts <= most, "{attempts} attempts of {} calls", calls.len());
    });
}

#[test]
fn a_slow_phase_is_over_when_it_is_over_although_everybody_tries_again() {
    simulate(1, async |system| {
        let takes_ms = Arc::new(AtomicU64::new(10));
        let worker = system.spawn::<Worker>(takes_ms.clone()).await.unwrap();
        let slow = async {
            tokio::time::sleep(ms(3_000)).await;
            takes_ms.store(50, Relaxed);
            tokio::time::sleep(ms(3_000)).await;
            takes_ms.store(10, Relaxed);
        };
        let (calls, ()) = tokio::join!(calls(&system, &worker, 0.7, ms(10_000)), slow);
        let answered = |from, until| {
            let then: Vec<_> = calls.iter().filter(|call| (from..until).contains(&call.at)).collect();
            then.iter().filter(|call| call.answered).count() as f64 / then.len() as f64
        };
        assert!(answered(ms(0), ms(3_000)) > 0.99, "before");
        assert!(answered(ms(4_000), ms(6_000)) < 0.5, "it is slow");
        // One deadline later.
        assert!(answered(ms(7_000), ms(10_000)) > 0.99, "{}", answered(ms(7_000), ms(10_000)));
    });
}
