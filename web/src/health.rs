//! Health, for whoever starts, stops and chooses instances. Anybody on this machine may ask, so it is told in a few words that
//! name nobody; whoever shows the token is told who is meant.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use crashworthy_console::protocol::{Health as Told, PoolView, Refusal, SourceView, Unready, Unwilling};
use serde::Serialize;

use crate::guard::Caller;
use crate::progress::Progress;
use crate::routes::Desk;

/// Whether the system is alive is told again until that is so many times as old as it took to find: anybody may ask again and again, and
/// to look at everybody of a large system takes long.
const APART: u32 = 10;
/// No look takes longer, unless the process is stopped in the middle of it.
const LONG: Duration = Duration::from_millis(100);

/// What is known from looks before.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// The tree was up. It stays so: what is restarted later is a matter of readiness.
    up: AtomicBool,
    progress: Mutex<Progress>,
    alive: Recent<Option<Reason>>,
}

/// The last answer, and until when it is given.
#[derive(Debug)]
struct Recent<R>(Mutex<Option<(R, Instant)>>);

impl<R> Default for Recent<R> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<R: Clone> Recent<R> {
    fn told(&self, find: impl FnOnce() -> R) -> R {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        match &*last {
            Some((told, until)) if began < *until => told.clone(),
            _ => {
                let told = find();
                let ended = Instant::now();
                *last = Some((told.clone(), ended + (ended - began).min(LONG) * APART));
                told
            }
        }
    }
}

impl Health {
    fn stood_still(&self, desk: &Desk) -> Result<Duration, Refusal> {
        let seen = desk.inspector.vitals()?;
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(progress.look(&seen, Instant::now()))
    }

    fn is_up(&self, desk: &Desk) -> Result<bool, Refusal> {
        Ok(self.up.load(Relaxed) || desk.inspector.vitals()?.up && !self.up.swap(true, Relaxed))
    }
}

/// The answer to all three.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    /// Why not.
    reasons: Vec<Reason>,
    /// Who is meant, for whoever has the token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unready: Vec<Unready>,
    /// Likewise the critical sources that do not serve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    down: Vec<SourceView>,
    /// Likewise the pools that stand still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    still: Vec<PoolView>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// The system has ended.
    Ended,
    /// The top of the tree has ended, or gives up, and nobody has asked for that.
    Failing,
    /// The system stops.
    Stopping,
    /// Actors wait for a turn, and nobody takes any: handlers block every thread that there may be.
    Stuck,
    /// The tree is not up yet.
    Starting,
    /// A source that is critical does not serve.
    Source,
    /// Actors take no new work.
    #[serde(untagged)]
    Actors(Unwilling),
}

impl Report {
    fn because(reasons: Vec<Reason>) -> Self {
        Self { ok: reasons.is_empty(), reasons, ..Self::default() }
    }
}

impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let status = if self.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}

/// Whether the system gets on. Blocked handlers are no reason: others go on beside them. A restart of the process would cost
/// all that it holds, so it is asked for where nothing else helps.
pub(crate) async fn livez(State(desk): State<Arc<Desk>>) -> Response {
    let reason = desk.health.alive.told(|| match desk.health.stood_still(&desk) {
        Err(_) => Some(Reason::Ended),
        Ok(still) => (still >= desk.limits.stuck_after).then_some(Reason::Stuck),
    });
    Report::because(reason.into_iter().collect()).into_response()
}

/// Whether the tree has been up.
pub(crate) async fn startupz(State(desk): State<Arc<Desk>>) -> Response {
    let reason = match desk.health.is_up(&desk) {
        Err(_) => Some(Reason::Ended),
        Ok(up) => (!up).then_some(Reason::Starting),
    };
    Report::because(reason.into_iter().collect()).into_response()
}

/// Whether everybody takes new work, or everybody who is critical.
pub(crate) async fn readyz(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Response {
    let report = readiness(&desk).unwrap_or_else(|_| Report::because(vec![Reason::Ended]));
    let report = if caller == Caller::Known { report } else { Report::because(report.reasons) };
    report.into_response()
}

/// Whether the system takes new work, for whoever needs no more than that.
pub(crate) fn is_ready(desk: &Desk) -> bool {
    readiness(desk).is_ok_and(|report| report.ok)
}

fn readiness(desk: &Desk) -> Result<Report, Refusal> {
    let is_up = desk.health.is_up(desk)?;
    let health = desk.inspector.health_of(&desk.critical)?;
    let mut reasons: Vec<_> =
        health.because.iter().copied().map(Reason::Actors).chain((!is_up).then_some(Reason::Starting)).collect();
    let vitals = desk.inspector.vitals()?;
    reasons.extend((!health.down.is_empty()).then_some(Reason::Source));
    reasons.extend((!health.still.is_empty()).then_some(Reason::Stuck));
    reasons.extend(vitals.ended.then_some(Reason::Ended));
    reasons.extend(health.failing.then_some(Reason::Failing));
    reasons.extend(vitals.stopping.then_some(Reason::Stopping));
    reasons.sort_unstable();
    reasons.dedup();
    let Told { unready, down, still, .. } = health;
    Ok(Report { unready, down, still, ..Report::because(reasons) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_again_until_its_time_is_over() {
        let (recent, mut found) = (Recent::default(), 0);
        let mut ask = || {
            recent.told(|| {
                found += 1;
                found
            })
        };
        assert_eq!(ask(), 1);
        *recent.0.lock().unwrap() = Some((7, Instant::now() + Duration::from_secs(3600)));
        assert_eq!([ask(), ask()], [7; 2]);
        *recent.0.lock().unwrap() = Some((7, Instant::now()));
        assert_eq!(ask(), 2);
    }
}
