//! Supervisors that are killed: their links take the children with them, and the next life waits for what is left.

use std::sync::Arc;

use crashworthy_runtime::{Pid, State, System};
use crashworthy_supervisor::{SlotExt, Supervisor};
use tokio::sync::Notify;

use crate::world::{Diary, Jam, MS, Nurse, SECOND, blocked, counted, over, soon, until, worker};

fn pid_of(name: &str, system: &System) -> Pid {
    let found = system.snapshot().actors.into_iter().find(|actor| actor.name.as_deref() == Some(name));
    found.expect("it has run").pid
}

/// Reads until `+name` was written for each of so many children; returns what was read.
async fn until_started(diary: &mut Diary, many: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.iter().filter(|line: &&String| line.starts_with('+')).count() < many {
        lines.push(diary.next().await);
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_takes_its_children_with_it_and_is_restarted() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").child(a.child(ak)).child(b.child(bk));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    diary.reads("+a, +b").await;
    system.kill(pid_of("below", &system));
    // The links carry the news to both at once: in which order they end is open.
    let lines = until_started(&mut diary, 2).await;
    assert!(lines.contains(&"-a killed".to_owned()) && lines.contains(&"-b killed".to_owned()), "{lines:?}");
    assert_eq!(counted(&a).await, 0);
    assert_eq!((a.pid().incarnation, b.pid().incarnation), (2, 2));
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_killed_again_and_again_comes_back_every_time() {
    const KILLS: u32 = 100;
    let diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let bk = Nurse { traps: false, ..bk };
    let deep = Supervisor::one_for_one("deep").child(c.child(ck));
    let below = Supervisor::one_for_one("below").child(a.child(ak)).child(b.child(bk)).child(deep);
    // One restart a kill: a life that is left over must not cost another.
    let top = Supervisor::one_for_one("top").intensity(KILLS, 100 * SECOND).child(below);
    let system = System::start(top).await.expect("it starts");
    for kill in 1..=KILLS {
        let below = pid_of("below", &system);
        assert_eq!(below.incarnation, kill);
        system.kill(below);
        until(|| {
            let actor = system.inspect(c.pid()).expect("the test has its address");
            actor.pid.incarnation > kill && actor.state == State::Running
        })
        .await;
        assert_eq!(counted(&c).await, 0);
    }
    assert_eq!([&a, &b, &c].map(|slot| slot.pid().incarnation), [KILLS + 1; 3]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_killed_supervisor_is_waited_for() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let done = Arc::new(Notify::new());
    let ak = Nurse { lingers: Some(done.clone()), ..ak };
    let below = Supervisor::one_for_one("below").child(a.child(ak));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    system.kill(pid_of("below", &system));
    diary.reads("+a, -a killed").await;
    until(|| pid_of("below", &system).incarnation == 2).await;
    diary.is_read();
    done.notify_one();
    diary.reads("a is done, +a").await;
    done.notify_one();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_killed_supervisor_is_killed_after_its_limit() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { clings: true, ..ak };
    let below = Supervisor::one_for_one("below").child(a.child(ak).within(10 * MS));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    system.kill(pid_of("below", &system));
    diary.reads("+a, -a killed, +a").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_left_of_a_killed_supervisor_and_blocks_its_thread_is_abandoned() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let below = Supervisor::one_for_one("below").child(a.child(ak).within(10 * MS));
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    diary.reads("+a").await;
    let jam = Jam::new();
    blocked(&a, &jam, &mut diary).await;
    system.kill(pid_of("below", &system));
    diary.reads("+a").await;
    assert_eq!(counted(&a).await, 0);
    jam.clear();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_below_a_killed_supervisor_stop_their_children_in_order() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let deep = Supervisor::one_for_one("deep").child(a.child(ak)).child(b.child(bk));
    let below = Supervisor::one_for_one("below").child(deep);
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    system.kill(pid_of("below", &system));
    diary.reads("+a, +b, -b shutdown, -a shutdown, +a, +b").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_killed_root_is_an_error_and_nothing_is_left_running() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { clings: true, ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b").await;
    system.kill(pid_of("top", &system));
    let error = soon(system.ended()).await.into_result().expect_err("nobody had asked for it");
    assert!(error.to_string().contains("the root ended: killed"), "{error}");
    until(|| !a.is_alive() && !b.is_alive()).await;
}
