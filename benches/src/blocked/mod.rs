//! What others get while handlers block every worker at once.
//!
//! As many actors block as the runtime has workers, each for [`HOLD`]; that all do at the same time is waited for. Meanwhile
//! a thread outside of the runtime asks another actor, and another asks an HTTP endpoint which is a plain task of the
//! runtime, each by a timetable: latency counts from the time at which a question was due, so that questions which wait
//! behind one that hangs are seen as late.

pub mod report;
mod web;

use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::peer::{Behaviour, Lane, Next, Peer, Workers};
use crate::peers::Crashworthy;
use crate::wrong::{Wrong, wrong};

/// How long the workers are blocked in a round.
pub const HOLD: Duration = Duration::from_millis(400);
/// Threads of the bulkhead, and those that come to help it when all of them are blocked.
const BULKHEAD: usize = 2;
const RESCUERS: usize = 4;
/// How long one that is blocked waits for the others to be.
const GATHER: Duration = Duration::from_millis(500);
/// A question to the actor is due every so often, and one to the endpoint.
const EVERY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(4)];
/// What takes longer counts as this long.
const LONGEST_US: u64 = 60_000_000;
/// Whoever has waited this long for an answer gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How handlers block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The thread sleeps.
    Sleep,
    /// It computes.
    Spin,
    /// It waits for a lock that another thread has.
    Mutex,
}

impl By {
    /// All of them.
    pub const ALL: [By; 3] = [By::Sleep, By::Spin, By::Mutex];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            By::Sleep => "sleep",
            By::Spin => "spin",
            By::Mutex => "mutex",
        }
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        By::ALL.into_iter().find(|by| by.name() == name).ok_or_else(|| "sleep, spin or mutex".to_owned())
    }
}

/// Whose the runtime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// One of two workers, on which actors are guests.
    Ambient,
    /// That of `#[crashworthy::main]`.
    Own,
    /// The same, and those who block are in a bulkhead of two threads: all of these are blocked, and all that come to help.
    Bulkhead,
    /// The same, and nobody blocks anything: what there is to compare with.
    Quiet,
}

impl Runtime {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Ambient => "ambient",
            Runtime::Own => "own",
            Runtime::Bulkhead => "bulkhead",
            Runtime::Quiet => "quiet",
        }
    }
}

/// What those who asked got.
#[derive(Clone, Debug)]
pub struct Got {
    /// Questions that were due while the workers were blocked.
    pub asks: u64,
    /// Microseconds from when one was due to its answer.
    pub latency_us: Histogram<u64>,
}

impl Default for Got {
    fn default() -> Self {
        let latency_us = Histogram::new_with_max(LONGEST_US, 3).expect("three digits are possible");
        Self { asks: 0, latency_us }
    }
}

/// What the rounds of one peer have shown: of the actor, and of the endpoint.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Answers of the actor.
    pub actor: Got,
    /// Answers of the endpoint.
    pub http: Got,
}

/// Where those who block meet, and what they wait for.
struct Held {
    by: By,
    /// How many are to be blocked.
    all: usize,
    inside: AtomicUsize,
    lock: Mutex<()>,
}

impl Held {
    fn hold(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks this thread, once all are here.
    fn block(&self) {
        self.inside.fetch_add(1, Ordering::AcqRel);
        let came = Instant::now();
        while self.inside.load(Ordering::Acquire) < self.all && came.elapsed() < GATHER {
            thread::yield_now();
        }
        let since = Instant::now();
        match self.by {
            By::Sleep => thread::sleep(HOLD),
            By::Spin => {
                while since.elapsed() < HOLD {
                    std::hint::spin_loop();
                }
            }
            By::Mutex => drop(self.hold()),
        }
    }
}

/// Blocks when it is told to; answers at once.
struct Clerk;

impl Behaviour for Clerk {
    type Tell = Arc<Held>;
    type Ask = ();
    type Answer = ();

    fn on_tell(&mut self, held: Arc<Held>) -> Next {
        held.block();
        Next::Continue
    }

