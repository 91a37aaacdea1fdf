//! What one connection watches, and when the next of it is due.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::inspector::Inspector;
use crate::protocol::{Code, Frame, FrameQuery, News, Push, Refusal, Unwatch, WatchQuery, WatchView};
use crate::queue::{Account, Queue, Turn, deadline};
use crate::search::Search;
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
    /// The frame for which a pattern is looked for.
    looking: Option<Looking>,
    /// The same when it is done.
    found: Option<Vec<u8>>,
}

/// One of them.
#[derive(Debug)]
struct Open {
    id: u64,
    watch: Watch,
}

/// A frame whose actors are looked for, a slice at a time. Meanwhile the connection is told everything else.
#[derive(Debug)]
struct Looking {
    watch: u64,
    search: Search,
    by: Instant,
    took: Duration,
}

impl Watches {
    pub(crate) fn new(inspector: Arc<Inspector>) -> Self {
        Self {
            inspector,
            open: Vec::new(),
            timetable: Timetable::default(),
            pushed: None,
            looks: Instant::now(),
            looking: None,
            found: None,
        }
    }

    /// Whether frames are sent unasked: the client need not say anything then.
    pub(crate) fn are_sent(&self) -> bool {
        !self.timetable.is_empty()
    }

    /// Whether something is looked for by a pattern, for the frame that is asked for.
    pub(crate) fn looks_for(&self, asked: &Value) -> bool {
        let watch = asked.get("watch").and_then(Value::as_u64);
        watch.is_some_and(|watch| looks_for(&self.open, watch))
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

    /// The answer to `frame`, by a search that may be cut short: then nothing has happened.
    pub(crate) fn frame(&mut self, id: u64, args: Value, search: &mut Search) -> Vec<u8> {
        let FrameQuery { watch, whole } = match read(args) {
            Ok(query) => query,
            Err(why) => return crate::wire::refusal(Some(id), why),
        };
        let inspector = self.inspector.clone();
        match self.open.iter_mut().find(|open| open.id == watch) {
            None => crate::wire::refusal(Some(id), missing(watch)),
            Some(open) => {
                let frame = open.watch.frame_by(&inspector, whole, search);
                inspector.told(id, frame).unwrap_or_else(|why| {
                    if !search.is_cut_short() {
                        open.watch.untold();
                    }
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
            self.looking.take_if(|looking| looking.watch == watch);
            self.pushed.take_if(|_| self.timetable.is_empty());
            Ok(Unwatch { watch })
        });
        self.inspector.tell(id, ended)
    }

    /// Returns when there may be a frame to be sent unasked; looks meanwhile at those that are shown, and for those that match.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn due(&mut self, searches: &Queue, account: &mut Account) {
        if self.open.is_empty() {
            std::future::pending::<()>().await;
        }
        let frame = self.timetable.next(may(&self.looking, &self.open));
        let (by, used) = (self.looking.as_ref().map(|looking| looking.by), *account);
        let turn = async {
            match by {
                Some(by) => searches.turn(used, by).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(turn);
        loop {
            tokio::select! {
                turn = &mut turn => return self.go_on(turn, account),
                () = sleep_until(frame.map_or(self.looks, |frame| frame.min(self.looks))) => {}
            }
            let now = Instant::now();
            if frame.is_some_and(|frame| frame <= now) {
                return;
            }
            if self.looks <= now {
                self.look(now);
            }
        }
    }

    /// Looks on, now that it is its turn, or gives the frame up.
    fn go_on(&mut self, turn: Result<Turn<'_>, Refusal>, account: &mut Account) {
        let Some(mut looking) = self.looking.take() else { return };
        let Some(open) = self.open.iter_mut().find(|open| open.id == looking.watch) else { return };
        let frame = match turn {
            Ok(turn) => {
                let began = std::time::Instant::now();
                looking.search.go_on();
                let frame = open.watch.frame_by(&self.inspector, false, &mut looking.search);
                looking.took += began.elapsed();
                turn.took(began.elapsed(), account);
                if looking.search.is_cut_short() {
                    self.looking = Some(looking);
                    return;
                }
                frame
            }
            Err(why) => {
                open.watch.untold();
                Err(why)
            }
        };
        self.found = Some(self.told(looking.watch, frame, looking.took));
    }

    fn look(&mut self, now: Instant) {
        let mut rest = crate::watch::SAMPLED;
        for open in &mut self.open {
            // Of a system that has ended there is nothing to see.
            rest += open.watch.sample(&self.inspector).unwrap_or_default().saturating_sub(crate::watch::SAMPLED);
        }
        self.looks = now + rest;
    }

    /// The next frame that is due, as a line; none if none is, or it has to be looked for first. Those that were due before it,
    /// too, are not sent, and the next one is not due at once, whatever it costs: somebody else has a turn between.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(found) = self.found.take() {
            return Some(found);
        }
        let began = Instant::now();
        let (watch, missed) = self.timetable.take(began, may(&self.looking, &self.open))?;
        let open = self.open.iter_mut().find(|open| open.id == watch)?;
        open.watch.drop_frames(missed);
        if open.watch.looks_for() {
            self.looking = Some(Looking { watch, search: Search::in_slices(), by: deadline(), took: Duration::ZERO });
            return None;
        }
        let frame = open.watch.frame(&self.inspector, false);
        Some(self.told(watch, frame, began.elapsed()))
    }

    /// A frame as a line, that took so long to make.
    fn told(&mut self, id: u64, frame: Result<Frame, Refusal>, took: Duration) -> Vec<u8> {
        let (began, most) = (Instant::now(), self.inspector.limits().answer);
        let news = frame.map_or_else(News::Error, News::Frame);
        let told = line(&Push { watch: id, news }, most).unwrap_or_else(|_| {
            self.open.iter_mut().filter(|open| open.id == id).for_each(|open| open.watch.untold());
            let news = News::Error(self.inspector.too_long());
            line(&Push { watch: id, news }, usize::MAX).unwrap_or_default()
        });
        // The inspector itself has one.
        let connections = Arc::strong_count(&self.inspector.pushed) - 1;
        let now = Instant::now();
        self.timetable.rest(now, took + (now - began), connections);
        told
    }
}

/// Which watches may have the next frame: one at a time is looked for.
fn may(looking: &Option<Looking>, open: &[Open]) -> impl Fn(u64) -> bool {
    move |watch| looking.is_none() || !looks_for(open, watch)
}

fn looks_for(open: &[Open], watch: u64) -> bool {
    open.iter().any(|open| open.id == watch && open.watch.looks_for())
}

fn missing(watch: u64) -> Refusal {
    Refusal::new(Code::NoWatch, format!("no watch {watch} on this connection"))
}
