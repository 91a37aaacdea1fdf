//! The loop of a living incarnation: what comes next, its callback, how that ended.
//!
//! This is the hot path. Panics are caught once a turn, around the whole loop, not once a message: the loop borrows
//! the state, which outlives it, and notes what it has in hand where whoever catches the panic finds it.

use std::any::Any;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll};

use crashworthy_sync::task::Stale;

use crate::actor::Actor;
use crate::cell::{ActorCell, OWN_MESSAGE, flag};
use crate::context::Context;
use crate::crash::{Panic, contain, discard};
use crate::dead_letter::{DeadLetter, Fallen};
use crate::end::End;
use crate::envelope::Envelope;
use crate::error::{AskError, Reason};
use crate::exit::{Callback, Exit, ExitReason, Verdict};
use crate::guard::Met;
use crate::inbox::{Inbox, Item};
use crate::kinds::short;
use crate::lane::Fate;
use crate::message::Message;
use crate::pid::{ActorId, Pid};
use crate::turn::{self, Call};

/// Why the loop ended, and whether `terminate` is due.
pub(crate) struct Ending {
    pub(crate) reason: ExitReason,
    pub(crate) terminates: bool,
}

impl Ending {
    pub(crate) fn by(fate: Fate) -> Self {
        match fate {
            Fate::Dies(reason) => Self { reason, terminates: false },
            Fate::Stops(reason) => Self { reason, terminates: true },
            // Its end has been told already; nobody reads this one.
            Fate::Fenced => Self { reason: ExitReason::Killed, terminates: false },
        }
    }
}

/// What a callback has in hand: all that is left of a message when its handler panics.
#[derive(Default)]
pub(crate) struct Hand {
    callback: Callback,
    /// `None` for a signal.
    kind: Option<&'static str>,
    /// Somebody waits for an answer, or it has a deadline.
    called: bool,
    salvage: Option<Box<dyn Any + Send>>,
}

/// Handles messages and signals until the incarnation is to end. Not contained: a panic of a callback leaves through
/// here, and [`panicked`] ends what was in hand.
pub(crate) async fn serve<A: Actor>(
    cell: &ActorCell<A>,
    state: &mut A,
    cx: &mut Context<A>,
    inbox: &mut Inbox<A>,
    end: &mut End<A>,
) -> Ending {
    loop {
        let met = match inbox.next().await {
            Item::Message(envelope) => {
                let call = envelope.call();
                let Envelope { msg, caller, from, stamp, .. } = envelope;
                let called = caller.is_some() || call.deadline != turn::NEVER;
                if called {
                    if caller.as_ref().is_some_and(|caller| caller.is_cancelled()) {
                        cell.core.counters.cancelled.bump();
                        drop_unhandled(cell, msg, end);
                        continue;
                    }
                    if call.deadline != turn::NEVER && cell.core.shared().port.now_ns() >= call.deadline {
                        cell.core.counters.expired.bump();
                        if let Some(caller) = caller {
                            caller.force(AskError::Expired);
                        }
                        drop_unhandled(cell, msg, end);
                        continue;
                    }
                    *cell.core.in_hand.lock() = caller;
                    cx.call = call;
                }
                end.hand.called = called;
                take(cell, &msg, 0, (from, stamp), end);
                let mut handling = pin!(Some(state.handle(msg, cx)));
                let mut polled = false;
                let met = poll_fn(|cx| step(cell, call, handling.as_mut(), &mut polled, cx)).await;
                if let Met::Returned(Ok(())) = met
                    && !called
                {
                    cell.core.doing.store(0, Relaxed);
                    cell.core.counters.handled.bump();
                    continue;
                }
                met
            }
            Item::Own(own) => {
                end.hand.called = false;
                take(cell, &own.msg, OWN_MESSAGE, (cell.core.id(), cell.core.shared().stamp()), end);
                let mut handling = pin!(Some(state.handle(own.msg, cx)));
                let mut polled = false;
                poll_fn(|cx| step(cell, Call::NONE, handling.as_mut(), &mut polled, cx)).await
            }
            Item::Signal(signal) => {
                discard(std::mem::take(&mut end.hand));
                end.hand.callback = Callback::OnSignal;
                let mut reading = pin!(Some(state.on_signal(signal, cx)));
                let mut polled = false;
                poll_fn(|cx| step(cell, Call::NONE, reading.as_mut(), &mut polled, cx)).await
            }
            Item::Fate(fate) => return Ending::by(fate),
        };
        cx.call = Call::NONE;
        if let Some(ending) = settle(cell, met, end) {
            return ending;
        }
    }
}

/// Polls one callback, as user code of this turn. What kills is obeyed at every await; a future that ends early is
/// dropped as user code, too.
#[inline(always)]
fn step<A: Actor, F: Future>(
    cell: &ActorCell<A>,
    call: Call,
    mut future: Pin<&mut Option<F>>,
    polled: &mut bool,
    cx: &mut Poller<'_>,
) -> Poll<Met<F::Output>> {
    if *polled && cell.core.flags() & flag::URGENT != 0 {
        let fate = cell.core.control.lock().fate(cell.core.pid(), cell.core.traps(), true);
        if let Some(fate) = fate {
            return Poll::Ready(interrupt(cell, fate, || future.set(None)));
        }
    }
    *polled = true;
    let scoped = call != Call::NONE;
    if scoped {
        turn::set_call(call);
    }
    let met = cell.user(|| match future.as_mut().as_pin_mut() {
        Some(future) => future.poll(cx),
        None => unreachable!("a callback that has ended is not polled again"),
    });
    if scoped {
        turn::set_call(Call::NONE);
    }
    match met {
        Ok(polled) => polled.map(Met::Returned),
        Err((_, Stale)) => {
            // Nothing of this turn counts any more, not even how its future ends.
            let _ = contain(|| future.set(None));
            Poll::Ready(Met::Interrupted(Fate::Fenced))
        }
    }
}

