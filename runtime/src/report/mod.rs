//! Reports of one system: who judges crashes, what is kept, what reaches the log.
//!
//! ```text
//! end of a child ─▶ lay ─┬─▶ desk ─ the parent reads of the end ─▶ Unjudged::judge ─┐
//!                        └─ nobody judges, no room ──────────────────────────────────┤
//!                           parent ended, or late ───────────────────────────────────┴─▶ tell ─▶ ring ─▶ limit ─▶ log
//! ```
//! Whatever is withheld, or lies on the desk, is looked after by one task, which sleeps while there is nothing.

mod blocked;
mod crash_report;
mod desk;
mod gates;
mod kept;
mod lazy_backtrace;
mod limit;
pub mod millis;
mod ring;
mod short;
mod text;
mod unheard;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use blocked::tell_held;
pub use crash_report::{CrashReport, Handled, InHand, Sender};
pub(crate) use crash_report::{bounded, kind, shortened};
use desk::Desk;
use gates::look_at_gates;
pub(crate) use gates::{pass_gate, watch};
use kept::Crashes;
pub use lazy_backtrace::LazyBacktrace;
pub use limit::RateLimit;
use limit::{Limiter, Pass};
pub use ring::Ring;
pub(crate) use unheard::Plain;
pub use unheard::print_if_unheard;
pub use verdict::{Budget, Decision, Judgement, Ruling, Siblings, Verdict};

use crate::event::{self, Happening};
use crate::gate::Watch;
use crate::outcome::LastCrash;
use crate::pid::{ActorId, Pid};
use crate::port::nanos;
use crate::shared::Shared;

/// How long a report lies on the desk at most, and how often somebody looks.
const LOOK: Duration = Duration::from_secs(1);

/// What is logged of reports that are no errors, unless told otherwise: 100 at once, then ten a second.
pub(crate) const PROGRESS: RateLimit = RateLimit::new(100, Duration::from_millis(100));

/// How much a report matters. Those of one kind do not withhold those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Importance {
    /// Something went wrong.
    Error,
    /// Something was begun, as it should.
    Progress,
}

/// The reports of one system.
#[derive(Debug)]
pub(crate) struct Reports {
    crashes: Crashes,
    desk: Desk,
    errors: Limiter,
    progress: Limiter,
    /// What the log is told of gates is limited like errors, and withholds none.
    gates: Limiter,
    /// So is what it is told of turns that block their threads.
    blocked: Limiter,
    /// Actors with whose gates something is wrong, each once.
    watched: Mutex<BTreeMap<ActorId, Watch>>,
    /// Whether the attendant has been called, and not gone back to sleep.
    attended: AtomicBool,
    called: Arc<Notify>,
}

impl Reports {
    pub(crate) fn new(errors: RateLimit, progress: RateLimit) -> Self {
        Self {
            crashes: Crashes::default(),
            desk: Desk::default(),
            errors: Limiter::new(errors),
            progress: Limiter::new(progress),
            gates: Limiter::new(errors),
            blocked: Limiter::new(errors),
            watched: Mutex::default(),
            attended: AtomicBool::new(false),
            called: Arc::default(),
        }
    }

    /// How many crashes there were, and the reports that are kept.
    pub(crate) fn crashes(&self) -> (u64, Vec<CrashReport>) {
        self.crashes.read()
    }

    pub(crate) fn crashed(&self) -> u64 {
        self.crashes.told()
    }

    /// How many reports were withheld from the log.
    pub(crate) fn withheld(&self) -> u64 {
        self.errors.withheld() + self.progress.withheld() + self.gates.withheld() + self.blocked.withheld()
    }

    /// From now on this incarnation judges the crashes of its children.
    pub(crate) fn judges(&self, judge: Pid) {
        self.desk.open(judge);
    }

    fn limiter(&self, importance: Importance) -> &Limiter {
        match importance {
            Importance::Error => &self.errors,
            Importance::Progress => &self.progress,
        }
    }

    /// Whether there is something to look after.
    pub(crate) fn owes(&self) -> bool {
        let owes = [&self.errors, &self.progress, &self.gates, &self.blocked].into_iter().any(Limiter::owes);
        owes || !self.desk.is_empty() || !self.watched.lock().is_empty()
    }
}

