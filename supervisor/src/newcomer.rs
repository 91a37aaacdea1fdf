//! One child of a dynamic supervisor, before it starts.

use std::fmt;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Slot, StartError};

use crate::child::RestartArgs;
use crate::child_spec::ChildSpec;
use crate::dynamic::Dynamic;
use crate::launch::{Launcher, Once, Own};
use crate::settings::settings;

/// An actor that is about to be started by a [`Dynamic`], with settings of its own. Made by [`Dynamic::child`].
///
/// What it does not say is as the handle says that it was made from. Children with the same settings share them, up to
/// sixteen kinds of them: those cost nothing.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, System};
/// # use crashworthy_supervisor::Dynamic;
/// # use std::time::Duration;
/// # struct Session;
/// # impl Actor for Session {
/// #     type Args = u32; type Msg = ();
/// #     async fn init(_: u32, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Session) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Dynamic::<Session>::named("sessions").max_children(100);
/// let system = System::start(sessions.clone()).await?;
/// let guest = sessions.start(1).await?;
/// let member = sessions.child(2).transient().within(Duration::from_secs(30)).start().await?;
/// # let _ = (guest, member);
/// # system.stop().await;
/// # Ok(()) }
/// ```
#[must_use = "a child does nothing until it is started"]
pub struct Newcomer<'d, A: Actor> {
    crowd: &'d Dynamic<A>,
    spec: ChildSpec,
    args: A::Args,
    start_within: Duration,
    mailbox: Option<u32>,
}

/// Starting children.
impl<A: Actor> Dynamic<A> {
    /// A child with these arguments, to be given settings of its own and then [`start`](Newcomer::start)ed.
    pub fn child(&self, args: A::Args) -> Newcomer<'_, A> {
        Newcomer {
            crowd: self,
            spec: self.template().clone(),
            args,
            start_within: self.start_within,
            mailbox: self.mailbox,
        }
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
        A::Args: RestartArgs,
    {
        self.child(args).begin(None).await
    }

    /// Starts a child whose arguments cannot be cloned, a connection for example. It is temporary: never restarted, and its
    /// crash is none that counts.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_once(&self, args: A::Args) -> Result<ActorRef<A>, StartError> {
        self.child(args).start_once().await
    }
}

impl<A: Actor> Newcomer<'_, A> {
    settings!();

    /// How long its `init` may take.
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// Messages its mailbox holds.
    pub fn mailbox(mut self, capacity: u32) -> Self {
        self.mailbox = Some(capacity);
        self
    }

    /// Starts it and waits for its `init`.
    ///
    /// # Errors
    /// As [`Dynamic::start`]; [`StartError::InvalidTree`] if it is significant where it cannot be.
    ///
    /// # Cancel safety
    /// As [`Dynamic::start`].
    pub async fn start(self) -> Result<ActorRef<A>, StartError>
    where
        A::Args: RestartArgs,
    {
        let own = self.spec.clone();
        self.begin(Some(own)).await
    }

    /// Starts it with these settings, or those that its supervisor has for all.
    async fn begin(self, own: Option<ChildSpec>) -> Result<ActorRef<A>, StartError>
    where
        A::Args: Clone,
    {
        let slot = self.slot()?;
        let Self { crowd, args, start_within, .. } = self;
        let launch = Own::new(slot.clone(), args);
        crowd.bring(own, 0, Launcher::new(launch, start_within)).await.map(|_| slot)
    }

    /// Starts it with arguments that cannot be cloned: it is temporary, whatever was said.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_once(self) -> Result<ActorRef<A>, StartError> {
        let slot = self.slot()?;
        let Self { crowd, spec, args, start_within, .. } = self.temporary();
        let launch = Once::new(slot.clone(), args);
        crowd.bring(Some(spec), 0, Launcher::new(launch, start_within)).await.map(|_| slot)
    }

    fn slot(&self) -> Result<ActorRef<A>, StartError> {
        let slot = Slot::<A>::anonymous();
        Ok(match self.mailbox {
            Some(capacity) => slot.mailbox(capacity)?,
            None => slot,
        }
        .address())
    }
}

impl<A: Actor> fmt::Debug for Newcomer<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomer").field("spec", &self.spec).finish_non_exhaustive()
    }
}
