//! What an incarnation does next: urgent things, signals whose place has come, its own messages, then the mailbox.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context as Poller, Poll};

use crashworthy_sync::mailbox::{Nothing, Ready};

use crate::actor::Actor;
use crate::cell::{ActorCell, Core, Inlet, flag};
use crate::crash::tell;
use crate::envelope::{Envelope, Own};
use crate::exit::Callback;
use crate::lane::{Fate, What};
use crate::pace::UNTIMED;
use crate::shelf;
use crate::signal::Signal;
use crate::turn;

/// Messages and signals an incarnation handles before others get a turn; fewer, if they take long.
pub(crate) const BATCH: u8 = 128;

/// Messages of its own an incarnation handles before it looks for one in the mailbox: who always sends to itself, or
/// whose timers and futures always have something, serves others all the same.
const OWN_FIRST: u8 = 16;

/// Who has caught up with a sender that is at it on another core lets it get ahead so often before others have a turn.
const LAGS: u8 = 2;

/// By so many pauses of the processor, about a microsecond. Right behind the sender each message costs both a cache miss: a
/// stream is twice as fast with a microsecond between them.
const LAG: u32 = 32;

/// What is to be done next.
pub(crate) enum Item {
    /// A message is there, to be taken.
    Message,
    /// A message that is not in the mailbox is, to be taken by [`Inbox::beside`].
    Beside,
    /// The actor is to be asked whether it is ready.
    Recheck,
    /// Somebody wants to see the actor's state.
    View,
    Signal(Signal),
    Fate(Fate),
}

/// What a look into the mailbox gave.
enum Look {
    Message,
    /// Nothing, and whoever sends next wakes the cell.
    Rest,
    /// Something came meanwhile.
    Again,
    Busy,
    /// The turn was abandoned: the mailbox is another's.
    Fenced,
}

/// How far one incarnation is with what it receives. Its cell is handed in: every actor keeps one of these, in five single
/// bytes that fit into what would be padding.
pub(crate) struct Inbox {
    /// Messages left in this turn.
    batch: u8,
    /// As many were left before the first of a busy period.
    first: u8,
    /// Own messages left before the mailbox has its turn.
    own_first: u8,
    /// Whose turn it is.
    next: Next,
    notes: Notes,
}

/// What else an inbox notes: a bit each.
struct Notes(u8);

impl Notes {
    /// There was nothing to do before this turn.
    const RESTED: u8 = 1;
    /// The incarnation rests: its next poll begins a turn.
    const RESTS: u8 = 1 << 1;
    /// A signal was handed out, to be read.
    const READS: u8 = 1 << 2;
    /// What is taken beside the loop is traced.
    const TRACES: u8 = 1 << 3;
    /// What comes before the next message was seen already, with that.
    const SEEN: u8 = 1 << 4;

    fn has(&self, note: u8) -> bool {
        self.0 & note != 0
    }

    fn set(&mut self, note: u8) {
        self.0 |= note;
    }

    fn clear(&mut self, note: u8) {
        self.0 &= !note;
    }

    /// Which of these were noted; none of them is any more.
    fn take(&mut self, notes: u8) -> Self {
        let noted = Self(self.0 & notes);
        self.clear(notes);
        noted
    }
}

impl Inbox {
    pub(crate) fn open() -> Self {
        Self { batch: UNTIMED, first: UNTIMED, own_first: OWN_FIRST, next: Next::Mailbox, notes: Notes(Notes::RESTED) }
    }

    /// What came before the first turn: whoever is killed then runs no callback at all.
    pub(crate) fn fate_before_init<A: Actor>(cell: &ActorCell<A>) -> Option<Fate> {
        let core = cell.core();
        let urgent = core.flags() & flag::URGENT != 0;
        urgent.then(|| core.control.lock().fate(core.pid(), core.traps(), true)).flatten()
    }

    /// Whether the mailbox has its turn: others have not to go first, and no own message.
    #[inline(always)]
    pub(crate) fn may_take(&self) -> bool {
        self.batch != 0 && self.next == Next::Mailbox
    }