/// Drops a callback that is interrupted. Whatever its remains do, what interrupted it stands.
#[cold]
pub(crate) fn interrupt<A: Actor, T>(cell: &ActorCell<A>, fate: Fate, discard: impl FnOnce()) -> Met<T> {
    match cell.user(|| contain(discard)) {
        Ok(Ok(())) => Met::Interrupted(fate),
        Ok(Err(panic)) => {
            let name = cell.core.label();
            tracing::error!(name, location = panic.location, "an interrupted callback panicked: {}", panic.message);
            Met::Interrupted(fate)
        }
        Err((_, Stale)) => Met::Interrupted(Fate::Fenced),
    }
}

/// Takes a message into hand. What it says of itself is user code and may panic: by then it is in hand.
#[inline(always)]
fn take<A: Actor>(cell: &ActorCell<A>, msg: &A::Msg, whence: u32, sent: (ActorId, u32), end: &mut End<A>) {
    let core = &cell.core;
    core.origin.note(sent.0, sent.1);
    end.hand.callback = Callback::Handle;
    end.hand.kind = Some("?");
    let kind = msg.kind();
    let index = end.recent.note(kind, &core.kinds);
    core.doing.store((u32::from(index) + 1) | whence, Relaxed);
    core.since_ns.store(core.shared().port.coarse_ns(), Relaxed);
    end.hand.kind = Some(kind);
    let of_the_last = std::mem::replace(&mut end.hand.salvage, msg.salvage());
    if let Some(copy) = of_the_last {
        discard(copy);
    }
}

/// Drops a message that is not handled; its destructor is user code.
#[cold]
fn drop_unhandled<A: Actor>(cell: &ActorCell<A>, msg: A::Msg, end: &mut End<A>) {
    discard(std::mem::take(&mut end.hand));
    end.hand.callback = Callback::Drop;
    // Whether it was abandoned meanwhile is seen at the next look into the mailbox.
    let _ = cell.user(|| drop(msg));
}

/// Counts how what was in hand ended, tells its asker, and decides whether the incarnation goes on.
fn settle<A: Actor>(cell: &ActorCell<A>, met: Met<Result<(), Exit>>, end: &mut End<A>) -> Option<Ending> {
    if matches!(met, Met::Interrupted(Fate::Fenced)) {
        return Some(Ending::by(Fate::Fenced));
    }
    let core = &cell.core;
    core.doing.store(0, Relaxed);
    let refused = matches!(&met, Met::Returned(Err(_)));
    let ending = match met {
        Met::Returned(Ok(())) => None,
        Met::Returned(Err(exit)) => match exit.verdict(end.hand.callback, end.hand.kind) {
            Verdict::Message => None,
            Verdict::Incarnation(reason) => {
                end.crashed(&reason);
                Some(Ending { reason, terminates: true })
            }
        },
        Met::Panicked(panic) => {
            let reason = end.panicked(panic, end.hand.callback, end.hand.kind);
            Some(Ending { reason, terminates: true })
        }
        Met::Interrupted(fate) => Some(Ending::by(fate)),
    };
    if end.hand.called
        && let Some(caller) = core.in_hand.lock().take()
    {
        caller.settle(match &ending {
            Some(_) => AskError::Died,
            None if refused => AskError::Refused(core.refuse(Reason::Downstream).passed_on()),
            None => AskError::Unanswered,
        });
    }
    if end.hand.kind.is_some() {
        match &ending {
            // An actor that says "I am done" has handled the message it said it in.
            None | Some(Ending { reason: ExitReason::Normal, .. }) => core.counters.handled.bump(),
            Some(_) => give_up(cell, end),
        }
    }
    ending
}

/// Ends what was in hand when a callback panicked.
#[cold]
pub(crate) fn panicked<A: Actor>(cell: &ActorCell<A>, panic: Panic, end: &mut End<A>) -> Ending {
    // The turn may have been abandoned before it panicked: then it is nobody's business any more.
    let fenced = cell.with_owner(|_| ()).is_none();
    let met = if fenced { Met::Interrupted(Fate::Fenced) } else { Met::Panicked(panic) };
    settle(cell, met, end).unwrap_or_else(|| Ending::by(Fate::Fenced))
}

/// The message in hand is given up: it is counted, and the dead-letter hook hears of it.
#[cold]
fn give_up<A: Actor>(cell: &ActorCell<A>, end: &mut End<A>) {
    let core = &cell.core;
    core.counters.given_up.bump();
    let Hand { kind, salvage, .. } = std::mem::take(&mut end.hand);
    given_up(cell, end.pid, kind.map(short).unwrap_or_default(), salvage);
}

/// Tells the dead-letter hook of the message in hand.
#[cold]
pub(crate) fn given_up<A: Actor>(
    cell: &ActorCell<A>,
    to: Pid,
    kind: &'static str,
    message: Option<Box<dyn Any + Send>>,
) {
    let (core, shared) = (&cell.core, cell.core.shared());
    let (from, stamp) = core.origin.read();
    shared.dead_letters.post(DeadLetter {
        to,
        to_name: core.name.as_deref().map(str::to_owned),
        kind,
        from,
        age: shared.age(stamp),
        size: size_of::<A::Msg>(),
        fallen: Fallen::GivenUp,
        message,
    });
}
