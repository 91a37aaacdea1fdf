//! Who is connected, so that somebody who has something to ask gets in whatever others do.
//!
//! As many as are allowed stay as long as there is room. When there is none, one at a time waits at the door: whoever has been silent for
//! longest makes way, and until somebody does, whoever is answered is seen off with the answer. A browser or a scraper that keeps a
//! connection opens another one, and a probe is not to be told that the service does not answer because somebody holds connections, or
//! asks again and again. Whoever is being answered stays, and so does a page that is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// How long somebody is left alone after he has come, or was answered.
const GRACE: Duration = Duration::from_millis(30);
/// In the place of a time: he is being answered.
const ANSWERED: u64 = u64::MAX;
/// He is sent something that has no end.
const WATCHES: u64 = u64::MAX - 1;

/// All of them.
pub(crate) struct Guests {
    most: usize,
    there: Vec<(Arc<Guest>, AbortHandle)>,
    house: Arc<House>,
}

/// What all of them know.
struct House {
    began: Instant,
    /// Somebody waits at the door.
    is_full: AtomicBool,
    /// Somebody may make way.
    changed: Notify,
}

/// One of them, as his connection says it.
pub(crate) struct Guest {
    house: Arc<House>,
    /// Since when he has said nothing, in milliseconds.
    silent_since: AtomicU64,
}

/// What is found for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is a place.
    Here,
    /// Everybody watches a page.
    None,
}

impl Guest {
    fn new(house: Arc<House>) -> Arc<Self> {
        let guest = Self { house, silent_since: AtomicU64::new(0) };
        guest.rests();
        Arc::new(guest)
    }

    /// He has asked something.
    pub(crate) fn asks(&self) {
        self.silent_since.store(ANSWERED, Relaxed);
    }

    /// There is an answer that is complete, or will be late on purpose.
    pub(crate) fn rests(&self) {
        self.silent_since.store(millis(self.house.began.elapsed()), Relaxed);
        self.house.changed.notify_one();
    }

    /// He is sent one picture after the other.
    pub(crate) fn watches(&self) {
        self.silent_since.store(WATCHES, Relaxed);
        self.house.changed.notify_one();
    }

    /// Whether somebody waits for his place.
    pub(crate) fn is_in_the_way(&self) -> bool {
        self.house.is_full.load(Relaxed)
    }
}

impl Guests {
    /// So many at the most.
    pub(crate) fn new(most: usize) -> Self {
        let house = House { began: Instant::now(), is_full: AtomicBool::new(false), changed: Notify::new() };
        Self { most, there: Vec::new(), house: Arc::new(house) }
    }

    /// Waits until there is room for one more.
    ///
    /// # Cancel safety
    /// Nothing is lost: nobody has come in.
    pub(crate) async fn room(&mut self) -> Room {
        loop {
            self.there.retain(|(_, task)| !task.is_finished());
            if self.there.len() < self.most {
                return Room::Here;
            }
            match self.makes_way() {
                Ok(()) => return Room::Here,
                Err(None) => return Room::None,
                Err(Some(soon)) => {
                    self.house.is_full.store(true, Relaxed);
                    let _ = timeout(soon, self.house.changed.notified()).await;
                }
            }
        }
    }

    /// One more, for whom there is [room](Self::room).
    pub(crate) fn receive<F>(&mut self, tasks: &mut JoinSet<()>, serve: impl FnOnce(Arc<Guest>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.settled();
        let guest = Guest::new(self.house.clone());
        let task = tasks.spawn(serve(guest.clone()));
        self.there.push((guest, task));
    }

    /// Nobody waits at the door any more.
    pub(crate) fn settled(&self) {
        self.house.is_full.store(false, Relaxed);
    }

    /// Whoever has been silent for longest goes; or when to look again, if it is not known that nobody will.
    fn makes_way(&mut self) -> Result<(), Option<Duration>> {
        let since = |(guest, _): &(Arc<Guest>, AbortHandle)| guest.silent_since.load(Relaxed);
        let silent = self.there.iter().enumerate().map(|(at, there)| (since(there), at)).min();
        let Some((since, at)) = silent.filter(|(since, _)| *since < WATCHES) else {
            let answers = self.there.iter().any(|there| since(there) == ANSWERED);
            return Err(answers.then_some(GRACE));
        };
        let left = (Duration::from_millis(since) + GRACE).saturating_sub(self.house.began.elapsed());
        if !left.is_zero() {
            return Err(Some(left));
        }
        let (_, task) = self.there.swap_remove(at);
        task.abort();
        Ok(())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(WATCHES - 1)
}
