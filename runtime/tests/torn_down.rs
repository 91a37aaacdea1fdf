//! What is left of actors when their runtime goes away: nothing.

use std::future::{Future, pending};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crashworthy_runtime::{
    Actor, ActorRef, AskError, Context, Exit, ExitReason, Message, Offer, Reason, Reply, StartError, System,
};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Whatever waits longer than this waits for ever.
const HANG: Duration = Duration::from_secs(60);

/// Holds on to what it was started with.
struct Holder {
    _held: Arc<()>,
}

impl Actor for Holder {
    type Args = Arc<()>;
    type Msg = ();

    async fn init(held: Arc<()>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { _held: held })
    }

    /// Never comes to rest.
    async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> Result<(), Exit> {
        Ok(cx.send_self(())?)
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had")
}

async fn spawn(system: &System, held: &Arc<()>) -> Vec<ActorRef<Holder>> {
    let mut actors = Vec::new();
    for _ in 0..100 {
        actors.push(system.spawn::<Holder>(held.clone()).await.expect("it starts"));
    }
    actors
}

#[test]
fn the_states_of_idle_actors_are_dropped_when_the_system_has_stopped_and_its_runtime_goes() {
    let held = Arc::new(());
    let runtime = runtime();
    runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        spawn(&system, &held).await;
        system.stop().await;
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn the_states_of_idle_actors_are_dropped_when_the_runtime_goes_under_the_system() {
    let held = Arc::new(());
    let runtime = runtime();
    let system = runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        spawn(&system, &held).await;
        system
    });
    drop(runtime);
    drop(system);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn the_states_of_busy_actors_are_dropped_when_the_runtime_goes_under_them() {
    let held = Arc::new(());
    let runtime = runtime();
    runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        for actor in spawn(&system, &held).await {
            actor.tell(()).expect("its mailbox is empty");
        }
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Does with its questions what an actor may do with them.
#[derive(Default)]
struct Clerk {
    kept: Vec<Reply<()>>,
}

enum Order {
    /// Blocks the thread.
    Block(Reply<()>, mpsc::Receiver<()>),
    /// Awaits for ever.
    Await(Reply<()>),
    /// Keeps the reply.
    Keep(Reply<()>),
    /// Gives the reply to a task of the same runtime.
    Spawn(Reply<()>),
    /// Gives the reply away.
    Give(Reply<()>, mpsc::Sender<Reply<()>>),
}

impl Message for Order {}

impl Actor for Clerk {
    type Args = ();
    type Msg = Order;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self::default())
    }

    async fn handle(&mut self, order: Order, _: &mut Context<Self>) -> Result<(), Exit> {
        match order {
            Order::Block(begun, gate) => {
                begun.send(());
                let _ = gate.recv();
            }
            Order::Await(_reply) => pending().await,
            Order::Keep(reply) => self.kept.push(reply),
            Order::Spawn(reply) => {
                tokio::spawn(async move {
                    let _reply = reply;
                    pending::<()>().await;
                });
            }
            Order::Give(reply, to) => to.send(reply).map_err(|_| "the test reads what it is given")?,
        }
        Ok(())
    }
}

/// What looks on while another runtime goes.
fn onlooker() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be had")
}

/// Asks from the onlooker's runtime, with a deadline that nobody lives to see.
fn ask(
    onlooker: &Runtime,
    clerk: &ActorRef<Clerk>,
    make: impl FnOnce(Reply<()>) -> Order + Send + 'static,
) -> JoinHandle<Result<(), AskError>> {
    let clerk = clerk.clone();
    onlooker.spawn(async move { clerk.ask(make).within(HANG * 60).await })
}

/// Waits on the onlooker's runtime for what must not take for ever.
#[track_caller]
fn wait<T>(onlooker: &Runtime, what: &str, future: impl Future<Output = T>) -> T {
    let waited = onlooker.block_on(async { tokio::time::timeout(HANG, future).await });
    waited.unwrap_or_else(|_| panic!("it never came: {what}"))
}

#[track_caller]
fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < HANG, "it never came: {what}");
        std::thread::yield_now();
    }
}

/// A system of clerks, one of which blocks its thread until the gate opens.
fn with_a_blocked_turn(runtime: &Runtime, onlooker: &Runtime) -> (System, ActorRef<Clerk>, mpsc::Sender<()>) {
    let system = runtime.block_on(async { System::bare().expect("the defaults are valid") });
    let blocked = wait(onlooker, "its start", system.spawn::<Clerk>(())).expect("it starts");
    let (open, gate) = mpsc::channel();
    wait(onlooker, "its turn", ask(onlooker, &blocked, |begun| Order::Block(begun, gate)))
        .expect("no panic")
        .expect("it begins");
    (system, blocked, open)
}

