//! How a message gets in: the look at the gate, the place, the envelope that is made in it, and the refusals.

use std::time::Duration;

use crashworthy_sync::mailbox::{Place, Pushed, ReserveError};
use crashworthy_sync::promises::Promise;
use crashworthy_sync::task::{Runnable, Task};

use crate::actor::Actor;
use crate::ask::Door;
use crate::cell::{AnyCell as _, Cell, Status, flag, wake};
use crate::drain;
use crate::envelope::Envelope;
use crate::error::{Load, Reason, Refused, Rejected};
use crate::gate::{Demand, Marks, Query, Says, Wish, events};
use crate::message::{Criticality, Message as _, Overflow, kind_of};
use crate::pace::Pace;
use crate::pid::{ActorId, Pid};
use crate::readiness;
use crate::reply::Caller;
use crate::route::Route;
use crate::scheduler::Pool;
use crate::shared::Shared;
use crate::shelf;
use crate::turn::{self, Call, NEVER};
use crate::waits;

/// Reserves a place, until the deadline, for somebody who has so much time left. With the time of the system's clock at which it was promised.
pub(crate) fn reserve<A: Actor>(
    cell: &Task<Cell<A>>,
    demand: Demand,
    deadline: impl FnOnce() -> u64,
) -> Result<(Promise, u64), Refused> {
    look(cell, || Wish { criticality: demand.criticality, needs_nothing: false, deadline: deadline() })?;
    let says = says(cell, demand, &|| None);
    let reserve = || cell.mailbox.try_reserve_within(places(says));
    let reserved = match reserve() {
        Err(ReserveError::Full) if cell.forgives() || shelf::makes_room(cell, places(says)) => reserve(),
        reserved => reserved,
    };
    reserved.map_err(|error| refused(cell, error, says))?;
    let core = cell.core();
    let now = core.shared().port.now_ns();
    Ok((core.gate.promise(now, demand.left_ns), now))
}

/// A message that was not taken in. One that names no time is looked at only now.
#[cold]
pub(crate) fn rejected<A: Actor>(cell: &Task<Cell<A>>, why: Refused, msg: A::Msg, call: Call) -> Rejected<A::Msg> {
    let criticality = if call.deadline == NEVER { msg.criticality() } else { call.criticality };
    Rejected::new(cell.core().counted(why, criticality), msg)
}

/// What the gate says before anything is written: whether the sender still exists, whether the actor takes new work.
#[inline(always)]
pub(crate) fn look<A: Actor>(cell: &Task<Cell<A>>, wish: impl FnOnce() -> Wish) -> Result<(), Refused> {
    // Where there is no system the mailbox is closed.
    if cell.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers)) {
        return Err(cell.core().refuse(Reason::Fenced));
    }
    match cell.core().flags() & (flag::DRAINS | flag::UNREADY | flag::AWAY | flag::HELD) {
        0 => Ok(()),
        flags => look_closely(cell, flags, wish()),
    }
}

/// The same of an actor that drains, lacks something, is being restarted, or was ordered something.
#[cold]
fn look_closely<A: Actor>(cell: &Task<Cell<A>>, flags: u32, wish: Wish) -> Result<(), Refused> {
    if flags & flag::DRAINS != 0 && turn::current().pid == Pid::OUTSIDE {
        return Err(draining(cell));
    }
    if cell.core().is_over() {
        return Err(cell.core().closed());
    }
    let orders = cell.core().orders();
    if orders.tripped {
        return Err(Refused { load: cell.load(), ..cell.core().refuse(Reason::Tripped) });
    }
    if orders.drains && !drain::is_part_of_it(cell.core()) {
        return Err(cell.core().refuse(Reason::Draining));
    }
    if let Some(why) = readiness::refusal(cell.core(), wish) {
        return Err(why);
    }
    match cell.core().back_in() {
        Some((back_in, reason)) => look_ahead(cell, back_in, reason, wish.deadline),
        None => Ok(()),
    }
}

/// Whether an actor that will be back after this time will have come to one more message by then.
#[cold]
fn look_ahead<A: Actor>(cell: &Task<Cell<A>>, back_in: Duration, reason: Reason, deadline: u64) -> Result<(), Refused> {
    let (core, load) = (cell.core(), cell.load());
    let left = Duration::from_nanos(deadline.saturating_sub(core.shared().port.now_ns()));
    if deadline == NEVER || load.wait.max(back_in) <= left {
        return Ok(());
    }
    Err(Refused { retry_after: Some(back_in), load, ..core.refuse(reason) })
}

/// Who drains takes no new work; who has ended since does not drain any more.
#[cold]
fn draining<A: Actor>(cell: &Task<Cell<A>>) -> Refused {
    match cell.core().status() {
        Status::Stopped | Status::Gone => cell.core().closed(),
        Status::Fresh | Status::Starting | Status::Running | Status::Down => cell.core().refuse(Reason::Draining),
    }
}

