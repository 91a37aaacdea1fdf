//! One call to a back end: JSON over HTTP, with a limit on time and size.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::limits;

/// Calls one back end, over connections that are kept for the next call.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    TimedOut(Duration),
    /// It answered, but not with success.
    Status(u16),
    /// No connection, a broken answer, too long an answer.
    Broken(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Broken(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for CallError {}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let pool = Pool::builder(TokioExecutor::new()).pool_max_idle_per_host(limits::CALLS).build_http();
        Self { address, pool }
    }

    /// Posts a question and waits for the answer.
    pub(crate) async fn call(&self, path: &str, question: &Value) -> Result<Value, CallError> {
        let call = self.exchange(path, question);
        tokio::time::timeout(limits::CALL, call).await.map_err(|_| CallError::TimedOut(limits::CALL))?
    }

    async fn exchange(&self, path: &str, question: &Value) -> Result<Value, CallError> {
        let request = Request::post(format!("http://{}{path}", self.address))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(question.to_string()))
            .map_err(broken)?;
        let response = self.pool.request(request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(CallError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), limits::ANSWER).collect().await.map_err(broken)?;
        serde_json::from_slice(&body.to_bytes()).map_err(broken)
    }
}

fn broken(why: impl fmt::Display) -> CallError {
    CallError::Broken(why.to_string())
}