    /// The message at the head of the mailbox, if one is there and nothing comes before it. To be taken.
    ///
    /// What does is looked for when the message was seen, not earlier: its sender may have signalled something before it
    /// sent this.
    #[inline(always)]
    pub(crate) fn head<'o, A: Actor>(
        &mut self,
        cell: &ActorCell<A>,
        receiver: &'o mut Option<Inlet<A>>,
    ) -> Option<Ready<'o, Envelope<A::Msg>, Core>> {
        let before = if self.notes.take(Notes::SEEN).has(Notes::SEEN) { 0 } else { flag::ATTEND };
        let ready = receiver.as_mut()?.glance()?.unless(cell.core().attention(), before)?;
        self.batch -= 1;
        Some(ready)
    }

    /// Whether the message that was taken last is the first of a busy period.
    pub(crate) fn took_first(&self) -> bool {
        self.notes.has(Notes::RESTED) && self.batch + 1 == self.first
    }

    /// The message that was taken last is not handled: the next one is what it would have been.
    pub(crate) fn passes_over(&mut self) {
        if self.took_first() {
            self.first = self.batch;
        }
    }

    /// The next message, for whoever has no other use for what the turn owns.
    pub(crate) fn message<A: Actor>(&mut self, cell: &ActorCell<A>) -> Option<Envelope<A::Msg>> {
        if !self.may_take() {
            return None;
        }
        cell.with_owner(|owner| self.head(cell, &mut owner.receiver).map(Ready::take)).flatten()
    }

    /// The next message that is not in the mailbox, if it is its turn.
    #[cold]
    pub(crate) fn beside<A: Actor>(&mut self, cell: &ActorCell<A>) -> Option<Aside<A::Msg>> {
        match std::mem::take(&mut self.next) {
            Next::Mailbox => None,
            Next::Own => take_own(cell).map(Aside::Own),
            Next::Shelf => shelf::take(cell).map(Aside::Shelved),
            Next::Traced => {
                self.batch -= 1;
                receiver(cell, |receiver| receiver.glance().map(Ready::take)).flatten().map(Aside::Traced)
            }
        }
    }

    /// Whether what was just taken beside the loop is traced.
    pub(crate) fn traces(&mut self) -> bool {
        self.notes.take(Notes::TRACES).has(Notes::TRACES)
    }

    /// Waits for something to do.
    #[inline]
    pub(crate) fn next<A: Actor>(&mut self, cell: &ActorCell<A>) -> impl Future<Output = Item> + Send {
        poll_fn(|cx| self.poll_next(cell, cx))
    }

    #[inline(never)]
    fn poll_next<A: Actor>(&mut self, cell: &ActorCell<A>, cx: &mut Poller<'_>) -> Poll<Item> {
        let noted = self.notes.take(Notes::READS | Notes::RESTS);
        if noted.has(Notes::READS) {
            cell.core().enters(None);
        }
        if noted.has(Notes::RESTS) {
            // A turn run in place takes one message and leaves the rest to the pumps.
            self.batch = if turn::is_in_place() { 1 } else { cell.core().pace.batch() };
            self.first = self.batch;
            cell.core().note_turn();
        }
        let mut lags = 0;
        loop {
            if self.batch == 0 {
                return self.yields(cell, cx);
            }
            let flags = cell.core().flags();
            if flags & flag::PENDING != 0
                && let Some(item) = self.attend(cell, flags)
            {
                // An actor that sends to itself has more to do for ever.
                self.batch -= 1;
                if matches!(item, Some(Item::Signal(_))) {
                    cell.core().enters(Some(Callback::OnSignal));
                    self.notes.set(Notes::READS);
                }
                return item.map_or_else(|| self.pause(cell), Poll::Ready);
            }
            match look(cell) {
                Look::Message => {
                    // Again, since the message was seen: whatever is raised now and not due comes after it.
                    let flags = cell.core().flags();
                    if lane_is_due(cell, flags)
                        && let Some(item) = self.attend_lane(cell, flags)
                    {
                        self.batch -= 1;
                        return item.map_or_else(|| self.pause(cell), Poll::Ready);
                    }
                    return Poll::Ready(self.message_ahead(flags));
                }
                // The mailbox had its turn before own messages, and had nothing.
                Look::Rest if flags & flag::OWN != 0 => {}
                Look::Rest => return self.pause(cell),
                Look::Again => {}
                Look::Busy if lags < LAGS => {
                    lags += 1;
                    lag();
                }
                Look::Busy => {
                    // A sender has taken a place and is about to fill it.
                    cx.waker().wake_by_ref();
                    return self.rest();
                }
                Look::Fenced => return Poll::Ready(Item::Fate(Fate::Fenced)),
            }
        }
    }

    /// A message is there, to be taken, and nothing comes before it.
    fn message_ahead(&mut self, flags: u32) -> Item {
        if flags & flag::TRACED != 0 {
            return self.aside(Next::Traced, flags);
        }
        match flags & flag::ATTEND {
            0 => self.notes.clear(Notes::SEEN),
            _ => self.notes.set(Notes::SEEN),
        }
        Item::Message
    }

    /// Something is to be taken that the loop does not take; of an actor that is traced, it is traced.
    fn aside(&mut self, whose: Next, flags: u32) -> Item {
        self.next = whose;
        match flags & flag::TRACED {
            0 => self.notes.clear(Notes::TRACES),
            _ => self.notes.set(Notes::TRACES),
        }
        Item::Beside
    }

    /// Others first: this cell goes to the back of the run queue, if there is more to do.
    fn yields<A: Actor>(&mut self, cell: &ActorCell<A>, cx: &Poller<'_>) -> Poll<Item> {
        let idle = if turn::is_in_place() {
            // Whatever came before this turn began has woken nobody but this turn.
            receiver(cell, Inlet::<A>::park) == Some(true) && cell.core().flags() & flag::PENDING == 0
        } else {
            if !cell.core().pace.is_quick() {
                // Who waits for room would wait long for the next such look.
                receiver(cell, Inlet::<A>::flush);
            }
            false
        };
        if idle {
            return self.pause(cell);
        }
        cell.core().pace.was_full();
        self.notes.clear(Notes::RESTED);
        cx.waker().wake_by_ref();
        self.rest()
    }

    /// Ends the turn: there is nothing to do.
    #[inline]
    fn pause<A: Actor>(&mut self, cell: &ActorCell<A>) -> Poll<Item> {
        cell.core().pace.rests();
        self.notes.set(Notes::RESTED);
        self.rest()
    }

    /// Ends the turn.
    #[inline]
    fn rest(&mut self) -> Poll<Item> {
        self.notes.set(Notes::RESTS);
        Poll::Pending
    }

    /// Looks at what comes before the mailbox. `Some(None)`: there is nothing to do until the next wake-up.
    #[cold]
    fn attend<A: Actor>(&mut self, cell: &ActorCell<A>, flags: u32) -> Option<Option<Item>> {
        if lane_is_due(cell, flags)
            && let Some(item) = self.attend_lane(cell, flags)
            // Who handles nothing for now shows its state all the same.
            && (item.is_some() || flags & flag::VIEW == 0)
        {
            return Some(item);
        }
        if flags & flag::VIEW != 0 {
            cell.core().lower(flag::VIEW);
            return Some(Some(Item::View));
        }
        if flags & flag::RECHECK != 0 {
            cell.core().lower(flag::RECHECK);
            return Some(Some(Item::Recheck));
        }
        if flags & flag::OWN == 0 {
            return None;
        }
        if self.own_first == 0 {
            self.own_first = OWN_FIRST;
            return None;
        }
        self.own_first -= 1;
        Some(Some(self.aside(Next::Own, flags)))
    }

    /// Looks at signals, and at what is on the shelf: both have places among the messages.
    fn attend_lane<A: Actor>(&mut self, cell: &ActorCell<A>, flags: u32) -> Option<Option<Item>> {
        let core = cell.core();
        let position = receiver(cell, |receiver| receiver.position())?;
        loop {
            let mut control = core.control.lock();
            if let Some(fate) = control.fate(core.pid(), core.traps(), false) {
                return Some(Some(Item::Fate(fate)));
            }
            let shelved = cell.shelf().and_then(|shelf| shelf.lock().offer(position));
            let due = control.due(position, core.counters().own(), shelved.unwrap_or(u64::MAX));
            let (urgent, ordered) = control.left();
            let suspended = control.look().is_some_and(|lane| lane.suspended);
            core.lower(if urgent { 0 } else { flag::URGENT } | if ordered { 0 } else { flag::ORDERED });
            match due {
                Some(What::Signal(signal)) => return Some(Some(Item::Signal(signal))),
                Some(What::Mark(mark)) => {
                    drop(control);
                    // Whoever wanted to know may have gone.
                    tell(|| mark.reached.send(()));
                }
                None if suspended => {
                    // For whoever looks: nobody takes it.
                    control.lane().oldest = oldest(cell);
                    return Some(None);
                }
                None => {
                    shelved?;
                    return Some(Some(self.aside(Next::Shelf, flags)));
                }
            }
        }
    }
}

