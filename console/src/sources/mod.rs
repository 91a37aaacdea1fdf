//! What a service has besides its actors, and tells of itself: caches, circuit breakers, pools of connections, queues.
//!
//! They are read on threads of their own when somebody looks; who looks waits for each of them a quarter of a second at most. So one that
//! blocks holds up neither the console nor the others, and is told as what it is.
//!
//! One whose state, or whether it serves, is not as the last look saw it (it may have ceased to answer) is told as the
//! [event](crashworthy_runtime::Happening::Source) `source`: when somebody looks, by a command, a probe, a page, and not before. The first
//! look tells nothing but of those that do not serve. Of one that changes without end an event is told every eight seconds, with how many
//! changes looks have seen.

mod changes;
mod rounds;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crashworthy_runtime::System;
use serde::{Deserialize, Serialize};

use self::rounds::Rounds;
use crate::protocol::SourceView;

/// Sources that are told, at most; figures of each; letters of a name or a state.
const SOURCES: usize = 64;
const FIGURES: usize = 32;
const LETTERS: usize = 64;

/// Something that tells of itself: see [`Console::source`](crate::Console::source).
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use crashworthy_console::Console;
/// use crashworthy_console::sources::{Reading, Sort, Source};
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
/// let console = Console::default().source(bank.clone());
/// # drop(console);
/// ```
pub trait Source: Send + Sync + 'static {
    /// What it is called, among those of its sort. It is asked once, when the system starts.
    fn name(&self) -> String;

    /// What sort of thing it is. It is asked once.
    fn sort(&self) -> Sort;

    /// How it is just now. It is not to wait for anything: one that takes longer than a quarter of a second is told not to answer, until
    /// it has. It is asked on any thread, and again only when it has answered. A panic is told as such.
    fn read(&self) -> Reading;

    /// Whether the service takes no new work while it does not serve, or does not answer. Not, unless said. It is asked once.
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

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it says of itself is its own code, which may panic.
        f.write_str("Source")
    }
}

/// What sort of thing a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    #[serde(other)]
    Other,
}

impl Sort {
    /// Its name, as it is on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Breaker => "breaker",
            Self::Pool => "pool",
            Self::Queue => "queue",
            Self::Other => "other",
        }
    }
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
#[derive(Default)]
pub(crate) struct Sources {
    rounds: Arc<Rounds>,
}

/// One of them, and what it has said of itself that does not change.
struct Entry {
    name: String,
    sort: Sort,
    critical: bool,
    source: Box<dyn Source>,
}

impl Sources {
    /// One more.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn add(&self, source: Box<dyn Source>) -> Result<(), String> {
        let said = quietly(|| (source.name(), source.sort(), source.is_critical()));
        let (name, sort, critical) = said.ok_or("a source panics when it is asked for its name, sort or importance")?;
        self.rounds.add(Entry { name: short(&name), sort, critical, source }, SOURCES)
    }

    /// How all of them are, in the order in which they were added. What has changed is an event of this system.
    pub(crate) fn read(&self, system: &System) -> Vec<SourceView> {
        self.rounds.look(|seen| system.note_source(seen))
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sources({})", self.rounds.len())
    }
}

impl Entry {
    /// How it is. One that panics serves nothing.
    fn read(&self) -> SourceView {
        let panics = || Reading::new("cannot be read: it panics").serves(false);
        self.view(quietly(|| self.source.read()).unwrap_or_else(panics))
    }

    fn view(&self, reading: Reading) -> SourceView {
        let figures = reading.figures.into_iter().take(FIGURES).map(|(name, value)| (short(name), value.into()));
        SourceView {
            name: self.name.clone(),
            sort: self.sort,
            critical: self.critical,
            serves: reading.serves,
            state: short(&reading.state),
            figures: figures.collect(),
        }
    }
}

fn quietly<R>(ask: impl FnOnce() -> R) -> Option<R> {
    let asked = catch_unwind(AssertUnwindSafe(ask));
    // What is thrown may throw again when it is dropped.
    asked.map_err(std::mem::forget).ok()
}

