//! What has gone wrong: crashes, and what supervisors report.

use std::time::Duration;

use crashworthy_runtime::{CrashReport, Pid, millis};
use crashworthy_supervisor::{ReportCounts, SupervisorReport};
use serde::{Deserialize, Serialize};

use super::known;

/// The arguments of `crashes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashesQuery {
    /// Of this actor and those below it, by path, name or id.
    pub under: Option<String>,
    /// Of this incarnation: there is one at most.
    pub of: Option<Pid>,
    /// Without backtraces, which are most of a report.
    pub brief: bool,
    /// The newest so many; 20 if it is left out.
    pub limit: Option<usize>,
}

/// The answer to `crashes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crashes {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there were.
    pub total: u64,
    /// How many of the reports that are kept match.
    pub matched: usize,
    /// The newest of those, oldest first.
    #[serde(deserialize_with = "known::list")]
    pub reports: Vec<CrashReport>,
}

/// The arguments of `reports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportsQuery {
    /// Of this supervisor and those below it, by path, name or id.
    pub under: Option<String>,
    /// Reports of progress instead of errors.
    pub progress: bool,
    /// The newest so many; 20 if it is left out.
    pub limit: Option<usize>,
}

/// The answer to `reports`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportsView {
    /// When it was, by the clock of the system.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How many there were.
    pub counts: ReportCounts,
    /// How many of the reports that are kept match.
    pub matched: usize,
    /// The newest of those, oldest first.
    #[serde(deserialize_with = "known::list")]
    pub reports: Vec<SupervisorReport>,
}
