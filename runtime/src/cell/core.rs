//! The part of a cell that knows no types.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crashworthy_sync::attention::Attention;
use crashworthy_sync::label::SharedLabel;
use crashworthy_sync::once_arc::OnceArc;
use parking_lot::Mutex;

use super::{Annex, flag};
use crate::counters::{Count, Counters};
use crate::error::{Reason, Refused};
use crate::exit::Callback;
use crate::gate::{InForce, LazyGate, events};
use crate::kinds::called;
use crate::lane::Control;
use crate::message::Criticality;
use crate::pace::Pace;
use crate::pid::{ActorId, Pid};
use crate::scheduler::Pool;
use crate::shared::{Shared, waited};
use crate::ties::Ties;

/// Where a slot is in its life. Written under the lock of [`Core::ties`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Never started.
    Fresh,
    /// `init` runs.
    Starting,
    /// Handles messages.
    Running,
    /// Between two incarnations: its supervisor decides; messages queue.
    Down,
    /// Ended; may be started again.
    Stopped,
    /// Ended for good.
    Gone,
}

impl Status {
    fn of(word: u8) -> Self {
        [Self::Fresh, Self::Starting, Self::Running, Self::Down, Self::Stopped, Self::Gone][word as usize]
    }
}

/// Which system a cell belongs to, and as whom.
#[derive(Clone, Copy)]
pub(crate) struct Home<'c> {
    pub(crate) shared: &'c Shared,
    pub(crate) id: ActorId,
}

/// The part of a cell that knows no types. It lies between the two halves of the mailbox.
///
/// What an incarnation writes with every message shares no cache line with what it reads with every message, nor that with
/// what senders write, the `tail` of the mailbox: each time what is touched less lies between. Allocators align what is as
/// long as a cell to sixteen bytes at least, so blocks of as many that are four apart are in two lines.
#[repr(C)]
pub(crate) struct Core {
    // Written by the incarnation, every message.
    /// Who sent the message in hand, and when: for the dead-letter hook, should it be given up.
    from: AtomicU64,
    /// Kind of the message in hand, with a mark if it did not come through the mailbox. Written by the incarnation.
    pub(crate) doing: SharedLabel,
    sent: AtomicU32,
    /// When the turn began in which the message in hand was taken, as a stamp of the coarse clock.
    since: AtomicU32,
    pub(crate) handled: Count,
    // Every turn.
    pub(crate) pace: Pace,
    // Hardly ever touched.
    pub(crate) ties: Mutex<Ties>,
    // Read by everybody for every message, hardly ever written.
    /// The system. Set when it is first started, after the identity.
    home: OnceArc<Shared>,
    flags: Attention,
    incarnation: AtomicU32,
    // Read now and then.
    id: AtomicU64,
    // Read by those who send with a deadline.
    pub(crate) gate: LazyGate,
    // Hardly ever touched.
    pub(crate) control: Mutex<Control>,
}

impl Core {
    pub(super) fn new(name: Option<Arc<str>>) -> Self {
        Self {
            home: OnceArc::new(),
            id: AtomicU64::new(ActorId::OUTSIDE.as_u64()),
            flags: Attention::new(),
            incarnation: AtomicU32::new(0),
            doing: SharedLabel::default(),
            from: AtomicU64::new(0),
            sent: AtomicU32::new(0),
            since: AtomicU32::new(0),
            control: Mutex::default(),
            ties: Mutex::default(),
            handled: Count::default(),
            pace: Pace::default(),
            gate: LazyGate::new(Annex::new(name)),
        }
    }

