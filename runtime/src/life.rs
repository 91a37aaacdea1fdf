//! One incarnation's life, from `init` to its last signal.
//!
//! ```text
//!   ┌ coming to life ─────┐   ┌ living ──────────────────────────────────────────────────────────┐
//!   │ init ─▶ ready       │──▶│ loop { next ─▶ handle | on_signal } ─▶ terminate ─▶ state dropped │─▶ Ended
//!   └─────────────────────┘   └──────────────────────────────────────────────────────────────────┘
//! ```
//! A life is two futures, one after the other, each in an allocation of its own: what `init` needed, its arguments and
//! everything that it kept across an await, is given back when it has returned.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crashworthy_sync::reply::Replier;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::cell::{ActorCell, Status};
use crate::context::Context;
use crate::crash::{contain, discard};
use crate::end::{End, Ended};
use crate::envelope::Envelope;
use crate::error::AskError;
use crate::event::{self, Happening};
use crate::exit::{Callback, Exit, ExitReason};
use crate::gate::Marks;
use crate::guard::{Broken, Met, guard};
use crate::inbox::{Aside, Inbox, Item};
use crate::kept::catch;
use crate::readiness;
use crate::serve::{Being, Ending, serve};
use crate::view;

/// A part of one incarnation's life: a future that the cell's turns poll.
pub(crate) type Life = Pin<Box<dyn Future<Output = Passed> + Send>>;

/// How a part of a life has ended.
pub(crate) enum Passed {
    /// With the incarnation.
    Ended(Ended),
    /// Another part begins, in the same turn.
    On(Life),
}

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

/// The first part: `init`.
pub(crate) fn comes_to_life<A: Actor>(
    cell: ActorCell<A>,
    args: A::Args,
    birth: Birth,
) -> impl Future<Output = Passed> + Send {
    let Birth { ack, incarnation } = birth;
    let mut cx = Context::new(cell.clone(), incarnation);
    async move {
        if let Some(fate) = Inbox::fate_before_init(&cell) {
            discard(args);
            return stillborn(&cell, Met::interrupted(fate), ack);
        }
        cell.core().note_turn();
        // Pumps have just looked at the clock.
        let began = cell.core().shared().port.coarse_ns();
        let state = match guard(&cell, || A::init(args, &mut cx)).await {
            Met::Returned(Ok(state)) => readiness::first(&cell, &cx, state),
            failed => failed,
        };
        match state {
            Met::Returned(Ok(state)) => {
                let took_ns = cell.core().shared().port.now_ns() - began;
                // One that was abandoned says nothing of its heir.
                cell.with_owner(|_| cell.core().gate.started(cell.core(), took_ns));
                if begun(&cell, incarnation, ack) {
                    give_way().await;
                }
                Passed::On(Box::pin(lives(cell, cx, state)))
            }
            failed => stillborn(&cell, failed, ack),
        }
    }
}

/// The rest.
pub(crate) fn lives<A: Actor>(cell: ActorCell<A>, cx: Context<A>, state: A) -> impl Future<Output = Passed> + Send {
    catch::<A, _>(serve(cell, Being::new(cx, state)))
}

/// `init` has returned: from here on it is this life that answers whoever waits for the start. Whether it has a parent.
fn begun<A: Actor>(cell: &ActorCell<A>, incarnation: u32, ack: Option<StartAck>) -> bool {
    drop(cell.with_owner(|owner| owner.caller.take()));
    cell.core().enters(None);
    let (lives, parented) = {
        let ties = cell.core().ties.lock();
        let lives = ties.lives(incarnation);
        if lives {
            cell.core().set_status(Status::Running);
        }
        (lives, ties.parent().is_some())
    };
    if lives && cell.core().shared().events.is_attended() {
        event::note_of(cell.core(), Happening::Started);
    }
    if let Some(ack) = ack {
        // Whoever started it may have gone: the actor lives on, tied by its link if there is one.
        let _ = ack.send(Ok(()));
    }
    parented
}

/// `init` has not returned a state.
#[cold]
fn stillborn<A: Actor>(cell: &ActorCell<A>, failed: Met<Result<A, Exit>>, ack: Option<StartAck>) -> Passed {
    let mut end = End::default();
    if failed.is_fenced() {
        return Passed::Ended(end.ended(ExitReason::Killed));
    }
    drop(cell.with_owner(|owner| owner.caller.take()));
    let reason = match failed {
        Met::Returned(Ok(_)) => unreachable!("a state is none of the failures"),
        Met::Returned(Err(exit)) if exit.is_ignore() => {
            return Passed::Ended(end.before_start(cell, ack, StartFailure::Ignored, ExitReason::Normal));
        }
        Met::Returned(Err(exit)) => {
            // The error is the author's: its text, and its end.
            // A refusal that was passed on, too: there is no message that it could end.
            let judge = move || exit.reason_in(Callback::Init, None);
            contain(judge).unwrap_or_else(|panic| end.panicked(cell, panic, Callback::Init, None))
        }
        Met::Broken(broken) => match *broken {
            Broken::Panicked(panic) => end.panicked(cell, panic, Callback::Init, None),
            Broken::Interrupted(fate) => Ending::by(fate).reason,
        },
    };
    Passed::Ended(end.before_start(cell, ack, StartFailure::Failed(reason.clone()), reason))
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
pub(crate) async fn forward<A: Actor>(cell: ActorCell<A>, to: mpsc::Sender<A::Msg>, birth: Birth) -> Passed {
    let (mut inbox, end) = (Inbox::open(), End::default());
    begun(&cell, birth.incarnation, birth.ack);
    loop {
        let taken = match inbox.message(&cell) {
            Some(envelope) => Some(Aside::Shelved(envelope)),
            None => inbox.beside(&cell),
        };
        match taken {
            Some(Aside::Shelved(envelope) | Aside::Traced(envelope)) => {
                let Envelope { msg, flow, marks, .. } = envelope;
                if marks != Marks::NONE {
                    cell.core().gate.goes(marks, flow);
                }
                cell.core().handled.bump();
                if let Err(unread) = to.send(msg).await {
                    discard(unread);
                }
                continue;
            }
            // Nobody has timers or futures here.
            Some(Aside::Own(own)) => discard(own),
            None => {}
        }
        match inbox.next(&cell).await {
            Item::View => view::decline(&cell),
            Item::Message | Item::Beside | Item::Signal(_) | Item::Recheck => {}
            Item::Fate(fate) => {
                // With the last sender goes what nobody has read.
                discard(to);
                return Passed::Ended(end.ended(Ending::by(fate).reason));
            }
        }
    }
}
