//! What the service is, and where.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use crashworthy_console::Application;
use crashworthy_console::protocol::{Host, Pools, SourceView};
use crashworthy_runtime::millis;
use serde::Serialize;

use crate::guard::Counts;
use crate::health;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::routes::Desk;

/// The answer to `/info`.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    application: Application,
    /// The system's name.
    system: String,
    process: u32,
    host: Host,
    /// Where this server listens.
    listens: SocketAddr,
    /// The version of the runtime, whose parts have one version.
    runtime_version: &'static str,
    /// When the system was started, since the beginning of 1970.
    #[serde(rename = "started_ms", with = "millis")]
    started: Duration,
    #[serde(rename = "up_ms", with = "millis")]
    up: Duration,
    accepts_work: bool,
    turned_away: Counts,
    /// The threads that take the turns of actors.
    pools: Pools,
    /// What the service has besides actors, and tells of itself.
    sources: Vec<SourceView>,
    limits: InForce,
}

/// The limits in force.
#[derive(Debug, Serialize)]
struct InForce {
    web: Limits,
    console: crashworthy_console::Limits,
}

impl Info {
    pub(crate) fn of(desk: &Desk) -> Self {
        let hello = desk.inspector.hello();
        let started = Duration::from_millis(hello.started_unix_ms.unwrap_or_default());
        Self {
            application: hello.application.unwrap_or_default(),
            system: hello.system,
            process: hello.process,
            host: hello.host.unwrap_or_default(),
            listens: desk.address.addr(),
            runtime_version: env!("CARGO_PKG_VERSION"),
            started,
            up: UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(started),
            accepts_work: health::is_ready(desk),
            turned_away: desk.turned_away.counts(),
            // Of a system that has ended there are none.
            pools: desk.inspector.system().map(|system| system.pools).unwrap_or_default(),
            sources: desk.inspector.sources().unwrap_or_default(),
            limits: InForce { web: desk.limits.clone(), console: hello.limits },
        }
    }
}

pub(crate) async fn info(State(desk): State<Arc<Desk>>) -> Result<Json<Info>, Problem> {
    Ok(Json(Info::of(&desk)))
}
