//! Messages whose type says what becomes of them when there is no room: they displace each other, and are displaced; they displace
//! nothing else.
//!
//! They lie beside the mailbox, not in it: out of a queue of many senders nothing can be taken back. Each holds a place in
//! the mailbox all the same, so that all messages together are no more than it may hold, and has the mailbox's tail for a
//! ticket, as signals have: it is read once the head has passed that, and before what comes after it.
//!
//! ```text
//!  mailbox   ─ m1 ─ m2 ─ m3 ─▶ tail 3                 read: m1, a, m2, m3, s, b
//!  shelf     ─ a: ticket 1 ─ b: ticket 3, signal 0 comes before it
//!  lane      ─ s: ticket 3, signal 0
//! ```
//! What is put here is put under the lock of the control lane, where signals get their numbers and mailboxes are closed.
//! The shelf has a lock of its own, which is taken after that: the lane knows no types.

use std::collections::{BTreeMap, BTreeSet};

use crashworthy_sync::mailbox::ReserveError;
use crashworthy_sync::task::Task;

use crate::actor::Actor;
use crate::cell::{AnyCell as _, Cell, flag};
use crate::crash::discard;
use crate::envelope::Envelope;
use crate::error::{AskError, Reason};
use crate::gate::events;
use crate::message::{Message, Overflow, kind_of};

/// The messages of one cell that may be displaced.
pub(crate) struct Shelf<M> {
    /// In order of arrival.
    entries: BTreeMap<u64, Shelved<M>>,
    /// Those that make room for newer ones.
    oldest: BTreeSet<u64>,
    /// Where the message of a kind with a key is.
    keys: BTreeMap<Like, u64>,
    next: u64,
    /// Which was offered last. Should it be displaced, the next one's turn need not have come.
    offered: Option<u64>,
    /// What comes before this number is to be thrown away, between two incarnations.
    doomed: u64,
    accepted: u64,
    displaced: u64,
}

/// A kind of message, and a key.
type Like = (&'static str, u64);

struct Shelved<M> {
    envelope: Envelope<M>,
    class: Class,
    turn: Turn,
}

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    DropNew,
    DropOldest,
    Conflate(Like),
}

impl Class {
    /// Of a message that says something. Calls user code.
    fn of<M: Message>(msg: &M, overflow: Overflow) -> Self {
        match overflow {
            Overflow::DropNew | Overflow::Refuse => Self::DropNew,
            Overflow::DropOldest => Self::DropOldest,
            Overflow::Conflate(key) => Self::Conflate((kind_of(msg), key)),
        }
    }
}

/// When a message is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The mailbox's tail when it was sent.
    pub(crate) ticket: u64,
    /// Signals with lower numbers come before it.
    pub(crate) signals: u64,
}

/// What became of a message that was to be put on the shelf.
enum Put<M> {
    /// It lies there.
    Taken {
        /// Which it has displaced.
        displaced: Option<Envelope<M>>,
        /// The place that was reserved for it was not needed.
        spare: bool,
    },
    /// It was displaced itself.
    Dropped(Envelope<M>),
    /// There is neither room nor a message that would make some.
    Full(Envelope<M>),
}

impl<M> Default for Shelf<M> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            oldest: BTreeSet::new(),
            keys: BTreeMap::new(),
            next: 0,
            offered: None,
            doomed: 0,
            accepted: 0,
            displaced: 0,
        }
    }
}

