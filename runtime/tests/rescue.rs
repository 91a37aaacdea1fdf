//! What holds while every worker is blocked, on real threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crashworthy_runtime::port::Port;
use crashworthy_runtime::scheduler::{CREW, Pool, PumpState};
use crashworthy_runtime::{Actor, ActorRef, AskError, Context, Exit, Message, Reply, System};
use crashworthy_sync::task::{Claim, Ran, Run, Task};
use tokio::runtime::{Builder, Runtime};

/// Whatever waits longer than this waits for ever.
const HANG: Duration = Duration::from_secs(60);

/// A turn, once.
struct Job(Box<dyn Fn() + Send + Sync>);

impl Run for Job {
    type Owner = ();

    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        (task.0)();
        claim.idle()
    }
}

fn start(pool: &Pool, turn: impl Fn() + Send + Sync + 'static) {
    let job = Task::new(Job(Box::new(turn)), ());
    pool.schedule(Task::hold_and_wake(&job).expect("it is new"));
}

/// Threads that are held until the gate is dropped, and how to learn that one is.
struct Gate {
    blocked: Receiver<()>,
    says: Sender<()>,
    open: Arc<AtomicBool>,
}

impl Gate {
    fn new() -> Self {
        let (says, blocked) = channel();
        Self { blocked, says, open: Arc::default() }
    }

    fn block(&self) -> impl Fn() + Send + Sync + 'static {
        let (says, open) = (self.says.clone(), self.open.clone());
        move || {
            says.send(()).expect("the test waits");
            let begun = Instant::now();
            while !open.load(SeqCst) {
                assert!(begun.elapsed() < HANG, "nobody opened the gate");
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    }

    /// Waits until one more is held.
    #[track_caller]
    fn holds_one_more(&self) {
        next(&self.blocked);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open.store(true, SeqCst);
    }
}

#[track_caller]
fn next<T>(of: &Receiver<T>) -> T {
    of.recv_timeout(HANG).expect("it never came")
}

#[track_caller]
fn wait_until(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < HANG, "it never came");
        std::thread::yield_now();
    }
}

fn workers(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_time().build().expect("a runtime")
}

fn pool(runtime: &Runtime, pumps: usize) -> Arc<Pool> {
    Pool::start("test", runtime.handle().clone(), pumps, Port::production(runtime.handle().clone()))
}

/// Holds so many threads with turns, one after the other.
fn block_turns(pool: &Pool, gate: &Gate, threads: usize) {
    for _ in 0..threads {
        start(pool, gate.block());
        gate.holds_one_more();
    }
}

#[test]
fn turns_go_on_while_turns_block_every_worker() {
    for count in [1, 2] {
        let runtime = workers(count);
        let (pool, gate) = (pool(&runtime, count), Gate::new());
        block_turns(&pool, &gate, count);
        let (says, said) = channel();
        for number in 0..100 {
            let says = says.clone();
            start(&pool, move || says.send(number).expect("the test waits"));
        }
        let mut ran: Vec<_> = (0..100).map(|_| next(&said)).collect();
        ran.sort_unstable();
        assert!(ran.into_iter().eq(0..100));
        // One that was sent is counted by who sent it, which may be after all of its turns.
        wait_until(|| pool.stats().rescues > 0);
    }
}

#[test]
fn turns_go_on_while_tasks_block_every_worker() {
    let runtime = workers(2);
    let (pool, gate) = (pool(&runtime, 2), Gate::new());
    for _ in 0..2 {
        let block = gate.block();
        runtime.spawn(async move { block() });
        gate.holds_one_more();
    }
    let (says, said) = channel();
    start(&pool, move || says.send(()).expect("the test waits"));
    next(&said);
}

#[test]
fn what_a_turn_on_a_rescuer_makes_ready_runs_too() {
    let runtime = workers(2);
    let (pool, gate) = (pool(&runtime, 2), Gate::new());
    block_turns(&pool, &gate, 2);
    let (says, said) = channel();
    let inner = pool.clone();
    start(&pool, move || {
        let says = says.clone();
        assert!(tokio::runtime::Handle::try_current().is_ok(), "it is inside of the runtime");
        start(&inner, move || says.send(()).expect("the test waits"));
    });
    next(&said);
}

#[test]
fn a_turn_on_a_rescuer_is_counted_and_its_pool_is_not_at_rest() {
    let runtime = workers(1);
    let (pool, one, other) = (pool(&runtime, 1), Gate::new(), Gate::new());
    let at_work = || {
        let stats = pool.stats();
        stats.rescuers + stats.pumps.iter().filter(|pump| pump.state != PumpState::Idle).count()
    };
    block_turns(&pool, &one, 1);
    block_turns(&pool, &other, 1);
    // There is one worker: at least one of the two is on a rescuer.
    assert!(pool.stats().rescued >= 1);
    // A rescuer is counted when whoever sent it goes on, which may be after its first turn has begun.
    wait_until(|| at_work() >= 2);
    drop(one);
    assert!(at_work() >= 1, "wherever the other is");
    drop(other);
    wait_until(|| at_work() == 0);
    assert_eq!(pool.stats().turns(), 2, "what has been done stays counted");
}

