//! The gate as a cell keeps it: nothing, as long as the size of the mailbox says it all.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crashworthy_sync::promises::{Promise, Promises};

use super::{
    Absence, Apart, Away, Demand, Due, InForce, Marks, Needs, Notes, Orders, Query, Refusals, Room, ServiceTime, Sight,
    Stretch, Suspended, TRIED, Tally, Want, Wish, is_worth_it, overdue,
};
use crate::cell::{Annex, Core};
use crate::dependency::{Dependency, DependencyError, Outage};
use crate::error::Reason;
use crate::message::Criticality;
use crate::pace::QUICK_NS;
use crate::port::Port;
use crate::readiness::Readiness;
use crate::route::Route;

/// An actor whose full mailbox is served within this time needs no gate.
const NO_MATTER_NS: u64 = 1_000_000;
/// With so much time left nobody asks whether there is one.
const SURELY_NS: u64 = 2 * NO_MATTER_NS;
/// A step of the times until which places are promised: about a millisecond.
const STEP_NS: u64 = 1 << 20;
/// How it is while nothing is known.
const COLD: u64 = u64::MAX;
/// How it is while everybody is to have a closer look.
const WATCHED: u64 = COLD - 1;

/// The gate of a cell, made when the time its messages take begins to matter.
#[derive(Debug)]
pub(crate) struct LazyGate {
    /// Whoever has this much time left, or more, is limited by the size of the mailbox alone: what most senders read.
    ample_ns: AtomicU64,
    /// Where the gate is, and what else few actors have.
    annex: Annex,
}

impl LazyGate {
    pub(crate) fn new(annex: Annex) -> Self {
        Self { ample_ns: AtomicU64::new(COLD), annex }
    }

    #[inline(always)]
    pub(crate) fn annex(&self) -> &Annex {
        &self.annex
    }

    /// Whether time does not limit somebody who has so much left.
    #[inline(always)]
    pub(crate) fn is_ample(&self, left_ns: u64) -> bool {
        left_ns >= self.ample_ns.load(Relaxed)
    }

    /// What the gate says to somebody whom time may limit, if something has been in hand for so long; nothing if it does
    /// not.
    #[cold]
    pub(crate) fn ask(&self, demand: Demand, running_ns: u64, now: u64, query: &Query<'_>) -> Option<Says> {
        let ample_ns = self.ample_ns.load(Relaxed);
        // What an actor does first may take long; whether it is stuck is asked when somebody has waited in vain.
        let running_ns = if ample_ns == COLD { 0 } else { running_ns };
        let seen = self.annex.gate().map(|gate| gate.sight()).filter(|sight| sight.service.is_known());
        let is_quick = seen.is_none() && ample_ns < WATCHED;
        if is_quick && running_ns <= demand.left_ns {
            return None;
        }
        let gate = self.annex.gate();
        if let Some(apart) = gate.and_then(|gate| gate.apart.get()) {
            apart.is_asked(now);
        }
        let unknown = Sight { service: ServiceTime::default(), standing: None, running_ns, held: None };
        let seen = seen.unwrap_or(unknown);
        let shared = seen.standing.filter(|&standing| standing != TRIED);
        let held = shared.and_then(|_| self.tally().shares.ask(demand.flow, now, demand.left_ns));
        let sight = Sight { running_ns, held, ..seen };
        let room = gate.map_or_else(|| sight.room(demand), |gate| gate.room(sight, demand, query));
        Some(Says { demand, sight, room })
    }

    /// A message with this deadline has found the actor busy: should it still have the same in hand by then, it is suspect.
    #[inline]
    pub(crate) fn finds_busy(&self, core: &Core, deadline: u64) {
        if self.due().is_none_or(|due| !due.is_before(deadline)) {
            overdue::watch(core, &self.annex.make_gate().due, deadline);
        }
    }

    /// When somebody looks whether it is stuck.
    pub(super) fn due(&self) -> Option<&Due> {
        self.annex.gate().map(|gate| &gate.due)
    }

    /// A question was not answered in time: from now on everybody has a closer look, until the actor has shown that it works.
    #[cold]
    pub(crate) fn is_suspect(&self) {
        self.ample_ns.store(WATCHED, Relaxed);
    }

