//! What a supervisor does before its children start: it may decline, or fail, at each of its starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crashworthy_runtime::{Exit, ExitReason, Reason, Slot, StartError, System};
use crashworthy_supervisor::core::{CallError, Place};
use crashworthy_supervisor::{Dynamic, ManageError, Management, Restart, SlotExt, Supervisor, SystemExt};

use crate::world::{Diary, Job, Nurse, SECOND, Worker, crash, lawful, over, soon, until, worker};

const ANSWERS: &str = "the supervisor answers";
const STARTS: &str = "it starts";

/// Writes which start of `name` this is, and says what that is to come to.
fn nth(
    name: &'static str,
    diary: &Diary,
    comes_to: impl Fn(u32) -> Result<(), Exit> + Send + Sync + 'static,
) -> impl Fn() -> Result<(), Exit> + Send + Sync + 'static {
    let (pen, starts) = (diary.pen(), AtomicU32::new(0));
    move || {
        let start = starts.fetch_add(1, SeqCst) + 1;
        pen.write(format!("{name} {start}"));
        comes_to(start)
    }
}

fn ignores_from(first: u32) -> impl Fn(u32) -> Result<(), Exit> {
    move |start| if start < first { Ok(()) } else { Err(Exit::ignore()) }
}

/// A supervisor of one child that gives up at its first crash.
fn of_one(name: &'static str, slot: &Slot<Worker>, kit: Nurse) -> Supervisor {
    Supervisor::one_for_one(name).intensity(0, SECOND).child(slot.child(kit))
}

/// The names of the children that are kept, and whether they run, in start order.
async fn kept(management: &Management) -> Vec<(String, bool)> {
    let children = soon(management.which_children()).await.expect(ANSWERS);
    let shown = children.iter().rev().map(|child| {
        let name = child.id.as_deref().expect("they have names").to_owned();
        (name, matches!(child.place, Place::Running(_)))
    });
    shown.collect()
}

fn shown(children: &[(&str, bool)]) -> Vec<(String, bool)> {
    children.iter().map(|(name, runs)| ((*name).to_owned(), *runs)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_before_the_children_at_the_first_start_and_at_every_restart() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let below = of_one("below", &a, ak).init(nth("below", &diary, |_| Ok(())));
    let top = Supervisor::one_for_one("top").intensity(9, SECOND).child(below).init(nth("top", &diary, |_| Ok(())));
    let system = System::start(top).await.expect(STARTS);
    diary.reads("top 1, below 1, +a").await;
    crash(&a);
    diary.reads("-a crashed, below 2, +a").await;
    over(system).await;
    diary.reads("-a shutdown").await;
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_declines_its_first_start_is_kept_down_and_started_on_request() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk), (c, ck)] = ["a", "b", "c"].map(|name| worker(name, &diary));
    let declines_once = |start| if start == 1 { Err(Exit::ignore()) } else { Ok(()) };
    let kept_down = of_one("kept", &a, ak).init(nth("kept", &diary, declines_once));
    let temporary = of_one("temporary", &b, bk).restart(Restart::Temporary).init(|| Err(Exit::ignore()));
    let top = Supervisor::one_for_one("top").child(kept_down).child(temporary).child(c.child(ck));
    let management = top.management();
    let system = System::start(top).await.expect(STARTS);
    diary.reads("kept 1, +c").await;
    assert_eq!(kept(&management).await, shown(&[("kept", false), ("c", true)]), "the temporary one is removed");
    let paths: Vec<_> = system.supervisors().iter().map(|info| info.path.to_string()).collect();
    assert_eq!(paths, ["top"]);
    assert_eq!(a.tell(Job::Count).expect_err("it was not started").why.reason, Reason::NotStarted);
    soon(management.restart_child("kept")).await.expect(ANSWERS).expect("it does not decline again");
    diary.reads("kept 2, +a").await;
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_declines_its_restart_is_kept_down_or_removed_if_it_was_started_on_request() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let below = of_one("below", &a, ak).init(nth("below", &diary, ignores_from(2)));
    let tenants = Dynamic::any("tenants").intensity(9, SECOND);
    let top = Supervisor::one_for_one("top").intensity(9, SECOND).child(below).child(tenants.clone());
    let management = top.management();
    let system = System::start(top).await.expect(STARTS);
    let tenant = of_one("tenant", &b, bk).init(nth("tenant", &diary, ignores_from(2)));
    soon(tenants.start(tenant)).await.expect(STARTS);
    diary.reads("below 1, +a, tenant 1, +b").await;
    crash(&a);
    diary.reads("-a crashed, below 2").await;
    crash(&b);
    diary.reads("-b crashed, tenant 2").await;
    assert_eq!(kept(&management).await, shown(&[("below", false), ("tenants", true)]));
    assert_eq!(soon(tenants.count()).await.expect(ANSWERS).supervisors, 0);
    let refused = a.tell(Job::Count).expect_err("nobody will start it").why.reason;
    assert_eq!(refused, Reason::Stopped);
    over(system).await;
}

