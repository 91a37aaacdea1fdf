//! Futures that run once under a supervisor: nobody waits, somebody waits, somebody shares their fate; and many of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crashworthy_runtime::{
    Actor, AskError, Context, Exit, ExitReason, Message, Pid, Reason, Signal, Slot, StartError, State, System,
};
use crashworthy_supervisor::{SlotExt, Supervisor, TaskError, Tasks};
use tokio::sync::{Notify, mpsc};

use crate::world::{Diary, Jam, MS, Pen, SECOND, over, soon, until};

const STARTS: &str = "the task starts";
const ANSWERS: &str = "the supervisor answers";

async fn with(tasks: &Tasks) -> System {
    System::start(Supervisor::one_for_one("top").child(tasks.clone())).await.expect("it starts")
}

async fn empty(tasks: &Tasks) {
    soon(async { while tasks.count().await.expect(ANSWERS).workers > 0 {} }).await;
}

/// Writes when it is dropped.
struct Remains(Pen);

impl Drop for Remains {
    fn drop(&mut self) {
        self.0.write("dropped");
    }
}

/// Never ends by itself, and writes when it begins and when it is dropped.
async fn lasts(pen: Pen) {
    let _remains = Remains(pen.clone());
    pen.write("runs");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_nobody_waits_for_runs_and_is_forgotten() {
    let mut diary = Diary::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let pen = diary.pen();
    soon(tasks.start(async move { pen.write("done") })).await.expect(STARTS);
    diary.reads("done").await;
    soon(tasks.start(async { panic!("no paper") })).await.expect(STARTS);
    empty(&tasks).await;
    assert!(!system.is_stopped(), "a crash of a task costs its supervisor nothing");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_gets_the_result_or_how_the_task_ended() {
    let mut diary = Diary::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    assert_eq!(soon(soon(tasks.run(async { 42 })).await.expect(STARTS)).await, Ok(42));

    let crashes = soon(tasks.run(async { panic!("no paper") })).await.expect(STARTS);
    match soon(crashes).await {
        Err::<(), _>(TaskError::Ended(reason)) => assert_eq!(reason.crash().expect("a panic").message, "no paper"),
        other => panic!("{other:?}"),
    }

    let lasting = soon(tasks.run(lasts(diary.pen()))).await.expect(STARTS);
    diary.reads("runs").await;
    lasting.kill();
    assert_eq!(soon(lasting).await, Err(TaskError::Ended(ExitReason::Killed)));
    diary.reads("dropped").await;

    let lasting = soon(tasks.run(lasts(diary.pen()))).await.expect(STARTS);
    diary.reads("runs").await;
    assert!(soon(tasks.stop(lasting.pid())).await.expect(ANSWERS));
    assert_eq!(soon(lasting).await, Err(TaskError::Ended(ExitReason::Shutdown)));
    diary.reads("dropped").await;
    empty(&tasks).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_read_once() {
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let mut task = soon(tasks.run(async { "here" })).await.expect(STARTS);
    assert_eq!(soon(&mut task).await, Ok("here"));
    assert_eq!(soon(&mut task).await, Err(TaskError::Ended(ExitReason::Normal)));
    assert_eq!(soon(&mut task).await, Err(TaskError::Ended(ExitReason::Normal)));
    over(system).await;
}

/// Whoever has a result, or was told of an end, finds the place free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_of_a_task_is_free_when_its_result_is_there() {
    let tasks = Tasks::named("tasks").max_children(1);
    let system = with(&tasks).await;
    for round in 0..300 {
        let task = soon(tasks.run(async move { round })).await.expect("the last one has ended");
        assert_eq!(soon(task).await, Ok(round));
    }
    let mut squares = tasks.stream(0..300, 1, |number| async move { number * number });
    for number in 0..300 {
        assert_eq!(soon(squares.next()).await, Some(Ok(number * number)));
    }
    drop(squares);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_handle_is_dropped_runs_on() {
    let mut diary = Diary::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let (gate, pen) = (Arc::new(Notify::new()), diary.pen());
    let waiting = gate.clone();
    let task = soon(tasks.run(async move {
        waiting.notified().await;
        pen.write("done");
    }));
    drop(task.await.expect(STARTS));
    gate.notify_one();
    diary.reads("done").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_takes_too_long_is_killed_and_has_ended_when_that_is_told() {
    let mut diary = Diary::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let lasting = soon(tasks.run(lasts(diary.pen()))).await.expect(STARTS);
    diary.reads("runs").await;
    let pid = lasting.pid();
    assert_eq!(soon(lasting.within(MS)).await, Err(TaskError::TimedOut(MS)));
    // Not only told to end.
    let ended = |state| matches!(state, State::Restarting | State::Gone);
    assert!(system.inspect(pid).is_none_or(|actor| ended(actor.state)));
    diary.reads("dropped").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_task_that_takes_too_long_in_a_turn_that_does_not_return_is_abandoned() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let (pen, stop) = (diary.pen(), jam.stop());
    let blocking = async move {
        pen.write("blocks");
        stop.here();
    };
    let task = soon(tasks.run(blocking)).await.expect(STARTS);
    let pid = task.pid();
    diary.reads("blocks").await;
    assert_eq!(soon(task.within(MS)).await, Err(TaskError::TimedOut(MS)));
    assert_eq!(system.stragglers(), [pid]);
    empty(&tasks).await;
    jam.clear();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_start_after_the_end_and_beyond_the_limit_a_task_is_refused() {
    let diary = Diary::new();
    let tasks = Tasks::named("tasks").max_children(1);
    let refused = |refused: Result<Pid, StartError>| match refused {
        Err(StartError::Supervisor(AskError::Refused(refused))) => refused.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(tasks.start(async {}).await), Reason::NotStarted);
    let system = with(&tasks).await;
    soon(tasks.start(lasts(diary.pen()))).await.expect(STARTS);
    assert_eq!(soon(tasks.start(async {})).await, Err(StartError::MaxChildren(1)));
    over(system).await;
    assert_eq!(refused(tasks.start(async {}).await), Reason::Gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stop_of_the_system_ends_tasks_at_their_next_await() {
    let mut diary = Diary::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let task = soon(tasks.run(lasts(diary.pen()))).await.expect(STARTS);
    diary.reads("runs").await;
    let report = over(system).await;
    assert!(report.stragglers.is_empty(), "{report}");
    assert_eq!(soon(task).await, Err(TaskError::Ended(ExitReason::Shutdown)));
    diary.reads("dropped").await;
}

// --- Linked ---

/// An actor that has tasks, linked to it.
struct Boss {
    tasks: Tasks,
    pen: Pen,
}

enum Want {
    /// A linked task that panics when it is told to; its end is not waited for.
    Fragile(Arc<Notify>),
    /// A linked task that never ends.
    Lasting,
    /// A linked task, whose result is waited for here.
    Sum,
    /// To crash.
    Crash,
}

impl Message for Want {
    fn kind(&self) -> &'static str {
        "Want"
    }
}

impl Actor for Boss {
    type Args = (Tasks, Pen, bool);
    type Msg = Want;

    async fn init((tasks, pen, traps): Self::Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(traps);
        Ok(Self { tasks, pen })
    }

    async fn handle(&mut self, want: Want, cx: &mut Context<Self>) -> Result<(), Exit> {
        match want {
            Want::Fragile(now) => {
                let fragile = async move {
                    now.notified().await;
                    panic!("no paper")
                };
                drop(self.tasks.linked(cx, fragile).await?);
            }
            Want::Lasting => drop(self.tasks.linked(cx, lasts(self.pen.clone())).await?),
            Want::Sum => {
                let sum = self.tasks.linked(cx, async { 20 + 22 }).await?.await?;
                self.pen.write(format!("sum {sum}"));
            }
            Want::Crash => panic!("no patience"),
        }
        self.pen.write("asked for it");
        Ok(())
    }

    async fn on_signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Signal::Exit { reason, .. } = signal {
            let how = reason.crash().map_or(reason.to_string(), |crash| crash.message.clone());
            self.pen.write(format!("exit signal: {how}"));
        }
        Ok(())
    }
}

async fn office(traps: bool, diary: &Diary) -> (Slot<Boss>, Tasks, System) {
    let (tasks, boss) = (Tasks::named("tasks"), Slot::named("boss"));
    let top = Supervisor::one_for_one("top").intensity(9, SECOND).child(tasks.clone());
    let top = top.child(boss.child((tasks.clone(), diary.pen(), traps)).temporary());
    (boss, tasks, System::start(top).await.expect("it starts"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_ends_with_its_linked_task() {
    let mut diary = Diary::new();
    let (boss, _, system) = office(false, &diary).await;
    let down = boss.down();
    let now = Arc::new(Notify::new());
    boss.tell(Want::Fragile(now.clone())).expect("it runs");
    diary.reads("asked for it").await;
    now.notify_one();
    assert_eq!(soon(down).await.reason.crash().expect("the crash of the task").message, "no paper");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_traps_exits_reads_the_end_of_its_linked_task() {
    let mut diary = Diary::new();
    let (boss, tasks, system) = office(true, &diary).await;
    let now = Arc::new(Notify::new());
    boss.tell(Want::Fragile(now.clone())).expect("it runs");
    diary.reads("asked for it").await;
    now.notify_one();
    diary.reads("exit signal: no paper").await;
    boss.tell(Want::Sum).expect("it lives on");
    diary.reads("sum 42, asked for it, exit signal: normal").await;
    empty(&tasks).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_task_ends_with_its_actor() {
    let mut diary = Diary::new();
    let (boss, tasks, system) = office(false, &diary).await;
    boss.tell(Want::Lasting).expect("it runs");
    let mut written = [diary.next().await, diary.next().await];
    written.sort();
    assert_eq!(written, ["asked for it", "runs"]);
    boss.tell(Want::Crash).expect("it runs");
    diary.reads("dropped").await;
    empty(&tasks).await;
    over(system).await;
}

// --- Streams ---

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_come_in_the_order_of_the_items_with_never_too_many_under_way() {
    const AT_ONCE: usize = 3;
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let watched = most.clone();
    let mut doubled = tasks.stream(0..50_usize, AT_ONCE, move |number| {
        let (running, most) = (running.clone(), watched.clone());
        async move {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            for _ in 0..number % 7 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, SeqCst);
            2 * number
        }
    });
    for number in 0..50 {
        assert_eq!(soon(doubled.next()).await, Some(Ok(2 * number)));
    }
    assert_eq!(soon(doubled.next()).await, None);
    assert!((1..=AT_ONCE).contains(&most.load(SeqCst)), "{most:?}");
    empty(&tasks).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_may_be_under_way_than_the_supervisor_has_room_for_calls() {
    const MANY: usize = 3_000;
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let mut same = tasks.stream(0..MANY, MANY, |number| async move { number });
    for number in 0..MANY {
        assert_eq!(soon(same.next()).await, Some(Ok(number)));
    }
    empty(&tasks).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unordered_results_come_as_they_are_ready() {
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let mut numbers = tasks
        .stream(0..3, 3, move |number| {
            let held = held.clone();
            async move {
                if number == 0 {
                    held.notified().await;
                }
                number
            }
        })
        .unordered();
    let mut early =
        [soon(numbers.next()).await, soon(numbers.next()).await].map(|next| next.expect("three").expect("ok"));
    early.sort_unstable();
    assert_eq!(early, [1, 2]);
    gate.notify_one();
    assert_eq!(soon(numbers.next()).await, Some(Ok(0)));
    assert_eq!(soon(numbers.next()).await, None);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_and_a_timeout_are_errors_in_their_places() {
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let limit = 500 * MS;
    let one = |number| async move {
        match number {
            1 => panic!("no paper"),
            2 => std::future::pending().await,
            _ => number,
        }
    };
    let mut results = tasks.stream(0..4, 2, one).within(limit);
    assert_eq!(soon(results.next()).await, Some(Ok(0)));
    assert!(matches!(soon(results.next()).await, Some(Err(TaskError::Ended(ExitReason::Crashed(_))))));
    assert_eq!(soon(results.next()).await, Some(Err(TaskError::TimedOut(limit))));
    assert_eq!(soon(results.next()).await, Some(Ok(3)));
    assert_eq!(soon(results.next()).await, None);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_dropped_kills_its_tasks_wherever_they_are() {
    let mut diary = Diary::new();
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    // Polled once: starts are under way.
    let mut early = tasks.stream(0..4, 4, |_| std::future::pending::<()>());
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::pin!(early.next()).poll(cx).is_pending()));
    assert!(polled.await);
    drop(early);
    empty(&tasks).await;
    // Polled until they run.
    let pen = diary.pen();
    let mut running = tasks.stream(0..2, 2, move |_| lasts(pen.clone()));
    let mut begun = 0;
    while begun < 2 {
        tokio::select! {
            none = running.next() => panic!("{none:?}"),
            line = diary.next() => begun += usize::from(line == "runs"),
        }
    }
    drop(running);
    diary.reads("dropped, dropped").await;
    empty(&tasks).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_taken_only_when_there_is_room() {
    let tasks = Tasks::named("tasks");
    let system = with(&tasks).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let items = (0..1_000).inspect(move |_| {
        count.fetch_add(1, SeqCst);
    });
    let mut results = tasks.stream(items, 4, |number| async move { number });
    assert_eq!(taken.load(SeqCst), 0, "not before it is polled");
    assert_eq!(soon(results.next()).await, Some(Ok(0)));
    assert!(taken.load(SeqCst) <= 4, "{taken:?}");
    drop(results);
    empty(&tasks).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_beyond_the_limit_of_the_supervisor_are_errors_of_the_stream() {
    let tasks = Tasks::named("tasks").max_children(1);
    let system = with(&tasks).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let task = soon(tasks.run(async move { told.recv().await })).await.expect(STARTS);
    let mut results = tasks.stream([1], 1, |number| async move { number });
    let full = TaskError::NotStarted(StartError::MaxChildren(1));
    assert_eq!(soon(results.next()).await, Some(Err(full)));
    tell.send(()).expect("it waits");
    assert_eq!(soon(task).await, Ok(Some(())));
    until(|| system.snapshot().actors.len() == 2).await;
    over(system).await;
}
