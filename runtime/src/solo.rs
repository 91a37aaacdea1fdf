//! Testing one actor alone: the actor itself, and addresses whose messages the test reads.

use std::fmt;
use std::ops::Deref;

use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::cell::{CAPACITY, Cell};
use crate::error::StartError;
use crate::exit::ExitReason;
use crate::life::forward;
use crate::start::Start;
use crate::system::System;

/// One actor that runs alone, in a small system of its own on the current runtime: everything behaves as in service,
/// crashes included, and nothing has to be declared. It ends when it is dropped.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Message, Reply, Solo};
/// # enum Till { Sell { cents: u64 }, Total { reply: Reply<u64> } }
/// # impl Message for Till {}
/// # struct Cashier { total: u64 }
/// # impl Actor for Cashier {
/// #     type Args = u64; type Msg = Till;
/// #     async fn init(float: u64, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Cashier { total: float }) }
/// #     async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
/// #         match msg {
/// #             Till::Sell { cents } => self.total = self.total.checked_add(cents).ok_or("till overflow")?,
/// #             Till::Total { reply } => reply.send(self.total),
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let till = Solo::<Cashier>::start(100).await?;
/// till.tell(Till::Sell { cents: 250 })?;
/// assert_eq!(till.ask(|reply| Till::Total { reply }).await?, 350);
///
/// let down = till.down();
/// till.tell(Till::Sell { cents: u64::MAX })?;
/// assert!(down.await.reason.crash().is_some_and(|crash| crash.message == "till overflow"));
/// # Ok(()) }
/// ```
pub struct Solo<A: Actor> {
    system: Alone,
    actor: ActorRef<A>,
}

impl<A: Actor> Solo<A> {
    /// Starts the actor and waits for its `init`.
    ///
    /// # Errors
    /// As [`System::spawn`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(args: A::Args) -> Result<Self, StartError> {
        let system = Alone::named("solo")?;
        let actor = system.0.spawn(args).await?;
        Ok(Self { system, actor })
    }

    /// The small system it runs in.
    pub fn system(&self) -> &System {
        &self.system.0
    }
}

impl<A: Actor> Deref for Solo<A> {
    type Target = ActorRef<A>;

    fn deref(&self) -> &ActorRef<A> {
        &self.actor
    }
}

impl<A: Actor> fmt::Debug for Solo<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Solo").field(&self.actor).finish()
    }
}

/// A small system that ends when it is dropped.
struct Alone(System);

impl Alone {
    fn named(name: &'static str) -> Result<Self, StartError> {
        System::builder().name(name).pumps(1).bare().map(Self)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        crate::shutdown::end_now(&self.0.shared, Some(ExitReason::Normal));
    }
}

/// Stands in for an actor of type `A`: what is sent to its address is read by the test.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, Context, Exit, Probe};
/// # struct Cashier;
/// # impl Actor for Cashier {
/// #     type Args = (); type Msg = ();
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Cashier) }
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut till = Probe::<Cashier>::start()?;
/// let address = till.address();
/// address.tell(())?;
/// assert_eq!(till.next().await, Some(()));
/// # Ok(()) }
/// ```
pub struct Probe<A: Actor> {
    /// Ends when it is dropped.
    _system: Alone,
    actor: ActorRef<A>,
    messages: mpsc::Receiver<A::Msg>,
}

impl<A: Actor> Probe<A> {
    /// Makes an address and its reader.
    ///
    /// # Errors
    /// None with the settings it uses.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start() -> Result<Self, StartError> {
        let system = Alone::named("probe")?;
        // As many as a mailbox holds: they can be looked at once the actor has settled.
        let (sender, messages) = mpsc::channel(CAPACITY as usize);
        let cell = Cell::new(None, CAPACITY);
        Start::alone().launch_with(&cell, &system.0.shared, |cell, birth| forward(cell, sender, birth))?;
        Ok(Self { _system: system, actor: ActorRef::new(cell), messages })
    }

    /// The address to hand out.
    pub fn address(&self) -> ActorRef<A> {
        self.actor.clone()
    }

    /// The next message, in the order sent; `None` if the stand-in was killed.
    ///
    /// # Cancel safety
    /// No message is lost.
    pub async fn next(&mut self) -> Option<A::Msg> {
        self.messages.recv().await
    }

    /// The next message if it is there already. Await [`settled`](ActorRef::settled) before concluding from its
    /// absence; that waits for you if more than 1,024 messages are unread.
    pub fn try_next(&mut self) -> Option<A::Msg> {
        self.messages.try_recv().ok()
    }
}

impl<A: Actor> fmt::Debug for Probe<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probe").field(&self.actor).finish()
    }
}
