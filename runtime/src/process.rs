//! The turns that run an incarnation's life, and the ways a turn and an incarnation end.
//!
//! ```text
//! start ─▶ life set in the control lane ─▶ turns poll it ─▶ finish: names, links, monitors, children;
//!                                                           then Down or closed
//! ```
//! A life owns the incarnation's state; the cell owns everything else. What a turn may not do once its incarnation was
//! abandoned is checked where it comes back from user code.

use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use crashworthy_sync::label::Label;
use crashworthy_sync::task::{Abandon, Claim, Ran, Run, Runnable, Schedule, Task};

use crate::actor::Actor;
use crate::between::{Between, between};
use crate::cell::{ActorCell, Cell, Inlet, Owner};
use crate::crash::contain_drop;
use crate::end::Ended;
use crate::error::AskError;
use crate::event::{self, Happening};
use crate::exit::ExitReason;
use crate::life::{Life, Passed};
use crate::pace::Timing;
use crate::pid::Pid;
use crate::reply::Caller;
use crate::report;
use crate::settle::given_up;
use crate::turn;
use crate::untie::bury;
use crate::waits::{self, Notes};

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

impl<A: Actor> Schedule for Cell<A> {
    fn schedule(task: &Arc<Task<Self>>, runnable: Runnable) {
        task.core().pool().schedule(runnable);
    }

    fn waker_is_kept(task: &Arc<Task<Self>>) {
        waits::waker_is_kept(task.core().id());
    }
}

impl<A: Actor> Run for Cell<A> {
    type Owner = Owner<A>;

    #[inline]
    fn again(task: &Arc<Task<Self>>, runnable: Runnable) -> Option<Runnable> {
        let core = task.core();
        if core.pool_number() == 0 || core.pool().is_current() {
            return Some(runnable);
        }
        // It was moved to other threads, or this thread was only lent.
        core.pool().schedule(runnable);
        None
    }

    #[inline]
    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        task.change_guise();
        let life = match task.with_owner(|owner| owner.life.take()).flatten() {
            Some(life) => life,
            None => match between(task) {
                Between::Live(life) => life,
                Between::Pause(pause) => return pause.end(task, claim),
            },
        };
        let core = task.core();
        let pid = core.pid();
        let shared = core.shared();
        let timing = Timing::begin(core);
        let turned = {
            let _turn = turn::enter_system(pid, &shared.stragglers);
            core.pool().now_running(pid.id.as_u64());
            waits::begins();
            Task::with_waker(task, |waker| poll(life, waker))
        };
        let notes = Notes::take();
        if claim.is_stale() {
            notes.forget();
            return retire(task, claim, turned, pid);
        }
        match turned {
            Turned::Pending(life) => {
                let awaits = !core.doing.get().is_none();
                if let Some(timing) = timing {
                    timing.end(task, awaits);
                }
                task.with_owner(|owner| {
                    owner.life = Some(life);
                    if awaits {
                        // The message in hand leaves room while its handler awaits.
                        core.pace.awaits();
                        owner.receiver.as_mut().map(Inlet::<A>::flush);
                        if notes.gave() {
                            owner.caller.as_ref().map(Caller::lend);
                        }
                    }
                });
                notes.publish(core, &**task);
                claim.idle()
            }
            Turned::Ended(ended) => {
                core.pace.rests();
                notes.publish(core, &**task);
                finish(task, ended);
                if turn::is_in_place() {
                    // Whoever takes this turn waits for an answer, not for what is queued to be thrown away.
                    return claim.again();
                }
                match between(task) {
                    Between::Live(life) => {
                        // The next incarnation waits its turn like anybody else.
                        task.with_owner(|owner| owner.life = Some(life));
                        claim.again()
                    }
                    Between::Pause(pause) => pause.end(task, claim),
                }
            }
        }
    }
}

/// Polls a life until it waits or has ended. It contains its callbacks itself.
#[inline]
fn poll(mut life: Life, waker: &Waker) -> Turned {
    loop {
        let Poll::Ready(passed) = life.as_mut().poll(&mut Poller::from_waker(waker)) else {
            return Turned::Pending(life);
        };
        let _ = contain_drop(life);
        match passed {
            Passed::Ended(ended) => return Turned::Ended(ended),
            Passed::On(rest) => life = rest,
        }
    }
}

