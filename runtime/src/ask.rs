//! A question on its way: sent at the first poll, ended by its answer, its deadline, or the end of who had it.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use crashworthy_sync::promises::Promise;
use crashworthy_sync::task::Runnable;

use crate::error::{AskError, Reason, Refused, Rejected};
use crate::gate::flow_of;
use crate::in_place;
use crate::message::{Criticality, Message};
use crate::pace::Pace;
use crate::pid::ActorId;
use crate::reply::{Caller, Question, Reply, question};
use crate::route::{self, Route, Way};
use crate::scheduler::Pool;
use crate::shared::Shared;
use crate::time::TimerKey;
use crate::turn::{self, Call};
use crate::waits::{self, Awaited, Since};

/// What takes messages of one type, whatever actor is behind it.
pub(crate) trait Door<M>: Send + Sync {
    /// Takes a question. A callee that it woke is to be run: in place, or by the pumps.
    fn put(&self, msg: M, caller: Caller, call: Call) -> Result<Option<Runnable>, Refused>;
    /// How long the callee's turns take.
    fn pace(&self) -> &Pace;
    /// Where the callee runs.
    ///
    /// # Panics
    /// Unless it was started.
    fn pool(&self) -> &Pool;
    /// Takes a message, which may be a question, into a place that was reserved.
    fn put_reserved(&self, msg: M, caller: Option<Caller>, call: Call) -> Result<(), Rejected<M>>;
    /// Gives a reserved place back.
    fn release(&self);
    /// Takes the place that was promised. False: its time had passed, and it is another's.
    fn keep(&self, promise: Promise) -> bool;
    fn shared(&self) -> Option<&Shared>;
    /// Whom whoever is behind it forwards to.
    fn route(&self) -> Option<&Route>;
    /// Whose it is.
    fn id(&self) -> ActorId;
    /// Which slot it is, whether it was ever started or not.
    fn at(&self) -> *const ();
    /// The refusal of an actor that is not there.
    fn refuse(&self) -> Refused;
    /// What a sender is told whose incarnation was abandoned.
    fn fenced(&self) -> Refused;
    /// What a sender is told whose time has passed.
    fn too_late(&self) -> Refused;
    /// A refusal is told to a sender: it is counted.
    fn counted(&self, why: Refused, criticality: Criticality) -> Refused;
    /// A question was not answered in time.
    fn was_late(&self);
}

/// A question; resolves to its answer. Made by [`ActorRef::ask`](crate::ActorRef::ask).
///
/// It is a future itself, so that it can be spawned and joined. Its deadline begins at the first poll.
///
/// # Cancel safety
/// Dropping it cancels the question.
#[must_use = "a question is asked when it is awaited"]
pub struct Ask<'a, M, R, F> {
    door: &'a dyn Door<M>,
    within: Option<Duration>,
    /// On whose behalf, if that was said.
    flow: u8,
    state: State<R, F>,
}

enum State<R, F> {
    Unasked(F),
    Waiting(Waiting<R>),
    Ended,
}

/// A question on its way, and when waiting for its answer ends.
pub(crate) struct Waiting<R> {
    question: Question<R>,
    deadline: Deadline,
    since: Since,
    criticality: Criticality,
}

/// When a question was put, and for how long.
pub(crate) struct Posed {
    pub(crate) since: Since,
    pub(crate) criticality: Criticality,
    pub(crate) deadline: u64,
}

impl<R: Send + 'static> Waiting<R> {
    pub(crate) fn new(question: Question<R>, shared: &Shared, posed: Posed) -> Self {
        let Posed { since, criticality, deadline } = posed;
        Self { question, deadline: Deadline::new(shared, deadline), since, criticality }
    }

    /// The answer of whoever is behind the door, or why there will be none.
    #[inline]
    pub(crate) fn poll<M>(&mut self, door: &dyn Door<M>, cx: &mut Poller<'_>) -> Poll<Result<R, AskError>> {
        let polled = waits::quietly(|| self.poll_answer(door, cx));
        if polled.is_pending() {
            if let Some(by) = waits::whose(&self.deadline.shared) {
                waits::pends(by, door.id(), self.since, self.criticality, || Awaited::Answer(self.question.wait()));
            }
        } else if self.question.has_baggage() {
            waits::is_answered(&self.deadline.shared);
        }
        polled
    }

    #[inline]
    fn poll_answer<M>(&mut self, door: &dyn Door<M>, cx: &mut Poller<'_>) -> Poll<Result<R, AskError>> {
        if let Poll::Ready(answer) = Pin::new(&mut self.question).poll(cx) {
            return Poll::Ready(answer);
        }
        if turn::is_fenced_in(&self.deadline.shared.stragglers) {
            return Poll::Ready(Err(AskError::Fenced));
        }
        if !self.deadline.wakes(cx) {
            door.was_late();
            let end = self.deadline.end();
            if end == AskError::Expired {
                // Whoever finds the question counts it as what it is: nobody has lost interest.
                self.question.note_late();
            }
            return Poll::Ready(Err(end));
        }
        Poll::Pending
    }
}

/// When waiting ends, and the timer that says so: armed only when somebody has to wait.
pub(crate) struct Deadline {
    shared: Arc<Shared>,
    at: u64,
    timer: Option<TimerKey>,
}

impl Deadline {
    pub(crate) fn new(shared: &Shared, at: u64) -> Self {
        Self { shared: shared.arc(), at, timer: None }
    }

