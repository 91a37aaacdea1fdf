//! The trait an author implements.

use std::future::Future;

use crate::context::Context;
use crate::exit::{Exit, ExitReason};
use crate::message::Message;
use crate::readiness::Readiness;
use crate::signal::Signal;
use crate::view::View;

/// State behind a mailbox, handling one message at a time.
///
/// Write the methods as plain `async fn`. Neither the state nor [`Args`](Self::Args) need be `Sync`. All methods of
/// one incarnation run one after another, never at the same time; a panic in any of them is caught and ends the
/// incarnation with [`ExitReason::Crashed`].
///
/// # Guarantees
/// * Messages of one sender are handled in the order sent.
/// * A message is handled at most once: the one in hand at a crash is given up, never redelivered.
/// * What a panic cannot be contained for: a second panic while unwinding, stack overflow, allocation failure and
///   foreign exceptions abort the process.
///
/// # Differs from OTP
/// The mailbox and the address outlive a crash: the next incarnation goes on with what was queued.
///
/// # Examples
/// ```
/// use crashworthy_runtime::{Actor, Context, Exit, Message, Reply};
///
/// enum Till { Sell { cents: u64 }, Total { reply: Reply<u64> } }
/// impl Message for Till {}
///
/// struct Cashier { total: u64 }
///
/// impl Actor for Cashier {
///     type Args = u64;
///     type Msg = Till;
///
///     async fn init(float: u64, _: &mut Context<Self>) -> Result<Self, Exit> {
///         Ok(Cashier { total: float })
///     }
///
///     async fn handle(&mut self, msg: Till, _: &mut Context<Self>) -> Result<(), Exit> {
///         match msg {
///             Till::Sell { cents } => self.total = self.total.checked_add(cents).ok_or("till overflow")?,
///             Till::Total { reply } => reply.send(self.total),
///         }
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    label = "not an `Actor`",
    note = "implement `crashworthy::Actor` for it: `type Args`, `type Msg`, `init` and `handle`"
)]
pub trait Actor: Sized + Send + 'static {
    /// What every incarnation starts from.
    type Args: Send + 'static;
    /// What it is told: usually an enum.
    type Msg: Message;

    /// Makes the state of a new incarnation. Whoever starts the actor waits for this.
    ///
    /// # Errors
    /// Any error fails the start. [`Exit::ignore`] chooses not to run, which is not a failure.
    fn init(args: Self::Args, cx: &mut Context<Self>) -> impl Future<Output = Result<Self, Exit>> + Send;

    /// Handles one message.
    ///
    /// # Errors
    /// An error ends the incarnation, unless it is (or wraps) a refusal, an expiry or a cancellation: those end the
    /// message, and its asker is told [`Downstream`](crate::Reason::Downstream).
    ///
    /// # Blocking
    /// It should await what takes long. One that blocks its thread costs a worker for as long; where handlers block all of
    /// them, threads of the system's own take the turns of other actors about 15 ms later, sixteen threads at the most. The log names who blocks; so does the console. On a runtime of one thread everybody waits.
    ///
    /// # Cancel safety
    /// A kill, or an exit signal that is not trapped, drops the future at its next await.
    fn handle(&mut self, msg: Self::Msg, cx: &mut Context<Self>) -> impl Future<Output = Result<(), Exit>> + Send;

    /// Whether it takes new work. It is asked after [`init`](Self::init), before whoever waits for the start is told, and
    /// after a callback that [wanted](Context::recheck) that, before the next message, and, while its answer is not
    /// [`Yes`](Readiness::Yes), whenever something that it [depends on](Context::depends_on) goes up or down. Senders read the
    /// answer, and are refused without a turn of the actor; so it should cost little. A panic in it is one of `handle`.
    ///
    /// What the actor has named with [`depends_on`](Context::depends_on) need not be looked at here. What it says holds until
    /// it is asked again, also while its next incarnation starts.
    fn ready(&self, cx: &Context<Self>) -> Readiness {
        let _ = cx;
        Readiness::Yes
    }

    /// What may be seen of its state by whoever looks into the system: nothing, unless this says so. It is asked between two
    /// messages, when somebody [wants to see it](crate::System::view); never while a callback runs or awaits.
    ///
    /// [`View::value`] shows a number, a truth or a span of time, [`View::text`] all that can be displayed, [`View::each`] and
    /// [`View::branch`] what lies below a name. What is secret is put in as [`View::secret`], which takes no value. It should cost little: whoever blocks here holds up the
    /// actor. A panic in it is contained, and told to whoever asked.
    ///
    /// # Differs from OTP
    /// `sys:get_state` shows the whole state of any process. Here its author decides what is shown, and how much of it.
    ///
    /// # Examples
    /// ```
    /// # use crashworthy_runtime::{Actor, Context, Exit, StateView, View};
    /// # struct Till { drawer: u64, customer: &'static str }
    /// # impl Actor for Till {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Err("not here".into()) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// fn view(&self, view: &mut View<'_>) {
    ///     view.value("drawer", self.drawer);
    ///     view.text("customer", self.customer);
    ///     view.secret("pin");
    /// }
    /// # }
    /// # let shown = StateView::of(&Till { drawer: 5, customer: "Ann" }).to_string();
    /// # assert_eq!(shown, "drawer: 5\ncustomer: Ann\npin: (secret)");
    /// ```
    fn view(&self, view: &mut View<'_>) {
        let _ = view;
    }

    /// Reads a trapped exit signal or the end of a monitored actor.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    fn on_signal(&mut self, signal: Signal, cx: &mut Context<Self>) -> impl Future<Output = Result<(), Exit>> + Send {
        let _ = (signal, cx);
        std::future::ready(Ok(()))
    }

    /// Runs last: after a callback ended the incarnation or panicked, and, for an actor that traps exits, when its
    /// parent stops it. Not after a kill, nor a failed `init`, nor an exit signal that is not trapped (as in OTP).
    fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self>) -> impl Future<Output = ()> + Send {
        let _ = (reason, cx);
        std::future::ready(())
    }
}
