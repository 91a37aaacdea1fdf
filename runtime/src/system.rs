//! One running system: actors, a scheduler, a clock, names. Not a singleton: each test has its own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::builder::Builder;
use crate::cell::{AnyCell, CAPACITY, Cell};
use crate::crash::tell;
use crate::error::{Reason, Refused, StartError};
use crate::exit::ExitReason;
use crate::inspect::{ActorSnapshot, SystemSnapshot, snapshot};
use crate::outcome::{Ended, ShutdownReport};
use crate::pid::Pid;
use crate::port::Port;
use crate::process::Abandoning;
use crate::report::{self, CrashReport, Importance};
use crate::scheduler::PoolStats;
use crate::shared::Shared;
use crate::shutdown::{Ending, Straggler, Whereabouts};
use crate::signal::{Down, MonitorRef, Via, send_down, send_exit, send_kill, send_stop};
use crate::slot::LARGEST_MAILBOX;
use crate::start::Start;
use crate::ties::Watcher;
use crate::time::Nap;
use crate::turn;

/// What a system is told once, when it is built.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Arc<str>,
    /// The deadline of an ask that names none.
    pub(crate) ask_within: Duration,
    /// How long a stop waits for what is queued.
    pub(crate) drain: Duration,
    pub(crate) pumps: Option<usize>,
    /// A turn that holds its thread for longer is told.
    pub(crate) blocked_after: Duration,
}

/// One running system. Cheap to clone; it runs until its root ends or it is stopped, whether or not a handle is held.
///
/// It runs on the tokio runtime it was started in. The documented default for services is a runtime of its own
/// (`#[crashworthy::main]`): in a shared one the actors get only their share of the polls.
#[derive(Clone)]
pub struct System {
    pub(crate) shared: Arc<Shared>,
}

/// What the root of a system's tree must be able to do. The supervisor crate implements it for trees.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the root of a system",
    label = "not a root",
    note = "the root is a supervisor: `Supervisor::one_for_one(\"name\").child(..)`"
)]
pub trait Root: Send + 'static {
    /// Starts the tree and returns its top, an actor whose parent is the system.
    fn start(self, system: &System) -> impl Future<Output = Result<Pid, StartError>> + Send;
}

/// How an attempt to abandon an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abandoned {
    /// The slot is free; the stuck turn is fenced and counted until it returns.
    Done,
    /// There was nothing to abandon: the incarnation has ended.
    Ended,
    /// It is in the runtime's own code just now: it will notice, or try again.
    Busy,
    /// Another turn of this slot is stuck already: at most one straggler a slot.
    Straggling,
}