/// Takes a message in. True: the actor is to be woken.
#[inline(always)]
pub(crate) fn put<A: Actor>(
    cell: &Task<Cell<A>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
) -> Result<bool, (Refused, A::Msg)> {
    let Some(home) = cell.core().home() else { return Err((refused(cell, ReserveError::Closed, None), msg)) };
    let shared = home.shared;
    if !turn::is_carefree(&shared.stragglers)
        && let Err(why) = look(cell, || {
            let criticality = if call.deadline == NEVER { msg.criticality() } else { call.criticality };
            Wish { criticality, needs_nothing: msg.needs_nothing(), deadline: call.deadline }
        })
    {
        return Err((why, msg));
    }
    let says = match call.deadline {
        NEVER => None,
        deadline => {
            let left_ns = deadline.saturating_sub(shared.port.coarse_ns());
            let (criticality, cost, flow) = (call.criticality, msg.cost(), call.flow(shared.salt));
            says(cell, Demand { left_ns, criticality, cost, flow }, &|| Some(kind_of(&msg)))
        }
    };
    match msg.overflow() {
        Overflow::Refuse => {}
        overflow => return put_aside(cell, envelope(shared, msg, caller, call, Marks::NONE), overflow, says),
    }
    match cell.mailbox.place_at_once(places(says)) {
        Some(place) => Ok(fill(cell, place, msg, caller, call, says, Marks::NONE)),
        None => put_with_care(cell, msg, caller, call, says),
    }
}

/// Takes a message in where that is not ordinary: a block ends, there is no room by what is known, somebody waits.
#[inline(never)]
fn put_with_care<A: Actor>(
    cell: &Task<Cell<A>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
    says: Option<Says>,
) -> Result<bool, (Refused, A::Msg)> {
    let marks = cell.core().gate.marks(|| kind_of(&msg));
    let place = match cell.mailbox.place_within(places(says)) {
        Err(ReserveError::Full) => place_again(cell, places(says)),
        place => place,
    };
    match place {
        Ok(place) => {
            // Before anybody can take it out.
            cell.core().gate.comes(marks);
            Ok(fill(cell, place, msg, caller, call, says, marks))
        }
        Err(error) => Err((refused(cell, error, says), msg)),
    }
}

/// Takes in a message that has a word to say about what happens when there is no room.
#[cold]
fn put_aside<A: Actor>(
    cell: &Task<Cell<A>>,
    envelope: Envelope<A::Msg>,
    overflow: Overflow,
    says: Option<Says>,
) -> Result<bool, (Refused, A::Msg)> {
    shelf::put(cell, envelope, overflow, places(says)).map_err(|(error, msg)| (refused(cell, error, says), msg))
}

/// Makes the envelope where it is to lie, field by field. Whether the actor is to be woken.
#[inline(always)]
fn fill<A: Actor>(
    cell: &Task<Cell<A>>,
    place: Place<'_, Envelope<A::Msg>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
    says: Option<Says>,
    marks: Marks,
) -> bool {
    let core = cell.core();
    let is_share = says.is_some() && core.gate.takes_share(says);
    let wake = place.fill(envelope(core.shared(), msg, caller, call, marks.with_share(is_share))).wake;
    if !wake && call.deadline != NEVER {
        core.gate.finds_busy(core, call.deadline);
    }
    wake
}

/// What a message becomes on its way.
#[inline(always)]
fn envelope<M>(shared: &Shared, msg: M, caller: Option<Caller>, call: Call, marks: Marks) -> Envelope<M> {
    let Call { deadline, criticality, .. } = call;
    let flow = if deadline == NEVER { 0 } else { call.flow(shared.salt) };
    if caller.is_none() && std::mem::needs_drop::<M>() {
        waits::gives();
    }
    let (from, stamp) = (turn::current_id(), shared.stamp());
    Envelope { msg, caller, deadline, criticality, from, stamp, flow, marks }
}

/// Takes a place whose time has passed from whoever holds it, or that of a message that may be dropped, if there is one.
#[cold]
fn place_again<A: Actor>(cell: &Task<Cell<A>>, at_most: u32) -> Result<Place<'_, Envelope<A::Msg>>, ReserveError> {
    if cell.forgives() || shelf::makes_room(cell, at_most) {
        cell.mailbox.place_within(at_most)
    } else {
        Err(ReserveError::Full)
    }
}

/// What the gate says to whoever wants something, if time may limit it.
#[inline]
fn says<A: Actor>(cell: &Task<Cell<A>>, demand: Demand, kind: &dyn Fn() -> Option<&'static str>) -> Option<Says> {
    let core = cell.core();
    let free = core.gate.is_ample(demand.left_ns) && demand.cost <= 1.0;
    if free {
        return None;
    }
    let now = core.home().map_or(0, |home| home.shared.port.coarse_ns());
    core.gate.ask(demand, core.running_ns(), now, &query(cell, kind, &|| cell.depth()))
}

