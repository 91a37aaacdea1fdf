//! How a system ends: on request, on a signal, by the end of its root, or because its runtime has gone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::builder::Part;
use crate::burial;
use crate::cell::{AnyCell, flag};
use crate::crash::{contain, discard};
use crate::exit::{Callback, ExitReason};
use crate::outcome::{Ended, Failure, ShutdownReport, is_failure};
use crate::pid::Pid;
use crate::port::nanos;
use crate::report;
use crate::shared::Shared;
use crate::signal::{Down, Via, send_exit};
use crate::system::System;
use crate::time::Nap;

/// A child that did not stop when it was asked to: who, how it ended, and where it hung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straggler {
    /// Its path in the tree.
    pub path: String,
    /// Which incarnation.
    pub pid: Pid,
    /// Whether it was abandoned: its turn still blocks a thread. Else it ended when it was killed.
    pub abandoned: bool,
    /// How long it was waited for before it was killed.
    pub after: Duration,
    /// The callback it hung in; `None` if it was in none.
    pub callback: Option<Callback>,
    /// The kind of message it hung in, if it had one in hand.
    pub in_hand: Option<String>,
    /// How long it had been in there when it was given up.
    pub hung_for: Duration,
}

impl Straggler {
    /// One that is given up `now`, by what was known of where it hung.
    pub fn given_up(
        path: String,
        pid: Pid,
        abandoned: bool,
        after: Duration,
        hung: Option<Whereabouts>,
        now: Duration,
    ) -> Self {
        let (callback, in_hand, hung_for) = match hung {
            Some(Whereabouts { callback, in_hand, since }) => (callback, in_hand, now.saturating_sub(since)),
            None => (None, None, Duration::ZERO),
        };
        Self { path, pid, abandoned, after, callback, in_hand, hung_for }
    }
}

/// Where an incarnation is that does not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The callback it is in, if it is in one.
    pub callback: Option<Callback>,
    /// The kind of the message in hand.
    pub in_hand: Option<String>,
    /// Since when, by the system's clock.
    pub since: Duration,
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.abandoned { "abandoned" } else { "killed" };
        write!(f, "{} {} was {end} after {:?}", self.path, self.pid, rough(self.after))?;
        match (self.callback, &self.in_hand) {
            (None, _) => f.write_str(", between two callbacks"),
            (Some(callback), None) => write!(f, ", in {callback} for {:?}", rough(self.hung_for)),
            (Some(callback), Some(kind)) => write!(f, ", in {callback} of {kind} for {:?}", rough(self.hung_for)),
        }
    }
}

/// To a millisecond, from a second on: nobody reads the rest in an incident.
pub(crate) fn rough(duration: Duration) -> Duration {
    match duration {
        long if long >= Duration::from_secs(1) => Duration::from_millis(long.as_millis() as u64),
        short => Duration::from_micros(short.as_micros() as u64),
    }
}

/// How far a system's stop has come.
pub(crate) struct Stop {
    /// Parts that were attached, and have not been told of the end.
    pub(crate) parts: Mutex<Vec<Box<dyn Part>>>,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    /// The actor at the top of the tree.
    top: Mutex<Option<Pid>>,
    /// Tells of its end, from before it began.
    pub(crate) down: Mutex<Option<(Pid, oneshot::Receiver<Down>)>>,
    begun: AtomicBool,
    /// Somebody tells of the end, or has.
    told: AtomicBool,
    /// A second signal came: no more draining.
    hurry: AtomicBool,
    /// It fails, and the parts have been told, or are being told.
    fails: AtomicBool,
    began_ns: AtomicU64,
    undrained: AtomicU64,
    late: Mutex<Vec<Straggler>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            parts: Mutex::default(),
            ended: watch::Sender::new(None),
            top: Mutex::default(),
            down: Mutex::default(),
            begun: AtomicBool::default(),
            told: AtomicBool::default(),
            hurry: AtomicBool::default(),
            fails: AtomicBool::default(),
            began_ns: AtomicU64::default(),
            undrained: AtomicU64::default(),
            late: Mutex::default(),
        }
    }
}

impl Stop {
    /// Notes a child that did not stop in time.
    pub(crate) fn note(&self, straggler: Straggler) {
        if self.begun.load(Ordering::Acquire) {
            self.late.lock().push(straggler);
        }
    }

