//! What an actor may do while it handles a message.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use parking_lot::MutexGuard;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::cell::{ActorCell, AnyCell, CAPACITY, Cell, Status, flag};
use crate::crash::contain;
use crate::error::{AskError, Refused, StartError};
use crate::exit::{Callback, ExitReason};
use crate::pid::Pid;
use crate::pipe::Pipes;
use crate::pools::{Bulkhead, Kept, Threads, Wish};
use crate::port::nanos;
use crate::reply::Caller;
use crate::report::{self, Unjudged};
use crate::signal::{self, Down, MonitorRef, Signal};
use crate::start::{Start, Starting, Under};
use crate::system::System;
use crate::ties::{Ties, Watcher};
use crate::time::Nap;
use crate::timers::{TimerRef, Timers};
use crate::turn::{self, NEVER};

/// What an actor may do while a callback runs. It belongs to one incarnation and dies with it: timers, monitors,
/// links and piped futures end when the incarnation ends.
pub struct Context<A: Actor> {
    cell: ActorCell<A>,
    incarnation: u32,
    beside: Option<Box<Beside>>,
}

/// What runs beside the incarnation. Most have nothing of it and pay one word.
#[derive(Default)]
struct Beside {
    timers: Timers,
    pipes: Pipes,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(cell: ActorCell<A>, incarnation: u32) -> Self {
        Self { cell, incarnation, beside: None }
    }

    /// The address of this actor.
    pub fn address(&self) -> ActorRef<A> {
        ActorRef::new(self.cell.clone())
    }

    /// This incarnation.
    pub fn pid(&self) -> Pid {
        Pid { id: self.cell.core().id(), incarnation: self.incarnation }
    }

    /// Who started it and may stop it: its supervisor, if it has one.
    pub fn parent(&self) -> Option<Pid> {
        self.ties()?.parent()
    }

    /// Which life of its slot this is, from 1.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The slot's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.cell.core().name()
    }

    /// The system it runs in.
    pub fn system(&self) -> System {
        System::of(&self.cell.core().shared_arc())
    }

    pub(crate) fn any(&self) -> Arc<dyn AnyCell> {
        self.cell.clone()
    }

    pub(crate) fn cell(&self) -> &ActorCell<A> {
        &self.cell
    }

    /// The ties of this incarnation. `None` once it was abandoned: they are another's now, or nobody's.
    pub(crate) fn ties(&self) -> Option<MutexGuard<'_, Ties>> {
        let ties = self.cell.core().ties.lock();
        ties.lives(self.incarnation).then_some(ties)
    }
}

/// Starting other actors.
impl<A: Actor> Context<A> {
    /// Starts an actor that nobody supervises, and waits for its `init`.
    ///
    /// # Errors
    /// [`StartError::Failed`] with the reason, [`StartError::Ignored`] if it chose not to run.
    pub async fn spawn<B: Actor>(&mut self, args: B::Args) -> Result<ActorRef<B>, StartError> {
        let (cell, core) = (Cell::new(None, CAPACITY), self.cell.core());
        let mut starting = Start::alone().from(core).begin(&cell, &core.shared_arc(), args)?;
        starting.ready().await?;
        Ok(ActorRef::new(cell))
    }

    /// Starts an actor that is linked to this one from before its `init`.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn). A start that fails sends no exit signal.
    pub async fn spawn_link<B: Actor>(&mut self, args: B::Args) -> Result<ActorRef<B>, StartError> {
        let slot = ActorRef::new(Cell::new(None, CAPACITY));
        self.start(&slot, args, Under { parent: false, link: true }).await?;
        Ok(slot)
    }

    /// Begins an incarnation in a slot, as this actor's child or merely linked to it, and waits for its `init`. What a
    /// supervisor is made of.
    ///
    /// # Errors
    /// [`StartError::SlotTaken`] if the slot is running or belongs to another parent or system; else as
    /// [`spawn`](Self::spawn).
    ///
    pub async fn start<B: Actor>(&self, slot: &ActorRef<B>, args: B::Args, under: Under) -> Result<Pid, StartError> {
        self.begin(slot, args, under)?.ready().await
    }

