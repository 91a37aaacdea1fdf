//! Supervisors: what their cores say is carried out here.

use std::collections::BTreeMap;
use std::rc::Rc;

use crashworthy_supervisor::core::{Action, ChildKey, Core, Event as CoreEvent, ExitSignal, Spec};
use crashworthy_supervisor::{Cause, Context, Report};
use serde_json::json;

use super::super::answers;
use super::super::scenario::{Child, Start, Tree, below, outcome};
use super::actor::{Body, Pid, Role, Script, Supervisor, Why};
use super::world::{Happening, World};

impl World {
    pub(super) fn start_root(&mut self, tree: &Tree) {
        self.start_supervisor(None, "root".to_owned(), tree);
    }

    /// Starts a supervisor, for its parent's child or as the root.
    fn start_supervisor(&mut self, parent: Option<(Pid, ChildKey)>, path: String, tree: &Tree) {
        let n = self.attempt(&path);
        if outcome(&tree.start, n) == Start::Ignore {
            self.note("nostart", &path, n, &["ignore"]);
            match parent {
                Some((parent, child)) => self.soon(Happening::Core(parent, CoreEvent::Ignored { child })),
                None => self.root_outcome = Some(json!("ignore")),
            }
            return;
        }
        self.note("sup_start", &path, n, &[tree.flags.strategy.as_str()]);
        let valid = specification(tree);
        let spec = valid.as_ref().ok().cloned();
        let spec = spec.unwrap_or_else(|| Spec::new(Default::default(), Vec::new()).expect("nothing breaks no rule"));
        let dynamic = tree.flags.is_dynamic();
        let scripts =
            if dynamic { BTreeMap::new() } else { (0..).map(ChildKey).zip(tree.children.iter().map(script)).collect() };
        let supervisor = Supervisor {
            core: Core::new(spec),
            scripts,
            template: tree.children.first().filter(|_| dynamic).map(Child::spec),
            calls: BTreeMap::new(),
            starting: false,
            stopping: 0,
            awaited_as: parent.map(|(_, child)| child),
            ready: false,
        };
        let role = Role::Supervisor(Box::new(supervisor));
        let pid = self.add(path, n, parent.map(|(parent, _)| parent), role);
        if parent.is_none() {
            self.root = Some(pid);
        }
        match valid {
            Ok(_) => self.soon(Happening::Core(pid, CoreEvent::Begin)),
            Err(why) => self.ends(pid, &Why::new(&why)),
        }
    }

    pub(super) fn root_started(&mut self) -> serde_json::Value {
        self.root_outcome.take().expect("its start is over")
    }

    pub(super) fn supervisor_mut(&mut self, pid: Pid) -> Option<&mut Supervisor> {
        match &mut self.actor_mut(pid).role {
            Role::Supervisor(supervisor) => Some(supervisor),
            Role::Worker { .. } => None,
        }
    }

    /// Hands an event to a core and does what it says.
    pub(super) fn feed(&mut self, pid: Pid, event: CoreEvent<Pid, Why>) {
        let now = self.now;
        if !self.actor(pid).alive {
            return;
        }
        let Some(supervisor) = self.supervisor_mut(pid) else { return };
        match &event {
            CoreEvent::Started { .. } | CoreEvent::Ignored { .. } | CoreEvent::StartFailed { .. } => {
                supervisor.starting = false;
            }
            CoreEvent::Down { .. } => supervisor.stopping -= 1,
            _ => {}
        }
        supervisor.core.handle(now, event);
        while let Some(action) = self.supervisor_mut(pid).and_then(|supervisor| supervisor.core.poll_action()) {
            self.act(pid, action);
        }
    }