impl System {
    /// Starts a system with default settings and this tree, on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError::InvalidTree`] before anything starts; else the first start that failed, after what had started
    /// was stopped in reverse order.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(root: impl Root) -> Result<Self, StartError> {
        Self::builder().start(root).await
    }

    /// A builder, for settings and parts.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a system without a tree: for tests, tools and benchmarks that spawn actors nobody supervises.
    ///
    /// # Errors
    /// [`StartError::Setting`] never, with the defaults.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn bare() -> Result<Self, StartError> {
        Self::builder().bare()
    }

    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone() }
    }

    /// What callers are told apart by, besides who they are.
    pub(crate) fn salt(&self) -> u64 {
        self.shared.salt
    }

    pub(crate) fn port(&self) -> &Port {
        &self.shared.port
    }

    /// The system's name.
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// The system's clock, the same in every system of the process. It never goes back.
    ///
    /// Where tokio's clock is paused when the system starts, as by `#[tokio::test(start_paused = true)]`, this is that clock: timers,
    /// deadlines and back-off come as soon as nothing else is to be done. A clock that is paused later, or that is resumed, runs apart from
    /// it. Blocking calls ([`Context::run_blocking`](crate::Context::run_blocking)) then run in place, and there are no threads beside the
    /// runtime's own: no bulkheads, nobody who takes turns while a handler blocks.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.shared.port.now_ns())
    }

    /// Waits until its clock says so.
    pub fn sleep_until(&self, instant: Duration) -> impl Future<Output = ()> + Send + use<> {
        Nap::until(&self.shared.wheel, u64::try_from(instant.as_nanos()).unwrap_or(u64::MAX))
    }

    /// A random number; in a simulation the next one of its seed.
    pub fn random(&self) -> u64 {
        self.shared.port.rng_u64()
    }

    /// The runtime it runs on.
    pub fn handle(&self) -> &Handle {
        self.shared.port.runtime()
    }

    /// Starts an actor that nobody supervises, and waits for its `init`. It lives until it ends or the system stops.
    ///
    /// # Errors
    /// [`StartError::Failed`] with the reason, [`StartError::Ignored`], [`StartError::SystemStopped`].
    pub async fn spawn<A: Actor>(&self, args: A::Args) -> Result<ActorRef<A>, StartError> {
        let cell = Cell::new(None, CAPACITY);
        Start::alone().begin(&cell, &self.shared, args)?.ready().await?;
        Ok(ActorRef::new(cell))
    }

    /// Starts an actor that nobody supervises without waiting for its `init`: what is sent meanwhile waits.
    ///
    /// # Errors
    /// [`StartError::SystemStopped`]. A failing `init` shows in the log and to monitors.
    pub fn launch<A: Actor>(&self, args: A::Args) -> Result<ActorRef<A>, StartError> {
        let cell = Cell::new(None, CAPACITY);
        Start::alone().launch(&cell, &self.shared, args)?;
        Ok(ActorRef::new(cell))
    }

    /// Begins an incarnation in a slot, as a child of the system itself: the top of a tree.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and [`StartError::SlotTaken`].
    pub async fn start_top<A: Actor>(&self, slot: &ActorRef<A>, args: A::Args) -> Result<Pid, StartError> {
        let (down, told) = oneshot::channel();
        let mut starting = Start::top(down, &self.shared).begin(&slot.cell, &self.shared, args)?;
        *self.shared.stop.down.lock() = Some((starting.pid(), told));
        starting.ready().await
    }

    /// The actor of this type registered under a name.
    pub fn whereis<A: Actor>(&self, name: &str) -> Option<ActorRef<A>> {
        let (_, cell) = self.shared.names.find(name)?;
        Some(ActorRef::new(cell.into_any().downcast().ok()?))
    }

    /// The registered names and who has them, by name.
    pub fn registered(&self) -> Vec<(Arc<str>, Pid)> {
        self.shared.names.list()
    }

    /// The members of a process group that are actors of this type, by identity.
    pub fn members<A: Actor>(&self, group: &str) -> Vec<ActorRef<A>> {
        let members = self.shared.groups.members(group).into_iter();
        members.filter_map(|cell| Some(ActorRef::new(cell.into_any().downcast().ok()?))).collect()
    }

    /// Sends an exit signal from outside. A signal to a dead pid is a no-op. The outside is the parent of the top of the tree:
    /// what is sent to that asks it to stop, and ends the system.
    ///
    /// # Errors
    /// [`Full`](crate::Reason::Full) if thousands of signals wait there unread.
    pub fn exit(&self, pid: Pid, reason: ExitReason) -> Result<(), Refused> {
        self.exit_from(Pid::OUTSIDE, pid, reason)
    }

    pub(crate) fn exit_from(&self, from: Pid, pid: Pid, reason: ExitReason) -> Result<(), Refused> {
        if turn::is_fenced() {
            return Err(Refused::because(Reason::Fenced));
        }
        match self.shared.find(pid.id) {
            Some(cell) => send_exit(&cell, pid.incarnation, from, reason, Via::Call),
            None => Ok(()),
        }
    }

    /// Whom an incarnation that was abandoned cannot reach any more.
    pub(crate) fn reach(&self, pid: Pid) -> Option<Arc<dyn AnyCell>> {
        if turn::is_fenced() { None } else { self.shared.find(pid.id) }
    }

    /// Kills an incarnation: no callback of it runs any more. It ends at its next await; a turn that blocks its thread
    /// goes on until it returns, unless it is [abandoned](Self::abandon).
    pub fn kill(&self, pid: Pid) {
        if let Some(cell) = self.reach(pid) {
            send_kill(&cell, pid.incarnation);
        }
    }

    /// Asks one incarnation to stop, in the way of its parent: the request is read before what is queued and after the callback
    /// that runs; `terminate` runs if it traps exits, and it ends with this reason. [`ExitReason::Normal`] does nothing to
    /// whoever does not trap. Of several requests the first one counts. To the dead it is a no-op.
    ///
    /// Nothing is waited for, and there is no time limit. What its supervisor does then depends on the child's restart type
    /// and on this reason, as after any other end.
    ///
    /// # Differs from OTP
    /// There a stop by name is a matter of behaviours (`gen_server:stop`); here it is one of every actor.
    pub fn stop_actor(&self, pid: Pid, reason: ExitReason) {
        if let Some(cell) = self.reach(pid) {
            send_stop(&cell, pid.incarnation, reason);
        }
    }

    /// Changes how many messages the mailbox of a living incarnation's slot holds. What is beyond a smaller limit stays queued.
    /// The mailbox outlives the incarnation, and the limit with it. To the dead it is a no-op.
    ///
    /// # Errors
    /// [`StartError::Setting`] unless it is between 1 and [`LARGEST_MAILBOX`].
    pub fn set_mailbox(&self, pid: Pid, capacity: u32) -> Result<(), StartError> {
        let Some(cell) = self.reach(pid) else { return Ok(()) };
        if !(1..=LARGEST_MAILBOX).contains(&capacity) {
            return Err(StartError::mailbox(&cell.core().label(), capacity));
        }
        let lives = cell.core().ties.lock().lives(pid.incarnation);
        if lives {
            // Under no lock: whoever waits for room is woken.
            tell(|| cell.set_capacity(capacity));
        }
        Ok(())
    }

    /// Sends the [`Down`] of an incarnation into a channel: at once with [`NoProc`](ExitReason::NoProc) if it has
    /// ended. For whoever waits for many ends at a time.
    pub fn watch(&self, pid: Pid, to: &mpsc::UnboundedSender<Down>) -> MonitorRef {
        self.watched(pid, Watcher::Channel(to.clone()))
    }

    /// The same for a single end.
    pub fn watch_once(&self, pid: Pid, to: oneshot::Sender<Down>) -> MonitorRef {
        self.watched(pid, Watcher::Outside(to))
    }

    fn watched(&self, pid: Pid, watcher: Watcher) -> MonitorRef {
        let monitor = MonitorRef(self.shared.next_monitor());
        if let Some(cell) = self.shared.find(pid.id) {
            let mut ties = cell.core().ties.lock();
            if ties.lives(pid.incarnation) {
                ties.tied().watchers.insert((Pid::OUTSIDE, monitor), watcher);
                return monitor;
            }
        }
        send_down(
            &self.shared,
            Pid::OUTSIDE,
            watcher,
            Down { monitor, pid, reason: ExitReason::NoProc, abandoned: false },
        );
        monitor
    }

    /// Takes the slot from an incarnation whose turn does not return: links and monitors are told
    /// ([`ExitReason::Killed`], `abandoned`), its asker gets `Died`, nothing it sends later is accepted.
    pub fn abandon(&self, pid: Pid) -> Abandoned {
        match self.reach(pid).map(|cell| cell.abandon(pid.incarnation)) {
            None | Some(Abandoning::Ended) => Abandoned::Ended,
            Some(Abandoning::Done) => Abandoned::Done,
            Some(Abandoning::Busy) => Abandoned::Busy,
            Some(Abandoning::Straggling) => Abandoned::Straggling,
        }
    }

    /// Abandoned incarnations whose turns still block a thread.
    pub fn stragglers(&self) -> Vec<Pid> {
        self.shared.stragglers.list()
    }

    /// Where an incarnation is, if it lives: what it hangs in, if it does not end.
    pub fn whereabouts(&self, pid: Pid) -> Option<Whereabouts> {
        let cell = self.shared.find(pid.id)?;
        let core = cell.core();
        if !core.ties.lock().lives(pid.incarnation) {
            return None;
        }
        let since = self.now().saturating_sub(core.in_hand_for());
        Some(Whereabouts { callback: core.callback(), in_hand: core.kind_in_hand().map(str::to_owned), since })
    }

    /// Notes a child that did not stop when it was asked to, for the shutdown report. For whoever stops children; a note
    /// outside of a stop of the whole system is dropped.
    pub fn note_straggler(&self, straggler: Straggler) {
        self.shared.stop.note(straggler);
    }

    /// How many crashes there were, and the reports that are kept, at most 256, oldest first: those that were logged, and those that were
    /// not. For one more the oldest goes; but first that of the same actor, if there are four of it, or of the same type, if there
    /// are 64, so that whoever crashes again and again displaces nobody else's.
    ///
    /// A child whose parent judges it is there when the parent has decided, that is, before the next incarnation begins.
    pub fn crashes(&self) -> (u64, Vec<CrashReport>) {
        self.shared.reports.crashes()
    }

    /// For whoever logs reports of its own: whether a report of this source is to be logged now, and if so, how many were
    /// withheld since the last one. What is withheld is told at the latest when a report would pass again.
    ///
    /// The limits are those of [`Builder::error_reports`] and [`Builder::progress_reports`].
    pub fn may_report(&self, source: &str, importance: Importance) -> Option<u64> {
        report::pass(&self.shared, source, importance)
    }

    /// The one value of its type that is kept with this system, made when it is first asked for: where other crates keep
    /// what belongs to a system. It goes when the system does.
    pub fn extension<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.shared.extension()
    }

    /// Dead letters so far, and how many of them the hook never saw because it was too slow.
    pub fn dead_letters(&self) -> (u64, u64) {
        self.shared.dead_letters.counts()
    }

    /// One actor as data.
    pub fn inspect(&self, pid: Pid) -> Option<ActorSnapshot> {
        self.shared.find(pid.id).map(|cell| snapshot(&cell))
    }

    /// The whole system as data. The figures of different actors are of slightly different instants.
    pub fn snapshot(&self) -> SystemSnapshot {
        SystemSnapshot::of(&self.shared)
    }

    /// The threads that take turns, pool by pool, at this moment: its own pool, then bulkheads and actors that are alone on a thread,
    /// as long as somebody uses them or a turn is under way there. Reading it stops nobody.
    ///
    /// # Examples
    /// ```
    /// # tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
    /// let system = crashworthy_runtime::System::bare()?;
    /// let pools = system.pools();
    /// assert_eq!((pools.len(), pools[0].pumps.len(), pools[0].queued()), (1, 2, 0));
    /// # Ok::<(), crashworthy_runtime::StartError>(())
    /// # }).unwrap();
    /// ```
    pub fn pools(&self) -> Vec<PoolStats> {
        self.shared.pool_stats()
    }

    /// Whether its orderly stop has begun: it takes no new work from outside, and ends. What readiness is told by first.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.has_begun()
    }

    /// Whether it fails: its top has ended, or gives up, and nobody has asked it to stop. What [parts](crate::Part::fails) see when they are
    /// told.
    pub fn is_failing(&self) -> bool {
        self.shared.stop.is_failing()
    }

    /// Whether it has ended.
    pub fn is_stopped(&self) -> bool {
        self.shared.is_closed()
    }

    /// Resolves when the system has ended, however that came about.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) -> Ended {
        let mut ending: watch::Receiver<Option<Ended>> = self.shared.stop.ended.subscribe();
        match ending.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or_else(Ended::runtime_gone),
            Err(_) => Ended::runtime_gone(),
        }
    }

    /// Stops the system: new work from outside is refused, what is queued is served for at most the drain time, then
    /// the tree stops in reverse order within the limits of its child specs. Calling it again waits for the same end.
    ///
    /// When it returns all actors have ended. Those outside of the tree are killed after it; who of them does not end
    /// within 100 ms is abandoned and in the report, as are children.
    ///
    /// # Cancel safety
    /// Once begun, the stop goes on.
    pub async fn stop(&self) -> ShutdownReport {
        self.begin_stop(self.shared.settings.drain, ExitReason::Shutdown);
        self.ended().await.report
    }

    /// The same with another drain time, and a reason for which the top of the tree is asked to stop. It waits for nothing:
    /// [`ended`](Self::ended) does. A stop that has begun already goes on as it is.
    pub fn begin_stop(&self, drain: Duration, reason: ExitReason) {
        Ending::begin(&self.shared, drain, reason);
    }

    /// The incarnation at the top of its tree: with it the system ends. None before there is one, and of a
    /// [bare](Self::bare) system.
    pub fn top(&self) -> Option<Pid> {
        self.shared.stop.top()
    }

    /// Runs until SIGINT, SIGTERM or the end of the root; a signal stops the system as [`stop`](Self::stop) does. A
    /// second signal skips the drain.
    ///
    /// Never fails; [`Ended::into_result`] turns a root that crashed or gave up into an error:
    /// `Ok(system.run_until_signal().await.into_result()?)` is the last line of a service.
    ///
    /// # Cancel safety
    /// A stop that has begun goes on.
    pub async fn run_until_signal(&self) -> Ended {
        crate::shutdown::run_until_signal(self).await
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("name", &self.name()).field("stopped", &self.is_stopped()).finish()
    }
}
