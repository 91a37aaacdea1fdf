//! The loop of a living incarnation: what comes next, its callback, how that ended.
//!
//! This is the hot path. A message that is there, and whose handler does not await, is handled without leaving the loop;
//! everything else (waiting, awaiting, signals, asks that need an answer, ends) is a step aside. Panics are caught once
//! a turn, around the whole loop, not once a message: the loop borrows the state, which outlives it, and notes what it
//! has in hand where whoever catches the panic finds it.

use std::any::Any;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll};

use crashworthy_sync::berth::Berth;
use crashworthy_sync::task::{Stale, Task};

use crate::actor::Actor;
use crate::cell::{ActorCell, OWN_MESSAGE};
use crate::context::Context;
use crate::crash::{Panic, contain, discard};
use crate::dead_letter::{DeadLetter, Fallen};
use crate::end::End;
use crate::envelope::{Envelope, Own, Token};
use crate::error::{AskError, Reason};
use crate::exit::{Callback, Exit, ExitReason, Verdict};
use crate::guard::{Broken, Met, interrupt, killer};
use crate::inbox::{Inbox, Item};
use crate::kinds::UNKNOWN;
use crate::lane::Fate;
use crate::message::Message;
use crate::pid::{ActorId, Pid};
use crate::reply::Caller;
use crate::signal::Signal;
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

/// What a callback has in hand, besides what the cell knows of the message.
#[derive(Default)]
pub(crate) struct Hand {
    /// [`Callback::Handle`] between two callbacks, too: so that messages need not say it.
    callback: Callback,
    rare: Option<Box<Beside>>,
}

/// What most messages do not bring along.
#[derive(Default)]
struct Beside {
    /// A copy of the message, if its type keeps one.
    salvage: Option<Box<dyn Any + Send>>,
    /// Of a message with a place of its own: tells whoever sent it when it is settled.
    token: Token,
}

impl Hand {
    /// The message is settled.
    #[inline(always)]
    fn open(&mut self) {
        if self.rare.is_some() {
            discard(self.rare.take());
        }
    }

    #[cold]
    fn rare(&mut self) -> &mut Beside {
        self.rare.get_or_insert_default()
    }

    fn take_salvage(&mut self) -> Option<Box<dyn Any + Send>> {
        self.rare.as_mut()?.salvage.take()
    }
}

/// Awaits a callback that has begun, and was polled in this turn already. What kills is obeyed at every await.
macro_rules! awaited {
    ($cell:expr, $call:expr, $future:expr) => {{
        let mut polled = true;
        poll_fn(|cx| if std::mem::take(&mut polled) { Poll::Pending } else { step($cell, $call, $future.as_mut(), cx) })
            .await
    }};
}

/// Handles messages and signals until the incarnation is to end. Not contained: a panic of a callback leaves through
/// here, and [`panicked`] ends what was in hand.
pub(crate) async fn serve<A: Actor>(
    cell: &ActorCell<A>,
    state: &mut A,
    cx: &mut Context<A>,
    inbox: &mut Inbox<A>,
    end: &mut End,
) -> Ending {
    loop {
        let met = {
            let mut handling = pin!(Berth::new());
            match next_message(cell, inbox, end, handling.as_mut(), |msg| state.handle(msg, cx)) {
                Begun::Handled => continue,
                Begun::Returned(met) => Some(met),
                Begun::Awaits(call) => Some(awaited!(cell, call, handling)),
                Begun::Nothing => None,
            }
        };
        let ending = match met {
            Some(met) => settle(cell, met, end),
            None => match inbox.next().await {
                Item::Message | Item::Own => None,
                // Boxed: its frame is not to be a part of everybody's.
                Item::Signal(signal) => Box::pin(read(cell, state, signal, cx, end)).await,
                Item::Fate(fate) => Some(Ending::by(fate)),
            },
        };
        if let Some(ending) = ending {
            return ending;
        }
    }
}

/// How far a message was handled at once.
enum Begun {
    /// To its end.
    Handled,
    /// Its handler has returned, not simply.
    Returned(Met<Result<(), Exit>>),
    /// Its handler awaits something.
    Awaits(Option<Call>),
    /// There is none, or something comes before it.
    Nothing,
}

