//! What can be asked for, and what all answers are made from.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use crashworthy_console::protocol::{ActorQuery, ActorView};
use crashworthy_console::{Inspector, openmetrics};
use tokio::sync::Semaphore;

use crate::asked::Asked;
use crate::attention::Attention;
use crate::guard::{self, Names, TurnedAway};
use crate::health::{self, Health};
use crate::info;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::turns::Turns;
use crate::{Address, happened, headers, live, page};
use crashworthy_console::Token;

/// What was said of the answers when the server was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Whose readiness counts; everybody's, if nobody is named.
    pub(crate) critical: Vec<String>,
    pub(crate) limits: Limits,
}

/// What all answers are made from.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) names: Names,
    pub(crate) address: Address,
    pub(crate) token: Option<Arc<Token>>,
    pub(crate) critical: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) turned_away: TurnedAway,
    pub(crate) health: Health,
    /// To events, by those who ask for them.
    pub(crate) attention: Attention,
    /// When whoever has shown the token is answered.
    pub(crate) turns: Turns,
    /// Places for pages that are watched.
    pub(crate) watchers: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(inspector: Arc<Inspector>, names: Names, address: &Address, settings: Settings) -> Self {
        let Settings { critical, limits } = settings;
        Self {
            inspector,
            names,
            token: address.token.clone(),
            address: address.clone(),
            critical,
            watchers: Arc::new(Semaphore::new(limits.watchers)),
            turns: Turns::new(limits.requests),
            limits,
            turned_away: TurnedAway::default(),
            health: Health::default(),
            attention: Attention::default(),
        }
    }
}

/// Every route of the server. What is outside runs first.
pub(crate) fn routes(desk: Arc<Desk>) -> Router {
    let data = Router::new()
        .route("/info", get(info::info))
        .route("/metrics", get(metrics))
        .route("/actor", get(actor))
        .route("/state", get(happened::state))
        .route("/events", get(happened::events))
        .route("/live", get(live::live))
        .route_layer(from_fn_with_state(desk.clone(), guard::known));
    let open = Router::new()
        .route("/", get(page::page))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/startupz", get(health::startupz));
    open.merge(data)
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here; try /"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "looking is all that can be done: GET")
        })
        .layer(from_fn_with_state(desk.clone(), guard::know))
        .layer(from_fn_with_state(desk.clone(), guard::door))
        .layer(from_fn(headers::always))
        .with_state(desk)
}

async fn metrics(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Result<Response, Problem> {
    let metrics = desk.inspector.metrics()?;
    // Scrapers of Prometheus say that they know it; whoever says nothing reads what is older.
    let knows =
        |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("application/openmetrics-text"));
    let (of, text) = if headers.get_all(ACCEPT).iter().any(knows) {
        (openmetrics::MEDIA_TYPE, openmetrics::text(&metrics))
    } else {
        (openmetrics::PROMETHEUS_MEDIA_TYPE, openmetrics::prometheus(&metrics))
    };
    Ok(([(CONTENT_TYPE, of), (VARY, ACCEPT.as_str())], text).into_response())
}

async fn actor(State(desk): State<Arc<Desk>>, Asked(query): Asked<ActorQuery>) -> Result<Json<ActorView>, Problem> {
    Ok(Json(desk.inspector.actor(&query)?))
}
