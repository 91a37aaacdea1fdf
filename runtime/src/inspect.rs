//! Snapshots as plain data, for the console and for tests. Reading them locks no actor.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cell::{AnyCell, Core, Status, flag};
use crate::counters::Law;
use crate::exit::Callback;
use crate::gate::{GateState, Refusals};
use crate::lane::Lane;
use crate::message::Criticality;
use crate::pid::{ActorId, Pid};
use crate::readiness::{self, Lack};
use crate::shared::Shared;

/// Where a slot is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Never started.
    NotStarted,
    /// `init` runs.
    Starting,
    /// Handles messages.
    Running,
    /// Handles no messages until it is resumed.
    Suspended,
    /// Between two incarnations: messages queue, but for those that would be too late.
    Restarting,
    /// Ended; may be started again.
    Stopped,
    /// Ended for good.
    Gone,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// One actor as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorSnapshot {
    /// The incarnation that was started last.
    pub pid: Pid,
    /// The slot's name, if it has one.
    pub name: Option<String>,
    /// The actor's type.
    pub kind: String,
    /// Where it is in its life.
    pub state: State,
    /// It has been told to end, by a kill, a stop, or an exit signal that it does not trap, and has not read that yet. A kill and such
    /// a signal are read when it ends.
    #[serde(default)]
    pub ends: bool,
    /// The kind of the message in hand, and since when (to a millisecond or so).
    pub in_hand: Option<(String, Duration)>,
    /// How long ago the message in hand was sent, to a millisecond or so: it is the oldest that the actor has, as far as messages are
    /// handled in the order in which they came. What has a place of its own (timers, pipes, messages to oneself) counts from when
    /// it was taken.
    #[serde(default)]
    pub sent_ago: Option<Duration>,
    /// The callback that runs or awaits, and since when (to a millisecond or so).
    pub callback: Option<(Callback, Duration)>,
    /// Some thread runs a turn of it: the callback works, or blocks that thread. Else it awaits.
    pub in_turn: bool,
    /// The other actor whose answer, or room, it waits for: as far as is seen for nothing else. Those that wait for each other in a
    /// ring are refused as a [cycle](crate::Reason::Cycle), so that this is a chain.
    #[serde(default)]
    pub waits_for: Option<WaitsFor>,
    /// What it needs and lacks: for want of that it takes no new messages.
    pub lacks: Vec<Lack>,
    /// It takes messages that matter at least this much, as far as nothing is missing.
    pub only: Option<Criticality>,
    /// What its gate is to new messages.
    #[serde(default)]
    pub gate: GateState,
    /// After what time it is expected back, if it is being restarted or is suspended, and that is known and still to come.
    #[serde(default)]
    pub back_in: Option<Duration>,
    /// The pool of threads it runs on, if that is not the system's own.
    #[serde(default)]
    pub pool: Option<String>,
    /// Messages queued and places promised.
    pub depth: u32,
    /// Messages it would hold.
    pub limit: u32,
    /// Exit signals and `Down`s that wait to be read.
    pub signals: usize,
    /// How often it was started anew.
    pub restarts: u32,
    /// How many of its turns were seen to hold their threads for longer than [`Builder::blocked_after`](crate::Builder::blocked_after).
    #[serde(default)]
    pub blocked: u64,
    /// How its messages ended.
    pub law: Law,
    /// How often it refused, and why.
    pub refusals: Refusals,
    /// Its parent.
    pub parent: Option<Pid>,
    /// Whom it is linked with.
    pub links: Vec<Pid>,
    /// Whom it monitors.
    pub monitors: Vec<Pid>,
    /// Actors that monitor it; watchers that are not actors count as [`Pid::OUTSIDE`].
    pub watchers: Vec<Pid>,
    /// Slots below it.
    pub children: Vec<ActorId>,
}

/// Another actor that an actor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsFor {
    /// Who.
    pub id: ActorId,
    /// For how long it has waited.
    pub since: Duration,
    /// For room in its mailbox; else for an answer.
    pub for_room: bool,
}

/// A system as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemSnapshot {
    /// Its name.
    pub name: String,
    /// How long it has run.
    pub uptime: Duration,
    /// Its actors, by identity.
    pub actors: Vec<ActorSnapshot>,
    /// Crashes so far.
    pub crashes: u64,
    /// Reports that were withheld from the log so far, because their source had logged too many.
    pub reports_withheld: u64,
    /// Dead letters so far.
    pub dead_letters: u64,
    /// Own messages of incarnations that had ended before they came to them, so far: they are no letters.
    #[serde(default)]
    pub own_undelivered: u64,
    /// Abandoned incarnations whose turns still block a thread.
    pub stragglers: Vec<Pid>,
    /// Timers that are armed, or ending just now: of actors, and deadlines of those who wait for an answer or for room.
    pub timers: usize,
    /// Names that are taken.
    pub names: usize,
    /// Memberships of process groups: an actor has one in each group it is in.
    pub memberships: usize,
    /// Actors that wait for a turn, and pumps that are not idle: they are in a turn, or look for the next. So are threads
    /// that take turns while handlers block every worker.
    pub runnable: usize,
    /// Actors that were moved to a thread of their own so far, because they blocked those of the system.
    #[serde(default)]
    pub moved: u64,
    /// Turns that have been taken so far. While nothing is runnable and this stands still, the system is at rest.
    pub turns: u64,
}

