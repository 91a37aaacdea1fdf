//! Whose turn this thread is running, and for which call: ambient, set by the runtime, read by sends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Weak};
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use parking_lot::Mutex;

use crate::gate::{FLOWS, flow_of, flow_of_actor};
use crate::message::Criticality;
use crate::pid::{ActorId, Pid};
use crate::places::Places;
use crate::port::{Port, nanos};
use crate::reply::Around;
use crate::route::Carried;
use crate::shared::Shared;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// The longest deadline of a question, of a wait for room and of a call: a day. One that is longer is cut to it, so that none
/// is without an end.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a call carries along: until when, and how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Nanoseconds of the system's clock; [`NEVER`] for none.
    pub(crate) deadline: u64,
    pub(crate) criticality: Criticality,
    /// Who began it, as the [gate](crate::gate) tells callers apart: below 64; 0 for nobody.
    pub(crate) flow: u8,
}

impl Call {
    pub(crate) const NONE: Self = Self { deadline: NEVER, criticality: Criticality::Sheddable, flow: 0 };

    pub(crate) const fn packed(self) -> PackedCall {
        PackedCall(self.deadline & !PackedCall::REST | (self.flow as u64) << 2 | self.criticality as u64)
    }

    /// Who began it; if nobody is named, whoever began what this code runs for.
    #[inline(always)]
    pub(crate) fn flow(self, salt: u64) -> u8 {
        if self.flow == 0 { flow(salt) } else { self.flow }
    }

    /// How much a message matters that is sent for this call: no more than the call, if there is one.
    pub(crate) fn lowers(self, criticality: Criticality) -> Criticality {
        if self.deadline == NEVER { criticality } else { criticality.max(self.criticality) }
    }
}

/// A call in one word: its deadline to a quarter of a microsecond, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedCall(u64);

impl PackedCall {
    pub(crate) const NONE: Self = Call::NONE.packed();
    /// Bits of the criticality.
    const CRITICALITY: u64 = 3;
    /// Bits of the flow, above those, and of both.
    const REST: u64 = ((FLOWS as u64 - 1) << 2) | Self::CRITICALITY;

    pub(crate) const fn call(self) -> Call {
        let criticality = match self.0 & Self::CRITICALITY {
            0 => Criticality::CriticalPlus,
            1 => Criticality::Critical,
            2 => Criticality::Sheddable,
            _ => Criticality::SheddablePlus,
        };
        let never = NEVER & !Self::REST;
        let deadline = self.0 & !Self::REST;
        let flow = ((self.0 & Self::REST) >> 2) as u8;
        Call { deadline: if deadline == never { NEVER } else { deadline }, criticality, flow }
    }
}

/// The turn that this thread is running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) pid: Pid,
    pub(crate) call: Call,
}

/// Why senders have to take care.
#[derive(Debug, Default)]
struct Known {
    /// With the number of the pool whose thread the turn blocks.
    pids: BTreeMap<Pid, u32>,
    drains: bool,
    /// Actors that refuse for want of something.
    unready: usize,
}

/// The incarnations of one system that were abandoned while a turn of theirs blocks a thread.
#[derive(Debug, Default)]
pub(crate) struct Stragglers {
    /// What every send reads: twice their number, and one more while senders are to look whom they send to.
    care: AtomicUsize,
    known: Mutex<Known>,
    /// What is taken from a straggler at once.
    pub(crate) places: Places,
}

impl Stragglers {
    pub(crate) fn add(&self, pid: Pid, pool: u32) {
        self.change(|known| _ = known.pids.insert(pid, pool));
    }

    pub(crate) fn remove(&self, pid: Pid) {
        self.change(|known| _ = known.pids.remove(&pid));
    }

    /// The system drains from now on: senders are to look whom they send to.
    pub(crate) fn drains(&self) {
        self.change(|known| known.drains = true);
    }

    /// An actor refuses for want of something: the same.
    pub(crate) fn one_more_is_unready(&self) {
        self.change(|known| known.unready += 1);
    }

    pub(crate) fn one_less_is_unready(&self) {
        self.change(|known| known.unready -= 1);
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock();
        change(&mut known);
        let looks = known.drains || known.unready != 0;
        self.care.store(2 * known.pids.len() + usize::from(looks), Release);
    }

    pub(crate) fn list(&self) -> Vec<Pid> {
        self.known.lock().pids.keys().copied().collect()
    }

    /// The pool, but for the system's own, of which an abandoned turn of this slot blocks a thread.
    pub(crate) fn pool_held_by(&self, id: ActorId) -> Option<u32> {
        if self.care.load(Acquire) <= 1 {
            return None;
        }
        let held = self.known.lock().pids.iter().find(|(pid, _)| pid.id == id).map(|(_, pool)| *pool);
        held.filter(|pool| *pool != 0)
    }

