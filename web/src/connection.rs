//! One client: whatever it sends, or does not read, it costs no more than the limits say.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use crashworthy_console::Pace;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::guests::Guest;
use crate::patience::Patient;
use crate::routes::Desk;
use crate::share::Share;

/// Header fields of a request.
const FIELDS: usize = 64;

/// Answers a client until it leaves, or has to.
pub(crate) async fn serve(stream: TcpStream, routes: Router, guest: Arc<Guest>, desk: Arc<Desk>, share: Arc<Share>) {
    // An answer is small and complete; a picture that waits for more is late.
    let _ = stream.set_nodelay(true);
    let limits = &desk.limits;
    let pace = Arc::new(Mutex::new(Pace::new(limits.requests)));
    let answer = |request: hyper::Request<hyper::body::Incoming>| {
        let (routes, pace, guest) = (routes.clone(), pace.clone(), guest.clone());
        async move {
            // Who has to wait has been answered before: he is in the way of others.
            pace.lock().await.wait().await;
            guest.asks();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(guest.clone());
            let mut answer = routes.oneshot(request).await.unwrap_or_else(|never| match never {});
            // One that has no end known yet goes on: a page that is watched.
            if answer.size_hint().exact().is_none() {
                guest.watches();
            } else {
                if guest.is_in_the_way() {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                guest.rests();
            }
            Ok::<_, Infallible>(answer)
        }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(limits.head)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(Patient::new(stream, limits.read_within)), service_fn(answer));
    // Whoever breaks off, or is cut off, has said why, or never will.
    let _ = charged(connection, &guest, &desk, &share).await;
}

/// The same, where what it takes of the thread is paid for: by those who have shown the token, or by everybody else.
async fn charged<F: Future>(what: F, guest: &Guest, desk: &Desk, share: &Share) -> F::Output {
    let mut what = pin!(what);
    poll_fn(|cx| {
        let began = Instant::now();
        let polled = what.as_mut().poll(cx);
        if guest.is_known() {
            desk.turns.charge(began.elapsed());
            share.spares(began);
        } else {
            share.rests();
        }
        polled
    })
    .await
}
