//! A refusal as an HTTP client is told: whose fault it is, and when to come again.

use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::error::{AskError, Reason, Refused, Rejected};

/// What an HTTP client is told that does not get what it asked for. A response by itself; a service that has an error format
/// of its own takes the status and the time from here.
///
/// # Whose fault it is
///
/// | outcome | status | code | `Retry-After` |
/// |---|---|---|---|
/// | refused: [`Full`](Reason::Full), [`NoTime`](Reason::NoTime), [`Shed`](Reason::Shed), [`Share`](Reason::Share), [`Displaced`](Reason::Displaced) | 429 | `busy` | as the actor says, else 1 s |
/// | refused: [`Stuck`](Reason::Stuck), [`NotReady`](Reason::NotReady), [`NotStarted`](Reason::NotStarted), [`Restarting`](Reason::Restarting), [`Draining`](Reason::Draining), [`Suspended`](Reason::Suspended), [`Stopped`](Reason::Stopped), [`Downstream`](Reason::Downstream) | 503 | `not_now` | as the actor says, else 1 s |
/// | refused: [`Tripped`](Reason::Tripped), [`Gone`](Reason::Gone), [`Cycle`](Reason::Cycle), [`Reason::Fenced`] | 503 | `not_now` | none, unless the actor says |
/// | [`Expired`](AskError::Expired) | 503 | `too_late` | 1 s |
/// | [`Died`](AskError::Died) | 503 | `crashed` | 1 s |
/// | [`Unanswered`](AskError::Unanswered), [`Cancelled`](AskError::Cancelled), [`AskError::Fenced`] | 503 | `no_answer` | none |
///
/// With 429 the demand is at fault: the actor is well, and too much is asked of it. The client's share of the cure is to ask
/// less, which is what clients and proxies do that see a 429. With 503 the service is at fault, and nothing that this client
/// did: another instance may do better, which is what proxies try that see a 503. What an actor behind the one that was asked
/// refused is the service's own affair.
///
/// `Expired` says that the deadline came first, and not why: behind a queue, or in a handler that is slow. So the first burst
/// at an actor whose messages nobody has measured yet ends as 503 `too_late`, even if it is the demand that is at fault: all of
/// it is accepted, and what is still queued at its deadline expires. As soon as the gate has measured such messages, it
/// refuses what would not be served in time: 429. A service that would have the former told as 429, too, maps `Expired`
/// itself, or has a shorter mailbox, which is `Full` sooner.
///
/// The client is told no more than that: who refused, and what there is to do, is for the log.
///
/// # Examples
/// A handler of axum that returns what it got, or the refusal:
/// ```
/// # use std::time::Duration;
/// # use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Message, Reply};
/// # struct Price { reply: Reply<u64> }
/// # impl Message for Price {}
/// # struct Catalogue;
/// # impl Actor for Catalogue {
/// #     type Args = (); type Msg = Price;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Catalogue) }
/// #     async fn handle(&mut self, _: Price, _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// async fn price(catalogue: ActorRef<Catalogue>) -> Result<String, AskError> {
///     let cents = catalogue.ask(|reply| Price { reply }).within(Duration::from_millis(250)).await?;
///     Ok(format!("{cents} cents"))
/// }
/// # use axum_core::response::IntoResponse;
/// # fn is_response<T: IntoResponse>() {}
/// # is_response::<Result<String, AskError>>();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRefusal {
    /// 429 or 503.
    pub status: StatusCode,
    /// One word for programs: the body, where there is no other.
    pub code: &'static str,
    /// When asking again is worth it.
    pub retry_after: Option<Duration>,
}

/// When nobody knows better.
const SOON: Duration = Duration::from_secs(1);
/// The longest time that a client is told to stay away: nobody can see further.
const FAR_S: u64 = 60 * 60;

impl HttpRefusal {
    fn unavailable(code: &'static str, retry_after: Option<Duration>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code, retry_after }
    }

    /// The value of the header `Retry-After`: whole seconds, at least 1 and at most an hour.
    pub fn retry_after_s(&self) -> Option<u64> {
        let up = |after: Duration| after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        self.retry_after.map(|after| up(after).clamp(1, FAR_S))
    }
}

