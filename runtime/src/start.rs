//! Beginning an incarnation in a slot.

use std::any::type_name;
use std::mem::needs_drop;
use std::pin::Pin;
use std::sync::Arc;

use crashworthy_sync::reply::channel;
use crashworthy_sync::task::{Runnable, Task};
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::between::begin_at_once;
use crate::burial::end_late;
use crate::cell::{ActorCell, AnyCell, Core, Status, attach, flag};
use crate::error::{AskError, StartError};
use crate::event::{self, Happening};
use crate::lane::Next;
use crate::life::{Birth, Passed, StartAck, StartFailure, Started, comes_to_life};
use crate::names::LONGEST;
use crate::pid::{ActorId, Pid};
use crate::pools::{Threads, Wish};
use crate::reply::Caller;
use crate::report;
use crate::shared::Shared;
use crate::signal::{Down, MonitorRef};
use crate::ties::{Parent, Watcher};
use crate::turn;
use crate::waits;

/// How a new incarnation is tied to the actor that starts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Under {
    /// The starter is its parent: it may stop it, the slot is kept between incarnations, and closed when the parent
    /// ends.
    pub parent: bool,
    /// It is linked to the starter from before its `init`.
    pub link: bool,
}

/// A start about to be made.
pub(crate) struct Start {
    by: Option<(Pid, Under)>,
    /// Who is told of its end, whenever it comes.
    watcher: Option<(MonitorRef, Watcher)>,
    /// Where it is to run, and the number of the pool of whoever starts it.
    threads: Threads,
    from: u32,
}

impl Start {
    /// By nobody in particular.
    pub(crate) fn alone() -> Self {
        Self { by: None, watcher: None, threads: Threads::Inherited, from: 0 }
    }

    pub(crate) fn under(by: Pid, under: Under) -> Self {
        Self { by: Some((by, under)), ..Self::alone() }
    }

    /// By the system itself, as the top of its tree; the system is told of its end.
    pub(crate) fn top(down: oneshot::Sender<Down>, shared: &Shared) -> Self {
        let watcher = (MonitorRef(shared.next_monitor()), Watcher::Outside(down));
        Self { by: Some((Pid::OUTSIDE, Under { parent: true, link: false })), watcher: Some(watcher), ..Self::alone() }
    }

    /// The same, started from an actor.
    pub(crate) fn from(self, starter: &Core) -> Self {
        Self { from: starter.pool_number(), ..self }
    }

