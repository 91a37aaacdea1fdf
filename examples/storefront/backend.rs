//! The companies the shop depends on, simulated: real servers on loopback sockets that can be made to misbehave.
//!
//! What a real payment or delivery company does on a bad day, in increasing order of nastiness: it answers late, it
//! answers with errors, or it takes the call and never answers at all.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a back end behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Mode {
    /// Answers in a few milliseconds.
    Healthy,
    /// Answers after so long.
    Slow { ms: u64 },
    /// Answers 500.
    Failing,
    /// Takes the call and does not answer.
    Hanging,
}

/// What a healthy back end needs for an answer.
const WORK: Duration = Duration::from_millis(4);

/// A back end: where it listens, and how it behaves. Cheap to clone; the clones are the same back end.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    listener: Arc<TcpListener>,
    mode: Arc<Mutex<Mode>>,
}

impl Backend {
    /// Takes a port on the loopback interface. Nothing is answered until [`serve`](Self::serve) runs.
    pub(crate) fn bind(name: &'static str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { name, address, listener: Arc::new(listener), mode: Arc::new(Mutex::new(Mode::Healthy)) })
    }

    pub(crate) fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = mode;
    }

    /// Answers calls until `stopping` resolves. The port stays taken, so that it can be served again.
    pub(crate) async fn serve(self, stopping: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)?;
        let routes = Router::new()
            .route("/authorise", post(authorise))
            .route("/slots", post(slots))
            .route("/schedule", post(schedule))
            .layer(middleware::from_fn_with_state(self, misbehave));
        tokio::select! {
            served = axum::serve(listener, routes).into_future() => served,
            () = stopping => Ok(()),
        }
    }
}

/// Does to a call what the mode says, before anything else happens.
async fn misbehave(State(backend): State<Backend>, request: Request, next: Next) -> Response {
    match backend.mode() {
        Mode::Healthy => tokio::time::sleep(WORK).await,
        Mode::Slow { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
        Mode::Failing => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response();
        }
        Mode::Hanging => std::future::pending().await,
    }
    next.run(request).await
}

/// Authorises a payment. The same order gets the same receipt, however often it is sent.
async fn authorise(Json(call): Json<Value>) -> Json<Value> {
    Json(json!({ "receipt": format!("R-{}", call["order"]) }))
}

/// The slots a van is free in.
async fn slots(Json(_): Json<Value>) -> Json<Value> {
    Json(json!({ "slots": SLOTS }))
}

/// Schedules the slot wished for, if there is one of that name, else the first. The same order keeps its slot.
async fn schedule(Json(call): Json<Value>) -> Json<Value> {
    let wish = call["wish"].as_str().and_then(|wish| SLOTS.iter().find(|slot| **slot == wish));
    Json(json!({ "slot": wish.unwrap_or(&SLOTS[0]) }))
}

const SLOTS: [&str; 4] = ["tomorrow-morning", "tomorrow-afternoon", "in-two-days-morning", "in-two-days-afternoon"];
