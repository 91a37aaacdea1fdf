//! The HTTP server: a bounded number of connections and requests, each with a time limit.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::input;
use super::problem::Problem;
use crate::limits;

/// Whom a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `stopping` resolves; then takes no more connections and lets the requests under way end.
///
/// Dropping the future closes every connection at once.
pub(crate) async fn serve(listener: TcpListener, routes: Router, stopping: impl Future<Output = ()>) {
    let mut stopping = pin!(stopping);
    let seats = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let closing = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer, seat) = tokio::select! {
            guest = welcome(&listener, &seats) => guest,
            () = &mut stopping => break,
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(converse(stream, peer, routes.clone(), closing.watcher(), seat));
    }
    drop(listener);
    if tokio::time::timeout(limits::LAST_REQUESTS, closing.shutdown()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections are cut");
    }
}

/// The next connection, once there is a seat for it.
async fn welcome(listener: &TcpListener, seats: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let seat = seats.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, seat),
            Err(error) => {
                // Out of file descriptors, as a rule: connections that end give some back.
                tracing::warn!(%error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    closing: hyper_util::server::graceful::Watcher,
    _seat: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.oneshot(request).await.into_response()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = closing.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

/// Lets a bounded number of requests in at a time, and gives each a bounded time.
///
/// A request takes its place when all of it has arrived: clients that are slow to send it keep nobody out.
pub(crate) async fn guard(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let answer = async {
        let (head, body) = request.into_parts();
        let body = input::read(body).await?;
        let _seat = room.try_acquire().map_err(|_| {
            let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests are under way");
            full.retry(Duration::from_secs(1))
        })?;
        Ok::<_, Problem>(next.run(Request::from_parts(head, body.into())).await)
    };
    match tokio::time::timeout(limits::REQUEST, answer).await {
        Ok(response) => response.into_response(),
        Err(_) => {
            let rule = format!("a request and its answer may take {:?}", limits::REQUEST);
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", rule).into_response()
        }
    }
}
