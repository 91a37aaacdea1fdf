//! What the tests of this crate share: runtimes, an actor that does as it is told, and the wait for quiet.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crashworthy_runtime::{
    Actor, ActorRef, Builder, Context, DeadLetter, Exit, ExitReason, Law, Message, Overflow, Reply, Signal, Slot,
    StartError, System,
};
use tokio::sync::{mpsc, oneshot};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A deadline that is waited for: long enough for a handler to have begun by then on a loaded machine.
pub(crate) const SOON: Duration = Duration::from_millis(1_500);

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Runs a test on one thread, then on two.
pub(crate) fn everywhere<F: Future<Output = ()>>(test: impl Fn() -> F) {
    on_one(&test);
    on_two(&test);
}

pub(crate) fn on_one<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    in_time(&builder.enable_all().build().expect("a runtime"), test());
}

pub(crate) fn on_two<F: Future<Output = ()>>(test: impl Fn() -> F) {
    in_time(&two_workers(), test());
}

/// Runs a test on so many threads: more than there are cores, so that they are interrupted anywhere.
pub(crate) fn on_many<F: Future<Output = ()>>(threads: usize, test: impl Fn() -> F) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    in_time(&builder.worker_threads(threads).enable_all().build().expect("a runtime"), test());
}

pub(crate) fn two_workers() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

fn in_time(runtime: &tokio::runtime::Runtime, test: impl Future<Output = ()>) {
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test ends in time") });
}

/// Polls once, for a task that is never heard of again.
pub(crate) fn poll_elsewhere<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut std::task::Context::from_waker(Waker::noop()))
}

/// Polls something once, with the waker of whoever asks: whether it is not there yet.
pub(crate) async fn pends(mut waits: Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx).is_pending())).await
}

/// Lets others run until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE / 2, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn bare() -> System {
    // A machine that is busy with other things holds up turns: that is no event of the test's.
    System::builder().blocked_after(Duration::from_secs(3_600)).bare().expect("the settings are valid")
}

/// A system whose dead letters are read by the test.
pub(crate) fn bare_with_letters() -> (System, mpsc::UnboundedReceiver<DeadLetter>) {
    let (sender, letters) = mpsc::unbounded_channel();
    let hook = move |letter| {
        let _ = sender.send(letter);
    };
    (
        Builder::default()
            .blocked_after(Duration::from_secs(3_600))
            .on_dead_letter(hook)
            .bare()
            .expect("default settings are valid"),
        letters,
    )
}

/// Waits until every actor of the system rests, then asserts that each of its messages has ended in one way, and that what
/// nobody handled of those who are still there is among the dead letters, or told beside them.
pub(crate) async fn lawful(system: &System) {
    let begun = Instant::now();
    loop {
        let shot = system.snapshot();
        let sum = |term: fn(&Law) -> u64| shot.actors.iter().map(|actor| term(&actor.law)).sum::<u64>();
        let letters = system.letters();
        let are_told = sum(|law| law.given_up) <= letters.given_up
            && sum(|law| law.undelivered) <= letters.undelivered + letters.own_undelivered;
        let rest = shot.actors.iter().all(|actor| actor.law.in_hand == 0 && actor.law.queued == 0);
        if shot.law_holds() && rest && are_told {
            return;
        }
        let laws: Vec<_> = shot.actors.iter().map(|actor| (actor.pid, actor.state, actor.law)).collect();
        assert!(
            begun.elapsed() < PATIENCE / 4,
            "messages without an end, or that are not told: {laws:#?}, {letters:#?}"
        );
        tokio::task::yield_now().await;
    }
}

/// The law of one actor, which must hold.
pub(crate) fn law<A: Actor>(actor: &ActorRef<A>) -> Law {
    let law = actor.law();
    assert!(law.holds(), "{law:?}");
    law
}

/// What a [`Puppet`] tells its test.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Init(u32),
    Note(u64),
    Signal(Signal),
    Terminate(ExitReason),
    /// The state of an incarnation was dropped.
    Dropped(u32),
}

/// The test's end of a puppet.
pub(crate) struct Journal(mpsc::UnboundedReceiver<Event>);

impl Journal {
    pub(crate) async fn next(&mut self) -> Event {
        self.0.recv().await.expect("a puppet that writes")
    }

    /// The next event that is not about a beginning or an end.
    pub(crate) async fn signal(&mut self) -> Signal {
        loop {
            if let Event::Signal(signal) = self.next().await {
                return signal;
            }
        }
    }

    pub(crate) async fn note(&mut self) -> u64 {
        loop {
            if let Event::Note(note) = self.next().await {
                return note;
            }
        }
    }

