//! The supervisor's decisions as a pure state machine: events in, actions out, time as an argument.
//!
//! A core never asks for the time, starts nothing, waits for nothing and locks nothing. Whoever drives it hands in
//! what happened ([`Event`]), carries out what it says ([`Action`]), in order, and wakes it when it asks to be woken:
//!
//! ```
//! use crashworthy_supervisor::core::{Action, Core, Event, Reason, ReasonClass, Spec};
//! use crashworthy_supervisor::{ChildSpec, Flags};
//! # #[derive(Clone, PartialEq, Debug)]
//! # struct Why(&'static str);
//! # impl Reason for Why {
//! #     fn class(&self) -> ReasonClass { ReasonClass::Abnormal }
//! #     fn shutdown() -> Self { Why("shutdown") }
//! #     fn failed_to_start(_: &str, _: &Self) -> Self { Why("failed") }
//! # }
//! # use std::time::Duration;
//! let spec = Spec::new(Flags::default(), vec![ChildSpec::worker("till")])?;
//! let mut core = Core::<u32, Why>::new(spec);
//! core.handle(Duration::ZERO, Event::Begin);
//! let Some(Action::Start { child, .. }) = core.poll_action() else { panic!("the till is to be started") };
//! core.handle(Duration::ZERO, Event::Started { child, pid: 1 });
//! while core.poll_action().is_some() {}                        // a progress report, and Ready
//! core.handle(Duration::ZERO, Event::Exited { pid: 1, reason: Why("paper jam") });
//! assert!(matches!(core.poll_action(), Some(Action::Report(_))));
//! assert!(matches!(core.poll_action(), Some(Action::Start { attempt: 2, .. })));
//! # Ok::<(), crashworthy_supervisor::core::Invalid>(())
//! ```
//!
//! # One step at a time
//! A **plan** holds the steps still to take, an **inbox** the events that wait until the plan is done. While a start
//! or a stop is awaited everything but its answer waits, in arrival order, exactly as in OTP, where a supervisor is one
//! process that blocks. So the order of starts and stops *is* the order of the plan, a failed restart goes to the back
//! of the inbox, and a start that never ends stands still until somebody above loses patience.
//!
//! # Invariants
//! - A child is never started while it runs, nor while another start or stop is under way.
//! - Starts of one round go up the start order, stops go down.
//! - [`Action::Exit`] is the last action, with no child up.
//! - Every [`Event::Call`] is answered once, or void because of `Exit`.
//! - The same events, and the same seed where there is a back-off, give the same actions.
//!
//! # Differs from OTP
//! Restart instants are exact ([`Intensity`](crate::Intensity)). Restarts can be told to wait ([`Backoff`](crate::Backoff));
//! then the wait is between the stops of a group and its starts.

mod action;
mod calls;
mod children;
mod decide;
mod event;
mod inbox;
mod plan;
mod restart;
mod spec;
mod start;
mod stop;
#[cfg(test)]
mod tests;
mod waits;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Budget, Decision, Ruling};

pub use action::{Action, CallError, ChildInfo, Counts, ExitSignal, Place, Response};
pub use event::{CallId, ChildKey, Event, Identity, Reason, ReasonClass, Request, Target};
pub(crate) use spec::flags_rule;
pub use spec::{Broken, Invalid, Spec, check};

use crate::child_spec::{ChildSpec, Restart};
use crate::intensity::Window;
use crate::report::{Cause, Context, Offender, Report};
use crate::strategy::Flags;
use children::{Child, Children};
use inbox::{Inbox, Letter};
use plan::{Awaited, Step};
use spec::Members;
use waits::Waits;

/// The decisions of one incarnation of one supervisor.
#[derive(Clone, Debug)]
pub struct Core<P, R> {
    flags: Flags,
    template: Option<Template>,
    children: Children<P>,
    next_key: u64,
    window: Window,
    waits: Waits,
    inbox: Inbox<P, R>,
    plan: VecDeque<Step<P, R>>,
    awaited: Option<Awaited<P, R>>,
    actions: VecDeque<Action<P, R>>,
    phase: Phase,
    /// Whose restarts were counted since somebody asked.
    counted: BTreeSet<ChildKey>,
    /// It is to end: its children are being stopped.
    ends: bool,
}

/// What all children of a dynamic supervisor have in common, unless they bring something else.
#[derive(Clone, Debug)]
struct Template {
    spec: Arc<ChildSpec>,
    max_children: usize,
    /// Specifications that differ in other things than the name: those who have the same share one.
    variants: Vec<Arc<ChildSpec>>,
}

/// So many specifications are shared; whoever has yet another one has it alone.
const VARIANTS: usize = 16;