/// The report of a crash that its judge has taken from the desk. Dropped without a judgement, it is told unjudged.
#[must_use = "a crash is to be judged"]
pub struct Unjudged {
    shared: Arc<Shared>,
    report: Option<Box<CrashReport>>,
}

impl Unjudged {
    /// Tells of the crash, with what was decided about it.
    pub fn judge(mut self, by: &Arc<str>, child: &Arc<str>, ruling: Ruling) {
        if let Some(mut report) = self.report.take() {
            let verdict = Verdict { by: by.clone(), child: child.clone(), ruling };
            report.judgement = Judgement::Judged(Box::new(verdict));
            tell(&self.shared, report);
        }
    }
}

impl Drop for Unjudged {
    fn drop(&mut self) {
        if let Some(mut report) = self.report.take() {
            report.judgement = Judgement::ParentEnded;
            tell(&self.shared, report);
        }
    }
}

impl std::fmt::Debug for Unjudged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unjudged").field(&self.report.as_ref().map(|report| report.pid)).finish()
    }
}

/// Lays the report of a crash on the desk, if somebody will judge it; else tells it now.
pub(crate) fn lay(shared: &Shared, report: Box<CrashReport>, judge: Option<Pid>) {
    let Some(judge) = judge else { return tell(shared, report) };
    match shared.reports.desk.lay(judge, report, Duration::from_nanos(shared.port.now_ns())) {
        Ok(()) => attend(shared),
        Err((mut report, why)) => {
            report.judgement = why;
            tell(shared, report);
        }
    }
}

/// Takes the report of a child's crash from the desk.
pub(crate) fn take(shared: &Shared, judge: Pid, child: Pid) -> Option<Unjudged> {
    let report = shared.reports.desk.take(judge, child)?;
    Some(Unjudged { shared: shared.arc(), report: Some(report) })
}

/// A judge has ended: what it has not judged is told.
pub(crate) fn clear(shared: &Shared, judge: Pid) {
    for mut report in shared.reports.desk.clear(judge) {
        report.judgement = Judgement::ParentEnded;
        tell(shared, report);
    }
}

/// Whether a report of this source is to be logged now; if so, how many were withheld since the last.
pub(crate) fn pass(shared: &Shared, source: &str, importance: Importance) -> Option<u64> {
    match shared.reports.limiter(importance).pass(source, shared.port.now_ns()) {
        Pass::Log { withheld } => Some(withheld),
        Pass::Withhold { .. } => {
            attend(shared);
            None
        }
    }
}

/// Keeps a report, and logs it if its source may.
fn tell(shared: &Shared, mut report: Box<CrashReport>) {
    let pass = shared.reports.errors.pass(source(&report), shared.port.now_ns());
    (report.logged, report.withheld) = match pass {
        Pass::Log { withheld } => (true, withheld),
        Pass::Withhold { withheld } => (false, withheld),
    };
    if report.logged {
        log(&report);
    } else {
        attend(shared);
    }
    let crashed = Happening::Crashed {
        crash: report.crash.clone(),
        restarts: report.restarts,
        judgement: report.judgement.clone(),
    };
    event::note(shared, Some(report.pid), report.path.clone(), crashed);
    shared.reports.crashes.push(report);
}

/// Whose reports this one may withhold: its parent's, else its own, else those of its type.
fn source(report: &CrashReport) -> &str {
    match &report.judgement {
        Judgement::Judged(verdict) => &verdict.by,
        _ => match report.path.rsplit_once('/') {
            Some((parent, _)) => parent,
            None => report.name.as_deref().unwrap_or(&report.kind),
        },
    }
}

