//! Who is connected, so that somebody who has something to ask gets in whatever others do.
//!
//! As many as are allowed stay as long as there is room. When there is none, one at a time waits at the door: whoever has been silent for
//! longest makes way, and until somebody does, whoever is answered is seen off with the answer. A browser or a scraper that keeps a
//! connection opens another one, and a probe is not to be told that the service does not answer because somebody holds connections, or
//! asks again and again. Who waits for his turn is left alone for a while, and for longer if it is his first. Whoever is being answered stays, and so does a page that is watched. Nobody goes before it was looked whether he
//! has said something meanwhile, however long the thread was busy otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::timeout;

/// How long somebody is left alone after he has come, or was answered: whoever has something to ask says it at once.
const GRACE: Duration = Duration::from_millis(10);
/// How long he may wait for his turn, and how long for the first: whoever asks once is not to make way for those who ask again and again,
/// as many of whom as there are places may have theirs before.
const TURN: Duration = Duration::from_millis(300);
const FIRST: Duration = Duration::from_millis(600);
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
    /// He has had an answer.
    is_answered: AtomicBool,
    /// He has shown the token.
    is_known: AtomicBool,
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
        let silent_since = AtomicU64::new(millis(house.began.elapsed()));
        let (is_answered, is_known) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { house, silent_since, is_answered, is_known })
    }

    /// He has asked something.
    pub(crate) fn asks(&self) {
        self.silent_since.store(ANSWERED, Relaxed);
    }

    /// There is an answer that is complete.
    pub(crate) fn rests(&self) {
        self.is_answered.store(true, Relaxed);
        self.is_silent_since(self.house.began.elapsed());
    }

    /// He waits for his turn, and is left alone for a while.
    pub(crate) fn waits(&self) {
        let turn = if self.is_answered.load(Relaxed) { TURN } else { FIRST };
        self.is_silent_since(self.house.began.elapsed() + turn);
    }

    /// There is an answer that will be late on purpose: he is not left alone for a moment before.
    pub(crate) fn idles(&self) {
        self.is_silent_since(self.house.began.elapsed().saturating_sub(GRACE));
    }

    fn is_silent_since(&self, since: Duration) {
        self.silent_since.store(millis(since), Relaxed);
        self.house.changed.notify_one();
    }

    /// He is sent one picture after the other.
    pub(crate) fn watches(&self) {
        self.silent_since.store(WATCHES, Relaxed);
        self.house.changed.notify_one();
    }

    /// He has shown the token, so that what he asks for is no matter of those who have not.
    pub(crate) fn is_recognized(&self) {
        self.is_known.store(true, Relaxed);
    }

    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Relaxed)
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

    /// Waits until there is room for one more. To be called in a task: those who have said something have their turn before it.
    ///
    /// # Cancel safety
    /// Nothing is lost: nobody has come in.
    pub(crate) async fn room(&mut self) -> Room {
        let mut has_looked = false;
        loop {
            self.there.retain(|(_, task)| !task.is_finished());
            if self.there.len() < self.most {
                return Room::Here;
            }
            self.house.is_full.store(true, Relaxed);
            match self.most_silent() {
                Ok(at) if has_looked => {
                    let (_, task) = self.there.swap_remove(at);
                    task.abort();
                    return Room::Here;
                }
                Ok(_) => {
                    // What has come in is read meanwhile.
                    yield_now().await;
                    has_looked = true;
                }
                Err(None) => return Room::None,
                Err(Some(soon)) => {
                    let _ = timeout(soon, self.house.changed.notified()).await;
                    has_looked = false;
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

    /// Whoever has been silent for longest, and for long enough; or when to look again, if it is not known that nobody will be.
    fn most_silent(&self) -> Result<usize, Option<Duration>> {
        let since = |(guest, _): &(Arc<Guest>, AbortHandle)| guest.silent_since.load(Relaxed);
        let silent = self.there.iter().enumerate().map(|(at, there)| (since(there), at)).min();
        let Some((since, at)) = silent.filter(|(since, _)| *since < WATCHES) else {
            let answers = self.there.iter().any(|there| since(there) == ANSWERED);
            return Err(answers.then_some(GRACE));
        };
        let left = (Duration::from_millis(since) + GRACE).saturating_sub(self.house.began.elapsed());
        if left.is_zero() { Ok(at) } else { Err(Some(left)) }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(WATCHES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_who_has_said_something_while_the_thread_was_busy() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let heard = Arc::new(AtomicBool::new(false));
        let hears = heard.clone();
        let room = async move {
            let (mut guests, mut tasks) = (Guests::new(1), JoinSet::new());
            guests.receive(&mut tasks, |guest| async move {
                guest.asks();
                // He is answered in several turns.
                for _ in 0..10 {
                    yield_now().await;
                }
                hears.store(true, Relaxed);
                guest.rests();
            });
            std::thread::sleep(GRACE * 2);
            guests.room().await
        };
        let room = runtime.block_on(async { tokio::spawn(room).await.unwrap() });
        assert_eq!((room, heard.load(Relaxed)), (Room::Here, true));
    }

    #[test]
    fn who_waits_for_his_first_turn_is_left_alone_for_longer_than_whoever_has_had_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let stays = async {
            let (mut guests, mut tasks) = (Guests::new(2), JoinSet::new());
            for has_had_one in [false, true] {
                guests.receive(&mut tasks, |guest| async move {
                    if has_had_one {
                        guest.rests();
                    }
                    guest.waits();
                    std::future::pending().await
                });
            }
            // Both wait by then, the one who has just come first.
            yield_now().await;
            assert_eq!(guests.room().await, Room::Here);
            let [(stays, _)] = &guests.there[..] else { panic!("one of two has made way") };
            !stays.is_answered.load(Relaxed)
        };
        assert!(runtime.block_on(async { tokio::spawn(stays).await.unwrap() }));
    }

    #[test]
    fn who_says_nothing_makes_way_and_who_watches_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let rooms = async {
            let (mut guests, mut tasks) = (Guests::new(1), JoinSet::new());
            guests.receive(&mut tasks, |_| std::future::pending());
            let first = guests.room().await;
            guests.receive(&mut tasks, |guest| async move {
                guest.watches();
                std::future::pending().await
            });
            [first, guests.room().await]
        };
        let rooms = runtime.block_on(async { tokio::spawn(rooms).await.unwrap() });
        assert_eq!(rooms, [Room::Here, Room::None]);
    }
}