impl Template {
    /// The specification of a child that brings this one.
    fn specify(&mut self, own: Option<ChildSpec>) -> Arc<ChildSpec> {
        let Some(own) = own else { return self.spec.clone() };
        let known = std::iter::once(&self.spec).chain(&self.variants).find(|known| ***known == own);
        if let Some(known) = known {
            return known.clone();
        }
        let own = Arc::new(own);
        if own.id == self.spec.id && self.variants.len() < VARIANTS {
            self.variants.push(own.clone());
        }
        own
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// `Begin` has not come.
    Fresh,
    /// The children are being started for the first time.
    Starting,
    /// The inbox is read whenever no step is under way or planned.
    Running,
    /// `Exit` is out.
    Ended,
}

impl<P: Identity, R: Reason> Core<P, R> {
    /// A core that waits for [`Event::Begin`]. The children of a static supervisor have the keys 0, 1, 2 and so on in
    /// start order.
    pub fn new(spec: Spec) -> Self {
        let mut core = Self {
            flags: spec.flags,
            template: None,
            children: Children::new(matches!(spec.members, Members::Static(_))),
            next_key: 0,
            window: Window::default(),
            waits: Waits::new(0),
            inbox: Inbox::new(),
            plan: VecDeque::new(),
            awaited: None,
            actions: VecDeque::new(),
            phase: Phase::Fresh,
            counted: BTreeSet::new(),
            ends: false,
        };
        match spec.members {
            Members::Static(children) => {
                for child in children {
                    let key = core.next_key();
                    core.children.add(key, Arc::new(child));
                }
            }
            Members::Dynamic { template, max_children } => {
                core.template = Some(Template { spec: template, max_children, variants: Vec::new() });
            }
        }
        core
    }

    /// The same core, with another beginning for the random numbers that back-offs are drawn from.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.waits = Waits::new(seed);
        self
    }

    /// A key for a child that is about to be added by a call.
    pub fn next_key(&mut self) -> ChildKey {
        let key = ChildKey(self.next_key);
        self.next_key += 1;
        key
    }

    /// Takes notice of an event at `now`, which is counted from any fixed instant and never goes back.
    ///
    /// # Panics
    /// On the answer to a start that was not asked for, and on a second `Begin`.
    pub fn handle(&mut self, now: Duration, event: Event<P, R>) {
        if self.phase == Phase::Ended {
            return;
        }
        while let Some((child, generation)) = self.waits.over(now) {
            self.inbox.push(Letter::Waited(child, generation));
        }
        match event {
            Event::Begin => self.begin(),
            Event::Started { child, pid } => self.started(child, pid, now),
            Event::Ignored { child } => self.ignored(child),
            Event::StartFailed { child, reason } => self.start_failed(child, reason, now),
            Event::Down { pid, reason } => self.down(pid, reason),
            Event::Timeout => self.timeout(now),
            Event::Exited { pid, reason } => self.inbox.push(Letter::Exited { pid, reason }),
            Event::ParentExit { reason } => self.inbox.push(Letter::ParentExit { reason }),
            Event::Call(call, request) => self.inbox.push(Letter::Call(call, request)),
        }
        self.proceed(now);
    }

    /// The next thing to do, if there is any.
    pub fn poll_action(&mut self) -> Option<Action<P, R>> {
        if self.actions.is_empty() {
            self.ask_next();
        }
        self.actions.pop_front()
    }

