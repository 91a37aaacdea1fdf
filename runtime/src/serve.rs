//! The loop of a living incarnation: what comes next, its callback, how that ended.
//!
//! This is the hot path. A message that is there, and whose handler does not await, is handled without leaving the loop;
//! everything else (waiting, awaiting, signals, asks that need an answer, ends) is a step aside. Panics are caught once
//! a turn, around the whole loop, not once a message: the loop owns the state, [keeps](Kept) it when a panic unwinds it, and
//! notes what it has in hand where whoever catches the panic finds it.

use std::any::Any;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context as Poller, Poll};

use crashworthy_sync::berth::Berth;
use crashworthy_sync::label::Label;
use crashworthy_sync::task::{Stale, Task};

use crate::actor::Actor;
use crate::cell::{ActorCell, Core, Owner};
use crate::context::Context;
use crate::crash::{Panic, contain, contain_drop, discard};
use crate::end::{End, Ended};
use crate::envelope::{Envelope, Own, Token};
use crate::error::AskError;
use crate::exit::{Callback, Exit, ExitReason};
use crate::gate::{Marks, events};
use crate::guard::{Broken, Met, guard, interrupt, killer};
use crate::inbox::{Aside, Inbox, Item};
use crate::kept::Kept;
use crate::lane::Fate;
use crate::life::Passed;
use crate::message::Message;
use crate::pid::ActorId;
use crate::readiness;
use crate::reply::Caller;
use crate::route::Carried;
use crate::settle::{answered, panicked, settle};
use crate::signal::Signal;
use crate::turn::{self, Call, Carrying};
use crate::{trace, view, waits};

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
    pub(crate) callback: Callback,
    rare: Option<Box<Beside>>,
}

/// What most messages do not bring along.
#[derive(Default)]
struct Beside {
    /// A copy of the message, if its type keeps one.
    salvage: Option<Box<dyn Any + Send>>,
    /// Of a message with a place of its own: tells whoever sent it when it is settled.
    token: Token,
    /// Of one that is traced: where.
    trace: Option<trace::InHand>,
}

impl Hand {
    /// The message is settled.
    #[inline(always)]
    pub(crate) fn open(&mut self) {
        if self.rare.is_some() {
            discard(self.rare.take());
        }
    }

