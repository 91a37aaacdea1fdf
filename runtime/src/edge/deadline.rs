//! How long an HTTP client would wait, as it says itself.

use std::fmt;
use std::time::Duration;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

/// The header in which a client says how long it would wait: the time left in whole milliseconds, not a point of a clock that
/// nobody shares.
pub const DEADLINE_HEADER: &str = "request-timeout-ms";

/// How long the client of a request would wait: what its header [`DEADLINE_HEADER`] says, at most `MOST_MS` and at least
/// 1 ms; `DEFAULT_MS` where it says nothing. An extractor of axum.
///
/// Give it to the questions that the request asks, so that nothing is done for a client that has gone: one that would wait
/// only as long as others queue is refused at once. Whoever says more than there is to have gets what there is: a client
/// cannot have the service hold its work for longer.
///
/// # Errors
/// [`BadDeadline`], a 400, for a header that is not a whole number.
///
/// # Examples
/// ```
/// # use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Message, Reply};
/// # struct Price { reply: Reply<u64> }
/// # impl Message for Price {}
/// # struct Catalogue;
/// # impl Actor for Catalogue {
/// #     type Args = (); type Msg = Price;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Catalogue) }
/// #     async fn handle(&mut self, _: Price, _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
/// # }
/// use crashworthy_runtime::edge::Within;
///
/// /// Half a second, or what the client says up to two.
/// async fn price(Within(time): Within<500, 2_000>, catalogue: ActorRef<Catalogue>) -> Result<String, AskError> {
///     Ok(catalogue.ask(|reply| Price { reply }).within(time).await?.to_string())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const DEFAULT_MS: u64, const MOST_MS: u64>(pub Duration);

impl<const DEFAULT_MS: u64, const MOST_MS: u64> Within<DEFAULT_MS, MOST_MS> {
    fn read(headers: &HeaderMap) -> Result<Self, BadDeadline> {
        const { assert!(1 <= DEFAULT_MS && DEFAULT_MS <= MOST_MS, "the default is at least 1 ms, and at most the most") }
        // Of several the shortest: whoever added one on the way knows what is left.
        let mut said = headers.get_all(DEADLINE_HEADER).iter().map(|said| {
            let digits = said.to_str().ok().filter(|said| said.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or(BadDeadline)
        });
        let shortest = said.try_fold(None, |shortest: Option<u64>, said| {
            let said = said?;
            Ok(Some(shortest.map_or(said, |shortest| shortest.min(said))))
        })?;
        Ok(Self(Duration::from_millis(shortest.unwrap_or(DEFAULT_MS).clamp(1, MOST_MS))))
    }
}

impl<S: Send + Sync, const DEFAULT_MS: u64, const MOST_MS: u64> FromRequestParts<S> for Within<DEFAULT_MS, MOST_MS> {
    type Rejection = BadDeadline;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, BadDeadline> {
        Self::read(&parts.headers)
    }
}

/// The header says no number. A response of axum, with status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDeadline;

impl fmt::Display for BadDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DEADLINE_HEADER} is a whole number of milliseconds")
    }
}

impl std::error::Error for BadDeadline {}

impl IntoResponse for BadDeadline {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn within(said: &[&[u8]]) -> Result<u128, BadDeadline> {
        let mut headers = HeaderMap::new();
        for said in said {
            headers.append(DEADLINE_HEADER, HeaderValue::from_bytes(said).expect("a header"));
        }
        Within::<500, 2_000>::read(&headers).map(|Within(time)| time.as_millis())
    }

    #[test]
    fn a_deadline_is_what_the_client_says_within_what_there_is_to_have() {
        assert_eq!(within(&[]), Ok(500));
        assert_eq!(within(&[b"120"]), Ok(120));
        assert_eq!(within(&[b"0"]), Ok(1));
        assert_eq!(within(&[b"5000"]), Ok(2_000));
        assert_eq!(within(&[b"900", b"300", b"700"]), Ok(300));
    }

    #[test]
    fn what_is_no_number_is_a_bad_request() {
        let bad: [&[u8]; 8] = [b"", b"soon", b"-1", b"+1", b"1.5", b"1s", b"\xff", b"99999999999999999999999"];
        for said in bad {
            assert_eq!(within(&[said]), Err(BadDeadline), "{said:?}");
        }
        assert_eq!(within(&[b"1", b"x"]), Err(BadDeadline));
        assert_eq!(BadDeadline.into_response().status(), StatusCode::BAD_REQUEST);
    }
}
