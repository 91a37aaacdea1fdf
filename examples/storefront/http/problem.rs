//! What a client is told when it does not get what it asked for: one JSON shape for everything.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use crashworthy::edge::HttpRefusal;
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
}

impl From<NotNow> for Problem {
    fn from(not_now: NotNow) -> Self {
        // Which status, and when to come again, is decided there; the words are ours.
        let HttpRefusal { status, code, retry_after } = HttpRefusal::from(&not_now.why);
        let problem = Problem::new(status, code, format!("{}: {}", not_now.who, not_now.why));
        match retry_after {
            Some(after) => problem.retry(after),
            None => problem,
        }
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
    fn an_actor_that_is_full_is_told_as_429_and_one_that_is_away_as_503() {
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
