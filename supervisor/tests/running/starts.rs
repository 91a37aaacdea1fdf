//! First starts: their order, what a failure undoes and says, slots that are taken.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, Callback, Context, Exit, Reason, Slot, StartError, State, System};
use crashworthy_supervisor::{SlotExt, Supervisor};
use tokio::sync::Notify;

use crate::world::{Diary, Jam, Job, MS, Nurse, Worker, counted, crash, lawful, over, soon, until, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_start_left_to_right_and_stop_right_to_left() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").child(b.child(bk));
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(below).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    let report = over(system).await;
    diary.reads("-c shutdown, -b shutdown, -a shutdown").await;
    assert!(report.stragglers.is_empty(), "{report}");
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_until_the_one_before_is_ready() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let gate = Arc::new(Notify::new());
    let ak = Nurse { gate: Some(gate.clone()), ..ak };
    let starting = tokio::spawn(System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk))));
    diary.reads("a waits").await;
    assert_eq!(b.tell(Job::Count).expect_err("it is not started").why.reason, Reason::NotStarted);
    diary.is_read();
    gate.notify_one();
    let system = soon(starting).await.expect("no panic").expect("it starts");
    diary.reads("+a, +b").await;
    over(system).await;
}

#[tokio::test]
async fn a_failing_first_start_is_rolled_back_in_reverse_and_says_who_and_why() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck), (d, dk)] = ["a", "b", "c", "d"].map(|name| worker(name, &diary));
    let ck = Nurse { failing: (1, 9), ..ck };
    let below = Supervisor::one_for_one("below").intensity(9, MS).child(b.child(bk)).child(c.child(ck));
    let top = Supervisor::one_for_one("top").intensity(9, MS).child(a.child(ak)).child(below).child(d.child(dk));
    let error = System::start(top).await.expect_err("c fails").to_string();
    diary.reads("+a, +b, c fails, -b shutdown, -a shutdown").await;
    diary.is_read();
    let nested = "child below failed to start: shutdown: child c failed to start: error in init: no";
    assert!(error.contains(nested), "{error}");
    assert!(!a.is_alive() && !b.is_alive() && !d.is_alive());
    assert_eq!(d.tell(Job::Count).expect_err("it never was started").why.reason, Reason::NotStarted);
    assert_eq!(a.tell(Job::Count).expect_err("its system is no more").why.reason, Reason::Gone);
}

#[tokio::test]
async fn a_panic_in_the_first_start_is_its_reason() {
    let diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { at_start: Some(Arc::new(|_| panic!("no ink"))), ..ak };
    let error = System::start(Supervisor::one_for_one("top").child(a.child(ak))).await.expect_err("it panics");
    let StartError::Failed(reason) = error else { panic!("{error}") };
    let text = reason.to_string();
    assert!(text.contains("child a failed to start: panic in init: no ink"), "{text}");
}

#[tokio::test]
async fn a_rollback_waits_for_the_slow_and_kills_the_stubborn() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let done = Arc::new(Notify::new());
    let ak = Nurse { lingers: Some(done.clone()), ..ak };
    let bk = Nurse { clings: true, ..bk };
    let ck = Nurse { failing: (1, 1), ..ck };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).within(5 * MS)).child(c.child(ck));
    let starting = tokio::spawn(System::start(top));
    diary.reads("+a, +b, c fails, -b shutdown, -a shutdown").await;
    assert!(!b.is_alive() && !starting.is_finished());
    done.notify_one();
    soon(starting).await.expect("no panic").expect_err("c fails");
    diary.reads("a is done").await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_has_failed() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { gate: Some(Arc::new(Notify::new())), ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak).start_within(10 * MS));
    let error = soon(System::start(top)).await.expect_err("it never is ready").to_string();
    assert!(error.contains("child a failed to start") && error.contains("not ready within 10ms"), "{error}");
    diary.reads("a waits").await;
    assert!(!a.is_alive());
}

/// Children would be waited for without an end, but for the limit of the top.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_top_of_a_tree_keeps_its_own_limit_to_starts() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { gate: Some(Arc::new(Notify::new())), ..bk };
    let top = Supervisor::one_for_one("top").start_within(50 * MS);
    let top = top.child(a.child(ak)).child(b.child(bk).start_within(Duration::MAX));
    let error = soon(System::start(top)).await.expect_err("`b` never is ready");
    let StartError::Failed(reason) = &error else { panic!("{error}") };
    let crash = reason.crash().expect("an error in its start");
    assert_eq!((crash.callback, crash.message.as_str()), (Callback::Init, "not ready within 50ms"));
    diary.reads("+a, b waits").await;
    until(|| !a.is_alive() && !b.is_alive()).await;
}

/// What the runtime itself says of a start that failed is said of `init`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_failed_has_failed_in_init_whoever_says_so() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let ak = Nurse { gate: Some(Arc::new(Notify::new())), ..ak };
    let top = Supervisor::one_for_one("top").child(a.child(ak).start_within(10 * MS));
    let late = soon(System::start(top)).await.expect_err("it never is ready").to_string();
    assert!(late.contains("error in init: not ready within 10ms"), "{late}");
    diary.reads("a waits").await;

    // A slot that somebody has already.
    let (b, bk) = worker("b", &diary);
    let [below, beside] = ["below", "beside"].map(|name| Supervisor::one_for_one(name).child(b.child(bk.clone())));
    let top = Supervisor::one_for_one("top").child(below).child(beside);
    let taken = soon(System::start(top)).await.expect_err("`b` is in two places").to_string();
    assert!(taken.contains("error in init: slot `b`"), "{taken}");

    // A refusal that `init` passes on.
    let passed = soon(System::start(Supervisor::one_for_one("top").child(Slot::<Passes>::named("passes").child(()))));
    let passed = passed.await.expect_err("it is refused").to_string();
    assert!(passed.contains("error in init") && !passed.contains("in handle"), "{passed}");
}

