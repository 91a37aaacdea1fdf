//! One incarnation's life, from `init` to its last signal, and the turns that run it.
//!
//! ```text
//! start ─▶ life set in the control lane ─▶ turn: init ─▶ loop { next ─▶ handle | on_signal } ─▶ terminate
//!                                                                         └▶ state dropped ─▶ finish: names, links,
//!                                                                            monitors, children; then Down or closed
//! ```
//! A life owns the incarnation's state; the cell owns everything else. What a turn may not do once its incarnation was
//! abandoned is checked where it comes back from user code.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll, Waker};

use crashworthy_sync::mailbox::{Pop, Receiver};
use crashworthy_sync::reply::Replier;
use crashworthy_sync::task::{Abandon, Claim, Ran, Run, Runnable, Schedule, Stale, Task};

use crate::actor::Actor;
use crate::cell::{ActorCell, AnyCell, Cell, Inlet, Owner, Status, flag};
use crate::context::Context;
use crate::crash::{contain, contain_drop};
use crate::dead_letter::{DeadLetter, Fallen};
use crate::end::{End, Ended};
use crate::envelope::Envelope;
use crate::error::AskError;
use crate::exit::{Callback, ExitReason, Verdict};
use crate::guard::{Met, catch, guard};
use crate::inbox::{Inbox, Item};
use crate::kinds::short;
use crate::lane::{Fate, Life};
use crate::pid::Pid;
use crate::serve::{Ending, given_up, panicked, serve};
use crate::signal::{Down, Via, send_down, send_exit};
use crate::ties::Tied;
use crate::turn::{self, Call, Turn};
use tokio::sync::mpsc;

/// How a start ended, for whoever waits for it.
pub(crate) type Started = Result<(), StartFailure>;
pub(crate) type StartAck = Replier<Started, AskError>;

/// Why an incarnation never became ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StartFailure {
    Ignored,
    Failed(ExitReason),
}

/// What a new incarnation is born with.
pub(crate) struct Birth {
    pub(crate) pid: Pid,
    pub(crate) parent: Option<Pid>,
    pub(crate) ack: StartAck,
}

/// What an attempt to abandon an incarnation met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoning {
    /// The slot is free for the next incarnation; the stuck turn is fenced.
    Done,
    /// The incarnation has ended meanwhile.
    Ended,
    /// Its turn is in runtime code: it will notice by itself, or try again.
    Busy,
    /// Another turn of this slot is stuck already: at most one straggler a slot.
    Straggling,
}