#[test]
fn rescuers_that_are_blocked_themselves_are_followed_by_others_but_not_for_ever() {
    let runtime = workers(2);
    let (pool, gate) = (pool(&runtime, 2), Gate::new());
    block_turns(&pool, &gate, 2 + CREW);
    wait_until(|| pool.stats().rescuers == CREW);
    let (says, said) = channel();
    start(&pool, move || says.send(()).expect("the test waits"));
    assert!(said.try_recv().is_err(), "there is no thread left to run it");
    wait_until(|| pool.stats().still_since_ns.is_some());
    drop(gate);
    next(&said);
    wait_until(|| pool.stats().still_since_ns.is_none());
    assert!(pool.stats().rescuers <= CREW);
}

#[test]
fn rescuers_go_when_workers_return() {
    let runtime = workers(2);
    let (pool, gate) = (pool(&runtime, 2), Gate::new());
    block_turns(&pool, &gate, 4);
    wait_until(|| pool.stats().rescuers >= 2);
    drop(gate);
    wait_until(|| pool.stats().rescuers == 0);
    let (says, said) = channel();
    start(&pool, move || says.send(()).expect("the test waits"));
    next(&said);
}

#[test]
fn a_pool_that_is_closed_has_gone_when_the_last_turn_on_a_rescuer_has_ended() {
    let runtime = workers(1);
    let (pool, gate) = (pool(&runtime, 1), Gate::new());
    block_turns(&pool, &gate, 2);
    let gone = Arc::new(AtomicBool::new(false));
    let (ended, blocked) = (gone.clone(), gate.open.clone());
    pool.on_gone(move || ended.store(blocked.load(SeqCst), SeqCst));
    pool.close();
    assert!(!gone.load(SeqCst));
    drop(gate);
    wait_until(|| gone.load(SeqCst));
    // Nobody else has it any more: no pump, and no rescuer.
    wait_until(|| Arc::strong_count(&pool) == 1);
}

/// Blocks its thread, passes a question on, or answers.
struct Clerk(Option<ActorRef<Clerk>>);

enum Say {
    Block(Box<dyn Fn() + Send + Sync>),
    Sum(u32, Reply<u32>),
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
            Say::Block(block) => block(),
            Say::Sum(so_far, reply) => match &self.0 {
                Some(next) => reply.send(next.ask(|reply| Say::Sum(so_far + 1, reply)).within(HANG).await?),
                None => reply.send(so_far + 1),
            },
        }
        Ok(())
    }
}

#[test]
fn actors_ask_each_other_and_deadlines_end_questions_while_every_worker_is_blocked() {
    let runtime = workers(2);
    let gate = Gate::new();
    let (system, blocked, last, first) = runtime.block_on(async {
        let system = System::bare().expect("default settings are valid");
        let mut blocked = Vec::new();
        for _ in 0..2 {
            blocked.push(system.spawn::<Clerk>(None).await.expect("it starts"));
        }
        let last = system.spawn::<Clerk>(None).await.expect("it starts");
        let first = system.spawn::<Clerk>(Some(last.clone())).await.expect("it starts");
        (system, blocked, last, first)
    });
    for clerk in &blocked {
        clerk.tell(Say::Block(Box::new(gate.block()))).expect("it has room");
        gate.holds_one_more();
    }
    let asker = Builder::new_current_thread().build().expect("a runtime");
    asker.block_on(async {
        for _ in 0..50 {
            assert_eq!(first.ask(|reply| Say::Sum(0, reply)).within(HANG).await, Ok(2));
        }
        let late = blocked[0].ask(|reply| Say::Sum(0, reply)).within(Duration::from_millis(20)).await;
        assert_eq!(late, Err(AskError::Expired), "although nobody turns the timers of the runtime");
        assert_eq!(last.ask(|reply| Say::Sum(0, reply)).within(HANG).await, Ok(1));
    });
    drop(gate);
    let report = runtime.block_on(system.stop());
    assert!(report.stragglers.is_empty(), "{report:?}");
}

#[test]
fn workers_that_are_blocked_again_and_again_are_told_of_once_and_again_when_more_hold_them() {
    const TIMES: usize = 8;
    let runtime = workers(2);
    let (system, blocked, other) = runtime.block_on(async {
        let system = System::bare().expect("default settings are valid");
        let mut blocked = Vec::new();
        for _ in 0..2 {
            blocked.push(system.spawn::<Clerk>(None).await.expect("it starts"));
        }
        let other = system.spawn::<Clerk>(None).await.expect("it starts");
        (system, blocked, other)
    });
    let (asker, begun) = (Builder::new_current_thread().build().expect("a runtime"), Instant::now());
    for _ in 0..TIMES {
        let gate = Gate::new();
        for clerk in &blocked {
            clerk.tell(Say::Block(Box::new(gate.block()))).expect("it has room");
            gate.holds_one_more();
        }
        let answer = asker.block_on(other.ask(|reply| Say::Sum(0, reply)).within(HANG));
        assert_eq!(answer, Ok(1), "a rescuer sees to it");
        drop(gate);
        wait_until(|| system.pools()[0].rescuers == 0);
    }
    let told: Vec<_> = system.events_since(0).events.into_iter().map(|event| event.what.name().to_owned()).collect();
    let told = told.iter().filter(|name| *name == "workers_blocked").count();
    // By none, one or two turns, as far as they are seen in time; where a round takes a second it is a time of its own.
    let most = 3 + begun.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&told), "{told} times, at most {most}");
    runtime.block_on(system.stop());
}
