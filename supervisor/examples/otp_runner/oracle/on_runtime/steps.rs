//! Taking steps, and waiting until everything has come to rest.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Context, Exit, ExitReason, Message, Pid, Reply, System};
use crashworthy_supervisor::core::Place;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::answers;
use super::super::scenario::{Op, Step, Stop};
use super::super::trace::Snapshot;
use super::calls::Asked;
use super::hub::{Hub, Life, State};
use super::reasons::ours;
use super::worker::Told;

/// One scenario under way.
pub(super) struct Play {
    pub(super) hub: Arc<Hub>,
    pub(super) system: System,
    stranger: ActorRef<Stranger>,
}

/// How long nothing may happen before the driver looks again.
const LOOK: Duration = Duration::from_millis(2);

/// What may pass while a step is taken and its outcome looked for: [`LOOK`]s, and timers that round up to a millisecond. A
/// scenario's clock stands still meanwhile. So much less is waited where time is to pass, or a restart that is exactly as
/// old as its window is long, and counts, would have left it.
const DRIFT: Duration = Duration::from_millis(20);

impl Play {
    pub(super) async fn new(hub: Arc<Hub>, system: System) -> Self {
        let stranger = system.spawn::<Stranger>(()).await.expect("a stranger starts");
        Self { hub, system, stranger }
    }

    /// Takes a step; its result, and those of what was done during a blocked start.
    pub(super) async fn take(&mut self, step: &Step) -> (Value, Option<Value>) {
        self.hub.look(|state| state.hold_gate = !step.during.is_empty());
        let asked = self.perform(&step.op).await;
        self.settle().await;
        let mut dr = None;
        if self.hub.is_at_gate() {
            let mut later = Vec::new();
            for op in &step.during {
                later.push(self.perform(op).await);
            }
            self.hub.look(|state| state.hold_gate = false);
            self.hub.open_gate();
            self.settle().await;
            let mut results = Vec::new();
            for asked in later {
                results.push(asked.answer().await);
            }
            dr = Some(Value::from(results));
        } else if !step.during.is_empty() {
            self.hub.look(|state| state.hold_gate = false);
            dr = Some(json!("nogate"));
        }
        let r = asked.answer().await;
        self.settle().await;
        (r, dr)
    }

    /// Causes what the operation is to cause, and waits until whom it concerns has it in the mailbox.
    pub(super) async fn perform(&mut self, op: &Op) -> Asked {
        match op {
            Op::Exit { target, reason } => {
                let Some(life) = self.target(target) else { return Asked::now("noproc") };
                let Some(worker) = life.worker() else { return Asked::now("noproc") };
                self.until_ended(life.pid, || {
                    // A message that is refused has found it dying already.
                    let _ = if worker.stop.answers_well() {
                        worker.aside.send(reason.clone()).is_ok()
                    } else {
                        worker.address.tell(Told::Exit(reason.clone())).is_ok()
                    };
                })
                .await;
                Asked::now("ok")
            }
            Op::Signal { target, reason } => {
                let Some(life) = self.target(target) else { return Asked::now("noproc") };
                self.signal(&life, reason).await;
                Asked::now("ok")
            }
            Op::ParentExit { reason } => {
                let Some(root) = self.target("root") else { return Asked::now("ok") };
                let system = self.system.clone();
                self.until_ended(root.pid, || match &**reason {
                    "kill" => system.kill(root.pid),
                    // The root's parent is the system itself.
                    reason => system.exit(root.pid, ours(reason)).expect("few signals wait"),
                })
                .await;
                Asked::now("ok")
            }
            Op::Advance { ms } => {
                let passes = Duration::from_millis(*ms).saturating_sub(DRIFT);
                self.system.sleep_until(self.system.now() + passes).await;
                Asked::now("ok")
            }
            Op::CheckChildspecs { specs, auto_shutdown } => Asked::now(&answers::check(specs, *auto_shutdown)),
            call => self.call(call),
        }
    }

    fn target(&self, path: &str) -> Option<Life> {
        self.hub.look(|state| state.target(path))
    }

