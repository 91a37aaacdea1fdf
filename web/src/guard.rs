//! Who is answered: no foreign host, no foreign origin, no body; data for whoever shows the token.
//!
//! A page of anybody can send requests to this machine through the browser it is open in, and can have the browser take a
//! name of its own for the address of this machine. The first is told by `Origin` and `Sec-Fetch-Site`, the second by `Host`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::guests::Guest;
use crate::problem::Problem;
use crate::routes::Desk;

/// Under which names the server is reached.
#[derive(Debug)]
pub(crate) enum Names {
    /// Those of this machine for itself.
    Loopback,
    /// Those too, any IP address, and these. An address is no name that somebody else could point at this machine.
    Beyond(Vec<String>),
}

impl Names {
    fn allow(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let ip = bare.parse::<IpAddr>().ok();
        if host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback()) {
            return true;
        }
        match self {
            Self::Loopback => false,
            Self::Beyond(names) => ip.is_some() || names.iter().any(|name| name.eq_ignore_ascii_case(host)),
        }
    }
}

/// How often somebody was turned away.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    pub(crate) hosts: AtomicU64,
    pub(crate) origins: AtomicU64,
    pub(crate) tokens: AtomicU64,
    pub(crate) connections: AtomicU64,
}

/// The same as data.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    hosts: u64,
    origins: u64,
    tokens: u64,
    connections: u64,
}

impl TurnedAway {
    pub(crate) fn counts(&self) -> Counts {
        let Self { hosts, origins, tokens, connections } = self;
        let [hosts, origins, tokens, connections] = [hosts, origins, tokens, connections].map(|one| one.load(Relaxed));
        Counts { hosts, origins, tokens, connections }
    }

    /// One more. The log is told of the first, the second, the fourth and so on: as many as come fill no disk.
    pub(crate) fn note(counter: &AtomicU64, what: &str) {
        let times = counter.fetch_add(1, Relaxed) + 1;
        if times.is_power_of_two() {
            tracing::warn!(times, "the web server has turned away {what}");
        }
    }
}

/// Lets in who asks this server, and not another under its address.
pub(crate) async fn door(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let named = host(headers).filter(|host| request.uri().authority().is_none_or(|authority| authority == host));
    let Some(host) = named.filter(|host| desk.names.allow(host.host())) else {
        TurnedAway::note(&desk.turned_away.hosts, "a request for a foreign host");
        return closing(Problem::new(StatusCode::FORBIDDEN, "foreign_host", "this server has no such name"));
    };
    if !is_own(headers, &host, request.uri().path()) {
        TurnedAway::note(&desk.turned_away.origins, "a request of a foreign page");
        return closing(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", "no other page may ask"));
    }
    let length = headers.get(CONTENT_LENGTH);
    if headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
        return closing(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", "no request has a body"));
    }
    next.run(request).await
}

fn closing(problem: Problem) -> Response {
    ([(CONNECTION, "close")], problem).into_response()
}

/// The only host that a request names.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut named = headers.get_all(HOST).iter();
    let (host, None) = (named.next()?, named.next()) else { return None };
    let host = Authority::try_from(host.as_bytes()).ok()?;
    // What stands behind the name is a port, or nothing: else it would be the end of another name.
    let behind = host.as_str().strip_prefix(host.host())?;
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_plain = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
    is_plain.then_some(host)
}

/// Whether nobody but a page of this server has sent this, as far as the browser says; other programs say nothing. Anybody
/// may link to the page itself, which holds no data.
fn is_own(headers: &HeaderMap, host: &Authority, path: &str) -> bool {
    let is_origin = |origin: &[u8]| {
        let origin = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str().as_bytes()))
    };
    let is_here = |site: &[u8]| matches!(site, b"same-origin" | b"none") || path == "/";
    headers.get_all(ORIGIN).iter().all(|origin| is_origin(origin.as_bytes()))
        && headers.get_all("sec-fetch-site").iter().all(|site| is_here(site.as_bytes()))
}

/// Whether whoever asks has shown the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// No.
    Anybody,
    /// Yes.
    Known,
}

/// Finds out who asks. A wrong token is answered late, whatever was asked for.
pub(crate) async fn know(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let caller = match bearer(request.headers()) {
        None => Caller::Anybody,
        Some(said) if desk.token.as_ref().is_some_and(|token| token.is(said)) => {
            if let Some(guest) = guest(&request) {
                guest.is_recognized();
            }
            Caller::Known
        }
        Some(_) => {
            TurnedAway::note(&desk.turned_away.tokens, "a request with a wrong token");
            // Whoever waits for that is in the way of others.
            if let Some(guest) = guest(&request) {
                guest.idles();
            }
            tokio::time::sleep(desk.limits.wrong_token).await;
            return unauthorized("wrong_token", "the token is not the one of this process");
        }
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Lets in who has shown the token, when it is his turn.
pub(crate) async fn known(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    match request.extensions().get() {
        Some(Caller::Known) => {
            // Whoever waits for that for long is in the way of others, too.
            let guest = guest(&request).cloned();
            guest.iter().for_each(|guest| guest.waits());
            desk.turns.next().await;
            guest.iter().for_each(|guest| guest.asks());
            next.run(request).await
        }
        _ if desk.token.is_none() => {
            let why = "there is no place for a token, so that nobody is told: the log says why";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_token", why).into_response()
        }
        _ => unauthorized("no_token", "this is for whoever shows the token: `Authorization: Bearer TOKEN`"),
    }
}

fn guest(request: &Request) -> Option<&Arc<Guest>> {
    request.extensions().get()
}

fn unauthorized(code: &'static str, message: &str) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, code, message);
    ([(WWW_AUTHENTICATE, "Bearer")], problem).into_response()
}

/// What is shown as a token; nothing of another scheme, either, is one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let said = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = said.split_at_checked(b"bearer ".len()).unwrap_or((said, b""));
    Some(if scheme.eq_ignore_ascii_case(b"bearer ") { token } else { b"" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_it_has_the_names_of_this_machine_for_itself_alone() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(Names::Loopback.allow(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "localhost.", "10.0.0.1", "0.0.0.0", "[::]", ""] {
            assert!(!Names::Loopback.allow(host), "{host}");
        }
    }

    #[test]
    fn beyond_loopback_it_has_the_names_that_were_given_and_addresses() {
        let names = Names::Beyond(vec!["shop.internal".into()]);
        for host in ["localhost", "shop.internal", "SHOP.internal", "10.0.0.1", "[fd00::1]"] {
            assert!(names.allow(host), "{host}");
        }
        for host in ["evil.example", "a.shop.internal", "shop.internal.evil.example", "10.0.0.1.evil.example"] {
            assert!(!names.allow(host), "{host}");
        }
    }
}