    /// Begins an incarnation in a slot without waiting for its `init`.
    ///
    /// # Errors
    /// [`StartError::SlotTaken`] if the slot is running or belongs to another parent or system.
    pub fn begin<B: Actor>(&self, slot: &ActorRef<B>, args: B::Args, under: Under) -> Result<Starting, StartError> {
        self.begin_on(Threads::Inherited, slot, args, under)
    }

    /// The same on other threads than those of this actor. They stay the slot's until another incarnation begins elsewhere, or
    /// the slot is gone.
    ///
    /// # Errors
    /// As [`begin`](Self::begin); and [`StartError::Setting`] for a bulkhead of fewer than 1 or more than
    /// [`MAX_THREADS`](crate::MAX_THREADS) threads, one of another size than that of the same name, more than
    /// [`MAX_POOLS`](crate::MAX_POOLS) bulkheads and threads of their own, or threads that the operating system did not give.
    pub fn begin_on<B: Actor>(
        &self,
        threads: Threads,
        slot: &ActorRef<B>,
        args: B::Args,
        under: Under,
    ) -> Result<Starting, StartError> {
        let core = self.cell.core();
        Start::under(self.pid(), under).from(core).on(threads).begin(&slot.cell, &core.shared_arc(), args)
    }

    /// The same with arguments that somebody else's code makes. If that panics, so has the start, and nothing else.
    ///
    /// # Errors
    /// As [`begin_on`](Self::begin_on); and [`StartError::Failed`] with the panic.
    pub fn begin_with<B: Actor>(
        &self,
        threads: Threads,
        slot: &ActorRef<B>,
        make: impl FnOnce() -> B::Args,
        under: Under,
    ) -> Result<Starting, StartError> {
        let args = contain(make).map_err(|panic| StartError::Failed(panic.reason(Callback::Init, None)))?;
        self.begin_on(threads, slot, args, under)
    }

    /// Makes the threads of a bulkhead, if they are not there, and keeps them as they are until what is returned is dropped, also
    /// while no actor runs on them.
    ///
    /// # Errors
    /// As [`begin_on`](Self::begin_on), of bulkheads.
    pub fn keep_bulkhead(&self, bulkhead: &Bulkhead) -> Result<Kept, StartError> {
        let core = self.cell.core();
        let threads = Threads::Bulkhead(bulkhead.clone());
        let wish = Wish {
            threads: &threads,
            label: &|| core.path().to_string(),
            has: 0,
            held: None,
            from: core.pool_number(),
        };
        let number = core.shared().pools.lease(core.shared(), &wish)?;
        Ok(Kept::new(core.shared(), number))
    }

