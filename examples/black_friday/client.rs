//! One connection to the service, opened again when it breaks.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// What the service answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// It said when to come back.
    pub(crate) retry_after: bool,
    pub(crate) body: Bytes,
}

/// What to ask the service.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: String,
}

impl Question {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), key: None, body: String::new() }
    }

    pub(crate) fn post(path: impl Into<String>, body: String) -> Self {
        Self { method: Method::POST, path: path.into(), key: None, body }
    }
}

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of an answer.
const MOST: usize = 256 * 1024;

pub(crate) struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Asks, and waits for the answer. If it is dropped half-way or fails, the next call opens a new connection.
    pub(crate) async fn ask(&mut self, question: Question) -> Result<Answer, Error> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.open().await?,
        };
        sender.ready().await?;
        let mut request = Request::builder().method(question.method).uri(question.path).header(HOST, "localhost");
        if let Some(key) = question.key {
            request = request.header("idempotency-key", key);
        }
        let request = request.header("content-type", "application/json").body(Full::from(question.body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let retry_after = response.headers().contains_key(RETRY_AFTER);
        let body = Limited::new(response.into_body(), MOST).collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status, retry_after, body })
    }

    /// Asks until there is an answer: a service that restarts just now is asked again. Not for ever.
    pub(crate) async fn insist(&mut self, question: &Question) -> Result<Answer, Error> {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            match timeout(Duration::from_secs(5), self.ask(question.clone())).await {
                Ok(Ok(answer)) if !answer.retry_after => return Ok(answer),
                outcome if Instant::now() > patience => {
                    let why = match outcome {
                        Ok(Ok(answer)) => format!("the service answers {} all the time", answer.status),
                        Ok(Err(error)) => format!("the service does not answer: {error}"),
                        Err(_) => "the service does not answer".to_owned(),
                    };
                    return Err(format!("{} {}: {why}", question.method, question.path).into());
                }
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}
