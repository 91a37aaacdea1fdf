//! What a service has besides its actors, and tells of itself: caches, circuit breakers, pools of connections, queues.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;

/// Sources that are told, at most; figures of each; letters of a name or a state.
const SOURCES: usize = 64;
const FIGURES: usize = 32;
const LETTERS: usize = 64;

/// Something that tells of itself: see [`Web::source`](crate::Web::source).
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use crashworthy_web::{Reading, Sort, Source, Web};
///
/// struct Bank { open: AtomicBool }
///
/// impl Source for Bank {
///     fn name(&self) -> String { "bank".to_owned() }
///     fn sort(&self) -> Sort { Sort::Breaker }
///     fn is_critical(&self) -> bool { true }
///     fn read(&self) -> Reading {
///         let open = self.open.load(Relaxed);
///         Reading::new(if open { "open" } else { "closed" }).serves(!open)
///     }
/// }
///
/// let bank = Arc::new(Bank { open: AtomicBool::new(false) });
/// let web = Web::default().source(bank.clone());
/// ```
pub trait Source: Send + Sync + 'static {
    /// What it is called, among those of its sort.
    fn name(&self) -> String;

    /// What sort of thing it is.
    fn sort(&self) -> Sort;

    /// How it is just now. It is called on the thread of the web server, and is not to wait for anything: all who look wait for it.
    fn read(&self) -> Reading;

    /// Whether the service takes no new work while it does not serve. Not, unless said.
    fn is_critical(&self) -> bool {
        false
    }
}

impl<S: Source> Source for Arc<S> {
    fn name(&self) -> String {
        S::name(self)
    }

    fn sort(&self) -> Sort {
        S::sort(self)
    }

    fn read(&self) -> Reading {
        S::read(self)
    }

    fn is_critical(&self) -> bool {
        S::is_critical(self)
    }
}

/// What sort of thing a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sort {
    /// Keeps what would take long to get: entries, hits, misses, evictions.
    Cache,
    /// A circuit breaker: whether it is closed, and what it has seen.
    Breaker,
    /// Connections, threads, permits: how many there are, how many are in use.
    Pool,
    /// Work that waits.
    Queue,
    /// Anything else.
    Other,
}

/// How a source is.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    state: String,
    serves: bool,
    figures: Vec<(&'static str, f64)>,
}

impl Reading {
    /// In this state, in a word, and serving.
    pub fn new(state: impl Into<String>) -> Self {
        Self { state: state.into(), serves: true, figures: Vec::new() }
    }

    /// Whether it does what it is there for.
    #[must_use]
    pub fn serves(mut self, serves: bool) -> Self {
        self.serves = serves;
        self
    }

    /// With one more figure.
    #[must_use]
    pub fn figure(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.figures.push((name, value.into()));
        self
    }
}

/// All of a service.
#[derive(Clone, Default)]
pub(crate) struct Sources(Vec<Arc<dyn Source>>);

/// What is told of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) sort: Sort,
    pub(crate) critical: bool,
    pub(crate) serves: bool,
    pub(crate) state: String,
    pub(crate) figures: serde_json::Map<String, serde_json::Value>,
}

impl Sources {
    pub(crate) fn add(&mut self, source: impl Source) {
        self.0.push(Arc::new(source));
    }

    /// What is wrong, if something is.
    pub(crate) fn fault(&self) -> Option<String> {
        let all = self.0.len();
        (all > SOURCES).then(|| format!("web: {all} sources, allowed are 0 to {SOURCES}"))
    }

    /// All of them. One that panics is told to serve nothing.
    pub(crate) fn read(&self) -> Vec<Told> {
        self.0.iter().map(|source| told(&**source)).collect()
    }

    /// Whether one that is critical does not serve.
    pub(crate) fn is_one_down(&self) -> bool {
        self.0.iter().any(|source| {
            let told = told(&**source);
            told.critical && !told.serves
        })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sources({})", self.0.len())
    }
}

fn told(source: &dyn Source) -> Told {
    let all = || (source.name(), source.sort(), source.is_critical(), source.read());
    let (name, sort, critical, reading) = catch_unwind(AssertUnwindSafe(all)).unwrap_or_else(|payload| {
        // What is thrown may throw again when it is dropped.
        std::mem::forget(payload);
        ("unknown".to_owned(), Sort::Other, false, Reading::new("cannot be read: it panics").serves(false))
    });
    let figures = reading.figures.into_iter().take(FIGURES).map(|(name, value)| (short(name), value.into()));
    Told {
        name: short(&name),
        sort,
        critical,
        serves: reading.serves,
        state: short(&reading.state),
        figures: figures.collect(),
    }
}

fn short(text: &str) -> String {
    text.chars().take(LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bad;

    impl Source for Bad {
        fn name(&self) -> String {
            "x".repeat(10_000)
        }

        fn sort(&self) -> Sort {
            Sort::Cache
        }

        fn read(&self) -> Reading {
            (0..100).fold(Reading::new("y".repeat(10_000)), |reading, _| reading.figure("n", f64::NAN))
        }
    }

    struct Panics;

    impl Source for Panics {
        fn name(&self) -> String {
            std::panic::resume_unwind(Box::new("as it was told"))
        }

        fn sort(&self) -> Sort {
            Sort::Other
        }

        fn read(&self) -> Reading {
            Reading::new("fine")
        }
    }

    #[test]
    fn what_a_source_says_is_bounded_and_one_that_panics_harms_nobody() {
        let mut sources = Sources::default();
        sources.add(Bad);
        sources.add(Panics);
        let [bad, panics] = &sources.read()[..] else { panic!("two were added") };
        assert_eq!((bad.name.len(), bad.state.len(), bad.figures.len()), (LETTERS, LETTERS, 1));
        assert_eq!(bad.figures["n"], serde_json::Value::Null);
        assert_eq!((panics.serves, sources.is_one_down()), (false, false), "it is not critical");
        (0..SOURCES).for_each(|_| sources.add(Bad));
        assert_eq!(sources.fault().as_deref(), Some("web: 66 sources, allowed are 0 to 64"));
    }
}