#[test]
fn a_blocked_turn_holds_nobody_back_when_the_runtime_goes() {
    let (runtime, onlooker) = (runtime(), onlooker());
    let (system, blocked, gate) = with_a_blocked_turn(&runtime, &onlooker);
    let behind = ask(&onlooker, &blocked, Order::Keep);
    wait_until("it is queued", || blocked.load().depth == 1);
    let idle = wait(&onlooker, "its start", system.spawn::<Clerk>(())).expect("it starts");
    let awaiting = wait(&onlooker, "its start", system.spawn::<Clerk>(())).expect("it starts");
    let in_hand = ask(&onlooker, &awaiting, Order::Await);
    wait_until("it is in hand", || awaiting.law().in_hand == 1);
    let queued = ask(&onlooker, &awaiting, Order::Keep);
    wait_until("it is queued", || awaiting.load().depth == 1);
    let downs = [&blocked, &idle, &awaiting].map(|actor| actor.down());

    runtime.shutdown_background();
    let ended = wait(&onlooker, "the end", system.ended());
    assert_eq!((ended.reason, ended.asked), (None, false));
    let abandoned = downs.map(|down| {
        let down = wait(&onlooker, "a Down", down);
        assert_eq!(down.reason, ExitReason::Killed);
        down.abandoned
    });
    assert_eq!(abandoned, [true, false, false]);
    assert_eq!(wait(&onlooker, "what was in hand", in_hand).expect("no panic"), Err(AskError::Died));
    for (asked, actor) in [(behind, &blocked), (queued, &awaiting)] {
        let refused = wait(&onlooker, "what was queued", asked).expect("no panic");
        assert!(matches!(&refused, Err(AskError::Refused(why)) if why.reason == Reason::Gone), "{refused:?}");
        assert_eq!(actor.law().queued, 0);
    }
    for actor in [&blocked, &idle, &awaiting] {
        let (reply, _answer) = Reply::pair();
        assert_eq!(actor.tell(Order::Keep(reply)).expect_err("nobody is there").why.reason, Reason::Gone);
        assert!(actor.law().holds());
    }
    assert_eq!(system.stragglers(), [blocked.pid()], "all the while");
    drop(gate);
    wait_until("the turn has returned", || system.stragglers().is_empty());
}

#[test]
fn askers_of_replies_that_are_out_of_reach_are_told_when_the_runtime_goes() {
    let (runtime, onlooker) = (runtime(), onlooker());
    let (system, blocked, gate) = with_a_blocked_turn(&runtime, &onlooker);
    let clerk = wait(&onlooker, "its start", system.spawn::<Clerk>(())).expect("it starts");
    let (give, given) = mpsc::channel();
    let asked = [
        ask(&onlooker, &clerk, Order::Keep),
        ask(&onlooker, &clerk, Order::Spawn),
        ask(&onlooker, &clerk, |reply| Order::Give(reply, give)),
    ];
    let _given = given.recv_timeout(HANG).expect("it gives it away");
    wait_until("all are handled", || clerk.law().handled == 3);

    runtime.shutdown_background();
    for asked in asked {
        let told = wait(&onlooker, "an outcome", asked).expect("no panic");
        assert!(matches!(told, Err(AskError::Died | AskError::Unanswered)), "{told:?}");
    }
    assert!(!blocked.is_alive());
    drop(gate);
    wait_until("the turn has returned", || system.stragglers().is_empty());
}

#[test]
fn what_starts_while_the_runtime_goes_ends_with_it() {
    let onlooker = onlooker();
    for _ in 0..50 {
        let (runtime, held) = (runtime(), Arc::new(()));
        let system = runtime.block_on(async { System::bare().expect("the defaults are valid") });
        let (first, begun) = mpsc::channel();
        let (starter, holds) = (system.clone(), held.clone());
        let starting = onlooker.spawn(async move {
            let mut started = Vec::new();
            loop {
                match starter.spawn::<Holder>(holds.clone()).await {
                    Ok(actor) => started.push(actor),
                    Err(error) => return (started, error),
                }
                let _ = first.send(());
            }
        });
        begun.recv_timeout(HANG).expect("one starts");
        drop(runtime);
        let (started, error) = wait(&onlooker, "the last start", starting).expect("no panic");
        assert!(matches!(error, StartError::SystemStopped | StartError::Failed(ExitReason::Killed)), "{error:?}");
        assert!(started.iter().all(|actor| !actor.is_alive()));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[test]
fn a_stop_under_way_ends_when_the_runtime_goes() {
    let (runtime, onlooker) = (runtime(), onlooker());
    let (system, blocked, gate) = with_a_blocked_turn(&runtime, &onlooker);
    let stopping = onlooker.spawn({
        let system = system.clone();
        async move { system.stop().await }
    });
    wait_until("it drains", || blocked.reserve(Offer::within(HANG)).is_err());
    runtime.shutdown_background();
    wait(&onlooker, "the end of the stop", stopping).expect("no panic");
    assert!(!blocked.is_alive());
    drop(gate);
}