    #[cold]
    fn rare(&mut self) -> &mut Beside {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn take_trace(&mut self) -> Option<trace::InHand> {
        self.rare.as_mut()?.trace.take()
    }

    pub(crate) fn take_salvage(&mut self) -> Option<Box<dyn Any + Send>> {
        self.rare.as_mut()?.salvage.take()
    }
}

/// Awaits a callback that has begun, and was polled in this turn already. What kills is obeyed at every await.
///
/// A loop, and no future around the callback's: that would keep what it borrows, some words more in everybody's frame.
macro_rules! awaited {
    ($cell:expr, $future:expr) => {{
        waits::awaits();
        let mut future = $future;
        loop {
            next_poll().await;
            if let Poll::Ready(met) = step($cell, future.as_mut()) {
                break met;
            }
        }
    }};
}

thread_local! {
    /// What is polled next on this thread has only begun to wait. Here, for the moment between, it costs no frame a word.
    static BEGINS: Cell<bool> = const { Cell::new(false) };
}

/// Goes on with the next poll, which is somebody else's to bring about. To be awaited at once.
fn next_poll() -> impl Future<Output = ()> + Send {
    BEGINS.set(true);
    poll_fn(|_| if BEGINS.take() { Poll::Pending } else { Poll::Ready(()) })
}

/// What lives, and what it needs to.
pub(crate) struct Being<A: Actor> {
    pub(crate) cx: Context<A>,
    pub(crate) end: End,
    pub(crate) state: A,
}

impl<A: Actor> Being<A> {
    pub(crate) fn new(cx: Context<A>, state: A) -> Self {
        Self { cx, end: End::default(), state }
    }
}

/// Ends an incarnation in order, if that is due, and drops its state. What is borrowed across the await is named anew after it,
/// or it would be a word in everybody's frame.
macro_rules! ended {
    ($cell:expr, $living:expr, $ending:expr) => {{
        let Ending { mut reason, terminates } = $ending;
        if terminates {
            enters($cell, Callback::Terminate);
            let Being { cx, state, .. } = &mut *$living;
            if let Met::Broken(broken) = guard($cell, || state.terminate(&reason, cx)).await {
                match *broken {
                    Broken::Panicked(panic) => {
                        reason = $living.end.panicked($cell, panic, Callback::Terminate, None);
                    }
                    Broken::Interrupted(Fate::Dies(other) | Fate::Stops(other)) => reason = other,
                    Broken::Interrupted(Fate::Fenced) => {}
                }
            }
        }
        Passed::Ended(bury($cell, $living.take(), reason))
    }};
}

/// Handles messages and signals until the incarnation is to end, and ends it. A panic of a callback leaves through here, and what
/// lives [is kept](Kept): it [ends otherwise](dies).
///
/// Every actor keeps such a frame: what is captured stays where it is, and what is rare lies elsewhere.
#[expect(clippy::blocks_in_conditions, reason = "what has a name lasts, and would be a part of the frame")]
pub(crate) fn serve<A: Actor>(cell: ActorCell<A>, being: Being<A>) -> impl Future<Output = Passed> + Send {
    let mut living = Kept::new(being);
    async move {
        let mut inbox = Inbox::open();
        let ending = 'serves: {
            'next: loop {
                match 'message: {
                    let berth = pin!(Berth::new());
                    let handling = {
                        let mut met = None;
                        let Being { cx, end, state } = &mut *living;
                        match next_message(&cell, &mut inbox, end, berth, &mut met, |msg| state.handle(msg, cx)) {
                            Begun::Handled => {
                                // There is nothing in it, and nothing is to be looked for.
                                std::mem::forget(met);
                                continue 'next;
                            }
                            Begun::Nothing => break 'message None,
                            Begun::Returned => break 'message met,
                            Begun::Awaits(handling) => handling,
                        }
                    };
                    Some(awaited!(&cell, handling))
                } {
                    None => {}
                    Some(met) => match settle(&cell, met, &mut living.end) {
                        None => continue 'next,
                        Some(ending) => break 'serves ending,
                    },
                }
                let reading = match inbox.next(&cell).await {
                    Item::Message | Item::Beside => continue 'next,
                    Item::Recheck => {
                        readiness::again(&cell, &living.cx, &living.state);
                        continue 'next;
                    }
                    Item::View => {
                        view::show(&cell, &living.state);
                        continue 'next;
                    }
                    // Boxed: its frame is not to be a part of everybody's, nor is what was found.
                    Item::Signal(signal) => Box::pin(read(&cell, &mut living, signal)),
                    Item::Fate(fate) => break 'serves Ending::by(fate),
                };
                if let Some(ending) = reading.await {
                    break 'serves ending;
                }
            }
        };
        ended!(&cell, living, ending)
    }
}

/// Ends an incarnation whose callback has panicked.
pub(crate) async fn dies<A: Actor>(cell: ActorCell<A>, being: Box<Being<A>>, panic: Panic) -> Passed {
    let mut living = Kept::new(*being);
    let ending = panicked(&cell, panic, &mut living.end);
    ended!(&cell, living, ending)
}

/// Which callback the incarnation is in now. Nothing is said of one that was abandoned: the cell is its heir's.
fn enters<A: Actor>(cell: &ActorCell<A>, callback: Callback) {
    cell.with_owner(|_| cell.core().enters(Some(callback)));
}