/// What a gate wants to know where kinds of messages differ.
pub(crate) fn query<'q, A: Actor>(
    cell: &Task<Cell<A>>,
    kind: &'q dyn Fn() -> Option<&'static str>,
    queued: &'q dyn Fn() -> u32,
) -> Query<'q> {
    Query { kind, in_hand: cell.core().doing.get(), queued }
}

/// How many messages may be in the mailbox.
#[inline(always)]
fn places(says: Option<Says>) -> u32 {
    says.map_or(u32::MAX, |says| says.places())
}

#[cold]
fn refused<A: Actor>(cell: &Task<Cell<A>>, error: ReserveError, says: Option<Says>) -> Refused {
    match (error, says) {
        (ReserveError::Full, None) => cell.full(Reason::Full),
        (ReserveError::Full, Some(says)) => late(cell, says),
        (ReserveError::Closed, _) => cell.core().closed(),
    }
}

/// Refuses who has a deadline.
pub(crate) fn late<A: Actor>(cell: &Task<Cell<A>>, says: Says) -> Refused {
    let load = cell.load();
    let now = cell.core().shared().port.now_ns();
    let (reason, after) = cell.core().gate.refuse(says, now, load.depth, load.limit);
    Refused {
        retry_after: Some(after).filter(|after| !after.is_zero()),
        load: Load { limit: load.limit.min(says.places()), ..load },
        ..cell.core().refuse(reason)
    }
}

/// Sends into a place that was reserved.
fn push_reserved<A: Actor>(
    cell: &Task<Cell<A>>,
    msg: A::Msg,
    caller: Option<Caller>,
    call: Call,
) -> Result<(), Rejected<A::Msg>> {
    // Whoever has a place has it in a mailbox that was open.
    let gate = &cell.core().gate;
    let marks = gate.marks(|| kind_of(&msg));
    gate.comes(marks);
    let envelope = envelope(cell.core().shared(), msg, caller, call, marks);
    match cell.mailbox.push_reserved(envelope) {
        Ok(Pushed { wake: true }) => wake(cell),
        Ok(Pushed { wake: false }) if call.deadline == NEVER => {}
        Ok(Pushed { wake: false }) => gate.finds_busy(cell.core(), call.deadline),
        // A place that is reserved is lost to a close alone.
        Err(error) => {
            let why = cell.core().counted(cell.core().closed(), call.criticality);
            let Envelope { msg, marks, flow, .. } = error.into_inner();
            if marks != Marks::NONE {
                cell.core().gate.goes(marks, flow);
            }
            return Err(Rejected::new(why, msg));
        }
    }
    Ok(())
}

impl<A: Actor> Door<A::Msg> for Task<Cell<A>> {
    fn put(&self, msg: A::Msg, caller: Caller, call: Call) -> Result<Option<Runnable>, Refused> {
        match put(self, msg, Some(caller), call) {
            Ok(true) => Ok(self.wake()),
            Ok(false) => Ok(None),
            Err((why, _)) => Err(self.core().counted(why, call.criticality)),
        }
    }

    fn pace(&self) -> &Pace {
        &self.core().pace
    }

    fn pool(&self) -> &Pool {
        self.core().pool()
    }

    fn put_reserved(&self, msg: A::Msg, caller: Option<Caller>, call: Call) -> Result<(), Rejected<A::Msg>> {
        if self.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers)) {
            self.mailbox.release_reserved();
            let why = self.core().refuse(Reason::Fenced);
            return Err(Rejected::new(self.core().counted(why, call.criticality), msg));
        }
        push_reserved(self, msg, caller, call)
    }

    fn release(&self) {
        self.mailbox.release_reserved();
    }

    fn shared(&self) -> Option<&Shared> {
        self.core().home().map(|home| home.shared)
    }

    fn route(&self) -> Option<&Route> {
        self.core().gate.route()
    }

    fn id(&self) -> ActorId {
        self.core().id()
    }

    fn at(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    fn refuse(&self) -> Refused {
        self.core().closed()
    }

    fn fenced(&self) -> Refused {
        self.core().refuse(Reason::Fenced)
    }

    fn keep(&self, promise: Promise) -> bool {
        self.core().gate.keep(promise)
    }

    fn too_late(&self) -> Refused {
        let is_fenced = self.core().home().is_some_and(|home| turn::is_fenced_in(&home.shared.stragglers));
        if is_fenced { self.fenced() } else { self.full(Reason::NoTime) }
    }

    fn counted(&self, why: Refused, criticality: Criticality) -> Refused {
        events::counted(self.core(), why.reason, criticality);
        why
    }

    fn was_late(&self) {
        self.core().gate.is_suspect();
    }
}
