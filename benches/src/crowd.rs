//! A dynamic supervisor and its crowd: what a child costs when there are many.
//!
//! Each size is measured in a process of its own, since a process keeps what an earlier crowd made it take.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crashworthy::prelude::*;
use serde::{Deserialize, Serialize};

use crate::works::ON_DEMAND;
use crate::wrong::{Wrong, wrong};

/// Tasks that share a work: the supervisor always has something to do.
const DRIVERS: usize = 64;
/// Children that come and stay before the first look at the memory, so that the runtime itself has taken what it takes.
const BEFORE: usize = 1_000;
/// How long a driver waits for an answer.
const PATIENCE: Duration = secs(60);

/// What one crowd cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How many children there were.
    pub children: usize,
    /// How many of them were crashed, and how many removed.
    pub sample: usize,
    /// From the first `start` until the last child is ready.
    pub start_s: f64,
    /// The same, for each child.
    pub start_ns: f64,
    /// What both cores worked for it, in seconds: what it takes where others are at work, too.
    pub start_cpu_s: f64,
    /// From the first fatal message until the next incarnation of the last one has answered, for each child of the sample.
    pub restart_ns: f64,
    /// Until the last of the sample has ended and is forgotten, for each.
    pub remove_ns: f64,
    /// The stop of the whole system, drain included.
    pub stop_s: f64,
    /// The same, for each child that was left.
    pub stop_ns: f64,
    /// What both cores worked for it, in seconds.
    pub stop_cpu_s: f64,
    /// Growth of the resident set while the children were started, for each.
    pub bytes: f64,
}

fn check(what: &str, expected: u64, is: u64) -> Result<(), Wrong> {
    if expected == is { Ok(()) } else { Err(wrong(format_args!("{what}: {is}, not {expected}"))) }
}

/// The hidden option under which this very program is such a process.
pub const ALONE: &str = "--alone";