    /// Whether somebody has asked for it.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Whether it fails, and nobody had asked for its end.
    pub(crate) fn is_failing(&self) -> bool {
        self.fails.load(Ordering::Acquire)
    }

    /// The incarnation at the top of the tree.
    pub(crate) fn top(&self) -> Option<Pid> {
        *self.top.lock()
    }

    /// Whether this incarnation was noted: it has been waited for.
    pub(crate) fn has_noted(&self, pid: Pid) -> bool {
        self.late.lock().iter().any(|straggler| straggler.pid == pid)
    }
}

/// A stop under way.
pub(crate) struct Ending;

impl Ending {
    /// Drains and stops, once, beside all actors.
    pub(crate) fn begin(shared: &Arc<Shared>, drain: Duration, reason: ExitReason) {
        if !shared.stop.begun.swap(true, Ordering::AcqRel) {
            let worker = shared.clone();
            shared.pool.run_errand(async move { stop(&worker, drain, reason).await });
        }
    }
}

/// How often a drain looks whether everything is served.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

async fn stop(shared: &Arc<Shared>, drain: Duration, reason: ExitReason) {
    let began = shared.port.now_ns();
    shared.stop.began_ns.store(began, Ordering::Release);
    shared.each_cell(|cell| cell.core().raise(flag::DRAINS));
    shared.stragglers.drains();
    shared.each_cell(|cell| cell.rouse_waiters());
    let until = began.saturating_add(nanos(drain));
    loop {
        let work = unserved_by_all(shared);
        shared.stop.undrained.store(work.left, Ordering::Release);
        // Work may have gone from an actor not yet looked at to one that was: only when nobody has taken any in
        // between is there none.
        let quiet = work.left == 0 && unserved_by_all(shared) == work;
        let now = shared.port.now_ns();
        if quiet || now >= until || shared.stop.hurry.load(Ordering::Acquire) {
            break;
        }
        Nap::until(&shared.wheel, until.min(now + LOOK.as_nanos() as u64)).await;
    }
    let top = *shared.stop.top.lock();
    match top.and_then(|top| Some((top, shared.find(top.id)?))) {
        Some((top, cell)) => {
            // The watcher of the top hears of its end and ends the system.
            let _ = send_exit(&cell, top.incarnation, Pid::OUTSIDE, reason, Via::Call);
        }
        None => end(shared, Some(reason)).await,
    }
}

/// What actors together have still to serve, and how much they were ever given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) left: u64,
    accepted: u64,
}

impl Work {
    fn add(&mut self, cell: &dyn AnyCell) {
        let law = cell.law();
        let ended = law.handled + law.expired + law.cancelled + law.displaced + law.undelivered + law.given_up;
        // What an actor sent to itself, a supervised future for one, may be in hand for as long as it lives.
        let own = u64::from(cell.core().handles_own());
        self.left += law.accepted.saturating_sub(ended + own);
        self.accepted += law.accepted;
    }
}

fn unserved_by_all(shared: &Shared) -> Work {
    let mut work = Work::default();
    shared.each_cell(|cell| work.add(&*cell));
    work
}

/// The same of some actors.
pub(crate) fn unserved(cells: &[Arc<dyn AnyCell>]) -> Work {
    let mut work = Work::default();
    cells.iter().for_each(|cell| work.add(&**cell));
    work
}

/// Ends the system: slots at rest are closed, whoever still lives is killed. The end is told when all have ended.
pub(crate) async fn end(shared: &Arc<Shared>, reason: Option<ExitReason>) {
    burial::bury(shared).await;
    tell(shared, reason);
}

/// The same for whoever cannot wait: the end is told when all have been killed.
pub(crate) fn end_now(shared: &Arc<Shared>, reason: Option<ExitReason>) {
    burial::kill_all(shared, |_| ());
    tell(shared, reason);
}

