//! The one-shot reply: how an answer finds its question.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use crashworthy_sync::reply::{self as oneshot, Asker, Observer, Replier, Wait};

use crate::error::{AskError, Refused};
use crate::turn;

/// What the turn that has a question in hand holds of its asker.
pub(crate) type Caller = Observer<AskError>;
/// The question that is being handled.
pub(crate) type Around = Wait<AskError>;
pub(crate) type Question<R> = Asker<R, AskError>;

/// Makes the three ends of a question, which is asked for the sake of another or of none.
pub(crate) fn question<R: Send + 'static>(around: Option<&Around>) -> (Question<R>, Reply<R>, Caller) {
    let (asker, replier, observer) = oneshot::channel_within(AskError::Unanswered, around);
    (asker, Reply { replier }, observer)
}

/// The right to answer one question, once. It travels inside the message, may be kept, moved to another actor or
/// task, and answered later.
///
/// # Guarantees
/// The asker gets exactly one outcome. A reply dropped unsent is settled when the turn ends: the handler returned
/// `Ok` → [`Unanswered`](AskError::Unanswered); it returned a refusal → [`Refused`](AskError::Refused) with
/// [`Downstream`](crate::Reason::Downstream); it failed → [`Died`](AskError::Died).
///
/// # Differs from OTP
/// A late answer finds nobody and vanishes; there are no stray messages.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use crashworthy_runtime::Reply;
///
/// let (reply, answer) = Reply::pair();
/// reply.send(7);
/// assert_eq!(answer.await, Ok(7));
/// # }
/// ```
#[must_use = "a reply that is dropped leaves its asker unanswered"]
pub struct Reply<R> {
    replier: Replier<R, AskError>,
}

impl<R: Send + 'static> Reply<R> {
    /// A reply and the answer it will give: to test a handler without an actor that asks.
    pub fn pair() -> (Self, Answer<R>) {
        let (asker, reply, caller) = question(None);
        // No turn will settle this one: a drop is an outcome at once.
        caller.settle(AskError::Unanswered);
        (reply, Answer { asker })
    }

    /// Answers. If the asker has gone, or the turn that answers was abandoned, the value is dropped.
    pub fn send(self, value: R) {
        if turn::is_fenced() {
            return;
        }
        // An asker that has gone needs no answer: late replies vanish.
        let _ = self.replier.send(value);
    }

    /// Answers "no": the asker gets [`AskError::Refused`].
    pub fn refuse(self, why: Refused) {
        if !turn::is_fenced() {
            self.replier.fail(AskError::Refused(why));
        }
    }

    /// Says that the answer will come from elsewhere: for a handler that gives the reply to a task or a thread, and then
    /// itself asks whoever waits for that answer.
    ///
    /// Whoever has a question in hand is taken to owe its answer, and what it asks whoever waits for that is refused as a
    /// [`Cycle`](crate::Reason::Cycle), unless the handler has returned, or has sent a message that may have taken the reply
    /// along, be it by a tell, a permit or a [pipe](crate::Context::pipe), or has started an actor with arguments that may.
    /// Other ways out of a handler, a question to a third actor among them, are not seen.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use crashworthy_runtime::Reply;
    ///
    /// let (reply, answer) = Reply::pair();
    /// let reply = reply.handed_on();
    /// tokio::spawn(async move { reply.send(7) });
    /// assert_eq!(answer.await, Ok(7));
    /// # }
    /// ```
    pub fn handed_on(self) -> Self {
        self.replier.lend();
        self
    }

    /// Whether nobody waits any more: the answer would be dropped.
    pub fn is_cancelled(&self) -> bool {
        self.replier.is_cancelled()
    }

    /// Resolves when nobody waits any more.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn cancelled(&mut self) {
        poll_fn(|cx| self.replier.poll_cancelled(cx)).await;
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// The other end of [`Reply::pair`].
#[must_use = "futures do nothing unless polled"]
pub struct Answer<R> {
    asker: Question<R>,
}

impl<R: Send + 'static> Future for Answer<R> {
    type Output = Result<R, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.asker).poll(cx)
    }
}

impl<R> fmt::Debug for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
