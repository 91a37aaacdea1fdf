//! What the pumps promise, on real threads: one test for each way a scheduler on another's workers goes wrong.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crashworthy_runtime::port::{Port, Simulation};
use crashworthy_runtime::scheduler::{POLL_TURNS, Pool, PumpState};
use crashworthy_sync::task::{Claim, Ran, Run, Task};
use tokio::runtime::{Builder, Runtime};

/// Whatever waits longer than this waits for ever.
const HANG: Duration = Duration::from_secs(60);

/// What a turn asks for at its end.
enum Then {
    Idle,
    Again,
}

/// The smallest thing that can be scheduled: a closure that is a turn.
struct Job {
    turn: Mutex<Box<dyn FnMut() -> Then + Send>>,
}

impl Run for Job {
    type Owner = ();

    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        match (task.turn.lock().expect("a test's turn panicked"))() {
            Then::Idle => claim.idle(),
            Then::Again => claim.again(),
        }
    }
}

fn job(turn: impl FnMut() -> Then + Send + 'static) -> Arc<Task<Job>> {
    Task::new(Job { turn: Mutex::new(Box::new(turn)) }, ())
}

/// Schedules a job that is idle, or not held yet.
fn start(pool: &Pool, job: &Arc<Task<Job>>) {
    if let Some(runnable) = Task::hold_and_wake(job) {
        pool.schedule(runnable);
    }
}

/// A job that says when it has run.
fn announced(name: &'static str, ran: &Sender<&'static str>) -> Arc<Task<Job>> {
    let ran = ran.clone();
    job(move || {
        let _ = ran.send(name);
        Then::Idle
    })
}

fn workers(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_time().build().expect("a runtime")
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn pool(runtime: &Runtime, pumps: usize) -> Arc<Pool> {
    Pool::start("test", runtime.handle().clone(), pumps, Port::production(runtime.handle().clone()))
}

/// A pool whose pumps have all been polled and have nothing to do.
fn idle_pool(runtime: &Runtime, pumps: usize) -> Arc<Pool> {
    let pool = pool(runtime, pumps);
    wait_until(|| is_idle(&pool));
    // So that nothing counts as having just happened.
    wait_until(|| pool.stats().at_ns > 1_000_000);
    pool
}

fn is_idle(pool: &Pool) -> bool {
    pool.stats().pumps.iter().all(|pump| pump.state == PumpState::Idle)
}

fn wait_until(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < HANG, "it never came");
        std::thread::yield_now();
    }
}

#[track_caller]
fn next<T>(of: &Receiver<T>) -> T {
    of.recv_timeout(HANG).expect("it never came")
}

/// Whether no turn of this pool was taken anywhere but on its pumps.
fn on_pumps_alone(pool: &Pool) -> bool {
    pool.stats().rescued == 0
}

/// What holds for the turns of a pump, as long as those are all there are: where a machine takes the thread away in the middle
/// of a turn, rescuers step in, and then it is tried once more. False: they did.
fn undisturbed(mut holds: impl FnMut() -> bool) {
    assert!((0..100).any(|_| holds()), "rescuers step in every time");
}

/// Ends at the next poll of the task, which queues behind the others as a pump does.
async fn next_poll() {
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A gate that blocks a thread.
fn gate() -> (Sender<()>, impl FnMut() + Send + 'static) {
    let (open, wait) = channel::<()>();
    (open, move || wait.recv_timeout(HANG).expect("nobody opened the gate"))
}

#[test]
fn a1_a_pump_behind_a_computing_task_does_not_stall_what_other_workers_make_runnable() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    let (x, y) = (announced("x", &ran), announced("y", &ran));

    // The pump woken for x sits in the slot of the worker that this task occupies.
    let (open, mut compute) = gate();
    let (says, computing) = channel();
    let first = pool.clone();
    let occupied = runtime.spawn(async move {
        start(&first, &x);
        says.send(()).expect("the test waits");
        compute();
    });
    next(&computing);

    let second = pool.clone();
    runtime.spawn(async move { start(&second, &y) });
    let mut both = [next(&order), next(&order)];
    both.sort_unstable();
    assert_eq!(both, ["x", "y"], "while the first worker still computes");

    open.send(()).expect("the task waits");
    runtime.block_on(occupied).expect("the task ends");
}

#[test]
fn a1_a_task_that_never_yields_is_not_relied_on_for_ever() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let busy = pool.clone();
    // It schedules and schedules and never lets its worker go. Another worker has to step in.
    let task = runtime.spawn(async move {
        let job = job(move || {
            counted.fetch_add(1, SeqCst);
            Then::Idle
        });
        let mut others = Vec::new();
        wait_until(|| {
            start(&busy, &job);
            others.push(announced("other", &channel().0));
            start(&busy, others.last().expect("just pushed"));
            runs.load(SeqCst) >= 3
        });
    });
    runtime.block_on(task).expect("the task ends");
}

