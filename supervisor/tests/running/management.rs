//! Changing a running supervisor.

use std::sync::Arc;

use crashworthy_runtime::{AskError, Reason, Slot, System};
use crashworthy_supervisor::core::{CallError, Place};
use crashworthy_supervisor::{ManageError, Restart, Rule, SlotExt, Supervisor};

use crate::world::{Diary, Job, Nurse, Worker, crash, lawful, over, soon, worker};

const ANSWERS: &str = "the supervisor answers";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_are_added_stopped_revived_and_removed_by_name() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").child(a.child(ak));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");

    let pid = soon(management.start_child(b.child(bk.clone()))).await.expect(ANSWERS);
    assert_eq!(pid, Some(b.pid()));
    let again = soon(management.start_child(b.child(bk.clone()))).await;
    assert_eq!(again, Err(ManageError::Refused(CallError::AlreadyStarted(b.pid()))));
    diary.reads("+a, +b").await;

    soon(management.terminate_child("b")).await.expect(ANSWERS);
    diary.reads("-b shutdown").await;
    let which = soon(management.which_children()).await.expect(ANSWERS);
    let shown: Vec<_> = which.iter().map(|child| (child.id.as_deref().expect("named"), child.place)).collect();
    assert_eq!(shown, [("b", Place::Down), ("a", Place::Running(a.pid()))]);
    let present = soon(management.start_child(b.child(bk.clone()))).await;
    assert_eq!(present, Err(ManageError::Refused(CallError::AlreadyPresent)));

    assert_eq!(soon(management.restart_child("b")).await, Ok(Some(b.pid())));
    assert_eq!(soon(management.restart_child("b")).await, Err(ManageError::Refused(CallError::Running)));
    assert_eq!(soon(management.delete_child("b")).await, Err(ManageError::Refused(CallError::Running)));
    diary.reads("+b").await;
    assert_eq!(soon(management.count_children()).await.expect(ANSWERS).active, 2);

    soon(management.terminate_child("b")).await.expect(ANSWERS);
    soon(management.delete_child("b")).await.expect(ANSWERS);
    assert_eq!(soon(management.delete_child("b")).await, Err(ManageError::Refused(CallError::NotFound)));
    assert_eq!(soon(management.child_spec("a")).await.expect(ANSWERS).restart, Restart::Permanent);
    diary.reads("-b shutdown").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_child_is_revived_by_a_group_restart() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let top = Supervisor::one_for_all("top").child(a.child(ak)).child(b.child(bk));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    soon(management.terminate_child("b")).await.expect(ANSWERS);
    let refused = b.tell(Job::Count).expect_err("it is stopped");
    assert_eq!(refused.why.reason, Reason::Stopped);
    crash(&a);
    diary.reads("+a, +b, -b shutdown, -a crashed, +a, +b").await;
    assert_eq!(crate::world::counted(&b).await, 0);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_supervisor_has_the_children_it_was_declared_with() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = Supervisor::one_for_one("below").intensity(0, std::time::Duration::from_secs(1)).child(a.child(ak));
    let management = below.management();
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    soon(management.start_child(b.child(bk.clone()))).await.expect(ANSWERS);
    diary.reads("+a, +b").await;
    crash(&a);
    diary.reads("-a crashed, -b shutdown, +a").await;
    soon(management.start_child(b.child(bk))).await.expect("its slot is free again");
    diary.reads("+b").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_cannot_start_leaves_nothing_behind() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top");
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    let failed = soon(management.start_child(a.child(Nurse { failing: (1, 1), ..ak.clone() }))).await;
    assert!(matches!(failed, Err(ManageError::Refused(CallError::StartFailed(_)))), "{failed:?}");
    let wrong = soon(management.start_child(Slot::<Worker>::named("x/y").child(ak.clone()))).await;
    assert_eq!(wrong, Err(ManageError::Refused(CallError::Invalid(Rule::SlashInName))));
    let bad = Supervisor::one_for_one("branch").child(Slot::<Worker>::anonymous().child(ak.clone()));
    let wrong = soon(management.start_child(bad)).await;
    assert!(matches!(wrong, Err(ManageError::InvalidTree(_))), "{wrong:?}");
    assert!(soon(management.which_children()).await.expect(ANSWERS).is_empty());
    soon(management.start_child(a.child(ak))).await.expect("the slot is free");
    diary.reads("a fails, +a").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_are_added_and_know_their_path() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let top = Supervisor::one_for_one("top");
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    let short = std::time::Duration::from_millis(10);
    let clinging = a.child(Nurse { clings: true, ..ak }).within(short);
    soon(management.start_child(Supervisor::one_for_one("branch").child(clinging))).await.expect(ANSWERS);
    let report = over(system).await;
    diary.reads("+a, -a shutdown").await;
    assert_eq!(report.stragglers.first().map(|late| late.path.as_str()), Some("top/branch/a"));
}

#[tokio::test]
async fn before_the_start_and_after_the_end_calls_are_refused() {
    let top = Supervisor::one_for_one("top");
    let management = top.management();
    let refused = |answer: Result<_, ManageError>| match answer {
        Err(ManageError::Unanswered(AskError::Refused(refused))) => refused.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(soon(management.count_children()).await), Reason::NotStarted);
    let system = System::start(top).await.expect("it starts");
    over(system).await;
    let reason = refused(soon(management.count_children()).await);
    assert!(matches!(reason, Reason::Draining | Reason::Stopped | Reason::Gone), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_its_supervisor_does_not_live_to_answer_is_unanswered() {
    let mut diary = Diary::new();
    let top = Supervisor::one_for_one("top");
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    let pid = system.snapshot().actors[0].pid;
    let (a, ak) = worker("a", &diary);
    let slow = Nurse { gate: Some(Arc::default()), ..ak };
    let call = tokio::spawn(async move { management.start_child(a.child(slow)).await });
    diary.reads("a waits").await;
    system.kill(pid);
    let answer = soon(call).await.expect("no panic");
    assert!(matches!(answer, Err(ManageError::Unanswered(AskError::Died | AskError::Unanswered))), "{answer:?}");
    soon(system.ended()).await;
    lawful(&system).await;
}
