//! Plays scenarios on the running system: real actors under real supervisors, in real time.

mod calls;
mod declare;
mod hub;
mod left;
mod listener;
mod reasons;
mod steps;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{RateLimit, StartError, System};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::archive;
use super::compare::{Tally, differences};
use super::scenario::{Op, Scenario};
use super::trace::{Done, Outcome, Trace};
use hub::{Hub, MISSED};
use listener::Routes;
use steps::Play;

/// So many scenarios are under way at a time: most of what they do is wait.
pub(crate) const AT_A_TIME: usize = 64;

/// A scenario that takes longer has got stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// Listens to all that is logged in this process, for as long as it lives.
pub(crate) struct Stage {
    routes: Routes,
    runtime: tokio::runtime::Runtime,
}

/// Real time passes while a machine is busy with other things, and what is to happen within a time does not. More scenarios
/// than one in so many are not excused like that.
const EXCUSED: usize = 20;

impl Stage {
    /// The one stage of this process.
    ///
    /// # Panics
    /// If somebody else listens already.
    pub(crate) fn new() -> Self {
        let routes = Routes::default();
        tracing::subscriber::set_global_default(routes.clone()).expect("nobody else listens");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self { routes, runtime: runtime.expect("a runtime can be had") }
    }

    /// Plays all of them, so many at a time, and tells of each when it is over.
    pub(crate) fn play_all(&self, scenarios: &[Scenario], at_a_time: usize, mut tell: impl FnMut(Outcome)) {
        self.runtime.block_on(async {
            let places = Arc::new(Semaphore::new(at_a_time));
            let mut plays = JoinSet::new();
            for (number, scenario) in scenarios.iter().enumerate() {
                let place = places.clone().acquire_owned().await.expect("it is never closed");
                while let Some(played) = plays.try_join_next() {
                    tell(played.expect("a play is never aborted"));
                }
                let (routes, scenario) = (self.routes.clone(), scenario.clone());
                plays.spawn(async move {
                    let played = play(&routes, &format!("root-{number}"), &scenario).await;
                    drop(place);
                    played
                });
            }
            while let Some(played) = plays.join_next().await {
                tell(played.expect("a play is never aborted"));
            }
        });
    }

    /// Plays them and compares with what is expected. What differs, or went wrong, is played once more, alone.
    pub(crate) fn compare(&self, pairs: Vec<(Scenario, Outcome)>) -> Tally {
        let (scenarios, expected): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let expected: BTreeMap<u64, Outcome> = expected.into_iter().map(|trace| (trace.id(), trace)).collect();
        let mut tally = Tally::default();
        let mut differing = BTreeSet::new();
        self.play_all(&scenarios, AT_A_TIME, |actual| {
            let expected = &expected[&actual.id()];
            let missed = matches!(&actual, Outcome::Trace(Trace { cut: Some(why), .. }) if why == MISSED);
            if !missed && differences(expected, &actual).is_empty() {
                tally.count(expected, Some(&actual));
            } else {
                differing.insert(actual.id());
            }
        });
        let again: Vec<Scenario> =
            scenarios.iter().filter(|scenario| differing.contains(&scenario.id)).cloned().collect();
        let excused = again.len() <= scenarios.len() / EXCUSED;
        let again = if excused { &again[..] } else { &again[..again.len().min(EXCUSED)] };
        self.play_all(again, 1, |actual| {
            differing.remove(&actual.id());
            tally.count_again(&expected[&actual.id()], &actual);
        });
        for left in differing {
            tally.count(&expected[&left], None);
        }
        tally
    }

    /// The same with the recorded scenarios.
    pub(crate) fn compare_recorded(&self) -> io::Result<Tally> {
        let pairs = archive::read(&archive::path())?;
        let pairs = pairs.map(|recorded| recorded.map(|recorded| (recorded.scenario, recorded.trace)));
        Ok(self.compare(pairs.collect::<io::Result<_>>()?))
    }
}

async fn play(routes: &Routes, name: &str, scenario: &Scenario) -> Outcome {
    let hub = Hub::new();
    routes.add(name, hub.clone());
    let system = System::builder()
        .name(name)
        .drain(Duration::ZERO)
        .error_reports(RateLimit::NONE)
        .bare()
        .expect("the settings are good");
    let outcome = tokio::select! {
        trace = played(&hub, &system, name, scenario) => Outcome::Trace(trace),
        () = system.sleep_until(system.now() + LIMIT) => {
            Outcome::Failed { id: scenario.id, error: "it does not come to rest".to_owned() }
        }
    };
    routes.remove(name);
    system.stop().await;
    outcome
}

async fn played(hub: &Arc<Hub>, system: &System, name: &str, scenario: &Scenario) -> Trace {
    let started = declare::branch(hub, name, "root", &scenario.tree).start(system).await;
    let mut play = Play::new(hub.clone(), system.clone()).await;
    play.settle().await;
    let take_events = || hub.look(|state| state.take_events());
    let is_up = || hub.look(|state| state.target("root").is_some());
    let mut steps = vec![Done { op: "start".to_owned(), r: root_started(started), ev: take_events(), dr: None }];
    for step in &scenario.steps {
        if !is_up() || hub.is_incomparable() {
            break;
        }
        let (r, dr) = play.take(step).await;
        steps.push(Done { op: step.op.name().to_owned(), r, ev: take_events(), dr });
    }
    if hub.is_incomparable() {
        steps.pop();
    }
    let (mut left, mut stop) = (None, None);
    if is_up() && !hub.is_incomparable() {
        left = Some(play.snapshots().await);
        play.perform(&Op::ParentExit { reason: "shutdown".to_owned() }).await;
        play.settle().await;
        stop = Some(take_events());
    }
    let id = scenario.id;
    hub.look(|state| {
        let living = state.lives.values().filter(|life| life.is_alive() || life.left);
        let orphans = living.map(|life| format!("{}#{}", life.path, life.n)).collect();
        Trace { id, steps, left, stop, orphans, forced: state.forced, cut: state.incomparable.map(str::to_owned) }
    })
}

fn root_started(started: Result<crashworthy_runtime::Pid, StartError>) -> Value {
    match started {
        Ok(_) => json!("ok"),
        Err(StartError::Ignored) => json!("ignore"),
        Err(StartError::Failed(reason)) => json!(format!("error:{}", reasons::erlangs(&reason.to_string()))),
        Err(other) => json!(format!("error:{other}")),
    }
}
