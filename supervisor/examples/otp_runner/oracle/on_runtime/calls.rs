//! The management API of running supervisors.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crashworthy_runtime::{AskError, ExitReason, StartError};
use crashworthy_supervisor::core::{CallError, ChildInfo, Counts};
use crashworthy_supervisor::{ChildSpec, ManageError};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::answers;
use super::super::scenario::{By, Op, Which, below, last};
use super::declare::{Crowd, branch, child, script, shrunk};
use super::hub::{Hub, Role};
use super::reasons::erlangs;
use super::steps::Play;

type Pid = crashworthy_runtime::Pid;

/// An answer, now or later.
pub(super) enum Asked {
    Answered(Value),
    Called(JoinHandle<Value>),
}

impl Asked {
    pub(super) fn now(answer: &str) -> Self {
        Self::Answered(json!(answer))
    }

    pub(super) async fn answer(self) -> Value {
        match self {
            Self::Answered(answer) => answer,
            Self::Called(call) => call.await.expect("a call is never aborted"),
        }
    }
}

/// What a call came to, before it is put into words.
enum Answer {
    Started(Option<Pid>),
    Done,
    Spec(Arc<ChildSpec>),
    Children(Vec<ChildInfo<Pid>>),
    Counts(Counts<Pid>),
}

type Calling = Pin<Box<dyn Future<Output = Result<Answer, ManageError>> + Send>>;

impl Play {
    /// Calls a supervisor. When this returns the call is in its mailbox.
    pub(super) fn call(&self, op: &Op) -> Asked {
        let (Op::StartChild { sup, .. } | Op::WhichChildren { sup } | Op::CountChildren { sup }) = op else {
            let (Op::TerminateChild(which)
            | Op::RestartChild(which)
            | Op::DeleteChild(which)
            | Op::GetChildspec(which)) = op
            else {
                unreachable!("not a call")
            };
            return self.call_about(op, which);
        };
        let Some((life, declared)) = self.supervisor(sup) else { return Asked::now("noproc") };
        let management = declared.management;
        let (id, call): (String, Calling) = match op {
            Op::StartChild { spec: Some(spec), .. } => {
                let child = child(&self.hub, sup, spec);
                (spec.id.clone(), Box::pin(async move { Ok(Answer::Started(management.start_child(child).await?)) }))
            }
            Op::StartChild { key, behaviour, sup_spec, .. } => {
                let crowd = declared.dynamic.expect("only dynamic supervisors have keys").crowd;
                let path = below(sup, key);
                let call: Calling = match (crowd, sup_spec) {
                    (Crowd::Workers(dynamic), None) => {
                        let script = script(&self.hub, path, behaviour);
                        Box::pin(async move { started(dynamic.start(script).await.map(|address| address.pid())) })
                    }
                    (Crowd::Subtrees(dynamic), Some(tree)) => {
                        let subtree = branch(&self.hub, key, &path, tree).into_child();
                        Box::pin(async move { started(dynamic.start(subtree).await) })
                    }
                    _ => unreachable!("children are of the type of their template"),
                };
                (key.clone(), call)
            }
            Op::WhichChildren { .. } => {
                (String::new(), Box::pin(async move { Ok(Answer::Children(management.which_children().await?)) }))
            }
            _ => (String::new(), Box::pin(async move { Ok(Answer::Counts(management.count_children().await?)) })),
        };
        self.begin(life, id, call)
    }

    fn call_about(&self, op: &Op, which: &Which) -> Asked {
        let Some((life, declared)) = self.supervisor(&which.sup) else { return Asked::now("noproc") };
        let (management, id) = (declared.management, which.child.clone());
        let path = below(&which.sup, &which.child);
        if which.by == By::Pid {
            let Some(child) = self.hub.look(|state| state.at(&path).cloned()) else { return Asked::now("nopid") };
            // A static supervisor knows its children by their ids, here as there.
            let Some(dynamic) = declared.dynamic else { return Asked::now("error:not_found") };
            let hub = self.hub.clone();
            let call: Calling = match op {
                Op::TerminateChild(_) => Box::pin(async move {
                    // It says whether it has stopped one. OTP says `ok` of the dead, too.
                    let stopped = dynamic.crowd.stop(child.pid).await.map_err(ManageError::Unanswered)?;
                    let dead = hub.look(|state| state.by(child.pid).is_some_and(|life| !life.is_alive()));
                    if stopped || dead { Ok(Answer::Done) } else { Err(ManageError::Refused(CallError::NotFound)) }
                }),
                // Children have no specifications of their own: the template's is told by its name.
                _ => Box::pin(async move { Ok(Answer::Spec(management.child_spec(&dynamic.name).await?)) }),
            };
            return self.begin(life, id, call);
        }
        let template = declared.dynamic.filter(|dynamic| dynamic.template == id);
        let name = template.map_or_else(|| id.clone(), |dynamic| dynamic.name);
        let call: Calling = match op {
            Op::TerminateChild(_) => {
                Box::pin(async move { management.terminate_child(&name).await.map(|()| Answer::Done) })
            }
            Op::RestartChild(_) => Box::pin(async move { Ok(Answer::Started(management.restart_child(&name).await?)) }),
            Op::DeleteChild(_) => Box::pin(async move { management.delete_child(&name).await.map(|()| Answer::Done) }),
            _ => Box::pin(async move { Ok(Answer::Spec(management.child_spec(&name).await?)) }),
        };
        self.begin(life, id, call)
    }

