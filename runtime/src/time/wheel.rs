//! The wheel as others see it: shards, each behind a lock of its own, and a driver that knows the earliest timer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::runtime::RuntimeFlavor;
use tokio::sync::Notify;

use super::shard::{Advanced, NEVER, Shard};
use super::slab::Entry;
use super::{TICK_NS, driver};
use crate::crash::{contain, discard};
use crate::port::Port;

/// Timers looked at under one lock: what an arming thread may have to wait for.
const BATCH: usize = 128;

/// Ticks after which a driver is late.
const LATE: u64 = 5;

/// Batches that are ended in its place in one go.
const ROUNDS: usize = 8;

/// Most shards of a wheel.
const SHARDS: usize = 16;

/// Told when a timer ends.
pub trait Expire: Send + Sync {
    /// Called once, outside of every lock, with the token the timer was armed with.
    ///
    /// It runs on the driver: every other timer waits for it. A panic is contained and counted.
    fn expire(&self, token: u64);
}

/// An armed timer. Never reused: the key of a timer that has ended names nothing for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    serial: u64,
    index: u32,
    shard: u32,
}

/// The timers of one system.
pub struct Wheel {
    port: Arc<Port>,
    shards: Box<[Padded<Mutex<Shard>>]>,
    /// The tick the driver sleeps until; 0 while it is awake.
    wakes: AtomicU64,
    /// Rung when a timer is armed for an earlier tick than that.
    bell: Arc<Notify>,
    /// Nobody turns it any more.
    closed: AtomicBool,
    fired: AtomicU64,
    /// Taken out, and not told yet.
    ending: AtomicUsize,
    panics: AtomicU64,
    /// Timers that do not count.
    aside: Arc<AtomicUsize>,
}

/// See [`Wheel::aside`].
pub(crate) struct Aside(Arc<AtomicUsize>);

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[repr(align(128))]
struct Padded<T>(T);

/// What [`Wheel::fire_due`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Timers that ended.
    pub timers: usize,
    /// More are due.
    pub more: bool,
}

impl Wheel {
    /// Makes a wheel and starts its driver, which ends with the last handle to the wheel.
    pub fn start(port: Arc<Port>) -> Arc<Self> {
        let shards = port.runtime().metrics().num_workers().next_power_of_two().min(SHARDS);
        let wheel = Arc::new(Self::with_shards(port, shards));
        wheel.port.spawn(driver::drive(Arc::downgrade(&wheel), wheel.bell.clone(), wheel.port.clone()));
        wheel
    }

    pub(super) fn with_shards(port: Arc<Port>, shards: usize) -> Self {
        Self {
            port,
            shards: (0..shards).map(|_| Padded(Mutex::new(Shard::new()))).collect(),
            wakes: AtomicU64::new(0),
            bell: Arc::default(),
            closed: AtomicBool::new(false),
            fired: AtomicU64::new(0),
            ending: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            aside: Arc::default(),
        }
    }

    /// Calls `target.expire(token)` when the system's clock has reached `at`; at once, by the driver, if it has already.
    pub fn arm(&self, at: u64, target: Arc<dyn Expire>, token: u64) -> TimerKey {
        self.insert(at, Entry::Call(target, token))
    }

    /// Wakes a task when the system's clock has reached `at`.
    pub fn arm_waker(&self, at: u64, waker: Waker) -> TimerKey {
        self.insert(at, Entry::Wake(waker))
    }

    /// Lets a timer of [`arm_waker`](Self::arm_waker) wake this task, whichever it woke before. False if it has ended.
    pub fn rewake(&self, key: TimerKey, waker: &Waker) -> bool {
        match self.shard(key).lock().entry(key.index, key.serial) {
            None => return false,
            Some(Entry::Wake(armed)) if armed.will_wake(waker) => return true,
            Some(_) => {}
        }
        // Wakers are foreign: cloned before the lock, and dropped after it.
        let mut fresh = Entry::Wake(waker.clone());
        let mut shard = self.shard(key).lock();
        let armed = shard.entry(key.index, key.serial).map(|entry| std::mem::swap(entry, &mut fresh)).is_some();
        drop(shard);
        discard(fresh);
        armed
    }

    fn insert(&self, at: u64, entry: Entry) -> TimerKey {
        let shard = self.own_shard();
        let now = self.port.coarse_ns() / TICK_NS;
        let (index, serial, begins) = self.shards[shard].0.lock().insert(now, at.div_ceil(TICK_NS), entry);
        // Not lost: the driver announces when it wakes before it looks at this shard for the last time. Had it looked
        // before this timer was in, its lock came first, so the announcement is seen here.
        if begins < self.wakes.load(Ordering::Relaxed) {
            self.wakes.fetch_min(begins, Ordering::Relaxed);
            self.ring();
        }
        if self.closed.load(Ordering::Relaxed) {
            // The lock orders this after the mark, if whoever closes looked into the shard before.
            self.fire_wakers();
        }
        TimerKey { serial, index, shard: shard as u32 }
    }

    /// Wakes the driver, which may not wait behind whoever arms a timer: a turn of an actor, that may go on to block its
    /// thread. On a worker, tokio puts a task that is woken into a slot that no other worker takes from; a second task,
    /// that does nothing, pushes it out of there.
    fn ring(&self) {
        self.bell.notify_one();
        if self.port.runtime().runtime_flavor() == RuntimeFlavor::MultiThread {
            drop(self.port.spawn(async {}));
        }
    }