/// Drops the state. Its destructor is user code: it may block, and then the turn can be abandoned like any other.
fn bury<A: Actor>(cell: &ActorCell<A>, being: Being<A>, reason: ExitReason) -> Ended {
    let Being { cx, mut end, state } = being;
    if std::mem::needs_drop::<A>() {
        enters(cell, Callback::Drop);
    }
    let ended = match cell.user(|| contain_drop(state)) {
        Ok(Ok(())) => end.ended(reason),
        Ok(Err(panic)) => {
            // Its first cause is worth more than what its remains did.
            let dropped = end.panicked(cell, panic, Callback::Drop, None);
            end.ended(if reason.is_normal_class() { dropped } else { reason })
        }
        Err((_, Stale)) => end.ended(ExitReason::Killed),
    };
    drop(cx);
    ended
}

/// How a handler ended.
pub(crate) type Outcome = Met<Result<(), Exit>>;

/// How far a message was handled at once.
enum Begun<'b, F> {
    /// To its end.
    Handled,
    /// Its handler has returned, not simply: how is noted elsewhere.
    Returned,
    /// Its handler awaits something. Given back and not looked at again: whoever awaits it keeps it once.
    Awaits(Pin<&'b mut Berth<F>>),
    /// There is none, or something comes before it.
    Nothing,
}

/// Handles the next message, as far as its handler does not await.
#[inline(always)]
fn next_message<'b, A: Actor, F>(
    cell: &ActorCell<A>,
    inbox: &mut Inbox,
    end: &mut End,
    handling: Pin<&'b mut Berth<F>>,
    met: &mut Option<Outcome>,
    handle: impl FnOnce(A::Msg) -> F,
) -> Begun<'b, F>
where
    F: Future<Output = Result<(), Exit>>,
{
    if !inbox.may_take() {
        return message_beside(cell, inbox, end, handling, met, handle);
    }
    let mut handling = handling;
    let (mut is_plain, mut unwanted, mut carried) = (true, None, None);
    let taken = cell.step(
        |owner| {
            let ready = inbox.head(cell, &mut owner.receiver)?;
            let Envelope { caller: None, deadline: turn::NEVER, marks: Marks::NONE, from, stamp, .. } =
                *ready.message()
            else {
                let Envelope { msg, caller, deadline, criticality, from, stamp, flow, marks } = ready.take();
                if marks != Marks::NONE {
                    cell.core().gate.goes(marks, flow);
                }
                let wanted = Call { deadline, criticality, flow };
                if !is_due(cell, caller, wanted, marks, owner, inbox.took_first()) {
                    inbox.passes_over();
                    unwanted = Some(msg);
                    return None;
                }
                is_plain = false;
                turn::set_call(wanted);
                waits::takes_in_hand();
                carried = carrying(owner);
                take(cell, &msg, false, (from, stamp), end);
                return Some(msg);
            };
            let Envelope { msg, caller, .. } = ready.take();
            // There is none, as was seen.
            std::mem::forget(caller);
            is_plain = take(cell, &msg, false, (from, stamp), end);
            Some(msg)
        },
        |msg| {
            Task::with_waker(cell, |waker| handling.as_mut().fill(|| handle(msg)).poll(&mut Poller::from_waker(waker)))
        },
    );
    let polled = match taken {
        Some(Ok(polled)) => polled,
        Some(Err((_, Stale))) => {
            *met = Some(fenced(handling));
            return Begun::Returned;
        }
        None => {
            let Some(msg) = unwanted else { return Begun::Nothing };
            drop_unhandled(cell, msg, end);
            return Begun::Handled;
        }
    };
    if !is_plain {
        turn::set_call(Call::NONE);
    }
    drop(carried);
    match polled {
        Poll::Ready(Ok(())) => {
            if !is_plain {
                answered(cell);
                end.past().hand.open();
            }
            handled(cell);
            Begun::Handled
        }
        Poll::Ready(result) => {
            *met = Some(Met::Returned(result));
            Begun::Returned
        }
        Poll::Pending => Begun::Awaits(handling),
    }
}

