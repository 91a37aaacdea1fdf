//! The page: one file, which loads nothing and holds no data.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;
use crashworthy_console::Token;

const PAGE: &str = include_str!("page.html");
/// Where the page has the word that its script and style are known by.
const NONCE: &str = "{{nonce}}";

/// The page. What runs and what shows in it is what was in the file: it says so with a word of its own each time, and text
/// cannot become code.
pub(crate) async fn page() -> Result<Response, Problem> {
    let unguessable = |error| {
        tracing::error!(%error, "there are no random numbers");
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "no_random", "there are no random numbers")
    };
    let nonce = Token::random().map_err(unguessable)?;
    let nonce = nonce.as_str();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, &policy)];
    Ok((headers, PAGE.replace(NONCE, nonce)).into_response())
}
