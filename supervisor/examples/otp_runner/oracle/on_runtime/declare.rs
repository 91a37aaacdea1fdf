//! Scenario trees as supervisors and children of ours.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{AskError, Exit, Pid, Root, Slot, StartError, System};
use crashworthy_supervisor::{AnyChild, Dynamic, IntoChild, Kind, Management, Shutdown, SlotExt, Strategy, Supervisor};

use super::super::on_core;
use super::super::scenario::{Behaviour, Child, Start, Stop, Tree, below};
use super::hub::{Declared, DeclaredDynamic, Hub};
use super::worker::{Script, Scripted};

/// How long a start may take that is to time out: long enough for the others under the same limit.
const START_WITHIN: Duration = Duration::from_millis(400);

/// Shutdown times up to this one are those of children that never obey. They may be longer without a difference, and are,
/// so that a busy machine makes no difference either.
const SHORT: Duration = Duration::from_millis(100);

const STRETCH: u32 = 8;

fn stretched(shutdown: Shutdown) -> Shutdown {
    match shutdown {
        Shutdown::Within(limit) if limit <= SHORT => Shutdown::Within(limit * STRETCH),
        other => other,
    }
}

/// The shutdown time as the scenario has it.
pub(super) fn shrunk(shutdown: Shutdown) -> Shutdown {
    match shutdown {
        Shutdown::Within(limit) if limit <= SHORT * STRETCH => Shutdown::Within(limit / STRETCH),
        other => other,
    }
}

/// A supervisor that is about to be started.
pub(super) enum Branch {
    Static(Supervisor),
    Dynamic(Crowd),
}

impl Branch {
    pub(super) async fn start(self, system: &System) -> Result<Pid, StartError> {
        match self {
            Self::Static(supervisor) => supervisor.start(system).await,
            Self::Dynamic(Crowd::Workers(dynamic)) => Root::start(dynamic, system).await,
            Self::Dynamic(Crowd::Subtrees(dynamic)) => Root::start(dynamic, system).await,
        }
    }

    pub(super) fn into_child(self) -> AnyChild {
        match self {
            Self::Static(supervisor) => supervisor.into_child(),
            Self::Dynamic(Crowd::Workers(dynamic)) => dynamic.into_child(),
            Self::Dynamic(Crowd::Subtrees(dynamic)) => dynamic.into_child(),
        }
    }
}

/// The supervisor of this name, at this path of the scenario.
pub(super) fn branch(hub: &Arc<Hub>, name: &str, path: &str, tree: &Tree) -> Branch {
    let broken = on_core::broken(tree);
    let (inits, at) = (hub.clone(), path.to_owned());
    let init = move || inits.supervisor_inits(&at);
    let (management, dynamic, branch) = if broken.is_some() {
        let supervisor = stand_in(hub, name, path, tree).init(init);
        (supervisor.management(), None, Branch::Static(supervisor))
    } else if tree.flags.is_dynamic() {
        let crowd = Crowd::new(name, tree);
        let (template, name) = (tree.children[0].id.clone(), name.to_owned());
        let named = Some(DeclaredDynamic { crowd: crowd.clone(), template, name });
        (crowd.management(), named, Branch::Dynamic(crowd.init(init)))
    } else {
        let supervisor = supervisor(hub, name, path, tree).init(init);
        (supervisor.management(), None, Branch::Static(supervisor))
    };
    let (strategy, start) = (tree.flags.strategy.as_str(), tree.start.clone());
    let declared = Declared { strategy, start, broken, management, dynamic };
    hub.look(|state| state.declared.insert(path.to_owned(), declared));
    branch
}

fn supervisor(hub: &Arc<Hub>, name: &str, path: &str, tree: &Tree) -> Supervisor {
    let flags = tree.flags.ours();
    let supervisor = Supervisor::new(name, flags.strategy)
        .intensity(flags.intensity.restarts, flags.intensity.period)
        .auto_shutdown(flags.auto_shutdown);
    tree.children.iter().fold(supervisor, |supervisor, spec| supervisor.child(child(hub, path, spec)))
}

/// A dynamic supervisor, by the type of its template.
#[derive(Clone)]
pub(super) enum Crowd {
    Workers(Dynamic<Scripted>),
    Subtrees(Dynamic<Supervisor>),
}

impl Crowd {
    fn new(name: &str, tree: &Tree) -> Self {
        let (flags, template) = (tree.flags.ours(), tree.children[0].spec());
        macro_rules! told {
            ($dynamic:expr) => {{
                let dynamic = $dynamic
                    .intensity(flags.intensity.restarts, flags.intensity.period)
                    .auto_shutdown(flags.auto_shutdown)
                    .restart(template.restart)
                    .shutdown(stretched(template.shutdown));
                if template.significant { dynamic.significant() } else { dynamic }
            }};
        }
        match template.kind {
            Kind::Worker => Self::Workers(told!(Dynamic::named(name).start_within(START_WITHIN))),
            Kind::Supervisor => Self::Subtrees(told!(Dynamic::supervisors(name))),
        }
    }

    fn init(self, init: impl Fn() -> Result<(), Exit> + Send + Sync + 'static) -> Self {
        match self {
            Self::Workers(dynamic) => Self::Workers(dynamic.init(init)),
            Self::Subtrees(dynamic) => Self::Subtrees(dynamic.init(init)),
        }
    }

    fn management(&self) -> Management {
        match self {
            Self::Workers(dynamic) => dynamic.management(),
            Self::Subtrees(dynamic) => dynamic.management(),
        }
    }

    pub(super) async fn stop(&self, pid: Pid) -> Result<bool, AskError> {
        match self {
            Self::Workers(dynamic) => dynamic.stop(pid).await,
            Self::Subtrees(dynamic) => dynamic.stop(pid).await,
        }
    }
}

/// A supervisor whose start fails where OTP's does that has this broken specification: ours refuses the whole tree, before
/// anything starts, and so it cannot be a part of one.
fn stand_in(hub: &Arc<Hub>, name: &str, path: &str, tree: &Tree) -> Supervisor {
    if !tree.flags.is_dynamic() {
        supervisor(hub, name, path, tree).check().expect_err("what is broken there is broken here");
    }
    Supervisor::new(name, Strategy::OneForOne)
}

/// A child of the supervisor at this path.
pub(super) fn child(hub: &Arc<Hub>, above: &str, child: &Child) -> AnyChild {
    let path = below(above, &child.id);
    let spec = child.spec();
    let any = match &child.sup {
        Some(tree) => branch(hub, &child.id, &path, tree).into_child(),
        None => {
            let worker = Slot::<Scripted>::named(spec.id.clone()).child(script(hub, path, &child.behaviour));
            let hangs = child.behaviour.start.contains(&Start::Timeout);
            // Of a killed supervisor it is left behind, and its next life waits that long for it.
            let stays = child.behaviour.stop == Stop::Unlink;
            if hangs || stays { worker.start_within(START_WITHIN).into_child() } else { worker.into_child() }
        }
    };
    let any = any.restart(spec.restart).shutdown(stretched(spec.shutdown));
    if spec.significant { any.significant() } else { any }
}

pub(super) fn script(hub: &Arc<Hub>, path: String, behaviour: &Behaviour) -> Script {
    Script { path, behaviour: Arc::new(behaviour.clone()), hub: hub.clone() }
}
