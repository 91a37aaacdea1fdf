//! The steps still to take, and the one under way.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::action::Response;
use super::event::{CallId, ChildKey};

/// One step of a plan.
#[derive(Clone, Debug)]
pub(super) enum Step<P, R> {
    /// Start the child and wait for the answer.
    Start { child: ChildKey, why: Why },
    /// Stop the child, if it runs, and wait until it is down.
    Stop { child: ChildKey, then: Then },
    /// Stop all children at once and wait until they are down.
    StopAll,
    /// Let the child wait so long before its restart, and go on with other things.
    Wait { child: ChildKey, before: Option<P>, delay: Duration },
    /// Acknowledge the first start.
    Ready,
    /// Answer a call.
    Reply(CallId, Response<P, R>),
    /// End.
    Exit { reason: R },
}

/// On whose behalf a child is started, which decides what its failure means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// The supervisor starts. A failure fails the supervisor.
    First,
    /// It is restarted. A failure is retried.
    Restart,
    /// It is added by a call. A failure removes it.
    StartChild(CallId),
    /// It is revived by a call. A failure leaves it as it was.
    RestartChild(CallId),
}

/// What becomes of a stopped child's mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It is emptied: the child will be started again.
    Flush,
    /// It is closed: the child will not be started unless somebody asks.
    Close,
    /// The supervisor is ending, which closes them all.
    Leave,
}

/// The step under way.
#[derive(Clone, Debug)]
pub(super) enum Awaited<P, R> {
    /// A start's answer.
    Start { child: ChildKey, why: Why },
    /// A stopped child's `Down`.
    Stop { child: ChildKey, pid: P, then: Then, deadline: Option<Duration> },
    /// The `Down` of everybody.
    StopAll(Farewell<R>),
}

/// How far the stop of all children has come: they are asked one by one as actions are polled, so that a million children
/// are no million actions at a time.
#[derive(Clone, Debug)]
pub(super) struct Farewell<R> {
    /// Since when they are stopped.
    pub(super) since: Duration,
    /// Who is asked next: still here.
    pub(super) next: Option<ChildKey>,
    /// Who is to have ended by when: one timer for all that have the same time.
    pub(super) due: BTreeMap<Duration, Vec<ChildKey>>,
    /// Whose time is up, and who has not been killed yet.
    pub(super) late: VecDeque<ChildKey>,
    pub(super) tally: Tally<R>,
}

impl<R> Farewell<R> {
    /// When the next timer runs out.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due.first_key_value().map(|(at, _)| *at)
    }
}

/// How many children ended in which way that is to be reported.
#[derive(Clone, Debug)]
pub(super) struct Tally<R> {
    pub(super) ways: Vec<(R, usize)>,
    pub(super) various: usize,
}

/// So many different reasons are told apart; the others are counted together.
const WAYS: usize = 16;

impl<R: PartialEq> Tally<R> {
    pub(super) fn new() -> Self {
        Self { ways: Vec::new(), various: 0 }
    }

    pub(super) fn count(&mut self, reason: R) {
        if let Some((_, count)) = self.ways.iter_mut().find(|(way, _)| *way == reason) {
            *count += 1;
        } else if self.ways.len() < WAYS {
            self.ways.push((reason, 1));
        } else {
            self.various += 1;
        }
    }
}
