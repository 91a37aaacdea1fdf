//! Declaring a supervisor and everything below it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Bulkhead, Pid, Root, Slot, StartError, System, Threads};

use crate::backoff::Backoff;
use crate::child::{AnyChild, IntoChild};
use crate::child_spec::{Restart, Shutdown};
use crate::intensity::Intensity;
use crate::launch::{Launcher, Launchers, START_WITHIN, Static, below};
use crate::management::Management;
use crate::manager::{Blueprint, Manager, start_top};
use crate::strategy::{AutoShutdown, Flags, Strategy};
use crate::tree::{InvalidTree, Members, Node, Tree};

/// A supervisor, declared: its children in start order. It is started as the root of a
/// [`System`], or as the child of another supervisor.
///
/// Children are started left to right, each when the one before is ready, and stopped right to left. The restart
/// intensity is OTP's unless told otherwise: 1 restart in 5 s.
///
/// # Examples
/// ```
/// use crashworthy_supervisor::Supervisor;
/// use std::time::Duration;
///
/// let back_office = Supervisor::rest_for_one("back office");
/// let shop = Supervisor::one_for_one("shop").intensity(3, Duration::from_secs(5)).child(back_office);
/// assert_eq!(shop.to_string(), "\
/// shop: supervisor, one_for_one, 3 restarts in 5s
///   back office: supervisor, rest_for_one, 1 restart in 5s, permanent, shutdown without limit
/// ");
/// ```
#[must_use = "a supervisor does nothing until it is started"]
pub struct Supervisor {
    slot: Slot<Manager>,
    tree: Tree,
    launchers: Launchers,
    start_within: Duration,
}

impl Supervisor {
    /// A supervisor with this strategy.
    pub fn new(name: impl Into<Arc<str>>, strategy: Strategy) -> Self {
        let tree = Tree::new(name, Flags::new(strategy));
        Self {
            slot: Slot::named(tree.name().clone()),
            tree,
            launchers: Launchers(Vec::new()),
            start_within: START_WITHIN,
        }
    }

    /// A child that crashes is restarted alone.
    pub fn one_for_one(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::OneForOne)
    }

    /// When one child crashes, all are stopped and started again.
    pub fn one_for_all(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::OneForAll)
    }

    /// When one child crashes, it and those after it are stopped and started again.
    pub fn rest_for_one(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Strategy::RestForOne)
    }

    /// More than this many restarts within the period end the supervisor.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.tree.flags.intensity = Intensity { restarts, period };
        self
    }

    /// How long restarts wait; unless told otherwise, not at all.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.tree.flags = self.tree.flags.backoff(backoff);
        self
    }

    /// When the ends of significant children end the supervisor.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.tree.flags.auto_shutdown = auto_shutdown;
        self
    }

    /// Adds a child at the end of the start order.
    pub fn child(mut self, child: impl IntoChild) -> Self {
        let AnyChild { node, launch } = child.into_child();
        self.tree = self.tree.node(node);
        self.launchers.0.push(launch);
        self
    }

    /// As a child of another supervisor: when it is restarted.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.tree.spec.restart = restart;
        self
    }

    /// As a child of another supervisor: how it is stopped. Without limit unless told otherwise, because its children
    /// have limits of their own.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.tree.spec.shutdown = shutdown;
        self
    }

    /// Everything below it runs on threads of its own: whatever happens there, the rest of the system keeps its threads, and
    /// the other way round. The supervisor itself stays on those of its own supervisor, so that it acts while its children
    /// block theirs. Children may say otherwise, and supervisors below it may have bulkheads of their own.
    ///
    /// # Examples
    /// ```
    /// use crashworthy_runtime::Bulkhead;
    /// use crashworthy_supervisor::Supervisor;
    ///
    /// let reports = Supervisor::one_for_one("reports").bulkhead(Bulkhead::threads(2));
    /// let shop = Supervisor::one_for_one("shop").child(reports);
    /// assert!(shop.to_string().contains("reports: supervisor") && shop.to_string().contains("bulkhead of 2 threads"));
    /// ```
    pub fn bulkhead(mut self, bulkhead: Bulkhead) -> Self {
        self.tree.spec.threads = Threads::Bulkhead(bulkhead);
        self
    }

    /// As a child of another supervisor: its end can end that one.
    pub fn significant(mut self) -> Self {
        self.tree.spec.significant = true;
        self
    }

    /// How long the start of all its children may take together; 60 s unless told otherwise. One that takes longer is killed,
    /// with what it has started, and its start has failed: that of the system, if it is the top of the tree.
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// The tree as a value: to compare, print or export it.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Checks every rule, as the start does first.
    ///
    /// # Errors
    /// All violations, each with the path of the child and the rule.
    pub fn check(&self) -> Result<(), InvalidTree> {
        self.tree.check()
    }

    /// A handle to add, stop, restart and remove children while it runs. Until then it refuses.
    pub fn management(&self) -> Management {
        Management::new(self.slot.address())
    }
}

/// Tells a supervisor and everything below it where in the tree it is.
pub(crate) fn settle(blueprint: &mut Blueprint, path: &str) {
    blueprint.path = path.into();
    if let Members::Static(nodes) = &blueprint.tree.members {
        for (node, launcher) in nodes.iter().zip(&mut blueprint.launchers.0) {
            launcher.settle(&below(path, &node.spec().id));
        }
    }
}

impl IntoChild for Supervisor {
    fn into_child(self) -> AnyChild {
        let Self { slot, tree, launchers, start_within } = self;
        let (slot, args) = (slot.address(), Blueprint { path: tree.name().clone(), tree: tree.clone(), launchers });
        AnyChild {
            node: Node::Supervisor(tree),
            launch: Launcher::new(Static { slot, args, start_within, settle, begun: false }),
        }
    }
}

impl Root for Supervisor {
    async fn start(self, system: &System) -> Result<Pid, StartError> {
        self.check().map_err(|invalid| StartError::InvalidTree(invalid.to_string()))?;
        let Self { slot, tree, launchers, start_within } = self;
        let path = tree.name().clone();
        let mut blueprint = Blueprint { path: path.clone(), tree, launchers };
        settle(&mut blueprint, &path);
        start_top(system, &slot.address(), blueprint, start_within).await
    }
}

/// The tree as indented text.
impl fmt::Display for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Supervisor").field(&self.tree).finish()
    }
}