    /// Resolves when this actor's parent asks it to stop. For actors that trap exits and have long handlers: others
    /// end at once. The future is owned.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<A> {
        self.stop_watch().stopping()
    }

    /// What [`stopping`](Self::stopping) waits for, as a value to pass on.
    pub fn stop_watch(&self) -> StopWatch {
        StopWatch { cell: self.any(), incarnation: self.incarnation }
    }

    /// Ends a slot below this actor that is not running: what is queued falls, senders are refused. A slot that is
    /// `gone` cannot be started again.
    pub fn close<B: Actor>(&self, slot: &ActorRef<B>, gone: bool) {
        let Some(mut ties) = self.ties() else { return };
        if gone {
            ties.let_go(slot.id());
        }
        drop(ties);
        slot.cell.shut(if gone { Status::Gone } else { Status::Stopped });
    }

    /// Gives up a slot below this actor that is not running: another parent may start it.
    pub fn release<B: Actor>(&self, slot: &ActorRef<B>) {
        let Some(mut ties) = self.ties() else { return };
        ties.let_go(slot.id());
        drop(ties);
        let mut ties = slot.cell.core().ties.lock();
        if ties.living() == 0 && ties.owner() == self.pid().id {
            ties.disown();
        }
    }

    /// From now on this incarnation judges the crashes of those it has started as its linked children: the report of each is
    /// laid aside, for [`take_crash`](Self::take_crash), before anybody is told of the end. What it has not judged when it
    /// ends, or within a second, is told without.
    pub fn judge_children(&mut self) {
        let Some(_ties) = self.ties() else { return };
        self.cell.core().shared().reports.judges(self.pid());
        self.cell.core().raise(flag::JUDGES);
        self.cell.hurries(true);
    }

    /// The report of a child's crash, to be judged: when its exit has been read, or its start has failed. `None` if it did
    /// not crash, or its crash is told already.
    pub fn take_crash(&self, child: Pid) -> Option<Unjudged> {
        report::take(self.cell.core().shared(), self.pid(), child)
    }

    /// A slot below this actor that is between two incarnations will not be started again before then, by the [clock of the system](System::now). Whoever has
    /// less time than that is told at once: [`Restarting`](crate::Reason::Restarting), with when to come again.
    pub fn postpone<B: Actor>(&self, slot: &ActorRef<B>, until: Duration) {
        let core = slot.cell.core();
        let is_below = core.ties.lock().owner() == self.pid().id;
        if turn::is_fenced() || !is_below || core.status() != Status::Down {
            return;
        }
        slot.cell.core().gate.is_postponed(slot.cell.core(), nanos(until));
        slot.cell.rouse_waiters();
    }

    /// Throws away what is queued for a slot below this actor, before its next incarnation begins.
    pub fn flush<B: Actor>(&self, slot: &ActorRef<B>) {
        if !turn::is_fenced() {
            slot.cell.flush();
        }
    }
}

/// Links, monitors, exit signals, names.
impl<A: Actor> Context<A> {
    /// From now on, exit signals (kills aside) are read by [`on_signal`](Actor::on_signal) instead of ending this
    /// actor.
    pub fn trap_exit(&mut self, trap: bool) {
        let Some(_ties) = self.ties() else { return };
        if trap {
            self.cell.core().raise(flag::TRAPS);
        } else {
            self.cell.core().lower(flag::TRAPS);
            // What was trapped and not read yet counts again.
            self.cell.core().raise(flag::URGENT);
        }
    }

    /// Links this incarnation with another: when either ends, the other gets its exit signal. Linking to a dead
    /// incarnation gives the exit signal [`NoProc`](ExitReason::NoProc) at once. At most one link a pair: to link again
    /// does nothing.
    pub fn link(&mut self, other: Pid) {
        signal::link(&self.any(), self.pid(), other);
    }

    /// Removes a link. Once this returns no further exit signal of that link arrives; one may be waiting already.
    pub fn unlink(&mut self, other: Pid) {
        signal::unlink(&self.any(), self.pid(), other);
    }

    /// Watches one incarnation: exactly one [`Down`] comes to [`on_signal`](Actor::on_signal), with
    /// [`NoProc`](ExitReason::NoProc) if it has ended already.
    pub fn monitor(&mut self, other: Pid) -> MonitorRef {
        let core = self.cell.core();
        let monitor = MonitorRef(core.shared().next_monitor());
        match self.ties() {
            Some(mut ties) => ties.tied().monitors.insert(monitor, other),
            None => return monitor,
        };
        if let Some(target) = core.shared().find(other.id) {
            let mut ties = target.core().ties.lock();
            if ties.lives(other.incarnation) {
                ties.tied().watchers.insert((self.pid(), monitor), Watcher::Actor);
                return monitor;
            }
        }
        let down = Down { monitor, pid: other, reason: ExitReason::NoProc, abandoned: false };
        signal::send_down(core.shared(), self.pid(), Watcher::Actor, down);
        monitor
    }

