//! Declaring a supervisor and everything below it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Bulkhead, Exit, Pid, Root, Slot, StartError, System, Threads};

use crate::backoff::Backoff;
use crate::child::{AnyChild, IntoChild};
use crate::child_spec::{Restart, Shutdown};
use crate::init::Init;
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
    init: Init,
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
            init: Init::default(),
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

    /// What is done at each start of this supervisor, the first and every restart, before any of its children is started; once, the
    /// last one said. It decides whether they are to be:
    ///
    /// | it returns | |
    /// |---|---|
    /// | `Ok(())` | they are started |
    /// | [`Exit::ignore()`] | the supervisor declines: it does not run, and that is no failure. Its own supervisor goes on without it, and keeps it as a child that is down ([`Management::restart_child`] starts it), unless it is temporary. As the root: [`StartError::Ignored`] |
    /// | any other error, or a panic | its start has failed, with this reason: at first the start of the tree, at a restart one more restart that counts |
    ///
    /// It runs on a thread of those that run the supervisor, and counts among what [`start_within`](Self::start_within) limits, which
    /// cannot interrupt it: what takes time or awaits is for the `init` of a first child.
    ///
    /// # Differs from OTP
    /// There `Module:init/1` also returns flags and children, anew at each start. Here they are declared, so that a tree can be
    /// checked and shown before it starts.
    ///
    /// # Examples
    /// A part of a service that can be switched off:
    /// ```
    /// use crashworthy_runtime::{Exit, System};
    /// use crashworthy_supervisor::{SlotExt, Supervisor};
    /// # use crashworthy_runtime::{Actor, Context, Slot};
    /// # struct Mailer;
    /// # impl Actor for Mailer {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Mailer) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///
    /// let mailer = Slot::<Mailer>::named("mailer");
    /// let letters = Supervisor::one_for_one("letters").child(mailer.child(())).init(|| match std::env::var_os("SEND_LETTERS") {
    ///     Some(_) => Ok(()),
    ///     None => Err(Exit::ignore()),
    /// });
    /// let shop = Supervisor::one_for_one("shop").child(letters);
    /// let management = shop.management();
    /// let system = System::start(shop).await?;
    /// assert!(!mailer.is_alive());
    /// assert_eq!(management.count_children().await?.active, 0);
    /// # system.stop().await;
    /// # Ok(()) }
    /// ```
    pub fn init(mut self, hook: impl Fn() -> Result<(), Exit> + Send + Sync + 'static) -> Self {
        self.init = Init::new(hook);
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
            launcher.launch_mut().settle(&below(path, &node.spec().id));
        }
    }
}

impl IntoChild for Supervisor {
    fn into_child(self) -> AnyChild {
        let Self { slot, tree, launchers, init, start_within } = self;
        let (slot, args) =
            (slot.address(), Blueprint { path: tree.name().clone(), tree: tree.clone(), launchers, init });
        AnyChild {
            node: Node::Supervisor(tree),
            launch: Launcher::new(Static { slot, args, settle, begun: false }, start_within),
        }
    }
}

impl Root for Supervisor {
    async fn start(self, system: &System) -> Result<Pid, StartError> {
        self.check().map_err(|invalid| StartError::InvalidTree(invalid.to_string()))?;
        let Self { slot, tree, launchers, init, start_within } = self;
        let path = tree.name().clone();
        let mut blueprint = Blueprint { path: path.clone(), tree, launchers, init };
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