    fn supervisor(&self, path: &str) -> Option<(Pid, super::hub::Declared)> {
        self.hub.look(|state| {
            let life = state.target(path).filter(|life| matches!(life.role, Role::Supervisor))?;
            Some((life.pid, state.declared.get(path)?.clone()))
        })
    }

    fn begin(&self, supervisor: Pid, id: String, mut call: Calling) -> Asked {
        let hub = self.hub.clone();
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Asked::Answered(words(&hub, supervisor, &id, answer)),
            Poll::Pending => {
                let answer = async move { words(&hub, supervisor, &id, call.await) };
                Asked::Called(self.system.handle().spawn(answer))
            }
        }
    }
}

fn started(outcome: Result<Pid, StartError>) -> Result<Answer, ManageError> {
    match outcome {
        Ok(pid) => Ok(Answer::Started(Some(pid))),
        Err(StartError::Ignored) => Ok(Answer::Started(None)),
        Err(StartError::Failed(reason)) => Err(ManageError::Refused(CallError::StartFailed(reason))),
        Err(StartError::Supervisor(error)) => Err(ManageError::Unanswered(error)),
        Err(other) => Err(ManageError::Refused(CallError::StartFailed(ExitReason::crashed(other.to_string())))),
    }
}

fn words(hub: &Hub, supervisor: Pid, id: &str, answer: Result<Answer, ManageError>) -> Value {
    let life = |pid: Pid| hub.look(|state| state.number(pid));
    let dynamic = hub.look(|state| {
        let path = &state.by(supervisor)?.path;
        state.declared.get(path)?.dynamic.as_ref().map(|dynamic| dynamic.template.clone())
    });
    match answer {
        Ok(Answer::Started(None)) => json!("ok:undefined"),
        Ok(Answer::Started(Some(pid))) => {
            let with_info = hub.look(|state| state.by(pid)?.worker().map(|worker| worker.info));
            let info = if with_info == Some(true) { ":info" } else { "" };
            json!(format!("ok:{}{info}", life(pid)))
        }
        Ok(Answer::Done) => json!("ok"),
        Ok(Answer::Spec(spec)) => {
            let id = dynamic.map_or_else(|| spec.id.clone(), Into::into);
            answers::specification(&ChildSpec { id, shutdown: shrunk(spec.shutdown), ..(*spec).clone() })
        }
        Ok(Answer::Children(mut infos)) => {
            if dynamic.is_some() {
                // Subtrees have names here. There all that is known of a child is its pid.
                infos.iter_mut().for_each(|info| info.id = None);
            }
            let key = |pid| hub.look(|state| state.by(pid).map_or(String::new(), |life| last(&life.path).to_owned()));
            answers::children(&infos, life, key)
        }
        Ok(Answer::Counts(Counts { specs, active, supervisors, workers, .. })) => {
            json!({"specs": specs, "active": active, "supervisors": supervisors, "workers": workers})
        }
        Err(ManageError::Refused(error)) => {
            json!(answers::refused(&error, id, |pid| life(*pid), |why| erlangs(&why.to_string())))
        }
        Err(ManageError::Unanswered(error)) => unanswered(hub, supervisor, &error),
        Err(other) => json!(format!("error:{other}")),
    }
}

/// A caller is told that the supervisor ended, not why; the trace has why.
fn unanswered(hub: &Hub, supervisor: Pid, error: &AskError) -> Value {
    let ended = hub.look(|state| state.by(supervisor).and_then(|life| life.ended.clone()));
    json!(ended.map_or_else(|| format!("unanswered:{error}"), |reason| format!("exit:{reason}")))
}
