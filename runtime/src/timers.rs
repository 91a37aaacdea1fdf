//! Timers of one incarnation: messages to itself, later or again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crashworthy_sync::task::Task;
use parking_lot::Mutex;

use crate::actor::Actor;
use crate::cell::{ActorCell, AnyCell, Cell, flag, wake};
use crate::crash::{contain, discard, report};
use crate::envelope::{Own, Ticket, Token};
use crate::error::{Reason, Refused, StartError};
use crate::exit::Callback;
use crate::pid::Pid;
use crate::shared::Shared;
use crate::signal::{Via, send_exit};
use crate::time::{Expire, TimerKey};

/// A timer, to stop it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerRef(u64);

/// Shortest period of an interval: the wheel's tick.
const TICK: Duration = Duration::from_millis(1);

/// The armed timers of one incarnation.
#[derive(Default)]
pub(crate) struct Timers {
    next: u64,
    armed: BTreeMap<TimerRef, Armed>,
}

enum Armed {
    Once(TimerKey),
    Every(Arc<dyn Stops>),
}

/// An interval that can be stopped, whatever actor it is of.
trait Stops: Send + Sync {
    fn stop(&self, shared: &Shared) -> bool;
}

impl Timers {
    fn name(&mut self) -> TimerRef {
        self.next += 1;
        TimerRef(self.next)
    }

    pub(crate) fn once<A: Actor>(&mut self, cell: &ActorCell<A>, pid: Pid, after: Duration, msg: A::Msg) -> TimerRef {
        let shared = cell.core().shared();
        let name = self.name();
        let fire = Once { cell: Arc::downgrade(cell), incarnation: pid.incarnation, msg: Mutex::new(Some(msg)) };
        let key = shared.wheel.arm(shared.port.after_ns(after), Arc::new(fire), name.0);
        self.sweep(shared);
        self.armed.insert(name, Armed::Once(key));
        name
    }

    pub(crate) fn every<A: Actor>(
        &mut self,
        cell: &ActorCell<A>,
        pid: Pid,
        period: Duration,
        make: Box<dyn FnMut() -> A::Msg + Send>,
    ) -> Result<TimerRef, StartError> {
        if period < TICK {
            return Err(StartError::Setting(format!("an interval of {period:?}, allowed is {TICK:?} and longer")));
        }
        let shared = cell.core().shared();
        let name = self.name();
        let every = Arc::new(Every {
            cell: Arc::downgrade(cell),
            incarnation: pid.incarnation,
            period,
            next: AtomicU64::new(shared.port.after_ns(period)),
            make: Mutex::new(make),
            waiting: Arc::default(),
            key: Mutex::new(None),
            stopped: AtomicBool::new(false),
        });
        every.arm(shared, &every);
        self.armed.insert(name, Armed::Every(every));
        Ok(name)
    }

    pub(crate) fn cancel(&mut self, shared: &Shared, timer: TimerRef) -> bool {
        self.armed.remove(&timer).is_some_and(|armed| armed.stop(shared))
    }

    pub(crate) fn cancel_all(&mut self, shared: &Shared) {
        for armed in std::mem::take(&mut self.armed).into_values() {
            // With it goes the author's message, or what makes them.
            if let Err(panic) = contain(|| armed.stop(shared)) {
                report(&panic);
            }
        }
    }

    /// Forgets timers that have fired, now and then: the map stays within twice the armed ones.
    fn sweep(&mut self, shared: &Shared) {
        if self.armed.len() >= 64 && self.armed.len().is_power_of_two() {
            self.armed.retain(|_, armed| match armed {
                Armed::Once(key) => shared.wheel.is_armed(*key),
                Armed::Every(_) => true,
            });
        }
    }
}

impl Armed {
    fn stop(self, shared: &Shared) -> bool {
        match self {
            Self::Once(key) => shared.wheel.cancel(key),
            Self::Every(every) => every.stop(shared),
        }
    }
}