/// The same with a message that is not in the mailbox, or is traced.
#[inline(never)]
fn message_beside<'b, A: Actor, F>(
    cell: &ActorCell<A>,
    inbox: &mut Inbox,
    end: &mut End,
    handling: Pin<&'b mut Berth<F>>,
    met: &mut Option<Outcome>,
    handle: impl FnOnce(A::Msg) -> F,
) -> Begun<'b, F>
where
    F: Future<Output = Result<(), Exit>>,
{
    let (beside, traces) = (inbox.beside(cell), inbox.traces());
    let msg = match beside {
        None => return Begun::Nothing,
        // As in the loop: nobody waits for it, and it has all the time there is.
        Some(Aside::Traced(Envelope {
            msg,
            caller: None,
            deadline: turn::NEVER,
            marks: Marks::NONE,
            from,
            stamp,
            ..
        })) => {
            take(cell, &msg, false, (from, stamp), end);
            msg
        }
        Some(Aside::Own(Own { msg, token })) => {
            if !matches!(token, Token::None) {
                end.past().hand.rare().token = token;
            }
            take(cell, &msg, true, (cell.core().id(), cell.core().shared().stamp()), end);
            msg
        }
        Some(Aside::Shelved(envelope) | Aside::Traced(envelope)) => {
            let Envelope { msg, caller, deadline, criticality, from, stamp, flow, marks } = envelope;
            if marks != Marks::NONE {
                cell.core().gate.goes(marks, flow);
            }
            let wanted = Call { deadline, criticality, flow };
            let is_first = inbox.took_first();
            let due = cell.with_owner(|owner| is_due(cell, caller, wanted, marks, owner, is_first)).unwrap_or(false);
            if !due {
                inbox.passes_over();
                drop_unhandled(cell, msg, end);
                return Begun::Handled;
            }
            turn::set_call(wanted);
            waits::takes_in_hand();
            take(cell, &msg, false, (from, stamp), end);
            msg
        }
    };
    if traces {
        let asked = cell.with_owner(|owner| owner.caller.is_some()).unwrap_or(false);
        if let Some(trace) = trace::taken(cell.core(), size_of::<A::Msg>(), asked) {
            end.past().hand.rare().trace = Some(trace);
        }
    }
    let carried = cell.with_owner(|owner| carrying(owner)).flatten();
    let mut handling = handling;
    let begun = begin(cell, handling.as_mut(), || handle(msg));
    drop(carried);
    turn::set_call(Call::NONE);
    match begun {
        Poll::Ready(outcome) => {
            *met = Some(outcome);
            Begun::Returned
        }
        Poll::Pending => Begun::Awaits(handling),
    }
}

/// Begins a callback and polls it once, as user code of this turn.
#[inline(always)]
fn begin<A: Actor, F: Future>(
    cell: &ActorCell<A>,
    mut future: Pin<&mut Berth<F>>,
    make: impl FnOnce() -> F,
) -> Poll<Met<F::Output>> {
    let polled =
        Task::with_waker(cell, |waker| cell.user(|| future.as_mut().fill(make).poll(&mut Poller::from_waker(waker))));
    match polled {
        Ok(polled) => polled.map(Met::Returned),
        Err((_, Stale)) => Poll::Ready(fenced(future)),
    }
}

/// The message in hand is handled.
#[inline(always)]
fn handled<A: Actor>(cell: &ActorCell<A>) {
    cell.core().doing.set(Label::NONE);
    cell.core().handled.bump();
}

