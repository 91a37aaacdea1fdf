//! Retries: within one deadline, within a budget, and only where they do no harm.
//!
//! ```text
//!   attempt ── failed ──▶ rule: worth another? after what time? ── yes ──▶ budget: one left? ── yes ──▶ wait, attempt
//!                                     │ no                                       │ no
//!                                     ▼                                          ▼
//!                               the failure, at once                      the failure, at once
//! ```
//! Retries are what turns a short overload into a long one: everybody who was refused comes again, in step, on top of those
//! who come for the first time. So each of these rules takes a part of that away; none of them is a setting.

mod asking;
mod budget;
mod rule;
#[cfg(test)]
mod simulation;
mod telling;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::asking::Asking;
use self::budget::Budget;
use self::rule::{Failure, Standing};
pub use self::telling::Telling;
use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::ask::Door as _;
use crate::error::StartError;
use crate::port::nanos;
use crate::reply::Reply;
use crate::shared::Shared;
use crate::target::Target;
use crate::target::sealed::Choose;
use crate::turn;

/// What a message is, that actors behind this target take.
pub(crate) type MessageOf<T> = <<T as Choose>::Actor as Actor>::Msg;

/// When callers of one kind try again, and how often. Clones share one budget: make one policy for the callers of a kind and
/// whom they call, and give each of them a clone.
///
/// A call is tried again only
/// * if it was *refused* by the actor it went to, and that said when to come again (`retry_after`), at the door or as its
///   [answer](Reply::refuse), which says that nothing was done; or if it *failed* (the actor died, or did not answer) and its message is [idempotent](crate::Message::idempotent);
/// * at most twice: three attempts in all, and the last failure is the call's;
/// * after `retry_after`, and up to [`base`](Self::base) longer; twice that the second time. The part is drawn, so that those
///   who were refused together do not come again together;
/// * if what is queued there would then be done before the deadline, which is the same for all attempts: else the failure is
///   told at once;
/// * within the *budget*: a retry for ten calls, ten at the most saved up, and one a second in any case.
///
/// A refusal that an actor passed on from one behind it is not retried: only the layer directly above does, or each would
/// multiply what the one below it does.
///
/// # Examples
/// ```
/// # use std::time::Duration;
/// # use crashworthy_runtime::{Actor, Context, Exit, Message, Reply, RetryPolicy, System};
/// # struct Price { reply: Reply<u64> }
/// # impl Message for Price {}
/// # struct Catalogue;
/// # impl Actor for Catalogue {
/// #     type Args = (); type Msg = Price;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Catalogue) }
/// #     async fn handle(&mut self, Price { reply }: Price, _: &mut Context<Self>) -> Result<(), Exit> {
/// #         reply.send(250);
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let system = System::bare()?;
/// # let catalogue = system.spawn::<Catalogue>(()).await?;
/// let retries = RetryPolicy::new(); // one for all who ask the catalogue
/// let cents = retries.ask(&catalogue, |reply| Price { reply }).within(Duration::from_millis(200)).await?;
/// assert_eq!(cents, 250);
/// # system.stop().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    base: Duration,
    budget: Arc<Budget>,
}

/// The shortest and the longest base.
const BASES: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { base: Duration::from_millis(10), budget: Arc::new(Budget::full()) }
    }
}

impl RetryPolicy {
    /// A policy with a base of 10 ms and a budget of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same policy and budget with another base: the most that a retry waits on top of what the refusal says. About as
    /// long as the callee takes for a message is a good one.
    ///
    /// # Errors
    /// [`StartError::Setting`] unless it is between 1 ms and 10 s: retries without jitter would come in step.
    pub fn base(self, base: Duration) -> Result<Self, StartError> {
        if BASES.contains(&base) {
            return Ok(Self { base, ..self });
        }
        let (least, most) = (BASES.start(), BASES.end());
        Err(StartError::Setting(format!("retries after {base:?} and more, allowed are {least:?} to {most:?}")))
    }

    /// Asks a question, more than once if this policy says so. As [`ActorRef::ask`], but that `make` is called for each
    /// attempt. Of a [`Balancer`](crate::Balancer) each attempt chooses anew.
    ///
    /// # Errors
    /// The failure of the last attempt; see [`AskError`](crate::AskError).
    ///
    /// # Cancel safety
    /// Dropping the future cancels the question, and there is no further attempt.
    pub fn ask<'a, T, R, F>(&'a self, target: &'a T, make: F) -> Asking<'a, T, R, F>
    where
        T: Target,
        F: FnMut(Reply<R>) -> MessageOf<T>,
    {
        Asking::new(target, Some(self), make)
    }

    /// Sends a message, more than once if it comes back and this policy says so. As [`ActorRef::tell`] otherwise. A future: it
    /// waits between attempts.
    ///
    /// # Errors
    /// [`Rejected`](crate::Rejected) gives the message back, and says why the last attempt was refused.
    ///
    /// # Cancel safety
    /// Dropping the future drops the message if it was not taken.
    pub fn tell<'a, T: Target>(&'a self, target: &'a T, msg: impl Into<MessageOf<T>>) -> Telling<'a, T> {
        Telling::new(target, self, msg.into())
    }

    /// How many retries are saved up, between 0 and 10.
    pub fn saved(&self) -> f32 {
        self.budget.saved()
    }

    fn note_call(&self) {
        self.budget.note_call();
    }

    /// When the next attempt is to be, on the clock of the system, if there is to be one.
    fn next<A: Actor>(&self, failure: Failure, call: Attempted<'_, A>) -> Option<u64> {
        let Attempted { to, attempts, idempotent, until } = call;
        let port = &to.cell.shared()?.port;
        let now = port.now_ns();
        let left = Duration::from_nanos(until.saturating_sub(now));
        let standing = Standing { attempts, idempotent, left, wait: to.load().wait };
        let delay = rule::delay(failure, standing, self.base, port.rng_u64())?;
        self.budget.take(now).then(|| now.saturating_add(nanos(delay)))
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("base", &self.base).field("saved", &self.saved()).finish()
    }
}

/// A call of which an attempt has failed.
struct Attempted<'a, A: Actor> {
    /// Who was asked last.
    to: &'a ActorRef<A>,
    attempts: u32,
    idempotent: bool,
    /// The deadline of all attempts.
    until: u64,
}

/// The deadline of a call that begins now: no later than that of the call being handled.
fn deadline(shared: &Shared, within: Duration) -> u64 {
    turn::deadline_after(&shared.port, within).min(turn::current().call.deadline)
}