impl<M> Shelf<M> {
    /// Puts a message onto the shelf. `has_place`: it has a place in the mailbox.
    fn put(&mut self, envelope: Envelope<M>, class: Class, turn: Turn, has_place: bool) -> Put<M> {
        let older = match class {
            Class::Conflate(like) => self.keys.get(&like).copied(),
            Class::DropOldest if !has_place => self.oldest.first().copied(),
            Class::DropNew if !has_place => {
                self.accepted += 1;
                self.displaced += 1;
                return Put::Dropped(envelope);
            }
            Class::DropOldest | Class::DropNew => None,
        };
        let Some(older) = older else {
            if !has_place {
                return Put::Full(envelope);
            }
            self.add(Shelved { envelope, class, turn });
            return Put::Taken { displaced: None, spare: false };
        };
        let displaced = match (class, self.entries.get_mut(&older)) {
            // Its place in the order, too, or one that is always renewed would never be read; but no signal is overtaken, and
            // what is thrown away takes nothing along.
            (Class::Conflate(_), Some(entry)) if entry.turn.signals == turn.signals && older >= self.doomed => {
                self.accepted += 1;
                Some(std::mem::replace(&mut entry.envelope, envelope))
            }
            _ => {
                let displaced = self.remove(older);
                self.add(Shelved { envelope, class, turn });
                displaced
            }
        };
        self.displaced += 1;
        Put::Taken { displaced, spare: has_place }
    }

    fn add(&mut self, entry: Shelved<M>) {
        let number = self.next;
        match entry.class {
            Class::DropOldest => {
                self.oldest.insert(number);
            }
            Class::Conflate(like) => {
                self.keys.insert(like, number);
            }
            Class::DropNew => {}
        }
        self.entries.insert(number, entry);
        self.next += 1;
        self.accepted += 1;
    }

    fn remove(&mut self, number: u64) -> Option<Envelope<M>> {
        let entry = self.entries.remove(&number)?;
        self.oldest.remove(&number);
        if let Class::Conflate(like) = entry.class {
            self.keys.remove(&like);
        }
        Some(entry.envelope)
    }

    /// Offers the message that came first to whoever has read so many of the mailbox, if that is enough. Which signals come
    /// before it.
    pub(crate) fn offer(&mut self, position: u64) -> Option<u64> {
        let (number, entry) = self.entries.first_key_value()?;
        self.offered = Some(*number).filter(|_| entry.turn.ticket <= position);
        self.offered.map(|_| entry.turn.signals)
    }

    /// The ticket of the message that came first; the last there is if there is none.
    fn first_ticket(&self) -> u64 {
        self.entries.first_key_value().map_or(u64::MAX, |(_, entry)| entry.turn.ticket)
    }

    /// Messages that lie here, that were ever accepted, that were displaced.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.entries.len() as u64, self.accepted, self.displaced)
    }

    /// The signals that were to come before what lies here have been forgotten.
    pub(crate) fn forget_signals(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.turn.signals = 0);
    }

    /// What lies here now is to be thrown away.
    pub(crate) fn doom(&mut self) {
        self.doomed = self.next;
    }

    /// Whether something is to be thrown away.
    pub(crate) fn is_doomed(&self) -> bool {
        self.entries.first_key_value().is_some_and(|(number, _)| *number < self.doomed)
    }
}

/// Takes in a message that displaces others, or may be displaced, if there is room by `places`, or it makes some. True: the
/// actor is to be woken.
///
/// # Errors
/// The message, if there is neither, or the mailbox is closed.
#[inline(never)]
pub(crate) fn put<A: Actor>(
    cell: &Task<Cell<A>>,
    envelope: Envelope<A::Msg>,
    overflow: Overflow,
    places: u32,
) -> Result<bool, (ReserveError, A::Msg)> {
    let class = Class::of(&envelope.msg, overflow);
    // One that takes another's place needs none.
    let is_there = |like: &Like| cell.shelf().is_some_and(|shelf| shelf.lock().keys.contains_key(like));
    let put = match class {
        Class::Conflate(like) if is_there(&like) => match try_put(cell, envelope, class, false)? {
            (Put::Full(envelope), _) => put_into_place(cell, envelope, class, places)?,
            put => put,
        },
        _ => put_into_place(cell, envelope, class, places)?,
    };
    match put {
        (Put::Taken { displaced, spare }, wake) => {
            if spare {
                cell.mailbox.release_reserved();
            }
            if let Some(displaced) = displaced {
                drop_displaced(cell, displaced);
            }
            Ok(wake)
        }
        (Put::Dropped(envelope), wake) => {
            drop_displaced(cell, envelope);
            Ok(wake)
        }
        (Put::Full(envelope), _) => Err((ReserveError::Full, envelope.msg)),
    }
}

