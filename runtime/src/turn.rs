//! Whose turn this thread is running, and for which call: ambient, set by the runtime, read by sends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Release};
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use parking_lot::Mutex;

use crate::message::Criticality;
use crate::pid::{ActorId, Pid};
use crate::port::Port;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// What a call carries along: until when, and how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Nanoseconds of the system's clock; [`NEVER`] for none.
    pub(crate) deadline: u64,
    pub(crate) criticality: Criticality,
}

impl Call {
    pub(crate) const NONE: Self = Self { deadline: NEVER, criticality: Criticality::Sheddable };
}

/// The turn that this thread is running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) pid: Pid,
    pub(crate) call: Call,
}

impl Turn {
    const OUTSIDE: Self = Self { pid: Pid::OUTSIDE, call: Call::NONE };
}

/// The incarnations of one system that were abandoned while a turn of theirs blocks a thread.
#[derive(Debug, Default)]
pub(crate) struct Stragglers {
    /// How many there are: what every send reads.
    count: AtomicUsize,
    pids: Mutex<BTreeSet<Pid>>,
}

impl Stragglers {
    pub(crate) fn add(&self, pid: Pid) {
        let mut pids = self.pids.lock();
        pids.insert(pid);
        self.count.store(pids.len(), Release);
    }

    pub(crate) fn remove(&self, pid: Pid) {
        let mut pids = self.pids.lock();
        pids.remove(&pid);
        self.count.store(pids.len(), Release);
    }

    pub(crate) fn list(&self) -> Vec<Pid> {
        self.pids.lock().iter().copied().collect()
    }

    fn contains(&self, pid: Pid) -> bool {
        self.count.load(Acquire) != 0 && self.pids.lock().contains(&pid)
    }
}

/// What a thread knows of the turn it runs.
struct Ambient {
    turn: Cell<Turn>,
    /// How many turns this thread runs in place of their pumps.
    nested: Cell<u8>,
    /// Address of the stragglers below: what is compared for every turn.
    known: Cell<usize>,
    /// The stragglers of the system whose turn this thread ran last.
    stragglers: RefCell<Option<Arc<Stragglers>>>,
}

thread_local! {
    static AMBIENT: Ambient = const {
        Ambient { turn: Cell::new(Turn::OUTSIDE), nested: Cell::new(0), known: Cell::new(0), stragglers: RefCell::new(None) }
    };
}

/// Exchanges the stragglers this thread knows.
#[cold]
fn know(ambient: &Ambient, stragglers: Option<Arc<Stragglers>>) -> Option<Arc<Stragglers>> {
    ambient.known.set(stragglers.as_ref().map_or(0, |stragglers| Arc::as_ptr(stragglers).addr()));
    ambient.stragglers.replace(stragglers)
}

/// Whether the current turn was abandoned: its incarnation is no more, nothing it sends is accepted.
#[inline]
pub(crate) fn is_fenced() -> bool {
    AMBIENT.with(|ambient| {
        let pid = ambient.turn.get().pid;
        pid.incarnation != 0 && ambient.stragglers.borrow().as_ref().is_some_and(|stragglers| stragglers.contains(pid))
    })
}

/// The current turn, or one of nobody.
#[inline]
pub(crate) fn current() -> Turn {
    AMBIENT.with(|ambient| ambient.turn.get())
}

/// Who the current turn is of.
#[inline(always)]
pub(crate) fn current_id() -> ActorId {
    AMBIENT.with(|ambient| ambient.turn.get().pid.id)
}

/// Makes `turn` the current one until the guard goes.
#[must_use]
pub(crate) fn enter(turn: Turn) -> Guard {
    Guard { before: AMBIENT.with(|ambient| ambient.turn.replace(turn)), stragglers: None }
}

/// Makes `turn`, of the system with these `stragglers`, the current one until the guard goes.
#[inline(always)]
#[must_use]
pub(crate) fn enter_system(turn: Turn, stragglers: &Arc<Stragglers>) -> Guard {
    AMBIENT.with(|ambient| {
        let before = ambient.turn.replace(turn);
        let known = ambient.known.get() == Arc::as_ptr(stragglers).addr();
        let other = if known { None } else { know(ambient, Some(stragglers.clone())) };
        Guard { before, stragglers: other }
    })
}

/// A turn run in place, until it goes.
pub(crate) struct InPlace(());

impl Drop for InPlace {
    fn drop(&mut self) {
        AMBIENT.with(|ambient| ambient.nested.set(ambient.nested.get() - 1));
    }
}

/// Makes the next turn one that is run in place, unless that would nest deeper than `deepest`.
pub(crate) fn nest(deepest: u8) -> Option<InPlace> {
    AMBIENT.with(|ambient| {
        let depth = ambient.nested.get();
        (depth < deepest).then(|| {
            ambient.nested.set(depth + 1);
            InPlace(())
        })
    })
}

/// Whether the current turn is run in place: it takes one message.
#[inline(always)]
pub(crate) fn is_in_place() -> bool {
    AMBIENT.with(|ambient| ambient.nested.get() != 0)
}

/// Sets the call of the current turn.
#[inline]
pub(crate) fn set_call(call: Call) {
    AMBIENT.with(|ambient| ambient.turn.set(Turn { call, ..ambient.turn.get() }));
}

/// Restores the turn that was current before, also on unwinding: turns run in place nest.
pub(crate) struct Guard {
    before: Turn,
    /// Of the system whose turn was interrupted, where it is another.
    stragglers: Option<Arc<Stragglers>>,
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        AMBIENT.with(|ambient| {
            ambient.turn.set(self.before);
            if let Some(before) = self.stragglers.take() {
                know(ambient, Some(before));
            }
        });
    }
}

/// The current call (deadline, criticality, span) as a value, to carry it into another task.
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
    span: tracing::Span,
}

impl CallScope {
    /// The call this code runs for; outside of any it has no deadline.
    pub fn current() -> Self {
        Self { call: current().call, span: tracing::Span::current() }
    }

    /// The same scope, ending no later than `within` from now by this system's clock.
    #[must_use]
    pub fn within(mut self, system: &crate::System, within: Duration) -> Self {
        self.call.deadline = self.call.deadline.min(deadline_after(system.port(), within));
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

/// `within` from now as a point on the system's clock; a duration too long to express is [`NEVER`].
pub(crate) fn deadline_after(port: &Port, within: Duration) -> u64 {
    u64::try_from(within.as_nanos()).ok().and_then(|ns| port.now_ns().checked_add(ns)).unwrap_or(NEVER)
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
        let _span = this.scope.span.enter();
        this.future.as_mut().poll(cx)
    }
}
