//! Traffic and faults: each driver is a task that does what its dice say, one deed after another.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crashworthy::{Abandoned, AskError, Down, ExitReason, Offer, Permit, Pid, Reason, Reply, StartError, System, ms};
use tokio::sync::mpsc;

use super::kind::Kind;
use super::ledger::{Ledger, Peer, Watched};
use super::message::{Body, Holding, Msg, Piped, tell};
use super::register::mark;
use super::tree::World;
use super::worker::{Ended, InitFault, Kit, send_reserved};
use crate::dice::Dice;

/// How much later than its deadline a question may end: its asker's thread may have been busy, or the machine.
const SLACK: Duration = Duration::from_secs(5);
/// How long a supervisor is waited for: it may be waiting itself.
const PATIENCE: Duration = Duration::from_millis(40);

/// One driver.
pub struct Driver {
    /// Its number among the drivers of its round, from 1.
    pub number: u64,
    /// What it drives.
    pub world: Arc<World>,
    /// The system it drives.
    pub system: System,
    /// Where the ends of those it watches are told.
    pub downs: mpsc::UnboundedSender<Down>,
    /// What it does.
    pub dice: Dice,
    /// How many deeds it does.
    pub deeds: u64,
    /// After how many it stops the system, if it does.
    pub stops: Option<u64>,
}

/// What answer a question may have.
enum Expected {
    /// This one, or none in time.
    Value(u64),
    /// Any or none.
    Any,
    /// None.
    None,
}

/// The numbers of one deed: drawn before it begins, so that what happens changes none of the next.
struct Deed {
    what: u64,
    a: u64,
    b: u64,
    bomb: bool,
}

struct Acting {
    driver: Driver,
    sent: BTreeMap<usize, u64>,
    permits: Vec<(Peer, Permit<Msg>)>,
}

impl Driver {
    /// Does all its deeds, or stops when the system has ended.
    pub async fn run(self) {
        let (deeds, stops) = (self.deeds, self.stops);
        let mut acting = Acting { driver: self, sent: BTreeMap::new(), permits: Vec::new() };
        for done in 0..deeds {
            let dice = &mut acting.driver.dice;
            let deed =
                Deed { what: dice.below(1_000), a: dice.below(1 << 32), b: dice.below(1 << 32), bomb: dice.percent(3) };
            if acting.driver.system.is_stopped() {
                return;
            }
            if stops == Some(done) {
                acting.ledger().strike(Kind::SystemStop);
                acting.ledger().stops.store(true, SeqCst);
                let system = acting.driver.system.clone();
                tokio::spawn(async move { system.stop().await });
            }
            acting.act(deed).await;
        }
    }
}

impl Acting {
    fn ledger(&self) -> &Arc<Ledger> {
        &self.driver.world.ledger
    }

    fn system(&self) -> &System {
        &self.driver.system
    }

    fn tell(&mut self, to: &Peer, body: Body, bomb: Option<Kind>) -> bool {
        let stamp = self.stamp(to);
        tell(to, stamp, body, bomb)
    }

    fn stamp(&mut self, to: &Peer) -> (u64, u64) {
        let number = self.sent.entry(to.kit.number).or_default();
        *number += 1;
        (self.driver.number, *number)
    }

    async fn act(&mut self, Deed { what, a, b, bomb }: Deed) {
        let Some(peer) = self.living(a) else { return };
        match what {
            0..270 => {
                self.tell(&peer, Body::Count, bomb.then_some(Kind::MessageDropPanic));
            }
            270..320 => self.admitted(&peer, b % 4).await,
            320..350 => self.reserve(peer, b),
            350..365 => self.use_permits(),
            365..430 => {
                let make = |reply| Body::Echo(b, reply);
                self.ask(&peer, [2, 8, 40][b as usize % 3], Expected::Value(b), make).await;
            }
            430..440 => self.ask(&peer, 4, Expected::Any, Body::Keep).await,
            440..450 => self.ask(&peer, 8, Expected::None, Body::DropReply).await,
            450..460 => self.ask(&peer, 8, Expected::None, Body::Refuse).await,
            460..475 => self.ask(&peer, 8, Expected::Any, |reply| Body::Relay(b, reply)).await,
            475..495 => self.ask_and_leave(&peer, b).await,
            495..640 => {
                self.tell(&peer, order(b), None);
            }
            640..650 => {
                self.tell(&peer, Body::AfterBomb(b % 20), None);
            }
            650..760 => {
                self.tell(&peer, misbehaviour(b), None);
            }
            760..765 => {
                let make = |reply| Body::Panic(Holding::Reply(reply));
                self.ask(&peer, 8, Expected::None, make).await;
            }
            765..790 => self.arm(&peer, b),
            790..822 => self.fail_start(&peer, b),
            822..860 => self.kill(&peer),
            860..880 => self.exit(&peer, b),
            880..890 => self.abandon(&peer, b).await,
            890..897 => self.hit_supervisor(b),
            897..912 => self.restart_child(b).await,
            912..920 => self.delete_child(b).await,
            920..935 => self.start_dynamic(a, b).await,
            935..943 => self.stop_dynamic(&peer, b).await,
            943..948 => self.suspend(&peer, b).await,
            948..962 => self.watch(&peer),
            962..972 => self.ledger().sting.notify_one(),
            972..976 => {
                self.tell(&peer, Body::Spawn(b.is_multiple_of(2)), None);
            }
            976..982 => self.flood(&peer),
            982..990 => self.race(&peer).await,
            _ => tokio::time::sleep(ms(1)).await,
        }
    }
}

