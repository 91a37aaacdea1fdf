//! The actor of the campaign: works, ties itself to others, and misbehaves on command.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use crashworthy::{
    Actor, AskError, Context, Exit, ExitReason, MonitorRef, Offer, Permit, Pid, Reason, Refused, Reply, Signal,
    TimerRef, ms,
};
use futures_core::Stream;

use super::kind::Kind;
use super::ledger::{Ledger, Peer, Purse};
use super::message::{Body, Bomb, Holding, Msg, ON_PURPOSE, Piped, Report, tell};
use super::register::{Token, mark};

/// What the incarnations of one worker start from.
pub struct Kit {
    /// The books of its round.
    pub ledger: Arc<Ledger>,
    /// Its number.
    pub number: usize,
    /// Whether it traps exits.
    pub traps: bool,
    /// What goes wrong in the next starts.
    pub inits: Mutex<VecDeque<InitFault>>,
}

/// What goes wrong in a start.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the worker reads as their documentation")]
pub enum InitFault {
    Panic,
    PanicTied(u64),
    Error,
    Ignore,
    Hang,
    Block(u64),
}

impl Kit {
    /// A worker without faults so far.
    pub fn new(ledger: &Arc<Ledger>, number: usize, traps: bool) -> Arc<Self> {
        Arc::new(Self { ledger: ledger.clone(), number, traps, inits: Mutex::default() })
    }

    /// Lets the next start go wrong.
    pub fn arm(&self, fault: InitFault) {
        let mut inits = self.inits.lock().expect("nobody panics with the list");
        if inits.len() < 3 {
            inits.push_back(fault);
        }
    }

    fn next_init(&self) -> Option<InitFault> {
        let mut inits = self.inits.lock().expect("nobody panics with the list");
        if self.ledger.is_over() {
            inits.clear();
        }
        inits.pop_front()
    }
}

/// One incarnation.
pub struct Worker {
    kit: Arc<Kit>,
    token: Token,
    monitors: BTreeMap<MonitorRef, Pid>,
    links: Vec<Pid>,
    timers: Vec<TimerRef>,
    permits: Option<Arc<Purse>>,
    replies: Vec<Reply<u64>>,
    names: Vec<String>,
    groups: BTreeSet<String>,
    /// The last number sent to each.
    sent: BTreeMap<usize, u64>,
    signal_fault: Option<bool>,
    terminate_fault: Option<bool>,
    bomb: Option<Bomb>,
}

/// How a handler ends that does not end well.
enum Bad {
    /// The message ends, the actor goes on.
    Message(Exit),
    /// The actor is done; the message was the last.
    Done,
    /// The incarnation ends.
    Incarnation(Exit),
}

impl Actor for Worker {
    type Args = Arc<Kit>;
    type Msg = Msg;

    async fn init(kit: Arc<Kit>, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(kit.traps);
        let ledger = kit.ledger.clone();
        let mut worker = Self {
            token: ledger.states.token(0),
            kit,
            monitors: BTreeMap::new(),
            links: Vec::new(),
            timers: Vec::new(),
            permits: None,
            replies: Vec::new(),
            names: Vec::new(),
            groups: BTreeSet::new(),
            sent: BTreeMap::new(),
            signal_fault: None,
            terminate_fault: None,
            bomb: None,
        };
        match worker.kit.next_init() {
            None => {}
            Some(InitFault::Panic) => fail(&ledger, Kind::InitPanic),
            Some(InitFault::PanicTied(number)) => {
                worker.tie(number, cx);
                worker.name(number, cx);
                worker.after(number % 8, None, cx);
                worker.pipe(Piped::Hangs, cx);
                fail(&ledger, Kind::InitPanicTied)
            }
            Some(InitFault::Error) => {
                ledger.strike(Kind::InitError);
                return Err(ON_PURPOSE.into());
            }
            Some(InitFault::Ignore) => {
                ledger.strike(Kind::InitIgnore);
                return Err(Exit::ignore());
            }
            Some(InitFault::Hang) => {
                ledger.strike(Kind::InitHang);
                ledger.hang().await;
            }
            Some(InitFault::Block(time)) => {
                ledger.jam.block(ms(time), || ledger.strike(Kind::InitBlock));
            }
        }
        Ok(worker)
    }

    async fn handle(&mut self, msg: Msg, cx: &mut Context<Self>) -> Result<(), Exit> {
        let (ledger, id) = (self.kit.ledger.clone(), msg.token.id());
        if let Some(seen) = ledger.enter(self.kit.number, &msg.token, msg.from, msg.number)
            // One that was abandoned before it came so far has been overtaken by the next incarnation.
            && cx.check() != Err(AskError::Fenced)
        {
            ledger.violate("messages of one sender keep their order", seen);
        }
        let done = self.act(msg, cx).await;
        if !matches!(done, Err(Bad::Incarnation(_))) {
            ledger.handled(id);
        }
        match done {
            Ok(()) => Ok(()),
            Err(Bad::Done) => Err(Exit::normal()),
            Err(Bad::Message(exit) | Bad::Incarnation(exit)) => Err(exit),
        }
    }