/// Polls a callback again, as user code of this turn. One that is interrupted is dropped as user code, too.
#[inline(never)]
fn step<A: Actor, F: Future>(cell: &ActorCell<A>, mut future: Pin<&mut Berth<F>>) -> Poll<Met<F::Output>> {
    if let Some(fate) = killer(cell) {
        return Poll::Ready(interrupt(cell, fate, || future.as_mut().clear()));
    }
    let (call, carried) = cell.with_owner(|owner| (owner.call.call(), carrying(owner))).unwrap_or((Call::NONE, None));
    turn::set_call(call);
    waits::begins();
    let polled = Task::with_waker(cell, |waker| {
        cell.user(|| match future.as_mut().look() {
            Some(future) => future.poll(&mut Poller::from_waker(waker)),
            None => unreachable!("a callback that has ended is not polled again"),
        })
    });
    turn::set_call(Call::NONE);
    drop(carried);
    match polled {
        Ok(Poll::Pending) => {
            waits::awaits();
            Poll::Pending
        }
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
///
/// One that cannot be done in time any more is not, unless it is the first of a busy period.
#[inline(never)]
fn is_due<A: Actor>(
    cell: &ActorCell<A>,
    caller: Option<Caller>,
    call: Call,
    marks: Marks,
    owner: &mut Owner<A>,
    is_first: bool,
) -> bool {
    let core = cell.core();
    if let Some(caller) = caller.as_ref().filter(|caller| caller.is_moot()) {
        let rare = core.counters().rare();
        if caller.is_late() {
            rare.expired.bump();
            events::broke(core, call.deadline);
        } else {
            rare.cancelled.bump();
        }
        return false;
    }
    let read = call.deadline != turn::NEVER && !turn::is_just_asked(call.deadline);
    let left_ns = || call.deadline.saturating_sub(core.shared().port.now_ns());
    if read && !core.gate.is_worth_it(left_ns(), is_first, marks) {
        core.counters().rare().expired.bump();
        events::broke(core, call.deadline);
        if let Some(caller) = caller {
            caller.force(AskError::Expired);
        }
        return false;
    }
    if let Some(caller) = caller.as_ref().filter(|caller| caller.is_cancelled_around()) {
        core.counters().rare().cancelled.bump();
        caller.force(AskError::Cancelled);
        return false;
    }
    (owner.caller, owner.call) = (caller, call.packed());
    true
}

/// Makes what the question in hand has along that of this call.
#[inline]
fn carrying<A: Actor>(owner: &Owner<A>) -> Option<Carrying> {
    owner.caller.as_ref().and_then(Carried::of).map(|carried| turn::carry(Some(carried)))
}

/// Takes a message into hand. What it says of itself is user code and may panic: by then it is in hand. Whether no copy of
/// it is kept.
#[inline(always)]
fn take<A: Actor>(cell: &ActorCell<A>, msg: &A::Msg, own: bool, sent: (ActorId, u32), end: &mut End) -> bool {
    let core = cell.core();
    core.note_origin(sent.0, sent.1);
    let marked = |label: Label| if own { label.marked() } else { label };
    core.doing.set(marked(Label::UNKNOWN));
    core.doing.set(marked(end.past().recent.note(msg.kind(), core.taken(), |last, kind| turns_to(core, last, kind))));
    let copy = msg.salvage();
    let none = copy.is_none();
    if !none {
        end.past().hand.rare().salvage = copy;
    }
    none
}

/// The message in hand is of another kind than the one before.
#[cold]
fn turns_to(core: &Core, last: &'static str, kind: &'static str) {
    core.gate.turns_to(last, kind, core.handled.get() as u32);
}

/// Has a signal read.
async fn read<A: Actor>(cell: &ActorCell<A>, being: &mut Being<A>, signal: Signal) -> Option<Ending> {
    let Being { cx, end, state } = being;
    end.past().hand.callback = Callback::OnSignal;
    let met = {
        let mut reading = pin!(Berth::new());
        match begin(cell, reading.as_mut(), || state.on_signal(signal, cx)) {
            Poll::Ready(met) => met,
            Poll::Pending => awaited!(cell, reading),
        }
    };
    let ending = settle(cell, met, end);
    end.past().hand.callback = Callback::Handle;
    ending
}

/// Drops a message that is not handled; its destructor is user code.
#[cold]
fn drop_unhandled<A: Actor>(cell: &ActorCell<A>, msg: A::Msg, end: &mut End) {
    end.past().hand.callback = Callback::Drop;
    // Whether it was abandoned meanwhile is seen at the next look into the mailbox.
    let _ = cell.user(|| drop(msg));
    end.past().hand.callback = Callback::Handle;
}
