//! Stopping: one child, all children, the supervisor itself.
//!
//! The wait is on a monitor and not on the link, so that a child that has unlinked itself can neither hang the
//! supervisor nor escape; the link goes last, after the child's death.

use std::time::Duration;

use super::Core;
use super::action::{Action, ExitSignal, Place};
use super::children::Child;
use super::decide::{Reported, stopped};
use super::event::{ChildKey, Identity, Reason};
use super::plan::{Asking, Awaited, Step, Tally, Then};
use crate::child_spec::Shutdown;
use crate::report::{Cause, Context, Offender, Report};

impl<P: Identity, R: Reason> Core<P, R> {
    /// Gives up whatever was planned: all children are stopped, then the supervisor ends with this reason.
    pub(super) fn end(&mut self, reason: R) {
        self.plan.clear();
        self.waits.clear();
        if self.template.is_some() {
            self.plan.push_back(Step::StopAll);
        } else {
            let all = self.children.iter().rev();
            self.plan.extend(all.map(|(child, _)| Step::Stop { child, then: Then::Leave }));
        }
        self.plan.push_back(Step::Exit { reason });
    }

    pub(super) fn stop(&mut self, child: ChildKey, then: Then, now: Duration) {
        let record = self.children.get(child).expect("a planned child is not removed before its turn");
        match record.place() {
            Place::Running(pid) => {
                let deadline = self.ask_to_stop(pid, self.spec(child).shutdown, now);
                self.awaited = Some(Awaited::Stop { child, pid, then, deadline });
            }
            Place::Down | Place::Restarting(_) => self.rest(child, then),
        }
    }

    pub(super) fn stop_all(&mut self, now: Duration) {
        let Some(template) = &self.template else { unreachable!("named children are stopped one by one") };
        let (signal, deadline) = patience(template.spec.shutdown, now);
        if self.children.running() > 0 {
            let asking = self.children.first().map(|next| Asking { next, signal, monitor: true });
            self.awaited = Some(Awaited::StopAll { deadline, tally: Tally::new(), asking });
        }
    }

    /// Asks the next child of those that are stopped together. False: there is none.
    pub(super) fn ask_next(&mut self) -> bool {
        while let Some(Awaited::StopAll { asking, .. }) = &mut self.awaited
            && let Some(Asking { next, signal, monitor }) = *asking
        {
            let child = self.children.get(next).expect("who is next is here");
            *asking = child.after().map(|next| Asking { next, signal, monitor });
            if let Some(pid) = child.place().pid() {
                if monitor {
                    self.act(Action::Monitor { pid });
                }
                self.act(Action::Signal { pid, signal });
                return true;
            }
        }
        false
    }

    /// Monitors and signals; returns when patience ends.
    fn ask_to_stop(&mut self, pid: P, shutdown: Shutdown, now: Duration) -> Option<Duration> {
        let (signal, deadline) = patience(shutdown, now);
        self.act(Action::Monitor { pid });
        self.act(Action::Signal { pid, signal });
        deadline
    }

    pub(super) fn timeout(&mut self, now: Duration) {
        let Some(Awaited::Stop { deadline, .. } | Awaited::StopAll { deadline, .. }) = &mut self.awaited else {
            return;
        };
        if deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        *deadline = None;
        if let Some(Awaited::Stop { pid, .. }) = self.awaited {
            return self.act(Action::Signal { pid, signal: ExitSignal::Kill });
        }
        while self.ask_next() {}
        if let Some(Awaited::StopAll { asking, .. }) = &mut self.awaited {
            let first = self.children.first();
            *asking = first.map(|next| Asking { next, signal: ExitSignal::Kill, monitor: false });
        }
    }

    pub(super) fn down(&mut self, pid: P, reason: R) {
        match self.awaited.take() {
            Some(Awaited::Stop { child, pid: expected, then, .. }) if pid == expected => {
                let how = self.buried(pid, reason);
                self.judge(child, how);
                self.rest(child, then);
            }
            Some(Awaited::StopAll { deadline, mut tally, mut asking }) => {
                if let Some(child) = self.children.running_as(pid) {
                    let how = self.buried(pid, reason);
                    let spec = self.spec(child);
                    if stopped(spec.restart, spec.shutdown, how.class()) == Reported::Yes {
                        tally.count(how);
                    }
                    if let Some(was) = asking.filter(|asking| asking.next == child) {
                        // It has ended before it was to be killed.
                        let after = self.children.get(child).and_then(Child::after);
                        asking = after.map(|next| Asking { next, ..was });
                    }
                    self.rest(child, Then::Leave);
                }
                if self.children.running() == 0 {
                    self.report_tally(tally);
                } else {
                    self.awaited = Some(Awaited::StopAll { deadline, tally, asking });
                }
            }
            other => self.awaited = other,
        }
    }

    /// The true reason of a stopped child's end: its pending exit is preferred to what the monitor said.
    fn buried(&mut self, pid: P, reason: R) -> R {
        self.act(Action::Unlink { pid });
        self.inbox.take_exit(pid).unwrap_or(reason)
    }

    fn judge(&mut self, child: ChildKey, how: R) {
        let spec = self.spec(child);
        if stopped(spec.restart, spec.shutdown, how.class()) == Reported::Yes {
            self.report(Context::ShutdownError, Cause::Reason(how), child);
        }
    }

    /// A child that was to be stopped is down.
    fn rest(&mut self, child: ChildKey, then: Then) {
        let before = self.children.put(child, Place::Down);
        let waited = self.waits.cancel(child);
        if self.goes_when_down(child) {
            self.remove(child);
        } else if before != Place::Down {
            match then {
                Then::Flush => self.act(Action::Flush { child }),
                Then::Close => self.act(Action::Close { child }),
                Then::Leave => {}
            }
        }
        if waited && then == Then::Close {
            self.leave_down();
        }
    }

    fn report_tally(&mut self, tally: Tally<R>) {
        let Some(template) = &self.template else { unreachable!("only nameless children are counted") };
        let spec = template.spec.clone();
        let ways = tally.ways.into_iter().map(|(reason, count)| (Cause::Reason(reason), count));
        let various = (tally.various > 0).then_some((Cause::Various, tally.various));
        for (cause, count) in ways.chain(various) {
            let offender = Offender { count: Some(count), ..Offender::new(&spec, Place::Down) };
            self.act(Action::Report(Report { context: Context::ShutdownError, cause, offender }));
        }
    }
}

/// How a child is asked to stop, and until when it is waited for.
fn patience(shutdown: Shutdown, now: Duration) -> (ExitSignal, Option<Duration>) {
    match shutdown {
        Shutdown::BrutalKill => (ExitSignal::Kill, None),
        Shutdown::Within(limit) => (ExitSignal::Shutdown, now.checked_add(limit)),
        Shutdown::Unlimited => (ExitSignal::Shutdown, None),
    }
}
