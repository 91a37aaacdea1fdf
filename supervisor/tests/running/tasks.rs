//! Supervised futures: they see the stop coming, and are restarted and killed like any child.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crashworthy_runtime::{Exit, ExitReason, Reason, Refused, State, System};
use crashworthy_supervisor::{Supervisor, Task, TaskContext};
use tokio::sync::Notify;

use crate::world::{Diary, Jam, MS, Pen, SECOND, Stop, lawful, over, soon, until};

/// Writes when it is dropped.
struct Remains(Pen);

impl Drop for Remains {
    fn drop(&mut self) {
        self.0.write("dropped");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_sees_the_stop_and_is_waited_for() {
    let mut diary = Diary::new();
    let done = Arc::new(Notify::new());
    let server = Task::named("server", (diary.pen(), done.clone()), |(pen, done), cx| async move {
        pen.write("open");
        cx.stopping().await;
        pen.write("closing");
        done.notified().await;
        cx.stopping().await;
        pen.write("closed");
        Ok(())
    });
    let system = System::start(Supervisor::one_for_one("top").child(server)).await.expect("it starts");
    diary.reads("open").await;
    let stopping = tokio::spawn(over(system));
    diary.reads("closing").await;
    assert!(!stopping.is_finished());
    done.notify_one();
    let report = soon(stopping).await.expect("no panic");
    diary.reads("closed").await;
    assert!(report.stragglers.is_empty(), "{report}");
}

/// Runs `first` in the first life; the second one waits for the stop.
fn twice<F>(diary: &Diary, first: impl Fn() -> F + Send + 'static) -> Task
where
    F: Future<Output = Result<(), Exit>> + Send + 'static,
{
    let lives = Arc::new(AtomicU32::new(0));
    Task::named("job", (diary.pen(), lives), move |(pen, lives): (Pen, Arc<AtomicU32>), cx: TaskContext| {
        let life = lives.fetch_add(1, SeqCst) + 1;
        let first = (life == 1).then(&first);
        async move {
            pen.write(format!("life {life}"));
            match first {
                Some(first) => first.await,
                None => {
                    cx.stopping().await;
                    Ok(())
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_restarted_however_it_ended() {
    let ends: [fn() -> Result<(), Exit>; 4] = [
        || Ok(()),
        || Err("no ink".into()),
        || panic!("no paper"),
        // By `?` a refusal ends the message in hand; a task is no message, and its end must not go unnoticed.
        || Err(Refused::because(Reason::Full).into()),
    ];
    for end in ends {
        let mut diary = Diary::new();
        let job = twice(&diary, move || async move { end() });
        let system = System::start(Supervisor::one_for_one("top").child(job)).await.expect("it starts");
        diary.reads("life 1, life 2").await;
        let report = over(system).await;
        assert!(report.stragglers.is_empty(), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_task_that_returned_is_done_and_one_that_failed_is_not() {
    for (failed, lives) in [(false, 1), (true, 2)] {
        let mut diary = Diary::new();
        let job = twice(&diary, move || async move { if failed { Err("no ink".into()) } else { Ok(()) } });
        let top = Supervisor::one_for_one("top").child(job.transient());
        let management = top.management();
        let system = System::start(top).await.expect("it starts");
        diary.reads("life 1").await;
        if failed {
            diary.reads("life 2").await;
        }
        let over_and_done = |actor: &crashworthy_runtime::ActorSnapshot| {
            actor.name.as_deref() == Some("job")
                && (actor.state == State::Stopped || (lives == 2 && actor.state == State::Running))
        };
        until(|| system.snapshot().actors.iter().any(over_and_done)).await;
        assert_eq!(soon(management.count_children()).await.expect("it answers").active, lives - 1);
        over(system).await;
        diary.is_read();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ignores_the_stop_is_killed_and_named() {
    let mut diary = Diary::new();
    let deaf = Task::named("deaf", diary.pen(), |pen, _| async move {
        let _remains = Remains(pen.clone());
        pen.write("runs");
        std::future::pending::<()>().await;
        Ok(())
    });
    let system = System::start(Supervisor::one_for_one("top").child(deaf.within(20 * MS))).await.expect("it starts");
    diary.reads("runs").await;
    let report = over(system).await;
    diary.reads("dropped").await;
    let [late] = &report.stragglers[..] else { panic!("one straggler: {report}") };
    assert_eq!((late.path.as_str(), late.abandoned, late.in_hand.as_deref()), ("top/deaf", false, Some("Task")));
    assert!(late.after >= 20 * MS && report.took < 4 * SECOND, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_task_that_blocks_its_thread_is_abandoned() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let deaf = Task::named("deaf", (diary.pen(), jam.stop()), |(pen, stop), _| async move {
        pen.write("runs");
        stop.here();
        Ok(())
    });
    let system = System::start(Supervisor::one_for_one("top").child(deaf.within(20 * MS))).await.expect("it starts");
    diary.reads("runs").await;
    let report = over(system).await;
    assert!(matches!(&report.stragglers[..], [late] if late.abandoned && late.path == "top/deaf"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_next_life_of_a_task_waits_for_a_call_that_blocks_and_holds_no_thread_meanwhile() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let job = Task::named("job", (diary.pen(), jam.stop()), |(pen, stop): (Pen, Stop), cx: TaskContext| {
        pen.write("called");
        stop.here();
        async move {
            cx.stopping().await;
            Ok(())
        }
    });
    let top = Supervisor::one_for_one("top").child(job.within(20 * MS));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    diary.reads("called").await;
    soon(management.terminate_child("job")).await.expect("it answers");
    for _ in 0..2 {
        assert_eq!(system.stragglers().len(), 1, "the first life alone");
        soon(management.restart_child("job")).await.expect("it starts");
        diary.is_read();
        soon(management.terminate_child("job")).await.expect("it answers");
    }
    soon(management.restart_child("job")).await.expect("it starts");
    jam.clear();
    diary.reads("called").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_stop_of_a_task_hears_of_its_end_too() {
    let mut diary = Diary::new();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let job = Task::named("job", (diary.pen(), tell), |(pen, tell), cx: TaskContext| async move {
        let waiting = tokio::spawn(cx.stopping());
        tell.send(waiting).map_err(|_| "the test is over")?;
        pen.write("runs");
        Err("no ink".into())
    });
    let system = System::start(Supervisor::one_for_one("top").child(job.temporary())).await.expect("it starts");
    diary.reads("runs").await;
    let waiting = told.recv().await.expect("it was sent");
    soon(waiting).await.expect("no panic");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_can_wait_for_the_stop_of_a_task() {
    let mut diary = Diary::new();
    let job = Task::named("job", diary.pen(), |pen, cx: TaskContext| async move {
        let helpers: Vec<_> = (0..20)
            .map(|_| {
                let (pen, stopping) = (pen.clone(), cx.clone());
                tokio::spawn(async move {
                    stopping.stopping().await;
                    pen.write("heard");
                })
            })
            .collect();
        for helper in helpers {
            helper.await?;
        }
        Ok(())
    });
    let system = System::start(Supervisor::one_for_one("top").child(job)).await.expect("it starts");
    let report = over(system).await;
    for _ in 0..20 {
        diary.reads("heard").await;
    }
    assert!(report.stragglers.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_always_fails_makes_its_supervisor_give_up() {
    let diary = Diary::new();
    let job = Task::named("job", diary.pen(), |_, _| async { Err("no ink".into()) });
    let system = System::start(Supervisor::one_for_one("top").intensity(3, SECOND).child(job)).await;
    let system = system.expect("a task is ready when it is started");
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
    lawful(&system).await;
}
