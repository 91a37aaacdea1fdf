//! The reports of all supervisors of a system, as data.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crashworthy_runtime::{ActorId, ExitReason, Pid, Ring, System, millis};
use serde::{Deserialize, Serialize};

use crate::child_spec::Shutdown;
use crate::core::Place;
use crate::register::{Register, Standing, SupervisorInfo};
use crate::report::{Cause, Context, Report};

/// Reports of errors that a system keeps: the newest. As many of progress.
const KEPT: usize = 256;

/// One report of a supervisor, as data; its text is its `Display`.
///
/// # Differs from OTP
/// OTP's are events of the logger and nothing else. Here they are kept with the system, too, whether they were logged or
/// not; and where a child has crashed they are logged as a part of the [crash report](crashworthy_runtime::CrashReport).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorReport {
    /// Where in its tree the supervisor is.
    pub supervisor: Arc<str>,
    /// Which incarnation of it.
    pub pid: Pid,
    /// When it was, by the [clock of the system](System::now).
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub report: Report<Pid, ExitReason>,
    /// What became of it.
    pub told: Told,
}

/// What became of a report of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It was logged.
    Logged,
    /// The report of the crash, with the ruling in it, was told instead.
    WithCrash,
    /// It was withheld by the [rate limit](crashworthy_runtime::RateLimit).
    Withheld,
}

/// What the supervisors of a system have reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorReports {
    /// How many reports there were in all.
    pub counts: ReportCounts,
    /// The last 256 errors, oldest first.
    pub errors: Vec<SupervisorReport>,
    /// The last 256 of progress, oldest first.
    pub progress: Vec<SupervisorReport>,
}

/// How many reports there were, by context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportCounts {
    /// Starts that failed.
    pub start_error: u64,
    /// Ends of children that were reported.
    pub child_terminated: u64,
    /// Supervisors that gave up.
    pub shutdown: u64,
    /// Children that did not end as they were asked to.
    pub shutdown_error: u64,
    /// Starts that succeeded.
    pub progress: u64,
}

/// What a system knows of its supervisors.
pub trait SystemExt {
    /// What its supervisors have reported: how much, and the newest.
    fn supervisor_reports(&self) -> SupervisorReports;

    /// Its living supervisors, by identity: how each restarts, and how many restarts are left to it. It asks nobody.
    fn supervisors(&self) -> Vec<SupervisorInfo>;

    /// What this incarnation of a supervisor has to do with a child of its; none if it does not live, or is no supervisor with a
    /// restart budget. It asks nobody. Of somebody else's child it says something that means nothing.
    fn standing(&self, supervisor: Pid, child: Pid) -> Option<Standing>;

    /// Whether this incarnation of a supervisor stops `other`, a child of its, when it starts its child `failed` again: all of them, or
    /// those started later. None as with [`standing`](Self::standing). It asks nobody.
    fn shares_fate(&self, supervisor: Pid, failed: ActorId, other: ActorId) -> Option<bool>;
}

impl SystemExt for System {
    fn supervisor_reports(&self) -> SupervisorReports {
        self.extension::<Book>().read()
    }

    fn supervisors(&self) -> Vec<SupervisorInfo> {
        self.extension::<Register>().read(self)
    }

    fn standing(&self, supervisor: Pid, child: Pid) -> Option<Standing> {
        self.extension::<Register>().standing(supervisor, child)
    }

    fn shares_fate(&self, supervisor: Pid, failed: ActorId, other: ActorId) -> Option<bool> {
        self.extension::<Register>().shares_fate(supervisor, failed, other)
    }
}

/// The reports of one system.
#[derive(Debug)]
pub(crate) struct Book {
    errors: Ring<SupervisorReport>,
    progress: Ring<SupervisorReport>,
    counts: [AtomicU64; 5],
}

impl Default for Book {
    fn default() -> Self {
        Self { errors: Ring::new(KEPT), progress: Ring::new(KEPT), counts: Default::default() }
    }
}

impl Book {
    pub(crate) fn enter(&self, report: SupervisorReport) {
        let context = report.report.context;
        if context.is_error() { &self.errors } else { &self.progress }.push(report);
        self.counts[context as usize].fetch_add(1, Relaxed);
    }

    fn read(&self) -> SupervisorReports {
        let count = |context: Context| self.counts[context as usize].load(Relaxed);
        SupervisorReports {
            counts: ReportCounts {
                start_error: count(Context::StartError),
                child_terminated: count(Context::ChildTerminated),
                shutdown: count(Context::Shutdown),
                shutdown_error: count(Context::ShutdownError),
                progress: count(Context::Progress),
            },
            errors: self.errors.read().1,
            progress: self.progress.read().1,
        }
    }
}

impl fmt::Display for SupervisorReport {
    /// Several lines without a line feed at the end; bounded, as the report is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { supervisor, pid, at, report, told } = self;
        let Report { context, cause, offender, ruling } = report;
        write!(f, "{} of {supervisor} {pid} at {:.3} s", context.as_str(), at.as_secs_f64())?;
        let place = match offender.place {
            Place::Running(pid) => pid.to_string(),
            Place::Down => "not running".to_owned(),
            Place::Restarting(_) => "restarting".to_owned(),
        };
        let child = match offender.count {
            Some(count) => format!("{count} of {}", offender.id),
            None => format!("{} {place}", offender.id),
        };
        let significant = if offender.significant { "significant " } else { "" };
        let stop = match offender.shutdown {
            Shutdown::BrutalKill => "killed to stop".to_owned(),
            Shutdown::Within(time) => format!("has {time:?} to stop"),
            Shutdown::Unlimited => "may take its time to stop".to_owned(),
        };
        write!(f, "\n  child      {child}, {significant}{} {}, {stop}", offender.restart, offender.kind)?;
        if *cause != Cause::Started {
            write!(f, "\n  reason     {cause}")?;
        }
        if let Some(ruling) = ruling {
            write!(f, "\n  decision   {}", ruling.decision)?;
            write!(f, "\n  budget     {}", ruling.budget)?;
        }
        match told {
            Told::Withheld => f.write_str("\n  log        withheld"),
            Told::WithCrash | Told::Logged => Ok(()),
        }
    }
}
