//! What a supervisor is told about a child, and the rules such a description keeps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{MAX_THREADS, Threads, millis};
use serde::{Deserialize, Serialize};

use crate::strategy::AutoShutdown;

/// When a child that has ended is started again.
///
/// The *normal class* of exit reasons is `Normal`, `Shutdown` and `ShutdownWith`; everything else is abnormal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Always, even after it ended normally.
    #[default]
    Permanent,
    /// After an abnormal end only.
    Transient,
    /// Never; its specification goes when it ends.
    Temporary,
}

/// How long a child that is asked to stop may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shutdown {
    /// It is not asked: it is killed.
    BrutalKill,
    /// It is asked, and killed after this time.
    #[serde(rename = "within_ms")]
    Within(#[serde(with = "millis")] Duration),
    /// It is asked and waited for. The choice for supervisors, whose children have limits of their own.
    Unlimited,
}

/// What a child is. It decides the default of [`Shutdown`] and how the child is counted, nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An actor or a supervised task.
    #[default]
    Worker,
    /// A supervisor with children of its own.
    Supervisor,
}

impl Kind {
    /// How long such a child may take to stop unless its specification says otherwise: 5 s for workers,
    /// without limit for supervisors.
    pub fn default_shutdown(self) -> Shutdown {
        match self {
            Self::Worker => Shutdown::Within(Duration::from_secs(5)),
            Self::Supervisor => Shutdown::Unlimited,
        }
    }
}

/// How to restart, stop and count one child. How to start it is known to whoever carries out the start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChildSpec {
    /// Its name among its siblings; a part of its path.
    pub id: Arc<str>,
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// What it is.
    pub kind: Kind,
    /// Whether its end can end the supervisor ([`AutoShutdown`]).
    pub significant: bool,
    /// On which threads it runs. A supervisor itself runs on those of its own supervisor, so that it acts whatever its
    /// children do: this is said of what is below it, as far as that does not say otherwise.
    #[serde(default, skip_serializing_if = "is_inherited")]
    pub threads: Threads,
}

fn is_inherited(threads: &Threads) -> bool {
    *threads == Threads::Inherited
}

impl ChildSpec {
    /// A child of this kind with OTP's defaults: permanent, not significant, [`Kind::default_shutdown`].
    pub fn new(id: impl Into<Arc<str>>, kind: Kind) -> Self {
        let (restart, shutdown) = (Restart::default(), kind.default_shutdown());
        Self { id: id.into(), restart, shutdown, kind, significant: false, threads: Threads::Inherited }
    }

    /// A worker with OTP's defaults.
    pub fn worker(id: impl Into<Arc<str>>) -> Self {
        Self::new(id, Kind::Worker)
    }

    /// A supervisor with OTP's defaults.
    pub fn supervisor(id: impl Into<Arc<str>>) -> Self {
        Self::new(id, Kind::Supervisor)
    }

    /// The same child, restarted as told.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// The same child, stopped as told.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// The same child, significant.
    #[must_use]
    pub fn significant(self) -> Self {
        Self { significant: true, ..self }
    }

    /// The same child on these threads.
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// The first rule this child breaks under a supervisor with this automatic shutdown, if any.
    pub fn broken_rule(&self, auto_shutdown: AutoShutdown) -> Option<Rule> {
        name_rule(&self.id).or_else(|| self.significance_rule(Some(auto_shutdown))).or_else(|| self.threads_rule())
    }

    /// Like [`broken_rule`](Self::broken_rule) when the supervisor is not known: the rule about
    /// [`AutoShutdown::Never`] is not applied.
    pub fn broken_rule_anywhere(&self) -> Option<Rule> {
        name_rule(&self.id).or_else(|| self.significance_rule(None)).or_else(|| self.threads_rule())
    }

    /// The rule that its threads break.
    pub(crate) fn threads_rule(&self) -> Option<Rule> {
        match &self.threads {
            Threads::Bulkhead(bulkhead) | Threads::OwnBeside(bulkhead) if !bulkhead.is_in_range() => {
                Some(Rule::BulkheadThreads { threads: bulkhead.size(), max: MAX_THREADS })
            }
            Threads::Own | Threads::OwnBeside(_) if self.kind == Kind::Supervisor => Some(Rule::SupervisorAlone),
            _ => None,
        }
    }

