//! The management API: every request, and each of its answers.

use std::sync::Arc;

use super::action::{Action, CallError, Counts, Place, Response};
use super::event::{CallId, ChildKey, Identity, Reason, Request, Target};
use super::plan::{Step, Then, Why};
use super::{Core, Phase};
use crate::child_spec::ChildSpec;

impl<P: Identity, R: Reason> Core<P, R> {
    /// Answers a request, or plans the step whose end answers it.
    pub(super) fn call(&mut self, call: CallId, request: Request<P>) {
        debug_assert_eq!(self.phase, Phase::Running, "calls are read only by a running supervisor");
        let answer = match request {
            Request::StartChild { child, spec } => self.start_child(call, child, spec),
            Request::StartDynamic { child, own } => self.start_dynamic(call, child, own),
            Request::TerminateChild(target) => self.terminate_child(call, &target),
            Request::RestartChild(target) => self.restart_child(call, &target),
            Request::DeleteChild(target) => self.delete_child(&target).map(Some),
            Request::ChildSpec(target) => self.child_spec(&target).map(|spec| Some(Response::Spec(spec))),
            Request::WhichChildren => Ok(Some(Response::Children(self.children().rev().collect()))),
            Request::CountChildren => Ok(Some(Response::Counts(self.count_children()))),
        };
        match answer {
            Ok(Some(response)) => self.act(Action::Reply(call, response)),
            Ok(None) => {}
            Err(error) => self.act(Action::Reply(call, Response::Refused(error))),
        }
    }

    fn start_child(&mut self, call: CallId, child: ChildKey, spec: ChildSpec) -> Later<P, R> {
        let refused = if self.template.is_some() {
            Some(CallError::Dynamic)
        } else if let Some(rule) = spec.broken_rule(self.flags.auto_shutdown) {
            Some(CallError::Invalid(rule))
        } else {
            self.children.named(&spec.id).map(|known| match self.place(known) {
                Place::Running(pid) => CallError::AlreadyStarted(pid),
                Place::Down | Place::Restarting(_) => CallError::AlreadyPresent,
            })
        };
        self.add_and_start(call, child, Arc::new(spec), refused)
    }

    fn start_dynamic(&mut self, call: CallId, child: ChildKey, own: Option<ChildSpec>) -> Later<P, R> {
        let Some(template) = &mut self.template else {
            self.act(Action::Forget { child });
            return Err(CallError::Static);
        };
        let broken = own.as_ref().and_then(|own| own.broken_rule(self.flags.auto_shutdown));
        let refused = if let Some(rule) = broken {
            Some(CallError::Invalid(rule))
        } else {
            let full = self.children.len() >= template.max_children;
            full.then_some(CallError::MaxChildren(template.max_children))
        };
        let spec = if refused.is_some() { template.spec.clone() } else { template.specify(own) };
        self.add_and_start(call, child, spec, refused)
    }

    fn add_and_start(
        &mut self,
        call: CallId,
        child: ChildKey,
        spec: Arc<ChildSpec>,
        refused: Option<CallError<P, R>>,
    ) -> Later<P, R> {
        if let Some(error) = refused {
            self.act(Action::Forget { child });
            return Err(error);
        }
        self.children.add(child, spec);
        self.plan.push_back(Step::Start { child, why: Why::StartChild(call) });
        Ok(None)
    }

    fn terminate_child(&mut self, call: CallId, target: &Target<P>) -> Later<P, R> {
        let child = match (target, self.template.is_some()) {
            (Target::Id(name), false) => self.children.named(name),
            (Target::Pid(_), false) => None,
            (Target::Pid(pid), true) => self.children.known_as(*pid),
            (Target::Id(_), true) => return Err(CallError::Dynamic),
        };
        let child = child.ok_or(CallError::NotFound)?;
        self.plan.push_back(Step::Stop { child, then: Then::Close });
        self.plan.push_back(Step::Reply(call, Response::Done));
        Ok(None)
    }

    fn restart_child(&mut self, call: CallId, target: &Target<P>) -> Later<P, R> {
        let child = self.idle_child(target)?;
        self.plan.push_back(Step::Start { child, why: Why::RestartChild(call) });
        Ok(None)
    }

    fn delete_child(&mut self, target: &Target<P>) -> Result<Response<P, R>, CallError<P, R>> {
        let child = self.idle_child(target)?;
        self.remove(child);
        Ok(Response::Done)
    }

    /// The named child, which must not be running.
    fn idle_child(&self, target: &Target<P>) -> Result<ChildKey, CallError<P, R>> {
        if self.template.is_some() {
            return Err(CallError::Dynamic);
        }
        let Target::Id(name) = target else {
            return Err(CallError::NotFound);
        };
        let child = self.children.named(name).ok_or(CallError::NotFound)?;
        match self.place(child) {
            Place::Down => Ok(child),
            Place::Running(_) => Err(CallError::Running),
            Place::Restarting(_) => Err(CallError::Restarting),
        }
    }

    fn child_spec(&self, target: &Target<P>) -> Result<Arc<ChildSpec>, CallError<P, R>> {
        let child = match (target, &self.template) {
            (Target::Id(name), Some(template)) if *template.spec.id == **name => {
                return Ok(template.spec.clone());
            }
            (Target::Pid(pid), Some(_)) => self.children.known_as(*pid),
            (Target::Id(name), None) => self.children.named(name),
            (Target::Id(_), Some(_)) | (Target::Pid(_), None) => None,
        };
        child.map(|child| self.spec(child)).ok_or(CallError::NotFound)
    }

    fn count_children(&self) -> Counts<P> {
        if self.template.is_some() {
            let all = self.children.len();
            let supervisors = self.children.supervisors();
            let active = all - self.children.restarting();
            return Counts { specs: 1, active, supervisors, workers: all - supervisors, check: Vec::new() };
        }
        let specs = self.children.len();
        let supervisors = self.children.supervisors();
        let check: Vec<P> = self.children.iter().filter_map(|(_, child)| child.place().pid()).collect();
        Counts { specs, active: check.len(), supervisors, workers: specs - supervisors, check }
    }

    fn place(&self, child: ChildKey) -> Place<P> {
        self.children.get(child).map_or(Place::Down, |child| child.place())
    }
}

/// An answer now, one that a planned step will give, or a refusal.
type Later<P, R> = Result<Option<Response<P, R>>, CallError<P, R>>;