    /// When to hand in [`Event::Timeout`], unless something else has happened by then. Asked for after the actions.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let patience = match self.awaited {
            Some(Awaited::Stop { deadline, .. }) => deadline,
            Some(Awaited::StopAll(ref farewell)) => farewell.deadline(),
            Some(Awaited::Start { .. }) | None => None,
        };
        patience.into_iter().chain(self.waits.until()).min()
    }

    /// The supervisor's own settings.
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// The children as they stand, in start order.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = ChildInfo<P>> + '_ {
        self.children.iter().map(|(child, record)| self.info(child, record))
    }

    /// The children in a part of the start order.
    pub(crate) fn fate(&self, part: (Bound<ChildKey>, Bound<ChildKey>)) -> impl Iterator<Item = ChildKey> + '_ {
        self.children.range(part).map(|(child, _)| child)
    }

    /// One child as it stands, if it is specified.
    pub fn child(&self, child: ChildKey) -> Option<ChildInfo<P>> {
        self.children.get(child).map(|record| self.info(child, record))
    }

    /// The specification of one child, if it has one.
    pub fn specification(&self, child: ChildKey) -> Option<&ChildSpec> {
        self.children.get(child).map(|record| &*record.spec)
    }

    /// How many restarts count at `now`; [`Intensity::restarts`](crate::Intensity::restarts) are allowed.
    pub fn restarts_counted(&self, now: Duration) -> usize {
        self.window.counted(now, self.flags.intensity.period)
    }

    /// How many restarts there ever were, those included that were not allowed.
    pub fn restarts_ever(&self) -> u64 {
        self.window.ever()
    }

    /// Whose restarts were counted since this was asked last. With them the ends of all who [share their fate](crate::Strategy::fate) are
    /// settled, as far as they have not been started again.
    pub fn take_counted(&mut self) -> impl Iterator<Item = ChildKey> + use<P, R> {
        std::mem::take(&mut self.counted).into_iter()
    }

    /// How many significant children run or are being restarted.
    pub fn significant(&self) -> usize {
        self.children.significant()
    }

    /// When the newest of those were made that may still count, so many at the most, oldest first.
    pub fn newest_restarts(&self, most: usize) -> Vec<Duration> {
        self.window.newest(most)
    }

    /// The same as what is left of what is allowed.
    pub fn budget(&self, now: Duration) -> Budget {
        let limit = self.flags.intensity;
        let restarts = u32::try_from(self.restarts_counted(now)).unwrap_or(u32::MAX);
        Budget { restarts, allowed: limit.restarts, period: limit.period }
    }

    /// How many events wait to be read.
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Whether it ends, or has: nothing is counted any more, and nobody is started.
    pub fn is_ending(&self) -> bool {
        self.ends
    }

    /// Whether [`Action::Exit`] is out.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    // --- The loop ---

    /// Takes steps and reads letters until an answer is needed or nothing is left.
    fn proceed(&mut self, now: Duration) {
        while self.awaited.is_none() && self.phase != Phase::Ended {
            if let Some(step) = self.plan.pop_front() {
                self.take(step, now);
            } else if self.phase != Phase::Running {
                return;
            } else if let Some(letter) = self.inbox.pop() {
                self.read(letter, now);
            } else {
                return;
            }
        }
    }

    fn take(&mut self, step: Step<P, R>, now: Duration) {
        match step {
            Step::Start { child, why } => {
                self.waits.cancel(child);
                let attempt = self.children.attempt(child);
                self.awaited = Some(Awaited::Start { child, why });
                self.act(Action::Start { child, attempt });
            }
            Step::Stop { child, then } => self.stop(child, then, now),
            Step::StopAll => self.stop_all(now),
            Step::Wait { child, before, delay } => {
                self.children.put(child, Place::Restarting(before));
                self.waits.begin(child, now.saturating_add(delay));
                self.postpone(child, now.saturating_add(delay));
            }
            Step::Ready => {
                self.phase = Phase::Running;
                self.act(Action::Ready);
            }
            Step::Reply(call, response) => self.act(Action::Reply(call, response)),
            Step::Exit { reason } => {
                assert_eq!(self.children.running(), 0, "no child is up when its supervisor ends");
                self.phase = Phase::Ended;
                self.inbox.clear();
                self.act(Action::Exit { reason });
            }
        }
    }

    fn read(&mut self, letter: Letter<P, R>, now: Duration) {
        match letter {
            Letter::Exited { pid, reason } => {
                if let Some(child) = self.children.running_as(pid) {
                    self.child_exited(child, reason, now);
                }
            }
            Letter::ParentExit { reason } => self.end(reason),
            Letter::Call(call, request) => self.call(call, request),
            Letter::Retry(child) => self.retry(child, now),
            Letter::Waited(child, generation) => self.waited(child, generation),
        }
    }

    // --- Plain work ---

    fn remove(&mut self, child: ChildKey) {
        self.children.remove(child);
        self.waits.forget(child);
        self.counted.remove(&child);
        self.act(Action::Forget { child });
    }

    fn goes_when_down(&self, child: ChildKey) -> bool {
        self.template.is_some() || self.spec(child).restart == Restart::Temporary
    }

    fn spec(&self, child: ChildKey) -> Arc<ChildSpec> {
        self.children.get(child).expect("the child is specified").spec.clone()
    }

    fn life_before(&self, child: ChildKey) -> Option<P> {
        match self.children.get(child)?.place() {
            Place::Running(pid) => Some(pid),
            Place::Restarting(before) => before,
            Place::Down => None,
        }
    }

    fn report(&mut self, context: Context, cause: Cause<R>, child: ChildKey, ruling: Option<Ruling>) {
        let record = self.children.get(child).expect("reports are about children");
        let offender = Offender::new(&record.spec, record.place());
        self.act(Action::Report(Report { context, cause, offender, ruling }));
    }

    fn ruling(&self, decision: Decision, now: Duration) -> Ruling {
        Ruling { decision, budget: self.budget(now) }
    }

    fn info(&self, child: ChildKey, record: &Child<P>) -> ChildInfo<P> {
        let named = self.template.as_ref().is_none_or(|template| record.spec.id != template.spec.id);
        ChildInfo {
            child,
            id: named.then(|| record.spec.id.clone()),
            place: record.place(),
            kind: record.spec.kind,
            restart: record.spec.restart,
        }
    }

    fn act(&mut self, action: Action<P, R>) {
        self.actions.push_back(action);
    }
}