#[test]
fn a1_what_a_task_makes_runnable_before_it_computes_runs_although_nobody_else_schedules() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    for _ in 0..10 {
        let (open, mut compute) = gate();
        let (pool, first) = (pool.clone(), announced("first", &ran));
        let occupied = runtime.spawn(async move {
            start(&pool, &first);
            compute();
        });
        assert_eq!(next(&order), "first", "while the task still computes");
        open.send(()).expect("the task waits");
        runtime.block_on(occupied).expect("the task ends");
    }
}

#[test]
fn a1_threads_that_are_no_workers_reach_the_actors() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    for _ in 0..1_000 {
        start(&pool, &announced("x", &ran));
        assert_eq!(next(&order), "x");
    }
}

#[test]
fn a2_turns_that_take_time_end_the_poll_of_the_pump_soon() {
    undisturbed(turns_that_take_time_end_the_poll_of_the_pump_soon);
}

fn turns_that_take_time_end_the_poll_of_the_pump_soon() -> bool {
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let turns = Arc::new(AtomicU64::new(0));
    let busy: Vec<_> = (0..16)
        .map(|_| {
            let turns = turns.clone();
            job(move || {
                turns.fetch_add(1, SeqCst);
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(50) {}
                Then::Again
            })
        })
        .collect();
    busy.iter().for_each(|job| start(&pool, job));
    let (counted, on) = (turns.clone(), pool.clone());
    let beside = runtime.spawn(async move {
        let mut polls = 0;
        loop {
            let before = counted.load(SeqCst);
            next_poll().await;
            let between = counted.load(SeqCst) - before;
            // A pump that was just polled has room for a few turns before it knows how long they take.
            let disturbed = !on_pumps_alone(&on);
            let few = between <= 8 || disturbed;
            assert!(few, "{between} turns of 50 us between two polls of a task beside the pump");
            polls += 1;
            if disturbed || polls >= 20 && before > 200 {
                break;
            }
        }
    });
    runtime.block_on(beside).expect("the task ends");
    pool.close();
    on_pumps_alone(&pool)
}

#[test]
fn a2_turns_that_take_no_time_end_the_poll_of_the_pump_by_their_number() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let port = Port::simulated(runtime.handle().clone(), Simulation::seeded(1));
    let pool = Pool::start("test", runtime.handle().clone(), 1, port);
    let turns = Arc::new(AtomicU64::new(0));
    let counted = turns.clone();
    let busy = job(move || {
        counted.fetch_add(1, SeqCst);
        Then::Again
    });
    start(&pool, &busy);
    let seen = turns.clone();
    let beside = runtime.spawn(async move {
        for _ in 0..20 {
            let before = seen.load(SeqCst);
            next_poll().await;
            assert!(seen.load(SeqCst) - before <= u64::from(POLL_TURNS), "virtual time does not pass by itself");
        }
    });
    runtime.block_on(beside).expect("the task ends");
    assert!(turns.load(SeqCst) > 0);
    pool.close();
}

#[test]
fn a2_a_sleep_ends_beside_a_saturated_pump() {
    undisturbed(a_sleep_ends_beside_a_saturated_pump);
}

fn a_sleep_ends_beside_a_saturated_pump() -> bool {
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let turns = Arc::new(AtomicU64::new(0));
    let counted = turns.clone();
    let busy = job(move || {
        counted.fetch_add(1, SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(100) {}
        Then::Again
    });
    start(&pool, &busy);
    runtime.block_on(async {
        let before = turns.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        // 61 polls of the pump without a look at the timers would be 61 turns on top of the ten that fit in.
        let turns = turns.load(SeqCst) - before;
        assert!(turns < 40 || !on_pumps_alone(&pool), "{turns} turns of 100 us during a sleep of a millisecond");
    });
    pool.close();
    on_pumps_alone(&pool)
}

#[test]
fn a2_what_comes_from_outside_waits_for_few_turns_that_take_time() {
    undisturbed(what_comes_from_outside_waits_for_few_turns_that_take_time);
}

fn what_comes_from_outside_waits_for_few_turns_that_take_time() -> bool {
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let turns = Arc::new(AtomicU64::new(0));
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let turns = turns.clone();
            job(move || {
                turns.fetch_add(1, SeqCst);
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(100) {}
                Then::Again
            })
        })
        .collect();
    busy.iter().for_each(|job| start(&pool, job));
    runtime.block_on(async {
        for _ in 0..10 {
            let began = turns.load(SeqCst);
            let (counted, ran) = (turns.clone(), Arc::new(AtomicU64::new(0)));
            let at = ran.clone();
            start(
                &pool,
                &job(move || {
                    at.store(counted.load(SeqCst), SeqCst);
                    Then::Idle
                }),
            );
            while ran.load(SeqCst) == 0 {
                let waited = turns.load(SeqCst) - began;
                let few = waited < 32 || !on_pumps_alone(&pool);
                assert!(few, "{waited} turns of 100 us and no look at what came from outside");
                tokio::task::yield_now().await;
            }
        }
    });
    assert!(turns.load(SeqCst) > 0);
    pool.close();
    on_pumps_alone(&pool)
}

