//! Who an actor is: plain identity, never reused.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The place of an actor in one system. It outlives incarnations; within its system it is never reused.
///
/// A number of 64 bits in two halves, the lower first: so nothing is lost to padding in a [`Pid`], of which some keep a
/// million.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ActorId([u32; 2]);

impl ActorId {
    /// Whoever is not an actor: the system itself, a task, a test.
    pub const OUTSIDE: Self = Self::new(0);

    pub(crate) const fn new(number: u64) -> Self {
        Self([number as u32, (number >> 32) as u32])
    }

    /// The number behind the identity, for logs and indexes.
    #[inline(always)]
    pub const fn as_u64(self) -> u64 {
        let [lower, upper] = self.0;
        (upper as u64) << 32 | lower as u64
    }

    /// A small number that no two actors that are there at the same time share: the place in a table that has grown to as
    /// many as there ever were at a time, and somewhat more. Whoever comes to a place that was left has another identity and
    /// the same index.
    pub fn index(self) -> u32 {
        self.0[0]
    }
}

/// As its number.
impl Serialize for ActorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_u64().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ActorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::new)
    }
}

impl Ord for ActorId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_u64().cmp(&other.as_u64())
    }
}

impl PartialOrd for ActorId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ActorId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_u64().hash(state);
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [index, generation] = self.0;
        write!(f, "{index}.{generation}")
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