    /// When, in nanoseconds of the system's clock.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    fn has_passed(&self) -> bool {
        self.shared.port.now_ns() >= self.at
    }

    /// How a question ends that the deadline does not wake for any more.
    pub(crate) fn end(&self) -> AskError {
        // Before its time only where the runtime has gone, and whoever turned the wheel with it.
        if self.has_passed() || !self.shared.wheel.is_closed() { AskError::Expired } else { AskError::Died }
    }

    /// Sees to it that the deadline wakes the task that polls now. False if it has passed, or nobody turns the wheel.
    pub(crate) fn wakes(&mut self, cx: &Poller<'_>) -> bool {
        match self.timer {
            Some(timer) => !self.has_passed() && self.shared.wheel.rewake(timer, cx.waker()),
            None => {
                self.timer = Some(self.shared.wheel.arm_waker(self.at, cx.waker().clone()));
                true
            }
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.shared.wheel.cancel(timer);
        }
    }
}

impl<'a, M, R, F> Ask<'a, M, R, F> {
    pub(crate) fn new(door: &'a dyn Door<M>, make: F) -> Self {
        Self { door, within: None, flow: 0, state: State::Unasked(make) }
    }

    /// Ends the question no later than this after it is sent. There is no "forever": unless told otherwise it is the time that the
    /// message [names](Message::sla), and else 5 s; what is longer than [`LONGEST_DEADLINE`](crate::LONGEST_DEADLINE) is cut to it.
    ///
    /// One thing can be later: where the callee has been quick so far, its turn may be run by whoever asks, and while that lasts nothing
    /// else of the asker does, nor what it awaits beside (`join!`, `select!`). A turn that is long for once holds the asker up so
    /// long; the next ones are taken elsewhere.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Asks on behalf of somebody, a customer or a connection, whatever this code runs for: for
    /// [`CallScope::on_behalf_of`](crate::CallScope::on_behalf_of) of one question.
    pub fn on_behalf_of(mut self, whom: &impl Hash) -> Self {
        self.flow = self.door.shared().map_or(0, |shared| flow_of(whom, shared.salt));
        self
    }

    /// A question that has been polled has made its message, and needs no maker any more.
    pub(crate) fn sent<G>(self) -> Ask<'a, M, R, G> {
        let state = match self.state {
            State::Waiting(waiting) => State::Waiting(waiting),
            State::Unasked(_) | State::Ended => State::Ended,
        };
        Ask { door: self.door, within: self.within, flow: self.flow, state }
    }
}

// Nothing in it is pinned: the maker is called by value, the question is an ordinary struct.
impl<M, R, F> Unpin for Ask<'_, M, R, F> {}

impl<M, R, F> Future for Ask<'_, M, R, F>
where
    M: Message,
    R: Send + 'static,
    F: FnOnce(Reply<R>) -> M,
{
    type Output = Result<R, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Unasked(_) = this.state
            && let State::Unasked(make) = std::mem::replace(&mut this.state, State::Ended)
        {
            let Some(shared) = this.door.shared() else {
                let why = this.door.counted(this.door.refuse(), Criticality::default());
                return Poll::Ready(Err(AskError::Refused(why)));
            };
            let (mut question, posed) = match send(this.door, shared, (this.within, this.flow), make, cx) {
                Ok(sent) => sent,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if let Some(answer) = question.try_take() {
                // As a rule after a turn in place: nobody waits, nothing is armed.
                return Poll::Ready(answer);
            }
            this.state = State::Waiting(Waiting::new(question, shared, posed));
        }
        let State::Waiting(waiting) = &mut this.state else {
            unreachable!("a question is not polled after its end");
        };
        let polled = waiting.poll(this.door, cx);
        if polled.is_ready() {
            this.state = State::Ended;
        }
        polled
    }
}

#[inline]
fn send<M, R, F>(
    door: &dyn Door<M>,
    shared: &Shared,
    (within, flow): (Option<Duration>, u8),
    make: F,
    cx: &mut Poller<'_>,
) -> Result<(Question<R>, Posed), AskError>
where
    M: Message,
    R: Send + 'static,
    F: FnOnce(Reply<R>) -> M,
{
    let mut call = turn::current().call;
    if flow != 0 {
        call.flow = flow;
    }
    let now = shared.port.now_ns();
    // Before a turn that is run in place for it asks others.
    let since = waits::since(now);
    let (question, reply, caller) = question(turn::asked_for(shared, call).as_ref());
    let message = make(reply);
    let within = within.or_else(|| message.sla()).unwrap_or(shared.settings.ask_within);
    let at = turn::after(now, within).min(call.deadline);
    let criticality = call.lowers(message.criticality());
    let call = Call { deadline: at, criticality, ..call };
    let way = route::prepare(door, shared, &message, &caller, call).map_err(refused)?;
    let woken = match way {
        Way::Open => door.put(message, caller, call).map_err(refused)?,
        Way::Reserved => {
            door.put_reserved(message, Some(caller), call).map_err(|rejected| refused(rejected.why))?;
            None
        }
    };
    if let Some(runnable) = woken {
        if at > now {
            in_place::run(shared, (door.pool(), door.pace()), runnable, [now, at], cx);
        } else {
            door.pool().schedule(runnable);
        }
    }
    Ok((question, Posed { since, criticality, deadline: at }))
}

#[cold]
pub(crate) fn refused(why: Refused) -> AskError {
    if why.reason == Reason::Fenced { AskError::Fenced } else { AskError::Refused(why) }
}

impl<M, R, F> fmt::Debug for Ask<'_, M, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Unasked(_) => "unasked",
            State::Waiting(_) => "waiting",
            State::Ended => "ended",
        };
        f.debug_struct("Ask").field("state", &state).field("within", &self.within).finish_non_exhaustive()
    }
}