    fn on_ask(&mut self, (): ()) {}
}

/// Measures a peer on a runtime of two workers.
///
/// # Errors
/// When workers cannot be blocked at once, or an answer is wrong.
pub fn on_ambient<P: Peer>(by: By, rounds: u32) -> Result<Measured, Wrong> {
    P::run(Workers::Two, move |peer| from_outside(peer, by, Workers::Two.count(), rounds))
}

/// Measures ours on a runtime as `#[crashworthy::main]` makes it.
///
/// # Errors
/// As [`on_ambient`].
pub fn on_own(by: By, rounds: u32) -> Result<Measured, Wrong> {
    crashworthy::__private::block_on_main(None, async move {
        let workers = Handle::current().metrics().num_workers();
        from_outside(Crashworthy::alone(), by, workers, rounds).await
    })
}

/// Measures ours on a runtime as `#[crashworthy::main]` makes it, while a bulkhead beside it is saturated.
///
/// # Errors
/// As [`on_ambient`].
pub fn beside_bulkhead(by: By, rounds: u32) -> Result<Measured, Wrong> {
    crashworthy::__private::block_on_main(None, async move {
        let peer = Crashworthy::with_bulkhead(BULKHEAD).await;
        from_outside(peer, by, BULKHEAD + RESCUERS, rounds).await
    })
}

/// Measures ours on such a runtime while nothing is blocked.
///
/// # Errors
/// As [`on_ambient`].
pub fn quiet(rounds: u32) -> Result<Measured, Wrong> {
    crashworthy::__private::block_on_main(None, async move {
        from_outside(Crashworthy::alone(), By::Sleep, 0, rounds).await
    })
}

/// Has a thread that is no worker do it all.
async fn from_outside<P: Peer>(peer: P, by: By, workers: usize, rounds: u32) -> Result<Measured, Wrong> {
    let url = web::serve().await.map_err(wrong)?;
    let (handle, (says, said)) = (Handle::current(), oneshot::channel());
    thread::spawn(move || {
        let round = |so_far, _| round(&peer, &handle, by, workers, url, so_far);
        let measured = (0..rounds).try_fold(Measured::default(), round);
        drop(says.send(measured));
    });
    said.await.map_err(wrong)?
}

fn round<P: Peer>(
    peer: &P,
    handle: &Handle,
    by: By,
    all: usize,
    url: web::Url,
    mut measured: Measured,
) -> Result<Measured, Wrong> {
    let held = Arc::new(Held { by, all, inside: AtomicUsize::new(0), lock: Mutex::new(()) });
    let locked = held.hold();
    let other = handle.block_on(peer.spawn(Lane::Nth(0), Clerk));
    handle.block_on(P::ask::<Clerk>(&other, ())).map_err(wrong)?;
    for worker in 0..all {
        let clerk = handle.block_on(peer.spawn_to_block(Lane::Nth(worker), Clerk));
        handle.block_on(P::send::<Clerk>(&clerk, held.clone())).map_err(wrong)?;
    }
    let begun = Instant::now();
    while held.inside.load(Ordering::Acquire) < all {
        if begun.elapsed() > 2 * GATHER {
            return Err(wrong("the workers could not be blocked at once"));
        }
        thread::yield_now();
    }
    let since = Instant::now();
    thread::scope(|scope| {
        let ask = || {
            let answer = handle.block_on(P::ask_within::<Clerk>(&other, (), PATIENCE));
            answer.map_err(|why| wrong(format_args!("{why:?}")))
        };
        let actor = scope.spawn(move || by_timetable(since, EVERY[0], ask));
        let http = scope.spawn(move || by_timetable(since, EVERY[1], || web::get(url, PATIENCE).map_err(wrong)));
        thread::sleep((since + HOLD).saturating_duration_since(Instant::now()));
        drop(locked);
        for (part, got) in [(&mut measured.actor, actor.join()), (&mut measured.http, http.join())] {
            let got = got.map_err(|_| wrong("a thread that asks has panicked"))?;
            part.asks += got.asks;
            part.latency_us.add(&got.latency_us).map_err(wrong)?;
        }
        Ok(measured)
    })
}

/// Asks every so often while the workers are blocked.
fn by_timetable(since: Instant, every: Duration, mut ask: impl FnMut() -> Result<(), Wrong>) -> Got {
    let mut got = Got::default();
    for number in 0.. {
        let due = every * number;
        if due >= HOLD {
            break;
        }
        got.asks += 1;
        thread::sleep((since + due).saturating_duration_since(Instant::now()));
        if ask().is_ok() {
            let latency = (since.elapsed() - due).as_micros();
            got.latency_us.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
        }
    }
    got
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_counted_and_those_that_wait_behind_another_are_late() {
        let since = Instant::now();
        let mut first = true;
        let got = by_timetable(since, Duration::from_millis(100), || {
            if std::mem::take(&mut first) {
                thread::sleep(Duration::from_millis(150));
            }
            Ok(())
        });
        assert_eq!((got.asks, got.latency_us.len()), (4, 4));
        assert!(got.latency_us.max() >= 150_000, "so long took the first");
        assert!(
            got.latency_us.value_at_quantile(0.75) >= 50_000,
            "the second was due 50 ms before the first had ended"
        );
    }

    #[test]
    fn what_is_not_answered_is_asked_all_the_same() {
        let got = by_timetable(Instant::now(), Duration::from_millis(200), || Err(wrong("no")));
        assert_eq!((got.asks, got.latency_us.len()), (2, 0));
    }

    #[test]
    fn ours_goes_on_in_every_runtime() {
        let ways =
            [on_ambient::<Crashworthy>(By::Mutex, 1), on_own(By::Sleep, 1), beside_bulkhead(By::Sleep, 1), quiet(1)];
        for measured in ways {
            let measured = measured.expect("the workers can be blocked");
            assert_eq!(measured.actor.latency_us.len(), measured.actor.asks);
            assert_eq!(measured.http.latency_us.len(), measured.http.asks);
        }
    }
}
