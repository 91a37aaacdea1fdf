//! Whether actors are ready: what they say of themselves, when they are asked, and the answer for the whole system.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_sync::task::Stale;
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::cell::{ActorCell, AnyCell, Core, flag};
use crate::context::Context;
use crate::crash::{contain, contain_drop};
use crate::dep::Dep;
use crate::dependency::{AsDependency, DependencyError, Outage};
use crate::error::{Reason, Refused};
use crate::exit::{Callback, Exit};
use crate::gate::{GateState, Want, Wish};
use crate::guard::Met;
use crate::lane::Fate;
use crate::message::Criticality;
use crate::pid::Pid;
use crate::port::Port;
use crate::system::System;

/// Whether an actor takes new work, as it says itself: what [`Actor::ready`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It does.
    #[default]
    Yes,
    /// It does not: senders are refused with [`Reason::NotReady`].
    No {
        /// What it lacks.
        dep: Dep,
        /// After what time it expects to be ready, where it knows: what senders are told to wait.
        eta: Option<Duration>,
    },
    /// It takes messages that matter at least this much; senders of others are refused with [`Reason::Shed`].
    Only(Criticality),
}

impl Readiness {
    /// It takes no new work for want of this; nobody knows for how long.
    pub fn lacks(what: &str) -> Self {
        Self::No { dep: Dep::named(what), eta: None }
    }
}

/// An actor that takes no new work, or not all of it: for want of something, or because that was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unready {
    /// Its incarnation that was started last.
    pub pid: Pid,
    /// The slot's name, if it has one.
    pub name: Option<String>,
    /// Where in its tree it is: the names from the top, with `/` between.
    pub path: String,
    /// What its gate is to new messages: not ready, or [tripped](System::trip), [draining](System::drain) or
    /// [suspended](System::suspend), whatever it lacks besides.
    #[serde(default)]
    pub gate: GateState,
    /// What is missing: what it says of itself first, then what it depends on, in the order named. Empty if it says that it
    /// takes [some](Readiness::Only), and if it was ordered to take nothing.
    pub lacks: Vec<Lack>,
    /// It takes messages that matter at least this much, as far as nothing is missing.
    pub only: Option<Criticality>,
}

/// Something that an actor needs and that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// Its name: whole, if it is one of a [`Dependency`](crate::Dependency) or an actor.
    pub name: String,
    /// Since when, on the system's clock.
    #[serde(rename = "since_ms", with = "crate::millis")]
    pub since: Duration,
    /// After what time it is expected back, where that is known and not past.
    #[serde(default, rename = "eta_ms", with = "crate::millis::option")]
    pub eta: Option<Duration>,
}

/// Readiness.
impl<A: Actor> Context<A> {
    /// From now on this actor needs that: while it is down, senders are refused with [`Reason::NotReady`], also while this
    /// actor's handler is blocked. That holds for tells, asks, reservations and those who wait for room (they learn of it at
    /// once); not for messages that [need nothing](crate::Message::needs_nothing), permits that were given before, or what
    /// the actor sends [itself](Self::send_self). What is queued is handled.
    ///
    /// What an incarnation has named holds until the next one has begun, also while none lives; so name in
    /// [`init`](Actor::init) what every incarnation needs. To name something twice does nothing.
    ///
    /// # Errors
    /// [`DependencyError::TooMany`] if it depends on 64 others.
    pub fn depends_on(&mut self, on: &impl AsDependency) -> Result<(), DependencyError> {
        let dependency = on.as_dependency();
        // Under this lock it stays this incarnation.
        let Some(ties) = self.ties() else { return Err(DependencyError::Fenced) };
        let core = self.cell().core();
        core.gate.tidies(core, self.incarnation());
        dependency.is_named_by(&self.any(), self.incarnation())?;
        drop(ties);
        said(self.cell());
        Ok(())
    }

    /// Has [`Actor::ready`] asked again when the callback under way has returned, before the next message is handled.
    pub fn recheck(&mut self) {
        let Some(_ties) = self.ties() else { return };
        self.cell().core().raise(flag::RECHECK);
    }
}

