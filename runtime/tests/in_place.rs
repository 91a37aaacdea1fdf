//! Turns in the place of their asker: only where that is safe, and as long as they are short.
//!
//! Whether a turn is run there is seen by the task around it. It needs short turns, so it is tried again and again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Message, Reply, System};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, Id, LocalSet};

/// Nothing takes longer, unless it never happens.
const HANG: Duration = Duration::from_secs(100);

/// Says where it is asked, does what it is told, or passes a question on.
struct Clerk(Option<ActorRef<Clerk>>);

enum Say {
    Where(Reply<Option<Id>>),
    Do(Box<dyn FnOnce() + Send>, Reply<()>),
    Pass(u32, Reply<u32>),
}

impl Message for Say {}

impl Actor for Clerk {
    type Args = Option<ActorRef<Clerk>>;
    type Msg = Say;

    async fn init(next: Self::Args, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(next))
    }

    async fn handle(&mut self, say: Say, _: &mut Context<Self>) -> Result<(), Exit> {
        match say {
            Say::Where(reply) => reply.send(task::try_id()),
            Say::Do(deed, reply) => {
                deed();
                reply.send(());
            }
            Say::Pass(passed, reply) => match &self.0 {
                Some(next) => {
                    // A frame that is large while it is polled, and not kept.
                    std::hint::black_box(&mut [0_u8; 320 * 1024]);
                    reply.send(next.ask(|reply| Say::Pass(passed + 1, reply)).within(HANG).await?);
                }
                None => reply.send(passed),
            },
        }
        Ok(())
    }
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

async fn is_in_place(clerk: &ActorRef<Clerk>) -> bool {
    clerk.ask(Say::Where).within(HANG).await.expect("it answers") == task::try_id()
}

/// Asks until a turn is run in place.
async fn warm(clerk: &ActorRef<Clerk>) {
    let began = Instant::now();
    while !is_in_place(clerk).await {
        assert!(began.elapsed() < HANG, "no turn is short");
    }
}

#[test]
fn turns_in_place_leave_the_stack_that_others_need() {
    let runtime = two_workers();
    let asks = async {
        let system = System::bare().expect("default settings are valid");
        let mut chain: Vec<ActorRef<Clerk>> = Vec::new();
        for _ in 0..12 {
            chain.push(system.spawn::<Clerk>(chain.last().cloned()).await.expect("it starts"));
        }
        let first = chain.last().expect("there are twelve");
        for _ in 0..20 {
            for clerk in &chain {
                warm(clerk).await;
            }
            assert_eq!(first.ask(|reply| Say::Pass(0, reply)).within(HANG).await, Ok(11));
        }
        system.stop().await;
    };
    runtime.block_on(runtime.spawn(asks)).expect("no panic");
}

#[test]
#[expect(clippy::await_holding_lock, reason = "what a task of a LocalSet may do")]
fn a_task_that_is_polled_elsewhere_than_on_a_worker_runs_no_turn() {
    let runtime = two_workers();
    let system = runtime.block_on(async { System::bare() }).expect("default settings are valid");
    let clerk = runtime.block_on(system.spawn::<Clerk>(None)).expect("it starts");
    let handle = runtime.handle().clone();
    let asks = {
        let clerk = clerk.clone();
        async move {
            let lock = Arc::new(Mutex::new(()));
            // Where there are workers it would be.
            let clerk_there = clerk.clone();
            handle.spawn(async move { warm(&clerk_there).await }).await.expect("no panic");
            for _ in 0..2_000 {
                assert!(!is_in_place(&clerk).await);
            }
            // Such a task may hold a lock.
            let (held, wanted) = (lock.lock().expect("it is not poisoned"), lock.clone());
            let deed = move || drop(wanted.lock());
            let asked = clerk.ask(|reply| Say::Do(Box::new(deed), reply)).within(Duration::from_millis(200)).await;
            assert_eq!(asked, Err(AskError::Expired));
            drop(held);
        }
    };
    let local = LocalSet::new();
    runtime.block_on(local.run_until(async { task::spawn_local(asks).await.expect("no panic") }));
    let (handle, clerk) = (runtime.handle().clone(), clerk.clone());
    let blocking = runtime.spawn_blocking(move || (0..2_000).any(|_| handle.block_on(is_in_place(&clerk))));
    assert!(!runtime.block_on(blocking).expect("no panic"));
    runtime.block_on(system.stop());
}

#[test]
fn one_long_turn_ends_it() {
    let runtime = two_workers();
    let asks = async {
        let system = System::bare().expect("default settings are valid");
        let clerk = system.spawn::<Clerk>(None).await.expect("it starts");
        for _ in 0..10 {
            warm(&clerk).await;
            let seen = Arc::new(Mutex::new(None));
            let place = seen.clone();
            let deed = move || {
                *place.lock().expect("it is not poisoned") = task::try_id();
                std::thread::sleep(Duration::from_millis(2));
            };
            clerk.ask(|reply| Say::Do(Box::new(deed), reply)).within(HANG).await.expect("it answers");
            if *seen.lock().expect("it is not poisoned") == task::try_id() {
                assert!(!is_in_place(&clerk).await, "the turn before was long");
            }
        }
        system.stop().await;
    };
    runtime.block_on(runtime.spawn(asks)).expect("no panic");
}
