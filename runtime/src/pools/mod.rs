//! The pools of a system: its own, those of bulkheads, and those of actors with a thread to themselves.
//!
//! ```text
//!  number 0                  1                        2
//!  ┌──────────────────┐      ┌──────────────────┐     ┌───────────────┐
//!  │ the system's own │      │ bulkhead `db`    │     │ shop/printer  │
//!  │ runtime: ambient │      │ runtime: its own │     │ 1 thread      │
//!  └──────────────────┘      └──────────────────┘     └───────────────┘
//!   cell ─ flags: 0           cell ─ flags: 1          cell ─ flags: 2
//! ```
//! A cell has the number of its pool in the upper half of its flags, which whoever makes it runnable has in the cache anyway.
//! Most have 0, and cost a shift. Numbers are given once: a room is never taken down before its system ends, so a number read a
//! little too late names a pool that runs the cell all the same. Threads that nobody uses any more are lent to the next who
//! wants as many, if nothing is left of those who had them.
//!
//! # Ends
//! When the system ends, or the runtime of its own pool goes, all rooms are closed. What is still to be run then, to throw
//! away what is queued for example, is run by the system's own pool. A turn that blocks a thread at that time keeps it until it returns: the
//! actor has been abandoned by then, and is in the report of the stop.

mod threads;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

pub use self::threads::{Bulkhead, MAX_THREADS, Threads};
use crate::crash::contain;
use crate::entry::cores;
use crate::error::StartError;
use crate::event::{self, Happening};
use crate::offender;
use crate::port::{BLOCKING_CALLS, BlockingError, Port};
use crate::report;
use crate::scheduler::{CREW, Pool, PoolKind, PoolStats};
use crate::shared::Shared;

/// Pools a system may have beside its own, those that nobody uses any more included.
pub const MAX_POOLS: usize = 255;

/// A bulkhead has at least so many rescuers, if it needs them: a few actors that never return do not keep the others from
/// being stopped.
const LEAST_CREW: usize = 4;

/// The pools of one system beside its own.
#[derive(Default)]
pub(crate) struct Pools {
    rooms: OnceLock<Box<[OnceLock<Room>]>>,
    desk: Mutex<Desk>,
    /// That there are more threads than cores was told.
    told: AtomicBool,
    told_of_offenders: AtomicBool,
    moved: AtomicU64,
}

/// Threads, whoever has them just now.
struct Room {
    pool: Arc<Pool>,
    /// Places of calls that block beside it.
    blocking: Arc<Semaphore>,
    runtime: Mutex<Option<Runtime>>,
}

impl Room {
    /// Whether nothing of those who had it before goes on in it.
    fn is_empty(&self) -> bool {
        // The pumps are tasks, too.
        self.pool.runtime().metrics().num_alive_tasks() <= self.pool.pumps()
            && self.blocking.available_permits() == BLOCKING_CALLS
    }
}

/// Who has which room.
#[derive(Default)]
struct Desk {
    leases: Vec<Lease>,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Lease {
    kind: PoolKind,
    name: Arc<str>,
    threads: usize,
    /// Slots that run there, and supervisors that start some. None: it is to be had.
    users: usize,
    /// The pool of those who are started from here: this one, except where an actor is to be alone.
    heirs: u32,
    /// It blocked the system's threads again and again.
    was_moved: bool,
}

/// What an actor asks for that starts.
pub(crate) struct Wish<'w> {
    pub(crate) threads: &'w Threads,
    /// What it is called.
    pub(crate) label: &'w dyn Fn() -> String,
    /// The number it has from an earlier life.
    pub(crate) has: u32,
    /// The number whose thread an abandoned turn of it blocks.
    pub(crate) held: Option<u32>,
    /// That of whoever starts it.
    pub(crate) from: u32,
}

impl Pools {
    /// The pool of a number, but for the system's own.
    #[cold]
    pub(crate) fn find(&self, number: u32) -> Option<&Arc<Pool>> {
        let room = self.rooms.get()?.get((number as usize).checked_sub(1)?)?.get()?;
        Some(&room.pool)
    }

