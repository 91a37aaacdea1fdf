//! What few actors have, behind one pointer of their cell.
//!
//! An actor that waits for its first message has a name at most. What others come to have is made when it is first needed;
//! who has any of it pays for the room of all their pointers, and no more than if those lay in the cell.

use std::fmt;
use std::sync::Arc;

use crashworthy_sync::mailbox::WaitingRoom;
use once_cell::race::OnceBox;

use crate::counters::Rare;
use crate::gate::Gate;

/// The annex of a cell, made when something is put into it.
#[derive(Default)]
pub(crate) struct Annex(OnceBox<Rooms>);

#[derive(Default)]
struct Rooms {
    /// What the slot is called.
    name: Option<Arc<str>>,
    /// Since the time that messages take matters.
    gate: OnceBox<Gate>,
    /// Since there was the first end that is counted in it.
    rare: OnceBox<Rare>,
    /// Those who wait for room in the mailbox.
    waiting: WaitingRoom,
}

impl Annex {
    /// Of a slot that is called so.
    pub(super) fn new(name: Option<Arc<str>>) -> Self {
        match name {
            None => Self::default(),
            Some(name) => Self(OnceBox::with_value(Box::new(Rooms { name: Some(name), ..Rooms::default() }))),
        }
    }

    fn rooms(&self) -> &Rooms {
        self.0.get_or_init(Box::default)
    }

    pub(super) fn name(&self) -> Option<&Arc<str>> {
        self.0.get()?.name.as_ref()
    }

    pub(super) fn waiting_room(&self) -> &WaitingRoom {
        &self.rooms().waiting
    }

    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.0.get()?.gate.get()
    }

    #[cold]
    pub(crate) fn make_gate(&self) -> &Gate {
        self.rooms().gate.get_or_init(Box::default)
    }

    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.0.get()?.rare.get()
    }

    pub(crate) fn make_rare(&self) -> &Rare {
        self.rooms().rare.get_or_init(Box::default)
    }
}

impl fmt::Debug for Annex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annex").field("is_made", &self.0.get().is_some()).finish()
    }
}

/// How large it is, when it is made.
#[cfg(test)]
pub(crate) const ROOMS: usize = size_of::<Rooms>();