#[tokio::test]
async fn a_root_that_declines_is_told_as_ignored() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let refused = System::start(of_one("top", &a, ak).init(|| Err(Exit::ignore()))).await;
    assert_eq!(refused.expect_err("it declines"), StartError::Ignored);
    let refused = System::start(Dynamic::<Worker>::named("crowd").init(|| Err(Exit::ignore()))).await;
    assert_eq!(refused.expect_err("it declines"), StartError::Ignored);
    diary.is_read();
}

#[tokio::test]
async fn an_error_or_a_panic_fails_the_start_with_its_reason_and_rolls_back() {
    type Hook = fn() -> Result<(), Exit>;
    let cases: [(Hook, &str); 3] = [
        (|| Err("no licence".into()), "child below failed to start: error in init: no licence"),
        (|| panic!("no paper"), "child below failed to start: panic in init: no paper"),
        (|| Err(Exit::because(ExitReason::Killed)), "child below failed to start: killed"),
    ];
    for (hook, why) in cases {
        let mut diary = Diary::new();
        let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
        let below = of_one("below", &b, bk).init(hook);
        let error = System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(below)).await;
        let error = error.expect_err("it fails").to_string();
        assert!(error.contains(why), "{error}");
        diary.reads("+a, -a shutdown").await;
        diary.is_read();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_at_a_restart_is_tried_again_until_that_is_too_often() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let fails = |start| if start < 2 { Ok(()) } else { Err("no".into()) };
    let below = of_one("below", &a, ak).init(nth("below", &diary, fails));
    let system = System::start(Supervisor::one_for_one("top").intensity(2, 3600 * SECOND).child(below)).await;
    let system = system.expect(STARTS);
    crash(&a);
    diary.reads("below 1, +a, -a crashed, below 2, below 3").await;
    soon(system.ended()).await.into_result().expect_err("the third is too many");
    diary.is_read();
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_request_is_told_what_it_came_to() {
    let diary = Diary::new();
    let top = Supervisor::one_for_one("top");
    let (management, tenants) = (top.management(), Dynamic::any("tenants"));
    let system = System::start(top.child(tenants.clone())).await.expect(STARTS);
    let tree = || of_one("below", &Slot::named("a"), Nurse::new("a", &diary));
    let (declines, fails) = (|| tree().init(|| Err(Exit::ignore())), || tree().init(|| Err("no".into())));
    assert_eq!(soon(tenants.start(declines())).await, Err(StartError::Ignored));
    let error = soon(tenants.start(fails())).await.expect_err("it fails").to_string();
    assert!(error.contains("error in init: no"), "{error}");
    let refused = soon(management.start_child(fails())).await;
    assert!(matches!(refused, Err(ManageError::Refused(CallError::StartFailed(_)))), "{refused:?}");
    assert_eq!(kept(&management).await, shown(&[("tenants", true)]), "nothing is left behind");
    assert_eq!(soon(management.start_child(declines())).await, Ok(None));
    assert_eq!(kept(&management).await, shown(&[("tenants", true), ("below", false)]));
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_supervisor_that_declines_has_nobody_to_start_children() {
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").init(|| Err(Exit::ignore()));
    let top = Supervisor::one_for_one("top").child(crowd.clone());
    let management = top.management();
    let system = System::start(top).await.expect(STARTS);
    assert_eq!(kept(&management).await, shown(&[("crowd", false)]));
    let refused = soon(crowd.start(Nurse::new("a", &diary))).await;
    assert!(matches!(refused, Err(StartError::Supervisor(_))), "{refused:?}");
    over(system).await;
    diary.is_read();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_hook_has_captured_may_panic_when_it_is_dropped() {
    struct Touchy(Arc<AtomicU32>);
    impl Drop for Touchy {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            panic!("not to be dropped");
        }
    }
    let drops = Arc::new(AtomicU32::new(0));
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let hook = || {
        let touchy = Touchy(drops.clone());
        move || {
            let _ = &touchy;
            Ok(())
        }
    };
    let below = of_one("below", &a, ak).init(hook());
    let top = Supervisor::one_for_one("top").intensity(9, SECOND).init(hook());
    let management = top.management();
    // The root is started once: it drops its hook while it starts.
    let system = System::start(top).await.expect(STARTS);
    assert_eq!(drops.load(SeqCst), 1);
    soon(management.start_child(below)).await.expect(ANSWERS);
    crash(&a);
    diary.reads("+a, -a crashed, +a").await;
    soon(management.terminate_child("below")).await.expect(ANSWERS);
    soon(management.delete_child("below")).await.expect(ANSWERS);
    until(|| drops.load(SeqCst) == 2).await;
    assert_eq!(kept(&management).await, shown(&[]), "its supervisor goes on");
    over(system).await;
}