    async fn signal(&mut self, life: &Life, reason: &str) {
        let pid = life.pid;
        let dies = reason == "kill" || (reason != "normal" && life.worker().is_some_and(|worker| !worker.stop.traps()));
        let (system, stranger) = (self.system.clone(), self.stranger.clone());
        let send = async || match reason {
            "kill" => system.kill(pid),
            _ => {
                let sent = stranger.ask(|reply| Signal { to: pid, reason: ours(reason), reply }).await;
                sent.expect("the stranger answers");
            }
        };
        if reason == "kill" {
            self.hub.look(|state| state.condemn(pid));
        }
        if dies {
            let (to, mut ends) = mpsc::unbounded_channel();
            system.watch(pid, &to);
            send().await;
            ends.recv().await;
        } else {
            send().await;
        }
    }

    /// Does something that ends an incarnation, and waits until its end has been told to everybody.
    async fn until_ended(&self, pid: Pid, cause: impl FnOnce()) {
        let (to, mut ends) = mpsc::unbounded_channel();
        self.system.watch(pid, &to);
        cause();
        ends.recv().await;
    }

    // --- Rest ---

    /// Waits until everything is at rest, or a start waits at the gate.
    pub(super) async fn settle(&mut self) {
        let mut changes = self.hub.changes();
        loop {
            changes.borrow_and_update();
            if self.hub.is_at_gate() || self.is_at_rest().await {
                return;
            }
            let _ = tokio::time::timeout(LOOK, changes.changed()).await;
        }
    }

    async fn is_at_rest(&self) -> bool {
        let Some(supervisors) = self.hub.look(resting) else { return false };
        let mut changes = self.hub.changes();
        for path in supervisors {
            let Some(management) = self.hub.look(|state| state.declared.get(&path).map(|d| d.management.clone()))
            else {
                return false;
            };
            let mut asked = std::pin::pin!(management.which_children());
            let children = loop {
                tokio::select! {
                    children = &mut asked => break children,
                    _ = changes.changed() => {
                        if self.hub.is_at_gate() {
                            return false;
                        }
                    }
                }
            };
            let Ok(children) = children else { return false };
            let rests = |state: &mut State| {
                children.iter().all(|child| match child.place {
                    Place::Running(pid) => state.by(pid).is_some_and(|life| life.is_alive() || is_unlinked(life)),
                    Place::Down => true,
                    Place::Restarting(_) => false,
                })
            };
            if !self.hub.look(rests) {
                return false;
            }
        }
        self.hub.look(resting).is_some()
    }

    /// What every live supervisor says of its children, by path.
    pub(super) async fn snapshots(&mut self) -> Vec<Snapshot> {
        let mut snapshots = Vec::new();
        for path in self.hub.look(resting).unwrap_or_default() {
            let which = self.call(&Op::WhichChildren { sup: path.clone() }).answer().await;
            let count = self.call(&Op::CountChildren { sup: path.clone() }).answer().await;
            snapshots.push(Snapshot { sup: path, which, count });
        }
        snapshots
    }
}

/// The paths of the living supervisors, sorted, if nobody lives without a parent who should not.
fn resting(state: &mut State) -> Option<Vec<String>> {
    if !state.all_serve() {
        return None;
    }
    let mut supervisors = Vec::new();
    for life in state.lives.values().filter(|life| life.is_alive()) {
        let orphan = state.lives.get(&life.parent).is_some_and(|parent| !parent.is_alive());
        match life.worker() {
            None if orphan => return None,
            None => supervisors.push(life.path.clone()),
            Some(worker) if orphan && !is_unlinked(life) && !(worker.terminating && worker.stop.outlives()) => {
                return None;
            }
            Some(_) => {}
        }
    }
    supervisors.sort();
    Some(supervisors)
}

fn is_unlinked(life: &Life) -> bool {
    life.worker().is_some_and(|worker| worker.stop == Stop::Unlink)
}

/// Whoever sends signals and is neither parent nor child of anybody.
pub(super) struct Stranger;

pub(super) struct Signal {
    to: Pid,
    reason: ExitReason,
    reply: Reply<()>,
}

impl Message for Signal {}

impl Actor for Stranger {
    type Args = ();
    type Msg = Signal;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, signal: Signal, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.exit(signal.to, signal.reason)?;
        signal.reply.send(());
        Ok(())
    }
}
