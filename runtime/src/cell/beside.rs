//! Messages that are not in the mailbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crashworthy_sync::once_arc::OnceArc;
use parking_lot::Mutex;

use crate::envelope::Own;
use crate::shelf::Shelf;

/// Messages that are not in the mailbox.
pub(crate) struct Beside<M> {
    /// Those with places of their own, oldest first. Bounded by the timers and futures of the incarnation.
    pub(crate) own: Mutex<VecDeque<Own<M>>>,
    /// Those that may be displaced, since there was the first.
    shelf: OnceArc<Mutex<Shelf<M>>>,
    /// The ticket of the first of those: nobody needs to look before that. Written under the lock of the shelf.
    first_ticket: AtomicU64,
}

impl<M> Beside<M> {
    /// Those that may be displaced, from now on.
    pub(crate) fn shelf(&self) -> &Mutex<Shelf<M>> {
        if self.shelf.get().is_none() {
            // Somebody else may have been quicker.
            let _ = self.shelf.set(Arc::default());
        }
        self.shelf.get().expect("it was set just now, or before")
    }

    /// The same, if there ever was one.
    pub(super) fn shelf_if_any(&self) -> Option<&Mutex<Shelf<M>>> {
        self.shelf.get()
    }

    /// Whether the turn of one that may be displaced may have come, for whoever has read so many of the mailbox.
    pub(super) fn is_due(&self, position: u64) -> bool {
        // Relaxed: who raised the flag had written it before.
        self.first_ticket.load(Relaxed) <= position
    }

    /// Whoever has changed what is on the shelf says which is the first.
    pub(crate) fn note_first(&self, ticket: u64) {
        self.first_ticket.store(ticket, Relaxed);
    }
}

impl<M> Default for Beside<M> {
    fn default() -> Self {
        Self { own: Mutex::default(), shelf: OnceArc::new(), first_ticket: AtomicU64::new(u64::MAX) }
    }
}