    fn act(&mut self, pid: Pid, action: Action<Pid, Why>) {
        let supervisor = self.supervisor_mut(pid).expect("only supervisors act");
        match action {
            Action::Start { child, .. } => {
                supervisor.starting = true;
                let script = supervisor.scripts.get(&child).expect("the core names children that were brought").clone();
                match script.body {
                    Body::Worker(behaviour) => self.start_worker(pid, child, &script.id, &behaviour),
                    Body::Supervisor(tree) => {
                        let path = below(&self.actor(pid).path, &script.id);
                        self.start_supervisor(Some((pid, child)), path, &tree);
                    }
                }
            }
            Action::Monitor { pid: of } => {
                supervisor.stopping += 1;
                if self.actor(of).alive {
                    self.actor_mut(of).monitors.push(pid);
                } else {
                    let reason = Why::new("noproc");
                    self.soon(Happening::Core(pid, CoreEvent::Down { pid: of, reason }));
                }
            }
            Action::Signal { pid: to, signal: ExitSignal::Shutdown } => self.parent_exited(to, &Why::new("shutdown")),
            Action::Signal { pid: to, signal: ExitSignal::Kill } => self.kill(to),
            Action::Unlink { pid: from } => self.actor_mut(from).linked = false,
            Action::Flush { .. } | Action::Postpone { .. } | Action::Close { .. } => {}
            Action::Forget { child } => drop(supervisor.scripts.remove(&child)),
            Action::Report(report) => self.report(pid, &report),
            Action::Reply(call, response) => self.reply(pid, call, response),
            Action::Ready => {
                supervisor.ready = true;
                match (supervisor.awaited_as.take(), self.actor(pid).parent) {
                    (Some(child), Some(parent)) => {
                        self.soon(Happening::Core(parent, CoreEvent::Started { child, pid }));
                    }
                    _ => self.root_outcome = Some(json!("ok")),
                }
            }
            Action::Exit { reason } => self.ends(pid, &reason),
        }
    }

    /// What the end of a supervisor means besides, if it was one.
    pub(super) fn supervisor_ends(&mut self, pid: Pid, why: &Why) {
        let parent = self.actor(pid).parent;
        let Some(supervisor) = self.supervisor_mut(pid) else { return };
        let calls = std::mem::take(&mut supervisor.calls);
        let failed = !supervisor.ready;
        let awaited_as = supervisor.awaited_as.take();
        for call in calls.into_keys() {
            self.answers.insert(call.0, json!(format!("exit:{}", why.0)));
        }
        match (awaited_as, parent) {
            (Some(child), Some(parent)) => {
                let event = CoreEvent::StartFailed { child, reason: why.clone() };
                self.soon(Happening::Core(parent, event));
            }
            _ if failed => self.root_outcome = Some(json!(format!("error:{}", why.0))),
            _ => {}
        }
        let bereaved = (0..).zip(&self.actors).filter(|(_, child)| child.parent == Some(pid) && child.linked);
        let bereaved: Vec<Pid> = bereaved.filter(|(_, child)| child.alive).map(|(child, _)| child).collect();
        for child in bereaved {
            self.soon(Happening::LinkBroken(child, why.clone()));
        }
    }

    fn report(&mut self, pid: Pid, report: &Report<Pid, Why>) {
        if report.context == Context::Progress {
            return;
        }
        let reason = match &report.cause {
            Cause::Reason(why) => &*why.0,
            Cause::ReachedMaxRestartIntensity(_) => "reached_max_restart_intensity",
            Cause::Various => "various",
            Cause::Started => "started",
        };
        let child = match report.offender.count {
            Some(count) => format!("{}*{count}", report.offender.id),
            None => report.offender.id.to_string(),
        };
        self.note_of("report", pid, &[report.context.as_str(), reason, &child]);
    }
}

/// How a child is started.
pub(super) fn script(child: &Child) -> Script {
    let body = match &child.sup {
        Some(tree) => Body::Supervisor(Rc::new(tree.clone())),
        None => Body::Worker(Rc::new(child.behaviour.clone())),
    };
    Script { id: child.id.clone(), body }
}

/// What a core is built from, or why the supervisor does not begin.
pub(super) fn specification(tree: &Tree) -> Result<Spec, String> {
    let children: Vec<_> = tree.children.iter().map(Child::spec).collect();
    let flags = tree.flags.ours();
    let spec = if tree.flags.is_dynamic() {
        // Ours has one template by its type. OTP looks at the flags first.
        match <[_; 1]>::try_from(children) {
            Ok([template]) => Spec::dynamic(flags, template, None),
            Err(others) => match Spec::new(flags, Vec::new()) {
                Ok(_) => return Err(answers::no_template(others.len())),
                broken => broken,
            },
        }
    } else {
        Spec::new(flags, children)
    };
    spec.map_err(|invalid| answers::bad_start(&invalid.0))
}