    /// Runs code that blocks beside the actors of a pool, as [`Port::run_blocking`] does beside those of the system.
    pub(crate) fn run_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        port: &Port,
        number: u32,
        code: F,
    ) -> impl Future<Output = Result<T, BlockingError>> + Send + 'static + use<T, F> {
        let room = self.rooms.get().and_then(|rooms| rooms.get((number as usize).checked_sub(1)?)?.get());
        port.run_blocking_beside(room.map(|room| (room.pool.runtime().clone(), room.blocking.clone())), code)
    }

    /// Every room there is, with its number.
    fn rooms(&self) -> impl Iterator<Item = (u32, &Room)> {
        let rooms = self.rooms.get().into_iter().flatten().map_while(OnceLock::get);
        (1..).zip(rooms)
    }

    /// Finds threads for an actor: a number, which is one more user of that pool.
    pub(crate) fn lease(&self, shared: &Shared, wish: &Wish<'_>) -> Result<u32, StartError> {
        if !shared.port.is_watched() {
            // In a simulation nothing runs beside anything.
            return Ok(0);
        }
        if *wish.threads == Threads::Inherited && wish.from == 0 && wish.has == 0 {
            return Ok(0);
        }
        let mut desk = self.desk.lock();
        match wish.threads {
            Threads::Inherited => {
                // It was moved: so it would be again.
                if desk.at(wish.has).is_some_and(|lease| lease.was_moved) {
                    let number = self.lease_alone(shared, &mut desk, wish, 0)?;
                    desk.leases[number as usize - 1].was_moved = true;
                    return Ok(number);
                }
                let number = desk.heirs_of(wish.from);
                desk.use_too(number);
                Ok(number)
            }
            Threads::Bulkhead(bulkhead) => {
                let bulkhead = bulkhead.clone().at(&(wish.label)());
                let number = self.enter(shared, &mut desk, &bulkhead)?;
                drop(desk);
                self.warn(shared);
                Ok(number)
            }
            Threads::Own => {
                let heirs = desk.heirs_of(wish.from);
                self.lease_alone(shared, &mut desk, wish, heirs)
            }
            Threads::OwnBeside(bulkhead) => {
                let heirs = self.enter(shared, &mut desk, bulkhead)?;
                let number = self.lease_alone(shared, &mut desk, wish, heirs);
                desk.give_back(heirs);
                number
            }
        }
    }

    /// A thread for an actor that blocks those of the system; `None` if there are as many such actors as may be.
    pub(crate) fn lease_for_offender(&self, shared: &Shared, path: Arc<str>) -> Result<Option<u32>, StartError> {
        if !shared.port.is_watched() {
            return Ok(None);
        }
        let mut desk = self.desk.lock();
        if desk.leases.iter().filter(|lease| lease.was_moved && lease.users != 0).count() >= offender::MOST {
            drop(desk);
            if self.tells_of_offenders() {
                let (system, most) = (&*shared.settings.name, offender::MOST);
                tracing::error!(
                    system,
                    path = &*path,
                    most,
                    "actors block their threads again and again, more than are moved"
                );
            }
            return Ok(None);
        }
        let number = self.enter_alone(shared, &mut desk, path, 0)?;
        desk.leases[number as usize - 1].was_moved = true;
        self.moved.fetch_add(1, Relaxed);
        Ok(Some(number))
    }

    /// Whether it is the first time that an actor is not moved: that is told once.
    pub(crate) fn tells_of_offenders(&self) -> bool {
        !self.told_of_offenders.swap(true, Relaxed)
    }

    /// How many actors were ever moved to a thread of their own.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Relaxed)
    }

    /// Turns taken anywhere but on the system's own threads, also by those that have been given back: never less than before.
    pub(crate) fn turns(&self) -> u64 {
        self.rooms().map(|(_, room)| room.pool.stats().turns()).sum()
    }

    /// What a pool is called, but for the system's own.
    pub(crate) fn name(&self, number: u32) -> Option<Arc<str>> {
        self.find(number).map(|pool| pool.name())
    }

    /// The thread that the slot has, if those it starts still run at `heirs`; else another. So it is if an abandoned turn
    /// blocks that thread: rescuers would take the turns there, but nobody would drive timers and sockets.
    fn lease_alone(&self, shared: &Shared, desk: &mut Desk, wish: &Wish<'_>, heirs: u32) -> Result<u32, StartError> {
        let is_held = wish.held == Some(wish.has);
        if !is_held && desk.at(wish.has).is_some_and(|lease| lease.is_own() && lease.heirs == heirs) {
            desk.use_too(wish.has);
            return Ok(wish.has);
        }
        self.enter_alone(shared, desk, (wish.label)().into(), heirs)
    }

    fn enter_alone(&self, shared: &Shared, desk: &mut Desk, name: Arc<str>, heirs: u32) -> Result<u32, StartError> {
        let lease = Lease { kind: PoolKind::Own, name, threads: 1, users: 1, heirs, was_moved: false };
        let number = self.take(shared, desk, lease)?;
        desk.use_too(heirs);
        Ok(number)
    }

    fn enter(&self, shared: &Shared, desk: &mut Desk, bulkhead: &Bulkhead) -> Result<u32, StartError> {
        if !bulkhead.is_in_range() {
            return Err(StartError::Setting(format!("{bulkhead}: allowed are 1 to {MAX_THREADS}")));
        }
        let name: Arc<str> = bulkhead.name().unwrap_or_default().into();
        let is_it = |lease: &Lease| lease.users != 0 && lease.kind == PoolKind::Bulkhead && lease.name == name;
        if let Some(place) = desk.leases.iter().position(is_it) {
            let there = desk.leases[place].threads;
            if there != bulkhead.size() {
                return Err(StartError::Setting(format!("{bulkhead}: another of that name has {there}")));
            }
            desk.leases[place].users += 1;
            return Ok(place as u32 + 1);
        }
        let lease =
            Lease { kind: PoolKind::Bulkhead, name, threads: bulkhead.size(), users: 1, heirs: 0, was_moved: false };
        self.take(shared, desk, lease)
    }

    /// A room for somebody new: one that is to be had, else another.
    fn take(&self, shared: &Shared, desk: &mut Desk, lease: Lease) -> Result<u32, StartError> {
        if desk.closed {
            return Err(StartError::SystemStopped);
        }
        let (name, threads) = (lease.name.clone(), lease.threads);
        let number = match self.free(desk, &lease) {
            Some(number) => {
                if let Some(pool) = self.find(number) {
                    pool.rename(name);
                }
                desk.leases[number as usize - 1] = lease;
                number
            }
            None => {
                let number = desk.leases.len() as u32 + 1;
                self.build(shared, number, name, threads)?;
                desk.leases.push(lease);
                number
            }
        };
        let lease = &mut desk.leases[number as usize - 1];
        if lease.kind == PoolKind::Bulkhead {
            lease.heirs = number;
        }
        Ok(number)
    }

    /// A room that nobody uses, for whoever wants as many threads: the one that he had before, else one that is empty. One where
    /// tasks of somebody else still run, or calls that block, is lent when there can be no other.
    fn free(&self, desk: &Desk, wanted: &Lease) -> Option<u32> {
        let is_free = |(number, lease): &(u32, &Lease)| {
            lease.users == 0 && lease.threads == wanted.threads && self.find(*number).is_some_and(|pool| pool.is_idle())
        };
        let free = || (1..).zip(&desk.leases).filter(is_free);
        let was_his = |(_, lease): &(u32, &Lease)| lease.kind == wanted.kind && lease.name == wanted.name;
        let room = |number: u32| self.rooms.get()?.get(number as usize - 1)?.get();
        let is_empty = |(number, _): &(u32, &Lease)| room(*number).is_some_and(Room::is_empty);
        let is_last = desk.leases.len() >= MAX_POOLS;
        let found =
            free().find(was_his).or_else(|| free().find(is_empty)).or_else(|| free().next().filter(|_| is_last));
        found.map(|(number, _)| number)
    }

    fn build(&self, shared: &Shared, number: u32, name: Arc<str>, threads: usize) -> Result<(), StartError> {
        let rooms = self.rooms.get_or_init(|| (0..MAX_POOLS).map(|_| OnceLock::new()).collect());
        let Some(room) = rooms.get(number as usize - 1) else {
            return Err(StartError::Setting(format!("`{name}` would be one more than {MAX_POOLS} pools of threads")));
        };
        let none = |error: &dyn fmt::Display| StartError::Setting(format!("no threads for `{name}`: {error}"));
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).thread_name("bulkhead").enable_all();
        // It panics where the operating system does not give it the first thread.
        let runtime = contain(|| builder.build()).map_err(|panic| none(&panic.message))?;
        let runtime = runtime.map_err(|error| none(&error))?;
        let crew = threads.clamp(LEAST_CREW, CREW);
        let pool = shared.pool.start_beside(name, runtime.handle().clone(), threads, crew);
        let weak = shared.weak();
        pool.on_held(shared.settings.blocked_after, move |held| {
            if let Some(shared) = weak.upgrade() {
                report::tell_held(&shared, number, held);
            }
        });
        if room
            .set(Room { pool, blocking: Arc::new(Semaphore::new(BLOCKING_CALLS)), runtime: Mutex::new(Some(runtime)) })
            .is_err()
        {
            unreachable!("rooms are built one after the other, under the lock");
        }
        Ok(())
    }

    /// What an actor that is alone is called where pools are shown.
    pub(crate) fn rename(&self, number: u32, name: Arc<str>) {
        if let Some(pool) = self.find(number) {
            pool.rename(name.clone());
        }
        if let Some(lease) = self.desk.lock().at(number) {
            lease.name = name;
        }
    }

    /// One user less.
    pub(crate) fn give_back(&self, number: u32) {
        if number != 0 {
            self.desk.lock().give_back(number);
        }
    }

    /// Tells once that bulkheads alone have more threads than there are cores. Those of the system's own pool are not counted:
    /// they are as many as there are cores anyway.
    fn warn(&self, shared: &Shared) {
        let threads = self.desk.lock().computing();
        let cores = cores();
        if threads > cores && !self.told.swap(true, Relaxed) {
            let system = &*shared.settings.name;
            event::note(shared, None, "".into(), Happening::PoolsExceedCores { threads, cores });
            tracing::warn!(
                system,
                threads,
                cores,
                "the bulkheads of the system have more threads than there are cores: they \
                 share them, and one that computes slows the others down"
            );
        }
    }

    /// Closes every pool but the system's own, which runs what is left.
    pub(crate) fn close(&self) {
        self.desk.lock().closed = true;
        for (_, room) in self.rooms() {
            room.pool.close();
            if let Some(runtime) = room.runtime.lock().take() {
                // It waits for nobody: this may be one of its own threads.
                runtime.shutdown_background();
            }
        }
    }

    /// What is queued is let go, where pools are closed.
    pub(crate) fn drop_queued(&self) {
        self.rooms().for_each(|(_, room)| room.pool.drop_queued());
    }

    /// The pools of others than the system at this moment, those that nobody uses left out.
    pub(crate) fn stats(&self) -> Vec<PoolStats> {
        let leases = self.desk.lock().leases.clone();
        let stats = |((_, room), lease): ((u32, &Room), Lease)| {
            let actors = Some(lease.users);
            PoolStats { kind: lease.kind, name: lease.name.to_string(), actors, ..room.pool.stats() }
        };
        // A turn may still be under way where nobody runs any more.
        let shows = |stats: &PoolStats| stats.actors != Some(0) || !stats.is_at_rest();
        self.rooms().zip(leases).map(stats).filter(shows).collect()
    }
}

