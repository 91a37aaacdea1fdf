//! On which threads an actor runs, as its author says it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Most threads a bulkhead may have.
pub const MAX_THREADS: usize = 1_024;

/// Threads of their own for a part of a tree: whatever happens there, the rest of the system keeps its threads.
///
/// They are the workers of a tokio runtime of their own, so that timers and sockets work inside. It is plain data: the
/// system makes the threads when the first actor starts on them. Within a system a bulkhead is known by its name: two with
/// the same name are the same threads. One without a name is called by the path of the
/// supervisor or the child that has it; where an actor starts another with
/// [`Context::begin_on`](crate::Context::begin_on), by the name of that slot.
///
/// # Guarantees
/// - **What saturates one pool of threads leaves the others' alone**: messages between pools wait for the receiver's threads
///   only, and order, deadlines and cancellation are those of any message.
/// - A question is run in place by its asker only within one pool.
/// - Handlers that block every thread of a bulkhead are told as those that block the system's workers are, and as many
///   threads as the bulkhead has, at least 4 and at most 16, take turns until one returns. So the number of threads says how much
///   of the machine it gets, not how many calls it makes at a time: for that, start as many actors.
///
/// # Examples
/// ```
/// use crashworthy_runtime::Bulkhead;
///
/// let reports = Bulkhead::threads(2).named("reports");
/// assert_eq!(reports.to_string(), "bulkhead `reports` of 2 threads");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bulkhead {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    threads: usize,
}

impl Bulkhead {
    /// So many threads, 1 to [`MAX_THREADS`]: a tree with another number does not start.
    pub const fn threads(threads: usize) -> Self {
        Self { name: None, threads }
    }

    /// The same, shared by all of a system that have one of this name.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The same, called by this path unless it has a name.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { name: self.name.or_else(|| Some(path.into())), ..self }
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How many threads it has.
    pub const fn size(&self) -> usize {
        self.threads
    }

    /// Whether it may have so many.
    pub const fn is_in_range(&self) -> bool {
        matches!(self.threads, 1..=MAX_THREADS)
    }
}

impl fmt::Display for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bulkhead ")?;
        if let Some(name) = self.name() {
            write!(f, "`{name}` ")?;
        }
        write!(f, "of {} thread{}", self.threads, if self.threads == 1 { "" } else { "s" })
    }
}

/// On which threads an actor runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threads {
    /// Those of whoever starts it; the system's own, if nobody does. Who starts it from a thread of its own passes on those it
    /// would have had otherwise.
    #[default]
    Inherited,
    /// Those of a bulkhead.
    Bulkhead(Bulkhead),
    /// One that it has to itself for as long as its slot is there.
    Own,
    /// The same, where it would have run in this bulkhead otherwise: whom it starts runs there.
    OwnBeside(Bulkhead),
}