    /// The same, on these threads.
    pub(crate) fn on(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Puts the life of a new incarnation into the cell and makes it run, for somebody who waits for its `init`.
    pub(crate) fn begin<A: Actor>(
        self,
        cell: &ActorCell<A>,
        shared: &Arc<Shared>,
        args: A::Args,
    ) -> Result<Starting, StartError> {
        let (question, ack, starter) = channel::<Started, AskError>(AskError::Died);
        // No turn settles this one: a life that is dropped unsaid is an answer.
        starter.settle(AskError::Died);
        let told = Told { ack, starter };
        let pid = self.put(cell, shared, Some(told), |cell, birth| comes_to_life(cell, args, birth))?;
        Ok(Starting { pid, question })
    }

    /// The same where nobody waits.
    pub(crate) fn launch<A: Actor>(
        self,
        cell: &ActorCell<A>,
        shared: &Arc<Shared>,
        args: A::Args,
    ) -> Result<(), StartError> {
        self.launch_with(cell, shared, |cell, birth| comes_to_life(cell, args, birth))
    }

    /// The same with a life of another kind.
    pub(crate) fn launch_with<A: Actor, L>(
        self,
        cell: &ActorCell<A>,
        shared: &Arc<Shared>,
        life: impl FnOnce(ActorCell<A>, Birth) -> L,
    ) -> Result<(), StartError>
    where
        L: Future<Output = Passed> + Send + 'static,
    {
        self.put(cell, shared, None, life).map(drop)
    }

    fn put<A: Actor, L>(
        mut self,
        cell: &ActorCell<A>,
        shared: &Arc<Shared>,
        told: Option<Told>,
        life: impl FnOnce(ActorCell<A>, Birth) -> L,
    ) -> Result<Pid, StartError>
    where
        L: Future<Output = Passed> + Send + 'static,
    {
        if turn::is_fenced() {
            return Err(StartError::Fenced);
        }
        if shared.is_closed() {
            return Err(StartError::SystemStopped);
        }
        if needs_drop::<A::Args>() {
            // A reply may be among them: a worker for each question.
            waits::gives();
        }
        attach(cell, shared)?;
        let core = cell.core();
        let parent = self.by.as_ref().filter(|(_, under)| under.parent).map(|(parent, _)| *parent);
        let has = core.pool_number();
        let held = shared.stragglers.pool_held_by(core.id());
        let wish = Wish { threads: &self.threads, label: &|| core.label(), has, held, from: self.from };
        let number = shared.pools.lease(shared, &wish)?;
        let pid = take_slot(cell, parent, shared).map_err(|taken| {
            shared.pools.give_back(number);
            match shared.is_closed() {
                // The end of the system has closed the slot meanwhile.
                true => StartError::SystemStopped,
                false => taken,
            }
        })?;
        if number != has || number != 0 {
            core.moves_to(number);
        }
        if let Some((starter, under)) = self.by {
            tie(core, pid, starter, under);
        }
        if matches!(self.threads, Threads::Own | Threads::OwnBeside(_)) {
            shared.pools.rename(number, core.path());
        }
        if let Some((monitor, watcher)) = self.watcher.take() {
            core.ties.lock().tied().watchers.insert((Pid::OUTSIDE, monitor), watcher);
        }
        let (ack, starter) = told.map(|Told { ack, starter }| (ack, starter)).unzip();
        let (system, name) = (&*shared.settings.name, core.name());
        tracing::trace!(system, %pid, name, parent = parent.map(tracing::field::display), actor = type_name::<A>(), "begins");
        if shared.events.is_attended() {
            let kind = report::kind(type_name::<A>());
            event::note(shared, Some(pid), core.path(), Happening::Begins { kind, parent });
        }
        if shared.traces.are_any() {
            shared.traces.begins(core, type_name::<A>());
        }
        let birth = Birth { ack, incarnation: pid.incarnation };
        let life = Box::pin(life(cell.clone(), birth));
        // Before it can begin: it is back when it has.
        core.gate.restarts(core, &shared.port);
        let runnable = begin_at_once(cell, Next { life, starter }).unwrap_or_else(|next| begin_in_turn(cell, next));
        core.gate.tell_dependants(core);
        if let Some(runnable) = runnable {
            core.pool().schedule(runnable);
        }
        if shared.is_closed() {
            let any: Arc<dyn AnyCell> = cell.clone();
            end_late(shared, &any, pid.incarnation);
        }
        Ok(pid)
    }
}

/// Has the next turn of a cell begin a life, when what is to be thrown away before has been.
fn begin_in_turn<A: Actor>(cell: &ActorCell<A>, next: Next) -> Option<Runnable> {
    {
        let mut control = cell.core().control.lock();
        let closing = cell.core().flags() & flag::CLOSE != 0;
        control.begin(next, cell.mailbox.tail(), closing);
        // Before the life can be found: it may end, and close the mailbox, before this returns.
        cell.mailbox.reopen();
    }
    Task::hold_and_wake(cell)
}

/// Two ends of the question whether a start succeeds: the life's, and that of whoever ends it unsaid.
struct Told {
    ack: StartAck,
    starter: Caller,
}

/// The slot begins its next incarnation, if it may.
fn take_slot<A: Actor>(cell: &ActorCell<A>, parent: Option<Pid>, shared: &Shared) -> Result<Pid, StartError> {
    let core = cell.core();
    let parent = parent.map_or(ActorId::OUTSIDE, |parent| parent.id);
    let mut ties = core.ties.lock();
    let mut owned = false;
    if ties.owner() != parent {
        let owner = ties.owner();
        // Another cell may end here: not under the lock.
        drop(ties);
        let keeps = |owner: Arc<dyn AnyCell>| !matches!(owner.core().status(), Status::Gone | Status::Fresh);
        owned = shared.find(owner).is_some_and(keeps);
        ties = core.ties.lock();
        owned |= ties.owner() != owner;
    }
    let free = ties.living() == 0
        && match core.status() {
            Status::Fresh | Status::Down | Status::Stopped => true,
            Status::Starting | Status::Running | Status::Gone => false,
        };
    if owned || !free {
        return Err(StartError::SlotTaken(core.label()));
    }
    let incarnation = core.next_incarnation();
    core.set_status(Status::Starting);
    if ties.owner() != parent {
        ties.disown();
    }
    ties.begin(incarnation);
    Ok(core.pid())
}

/// Ties a new incarnation to its starter before it runs.
fn tie(core: &Core, pid: Pid, starter: Pid, under: Under) {
    let starter_cell = core.shared().find(starter.id);
    let parent = under.parent.then(|| match &starter_cell {
        Some(cell) => as_parent(cell.core(), starter),
        None => Parent::new(starter, ""),
    });
    {
        let mut ties = core.ties.lock();
        if let Some(parent) = parent {
            ties.put_below(parent, under.link);
        } else if under.link {
            ties.link_to_starter(starter);
        }
    }
    let Some(starter_cell) = starter_cell else { return };
    let mut ties = starter_cell.core().ties.lock();
    if !ties.lives(starter.incarnation) {
        return;
    }
    if under.parent {
        ties.adopt(pid.id);
    }
    if under.link {
        ties.link(pid);
    }
}

/// An incarnation as a parent: made once a life.
fn as_parent(core: &Core, pid: Pid) -> Arc<Parent> {
    let mut ties = core.ties.lock();
    if ties.lives(pid.incarnation) { ties.as_parent(pid, || core.label()) } else { Parent::new(pid, &core.label()) }
}

/// A start under way: the incarnation exists, its `init` may still run.
#[must_use = "a start is waited for, or its failure goes unnoticed"]
pub struct Starting {
    pid: Pid,
    question: crate::reply::Question<Started>,
}

impl std::fmt::Debug for Starting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starting").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Starting {
    /// The new incarnation.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for `init`. A start that fails is over when this says so: the incarnation is gone.
    ///
    /// # Errors
    /// [`StartError::Failed`] with the reason, [`StartError::Ignored`] if it chose not to run.
    ///
    /// # Cancel safety
    /// Waiting again goes on where it was left.
    pub async fn ready(&mut self) -> Result<Pid, StartError> {
        match Pin::new(&mut self.question).await {
            Ok(Ok(())) => Ok(self.pid),
            Ok(Err(StartFailure::Ignored)) => Err(StartError::Ignored),
            Ok(Err(StartFailure::Failed(reason))) => Err(StartError::Failed(reason)),
            // The life was dropped before it could say anything: killed before its first turn, or the runtime went.
            Err(_) => Err(StartError::Failed(crate::ExitReason::Killed)),
        }
    }
}

/// Gives an incarnation a name.
pub(crate) fn register(cell: &Arc<dyn AnyCell>, pid: Pid, name: &str) -> Result<(), StartError> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(StartError::Setting(format!("a name of {} bytes, allowed are 1 to {LONGEST}", name.len())));
    }
    let name: Arc<str> = name.into();
    let core = cell.core();
    let mut ties = core.ties.lock();
    if !ties.lives(pid.incarnation) {
        return Err(StartError::Fenced);
    }
    if !core.shared().names.register(&name, pid, Arc::downgrade(cell)) {
        return Err(StartError::NameTaken(name.to_string()));
    }
    let names = &mut ties.tied().names;
    if !names.contains(&name) {
        names.push(name);
    }
    Ok(())
}
