//! Children that are started on request.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, AskError, Bulkhead, Exit, Pid, Reply, Root, Slot, StartError, System, Threads};

use crate::backoff::Backoff;
use crate::child::{AnyChild, IntoChild};
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::core::{CallError, Counts, Request, Response, Target};
use crate::init::Init;
use crate::launch::{Launcher, Launchers, START_WITHIN, Static};
use crate::management::Management;
use crate::manager::{Answer, Blueprint, Manager, Order, request, start_top};
use crate::strategy::{AutoShutdown, Flags, Strategy};
use crate::supervisor::{Supervisor, settle};
use crate::tree::{Members, Node, Tree};

/// A supervisor of any number of children, started on request. A handle: declare it before the tree starts, clone it to
/// whoever starts children. Until it runs it refuses with [`NotStarted`](crashworthy_runtime::Reason).
///
/// | made by | its children |
/// |---|---|
/// | [`named`](Dynamic::named) | actors of one type, each with its own arguments |
/// | [`supervisors`](Dynamic::supervisors) | whole subtrees, all restarted and stopped as is said here |
/// | [`any`](Dynamic::any) | whatever a supervisor can have, each as it says itself: subtrees, tasks, actors of any type |
///
/// Actors are temporary unless told otherwise: a connection or a session is not restarted. What holds for all of them is
/// said here, what holds for one where it is started ([`child`](Dynamic::child)). Children stop all at once, each within its
/// own time limit. The settings of the handle that the tree was given are read when that starts. Afterwards a handle's settings
/// are those of the children that are started through it: how long `init` may take, the mailbox, and all else that a
/// [`child`](Dynamic::child) does not say of itself.
///
/// # Differs from OTP
/// `simple_one_for_one` appends arguments to a template; here every child has its own, and may have its own restart type and
/// shutdown, as under Elixir's `DynamicSupervisor`. Automatic shutdown works as in OTP 24 to 27; later releases refuse it for
/// `simple_one_for_one`, and `DynamicSupervisor` never had it.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, System};
/// # use crashworthy_supervisor::{Dynamic, Supervisor};
/// # struct Session;
/// # impl Actor for Session {
/// #     type Args = u32; type Msg = ();
/// #     async fn init(_: u32, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Session) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Dynamic::<Session>::named("sessions").max_children(100);
/// let system = System::start(Supervisor::one_for_one("service").child(sessions.clone())).await?;
/// let session = sessions.start(7).await?;
/// session.tell(())?;
/// # system.stop().await;
/// # Ok(()) }
/// ```
pub struct Dynamic<A> {
    slot: Slot<Manager>,
    tree: Tree,
    init: Init,
    pub(crate) start_within: Duration,
    pub(crate) mailbox: Option<u32>,
    _children: PhantomData<fn() -> A>,
}

/// How long a caller waits beyond the start itself: other starts may be before it.
const QUEUE: Duration = Duration::from_secs(3600);

/// Children of a [`Dynamic`] that are all restarted and stopped as it says: actors of one type, and
/// [`supervisors`](Dynamic::supervisors). There is nothing to implement.
pub trait Alike {}

impl<A: Actor> Alike for A {}

impl Alike for Supervisor {}

/// Of actors of one type.
impl<A: Actor> Dynamic<A> {
    /// A dynamic supervisor with this name: 1 restart in 5 s, no limit to the number of children.
    ///
    /// The restarts are counted for all children together. That is no matter while they are temporary; of children that are
    /// [restarted](Self::restart), two crashes within 5 s end the supervisor, and with it all of them. Allow for as many
    /// as are to be expected of so many children ([`intensity`](Self::intensity)), or give each a supervisor of its own
    /// ([`any`](Dynamic::any)).
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::with(ChildSpec::worker(name).restart(Restart::Temporary))
    }

    /// How long the `init` of a child may take.
    #[must_use]
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// Each child runs on a thread of its own, which it may block: [`Child::blocking`](crate::Child::blocking). A limit to
    /// their number ([`max_children`](Self::max_children)) is one to the number of threads.
    #[must_use]
    pub fn blocking(mut self) -> Self {
        self.members(|template, _| template.threads = Threads::Own);
        self
    }

    /// Messages the mailbox of each child holds.
    #[must_use]
    pub fn mailbox(mut self, capacity: u32) -> Self {
        self.mailbox = Some(capacity);
        self
    }
}

