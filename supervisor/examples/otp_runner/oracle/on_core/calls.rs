//! The management API: calls, and what is answered when.

use std::rc::Rc;

use crashworthy_supervisor::ChildSpec;
use crashworthy_supervisor::core::{CallError, CallId, Counts, Event as CoreEvent, Request, Response, Target};
use serde_json::{Value, json};

use super::super::answers;
use super::super::scenario::{Behaviour, By, Child, Op, Tree, Which, below, last};
use super::actor::{Body, Pid, Role, Script, Supervisor, Why};
use super::supervisor::script;
use super::world::{Happening, Stuck, World};

/// An answer, now or later.
pub(super) enum Asked {
    Answered(Value),
    Called(CallId),
}

/// A call that a supervisor has not answered.
pub(super) struct Call {
    /// The name of the child.
    id: String,
    /// The incarnation that was meant, and what is answered should it be dead and unknown.
    dead: Option<(Pid, Value)>,
}

impl World {
    pub(super) fn start_child(
        &mut self,
        sup: &str,
        spec: Option<&Child>,
        key: &str,
        behaviour: &Behaviour,
        sup_spec: Option<&Tree>,
    ) -> Asked {
        let Some(pid) = self.supervisor_at(sup) else { return Asked::now("noproc") };
        let supervisor = self.supervisor_mut(pid).expect("it is one");
        let child = supervisor.core.next_key();
        let (id, script, request) = match spec {
            Some(spec) => (spec.id.clone(), script(spec), Request::StartChild { child, spec: spec.spec() }),
            None => {
                let body = match sup_spec {
                    Some(tree) => Body::Supervisor(Rc::new(tree.clone())),
                    None => Body::Worker(Rc::new(behaviour.clone())),
                };
                (key.to_owned(), Script { id: key.to_owned(), body }, Request::StartDynamic { child, own: None })
            }
        };
        supervisor.scripts.insert(child, script);
        self.call(pid, request, Call { id, dead: None })
    }

    pub(super) fn ask_about(&mut self, op: &Op, which: &Which) -> Asked {
        let Some(pid) = self.supervisor_at(&which.sup) else { return Asked::now("noproc") };
        let mut call = Call { id: which.child.clone(), dead: None };
        let target = match which.by {
            By::Id => Target::Id(which.child.clone()),
            By::Pid => {
                let Some(child) = self.latest.get(&below(&which.sup, &which.child)).copied() else {
                    return Asked::now("nopid");
                };
                let template = self.supervisor_mut(pid).and_then(|supervisor| supervisor.template.as_ref());
                call.dead = template.map(|template| (child, of_the_dead(op, template)));
                Target::Pid(child)
            }
        };
        let request = match op {
            Op::TerminateChild(_) => Request::TerminateChild(target),
            Op::RestartChild(_) => Request::RestartChild(target),
            Op::DeleteChild(_) => Request::DeleteChild(target),
            _ => Request::ChildSpec(target),
        };
        self.call(pid, request, call)
    }

    pub(super) fn ask_all(&mut self, op: &Op, sup: &str) -> Asked {
        let Some(pid) = self.supervisor_at(sup) else { return Asked::now("noproc") };
        let request =
            if matches!(op, Op::CountChildren { .. }) { Request::CountChildren } else { Request::WhichChildren };
        self.call(pid, request, Call { id: String::new(), dead: None })
    }

    fn supervisor_at(&self, path: &str) -> Option<Pid> {
        self.target(path).filter(|pid| matches!(self.actor(*pid).role, Role::Supervisor(_)))
    }

    fn call(&mut self, pid: Pid, request: Request<Pid>, call: Call) -> Asked {
        self.calls += 1;
        let id = CallId(self.calls);
        let supervisor: &mut Supervisor = self.supervisor_mut(pid).expect("only supervisors are called");
        supervisor.calls.insert(id, call);
        self.soon(Happening::Core(pid, CoreEvent::Call(id, request)));
        Asked::Called(id)
    }

    pub(super) fn reply(&mut self, pid: Pid, id: CallId, response: Response<Pid, Why>) {
        let call = self.supervisor_mut(pid).and_then(|supervisor| supervisor.calls.remove(&id));
        let call = call.expect("a call is answered once");
        let life = |pid: Pid| format!("#{}", self.actor(pid).n);
        let answer = match response {
            Response::Started(pid) => match self.actor(pid).role {
                Role::Worker { info: true, .. } => json!(format!("ok:{}:info", life(pid))),
                _ => json!(format!("ok:{}", life(pid))),
            },
            Response::Ignored => json!("ok:undefined"),
            Response::Done => json!("ok"),
            Response::Spec(spec) => answers::specification(&spec),
            Response::Children(infos) => answers::children(&infos, life, |pid| last(&self.actor(pid).path).to_owned()),
            Response::Counts(Counts { specs, active, supervisors, workers, check }) => {
                let dead = check.iter().filter(|pid| !self.actor(**pid).alive).count();
                json!({"specs": specs, "active": active - dead, "supervisors": supervisors, "workers": workers})
            }
            Response::Refused(error) => match (call.dead, error) {
                (Some((pid, answer)), CallError::NotFound) if !self.actor(pid).alive => answer,
                (_, error) => json!(answers::refused(&error, &call.id, |pid| life(*pid), |why| why.0.to_string())),
            },
        };
        self.answers.insert(id.0, answer);
    }

    pub(super) fn answer(&mut self, asked: Asked) -> Result<Value, Stuck> {
        match asked {
            Asked::Answered(answer) => Ok(answer),
            Asked::Called(id) => self.answers.remove(&id.0).ok_or_else(|| Stuck("a call has no answer".to_owned())),
        }
    }
}

/// What a dynamic supervisor says of an incarnation that is dead and that it does not know, in OTP.
fn of_the_dead(op: &Op, template: &ChildSpec) -> Value {
    match op {
        Op::GetChildspec(_) => answers::specification(template),
        _ => json!("ok"),
    }
}
