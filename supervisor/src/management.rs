//! Changing a running supervisor: OTP's management API, by name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{ActorRef, AskError, ExitReason, Pid, Reply};

use crate::child::{AnyChild, IntoChild};
use crate::child_spec::ChildSpec;
use crate::core::{CallError, ChildInfo, Counts, Request, Response, Target};
use crate::manager::{Answer, Manager, Order, request};
use crate::tree::{InvalidTree, Node};

/// A handle to the children of one supervisor, from [`Supervisor::management`](crate::Supervisor::management).
///
/// It can be had before the supervisor starts and outlives its incarnations. What it changes lives in the running
/// supervisor only: a supervisor that is restarted has the children it was declared with.
///
/// # Differs from OTP
/// Calls do not wait for ever but for at most an hour, which is the caller's wait only: the work goes on.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Slot, System};
/// # use crashworthy_supervisor::{SlotExt, Supervisor};
/// # struct Cashier;
/// # impl Actor for Cashier {
/// #     type Args = (); type Msg = ();
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Cashier) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = Supervisor::one_for_one("shop");
/// let management = shop.management();
/// let system = System::start(shop).await?;
///
/// let till = Slot::<Cashier>::named("till");
/// management.start_child(till.child(())).await?;
/// assert_eq!(management.count_children().await?.active, 1);
/// management.terminate_child("till").await?;
/// management.delete_child("till").await?;
/// # system.stop().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Management {
    slot: ActorRef<Manager>,
}

/// How long a caller waits: other work of the supervisor may be before the call.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Management {
    pub(crate) fn new(slot: ActorRef<Manager>) -> Self {
        Self { slot }
    }

    /// Adds a child at the end of the start order and starts it. `None`: it declined to start; it is kept unless it
    /// is temporary.
    ///
    /// # Errors
    /// [`CallError::AlreadyStarted`] or [`CallError::AlreadyPresent`] if the name is known, [`CallError::StartFailed`],
    /// [`CallError::Invalid`]; nothing is left behind. [`ManageError::InvalidTree`] if what is below the child breaks
    /// a rule; [`Rule::TooDeep`](crate::Rule::TooDeep) if it is too deep only where it is to be.
    pub async fn start_child(&self, child: impl IntoChild) -> Result<Option<Pid>, ManageError> {
        let AnyChild { node, launch } = child.into_child();
        if let Node::Supervisor(tree) = &node {
            tree.check().map_err(ManageError::InvalidTree)?;
        }
        let (spec, levels) = (node.spec().clone(), node.levels());
        let answer = self.call(|reply| Order::StartChild { spec, levels, launch, reply }).await?;
        started(answer)
    }

    /// Stops a child by the way of its specification, which stays unless the child is temporary. Its siblings are not
    /// touched, whatever the strategy. A child that is being restarted is restarted no longer.
    ///
    /// # Errors
    /// [`CallError::NotFound`].
    pub async fn terminate_child(&self, name: &str) -> Result<(), ManageError> {
        self.manage(Request::TerminateChild(target(name))).await.map(drop)
    }

    /// Starts a child that is not running, at its place in the start order. `None`: it declined to start.
    ///
    /// # Errors
    /// [`CallError::NotFound`], [`CallError::Running`], [`CallError::Restarting`]; [`CallError::StartFailed`], and it
    /// stays down.
    pub async fn restart_child(&self, name: &str) -> Result<Option<Pid>, ManageError> {
        started(self.manage(Request::RestartChild(target(name))).await?)
    }

    /// Removes the specification of a child that is not running.
    ///
    /// # Errors
    /// [`CallError::NotFound`], [`CallError::Running`], [`CallError::Restarting`].
    pub async fn delete_child(&self, name: &str) -> Result<(), ManageError> {
        self.manage(Request::DeleteChild(target(name))).await.map(drop)
    }

    /// The specification of a child.
    ///
    /// # Errors
    /// [`CallError::NotFound`].
    pub async fn child_spec(&self, name: &str) -> Result<Arc<ChildSpec>, ManageError> {
        match self.manage(Request::ChildSpec(target(name))).await? {
            Response::Spec(spec) => Ok(spec),
            _ => unreachable!("a question for a specification is answered by one"),
        }
    }

    /// All children, newest first.
    ///
    /// # Errors
    /// The supervisor is not there, or ended before it answered.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo<Pid>>, ManageError> {
        match self.manage(Request::WhichChildren).await? {
            Response::Children(children) => Ok(children),
            _ => unreachable!("a question for the children is answered by them"),
        }
    }

    /// How many children there are.
    ///
    /// # Errors
    /// As [`which_children`](Self::which_children).
    pub async fn count_children(&self) -> Result<Counts<Pid>, ManageError> {
        match self.manage(Request::CountChildren).await? {
            Response::Counts(counts) => Ok(counts),
            _ => unreachable!("a count is answered by a count"),
        }
    }

    async fn manage(&self, request: Request<Pid>) -> Result<Answer, ManageError> {
        self.call(|reply| Order::Manage { request, reply }).await
    }

    async fn call(&self, order: impl FnOnce(Reply<Answer>) -> Order) -> Result<Answer, ManageError> {
        match request(&self.slot, order, PATIENCE).await.map_err(ManageError::Unanswered)? {
            Response::Refused(error) => Err(ManageError::Refused(error)),
            answer => Ok(answer),
        }
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Management").field(&self.slot.name()).finish()
    }
}

fn target(name: &str) -> Target<Pid> {
    Target::Id(name.to_owned())
}

fn started(answer: Answer) -> Result<Option<Pid>, ManageError> {
    match answer {
        Response::Started(pid) => Ok(Some(pid)),
        Response::Ignored => Ok(None),
        _ => unreachable!("a start is answered by a start"),
    }
}

/// Why a change of a running supervisor was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManageError {
    /// The supervisor said no.
    Refused(CallError<Pid, ExitReason>),
    /// What is below the child to be started breaks rules.
    InvalidTree(InvalidTree),
    /// The supervisor is not there, or ended before it answered.
    Unanswered(AskError),
}

impl fmt::Display for ManageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::InvalidTree(invalid) => write!(f, "the supervision tree is not valid: {invalid}"),
            Self::Unanswered(error) => write!(f, "the supervisor did not answer: {error}"),
        }
    }
}

impl std::error::Error for ManageError {}