    /// Ends a monitor; its `Down` is taken back if it is waiting unread.
    pub fn demonitor(&mut self, monitor: MonitorRef) {
        let Some(mut ties) = self.ties() else { return };
        let ended = ties.end_monitor(monitor);
        drop(ties);
        match ended {
            Some(pid) => {
                if let Some(cell) = self.cell.core().shared().find(pid.id) {
                    let mut ties = cell.core().ties.lock();
                    if ties.lives(pid.incarnation) {
                        ties.tied().watchers.remove(&(self.pid(), monitor));
                    }
                }
            }
            None => self
                .cell
                .core()
                .control
                .lock()
                .forget(|signal| matches!(signal, Signal::Down(down) if down.monitor == monitor)),
        }
    }

    /// Sends an exit signal to an incarnation. `Normal` does nothing to an actor that does not trap exits; any other
    /// reason ends it with that reason, or is read by it if it traps exits. A signal to a dead pid is a no-op.
    ///
    /// # Errors
    /// [`Full`](crate::Reason::Full) if thousands of signals wait there unread.
    pub fn exit(&self, other: Pid, reason: ExitReason) -> Result<(), Refused> {
        self.system().exit_from(self.pid(), other, reason)
    }

    /// Takes an exit signal of that incarnation that is waiting unread, if there is one: unlink first.
    pub fn take_exit(&mut self, other: Pid) -> Option<ExitReason> {
        let _ties = self.ties()?;
        self.cell.core().control.lock().take_exit(other)
    }

    /// Kills an incarnation: no callback of it runs any more, links and monitors see [`ExitReason::Killed`].
    pub fn kill(&self, other: Pid) {
        self.system().kill(other);
    }

    /// Takes the slot from an incarnation that was killed and whose turn does not return; see
    /// [`Abandoned`](crate::Abandoned).
    pub fn abandon(&self, other: Pid) -> crate::Abandoned {
        self.system().abandon(other)
    }

    /// Registers this incarnation under a name of its system.
    ///
    /// # Errors
    /// [`StartError::NameTaken`], or [`StartError::Setting`] if the name is empty or longer than 255 bytes.
    pub fn register(&mut self, name: &str) -> Result<(), StartError> {
        crate::start::register(&self.any(), self.pid(), name)
    }

    /// Gives a name back.
    pub fn unregister(&mut self, name: &str) -> bool {
        let Some(mut ties) = self.ties() else { return false };
        ties.tied().names.retain(|held| &**held != name);
        drop(ties);
        let core = self.cell.core();
        core.shared().names.release(name, self.pid())
    }

    /// Joins a process group of its system; [`System::members`] finds it there.
    pub fn join(&mut self, group: &str) {
        let group: Arc<str> = group.into();
        let core = self.cell.core();
        let Some(mut ties) = self.ties() else { return };
        let groups = &mut ties.tied().groups;
        if !groups.contains(&group) {
            groups.push(group.clone());
        }
        core.shared().groups.join(&group, self.pid(), Arc::downgrade(&self.any()));
    }

    /// Leaves a process group.
    pub fn leave(&mut self, group: &str) -> bool {
        let core = self.cell.core();
        let Some(mut ties) = self.ties() else { return false };
        ties.tied().groups.retain(|joined| &**joined != group);
        drop(ties);
        core.shared().groups.leave(group, self.pid())
    }
}

/// The call being handled.
impl<A: Actor> Context<A> {
    /// Who waits for the message in hand.
    fn asker(&self) -> Option<Caller> {
        // In `init` it is whoever waits for the start: an actor is not cancelled because nobody does.
        let starting = self.cell.core().status() == Status::Starting;
        self.cell.interlude(|owner| owner.caller.clone().filter(|_| !starting)).flatten()
    }

