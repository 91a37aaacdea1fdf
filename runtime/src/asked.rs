//! A question that was sent into a reserved place.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use crate::ask::{Door, Posed, Waiting, refused};
use crate::error::{AskError, Refused};
use crate::message::{Criticality, Message};
use crate::reply::{Reply, question};
use crate::route::{self, Way};
use crate::turn::{self, Call, NEVER};
use crate::waits;

/// A question that was sent; resolves to its answer. Made by [`Permit::ask`](crate::Permit::ask).
///
/// # Cancel safety
/// Dropping it cancels the question.
#[must_use = "whoever drops a question does not want to know"]
pub struct Asked<M, R> {
    state: State<M, R>,
}

enum State<M, R> {
    Waiting(Waiting<R>, Arc<dyn Door<M>>),
    Failed(AskError),
    Ended,
}

impl<M: Message, R: Send + 'static> Asked<M, R> {
    /// One that was not sent.
    pub(crate) fn refused(why: Refused) -> Self {
        Self { state: State::Failed(refused(why)) }
    }

    /// Sends a question into a place that is ours. It ends then, or where that is never, within this time.
    pub(crate) fn in_place(
        door: Arc<dyn Door<M>>,
        until: u64,
        within: Duration,
        criticality: Criticality,
        make: impl FnOnce(Reply<R>) -> M,
    ) -> Self {
        let Some(shared) = door.shared() else {
            door.release();
            return Self::refused(door.counted(door.refuse(), criticality));
        };
        let call = turn::current().call;
        let now = shared.port.now_ns();
        let until = if until == NEVER { turn::after(now, within) } else { until };
        let (deadline, criticality) = (until.min(call.deadline), call.lowers(criticality));
        let (question, reply, caller) = question(turn::asked_for(shared, call).as_ref());
        let posed = Posed { since: waits::since(now), criticality, deadline };
        let waiting = Waiting::new(question, shared, posed);
        let place = Given(&*door);
        let (message, call) = (make(reply), Call { deadline, criticality, ..call });
        match route::prepare(&*door, shared, &message, &caller, call) {
            Ok(Way::Open) => std::mem::forget(place),
            // It needs one place here.
            Ok(Way::Reserved) => drop(place),
            Err(why) => return Self::refused(why),
        }
        match door.put_reserved(message, Some(caller), call) {
            Ok(()) => Self { state: State::Waiting(waiting, door) },
            Err(rejected) => Self::refused(rejected.why),
        }
    }
}

/// A place that is given back unless it is used: what makes the message, and what that says of itself, is user code.
struct Given<'d, M>(&'d dyn Door<M>);

impl<M> Drop for Given<'_, M> {
    fn drop(&mut self) {
        self.0.release();
    }
}

// Nothing in it is pinned.
impl<M, R> Unpin for Asked<M, R> {}

impl<M: Message, R: Send + 'static> Future for Asked<M, R> {
    type Output = Result<R, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match std::mem::replace(&mut this.state, State::Ended) {
            State::Waiting(mut waiting, door) => {
                let polled = waiting.poll(&*door, cx);
                if polled.is_pending() {
                    this.state = State::Waiting(waiting, door);
                }
                polled
            }
            State::Failed(why) => Poll::Ready(Err(why)),
            State::Ended => unreachable!("a question is not polled after its end"),
        }
    }
}

impl<M, R> fmt::Debug for Asked<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting(..) => "waiting",
            State::Failed(_) => "failed",
            State::Ended => "ended",
        };
        f.debug_tuple("Asked").field(&state).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::scripted::{Line, clerk, ms, once, simulate, small_clerk};
    use crate::{AskError, CallScope, Offer, Reason, Reply};

    #[test]
    fn a_permit_asks_where_others_find_no_room() {
        simulate(1, async |system| {
            let (clerk, script) = small_clerk(&system, 1).await;
            let permit = clerk.reserve(Offer::within(ms(1_000))).unwrap();
            assert!(matches!(clerk.ask(once).await, Err(AskError::Refused(why)) if why.reason == Reason::Full));
            assert_eq!(permit.ask(once).await, Ok(()));
            assert_eq!((script.played().len(), clerk.load().depth), (1, 0));
        });
    }

    #[test]
    fn a_question_in_a_reserved_place_has_the_time_that_was_offered_and_is_refused_after_it() {
        simulate(1, async |system| {
            let (clerk, script) = clerk(&system, [Line::Work(ms(100)), Line::Answer]).await;
            let (late, busy) = (Offer::within(ms(50)), Offer::within(ms(20)));
            let (late, busy) = (clerk.reserve(late).unwrap(), clerk.reserve(busy).unwrap());
            let begun = system.now();
            assert_eq!(busy.ask(once).await, Err(AskError::Expired));
            assert!((ms(20)..ms(23)).contains(&(system.now() - begun)));
            tokio::time::sleep(ms(40)).await;
            assert!(matches!(late.ask(once).await, Err(AskError::Refused(why)) if why.reason == Reason::NoTime));
            // An admission has no such end: a question has as long as room was waited for.
            clerk.settled().await;
            let endless = clerk.admitted(ms(50)).await.unwrap();
            tokio::time::sleep(ms(100)).await;
            assert_eq!(endless.ask(once).await, Ok(()));
            assert_eq!((script.played().len(), clerk.load().depth), (2, 0));
        });
    }

    #[test]
    fn a_question_that_cannot_be_made_gives_its_place_back() {
        simulate(1, async |system| {
            let (clerk, script) = small_clerk(&system, 1).await;
            let permit = clerk.reserve(Offer::within(ms(1_000))).unwrap();
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| permit.ask(|_: Reply<()>| panic!())));
            assert!(made.is_err());
            assert_eq!(clerk.ask(once).await, Ok(()));
            assert_eq!((script.played().len(), clerk.load().depth), (1, 0));
        });
    }

    #[test]
    fn a_question_in_a_reserved_place_ends_with_the_call_it_is_asked_for() {
        simulate(1, async |system| {
            let (clerk, _) = clerk(&system, [Line::Work(ms(100))]).await;
            let (permit, begun) = (clerk.reserve(Offer::within(ms(1_000))).unwrap(), system.now());
            let call = CallScope::current().within(&system, ms(30));
            assert_eq!(call.scope(async { permit.ask(once).await }).await, Err(AskError::Expired));
            assert!((ms(30)..ms(33)).contains(&(system.now() - begun)));
        });
    }
}
