//! What can happen to a supervisor.

use std::fmt::Debug;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::child_spec::ChildSpec;

/// How a core names a child for as long as its specification exists. Keys grow in start order and are never
/// used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChildKey(pub u64);

/// How a core names a call until it replies. Chosen by the caller; the core only hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u64);

/// The identity of one life of a child. Never reused.
pub trait Identity: Copy + Ord + Hash + Debug {}
impl<P: Copy + Ord + Hash + Debug> Identity for P {}

/// What a core must know about exit reasons, and the two it makes itself.
pub trait Reason: Clone + PartialEq + Debug {
    /// Which row of the tables this reason belongs to.
    fn class(&self) -> ReasonClass;
    /// The plain `shutdown`.
    fn shutdown() -> Self;
    /// `{shutdown, {failed_to_start_child, Child, Why}}`: how a supervisor ends whose first start failed.
    /// Of the normal class.
    fn failed_to_start(child: &str, why: &Self) -> Self;

    /// Whether it is of the normal class.
    fn is_normal_class(&self) -> bool {
        matches!(self.class(), ReasonClass::Shutdown | ReasonClass::OtherNormal)
    }
}

/// The classes of exit reasons that a supervisor tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonClass {
    /// Exactly `shutdown`.
    Shutdown,
    /// The rest of the normal class: `normal`, and `shutdown` with an explanation.
    OtherNormal,
    /// Exactly `killed`. Abnormal.
    Killed,
    /// Everything else.
    Abnormal,
}

/// Something happened. Events are read in the order they are handed in, one step at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<P, R> {
    /// The supervisor begins: its children are started. Once, before anything else is read.
    Begin,
    /// The awaited start succeeded.
    Started {
        /// The child.
        child: ChildKey,
        /// Its new life.
        pid: P,
    },
    /// The awaited start was declined by the child itself.
    Ignored {
        /// The child.
        child: ChildKey,
    },
    /// The awaited start failed, in whatever way.
    StartFailed {
        /// The child.
        child: ChildKey,
        /// Why.
        reason: R,
    },
    /// An exit signal was read from the mailbox: a linked incarnation ended.
    Exited {
        /// Who ended; children, former children and strangers alike.
        pid: P,
        /// Why.
        reason: R,
    },
    /// A monitor set for a stop was answered.
    Down {
        /// Who ended.
        pid: P,
        /// Why, or that there was nobody.
        reason: R,
    },
    /// Time passed. Before [`poll_timeout`](super::Core::poll_timeout) it does nothing.
    Timeout,
    /// The exit signal of the supervisor's parent, whatever its reason.
    ParentExit {
        /// Why; the supervisor ends with the same.
        reason: R,
    },
    /// A request of the management API.
    Call(CallId, Request<P>),
}

/// The management API of a running supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<P> {
    /// Adds a named child at the end of the start order and starts it.
    StartChild {
        /// Its key, from [`Core::next_key`](super::Core::next_key).
        child: ChildKey,
        /// Its specification.
        spec: ChildSpec,
    },
    /// Adds a child to a dynamic supervisor and starts it.
    StartDynamic {
        /// Its key, from [`Core::next_key`](super::Core::next_key).
        child: ChildKey,
        /// Its own specification, if it is not as the template says. Its name need not be unique.
        own: Option<ChildSpec>,
    },
    /// Stops a child. Its specification stays, unless it is temporary or nameless.
    TerminateChild(Target<P>),
    /// Starts a named child that is not running, at its old place in the start order.
    RestartChild(Target<P>),
    /// Removes the specification of a child that is not running.
    DeleteChild(Target<P>),
    /// Asks for the specification of a child.
    ChildSpec(Target<P>),
    /// Asks for all children, newest first.
    WhichChildren,
    /// Asks how many children there are.
    CountChildren,
}

/// Whom a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<P> {
    /// The child of this name.
    Id(String),
    /// The child whose incarnation this is: the one that runs, or the one before a restart that is under way. Dynamic
    /// supervisors only.
    Pid(P),
}