    fn contains(&self, pid: Pid) -> bool {
        self.care.load(Acquire) > 1 && self.known.lock().pids.contains_key(&pid)
    }
}

/// What a thread knows of the turn it runs. Plain words, so that looking at one is one load.
struct Ambient {
    id: Cell<ActorId>,
    incarnation: Cell<u32>,
    /// Whether the turn is run in place, that is, by its asker: 1 and more say how deep such turns nest.
    nested: Cell<u8>,
    /// Deadline of the question that the turn is run in place for; 0 if it is not.
    asked: Cell<u64>,
    /// With the flow.
    criticality: Cell<(Criticality, u8)>,
    deadline: Cell<u64>,
    /// Whether the call has places along.
    carries: Cell<bool>,
    /// Address of the stragglers of the system whose turn this thread ran last: what is compared for every turn.
    system: Cell<usize>,
}

thread_local! {
    static AMBIENT: Ambient = const {
        Ambient {
            id: Cell::new(ActorId::OUTSIDE),
            incarnation: Cell::new(0),
            nested: Cell::new(0),
            asked: Cell::new(0),
            criticality: Cell::new((Call::NONE.criticality, Call::NONE.flow)),
            deadline: Cell::new(NEVER),
            carries: Cell::new(false),
            system: Cell::new(0),
        }
    };

    /// The places that the call has along, if it has some.
    static CARRIED: RefCell<Option<Arc<Carried>>> = const { RefCell::new(None) };

    /// The stragglers at the address above.
    static STRAGGLERS: RefCell<Option<Arc<Stragglers>>> = const { RefCell::new(None) };
}

impl Ambient {
    #[inline(always)]
    fn turn(&self) -> Turn {
        let pid = Pid { id: self.id.get(), incarnation: self.incarnation.get() };
        let (criticality, flow) = self.criticality.get();
        Turn { pid, call: Call { deadline: self.deadline.get(), criticality, flow } }
    }

    #[inline(always)]
    fn set(&self, Turn { pid, call }: Turn) {
        self.id.set(pid.id);
        self.incarnation.set(pid.incarnation);
        self.set_call(call);
    }

    #[inline(always)]
    fn set_call(&self, call: Call) {
        self.criticality.set((call.criticality, call.flow));
        self.deadline.set(call.deadline);
    }
}

/// Exchanges the stragglers this thread knows.
#[cold]
fn know(ambient: &Ambient, stragglers: Option<Arc<Stragglers>>) -> Option<Arc<Stragglers>> {
    ambient.system.set(stragglers.as_ref().map_or(0, |stragglers| Arc::as_ptr(stragglers).addr()));
    // A thread that is ending runs no turn any more.
    STRAGGLERS.try_with(|known| known.replace(stragglers)).ok().flatten()
}

/// Whether the current turn was abandoned: its incarnation is no more, nothing it sends is accepted.
pub(crate) fn is_fenced() -> bool {
    let turn = current();
    turn.pid.incarnation != 0
        && STRAGGLERS
            .try_with(|known| known.borrow().as_ref().is_some_and(|stragglers| stragglers.contains(turn.pid)))
            .unwrap_or(false)
}

/// The same for somebody who knows the stragglers of a system, most likely that of the current turn.
#[inline(always)]
pub(crate) fn is_fenced_in(stragglers: &Arc<Stragglers>) -> bool {
    let system = AMBIENT.with(|ambient| ambient.system.get());
    let fine = stragglers.care.load(Acquire) <= 1 && (system == Arc::as_ptr(stragglers).addr() || system == 0);
    !fine && is_fenced()
}

/// Whether there is nothing that a sender to a system with these stragglers has to look at.
#[inline(always)]
pub(crate) fn is_carefree(stragglers: &Arc<Stragglers>) -> bool {
    let system = AMBIENT.with(|ambient| ambient.system.get());
    stragglers.care.load(Acquire) == 0 && (system == Arc::as_ptr(stragglers).addr() || system == 0)
}

/// Who the current turn is of, as seen from a system.
pub(crate) enum Whose {
    /// No actor's.
    Nobodys,
    /// An incarnation of that system.
    Here(Pid),
    /// One of the system with these stragglers.
    Elsewhere(Pid, Arc<Stragglers>),
}

/// Whose the current turn is, for somebody who knows the stragglers of a system, most likely that of the turn.
#[inline(always)]
pub(crate) fn whose(stragglers: &Arc<Stragglers>) -> Whose {
    let pid = current().pid;
    if pid.incarnation == 0 {
        return Whose::Nobodys;
    }
    if AMBIENT.with(|ambient| ambient.system.get()) == Arc::as_ptr(stragglers).addr() {
        return Whose::Here(pid);
    }
    // A thread that is ending runs no turn any more.
    let known = STRAGGLERS.try_with(|known| known.borrow().clone()).ok().flatten();
    known.map_or(Whose::Nobodys, |known| Whose::Elsewhere(pid, known))
}