/// Of children that are all alike to it. What one of many actors says of itself when it is started
/// ([`child`](Dynamic::child)) goes before.
impl<A: Alike> Dynamic<A> {
    /// When children are restarted. Their restarts have one budget for all: see [`named`](Dynamic::named).
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.members(|template, _| template.restart = restart);
        self
    }

    /// How children are stopped; unless told otherwise actors within 5 s, supervisors without a time limit.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.members(|template, _| template.shutdown = shutdown);
        self
    }

    /// The ends of children can end the supervisor ([`auto_shutdown`](Self::auto_shutdown)).
    #[must_use]
    pub fn significant(mut self) -> Self {
        self.members(|template, _| template.significant = true);
        self
    }
}

/// Of children of whatever kind.
impl<A> Dynamic<A> {
    pub(crate) fn with(template: ChildSpec) -> Self {
        let name = template.id.clone();
        Self {
            slot: Slot::named(name.clone()),
            tree: Tree::dynamic(name, Flags::new(Strategy::OneForOne), template, None),
            init: Init::default(),
            start_within: START_WITHIN,
            mailbox: None,
            _children: PhantomData,
        }
    }

    fn members(&mut self, change: impl FnOnce(&mut ChildSpec, &mut Option<usize>)) {
        if let Members::Dynamic { template, max_children } = &mut self.tree.members {
            change(template, max_children);
        }
    }

    /// What children are like unless they say otherwise.
    pub(crate) fn template(&self) -> &ChildSpec {
        match &self.tree.members {
            Members::Dynamic { template, .. } => template,
            Members::Static(_) | Members::Partitions { .. } => unreachable!("it was declared as dynamic"),
        }
    }

    /// All its children run on threads of their own, which are made when it starts:
    /// [`Supervisor::bulkhead`](crate::Supervisor::bulkhead).
    #[must_use]
    pub fn bulkhead(mut self, bulkhead: Bulkhead) -> Self {
        self.tree.spec.threads = Threads::Bulkhead(bulkhead);
        self
    }

    /// The most children at a time.
    #[must_use]
    pub fn max_children(mut self, max: usize) -> Self {
        self.members(|_, max_children| *max_children = Some(max));
        self
    }

