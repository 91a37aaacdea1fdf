//! Places in mailboxes that belong to an incarnation: it reserved them, or waits for them, in a turn of its own.
//!
//! Each is in the books of the incarnation's system for as long as it lasts. Whoever takes it out of there has it: the
//! permit that is used or dropped, or the abandoner of the incarnation, who gives all of them back at once. So a place
//! is given back once, however late a straggler returns, and a healthy actor is not pinned by a blocked middleman.
//!
//! A reserved place counts until its deadline (`crashworthy_sync::promises`): whoever finds no room forgives what is past,
//! and then it belongs to neither holder nor abandoner.
//!
//! A place that was reserved is entered in a [`Ledger`], a few stores, and struck out by one compare-and-swap. Who holds
//! many at a time, waits for one, or holds one in another system, has them in a table behind locks. What is reserved
//! outside of turns is in no books.

use std::sync::Arc;

use crashworthy_sync::ledger::{Entry, Ledger};
use crashworthy_sync::mailbox::RoomPass;
use crashworthy_sync::promises::Promise;
use crashworthy_sync::table::{Key, Table};
use crashworthy_sync::task::Task;

use crate::actor::Actor;
use crate::cell::{ActorCell, AnyCell, Cell, WeakCell};
use crate::pid::{ActorId, Pid};
use crate::shared::Shared;
use crate::turn::{self, Stragglers, Whose};

/// The places that incarnations of one system hold.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Holder, its incarnation with the promise, and whose mailbox it is.
    few: Ledger,
    others: Table<Held>,
}

/// A place in a mailbox, and whose it is.
#[derive(Clone, Debug)]
struct Held {
    by: Pid,
    at: At,
    held: Hold,
}

/// How a place is held.
#[derive(Clone, Debug)]
pub(crate) enum Hold {
    /// It is waited for.
    Awaited(RoomPass),
    /// It is reserved, until the promise ends.
    Reserved(Promise),
}

/// Whose mailbox it is in.
#[derive(Clone, Debug)]
enum At {
    /// An actor of the holder's system.
    Here(ActorId),
    Elsewhere(WeakCell),
}

/// What the holder of a place has of it.
#[derive(Debug, Default)]
pub(crate) enum Lease {
    /// It was reserved outside of any turn, and belongs to nobody else.
    #[default]
    Free,
    /// In the ledger of the system that the mailbox is in.
    Few(Entry),
    /// In the other books of that system.
    Here(Key),
    /// In those of another.
    Elsewhere(Box<(Arc<Stragglers>, Key)>),
}

impl Lease {
    /// Enters a place in the mailbox of `cell`, reserved or waited for, in the books of the incarnation whose turn this
    /// is. If that was abandoned meanwhile, the place may be in no hands: the holder has to look once more.
    #[inline(always)]
    pub(crate) fn sign<A: Actor>(cell: &ActorCell<A>, held: Hold) -> Self {
        // Where there is no system there are no places.
        let Some(home) = cell.core().home() else { return Self::Free };
        let stragglers = &home.shared.stragglers;
        match turn::whose(stragglers) {
            Whose::Nobodys => Self::Free,
            Whose::Here(by) => {
                let places = &stragglers.places;
                let entry = match &held {
                    Hold::Awaited(_) => None,
                    Hold::Reserved(promise) => {
                        let second = u64::from(promise.to_word()) << 32 | u64::from(by.incarnation);
                        places.few.enter([by.id.as_u64(), second, home.id.as_u64()])
                    }
                };
                match entry {
                    Some(entry) => Self::Few(entry),
                    None => Self::Here(places.others.insert(Held { by, at: At::Here(home.id), held })),
                }
            }
            Whose::Elsewhere(by, books) => {
                let at: WeakCell = Arc::<Task<Cell<A>>>::downgrade(cell);
                let key = books.places.others.insert(Held { by, at: At::Elsewhere(at), held });
                Self::Elsewhere(Box::new((books, key)))
            }
        }
    }

    /// Strikes the place out. False: it was revoked, and is given back already.
    #[inline]
    pub(crate) fn end<'s>(self, shared: impl FnOnce() -> Option<&'s Shared>) -> bool {
        match self {
            Self::Free => true,
            Self::Few(entry) => shared().is_some_and(|shared| shared.stragglers.places.few.strike(entry)),
            Self::Here(key) => shared().is_some_and(|shared| shared.stragglers.places.others.remove(key).is_some()),
            Self::Elsewhere(entry) => entry.0.places.others.remove(entry.1).is_some(),
        }
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(crate) fn is_signed(&self) -> bool {
        !matches!(self, Self::Free)
    }
}

impl Places {
    /// Gives back all that `holder` holds. It was abandoned, and enters nothing that it does not strike out itself.
    pub(crate) fn revoke(&self, holder: Pid, find: impl Fn(ActorId) -> Option<Arc<dyn AnyCell>>) {
        let give_back = |[_, second, at]: [u64; 3]| {
            if let Some(cell) = find(ActorId::new(at)) {
                cell.give_back(&Hold::Reserved(Promise::from_word((second >> 32) as u32)));
            }
        };
        self.few.sweep(|[id, second, _]| *id == holder.id.as_u64() && *second as u32 == holder.incarnation, give_back);
        let mut theirs = Vec::new();
        self.others.for_each(|key, held| {
            if held.by == holder {
                theirs.push(key);
            }
        });
        for held in theirs.into_iter().filter_map(|key| self.others.remove(key)) {
            let cell = match &held.at {
                At::Here(id) => find(*id),
                At::Elsewhere(cell) => cell.upgrade(),
            };
            if let Some(cell) = cell {
                cell.give_back(&held.held);
            }
        }
    }
}