/// Ends a turn whose incarnation was abandoned meanwhile: whatever it came back with belongs to the dead.
fn retire<A: Actor>(task: &ActorCell<A>, claim: Claim<'_, Cell<A>>, turned: Turned, pid: Pid) -> Ran {
    if let Turned::Pending(life) = turned {
        let _ = contain_drop(life);
    }
    task.core().shared().stragglers.remove(pid);
    tracing::warn!(%pid, name = task.core().label(), "a stuck turn of an abandoned incarnation has returned");
    let core = task.core();
    event::note(core.shared(), Some(pid), core.last_path(), Happening::Returned);
    let (_, ran) = claim.retire();
    ran
}

/// What a turn came back with.
enum Turned {
    Pending(Life),
    Ended(Ended),
}

/// The last act of an incarnation: gives back its names, tells whoever is tied to it, and leaves the slot `Down` for a
/// parent that may restart it, else closed.
fn finish<A: Actor>(task: &ActorCell<A>, ended: Ended) {
    let Ended { pid, reason, failed_start, report } = ended;
    bury(&**task, pid, &reason, failed_start.is_some(), report, false);
    if let Some((Some(ack), failure)) = failed_start {
        // Whoever started it may have gone.
        let _ = ack.send(Err(failure));
    }
}

/// Has an actor that was killed take its last turn on the system's own threads, if it waits for one of its own that others
/// block: it would wait as long as they do, and there is no turn of it that could be abandoned.
fn ends_elsewhere<A: Actor>(task: &ActorCell<A>) {
    let core = task.core();
    if core.pool_number() == 0 || !core.control.lock().look().is_some_and(|lane| lane.kill) {
        return;
    }
    for runnable in core.pool().take_out(|runnable| runnable.is_of(task)) {
        core.shared().pool.schedule(runnable);
    }
}

/// Takes the slot from an incarnation whose turn blocks its thread.
pub(crate) fn abandon<A: Actor>(task: &ActorCell<A>, incarnation: u32) -> Abandoning {
    let core = task.core();
    let pid = Pid { id: core.id(), incarnation };
    if !core.ties.lock().lives(incarnation) {
        return Abandoning::Ended;
    }
    let shared = core.shared();
    let mut caller = None;
    let heir = |old: &mut Owner<A>| {
        // Decided: no earlier, or a turn that is not abandoned after all would be refused what it sends meanwhile.
        shared.stragglers.add(pid, core.pool_number());
        caller = old.caller.take();
        Owner::new(old.receiver.take())
    };
    let runnable = match Task::abandon(task, heir) {
        Abandon::Done(runnable) => runnable,
        Abandon::NotRunning => {
            ends_elsewhere(task);
            return Abandoning::Busy;
        }
        Abandon::Busy => return Abandoning::Busy,
        Abandon::Straggler => return Abandoning::Straggling,
    };
    shared.stragglers.places.revoke(pid, |id| shared.find(id));
    tracing::error!(%pid, name = core.label(), message_in_hand = core.kind_in_hand(), "incarnation abandoned: a turn of it does not return");
    let message = core.kind_in_hand().map(report::kind);
    event::note(shared, Some(pid), core.path(), Happening::Abandoned { message });
    // A copy of it, if there is one, is out of reach on the stuck thread.
    if let Some(kind) = core.kind_in_hand() {
        given_up(task, pid, kind, None);
        core.counters().rare().given_up.bump();
        core.doing.set(Label::NONE);
    }
    core.enters(None);
    // What it was last seen to wait for holds a waker of this cell, and no turn of it comes back to take that away.
    waits::withdraw(core);
    // How long the stuck turn took says nothing of its heir's.
    core.pace.rests();
    if let Some(caller) = caller {
        caller.force(AskError::Died);
    }
    bury(&**task, pid, &ExitReason::Killed, false, None, true);
    core.pool().schedule(runnable);
    Abandoning::Done
}
