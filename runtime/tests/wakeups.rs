//! No wake-up is lost, whatever blocks, is spawned and is stolen meanwhile.
//!
//! Tokens are passed on between actors of three pools, each time to one that follows from the token: a message that makes
//! somebody runnable, or finds that it is. Now and then whoever has it blocks its thread, computes, awaits, or passes it through
//! an actor made for that. A wake-up that is lost leaves a token where it is for ever.
//!
//! `CRASHWORTHY_WAKEUPS=10000000 cargo test --release -p crashworthy-runtime --test wakeups` does ten million of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crashworthy_runtime::{Actor, ActorRef, Bulkhead, Context, Exit, Message, Reply, Slot, System, Threads, Under};

const ACTORS: usize = 48;
const TOKENS: u64 = 64;
/// No token stands still for so long.
const HANG: Duration = Duration::from_secs(60);

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

struct World {
    hands: Vec<Slot<Hand>>,
    passed: AtomicU64,
    ended: AtomicU64,
}

struct Token {
    dice: u64,
    left: u64,
}

enum Pass {
    On(Token),
    Back(Reply<()>),
}

impl Message for Pass {}

struct Hand(Arc<World>);

impl Actor for Hand {
    type Args = Arc<World>;
    type Msg = Pass;

    async fn init(world: Arc<World>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(world))
    }

    async fn handle(&mut self, pass: Pass, cx: &mut Context<Self>) -> Result<(), Exit> {
        let Token { dice, left } = match pass {
            Pass::On(token) => token,
            Pass::Back(reply) => {
                reply.send(());
                return Ok(());
            }
        };
        let world = &self.0;
        world.passed.fetch_add(1, SeqCst);
        if left == 0 {
            world.ended.fetch_add(1, SeqCst);
            return Ok(());
        }
        let dice = mix(dice);
        let next = &world.hands[(dice >> 32) as usize % ACTORS];
        match dice % 4_096 {
            // Longer than a lookout waits, now and then.
            0 => std::thread::sleep(Duration::from_millis(1 + (dice >> 16) % 20)),
            1..64 => (0..dice % 20_000).for_each(|_| std::hint::spin_loop()),
            64..128 => tokio::task::yield_now().await,
            128..136 => tokio::time::sleep(Duration::from_micros(dice % 500)).await,
            136..200 => {
                let through = cx.spawn::<Hand>(world.clone()).await?;
                through.tell(Pass::On(Token { dice, left: left - 1 })).expect("its mailbox is empty");
                return Ok(());
            }
            // An answer wakes as well, and may come in place. It may be full of tokens, or ask back: that is no answer.
            200..400 => drop(next.ask(Pass::Back).within(Duration::from_millis(100)).await),
            _ => {}
        }
        // There is room for every token there is.
        next.tell(Pass::On(Token { dice, left: left - 1 })).expect("it has room");
        Ok(())
    }
}

/// Starts all hands, a third on the system's threads, on a bulkhead, and on threads of their own.
struct Keeper;

impl Actor for Keeper {
    type Args = Arc<World>;
    type Msg = ();

    async fn init(world: Arc<World>, cx: &mut Context<Self>) -> Result<Self, Exit> {
        for (number, slot) in world.hands.iter().enumerate() {
            let threads = match number % 8 {
                0..5 => Threads::Inherited,
                5 | 6 => Threads::Bulkhead(Bulkhead::threads(2).named("bulkhead")),
                _ => Threads::Own,
            };
            cx.begin_on(threads, slot, world.clone(), Under { parent: true, link: true })?.ready().await?;
        }
        Ok(Self)
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

fn wakeups() -> u64 {
    match std::env::var("CRASHWORTHY_WAKEUPS") {
        Ok(number) => number.parse().expect("CRASHWORTHY_WAKEUPS is a number"),
        Err(_) => 50_000,
    }
}

fn start(hand: &ActorRef<Hand>, token: Token) {
    hand.tell(Pass::On(token)).expect("it has room");
}

#[test]
fn no_wake_up_is_lost() {
    let wakeups = wakeups();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let hands = (0..ACTORS).map(|number| Slot::named(format!("hand {number}"))).collect();
    let world = Arc::new(World { hands, passed: AtomicU64::new(0), ended: AtomicU64::new(0) });
    let system = runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        system.spawn::<Keeper>(world.clone()).await.expect("all start");
        system
    });
    for token in 0..TOKENS {
        start(&world.hands[token as usize % ACTORS], Token { dice: mix(token), left: wakeups / TOKENS });
    }
    let (mut passed, mut since) = (0, Instant::now());
    while world.ended.load(SeqCst) < TOKENS {
        let now = world.passed.load(SeqCst);
        if now != passed {
            (passed, since) = (now, Instant::now());
        }
        assert!(
            since.elapsed() < HANG,
            "{} of {TOKENS} tokens have ended, the others stand still",
            world.ended.load(SeqCst)
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    let pools = system.pools();
    println!(
        "{} messages passed on; {} turns stolen, {} rescued",
        world.passed.load(SeqCst),
        pools.iter().flat_map(|pool| &pool.pumps).map(|pump| pump.stolen).sum::<u64>(),
        pools.iter().map(|pool| pool.rescued).sum::<u64>(),
    );
    runtime.block_on(system.stop());
    assert!(system.snapshot().law_holds());
}
