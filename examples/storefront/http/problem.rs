//! What a client is told when it does not get what it asked for: one JSON shape for everything.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use crashworthy::prelude::*;
use serde::Serialize;

/// An error answer: `{"error": {"code", "message", "field"?, "retry_after_ms"?}}`.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, retry_after_ms: None }
    }

    /// The client's mistake in one field of its input.
    pub(crate) fn field(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let field = Some(field.into());
        Self { field, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", rule) }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    /// Come back later.
    pub(crate) fn retry(self, after: Duration) -> Self {
        Self { retry_after_ms: Some(after.as_millis() as u64), ..self }
    }

    pub(crate) fn about(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: Problem,
        }
        let status = self.status;
        let retry_seconds = self.retry_after_ms.map(|ms| ms.div_ceil(1_000).max(1));
        let mut response = (status, Json(Body { error: self })).into_response();
        if let Some(seconds) = retry_seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An actor that did not answer, and how. This is where a refusal becomes a status code.
#[derive(Debug)]
pub(crate) struct NotNow {
    pub(crate) who: &'static str,
    pub(crate) why: AskError,
}

impl NotNow {
    /// Adds who was asked: `.map_err(NotNow::by("orders"))`.
    pub(crate) fn by(who: &'static str) -> impl Fn(AskError) -> Self {
        move |why| Self { who, why }
    }

    /// When asking again is worth it.
    pub(crate) fn retry_after(&self) -> Duration {
        match &self.why {
            AskError::Refused(refused) => refused.retry_after.unwrap_or(SOON),
            _ => SOON,
        }
    }
}

/// When nobody knows better.
const SOON: Duration = Duration::from_secs(1);

impl From<NotNow> for Problem {
    fn from(not_now: NotNow) -> Self {
        let (status, code) = match &not_now.why {
            // Too much is asked of an actor that is well: the client's share of the cure is to ask less.
            AskError::Refused(Refused { reason: Reason::Full | Reason::NoTime | Reason::Shed, .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, "busy")
            }
            AskError::Refused(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_now"),
            AskError::Expired => (StatusCode::SERVICE_UNAVAILABLE, "too_late"),
            AskError::Died => (StatusCode::SERVICE_UNAVAILABLE, "crashed"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "no_answer"),
        };
        Problem::new(status, code, format!("{}: {}", not_now.who, not_now.why)).retry(not_now.retry_after())
    }
}

impl IntoResponse for NotNow {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(why: AskError) -> (u16, Option<String>) {
        let response = NotNow { who: "orders", why }.into_response();
        let retry = response.headers().get(RETRY_AFTER).map(|value| value.to_str().expect("digits").to_owned());
        (response.status().as_u16(), retry)
    }

    #[test]
    fn a_full_actor_is_429_and_one_that_is_away_is_503() {
        assert_eq!(answer(AskError::Refused(Refused::because(Reason::Full))), (429, Some("1".to_owned())));
        assert_eq!(answer(AskError::Refused(Refused::because(Reason::Restarting))), (503, Some("1".to_owned())));
        assert_eq!(answer(AskError::Died), (503, Some("1".to_owned())));
    }

    #[test]
    fn retry_after_is_what_the_actor_said_in_whole_seconds() {
        let mut refused = Refused::because(Reason::Full);
        refused.retry_after = Some(Duration::from_millis(2_300));
        assert_eq!(answer(AskError::Refused(refused)), (429, Some("3".to_owned())));
    }
}
