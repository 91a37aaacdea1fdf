//! Scenario trees as supervisors and children of ours.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Pid, Root, Slot, StartError, System};
use crashworthy_supervisor::{AnyChild, Dynamic, IntoChild, Shutdown, SlotExt, Supervisor};

use super::super::scenario::{Behaviour, Child, Start, Tree, below};
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
    Dynamic(Dynamic<Scripted>),
}

impl Branch {
    pub(super) async fn start(self, system: &System) -> Result<Pid, StartError> {
        match self {
            Self::Static(supervisor) => supervisor.start(system).await,
            Self::Dynamic(dynamic) => dynamic.start(system).await,
        }
    }

    fn into_child(self) -> AnyChild {
        match self {
            Self::Static(supervisor) => supervisor.into_child(),
            Self::Dynamic(dynamic) => dynamic.into_child(),
        }
    }
}

/// The supervisor of this name, at this path of the scenario.
pub(super) fn branch(hub: &Arc<Hub>, name: &str, path: &str, tree: &Tree) -> Branch {
    let flags = tree.flags.ours();
    let (management, dynamic, branch) = if tree.flags.is_dynamic() {
        let template = tree.children[0].spec();
        let dynamic = Dynamic::named(name)
            .intensity(flags.intensity.restarts, flags.intensity.period)
            .auto_shutdown(flags.auto_shutdown)
            .restart(template.restart)
            .shutdown(stretched(template.shutdown))
            .start_within(START_WITHIN);
        let dynamic = if template.significant { dynamic.significant() } else { dynamic };
        let (template, name) = (template.id.to_string(), name.to_owned());
        let named = Some(DeclaredDynamic { handle: dynamic.clone(), template, name });
        (dynamic.management(), named, Branch::Dynamic(dynamic))
    } else {
        let supervisor = Supervisor::new(name, flags.strategy)
            .intensity(flags.intensity.restarts, flags.intensity.period)
            .auto_shutdown(flags.auto_shutdown);
        let supervisor =
            tree.children.iter().fold(supervisor, |supervisor, spec| supervisor.child(child(hub, path, spec)));
        (supervisor.management(), None, Branch::Static(supervisor))
    };
    let declared = Declared { strategy: tree.flags.strategy.as_str(), management, dynamic };
    hub.look(|state| state.declared.insert(path.to_owned(), declared));
    branch
}

/// A child of the supervisor at this path.
pub(super) fn child(hub: &Arc<Hub>, above: &str, child: &Child) -> AnyChild {
    let path = below(above, &child.id);
    let spec = child.spec();
    if spec.shutdown == Shutdown::BrutalKill {
        hub.look(|state| state.brutal.insert(path.clone()));
    }
    let any = match &child.sup {
        Some(tree) => branch(hub, &child.id, &path, tree).into_child(),
        None => {
            let worker = Slot::<Scripted>::named(spec.id.clone()).child(script(hub, path, &child.behaviour));
            let hangs = child.behaviour.start.contains(&Start::Timeout);
            if hangs { worker.start_within(START_WITHIN).into_child() } else { worker.into_child() }
        }
    };
    let any = any.restart(spec.restart).shutdown(stretched(spec.shutdown));
    if spec.significant { any.significant() } else { any }
}

pub(super) fn script(hub: &Arc<Hub>, path: String, behaviour: &Behaviour) -> Script {
    Script { path, behaviour: Arc::new(behaviour.clone()), hub: hub.clone() }
}
