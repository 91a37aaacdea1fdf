//! What the supervising actor does when children end: the core's decisions, carried out.

use std::sync::Arc;

use crashworthy_runtime::{AskError, ExitReason, Reason, State, System};
use crashworthy_supervisor::{AutoShutdown, Restart, SlotExt, Supervisor};
use tokio::sync::Notify;

use crate::world::{Diary, Job, Nurse, SECOND, counted, crash, held, lawful, over, soon, until, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_one_restarts_the_child_alone_and_keeps_its_mailbox() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let system =
        System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk))).await.expect("it starts");
    let before = a.pid();
    // One turn after the other: all are queued before the crash is handled.
    let until = Arc::new(Notify::new());
    a.tell(Job::Await(diary.pen(), until.clone())).expect("it can be told");
    diary.reads("+a, +b, awaits").await;
    crash(&a);
    for _ in 0..3 {
        a.tell(Job::Count).expect("it can be told");
    }
    until.notify_one();
    diary.reads("-a crashed, +a").await;
    assert_eq!(counted(&a).await, 3);
    assert_eq!((a.pid().id, a.pid().incarnation), (before.id, before.incarnation + 1));
    assert_eq!(b.pid().incarnation, 1);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_for_all_restarts_all_in_order() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    crash(&b);
    diary.reads("-b crashed, -c shutdown, -a shutdown, +a, +b, +c").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_for_one_leaves_those_before_untouched() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::rest_for_one("top").child(a.child(ak)).child(b.child(bk)).child(c.child(ck));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    crash(&b);
    diary.reads("-b crashed, -c shutdown, +b, +c").await;
    over(system).await;
    diary.reads("-c shutdown, -b shutdown, -a shutdown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_child_that_ended_normally_refuses_with_stopped() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(ak).transient());
    let system = System::start(top).await.expect("it starts");
    a.tell(Job::Finish).expect("it can be told");
    diary.reads("+a, -a normal").await;
    soon(a.settled()).await;
    // The supervisor decides in its own time whether the place is kept.
    let refused = soon(async {
        loop {
            match a.tell(Job::Count) {
                Err(rejected) if rejected.why.reason == Reason::Stopped => return rejected,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    drop(refused.await);
    diary.is_read();
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_restarts_end_the_supervisor_and_the_system_with_it() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top").intensity(1, 5 * SECOND).child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed, +a").await;
    crash(&a);
    diary.reads("-a crashed, -b shutdown").await;
    let ended = soon(system.ended()).await;
    assert_eq!(ended.reason, Some(ExitReason::Shutdown));
    ended.into_result().expect_err("nobody had asked for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_gave_up_is_restarted_by_its_parent_with_a_fresh_budget() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").intensity(0, SECOND).child(a.child(ak)).child(b.child(bk));
    let system =
        System::start(Supervisor::one_for_one("top").intensity(5, SECOND).child(below)).await.expect("it starts");
    diary.reads("+a, +b").await;
    for _ in 0..2 {
        crash(&a);
        diary.reads("-a crashed, -b shutdown, +a, +b").await;
    }
    assert_eq!(counted(&a).await, 0);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_supervisor_that_gave_up_stays_down() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").intensity(0, SECOND).restart(Restart::Transient).child(a.child(ak));
    let top = Supervisor::one_for_one("top").intensity(0, SECOND).child(below).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, +b, -a crashed").await;
    soon(a.settled()).await;
    assert_eq!(counted(&b).await, 0, "the rest lives on");
    over(system).await;
    diary.reads("-b shutdown").await;
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_significant_child_ends_the_supervisor() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_one("top")
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(a.child(ak))
        .child(b.child(bk).transient().significant());
    let system = System::start(top).await.expect("it starts");
    b.tell(Job::Finish).expect("it can be told");
    diary.reads("+a, +b, -b normal, -a shutdown").await;
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_restarted_depends_on_how_it_ended() {
    let with = |why: &str| ExitReason::ShutdownWith(why.to_owned());
    let ends = [
        (Job::Finish, true),
        (Job::End(ExitReason::Shutdown), true),
        (Job::End(with("done")), true),
        (Job::End(ExitReason::Killed), false),
        (Job::Fail("no ink"), false),
        (Job::Crash, false),
    ];
    for (job, normal) in ends {
        let diary = Diary::new();
        let kinds = [Restart::Permanent, Restart::Transient, Restart::Temporary];
        let children = ["p", "t", "x"].map(|name| worker(name, &diary));
        let jobs = [&job; 3].map(|job| match job {
            Job::Finish => Job::Finish,
            Job::End(reason) => Job::End(reason.clone()),
            Job::Fail(error) => Job::Fail(error),
            _ => Job::Crash,
        });
        let mut top = Supervisor::one_for_one("top").intensity(9, SECOND);
        for ((slot, kit), restart) in children.iter().zip(kinds) {
            top = top.child(slot.child(kit.clone()).restart(restart));
        }
        let management = top.management();
        let system = System::start(top).await.expect("it starts");
        let mut lives = Vec::new();
        for (((slot, _), job), restart) in children.iter().zip(jobs).zip(kinds) {
            slot.tell(job).expect("it can be told");
            let again = restart == Restart::Permanent || (restart == Restart::Transient && !normal);
            until(|| {
                let actor = system.inspect(slot.pid()).expect("the test has its address");
                if again {
                    actor.pid.incarnation == 2 && actor.state == State::Running
                } else {
                    actor.state == State::Stopped
                }
            })
            .await;
            lives.push(slot.pid().incarnation);
        }
        assert_eq!(lives, if normal { [2, 1, 1] } else { [2, 2, 1] });
        let specified = soon(management.which_children()).await.expect("it answers").len();
        assert_eq!(specified, 2, "only the temporary one is forgotten");
        over(system).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_child_is_restarted() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top").child(a.child(ak).transient());
    let system = System::start(top).await.expect("it starts");
    system.kill(a.pid());
    diary.reads("+a, +a").await;
    assert_eq!(counted(&a).await, 0);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_poison_costs_one_supervisor_life_and_not_the_tree() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").intensity(2, 5 * SECOND).child(a.child(ak));
    let middle = Supervisor::one_for_one("middle").intensity(1, 5 * SECOND).child(below);
    let top = Supervisor::one_for_one("top").intensity(0, 5 * SECOND).child(b.child(bk)).child(middle);
    let system = System::start(top).await.expect("it starts");
    diary.reads("+b, +a").await;
    let go = held(&a, &mut diary).await;
    for _ in 0..50 {
        a.tell(Job::Crash).expect("it can be told");
    }
    go.notify_one();
    diary.reads("-a crashed, +a, -a crashed, +a, -a crashed, +a").await;
    assert_eq!(counted(&a).await, 0, "the rest of the poison is gone");
    lawful(&system).await;
    assert_eq!((a.law().given_up, a.law().undelivered), (3, 47));
    diary.is_read();
    assert_eq!(b.pid().incarnation, 1);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_an_answer_when_its_group_falls_is_told_at_once() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { traps: false, ..bk };
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b").await;
    let _never = held(&b, &mut diary).await;
    let asked = tokio::spawn({
        let b = b.address();
        async move { b.ask(Job::Counted).within(3600 * SECOND).await }
    });
    until(|| b.load().depth == 1).await;
    crash(&a);
    let answer = soon(asked).await.expect("no panic");
    assert!(matches!(answer, Err(AskError::Refused(_))), "{answer:?}");
    diary.reads("-a crashed, +a, +b").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_restart_revives_who_has_finished_and_drops_the_temporary() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck), (d, dk)] = ["a", "b", "c", "d"].map(|name| worker(name, &diary));
    let dk = Nurse { declines: 1, ..dk };
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk).transient());
    let top = top.child(c.child(ck).temporary()).child(d.child(dk));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    b.tell(Job::Finish).expect("it can be told");
    diary.reads("+a, +b, +c, d declines, -b normal").await;
    until(|| system.inspect(b.pid()).is_some_and(|actor| actor.state == State::Stopped)).await;
    crash(&a);
    diary.reads("-a crashed, -c shutdown, +a, +b, d declines").await;
    let which = soon(management.which_children()).await.expect("it answers");
    let shown: Vec<_> = which.iter().filter_map(|child| child.id.as_deref()).collect();
    assert_eq!(shown, ["d", "b", "a"]);
    assert_eq!(c.tell(Job::Count).expect_err("it is gone from the tree").why.reason, Reason::Stopped);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_restart_counts_once_however_many_it_moves() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").intensity(2, 5 * SECOND);
    let system = System::start(top.child(a.child(ak)).child(b.child(bk)).child(c.child(ck))).await.expect("it starts");
    diary.reads("+a, +b, +c").await;
    for _ in 0..2 {
        crash(&a);
        diary.reads("-a crashed, -c shutdown, -b shutdown, +a, +b, +c").await;
    }
    crash(&c);
    diary.reads("-c crashed, -b shutdown, -a shutdown").await;
    soon(system.ended()).await.into_result().expect_err("the third is too many");
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_is_told_by_the_next_life_of_another_is_not_flushed() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let to = b.address();
    let greet = move |start| {
        if start > 1 {
            to.tell(Job::Count).expect("its mailbox is open between its lives");
        }
    };
    let ak = Nurse { at_start: Some(Arc::new(greet)), ..ak };
    let top = Supervisor::one_for_all("top").intensity(100, 5 * SECOND).child(a.child(ak)).child(b.child(bk));
    let system = System::start(top).await.expect("it starts");
    diary.reads("+a, +b").await;
    for _ in 0..50 {
        crash(&a);
        diary.reads("-a crashed, -b shutdown, +a, +b").await;
        assert_eq!(counted(&b).await, 1);
    }
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_escalates_level_by_level_to_the_end_of_the_system() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck), (d, dk)] = ["a", "b", "c", "d"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_all("below").intensity(1, 5 * SECOND).child(a.child(ak)).child(b.child(bk));
    let middle = Supervisor::one_for_one("middle").intensity(0, 5 * SECOND).child(c.child(ck)).child(below);
    let top = Supervisor::rest_for_one("top").intensity(0, 5 * SECOND).child(d.child(dk)).child(middle);
    let system = System::start(top).await.expect("it starts");
    diary.reads("+d, +c, +a, +b").await;
    crash(&a);
    diary.reads("-a crashed, -b shutdown, +a, +b").await;
    crash(&b);
    diary.reads("-b crashed, -a shutdown, -c shutdown, -d shutdown").await;
    let ended = soon(system.ended()).await;
    assert!(!ended.asked && system.is_stopped());
    let error = ended.into_result().expect_err("nobody had asked for it").to_string();
    assert!(error.contains("the root supervisor gave up"), "{error}");
    for slot in [&a, &b, &c, &d] {
        assert_eq!(slot.tell(Job::Count).expect_err("it is over").why.reason, Reason::Gone);
    }
    diary.is_read();
    lawful(&system).await;
}