    fn significance_rule(&self, auto_shutdown: Option<AutoShutdown>) -> Option<Rule> {
        if !self.significant {
            None
        } else if auto_shutdown == Some(AutoShutdown::Never) {
            Some(Rule::SignificantUnderNever)
        } else if self.restart == Restart::Permanent {
            Some(Rule::SignificantPermanent)
        } else {
            None
        }
    }
}

/// Longest name of a child or a supervisor, in bytes.
pub const MAX_NAME: usize = 255;

/// The first rule a name breaks, if any.
pub(crate) fn name_rule(name: &str) -> Option<Rule> {
    if name.is_empty() {
        Some(Rule::EmptyName)
    } else if name.len() > MAX_NAME {
        Some(Rule::NameTooLong { length: name.len(), max: MAX_NAME })
    } else if name.contains('/') {
        Some(Rule::SlashInName)
    } else if name.chars().any(char::is_control) {
        Some(Rule::ControlCharacterInName)
    } else {
        None
    }
}

/// A rule of supervisor and child specifications, broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// A name has at least one character.
    EmptyName,
    /// A name is at most [`MAX_NAME`] bytes long.
    NameTooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// `/` separates the parts of a path, so that no name contains it.
    SlashInName,
    /// A name is text that can be shown.
    ControlCharacterInName,
    /// Two children of one supervisor have different names.
    DuplicateId,
    /// The period of the restart intensity is longer than zero.
    ZeroPeriod,
    /// The first wait of a back-off is longer than zero, and not longer than the longest.
    BackoffRange {
        /// The limit of the first.
        base: Duration,
        /// The limit of the longest.
        cap: Duration,
    },
    /// A dynamic supervisor has room for at least one child.
    NoRoomForChildren,
    /// A partition supervisor has a number of partitions that is within limits.
    PartitionCount {
        /// How many it is to have.
        count: usize,
        /// How many it may have.
        max: usize,
    },
    /// A child is significant only under a supervisor whose automatic shutdown is not `Never`.
    SignificantUnderNever,
    /// A significant child is transient or temporary: a permanent one never ends for good.
    SignificantPermanent,
    /// A bulkhead has a number of threads that is within limits.
    BulkheadThreads {
        /// How many it is to have.
        threads: usize,
        /// How many it may have.
        max: usize,
    },
    /// An actor may have a thread of its own, a supervisor with all below it may have a bulkhead.
    SupervisorAlone,
    /// Supervisors nest at most this deep.
    TooDeep {
        /// How deep they may nest.
        max: usize,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyName => f.write_str("a name must not be empty"),
            Self::NameTooLong { length, max } => {
                write!(f, "a name has at most {max} bytes, this one has {length}")
            }
            Self::SlashInName => f.write_str("a name must not contain '/', which separates the parts of a path"),
            Self::ControlCharacterInName => f.write_str("a name must not contain control characters"),
            Self::DuplicateId => f.write_str("an earlier child of the same supervisor has this name"),
            Self::ZeroPeriod => f.write_str("the period of the restart intensity must be longer than zero"),
            Self::BackoffRange { base, cap } => {
                write!(f, "a back-off begins above zero and not above its cap: {base:?} to {cap:?} does not")
            }
            Self::NoRoomForChildren => f.write_str("max_children must be at least 1"),
            Self::PartitionCount { count, max } => write!(f, "there are 1 to {max} partitions, not {count}"),
            Self::SignificantUnderNever => {
                f.write_str("a child can be significant only under a supervisor with automatic shutdown")
            }
            Self::SignificantPermanent => f.write_str("a significant child must be transient or temporary"),
            Self::BulkheadThreads { threads, max } => write!(f, "a bulkhead has 1 to {max} threads, not {threads}"),
            Self::SupervisorAlone => f.write_str("a supervisor has no thread of its own, but may have a bulkhead"),
            Self::TooDeep { max } => write!(f, "supervisors nest at most {max} deep"),
        }
    }
}

impl std::error::Error for Rule {}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        })
    }
}

impl fmt::Display for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrutalKill => f.write_str("brutal kill"),
            Self::Within(limit) => write!(f, "shutdown within {limit:?}"),
            Self::Unlimited => f.write_str("shutdown without limit"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker",
            Self::Supervisor => "supervisor",
        })
    }
}