/// Puts a message into its own place in the cell, if that incarnation still lives; else the message is nobody's.
pub(crate) fn post<A: Actor>(cell: &Task<Cell<A>>, incarnation: u32, msg: A::Msg, token: Token) -> bool {
    {
        let ties = cell.core().ties.lock();
        if !ties.lives(incarnation) {
            drop(ties);
            discard(msg);
            return false;
        }
        let mut own = cell.beside().own.lock();
        own.push_back(Own { msg, token });
        cell.core().raise(flag::OWN);
    }
    wake(cell);
    true
}

/// Messages an actor may have sent to itself and not yet read, timers aside.
const TO_SELF: usize = 1024;

/// Puts a message of the actor to itself into its own place.
pub(crate) fn post_self<A: Actor>(cell: &Task<Cell<A>>, incarnation: u32, msg: A::Msg) -> Result<(), Refused> {
    if cell.own().is_some_and(|own| own.lock().len() >= TO_SELF) {
        return Err(cell.full(Reason::Full));
    }
    if !post(cell, incarnation, msg, Token::None) {
        return Err(cell.core().refuse(Reason::Fenced));
    }
    Ok(())
}

struct Once<A: Actor> {
    cell: Weak<Task<Cell<A>>>,
    incarnation: u32,
    msg: Mutex<Option<A::Msg>>,
}

impl<A: Actor> Expire for Once<A> {
    fn expire(&self, _token: u64) {
        let msg = self.msg.lock().take();
        match (self.cell.upgrade(), msg) {
            (Some(cell), Some(msg)) => {
                post(&cell, self.incarnation, msg, Token::None);
            }
            (_, unsent) => discard(unsent),
        }
    }
}

struct Every<A: Actor> {
    cell: Weak<Task<Cell<A>>>,
    incarnation: u32,
    period: Duration,
    next: AtomicU64,
    make: Mutex<Box<dyn FnMut() -> A::Msg + Send>>,
    /// A tick waits unread.
    waiting: Arc<AtomicBool>,
    key: Mutex<Option<TimerKey>>,
    stopped: AtomicBool,
}

impl<A: Actor> Every<A> {
    fn arm(&self, shared: &Shared, this: &Arc<Self>) {
        let mut key = self.key.lock();
        if !self.stopped.load(Ordering::Acquire) {
            let next: Arc<dyn Expire> = Arc::new(Again(Arc::downgrade(this)));
            *key = Some(shared.wheel.arm(self.next.load(Ordering::Relaxed), next, 0));
        }
    }

    fn tick(&self, this: &Arc<Self>) {
        let Some(cell) = self.cell.upgrade() else { return };
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        if !self.waiting.swap(true, Ordering::AcqRel) {
            let ticket = Ticket(self.waiting.clone());
            let made = contain(|| (self.make.lock())());
            match made {
                Ok(msg) => {
                    if !post(&cell, self.incarnation, msg, Token::Tick(ticket)) {
                        return;
                    }
                }
                Err(panic) => {
                    // As with what it pipes: an exit signal of the actor to itself.
                    let pid = Pid { id: cell.core().id(), incarnation: self.incarnation };
                    let cell: Arc<dyn AnyCell> = cell;
                    let reason = panic.reason(Callback::Handle, None);
                    let _ = send_exit(&cell, self.incarnation, pid, reason, Via::Call);
                    return;
                }
            }
        }
        // The next tick keeps to the grid; those that have passed meanwhile are skipped.
        let shared = cell.core().shared();
        let (period, now) = (self.period.as_nanos() as u64, shared.port.now_ns());
        let due = self.next.load(Ordering::Relaxed);
        let missed = now.saturating_sub(due) / period;
        self.next.store(due.saturating_add(period.saturating_mul(missed + 1)), Ordering::Relaxed);
        self.arm(shared, this);
    }
}

impl<A: Actor> Stops for Every<A> {
    fn stop(&self, shared: &Shared) -> bool {
        let was = self.stopped.swap(true, Ordering::AcqRel);
        if let Some(key) = self.key.lock().take() {
            shared.wheel.cancel(key);
        }
        !was
    }
}

/// What the wheel holds of an interval.
struct Again<A: Actor>(Weak<Every<A>>);

impl<A: Actor> Expire for Again<A> {
    fn expire(&self, _token: u64) {
        if let Some(every) = self.0.upgrade() {
            every.tick(&every);
        }
    }
}
