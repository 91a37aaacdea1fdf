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

use crashworthy_sync::reply::Replier;
use crashworthy_sync::task::{Abandon, Claim, Ran, Run, Runnable, Schedule, Stale, Task};

use crate::actor::Actor;
use crate::between::{Between, between};
use crate::cell::{ActorCell, Cell, Inlet, Owner, Status};
use crate::crash::{contain, contain_drop, discard};
use crate::end::{End, Ended};
use crate::envelope::Envelope;
use crate::error::AskError;
use crate::exit::{Callback, Exit, ExitReason, Verdict};
use crate::guard::{Broken, Met, catch, guard};
use crate::inbox::{Inbox, Item};
use crate::lane::{Fate, Life};
use crate::pace::Timing;
use crate::pid::Pid;
use crate::readiness;
use crate::reply::Caller;
use crate::serve::{Being, Ending, given_up, panicked, serve};
use crate::turn::{self, Call};
use crate::untie::bury;
use crate::waits::{self, Notes};
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
    /// Whoever waits for the start.
    pub(crate) ack: Option<StartAck>,
    pub(crate) incarnation: u32,
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
///
/// Every actor keeps such a frame: what is captured stays where it is, and what is rare lies elsewhere.
pub(crate) fn live<A: Actor>(cell: ActorCell<A>, args: A::Args, birth: Birth) -> impl Future<Output = Ended> + Send {
    let Birth { ack, incarnation } = birth;
    let mut being = Being::new(cell, incarnation);
    async move {
        let mut state = {
            let init = match Inbox::fate_before_init(&being.cell) {
                None => {
                    being.cell.core().note_turn();
                    guard(&being.cell, A::init(args, &mut being.cx)).await
                }
                Some(fate) => {
                    discard(args);
                    Met::interrupted(fate)
                }
            };
            let ready = match init {
                Met::Returned(Ok(state)) => readiness::first(&being.cell, &being.cx, state),
                failed => failed,
            };
            match ready {
                Met::Returned(Ok(state)) => state,
                failed => return stillborn(&being.cell, failed, being.end, ack),
            }
        };
        if begun(&being.cell, incarnation, ack) {
            give_way().await;
        }
        let served = catch(serve(&mut being, &mut state)).await;
        let Being { cell, mut cx, mut end, .. } = being;
        let mut ending = served.unwrap_or_else(|panic| panicked(&cell, panic, &mut end));
        if ending.terminates {
            enters(&cell, Callback::Terminate);
            match guard(&cell, state.terminate(&ending.reason, &mut cx)).await {
                Met::Returned(()) => {}
                Met::Broken(broken) => match *broken {
                    Broken::Panicked(panic) => ending.reason = end.panicked(&cell, panic, Callback::Terminate, None),
                    Broken::Interrupted(Fate::Dies(reason) | Fate::Stops(reason)) => ending.reason = reason,
                    Broken::Interrupted(Fate::Fenced) => {}
                },
            }
        }
        bury_state(&cell, state, end, ending.reason)
    }
}

/// Which callback the incarnation is in now. Nothing is said of one that was abandoned: the cell is its heir's.
fn enters<A: Actor>(cell: &ActorCell<A>, callback: Callback) {
    cell.with_owner(|_| cell.core().enters(Some(callback)));
}

/// Drops the state. Its destructor is user code: it may block, and then the turn can be abandoned like any other.
fn bury_state<A: Actor>(cell: &ActorCell<A>, state: A, mut end: End, reason: ExitReason) -> Ended {
    if std::mem::needs_drop::<A>() {
        enters(cell, Callback::Drop);
    }
    match cell.user(|| contain_drop(state)) {
        Ok(Ok(())) => end.ended(cell, reason),
        Ok(Err(panic)) => {
            // Its first cause is worth more than what its remains did.
            let dropped = end.panicked(cell, panic, Callback::Drop, None);
            end.ended(cell, if reason.is_normal_class() { dropped } else { reason })
        }
        Err((_, Stale)) => end.ended(cell, ExitReason::Killed),
    }
}

/// `init` has returned: from here on it is this life that answers whoever waits for the start. Whether it has a parent.
fn begun<A: Actor>(cell: &ActorCell<A>, incarnation: u32, ack: Option<StartAck>) -> bool {
    drop(cell.with_owner(|owner| owner.caller.take()));
    cell.core().enters(None);
    let parented = {
        let ties = cell.core().ties.lock();
        if ties.lives(incarnation) {
            cell.core().set_status(Status::Running);
        }
        ties.parent().is_some()
    };
    if let Some(ack) = ack {
        // Whoever started it may have gone: the actor lives on, tied by its link if there is one.
        let _ = ack.send(Ok(()));
    }
    parented
}

