//! A child of a supervisor: a specification, and how to start it.

use std::fmt;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Slot};

use crate::child_spec::{ChildSpec, Restart, Shutdown};
use crate::launch::{Launcher, START_WITHIN, Static};
use crate::settings::settings;
use crate::tree::Node;

/// An actor as a child of a supervisor. Made by [`SlotExt::child`]; OTP's defaults: permanent, shutdown within 5 s.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Slot};
/// # use crashworthy_supervisor::{SlotExt, Supervisor};
/// # use std::time::Duration;
/// # struct Cashier;
/// # impl Actor for Cashier {
/// #     type Args = (); type Msg = ();
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Cashier) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// let till = Slot::<Cashier>::named("till");
/// let shop = Supervisor::one_for_one("shop").child(till.child(()).transient().within(Duration::from_secs(1)));
/// assert!(shop.to_string().contains("till: worker, transient, shutdown within 1s"));
/// ```
#[must_use = "a child does nothing until a supervisor has it"]
pub struct Child<A: Actor> {
    spec: ChildSpec,
    slot: ActorRef<A>,
    args: A::Args,
    start_within: Duration,
    /// Made where the arguments are known to be `Clone`: a missing bound is reported there, and nowhere else.
    launch: fn(ActorRef<A>, A::Args, Duration) -> Launcher,
}

/// What every incarnation of a child can be started from: whatever is [`Clone`]. There is nothing to implement; it is here for
/// what the compiler says of arguments that are not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cloned, so no second incarnation could be started from it",
    label = "not `Clone`",
    note = "derive `Clone` for it, put it into an `Arc`, or open it in `init` from what can be cloned",
    note = "what is there only once, such as a connection, is for `Dynamic::start_once`, which never restarts it"
)]
pub trait RestartArgs: Clone {}

#[diagnostic::do_not_recommend]
impl<T: Clone> RestartArgs for T {}

/// Makes children of slots.
pub trait SlotExt<A: Actor> {
    /// This slot as a child: every incarnation starts from a clone of `args`.
    ///
    /// What cannot be cloned, a socket for one, cannot be had again after a crash. Put it into an `Arc`, open it in `init` from what
    /// can be cloned (an address, a path), or start the actor with [`Dynamic::start_once`](crate::Dynamic::start_once), which
    /// takes what is there once and never restarts it.
    fn child(&self, args: A::Args) -> Child<A>
    where
        A::Args: RestartArgs;
}

impl<A: Actor> SlotExt<A> for Slot<A> {
    fn child(&self, args: A::Args) -> Child<A>
    where
        A::Args: RestartArgs,
    {
        let name = self.name().unwrap_or_default().to_owned();
        Child {
            spec: ChildSpec::worker(name),
            slot: self.address(),
            args,
            start_within: START_WITHIN,
            launch: |slot, args, start_within| {
                Launcher::new(Static { slot, args, settle: |_, _| {}, begun: false }, start_within)
            },
        }
    }
}

impl<A: Actor> Child<A> {
    settings!();

    /// How long its `init` may take; a start that takes longer is killed and has failed. The default is 60 s.
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }
}

impl<A: Actor> fmt::Debug for Child<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A child whose actor type is forgotten: what supervisors hold.
#[must_use = "a child does nothing until a supervisor has it"]
pub struct AnyChild {
    pub(crate) node: Node,
    pub(crate) launch: Launcher,
}

/// What the child is to its supervisor. For a supervisor of any kind, whose own settings are about its children.
impl AnyChild {
    pub(crate) fn change(mut self, change: impl FnOnce(&mut ChildSpec)) -> Self {
        match &mut self.node {
            Node::Worker(spec) => change(spec),
            Node::Supervisor(tree) => change(&mut tree.spec),
        }
        self
    }

    /// When it is restarted.
    pub fn restart(self, restart: Restart) -> Self {
        self.change(|spec| spec.restart = restart)
    }

    /// How it is stopped.
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        self.change(|spec| spec.shutdown = shutdown)
    }

    /// Its end can end the supervisor (`auto_shutdown`).
    pub fn significant(self) -> Self {
        self.change(|spec| spec.significant = true)
    }
}

impl fmt::Debug for AnyChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyChild").field(&self.node).finish()
    }
}

/// What a supervisor takes as a child: actors, supervised futures, supervisors.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a child of a supervisor",
    label = "not a child",
    note = "a slot becomes a child with its arguments: `slot.child(args)`"
)]
pub trait IntoChild {
    /// The child, its type forgotten.
    fn into_child(self) -> AnyChild;
}

impl IntoChild for AnyChild {
    fn into_child(self) -> AnyChild {
        self
    }
}

impl<A: Actor> IntoChild for Child<A> {
    fn into_child(self) -> AnyChild {
        let Self { spec, slot, args, start_within, launch } = self;
        AnyChild { node: Node::Worker(spec), launch: launch(slot, args, start_within) }
    }
}