impl Acting {
    /// One of the peers; of two, rather one that lives.
    fn living(&self, number: u64) -> Option<Peer> {
        let first = self.ledger().peer(number)?;
        if first.actor.is_alive() { Some(first) } else { self.ledger().peer(number >> 16) }
    }
}

/// An order that does no harm by itself.
fn order(b: u64) -> Body {
    let n = b >> 8;
    match b % 24 {
        0 => Body::Forward(n),
        1 => Body::SelfTell,
        2 => Body::Yield(n % 8),
        3 => Body::Reserve(n),
        4 => Body::UsePermit,
        5 | 6 => Body::After(n % 10),
        7 => Body::Interval(1 + n % 4),
        8 => Body::CancelTimers,
        9..=11 => Body::Monitor(n),
        12 => Body::Demonitor,
        13 | 14 => Body::Link(n),
        15 => Body::Unlink,
        16 => Body::Register(n),
        17 => Body::Unregister,
        18 => Body::Join(n),
        19 => Body::Leave,
        20 => Body::Pipe(if n.is_multiple_of(2) { Piped::Ends } else { Piped::Hangs }),
        21 => Body::Stream(false),
        22 => Body::AnswerKept,
        _ => Body::Forward(n),
    }
}

/// An order to misbehave.
fn misbehaviour(b: u64) -> Body {
    let n = b >> 8;
    match b % 32 {
        0..=5 => Body::Panic(Holding::Nothing),
        6 | 7 => Body::PanicAwaited,
        8 | 9 => Body::Panic(Holding::Permit(n)),
        10 | 11 => Body::Panic(Holding::Timers),
        12 | 13 => Body::Panic(Holding::Names(n)),
        14 | 15 => Body::Panic(Holding::Ties(n)),
        16 | 17 => Body::Error,
        18 => Body::Exit(true),
        19 => Body::Exit(false),
        20 => Body::Hang,
        21 => Body::Block(n % 6),
        22 => Body::Nameless(false.into()),
        23 => Body::Unsalvageable(false.into()),
        24 | 25 => Body::Pipe(Piped::Panics),
        26 => Body::Pipe(Piped::HangsWithBomb),
        27 => Body::Stream(true),
        28 => Body::IntervalPanic,
        29 => Body::Blocking,
        _ => Body::Kill(n),
    }
}

/// Messages.
impl Acting {
    async fn admitted(&mut self, peer: &Peer, within: u64) {
        match peer.actor.admitted(ms(within)).await {
            Ok(permit) => {
                let stamp = self.stamp(peer);
                send_reserved(peer, permit, stamp);
            }
            Err(refused) if refused.reason == Reason::NoTime => self.ledger().strike(Kind::PermitLate),
            Err(_) => {}
        }
    }

    fn reserve(&mut self, peer: Peer, b: u64) {
        if let Ok(permit) = peer.actor.reserve(Offer::within(ms(1_000))) {
            if b.is_multiple_of(2) {
                self.ledger().strike(Kind::PermitDropped);
            } else {
                self.permits.push((peer, permit));
            }
        }
    }

    fn use_permits(&mut self) {
        for (peer, permit) in std::mem::take(&mut self.permits) {
            let stamp = self.stamp(&peer);
            send_reserved(&peer, permit, stamp);
        }
    }

    fn flood(&mut self, peer: &Peer) {
        for _ in 0..peer.actor.load().limit + 1 {
            if !self.tell(peer, Body::Count, None) {
                if peer.actor.is_alive() {
                    self.ledger().strike(Kind::MailboxFull);
                }
                return;
            }
        }
    }

