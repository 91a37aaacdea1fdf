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
    past: Option<Box<Past>>,
}

/// What there is to be told of an incarnation that has handled anything. Those that wait for their first message have none.
#[derive(Default)]
pub(crate) struct Past {
    pub(crate) recent: Recent,
    pub(crate) hand: Hand,
    /// Of the first crash: the others are its consequences.
    report: Option<Box<CrashReport>>,
}

impl End {
    pub(crate) fn new(incarnation: u32) -> Self {
        Self { incarnation, past: None }
    }

    #[inline(always)]
    pub(crate) fn past(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
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
        let (pid, core) = (self.pid(cell), cell.core());
        let past = self.past();
        if past.report.is_some() {
            return;
        }
        past.report = Some(Box::new(CrashReport {
            pid,
            name: core.name.as_deref().map(str::to_owned),
            kind: std::any::type_name::<A>().to_owned(),
            crash: Crash::clone(crash),
            backtrace,
            recent: past.recent.kinds(&core.kinds).into_iter().map(str::to_owned).collect(),
            restarts: pid.incarnation.saturating_sub(1),
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
        let pid = self.pid(cell);
        Ended { pid, reason, failed_start: Some((ack, failure)), report: self.past.and_then(|past| past.report) }
    }

    pub(crate) fn ended<A: Actor>(self, cell: &ActorCell<A>, reason: ExitReason) -> Ended {
        let pid = self.pid(cell);
        let report = self.past.and_then(|past| {
            let Past { hand, report, .. } = *past;
            discard(hand);
            report
        });
        Ended { pid, reason, failed_start: None, report }
    }
}