    async fn on_signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        match signal {
            Signal::Down(down) => {
                if self.monitors.remove(&down.monitor) != Some(down.pid) {
                    let seen = format!("worker {} read {down:?}, which it does not wait for", self.kit.number);
                    self.ledger().violate("one Down for each monitor", seen);
                }
            }
            Signal::Exit { from, reason } => {
                self.links.retain(|linked| *linked != from);
                if matches!(reason, ExitReason::Crashed(_)) {
                    self.ledger().strike(Kind::LinkBroken);
                }
            }
        }
        match self.signal_fault.take() {
            None => Ok(()),
            Some(true) => fail(self.ledger(), Kind::SignalPanic),
            Some(false) => {
                self.ledger().strike(Kind::SignalError);
                Err(ON_PURPOSE.into())
            }
        }
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        match self.terminate_fault.take() {
            None => {}
            Some(true) => fail(self.ledger(), Kind::TerminatePanic),
            Some(false) => {
                self.ledger().strike(Kind::TerminateHang);
                self.ledger().hang().await;
            }
        }
    }
}

/// Panics, on purpose.
fn fail(ledger: &Ledger, kind: Kind) -> ! {
    ledger.strike(kind);
    panic!("{ON_PURPOSE}")
}

impl Worker {
    fn ledger(&self) -> &Arc<Ledger> {
        &self.kit.ledger
    }

