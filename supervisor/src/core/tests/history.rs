//! The words in which a short history is written down.

use std::time::Duration;

use super::super::{ChildKey, Place, Reason, ReasonClass, Spec};
use crate::child_spec::ChildSpec;
use crate::report::Context;
use crate::strategy::Flags;

/// Whose history it is: a supervisor as it is declared.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) flags: Flags,
    pub(super) cast: Cast,
}

/// Whom it looks after.
#[derive(Clone, Debug)]
pub(super) enum Cast {
    /// Named children, in start order.
    Named(Vec<ChildSpec>),
    /// At most so many nameless children: like the first of these unless they bring one of the others.
    Crowd { kinds: Vec<ChildSpec>, max: usize },
}

impl Scene {
    pub(super) fn named(flags: Flags, children: &[ChildSpec]) -> Self {
        Self { flags, cast: Cast::Named(children.to_vec()) }
    }

    pub(super) fn crowd(flags: Flags, kinds: &[ChildSpec], max: usize) -> Self {
        Self { flags, cast: Cast::Crowd { kinds: kinds.to_vec(), max } }
    }

    pub(super) fn spec(&self) -> Spec {
        let spec = match &self.cast {
            Cast::Named(children) => Spec::new(self.flags, children.clone()),
            Cast::Crowd { kinds, max } => Spec::dynamic(self.flags, kinds[0].clone(), Some(*max)),
        };
        spec.expect("the children keep the rules")
    }
}

/// An exit reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Normal,
    Shutdown,
    Killed,
    Boom,
    NoProc,
    FailedToStart,
}

impl Reason for Why {
    fn class(&self) -> ReasonClass {
        match self {
            Self::Shutdown => ReasonClass::Shutdown,
            Self::Normal | Self::FailedToStart => ReasonClass::OtherNormal,
            Self::Killed => ReasonClass::Killed,
            Self::Boom | Self::NoProc => ReasonClass::Abnormal,
        }
    }

    fn shutdown() -> Self {
        Self::Shutdown
    }

    fn failed_to_start(_: &str, _: &Self) -> Self {
        Self::FailedToStart
    }
}

/// What arrives at a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    Exited(u32, Why),
    ParentExit(Why),
    Terminate(u64),
    Restart(u64),
    Delete(u64),
    /// Adds a temporary child with the next key.
    Add,
    /// Adds one of this kind to a crowd, with the next key.
    Join(usize),
    /// Terminates the one of a crowd whose life this is or was.
    Dismiss(u32),
    Which,
    Retry(u64),
    /// This wait of this child is over.
    Waited(u64, u64),
    /// Nothing arrives but the time to look at the clock.
    Alarm,
}

/// How a start ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok(u32),
    Ignore,
    Fails,
}

/// How a stop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was dead already.
    Dead,
    /// It ends like this when asked to, or killed.
    With(Why),
    /// It does not end before it is killed, if it is given a time.
    Late,
}

/// One line of a trace: what the world did, or what the supervisor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Time passes, then this arrives.
    Arrives(Duration, Letter),
    Start(u64),
    Started(Outcome),
    Stop(u32),
    Stopped(End),
    Report(Context, u64),
    Reply(&'static str),
    /// An answer that shows all children.
    Shown(Picture),
    /// Nothing is left to do until something arrives, or until then.
    Rests(Picture, Option<Duration>),
    /// One of a crowd is asked to end, like all others.
    Ask(u32),
    /// One of those that were asked ends.
    Falls(u32, End),
    /// Some of those that were asked have not ended in their time, which is over now.
    TimeIsUp(Duration),
    /// So that one is killed.
    Kill(u32),
    /// So many of a crowd ended like this, which is reported.
    Counted(Why, usize),
    Ready,
    Exit(Why),
}

/// What the places of all children look like, in start order: equal if they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture(u64);

impl Picture {
    pub(super) fn of(places: impl Iterator<Item = (ChildKey, Place<u32>)>) -> Self {
        let mix = |picture: u64, number: u64| (picture ^ number).wrapping_mul(0x0100_0000_01B3).rotate_left(29);
        Self(places.fold(0xCBF2_9CE4_8422_2325, |picture, (key, place)| {
            let shown = match place {
                Place::Down => 0,
                Place::Restarting(_) => 1,
                Place::Running(pid) => 2 + u64::from(pid),
            };
            mix(mix(picture, key.0), shown)
        }))
    }
}

/// Everything that happened, in order.
pub(super) type Trace = Vec<Line>;

/// Where a world's choices come from: below the bound.
pub(super) trait Choose {
    fn choose(&mut self, bound: usize) -> usize;
}

/// How eventful a history may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Letters that arrive while nothing is going on.
    pub(super) letters: usize,
    /// Letters that arrive during a start or a stop.
    pub(super) interruptions: usize,
    /// Starts and stops that do not go well.
    pub(super) mishaps: usize,
    /// Whether time may pass before letters, up to the edges of the window of restarts.
    pub(super) time: bool,
}

/// What the random numbers of a history begin with: the first two waits are then both short, short and long, long and
/// short, or both long.
pub(super) const SEEDS: [u64; 4] = [7, 3, 0, 1];
