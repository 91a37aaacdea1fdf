//! Threads of their own for a part of a tree, or for one actor: what happens on one pool is nothing to the others.

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread::ThreadId;

use crashworthy_runtime::{
    Actor, ActorRef, AskError, Bulkhead, Context, Exit, Happening, MAX_POOLS, Message, PoolKind, Reply, Slot,
    StartError, System,
};
use crashworthy_supervisor::{Dynamic, Partition, Restart, SlotExt, Supervisor, Task, Tasks};
use tokio::runtime::{self, Handle};

use crate::world::{Jam, MS, SECOND, Stop, lawful, over, soon, until};

/// A bulkhead of so many threads has so many rescuers, if it needs them.
const CREW: usize = 4;

/// A thread, and the runtime around it.
type Place = (ThreadId, runtime::Id);

fn here() -> Place {
    (std::thread::current().id(), Handle::current().id())
}

thread_local! {
    /// Tells of the end of this thread.
    static LAST: RefCell<Vec<mpsc::Sender<()>>> = const { RefCell::new(Vec::new()) };
}

/// Does as it is told.
struct Hand {
    seen: Vec<u32>,
}

enum Do {
    Say(Reply<Place>),
    /// Waits for a timer of the runtime around it.
    Nap(Reply<Place>),
    Block(mpsc::Sender<()>, Stop),
    /// Tells when the thread that handles this has ended.
    TellEnd(mpsc::Sender<()>, Reply<()>),
    /// Starts another: linked or not.
    Start(bool, Reply<Place>),
    /// Asks another where it is.
    Pass(ActorRef<Hand>, Reply<Place>),
    /// Tells another so many numbers.
    Count(ActorRef<Hand>, u32),
    Note(u32),
    Seen(Reply<Vec<u32>>),
    Pipe(Reply<runtime::Id>),
    /// Leaves a task that never ends on the runtime around it.
    Leave(Reply<()>),
    Crash,
}

impl Message for Do {}