#[test]
fn a2_what_comes_from_outside_leaves_turns_to_those_that_wait() {
    const OUTSIDE: u64 = 200;
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let spin = || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1) {}
    };
    let (turns, outside) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, come) = (turns.clone(), outside.clone());
    let own = job(move || {
        counted.fetch_add(1, SeqCst);
        spin();
        if come.load(SeqCst) < OUTSIDE { Then::Again } else { Then::Idle }
    });
    start(&pool, &own);
    runtime.block_on(async {
        while turns.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // More than one poll takes in, each turn so long that a look at the injector is always due.
        for _ in 0..OUTSIDE {
            let outside = outside.clone();
            start(
                &pool,
                &job(move || {
                    outside.fetch_add(1, SeqCst);
                    spin();
                    Then::Idle
                }),
            );
        }
        let before = turns.load(SeqCst);
        let begun = Instant::now();
        while outside.load(SeqCst) < OUTSIDE {
            assert!(begun.elapsed() < HANG, "what came from outside has no turns");
            tokio::task::yield_now().await;
        }
        assert!(turns.load(SeqCst) > before, "it had turns in between");
    });
    pool.close();
}

#[test]
fn a3_each_turn_has_a_budget_of_its_own() {
    undisturbed(each_turn_has_a_budget_of_its_own);
}

fn each_turn_has_a_budget_of_its_own() -> bool {
    const ACTORS: usize = 64;
    const MESSAGES: usize = 1_000;
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let (turns, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..ACTORS {
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        (0..MESSAGES).for_each(|n| send.send(n).expect("the receiver is here"));
        let (turns, done, mut left) = (turns.clone(), done.clone(), MESSAGES);
        // Reads until tokio says that it has done enough for now.
        let reader = job(move || {
            let _open = &send;
            turns.fetch_add(1, SeqCst);
            let mut cx = Context::from_waker(Waker::noop());
            while left > 0 && Pin::new(&mut receive).poll_recv(&mut cx).is_ready() {
                left -= 1;
            }
            if left > 0 {
                return Then::Again;
            }
            done.fetch_add(1, SeqCst);
            Then::Idle
        });
        start(&pool, &reader);
    }
    runtime.block_on(async {
        while done.load(SeqCst) < ACTORS {
            tokio::task::yield_now().await;
        }
    });
    pool.close();
    let on_pumps = on_pumps_alone(&pool);
    if on_pumps {
        // 128 operations a budget, one of which tells the pump that it may begin.
        assert_eq!(turns.load(SeqCst), ACTORS * MESSAGES.div_ceil(127));
    }
    on_pumps
}

#[test]
fn a4_a_pump_shares_what_waits_behind_a_blocking_turn() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    let waiting = [announced("x", &ran), announced("y", &ran)];
    let (open, mut block) = gate();
    let inner = pool.clone();
    let (says, blocked) = channel();
    let blocker = job(move || {
        assert!(inner.is_current() && inner.on_worker());
        waiting.iter().for_each(|job| start(&inner, job));
        says.send(()).expect("the test waits");
        block();
        Then::Idle
    });
    start(&pool, &blocker);
    next(&blocked);
    // Rescuers, who come if this thread is held up for long, may have taken both at once.
    assert!(next(&order) == "x" || pool.stats().rescued > 0, "displaced by y, it waits in the deque");
    // What would run next is left to its pump, until that has been stuck for a while; then whoever looks takes it.
    let (more, come) = channel();
    while order.try_recv().is_err() {
        start(&pool, &announced("more", &more));
        next(&come);
    }
    assert!(pool.stats().pumps.iter().any(|pump| pump.state == PumpState::InTurn && pump.queued == 0));
    assert!(pool.stats().pumps.iter().all(|pump| pump.panics == 0), "the blocking turn has not given up");
    open.send(()).expect("the turn waits");
}

