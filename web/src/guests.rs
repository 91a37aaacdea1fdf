//! Who is connected, so that somebody who has something to ask gets in although others say nothing.
//!
//! As many as are allowed stay as long as there is room. When there is none, whoever has been silent for longest makes way for the next:
//! a browser or a scraper that keeps a connection opens another one, and a probe is not to be told that the service does not answer
//! because somebody holds connections. Whoever is being answered stays, and so does a page that is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinSet};

/// How long somebody is left alone after he has come, or was answered.
const GRACE: Duration = Duration::from_millis(30);
/// In the place of a time: he is being answered.
const ANSWERED: u64 = u64::MAX;

/// All of them.
pub(crate) struct Guests {
    most: usize,
    began: Instant,
    there: Vec<(Arc<Guest>, AbortHandle)>,
}

/// One of them, as his connection says it.
pub(crate) struct Guest {
    began: Instant,
    /// Since when he has said nothing, in milliseconds.
    silent_since: AtomicU64,
}

impl Guest {
    fn new(began: Instant) -> Arc<Self> {
        let guest = Self { began, silent_since: AtomicU64::new(0) };
        guest.rests();
        Arc::new(guest)
    }

    /// He has asked something.
    pub(crate) fn asks(&self) {
        self.silent_since.store(ANSWERED, Relaxed);
    }

    /// There is an answer that is complete.
    pub(crate) fn rests(&self) {
        self.silent_since.store(millis(self.began.elapsed()), Relaxed);
    }
}

impl Guests {
    /// So many at the most.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, began: Instant::now(), there: Vec::new() }
    }

    /// One more, unless there is no room and nobody makes way.
    pub(crate) fn receive<F>(&mut self, tasks: &mut JoinSet<()>, serve: impl FnOnce(Arc<Guest>) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.there.retain(|(_, task)| !task.is_finished());
        if self.there.len() >= self.most && !self.makes_way() {
            return false;
        }
        let guest = Guest::new(self.began);
        let task = tasks.spawn(serve(guest.clone()));
        self.there.push((guest, task));
        true
    }

    /// Whoever has been silent for longest goes.
    fn makes_way(&mut self) -> bool {
        let since = |(guest, _): &(Arc<Guest>, AbortHandle)| guest.silent_since.load(Relaxed);
        let silent = self.there.iter().enumerate().map(|(at, there)| (since(there), at)).min();
        let due = |since: u64| since.saturating_add(millis(GRACE)) <= millis(self.began.elapsed());
        let Some((_, at)) = silent.filter(|(since, _)| due(*since)) else { return false };
        let (_, task) = self.there.swap_remove(at);
        task.abort();
        true
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(ANSWERED - 1)
}