/// Handles the next message, as far as its handler does not await.
#[inline(always)]
fn next_message<A: Actor, F>(
    cell: &ActorCell<A>,
    inbox: &mut Inbox<A>,
    end: &mut End,
    handling: Pin<&mut Berth<F>>,
    handle: impl FnOnce(A::Msg) -> F,
) -> Begun
where
    F: Future<Output = Result<(), Exit>>,
{
    let Some(Envelope { msg, caller, deadline, criticality, from, stamp }) = inbox.message() else {
        return own_message(cell, inbox, end, handling, handle);
    };
    let called = caller.is_some() || deadline != turn::NEVER;
    let call = Call { deadline, criticality };
    if called && !is_due(cell, caller, call) {
        drop_unhandled(cell, msg, end);
        return Begun::Handled;
    }
    take(cell, &msg, 0, (from, stamp), end);
    if called {
        turn::set_call(call);
    }
    let begun = begin(cell, handling, || handle(msg));
    if called {
        turn::set_call(Call::NONE);
    }
    match begun {
        Poll::Ready(Met::Returned(Ok(()))) => {
            if called {
                answered(cell);
            }
            handled(cell, end);
            Begun::Handled
        }
        Poll::Ready(met) => Begun::Returned(met),
        Poll::Pending => Begun::Awaits(called.then_some(call)),
    }
}

/// The same with a message that has a place of its own.
#[inline(never)]
fn own_message<A: Actor, F>(
    cell: &ActorCell<A>,
    inbox: &mut Inbox<A>,
    end: &mut End,
    handling: Pin<&mut Berth<F>>,
    handle: impl FnOnce(A::Msg) -> F,
) -> Begun
where
    F: Future<Output = Result<(), Exit>>,
{
    let Some(Own { msg, token }) = inbox.own() else { return Begun::Nothing };
    if !matches!(token, Token::None) {
        end.hand.rare().token = token;
    }
    take(cell, &msg, OWN_MESSAGE, (cell.core().id(), cell.core().shared().stamp()), end);
    match begin(cell, handling, || handle(msg)) {
        Poll::Ready(met) => Begun::Returned(met),
        Poll::Pending => Begun::Awaits(None),
    }
}

/// Begins a callback and polls it once, as user code of this turn.
#[inline(always)]
fn begin<A: Actor, F: Future>(
    cell: &ActorCell<A>,
    mut future: Pin<&mut Berth<F>>,
    make: impl FnOnce() -> F,
) -> Poll<Met<F::Output>> {
    let polled = Task::with_waker(cell, |waker| {
        cell.user_in_turn(|| future.as_mut().fill(make).poll(&mut Poller::from_waker(waker)))
    });
    match polled {
        Ok(polled) => polled.map(Met::Returned),
        Err((_, Stale)) => Poll::Ready(fenced(future)),
    }
}

/// The message in hand is handled, and its copy not needed.
#[inline(always)]
fn handled<A: Actor>(cell: &ActorCell<A>, end: &mut End) {
    cell.core().doing.store(0, Relaxed);
    cell.core().counters.handled.bump();
    end.hand.open();
}

/// Polls a callback again, as user code of this turn. One that is interrupted is dropped as user code, too.
fn step<A: Actor, F: Future>(
    cell: &ActorCell<A>,
    call: Option<Call>,
    mut future: Pin<&mut Berth<F>>,
    cx: &mut Poller<'_>,
) -> Poll<Met<F::Output>> {
    if let Some(fate) = killer(cell) {
        return Poll::Ready(interrupt(cell, fate, || future.as_mut().clear()));
    }
    turn::set_call(call.unwrap_or(Call::NONE));
    let polled = cell.user(|| match future.as_mut().look() {
        Some(future) => future.poll(cx),
        None => unreachable!("a callback that has ended is not polled again"),
    });
    turn::set_call(Call::NONE);
    match polled {
        Ok(polled) => polled.map(Met::Returned),
        Err((_, Stale)) => Poll::Ready(fenced(future)),
    }
}

/// Nothing of this turn counts any more, not even how its future ends.
#[cold]
fn fenced<F: Future>(mut future: Pin<&mut Berth<F>>) -> Met<F::Output> {
    let _ = contain(|| future.as_mut().clear());
    Met::interrupted(Fate::Fenced)
}

/// Whether a message that somebody waits for, or that has a deadline, is to be handled at all; if so, its asker is noted.
#[inline]
fn is_due<A: Actor>(cell: &ActorCell<A>, caller: Option<Caller>, call: Call) -> bool {
    let core = cell.core();
    if caller.as_ref().is_some_and(|caller| caller.is_cancelled()) {
        core.counters.rare().cancelled.bump();
        return false;
    }
    let read = call.deadline != turn::NEVER && !turn::is_just_asked(call.deadline);
    if read && core.shared().port.now_ns() >= call.deadline {
        core.counters.rare().expired.bump();
        if let Some(caller) = caller {
            caller.force(AskError::Expired);
        }
        return false;
    }
    cell.with_owner(|owner| owner.caller = caller);
    true
}