#[cold]
fn log(report: &CrashReport) {
    let CrashReport { pid, crash, recent, .. } = report;
    let verdict = report.judgement.verdict();
    tracing::error!(
        supervisor = verdict.map(|verdict| &*verdict.by),
        context = verdict.and_then(|verdict| verdict.ruling.decision.context()),
        child = verdict.map(|verdict| &*verdict.child),
        decision = %report.judgement,
        budget = verdict.map(|verdict| tracing::field::display(verdict.ruling.budget)),
        %pid,
        path = &*report.path,
        name = report.name.as_deref().unwrap_or_default(),
        kind = &*report.kind,
        reason = %crash,
        message_in_hand = crash.in_hand.as_deref().unwrap_or_default(),
        in_hand = report.in_hand.as_ref().map(tracing::field::display),
        callback = %crash.callback,
        location = crash.location.as_deref().unwrap_or_default(),
        recent = %text::Kinds(recent),
        incarnation = pid.incarnation,
        restarts = report.restarts,
        backtrace = report.backtrace.as_ref().map(tracing::field::display),
        withheld = report.withheld,
        "actor crashed: {}",
        crash.message,
    );
    print_if_unheard(report);
}

/// The crash that a system's failure came after, as far as that is known: the newest for which a supervisor gave up, else
/// the newest of all.
#[cold]
pub(crate) fn telling_crash(shared: &Shared) -> Option<LastCrash> {
    let gave_up = |report: &&CrashReport| {
        let decision = report.judgement.verdict().map(|verdict| verdict.ruling.decision);
        matches!(decision, Some(Decision::GiveUp | Decision::ShutDown))
    };
    let (_, newest) = shared.reports.crashes();
    let CrashReport { pid, path, crash, .. } = newest.iter().rev().find(gave_up).or(newest.last())?;
    Some(LastCrash { pid: *pid, path: path.clone(), crash: crash.clone() })
}

/// Has the attendant look after what lies on the desk and what was withheld.
fn attend(shared: &Shared) {
    let reports = &shared.reports;
    if !reports.attended.load(Acquire) && !reports.attended.swap(true, AcqRel) {
        reports.called.notify_one();
    }
}

/// Starts the attendant of a system: a task that sleeps until it is called, then looks once a second while there is
/// anything to look after.
pub(crate) fn start(shared: &Arc<Shared>) {
    let (weak, port, mut ended) = (shared.weak(), shared.port.clone(), shared.stop.ended.subscribe());
    let called = shared.reports.called.clone();
    shared.port.spawn(async move {
        let look_again = async {
            loop {
                called.notified().await;
                match weak.upgrade() {
                    Some(shared) => look_at_gates(&shared),
                    None => return,
                }
                loop {
                    port.sleep_until(port.now_ns().saturating_add(nanos(LOOK))).await;
                    let Some(shared) = weak.upgrade() else { return };
                    if !look(&shared) {
                        break;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            // Whoever ends the system tells what is left.
            _ = ended.wait_for(Option::is_some) => {}
            () = look_again => {}
        }
    });
}

/// Tells what is late, and what was withheld and may be told. Whether to look again.
fn look(shared: &Arc<Shared>) -> bool {
    let now = shared.port.now_ns();
    for mut report in shared.reports.desk.late(Duration::from_nanos(now).saturating_sub(LOOK)) {
        report.judgement = Judgement::Late;
        tell(shared, report);
    }
    look_at_gates(shared);
    tell_withheld(shared, now, false);
    if shared.reports.owes() {
        return true;
    }
    shared.reports.attended.store(false, Release);
    // Whoever laid down something in between found it attended.
    shared.reports.owes() && !shared.reports.attended.swap(true, AcqRel)
}

/// The system ends: tells what was withheld and not told yet.
pub(crate) fn tell_all_withheld(shared: &Shared) {
    tell_withheld(shared, shared.port.now_ns(), true);
}

fn tell_withheld(shared: &Shared, now: u64, last: bool) {
    for (source, withheld) in shared.reports.errors.due(now, last) {
        tracing::warn!(source = &*source, withheld, "reports of errors were withheld: {withheld} more of {source}");
        print_if_unheard(format_args!("reports of errors were withheld: {withheld} more of {source}"));
    }
    for (source, withheld) in shared.reports.gates.due(now, last) {
        tracing::warn!(source = &*source, withheld, "events of a gate were withheld: {withheld} more of {source}");
    }
    for (source, withheld) in shared.reports.blocked.due(now, last) {
        tracing::warn!(
            source = &*source,
            withheld,
            "blocked threads were not told of: {withheld} times more of {source}"
        );
    }
    for (source, withheld) in shared.reports.progress.due(now, last) {
        tracing::info!(source = &*source, withheld, "reports of progress were withheld: {withheld} more of {source}");
    }
}
