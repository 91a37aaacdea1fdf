//! Children on request that bring something of their own: settings, a whole subtree, a significance.

use crashworthy_runtime::{Exit, ExitReason, Slot, StartError, System};
use crashworthy_supervisor::core::CallError;
use crashworthy_supervisor::{
    AutoShutdown, Dynamic, Kind, MAX_DEPTH, ManageError, Restart, Rule, Shutdown, SlotExt, Supervisor, SystemExt, Task,
    Tasks,
};
use tokio::sync::mpsc;

use crate::world::{Diary, Job, MS, Nurse, SECOND, Worker, over, soon};

const ANSWERS: &str = "the supervisor answers";
const STARTS: &str = "it starts";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_child_is_restarted_as_it_says() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").restart(Restart::Permanent).intensity(1, SECOND);
    let system = System::start(crowd.clone()).await.expect(STARTS);
    let once = soon(crowd.start_once(Nurse::new("once", &diary))).await.expect(STARTS);
    let temporary = soon(crowd.child(Nurse::new("temporary", &diary)).temporary().start()).await.expect(STARTS);
    let transient = soon(crowd.child(Nurse::new("transient", &diary)).transient().start()).await.expect(STARTS);
    let permanent = soon(crowd.start(Nurse::new("permanent", &diary))).await.expect(STARTS);
    diary.reads("+once, +temporary, +transient, +permanent").await;
    let restarts: Vec<_> = soon(crowd.management().which_children()).await.expect(ANSWERS);
    let restarts: Vec<Restart> = restarts.iter().rev().map(|child| child.restart).collect();
    assert_eq!(restarts, [Restart::Temporary, Restart::Temporary, Restart::Transient, Restart::Permanent]);
    // Neither of them counts as a restart.
    once.tell(Job::Crash).expect("it can be told");
    diary.reads("-once crashed").await;
    temporary.tell(Job::Crash).expect("it can be told");
    diary.reads("-temporary crashed").await;
    transient.tell(Job::Finish).expect("it can be told");
    diary.reads("-transient normal").await;
    permanent.tell(Job::Finish).expect("it can be told");
    diary.reads("-permanent normal, +permanent").await;
    over(system).await;
    diary.reads("-permanent shutdown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_child_says_counts_also_where_its_handle_says_the_same_and_the_tree_another() {
    let diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let top = Supervisor::one_for_one("top").child(crowd.clone().restart(Restart::Permanent));
    let system = System::start(top).await.expect(STARTS);
    soon(crowd.start_once(Nurse::new("once", &diary))).await.expect(STARTS);
    soon(crowd.child(Nurse::new("temporary", &diary)).temporary().start()).await.expect(STARTS);
    soon(crowd.start(Nurse::new("as all", &diary))).await.expect(STARTS);
    let restarts: Vec<_> = soon(crowd.management().which_children()).await.expect(ANSWERS);
    let restarts: Vec<Restart> = restarts.iter().rev().map(|child| child.restart).collect();
    assert_eq!(restarts, [Restart::Temporary, Restart::Temporary, Restart::Permanent]);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_child_is_given_the_time_it_says() {
    let diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").shutdown(Shutdown::Unlimited);
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect(STARTS);
    let clinging = || Nurse { clings: true, ..Nurse::new("x", &diary) };
    // As the supervisor says it would never end.
    let brief = soon(crowd.child(clinging()).within(30 * MS).start()).await.expect(STARTS);
    assert!(soon(crowd.stop(brief.pid())).await.expect(ANSWERS));
    for limit in [60 * MS, 30 * MS, 60 * MS] {
        soon(crowd.child(clinging()).within(limit).start()).await.expect(STARTS);
    }
    soon(crowd.child(clinging()).shutdown(Shutdown::BrutalKill).start()).await.expect(STARTS);
    soon(crowd.start(Nurse::new("y", &diary))).await.expect(STARTS);
    let report = over(system).await;
    assert_eq!(report.stragglers.len(), 3, "who is killed at once is none: {report}");
    assert!(report.took >= 60 * MS, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_significant_child_takes_the_supervisor_with_it() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").auto_shutdown(AutoShutdown::AllSignificant);
    let system = System::start(crowd.clone()).await.expect(STARTS);
    let [a, b] = ["a", "b"].map(|name| crowd.child(Nurse::new(name, &diary)).significant().start());
    let (a, b) = (soon(a).await.expect(STARTS), soon(b).await.expect(STARTS));
    soon(crowd.start(Nurse::new("c", &diary))).await.expect(STARTS);
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("+a, +b, +c, -a crashed").await;
    b.tell(Job::Finish).expect("it can be told");
    diary.reads("-b normal, -c shutdown").await;
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_cannot_be_significant_is_refused_with_the_rule() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd");
    let system = System::start(crowd.clone()).await.expect(STARTS);
    let refused = soon(crowd.child(Nurse::new("a", &diary)).significant().start()).await;
    let why = "crowd/crowd: a child can be significant only under a supervisor with automatic shutdown";
    assert_eq!(refused.expect_err("it breaks a rule"), StartError::InvalidTree(why.into()));
    over(system).await;
    diary.is_read();
    // A template that breaks it is no tree.
    let crowd = Dynamic::<Worker>::named("crowd").significant();
    let refused = System::start(crowd).await.expect_err("it breaks a rule");
    assert_eq!(refused, StartError::InvalidTree(why.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_subtrees_come_and_go() {
    let mut diary = Diary::new();
    let tenants = Dynamic::any("tenants").intensity(9, SECOND).max_children(2);
    let system = System::start(Supervisor::one_for_one("top").child(tenants.clone())).await.expect(STARTS);
    let tenant = |name: &'static str| {
        let worker = Slot::<Worker>::named("worker");
        let tree = Supervisor::one_for_one(name.to_owned()).intensity(0, SECOND);
        (worker.address(), tree.child(worker.child(Nurse::new(&name[..1], &diary))))
    };
    let (a, acme) = tenant("acme");
    let acme = soon(tenants.start(acme)).await.expect(STARTS);
    let (b, broken) = tenant("broken");
    soon(tenants.start(broken.restart(Restart::Temporary))).await.expect(STARTS);
    assert_eq!(soon(tenants.start(tenant("c").1)).await, Err(StartError::MaxChildren(2)));
    diary.reads("+a, +b").await;
    let shown = soon(tenants.management().which_children()).await.expect(ANSWERS);
    let shown: Vec<_> = shown.iter().map(|child| (child.id.as_deref(), child.kind, child.restart)).collect();
    let expected = [("broken", Restart::Temporary), ("acme", Restart::Permanent)];
    assert_eq!(shown, expected.map(|(name, restart)| (Some(name), Kind::Supervisor, restart)));
    assert_eq!(soon(tenants.count()).await.expect(ANSWERS).supervisors, 2);

    // One that gives up is restarted with all that is below it, or not.
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("-a crashed, +a").await;
    b.tell(Job::Crash).expect("it can be told");
    diary.reads("-b crashed").await;
    soon(async { while tenants.count().await.expect(ANSWERS).supervisors > 1 {} }).await;
    assert!(!soon(tenants.stop(acme)).await.expect(ANSWERS), "that was its life before");
    let living = soon(tenants.management().which_children()).await.expect(ANSWERS)[0].place.pid().expect("it runs");
    assert!(soon(tenants.stop(living)).await.expect(ANSWERS));
    diary.reads("-a shutdown").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subtrees_that_are_all_alike_are_restarted_and_stopped_as_their_supervisor_says() {
    let mut diary = Diary::new();
    let tenants = Dynamic::supervisors("tenants").restart(Restart::Transient).shutdown(Shutdown::BrutalKill);
    let tenants = tenants.significant().auto_shutdown(AutoShutdown::AllSignificant).intensity(9, SECOND);
    let system = System::start(tenants.clone()).await.expect(STARTS);
    let tenant = |name: &'static str| {
        let worker = Slot::<Worker>::named("worker");
        let tree = Supervisor::one_for_one(name).intensity(0, SECOND).auto_shutdown(AutoShutdown::AnySignificant);
        (worker.address(), tree.child(worker.child(Nurse::new(name, &diary)).transient().significant()))
    };
    let [(a, acme), (b, broken)] = ["a", "b"].map(tenant);
    // What they say of themselves does not count.
    soon(tenants.start(acme.restart(Restart::Permanent))).await.expect(STARTS);
    soon(tenants.start(broken.restart(Restart::Temporary).shutdown(Shutdown::Unlimited))).await.expect(STARTS);
    diary.reads("+a, +b").await;
    let shown = soon(tenants.management().which_children()).await.expect(ANSWERS);
    let shown: Vec<_> = shown.iter().map(|child| (child.id.as_deref(), child.kind, child.restart)).collect();
    assert_eq!(shown, ["b", "a"].map(|name| (Some(name), Kind::Supervisor, Restart::Transient)));
    let mut paths: Vec<_> = system.supervisors().iter().map(|info| info.path.to_string()).collect();
    paths.sort();
    assert_eq!(paths, ["tenants", "tenants/a", "tenants/b"]);

    // One that gives up ends with `shutdown`, which is no reason to restart a transient one.
    a.tell(Job::Crash).expect("it can be told");
    diary.reads("-a crashed").await;
    soon(async { while tenants.count().await.expect(ANSWERS).supervisors > 1 {} }).await;
    // The last significant one ends them all.
    b.tell(Job::Finish).expect("it can be told");
    diary.reads("-b normal").await;
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_straggler_below_a_child_on_request_is_told_with_its_path() {
    let diary = Diary::new();
    let tenants = Dynamic::any("tenants");
    let system = System::start(Supervisor::one_for_one("top").child(tenants.clone())).await.expect(STARTS);
    let clinging = Nurse { clings: true, ..Nurse::new("x", &diary) };
    let worker = Slot::<Worker>::named("worker").child(clinging).within(10 * MS);
    soon(tenants.start(Supervisor::one_for_one("acme").child(worker))).await.expect(STARTS);
    let report = over(system).await;
    let paths: Vec<_> = report.stragglers.iter().map(|late| late.path.as_str()).collect();
    assert_eq!(paths, ["top/tenants/acme/worker"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_are_only_so_deep_wherever_they_are_started() {
    let tree = |levels: usize| {
        (1..levels).fold(Supervisor::one_for_one("leaf"), |below, level| {
            Supervisor::one_for_one(format!("level {level}")).child(below)
        })
    };
    let tenants = Dynamic::any("tenants");
    let top = Supervisor::one_for_one("top").child(tenants.clone());
    let management = top.management();
    let system = System::start(top).await.expect(STARTS);
    let rule = Rule::TooDeep { max: MAX_DEPTH };
    let refused = soon(tenants.start(tree(MAX_DEPTH - 1))).await;
    let name = format!("level {}", MAX_DEPTH - 2);
    assert_eq!(refused, Err(StartError::InvalidTree(format!("tenants/{name}: {rule}"))));
    let refused = soon(management.start_child(tree(MAX_DEPTH))).await;
    assert_eq!(refused, Err(ManageError::Refused(CallError::Invalid(rule))));
    soon(tenants.start(tree(MAX_DEPTH - 2))).await.expect("it is as deep as may be");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_can_be_had_again_is_restarted_as_it_says_and_counted() {
    let (said, mut heard) = mpsc::unbounded_channel();
    let tasks = Tasks::named("tasks").intensity(2, 3600 * SECOND);
    let top = Supervisor::one_for_one("top").intensity(0, SECOND).child(tasks.clone());
    let system = System::start(top).await.expect(STARTS);
    let task = |name: &str| {
        Task::named(name.to_owned(), said.clone(), |said, cx| async move {
            said.send(cx.pid().incarnation)?;
            if cx.pid().incarnation < 3 { Err(Exit::from("not yet")) } else { Ok(()) }
        })
    };
    soon(tasks.start_child(task("a").transient())).await.expect(STARTS);
    for life in 1..=3 {
        assert_eq!(soon(heard.recv()).await, Some(life));
    }
    soon(async { while tasks.count().await.expect(ANSWERS).workers > 0 {} }).await;
    // The next restart is one too many.
    soon(tasks.start_child(task("b"))).await.expect(STARTS);
    assert_eq!(soon(heard.recv()).await, Some(1));
    assert_eq!(soon(system.ended()).await.reason, Some(ExitReason::Shutdown));
}
