//! The end of an incarnation: what is gathered for it, and what is left when it has come.

use crate::actor::Actor;
use crate::cell::ActorCell;
use crate::crash::{CrashReport, Panic, discard};
use crate::exit::{Callback, Crash, ExitReason};
use crate::kinds::Recent;
use crate::pid::Pid;
use crate::process::{StartAck, StartFailure};
use crate::serve::Hand;

/// How an incarnation ended.
pub(crate) struct Ended {
    pub(crate) pid: Pid,
    pub(crate) reason: ExitReason,
    /// The start that was never acknowledged, and what to tell whoever waits for it.
    pub(crate) failed_start: Option<(StartAck, StartFailure)>,
    pub(crate) report: Option<Box<CrashReport>>,
}

impl Ended {
    pub(crate) fn of(pid: Pid, reason: ExitReason) -> Self {
        Self { pid, reason, failed_start: None, report: None }
    }
}

/// What an incarnation gathers for its end.
pub(crate) struct End<A: Actor> {
    cell: ActorCell<A>,
    pub(crate) pid: Pid,
    pub(crate) recent: Recent,
    pub(crate) hand: Hand,
    /// Of the first crash: the others are its consequences.
    report: Option<Box<CrashReport>>,
}

impl<A: Actor> End<A> {
    pub(crate) fn new(cell: ActorCell<A>, pid: Pid) -> Self {
        Self { cell, pid, recent: Recent::default(), hand: Hand::default(), report: None }
    }

    #[cold]
    pub(crate) fn panicked(&mut self, panic: Panic, callback: Callback, in_hand: Option<&'static str>) -> ExitReason {
        let reason = panic.reason(callback, in_hand);
        self.report(&reason, panic.backtrace.map(|trace| trace.to_string()));
        reason
    }

    pub(crate) fn crashed(&mut self, reason: &ExitReason) {
        self.report(reason, None);
    }

    fn report(&mut self, reason: &ExitReason, backtrace: Option<String>) {
        let ExitReason::Crashed(crash) = reason else { return };
        if self.report.is_some() {
            return;
        }
        let core = &self.cell.core;
        self.report = Some(Box::new(CrashReport {
            pid: self.pid,
            name: core.name.as_deref().map(str::to_owned),
            kind: std::any::type_name::<A>().to_owned(),
            crash: Crash::clone(crash),
            backtrace,
            recent: self.recent.kinds(&core.kinds).into_iter().map(str::to_owned).collect(),
            restarts: self.pid.incarnation.saturating_sub(1),
        }));
    }

    pub(crate) fn before_start(mut self, ack: StartAck, failure: StartFailure, reason: ExitReason) -> Ended {
        self.crashed(&reason);
        Ended { pid: self.pid, reason, failed_start: Some((ack, failure)), report: self.report }
    }

    pub(crate) fn ended(self, reason: ExitReason) -> Ended {
        discard(self.hand);
        Ended { pid: self.pid, reason, failed_start: None, report: self.report }
    }
}
