//! Looking at the actors, and making trouble. Only for whoever sits at this machine.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Extension, Json, RequestPartsExt};
use crashworthy::SystemSnapshot;
use crashworthy::prelude::*;
use serde_json::{Value, json};

use super::input::{Input, Named};
use super::problem::{NotNow, Problem};
use super::server::Peer;
use super::tree;
use crate::backend::{Backend, Mode};
use crate::fault::Fault;
use crate::limits;
use crate::shop::Shop;

/// A request from this machine. Bodies must be JSON, so no page in a browser can send one unasked.
pub(crate) struct Operator;

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extract::<Extension<Peer>>().await {
            Ok(Extension(Peer(address))) if address.ip().is_loopback() => Ok(Self),
            _ => Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "only from the machine the service runs on")),
        }
    }
}

/// `GET /admin/tree`: who is there, as text.
pub(crate) async fn tree(_: Operator, Extension(system): Extension<System>) -> String {
    tree::draw(&system.snapshot())
}

/// `GET /admin/actors`: the same as data, with restarts and counters.
pub(crate) async fn actors(_: Operator, Extension(system): Extension<System>) -> Json<SystemSnapshot> {
    Json(system.snapshot())
}

/// `POST /admin/actors/{name}` with `{"fault": "panic" | "error" | "hang" | "block" | "slow" | "heal", "ms"?}`
pub(crate) async fn strike(
    _: Operator,
    State(shop): State<Shop>,
    Named(name): Named,
    Input(fault): Input<Fault>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if let Fault::Hang { ms } | Fault::Block { ms } | Fault::Slow { ms } = fault {
        check_ms(ms)?;
    }
    let members = shop.members();
    let member = find(&members, &name, |member| member.name())?;
    let struck = member.strike(fault).await;
    struck.map_err(|refused| Problem::from(NotNow { who: "actor", why: AskError::Refused(refused) }))?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "actor": name, "queued": format!("{fault:?}") }))))
}

/// `DELETE /admin/actors/{name}`: kills its incarnation, whatever it is doing. Its supervisor starts the next.
pub(crate) async fn kill(
    _: Operator,
    State(shop): State<Shop>,
    Extension(system): Extension<System>,
    Named(name): Named,
) -> Result<Json<Value>, Problem> {
    let members = shop.members();
    let pid = find(&members, &name, |member| member.name())?.pid();
    tracing::warn!(actor = name, %pid, "is killed");
    system.kill(pid);
    Ok(Json(json!({ "actor": name, "killed": pid.to_string() })))
}

/// `GET /admin/backends`
pub(crate) async fn backends(_: Operator, State(shop): State<Shop>) -> Json<Value> {
    let show = |backend: &Backend| json!({ "name": backend.name, "address": backend.address, "mode": backend.mode() });
    Json(json!({ "backends": [show(&shop.payment.backend), show(&shop.delivery.backend)] }))
}

/// `POST /admin/backends/{name}` with `{"mode": "healthy" | "slow" | "failing" | "hanging", "ms"?}`
pub(crate) async fn set_mode(
    _: Operator,
    State(shop): State<Shop>,
    Named(name): Named,
    Input(mode): Input<Mode>,
) -> Result<Json<Value>, Problem> {
    if let Mode::Slow { ms } = mode {
        check_ms(ms)?;
    }
    let backends = [&shop.payment.backend, &shop.delivery.backend];
    let backend = find(&backends, &name, |backend| backend.name)?;
    backend.set_mode(mode);
    tracing::warn!(backend = name, ?mode, "a back end changes its behaviour");
    Ok(Json(json!({ "backend": name, "mode": mode })))
}

fn check_ms(ms: u64) -> Result<(), Problem> {
    let most = limits::FAULT;
    if ms == 0 || Duration::from_millis(ms) > most {
        return Err(Problem::field("ms", format!("a whole number from 1 to {}", most.as_millis())));
    }
    Ok(())
}

fn find<'a, T>(all: &'a [T], name: &str, name_of: impl Fn(&'a T) -> &'a str) -> Result<&'a T, Problem> {
    all.iter().find(|one| name_of(one) == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(&name_of).collect();
        Problem::not_found(format!("there is no {name:?}; there are {}", names.join(", ")))
    })
}