    /// What has been written and not read. Conclude from an absence only after [`ActorRef::settled`] or `down`.
    pub(crate) fn rest(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    pub(crate) fn notes(&mut self) -> Vec<u64> {
        let note = |event| if let Event::Note(note) = event { Some(note) } else { None };
        self.rest().into_iter().filter_map(note).collect()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
pub(crate) type Done<'a> = Boxed<'a, Result<(), Exit>>;
type Deed = Box<dyn for<'a> FnOnce(&'a mut Puppet, &'a mut Context<Puppet>) -> Done<'a> + Send>;
type OnInit = Box<dyn for<'a> FnOnce(&'a mut Context<Puppet>) -> Done<'a> + Send>;
type OnSignal = Arc<dyn Fn(&Signal) -> Result<(), Exit> + Send + Sync>;
type Hook = Arc<dyn Fn() + Send + Sync>;

/// What an incarnation starts from.
pub(crate) struct Part {
    events: mpsc::UnboundedSender<Event>,
    pub(crate) traps: bool,
    init: Option<OnInit>,
    pub(crate) on_signal: Option<OnSignal>,
    pub(crate) on_terminate: Option<Hook>,
    pub(crate) on_drop: Option<Hook>,
}

impl Part {
    /// The same part again, for the next incarnation; what `init` does is not repeated.
    pub(crate) fn again(&self) -> Self {
        let Self { events, traps, init: _, on_signal, on_terminate, on_drop } = self;
        Self {
            events: events.clone(),
            traps: *traps,
            init: None,
            on_signal: on_signal.clone(),
            on_terminate: on_terminate.clone(),
            on_drop: on_drop.clone(),
        }
    }

    pub(crate) fn trapping(mut self) -> Self {
        self.traps = true;
        self
    }

    pub(crate) fn init(
        mut self,
        init: impl for<'a> FnOnce(&'a mut Context<Puppet>) -> Done<'a> + Send + 'static,
    ) -> Self {
        self.init = Some(Box::new(init));
        self
    }

    pub(crate) fn signalled(mut self, on: impl Fn(&Signal) -> Result<(), Exit> + Send + Sync + 'static) -> Self {
        self.on_signal = Some(Arc::new(on));
        self
    }

    pub(crate) fn terminated(mut self, on: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_terminate = Some(Arc::new(on));
        self
    }

    pub(crate) fn dropped(mut self, on: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Arc::new(on));
        self
    }
}

/// A part and the journal of whoever plays it.
pub(crate) fn part() -> (Part, Journal) {
    let (events, journal) = mpsc::unbounded_channel();
    let part = Part { events, traps: false, init: None, on_signal: None, on_terminate: None, on_drop: None };
    (part, Journal(journal))
}

/// An actor that does as it is told and writes down what happens to it.
pub(crate) struct Puppet {
    part: Part,
    incarnation: u32,
}

pub(crate) enum Order {
    /// Written into the journal; kept for the dead-letter hook.
    Note(u64),
    Echo(u64, Reply<u64>),
    /// A note, or a question if somebody waits, that says what becomes of it when there is no room.
    Fleeting(u64, Overflow, Option<Reply<u64>>),
    /// A note of another kind that says that.
    Other(u64, Overflow),
    /// Which incarnation answers.
    Who(Reply<u32>),
    Do(Deed),
    Panic,
    Fail,
    Exit(ExitReason),
    /// Awaits.
    Await(oneshot::Receiver<()>),
}

impl Message for Order {
    fn kind(&self) -> &'static str {
        match self {
            Self::Note(_) => "Note",
            Self::Echo(..) => "Echo",
            Self::Fleeting(..) => "Fleeting",
            Self::Other(..) => "Other",
            Self::Who(_) => "Who",
            Self::Do(_) => "Do",
            Self::Panic => "Panic",
            Self::Fail => "Fail",
            Self::Exit(_) => "Exit",
            Self::Await(_) => "Await",
        }
    }

    fn overflow(&self) -> Overflow {
        match self {
            Self::Fleeting(_, overflow, _) | Self::Other(_, overflow) => *overflow,
            _ => Overflow::Refuse,
        }
    }

    fn salvage(&self) -> Option<Box<dyn std::any::Any + Send>> {
        match self {
            Self::Note(note) => Some(Box::new(*note)),
            _ => None,
        }
    }
}

/// An order to do this.
pub(crate) fn act(
    deed: impl for<'a> FnOnce(&'a mut Puppet, &'a mut Context<Puppet>) -> Done<'a> + Send + 'static,
) -> Order {
    Order::Do(Box::new(deed))
}

/// An order to do this without awaiting.
pub(crate) fn now(deed: impl FnOnce(&mut Puppet, &mut Context<Puppet>) -> Result<(), Exit> + Send + 'static) -> Order {
    act(|puppet, cx| Box::pin(std::future::ready(deed(puppet, cx))))
}

impl Puppet {
    pub(crate) fn note(&self, note: u64) {
        self.write(Event::Note(note));
    }

    fn write(&self, event: Event) {
        // The test may have heard enough.
        let _ = self.part.events.send(event);
    }
}