/// The life of one incarnation.
pub(crate) async fn live<A: Actor>(cell: ActorCell<A>, args: A::Args, birth: Birth) -> Ended {
    let mut inbox = Inbox::open(cell.clone());
    let mut end = End::new(cell.clone(), birth.pid);
    let mut cx = Context::new(cell.clone(), birth.pid, birth.parent);
    let init = match inbox.fate_before_init() {
        None => guard(&cell, Call::NONE, A::init(args, &mut cx)).await,
        Some(fate) => Met::Interrupted(fate),
    };
    if !matches!(init, Met::Interrupted(Fate::Fenced)) {
        // From here on it is this life that answers whoever waits for the start.
        drop(cell.core.in_hand.lock().take());
    }
    let state = match init {
        Met::Returned(Ok(state)) => state,
        Met::Returned(Err(exit)) if exit.is_ignore() => {
            return end.before_start(birth.ack, StartFailure::Ignored, ExitReason::Normal);
        }
        Met::Returned(Err(exit)) => {
            let reason = match exit.verdict(Callback::Init, None) {
                Verdict::Incarnation(reason) => reason,
                Verdict::Message => exit.reason(),
            };
            return end.before_start(birth.ack, StartFailure::Failed(reason.clone()), reason);
        }
        Met::Panicked(panic) => {
            let reason = end.panicked(panic, Callback::Init, None);
            return end.before_start(birth.ack, StartFailure::Failed(reason.clone()), reason);
        }
        Met::Interrupted(Fate::Dies(reason) | Fate::Stops(reason)) => {
            return end.before_start(birth.ack, StartFailure::Failed(reason.clone()), reason);
        }
        Met::Interrupted(Fate::Fenced) => return end.ended(ExitReason::Killed),
    };
    set_running(&cell, birth.pid.incarnation);
    // Whoever started it may have gone: the actor lives on, tied by its link if there is one.
    let _ = birth.ack.send(Ok(()));
    if birth.parent.is_some() {
        // Its supervisor, made runnable by this very turn, goes first: a handler that blocks the thread must not hold
        // up whoever would have to end it.
        let mut went = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut went, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
    let mut state = state;
    let served = catch(serve(&cell, &mut state, &mut cx, &mut inbox, &mut end)).await;
    cx.call = Call::NONE;
    let mut ending = served.unwrap_or_else(|panic| panicked(&cell, panic, &mut end));
    if ending.terminates {
        match guard(&cell, Call::NONE, state.terminate(&ending.reason, &mut cx)).await {
            Met::Returned(()) => {}
            Met::Panicked(panic) => ending.reason = end.panicked(panic, Callback::Terminate, None),
            Met::Interrupted(Fate::Dies(reason) | Fate::Stops(reason)) => ending.reason = reason,
            Met::Interrupted(Fate::Fenced) => {}
        }
    }
    // Its destructor is user code: it may block, and then the turn can be abandoned like any other.
    let dropped = match cell.user(|| contain_drop(state)) {
        Ok(dropped) => dropped,
        Err((_, Stale)) => return end.ended(ExitReason::Killed),
    };
    if let Err(panic) = dropped {
        // Its first cause is worth more than what its remains did.
        let reason = end.panicked(panic, Callback::Drop, None);
        if ending.reason.is_normal_class() {
            ending.reason = reason;
        }
    }
    end.ended(ending.reason)
}

/// The life of a stand-in: what it is told goes to whoever reads the channel.
pub(crate) async fn forward<A: Actor>(cell: ActorCell<A>, to: mpsc::Sender<A::Msg>, birth: Birth) -> Ended {
    let mut inbox = Inbox::open(cell.clone());
    drop(cell.core.in_hand.lock().take());
    set_running(&cell, birth.pid.incarnation);
    // Nobody waits for this start.
    let _ = birth.ack.send(Ok(()));
    loop {
        match inbox.next().await {
            Item::Message(Envelope { msg, .. }) => {
                cell.core.counters.handled.bump();
                // The reader may have gone: then the message is nobody's.
                let _ = to.send(msg).await;
            }
            Item::Own(_) | Item::Signal(_) => {}
            Item::Fate(fate) => return Ended::of(birth.pid, Ending::by(fate).reason),
        }
    }
}

fn set_running<A: Actor>(cell: &ActorCell<A>, incarnation: u32) {
    let ties = cell.core.ties.lock();
    if ties.lives(incarnation) {
        cell.core.set_status(Status::Running);
    }
}

impl<A: Actor> Schedule for Cell<A> {
    fn schedule(task: &Arc<Task<Self>>, runnable: Runnable) {
        task.core.shared().pool.schedule(runnable);
    }
}

impl<A: Actor> Run for Cell<A> {
    type Owner = Owner<A>;

    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        let (life, waker) = task.with_owner(|owner| (owner.life.take(), owner.waker.take())).unwrap_or_default();
        let life = match life {
            Some(life) => life,
            None => match between(task) {
                Between::Live(life) => life,
                Between::Again => return claim.again(),
                Between::Rest => return claim.idle(),
                Between::Close => {
                    // The claim on the mailbox and the waker hold the task: they go with its hold.
                    drop(task.with_owner(|owner| owner.receiver.take()));
                    return claim.release();
                }
            },
        };
        let waker = waker.unwrap_or_else(|| Waker::from(task.clone()));
        let core = &task.core;
        let pid = core.pid();
        let began = core.pace.is_due().then(|| core.shared().port.now_ns());
        let turned = {
            let _turn = turn::enter_system(Turn { pid, call: Call::NONE }, &core.shared().stragglers);
            poll(life, &waker)
        };
        if claim.is_stale() {
            return retire(task, claim, turned, pid);
        }
        if let Some(began) = began {
            core.pace.note(core.shared().port.now_ns().saturating_sub(began));
        }
        match turned {
            Turned::Pending(life) => {
                if core.doing.load(Relaxed) != 0 {
                    core.pace.awaits();
                }
                task.with_owner(|owner| {
                    owner.life = Some(life);
                    owner.waker = Some(waker);
                    if core.doing.load(Relaxed) != 0
                        && let Some(receiver) = &mut owner.receiver
                    {
                        // The message in hand leaves room while its handler awaits.
                        receiver.flush();
                    }
                });
                claim.idle()
            }
            Turned::Ended(ended) => {
                finish(task, ended);
                claim.again()
            }
        }
    }
}

/// Polls a life once. It contains its callbacks itself.
#[inline]
fn poll(mut life: Life, waker: &Waker) -> Turned {
    match life.as_mut().poll(&mut Poller::from_waker(waker)) {
        Poll::Pending => Turned::Pending(life),
        Poll::Ready(ended) => {
            let _ = contain_drop(life);
            Turned::Ended(ended)
        }
    }
}