impl Lease {
    fn is_own(&self) -> bool {
        self.kind == PoolKind::Own && self.users != 0
    }
}

impl Desk {
    fn at(&mut self, number: u32) -> Option<&mut Lease> {
        self.leases.get_mut((number as usize).checked_sub(1)?)
    }

    /// Where those run who are started from a pool.
    fn heirs_of(&mut self, number: u32) -> u32 {
        self.at(number).map_or(0, |lease| lease.heirs)
    }

    fn use_too(&mut self, number: u32) {
        if let Some(lease) = self.at(number) {
            lease.users += 1;
        }
    }

    fn give_back(&mut self, number: u32) {
        let Some(lease) = self.at(number) else { return };
        lease.users -= 1;
        let heirs = (lease.users == 0 && lease.kind == PoolKind::Own).then_some(lease.heirs);
        if let Some(lease) = heirs.and_then(|heirs| self.at(heirs)) {
            // Kept for those who would be started from there.
            lease.users -= 1;
        }
    }

    /// Threads of bulkheads in use. Who is alone on a thread is there to block it.
    fn computing(&self) -> usize {
        let in_use = |lease: &&Lease| lease.users != 0 && lease.kind == PoolKind::Bulkhead;
        self.leases.iter().filter(in_use).map(|lease| lease.threads).sum()
    }
}

/// A bulkhead is kept, whether or not an actor is there.
#[must_use = "the threads are given back when it is dropped"]
pub struct Kept {
    shared: std::sync::Weak<Shared>,
    number: u32,
}

impl Kept {
    pub(crate) fn new(shared: &Shared, number: u32) -> Self {
        Self { shared: shared.weak(), number }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.pools.give_back(self.number);
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
