//! Actors that block their threads again and again get threads of their own.

use std::time::{Duration, Instant};

use crashworthy_runtime::{
    Actor, ActorRef, Bulkhead, Context, Exit, Message, PoolKind, Reply, Slot, System, Threads, Under,
};
use tokio::runtime::{Handle, Id};

const HANG: Duration = Duration::from_secs(60);
/// Longer than a turn may be that does not block.
const LONG: Duration = Duration::from_millis(12);
/// So many such turns are too many, with a few for the first, which are not timed.
const ENOUGH: u32 = 8 + 3;
/// So many actors are moved.
const MOST: usize = 16;

struct Clerk;

enum Say {
    Block,
    Where(Reply<Id>),
    Crash,
}

impl Message for Say {}

impl Actor for Clerk {
    type Args = ();
    type Msg = Say;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, say: Say, _: &mut Context<Self>) -> Result<(), Exit> {
        match say {
            Say::Block => std::thread::sleep(LONG),
            Say::Where(reply) => reply.send(Handle::current().id()),
            Say::Crash => return Err(Exit::from("as it was told")),
        }
        Ok(())
    }
}

async fn place(clerk: &ActorRef<Clerk>) -> Id {
    clerk.ask(Say::Where).within(HANG).await.expect("it answers")
}

/// Blocks in so many turns: it waits for each, so that no turn is two messages.
async fn block(clerk: &ActorRef<Clerk>, times: u32) {
    for _ in 0..times {
        clerk.tell(Say::Block).expect("it has room");
        clerk.settled().await;
    }
}

/// Blocks until so many actors of the system have been moved.
async fn block_until_moved(clerk: &ActorRef<Clerk>, system: &System, actors: u64) {
    let begun = Instant::now();
    while system.snapshot().moved < actors {
        assert!(begun.elapsed() < HANG, "it is not moved");
        block(clerk, 1).await;
    }
}

fn moved(system: &System) -> usize {
    system.events_since(0).events.iter().filter(|event| event.what.name() == "moved").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_blocks_again_and_again_gets_a_thread_of_its_own() {
    let system = System::bare().expect("the defaults are valid");
    let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
    block(&clerk, 4).await;
    assert_eq!(place(&clerk).await, Handle::current().id(), "a few times are not enough");
    block_until_moved(&clerk, &system, 1).await;
    let own = place(&clerk).await;
    assert_ne!(own, Handle::current().id());
    block(&clerk, ENOUGH).await;
    assert_eq!(place(&clerk).await, own, "it stays there");
    assert_eq!((moved(&system), system.snapshot().moved), (1, 1));
    let shot = system.inspect(clerk.pid()).expect("it lives");
    assert_eq!(shot.pool.as_deref(), Some(&*clerk.pid().id.to_string()));
    assert_eq!(system.pools()[1].kind, PoolKind::Own);
    assert!(clerk.law().holds());
    system.stop().await;
}

/// It always has more to do, so that its turns follow each other: also then the next one is taken elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_never_rests_is_moved_as_well() {
    let system = System::bare().expect("the defaults are valid");
    let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
    (0..100).for_each(|_| clerk.tell(Say::Block).expect("it has room"));
    let begun = Instant::now();
    while moved(&system) == 0 {
        assert!(begun.elapsed() < HANG, "it is not moved");
        tokio::task::yield_now().await;
    }
    assert_ne!(place(&clerk).await, Handle::current().id());
    assert!(system.pools()[1].turns() > 20, "most of its turns were taken there: {:?}", system.pools());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_blocks_now_and_then_stays() {
    let system = System::bare().expect("the defaults are valid");
    let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
    for _ in 0..3 * ENOUGH {
        block(&clerk, 1).await;
        for _ in 0..2 {
            assert_eq!(place(&clerk).await, Handle::current().id());
        }
    }
    assert_eq!(moved(&system), 0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_are_moved() {
    let system = System::bare().expect("the defaults are valid");
    let mut clerks = Vec::new();
    for number in 0..MOST as u64 {
        let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
        block_until_moved(&clerk, &system, number + 1).await;
        clerks.push(clerk);
    }
    let one_more = system.spawn::<Clerk>(()).await.expect("it starts");
    block(&one_more, 3 * ENOUGH).await;
    assert_eq!((place(&one_more).await, system.snapshot().moved), (Handle::current().id(), MOST as u64));
    // A place is free again when the slot of one that was moved has gone.
    let gone = clerks.pop().expect("there are some");
    let down = gone.down();
    system.kill(gone.pid());
    down.await;
    drop(gone);
    block_until_moved(&one_more, &system, MOST as u64 + 1).await;
    system.stop().await;
}

/// Starts a slot of the test's, again when it is told to.
struct Keeper {
    slot: Slot<Clerk>,
    threads: Threads,
}

struct Start(Reply<()>);

impl Message for Start {}

impl Actor for Keeper {
    type Args = (Slot<Clerk>, Threads);
    type Msg = Start;

    async fn init((slot, threads): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        Ok(Self { slot, threads })
    }

    async fn handle(&mut self, Start(reply): Start, cx: &mut Context<Self>) -> Result<(), Exit> {
        let under = Under { parent: true, link: true };
        cx.begin_on(self.threads.clone(), &self.slot, (), under)?.ready().await?;
        reply.send(());
        Ok(())
    }

    async fn on_signal(&mut self, _: crashworthy_runtime::Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_was_moved_stays_there_in_its_next_life() {
    let (system, slot) = (System::bare().expect("the defaults are valid"), Slot::<Clerk>::named("clerk"));
    let keeper = system.spawn::<Keeper>((slot.clone(), Threads::Inherited)).await.expect("it starts");
    keeper.ask(Start).await.expect("it starts");
    block_until_moved(&slot, &system, 1).await;
    let own = place(&slot).await;
    assert_ne!(own, Handle::current().id());
    let down = slot.down();
    slot.tell(Say::Crash).expect("it has room");
    down.await;
    keeper.ask(Start).await.expect("it starts again");
    assert_eq!(place(&slot).await, own);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_of_a_bulkhead_is_not_moved() {
    let (system, slot) = (System::bare().expect("the defaults are valid"), Slot::<Clerk>::named("clerk"));
    let threads = Threads::Bulkhead(Bulkhead::threads(1));
    let keeper = system.spawn::<Keeper>((slot.clone(), threads)).await.expect("it starts");
    keeper.ask(Start).await.expect("it starts");
    let before = place(&slot).await;
    block(&slot, 2 * ENOUGH).await;
    assert_eq!((place(&slot).await, moved(&system)), (before, 0));
    assert_eq!(system.inspect(slot.pid()).expect("it lives").pool.as_deref(), Some("clerk"));
    system.stop().await;
}
