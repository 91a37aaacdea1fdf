//! Many actors, and everything at once: random tells, asks, permits, crashes, kills and stops, from a seed. At the end
//! every message has ended in one way, every monitor has had one `Down`, and nobody saw one sender's messages out of
//! order.
//!
//! What is done follows from the seed, when it is done does not. `CRASHWORTHY_SEED=7` runs that seed alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crashworthy_runtime::{
    Actor, ActorRef, AskError, Context, Down, Exit, ExitReason, Message, MonitorRef, Offer, Reason, Reply, Signal,
    Slot, StartError, System, Under,
};
use tokio::sync::mpsc;

use crate::stage::{everywhere, law, lawful, ms, until};

const ACTORS: usize = 24;
const SENDERS: u64 = 6;
const DEEDS: u64 = 1_000;
const ROOM: u32 = 16;
/// Every slot is served long before that.
const LONG: Duration = Duration::from_secs(30);

/// SplitMix64: the next number of a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// What is counted beside the actors' own laws.
#[derive(Default)]
struct Ledger {
    /// The last number of each sender that each actor has seen, over all its lives.
    seen: Mutex<BTreeMap<(usize, u64), u64>>,
    disordered: AtomicU64,
    told: AtomicU64,
    asked: AtomicU64,
    monitors: Mutex<Vec<MonitorRef>>,
}

enum Work {
    /// The sender's number of this message to this actor.
    Count(u64, u64),
    Echo(u64, Reply<u64>),
    /// Passes a question on to another and answers with what that said.
    Relay(ActorRef<Worker>, Reply<u64>),
    /// Awaits others for a while.
    Yield(u64),
    Panic,
    Fail,
    Stop,
}

impl Message for Work {}

struct Worker {
    number: usize,
    ledger: Arc<Ledger>,
}

impl Actor for Worker {
    type Args = (usize, Arc<Ledger>);
    type Msg = Work;

    async fn init((number, ledger): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(number % 3 == 0);
        Ok(Self { number, ledger })
    }

    async fn handle(&mut self, work: Work, _: &mut Context<Self>) -> Result<(), Exit> {
        match work {
            Work::Count(sender, number) => {
                let before = self.ledger.seen.lock().unwrap().insert((self.number, sender), number);
                if before.is_some_and(|before| before >= number) {
                    self.ledger.disordered.fetch_add(1, Ordering::SeqCst);
                }
            }
            Work::Echo(value, reply) => reply.send(value),
            Work::Relay(to, reply) => {
                reply.send(to.ask(|reply| Work::Echo(1, reply)).within(ms(8)).await?);
            }
            Work::Yield(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Work::Panic => panic!("as the dice said"),
            Work::Fail => Err("as the dice said")?,
            Work::Stop => return Err(Exit::shutdown()),
        }
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        match signal {
            Signal::Exit { reason, .. } => Err(Exit::because(reason)),
            Signal::Down(_) => Ok(()),
        }
    }
}

/// Starts every worker again, until it is over.
struct Keeper {
    slots: Vec<Slot<Worker>>,
    ledger: Arc<Ledger>,
    over: Arc<AtomicBool>,
}

/// Closes all slots for good.
struct Close(Reply<()>);

impl Message for Close {}

impl Keeper {
    async fn start(&self, number: usize, cx: &Context<Self>) -> Result<(), Exit> {
        while !self.over.load(Ordering::SeqCst) {
            let args = (number, self.ledger.clone());
            let mut starting = cx.begin(&self.slots[number], args, Under { parent: true, link: true })?;
            match starting.ready().await {
                Ok(_) => return Ok(()),
                // Killed before it was ready: that is answered, not signalled.
                Err(StartError::Failed(ExitReason::Killed | ExitReason::Shutdown)) => {}
                Err(other) => Err(other)?,
            }
        }
        Ok(())
    }
}

impl Actor for Keeper {
    type Args = (Vec<Slot<Worker>>, Arc<Ledger>, Arc<AtomicBool>);
    type Msg = Close;

    async fn init((slots, ledger, over): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        let keeper = Self { slots, ledger, over };
        for number in 0..ACTORS {
            keeper.start(number, cx).await?;
        }
        Ok(keeper)
    }

