//! Copies of one actor, each with its share of the keys.

use std::sync::Arc;

use crashworthy_runtime::{AskError, Reason, StartError, System};
use crashworthy_supervisor::{ManageError, Partition, ResizeError, Supervisor};

use crate::world::{Diary, Jam, Job, Nurse, SECOND, Worker, counted, over, soon, until};

const NAMES: [&str; 4] = ["p0", "p1", "p2", "p3"];

fn four(diary: &Diary) -> Partition<Worker> {
    Partition::named("shards", 4, |number| Nurse::new(NAMES[number], diary))
}

async fn with(shards: &Partition<Worker>) -> System {
    System::start(Supervisor::one_for_one("top").child(shards.clone())).await.expect("it starts")
}

fn refusal(shards: &Partition<Worker>, number: u64) -> Reason {
    shards.partition(number).tell(Job::Count).expect_err("it does not run").why.reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_start_partitions_refuse_and_they_start_and_stop_in_order() {
    let mut diary = Diary::new();
    let shards = four(&diary);
    assert_eq!(refusal(&shards, 2), Reason::NotStarted);
    let system = with(&shards).await;
    diary.reads("+p0, +p1, +p2, +p3").await;
    shards.partition(2).tell(Job::Count).expect("it runs");
    over(system).await;
    diary.reads("-p3 shutdown, -p2 shutdown, -p1 shutdown, -p0 shutdown").await;
    assert_eq!(refusal(&shards, 2), Reason::Gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_one_partition_and_keys_are_spread_over_all() {
    let diary = Diary::new();
    let shards = four(&diary);
    let system = with(&shards).await;
    for key in 0..1_000_u32 {
        let mailbox = shards.route(&key);
        assert_eq!(mailbox, shards.clone().route(&key), "the same key, the same partition");
        soon(mailbox.admitted(SECOND)).await.expect("there is room").send(Job::Count).expect("it runs");
    }
    let mut all = 0;
    for partition in shards.iter() {
        let many = counted(partition).await;
        assert!((150..350).contains(&many), "{many} of 1,000 keys");
        all += many;
    }
    assert_eq!(all, 1_000);
    over(system).await;
}

#[test]
fn keys_are_routed_alike_in_every_run() {
    let diary = Diary::new();
    let shards = four(&diary);
    let of = |key: &str| shards.iter().position(|partition| partition == shards.route(key)).expect("it is one of them");
    // These change when the standard library changes its hash: keys then move with the next build.
    assert_eq!(["alice", "bob", "carol", "dave", "eve", "frank"].map(of), [0, 1, 3, 1, 3, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn routing_never_waits_for_the_supervisor() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let held = jam.stop();
    let shards = Partition::<Worker>::named("shards", 2, |number| Nurse {
        at_start: (number == 0).then(|| {
            let held = held.clone();
            Arc::new(move |life: u32| {
                if life == 2 {
                    held.here()
                }
            }) as _
        }),
        ..Nurse::new(NAMES[number], &diary)
    });
    let system = with(&shards).await;
    diary.reads("+p0, +p1").await;
    shards.partition(0).tell(Job::Crash).expect("it runs");
    diary.reads("-p0 crashed").await;
    // The supervisor waits for the restart, and answers nobody.
    until(|| shards.partition(0).pid().incarnation == 2).await;
    shards.partition(1).tell(Job::Count).expect("it runs");
    assert_eq!(counted(shards.partition(1)).await, 1);
    jam.clear();
    diary.reads("+p0").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_crashes_is_restarted_alone_with_its_own_arguments() {
    let mut diary = Diary::new();
    let shards = four(&diary);
    let system = with(&shards).await;
    diary.reads("+p0, +p1, +p2, +p3").await;
    shards.partition(1).tell(Job::Crash).expect("it runs");
    diary.reads("-p1 crashed, +p1").await;
    let lives: Vec<_> = shards.iter().map(|partition| partition.pid().incarnation).collect();
    assert_eq!(lives, [1, 2, 1, 1]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resizing_moves_keys_before_it_stops_partitions_and_after_it_starts_them() {
    let mut diary = Diary::new();
    let shards = four(&diary);
    let system = with(&shards).await;
    diary.reads("+p0, +p1, +p2, +p3").await;
    let [.., last] = &shards.iter().cloned().collect::<Vec<_>>()[..] else { panic!("there are four") };
    soon(shards.resize(2)).await.expect("it can be smaller");
    diary.reads("-p3 shutdown, -p2 shutdown").await;
    assert_eq!((shards.partitions(), shards.iter().len()), (2, 2));
    assert_eq!(shards.partition(3), shards.partition(1));
    assert_eq!(last.tell(Job::Count).expect_err("it is stopped").why.reason, Reason::Stopped);
    for key in 0..100 {
        shards.route(&key).tell(Job::Count).expect("keys go to those that run");
    }
    soon(shards.clone().resize(3)).await.expect("it can be larger");
    diary.reads("+p2").await;
    assert_eq!(shards.partitions(), 3);
    shards.partition(2).tell(Job::Count).expect("it runs");
    soon(shards.resize(4)).await.expect("it can be as large as it was");
    diary.reads("+p3").await;
    last.tell(Job::Count).expect("the same address");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resizing_beyond_what_was_declared_or_without_a_supervisor_changes_nothing() {
    let diary = Diary::new();
    let shards = four(&diary);
    for partitions in [0, 5] {
        let refused = ResizeError::OutOfRange { partitions, declared: 4 };
        assert_eq!(soon(shards.resize(partitions)).await, Err(refused));
    }
    match soon(shards.resize(2)).await {
        Err(ResizeError::Supervisor(ManageError::Unanswered(AskError::Refused(refused)))) => {
            assert_eq!(refused.reason, Reason::NotStarted);
        }
        other => panic!("{other:?}"),
    }
    let system = with(&shards).await;
    assert_eq!(shards.partitions(), 4);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_cannot_be_started_gets_no_keys() {
    let mut diary = Diary::new();
    let shards = Partition::<Worker>::named("shards", 2, |number| Nurse {
        failing: if number == 1 { (2, 1) } else { (u32::MAX, 0) },
        ..Nurse::new(NAMES[number], &diary)
    });
    let system = with(&shards).await;
    soon(shards.resize(1)).await.expect("it can be smaller");
    diary.reads("+p0, +p1, -p1 shutdown").await;
    let failed = soon(shards.resize(2)).await.expect_err("the start fails").to_string();
    assert!(failed.contains("error in init: no"), "{failed}");
    assert_eq!(shards.partitions(), 1);
    soon(shards.resize(2)).await.expect("the next one does not");
    diary.reads("p1 fails, +p1").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_supervisor_begins_with_all_partitions() {
    let mut diary = Diary::new();
    let shards = four(&diary).intensity(0, SECOND);
    let system = with(&shards).await;
    soon(shards.resize(1)).await.expect("it can be smaller");
    diary.reads("+p0, +p1, +p2, +p3, -p3 shutdown, -p2 shutdown, -p1 shutdown").await;
    shards.partition(0).tell(Job::Crash).expect("it runs");
    diary.reads("-p0 crashed, +p0, +p1, +p2, +p3").await;
    assert_eq!(shards.partitions(), 4);
    shards.partition(3).tell(Job::Count).expect("it runs");
    over(system).await;
}

#[tokio::test]
async fn a_number_of_partitions_out_of_range_is_an_invalid_tree() {
    let diary = Diary::new();
    for many in [0, usize::MAX] {
        let shards = Partition::<Worker>::named("shards", many, |_| Nurse::new("p", &diary));
        assert_eq!(refusal(&shards, 0), Reason::NotStarted);
        let refused = System::start(Supervisor::one_for_one("top").child(shards)).await.expect_err("it is checked");
        let why = format!("top/shards: there are 1 to 4096 partitions, not {many}");
        assert_eq!(refused, StartError::InvalidTree(why));
    }
}
