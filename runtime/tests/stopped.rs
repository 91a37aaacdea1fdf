//! What addresses say when their system has stopped.

use std::sync::mpsc;
use std::time::Duration;

use crashworthy_runtime::{Actor, Context, Exit, Message, Reason, Reply, System};

struct Idler;

impl Actor for Idler {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_whose_system_has_stopped_is_gone_and_drains_no_more() {
    let system = System::bare().expect("the defaults are valid");
    let actor = system.spawn::<Idler>(()).await.expect("it starts");
    let down = actor.down();
    system.stop().await;
    down.await;
    assert_eq!(actor.tell(()).expect_err("nobody is there").why.reason, Reason::Gone);
    assert_eq!(actor.admitted(Duration::from_secs(1)).await.err().map(|why| why.reason), Some(Reason::Gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_stop_of_a_system_without_a_tree_returns_its_actors_have_ended() {
    for _ in 0..20 {
        let system = System::bare().expect("the defaults are valid");
        let mut actors = Vec::new();
        for _ in 0..200 {
            actors.push(system.spawn::<Idler>(()).await.expect("it starts"));
        }
        system.stop().await;
        assert!(actors.iter().all(|actor| !actor.is_alive()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_nobody_holds_leaves_neither_a_task_nor_a_thread() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = (metrics.num_alive_tasks(), threads());
    for round in 0..40 {
        let stopped = round % 2 == 0;
        let system = System::bare().expect("the defaults are valid");
        let actor = system.spawn::<Idler>(()).await.expect("it starts");
        assert!(metrics.num_alive_tasks() > before.0, "it has pumps");
        if stopped {
            system.stop().await;
        } else {
            // An actor that nobody can reach any more ends with its last address, and the system with it.
            system.kill(actor.pid());
            actor.down().await;
        }
        drop((system, actor));
        let gone = async {
            while metrics.num_alive_tasks() != before.0 || threads() > before.1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("what it ran on goes with it");
    }
}

/// Threads of this process, where the system says.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, |threads| threads.count())
}

/// Blocks its thread until its gate opens.
struct Blocker;

struct Block {
    begun: Reply<()>,
    gate: mpsc::Receiver<()>,
}

impl Message for Block {}

impl Actor for Blocker {
    type Args = ();
    type Msg = Block;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Block { begun, gate }: Block, _: &mut Context<Self>) -> Result<(), Exit> {
        begun.send(());
        let _ = gate.recv();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stop_of_a_system_without_a_tree_names_the_turns_it_could_not_wait_for() {
    let system = System::builder().drain(Duration::ZERO).bare().expect("the setting is valid");
    let blocker = system.spawn::<Blocker>(()).await.expect("it starts");
    let idler = system.spawn::<Idler>(()).await.expect("it starts");
    let (open, gate) = mpsc::channel();
    blocker.ask(|begun| Block { begun, gate }).await.expect("it begins");
    let report = system.stop().await;
    assert!(!blocker.is_alive() && !idler.is_alive());
    let named: Vec<_> = report.stragglers.iter().map(|straggler| (straggler.pid, straggler.abandoned)).collect();
    assert_eq!(named, [(blocker.pid(), true)]);
    assert!(report.stragglers[0].in_hand.is_some(), "what it hung in");
    drop(open);
}