/// Tells of the end, once, and of that the parts before anybody else.
fn tell(shared: &Shared, reason: Option<ExitReason>) {
    if shared.stop.told.swap(true, Ordering::AcqRel) {
        return;
    }
    // All have ended, or been left behind.
    shared.pools.close();
    // Parts are foreign: not under the lock.
    let parts = std::mem::take(&mut *shared.stop.parts.lock());
    detach(parts);
    report::tell_all_withheld(shared);
    let began = shared.stop.began_ns.load(Ordering::Acquire);
    let asked = shared.stop.begun.load(Ordering::Acquire);
    let failure = is_failure(reason.as_ref(), asked)
        .then(|| Box::new(Failure { reason: reason.clone(), last_crash: report::telling_crash(shared) }));
    let report = ShutdownReport {
        undrained: shared.stop.undrained.load(Ordering::Acquire),
        stragglers: std::mem::take(&mut *shared.stop.late.lock()),
        took: Duration::from_nanos(if asked { shared.port.now_ns().saturating_sub(began) } else { 0 }),
        failure,
    };
    let ended = Ended { reason, asked, report };
    shared.stop.ended.send_if_modified(|ending| {
        let first = ending.is_none();
        if first {
            *ending = Some(ended);
        }
        first
    });
}

/// Tells the parts, the last first, that the system fails, unless somebody has asked it to stop: once.
pub(crate) fn fails(shared: &Shared) {
    let stop = &shared.stop;
    if stop.has_begun() || stop.fails.swap(true, Ordering::AcqRel) {
        return;
    }
    // Parts are foreign: not under the lock.
    let mut parts = std::mem::take(&mut *stop.parts.lock());
    for part in parts.iter_mut().rev() {
        if let Err(panic) = contain(|| part.fails()) {
            tracing::error!(location = panic.location, "a part panicked when the system failed: {}", panic.message);
        }
    }
    let mut held = stop.parts.lock();
    if stop.told.load(Ordering::Acquire) {
        // Whoever told of the end meanwhile has found none.
        drop(held);
        detach(parts);
    } else {
        *held = parts;
    }
}

/// Tells the parts, the last first.
fn detach(parts: Vec<Box<dyn Part>>) {
    for mut part in parts.into_iter().rev() {
        if let Err(panic) = contain(|| part.detach()) {
            tracing::error!(location = panic.location, "a part panicked when the system ended: {}", panic.message);
        }
        discard(part);
    }
}

/// Ends the system when its top ends: `down` tells of the end of the incarnation that was started as the top last.
pub(crate) fn watch(system: &System, top: Pid) {
    let shared = system.shared.clone();
    let down = shared.stop.down.lock().take().filter(|(pid, _)| *pid == top).map(|(_, down)| down);
    *shared.stop.top.lock() = Some(top);
    let pool = shared.pool.clone();
    pool.run_errand(async move {
        let reason = match down {
            Some(down) => down.await.map_or(ExitReason::NoProc, |down| down.reason),
            None => ExitReason::NoProc,
        };
        if reason != ExitReason::Normal {
            fails(&shared);
        }
        end(&shared, Some(reason)).await;
    });
}

/// Ends the system when its runtime goes away: slots are closed, mailboxes drained, askers and monitors told, by the
/// thread that drops the first of the pumps. Questions whose replies are out of reach end as well: no deadline comes
/// any more.
pub(crate) fn watch_runtime(shared: &Arc<Shared>) {
    let weak = shared.weak();
    shared.pool.on_held(shared.settings.blocked_after, move |held| {
        if let Some(shared) = weak.upgrade() {
            report::tell_held(&shared, 0, held);
        }
    });
    let weak = shared.weak();
    shared.pool.on_closed(Box::new(move || {
        if let Some(shared) = weak.upgrade() {
            shared.pools.close();
            burial::bury_here(&shared);
            shared.wheel.close();
            tell(&shared, None);
        }
    }));
    let weak = shared.weak();
    shared.pool.on_gone(Box::new(move || {
        if let Some(shared) = weak.upgrade() {
            // Whose turns had not ended by then.
            burial::bury_here(&shared);
        }
    }));
}

pub(crate) async fn run_until_signal(system: &System) -> Ended {
    let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be read: the system runs until its root ends");
            return system.ended().await;
        }
    };
    let shared = &system.shared;
    let mut ended = std::pin::pin!(system.ended());
    loop {
        tokio::select! {
            biased;
            ended = &mut ended => return ended,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if shared.stop.begun.load(Ordering::Acquire) {
            shared.stop.hurry.store(true, Ordering::Release);
        } else {
            tracing::info!(system = system.name(), "stopping");
            Ending::begin(shared, shared.settings.drain, ExitReason::Shutdown);
        }
    }
}
