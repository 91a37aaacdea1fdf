//! The end of an incarnation: what is gathered for it, and what is left when it has come.

use std::backtrace::Backtrace;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::cell::ActorCell;
use crate::crash::{Panic, discard};
use crate::exit::{Callback, Crash, ExitReason};
use crate::kinds::Recent;
use crate::life::{StartAck, StartFailure};
use crate::pid::{ActorId, Pid};
use crate::report::millis::whole;
use crate::report::{self, CrashReport, Handled, InHand, Judgement, LazyBacktrace, Sender};
use crate::serve::Hand;
use crate::shared::Shared;
use crate::turn;

/// How an incarnation ended.
pub(crate) struct Ended {
    pub(crate) pid: Pid,
    pub(crate) reason: ExitReason,
    /// The start that failed: whoever waits for it, and what to tell them.
    pub(crate) failed_start: Option<(Option<StartAck>, StartFailure)>,
    pub(crate) report: Option<Box<CrashReport>>,
}

/// What an incarnation gathers for its end. Used in its own turns alone.
#[derive(Default)]
pub(crate) struct End {
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
    #[inline(always)]
    pub(crate) fn past(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    #[cold]
    pub(crate) fn panicked<A: Actor>(
        &mut self,
        cell: &ActorCell<A>,
        panic: Panic,
        callback: Callback,
        in_hand: Option<Taken>,
    ) -> ExitReason {
        let reason = panic.reason(callback, in_hand.map(|taken| taken.kind));
        self.report(cell, &reason, panic.backtrace, in_hand);
        reason
    }

    pub(crate) fn crashed<A: Actor>(&mut self, cell: &ActorCell<A>, reason: &ExitReason, in_hand: Option<Taken>) {
        self.report(cell, reason, None, in_hand);
    }

    fn report<A: Actor>(
        &mut self,
        cell: &ActorCell<A>,
        reason: &ExitReason,
        backtrace: Option<Backtrace>,
        in_hand: Option<Taken>,
    ) {
        let ExitReason::Crashed(crash) = reason else { return };
        let (pid, past) = (turn::current().pid, self.past());
        if past.report.is_none() {
            let report = compose(cell, pid, crash, &mut past.recent, in_hand);
            past.report = Some(Box::new(CrashReport { backtrace: backtrace.map(LazyBacktrace::new), ..report }));
        }
    }

    pub(crate) fn before_start<A: Actor>(
        mut self,
        cell: &ActorCell<A>,
        ack: Option<StartAck>,
        failure: StartFailure,
        reason: ExitReason,
    ) -> Ended {
        self.crashed(cell, &reason, None);
        let pid = turn::current().pid;
        Ended { pid, reason, failed_start: Some((ack, failure)), report: self.past.and_then(|past| past.report) }
    }

    pub(crate) fn ended(self, reason: ExitReason) -> Ended {
        let pid = turn::current().pid;
        let report = self.past.and_then(|past| {
            let Past { hand, report, .. } = *past;
            discard(hand);
            report
        });
        Ended { pid, reason, failed_start: None, report }
    }
}

/// The message in hand: its kind, and when it was taken, as a stamp of the coarse clock.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) kind: &'static str,
    pub(crate) at: u32,
}

/// What is known of a crash just now.
#[cold]
fn compose<A: Actor>(
    cell: &ActorCell<A>,
    pid: Pid,
    crash: &Arc<Crash>,
    recent: &mut Recent,
    in_hand: Option<Taken>,
) -> CrashReport {
    let (core, shared) = (cell.core(), cell.core().shared());
    // Also brings the coarse clock up to date, by which ages are told.
    let at = Duration::from_nanos(shared.port.now_ns());
    let age = |stamp| whole(shared.age(stamp));
    let handled = |(kind, taken)| Handled { kind: report::kind(kind), age: age(taken) };
    CrashReport {
        pid,
        path: core.path(),
        name: core.name_arc(),
        kind: report::kind(std::any::type_name::<A>()),
        at: whole(at),
        restarts: pid.incarnation.saturating_sub(1),
        crash: report::bounded(crash),
        in_hand: in_hand.map(|taken| {
            let (from, sent_ago) = core.origin();
            InHand {
                kind: report::kind(taken.kind),
                from: Sender::of(shared, pid.id, from),
                asked: cell.with_owner(|owner| owner.caller.is_some()).unwrap_or(false),
                sent_ago: whole(sent_ago),
                taken_ago: age(taken.at),
            }
        }),
        recent: recent.kinds().into_iter().map(handled).collect(),
        backtrace: None,
        judgement: Judgement::Nobodys,
        logged: false,
        withheld: 0,
    }
}

impl Sender {
    /// Whoever sent `own` something: from.
    pub(crate) fn of(shared: &Shared, own: ActorId, from: ActorId) -> Self {
        match from {
            ActorId::OUTSIDE => Self::Outside,
            from if from == own => Self::Itself,
            id => Self::Another { id, path: shared.find(id).map(|cell| cell.core().path()) },
        }
    }
}
