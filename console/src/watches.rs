//! What one connection watches, and when the next of it is due.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::inspector::Inspector;
use crate::protocol::{Code, FrameQuery, News, Push, Refusal, Unwatch, WatchQuery, WatchView};
use crate::timetable::Timetable;
use crate::watch::Watch;
use crate::wire::{line, read};

/// How often a frame may be wanted.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(3600);

/// The lists that one connection watches.
#[derive(Debug)]
pub(crate) struct Watches {
    inspector: Arc<Inspector>,
    open: Vec<Open>,
    /// When frames are sent unasked.
    timetable: Timetable,
    /// There while some are: by how many there are of it the connections of an inspector are counted that are sent some.
    pushed: Option<Arc<()>>,
    /// When those that are shown are looked at again.
    looks: Instant,
}

/// One of them.
#[derive(Debug)]
struct Open {
    id: u64,
    watch: Watch,
}

impl Watches {
    pub(crate) fn new(inspector: Arc<Inspector>) -> Self {
        Self { inspector, open: Vec::new(), timetable: Timetable::default(), pushed: None, looks: Instant::now() }
    }

    /// Whether frames are sent unasked: the client need not say anything then.
    pub(crate) fn are_sent(&self) -> bool {
        !self.timetable.is_empty()
    }

    /// Whether something is looked for by a pattern.
    pub(crate) fn look_for(&self) -> bool {
        self.open.iter().any(|open| open.watch.looks_for())
    }

    /// The answer to `watch`.
    pub(crate) fn watch(&mut self, id: u64, args: Value) -> Vec<u8> {
        let begun = read(args).and_then(|query| self.begin(id, query));
        self.inspector.tell(id, begun)
    }

    fn begin(&mut self, id: u64, query: WatchQuery) -> Result<WatchView, Refusal> {
        let WatchQuery { of, every } = query;
        let most = self.inspector.limits().watches;
        if self.open.len() >= most {
            return Err(Refusal::new(Code::TooManyWatches, format!("there are {most} watches already: end one")));
        }
        if let Some(every) = every.filter(|every| !(OFTEN..=SELDOM).contains(every)) {
            let why = format!("a frame every {every:?}, allowed are {OFTEN:?} to {SELDOM:?}");
            return Err(Refusal::new(Code::BadArguments, why));
        }
        if self.open.iter().any(|open| open.id == id) {
            return Err(Refusal::new(Code::BadArguments, format!("there is a watch {id} already")));
        }
        crate::watch::check(&of)?;
        self.open.push(Open { id, watch: Watch::new(of) });
        if let Some(every) = every {
            self.timetable.add(id, Instant::now(), every);
            self.pushed.get_or_insert_with(|| self.inspector.pushed.clone());
        }
        Ok(WatchView { watch: id, every })
    }

    /// The answer to `frame`.
    pub(crate) fn frame(&mut self, id: u64, args: Value) -> Vec<u8> {
        let FrameQuery { watch, whole } = match read(args) {
            Ok(query) => query,
            Err(why) => return crate::wire::refusal(Some(id), why),
        };
        let inspector = self.inspector.clone();
        match self.open.iter_mut().find(|open| open.id == watch) {
            None => crate::wire::refusal(Some(id), missing(watch)),
            Some(open) => {
                let frame = open.watch.frame(&inspector, whole);
                inspector.told(id, frame).unwrap_or_else(|why| {
                    open.watch.untold();
                    crate::wire::refusal(Some(id), why)
                })
            }
        }
    }

    /// The answer to `unwatch`.
    pub(crate) fn unwatch(&mut self, id: u64, args: Value) -> Vec<u8> {
        let ended = read(args).and_then(|Unwatch { watch }| {
            let place = self.open.iter().position(|open| open.id == watch).ok_or_else(|| missing(watch))?;
            self.open.remove(place);
            self.timetable.remove(watch);
            self.pushed.take_if(|_| self.timetable.is_empty());
            Ok(Unwatch { watch })
        });
        self.inspector.tell(id, ended)
    }

    /// Returns when a frame is to be sent unasked; looks meanwhile at those that are shown.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn due(&mut self) {
        if self.open.is_empty() {
            std::future::pending::<()>().await;
        }
        let frame = self.timetable.next();
        loop {
            sleep_until(frame.map_or(self.looks, |frame| frame.min(self.looks))).await;
            let now = Instant::now();
            if frame.is_some_and(|frame| frame <= now) {
                return;
            }
            if self.looks <= now {
                self.look(now);
            }
        }
    }

    fn look(&mut self, now: Instant) {
        let mut rest = crate::watch::SAMPLED;
        for open in &mut self.open {
            // Of a system that has ended there is nothing to see.
            rest += open.watch.sample(&self.inspector).unwrap_or_default().saturating_sub(crate::watch::SAMPLED);
        }
        self.looks = now + rest;
    }

    /// The next frame that is due, as a line; none if none is. Those that were due before it, too, are not sent, and the next
    /// one is not due at once, whatever it costs: somebody else has a turn between.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let began = Instant::now();
        let (id, missed) = self.timetable.take(began)?;
        let Open { watch, .. } = self.open.iter_mut().find(|open| open.id == id)?;
        watch.drop_frames(missed);
        let news = watch.frame(&self.inspector, false).map_or_else(News::Error, News::Frame);
        let most = self.inspector.limits().answer;
        let told = line(&Push { watch: id, news }, most).unwrap_or_else(|_| {
            watch.untold();
            let news = News::Error(self.inspector.too_long());
            line(&Push { watch: id, news }, usize::MAX).unwrap_or_default()
        });
        // The inspector itself has one.
        let connections = Arc::strong_count(&self.inspector.pushed) - 1;
        let now = Instant::now();
        self.timetable.rest(now, now - began, connections);
        Some(told)
    }
}

fn missing(watch: u64) -> Refusal {
    Refusal::new(Code::NoWatch, format!("no watch {watch} on this connection"))
}