    /// More than this many restarts within the period end the supervisor.
    #[must_use]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.tree.flags = self.tree.flags.intensity(restarts, period);
        self
    }

    /// How long restarts wait; unless told otherwise, not at all.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.tree.flags = self.tree.flags.backoff(backoff);
        self
    }

    /// When the ends of significant children end the supervisor; unless told otherwise, never.
    /// [`AllSignificant`](AutoShutdown::AllSignificant): with the last of them, those that are being restarted included.
    #[must_use]
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.tree.flags = self.tree.flags.auto_shutdown(auto_shutdown);
        self
    }

    /// What is done at each start of this supervisor: it may decline, or fail
    /// ([`Supervisor::init`](crate::Supervisor::init)). Unless it returns `Ok` there is nobody to start children.
    #[must_use]
    pub fn init(mut self, hook: impl Fn() -> Result<(), Exit> + Send + Sync + 'static) -> Self {
        self.init = Init::new(hook);
        self
    }

    /// Stops a child, by the way of its specification. False if it is not a living child of this supervisor.
    ///
    /// # Differs from OTP
    /// There `terminate_child` answers `ok` for a child that is dead already.
    ///
    /// # Errors
    /// The supervisor is not there, or ended before it answered.
    pub async fn stop(&self, pid: Pid) -> Result<bool, AskError> {
        let request = Request::TerminateChild(Target::Pid(pid));
        let answer = self.call(|reply| Order::Manage { request, reply }).await?;
        Ok(matches!(answer, Response::Done))
    }

    /// How many children there are.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub async fn count(&self) -> Result<Counts<Pid>, AskError> {
        let request = Request::CountChildren;
        match self.call(|reply| Order::Manage { request, reply }).await? {
            Response::Counts(counts) => Ok(counts),
            _ => unreachable!("a count is answered by a count"),
        }
    }

    /// A handle to ask the supervisor about its children. They are not addressed by name: whoever wants one to end knows its
    /// pid, and [`stop`](Self::stop)s it; what is asked by name is refused with [`CallError::Dynamic`].
    pub fn management(&self) -> Management {
        Management::new(self.slot.address())
    }

    pub(crate) async fn bring_any(&self, child: AnyChild) -> Result<Pid, StartError> {
        let AnyChild { node, launch } = child;
        if let Node::Supervisor(tree) = &node {
            tree.check().map_err(|invalid| StartError::InvalidTree(invalid.to_string()))?;
        }
        self.bring(Some(node.spec().clone()), node.levels(), launch).await
    }

    pub(crate) async fn bring(
        &self,
        own: Option<ChildSpec>,
        levels: usize,
        launch: Launcher,
    ) -> Result<Pid, StartError> {
        let name = own.as_ref().map(|own| own.id.clone());
        let own = own.map(Box::new);
        let order = |reply| Order::StartDynamic { own, levels, launch, reply };
        match self.call(order).await.map_err(StartError::Supervisor)? {
            Response::Started(pid) => Ok(pid),
            Response::Ignored => Err(StartError::Ignored),
            Response::Refused(CallError::MaxChildren(max)) => Err(StartError::MaxChildren(max)),
            Response::Refused(CallError::StartFailed(reason)) => Err(StartError::Failed(reason)),
            Response::Refused(CallError::Invalid(rule)) => {
                let name = name.unwrap_or_default();
                Err(StartError::InvalidTree(format!("{}/{name}: {rule}", self.tree.name())))
            }
            Response::Refused(error) => Err(StartError::Setting(error.to_string())),
            Response::Done | Response::Spec(_) | Response::Children(_) | Response::Counts(_) => {
                unreachable!("a start is answered by a start")
            }
        }
    }

    async fn call(&self, order: impl FnOnce(Reply<Answer>) -> Order) -> Result<Answer, AskError> {
        request(&self.slot, order, QUEUE).await
    }

    fn blueprint(&self) -> Blueprint {
        let (path, tree, init) = (self.tree.name().clone(), self.tree.clone(), self.init.clone());
        Blueprint { path, tree, launchers: Launchers(Vec::new()), init }
    }
}

/// As the top of a tree.
impl<A: 'static> Root for Dynamic<A> {
    async fn start(self, system: &System) -> Result<Pid, StartError> {
        self.tree.check().map_err(|invalid| StartError::InvalidTree(invalid.to_string()))?;
        let args = self.blueprint();
        start_top(system, &self.slot.address(), args, START_WITHIN).await
    }
}

impl<A> IntoChild for Dynamic<A> {
    fn into_child(self) -> AnyChild {
        let args = self.blueprint();
        let launch = Static { slot: self.slot.address(), args, settle, begun: false };
        AnyChild { node: Node::Supervisor(self.tree), launch: Launcher::new(launch, START_WITHIN) }
    }
}

impl<A> Clone for Dynamic<A> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            tree: self.tree.clone(),
            init: self.init.clone(),
            start_within: self.start_within,
            mailbox: self.mailbox,
            _children: PhantomData,
        }
    }
}

impl<A> fmt::Debug for Dynamic<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dynamic").field(&self.tree).finish()
    }
}
