//! What is known of one scenario under way: whoever lives, what happened so far, and the gate.
//!
//! Everything that happens is noted where it happens, under one lock, so that the order of the notes is causal.
#![expect(clippy::disallowed_types, reason = "the driver of a comparison is no part of the core")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crashworthy_runtime::{ActorRef, Pid};
use crashworthy_supervisor::{Dynamic, Management};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::super::scenario::{Stop, below};
use super::super::trace::Event;
use super::reasons::erlangs;
use super::worker::Scripted;

/// Shared by the driver, the workers and the listener.
pub(super) struct Hub {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct State {
    /// By what their pids look like.
    pub(super) lives: BTreeMap<String, Life>,
    pub(super) latest: BTreeMap<String, String>,
    /// The supervisors that were declared, by path.
    pub(super) declared: BTreeMap<String, Declared>,
    /// Children that are stopped by `brutal_kill`, by path.
    pub(super) brutal: BTreeSet<String>,
    /// The first gated start is to wait.
    pub(super) hold_gate: bool,
    /// Why there is nothing to compare: something has happened that is different on purpose, or that a worker of ours
    /// cannot play.
    pub(super) incomparable: Option<&'static str>,
    gate: Option<oneshot::Sender<()>>,
    attempts: BTreeMap<String, u64>,
    events: Vec<Event>,
}

/// One incarnation, alive or dead.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) path: String,
    pub(super) n: u64,
    pub(super) pid: Pid,
    pub(super) parent: String,
    /// Why it ended.
    pub(super) ended: Option<String>,
    pub(super) role: Role,
}

#[derive(Clone)]
pub(super) enum Role {
    Supervisor,
    Worker(Worker),
}

#[derive(Clone)]
pub(super) struct Worker {
    pub(super) stop: Stop,
    pub(super) terminating: bool,
    pub(super) info: bool,
    pub(super) address: ActorRef<Scripted>,
    /// Tells a worker that never leaves its handler to exit.
    pub(super) aside: mpsc::UnboundedSender<String>,
}

/// A supervisor as it was declared.
#[derive(Clone)]
pub(super) struct Declared {
    pub(super) strategy: &'static str,
    pub(super) management: Management,
    pub(super) dynamic: Option<DeclaredDynamic>,
}

/// What is known of a dynamic one besides.
#[derive(Clone)]
pub(super) struct DeclaredDynamic {
    pub(super) handle: Dynamic<Scripted>,
    /// The name of its template, in the scenario.
    pub(super) template: String,
    /// The same in our system, where the template has the name of its supervisor.
    pub(super) name: String,
}

impl Life {
    pub(super) fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    pub(super) fn worker(&self) -> Option<&Worker> {
        match &self.role {
            Role::Worker(worker) => Some(worker),
            Role::Supervisor => None,
        }
    }
}