impl From<&Refused> for HttpRefusal {
    fn from(refused: &Refused) -> Self {
        let Refused { reason, retry_after, .. } = *refused;
        match reason {
            Reason::Full | Reason::NoTime | Reason::Shed | Reason::Share | Reason::Displaced => {
                let retry_after = Some(retry_after.unwrap_or(SOON));
                Self { status: StatusCode::TOO_MANY_REQUESTS, code: "busy", retry_after }
            }
            Reason::Stuck
            | Reason::NotReady(_)
            | Reason::NotStarted
            | Reason::Restarting
            | Reason::Draining
            | Reason::Suspended
            | Reason::Stopped
            | Reason::Downstream => Self::unavailable("not_now", Some(retry_after.unwrap_or(SOON))),
            Reason::Tripped | Reason::Gone | Reason::Cycle | Reason::Fenced => {
                Self::unavailable("not_now", retry_after)
            }
        }
    }
}

impl From<&AskError> for HttpRefusal {
    fn from(error: &AskError) -> Self {
        match error {
            AskError::Refused(refused) => refused.into(),
            AskError::Expired => Self::unavailable("too_late", Some(SOON)),
            AskError::Died => Self::unavailable("crashed", Some(SOON)),
            AskError::Unanswered | AskError::Cancelled | AskError::Fenced => Self::unavailable("no_answer", None),
        }
    }
}

impl IntoResponse for HttpRefusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.code).into_response();
        if let Some(seconds) = self.retry_after_s() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// As [`HttpRefusal`] says.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        HttpRefusal::from(&self).into_response()
    }
}

/// As [`HttpRefusal`] says. The message is dropped.
impl<M> IntoResponse for Rejected<M> {
    fn into_response(self) -> Response {
        self.why.into_response()
    }
}

/// As [`HttpRefusal`] says.
impl IntoResponse for AskError {
    fn into_response(self) -> Response {
        HttpRefusal::from(&self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(outcome: impl IntoResponse) -> (u16, Option<String>) {
        let response = outcome.into_response();
        let retry = response.headers().get(RETRY_AFTER).map(|value| value.to_str().expect("digits").to_owned());
        (response.status().as_u16(), retry)
    }

    fn refused(reason: Reason, retry_after: Option<Duration>) -> Refused {
        Refused { retry_after, ..Refused::because(reason) }
    }

    #[test]
    fn too_much_demand_is_429_and_what_the_service_cannot_do_is_503() {
        for reason in [Reason::Full, Reason::NoTime, Reason::Shed, Reason::Share, Reason::Displaced] {
            assert_eq!(answer(Refused::because(reason)), (429, Some("1".to_owned())), "{reason}");
        }
        use Reason::{Downstream, Draining, NotReady, NotStarted, Restarting, Stopped, Stuck, Suspended};
        for reason in [Stuck, NotReady("db".into()), NotStarted, Restarting, Suspended, Draining, Stopped, Downstream] {
            assert_eq!(answer(Refused::because(reason)), (503, Some("1".to_owned())), "{reason}");
        }
        for reason in [Reason::Tripped, Reason::Gone, Reason::Cycle, Reason::Fenced] {
            assert_eq!(answer(AskError::Refused(Refused::because(reason))), (503, None), "{reason}");
        }
        for error in [AskError::Expired, AskError::Died] {
            assert_eq!(answer(error), (503, Some("1".to_owned())));
        }
        for error in [AskError::Unanswered, AskError::Cancelled, AskError::Fenced] {
            assert_eq!(answer(error), (503, None));
        }
        assert_eq!(answer(Rejected::new(Refused::because(Reason::Full), ())).0, 429);
    }

    #[test]
    fn retry_after_is_what_the_actor_said_in_whole_seconds_and_no_more_than_an_hour() {
        for (said, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (2_300, "3"), (u64::MAX, "3600")] {
            let refused = refused(Reason::Full, Some(Duration::from_millis(said)));
            assert_eq!(answer(refused), (429, Some(seconds.to_owned())), "{said} ms");
        }
        assert_eq!(answer(refused(Reason::Gone, Some(SOON))), (503, Some("1".to_owned())));
    }
}