/// What became of a message, and whether the actor is to be woken; or the message.
type Tried<M> = Result<(Put<M>, bool), (ReserveError, M)>;

/// The same with a place in the mailbox, if there is one; else in place of another, if room is what is missing, and not time.
fn put_into_place<A: Actor>(
    cell: &Task<Cell<A>>,
    envelope: Envelope<A::Msg>,
    class: Class,
    places: u32,
) -> Tried<A::Msg> {
    let reserve = || cell.mailbox.try_reserve_within(places);
    let place = match reserve() {
        Err(ReserveError::Full) if cell.forgives() => reserve(),
        place => place,
    };
    match place {
        Ok(()) => try_put(cell, envelope, class, true),
        Err(ReserveError::Closed) => Err((ReserveError::Closed, envelope.msg)),
        Err(ReserveError::Full) => {
            // There is one message fewer before one that displaces another.
            let before = cell.load().depth.saturating_sub(u32::from(class != Class::DropNew));
            if before < places {
                try_put(cell, envelope, class, false)
            } else {
                Err((ReserveError::Full, envelope.msg))
            }
        }
    }
}

/// Puts a message onto the shelf, under the locks. Whether the actor is to be woken.
fn try_put<A: Actor>(cell: &Task<Cell<A>>, envelope: Envelope<A::Msg>, class: Class, has_place: bool) -> Tried<A::Msg> {
    let control = cell.core().control.lock();
    if cell.mailbox.is_closed() {
        drop(control);
        if has_place {
            cell.mailbox.release_reserved();
        }
        return Err((ReserveError::Closed, envelope.msg));
    }
    let signals = control.look().map_or(0, |lane| lane.ordered.next_number());
    let mut shelf = cell.beside().shelf().lock();
    let put = shelf.put(envelope, class, Turn { ticket: cell.tail(), signals }, has_place);
    cell.beside().note_first(shelf.first_ticket());
    // Who finds others there knows that the actor will look.
    let wake = !shelf.entries.is_empty() && cell.core().flags() & flag::SHELVED == 0;
    if wake {
        cell.core().raise(flag::SHELVED);
    }
    Ok((put, wake))
}

/// Makes room for a message that may not be dropped, or for somebody who needs a place: the oldest of those that are worth less the
/// older they are is displaced, if there is one, and if room is what is missing, and not time. Whether there is room.
#[cold]
pub(crate) fn makes_room<A: Actor>(cell: &Task<Cell<A>>, places: u32) -> bool {
    let Some(shelf) = cell.shelf().filter(|_| cell.depth() <= places) else { return false };
    let displaced = {
        let mut shelf = shelf.lock();
        let Some(displaced) = shelf.oldest.first().copied().and_then(|oldest| shelf.remove(oldest)) else {
            return false;
        };
        shelf.displaced += 1;
        cell.beside().note_first(shelf.first_ticket());
        displaced
    };
    cell.mailbox.release_reserved();
    drop_displaced(cell, displaced);
    true
}

/// Drops a message that another has displaced; its asker is told.
#[cold]
fn drop_displaced<A: Actor>(cell: &Task<Cell<A>>, displaced: Envelope<A::Msg>) {
    let Envelope { msg, caller, criticality, .. } = displaced;
    if let Some(caller) = caller {
        events::counted(cell.core(), Reason::Displaced, criticality);
        caller.force(AskError::Refused(cell.full(Reason::Displaced)));
    }
    discard(msg);
}

/// Takes the message that was offered, and gives its place back. None: it was displaced since.
#[cold]
pub(crate) fn take<A: Actor>(cell: &Task<Cell<A>>) -> Option<Envelope<A::Msg>> {
    take_if(cell, |shelf, first| shelf.offered == Some(first))
}

/// The same of those that are to be thrown away: those that were there when that was decided.
#[cold]
pub(crate) fn take_doomed<A: Actor>(cell: &Task<Cell<A>>) -> Option<Envelope<A::Msg>> {
    take_if(cell, |shelf, first| first < shelf.doomed)
}

