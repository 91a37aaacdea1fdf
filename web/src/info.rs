//! What the service is, and where.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use crashworthy_console::protocol::{Pools, SourceView};
use crashworthy_runtime::millis;
use serde::Serialize;

use crate::guard::Counts;
use crate::health;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::routes::Desk;

/// Addresses of this machine that are told.
const ADDRESSES: usize = 32;

/// What a service says it is.
///
/// # Examples
/// ```
/// let shop = crashworthy_web::Application {
///     name: env!("CARGO_PKG_NAME").to_owned(),
///     version: env!("CARGO_PKG_VERSION").to_owned(),
///     // Whoever builds it knows.
///     commit: option_env!("GIT_COMMIT").map(str::to_owned),
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: Option<String>,
}

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

/// The machine.
#[derive(Debug, Serialize)]
struct Host {
    name: Option<String>,
    addresses: Vec<IpAddr>,
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
        Self {
            application: desk.application.clone(),
            system: hello.system.clone(),
            process: hello.process,
            host: Host { name: host_name(), addresses: addresses() },
            listens: desk.address.addr(),
            runtime_version: env!("CARGO_PKG_VERSION"),
            started: desk.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            up: desk.started.elapsed().unwrap_or_default(),
            accepts_work: health::is_ready(desk),
            turned_away: desk.turned_away.counts(),
            // Of a system that has ended there are none.
            pools: desk.inspector.system().map(|system| system.pools).unwrap_or_default(),
            sources: desk.inspector.sources().unwrap_or_default(),
            limits: InForce { web: desk.limits.clone(), console: hello.limits.clone() },
        }
    }
}

pub(crate) async fn info(State(desk): State<Arc<Desk>>) -> Result<Json<Info>, Problem> {
    Ok(Json(Info::of(&desk)))
}

/// Its addresses, but for those that only it can reach.
fn addresses() -> Vec<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    all.filter(|interface| !interface.is_loopback()).map(|interface| interface.ip()).take(ADDRESSES).collect()
}

/// What the kernel says, where it says it in a file.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