impl Actor for Hand {
    type Args = ();
    type Msg = Do;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { seen: Vec::new() })
    }

    async fn handle(&mut self, what: Do, cx: &mut Context<Self>) -> Result<(), Exit> {
        match what {
            Do::Say(reply) => reply.send(here()),
            Do::Nap(reply) => {
                tokio::time::sleep(MS).await;
                reply.send(here());
            }
            Do::Block(says, stop) => {
                says.send(()).expect("the test waits");
                stop.here();
            }
            Do::TellEnd(tell, reply) => {
                LAST.with_borrow_mut(|last| last.push(tell));
                reply.send(());
            }
            Do::Start(linked, reply) => {
                let other = if linked { cx.spawn_link::<Hand>(()).await? } else { cx.spawn::<Hand>(()).await? };
                reply.send(place(&other).await);
            }
            Do::Pass(other, reply) => reply.send(other.ask(Do::Say).within(60 * SECOND).await?),
            Do::Count(other, to) => {
                for number in 0..to {
                    // Full now and then: it waits for room.
                    while other.tell(Do::Note(number)).is_err() {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Do::Note(number) => self.seen.push(number),
            Do::Seen(reply) => reply.send(self.seen.clone()),
            Do::Pipe(reply) => cx.pipe(async { Handle::current().id() }, |id| {
                reply.send(id);
                Do::Note(0)
            })?,
            Do::Leave(reply) => {
                tokio::spawn(std::future::pending::<()>());
                reply.send(());
            }
            Do::Crash => panic!("as it was told"),
        }
        Ok(())
    }
}

async fn place(hand: &ActorRef<Hand>) -> Place {
    soon(hand.ask(Do::Say).within(60 * SECOND)).await.expect("it answers")
}

fn hand(name: &str) -> Slot<Hand> {
    Slot::named(name)
}

/// Blocks the threads on which these run, each by a turn that holds one.
async fn jam(hands: &[ActorRef<Hand>], jam: &Jam) {
    let (says, said) = mpsc::channel();
    for hand in hands {
        hand.tell(Do::Block(says.clone(), jam.stop())).expect("it has room");
        let mut held = false;
        until(|| {
            held |= said.try_recv().is_ok();
            held
        })
        .await;
    }
}

/// So many slots under a supervisor with a bulkhead, and one more.
fn branch(name: &str, bulkhead: Bulkhead, hands: usize) -> (Supervisor, Vec<ActorRef<Hand>>, Slot<Hand>) {
    let last = hand("last");
    let slots: Vec<_> = (0..hands).map(|number| hand(&number.to_string())).collect();
    let branch = Supervisor::one_for_one(name).bulkhead(bulkhead).child(last.child(()));
    let branch = slots.iter().fold(branch, |branch, slot| branch.child(slot.child(())));
    (branch, slots.iter().map(|slot| slot.address()).collect(), last)
}

fn top() -> Supervisor {
    Supervisor::one_for_one("top").intensity(10, SECOND)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saturating_one_pool_leaves_the_others_asks_answered() {
    let (outside, gate) = (hand("outside"), Jam::new());
    let (left, blocks, last) = branch("left", Bulkhead::threads(2), 2 + CREW);
    let (right, _, other) = branch("right", Bulkhead::threads(1), 0);
    let system = System::start(top().child(outside.child(())).child(left).child(right)).await.expect("it starts");
    jam(&blocks, &gate).await;
    let late = last.ask(Do::Say).within(20 * MS).await;
    assert_eq!(late, Err(AskError::Expired), "every thread of the bulkhead is held");
    for _ in 0..100 {
        assert_eq!(place(&outside).await.1, Handle::current().id());
        assert_ne!(place(&other).await.1, Handle::current().id());
    }
    gate.clear();
    place(&last).await;
    lawful(&system).await;
    over(system).await;
}

#[test]
fn a_bulkhead_goes_on_with_its_timers_while_every_worker_of_the_system_is_blocked() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let asker = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (branch, _, inside) = branch("branch", Bulkhead::threads(1), 0);
    let system = runtime.block_on(System::start(top().child(branch))).expect("it starts");
    let gate = Jam::new();
    let (says, said) = mpsc::channel();
    // Tasks of the runtime, so that nobody who is rescued takes their place.
    for _ in 0..2 {
        let (says, stop) = (says.clone(), gate.stop());
        runtime.spawn(async move {
            says.send(()).expect("the test waits");
            stop.here();
        });
        said.recv_timeout(60 * SECOND).expect("a worker gets to it");
    }
    asker.block_on(async {
        for _ in 0..20 {
            soon(inside.ask(Do::Nap).within(60 * SECOND)).await.expect("its own driver wakes it");
        }
    });
    gate.clear();
    runtime.block_on(over(system));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_below_a_bulkhead_runs_on_its_threads() {
    let (branch, _, inside) = branch("branch", Bulkhead::threads(2), 0);
    let deep = hand("deep");
    let below = Supervisor::one_for_one("below").child(deep.child(()));
    let (crowd, parts) = (Dynamic::<Hand>::named("crowd"), Partition::<Hand>::named("parts", 2, |_| ()));
    let branch = branch.child(below).child(crowd.clone()).child(parts.clone());
    let system = System::start(top().child(branch)).await.expect("it starts");
    let threads = place(&inside).await.1;
    assert_ne!(threads, Handle::current().id());
    assert_eq!(place(&deep).await.1, threads, "below a supervisor below it");
    assert_eq!(place(&crowd.start(()).await.expect("it starts")).await.1, threads, "a child that came later");
    assert_eq!(place(parts.partition(1)).await.1, threads);
    for linked in [false, true] {
        let started = soon(inside.ask(|reply| Do::Start(linked, reply))).await.expect("it starts one");
        assert_eq!(started.1, threads, "whoever is started there; linked: {linked}");
    }
    assert_eq!(soon(inside.ask(Do::Pipe)).await, Ok(threads), "what runs beside an actor");
    inside.tell(Do::Crash).expect("it has room");
    assert_eq!(place(&inside).await.1, threads, "the next incarnation, too");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_acts_while_its_children_block_every_thread_of_its_bulkhead() {
    let (branch, blocks, last) = branch("branch", Bulkhead::threads(1), 1 + CREW);
    let management = branch.management();
    let system = System::start(top().child(branch)).await.expect("it starts");
    let gate = Jam::new();
    jam(&blocks, &gate).await;
    let children = soon(management.which_children()).await.expect("it answers");
    assert_eq!(children.len(), blocks.len() + 1);
    assert!(last.ask(Do::Say).within(20 * MS).await.is_err(), "nobody is left for its children");
    gate.clear();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_has_no_thread_because_others_block_them_all_can_be_stopped() {
    let (idle, gate) = (hand("idle"), Jam::new());
    let (branch, blocks, _) = branch("branch", Bulkhead::threads(1), 1 + CREW);
    let branch = branch.child(idle.child(()).within(MS));
    let management = branch.management();
    let system = System::start(top().child(branch)).await.expect("it starts");
    jam(&blocks, &gate).await;
    soon(management.terminate_child("idle")).await.expect("it is stopped, and its supervisor goes on");
    assert!(!idle.is_alive() && blocks.iter().all(ActorRef::is_alive), "and nobody else is");
    soon(management.which_children()).await.expect("it answers");
    gate.clear();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulkhead_of_one_name_is_the_same_threads() {
    let shared = || Bulkhead::threads(2).named("shared");
    let (left, _, a) = branch("left", shared(), 0);
    let b = hand("b");
    let system = System::start(top().child(left).child(b.child(()).bulkhead(shared()))).await.expect("it starts");
    assert_eq!(place(&a).await.1, place(&b).await.1);
    let pools: Vec<_> = system.pools().into_iter().map(|pool| (pool.kind, pool.name, pool.pumps.len())).collect();
    assert_eq!(pools[1..], [(PoolKind::Bulkhead, "shared".to_owned(), 2)]);
    over(system).await;

    let (left, ..) = branch("left", shared(), 0);
    let other = hand("other").child(()).bulkhead(Bulkhead::threads(3).named("shared"));
    let refused = System::start(top().child(left).child(other)).await.expect_err("two sizes");
    assert!(refused.to_string().contains("bulkhead `shared` of 3 threads: another of that name has 2"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulkhead_out_of_range_is_refused_before_anything_starts() {
    let (branch, _, inside) = branch("branch", Bulkhead::threads(0), 0);
    let refused = System::start(top().child(branch)).await.expect_err("no threads");
    assert!(matches!(&refused, StartError::InvalidTree(_)), "{refused:?}");
    assert!(refused.to_string().contains("top/branch: a bulkhead has 1 to 1024 threads, not 0"), "{refused}");
    assert!(!inside.is_alive());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_child_has_a_thread_to_itself() {
    let [a, b] = ["a", "b"].map(hand);
    let job = Task::named("job", (), |(), _| async {
        std::thread::sleep(MS);
        Ok(())
    });
    let tree = top().child(a.child(()).blocking()).child(b.child(()).blocking()).child(job.blocking().transient());
    let system = System::start(tree).await.expect("it starts");
    let places = [place(&a).await, place(&b).await, here()];
    assert!(places.iter().enumerate().all(|(at, one)| !places[..at].iter().any(|other| other.1 == one.1)));
    for _ in 0..20 {
        assert_eq!(place(&a).await, places[0], "one thread, also for questions, which are never taken in place");
    }
    let started = soon(a.ask(|reply| Do::Start(true, reply))).await.expect("it starts one");
    assert_eq!(started.1, Handle::current().id(), "whom it starts leaves it alone");
    let names: Vec<_> = system.pools().into_iter().map(|pool| (pool.kind, pool.name)).collect();
    assert_eq!(names[1..3], [(PoolKind::Own, "top/a".to_owned()), (PoolKind::Own, "top/b".to_owned())]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_blocking_child_of_a_bulkhead_starts_runs_in_the_bulkhead() {
    let alone = hand("alone");
    let (branch, _, inside) = branch("branch", Bulkhead::threads(1), 0);
    let crowd = Dynamic::<Hand>::named("crowd").blocking().bulkhead(Bulkhead::threads(1).named("of the crowd"));
    let parts =
        Partition::<Hand>::named("parts", 1, |_| ()).blocking().bulkhead(Bulkhead::threads(1).named("of parts"));
    let tree = top()
        .child(branch.intensity(10, SECOND).child(alone.child(()).blocking()))
        .child(crowd.clone())
        .child(parts.clone());
    let system = System::start(tree).await.expect("it starts");
    let own = place(&alone).await.1;
    let start = async |from: &ActorRef<Hand>| soon(from.ask(|reply| Do::Start(false, reply))).await.expect("it starts");
    for _ in 0..2 {
        assert_eq!(start(&alone).await.1, place(&inside).await.1);
        alone.tell(Do::Crash).expect("it has room");
        assert_eq!(place(&alone).await.1, own, "the next incarnation has the same thread");
    }
    let one = crowd.start(()).await.expect("it starts");
    for from in [&one, parts.partition(0)] {
        let there = start(from).await.1;
        assert!(there != Handle::current().id() && there != place(from).await.1);
    }
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_incarnation_of_a_blocking_child_does_not_wait_for_a_straggler() {
    let (a, gate) = (hand("a"), Jam::new());
    let tree = top().child(a.child(()).blocking().within(MS));
    let management = tree.management();
    let system = System::start(tree).await.expect("it starts");
    jam(&[a.address()], &gate).await;
    soon(management.terminate_child("a")).await.expect("it is abandoned");
    soon(management.restart_child("a")).await.expect("it starts beside the other");
    let next = soon(a.ask(Do::Nap).within(10 * SECOND)).await.expect("the thread of the straggler is not its own");
    soon(a.ask(Do::Pipe).within(10 * SECOND)).await.expect("nor that of what runs beside it");
    a.tell(Do::Crash).expect("it has room");
    assert_eq!(soon(a.ask(Do::Nap).within(10 * SECOND)).await.expect("it answers").1, next.1, "it keeps this one");
    assert_eq!(system.stragglers().len(), 1);
    gate.clear();
    until(|| system.stragglers().is_empty()).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_between_pools_keep_their_order() {
    const MANY: u32 = 20_000;
    let (branch, _, inside) = branch("branch", Bulkhead::threads(2), 0);
    let outside = hand("outside");
    let system = System::start(top().child(outside.child(())).child(branch)).await.expect("it starts");
    for (from, to) in [(&outside, &inside), (&inside, &outside)] {
        from.tell(Do::Count(to.address(), MANY)).expect("it has room");
        let mut seen = Vec::new();
        while seen.len() < MANY as usize {
            seen = soon(to.ask(Do::Seen).within(60 * SECOND)).await.unwrap_or(seen);
        }
        assert!(seen.into_iter().eq(0..MANY));
    }
    lawful(&system).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_between_pools_runs_where_its_callee_belongs_and_ends_by_its_deadline() {
    let (branch, blocks, inside) = branch("branch", Bulkhead::threads(1), 1 + CREW);
    let outside = hand("outside");
    let system = System::start(top().child(outside.child(())).child(branch)).await.expect("it starts");
    let threads = place(&inside).await.1;
    for _ in 0..200 {
        let passed = soon(outside.ask(|reply| Do::Pass(inside.address(), reply))).await.expect("it passes it on");
        assert_eq!(passed.1, threads);
        let passed = soon(inside.ask(|reply| Do::Pass(outside.address(), reply))).await.expect("it passes it on");
        assert_eq!(passed.1, Handle::current().id());
    }
    let gate = Jam::new();
    jam(&blocks, &gate).await;
    let late = outside.ask(|reply| Do::Pass(inside.address(), reply)).within(20 * MS).await;
    // Whoever is quicker: the asker, or the one in between, whose own question has expired.
    assert!(matches!(late, Err(AskError::Expired | AskError::Refused(_))), "{late:?}");
    drop(inside.ask(Do::Say).within(60 * SECOND));
    gate.clear();
    place(&inside).await;
    lawful(&system).await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_block_a_bulkhead_are_told_and_rescued_from() {
    let (branch, blocks, last) = branch("branch", Bulkhead::threads(1), 1);
    let system = System::start(top().child(branch)).await.expect("it starts");
    let gate = Jam::new();
    jam(&blocks, &gate).await;
    place(&last).await;
    let pool = &system.pools()[1];
    assert!(pool.rescued > 0 && pool.name == "top/branch", "{pool:?}");
    let told = || system.events_since(0).events.into_iter().map(|event| event.what);
    let is_it =
        |what| matches!(what, Happening::WorkersBlocked { pool, workers: 1, actors: 1 } if pool == "top/branch");
    until(|| told().any(is_it)).await;
    assert_eq!(system.pools()[0].rescues, 0, "the system's own pool had no need of any");
    gate.clear();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_end_with_the_system() {
    let (branch, _, inside) = branch("branch", Bulkhead::threads(1), 0);
    let alone = hand("alone");
    let system = System::start(top().child(branch).child(alone.child(()).blocking())).await.expect("it starts");
    let (tell, told) = mpsc::channel();
    for hand in [&inside, &alone] {
        soon(hand.ask(|reply| Do::TellEnd(tell.clone(), reply))).await.expect("it answers");
    }
    drop(tell);
    let report = over(system).await;
    assert!(report.stragglers.is_empty(), "{report}");
    // Both senders are dropped by the ends of their threads.
    until(|| told.try_recv() == Err(mpsc::TryRecvError::Disconnected)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_does_not_end_is_told_as_a_straggler() {
    let (branch, blocks, _) = branch("branch", Bulkhead::threads(1), 1);
    let alone = hand("alone");
    let tree = top().child(branch).child(alone.child(()).blocking().within(MS));
    let system = System::builder().drain(MS).start(tree).await.expect("it starts");
    let gate = Jam::new();
    jam(&[blocks[0].clone(), alone.address()], &gate).await;
    let report = soon(system.stop()).await;
    let told: Vec<_> = report.stragglers.iter().map(|late| (&*late.path, late.abandoned)).collect();
    assert_eq!(told, [("top/alone", true), ("top/branch/0", true)], "{report}");
    let held = system.pools().iter().filter(|pool| !pool.is_at_rest()).count();
    assert!(held >= 2, "their threads are shown for as long as they are held: {:?}", system.pools());
    gate.clear();
    until(|| system.stragglers().is_empty()).await;
    until(|| system.pools()[1..].iter().all(|pool| pool.is_at_rest())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_that_nobody_uses_are_lent_to_the_next() {
    let crowd = Dynamic::<Hand>::named("crowd").blocking();
    let system = System::start(top().child(crowd.clone())).await.expect("it starts");
    let mut places = Vec::new();
    for _ in 0..3 {
        let one = crowd.start(()).await.expect("it starts");
        places.push(place(&one).await);
        assert_eq!(system.pools().len(), 2);
        let turns = system.snapshot().turns;
        assert!(soon(crowd.stop(one.pid())).await.expect("it answers"));
        drop(one);
        until(|| system.pools().len() == 1).await;
        assert!(system.snapshot().turns >= turns, "those taken there are not forgotten");
    }
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    let two = [crowd.start(()).await.expect("it starts"), crowd.start(()).await.expect("it starts")];
    assert_ne!(place(&two[0]).await, place(&two[1]).await);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_on_which_a_task_was_left_are_nobody_elses() {
    let names = ["one", "other"];
    let crowds = names.map(|name| Dynamic::<Hand>::named(name).bulkhead(Bulkhead::threads(1).named(name)));
    let top = top().intensity(9, 60 * SECOND);
    let managed = top.management();
    let system = System::start(top).await.expect("it starts");
    let mut runs = Vec::new();
    for (which, leaves) in [(0, true), (1, false), (0, false)] {
        let (name, crowd) = (names[which], &crowds[which]);
        soon(managed.start_child(crowd.clone())).await.expect("it starts");
        let hand = soon(crowd.start(())).await.expect("it starts");
        runs.push(place(&hand).await.1);
        if leaves {
            soon(hand.ask(Do::Leave)).await.expect("it answers");
        }
        drop(hand);
        soon(managed.terminate_child(name)).await.expect("it stops");
        soon(managed.delete_child(name)).await.expect("it is gone");
        until(|| system.pools().len() == 1).await;
    }
    assert_ne!(runs[0], runs[1], "what was left there goes on beside nobody else");
    assert_eq!(runs[0], runs[2], "but beside his own");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_only_so_many_pools() {
    let crowd = Dynamic::<Hand>::named("crowd").blocking();
    let system = System::start(top().child(crowd.clone())).await.expect("it starts");
    let mut kept = Vec::new();
    for _ in 0..MAX_POOLS {
        kept.push(crowd.start(()).await.expect("it starts"));
    }
    let refused = crowd.start(()).await.expect_err("one too many");
    assert!(refused.to_string().contains("one more than 255 pools of threads"), "{refused}");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_threads_than_cores_are_told_once() {
    let cores = std::thread::available_parallelism().expect("it is known").get();
    let (one, ..) = branch("one", Bulkhead::threads(1), 0);
    let few = System::builder().pumps(cores).start(top().child(one)).await.expect("it starts");
    assert!(!few.events_since(0).events.iter().any(|event| event.what.name() == "pools_exceed_cores"));
    over(few).await;
    let (left, ..) = branch("left", Bulkhead::threads(cores), 0);
    let (right, ..) = branch("right", Bulkhead::threads(1), 0);
    let tree = top().child(left).child(right).child(hand("alone").child(()).blocking());
    let system = System::builder().pumps(1).start(tree).await.expect("it starts");
    let events = system.events_since(0).events;
    let told: Vec<_> = events.iter().filter(|event| event.what.name() == "pools_exceed_cores").collect();
    let [told] = told[..] else { panic!("told once: {told:?}") };
    assert_eq!(told.what, Happening::PoolsExceedCores { threads: cores + 1, cores });
    over(system).await;
}

#[test]
fn a_system_on_one_thread_has_bulkheads_too() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (branch, blocks, inside) = branch("branch", Bulkhead::threads(1), 1);
        let (outside, gate) = (hand("outside"), Jam::new());
        let system = System::start(top().child(branch).child(outside.child(()))).await.expect("it starts");
        jam(&blocks, &gate).await;
        assert_ne!(place(&inside).await.1, place(&outside).await.1);
        gate.clear();
        over(system).await;
    });
}

#[test]
fn when_the_runtime_goes_bulkheads_go_too() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (branch, blocks, inside) = branch("branch", Bulkhead::threads(1), 0);
    let system = runtime.block_on(System::start(top().child(branch))).expect("it starts");
    let (tell, told) = mpsc::channel();
    runtime.block_on(inside.ask(|reply| Do::TellEnd(tell, reply))).expect("it answers");
    drop((runtime, blocks));
    let asker = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    asker.block_on(async {
        assert!(soon(inside.ask(Do::Say)).await.is_err(), "it is gone");
        assert!(soon(system.ended()).await.reason.is_none());
        until(|| told.try_recv() == Err(mpsc::TryRecvError::Disconnected)).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_bulkhead_run_there() {
    let tasks = Tasks::named("tasks").bulkhead(Bulkhead::threads(1));
    let system = System::start(top().child(tasks.clone())).await.expect("it starts");
    let ran = tasks.run(async { here() }).await.expect("it starts").await.expect("it ends");
    assert_ne!(ran.1, Handle::current().id());
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulkhead_is_its_supervisors_through_all_its_lives() {
    let (branch, blocks, inside) = branch("branch", Bulkhead::threads(1), 1);
    let system = System::start(top().child(branch.restart(Restart::Permanent))).await.expect("it starts");
    let before = place(&inside).await;
    for _ in 0..2 {
        // One more than a supervisor allows: it gives up, and is restarted.
        blocks[0].tell(Do::Crash).expect("it has room");
        until(|| blocks[0].is_alive()).await;
    }
    until(|| inside.is_alive()).await;
    assert_eq!(place(&inside).await, before, "the threads are kept for it");
    over(system).await;
}