/// When the message was sent that would be next, if there is one. If not, the next one wakes the actor.
fn oldest<A: Actor>(cell: &ActorCell<A>) -> Option<u32> {
    let stamp = |receiver: &mut Inlet<A>| receiver.look().ok().map(|ready| ready.message().stamp);
    receiver(cell, |receiver| match stamp(receiver) {
        None if !receiver.park() => stamp(receiver),
        stamp => stamp,
    })?
}

/// Lets a sender that is at it on another core get ahead.
#[cold]
fn lag() {
    for _ in 0..LAG {
        std::hint::spin_loop();
    }
}

/// Whether there may be something that comes before the next message: a signal, or what is on the shelf.
fn lane_is_due<A: Actor>(cell: &ActorCell<A>, flags: u32) -> bool {
    if flags & (flag::URGENT | flag::ORDERED) != 0 {
        return true;
    }
    let position = || receiver(cell, |receiver| receiver.position());
    flags & flag::SHELVED != 0 && position().is_none_or(|position| cell.shelf_is_due(position))
}

/// Whose turn it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Mailbox,
    Own,
    Shelf,
    /// The mailbox's, of an actor that is traced.
    Traced,
}

/// A message that was not in the mailbox.
pub(crate) enum Aside<M> {
    /// With a place of its own.
    Own(Own<M>),
    /// With a place in the mailbox all the same.
    Shelved(Envelope<M>),
    /// It was, and is traced.
    Traced(Envelope<M>),
}

/// The mailbox's consuming end belongs to the turn, not to the incarnation: a straggler must not have it.
#[inline(always)]
fn receiver<A: Actor, R>(cell: &ActorCell<A>, work: impl FnOnce(&mut Inlet<A>) -> R) -> Option<R> {
    cell.with_owner(|owner| owner.receiver.as_mut().map(work)).flatten()
}

#[inline]
fn look<A: Actor>(cell: &ActorCell<A>) -> Look {
    receiver(cell, |receiver| match receiver.look().err() {
        None => Look::Message,
        Some(Nothing::Busy) => Look::Busy,
        Some(Nothing::ClosedAndEmpty) => Look::Rest,
        Some(Nothing::Empty) if receiver.park() => Look::Rest,
        Some(Nothing::Empty) => Look::Again,
    })
    .unwrap_or(Look::Fenced)
}

fn take_own<A: Actor>(cell: &ActorCell<A>) -> Option<Own<A::Msg>> {
    let mut own = cell.own()?.lock();
    let next = own.pop_front();
    if own.is_empty() {
        *own = VecDeque::new();
        cell.core().lower(flag::OWN);
    }
    if next.is_some() {
        cell.core().counters().rare().own.bump();
    }
    next
}
