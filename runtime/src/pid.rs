//! Who an actor is: plain identity, never reused.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of an actor in one system. It outlives incarnations; within its system it is never reused.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActorId(pub(crate) u64);

impl ActorId {
    /// Whoever is not an actor: the system itself, a task, a test.
    pub const OUTSIDE: Self = Self(0);

    /// The number behind the identity, for logs and indexes.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// A small number that no two actors that are there at the same time share: the place in a table that has grown to as
    /// many as there ever were at a time, and somewhat more. Whoever comes to a place that was left has another identity and
    /// the same index.
    pub fn index(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 as u32, self.0 >> 32)
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One incarnation of one actor: what links, monitors and exit reports speak of.
///
/// # Differs from OTP
/// A pid does not address messages; an [`ActorRef`](crate::ActorRef) does, and it survives restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pid {
    /// The place in the system.
    pub id: ActorId,
    /// Which life of that place, from 1.
    pub incarnation: u32,
}

impl Pid {
    /// Whoever is not an actor.
    pub const OUTSIDE: Self = Self { id: ActorId::OUTSIDE, incarnation: 0 };
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}#{}>", self.id, self.incarnation)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
