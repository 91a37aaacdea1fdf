//! What an actor that always has more to do leaves to others: their turns.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::Poll;
use std::time::{Duration, Instant};

use crashworthy_runtime::scheduler::TURNS_PER_PLACE;
use crashworthy_runtime::{Actor, ActorRef, Context, Exit, Message, Reply, System};

enum Word {
    /// Sends itself another one.
    Again,
    Anybody(Reply<()>),
}

impl Message for Word {}

struct Restless;

impl Actor for Restless {
    type Args = ();
    type Msg = Word;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, word: Word, cx: &mut Context<Self>) -> Result<(), Exit> {
        match word {
            Word::Again => cx.send_self(Word::Again)?,
            Word::Anybody(reply) => reply.send(()),
        }
        Ok(())
    }
}

/// On one thread: if a turn does not end, nothing else happens.
#[tokio::test]
async fn an_actor_that_sends_to_itself_for_ever_leaves_turns_to_others() {
    let system = System::builder().drain(Duration::ZERO).bare().expect("the defaults are valid");
    let restless = system.spawn::<Restless>(()).await.expect("it starts");
    let other = system.spawn::<Restless>(()).await.expect("it starts");
    restless.tell(Word::Again).expect("its mailbox is empty");
    other.ask(Word::Anybody).await.expect("it has its turn");
    system.stop().await;
}

/// Always has more to do: notes how many turns others had between two of its own.
struct Busy {
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    begun: AtomicU64,
    laps: AtomicU64,
    longest: AtomicU64,
    over: AtomicBool,
}

enum Push {
    /// Works until it is over, a step a turn.
    Work,
    /// One of a flood.
    Drop,
    /// Passed between two, each made ready by the other and run next.
    Ball(ActorRef<Busy>),
}

impl Message for Push {}

/// Ends the turn, and is ready for the next.
async fn step() {
    let mut stepped = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Actor for Busy {
    type Args = Arc<Seen>;
    type Msg = Push;

    async fn init(seen: Arc<Seen>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { seen })
    }

    async fn handle(&mut self, push: Push, cx: &mut Context<Self>) -> Result<(), Exit> {
        let (system, seen) = (cx.system(), self.seen.clone());
        match push {
            Push::Work => {
                seen.begun.fetch_add(1, SeqCst);
                let mut last = None;
                while !seen.over.load(SeqCst) {
                    let now = system.pools()[0].turns();
                    if let Some(last) = last.replace(now) {
                        seen.longest.fetch_max(now - last, SeqCst);
                        seen.laps.fetch_add(1, SeqCst);
                    }
                    step().await;
                }
            }
            Push::Drop => {}
            Push::Ball(other) if !seen.over.load(SeqCst) => drop(other.tell(Push::Ball(cx.address()))),
            Push::Ball(_) => {}
        }
        Ok(())
    }
}

/// On one pump, so that turns can be counted: 10,000 that are always busy, one that is flooded from outside, and two that make
/// each other ready all the time.
#[test]
fn with_ten_thousand_busy_actors_and_a_flooded_one_nobody_waits_for_more_than_so_many_turns() {
    const BUSY: u64 = 10_000;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (system, seen) = runtime.block_on(async {
        let (system, seen) = (System::builder().pumps(1).bare().expect("it is valid"), Arc::<Seen>::default());
        for _ in 0..BUSY {
            let busy = system.launch::<Busy>(seen.clone()).expect("it starts");
            busy.tell(Push::Work).expect("its mailbox is empty");
        }
        (system, seen)
    });
    let wait_until = |so: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < Duration::from_secs(120), "it never came");
            std::thread::yield_now();
        }
    };
    wait_until(&|| seen.begun.load(SeqCst) == BUSY);
    let extra = |_| system.launch::<Busy>(seen.clone()).expect("it starts");
    let [flooded, left, right] = [0, 1, 2].map(extra);
    left.tell(Push::Ball(right)).expect("its mailbox is empty");
    let (flood, over) = (flooded.clone(), seen.clone());
    let flooding = std::thread::spawn(move || {
        while !over.over.load(SeqCst) {
            let _ = flood.tell(Push::Drop);
        }
    });
    // The thread that floods it may be long in coming.
    wait_until(&|| flooded.law().handled > 0);
    let before = seen.laps.load(SeqCst);
    wait_until(&|| seen.laps.load(SeqCst) >= before + 3 * BUSY);
    seen.over.store(true, SeqCst);
    flooding.join().expect("no panic");
    let (longest, bound) = (seen.longest.load(SeqCst), TURNS_PER_PLACE * (BUSY + 3 + 1));
    assert!(longest >= BUSY - 1, "all were busy: {longest}");
    assert!(longest <= bound, "somebody waited for {longest} turns, {bound} are the most");
    println!("longest wait: {longest} turns; promised: {bound}");
    runtime.block_on(system.stop());
}