    #[inline(always)]
    pub(crate) fn home(&self) -> Option<Home<'_>> {
        let shared = self.home.get()?;
        Some(Home { shared, id: self.id() })
    }

    /// Gives it a home. Called once, under the lock of `ties`.
    pub(super) fn settle(&self, shared: &Arc<Shared>, id: ActorId) {
        self.id.store(id.as_u64(), Relaxed);
        // Whoever sees the system sees the identity.
        let _ = self.home.set(shared.clone());
    }

    /// The system this cell runs in.
    ///
    /// # Panics
    /// If it was never started: only an incarnation, which implies a home, may ask.
    #[inline(always)]
    pub(crate) fn shared(&self) -> &Shared {
        self.home.get().expect("an incarnation runs in a system")
    }

    /// The same, to be kept.
    ///
    /// # Panics
    /// Likewise.
    pub(crate) fn shared_arc(&self) -> Arc<Shared> {
        self.home.get_arc().expect("an incarnation runs in a system")
    }

    /// Whom it is known as; nobody before it is first started.
    #[inline(always)]
    pub(crate) fn id(&self) -> ActorId {
        ActorId::new(self.id.load(Relaxed))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.gate.annex().name().map(|name| &**name)
    }

    pub(crate) fn name_arc(&self) -> Option<Arc<str>> {
        self.gate.annex().name().cloned()
    }

    /// How the messages so far have ended.
    pub(crate) fn counters(&self) -> Counters<'_> {
        Counters { handled: &self.handled, annex: self.gate.annex() }
    }

    /// The incarnation that was started last.
    pub(crate) fn pid(&self) -> Pid {
        Pid { id: self.id(), incarnation: self.incarnation.load(Relaxed) }
    }

    pub(crate) fn next_incarnation(&self) -> u32 {
        let next = self.incarnation.load(Relaxed) + 1;
        self.incarnation.store(next, Relaxed);
        next
    }

    pub(crate) fn status(&self) -> Status {
        Status::of(self.pace.stage.status.load(Acquire))
    }

    /// Whether no incarnation lives here, nor is one expected.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status(), Status::Fresh | Status::Stopped | Status::Gone)
    }

    /// Whether this incarnation lives, by the status alone: for those who hold the ties of another cell.
    pub(crate) fn is_living(&self, incarnation: u32) -> bool {
        matches!(self.status(), Status::Starting | Status::Running) && self.incarnation.load(Relaxed) == incarnation
    }

    /// The caller holds the lock of `ties`.
    pub(crate) fn set_status(&self, status: Status) {
        self.pace.stage.status.store(status as u8, Release);
    }

    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.flags.bits()
    }

    /// The bits themselves, for whoever takes a message.
    #[inline(always)]
    pub(crate) fn attention(&self) -> &Attention {
        &self.flags
    }

    /// Sets bits; whoever sets them wakes the cell afterwards.
    pub(crate) fn raise(&self, bits: u32) {
        self.flags.raise(bits);
    }

    pub(crate) fn lower(&self, bits: u32) {
        self.flags.lower(bits);
    }

    /// The number of the pool that it runs on; 0 is the system's own.
    #[inline(always)]
    pub(crate) fn pool_number(&self) -> u32 {
        self.flags() >> flag::POOL_SHIFT
    }

    /// From now on it runs there; what it had is given back.
    pub(crate) fn moves_to(&self, number: u32) {
        let before = self.pool_number();
        self.flags.assign(flag::POOL, number << flag::POOL_SHIFT);
        self.shared().pools.give_back(before);
    }

    /// The pool that it runs on.
    ///
    /// # Panics
    /// As [`Core::shared`].
    #[inline(always)]
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        let shared = self.shared();
        match self.pool_number() {
            0 => &shared.pool,
            // A number may be seen before its pool is: any pool does then.
            number => shared.pools.find(number).unwrap_or(&shared.pool),
        }
    }

    pub(crate) fn traps(&self) -> bool {
        self.flags() & flag::TRAPS != 0
    }

    /// What the actor is called in texts: its name, else its identity.
    pub(crate) fn label(&self) -> String {
        self.name().map_or_else(|| self.id().to_string(), str::to_owned)
    }

    /// Where in its tree the living incarnation is: the names from the top, with `/` between.
    pub(crate) fn path(&self) -> Arc<str> {
        let id;
        let label = match self.name() {
            Some(name) => name,
            None => {
                id = self.id().to_string();
                &id
            }
        };
        self.ties.lock().path_of(label).into()
    }

    /// The same of the last incarnation, if none lives.
    pub(crate) fn last_path(&self) -> Arc<str> {
        let label = self.label();
        self.ties.lock().last_path_of(&label).into()
    }

    /// After what time an actor that is being restarted, or is suspended, is expected back, and which of the two it is; if that is
    /// known and still to come.
    pub(crate) fn back_in(&self) -> Option<(Duration, Reason)> {
        let flags = self.flags();
        if flags & (flag::AWAY | flag::HELD) == 0 {
            return None;
        }
        let now = self.shared().port.now_ns();
        let away = if flags & flag::AWAY == 0 { None } else { self.gate.back_in(self, now).map(Duration::from_nanos) };
        let suspended = self.orders().left(now);
        match (away, suspended) {
            (Some(away), suspended) if suspended.is_none_or(|suspended| suspended < away) => {
                Some((away, Reason::Restarting))
            }
            (_, suspended) => Some((suspended?, Reason::Suspended)),
        }
    }

    /// What it was ordered.
    pub(crate) fn orders(&self) -> InForce {
        if self.flags() & flag::HELD == 0 { InForce::default() } else { self.gate.in_force() }
    }

    /// A refusal is told to whoever wanted something: it is counted.
    #[cold]
    pub(crate) fn counted(&self, why: Refused, criticality: Criticality) -> Refused {
        events::refused(self, why.reason, criticality);
        why
    }

    pub(crate) fn refuse(&self, reason: Reason) -> Refused {
        Refused { by: self.id(), ..Refused::because(reason) }
    }

    /// Notes where the message in hand came from. Written by the incarnation.
    #[inline(always)]
    pub(crate) fn note_origin(&self, from: ActorId, stamp: u32) {
        self.from.store(from.as_u64(), Relaxed);
        self.sent.store(stamp, Relaxed);
    }

    /// Who sent the message in hand, and how long ago.
    pub(crate) fn origin(&self) -> (ActorId, Duration) {
        (ActorId::new(self.from.load(Relaxed)), self.shared().sent_ago(self.sent.load(Relaxed)))
    }

    /// How long the message that was taken last had waited when a turn began, as far as steps of the coarse clock tell.
    pub(crate) fn waited_ns(&self, began: u64) -> u64 {
        waited(self.sent.load(Relaxed), began)
    }

    /// What is taken from now on is taken in a turn that begins now.
    pub(crate) fn note_turn(&self) {
        self.since.store(self.shared().stamp(), Relaxed);
    }

    /// Which callback runs from now on, besides handlers.
    pub(crate) fn enters(&self, callback: Option<Callback>) {
        self.pace.stage.callback.store(callback.map_or(0, |callback| callback as u8 + 1), Relaxed);
        if callback.is_some() {
            self.note_turn();
        }
    }

    /// The callback that runs, if one does: what a thread that hangs hangs in.
    pub(crate) fn callback(&self) -> Option<Callback> {
        match self.status() {
            Status::Starting => return Some(Callback::Init),
            Status::Running => {}
            Status::Fresh | Status::Down | Status::Stopped | Status::Gone => return None,
        }
        if !self.doing.get().is_none() {
            return Some(Callback::Handle);
        }
        let callback = self.pace.stage.callback.load(Relaxed).checked_sub(1)?;
        [Callback::Init, Callback::Handle, Callback::OnSignal, Callback::Terminate, Callback::Drop, Callback::View]
            .get(usize::from(callback))
            .copied()
    }

    /// For how long the callback has run, or the message been in hand.
    pub(crate) fn in_hand_for(&self) -> Duration {
        // The coarse clock may stand still behind the very turn that is asked about.
        self.shared().port.now_ns();
        self.shared().age(self.since.load(Relaxed))
    }

    /// When the message in hand was taken, or rather the turn began in which it was: a stamp of the coarse clock.
    #[inline(always)]
    pub(crate) fn taken(&self) -> u32 {
        self.since.load(Relaxed)
    }

    /// For how long a message has been in hand, or a signal, or rather the turn has run in which it was taken, at least: to the step of
    /// the coarse clock. 0 if none is.
    pub(crate) fn running_ns(&self) -> u64 {
        let rests = self.doing.get().is_none() && self.callback() != Some(Callback::OnSignal);
        if rests { 0 } else { waited(self.taken(), self.shared().port.now_ns()) }
    }

    /// The kind of the message in hand.
    pub(crate) fn kind_in_hand(&self) -> Option<&'static str> {
        let kind = self.doing.get();
        (!kind.is_none()).then(|| called(kind))
    }

    /// Whether the message in hand did not come through the mailbox.
    pub(crate) fn handles_own(&self) -> bool {
        self.doing.get().is_marked()
    }

    /// Why a closed mailbox is closed.
    pub(crate) fn closed(&self) -> Refused {
        self.refuse(match self.status() {
            Status::Fresh => Reason::NotStarted,
            Status::Gone => Reason::Gone,
            Status::Starting | Status::Running | Status::Down | Status::Stopped => Reason::Stopped,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::cell::Cell;
    use crate::scripted::Clerk;

    /// To what an allocator aligns a cell at least.
    const BLOCK: usize = 16;
    /// Blocks that the processor moves at once.
    const LINE: usize = 4;
    /// Where in the senders' half of a mailbox, which follows, lies what every sender writes: a test of the mailbox says so.
    const TAIL: usize = 8;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_is_written_and_what_is_read_with_every_message_share_no_cache_line() {
        let cell = Cell::<Clerk>::new(None, 1);
        let begins = std::ptr::from_ref(cell.core()).addr() - Arc::as_ptr(&cell).addr() + 2 * size_of::<usize>();
        let block = |offset: usize| (begins + offset) / BLOCK;
        let written = block(offset_of!(Core, handled) + size_of::<Count>() - 1);
        let (home, flags) = (offset_of!(Core, home), offset_of!(Core, flags));
        assert!(block(home.min(flags)) >= written + LINE);
        let read = block((home + size_of::<usize>()).max(flags + size_of::<u32>()) - 1);
        assert!(block(size_of::<Core>() + TAIL) >= read + LINE);
    }
}