pub(crate) fn snapshot(cell: &Arc<dyn AnyCell>) -> ActorSnapshot {
    let core = cell.core();
    let in_hand = core.kind_in_hand().map(|kind| (kind.to_owned(), core.in_hand_for()));
    let load = cell.load();
    let pid = core.pid();
    let (lacks, only) = readiness::lacks(core);
    let mut shot = ActorSnapshot {
        pid,
        name: core.name().map(str::to_owned),
        kind: cell.kind().to_owned(),
        state: State::NotStarted,
        ends: false,
        sent_ago: in_hand.as_ref().map(|_| core.origin().1),
        in_hand,
        callback: core.callback().map(|callback| (callback, core.in_hand_for())),
        in_turn: cell.is_in_turn(),
        waits_for: waits_for(core),
        lacks,
        only,
        gate: GateState::of(core),
        back_in: core.back_in().map(|(back_in, _)| back_in),
        pool: home(core),
        depth: load.depth,
        limit: load.limit,
        signals: 0,
        restarts: pid.incarnation.saturating_sub(1),
        blocked: core.counters().held(),
        law: cell.law(),
        refusals: core.gate.refusals(),
        parent: None,
        links: Vec::new(),
        monitors: Vec::new(),
        watchers: Vec::new(),
        children: Vec::new(),
    };
    // Under one lock: who has seen the link to somebody who has ended go sees the signal that it became, or the end.
    let ties = core.ties.lock();
    let traps = core.flags() & flag::TRAPS != 0;
    let lane = |lane: &Lane| (lane.suspended, lane.signals(), lane.ends(pid, traps));
    let (suspended, signals, ends) = core.control.lock().look().map_or((false, 0, false), lane);
    shot.state = status(core.status(), suspended && core.flags() & flag::URGENT != 0);
    (shot.signals, shot.ends) = (signals, ends && ties.lives(pid.incarnation));
    shot.parent = ties.parent();
    shot.links = ties.links();
    shot.children = ties.children();
    if let Some(tied) = ties.look() {
        shot.monitors = tied.monitors.values().copied().collect();
        shot.watchers = tied.watchers.keys().map(|(pid, _)| *pid).collect();
    }
    shot
}

/// What the pool is called that it runs on, if that is not the system's own.
fn home(core: &Core) -> Option<String> {
    let number = core.pool_number();
    if number == 0 { None } else { Some(core.shared().pools.name(number)?.to_string()) }
}

/// Where a slot is in its life, for whoever looks.
pub(crate) fn status(status: Status, is_suspended: bool) -> State {
    match status {
        Status::Fresh => State::NotStarted,
        Status::Starting => State::Starting,
        Status::Running if is_suspended => State::Suspended,
        Status::Running => State::Running,
        Status::Down => State::Restarting,
        Status::Stopped => State::Stopped,
        Status::Gone => State::Gone,
    }
}

/// Whom it waits for, once a turn has ended in which that was seen.
pub(crate) fn waits_for(core: &Core) -> Option<WaitsFor> {
    let sight = core.counters().standing()?.look(core.pid())?;
    let since = core.shared().port.now_ns().saturating_sub(sight.since.at);
    Some(WaitsFor { id: sight.to, since: Duration::from_nanos(since), for_room: sight.is_for_room })
}

impl SystemSnapshot {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        let mut actors = Vec::with_capacity(shared.cells());
        shared.each_cell(|cell| actors.push(snapshot(&cell)));
        actors.sort_by_key(|actor| actor.pid.id);
        Self { actors, ..Self::without_actors(shared) }
    }

    /// What is to say of the system itself.
    pub(crate) fn without_actors(shared: &Arc<Shared>) -> Self {
        let pools = shared.pool_stats();
        Self {
            name: shared.settings.name.to_string(),
            uptime: Duration::from_nanos(shared.port.now_ns()),
            actors: Vec::new(),
            crashes: shared.reports.crashed(),
            reports_withheld: shared.reports.withheld(),
            dead_letters: shared.dead_letters.counts().0,
            own_undelivered: shared.dead_letters.own(),
            stragglers: shared.stragglers.list(),
            // What is not armed any more is seen in what comes after.
            timers: shared.wheel.armed() + shared.wheel.ending(),
            names: shared.names.len(),
            memberships: shared.groups.memberships(),
            runnable: pools.iter().map(|pool| pool.queued() + pool.busy()).sum(),
            moved: shared.pools.moved(),
            turns: shared.pool.stats().turns() + shared.pools.turns(),
        }
    }

    /// Whether the conservation law holds for every actor: exact when the system is quiescent.
    pub fn law_holds(&self) -> bool {
        self.actors.iter().all(|actor| actor.law.holds())
    }
}
