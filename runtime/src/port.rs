//! The one reader of clocks and the one source of randomness, of threads and of tasks.
//!
//! Everything in the runtime that would make two runs differ goes through a [`Port`]. In production it passes the
//! call on; in a simulation time is the paused clock of a tokio runtime, numbers come from a seed, and blocking calls
//! run in place. Which of the two it is, is a value: nothing is compiled differently.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use crashworthy_sync::clock::monotonic_ns;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use crate::crash::contain;
use crate::rests::{self, Rests};

/// Blocking calls that run at once unless [`Port::with_blocking_limit`] says otherwise.
pub(crate) const BLOCKING_CALLS: usize = 64;

/// The stack of a thread of ours.
const STACK: usize = 128 * 1024;

/// How far the coarse clock may fall behind while anything reads the precise one.
///
/// Larger than a short turn, so that pumps on several cores do not fight for the line it lives in.
pub const COARSE_STEP_NS: u64 = 10_000;

/// How a simulation differs from production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Simulation {
    /// What every random number follows from.
    pub seed: u64,
    /// What one turn is said to have cost: the gate measures it, since virtual time stands still in a turn.
    pub turn_cost: Duration,
    /// How long a blocking call takes in virtual time.
    pub blocking_cost: Duration,
}

impl Simulation {
    /// A simulation in which turns and blocking calls take no time.
    pub const fn seeded(seed: u64) -> Self {
        Self { seed, turn_cost: Duration::ZERO, blocking_cost: Duration::ZERO }
    }
}

/// Clock, randomness, tasks and blocking calls of one system.
pub struct Port {
    world: World,
    runtime: Handle,
    coarse: Padded<AtomicU64>,
    /// When that stood still.
    pub(crate) rests: Rests,
    random: AtomicU64,
    ids: AtomicU64,
    blocking: Arc<Semaphore>,
}

/// Where time comes from.
enum World {
    /// The epoch is one moment for the whole process: deadlines mean the same to every system.
    Production(Epoch),
    /// Tokio's clock, which a test or a simulation has paused. The epoch is the moment the port was made.
    Simulated { epoch: Instant, rules: Simulation },
}

/// One moment, on two clocks that run alike.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    ns: u64,
    /// Not before that: a timer that is set by it does not come early.
    instant: StdInstant,
}

impl Epoch {
    fn now() -> Self {
        // What lies between the two readings stays between the clocks: the least of a few, in case a thread has to wait there.
        let readings = (0..16).map(|_| {
            let reading = Self { ns: monotonic_ns(), instant: StdInstant::now() };
            (monotonic_ns() - reading.ns, reading)
        });
        let (_, closest) = readings.min_by_key(|(gap, _)| *gap).expect("there are sixteen");
        closest
    }
}

/// That of the process.
fn epoch() -> Epoch {
    static EPOCH: OnceLock<Epoch> = OnceLock::new();
    *EPOCH.get_or_init(Epoch::now)
}

/// Whether the clock of this runtime stands still while the real one goes on.
fn is_paused(runtime: &Handle) -> bool {
    if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
        // There it cannot be.
        return false;
    }
    let _clock = runtime.enter();
    let (before, began) = (Instant::now(), StdInstant::now());
    while began.elapsed() < Duration::from_micros(1) {
        std::hint::spin_loop();
    }
    Instant::now() == before
}

/// Keeps what many threads read apart from what others write.
#[repr(align(128))]
struct Padded<T>(T);

impl Port {
    /// That of production; but where tokio's clock is paused, as it is in tests, that is the clock, as in a simulation: a timer
    /// of an hour comes when the runtime has nothing else to do. It is looked at once, when a system starts.
    pub(crate) fn of(runtime: Handle) -> Arc<Self> {
        if !is_paused(&runtime) {
            return Self::production(runtime);
        }
        let seed = RandomState::new().build_hasher().finish();
        let world = World::Simulated { epoch: Instant::from_std(epoch().instant), rules: Simulation::seeded(seed) };
        Self::new(world, seed, runtime)
    }

    /// The real clock and real randomness; tasks and blocking calls run on `runtime`, whose timers must be enabled.
    pub fn production(runtime: Handle) -> Arc<Self> {
        Self::new(World::Production(epoch()), RandomState::new().build_hasher().finish(), runtime)
    }

    /// Tokio's clock, paused or not, and numbers that follow from the seed.
    pub fn simulated(runtime: Handle, rules: Simulation) -> Arc<Self> {
        let epoch = {
            let _clock = runtime.enter();
            Instant::now()
        };
        Self::new(World::Simulated { epoch, rules }, rules.seed, runtime)
    }

    fn new(world: World, seed: u64, runtime: Handle) -> Arc<Self> {
        let port = Self {
            world,
            runtime,
            coarse: Padded(AtomicU64::new(0)),
            rests: Rests::default(),
            random: AtomicU64::new(seed),
            ids: AtomicU64::new(0),
            blocking: Arc::new(Semaphore::new(BLOCKING_CALLS)),
        };
        // The first look also sets the coarse clock.
        port.now_ns();
        Arc::new(port)
    }

