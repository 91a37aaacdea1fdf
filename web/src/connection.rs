//! One client: whatever it sends, or does not read, it costs no more than the limits say.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use crashworthy_console::Pace;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::limits::Limits;
use crate::patience::Patient;

/// Header fields of a request.
const FIELDS: usize = 64;

/// Answers a client until it leaves, or has to.
pub(crate) async fn serve(stream: TcpStream, routes: Router, pace: Arc<Mutex<Pace>>, limits: Limits) {
    // An answer is small and complete; a picture that waits for more is late.
    let _ = stream.set_nodelay(true);
    let answer = |request: hyper::Request<hyper::body::Incoming>| {
        let (routes, pace) = (routes.clone(), pace.clone());
        async move {
            pace.lock().await.wait().await;
            Ok::<_, Infallible>(routes.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
        }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(limits.head)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(Patient::new(stream, limits.read_within)), service_fn(answer));
    // Whoever breaks off, or is cut off, has said why, or never will.
    let _ = connection.await;
}
