//! A message that may be sent more than once, until it is taken.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use super::{Attempted, Failure, MessageOf, RetryPolicy, deadline};
use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::ask::Door as _;
use crate::error::Rejected;
use crate::message::{Criticality, Message};
use crate::target::Target;
use crate::target::sealed::{Choice, Choose};
use crate::time::Nap;
use crate::turn::{self, Call, Turn};

/// A message that is sent again if it comes back, as its policy says. Made by [`RetryPolicy::tell`].
///
/// # Cancel safety
/// Dropping it drops the message if it was not taken.
#[must_use = "a message is sent when this is awaited"]
pub struct Telling<'a, T: Target> {
    target: &'a T,
    policy: &'a RetryPolicy,
    msg: Option<MessageOf<T>>,
    within: Option<Duration>,
    /// Since the first poll, on the clock of the system.
    until: Option<u64>,
    attempts: u32,
    rest: Option<Nap>,
}

/// A message that was not taken, and by whom.
type CameBack<'a, T> = (Rejected<MessageOf<T>>, &'a ActorRef<<T as Choose>::Actor>);

impl<'a, T: Target> Telling<'a, T> {
    pub(super) fn new(target: &'a T, policy: &'a RetryPolicy, msg: MessageOf<T>) -> Self {
        Self { target, policy, msg: Some(msg), within: None, until: None, attempts: 0, rest: None }
    }

    /// Within which time the message is to be handled, whatever the number of attempts: what was not taken by then comes back,
    /// what was not handled by then is dropped unhandled. Unless told otherwise, the time that its type names
    /// ([`Message::sla`]). If there is none either, the message has no deadline, and attempts end after as long as questions do.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Sends the message to who was chosen, or to the other if that one refuses. What came back, and from whom.
    fn attempt(&mut self, msg: MessageOf<T>) -> Result<(), CameBack<'a, T>> {
        if self.attempts == 0 {
            self.policy.note_call();
        }
        self.attempts += 1;
        let within = self.within.or_else(|| msg.sla());
        let Choice { first, second } = self.target.choose();
        let Some(shared) = first.cell.shared().or_else(|| second?.cell.shared()) else {
            return first.tell(msg).map_err(|rejected| (rejected, first));
        };
        let until = *self.until.get_or_insert_with(|| deadline(shared, within.unwrap_or(shared.settings.ask_within)));
        let carried = within.map(|_| until);
        match (send(first, msg, carried), second) {
            (Err(rejected), Some(second)) => {
                send(second, rejected.into_message(), carried).map_err(|rejected| (rejected, second))
            }
            (sent, _) => sent.map_err(|rejected| (rejected, first)),
        }
    }

    /// When the next attempt is to be, after one has failed.
    fn again(&self, why: &Rejected<MessageOf<T>>, from: &'a ActorRef<T::Actor>) -> Option<Nap> {
        let (until, shared) = (self.until?, from.cell.shared()?);
        let call = Attempted { to: from, attempts: self.attempts, idempotent: false, until };
        let at = self.policy.next(Failure::of_refusal(&why.why), call)?;
        Some(Nap::until(&shared.wheel, at))
    }
}

/// Sends a message that is to be handled by then, if there is a deadline, whatever is being handled just now.
fn send<A: Actor>(to: &ActorRef<A>, msg: A::Msg, until: Option<u64>) -> Result<(), Rejected<A::Msg>> {
    let Some(deadline) = until else { return to.tell(msg) };
    // The message says how much it matters: such a call lowers nothing.
    let turn = turn::current();
    let call = Call { deadline, criticality: Criticality::CriticalPlus, ..turn.call };
    let _scope = turn::enter(Turn { call, ..turn });
    to.tell_scoped(msg)
}

// Nothing in it is pinned.
impl<T: Target> Unpin for Telling<'_, T> {}

impl<T: Target> Future for Telling<'_, T> {
    type Output = Result<(), Rejected<MessageOf<T>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(rest) = &mut this.rest {
                std::task::ready!(Pin::new(rest).poll(cx));
                this.rest = None;
            }
            let msg = this.msg.take().expect("a message is not sent again after it was taken");
            let Err((rejected, from)) = this.attempt(msg) else { return Poll::Ready(Ok(())) };
            this.rest = this.again(&rejected, from);
            if this.rest.is_none() {
                return Poll::Ready(Err(rejected));
            }
            this.msg = Some(rejected.into_message());
        }
    }
}

impl<T: Target> fmt::Debug for Telling<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").field("attempts", &self.attempts).finish_non_exhaustive()
    }
}