    /// The same port with another bound for [`Port::run_blocking`]: at least 1, at most [`Semaphore::MAX_PERMITS`].
    ///
    /// # Panics
    /// When the port is shared already.
    #[must_use]
    pub fn with_blocking_limit(mut self: Arc<Self>, calls: usize) -> Arc<Self> {
        Arc::get_mut(&mut self).expect("the limit is set before the port is shared").blocking =
            Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Nanoseconds since the epoch of the port: precise, monotonic. Ports in production have one epoch.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        let now = match &self.world {
            World::Production(epoch) => monotonic_ns() - epoch.ns,
            World::Simulated { epoch, .. } => {
                let _clock = self.runtime.enter();
                nanos(Instant::now().duration_since(*epoch))
            }
        };
        if now >= self.coarse.0.load(Relaxed).saturating_add(COARSE_STEP_NS) {
            // Not a plain store: of two readers that race, the later reading stays.
            let before = self.coarse.0.fetch_max(now, Relaxed);
            if now >= before.saturating_add(rests::SHORTEST_NS) {
                self.rests.note(before, now);
            }
        }
        now
    }

    /// So long from now, on its clock.
    pub(crate) fn after_ns(&self, span: Duration) -> u64 {
        self.now_ns().saturating_add(nanos(span))
    }

    /// What the clock on the wall says: since the beginning of 1970, in UTC. It may be set, so nothing is reckoned with it.
    /// In a simulation 1970 begins with the port.
    pub(crate) fn wall(&self) -> Duration {
        match self.world {
            World::Production(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            World::Simulated { .. } => Duration::from_nanos(self.now_ns()),
        }
    }

    /// The time as it was when somebody last looked: never ahead of [`Port::now_ns`], and monotonic.
    ///
    /// Pumps look whenever they are polled and every few turns, so that it is fresh wherever actors run; while nothing
    /// runs it stands still. In a simulation it is the precise time.
    #[inline]
    pub fn coarse_ns(&self) -> u64 {
        match self.world {
            World::Production(_) => self.coarse.0.load(Relaxed),
            World::Simulated { .. } => self.now_ns(),
        }
    }

    /// Ends when [`Port::now_ns`] has reached `at`; up to a millisecond later, never earlier.
    pub fn sleep_until(&self, at: u64) -> Sleep {
        let _clock = self.runtime.enter();
        tokio::time::sleep_until(self.instant(at))
    }

    /// A point of this clock on tokio's.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        let epoch = match &self.world {
            World::Production(epoch) => Instant::from_std(epoch.instant),
            World::Simulated { epoch, .. } => *epoch,
        };
        let far = Duration::from_secs(60 * 60 * 24 * 365 * 30);
        epoch.checked_add(Duration::from_nanos(at)).unwrap_or_else(|| epoch + far)
    }

    /// The same the other way round, in nanoseconds.
    pub(crate) fn since_epoch(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.instant(0)))
    }

    /// Starts a task on the system's runtime.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.runtime.spawn(task)
    }

    /// Starts a thread that is nobody's worker. It needs little stack.
    pub(crate) fn spawn_thread(&self, name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        std::thread::Builder::new().name(name.into()).stack_size(STACK).spawn(run).map(drop)
    }

    /// Starts a thread that runs user code, as a worker does: with as much stack as threads have.
    pub(crate) fn spawn_worker(
        &self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        std::thread::Builder::new().name(name.into()).spawn(run)
    }

    /// Blocks this thread until it is unparked, at most this long.
    pub(crate) fn park(&self, at_most: Option<Duration>) {
        match at_most {
            Some(time) => std::thread::park_timeout(time),
            None => std::thread::park(),
        }
    }

    /// Blocks this thread for a while. For the thread that learns that the runtime has gone: there is none to wait in.
    pub(crate) fn pause(&self, time: Duration) {
        if self.is_watched() {
            std::thread::sleep(time);
        }
    }

    /// The runtime that tasks and blocking calls go to.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// A random number; in a simulation the next one of its seed.
    pub fn rng_u64(&self) -> u64 {
        // SplitMix64: a counter, mixed. Any thread may draw; one lock-free addition orders the draws.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.random.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number that this port gives once: 1, 2, 3, ….
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Relaxed) + 1
    }

    /// Runs code that blocks on a thread made for it. At most so many run at once; others wait their turn.
    ///
    /// In a simulation the code runs in place, after the time such a call is said to take.
    ///
    /// # Errors
    /// [`BlockingError`] when the code panicked, or when the runtime went away before the code had run.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop code that has begun; it keeps its place among the running until it returns.
    pub fn run_blocking<T: Send + 'static>(
        &self,
        code: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, BlockingError>> + Send + 'static {
        self.run_blocking_beside(None, code)
    }

    /// The same on the threads of another runtime, with places of its own.
    pub(crate) fn run_blocking_beside<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        other: Option<(Handle, Arc<Semaphore>)>,
        code: F,
    ) -> impl Future<Output = Result<T, BlockingError>> + Send + 'static + use<T, F> {
        let (runtime, places) = other.unwrap_or_else(|| (self.runtime.clone(), self.blocking.clone()));
        let simulated = match &self.world {
            World::Production(_) => None,
            World::Simulated { rules, .. } => Some(rules.blocking_cost),
        };
        async move {
            let place = places.acquire_owned().await.map_err(|_closed| BlockingError::RuntimeGone)?;
            if let Some(cost) = simulated {
                if !cost.is_zero() {
                    tokio::time::sleep(cost).await;
                }
                return contain(code).map_err(|_panic| BlockingError::Panicked);
            }
            let running = runtime.spawn_blocking(move || {
                let _place = place;
                code()
            });
            running.await.map_err(|error| match error.is_panic() {
                true => BlockingError::Panicked,
                false => BlockingError::RuntimeGone,
            })
        }
    }

    /// What a turn is said to cost on top of the time that is measured; nothing in production.
    pub fn turn_cost(&self) -> Duration {
        match &self.world {
            World::Production(_) => Duration::ZERO,
            World::Simulated { rules, .. } => rules.turn_cost,
        }
    }

    /// Whether an asker may run its callee's turn in place now. In a simulation the seed decides.
    pub fn in_place(&self) -> bool {
        match &self.world {
            World::Production(_) => true,
            World::Simulated { .. } => self.rng_u64() & 1 == 0,
        }
    }

    /// Whether a thread watches the pumps and rescues what is queued behind a blocked one: not in a simulation.
    pub fn is_watched(&self) -> bool {
        matches!(self.world, World::Production(_))
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut port = f.debug_struct("Port");
        match &self.world {
            World::Production(_) => port.field("world", &"production"),
            World::Simulated { rules, .. } => port.field("world", rules),
        };
        port.field("now_ns", &self.now_ns()).finish_non_exhaustive()
    }
}

