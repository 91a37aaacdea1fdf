//! Round after round, until enough faults have struck.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::kind::{Kind, Tally};
use super::report::Summary;
use super::round::{Outcome, Stage, play};

/// Workers of each runtime: more than may be blocked at a time.
const WORKERS: usize = 4;
/// Longest a round may take before the campaign ends without it.
const HANGS: Duration = Duration::from_secs(150);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(250);
/// Rounds told of in full when something is wrong with them.
const TOLD: usize = 5;
/// How long the threads of a runtime may take to go.
const GONE: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many faults are to strike.
    pub count: u64,
    /// What the dice of every round come from.
    pub seed: u64,
    /// This round alone, so often.
    pub only: Option<(u64, u64)>,
    /// How many rounds at a time.
    pub lanes: usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Faults that have struck.
    pub faults: u64,
    /// Rounds that have ended.
    pub rounds: u64,
    /// Since when.
    pub took: Duration,
}

struct Campaign {
    plan: Plan,
    tally: Arc<Tally>,
    next: AtomicU64,
    ended: AtomicU64,
    enough: AtomicBool,
}

/// What each lane plays just now, since when, and what it waits for.
type Watch = Mutex<BTreeMap<usize, (u64, Instant, Stage)>>;

/// Runs a campaign.
///
/// # Errors
/// When a runtime cannot be made.
pub fn run(plan: Plan, mut tell: impl FnMut(Progress)) -> io::Result<Summary> {
    let began = Instant::now();
    let tally = Arc::new(Tally::default());
    count_who_gives_up(&tally);
    let threads = threads();
    let lanes = plan.lanes;
    let campaign = Arc::new(Campaign {
        plan: plan.clone(),
        tally: tally.clone(),
        next: AtomicU64::new(0),
        ended: AtomicU64::new(0),
        enough: AtomicBool::new(false),
    });
    let watch = Arc::new(Watch::default());
    let (outcomes, arrived) = mpsc::channel();
    let mut running = Vec::new();
    for lane in 0..lanes {
        let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().thread_name("lane").build()?;
        let (campaign, watch, outcomes) = (campaign.clone(), watch.clone(), outcomes.clone());
        running.push(thread::spawn(move || campaign.lane(lane, runtime, &watch, &outcomes)));
    }
    drop(outcomes);

    let mut summary = Summary::new(&plan);
    loop {
        match arrived.recv_timeout(TELL) {
            Ok(outcome) => summary.add(outcome, TOLD),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        tell(Progress { faults: tally.total(), rounds: campaign.ended.load(SeqCst), took: began.elapsed() });
        let watch = watch.lock().expect("nobody panics with the list");
        if let Some((round, _, stage)) = watch.values().find(|(_, since, _)| since.elapsed() > HANGS) {
            // Its runtime does not answer any more: there is nobody to look at the tree.
            summary.hung(*round, *stage.lock().expect("nobody panics with it"));
            summary.finish(&tally, campaign.ended.load(SeqCst), began.elapsed());
            return Ok(summary);
        }
    }
    for lane in running {
        if lane.join().is_err() {
            summary.lane_panicked();
        }
    }
    summary.threads_left(threads_above(threads));
    summary.finish(&tally, campaign.ended.load(SeqCst), began.elapsed());
    Ok(summary)
}

impl Campaign {
    fn lane(&self, lane: usize, runtime: Runtime, watch: &Watch, outcomes: &mpsc::Sender<Outcome>) {
        while let Some(round) = self.next_round() {
            let stage = Stage::default();
            watch.lock().expect("nobody panics with the list").insert(lane, (round, Instant::now(), stage.clone()));
            let played = runtime.block_on(async {
                // Not on this thread: it is no worker.
                tokio::spawn(play(self.plan.seed, round, self.tally.clone(), stage)).await
            });
            watch.lock().expect("nobody panics with the list").remove(&lane);
            let outcome = match played {
                Ok(outcome) => Outcome { round, ..outcome },
                Err(error) => Outcome::broken(round, error.to_string()),
            };
            self.ended.fetch_add(1, SeqCst);
            let hangs = outcome.hangs;
            if outcomes.send(outcome).is_err() {
                break;
            }
            if hangs {
                // What still runs would spoil the rounds after it.
                self.enough.store(true, SeqCst);
                runtime.shutdown_timeout(GONE);
                return;
            }
        }
        runtime.shutdown_timeout(GONE);
    }

    fn next_round(&self) -> Option<u64> {
        if self.enough.load(SeqCst) {
            return None;
        }
        let next = self.next.fetch_add(1, SeqCst);
        match self.plan.only {
            Some((round, times)) => (next < times).then_some(round),
            None => (self.tally.total() < self.plan.count).then_some(next),
        }
    }
}

/// Threads of this process; 0 where that is not known.
fn threads() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("Threads:")).and_then(|n| n.trim().parse().ok());
    count.unwrap_or(0)
}

/// How many threads there are beyond those of the beginning, once the last has had time to go.
fn threads_above(before: usize) -> usize {
    let began = Instant::now();
    loop {
        let above = threads().saturating_sub(before);
        if above == 0 || began.elapsed() > GONE {
            return above;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Supervisors say that they give up in the log, and nowhere else.
fn count_who_gives_up(tally: &Arc<Tally>) {
    // A second campaign in the same process is not told.
    let _ = tracing::subscriber::set_global_default(Listener(tally.clone()));
}

struct Listener(Arc<Tally>);

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR && metadata.target() == "crashworthy_supervisor::log"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut context = Context(false);
        event.record(&mut context);
        if context.0 {
            self.0.strike(Kind::GaveUp);
        }
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Whether the context of a report is that its supervisor gives up.
struct Context(bool);

impl tracing::field::Visit for Context {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0 |= field.name() == "context" && value == "shutdown";
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}