#[test]
fn a4_all_that_a_blocking_turn_has_made_runnable_runs_although_nobody_else_schedules() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    for waiting in [1, 2, 10] {
        let (open, mut block) = gate();
        let (inner, ran) = (pool.clone(), ran.clone());
        start(
            &pool,
            &job(move || {
                (0..waiting).for_each(|_| start(&inner, &announced("waiting", &ran)));
                block();
                Then::Idle
            }),
        );
        (0..waiting).for_each(|_| assert_eq!(next(&order), "waiting", "while the turn still blocks"));
        open.send(()).expect("the turn waits");
    }
}

#[test]
fn a4_what_is_behind_a_blocking_turn_runs_although_all_others_always_have_more_to_do() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    let over = Arc::new(AtomicBool::new(false));
    let blocks = Arc::new(AtomicBool::new(false));
    let (inner, behind, blocking) = (pool.clone(), announced("behind", &ran), blocks.clone());
    let (open, mut block) = gate();
    let blocker = job(move || {
        start(&inner, &behind);
        blocking.store(true, SeqCst);
        block();
        Then::Idle
    });
    // Two, so that whoever takes one leaves the other.
    let busy = [0, 1].map(|_| {
        let ended = over.clone();
        job(move || if ended.load(SeqCst) { Then::Idle } else { Then::Again })
    });
    start(&pool, &blocker);
    wait_until(|| blocks.load(SeqCst));
    busy.iter().for_each(|job| start(&pool, job));
    assert_eq!(next(&order), "behind");
    over.store(true, SeqCst);
    open.send(()).expect("the turn waits");
}

#[test]
fn a4_what_a_pump_leaves_when_its_poll_ends_is_not_stuck_with_its_worker() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (ran, order) = channel();
    // Often enough for the pump to yield in each of its ways.
    for _ in 0..16 {
        let (open, mut compute) = gate();
        let (inner, left, tasks) = (pool.clone(), announced("left", &ran), runtime.handle().clone());
        let mut task = Some(async move { compute() });
        start(
            &pool,
            &job(move || {
                // So long that the poll ends with this turn; then the task has this worker for itself.
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(150) {}
                start(&inner, &left);
                if let Some(task) = task.take() {
                    drop(tasks.spawn(task));
                }
                Then::Idle
            }),
        );
        assert_eq!(next(&order), "left", "while the task still computes");
        open.send(()).expect("the task waits");
    }
}

#[test]
fn a5_dropping_the_runtime_closes_the_pool() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (says, closed) = channel();
    pool.on_closed(move || says.send(()).expect("the test waits"));
    drop(runtime);
    next(&closed);
    assert!(pool.is_closed() && closed.recv().is_err(), "told once");
    let late = job(|| unreachable!("nobody runs it"));
    let runnable = Task::hold_and_wake(&late).expect("it was idle");
    let back = pool.try_schedule(runnable).expect_err("a closed pool takes nothing");
    drop(back);
    assert!(late.wake().is_some(), "idle again");
    let (says, at_once) = channel();
    pool.on_closed(move || says.send(()).expect("the test waits"));
    at_once.try_recv().expect("told at once");
}

#[test]
fn a5_a_blocked_turn_does_not_keep_the_pool_from_closing() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let (open, mut block) = gate();
    let (says, blocked) = channel();
    let behind = job(|| unreachable!("nobody runs it"));
    let (inner, queued) = (pool.clone(), behind.clone());
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    let blocker = job(move || {
        says.send(()).expect("the test waits");
        block();
        start(&inner, &queued);
        end.store(true, SeqCst);
        Then::Again
    });
    start(&pool, &blocker);
    next(&blocked);
    let (says, closed) = channel();
    pool.on_closed(move || says.send(()).expect("the test waits"));
    runtime.shutdown_background();
    next(&closed);
    assert!(!ended.load(SeqCst));
    open.send(()).expect("the turn waits");
    // What the turn has scheduled, itself included, is dropped with its pump: both are idle again.
    wait_until(|| behind.wake().is_some());
    wait_until(|| blocker.wake().is_some());
    assert!(ended.load(SeqCst));
}

