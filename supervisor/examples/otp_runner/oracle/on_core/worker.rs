//! Scripted workers: how they start, how they stop, and how anybody ends.

use crashworthy_supervisor::core::{ChildKey, Event as CoreEvent};
use serde_json::json;

use super::super::scenario::{Behaviour, Start, Stop, below, outcome};
use super::actor::{Pid, Role, STRANGER, Why};
use super::calls::Asked;
use super::world::{Happening, World};

/// A start that blocks its supervisor.
pub(super) struct Gate {
    supervisor: Pid,
    child: ChildKey,
    path: String,
    n: u64,
    stop: Stop,
    then: Start,
}

impl World {
    pub(super) fn start_worker(&mut self, supervisor: Pid, child: ChildKey, id: &str, behaviour: &Behaviour) {
        let path = below(&self.actor(supervisor).path, id);
        let n = self.attempt(&path);
        let stop = behaviour.stop.clone();
        let then = match outcome(&behaviour.start, n) {
            Start::Gate(then) if self.hold_gate && self.gate.is_none() => {
                self.gate = Some(Gate { supervisor, child, path, n, stop, then: *then });
                return;
            }
            Start::Gate(then) => *then,
            then => then,
        };
        self.finish_start(Gate { supervisor, child, path, n, stop, then });
    }

    pub(super) fn at_gate(&self) -> bool {
        self.gate.is_some()
    }

    pub(super) fn open_gate(&mut self) {
        if let Some(gate) = self.gate.take() {
            self.finish_start(gate);
        }
    }

    fn finish_start(&mut self, start: Gate) {
        let Gate { supervisor, child, path, n, stop, then } = start;
        let failed = |reason: &str| CoreEvent::StartFailed { child, reason: Why::new(reason) };
        let (told, event) = match then {
            Start::Ok | Start::OkInfo => {
                self.note("start", &path, n, &[]);
                let linked = stop != Stop::Unlink;
                let role = Role::Worker { stop, terminating: false, info: then == Start::OkInfo };
                let pid = self.add(path, n, Some(supervisor), role);
                self.actor_mut(pid).linked = linked;
                self.soon(Happening::Core(supervisor, CoreEvent::Started { child, pid }));
                return;
            }
            Start::Ignore => ("ignore".to_owned(), CoreEvent::Ignored { child }),
            Start::Timeout => ("timeout".to_owned(), failed("timeout")),
            Start::Error(reason) => (format!("error:{reason}"), failed(&reason)),
            Start::Exit(reason) => (format!("exit:{reason}"), failed(&reason)),
            Start::Gate(_) => unreachable!("a gate leads to no other gate"),
        };
        self.note("nostart", &path, n, &[&told]);
        self.soon(Happening::Core(supervisor, event));
    }

    // --- Ends ---

    /// Its parent asks it to stop, or its link says that the parent was killed.
    pub(super) fn parent_exited(&mut self, pid: Pid, why: &Why) {
        let actor = self.actor_mut(pid);
        match &mut actor.role {
            _ if !actor.alive => {}
            Role::Supervisor(_) => self.soon(Happening::Core(pid, CoreEvent::ParentExit { reason: why.clone() })),
            Role::Worker { terminating: true, .. } => {}
            Role::Worker { stop, .. } if !stop.traps() => self.ends(pid, why),
            Role::Worker { stop, terminating, .. } => {
                *terminating = true;
                let stop = stop.clone();
                self.note_of("term", pid, &[&why.0]);
                match stop {
                    Stop::Linger(ms) => self.lingers(pid, ms, why.clone()),
                    Stop::Ignore => {}
                    Stop::Exit(other) => self.ends(pid, &Why::new(&other)),
                    Stop::Trap | Stop::Die | Stop::Unlink => self.ends(pid, why),
                }
            }
        }
    }

    /// It has ended: links and monitors are told, and whoever waits for an answer.
    pub(super) fn ends(&mut self, pid: Pid, why: &Why) {
        let actor = self.actor_mut(pid);
        if !actor.alive {
            return;
        }
        actor.alive = false;
        let (parent, monitors) = (actor.parent.filter(|_| actor.linked), std::mem::take(&mut actor.monitors));
        let kind = if matches!(actor.role, Role::Supervisor(_)) { "sup_exit" } else { "exit" };
        self.note_of(kind, pid, &[&why.0]);
        self.supervisor_ends(pid, why);
        if let Some(parent) = parent {
            self.soon(Happening::Core(parent, CoreEvent::Exited { pid, reason: why.clone() }));
        }
        for monitor in monitors {
            self.soon(Happening::Core(monitor, CoreEvent::Down { pid, reason: why.clone() }));
        }
    }

    pub(super) fn kill(&mut self, pid: Pid) {
        self.ends(pid, &Why::new("killed"));
    }

    // --- Steps ---

    pub(super) fn exit_by_itself(&mut self, target: &str, reason: &str) -> Asked {
        match self.target(target).filter(|pid| matches!(self.actor(*pid).role, Role::Worker { .. })) {
            None => Asked::now("noproc"),
            Some(pid) => {
                self.note_of("term", pid, &[reason]);
                self.ends(pid, &Why::new(reason));
                Asked::now("ok")
            }
        }
    }

    /// A stranger sends an exit signal.
    pub(super) fn signal(&mut self, target: &str, reason: &str) -> Asked {
        let Some(pid) = self.target(target) else { return Asked::now("noproc") };
        match &self.actor(pid).role {
            _ if reason == "kill" => self.kill(pid),
            Role::Supervisor(_) => {
                let event = CoreEvent::Exited { pid: STRANGER, reason: Why::new(reason) };
                self.soon(Happening::Core(pid, event));
            }
            Role::Worker { stop, .. } if !stop.traps() && reason != "normal" => self.ends(pid, &Why::new(reason)),
            Role::Worker { .. } => {}
        }
        Asked::now("ok")
    }

    /// The root's parent sends it an exit signal.
    pub(super) fn parent_exits(&mut self, reason: &str) {
        let Some(root) = self.root.filter(|root| self.actor(*root).alive) else { return };
        match reason {
            "kill" => self.kill(root),
            _ => self.parent_exited(root, &Why::new(reason)),
        }
    }
}

impl Asked {
    pub(super) fn now(answer: &str) -> Self {
        Self::Answered(json!(answer))
    }
}