    /// What is left until the deadline of the message in hand; `None` if it has none.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = turn::current().call.deadline;
        let left = || deadline.saturating_sub(self.cell.core().shared().port.now_ns());
        (deadline != NEVER).then(|| Duration::from_nanos(left()))
    }

    /// When the message in hand is to be done, on the [clock of the system](crate::System::now); `None` if it has no deadline. What it asks
    /// ends no later than that.
    ///
    /// # Differs from OTP
    /// A call carries no deadline there: the server does not know for how long it is waited for.
    pub fn deadline(&self) -> Option<Duration> {
        let deadline = turn::current().call.deadline;
        (deadline != NEVER).then(|| Duration::from_nanos(deadline))
    }

    /// Resolves when the message in hand need not be handled any more: its asker has gone, or its deadline has
    /// passed. That somebody further up has gone is told by [`check`](Self::check), and to whoever waits for him. For a tell without a deadline it never resolves. The future is owned: it can be raced with
    /// `self.work(cx)`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<A> {
        let caller = self.asker();
        let shared = self.cell.core().shared_arc();
        let deadline = turn::current().call.deadline;
        async move {
            if caller.is_none() && deadline == NEVER {
                return pending().await;
            }
            let expired = Nap::until(&shared.wheel, deadline);
            let mut expired = std::pin::pin!(expired);
            poll_fn(|cx| {
                if caller.as_ref().is_some_and(|caller| caller.poll_cancelled(cx).is_ready()) {
                    std::task::Poll::Ready(())
                } else {
                    expired.as_mut().poll(cx)
                }
            })
            .await;
        }
    }

    /// How many messages of this slot newer ones have displaced, or were dropped for want of room, as
    /// [they say](crate::Overflow). A rise between two messages says that what is in hand is not all there was.
    pub fn displaced(&self) -> u64 {
        self.cell.shelf().map_or(0, |shelf| shelf.lock().counts().2)
    }

    /// Whether the message in hand is still needed, by its asker and by those for whose sake he asks: for handlers that work long
    /// without awaiting.
    ///
    /// # Errors
    /// [`AskError::Cancelled`] or [`AskError::Expired`]; by `?` they end the message, not the actor.
    pub fn check(&self) -> Result<(), AskError> {
        if turn::is_fenced() {
            return Err(AskError::Fenced);
        }
        if self.asker().is_some_and(|caller| caller.is_cancelled() || caller.is_cancelled_around()) {
            return Err(AskError::Cancelled);
        }
        match self.remaining() {
            Some(Duration::ZERO) => Err(AskError::Expired),
            _ => Ok(()),
        }
    }
}

/// Timers, futures and streams that end in the mailbox.
impl<A: Actor> Context<A> {
    /// Sends itself a message, into a place of its own: a full mailbox does not refuse it. It is handled before what is
    /// queued; but after 16 such messages (ticks and results of pipes among them) one from the mailbox has its turn.
    ///
    /// # Errors
    /// [`Full`](crate::Reason::Full) if 1,024 messages to itself wait already.
    pub fn send_self(&mut self, msg: impl Into<A::Msg>) -> Result<(), Refused> {
        crate::timers::post_self(&self.cell, self.incarnation, msg.into())
    }

    /// Sends itself a message later. It has a place of its own: a full mailbox does not swallow it.
    pub fn send_after(&mut self, after: Duration, msg: impl Into<A::Msg>) -> TimerRef {
        let pid = self.pid();
        self.beside.get_or_insert_default().timers.once(&self.cell, pid, after, msg.into())
    }

    /// Sends itself a message every `period` from now. Ticks do not pile up: while one waits unread no other is
    /// queued, and missed ones are skipped.
    ///
    /// # Errors
    /// [`StartError::Setting`] if the period is shorter than the clock's tick of 1 ms.
    pub fn interval(
        &mut self,
        period: Duration,
        make: impl FnMut() -> A::Msg + Send + 'static,
    ) -> Result<TimerRef, StartError> {
        let pid = self.pid();
        self.beside.get_or_insert_default().timers.every(&self.cell, pid, period, Box::new(make))
    }