#[test]
fn closing_drops_what_is_queued_and_ends_the_pumps() {
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let queued: Vec<_> = (0..100).map(|_| job(|| unreachable!("nobody runs it"))).collect();
    queued.iter().for_each(|job| start(&pool, job));
    assert_eq!(pool.stats().queued(), 100);
    pool.close();
    assert_eq!(pool.stats().queued(), 0);
    assert!(queued.iter().all(|job| job.wake().is_some()), "all are idle again");
    runtime.block_on(async {
        while Arc::strong_count(&pool) > 1 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_idle_pool_is_not_polled() {
    let runtime = workers(2);
    let pool = idle_pool(&runtime, 2);
    let polls = || pool.stats().pumps.iter().map(|pump| pump.polls).collect::<Vec<_>>();
    let before = polls();
    for _ in 0..100 {
        let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(tokio::task::yield_now())).collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).expect("the task ends"));
    }
    assert_eq!(polls(), before);
    assert_eq!(pool.unattended_since(), None);
}

#[test]
fn a_panic_that_leaves_a_turn_ends_neither_pump_nor_pool() {
    let runtime = one_thread();
    let pool = pool(&runtime, 1);
    let (ran, order) = channel();
    start(&pool, &job(|| std::panic::resume_unwind(Box::new("boom"))));
    start(&pool, &announced("after", &ran));
    runtime.block_on(async {
        while order.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(pool.stats().pumps[0].panics, 1);
    assert!(!pool.is_current(), "the thread is nobody's pump any more");
}

#[test]
fn a_pump_polled_inside_a_turn_of_another_pool_leaves_that_turn_its_own() {
    let (outer, inner) = (workers(1), Arc::new(Mutex::new(one_thread())));
    let outside = pool(&outer, 1);
    let inside = pool(&inner.lock().expect("no panic"), 1);
    let (ran, order) = channel();
    let (nested, after) = (announced("nested", &ran), announced("after", &ran));
    let (first, second) = (outside.clone(), inside);
    start(
        &outside,
        &job(move || {
            start(&second, &nested);
            tokio::task::block_in_place(|| {
                inner.lock().expect("no panic").block_on(async {
                    while second.stats().turns() == 0 {
                        tokio::task::yield_now().await;
                    }
                });
            });
            assert!(first.is_current() && !second.is_current());
            start(&first, &after);
            Then::Idle
        }),
    );
    assert_eq!((next(&order), next(&order)), ("nested", "after"));
}

#[test]
fn no_wakeup_is_lost_between_tasks_threads_and_actors() {
    const JOBS: usize = 64;
    const WAKES: usize = 300;
    let runtime = workers(2);
    let pool = pool(&runtime, 3);
    let (says, finished) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    // Each wakes the next until all have had their turns; so wake-ups come from pumps, tasks and plain threads.
    let ring: Arc<Mutex<Vec<Arc<Task<Job>>>>> = Arc::default();
    for number in 0..JOBS {
        let (others, pool, says, ended, mut turns) = (ring.clone(), pool.clone(), says.clone(), stop.clone(), 0);
        let task = job(move || {
            turns += 1;
            if turns == WAKES {
                says.send(number).expect("the test waits");
            }
            let next = others.lock().expect("no panic")[(number + 1) % JOBS].clone();
            if !ended.load(SeqCst) {
                start(&pool, &next);
            }
            Then::Idle
        });
        ring.lock().expect("no panic").push(task);
    }
    let all = ring.lock().expect("no panic").clone();
    let pushers: Vec<_> = (0..2)
        .map(|_| {
            let (all, pool, stop) = (all.clone(), pool.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(SeqCst) {
                    all.iter().step_by(7).for_each(|job| start(&pool, job));
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    let (tasks, pool_of_task, stopped) = (all.clone(), pool.clone(), stop.clone());
    let task = runtime.spawn(async move {
        while !stopped.load(SeqCst) {
            tasks.iter().step_by(5).for_each(|job| start(&pool_of_task, job));
            tokio::task::yield_now().await;
        }
    });
    let mut seen: Vec<_> = (0..JOBS).map(|_| next(&finished)).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..JOBS).collect::<Vec<_>>());
    stop.store(true, SeqCst);
    pushers.into_iter().for_each(|pusher| pusher.join().expect("no panic"));
    runtime.block_on(task).expect("the task ends");
    wait_until(|| is_idle(&pool) && pool.stats().queued() == 0);
    ring.lock().expect("no panic").clear();
}

#[test]
fn one_wake_at_a_time_is_never_lost() {
    let runtime = workers(2);
    let pool = pool(&runtime, 2);
    let (ran, order) = channel();
    let job = announced("ran", &ran);
    for round in 0..20_000 {
        // From a thread, then from a task, right when the pump becomes idle.
        match round % 2 {
            0 => start(&pool, &job),
            _ => {
                let (pool, job) = (pool.clone(), job.clone());
                drop(runtime.spawn(async move { start(&pool, &job) }));
            }
        }
        next(&order);
    }
}