/// Takes a message into hand. What it says of itself is user code and may panic: by then it is in hand.
#[inline(always)]
fn take<A: Actor>(cell: &ActorCell<A>, msg: &A::Msg, whence: u32, sent: (ActorId, u32), end: &mut End) {
    let core = cell.core();
    core.origin.note(sent.0, sent.1);
    core.doing.store((UNKNOWN + 1) | whence, Relaxed);
    core.since_ns.store(core.shared().port.coarse_ns(), Relaxed);
    let index = end.recent.note(msg.kind(), &core.kinds);
    core.doing.store((u32::from(index) + 1) | whence, Relaxed);
    if let Some(copy) = msg.salvage() {
        end.hand.rare().salvage = Some(copy);
    }
}

/// Has a signal read.
async fn read<A: Actor>(
    cell: &ActorCell<A>,
    state: &mut A,
    signal: Signal,
    cx: &mut Context<A>,
    end: &mut End,
) -> Option<Ending> {
    end.hand.callback = Callback::OnSignal;
    let mut reading = pin!(Berth::new());
    let met = match begin(cell, reading.as_mut(), || state.on_signal(signal, cx)) {
        Poll::Ready(met) => met,
        Poll::Pending => awaited!(cell, None, reading),
    };
    let ending = settle(cell, met, end);
    end.hand.callback = Callback::Handle;
    ending
}

/// Drops a message that is not handled; its destructor is user code.
#[cold]
fn drop_unhandled<A: Actor>(cell: &ActorCell<A>, msg: A::Msg, end: &mut End) {
    end.hand.callback = Callback::Drop;
    // Whether it was abandoned meanwhile is seen at the next look into the mailbox.
    let _ = cell.user(|| drop(msg));
    end.hand.callback = Callback::Handle;
}

/// The handler of a message that somebody waited for has returned: a reply that was dropped unsent has an outcome now.
#[inline]
fn answered<A: Actor>(cell: &ActorCell<A>) {
    if let Some(caller) = cell.with_owner(|owner| owner.caller.take()).flatten() {
        caller.settle(AskError::Unanswered);
    }
}

/// Counts how what was in hand ended, tells its asker, and decides whether the incarnation goes on.
#[cold]
fn settle<A: Actor>(cell: &ActorCell<A>, met: Met<Result<(), Exit>>, end: &mut End) -> Option<Ending> {
    if met.is_fenced() {
        return Some(Ending::by(Fate::Fenced));
    }
    let core = cell.core();
    let (kind, callback) = (core.kind_in_hand(), end.hand.callback);
    core.doing.store(0, Relaxed);
    let refused = matches!(&met, Met::Returned(Err(_)));
    let ending = match met {
        Met::Returned(Ok(())) => None,
        // The error is the author's: its text, and its end.
        Met::Returned(Err(exit)) => match contain(move || exit.verdict(callback, kind)) {
            Ok(Verdict::Message) => None,
            Ok(Verdict::Incarnation(reason)) => {
                end.crashed(cell, &reason);
                Some(Ending { reason, terminates: true })
            }
            Err(panic) => Some(Ending { reason: end.panicked(cell, panic, callback, kind), terminates: true }),
        },
        Met::Broken(broken) => Some(match *broken {
            Broken::Panicked(panic) => Ending { reason: end.panicked(cell, panic, callback, kind), terminates: true },
            Broken::Interrupted(fate) => Ending::by(fate),
        }),
    };
    if let Some(caller) = cell.with_owner(|owner| owner.caller.take()).flatten() {
        caller.settle(match &ending {
            Some(_) => AskError::Died,
            None if refused => AskError::Refused(core.refuse(Reason::Downstream).passed_on()),
            None => AskError::Unanswered,
        });
    }
    let salvage = end.hand.take_salvage();
    end.hand.open();
    if let Some(kind) = kind {
        match &ending {
            // An actor that says "I am done" has handled the message it said it in.
            None | Some(Ending { reason: ExitReason::Normal, .. }) => core.counters.handled.bump(),
            Some(_) => {
                core.counters.rare().given_up.bump();
                given_up(cell, cell.core().pid(), kind, salvage);
            }
        }
    }
    ending
}

/// Ends what was in hand when a callback panicked.
#[cold]
pub(crate) fn panicked<A: Actor>(cell: &ActorCell<A>, panic: Panic, end: &mut End) -> Ending {
    // The turn may have been abandoned before it panicked: then it is nobody's business any more.
    let fenced = cell.with_owner(|_| ()).is_none();
    let met = if fenced { Met::interrupted(Fate::Fenced) } else { Met::panicked(panic) };
    settle(cell, met, end).unwrap_or_else(|| Ending::by(Fate::Fenced))
}

/// Tells the dead-letter hook of the message in hand.
#[cold]
pub(crate) fn given_up<A: Actor>(
    cell: &ActorCell<A>,
    to: Pid,
    kind: &'static str,
    message: Option<Box<dyn Any + Send>>,
) {
    let (core, shared) = (cell.core(), cell.core().shared());
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