    /// Refuses somebody, who found so many messages queued in a mailbox that holds so many. Why, and after what time to come
    /// again.
    #[cold]
    pub(crate) fn refuse(&self, says: Says, now: u64, queued: u32, capacity: u32) -> (Reason, Duration) {
        self.tally().notes.has_patience(says.demand.left_ns);
        let (reason, after) = says.sight.refusal(says.room, queued);
        if says.places() >= capacity {
            // There was time enough for a full one: it is that, or others wait for room.
            return (Reason::Full, after);
        }
        if let Some(gate) = self.annex.gate()
            && says.places() != 0
        {
            match reason {
                Reason::Share => gate.refuses_share(),
                _ => gate.refuses(now, says.demand.left_ns),
            }
        }
        let is_full = queued >= capacity && reason != Reason::Stuck;
        (if is_full { Reason::Full } else { reason }, after)
    }

    /// Somebody who was told that shares count has a place: whether it is counted.
    pub(crate) fn takes_share(&self, says: Option<Says>) -> bool {
        let shared = says.filter(|says| says.sight.standing.is_some());
        if let Some(says) = shared {
            self.tally().shares.takes(says.demand.flow);
        }
        shared.is_some()
    }

    /// How a message of this kind is to be counted, if messages are.
    pub(crate) fn marks(&self, kind: impl FnOnce() -> &'static str) -> Marks {
        let counting = self.annex.gate().and_then(|gate| gate.counting());
        counting.map_or(Marks::NONE, |apart| apart.marks(kind()))
    }

    /// Whether messages are counted by their kinds.
    pub(crate) fn counts(&self) -> bool {
        self.annex.gate().is_some_and(|gate| gate.counting().is_some())
    }

    /// Whether a second kind was met.
    #[cfg(test)]
    pub(super) fn tells_kinds(&self) -> bool {
        self.annex.gate().is_some_and(|gate| gate.apart.get().is_some())
    }

    /// Whether every message that was counted in has been counted out.
    #[cfg(test)]
    pub(super) fn is_balanced(&self) -> bool {
        self.annex.gate().and_then(|gate| gate.apart.get()).is_none_or(Apart::is_balanced)
    }

    /// A message that is marked so is about to be put into the mailbox.
    pub(crate) fn comes(&self, marks: Marks) {
        if let Some(apart) = self.annex.gate().and_then(|gate| gate.apart.get()) {
            apart.comes(marks);
        }
    }

    /// A message of this flow that is marked is taken out, or will not be put in.
    #[cold]
    pub(crate) fn goes(&self, marks: Marks, flow: u8) {
        if marks.is_share() {
            self.tally().shares.gives_back(flow);
        }
        if let Some(apart) = self.annex.gate().and_then(|gate| gate.apart.get()) {
            apart.goes(marks);
        }
    }

    /// The actor turns to another kind of message than the last, when it has handled so many. By the holder of the running claim.
    pub(crate) fn turns_to(&self, last: &'static str, kind: &'static str, handled: u32) {
        let Some(gate) = self.annex.gate().filter(|gate| gate.is_measured()) else { return };
        match gate.apart.get() {
            Some(apart) => apart.turns_to(last, kind, handled),
            // The first message of an incarnation: there may be no second kind.
            None if last.is_empty() => {}
            None => gate.apart.get_or_init(Box::default).turns_to(last, kind, handled),
        }
    }

    /// A stretch of work begins when so many have been handled. By the holder of the running claim.
    #[inline]
    pub(crate) fn begins_stretch(&self, handled: u32) {
        if let Some(apart) = self.annex.gate().and_then(|gate| gate.apart.get()) {
            apart.begins(handled);
        }
    }

    /// Where refusals are counted, and what is wrong is noted.
    #[cold]
    pub(super) fn tally(&self) -> &Tally {
        self.annex.make_gate().refusals.get_or_init(Box::default)
    }

