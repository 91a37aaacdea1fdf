//! Crashes that nobody has judged are told all the same, each once.

use std::sync::Arc;

use crashworthy_runtime::{
    Actor, Budget, Context, Decision, Exit, Judgement, Pid, Ruling, Signal, Slot, System, Under,
};
use crashworthy_supervisor::{Context as About, Dynamic, SlotExt, Supervisor, SupervisorReport, SystemExt, Told};
use tokio::sync::Notify;

use crate::crash_world::{Ask, Cashier, Till, crashes, until_crashed};
use crate::world::{Diary, Job, Nurse, SECOND, Worker, counted, crash, over, soon, until, worker};

/// A supervisor that is busy starting `slow`, which waits for the gate, and has the others as its children.
async fn busy(diary: &mut Diary, others: &[(Slot<Worker>, Nurse)]) -> (System, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let mut below = Supervisor::one_for_one("below").intensity(9, SECOND);
    for (slot, kit) in others {
        below = below.child(slot.child(kit.clone()));
    }
    let management = below.management();
    let system = System::start(Supervisor::one_for_one("top").child(below)).await.expect("it starts");
    for (_, kit) in others {
        diary.reads(&format!("+{}", kit.name)).await;
    }
    let (slow, kit) = worker("slow", diary);
    let kit = Nurse { gate: Some(gate.clone()), ..kit };
    tokio::spawn(async move { management.start_child(slow.child(kit)).await });
    diary.reads("slow waits").await;
    (system, gate)
}

fn supervisor_of(name: &str, system: &System) -> Pid {
    let mut actors = system.snapshot().actors.into_iter();
    actors.find(|actor| actor.name.as_deref() == Some(name)).expect("it has run").pid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_killed_between_a_crash_and_its_verdict_loses_no_report() {
    let mut diary = Diary::new();
    let a = worker("a", &diary);
    let (system, _gate) = busy(&mut diary, std::slice::from_ref(&a)).await;
    crash(&a.0);
    diary.reads("-a crashed").await;
    until(|| !a.0.is_alive()).await;
    system.kill(supervisor_of("below", &system));
    until_crashed(1, &system).await;
    let report = crashes(&system).remove(0);
    // Where the machine was so slow that a second went by, somebody else has told of it first.
    assert!(matches!(report.judgement, Judgement::ParentEnded | Judgement::Late), "{report}");
    assert!(report.to_string().contains("decision   "), "{report}");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_a_busy_supervisor_has_not_judged_within_a_second_is_told_all_the_same() {
    let mut diary = Diary::new();
    let a = worker("a", &diary);
    let (system, gate) = busy(&mut diary, std::slice::from_ref(&a)).await;
    crash(&a.0);
    until_crashed(1, &system).await;
    assert_eq!(crashes(&system)[0].judgement, Judgement::Late);
    // What the supervisor decides later it tells by itself.
    gate.notify_one();
    assert_eq!(counted(&a.0).await, 0);
    let ends = |report: &&SupervisorReport| report.report.context == About::ChildTerminated;
    let reports = system.supervisor_reports();
    let told: Vec<_> = reports.errors.iter().filter(ends).map(|report| report.told).collect();
    assert_eq!((told, system.crashes().0), (vec![Told::Logged], 1));
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_crashes_than_the_desk_holds_are_told_at_once() {
    const CHILDREN: u64 = 300;
    const DESK: u64 = 256;
    let mut diary = Diary::new();
    let crowd = Dynamic::<Worker>::named("crowd").start_within(60 * SECOND);
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    let mut children = Vec::new();
    for _ in 0..CHILDREN {
        children.push(soon(crowd.start(Nurse { traps: false, ..Nurse::new("a", &diary) })).await.expect("it starts"));
        diary.reads("+a").await;
    }
    let gate = Arc::new(Notify::new());
    let (busy, kit) = (crowd.clone(), Nurse { gate: Some(gate.clone()), ..Nurse::new("slow", &diary) });
    tokio::spawn(async move { busy.start(kit).await });
    diary.reads("slow waits").await;
    for child in &children {
        child.tell(Job::Crash).expect("it can be told");
    }
    until_crashed(CHILDREN - DESK, &system).await;
    let full = crashes(&system).iter().filter(|report| report.judgement == Judgement::DeskFull).count() as u64;
    assert_eq!(full, CHILDREN - DESK);
    gate.notify_one();
    until_crashed(CHILDREN, &system).await;
    over(system.clone()).await;
    assert_eq!(system.crashes().0, CHILDREN, "each is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crash_of_a_child_that_has_unlinked_itself_is_told_at_once() {
    struct Loose;
    impl Actor for Loose {
        type Args = ();
        type Msg = Ask;
        async fn init((): (), cx: &mut Context<Self>) -> Result<Self, Exit> {
            cx.unlink(cx.parent().expect("it has a supervisor"));
            Ok(Self)
        }
        async fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> Result<(), Exit> {
            Err("loose")?
        }
    }
    let loose = Slot::<Loose>::named("loose");
    let system = System::start(Supervisor::one_for_one("top").child(loose.child(()))).await.expect("it starts");
    loose.tell(Ask).expect("it can be told");
    until_crashed(1, &system).await;
    assert_eq!(crashes(&system)[0].judgement, Judgement::Nobodys);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_parent_may_judge_its_children() {
    /// Judges its child once, and forgets to the next time.
    struct Judge(u32);
    impl Actor for Judge {
        type Args = ();
        type Msg = Ask;
        async fn init((): (), cx: &mut Context<Self>) -> Result<Self, Exit> {
            cx.trap_exit(true);
            cx.judge_children();
            Ok(Self(0))
        }
        async fn handle(&mut self, _: Ask, cx: &mut Context<Self>) -> Result<(), Exit> {
            let till = Slot::<Cashier>::named("till");
            cx.start(&till, (), Under { parent: true, link: true }).await?;
            let _ = till.ask(|reply| Till::Split { reply }).await;
            Ok(())
        }
        async fn on_signal(&mut self, signal: Signal, cx: &mut Context<Self>) -> Result<(), Exit> {
            let Signal::Exit { from, .. } = signal else { return Ok(()) };
            let crash = cx.take_crash(from).expect("it has crashed");
            self.0 += 1;
            if self.0 == 1 {
                let budget = Budget { restarts: 0, allowed: 0, period: SECOND };
                crash.judge(&"me".into(), &"it".into(), Ruling { decision: Decision::LeaveEnded, budget });
                assert!(cx.take_crash(from).is_none(), "it is taken once");
            }
            Ok(())
        }
    }
    let system = System::bare().expect("the defaults are good");
    let judge = system.spawn::<Judge>(()).await.expect("it starts");
    for times in 1..=2 {
        judge.tell(Ask).expect("it can be told");
        until_crashed(times, &system).await;
    }
    let judgements: Vec<_> = crashes(&system).into_iter().map(|report| report.judgement).collect();
    assert_eq!(judgements[0].verdict().map(|verdict| &*verdict.by), Some("me"));
    assert_eq!(judgements[1], Judgement::ParentEnded, "dropped, it is told all the same");
    over(system).await;
}
