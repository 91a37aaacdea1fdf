//! Workers that do what their script says, as actors.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, Context, Exit, ExitReason, Message, Pid};
use tokio::sync::mpsc;

use super::super::scenario::{Behaviour, Start, Stop, outcome};
use super::hub::{Hub, Life, Role, Worker};
use super::reasons::{erlangs, ours};

/// What a scripted worker starts from.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) path: String,
    pub(super) behaviour: Arc<Behaviour>,
    pub(super) hub: Arc<Hub>,
}

pub(super) struct Scripted {
    script: Script,
    /// It is told to exit beside its mailbox.
    told: mpsc::UnboundedReceiver<String>,
    /// It ends by itself, and not because it is stopped.
    by_itself: bool,
    said: bool,
    /// It has answered a stop with a reason of its own.
    answered: bool,
}

pub(super) enum Told {
    Exit(String),
    /// Its own, when it answers a stop with a reason of the normal class: it stays in its handler until then, because
    /// `terminate` can only panic.
    Serve,
}

impl Message for Told {}

impl Actor for Scripted {
    type Args = Script;
    type Msg = Told;

    async fn init(script: Script, cx: &mut Context<Self>) -> Result<Self, Exit> {
        let Script { path, behaviour, hub } = &script;
        // Nobody is stopped because of this one before it can take up its part.
        hub.all_serve().await;
        let n = hub.attempt(path);
        let start = match outcome(&behaviour.start, n) {
            Start::Gate(then) => {
                hub.pass_gate().await;
                *then
            }
            start => start,
        };
        match &start {
            Start::Ok | Start::OkInfo => {}
            Start::Ignore => {
                hub.not_started(path, n, "ignore");
                return Err(Exit::ignore());
            }
            Start::Timeout => {
                hub.not_started(path, n, "timeout");
                std::future::pending::<()>().await;
            }
            Start::Error(reason) => {
                hub.not_started(path, n, &format!("error:{reason}"));
                return Err(Exit::because(ours(reason)));
            }
            Start::Exit(reason) => {
                hub.not_started(path, n, &format!("exit:{reason}"));
                match ours(reason) {
                    ExitReason::Crashed(_) => panic!("{reason}"),
                    reason => return Err(Exit::because(reason)),
                }
            }
            Start::Gate(_) => unreachable!("a gate leads to no other gate"),
        }
        let stop = behaviour.stop.clone();
        cx.trap_exit(stop.traps());
        let parent = cx.parent().unwrap_or(Pid::OUTSIDE);
        if stop == Stop::Unlink {
            cx.unlink(parent);
        }
        let (aside, told) = mpsc::unbounded_channel();
        let worker = Worker {
            stop: stop.clone(),
            terminating: false,
            serves: false,
            info: start == Start::OkInfo,
            address: cx.address(),
            aside,
        };
        hub.started(Life {
            path: path.clone(),
            n,
            pid: cx.pid(),
            parent: parent.to_string(),
            ended: None,
            left: false,
            condemned: false,
            role: Role::Worker(worker),
        });
        let serves = stop.answers_well();
        if serves {
            cx.send_self(Told::Serve)?;
        }
        Ok(Self { script, told, by_itself: false, said: false, answered: false })
    }

    async fn handle(&mut self, told: Told, cx: &mut Context<Self>) -> Result<(), Exit> {
        let reason = match told {
            Told::Exit(reason) => reason,
            Told::Serve => {
                self.script.hub.serves(cx.pid());
                tokio::select! {
                Some(reason) = self.told.recv() => reason,
                () = cx.stopping() => {
                    let Stop::Exit(answer) = self.script.behaviour.stop.clone() else { unreachable!("only they serve") };
                    self.says(cx.pid(), &self.why_stopped(cx.pid()));
                    self.answered = true;
                    return Err(Exit::because(ours(&answer)));
                }
                }
            }
        };
        self.by_itself = true;
        Err(Exit::because(ours(&reason)))
    }

    async fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self>) {
        self.says(cx.pid(), &erlangs(&reason.to_string()));
        if self.by_itself {
            return;
        }
        match &self.script.behaviour.stop {
            Stop::Linger(ms) => cx.system().sleep_until(cx.system().now() + Duration::from_millis(*ms)).await,
            Stop::Ignore => std::future::pending().await,
            // As which it ends anyway.
            Stop::Exit(answer) if ours(answer) == *reason => {}
            stop if stop.answers_well() && !self.answered => self.script.hub.missed(),
            Stop::Exit(answer) if !self.answered => panic!("{answer}"),
            Stop::Die | Stop::Trap | Stop::Unlink | Stop::Exit(_) => {}
        }
    }
}

impl Scripted {
    fn says(&mut self, pid: Pid, reason: &str) {
        if !std::mem::replace(&mut self.said, true) {
            self.script.hub.terminates(pid, reason);
        }
    }

    /// A handler that awaits its stop is not told why; it is its parent's end, or its parent's wish.
    fn why_stopped(&self, pid: Pid) -> String {
        self.script.hub.look(|state| {
            let parent = state.by(pid).and_then(|life| state.lives.get(&life.parent));
            parent.and_then(|parent| parent.ended.clone()).unwrap_or_else(|| "shutdown".to_owned())
        })
    }
}
