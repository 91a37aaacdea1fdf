//! What clients send, checked before any actor hears of it.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use crashworthy::edge::{DEADLINE_HEADER, Within};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::catalogue::Window;
use crate::limits;

/// A JSON body. An error names the field and what is wrong with it.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            let rule = "the body must be JSON, with `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", rule));
        }
        parse(&read(request.into_body()).await?).map(Self)
    }
}

/// A body, when all of it has arrived.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, limits::BODY).await.map_err(|_| {
        let rule = format!("a body of at most {} bytes, sent to its end", limits::BODY);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_body", rule)
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let what = error.inner().to_string();
        match (error.inner().is_data(), error.path().to_string()) {
            (false, _) => Problem::new(StatusCode::BAD_REQUEST, "not_json", what),
            // The path of a missing or an unknown field ends at what it is missing from: the text has its name.
            (true, path) if path == "." => Problem::field(what.split('`').nth(1).unwrap_or("the body"), &what),
            (true, path) => Problem::field(path, what),
        }
    })?;
    json.end().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "not_json", error.to_string()))?;
    Ok(value)
}

/// How long a client would wait for what is read from memory, if it says so; never longer than there is to have.
pub(crate) struct Patience(pub(crate) Duration);

impl<S: Send + Sync> FromRequestParts<S> for Patience {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let within = Within::<{ limits::LOOK_MS }, { limits::LOOK_MS }>::from_request_parts(parts, state).await;
        within.map(|Within(time)| Self(time)).map_err(|bad| Problem::field(DEADLINE_HEADER, bad.to_string()))
    }
}

/// The name in a path, such as `/products/{sku}`.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = name.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_path", error.body_text()))?;
        text("path", &name)?;
        Ok(Self(name))
    }
}

/// The query string of a request. An error names the field.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) =
            query.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_query", error.body_text()))?;
        Ok(Self(asked))
    }
}

/// A number in a query string.
pub(crate) fn whole(field: &str, text: Option<&str>, default: u64, most: u64) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(default) };
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(Problem::field(field, format!("a whole number from 1 to {most}"))),
    }
}

/// A text that will be stored or looked up: not empty, not long, nothing invisible.
pub(crate) fn text(field: impl Into<String>, text: &str) -> Result<(), Problem> {
    let letters = text.chars().count();
    if letters == 0 || letters > limits::TEXT || text.chars().any(char::is_control) {
        let rule = format!("1 to {} letters, none of them a control character", limits::TEXT);
        return Err(Problem::field(field, rule));
    }
    Ok(())
}

/// `?page=…&per_page=…&q=…`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    page: Option<String>,
    per_page: Option<String>,
    q: Option<String>,
}

impl ListQuery {
    pub(crate) fn window(&self) -> Result<Window, Problem> {
        let page = whole("page", self.page.as_deref(), 1, limits::PAGES)? as u32;
        let per_page = whole("per_page", self.per_page.as_deref(), 20, limits::PER_PAGE)? as u32;
        Ok(Window { page, per_page })
    }

    pub(crate) fn words(&self) -> Result<String, Problem> {
        let query = self.q.as_deref().unwrap_or_default();
        if !(1..=limits::QUERY).contains(&query.chars().count()) || !query.chars().any(char::is_alphanumeric) {
            return Err(Problem::field("q", format!("words to look for, at most {} letters", limits::QUERY)));
        }
        Ok(query.to_owned())
    }
}

/// The body of `POST /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderForm {
    pub(crate) customer: String,
    pub(crate) postcode: String,
    pub(crate) delivery_slot: Option<String>,
    pub(crate) lines: Vec<FormLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormLine {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

impl OrderForm {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        text("customer", &self.customer)?;
        text("postcode", &self.postcode)?;
        if let Some(slot) = &self.delivery_slot {
            text("delivery_slot", slot)?;
        }
        if !(1..=limits::LINES).contains(&self.lines.len()) {
            return Err(Problem::field("lines", format!("1 to {} lines", limits::LINES)));
        }
        for (at, line) in self.lines.iter().enumerate() {
            text(format!("lines[{at}].sku"), &line.sku)?;
            if !(1..=limits::UNITS).contains(&line.quantity) {
                let rule = format!("a whole number from 1 to {}", limits::UNITS);
                return Err(Problem::field(format!("lines[{at}].quantity"), rule));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(body: &str) -> String {
        let form = parse::<OrderForm>(body.as_bytes());
        let problem = form.and_then(|form| form.check().map(|()| form)).expect_err("a bad form");
        serde_json::to_string(&problem).expect("serializes")
    }

    #[test]
    fn an_error_names_the_field_and_the_rule() {
        let line = |line: &str| problem(&format!(r#"{{"customer":"A","postcode":"1","lines":[{line}]}}"#));
        assert!(line(r#"{"sku":"S","quantity":0}"#).contains(r#""field":"lines[0].quantity""#));
        assert!(line(r#"{"sku":"S","quantity":0}"#).contains("a whole number from 1 to 99"));
        assert!(line(r#"{"sku":"S","quantity":-1}"#).contains(r#""field":"lines[0].quantity""#));
        assert!(line(r#"{"sku":"S","quantity":1,"price":0}"#).contains("unknown field `price`"));
        assert!(line(r#"{"sku":"\u0000","quantity":1}"#).contains(r#""field":"lines[0].sku""#));
        assert!(problem(r#"{"customer":"A","postcode":"1","lines":[]}"#).contains("1 to 20 lines"));
        assert!(problem("{").contains("not_json"));
        assert!(problem("").contains("not_json"));
    }

    #[test]
    fn numbers_of_a_query_have_limits() {
        assert_eq!(whole("page", None, 1, 10).ok(), Some(1));
        assert_eq!(whole("page", Some("10"), 1, 10).ok(), Some(10));
        for bad in ["0", "11", "-1", "1e3", "", "99999999999999999999"] {
            assert!(whole("page", Some(bad), 1, 10).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_client_waits_as_long_as_it_says_and_no_longer_than_there_is_to_have() {
        let patience = async |said: &str| {
            let request = Request::get("/").header(DEADLINE_HEADER, said).body(()).expect("a request");
            let patience = Patience::from_request_parts(&mut request.into_parts().0, &()).await;
            patience.map(|Patience(time)| time).map_err(|problem| serde_json::to_string(&problem).expect("serializes"))
        };
        assert_eq!(patience("20").await, Ok(Duration::from_millis(20)));
        assert_eq!(patience("9000").await, Ok(limits::LOOK));
        assert!(patience("soon").await.expect_err("no number").contains(DEADLINE_HEADER));
    }
}