    /// What is wrong with it, if something ever was.
    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.annex.gate().and_then(|gate| gate.refusals.get()).map(|tally| &tally.notes)
    }

    /// Whether a full mailbox, of a pace that is known, is more than somebody waits for, and nobody has said so yet.
    pub(crate) fn exceeds(&self, capacity: u32, patience_ns: u64) -> bool {
        let service = self.service();
        service.is_sure()
            && service.time_for(capacity) > patience_ns
            && self.notes().is_none_or(|notes| !notes.is_known_to_exceed())
    }

    /// How often it has refused so far.
    pub(crate) fn refusals(&self) -> Refusals {
        let tally = self.annex.gate().and_then(|gate| gate.refusals.get());
        tally.map_or_else(Refusals::default, |tally| tally.read())
    }

    /// Promises a place that was reserved, for so long.
    pub(crate) fn promise(&self, now: u64, within_ns: u64) -> Promise {
        // Steps as long as an eighth of the time, so that those who promise alike need few of them.
        let step = (within_ns / STEP_NS / 8).clamp(1, 1 << 30).next_power_of_two();
        let until = (now.saturating_add(within_ns) / STEP_NS).next_multiple_of(step) + 1;
        self.annex.make_gate().promises.get_or_init(Box::default).make(until)
    }

    /// Takes the place that was promised. False: it was forgiven.
    pub(crate) fn keep(&self, promise: Promise) -> bool {
        self.promises().is_none_or(|promises| promises.keep(promise))
    }

    /// Takes the places whose time has passed: so many are the caller's, to be given back.
    pub(crate) fn forgive(&self, port: &Port) -> u64 {
        let promises = self.promises().filter(|promises| promises.first().is_some());
        promises.map_or(0, |promises| promises.forgive(port.now_ns() / STEP_NS))
    }

    /// The places that are reserved, if any ever was.
    fn promises(&self) -> Option<&Promises> {
        self.annex.gate()?.promises.get()
    }

    /// Whether somebody was refused because of what the actor has in hand still.
    pub(crate) fn is_stuck(&self, core: &Core) -> bool {
        self.notes().is_some_and(|notes| notes.is_stuck(|| core.shared().port.now_ns(), || core.running_ns()))
    }

    /// Whether some are refused for the sake of the others.
    pub(crate) fn is_shedding(&self, port: &Port) -> bool {
        self.annex.gate().is_some_and(|gate| gate.is_shedding(port))
    }

    /// When the next place may be forgiven.
    pub(crate) fn forgives_at(&self) -> Option<u64> {
        self.promises()?.first().map(|until| (until + 1).saturating_mul(STEP_NS))
    }

    /// How long so many messages are expected to take, as far as that matters.
    pub(crate) fn wait(&self, messages: u32) -> Duration {
        let Some(gate) = self.annex.gate() else { return Duration::ZERO };
        let usual = gate.board.service();
        let wait_ns = match gate.apart.get() {
            None => usual.wait_ns(messages),
            Some(apart) => apart.waiting(messages, usual).wait_ns(),
        };
        Duration::from_nanos(wait_ns)
    }

    /// How long messages take, as far as that matters.
    fn service(&self) -> ServiceTime {
        self.annex.gate().map_or_else(ServiceTime::default, |gate| gate.sight().service)
    }

    /// Whether a message that is taken out, and marked so, is worth beginning with so much time left.
    #[inline]
    pub(crate) fn is_worth_it(&self, left_ns: u64, is_first: bool, marks: Marks) -> bool {
        left_ns > 0 && (is_first || self.is_ample(left_ns) || is_worth_it(self.service_of(marks), left_ns, false))
    }

    /// What is believed of a message that is marked so.
    fn service_of(&self, marks: Marks) -> ServiceTime {
        self.annex.gate().map_or_else(ServiceTime::default, |gate| gate.service(marks))
    }

    /// Takes in what the actor has done, which may have been in one of its first turns. By the holder of the running claim.
    /// Whether it is to be watched closely.
    pub(crate) fn worked(&self, stretch: Stretch, capacity: u32, is_early: bool) -> bool {
        let gate = match self.annex.gate().filter(|gate| gate.is_measured()) {
            Some(gate) => gate,
            None if matters(stretch, capacity, is_early) => self.annex.make_gate(),
            None => {
                self.announce(SURELY_NS);
                return false;
            }
        };
        let sight = gate.note(stretch);
        self.announce(match sight.standing {
            Some(_) => WATCHED,
            // With the one in hand, the one that is sent, and an eighth of it all, were they all of the slowest kind.
            None => {
                let slowest = gate.apart.get().and_then(Apart::slowest);
                let full = [Some(sight.service), slowest].into_iter().flatten();
                let full = full.map(|service| service.time_for(capacity.saturating_add(2))).max().unwrap_or(0);
                full.saturating_add(full / 8)
            }
        });
        sight.standing.is_some()
    }

    /// Senders on every core read this: it is written when it has changed by more than a sixteenth.
    fn announce(&self, ample_ns: u64) {
        let known = self.ample_ns.load(Relaxed);
        if known == COLD || known.abs_diff(ample_ns) > known.min(ample_ns) / 16 {
            self.ample_ns.store(ample_ns, Relaxed);
        }
    }
}

