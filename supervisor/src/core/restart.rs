//! A child ended by itself: whether it is restarted, who goes with it, and when to give up.

use std::time::Duration;

use crashworthy_runtime::{Decision, Ruling};

use super::Core;
use super::action::{Action, Place};
use super::decide::{Fate, Reported, decide};
use super::event::{ChildKey, Identity, Reason};
use super::inbox::Letter;
use super::plan::{Step, Then, Why};
use super::waits::Generation;
use crate::child_spec::Restart;
use crate::intensity::Verdict;
use crate::report::{Cause, Context};
use crate::strategy::{AutoShutdown, Strategy};

impl<P: Identity, R: Reason> Core<P, R> {
    pub(super) fn child_exited(&mut self, child: ChildKey, reason: R, now: Duration) {
        let spec = self.spec(child);
        let (fate, reported) = decide(spec.restart, reason.is_normal_class());
        let over = fate != Fate::Restart && spec.significant && self.ends_with_it();
        let ruling = match fate {
            Fate::Restart => self.count_restart(child, now),
            Fate::Keep | Fate::Remove if over => self.ruling(Decision::ShutDown, now),
            Fate::Keep | Fate::Remove => self.ruling(Decision::LeaveEnded, now),
        };
        if reported == Reported::Yes {
            self.report(Context::ChildTerminated, Cause::Reason(reason), child, Some(ruling));
        }
        match fate {
            Fate::Restart => return self.restart(child, ruling),
            Fate::Keep if self.template.is_none() => {
                self.children.put(child, Place::Down);
                self.act(Action::Close { child });
            }
            Fate::Keep | Fate::Remove => self.remove(child),
        }
        if over {
            self.end(R::shutdown());
        }
    }

    /// Counts one more restart: whether it may happen, and how long it waits.
    fn count_restart(&mut self, child: ChildKey, now: Duration) -> Ruling {
        self.counted.insert(child);
        if self.window.count(now, self.flags.intensity) == Verdict::Exceeded {
            return self.ruling(Decision::GiveUp, now);
        }
        let wait = self.flags.backoff.map_or(Duration::ZERO, |backoff| self.waits.draw(child, now, &backoff));
        self.ruling(Decision::Restart { with: self.flags.strategy.siblings(), wait }, now)
    }

    fn restart(&mut self, child: ChildKey, ruling: Ruling) {
        let Decision::Restart { wait, .. } = ruling.decision else {
            // Before it is told: whoever looks then finds a child that is not started again.
            self.act(Action::Close { child });
            let cause = Cause::ReachedMaxRestartIntensity(self.flags.intensity);
            self.report(Context::Shutdown, cause, child, Some(ruling));
            self.children.put(child, Place::Down);
            return self.end(R::shutdown());
        };
        let before = self.life_before(child);
        match self.flags.strategy {
            Strategy::OneForOne => drop(self.children.put(child, Place::Restarting(before))),
            group @ (Strategy::OneForAll | Strategy::RestForOne) => {
                self.children.put(child, Place::Down);
                self.act(Action::Flush { child });
                let members = self.children.range(group.fate(child));
                self.plan.extend(members.rev().map(|(child, _)| Step::Stop { child, then: Then::Flush }));
            }
        }
        match self.flags.backoff {
            None => self.plan_starts(child),
            Some(_) => self.plan.push_back(Step::Wait { child, before, delay: wait }),
        }
    }

    /// Those that are started with this child, and stay when they end.
    fn plan_starts(&mut self, child: ChildKey) {
        let members = self.children.range(self.flags.strategy.fate(child));
        let staying = members.filter(|(_, member)| member.spec.restart != Restart::Temporary);
        self.plan.extend(staying.map(|(child, _)| Step::Start { child, why: Why::Restart }));
    }

    /// Those that will be started with this child, and are down, are so until then.
    pub(super) fn postpone(&mut self, child: ChildKey, until: Duration) {
        let members = self.children.range(self.flags.strategy.fate(child));
        let staying = members.filter(|(_, member)| member.spec.restart != Restart::Temporary);
        let down: Vec<ChildKey> =
            staying.filter(|(_, member)| member.place().pid().is_none()).map(|(child, _)| child).collect();
        for child in down {
            self.act(Action::Postpone { child, until });
        }
    }

    /// The wait of this child is over, unless it was cancelled meanwhile. Members of its group that were started by hand are
    /// stopped once more; what the others have been sent while they waited is theirs. From now on it is one of the group:
    /// if another fails to start, the retry is that one's.
    pub(super) fn waited(&mut self, child: ChildKey, generation: Generation) {
        if !self.waits.is(child, generation) {
            return;
        }
        self.waits.cancel(child);
        if self.flags.strategy != Strategy::OneForOne {
            self.children.put(child, Place::Down);
        }
        let members = self.children.range(self.flags.strategy.fate(child));
        let running = members.rev().filter(|(_, member)| member.place().pid().is_some());
        self.plan.extend(running.map(|(child, _)| Step::Stop { child, then: Then::Flush }));
        self.plan_starts(child);
    }

    /// The restart of this child failed: the rest of the round is off, and a letter to ourselves tries again after
    /// everything that has arrived meanwhile.
    pub(super) fn retry_later(&mut self, child: ChildKey) {
        let before = self.life_before(child);
        self.children.put(child, Place::Restarting(before));
        self.plan.clear();
        self.inbox.push(Letter::Retry(child));
    }

    pub(super) fn retry(&mut self, child: ChildKey, now: Duration) {
        let place = self.children.get(child).map(|record| record.place());
        match place {
            // A letter from before it was stopped, started and restarted once more is not heeded.
            Some(Place::Restarting(_)) if self.waits.has(child) => {}
            Some(Place::Restarting(_)) => {
                let ruling = self.count_restart(child, now);
                self.restart(child, ruling);
            }
            Some(Place::Running(_) | Place::Down) | None => self.leave_down(),
        }
    }

    /// The restart of a group was called off: those of its members that are down stay so, and what is sent to them must
    /// not wait, unless another restart that is due takes them along. (Those that were down before are closed already.)
    pub(super) fn leave_down(&mut self) {
        let another = self.children.restarting() > 0;
        match self.flags.strategy {
            Strategy::OneForAll if another => return,
            Strategy::OneForAll | Strategy::RestForOne => {}
            Strategy::OneForOne => return,
        }
        // It would take along those that come after it.
        let spared = self.children.iter().take_while(|(_, child)| !matches!(child.place(), Place::Restarting(_)));
        let down = spared.filter(|(_, child)| child.place() == Place::Down);
        let down: Vec<ChildKey> = down.map(|(child, _)| child).collect();
        for child in down {
            self.act(Action::Close { child });
        }
    }

    /// Whether the supervisor ends with this significant child, which has ended for good and still holds its place.
    fn ends_with_it(&self) -> bool {
        match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => self.children.significant() == 1,
        }
    }
}
