//! Handlers block every thread there is, those of the rescuers too: supervisors act all the same.

use std::sync::mpsc;

use crashworthy_runtime::scheduler::CREW;
use crashworthy_runtime::{Actor, ActorRef, Context, Exit, Message, Slot, System};
use crashworthy_supervisor::{Dynamic, Management, Shutdown, SlotExt, Supervisor};

use crate::world::{Jam, MS, SECOND, Stop, lawful, soon, until};

/// Workers of each runtime here.
const WORKERS: usize = 2;

/// Blocks whatever thread takes its turn.
struct Block;

struct Now(mpsc::Sender<()>, Stop);

impl Message for Now {}

impl Actor for Block {
    type Args = ();
    type Msg = Now;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Now(says, stop): Now, _: &mut Context<Self>) -> Result<(), Exit> {
        says.send(()).expect("the test waits");
        stop.here();
        Ok(())
    }
}

/// Has them block. When it returns, so many do; the others wait for a thread.
fn jam<'b>(blocks: impl IntoIterator<Item = &'b ActorRef<Block>>, jam: &Jam, many: usize) {
    let (says, said) = mpsc::channel();
    for block in blocks {
        block.tell(Now(says.clone(), jam.stop())).expect("it has room");
    }
    for _ in 0..many {
        said.recv_timeout(20 * SECOND).expect("it blocks");
    }
}

/// A tree of so many that may block.
fn tree(many: usize) -> (Supervisor, Management, Vec<Slot<Block>>) {
    let slots: Vec<_> = (0..many).map(|number| Slot::named(format!("{number}"))).collect();
    let top = Supervisor::one_for_one("top").intensity(1_000, 60 * SECOND);
    let top = slots.iter().fold(top, |top, slot| top.child(slot.child(()).within(20 * MS)));
    let management = top.management();
    (top, management, slots)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_is_stopped_although_every_worker_of_its_runtime_is_blocked() {
    let (top, _, slots) = tree(WORKERS);
    let system = System::start(top).await.expect("it starts");
    let held = Jam::new();
    jam(slots.iter().map(|slot| &**slot), &held, WORKERS);
    let report = soon(system.stop()).await;
    assert_eq!(report.stragglers.iter().filter(|late| late.abandoned).count(), WORKERS, "{report}");
    drop(held);
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_is_stopped_although_its_handlers_block_more_threads_than_there_may_be() {
    let all = WORKERS + CREW;
    let crowd = Dynamic::<Block>::named("crowd").shutdown(Shutdown::Within(20 * MS));
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    let mut blocks = Vec::new();
    for _ in 0..3 * all {
        blocks.push(soon(crowd.start(())).await.expect("it starts"));
    }
    let held = Jam::new();
    jam(&blocks, &held, all);
    let report = soon(system.stop()).await;
    let abandoned = report.stragglers.iter().filter(|late| late.abandoned).count();
    assert_eq!(
        (report.stragglers.len(), abandoned),
        (3 * all, all),
        "those who wait for a thread end when they are killed"
    );
    drop(held);
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_replaces_who_blocks_although_others_block_every_thread() {
    let all = WORKERS + CREW;
    let (top, management, slots) = tree(all + 1);
    let system = System::start(top).await.expect("it starts");
    let held = Jam::new();
    let (waits, blocks) = slots.split_last().expect("there is one more");
    jam(blocks.iter().map(|slot| &**slot), &held, all);
    jam([&**waits], &held, 0);
    let ends = |name: String| {
        let management = &management;
        async move { soon(management.terminate_child(&name)).await.expect("the supervisor answers") }
    };
    // One whose turn blocks is left behind; one that waits for a thread ends.
    ends(blocks[0].name().expect("it has one").to_owned()).await;
    assert_eq!(system.stragglers().len(), 1);
    ends(waits.name().expect("it has one").to_owned()).await;
    assert_eq!(system.stragglers().len(), 1);
    assert_eq!(soon(management.count_children()).await.expect("the supervisor answers").active, all - 1);
    drop(held);
    until(|| system.stragglers().is_empty()).await;
    soon(management.restart_child(blocks[0].name().expect("it has one"))).await.expect("it starts again");
    soon(system.stop()).await;
    lawful(&system).await;
}
