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
    /// The start that failed: whoever waits for it, and what to tell them.
    pub(crate) failed_start: Option<(Option<StartAck>, StartFailure)>,
    pub(crate) report: Option<Box<CrashReport>>,
}

/// What an incarnation gathers for its end.
pub(crate) struct End {
    incarnation: u32,
    pub(crate) recent: Recent,
    pub(crate) hand: Hand,
    /// Of the first crash: the others are its consequences.
    report: Option<Box<CrashReport>>,
}

impl End {
    pub(crate) fn new(incarnation: u32) -> Self {
        Self { incarnation, recent: Recent::default(), hand: Hand::default(), report: None }
    }

    fn pid<A: Actor>(&self, cell: &ActorCell<A>) -> Pid {
        Pid { id: cell.core().id(), incarnation: self.incarnation }
    }

    #[cold]
    pub(crate) fn panicked<A: Actor>(
        &mut self,
        cell: &ActorCell<A>,
        panic: Panic,
        callback: Callback,
        in_hand: Option<&'static str>,
    ) -> ExitReason {
        let reason = panic.reason(callback, in_hand);
        self.report(cell, &reason, panic.backtrace.map(|trace| trace.to_string()));
        reason
    }

    pub(crate) fn crashed<A: Actor>(&mut self, cell: &ActorCell<A>, reason: &ExitReason) {
        self.report(cell, reason, None);
    }

    fn report<A: Actor>(&mut self, cell: &ActorCell<A>, reason: &ExitReason, backtrace: Option<String>) {
        let ExitReason::Crashed(crash) = reason else { return };
        if self.report.is_some() {
            return;
        }
        let core = cell.core();
        self.report = Some(Box::new(CrashReport {
            pid: self.pid(cell),
            name: core.name.as_deref().map(str::to_owned),
            kind: std::any::type_name::<A>().to_owned(),
            crash: Crash::clone(crash),
            backtrace,
            recent: self.recent.kinds(&core.kinds).into_iter().map(str::to_owned).collect(),
            restarts: self.incarnation.saturating_sub(1),
        }));
    }

    pub(crate) fn before_start<A: Actor>(
        mut self,
        cell: &ActorCell<A>,
        ack: Option<StartAck>,
        failure: StartFailure,
        reason: ExitReason,
    ) -> Ended {
        self.crashed(cell, &reason);
        Ended { pid: self.pid(cell), reason, failed_start: Some((ack, failure)), report: self.report }
    }

    pub(crate) fn ended<A: Actor>(self, cell: &ActorCell<A>, reason: ExitReason) -> Ended {
        let pid = self.pid(cell);
        discard(self.hand);
        Ended { pid, reason, failed_start: None, report: self.report }
    }
}