/// Ends a turn whose incarnation was abandoned meanwhile: whatever it came back with belongs to the dead.
fn retire<A: Actor>(task: &ActorCell<A>, claim: Claim<'_, Cell<A>>, turned: Turned, pid: Pid) -> Ran {
    if let Turned::Pending(life) = turned {
        let _ = contain_drop(life);
    }
    task.core.shared().stragglers.remove(pid);
    tracing::warn!(%pid, name = task.core.label(), "a stuck turn of an abandoned incarnation has returned");
    let (_, ran) = claim.retire();
    ran
}

/// What a turn came back with.
enum Turned {
    Pending(Life),
    Ended(Ended),
}

/// What a cell without a life is to do.
enum Between {
    Live(Life),
    Again,
    Rest,
    Close,
}

/// A turn between two incarnations: throws away what is to be thrown away, then begins the next life, rests or closes.
fn between<A: Actor>(task: &ActorCell<A>) -> Between {
    let core = &task.core;
    drain_own(task);
    let (flush, close) = core.control.lock().flushes();
    if let Some(until) = flush
        && !drain(task, until)
    {
        return Between::Again;
    }
    let mut control = core.control.lock();
    if control.flushes() != (flush, close) {
        return Between::Again;
    }
    control.flushed();
    match control.start.take() {
        Some(life) => {
            drop(control);
            match task.with_owner(|owner| open_receiver(task, owner).is_some()) {
                Some(true) => Between::Live(life),
                _ => {
                    core.control.lock().start = Some(life);
                    Between::Again
                }
            }
        }
        None if close => Between::Close,
        None => Between::Rest,
    }
}

/// Timers and futures die with their incarnation, and so does what they had sent.
fn drain_own<A: Actor>(task: &ActorCell<A>) {
    let core = &task.core;
    let own = {
        let mut own = task.own.lock();
        // Counted before they are taken: whoever sees none left sees them all counted.
        for _ in own.iter().flat_map(|queue| queue.iter()) {
            core.counters.own.bump();
            core.counters.undelivered.bump();
        }
        own.take()
    };
    for entry in own.into_iter().flat_map(|queue| *queue) {
        let _ = contain_drop(entry);
    }
    core.lower(flag::OWN);
}

/// Throws away what is queued before a position; its askers are told. False: a sender is about to fill its place, come
/// again.
fn drain<A: Actor>(task: &ActorCell<A>, until: u64) -> bool {
    use crate::message::Message;
    let core = &task.core;
    let pop = |receiver: &mut Inlet<A>| if receiver.position() < until { receiver.pop() } else { Pop::Empty };
    loop {
        let pop = task.with_owner(|owner| open_receiver(task, owner).map(pop)).flatten();
        let Some(pop) = pop else { return false };
        match pop {
            Pop::Message(Envelope { msg, caller, from, stamp, .. }) => {
                core.counters.undelivered.bump();
                let letter = DeadLetter {
                    to: core.pid(),
                    to_name: core.name.as_deref().map(str::to_owned),
                    kind: contain(|| short(msg.kind())).unwrap_or("?"),
                    from,
                    age: core.shared().age(stamp),
                    size: size_of::<A::Msg>(),
                    fallen: Fallen::Undelivered,
                    message: contain(|| msg.salvage()).unwrap_or_default(),
                };
                if let Some(caller) = caller {
                    caller.force(AskError::Refused(core.closed()));
                }
                let _ = contain_drop(msg);
                core.shared().dead_letters.post(letter);
            }
            Pop::Busy => return false,
            Pop::Empty | Pop::ClosedAndEmpty => {
                task.with_owner(|owner| owner.receiver.as_mut().map(|receiver| receiver.flush()));
                return true;
            }
        }
    }
}

/// The consuming end of the mailbox, claimed when it is first needed.
fn open_receiver<'o, A: Actor>(task: &ActorCell<A>, owner: &'o mut Owner<A>) -> Option<&'o mut Inlet<A>> {
    if owner.receiver.is_none() {
        owner.receiver = Receiver::claim(task.clone(), |task: &Task<Cell<A>>| &task.mailbox);
    }
    owner.receiver.as_mut()
}