impl Actor for Puppet {
    type Args = Part;
    type Msg = Order;

    async fn init(mut part: Part, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(part.traps);
        let init = part.init.take();
        let puppet = Self { part, incarnation: cx.incarnation() };
        if let Some(init) = init {
            init(cx).await?;
        }
        puppet.write(Event::Init(cx.incarnation()));
        Ok(puppet)
    }

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> Result<(), Exit> {
        match order {
            Order::Note(note) => self.note(note),
            Order::Echo(value, reply) => reply.send(value),
            Order::Other(note, _) => self.note(note),
            Order::Fleeting(note, _, reply) => {
                self.note(note);
                if let Some(reply) = reply {
                    reply.send(note);
                }
            }
            Order::Who(reply) => reply.send(cx.incarnation()),
            Order::Do(deed) => deed(self, cx).await?,
            Order::Panic => panic!("as ordered"),
            Order::Fail => Err("as ordered")?,
            Order::Exit(reason) => return Err(Exit::because(reason)),
            Order::Await(gate) => {
                let _ = gate.await;
            }
        }
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        let verdict = self.part.on_signal.as_ref().map_or(Ok(()), |on| on(&signal));
        self.write(Event::Signal(signal));
        verdict
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        self.write(Event::Terminate(reason.clone()));
        if let Some(on) = &self.part.on_terminate {
            on();
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.write(Event::Dropped(self.incarnation));
        if let Some(on) = &self.part.on_drop {
            on();
        }
    }
}

/// A running puppet and its journal, past its `Init`.
pub(crate) async fn puppet(system: &System) -> (ActorRef<Puppet>, Journal) {
    cast(system, |part| part).await
}

pub(crate) async fn trapping(system: &System) -> (ActorRef<Puppet>, Journal) {
    cast(system, Part::trapping).await
}

pub(crate) async fn cast(system: &System, as_what: impl FnOnce(Part) -> Part) -> (ActorRef<Puppet>, Journal) {
    let (part, mut journal) = part();
    let actor = system.spawn::<Puppet>(as_what(part)).await.expect("a puppet starts");
    assert_eq!(journal.next().await, Event::Init(1));
    (actor, journal)
}

/// Has an actor do something and returns what it answers.
pub(crate) async fn does<R: Send + 'static>(
    actor: &ActorRef<Puppet>,
    deed: impl FnOnce(&mut Context<Puppet>) -> R + Send + 'static,
) -> R {
    let (sender, answer) = oneshot::channel();
    let order = now(move |_, cx| {
        let _ = sender.send(deed(cx));
        Ok(())
    });
    actor.tell(order).expect("it takes orders");
    answer.await.expect("it obeys")
}

/// Ask for the running incarnation: an answer proves that it serves.
pub(crate) async fn who(actor: &ActorRef<Puppet>) -> u32 {
    actor.ask(Order::Who).within(Duration::from_secs(10)).await.expect("an answer")
}

/// A parent that starts one slot again and again, when the test says so.
pub(crate) struct Nursery {
    pub(crate) parent: ActorRef<Puppet>,
    pub(crate) signals: Journal,
    pub(crate) slot: Slot<Puppet>,
    part: Part,
    pub(crate) child: Journal,
}

impl Nursery {
    /// A trapping parent and its child.
    pub(crate) async fn open(system: &System, slot: Slot<Puppet>) -> Self {
        Self::with(system, slot, |part| part).await
    }

    pub(crate) async fn with(system: &System, slot: Slot<Puppet>, as_what: impl FnOnce(Part) -> Part) -> Self {
        let (parent, signals) = trapping(system).await;
        let (part, child) = part();
        let nursery = Self { parent, signals, slot, part: as_what(part), child };
        nursery.start().await.expect("a child starts");
        nursery
    }

    /// Begins the next incarnation.
    pub(crate) async fn start(&self) -> Result<crashworthy_runtime::Pid, StartError> {
        self.start_as(self.part.again()).await
    }

    /// The same from another part.
    pub(crate) async fn start_as(&self, part: Part) -> Result<crashworthy_runtime::Pid, StartError> {
        let slot = self.slot.clone();
        let (sender, started) = oneshot::channel();
        let begin = act(move |_, cx| {
            Box::pin(async move {
                let under = crashworthy_runtime::Under { parent: true, link: true };
                let _ = sender.send(cx.start(&slot, part, under).await);
                Ok(())
            })
        });
        self.parent.tell(begin).expect("the parent takes orders");
        started.await.expect("the parent answers")
    }

    /// Has the parent do something.
    pub(crate) fn parent_does(&self, deed: impl FnOnce(&mut Context<Puppet>) + Send + 'static) {
        let order = now(|_, cx| {
            deed(cx);
            Ok(())
        });
        self.parent.tell(order).expect("the parent takes orders");
    }
}

/// A counter to be shared with callbacks.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<AtomicU64>);

impl Tally {
    pub(crate) fn bump(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
