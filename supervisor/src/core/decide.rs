//! The two tables: what a child's end leads to, and which ends of stopped children are reported.

use super::event::ReasonClass;
use crate::child_spec::{Restart, Shutdown};

/// What the end of a child leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Restart it.
    Restart,
    /// It has ended for good; its specification stays.
    Keep,
    /// It has ended for good, and its specification goes.
    Remove,
}

/// A child ended by itself: what to do, and whether to report it.
pub(super) fn decide(restart: Restart, normal_class: bool) -> (Fate, Reported) {
    match (restart, normal_class) {
        (Restart::Permanent, _) => (Fate::Restart, Reported::Yes),
        (Restart::Transient, true) => (Fate::Keep, Reported::No),
        (Restart::Transient, false) => (Fate::Restart, Reported::Yes),
        (Restart::Temporary, true) => (Fate::Remove, Reported::No),
        (Restart::Temporary, false) => (Fate::Remove, Reported::Yes),
    }
}

/// Whether an end is worth a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    Yes,
    No,
}

/// A child was stopped: whether the way it ended is reported. The stop has succeeded in any case.
pub(super) fn stopped(restart: Restart, shutdown: Shutdown, how: ReasonClass) -> Reported {
    let brutal = shutdown == Shutdown::BrutalKill;
    let fine = match how {
        ReasonClass::Killed => brutal,
        ReasonClass::Shutdown => !brutal || restart != Restart::Permanent,
        ReasonClass::OtherNormal => restart != Restart::Permanent,
        ReasonClass::Abnormal => false,
    };
    if fine { Reported::No } else { Reported::Yes }
}
