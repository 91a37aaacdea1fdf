//! What a URL asks for behind its `?`, or why that cannot be read: told as every other refusal is.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The arguments of a request.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            // It repeats what was said, which may be long.
            Err(why) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "bad_arguments", format!("{:.256}", why.body_text())))
            }
        }
    }
}
