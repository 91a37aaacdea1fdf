//! What is said to whoever gets no answer, in the form that the console's protocol has for it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use crashworthy_console::protocol::{Code, Refusal};
use serde_json::json;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.code {
            Code::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Code::BadArguments => (StatusCode::BAD_REQUEST, "bad_arguments"),
            Code::SystemEnded => (StatusCode::SERVICE_UNAVAILABLE, "system_ended"),
            Code::AnswerTooLong => (StatusCode::INTERNAL_SERVER_ERROR, "answer_too_long"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "unknown"),
        };
        Self::new(status, code, refusal.message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}