impl System {
    /// Actors that refuse because they lack something they need, or because they were tripped, drained or suspended, by identity:
    /// what `/readyz` is computed from. Empty: all are ready.
    ///
    /// It asks nobody: it says what senders are told. Slots that are not started or have ended are not in it, nor is an
    /// actor that is being restarted (a [snapshot](Self::snapshot) shows those).
    ///
    /// # Examples
    /// ```
    /// # use crashworthy_runtime::System;
    /// fn readyz(system: &System) -> (u16, String) {
    ///     let unready = system.unready();
    ///     let lacks = |actor: &crashworthy_runtime::Unready| {
    ///         let names: Vec<_> = actor.lacks.iter().map(|lack| &*lack.name).collect();
    ///         format!("{}: {}\n", actor.path, names.join(", "))
    ///     };
    ///     (if unready.is_empty() { 200 } else { 503 }, unready.iter().map(lacks).collect())
    /// }
    /// ```
    pub fn unready(&self) -> Vec<Unready> {
        let mut all = Vec::new();
        self.shared.each_cell(|cell| all.extend(unready(&cell)));
        all.sort_by_key(|actor| actor.pid.id);
        all
    }
}

fn unready(cell: &Arc<dyn AnyCell>) -> Option<Unready> {
    let core = cell.core();
    if core.flags() & (flag::UNREADY | flag::HELD) == 0 || core.is_over() {
        return None;
    }
    let (lacks, only) = lacks(core);
    let gate = GateState::of(core);
    // It may be ready by now.
    let is_held = matches!(gate, GateState::Tripped | GateState::Draining | GateState::Suspended);
    let is_ready = lacks.is_empty() && only.is_none() && !is_held;
    let name = core.name().map(str::to_owned);
    (!is_ready).then(|| Unready { pid: core.pid(), name, path: core.path().to_string(), gate, lacks, only })
}

/// What an actor lacks, and which messages it takes if only some.
pub(crate) fn lacks(core: &Core) -> (Vec<Lack>, Option<Criticality>) {
    let Some(home) = core.home() else { return (Vec::new(), None) };
    let port = &home.shared.port;
    let (lacks, only) = core.gate.lacks();
    let lack = |(name, outage): (String, Outage)| Lack {
        name,
        since: Duration::from_nanos(port.since_epoch(outage.since)),
        eta: left(port, outage),
    };
    (lacks.into_iter().map(lack).collect(), only)
}

/// Until something is expected back, if that is known and not past.
fn left(port: &Port, outage: Outage) -> Option<Duration> {
    let left = outage.until?.saturating_duration_since(port.instant(port.now_ns()));
    Some(left).filter(|left| !left.is_zero())
}

/// The refusal of an actor that lacks something, unless it takes such a message all the same.
pub(crate) fn refusal(core: &Core, wish: Wish) -> Option<Refused> {
    Some(match core.gate.wants(wish)? {
        Want::Lacks(dep, outage) => {
            Refused { retry_after: left(&core.shared().port, outage), ..core.refuse(Reason::NotReady(dep)) }
        }
        Want::MattersMore => core.refuse(Reason::Shed),
    })
}

/// Asks a new incarnation whether it is ready. From here on only what it has named itself counts.
pub(crate) fn first<A: Actor>(cell: &ActorCell<A>, cx: &Context<A>, state: A) -> Met<Result<A, Exit>> {
    match cell.user(|| contain(|| state.ready(cx))) {
        Ok(Ok(readiness)) => {
            let core = cell.core();
            cell.with_owner(|_| {
                core.gate.says(core, readiness);
                core.gate.begins(core, cx.incarnation());
            });
            said(cell);
            Met::Returned(Ok(state))
        }
        Ok(Err(panic)) => {
            // Its first panic is the one to report.
            let _ = cell.user(|| contain_drop(state));
            Met::panicked(panic)
        }
        Err((_, Stale)) => {
            let _ = contain_drop(state);
            Met::interrupted(Fate::Fenced)
        }
    }
}

/// Asks it again. A panic leaves through here.
#[cold]
pub(crate) fn again<A: Actor>(cell: &ActorCell<A>, cx: &Context<A>, state: &A) {
    let core = cell.core();
    // What it hangs in, should it hang.
    core.enters(Some(Callback::Handle));
    if let Ok(readiness) = cell.user(|| state.ready(cx)) {
        cell.with_owner(|_| {
            core.enters(None);
            core.gate.says(core, readiness);
        });
        said(cell);
    }
}

/// What it has said or named may be news to whoever waits for room.
fn said<A: Actor>(cell: &ActorCell<A>) {
    if cell.core().flags() & flag::UNREADY != 0 {
        cell.rouse_waiters();
    }
}