fn take_if<A: Actor>(
    cell: &Task<Cell<A>>,
    takes: impl FnOnce(&Shelf<A::Msg>, u64) -> bool,
) -> Option<Envelope<A::Msg>> {
    let taken = {
        let mut shelf = cell.shelf()?.lock();
        let first = *shelf.entries.first_key_value()?.0;
        let taken = if takes(&shelf, first) { shelf.remove(first) } else { None };
        cell.beside().note_first(shelf.first_ticket());
        if shelf.entries.is_empty() {
            cell.core().lower(flag::SHELVED);
        }
        taken?
    };
    cell.mailbox.release_reserved();
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Marks;
    use crate::message::Criticality;
    use crate::pid::ActorId;
    use proptest::prelude::*;

    fn envelope(number: u64) -> Envelope<u64> {
        let (from, criticality) = (ActorId::OUTSIDE, Criticality::default());
        Envelope {
            msg: number,
            caller: None,
            deadline: u64::MAX,
            from,
            stamp: 0,
            criticality,
            flow: 0,
            marks: Marks::NONE,
        }
    }

    /// The same, said simply: a list that is searched.
    #[derive(Default)]
    struct Plain {
        list: Vec<(u64, Class, u64)>,
        accepted: u64,
        displaced: u64,
    }

    impl Plain {
        /// Which message was displaced or sent back.
        fn put(&mut self, number: u64, class: Class, signals: u64, has_place: bool) -> Option<u64> {
            let older = match class {
                Class::Conflate(_) => self.list.iter().position(|entry| entry.1 == class),
                Class::DropOldest if !has_place => self.list.iter().position(|entry| entry.1 == class),
                _ => None,
            };
            let is_dropped = class == Class::DropNew && !has_place;
            if older.is_none() && !has_place && !is_dropped {
                return Some(number);
            }
            self.accepted += 1;
            if is_dropped {
                self.displaced += 1;
                return Some(number);
            }
            let Some(older) = older else {
                self.list.push((number, class, signals));
                return None;
            };
            self.displaced += 1;
            let (displaced, _, before) = self.list[older];
            if matches!(class, Class::Conflate(_)) && before == signals {
                self.list[older].0 = number;
            } else {
                self.list.remove(older);
                self.list.push((number, class, signals));
            }
            Some(displaced)
        }
    }

    fn class() -> impl Strategy<Value = Class> {
        let like = (prop::sample::select(vec!["Price", "Volume"]), 0..2_u64);
        prop_oneof![Just(Class::DropNew), Just(Class::DropOldest), like.prop_map(Class::Conflate)]
    }

    proptest! {
        #[test]
        fn it_does_what_a_list_does_that_is_searched(
            steps in prop::collection::vec((class(), any::<bool>(), any::<bool>(), any::<bool>()), 0..64),
        ) {
            let (mut shelf, mut plain, mut signals) = (Shelf::default(), Plain::default(), 0);
            for (number, (class, has_place, pops, signalled)) in (0..).zip(steps) {
                signals += u64::from(signalled);
                let turn = Turn { ticket: number, signals };
                let gone = match shelf.put(envelope(number), class, turn, has_place) {
                    Put::Taken { displaced, spare } => {
                        prop_assert_eq!(spare, has_place && displaced.is_some());
                        displaced
                    }
                    Put::Dropped(envelope) | Put::Full(envelope) => Some(envelope),
                };
                prop_assert_eq!(gone.map(|gone| gone.msg), plain.put(number, class, signals, has_place));
                if pops {
                    let first = (!plain.list.is_empty()).then(|| plain.list.remove(0));
                    prop_assert_eq!(shelf.offer(number), first.map(|first| first.2));
                    let offered = shelf.offered.take().and_then(|first| shelf.remove(first));
                    prop_assert_eq!(offered.map(|first| first.msg), first.map(|first| first.0));
                }
                prop_assert_eq!(shelf.counts(), (plain.list.len() as u64, plain.accepted, plain.displaced));
            }
        }
    }
}