/// `init` has not returned a state.
#[cold]
fn stillborn<A: Actor>(
    cell: &ActorCell<A>,
    failed: Met<Result<A, Exit>>,
    mut end: End,
    ack: Option<StartAck>,
) -> Ended {
    if failed.is_fenced() {
        return end.ended(cell, ExitReason::Killed);
    }
    drop(cell.with_owner(|owner| owner.caller.take()));
    let reason = match failed {
        Met::Returned(Ok(_)) => unreachable!("a state is none of the failures"),
        Met::Returned(Err(exit)) if exit.is_ignore() => {
            return end.before_start(cell, ack, StartFailure::Ignored, ExitReason::Normal);
        }
        Met::Returned(Err(exit)) => {
            // The error is the author's: its text, and its end.
            let judge = move || match exit.verdict(Callback::Init, None) {
                Verdict::Incarnation(reason) => reason,
                Verdict::Message => exit.reason(),
            };
            contain(judge).unwrap_or_else(|panic| end.panicked(cell, panic, Callback::Init, None))
        }
        Met::Broken(broken) => match *broken {
            Broken::Panicked(panic) => end.panicked(cell, panic, Callback::Init, None),
            Broken::Interrupted(fate) => Ending::by(fate).reason,
        },
    };
    end.before_start(cell, ack, StartFailure::Failed(reason.clone()), reason)
}

/// Its supervisor, made runnable by this very turn, goes first: a handler that blocks the thread must not hold up whoever
/// would have to end it.
async fn give_way() {
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

/// The life of a stand-in: what it is told goes to whoever reads the channel.
pub(crate) async fn forward<A: Actor>(cell: ActorCell<A>, to: mpsc::Sender<A::Msg>, birth: Birth) -> Ended {
    let mut inbox = Inbox::open();
    let end = End::new(birth.incarnation);
    begun(&cell, birth.incarnation, birth.ack);
    loop {
        if let Some(Envelope { msg, .. }) = inbox.message(&cell) {
            cell.core().counters.handled.bump();
            if let Err(unread) = to.send(msg).await {
                discard(unread);
            }
            continue;
        }
        match inbox.next(&cell).await {
            Item::Own => discard(inbox.own(&cell)),
            Item::Message | Item::Signal(_) | Item::Recheck => {}
            Item::Fate(fate) => return end.ended(&cell, Ending::by(fate).reason),
        }
    }
}

impl<A: Actor> Schedule for Cell<A> {
    fn schedule(task: &Arc<Task<Self>>, runnable: Runnable) {
        task.core().shared().pool.schedule(runnable);
    }

    fn waker_is_cloned() {
        waits::waker_is_cloned();
    }
}

impl<A: Actor> Run for Cell<A> {
    type Owner = Owner<A>;

    #[inline]
    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        let taken = task.with_owner(|owner| {
            owner.guise = owner.guise.other();
            (owner.life.take(), owner.guise, std::mem::take(&mut owner.looks_again))
        });
        let (life, guise, looked_again) = taken.unwrap_or_default();
        let life = match life {
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
            waits::begins();
            Task::with_waker_as(task, guise, |waker| poll(life, waker))
        };
        let notes = Notes::take();
        if claim.is_stale() {
            return retire(task, claim, turned, pid);
        }
        match turned {
            Turned::Pending(life) => {
                let awaits = core.doing.load(Relaxed) != 0;
                if let Some(timing) = timing {
                    timing.end(task, awaits);
                }
                let looks_again = notes.are_doubtful() && !looked_again;
                task.with_owner(|owner| {
                    owner.life = Some(life);
                    owner.looks_again = looks_again;
                    if awaits {
                        // The message in hand leaves room while its handler awaits.
                        core.pace.awaits();
                        owner.receiver.as_mut().map(Inlet::<A>::flush);
                        if notes.gave() {
                            owner.caller.as_ref().map(Caller::lend);
                        }
                    }
                });
                notes.publish(&**task);
                if looks_again { claim.again() } else { claim.idle() }
            }
            Turned::Ended(ended) => {
                core.pace.rests();
                notes.publish(&**task);
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
    task.core().shared().stragglers.remove(pid);
    tracing::warn!(%pid, name = task.core().label(), "a stuck turn of an abandoned incarnation has returned");
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
        shared.stragglers.add(pid);
        caller = old.caller.take();
        Owner {
            life: None,
            receiver: old.receiver.take(),
            caller: None,
            call: Call::NONE,
            guise: old.guise,
            looks_again: false,
        }
    };
    let runnable = match Task::abandon(task, heir) {
        Abandon::Done(runnable) => runnable,
        Abandon::NotRunning | Abandon::Busy => return Abandoning::Busy,
        Abandon::Straggler => return Abandoning::Straggling,
    };
    shared.stragglers.places.revoke(pid, |id| shared.find(id));
    tracing::error!(%pid, name = core.label(), message_in_hand = core.kind_in_hand(), "incarnation abandoned: a turn of it does not return");
    // A copy of it, if there is one, is out of reach on the stuck thread.
    if let Some(kind) = core.kind_in_hand() {
        given_up(task, pid, kind, None);
        core.counters.rare().given_up.bump();
        core.doing.store(0, Relaxed);
    }
    core.enters(None);
    // How long the stuck turn took says nothing of its heir's.
    core.pace.rests();
    if let Some(caller) = caller {
        caller.force(AskError::Died);
    }
    bury(&**task, pid, &ExitReason::Killed, false, None, true);
    shared.pool.schedule(runnable);
    Abandoning::Done
}