/// Whom the actor forwards to.
impl LazyGate {
    pub(crate) fn route(&self) -> Option<&Route> {
        self.needs().map(|needs| &needs.route)
    }

    pub(crate) fn make_route(&self) -> &Route {
        &self.make_needs().route
    }
}

/// When an actor that is being restarted will be back.
impl LazyGate {
    fn away(&self) -> Option<&Away> {
        Some(&self.annex.gate()?.absence.get()?.away)
    }

    fn make_absence(&self) -> &Absence {
        self.annex.make_gate().absence.get_or_init(Box::default)
    }

    fn make_away(&self) -> &Away {
        &self.make_absence().away
    }

    /// It will not be started before then.
    pub(crate) fn is_postponed(&self, core: &Core, until: u64) {
        self.make_away().begins(core, until);
    }

    /// Its next start begins, or is expected to begin at once.
    pub(crate) fn restarts(&self, core: &Core, port: &Port) {
        if let Some(away) = self.away() {
            away.begins(core, port.now_ns());
        }
    }

    /// It has started, and that took so long.
    pub(crate) fn started(&self, core: &Core, took_ns: u64) {
        match self.away() {
            Some(away) => away.started(core, took_ns),
            None if Away::is_worth_noting(took_ns) => self.make_away().started(core, took_ns),
            None => {}
        }
    }

    /// Nobody will start it.
    pub(crate) fn is_over(&self, core: &Core) {
        if let Some(away) = self.away() {
            away.ends(core);
        }
    }

    /// After what time it is expected back, in nanoseconds.
    pub(crate) fn back_in(&self, core: &Core, now: u64) -> Option<u64> {
        self.away()?.back_in(core, now)
    }
}

/// What was ordered of the actor.
impl LazyGate {
    fn orders(&self) -> Option<&Orders> {
        Some(&self.annex.gate()?.absence.get()?.orders)
    }

    fn make_orders(&self) -> &Orders {
        &self.make_absence().orders
    }

    /// It is tripped, or is no more. Whether that is news.
    pub(crate) fn trips(&self, core: &Core, tripped: bool) -> bool {
        if !tripped && self.orders().is_none() { false } else { self.make_orders().trips(core, tripped) }
    }

    /// Its incarnation drains, or does no more. Whether that is news. Under the lock of its ties.
    pub(crate) fn drains(&self, core: &Core, drains: bool) -> bool {
        if !drains && self.orders().is_none() { false } else { self.make_orders().drains(core, drains) }
    }

    /// Its incarnation is suspended, or is no more. What was ordered before. Under the lock of its ties.
    pub(crate) fn suspends(&self, core: &Core, suspended: Option<Suspended>) -> Option<Suspended> {
        if suspended.is_none() {
            self.orders()?.suspends(core, None)
        } else {
            self.make_orders().suspends(core, suspended)
        }
    }

    /// Its incarnation has ended, and what was ordered of that. Under the lock of its ties.
    pub(crate) fn outlives(&self, core: &Core) {
        if let Some(timer) = self.orders().and_then(|orders| orders.outlives(core)) {
            core.shared().wheel.cancel(timer);
        }
    }

