//! Children that are started on request, all alike.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, AskError, Pid, Root, Slot, StartError, System};

use crate::backoff::Backoff;
use crate::child::{AnyChild, IntoChild};
use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::core::{CallError, Counts, Request, Response, Target};
use crate::launch::{Launch, Launchers, Once, START_WITHIN, Static};
use crate::management::Management;
use crate::manager::{Answer, Blueprint, Manager, Order};
use crate::strategy::{Flags, Strategy};
use crate::supervisor::settle;
use crate::tree::{Node, Tree};

/// A supervisor of any number of actors of one type, started on request. A handle: declare it before the tree starts,
/// clone it to whoever starts children. Until it runs it refuses with [`NotStarted`](crashworthy_runtime::Reason).
///
/// Children are temporary unless told otherwise: a connection or a session is not restarted. They stop all at once,
/// under one time limit.
///
/// # Differs from OTP
/// `simple_one_for_one` appends arguments to a template; here every child has its own.
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
pub struct Dynamic<A: Actor> {
    slot: Slot<Manager>,
    tree: Tree,
    start_within: Duration,
    mailbox: Option<u32>,
    _actor: std::marker::PhantomData<fn() -> A>,
}

/// How long a caller waits beyond the start itself: other starts may be before it.
const QUEUE: Duration = Duration::from_secs(3600);

impl<A: Actor> Dynamic<A> {
    /// A dynamic supervisor with this name: 1 restart in 5 s, no limit to the number of children.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        let template = ChildSpec::worker(name.clone()).restart(Restart::Temporary);
        let flags = Flags::new(Strategy::OneForOne);
        Self {
            slot: Slot::named(name.clone()),
            tree: Tree::dynamic(name, flags, template, None),
            start_within: START_WITHIN,
            mailbox: None,
            _actor: std::marker::PhantomData,
        }
    }

    fn template(&mut self, change: impl FnOnce(&mut ChildSpec, &mut Option<usize>)) {
        if let crate::tree::Members::Dynamic { template, max_children } = &mut self.tree.members {
            change(template, max_children);
        }
    }

    /// The most children at a time.
    #[must_use]
    pub fn max_children(mut self, max: usize) -> Self {
        self.template(|_, max_children| *max_children = Some(max));
        self
    }

    /// When children are restarted.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.template(|template, _| template.restart = restart);
        self
    }

    /// How children are stopped: 5 s unless told otherwise, for all together.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.template(|template, _| template.shutdown = shutdown);
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

    /// How long the `init` of a child may take.
    #[must_use]
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// Messages the mailbox of each child holds.
    #[must_use]
    pub fn mailbox(mut self, capacity: u32) -> Self {
        self.mailbox = Some(capacity);
        self
    }

    /// Starts a child and waits for its `init`.
    ///
    /// # Errors
    /// [`StartError::Failed`] with the reason, [`StartError::MaxChildren`], [`StartError::Ignored`];
    /// [`StartError::Supervisor`] if the supervisor is not started, has ended or ends meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop a start that has begun: the child lives on under its supervisor.
    pub async fn start(&self, args: A::Args) -> Result<ActorRef<A>, StartError>
    where
        A::Args: Clone,
    {
        let slot = self.slot()?;
        let launch = Static {
            slot: slot.clone(),
            args,
            start_within: self.start_within,
            settle: |_, _| {},
            reusable: false,
            begun: false,
        };
        self.bring(Box::new(launch)).await.map(|()| slot)
    }

    /// Starts a child whose arguments cannot be cloned, a connection for example. It is never restarted.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_once(&self, args: A::Args) -> Result<ActorRef<A>, StartError> {
        let slot = self.slot()?;
        let launch = Once { slot: slot.clone(), args: Some(args), start_within: self.start_within };
        self.bring(Box::new(launch)).await.map(|()| slot)
    }

    fn slot(&self) -> Result<ActorRef<A>, StartError> {
        let slot = Slot::<A>::anonymous();
        Ok(match self.mailbox {
            Some(capacity) => slot.mailbox(capacity)?,
            None => slot,
        }
        .address())
    }

    async fn bring(&self, launch: Box<dyn Launch>) -> Result<(), StartError> {
        match self.call(|reply| Order::StartDynamic { launch, reply }).await.map_err(StartError::Supervisor)? {
            Response::Started(_) => Ok(()),
            Response::Ignored => Err(StartError::Ignored),
            Response::Refused(CallError::MaxChildren(max)) => Err(StartError::MaxChildren(max)),
            Response::Refused(CallError::StartFailed(reason)) => Err(StartError::Failed(reason)),
            Response::Refused(error) => Err(StartError::Setting(error.to_string())),
            Response::Done | Response::Spec(_) | Response::Children(_) | Response::Counts(_) => {
                unreachable!("a start is answered by a start")
            }
        }
    }

    /// Stops a child, by the way of its specification. False if it is not a living child of this supervisor.
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

    /// A handle to ask the supervisor about its children. They have no names: whoever wants one to end knows its pid, and
    /// [`stop`](Self::stop)s it; what is asked by name is refused with [`CallError::Dynamic`].
    pub fn management(&self) -> Management {
        Management::new(self.slot.address())
    }

    async fn call(&self, order: impl FnOnce(crashworthy_runtime::Reply<Answer>) -> Order) -> Result<Answer, AskError> {
        self.slot.ask(order).within(QUEUE).await
    }
}

/// As the top of a tree.
impl<A: Actor> Root for Dynamic<A> {
    async fn start(self, system: &System) -> Result<Pid, StartError> {
        self.tree.check().map_err(|invalid| StartError::InvalidTree(invalid.to_string()))?;
        let args = self.blueprint();
        system.start_top(&self.slot, args).await
    }
}

impl<A: Actor> Dynamic<A> {
    fn blueprint(&self) -> Blueprint {
        Blueprint { path: self.tree.name().clone(), tree: self.tree.clone(), launchers: Launchers(Vec::new()) }
    }
}

impl<A: Actor> IntoChild for Dynamic<A> {
    fn into_child(self) -> AnyChild {
        let args = self.blueprint();
        let launch = Static {
            slot: self.slot.address(),
            args,
            start_within: START_WITHIN,
            settle,
            reusable: true,
            begun: false,
        };
        AnyChild { node: Node::Supervisor(self.tree), launch: Box::new(launch) }
    }
}

impl<A: Actor> Clone for Dynamic<A> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            tree: self.tree.clone(),
            start_within: self.start_within,
            mailbox: self.mailbox,
            _actor: std::marker::PhantomData,
        }
    }
}

impl<A: Actor> fmt::Debug for Dynamic<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dynamic").field(&self.tree).finish()
    }
}
