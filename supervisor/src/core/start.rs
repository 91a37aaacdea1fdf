//! Starting: for the first time, again, and on request, and what a failure means in each case.

use std::time::Duration;

use crashworthy_runtime::Decision;

use super::action::{Action, CallError, Place, Response};
use super::event::{ChildKey, Identity, Reason};
use super::plan::{Awaited, Step, Why};
use super::{Core, Phase};
use crate::report::{Cause, Context};

impl<P: Identity, R: Reason> Core<P, R> {
    pub(super) fn begin(&mut self) {
        assert_eq!(self.phase, Phase::Fresh, "a supervisor begins once");
        self.phase = Phase::Starting;
        self.plan.extend(self.children.iter().map(|(child, _)| Step::Start { child, why: Why::First }));
        self.plan.push_back(Step::Ready);
    }

    fn answered(&mut self, answered: ChildKey) -> Why {
        match self.awaited.take() {
            Some(Awaited::Start { child, why }) if child == answered => why,
            other => panic!("{answered:?} was started unasked, awaited was {other:?}"),
        }
    }

    pub(super) fn started(&mut self, child: ChildKey, pid: P, now: Duration) {
        let why = self.answered(child);
        self.children.put(child, Place::Running(pid));
        self.waits.started(child, now);
        if self.template.is_none() {
            self.report(Context::Progress, Cause::Started, child, None);
        }
        match why {
            Why::First | Why::Restart => {}
            Why::StartChild(call) | Why::RestartChild(call) => self.act(Action::Reply(call, Response::Started(pid))),
        }
    }

    pub(super) fn ignored(&mut self, child: ChildKey) {
        let why = self.answered(child);
        self.children.put(child, Place::Down);
        if self.goes_when_down(child) {
            self.remove(child);
        } else {
            self.act(Action::Close { child });
        }
        match why {
            Why::First | Why::Restart => {}
            Why::StartChild(call) | Why::RestartChild(call) => self.act(Action::Reply(call, Response::Ignored)),
        }
    }

    pub(super) fn start_failed(&mut self, child: ChildKey, reason: R, now: Duration) {
        match self.answered(child) {
            Why::First => {
                let ruling = self.ruling(Decision::FailStart, now);
                self.report(Context::StartError, Cause::Reason(reason.clone()), child, Some(ruling));
                let why = R::failed_to_start(&self.spec(child).id, &reason);
                self.end(why);
            }
            Why::Restart => {
                let ruling = self.ruling(Decision::Retry, now);
                self.report(Context::StartError, Cause::Reason(reason), child, Some(ruling));
                self.retry_later(child);
            }
            Why::StartChild(call) => {
                self.remove(child);
                self.act(Action::Reply(call, Response::Refused(CallError::StartFailed(reason))));
            }
            Why::RestartChild(call) => {
                // It stays down, and nobody is to start it: what is sent to it must not wait.
                self.act(Action::Close { child });
                self.act(Action::Reply(call, Response::Refused(CallError::StartFailed(reason))));
            }
        }
    }
}
