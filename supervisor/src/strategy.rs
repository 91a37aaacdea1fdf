//! Which siblings share a failed child's fate, and what else is said about a supervisor as a whole.

use std::fmt;
use std::ops::Bound;
use std::time::Duration;

use crashworthy_runtime::Siblings;
use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::intensity::Intensity;

/// Who is stopped and started again with a child that has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Nobody else.
    #[default]
    OneForOne,
    /// All its siblings.
    OneForAll,
    /// The siblings after it in start order.
    RestForOne,
}

impl Strategy {
    /// The part of the start order that shares the failed child's fate, the child included.
    pub fn fate<K: Copy>(self, failed: K) -> (Bound<K>, Bound<K>) {
        match self {
            Self::OneForOne => (Bound::Included(failed), Bound::Included(failed)),
            Self::OneForAll => (Bound::Unbounded, Bound::Unbounded),
            Self::RestForOne => (Bound::Included(failed), Bound::Unbounded),
        }
    }

    /// The same in the words of reports.
    pub(crate) fn siblings(self) -> Siblings {
        match self {
            Self::OneForOne => Siblings::Nobody,
            Self::OneForAll => Siblings::All,
            Self::RestForOne => Siblings::Later,
        }
    }
}

/// Whether the end of significant children ends the supervisor.
///
/// Only a child that ended *by itself and for good* counts: a transient one that ended normally, a temporary one
/// that ended in any way. Being stopped by hand or in a group restart does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// The first significant child that ends takes the supervisor with it.
    AnySignificant,
    /// The last one does.
    AllSignificant,
}

/// A supervisor's own settings. The default is OTP's: one for one, 1 restart in 5 s, no automatic shutdown, no back-off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flags {
    /// Who shares a failed child's fate.
    pub strategy: Strategy,
    /// How many restarts in which time are too many.
    pub intensity: Intensity,
    /// Whether the end of significant children ends the supervisor.
    pub auto_shutdown: AutoShutdown,
    /// How long restarts wait; `None`, as in OTP: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
}

impl Flags {
    /// OTP's defaults under this strategy.
    pub fn new(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// The same, giving up at more than `restarts` within `period`.
    #[must_use]
    pub fn intensity(self, restarts: u32, period: Duration) -> Self {
        Self { intensity: Intensity { restarts, period }, ..self }
    }

    /// The same, with this automatic shutdown.
    #[must_use]
    pub fn auto_shutdown(self, auto_shutdown: AutoShutdown) -> Self {
        Self { auto_shutdown, ..self }
    }

    /// The same, with this back-off between restarts.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff: Some(backoff), ..self }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
        })
    }
}

impl fmt::Display for AutoShutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::AnySignificant => "any_significant",
            Self::AllSignificant => "all_significant",
        })
    }
}
