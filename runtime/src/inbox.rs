//! What an incarnation does next: urgent things, signals whose place has come, its own messages, then the mailbox.

use std::future::poll_fn;
use std::task::{Context as Poller, Poll};

use crashworthy_sync::mailbox::Pop;

use crate::actor::Actor;
use crate::cell::{ActorCell, Inlet, flag};
use crate::crash::tell;
use crate::envelope::{Envelope, Own};
use crate::lane::{Fate, What};
use crate::signal::Signal;
use crate::turn;

/// Messages and signals an incarnation handles before others get a turn.
pub(crate) const BATCH: u32 = 64;

/// Messages of its own an incarnation handles before it looks for one in the mailbox: who always sends to itself, or
/// whose timers and futures always have something, serves others all the same.
const OWN_FIRST: u32 = 16;

/// The next thing to do.
pub(crate) enum Item<M> {
    Message(Envelope<M>),
    Own(Own<M>),
    Signal(Signal),
    Fate(Fate),
}

/// What a look into the mailbox gave.
enum Next<M> {
    Message(Envelope<M>),
    /// Nothing, and whoever sends next wakes the cell.
    Rest,
    /// Something came meanwhile.
    Again,
    Busy,
    /// The turn was abandoned: the mailbox is another's.
    Fenced,
}

/// The receiving end of one incarnation.
pub(crate) struct Inbox<A: Actor> {
    cell: ActorCell<A>,
    /// Messages left in this turn.
    batch: u32,
    /// Own messages left before the mailbox has its turn.
    own_first: u32,
}

impl<A: Actor> Inbox<A> {
    pub(crate) fn open(cell: ActorCell<A>) -> Self {
        Self { cell, batch: BATCH, own_first: OWN_FIRST }
    }

    /// What came before the first turn: whoever is killed then runs no callback at all.
    pub(crate) fn fate_before_init(&self) -> Option<Fate> {
        let core = &self.cell.core;
        let urgent = core.flags() & flag::URGENT != 0;
        urgent.then(|| core.control.lock().fate(core.pid(), core.traps(), true)).flatten()
    }

    /// The mailbox's consuming end belongs to the turn, not to the incarnation: a straggler must not have it.
    #[inline(always)]
    fn receiver<R>(&self, work: impl FnOnce(&mut Inlet<A>) -> R) -> Option<R> {
        self.cell.with_owner(|owner| owner.receiver.as_mut().map(work)).flatten()
    }

    /// Waits for the next thing to do.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> impl Future<Output = Item<A::Msg>> + Send {
        poll_fn(|cx| self.poll_next(cx))
    }

    #[inline(always)]
    fn poll_next(&mut self, cx: &mut Poller<'_>) -> Poll<Item<A::Msg>> {
        loop {
            if self.batch == 0 {
                // Others first: this cell goes to the back of the run queue.
                self.batch = BATCH;
                self.receiver(|receiver| receiver.flush());
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let flags = self.cell.core.flags();
            if flags & flag::ATTEND != 0
                && let Some(item) = self.attend(flags)
            {
                // An actor that sends to itself has more to do for ever.
                self.batch -= 1;
                return item.map_or(Poll::Pending, Poll::Ready);
            }
            if self.batch != BATCH && turn::is_in_place() {
                return self.leave(cx);
            }
            match self.pop() {
                Next::Message(envelope) => {
                    self.batch -= 1;
                    return Poll::Ready(Item::Message(envelope));
                }
                // The mailbox had its turn before own messages, and had nothing.
                Next::Rest if flags & flag::OWN != 0 => {}
                Next::Rest => return self.rest(),
                Next::Again => {}
                Next::Busy => {
                    // A sender has taken a place and is about to fill it.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Fenced => return Poll::Ready(Item::Fate(Fate::Fenced)),
            }
        }
    }

    /// A turn run in place took its one message: the rest is left to the pumps.
    fn leave(&mut self, cx: &Poller<'_>) -> Poll<Item<A::Msg>> {
        let parked = self.receiver(|receiver| receiver.park()) == Some(true);
        if !parked || self.cell.core.flags() & flag::OWN != 0 {
            cx.waker().wake_by_ref();
        }
        self.rest()
    }

    #[inline(always)]
    fn pop(&self) -> Next<A::Msg> {
        self.cell.with_owner_or(
            || Next::Fenced,
            |owner| {
                let Some(receiver) = &mut owner.receiver else { return Next::Fenced };
                match receiver.pop() {
                    Pop::Message(envelope) => Next::Message(envelope),
                    Pop::Busy => Next::Busy,
                    Pop::ClosedAndEmpty => Next::Rest,
                    Pop::Empty if receiver.park() => Next::Rest,
                    Pop::Empty => Next::Again,
                }
            },
        )
    }

    /// Nothing to do until somebody wakes the cell.
    fn rest(&mut self) -> Poll<Item<A::Msg>> {
        self.batch = BATCH;
        Poll::Pending
    }

    /// Looks at what comes before the mailbox. `Some(None)`: there is nothing to do until the next wake-up.
    #[cold]
    fn attend(&mut self, flags: u32) -> Option<Option<Item<A::Msg>>> {
        if flags & (flag::URGENT | flag::ORDERED) != 0
            && let Some(item) = self.attend_lane()
        {
            return Some(item);
        }
        if flags & flag::OWN == 0 {
            return None;
        }
        if self.own_first == 0 {
            self.own_first = OWN_FIRST;
            return None;
        }
        let own = self.attend_own()?;
        self.own_first -= 1;
        Some(Some(Item::Own(own)))
    }

    fn attend_lane(&mut self) -> Option<Option<Item<A::Msg>>> {
        let core = &self.cell.core;
        let position = self.receiver(|receiver| receiver.position())?;
        let mut control = core.control.lock();
        if let Some(fate) = control.fate(core.pid(), core.traps(), false) {
            return Some(Some(Item::Fate(fate)));
        }
        let due = control.due(position, core.counters.own.get());
        let (urgent, ordered) = control.left();
        let suspended = control.look().is_some_and(|lane| lane.suspended);
        core.lower(if urgent { 0 } else { flag::URGENT } | if ordered { 0 } else { flag::ORDERED });
        match due {
            Some(What::Signal(signal)) => Some(Some(Item::Signal(signal))),
            Some(What::Mark(mark)) => {
                drop(control);
                // Whoever wanted to know may have gone.
                tell(|| mark.reached.send(()));
                self.attend_lane()
            }
            None if suspended => Some(None),
            None => None,
        }
    }

    fn attend_own(&mut self) -> Option<Own<A::Msg>> {
        let mut own = self.cell.own.lock();
        let next = own.as_mut().and_then(|queue| queue.pop_front());
        if own.as_ref().is_none_or(|queue| queue.is_empty()) {
            *own = None;
            self.cell.core.lower(flag::OWN);
        }
        if next.is_some() {
            self.cell.core.counters.own.bump();
        }
        next
    }
}