    async fn handle(&mut self, Close(reply): Close, cx: &mut Context<Self>) -> Result<(), Exit> {
        for slot in &self.slots {
            cx.close(slot, true);
        }
        reply.send(());
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal, cx: &mut Context<Self>) -> Result<(), Exit> {
        let Signal::Exit { from, .. } = signal else { return Ok(()) };
        let ended = self.slots.iter().position(|slot| slot.id() == from.id);
        if let Some(number) = ended
            && self.slots[number].pid() == from
        {
            self.start(number, cx).await?;
        }
        Ok(())
    }
}

/// One sender's deeds.
async fn rage(seed: u64, sender: u64, system: System, slots: Vec<Slot<Worker>>, ledger: Arc<Ledger>, downs: Downs) {
    let mut dice = Dice(seed << 8 | sender);
    let mut numbers = [0; ACTORS];
    for _ in 0..DEEDS {
        let to = dice.below(ACTORS as u64) as usize;
        let slot = &slots[to];
        let told = |sent: Result<(), _>| {
            if sent.is_ok() {
                ledger.told.fetch_add(1, Ordering::SeqCst);
            }
        };
        match dice.below(100) {
            0..50 => {
                numbers[to] += 1;
                told(slot.tell(Work::Count(sender, numbers[to])).map_err(drop));
            }
            50..60 => {
                numbers[to] += 1;
                if let Ok(permit) = slot.admitted(ms(dice.below(20))).await {
                    told(permit.send(Work::Count(sender, numbers[to])).map_err(drop));
                }
            }
            60..63 => drop(slot.reserve(Offer::within(ms(1)))),
            63..75 => {
                ledger.asked.fetch_add(1, Ordering::SeqCst);
                let value = dice.below(u64::MAX);
                let within = [ms(0), ms(2), LONG][dice.below(3) as usize];
                match slot.ask(|reply| Work::Echo(value, reply)).within(within).await {
                    Ok(answer) => assert_eq!(answer, value),
                    Err(AskError::Expired) if within == LONG => {
                        panic!("seed {seed}: nobody answered: {:?}", system.inspect(slot.pid()))
                    }
                    Err(AskError::Refused(_) | AskError::Expired | AskError::Died) => {}
                    Err(other) => panic!("seed {seed}: {other:?}"),
                }
            }
            75..80 => {
                ledger.asked.fetch_add(1, Ordering::SeqCst);
                let other = slots[dice.below(ACTORS as u64) as usize].address();
                let asked = slot.ask(|reply| Work::Relay(other, reply)).within(ms(10)).await;
                assert!(!matches!(asked, Err(AskError::Fenced)), "seed {seed}");
            }
            80..84 => {
                // Asked and forgotten.
                ledger.asked.fetch_add(1, Ordering::SeqCst);
                let mut ask = slot.ask(|reply| Work::Echo(0, reply));
                let _ = crate::stage::poll_elsewhere(&mut ask);
            }
            84..88 => told(slot.tell(Work::Yield(dice.below(20))).map_err(drop)),
            88..91 => ledger.monitors.lock().unwrap().push(system.watch(slot.pid(), &downs)),
            91..93 => told(slot.tell(Work::Panic).map_err(drop)),
            93..94 => told(slot.tell(Work::Fail).map_err(drop)),
            94..95 => told(slot.tell(Work::Stop).map_err(drop)),
            95..97 => system.kill(slot.pid()),
            97..99 => {
                let reason = [ExitReason::Normal, ExitReason::Shutdown][dice.below(2) as usize].clone();
                system.exit(slot.pid(), reason).expect("few signals wait");
            }
            _ => tokio::task::yield_now().await,
        }
    }
}

type Downs = mpsc::UnboundedSender<Down>;

async fn storm(seed: u64) {
    let system = System::bare().unwrap();
    let ledger = Arc::new(Ledger::default());
    let over = Arc::new(AtomicBool::new(false));
    let slots: Vec<Slot<Worker>> = (0..ACTORS).map(|_| Slot::anonymous().mailbox(ROOM).unwrap()).collect();
    let keeper = system.spawn::<Keeper>((slots.clone(), ledger.clone(), over.clone())).await.unwrap();
    let (downs, mut told) = mpsc::unbounded_channel();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(rage(seed, sender, system.clone(), slots.clone(), ledger.clone(), downs.clone()));
    }
    while let Some(ended) = senders.join_next().await {
        ended.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    over.store(true, Ordering::SeqCst);
    // A start that is under way is over then, and no other begins.
    keeper.settled().await;
    until("all have ended", || {
        let living = slots.iter().filter(|slot| slot.is_alive());
        living.map(|slot| system.kill(slot.pid())).count() == 0
    })
    .await;
    keeper.settled().await;
    keeper.ask(Close).await.unwrap();
    lawful(&system).await;

    assert_eq!(ledger.disordered.load(Ordering::SeqCst), 0, "seed {seed}: out of order");
    let laws: Vec<_> = slots.iter().map(|slot| law(slot)).collect();
    let accepted: u64 = laws.iter().map(|law| law.accepted).sum();
    let (told_ok, asked) = (ledger.told.load(Ordering::SeqCst), ledger.asked.load(Ordering::SeqCst));
    // Questions that workers relay are no sender's.
    assert!(accepted >= told_ok, "seed {seed}: {accepted} accepted, {told_ok} tells and {asked} questions");
    assert!(accepted <= told_ok + 2 * asked, "seed {seed}: {accepted} accepted, {told_ok} tells, {asked} questions");
    let fallen: u64 = laws.iter().map(|law| law.given_up + law.undelivered).sum();
    // A message is counted before it is told of.
    until(&format!("seed {seed}: {fallen} dead letters"), || system.dead_letters().0 == fallen).await;
    assert!(slots.iter().all(|slot| slot.load().depth == 0), "seed {seed}: places that nobody has");
    assert!(slots.iter().all(|slot| slot.tell(Work::Stop).unwrap_err().why.reason == Reason::Gone));

    drop(downs);
    let mut ends = BTreeMap::<MonitorRef, u32>::new();
    while let Some(down) = told.recv().await {
        *ends.entry(down.monitor).or_default() += 1;
    }
    let monitors = std::mem::take(&mut *ledger.monitors.lock().unwrap());
    assert!(monitors.iter().all(|monitor| ends.get(monitor) == Some(&1)), "seed {seed}: one `Down` a monitor");
    assert_eq!(ends.len(), monitors.len(), "seed {seed}");
    let lives: u32 = slots.iter().map(|slot| slot.pid().incarnation).sum();
    assert!(lives > 2 * ACTORS as u32, "seed {seed}: {lives} lives are no storm");
}

#[test]
fn whatever_happens_every_message_ends_in_one_way_every_monitor_once_and_order_holds() {
    let seeds = match std::env::var("CRASHWORTHY_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => vec![1, 2, 3],
    };
    for seed in seeds {
        everywhere(|| storm(seed));
    }
}
