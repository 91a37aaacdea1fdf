//! What happened in a supervisor, as data. Text is made elsewhere.

use std::fmt;
use std::sync::Arc;

use crashworthy_runtime::Ruling;
use serde::{Deserialize, Serialize};

use crate::child_spec::{ChildSpec, Kind, Restart, Shutdown};
use crate::core::Place;
use crate::intensity::Intensity;

/// One report of one supervisor. Who the supervisor is, and when it was, is added by whoever passes it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report<P, R> {
    /// What it is about.
    pub context: Context,
    /// Why it was made.
    pub cause: Cause<R>,
    /// Whom it is about.
    pub offender: Offender<P>,
    /// What was decided, and what is left of the restarts that are allowed: of a start that failed, a child that ended, and a
    /// supervisor that gives up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
}

/// What a report is about: OTP's four error contexts, and progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// A child's start failed, at the supervisor's start or in an automatic restart.
    StartError,
    /// A permanent child ended; another one ended abnormally.
    ChildTerminated,
    /// The supervisor gives up.
    Shutdown,
    /// A child did not end as it was asked to.
    ShutdownError,
    /// A child was started. Not an error.
    Progress,
}

impl Context {
    /// Whether it is one of the error contexts.
    pub fn is_error(self) -> bool {
        self != Self::Progress
    }

    /// OTP's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartError => "start_error",
            Self::ChildTerminated => "child_terminated",
            Self::Shutdown => "shutdown",
            Self::ShutdownError => "shutdown_error",
            Self::Progress => "progress",
        }
    }
}

/// Why a report was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause<R> {
    /// The exit reason or the start error.
    Reason(R),
    /// One restart more than this would have been.
    ReachedMaxRestartIntensity(Intensity),
    /// Children of a dynamic supervisor ended in more different ways than are told apart.
    Various,
    /// Nothing went wrong.
    Started,
}

impl<R: fmt::Display> fmt::Display for Cause<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(reason) => write!(f, "{reason}"),
            Self::ReachedMaxRestartIntensity(intensity) => write!(f, "more than {intensity}"),
            Self::Various => f.write_str("in various ways"),
            Self::Started => f.write_str("started"),
        }
    }
}

/// The child a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offender<P> {
    /// Its name; the template's under a dynamic supervisor.
    pub id: Arc<str>,
    /// Its life: the one that ended, if the report is about an end.
    pub place: Place<P>,
    /// For children reported together: how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// When it is restarted.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// What it is.
    pub kind: Kind,
    /// Whether it is significant.
    pub significant: bool,
}

impl<P> Offender<P> {
    pub(crate) fn new(spec: &ChildSpec, place: Place<P>) -> Self {
        Self {
            id: spec.id.clone(),
            place,
            count: None,
            restart: spec.restart,
            shutdown: spec.shutdown,
            kind: spec.kind,
            significant: spec.significant,
        }
    }
}
