//! A question that may be put more than once.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use super::{Attempted, Failure, MessageOf, RetryPolicy};
use crate::actor_ref::ActorRef;
use crate::ask::{Ask, Door as _};
use crate::error::AskError;
use crate::message::Message as _;
use crate::reply::Reply;
use crate::target::Target;
use crate::target::sealed::{Choice, Choose};
use crate::time::Nap;
use crate::turn;

/// A question that is put to another actor if one refuses, or again after a while; resolves to its answer. Made by
/// [`RetryPolicy::ask`] and [`Balancer::ask`](crate::Balancer::ask).
///
/// It is a future itself, so that it can be joined and selected. Its deadline begins at the first poll, and is the same for
/// all attempts.
///
/// # Cancel safety
/// Dropping it cancels the question.
#[must_use = "a question is asked when it is awaited"]
pub struct Asking<'a, T: Target, R, F> {
    target: &'a T,
    policy: Option<&'a RetryPolicy>,
    make: F,
    within: Option<Duration>,
    /// Since the first poll, on the clock of the system.
    until: Option<u64>,
    attempts: u32,
    /// Whether the message that was made last is.
    idempotent: bool,
    state: State<'a, T, R>,
}

enum State<'a, T: Target, R> {
    Unasked,
    Waiting { question: Sent<'a, T, R>, of: Asked<'a, T> },
    Resting(Nap),
    Ended,
}

/// A question on its way: its maker has done its work.
type Sent<'a, T, R> = Ask<'a, MessageOf<T>, R, fn(Reply<R>) -> MessageOf<T>>;
type Answered<R> = Result<R, AskError>;

/// Who is asked, and who will be if that one refuses.
type Asked<'a, T> = Choice<'a, <T as Choose>::Actor>;

impl<'a, T: Target, R, F> Asking<'a, T, R, F> {
    pub(crate) fn new(target: &'a T, policy: Option<&'a RetryPolicy>, make: F) -> Self {
        let (within, until) = (None, None);
        Self { target, policy, make, within, until, attempts: 0, idempotent: false, state: State::Unasked }
    }

    /// Ends the question no later than this after it is first asked, whatever the number of attempts. There is no "forever":
    /// unless told otherwise it is the time that the first message [names](crate::Message::sla), and else 5 s.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// When the next attempt is to be, after one has failed.
    fn again(&self, asked: &Asked<'a, T>, why: &AskError) -> Option<Nap> {
        let (policy, until, shared) = (self.policy?, self.until?, asked.first.cell.shared()?);
        let Self { attempts, idempotent, .. } = *self;
        let at = policy.next(Failure::of(why), Attempted { to: asked.first, attempts, idempotent, until })?;
        Some(Nap::until(&shared.wheel, at))
    }
}

impl<'a, T, R, F> Asking<'a, T, R, F>
where
    T: Target,
    R: Send + 'static,
    F: FnMut(Reply<R>) -> MessageOf<T>,
{
    /// Puts the question to the first of them.
    fn put(&mut self, of: Asked<'a, T>, cx: &mut Poller<'_>) -> Result<(), (Answered<R>, Asked<'a, T>)> {
        let to: &'a ActorRef<_> = of.first;
        let (make, idempotent, named) = (&mut self.make, &mut self.idempotent, Cell::new(None));
        let mut question = to.ask(|reply| {
            let msg = make(reply);
            *idempotent = msg.idempotent();
            named.set(msg.sla());
            msg
        });
        let shared = to.cell.shared();
        let now = shared.map_or(0, |shared| shared.port.now_ns());
        let left = self.until.map(|until| Duration::from_nanos(until.saturating_sub(now)));
        if let Some(within) = left.or(self.within) {
            question = question.within(within);
        }
        let polled = Pin::new(&mut question).poll(cx);
        if let Some(shared) = shared {
            let within = self.within.or(named.get()).unwrap_or(shared.settings.ask_within);
            self.until.get_or_insert_with(|| turn::after(now, within).min(turn::current().call.deadline));
        }
        match polled {
            Poll::Ready(answer) => Err((answer, of)),
            Poll::Pending => {
                self.state = State::Waiting { question: question.sent(), of };
                Ok(())
            }
        }
    }

    /// Chooses whom to ask, and asks.
    fn begin(&mut self, cx: &mut Poller<'_>) -> Result<(), (Answered<R>, Asked<'a, T>)> {
        if self.attempts == 0
            && let Some(policy) = self.policy
        {
            policy.note_call();
        }
        self.attempts += 1;
        self.put(self.target.choose(), cx)
    }
}

// Nothing in it is pinned: the maker is called where it is, question and nap are ordinary structs.
impl<T: Target, R, F> Unpin for Asking<'_, T, R, F> {}

impl<T, R, F> Future for Asking<'_, T, R, F>
where
    T: Target,
    R: Send + 'static,
    F: FnMut(Reply<R>) -> MessageOf<T>,
{
    type Output = Result<R, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut put = match std::mem::replace(&mut this.state, State::Ended) {
            State::Unasked => this.begin(cx),
            State::Waiting { mut question, of } => match Pin::new(&mut question).poll(cx) {
                Poll::Ready(answer) => Err((answer, of)),
                Poll::Pending => {
                    this.state = State::Waiting { question, of };
                    return Poll::Pending;
                }
            },
            State::Resting(mut nap) => match Pin::new(&mut nap).poll(cx) {
                Poll::Ready(()) => this.begin(cx),
                Poll::Pending => {
                    this.state = State::Resting(nap);
                    return Poll::Pending;
                }
            },
            State::Ended => unreachable!("a question is not polled after its end"),
        };
        // Bounded: there is one other, and there are only so many attempts.
        while let Err((answer, asked)) = put {
            let why = match answer {
                Ok(answer) => return Poll::Ready(Ok(answer)),
                Err(why) => why,
            };
            match (&why, asked.second) {
                // Nothing was begun there: the other may have room.
                (AskError::Refused(refused), Some(other)) if refused.hops == 0 => {
                    put = this.put(Choice { first: other, second: None }, cx);
                }
                _ => match this.again(&asked, &why) {
                    None => return Poll::Ready(Err(why)),
                    Some(mut nap) => match Pin::new(&mut nap).poll(cx) {
                        Poll::Ready(()) => put = this.begin(cx),
                        Poll::Pending => {
                            this.state = State::Resting(nap);
                            return Poll::Pending;
                        }
                    },
                },
            }
        }
        Poll::Pending
    }
}

impl<T: Target, R, F> fmt::Debug for Asking<'_, T, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Unasked => "unasked",
            State::Waiting { .. } => "waiting",
            State::Resting(_) => "resting",
            State::Ended => "ended",
        };
        f.debug_struct("Asking").field("state", &state).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}