    /// Takes a timer out. False if it has ended, is just ending, or was cancelled before.
    pub fn cancel(&self, key: TimerKey) -> bool {
        let removed = self.shard(key).lock().remove(key.index, key.serial);
        // The target is dropped here, after the lock: it may be the last handle to anything.
        removed.is_some()
    }

    /// Whether a timer has neither ended nor been cancelled.
    pub fn is_armed(&self, key: TimerKey) -> bool {
        self.shard(key).lock().contains(key.index, key.serial)
    }

    /// How many timers are armed that something waits for.
    pub fn armed(&self) -> usize {
        let all: usize = self.shards.iter().map(|shard| shard.0.lock().len()).sum();
        all.saturating_sub(self.aside.load(Ordering::Relaxed))
    }

    /// For the target of a timer that nothing waits for, and that nobody takes out when it is not needed any more: as long as there is
    /// one of these, that timer does not count as armed.
    pub(crate) fn aside(&self) -> Aside {
        self.aside.fetch_add(1, Ordering::Relaxed);
        Aside(self.aside.clone())
    }

    /// How many timers have ended just now, and their targets are about to be told.
    pub(crate) fn ending(&self) -> usize {
        self.ending.load(Ordering::Acquire)
    }

    /// How many timers have ended by themselves.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }

    /// How many of those had a target that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Whoever turns the wheel has gone: wakes all who wait, now and from now on, before their time, and forgets the
    /// calls.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.fire_wakers();
    }

    /// Whether no timer ends at its time any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn fire_wakers(&self) {
        for shard in &self.shards {
            let drained = shard.0.lock().drain();
            drained.for_each(|entry| match entry {
                Entry::Wake(_) => self.fire(entry),
                Entry::Call(..) | Entry::Vacant => self.contain(|| drop(entry)),
            });
        }
    }

    /// Cancels all timers.
    pub fn clear(&self) {
        for shard in &self.shards {
            let drained = shard.0.lock().drain();
            drained.for_each(|entry| self.contain(|| drop(entry)));
        }
    }

    /// Whether the clock has reached this instant.
    pub(super) fn has_reached(&self, at: u64) -> bool {
        self.port.now_ns() >= at
    }

    /// Turns the wheel in the driver's place, if that is late: it waits for a timer of tokio's, which stand still while the
    /// worker that turns them is blocked.
    pub(crate) fn stand_in(&self) {
        let due = match self.wakes.load(Ordering::Relaxed) {
            // It is awake, or was about to be.
            0 => self.shards.iter().map(|shard| shard.0.lock().earliest()).min().unwrap_or(NEVER),
            due => due,
        };
        if due != NEVER && self.port.now_ns() / TICK_NS > due.saturating_add(LATE) {
            let _ = (0..ROUNDS).any(|_| !self.fire_due().more);
        }
    }

    /// Ends what is due, a bounded number of timers. Any thread may turn the wheel beside its driver, so that timers
    /// keep their promise even where tokio's workers are all blocked.
    pub fn fire_due(&self) -> Fired {
        self.fire_into(&mut Vec::new())
    }

    pub(super) fn fire_into(&self, due: &mut Vec<Entry>) -> Fired {
        let now = self.port.now_ns() / TICK_NS;
        let mut fired = Fired { timers: 0, more: false };
        for shard in &self.shards {
            {
                let mut shard = shard.0.lock();
                fired.more |= shard.advance(now, due, BATCH) == Advanced::More;
                // Under the lock: who does not see them armed any more sees them here.
                if !due.is_empty() {
                    self.ending.fetch_add(due.len(), Ordering::Relaxed);
                }
            }
            let ending = due.len();
            fired.timers += ending;
            due.drain(..).for_each(|entry| self.fire(entry));
            if ending > 0 {
                self.ending.fetch_sub(ending, Ordering::Release);
            }
        }
        fired
    }

    fn fire(&self, entry: Entry) {
        self.fired.fetch_add(1, Ordering::Relaxed);
        self.contain(|| match entry {
            Entry::Call(target, token) => target.expire(token),
            Entry::Wake(waker) => waker.wake(),
            Entry::Vacant => {}
        });
    }

    fn contain(&self, foreign: impl FnOnce()) {
        if let Err(panic) = contain(foreign) {
            self.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(location = panic.location, "the target of a timer panicked: {}", panic.message);
        }
    }

    /// The driver is up: nobody needs to ring.
    pub(super) fn awake(&self) {
        self.wakes.store(0, Ordering::Relaxed);
    }

    /// The driver goes to sleep: announces until when, in ticks.
    pub(super) fn rest(&self) -> u64 {
        let look = || self.shards.iter().map(|shard| shard.0.lock().earliest()).min().unwrap_or(NEVER);
        let mut until = look();
        loop {
            self.wakes.store(until, Ordering::Relaxed);
            // The locks order the announcement before everything armed after this look.
            let first = look();
            if first >= until {
                return until;
            }
            until = first;
        }
    }

    fn shard(&self, key: TimerKey) -> &Mutex<Shard> {
        &self.shards[key.shard as usize % self.shards.len()].0
    }

    /// Threads spread over the shards by the address of something they own.
    fn own_shard(&self) -> usize {
        thread_local!(static OWN: u8 = const { 0 });
        if self.shards.len() == 1 {
            return 0;
        }
        let address = OWN.with(|own| std::ptr::from_ref(own).addr()) as u64;
        (address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % self.shards.len()
    }
}

impl Drop for Wheel {
    fn drop(&mut self) {
        // The driver sees that the wheel is gone, and ends.
        self.bell.notify_one();
    }
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("armed", &self.armed()).field("fired", &self.fired()).finish_non_exhaustive()
    }
}