/// Measures a crowd of this size in a process of its own.
///
/// # Errors
/// When the process cannot be run, or says what was wrong.
pub fn measure(children: usize) -> Result<Figures, Wrong> {
    let this = std::env::current_exe().map_err(wrong)?;
    let output = Command::new(this)
        .args(["--count", &children.to_string(), ALONE])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(wrong)?;
    if !output.status.success() {
        return Err(wrong(format_args!("the crowd of {children} ended with {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(wrong)
}

/// Measures a crowd of this size here.
///
/// # Errors
/// When a child does not start, restart or stop as it must.
///
/// # Panics
/// If there can be no threads.
pub fn measure_here(children: usize) -> Result<Figures, Wrong> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("there are threads");
    let measured = runtime.block_on(async move { tokio::spawn(rounds(children)).await });
    measured.map_err(wrong)?
}

async fn rounds(children: usize) -> Result<Figures, Wrong> {
    let crowd = Dynamic::<Member>::named("crowd").restart(Restart::Permanent).intensity(u32::MAX, ms(1));
    let ledger = Arc::new(Ledger::default());
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.map_err(wrong)?;
    // Touched beforehand, so that the drivers' own lists are not counted.
    let (earlier, mut all) = (places(BEFORE), places(children));
    let earlier = start(&crowd, &ledger, earlier).await?;
    let (before, began, worked) = (resident(), Instant::now(), cpu_s());
    all = start(&crowd, &ledger, all).await?;
    let (start_s, start_cpu_s) = (began.elapsed().as_secs_f64(), cpu_s() - worked);
    let bytes = resident().saturating_sub(before) as f64 / children as f64;
    check("children that started", (children + BEFORE) as u64, ledger.started.load(Ordering::Relaxed))?;

    let sample = (children / 10).clamp(1, 10_000);
    let stride = children / sample;
    let started = all.iter().flatten().step_by(stride).take(sample);
    let picked: Vec<ActorRef<Member>> = started.flatten().cloned().collect();
    drop((earlier, all));
    let began = Instant::now();
    crash(&picked).await?;
    let restart_ns = each(began, sample);
    let began = Instant::now();
    remove(&crowd, &picked).await?;
    let remove_ns = each(began, sample);

    let left = crowd.count().await.map_err(wrong)?;
    let expected = (children + BEFORE - sample) as u64;
    check("children that are left", expected, left.active as u64)?;
    let (began, worked) = (Instant::now(), cpu_s());
    let report = system.stop().await;
    let (stop_s, stop_ns, stop_cpu_s) = (began.elapsed().as_secs_f64(), each(began, left.active), cpu_s() - worked);
    check("stragglers", 0, report.stragglers.len() as u64)?;
    check("states that were dropped", ledger.started.load(Ordering::Relaxed), ledger.dropped.load(Ordering::Relaxed))?;
    let start_ns = start_s * 1e9 / children as f64;
    Ok(Figures {
        children,
        sample,
        start_s,
        start_ns,
        start_cpu_s,
        restart_ns,
        remove_ns,
        stop_s,
        stop_ns,
        stop_cpu_s,
        bytes,
    })
}

fn each(began: Instant, count: usize) -> f64 {
    began.elapsed().as_nanos() as f64 / count as f64
}

/// Where one driver puts those it has started.
type Places = Vec<Option<ActorRef<Member>>>;

/// As many places, in a list for every driver.
fn places(count: usize) -> Vec<Places> {
    let share = count.div_ceil(DRIVERS);
    (0..count).step_by(share).map(|first| vec![None; share.min(count - first)]).collect()
}

/// Starts a child for every place of the lists.
async fn start(crowd: &Dynamic<Member>, ledger: &Arc<Ledger>, lists: Vec<Places>) -> Result<Vec<Places>, Wrong> {
    let driver = |mut list: Places| {
        let (crowd, ledger) = (crowd.clone(), ledger.clone());
        tokio::spawn(async move {
            for place in &mut list {
                *place = Some(crowd.start(ledger.clone()).await?);
            }
            Ok::<_, StartError>(list)
        })
    };
    let drivers: Vec<_> = lists.into_iter().map(driver).collect();
    let mut filled = Vec::with_capacity(drivers.len());
    for driver in drivers {
        filled.push(driver.await.map_err(wrong)?.map_err(wrong)?);
    }
    Ok(filled)
}

/// Crashes them all, and waits until the next incarnation of each has answered.
async fn crash(picked: &[ActorRef<Member>]) -> Result<(), Wrong> {
    let drivers: Vec<_> = shares(picked)
        .map(|share| {
            tokio::spawn(async move {
                for child in &share {
                    child.tell(Say::Crash).map_err(wrong)?;
                }
                for child in &share {
                    let life = child.ask(Say::Which).within(PATIENCE).await.map_err(wrong)?;
                    check("incarnation", 2, u64::from(life))?;
                }
                Ok::<_, Wrong>(())
            })
        })
        .collect();
    join(drivers).await
}

/// Removes them all.
async fn remove(crowd: &Dynamic<Member>, picked: &[ActorRef<Member>]) -> Result<(), Wrong> {
    let drivers: Vec<_> = shares(picked)
        .map(|share| {
            let crowd = crowd.clone();
            tokio::spawn(async move {
                for child in &share {
                    let removed = crowd.stop(child.pid()).await.map_err(wrong)?;
                    check("children removed", 1, u64::from(removed))?;
                }
                Ok::<_, Wrong>(())
            })
        })
        .collect();
    join(drivers).await
}

fn shares(picked: &[ActorRef<Member>]) -> impl Iterator<Item = Vec<ActorRef<Member>>> {
    picked.chunks(picked.len().div_ceil(DRIVERS)).map(<[_]>::to_vec)
}

async fn join(drivers: Vec<tokio::task::JoinHandle<Result<(), Wrong>>>) -> Result<(), Wrong> {
    for driver in drivers {
        driver.await.map_err(wrong)??;
    }
    Ok(())
}

/// What the children did.
#[derive(Default)]
struct Ledger {
    started: AtomicU64,
    dropped: AtomicU64,
}

/// A child. Its state is one word.
struct Member(Arc<Ledger>);

enum Say {
    Crash,
    Which(Reply<u32>),
}

impl Message for Say {
    fn kind(&self) -> &'static str {
        match self {
            Self::Crash => "Crash",
            Self::Which(_) => "Which",
        }
    }
}

impl Actor for Member {
    type Args = Arc<Ledger>;
    type Msg = Say;

    async fn init(ledger: Arc<Ledger>, _: &mut Context<Self>) -> Result<Self, Exit> {
        ledger.started.fetch_add(1, Ordering::Relaxed);
        Ok(Self(ledger))
    }

    async fn handle(&mut self, say: Say, cx: &mut Context<Self>) -> Result<(), Exit> {
        match say {
            Say::Crash => panic!("{}", ON_DEMAND),
            Say::Which(reply) => reply.send(cx.incarnation()),
        }
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// The resident set of this process, in bytes; 0 where there is no `/proc`.
pub(crate) fn resident() -> u64 {
    const PAGE: u64 = 4_096;
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}

/// What this process has worked so far, in seconds; 0 where there is no `/proc`.
fn cpu_s() -> f64 {
    const TICKS_PER_S: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have spaces: user and system time are the 12th and the 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_S
}