/// Why a blocking call has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockingError {
    /// The code panicked.
    Panicked,
    /// The runtime went away before the code had run.
    RuntimeGone,
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicked => "the blocking call panicked",
            Self::RuntimeGone => "the runtime went away before the blocking call had run",
        })
    }
}

impl std::error::Error for BlockingError {}

/// Now, for those who belong to no system: on the clock of the runtime that this thread is in, else the real one.
pub(crate) fn moment() -> Instant {
    Instant::now()
}

/// Saturating: five centuries are enough for everybody.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    // In words of 64 bits: this is a part of every look at the clock.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
    }

    #[test]
    fn simulated_time_is_tokios_paused_time() {
        let runtime = paused();
        let port = Port::simulated(runtime.handle().clone(), Simulation::seeded(1));
        assert_eq!(port.now_ns(), 0);
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(250)).await });
        assert_eq!(port.now_ns(), 250_000_000, "read from outside of the runtime");
        assert_eq!(port.coarse_ns(), 250_000_000);
        runtime.block_on(port.sleep_until(400_000_000));
        assert_eq!(port.now_ns(), 400_000_000);
    }

    #[test]
    fn a_seed_repeats_its_numbers_and_choices() {
        let runtime = paused();
        let draw = |seed| {
            let port = Port::simulated(runtime.handle().clone(), Simulation::seeded(seed));
            (0..64).map(|_| (port.rng_u64(), port.in_place())).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_simulated_blocking_call_costs_virtual_time() {
        let runtime = paused();
        let rules = Simulation { blocking_cost: Duration::from_millis(30), ..Simulation::seeded(1) };
        let port = Port::simulated(runtime.handle().clone(), rules);
        assert_eq!(runtime.block_on(port.run_blocking(|| 42)), Ok(42));
        assert_eq!(port.now_ns(), 30_000_000);
    }

    #[test]
    fn blocking_calls_are_bounded() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime");
        let port = Port::production(runtime.handle().clone()).with_blocking_limit(2);
        let running = Arc::new(AtomicU64::new(0));
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let running = running.clone();
                port.spawn(port.run_blocking(move || {
                    let at_once = running.fetch_add(1, Relaxed) + 1;
                    std::thread::yield_now();
                    running.fetch_sub(1, Relaxed);
                    at_once
                }))
            })
            .collect();
        for call in calls {
            let at_once = runtime.block_on(call).expect("the task ends").expect("the call returns");
            assert!(at_once <= 2, "{at_once} blocking calls ran at once");
        }
    }

    #[test]
    fn a_panicking_blocking_call_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let port = Port::production(runtime.handle().clone());
        let ended = runtime.block_on(port.run_blocking(|| std::panic::resume_unwind(Box::new("boom"))));
        assert_eq!(ended, Err::<(), _>(BlockingError::Panicked));
    }

    #[test]
    fn the_coarse_clock_follows_the_precise_one_and_never_leads() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let port = Port::production(runtime.handle().clone());
        let mut before = 0;
        for _ in 0..10_000 {
            let (now, coarse) = (port.now_ns(), port.coarse_ns());
            assert!(coarse >= before && coarse <= port.now_ns() && now - coarse.min(now) <= COARSE_STEP_NS);
            before = coarse;
        }
    }
}