/// The last act of an incarnation: gives back its names, tells whoever is tied to it, and leaves the slot `Down` for a
/// parent that may restart it, else closed.
fn finish<A: Actor>(task: &ActorCell<A>, ended: Ended) {
    let Ended { pid, reason, failed_start, report } = ended;
    let core = &task.core;
    let shared = core.shared();
    if let Some(report) = report {
        report.emit();
        shared.record_crash(*report);
    }
    let any: Arc<dyn AnyCell> = task.clone();
    bury(&any, pid, &reason, failed_start.is_some(), false);
    if let Some((ack, failure)) = failed_start {
        // Whoever started it may have gone.
        let _ = ack.send(Err(failure));
    }
}

/// Unties a dead incarnation from everybody.
fn bury(cell: &Arc<dyn AnyCell>, pid: Pid, reason: &ExitReason, never_started: bool, abandoned: bool) {
    let core = cell.core();
    let shared = core.shared();
    let (tied, forgotten) = {
        let mut ties = core.ties.lock();
        if !ties.lives(pid.incarnation) {
            return;
        }
        core.lower(flag::TRAPS | flag::URGENT | flag::ORDERED);
        let mut control = core.control.lock();
        let forgotten = control.clear_signals();
        let tied = ties.end();
        let parented = tied.as_ref().is_some_and(|tied| tied.has_living_parent());
        let kept = parented && !shared.is_closed();
        // The slot of a child whose parent has ended may be started again by the parent's next incarnation.
        let over = if shared.is_closed() || tied.as_ref().is_none_or(|tied| tied.parent.is_none()) {
            Status::Gone
        } else {
            Status::Stopped
        };
        core.set_status(if kept { Status::Down } else { over });
        if !kept {
            control.lane().close = true;
        }
        (tied, forgotten)
    };
    if core.status() != Status::Down {
        cell.clone().close_mailbox();
    }
    drop(forgotten);
    let Some(tied) = tied else { return };
    let Tied { parent: _, starter, links, watchers, monitors, children, names, groups } = *tied;
    for name in names {
        shared.names.release(&name, pid);
    }
    for group in groups {
        shared.groups.leave(&group, pid);
    }
    for (monitor, (target, target_cell)) in monitors {
        if let Some(target_cell) = target_cell.upgrade() {
            let mut ties = target_cell.core().ties.lock();
            if ties.lives(target.incarnation) {
                ties.tied().watchers.remove(&(pid, monitor));
            }
        }
    }
    let quiet = starter.filter(|_| never_started);
    for (other, other_cell) in links {
        if let Some(other_cell) = other_cell.upgrade() {
            if Some(other) == quiet {
                // A failed start is answered, not signalled.
                other_cell.core().ties.lock().unlink(pid);
            } else {
                let _ = send_exit(&other_cell, other.incarnation, pid, reason.clone(), Via::Link);
            }
        }
    }
    for ((_, monitor), watcher) in watchers {
        send_down(watcher, Down { monitor, pid, reason: reason.clone(), abandoned });
    }
    // Slots whose parent died: the living are told by their links and close when they end; the others close now.
    for child in children.into_values().filter_map(|child| child.upgrade()) {
        child.shut(Status::Stopped);
    }
}

/// Takes the slot from an incarnation whose turn blocks its thread.
pub(crate) fn abandon<A: Actor>(task: &ActorCell<A>, incarnation: u32) -> Abandoning {
    let core = &task.core;
    let pid = Pid { id: core.id(), incarnation };
    if !core.ties.lock().lives(incarnation) {
        return Abandoning::Ended;
    }
    let shared = core.shared();
    shared.stragglers.add(pid);
    let heir = |old: &mut Owner<A>| Owner { life: None, receiver: old.receiver.take(), waker: None };
    let runnable = match Task::abandon(task, heir) {
        Abandon::Done(runnable) => runnable,
        Abandon::NotRunning | Abandon::Busy => {
            shared.stragglers.remove(pid);
            return Abandoning::Busy;
        }
        Abandon::Straggler => {
            shared.stragglers.remove(pid);
            return Abandoning::Straggling;
        }
    };
    tracing::error!(%pid, name = core.label(), message_in_hand = core.kind_in_hand(), "incarnation abandoned: a turn of it does not return");
    // A copy of it, if there is one, is out of reach on the stuck thread.
    if let Some(kind) = core.kind_in_hand() {
        given_up(task, pid, kind, None);
        core.counters.given_up.bump();
        core.doing.store(0, Relaxed);
    }
    if let Some(caller) = core.in_hand.lock().take() {
        caller.force(AskError::Died);
    }
    let any: Arc<dyn AnyCell> = task.clone();
    bury(&any, pid, &ExitReason::Killed, false, true);
    shared.pool.schedule(runnable);
    Abandoning::Done
}
