//! Reads all sources in rounds, each on whatever thread comes to it, so that one that blocks holds up itself alone.
//!
//! ```text
//! somebody looks ─▶ a round begins, and a reader with it, which goes from one to the next
//!                      │ for 10 ms none is done: one blocks ─▶ another reader goes on with the next
//!                      ▼
//! every one is read, or has been in hand for a quarter of a second: he is told
//! ```
//! Who blocks is in the hand of its reader until it returns, and nobody else reads it: there are never more readers than sources.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crashworthy_runtime::SourceSeen;

use super::changes::Changes;
use super::{Entry, Reading, locked};
use crate::protocol::SourceView;

/// How long one may take before those who look go on without it.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long none is done before another reader comes.
const STEP: Duration = Duration::from_millis(10);
/// How long those who look wait at the most, for however many that are slow.
const AT_MOST: Duration = Duration::from_millis(750);
/// A round serves those who look next for so many times as long as it took, but for what is ahead: so at most a tenth of the time of whoever
/// answers for the system is spent on rounds, however many look.
const SERVES: u32 = 10;
/// So much of that time need not have passed: whoever looks now and then has a round of his own.
const AHEAD: Duration = Duration::from_millis(500);
/// As which a round counts that took longer.
const LONGEST: Duration = Duration::from_millis(100);

/// What was read, and what is being read.
#[derive(Default)]
pub(super) struct Rounds {
    state: Mutex<State>,
    /// One is done, or there is no reader for it.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    round: u64,
    /// The newest round of which changes were told.
    told: u64,
    slots: Vec<Slot>,
    /// Threads that read.
    readers: usize,
    /// How many have been done, ever.
    done: u64,
    /// When the next round would begin if they came evenly; none before the first.
    due: Option<Instant>,
}

/// One source.
struct Slot {
    entry: Arc<Entry>,
    /// Since when a reader is in it.
    since: Option<Instant>,
    /// The round that it was read in last, and what it said.
    read: u64,
    view: Option<SourceView>,
    changes: Changes,
}

impl Slot {
    /// Whether those who look go on without it.
    fn is_late(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
    }
}

impl State {
    /// Whether a reader is to come to it in this round.
    fn is_due(&self, slot: &Slot) -> bool {
        slot.since.is_none() && slot.read < self.round
    }

    /// Whether there is nothing more to wait for in this round: a later one may have begun.
    fn is_over(&self, round: u64, now: Instant) -> bool {
        self.slots.iter().all(|slot| slot.read >= round || slot.is_late(now))
    }

    /// Which one a reader is to come to next.
    fn next(&self) -> Option<usize> {
        self.slots.iter().position(|slot| self.is_due(slot))
    }

    /// Whether another round is to begin for whoever looks now: not while one is under way, nor as long as the last one serves.
    fn has_room(&self, now: Instant) -> bool {
        self.next().is_none() && self.due.is_none_or(|due| due <= now + AHEAD)
    }

    /// A round has taken so long, for whoever began it.
    fn charge(&mut self, began: Instant, took: Duration) {
        self.due = Some(self.due.map_or(began, |due| due.max(began)) + took.min(LONGEST) * SERVES);
    }
}

impl Rounds {
    /// One more, unless there are so many already, or one of that sort and name.
    pub(super) fn add(&self, entry: Entry, most: usize) -> Result<(), String> {
        let mut state = locked(&self.state);
        let (sort, name) = (entry.sort, &entry.name);
        if state.slots.len() >= most {
            return Err(format!("more than {most} sources: {} {name:?}", sort.name()));
        }
        if state.slots.iter().any(|Slot { entry, .. }| (entry.sort, &entry.name) == (sort, name)) {
            return Err(format!("two sources are called {} {name:?}", sort.name()));
        }
        state.slots.push(Slot {
            entry: Arc::new(entry),
            since: None,
            read: 0,
            view: None,
            changes: Changes::default(),
        });
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        locked(&self.state).slots.len()
    }

    /// How many threads read.
    #[cfg(test)]
    pub(super) fn readers(&self) -> usize {
        locked(&self.state).readers
    }

    /// How all of them are, in the order in which they were added: as they were read in a round that began after this was called, in
    /// one that was under way, or, where many look, in the last one. Whoever is not as the last look saw it is told.
    pub(super) fn look(self: &Arc<Self>, tell: impl FnMut(SourceSeen)) -> Vec<SourceView> {
        let (began, mut state) = (Instant::now(), locked(&self.state));
        let is_mine = state.has_room(began);
        if is_mine {
            state.round += 1;
            self.send_reader(&mut state);
        }
        let round = state.round;
        while !state.is_over(round, Instant::now()) && began.elapsed() < AT_MOST {
            let done = state.done;
            let waited = self.changed.wait_timeout(state, STEP).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            // Whoever was to go on has one in its hand that takes long, or could not be had.
            if state.done == done {
                self.send_reader(&mut state);
            }
        }
        if is_mine {
            state.charge(began, began.elapsed());
        }
        let told = |slot: &Slot| slot.view.clone().filter(|_| slot.read >= round);
        let late = |slot: &Slot| slot.entry.view(Reading::new("does not answer").serves(false));
        let views: Vec<_> = state.slots.iter().map(|slot| told(slot).unwrap_or_else(|| late(slot))).collect();
        // A look that began earlier and took longer knows nothing newer.
        if round >= state.told {
            state.told = round;
            let (now, slots) = (Instant::now(), state.slots.iter_mut());
            // Under the lock, so that changes are told in the order in which they were seen.
            slots.zip(&views).filter_map(|(slot, view)| slot.changes.look(view, now)).for_each(tell);
        }
        views
    }

    /// Sends one more reader if something is due, and there can be one more thread. Who waits looks again soon.
    fn send_reader(self: &Arc<Self>, state: &mut State) {
        if state.next().is_none() || state.readers >= state.slots.len() {
            return;
        }
        let rounds = self.clone();
        let reader = thread::Builder::new().name("crashworthy-sources".to_owned());
        state.readers += usize::from(reader.spawn(move || rounds.read()).is_ok());
    }

    /// Reads one after the other until none is due.
    fn read(&self) {
        let mut state = locked(&self.state);
        while let Some(place) = state.next() {
            let (round, slot) = (state.round, &mut state.slots[place]);
            slot.since = Some(Instant::now());
            let entry = slot.entry.clone();
            drop(state);
            let view = entry.read();
            state = locked(&self.state);
            let slot = &mut state.slots[place];
            (slot.since, slot.read, slot.view) = (None, round, Some(view));
            state.done += 1;
            self.changed.notify_all();
        }
        state.readers -= 1;
    }
}