impl Hub {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changes: watch::Sender::new(0) })
    }

    /// Looks at the state.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = self.look(change);
        self.changes.send_modify(|version| *version += 1);
        out
    }

    /// Tells of everything that changes from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    // --- What workers say ---

    pub(super) fn attempt(&self, path: &str) -> u64 {
        self.look(|state| state.attempt(path))
    }

    pub(super) fn started(&self, life: Life) {
        self.change(|state| {
            state.note("start", &life.path, life.n, &[]);
            state.add(life);
        });
    }

    pub(super) fn not_started(&self, path: &str, n: u64, why: &str) {
        self.change(|state| state.note("nostart", path, n, &[why]));
    }

    /// Once a life.
    pub(super) fn terminates(&self, pid: Pid, reason: &str) {
        self.change(|state| {
            let Some(life) = state.lives.get_mut(&pid.to_string()) else { return };
            let (path, n) = (life.path.clone(), life.n);
            if let Role::Worker(worker) = &mut life.role {
                worker.terminating = true;
            }
            state.note("term", &path, n, &[reason]);
        });
    }

    /// Resolves when there is nothing to compare any more.
    pub(super) async fn incomparable(&self) -> &'static str {
        let mut changes = self.changes();
        loop {
            if let Some(why) = self.look(|state| state.incomparable) {
                return why;
            }
            // The hub itself holds the other end.
            let _ = changes.changed().await;
        }
    }

    // --- The gate ---

    /// Waits until the gate opens, if this is the first to come to it.
    pub(super) async fn pass_gate(&self) {
        let opened = self.change(|state| {
            (state.hold_gate && state.gate.is_none()).then(|| {
                let (open, opened) = oneshot::channel();
                state.gate = Some(open);
                opened
            })
        });
        if let Some(opened) = opened {
            // Whoever would open it may have gone.
            let _ = opened.await;
        }
    }

    pub(super) fn is_at_gate(&self) -> bool {
        self.look(|state| state.gate.is_some())
    }

    pub(super) fn open_gate(&self) {
        self.look(|state| state.gate = None);
    }

    // --- What the runtime says ---

    pub(super) fn supervisor_begins(&self, pid: &str, parent: &str, name: &str) {
        let pid = read_pid(pid).expect("pids are shown in one way");
        self.change(|state| {
            let path = match state.lives.get(parent) {
                Some(above) => below(&above.path, name),
                None => "root".to_owned(),
            };
            let n = state.attempt(&path);
            let strategy = state.declared.get(&path).map_or("?", |declared| declared.strategy);
            state.note("sup_start", &path, n, &[strategy]);
            state.add(Life { path, n, pid, parent: parent.to_owned(), ended: None, role: Role::Supervisor });
        });
    }

    pub(super) fn ends(&self, pid: &str, reason: &str) {
        self.change(|state| {
            let Some(life) = state.lives.get_mut(pid).filter(|life| life.is_alive()) else { return };
            let reason = erlangs(reason);
            life.ended = Some(reason.clone());
            let kind = if matches!(life.role, Role::Supervisor) { "sup_exit" } else { "exit" };
            let (path, n) = (life.path.clone(), life.n);
            state.note(kind, &path, n, &[&reason]);
            if kind == "sup_exit" && reason == "killed" && state.leaves_stubborn(&path) {
                state.incomparable =
                    Some("what a killed supervisor leaves behind is ended before its next life starts it again");
            }
        });
    }

    /// A worker was stopped before it could take up its part.
    pub(super) fn missed(&self) {
        self.change(|state| {
            state.incomparable = Some("a worker was stopped before it could wait for that in its handler");
        });
    }

    pub(super) fn report(&self, path: &str, context: &str, cause: &str, child: &str, count: Option<&str>) {
        self.change(|state| {
            let Some(n) = state.latest.get(path).and_then(|pid| state.lives.get(pid)).map(|life| life.n) else {
                return;
            };
            let cause = match cause.starts_with("more than ") {
                true => "reached_max_restart_intensity".to_owned(),
                false => erlangs(cause),
            };
            let declared = state.declared.get(path).and_then(|declared| declared.dynamic.as_ref());
            let child = declared.map_or(child, |dynamic| &dynamic.template);
            let child = count.map_or(child.to_owned(), |count| format!("{child}*{count}"));
            state.note("report", path, n, &[context, &cause, &child]);
        });
    }
}

impl State {
    fn attempt(&mut self, path: &str) -> u64 {
        let attempts = self.attempts.entry(path.to_owned()).or_default();
        *attempts += 1;
        *attempts
    }

    fn add(&mut self, life: Life) {
        let pid = life.pid.to_string();
        self.latest.insert(life.path.clone(), pid.clone());
        self.lives.insert(pid, life);
    }

    fn note(&mut self, kind: &str, path: &str, n: u64, words: &[&str]) {
        self.events.push(Event::new(kind, path, n, words));
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether somebody below this path lives on who does not end when it is told to, or is not given the time to.
    fn leaves_stubborn(&self, path: &str) -> bool {
        let below = below(path, "");
        let mut lives = self.lives.values().filter(|life| life.is_alive() && life.path.starts_with(&below));
        lives.any(|life| match life.worker() {
            Some(worker) if worker.stop.traps() && self.brutal.contains(&life.path) => true,
            Some(worker) => worker.stop.outlives() || worker.stop == Stop::Unlink,
            None => self.brutal.contains(&life.path),
        })
    }

    /// The latest incarnation at this path.
    pub(super) fn at(&self, path: &str) -> Option<&Life> {
        self.latest.get(path).and_then(|pid| self.lives.get(pid))
    }

    /// The same, unless it has ended or begun to stop.
    pub(super) fn target(&self, path: &str) -> Option<Life> {
        let up = |life: &&Life| life.is_alive() && !life.worker().is_some_and(|worker| worker.terminating);
        self.at(path).filter(up).cloned()
    }

    pub(super) fn by(&self, pid: Pid) -> Option<&Life> {
        self.lives.get(&pid.to_string())
    }

    pub(super) fn number(&self, pid: Pid) -> String {
        self.by(pid).map_or("#?".to_owned(), |life| format!("#{}", life.n))
    }
}

/// A pid from what it looks like, `<NUMBER.GENERATION#INCARNATION>`.
fn read_pid(shown: &str) -> Option<Pid> {
    let (id, incarnation) = shown.strip_prefix('<')?.strip_suffix('>')?.split_once('#')?;
    let (number, generation) = id.split_once('.')?;
    let id = generation.parse::<u64>().ok()? << 32 | number.parse::<u64>().ok()?;
    let plain = serde_json::json!({"id": id, "incarnation": incarnation.parse::<u32>().ok()?});
    serde_json::from_value(plain).ok()
}