    /// Does what a message says. The message's own drop is part of it.
    async fn act(&mut self, msg: Msg, cx: &mut Context<Self>) -> Result<(), Bad> {
        let ledger = self.kit.ledger.clone();
        let Msg { body, token: _token, bomb: _bomb, .. } = msg;
        match body {
            Body::Count | Body::Nameless(_) | Body::Unsalvageable(_) => {}
            Body::Tick => {
                if ledger.is_over() {
                    self.cancel_timers(cx);
                }
            }
            Body::Echo(value, reply) => reply.send(value),
            Body::Keep(reply) => self.replies.push(reply),
            Body::AnswerKept => self.replies.drain(..).for_each(|reply| reply.send(0)),
            Body::DropReply(reply) => {
                ledger.strike(Kind::ReplyDropped);
                drop(reply);
            }
            Body::Refuse(_reply) => {
                ledger.strike(Kind::HandleRefusal);
                return Err(Bad::Message(Exit::from(Refused::because(Reason::Full))));
            }
            Body::Relay(number, reply) => reply.send(self.relay(number).await?),
            Body::Forward(number) => {
                self.forward(number);
            }
            Body::SelfTell => {
                let _ = cx.send_self(Msg::own(&ledger, Body::Count));
            }
            Body::Yield(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Body::Reserve(number) => self.reserve(number),
            Body::UsePermit => self.use_permits(),
            Body::After(time) => self.after(time, None, cx),
            Body::AfterBomb(time) => self.after(time, Some(Kind::TimerDropPanic), cx),
            Body::Interval(time) => {
                let books = ledger.clone();
                self.timers.extend(cx.interval(ms(time.max(1)), move || Msg::own(&books, Body::Tick)));
            }
            Body::CancelTimers => self.cancel_timers(cx),
            Body::Monitor(number) => self.monitor(number, cx),
            Body::Demonitor => {
                if let Some((monitor, _)) = self.monitors.pop_first() {
                    cx.demonitor(monitor);
                }
            }
            Body::Link(number) => self.link(number, cx),
            Body::Unlink => {
                if let Some(linked) = self.links.pop() {
                    cx.unlink(linked);
                }
            }
            Body::Register(number) => self.register(number, cx),
            Body::Unregister => {
                if let Some(name) = self.names.pop() {
                    cx.unregister(&name);
                }
            }
            Body::Join(number) => self.join(number, cx),
            Body::Leave => {
                if let Some(group) = self.groups.pop_first() {
                    cx.leave(&group);
                }
            }
            Body::Spawn(linked) => self.spawn(linked, cx).await,
            Body::Pipe(piped) => self.pipe(piped, cx),
            Body::Stream(panics) => self.stream(panics, cx),
            Body::IntervalPanic => {
                let books = ledger.clone();
                self.timers.extend(cx.interval(ms(1), move || fail(&books, Kind::IntervalPanic)));
            }
            Body::Blocking => {
                let books = ledger.clone();
                let ran = cx.run_blocking(move || fail(&books, Kind::BlockingPanic)).await;
                ran.map_err(Bad::Incarnation)?;
            }
            Body::Panic(holding) => self.panic(holding, cx),
            Body::PanicAwaited => {
                tokio::task::yield_now().await;
                fail(&ledger, Kind::HandlePanicAwaited)
            }
            Body::Error => {
                ledger.strike(Kind::HandleError);
                return Err(Bad::Incarnation(ON_PURPOSE.into()));
            }
            Body::Exit(done) => {
                ledger.strike(Kind::HandleExit);
                return Err(if done { Bad::Done } else { Bad::Incarnation(Exit::shutdown()) });
            }
            Body::Hang => {
                ledger.strike(Kind::HandleHang);
                ledger.hang().await;
            }
            Body::Block(time) => {
                if ledger.jam.block(ms(time), || ledger.strike(Kind::HandleBlock)) {
                    // Whether it was abandoned meanwhile shows here.
                    self.forward(time);
                }
            }
            Body::ArmSignal(panics) => self.signal_fault = Some(panics),
            Body::ArmTerminate(panics) => self.terminate_fault = Some(panics),
            Body::ArmState => self.bomb = Some(Bomb::armed(&ledger.tally, Kind::StateDropPanic)),
            Body::Kill(number) => {
                if let Some(peer) = ledger.peer(number).filter(|peer| peer.actor.is_alive()) {
                    ledger.strike(Kind::Kill);
                    cx.kill(peer.actor.pid());
                }
            }
            Body::Report(reply) => reply.send(Report {
                pid: cx.pid(),
                monitors: self.monitors.iter().map(|(monitor, pid)| (*monitor, *pid)).collect(),
                names: self.names.clone(),
                groups: self.groups.iter().cloned().collect(),
            }),
        }
        Ok(())
    }

    async fn relay(&mut self, number: u64) -> Result<u64, Bad> {
        let Some(peer) = self.ledger().peer(number) else { return Ok(0) };
        let ledger = self.ledger().clone();
        let make = |reply| Msg::new(&ledger, mark::ASK, (0, 0), Body::Echo(number, reply));
        ledger.counts.asked.fetch_add(1, SeqCst);
        let _ended = Ended(&ledger);
        match peer.actor.ask(make).within(ms(3)).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let ends = !matches!(error, AskError::Refused(_) | AskError::Expired | AskError::Cancelled);
                let exit = Exit::from(error);
                if !ends {
                    ledger.strike(Kind::HandleRefusal);
                    return Err(Bad::Message(exit));
                }
                ledger.strike(Kind::HandleError);
                Err(Bad::Incarnation(exit))
            }
        }
    }

    /// Sends a message as this incarnation.
    fn forward(&mut self, number: u64) {
        let Some(peer) = self.ledger().peer(number) else { return };
        let sent = self.sent.entry(peer.kit.number).or_default();
        *sent += 1;
        let stamp = (1 << 32 | u64::from(self.token.id()), *sent);
        tell(&peer, stamp, Body::Count, None);
    }

    fn reserve(&mut self, number: u64) {
        if let Some(peer) = self.ledger().peer(number)
            && let Ok(permit) = peer.actor.reserve(Offer::within(ms(1_000)))
        {
            let purse = self.permits.get_or_insert_with(|| peer.kit.ledger.purse());
            purse.lock().expect("nobody panics with a purse").push((peer, permit));
        }
    }

    fn use_permits(&mut self) {
        let held = |purse: &Arc<Purse>| std::mem::take(&mut *purse.lock().expect("nobody panics with a purse"));
        for (peer, permit) in self.permits.as_ref().map(held).unwrap_or_default() {
            send_reserved(&peer, permit, (0, 0));
        }
    }

    fn after(&mut self, time: u64, bomb: Option<Kind>, cx: &mut Context<Self>) {
        let mut msg = Msg::own(self.ledger(), Body::Tick);
        if let Some(kind) = bomb {
            msg = msg.with_bomb(kind);
        }
        self.timers.push(cx.send_after(ms(time), msg));
    }

    fn cancel_timers(&mut self, cx: &mut Context<Self>) {
        for timer in self.timers.drain(..) {
            cx.cancel(timer);
        }
    }

    fn monitor(&mut self, number: u64, cx: &mut Context<Self>) {
        if let Some(peer) = self.ledger().peer(number) {
            let pid = peer.actor.pid();
            if !peer.actor.is_alive() {
                self.ledger().strike(Kind::MonitorDead);
            }
            self.monitors.insert(cx.monitor(pid), pid);
        }
    }

    fn link(&mut self, number: u64, cx: &mut Context<Self>) {
        if let Some(peer) = self.ledger().peer(number) {
            let pid = peer.actor.pid();
            cx.link(pid);
            self.links.push(pid);
        }
    }

    fn tie(&mut self, number: u64, cx: &mut Context<Self>) {
        self.monitor(number, cx);
        self.link(number, cx);
    }

    fn register(&mut self, number: u64, cx: &mut Context<Self>) {
        let name = format!("name {}", number % 12);
        if cx.register(&name).is_ok() && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn join(&mut self, number: u64, cx: &mut Context<Self>) {
        let group = format!("group {}", number % 3);
        cx.join(&group);
        self.groups.insert(group);
    }

    fn name(&mut self, number: u64, cx: &mut Context<Self>) {
        self.register(number, cx);
        self.join(number, cx);
    }

    async fn spawn(&mut self, linked: bool, cx: &mut Context<Self>) {
        let ledger = self.ledger().clone();
        let Some(number) = ledger.next_worker().filter(|_| !ledger.is_over()) else { return };
        let kit = Kit::new(&ledger, number, number.is_multiple_of(2));
        let started = if linked { cx.spawn_link::<Worker>(kit.clone()).await } else { cx.spawn(kit.clone()).await };
        if let Ok(actor) = started {
            ledger.peers().push(Peer { actor, kit });
        }
    }

    fn pipe(&mut self, piped: Piped, cx: &mut Context<Self>) {
        let (ledger, books) = (self.ledger().clone(), self.ledger().clone());
        let bomb = matches!(piped, Piped::HangsWithBomb).then(|| Bomb::armed(&ledger.tally, Kind::PipeDropPanic));
        let future = async move {
            let _bomb = bomb;
            match piped {
                Piped::Ends => tokio::task::yield_now().await,
                Piped::Panics => fail(&ledger, Kind::PipePanic),
                Piped::Hangs | Piped::HangsWithBomb => ledger.hang().await,
            }
        };
        // Refused: a thousand run already.
        let _ = cx.pipe(future, move |()| Msg::own(&books, Body::Count));
    }

    fn stream(&mut self, panics: bool, cx: &mut Context<Self>) {
        let (items, ends) = (self.ledger().clone(), self.ledger().clone());
        let stream = Drip { left: 4, panics, ledger: self.ledger().clone() };
        let _ = cx.pipe_stream(stream, move |()| Msg::own(&items, Body::Count), move || Msg::own(&ends, Body::Count));
    }

    fn panic(&mut self, holding: Holding, cx: &mut Context<Self>) {
        let ledger = self.ledger().clone();
        match holding {
            Holding::Nothing => fail(&ledger, Kind::HandlePanic),
            Holding::Reply(_reply) => fail(&ledger, Kind::HandlePanicReply),
            Holding::Permit(number) => {
                let peer = ledger.peer(number);
                let _permit = peer.as_ref().map(|peer| peer.actor.reserve(Offer::within(ms(1))));
                self.reserve(number + 1);
                fail(&ledger, Kind::HandlePanicPermit)
            }
            Holding::Timers => {
                self.after(1, None, cx);
                self.after(60_000, None, cx);
                let books = ledger.clone();
                self.timers.extend(cx.interval(ms(2), move || Msg::own(&books, Body::Tick)));
                fail(&ledger, Kind::HandlePanicTimer)
            }
            Holding::Names(number) => {
                self.name(number, cx);
                fail(&ledger, Kind::HandlePanicName)
            }
            Holding::Ties(number) => {
                self.tie(number, cx);
                fail(&ledger, Kind::HandlePanicLink)
            }
        }
    }
}

/// Sends into a place that was reserved. Whether it was taken.
pub fn send_reserved(to: &Peer, permit: Permit<Msg>, stamp: (u64, u64)) -> bool {
    let ledger = &to.kit.ledger;
    let msg = Msg::new(ledger, mark::TELL, stamp, Body::Count);
    let id = msg.token.id();
    match permit.send(msg) {
        Ok(()) => {
            ledger.messages.mark(id, mark::ACCEPTED);
            true
        }
        Err(rejected) => {
            ledger.strike(Kind::PermitOutlived);
            super::message::came_back(ledger, id, rejected);
            false
        }
    }
}

/// Notes that a question has ended, however its asker did.
pub struct Ended<'a>(pub &'a Ledger);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.counts.answered.fetch_add(1, SeqCst);
    }
}

/// A few items, then the end or a panic.
struct Drip {
    left: u32,
    panics: bool,
    ledger: Arc<Ledger>,
}

impl Stream for Drip {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<Option<()>> {
        if self.left == 0 {
            if self.panics {
                fail(&self.ledger, Kind::StreamPanic);
            }
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(()))
    }
}

/// Longest a worker is waited for once nothing is wrong any more.
pub const PATIENCE: Duration = Duration::from_secs(20);