/// The current turn, or one of nobody.
#[inline]
pub(crate) fn current() -> Turn {
    AMBIENT.with(Ambient::turn)
}

/// The question that the current turn handles, for what it asks: a call without a deadline has none.
#[inline]
pub(crate) fn asked_for(shared: &Shared, call: Call) -> Option<Around> {
    if call.deadline == NEVER { None } else { handled_by(shared, current().pid) }
}

fn handled_by(shared: &Shared, pid: Pid) -> Option<Around> {
    if pid.incarnation == 0 || AMBIENT.with(|ambient| ambient.system.get()) != Arc::as_ptr(&shared.stragglers).addr() {
        return None;
    }
    shared.find(pid.id)?.asked_for()
}

/// Who the current turn is of.
#[inline(always)]
pub(crate) fn current_id() -> ActorId {
    AMBIENT.with(|ambient| ambient.id.get())
}

/// Makes `turn` the current one until the guard goes.
#[must_use]
pub(crate) fn enter(turn: Turn) -> Guard {
    AMBIENT.with(|ambient| {
        let before = ambient.turn();
        ambient.set(turn);
        Guard { before, carried: ambient.carries.get(), stragglers: None }
    })
}

/// Makes a turn of `pid`, of the system with these `stragglers`, the current one until the guard goes.
#[inline(always)]
#[must_use]
pub(crate) fn enter_system(pid: Pid, stragglers: &Arc<Stragglers>) -> Guard {
    AMBIENT.with(|ambient| {
        let before = ambient.turn();
        ambient.set(Turn { pid, call: Call::NONE });
        let known = ambient.system.get() == Arc::as_ptr(stragglers).addr();
        let other = if known { None } else { know(ambient, Some(stragglers.clone())) };
        Guard { before, carried: ambient.carries.replace(false), stragglers: other }
    })
}

/// A turn run in place, until it goes.
pub(crate) struct InPlace {
    /// Of the turn in which it nests.
    asked: u64,
}

impl Drop for InPlace {
    #[inline]
    fn drop(&mut self) {
        AMBIENT.with(|ambient| {
            ambient.nested.set(ambient.nested.get() - 1);
            ambient.asked.set(self.asked);
        });
    }
}

/// Makes the next turn one that is run in place, for a question that has just been asked and ends at `deadline`, unless
/// that would nest deeper than `deepest`.
#[inline]
pub(crate) fn nest(deepest: u8, deadline: u64) -> Option<InPlace> {
    AMBIENT.with(|ambient| {
        let depth = ambient.nested.get();
        (depth < deepest).then(|| {
            ambient.nested.set(depth + 1);
            InPlace { asked: ambient.asked.replace(deadline) }
        })
    })
}

/// Whether the turn is run in place for a question with this deadline: it had not passed when the turn began.
#[inline(always)]
pub(crate) fn is_just_asked(deadline: u64) -> bool {
    AMBIENT.with(|ambient| ambient.asked.get() == deadline)
}

/// Whether the current turn is run in place: it takes one message.
#[inline(always)]
pub(crate) fn is_in_place() -> bool {
    AMBIENT.with(|ambient| ambient.nested.get() != 0)
}

/// Sets the call of the current turn.
#[inline(always)]
pub(crate) fn set_call(call: Call) {
    AMBIENT.with(|ambient| ambient.set_call(call));
}

/// Who began the call that this code runs for, if there is one; else whoever runs it does.
#[inline(always)]
pub(crate) fn flow(salt: u64) -> u8 {
    AMBIENT.with(|ambient| match ambient.criticality.get() {
        (_, 0) => flow_of_actor(ambient.id.get().as_u64(), salt),
        (_, flow) => flow,
    })
}

/// Whether the current call has places along.
#[inline(always)]
pub(crate) fn carries() -> bool {
    AMBIENT.with(|ambient| ambient.carries.get())
}

/// The places that the current call has along.
pub(crate) fn carried() -> Option<Arc<Carried>> {
    // A thread that is ending runs no turn any more.
    if carries() { CARRIED.try_with(|carried| carried.borrow().clone()).ok().flatten() } else { None }
}

/// Makes these, or none, the places of the current call until the guard goes.
#[must_use]
pub(crate) fn carry(carried: Option<Arc<Carried>>) -> Carrying {
    let carries = carried.is_some();
    let before = CARRIED.try_with(|known| known.replace(carried)).ok().flatten();
    Carrying { before, carried: AMBIENT.with(|ambient| ambient.carries.replace(carries)) }
}

/// Restores what was carried before, also on unwinding.
pub(crate) struct Carrying {
    before: Option<Arc<Carried>>,
    carried: bool,
}