fn short(text: &str) -> String {
    text.chars().take(LETTERS).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::{Duration, Instant};

    use super::*;

    /// One that does what it is told.
    struct Told<R>(String, R);

    impl<R: Fn() -> Reading + Send + Sync + 'static> Source for Told<R> {
        fn name(&self) -> String {
            self.0.clone()
        }

        fn sort(&self) -> Sort {
            Sort::Cache
        }

        fn read(&self) -> Reading {
            self.1()
        }
    }

    fn told(name: &str, read: impl Fn() -> Reading + Send + Sync + 'static) -> Box<dyn Source> {
        Box::new(Told(name.to_owned(), read))
    }

    fn look(sources: &Sources) -> Vec<SourceView> {
        sources.rounds.look(drop)
    }

    fn panics<T>() -> T {
        std::panic::resume_unwind(Box::new("as it was told"))
    }

    #[test]
    fn what_a_source_says_is_bounded_and_one_that_panics_harms_nobody() {
        let sources = Sources::default();
        let long = || (0..100).fold(Reading::new("y".repeat(10_000)), |reading, _| reading.figure("n", f64::NAN));
        sources.add(told(&"x".repeat(10_000), long)).unwrap();
        sources.add(told("panics", panics)).unwrap();
        let [bad, panics] = &look(&sources)[..] else { panic!("two were added") };
        assert_eq!((bad.name.len(), bad.state.len(), bad.figures.len()), (LETTERS, LETTERS, 1));
        assert_eq!(bad.figures["n"], serde_json::Value::Null);
        assert_eq!(
            (panics.name.as_str(), panics.serves, panics.state.as_str()),
            ("panics", false, "cannot be read: it panics")
        );
    }

    #[test]
    fn who_is_one_too_many_or_has_the_name_of_another_is_not_taken() {
        struct Nameless;
        impl Source for Nameless {
            fn name(&self) -> String {
                panics()
            }
            fn sort(&self) -> Sort {
                Sort::Other
            }
            fn read(&self) -> Reading {
                Reading::new("fine")
            }
        }
        let sources = Sources::default();
        let fine = |number: usize| told(&number.to_string(), || Reading::new("fine"));
        assert!(sources.add(Box::new(Nameless)).unwrap_err().contains("panics"));
        (0..SOURCES).for_each(|number| sources.add(fine(number)).unwrap());
        assert_eq!(sources.add(fine(SOURCES)).unwrap_err(), "more than 64 sources: cache \"64\"");
        assert_eq!(look(&sources).len(), SOURCES);
        let two = Sources::default();
        two.add(fine(1)).unwrap();
        assert_eq!(two.add(fine(1)).unwrap_err(), "two sources are called cache \"1\"");
    }

    /// One that blocks until the other end is let go of.
    fn blocks(name: &str) -> (Sender<()>, Box<dyn Source>) {
        let (go_on, waits) = channel();
        let waits = Mutex::new(waits);
        let blocks = move || {
            let _ = locked(&waits).recv();
            Reading::new("fine again")
        };
        (go_on, told(name, blocks))
    }

    /// Looks until all of them are told so: whoever was let go of needs a moment.
    fn look_for(sources: &Sources, states: &[&str]) {
        let began = Instant::now();
        while !look(sources).iter().map(|view| view.state.as_str()).eq(states.iter().copied()) {
            assert!(began.elapsed() < Duration::from_secs(60), "{states:?}, and it is {:?}", look(sources));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn those_that_block_are_told_and_all_others_are_read_again_and_again() {
        let sources = Sources::default();
        let state = Arc::new(Mutex::new("fine"));
        let says = state.clone();
        let ((first, one), (third, three)) = (blocks("first"), blocks("third"));
        let says = move || Reading::new(*locked(&says));
        for source in [one, told("second", says.clone()), three, told("fourth", says)] {
            sources.add(source).unwrap();
        }
        look_for(&sources, &["does not answer", "fine", "does not answer", "fine"]);
        *locked(&state) = "better";
        look_for(&sources, &["does not answer", "better", "does not answer", "better"]);
        drop(first);
        look_for(&sources, &["fine again", "better", "does not answer", "better"]);
        drop(third);
        look_for(&sources, &["fine again", "better", "fine again", "better"]);
    }

    #[test]
    fn where_many_look_they_share_rounds_and_whoever_looks_now_and_then_has_his_own() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        let (sources, reads) = (Sources::default(), Arc::new(AtomicUsize::new(0)));
        let counts = reads.clone();
        let slow = move || {
            std::thread::sleep(Duration::from_millis(5));
            Reading::new(["even", "odd"][counts.fetch_add(1, Relaxed) % 2])
        };
        sources.add(told("slow", slow)).unwrap();
        for look_number in 1..=5 {
            look(&sources);
            assert_eq!(reads.load(Relaxed), look_number, "each of the first looks reads it");
        }
        let began = Instant::now();
        let seen: Vec<_> = (0..10_000).map(|_| look(&sources).remove(0).state).collect();
        let (rounds, most) =
            (reads.load(Relaxed) - 5, (Duration::from_millis(500) + began.elapsed()).as_millis() / 50 + 2);
        assert!(rounds as u128 <= most, "{rounds} rounds in {:?}, of 5 ms at least", began.elapsed());
        assert_eq!(seen.iter().filter(|state| *state == "does not answer").count(), 0);
    }

    #[test]
    fn one_that_blocks_has_one_thread_however_many_look() {
        let sources = Sources::default();
        let (go_on, one) = blocks("one");
        sources.add(one).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| look_for(&sources, &["does not answer"]));
            }
        });
        assert_eq!(sources.rounds.readers(), 1);
        drop(go_on);
        look_for(&sources, &["fine again"]);
    }
}