    async fn ask(&mut self, peer: &Peer, within: u64, expected: Expected, make: impl FnOnce(Reply<u64>) -> Body) {
        let stamp = self.stamp(peer);
        let ledger = self.ledger().clone();
        ledger.counts.asked.fetch_add(1, SeqCst);
        let _ended = Ended(&ledger);
        let mut id = None;
        let asked = |reply| {
            let msg = Msg::new(&ledger, mark::ASK, stamp, make(reply));
            id = Some(msg.token.id());
            msg
        };
        let began = Instant::now();
        let answer = peer.actor.ask(asked).within(ms(within)).await;
        let took = began.elapsed();
        if took > ms(within) + SLACK {
            ledger.violate("a question ends within its deadline", format!("{within} ms took {took:?}: {answer:?}"));
        }
        match &answer {
            Err(AskError::Expired) => ledger.strike(Kind::AskExpired),
            Err(AskError::Died) => ledger.strike(Kind::AskDied),
            Err(AskError::Refused(_)) => {
                ledger.counts.asks_refused.fetch_add(1, SeqCst);
            }
            _ => {}
        }
        let well = match (&answer, expected) {
            (Ok(value), Expected::Value(expected)) => *value == expected,
            (Ok(_), Expected::Any) => true,
            (Ok(_), Expected::None) => false,
            (Err(AskError::Unanswered), Expected::Value(_)) => false,
            (Err(AskError::Cancelled | AskError::Fenced), _) => false,
            (Err(_), _) => true,
        };
        if !well {
            let who = peer.actor.pid();
            ledger.violate("a question ends as its handler says", format!("message {id:?} to {who}: {answer:?}"));
        }
    }

    async fn ask_and_leave(&mut self, peer: &Peer, b: u64) {
        let stamp = self.stamp(peer);
        let ledger = self.ledger().clone();
        ledger.counts.asked.fetch_add(1, SeqCst);
        let _ended = Ended(&ledger);
        let ask = peer.actor.ask(|reply| Msg::new(&ledger, mark::ASK, stamp, Body::Echo(b, reply)));
        tokio::select! {
            biased;
            answer = ask => if matches!(answer, Err(AskError::Refused(_))) {
                ledger.counts.asks_refused.fetch_add(1, SeqCst);
            },
            () = tokio::task::yield_now() => ledger.strike(Kind::AskCancelled),
        }
    }
}

/// Faults of actors.
impl Acting {
    fn arm(&mut self, peer: &Peer, b: u64) {
        match b % 6 {
            0 | 1 => {
                // Whoever does not trap ends by the signal instead.
                let armed = self.tell(peer, Body::ArmSignal(b.is_multiple_of(2)), None);
                if armed && !self.tell(peer, Body::Monitor(b >> 8), None) || peer.kit.traps {
                    let _ = self.system().exit(peer.actor.pid(), ExitReason::ShutdownWith("fault".into()));
                }
            }
            2 | 3 => {
                if self.tell(peer, Body::ArmTerminate(b.is_multiple_of(2)), None) {
                    self.tell(peer, Body::Error, None);
                }
            }
            _ => {
                if self.tell(peer, Body::ArmState, None) {
                    self.tell(peer, Body::Exit(true), None);
                }
            }
        }
    }

    fn fail_start(&mut self, peer: &Peer, b: u64) {
        peer.kit.arm(init_fault(b));
        self.tell(peer, Body::Panic(Holding::Nothing), None);
    }

    fn kill(&self, peer: &Peer) {
        if peer.actor.is_alive() {
            self.ledger().strike(Kind::Kill);
            self.system().kill(peer.actor.pid());
        }
    }

    fn exit(&self, peer: &Peer, b: u64) {
        let reason = match b % 4 {
            0 => ExitReason::Normal,
            1 => ExitReason::Killed,
            2 => ExitReason::Shutdown,
            _ => ExitReason::crashed("a stranger says so"),
        };
        if peer.actor.is_alive() && self.system().exit(peer.actor.pid(), reason).is_ok() {
            self.ledger().strike(Kind::ExitSignal);
        }
    }

    async fn abandon(&mut self, peer: &Peer, b: u64) {
        if !self.tell(peer, Body::Block(20 + b % 60), None) {
            return;
        }
        let pid = peer.actor.pid();
        for _ in 0..20 {
            tokio::task::yield_now().await;
            if self.ledger().jam.is_blocked() {
                break;
            }
        }
        for _ in 0..20 {
            self.system().kill(pid);
            match self.system().abandon(pid) {
                Abandoned::Done => return self.ledger().strike(Kind::Abandon),
                Abandoned::Busy => tokio::task::yield_now().await,
                _ => return,
            }
        }
    }

    async fn suspend(&self, peer: &Peer, b: u64) {
        let pid = peer.actor.pid();
        if peer.actor.is_alive() {
            self.ledger().strike(Kind::Suspend);
            self.system().suspend(pid);
            for _ in 0..b % 20 {
                tokio::task::yield_now().await;
            }
            self.system().resume(pid);
        }
    }

