//! Stopping: one child, all children, the supervisor itself.
//!
//! The wait is on a monitor and not on the link, so that a child that has unlinked itself can neither hang the
//! supervisor nor escape; the link goes last, after the child's death.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Core;
use super::action::{Action, ExitSignal, Place};
use super::decide::{Reported, stopped};
use super::event::{ChildKey, Identity, Reason};
use super::plan::{Awaited, Farewell, Step, Tally, Then};
use crate::child_spec::Shutdown;
use crate::report::{Cause, Context, Offender, Report};

impl<P: Identity, R: Reason> Core<P, R> {
    /// Gives up whatever was planned: all children are stopped, then the supervisor ends with this reason.
    pub(super) fn end(&mut self, reason: R) {
        self.ends = true;
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
        if self.children.running() > 0 {
            let (next, tally) = (self.children.first(), Tally::new());
            let (due, late) = (BTreeMap::new(), VecDeque::new());
            self.awaited = Some(Awaited::StopAll(Farewell { since: now, next, due, late, tally }));
        }
    }

    /// Asks the next of those that are stopped together, or kills the next of those whose time is up. False: there is none.
    pub(super) fn ask_next(&mut self) -> bool {
        let Some(Awaited::StopAll(all)) = &mut self.awaited else { return false };
        while let Some(next) = all.next {
            let child = self.children.get(next).expect("who is next is here");
            all.next = self.children.after(next);
            if let Some(pid) = child.place().pid() {
                let (signal, deadline) = patience(child.spec.shutdown, all.since);
                if let Some(deadline) = deadline {
                    all.due.entry(deadline).or_default().push(next);
                }
                self.actions.extend([Action::Monitor { pid }, Action::Signal { pid, signal }]);
                return true;
            }
        }
        while let Some(late) = all.late.pop_front() {
            // Perhaps it has ended meanwhile.
            if let Some(pid) = self.children.get(late).and_then(|child| child.place().pid()) {
                self.actions.push_back(Action::Signal { pid, signal: ExitSignal::Kill });
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
        match &mut self.awaited {
            Some(Awaited::Stop { pid, deadline, .. }) => {
                if deadline.take_if(|deadline| *deadline <= now).is_some() {
                    let pid = *pid;
                    self.act(Action::Signal { pid, signal: ExitSignal::Kill });
                }
            }
            Some(Awaited::StopAll(_)) => self.time_is_up(now),
            Some(Awaited::Start { .. }) | None => {}
        }
    }

    /// Of those that are stopped together, some have had their time.
    fn time_is_up(&mut self, now: Duration) {
        while self.ask_next() {}
        let Some(Awaited::StopAll(all)) = &mut self.awaited else { return };
        while let Some(entry) = all.due.first_entry().filter(|entry| *entry.key() <= now) {
            all.late.extend(entry.remove());
        }
    }

    pub(super) fn down(&mut self, pid: P, reason: R) {
        match self.awaited.take() {
            Some(Awaited::Stop { child, pid: expected, then, .. }) if pid == expected => {
                let how = self.buried(pid, reason);
                self.judge(child, how);
                self.rest(child, then);
            }
            Some(Awaited::StopAll(mut all)) => {
                if let Some(child) = self.children.running_as(pid) {
                    let how = self.buried(pid, reason);
                    let spec = self.spec(child);
                    if stopped(spec.restart, spec.shutdown, how.class()) == Reported::Yes {
                        all.tally.count(how);
                    }
                    self.rest(child, Then::Leave);
                }
                if self.children.running() == 0 {
                    self.report_tally(all.tally);
                } else {
                    self.awaited = Some(Awaited::StopAll(all));
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
            self.report(Context::ShutdownError, Cause::Reason(how), child, None);
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
            self.act(Action::Report(Report { context: Context::ShutdownError, cause, offender, ruling: None }));
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