impl Drop for Carrying {
    fn drop(&mut self) {
        AMBIENT.with(|ambient| ambient.carries.set(self.carried));
        let before = self.before.take();
        // What was carried may be given back here: not while it is borrowed.
        drop(CARRIED.try_with(|known| known.replace(before)));
    }
}

/// Restores the turn that was current before, also on unwinding: turns run in place nest.
pub(crate) struct Guard {
    before: Turn,
    /// What is carried was: another turn does not see it.
    carried: bool,
    /// Of the system whose turn was interrupted, where it is another.
    stragglers: Option<Arc<Stragglers>>,
}

impl Drop for Guard {
    #[inline(always)]
    fn drop(&mut self) {
        AMBIENT.with(|ambient| {
            ambient.set(self.before);
            ambient.carries.set(self.carried);
        });
        if let Some(before) = self.stragglers.take() {
            AMBIENT.with(|ambient| know(ambient, Some(before)));
        }
    }
}

/// The current call (deadline, criticality, on whose behalf, span) as a value, to carry it into another task.
///
/// Asks made in a scope inherit its deadline; tells inherit nothing.
///
/// # Examples
/// ```
/// # async fn demo() {
/// use crashworthy_runtime::CallScope;
///
/// let scope = CallScope::current();
/// tokio::spawn(scope.scope(async { /* asks made here end when the call ends */ }));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CallScope {
    call: Call,
    /// What the call has along: no longer than it lasts.
    carried: Weak<Carried>,
    span: tracing::Span,
}

impl CallScope {
    /// The call this code runs for; outside of any it has no deadline.
    pub fn current() -> Self {
        let carried = carried().map_or_else(Weak::new, |carried| Arc::downgrade(&carried));
        Self { call: current().call, carried, span: tracing::Span::current() }
    }

    /// The same scope, ending no later than `within` from now by this system's clock; at the latest after [`LONGEST_DEADLINE`].
    #[must_use]
    pub fn within(mut self, system: &crate::System, within: Duration) -> Self {
        self.call.deadline = self.call.deadline.min(deadline_after(system.port(), within));
        self
    }

    /// The same scope, for calls that are made on behalf of somebody: a customer, a tenant, a connection. While an actor
    /// refuses, it sees to it that nobody on whose behalf much is asked takes the room of the others: he is told
    /// [`Share`](crate::Reason::Share) when he has as many places as are free. Who makes calls on nobody's behalf does so on
    /// his own: each actor, and all code outside of actors together.
    ///
    /// Counted are questions, and messages with a deadline, that are sent to it as they are. A place that is
    /// [reserved](crate::ActorRef::reserve) is given by the same rule, but is not counted.
    ///
    /// Questions asked while such a call is handled are made on the same behalf. Only who is who matters of the key, and of
    /// that a part: among many, two may be taken for one.
    ///
    /// # Examples
    /// ```
    /// # async fn demo(system: crashworthy_runtime::System) {
    /// use crashworthy_runtime::CallScope;
    ///
    /// let scope = CallScope::current().on_behalf_of(&system, &"tenant 7");
    /// scope.scope(async { /* asks made here count for that tenant */ }).await;
    /// # }
    /// ```
    #[must_use]
    pub fn on_behalf_of(mut self, system: &crate::System, whom: &impl Hash) -> Self {
        self.call.flow = flow_of(whom, system.salt());
        self
    }

    /// Runs a future inside this scope, wherever it is polled.
    ///
    /// # Cancel safety
    /// As cancel safe as the future.
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped { scope: self, future: Box::pin(future) }
    }
}

/// The deadline of a call that may take so long from now: never later than the [longest](LONGEST_DEADLINE).
pub(crate) fn deadline_after(port: &Port, within: Duration) -> u64 {
    after(port.now_ns(), within)
}

/// The same, from a reading of that clock.
#[inline]
pub(crate) fn after(now: u64, within: Duration) -> u64 {
    now.saturating_add(nanos(within.min(LONGEST_DEADLINE)))
}

/// A future that runs inside a [`CallScope`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scoped<F> {
    scope: CallScope,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _turn = enter(Turn { call: this.scope.call, ..current() });
        let _carried = carry(this.scope.carried.upgrade());
        let _span = this.scope.span.enter();
        this.future.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_one_word_is_the_call_to_a_quarter_of_a_microsecond() {
        use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};
        for criticality in [CriticalPlus, Critical, Sheddable, SheddablePlus] {
            for (deadline, kept) in [(0, 0), (511, 256), (1_024_000, 1_024_000), (NEVER, NEVER)] {
                for flow in [0, 1, 63] {
                    let call = Call { deadline, criticality, flow }.packed().call();
                    assert_eq!(call, Call { deadline: kept, criticality, flow });
                }
            }
        }
    }
}
