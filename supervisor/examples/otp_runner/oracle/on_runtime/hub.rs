//! What is known of one scenario under way: whoever lives, what happened so far, and the gate.
//!
//! Everything that happens is noted where it happens, under one lock, so that the order of the notes is causal.
#![expect(clippy::disallowed_types, reason = "the driver of a comparison is no part of the core")]

use std::collections::BTreeMap;
use std::sync::Arc;

use crashworthy_runtime::{ActorRef, Exit, Pid};
use crashworthy_supervisor::Management;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::super::scenario::{Start, Stop, below, outcome};
use super::super::trace::Event;
use super::declare::Crowd;
use super::reasons::{erlangs, ours};
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
    /// The first gated start is to wait.
    pub(super) hold_gate: bool,
    /// Why there is nothing to compare: something has happened that is different on purpose, or that a worker of ours
    /// cannot play.
    pub(super) incomparable: Option<&'static str>,
    /// How many lives were ended by the next one.
    pub(super) forced: usize,
    gate: Option<oneshot::Sender<()>>,
    attempts: BTreeMap<String, u64>,
    events: Vec<Event>,
}

/// A worker was stopped before it could take up its part. It may go better when nothing else runs.
pub(super) const MISSED: &str = "a worker was stopped before it could wait for that in its handler";

/// One incarnation, alive or dead.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) path: String,
    pub(super) n: u64,
    pub(super) pid: Pid,
    pub(super) parent: String,
    /// Why it ended.
    pub(super) ended: Option<String>,
    /// It was ended by the next life, and lives on in OTP.
    pub(super) left: bool,
    /// The scenario has it killed.
    pub(super) condemned: bool,
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
    /// It waits for its end in its handler, if it has to.
    pub(super) serves: bool,
    pub(super) info: bool,
    pub(super) address: ActorRef<Scripted>,
    /// Tells a worker that never leaves its handler to exit.
    pub(super) aside: mpsc::UnboundedSender<String>,
}

/// A supervisor as it was declared.
#[derive(Clone)]
pub(super) struct Declared {
    pub(super) strategy: &'static str,
    /// The outcomes of its starts.
    pub(super) start: Vec<Start>,
    /// Why it does not begin to start its children.
    pub(super) broken: Option<String>,
    pub(super) management: Management,
    pub(super) dynamic: Option<DeclaredDynamic>,
}

/// What is known of a dynamic one besides.
#[derive(Clone)]
pub(super) struct DeclaredDynamic {
    pub(super) crowd: Crowd,
    /// The name of its template, in the scenario.
    pub(super) template: String,
    /// The same in our system, where the template has the name of its supervisor.
    pub(super) name: String,
}

impl Declared {
    /// Whether its start number `n` is to be declined.
    fn declines(&self, n: u64) -> bool {
        outcome(&self.start, n) == Start::Ignore
    }
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

    /// Whether there is nothing to compare any more.
    pub(super) fn is_incomparable(&self) -> bool {
        self.look(|state| state.incomparable.is_some())
    }

    /// It waits for its end in its handler.
    pub(super) fn serves(&self, pid: Pid) {
        self.change(|state| {
            if let Some(Role::Worker(worker)) = state.lives.get_mut(&pid.to_string()).map(|life| &mut life.role) {
                worker.serves = true;
            }
        });
    }

    /// Waits until all that are to wait for their ends do.
    pub(super) async fn all_serve(&self) {
        let mut changes = self.changes();
        while !self.look(|state| state.all_serve()) {
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
            let declared = state.declared.get(&path).expect("it was declared");
            let strategy = declared.strategy;
            if declared.declines(n) {
                return state.note("nostart", &path, n, &["ignore"]);
            }
            state.note("sup_start", &path, n, &[strategy]);
            let parent = parent.to_owned();
            let (ended, left, condemned, role) = (None, false, false, Role::Supervisor);
            state.add(Life { path, n, pid, parent, ended, left, condemned, role });
        });
    }

    /// What the supervisor at this path does before its children start. That it begins has been said already.
    pub(super) fn supervisor_inits(&self, path: &str) -> Result<(), Exit> {
        self.look(|state| {
            let declared = &state.declared[path];
            match &declared.broken {
                _ if declared.declines(state.attempts[path]) => Err(Exit::ignore()),
                Some(why) => Err(Exit::because(ours(why))),
                None => Ok(()),
            }
        })
    }

    pub(super) fn ends(&self, pid: &str, reason: &str) {
        self.change(|state| {
            let Some(life) = state.lives.get(pid).filter(|life| life.is_alive()).cloned() else { return };
            let reason = erlangs(reason);
            if reason == "killed" && state.is_forced(pid, &life) {
                state.forced += 1;
                return state.goes_on(pid, &life);
            }
            let kind = if matches!(life.role, Role::Supervisor) { "sup_exit" } else { "exit" };
            state.note(kind, &life.path, life.n, &[&reason]);
            state.life_mut(pid).ended = Some(reason);
        });
    }

    /// A worker was stopped before it could take up its part.
    pub(super) fn missed(&self) {
        self.change(|state| state.incomparable = Some(MISSED));
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

    pub(super) fn note(&mut self, kind: &str, path: &str, n: u64, words: &[&str]) {
        self.events.push(Event::new(kind, path, n, words));
    }

    /// The scenario has it killed.
    pub(super) fn condemn(&mut self, pid: Pid) {
        if let Some(life) = self.lives.get_mut(&pid.to_string()) {
            life.condemned = true;
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn life_mut(&mut self, pid: &str) -> &mut Life {
        self.lives.get_mut(pid).expect("it has begun")
    }

    /// Whether everybody who is to wait for its end does.
    pub(super) fn all_serve(&self) -> bool {
        let workers = self.lives.values().filter(|life| life.is_alive()).filter_map(Life::worker);
        workers.into_iter().all(|worker| worker.serves || worker.terminating || !worker.stop.answers_well())
    }

    /// The latest incarnation at this path.
    pub(super) fn at(&self, path: &str) -> Option<&Life> {
        self.latest.get(path).and_then(|pid| self.lives.get(pid))
    }

    /// The same, unless it has ended or begun to stop.
    pub(super) fn target(&mut self, path: &str) -> Option<Life> {
        let is_left = |life: &Life| life.left && life.worker().is_some_and(|worker| !worker.terminating);
        if self.at(path).is_some_and(is_left) {
            self.incomparable = Some("it is about a life that has been ended by the next one");
        }
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