    /// The orders in force.
    pub(crate) fn in_force(&self) -> InForce {
        self.orders().map(Orders::in_force).unwrap_or_default()
    }
}

/// What the actor needs.
impl LazyGate {
    fn needs(&self) -> Option<&Needs> {
        self.annex.gate()?.needs.get()
    }

    fn make_needs(&self) -> &Needs {
        self.annex.make_gate().needs.get_or_init(Box::default)
    }

    /// An incarnation names something it needs. Whether it is new. By whoever holds the lock of that.
    pub(crate) fn names(
        &self,
        core: &Core,
        what: &Dependency,
        ticket: u64,
        incarnation: u32,
        outage: Option<Outage>,
    ) -> Result<bool, DependencyError> {
        self.make_needs().names(core, what, ticket, incarnation, outage)
    }

    /// Something that was named has gone up or down. By whoever holds the lock of that. Whether the actor is to be asked again
    /// whether it is ready.
    pub(crate) fn hears(&self, core: &Core, what: &Dependency, outage: Option<Outage>) -> bool {
        self.needs().is_some_and(|needs| needs.hears(core, what, outage))
    }

    /// What an incarnation says of itself. For one that is ready, as most are, nothing is made.
    pub(crate) fn says(&self, core: &Core, readiness: Readiness) {
        match self.needs() {
            Some(needs) => needs.says(core, readiness),
            None if readiness == Readiness::Yes => {}
            None => self.make_needs().says(core, readiness),
        }
    }

    /// An incarnation has begun.
    pub(crate) fn begins(&self, core: &Core, incarnation: u32) {
        if let Some(needs) = self.needs() {
            needs.begins(core, incarnation);
        }
    }

    /// An incarnation is about to name something.
    pub(crate) fn tidies(&self, core: &Core, incarnation: u32) {
        if let Some(needs) = self.needs() {
            needs.tidies(core, incarnation);
        }
    }

    /// The cell goes.
    pub(crate) fn end(&self, core: &Core) {
        self.is_over(core);
        if let Some(timer) = self.orders().and_then(|orders| orders.end(core)) {
            core.shared().wheel.cancel(timer);
        }
        if let Some(needs) = self.needs() {
            needs.end(core);
        }
    }

    /// Why such a message is not taken, as far as needs go.
    pub(crate) fn wants(&self, wish: Wish) -> Option<Want> {
        self.needs()?.wants(wish)
    }

    /// What is missing, and which messages are taken if only some are.
    pub(crate) fn lacks(&self) -> (Vec<(String, Outage)>, Option<Criticality>) {
        self.needs().map(Needs::list).unwrap_or_default()
    }

    /// The actor as something that others depend on.
    pub(crate) fn as_dependency(&self, core: &Core) -> Dependency {
        let gate = self.annex.make_gate();
        gate.as_dependency.get_or_init(|| Box::new(Dependency::named(core.label()))).clone()
    }

    /// Whether the actor takes anything has changed: who depends on it is told. To be called under no lock.
    pub(crate) fn tell_dependants(&self, core: &Core) {
        if let Some(dependency) = self.annex.gate().and_then(|gate| gate.as_dependency.get()) {
            dependency.follow(core);
        }
    }
}

/// What the gate says to a sender whom time may limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    demand: Demand,
    sight: Sight,
    room: Room,
}

impl Says {
    /// How many messages may be in the mailbox, this one included.
    pub(crate) fn places(&self) -> u32 {
        self.room.places
    }

    /// The same if only time counts, and not who else is to have room.
    pub(crate) fn places_in_time(&self) -> u32 {
        self.room.in_time
    }
}

/// Whether the time that messages take matters. Of the first turns, which find nothing in any cache, only if it matters
/// much: most actors do little, and for them nothing is made.
fn matters(stretch: Stretch, capacity: u32, is_early: bool) -> bool {
    let each_ns = stretch.took_ns / u64::from(stretch.messages.max(1));
    (each_ns >= u64::from(QUICK_NS) || !is_early) && each_ns.saturating_mul(u64::from(capacity)) >= NO_MATTER_NS
}