    fn watch(&self, peer: &Peer) {
        let pid = peer.actor.pid();
        if !peer.actor.is_alive() {
            self.ledger().strike(Kind::MonitorDead);
        }
        let mut monitors = self.ledger().monitors.lock().expect("nobody panics with the list");
        monitors.insert(self.system().watch(pid, &self.driver.downs), Watched { pid, downs: 0 });
    }

    async fn race(&mut self, peer: &Peer) {
        for time in [0, 1, 1, 2] {
            self.tell(peer, Body::After(time), None);
        }
        tokio::time::sleep(ms(1)).await;
        if peer.actor.is_alive() {
            self.ledger().strike(Kind::TimerRace);
            self.system().kill(peer.actor.pid());
        }
    }
}

fn init_fault(b: u64) -> InitFault {
    match b % 16 {
        0..=5 => InitFault::Panic,
        6..=8 => InitFault::PanicTied(b >> 8),
        9..=11 => InitFault::Error,
        12 => InitFault::Ignore,
        13 | 14 => InitFault::Hang,
        _ => InitFault::Block(b >> 8 & 31),
    }
}

/// Faults of supervisors, and requests to them.
impl Acting {
    fn hit_supervisor(&self, b: u64) {
        let supervisors: Vec<Pid> =
            super::audit::supervisors(&self.system().snapshot()).map(|actor| actor.pid).collect();
        // The top is spared as a rule: the round would be over.
        let spared = usize::from(supervisors.len() > 1 && !b.is_multiple_of(8));
        let Some(pid) = supervisors.get(spared..).filter(|left| !left.is_empty()) else { return };
        let pid = pid[(b >> 8) as usize % pid.len()];
        if b.is_multiple_of(3) {
            if self.system().exit(pid, ExitReason::crashed("a stranger says so")).is_ok() {
                self.ledger().strike(Kind::SupervisorExit);
            }
        } else {
            self.ledger().strike(Kind::SupervisorKill);
            self.system().kill(pid);
        }
    }

    async fn restart_child(&self, b: u64) {
        let branches = &self.driver.world.branches;
        let branch = &branches[b as usize % branches.len()];
        let Some((name, _)) = branch.children.get((b >> 8) as usize % branch.children.len().max(1)) else { return };
        let system = self.system().clone();
        if let Some(Ok(())) = patient(branch.management.terminate_child(name)).await {
            self.ledger().strike(Kind::SubtreeStop);
        }
        if !system.is_stopped()
            && let Some(Ok(Some(_))) = patient(branch.management.restart_child(name)).await
        {
            self.ledger().strike(Kind::ChildStart);
        }
    }

    async fn delete_child(&self, b: u64) {
        let branches = &self.driver.world.branches;
        let branch = &branches[b as usize % branches.len()];
        let Some((name, make)) = branch.children.get((b >> 8) as usize % branch.children.len().max(1)) else { return };
        if let Some(Ok(())) = patient(branch.management.terminate_child(name)).await {
            self.ledger().strike(Kind::SubtreeStop);
        }
        if let Some(Ok(())) = patient(branch.management.delete_child(name)).await {
            self.ledger().strike(Kind::ChildDelete);
        }
        if let Some(Ok(Some(_))) = patient(branch.management.start_child(make())).await {
            self.ledger().strike(Kind::ChildStart);
        }
    }

    async fn start_dynamic(&self, a: u64, b: u64) {
        let dynamics = &self.driver.world.dynamics;
        if dynamics.is_empty() {
            return;
        }
        let Some(number) = self.ledger().next_worker() else { return };
        let kit = Kit::new(self.ledger(), number, b.is_multiple_of(3));
        if b.is_multiple_of(4) {
            kit.arm(init_fault(b >> 2));
        }
        let dynamic = &dynamics[a as usize % dynamics.len()];
        match patient(dynamic.start(kit.clone())).await {
            Some(Ok(actor)) => {
                self.ledger().strike(Kind::DynamicStart);
                self.ledger().peers().push(Peer { actor, kit });
            }
            Some(Err(StartError::Setting(why) | StartError::InvalidTree(why))) => {
                self.ledger().violate("a start that is valid is not refused as invalid", why);
            }
            Some(Err(_)) | None => {}
        }
    }

    async fn stop_dynamic(&self, peer: &Peer, b: u64) {
        let dynamics = &self.driver.world.dynamics;
        if let Some(dynamic) = dynamics.get(b as usize % dynamics.len().max(1))
            && let Some(Ok(true)) = patient(dynamic.stop(peer.actor.pid())).await
        {
            self.ledger().strike(Kind::DynamicStop);
        }
    }
}

/// What a supervisor answers within a while. It goes on with what was asked of it whoever waits.
async fn patient<T>(answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok()
}