    /// Stops a timer. False if it has fired or was stopped before; a message it had sent may be waiting.
    pub fn cancel(&mut self, timer: TimerRef) -> bool {
        self.beside.as_mut().is_some_and(|beside| beside.timers.cancel(self.cell.core().shared(), timer))
    }

    /// Runs a future beside this actor and sends its result as a message, into a place of its own. It runs in the
    /// call being handled (asks in it end when the call ends) and is dropped when the incarnation ends. If it panics,
    /// this actor gets an exit signal from itself.
    ///
    /// # Errors
    /// [`Full`](crate::Reason::Full) if 1,024 piped futures and streams run already.
    pub fn pipe<T: Send + 'static>(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
        to: impl FnOnce(T) -> A::Msg + Send + 'static,
    ) -> Result<(), Refused> {
        let pid = self.pid();
        self.beside.get_or_insert_default().pipes.future(&self.cell, pid, future, to)
    }

    /// Sends every item of a stream as a message, then `end`. The stream is pulled only when the item before has been
    /// handled: back pressure reaches its source. It is dropped when the incarnation ends.
    ///
    /// # Errors
    /// As [`pipe`](Self::pipe).
    pub fn pipe_stream<S>(
        &mut self,
        stream: S,
        to: impl FnMut(S::Item) -> A::Msg + Send + 'static,
        end: impl FnOnce() -> A::Msg + Send + 'static,
    ) -> Result<(), Refused>
    where
        S: Stream + Send + 'static,
        S::Item: Send,
    {
        let pid = self.pid();
        self.beside.get_or_insert_default().pipes.stream(&self.cell, pid, stream, to, end)
    }

    /// Runs blocking code on a thread for such code, a bounded number at a time, and waits for it.
    ///
    /// # Errors
    /// The panic of the code, as an exit.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop code that has begun.
    pub fn run_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        code: F,
    ) -> impl Future<Output = Result<T, crate::Exit>> + Send + use<A, T, F> {
        let core = self.cell.core();
        let (shared, number) = (core.shared(), core.pool_number());
        let running = shared.pools.run_blocking(&shared.port, number, move || crate::crash::contain(code));
        async move {
            match running.await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(panic)) => Err(crate::Exit::from(panic.message)),
                Err(gone) => Err(crate::Exit::from(gone)),
            }
        }
    }
}

/// Knows whether an incarnation has been asked to stop.
#[derive(Clone)]
pub struct StopWatch {
    cell: Arc<dyn AnyCell>,
    incarnation: u32,
}

impl StopWatch {
    /// Whether the parent has asked it to stop, or it has ended.
    pub fn is_stopping(&self) -> bool {
        let core = self.cell.core();
        let ties = core.ties.lock();
        !ties.lives(self.incarnation) || core.control.lock().look().is_some_and(|lane| lane.stop.is_some() || lane.kill)
    }

    /// Resolves when the parent asks it to stop, or it ends otherwise.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn stopping(self) {
        loop {
            let asked = {
                // Under this lock it lives or does not: an incarnation that has ended notifies nobody any more.
                let core = self.cell.core();
                let ties = core.ties.lock();
                if !ties.lives(self.incarnation) {
                    return;
                }
                core.control.lock().lane().asked()
            };
            let mut notified = std::pin::pin!(asked.notified());
            // Waits from here on, so that a stop after the look below is not missed.
            notified.as_mut().enable();
            if self.is_stopping() {
                return;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for StopWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopWatch").field("stopping", &self.is_stopping()).finish()
    }
}

impl<A: Actor> Drop for Context<A> {
    fn drop(&mut self) {
        if let Some(beside) = &mut self.beside {
            beside.timers.cancel_all(self.cell.core().shared());
        }
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("pid", &self.pid()).field("name", &self.name()).finish_non_exhaustive()
    }
}