/// Asks somebody in its `init` who is not there, and passes that on.
struct Passes;

impl Actor for Passes {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Slot::<Worker>::named("nobody").ask(Job::Counted).await?;
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_start_that_blocks_its_thread_has_failed_all_the_same() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let jam = Jam::new();
    let (pen, stop) = (diary.pen(), jam.stop());
    let stuck = move |_| {
        pen.write("b is stuck");
        stop.here();
    };
    let bk = Nurse { at_start: Some(Arc::new(stuck)), ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).start_within(10 * MS));
    let error = soon(System::start(top)).await.expect_err("it never is ready").to_string();
    diary.reads("+a, b is stuck, -a shutdown").await;
    assert!(error.contains("child b failed to start") && error.contains("not ready within 10ms"), "{error}");
    assert!(!b.is_alive());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_running_when_a_branch_takes_too_long_to_start() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let ak = Nurse { clings: true, ..ak };
    let bk = Nurse { gate: Some(Arc::new(Notify::new())), ..bk };
    let below = Supervisor::one_for_one("below").start_within(10 * MS).child(a.child(ak)).child(b.child(bk));
    soon(System::start(Supervisor::one_for_one("top").child(below))).await.expect_err("b never is ready");
    diary.reads("+a, b waits").await;
    until(|| !a.is_alive() && !b.is_alive()).await;
}

#[tokio::test]
async fn calls_and_crashes_wait_while_a_sibling_starts() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let gate = Arc::new(Notify::new());
    let bk = Nurse { gate: Some(gate.clone()), ..bk };
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk));
    let meanwhile = async {
        diary.reads("+a, b waits").await;
        crash(&a);
        diary.reads("-a crashed").await;
        gate.notify_one();
        diary.reads("+b, +a").await;
    };
    let (system, ()) = soon(async { tokio::join!(System::start(top), meanwhile) }).await;
    over(system.expect("it starts")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_gives_up_while_its_start_is_answered_has_given_up() {
    for _ in 0..50 {
        let diary = Diary::new();
        let (a, ak) = worker("a", &diary);
        let top = Supervisor::one_for_one("top").intensity(0, MS).child(a.child(ak));
        let (system, ()) = tokio::join!(System::start(top), async {
            until(|| a.tell(Job::Crash).is_ok()).await;
        });
        let ended = soon(system.expect("its children were ready").ended()).await;
        assert_eq!(ended.reason, Some(crashworthy_runtime::ExitReason::Shutdown));
    }
}

#[tokio::test]
async fn a_child_that_declines_is_no_failure() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let [ak, bk] = [ak, bk].map(|kit| Nurse { declines: 1, ..kit });
    let top = Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk).temporary()).child(c.child(ck));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    diary.reads("a declines, b declines, +c").await;
    assert!(!a.is_alive() && !b.is_alive());
    assert_eq!(a.tell(Job::Count).expect_err("it did not want to").why.reason, Reason::Stopped);
    let kept: Vec<_> = soon(management.which_children()).await.expect("it answers");
    let kept: Vec<_> = kept.iter().filter_map(|child| child.id.as_deref()).collect();
    assert_eq!(kept, ["c", "a"], "only the temporary one is forgotten");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_systems_do_not_see_each_other() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let tree = |slot: &Slot<Worker>, kit| Supervisor::one_for_one("top").intensity(0, MS).child(slot.child(kit));
    let one = System::builder().name("one").start(tree(&a, ak)).await.expect("it starts");
    let other = System::builder().name("other").start(tree(&b, bk)).await.expect("the same names are free here");
    diary.reads("+a, +b").await;
    assert_eq!([&one, &other].map(|system| system.snapshot().actors.len()), [2, 2]);
    crash(&a);
    soon(one.ended()).await.into_result().expect_err("it gave up");
    assert_eq!(counted(&b).await, 0, "the other goes on");
    assert!(!other.is_stopped());
    lawful(&one).await;
    over(other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_belongs_to_one_system() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let one = System::start(Supervisor::one_for_one("one").child(a.child(ak.clone()))).await.expect("it starts");
    let other = System::start(Supervisor::one_for_one("other").child(a.child(ak))).await;
    let error = other.expect_err("the slot is taken").to_string();
    assert!(error.contains("child a failed to start") && error.contains("slot `a` is already taken"), "{error}");
    diary.reads("+a").await;
    diary.is_read();
    assert_eq!(counted(&a).await, 0, "who has it keeps it");
    over(one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_has_one_place_in_a_tree_and_who_has_it_keeps_it() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let [one, other] = ["one", "other"].map(|name| Supervisor::one_for_one(name).child(a.child(ak.clone())));
    let error = System::start(Supervisor::one_for_one("top").child(one).child(other)).await.expect_err("it is taken");
    assert!(error.to_string().contains("slot `a` is already taken"), "{error}");
    diary.reads("+a, -a shutdown").await;
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_whose_child_has_ended_is_still_taken() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let one = Supervisor::one_for_one("one").child(a.child(ak.clone()).transient());
    let other = Supervisor::one_for_one("other");
    let management = other.management();
    let top = Supervisor::one_for_one("top").child(one).child(other);
    let system = System::start(top).await.expect("it starts");
    a.tell(Job::Finish).expect("it can be told");
    until(|| system.inspect(a.pid()).is_some_and(|actor| actor.state == State::Stopped)).await;
    let error = soon(management.start_child(a.child(ak))).await.expect_err("it belongs to `one`").to_string();
    assert!(error.contains("slot `a` is already taken"), "{error}");
    diary.reads("+a, -a normal").await;
    diary.is_read();
    over(system).await;
}
