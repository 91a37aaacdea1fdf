//! What workers are told: traffic, orders to tie themselves to something, and orders to misbehave.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

use crashworthy::{Message, MonitorRef, Pid, Reason, Rejected, Reply};

use super::kind::{Kind, Tally};
use super::ledger::{Ledger, Peer};
use super::register::{Token, mark};

/// The kinds of messages of workers. The last is what the runtime says where the message does not.
pub const KINDS: &[&str] = &["Traffic", "Question", "Order", "Fault", "Report", "?"];

/// The text of every panic of the campaign.
pub const ON_PURPOSE: &str = "a fault of the campaign";

/// A message.
pub struct Msg {
    /// Its place in the register.
    pub token: Token,
    /// Who sent it; 0 if nobody cares.
    pub from: u64,
    /// Its number among those of its sender to its receiver.
    pub number: u64,
    /// What it says.
    pub body: Body,
    /// What happens when it is dropped.
    pub bomb: Option<Bomb>,
    /// Whose books it is in.
    pub ledger: Arc<Ledger>,
}

/// What a message says. Numbers name peers, milliseconds, names.
#[expect(missing_docs, reason = "the worker reads as their documentation")]
pub enum Body {
    Count,
    Tick,
    Echo(u64, Reply<u64>),
    Keep(Reply<u64>),
    AnswerKept,
    DropReply(Reply<u64>),
    Refuse(Reply<u64>),
    Relay(u64, Reply<u64>),
    Forward(u64),
    SelfTell,
    Yield(u64),
    Reserve(u64),
    UsePermit,
    After(u64),
    AfterBomb(u64),
    Interval(u64),
    CancelTimers,
    Monitor(u64),
    Demonitor,
    Link(u64),
    Unlink,
    Register(u64),
    Unregister,
    Join(u64),
    Leave,
    Spawn(bool),
    Pipe(Piped),
    Stream(bool),
    IntervalPanic,
    Blocking,
    Panic(Holding),
    PanicAwaited,
    Error,
    Exit(bool),
    Hang,
    Block(u64),
    ArmSignal(bool),
    ArmTerminate(bool),
    ArmState,
    /// `kind` panics, once.
    Nameless(Cell<bool>),
    /// `salvage` panics, once.
    Unsalvageable(Cell<bool>),
    Kill(u64),
    Report(Reply<Report>),
}

/// What a handler holds when it panics.
#[expect(missing_docs, reason = "see above")]
pub enum Holding {
    Nothing,
    Reply(Reply<u64>),
    Permit(u64),
    Timers,
    Names(u64),
    Ties(u64),
}

/// What a piped future does.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see above")]
pub enum Piped {
    Ends,
    Panics,
    Hangs,
    HangsWithBomb,
}

/// What a worker says of itself at the end of a round.
#[derive(Debug)]
#[expect(missing_docs, reason = "see above")]
pub struct Report {
    pub pid: Pid,
    pub monitors: Vec<(MonitorRef, Pid)>,
    pub names: Vec<String>,
    pub groups: Vec<String>,
}

impl Msg {
    /// A message, if it is made as one of these ([`mark`]).
    pub fn new(ledger: &Arc<Ledger>, marks: u32, (from, number): (u64, u64), body: Body) -> Self {
        Self { token: ledger.messages.token(marks), from, number, body, bomb: None, ledger: ledger.clone() }
    }

    /// What an actor sends itself.
    pub fn own(ledger: &Arc<Ledger>, body: Body) -> Self {
        Self::new(ledger, mark::OWN, (0, 0), body)
    }

    /// The same message, that panics when it is dropped.
    #[must_use]
    pub fn with_bomb(self, kind: Kind) -> Self {
        let bomb = Bomb::armed(&self.ledger.tally, kind);
        Self { bomb: Some(bomb), ..self }
    }
}

impl Message for Msg {
    fn kind(&self) -> &'static str {
        match &self.body {
            Body::Nameless(fuse) if !fuse.replace(true) => self.fail(Kind::MessageKindPanic),
            Body::Count | Body::Tick | Body::Forward(_) | Body::SelfTell | Body::Yield(_) => "Traffic",
            Body::Echo(..) | Body::Keep(_) | Body::DropReply(_) | Body::Refuse(_) | Body::Relay(..) => "Question",
            Body::Report(_) => "Report",
            Body::Panic(_) | Body::PanicAwaited | Body::Error | Body::Exit(_) | Body::Hang | Body::Block(_) => "Fault",
            _ => "Order",
        }
    }

    fn salvage(&self) -> Option<Box<dyn Any + Send>> {
        match &self.body {
            Body::Unsalvageable(fuse) if !fuse.replace(true) => self.fail(Kind::SalvagePanic),
            _ => Some(Box::new(self.token.id())),
        }
    }
}

impl Msg {
    fn fail(&self, kind: Kind) -> ! {
        self.ledger.counts.unnamed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.ledger.strike(kind);
        panic!("{ON_PURPOSE}")
    }
}

/// Panics when it is dropped, unless something else unwinds: that would be the end of the process.
#[derive(Debug)]
pub struct Bomb {
    tally: Option<Arc<Tally>>,
    kind: Kind,
}

impl Bomb {
    /// A bomb of this kind.
    pub fn armed(tally: &Arc<Tally>, kind: Kind) -> Self {
        Self { tally: Some(tally.clone()), kind }
    }

    /// It does not panic any more.
    pub fn defuse(&mut self) {
        self.tally = None;
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(tally) = self.tally.take().filter(|_| !std::thread::panicking()) {
            tally.strike(self.kind);
            panic!("{ON_PURPOSE}");
        }
    }
}

/// Tells a peer. False: it came back.
pub fn tell(to: &Peer, (from, number): (u64, u64), body: Body, bomb: Option<Kind>) -> bool {
    let ledger = &to.kit.ledger;
    let mut msg = Msg::new(ledger, mark::TELL, (from, number), body);
    if let Some(kind) = bomb {
        msg = msg.with_bomb(kind);
    }
    let id = msg.token.id();
    match to.actor.tell(msg) {
        Ok(()) => {
            ledger.messages.mark(id, mark::ACCEPTED);
            true
        }
        Err(rejected) => {
            came_back(ledger, id, rejected);
            false
        }
    }
}

/// Notes a message that was refused.
pub fn came_back(ledger: &Ledger, id: u32, rejected: Rejected<Msg>) {
    if rejected.why.reason == Reason::Fenced {
        ledger.strike(Kind::Fenced);
    }
    ledger.messages.mark(id, mark::REFUSED);
    if let Some(bomb) = &mut rejected.into_message().bomb {
        bomb.defuse();
    }
}
