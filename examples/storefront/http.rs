//! The service as its clients see it.

mod admin;
mod browsing;
mod input;
mod ordering;
mod problem;
mod server;
mod tree;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use crashworthy::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::problem::Problem;
pub(crate) use self::server::serve;
use crate::limits;
use crate::shop::{Member, Shop};

/// Every route of the service.
pub(crate) fn routes(shop: Shop, system: System) -> Router {
    let guarded = |most| middleware::from_fn_with_state(Arc::new(Semaphore::new(most)), server::guard);
    let lookers = Router::new()
        .route("/products", get(browsing::browse))
        .route("/products/{sku}", get(browsing::product))
        .route("/search", get(browsing::search))
        .layer(guarded(limits::LOOKERS));
    let buyers = Router::new()
        .route("/delivery/slots", get(ordering::slots))
        .route("/orders", post(ordering::place))
        .route("/orders/{id}", get(ordering::status))
        .layer(guarded(limits::BUYERS));
    let operators = Router::new()
        .route("/health", get(health))
        .route("/admin/tree", get(admin::tree))
        .route("/admin/actors", get(admin::actors))
        .route("/admin/actors/{name}", post(admin::strike).delete(admin::kill))
        .route("/admin/backends", get(admin::backends))
        .route("/admin/backends/{name}", post(admin::set_mode))
        .layer(Extension(system))
        .layer(guarded(limits::OPERATORS));
    lookers
        .merge(buyers)
        .merge(operators)
        .fallback(async || Problem::not_found("there is nothing here; try /products"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "not with this method")
        })
        .with_state(shop)
}

/// Whether orders can be taken. Asks nobody: looking at an actor costs it nothing.
async fn health(State(shop): State<Shop>) -> (StatusCode, Json<Value>) {
    let away = |members: &[&dyn Member]| -> Vec<String> {
        members.iter().filter(|member| !member.is_alive()).map(|member| member.name().to_owned()).collect()
    };
    let mut needed = away(&[&shop.catalogue, &shop.inventory, &shop.orders]);
    if shop.ledger.is_closed() {
        needed.push("database".to_owned());
    }
    let welcome = away(&[&shop.payment.gateway, &shop.delivery.gateway]);
    let (status, word) = match (needed.is_empty(), welcome.is_empty()) {
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "down"),
    };
    let away = [needed, welcome].concat();
    (status, Json(json!({ "status": word, "away": away })))
}
