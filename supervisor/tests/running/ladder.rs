//! The ladder of a shutdown: signal, grace, kill, abandonment. Whatever a child hangs in, the time is bounded by the sum of
//! the limits, and the report names who hung, how that ended, and where.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{
    Actor, Callback, Context, Exit, ExitReason, Message, ShutdownReport, Signal, Slot, Straggler, System,
};
use crashworthy_supervisor::{Dynamic, Shutdown, SlotExt, Supervisor};

use crate::world::{Diary, Jam, Job, MS, Nurse, Pen, SECOND, Stop, blocked, crash, held, lawful, soon, until, worker};

/// What a killed child has to come to its next await before it is abandoned.
const GRACE: Duration = Duration::from_millis(100);

/// Where a child hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Handle,
    MessageDrop,
    OnSignal,
    Terminate,
    Drop,
}

/// How.
#[derive(Clone)]
enum How {
    /// Its thread is blocked until the jam is cleared.
    Blocks(Stop),
    /// It awaits what never comes, again and again: whatever it is told.
    Awaits,
}

impl How {
    async fn hang(&self) {
        match self {
            Self::Blocks(stop) => stop.here(),
            Self::Awaits => std::future::pending().await,
        }
    }
}

#[derive(Clone)]
struct Hanging {
    at: Where,
    how: How,
    pen: Pen,
}

/// A child that hangs.
struct Hanger(Hanging);

/// Hangs where it is told to, once it has said that it does.
struct Hang(Option<Hanging>);

impl Message for Hang {
    fn kind(&self) -> &'static str {
        "Hang"
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        if let Some(Hanging { at: Where::MessageDrop, how: How::Blocks(stop), pen }) = self.0.take() {
            pen.write("hangs");
            stop.here();
        }
    }
}

impl Drop for Hanger {
    fn drop(&mut self) {
        if let Hanging { at: Where::Drop, how: How::Blocks(stop), .. } = &self.0 {
            stop.here();
        }
    }
}

impl Actor for Hanger {
    type Args = Hanging;
    type Msg = Hang;

    async fn init(hanging: Hanging, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        hanging.pen.write("up");
        Ok(Self(hanging))
    }

    async fn handle(&mut self, _hang: Hang, _: &mut Context<Self>) -> Result<(), Exit> {
        if self.0.at == Where::Handle {
            self.0.pen.write("hangs");
            self.0.how.hang().await;
        }
        Ok(())
    }

    async fn on_signal(&mut self, _: Signal, _: &mut Context<Self>) -> Result<(), Exit> {
        if self.0.at == Where::OnSignal {
            self.0.pen.write("hangs");
            self.0.how.hang().await;
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        if self.0.at == Where::Terminate {
            self.0.how.hang().await;
        }
    }
}

/// Has it hang, if that is not to come with the stop itself.
async fn hang(child: &Slot<Hanger>, system: &System, hanging: &Hanging, diary: &mut Diary) {
    match hanging.at {
        Where::Handle | Where::MessageDrop => child.tell(Hang(Some(hanging.clone()))).expect("it can be told"),
        Where::OnSignal => system.exit(child.pid(), ExitReason::Normal).expect("it can be told"),
        Where::Terminate | Where::Drop => return,
    }
    diary.reads("hangs").await;
}

/// What the report is to say of where it hung.
fn told(at: Where) -> (Option<Callback>, Option<&'static str>) {
    match at {
        Where::Handle | Where::MessageDrop => (Some(Callback::Handle), Some("Hang")),
        Where::OnSignal => (Some(Callback::OnSignal), None),
        Where::Terminate => (Some(Callback::Terminate), None),
        Where::Drop => (Some(Callback::Drop), None),
    }
}

/// That it took at least the limits that were used up, and not more than they, the grace of whoever was abandoned, and
/// what a loaded machine adds.
#[track_caller]
fn took(report: &ShutdownReport, limits: Duration, abandoned: u32) {
    assert!(report.took >= limits, "{report}");
    assert!(report.took < limits + GRACE * abandoned + 2 * SECOND, "{report}");
}

/// Who hung, how it ended, where it hung.
type Told<'r> = (&'r str, bool, Option<Callback>, Option<&'r str>);

fn all(report: &ShutdownReport) -> Vec<Told<'_>> {
    let told = |late: &'_ Straggler| (late.abandoned, late.callback);
    report
        .stragglers
        .iter()
        .map(|late| (late.path.as_str(), told(late).0, told(late).1, late.in_hand.as_deref()))
        .collect()
}

const LIMIT: Duration = Duration::from_millis(30);

/// The stop of a tree with one child that hangs there, at the top or below others.
async fn stop(at: Where, awaits: bool, nested: bool) {
    let jam = Jam::new();
    let mut diary = Diary::new();
    let how = if awaits { How::Awaits } else { How::Blocks(jam.stop()) };
    let hanging = Hanging { at, how, pen: diary.pen() };
    let slot = Slot::<Hanger>::named("stuck");
    let child = slot.child(hanging.clone()).within(LIMIT);
    let (tree, path) = match nested {
        false => (Supervisor::one_for_one("top").child(child), "top/stuck"),
        true => {
            let deep = Supervisor::rest_for_one("deep").child(child);
            (Supervisor::one_for_one("top").child(Supervisor::one_for_all("mid").child(deep)), "top/mid/deep/stuck")
        }
    };
    let system = System::builder().drain(LIMIT).start(tree).await.expect("it starts");
    diary.reads("up").await;
    hang(&slot, &system, &hanging, &mut diary).await;
    let report = soon(system.stop()).await;
    let (callback, in_hand) = told(at);
    assert_eq!(all(&report), [(path, !awaits, callback, in_hand)], "{at:?}: {report}");
    assert!(report.stragglers[0].after >= LIMIT, "{report}");
    assert!(report.stragglers[0].hung_for >= LIMIT / 2, "{at:?}: {report}");
    took(&report, LIMIT, u32::from(!awaits));
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_blocks_a_thread_in_any_callback_is_abandoned_and_the_report_says_in_which() {
    for at in [Where::Handle, Where::MessageDrop, Where::OnSignal, Where::Terminate, Where::Drop] {
        stop(at, false, false).await;
        stop(at, false, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_ignores_what_it_is_told_ends_at_its_next_await_when_it_is_killed() {
    for at in [Where::Handle, Where::OnSignal, Where::Terminate] {
        stop(at, true, false).await;
        stop(at, true, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_yields_for_ever_is_killed_and_not_abandoned() {
    struct Spinner;

    impl Actor for Spinner {
        type Args = ();
        type Msg = ();

        async fn init((): (), cx: &mut Context<Self>) -> Result<Self, Exit> {
            cx.trap_exit(true);
            Ok(Self)
        }

        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
            loop {
                tokio::task::yield_now().await;
            }
        }
    }

    let slot = Slot::<Spinner>::named("spinner");
    let top = Supervisor::one_for_one("top").child(slot.child(()).within(LIMIT));
    let system = System::builder().drain(LIMIT).start(top).await.expect("it starts");
    slot.tell(()).expect("it can be told");
    until(|| slot.law().in_hand == 1).await;
    let report = soon(system.stop()).await;
    assert_eq!(all(&report), [("top/spinner", false, Some(Callback::Handle), Some("()"))], "{report}");
    took(&report, 2 * LIMIT, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn several_that_hang_at_once_at_several_levels_are_each_named_in_the_order_of_the_stop() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let blocks = |at| Hanging { at, how: How::Blocks(jam.stop()), pen: diary.pen() };
    let kits = [
        ("handle", blocks(Where::Handle)),
        ("terminate", blocks(Where::Terminate)),
        ("awaits", Hanging { how: How::Awaits, ..blocks(Where::Handle) }),
        ("drop", blocks(Where::Drop)),
    ];
    let slots = kits.clone().map(|(name, kit)| (Slot::<Hanger>::named(name), kit));
    let child = |index: usize| slots[index].0.child(slots[index].1.clone()).within(LIMIT);
    let deep = Supervisor::one_for_one("deep").child(child(2)).child(child(3));
    let top = Supervisor::one_for_one("top").child(child(0)).child(deep).child(child(1));
    let system = System::builder().drain(LIMIT).start(top).await.expect("it starts");
    diary.reads("up, up, up, up").await;
    for (slot, kit) in &slots {
        hang(slot, &system, kit, &mut diary).await;
    }
    let report = soon(system.stop()).await;
    let expected = [
        ("top/terminate", true, Some(Callback::Terminate), None),
        ("top/deep/drop", true, Some(Callback::Drop), None),
        ("top/deep/awaits", false, Some(Callback::Handle), Some("Hang")),
        ("top/handle", true, Some(Callback::Handle), Some("Hang")),
    ];
    assert_eq!(all(&report), expected, "{report}");
    took(&report, 5 * LIMIT, 3);
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn many_that_block_their_threads_under_a_dynamic_supervisor_cost_one_limit() {
    const MANY: u32 = 4;
    let mut diary = Diary::new();
    let jam = Jam::new();
    let crowd = Dynamic::<Hanger>::named("crowd").shutdown(Shutdown::Within(5 * LIMIT));
    let top = Supervisor::one_for_one("top").child(crowd.clone());
    let system = System::builder().drain(LIMIT).start(top).await.expect("it starts");
    for _ in 0..MANY {
        let kit = Hanging { at: Where::Terminate, how: How::Blocks(jam.stop()), pen: diary.pen() };
        soon(crowd.start(kit)).await.expect("it starts");
        diary.reads("up").await;
    }
    let report = soon(system.stop()).await;
    assert_eq!(report.stragglers.len(), MANY as usize, "{report}");
    assert!(report.stragglers.iter().all(|late| late.abandoned && late.callback == Some(Callback::Terminate)));
    took(&report, 5 * LIMIT, 1);
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_that_blocks_a_thread_in_init_holds_a_stop_up_no_longer_than_its_start_may_take() {
    let mut diary = Diary::new();
    let (a, ak) = worker("a", &diary);
    let jam = Jam::new();
    let (stop, pen) = (jam.stop(), diary.pen());
    let stuck = move |start| {
        if start > 1 {
            pen.write("hangs");
            stop.here();
        }
    };
    let ak = Nurse { at_start: Some(Arc::new(stuck)), ..ak };
    let limit = 300 * MS;
    let top = Supervisor::one_for_one("top").intensity(1, 60 * SECOND).child(a.child(ak).start_within(limit));
    let system = System::builder().drain(LIMIT).start(top).await.expect("it starts");
    crash(&a);
    diary.reads("+a, -a crashed, hangs").await;
    let report = soon(system.stop()).await;
    assert_eq!(all(&report), [("top/a", true, Some(Callback::Init), None)], "{report}");
    assert!(report.took < limit + GRACE + 2 * SECOND, "{report}");
    assert!(report.stragglers[0].to_string().contains("abandoned after 300ms, in init for "), "{report}");
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_below_a_branch_that_runs_out_of_time_is_named_with_it() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let (a, ak) = worker("a", &diary);
    let (b, bk) = worker("b", &diary);
    let bk = Nurse { clings: true, ..bk };
    let below = Supervisor::one_for_one("below").shutdown(Shutdown::Within(LIMIT));
    let below = below.child(a.child(ak).shutdown(Shutdown::Unlimited)).child(b.child(bk).shutdown(Shutdown::Unlimited));
    let system = System::builder().drain(LIMIT).start(Supervisor::one_for_one("top").child(below)).await;
    let system = system.expect("it starts");
    diary.reads("+a, +b").await;
    blocked(&a, &jam, &mut diary).await;
    let report = soon(system.stop()).await;
    let mut named = all(&report);
    named.sort_unstable_by_key(|late| late.0);
    let expected = [
        ("top/below", false, Some(Callback::Terminate), None),
        ("top/below/a", true, Some(Callback::Handle), Some("Block")),
        ("top/below/b", false, Some(Callback::Terminate), None),
    ];
    assert_eq!(named, expected, "{report}");
    took(&report, LIMIT, 1);
    jam.clear();
    until(|| system.stragglers().is_empty()).await;
    lawful(&system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_whose_message_blocks_where_it_is_thrown_away_holds_up_neither_stop_nor_restart_for_ever() {
    let mut diary = Diary::new();
    let jam = Jam::new();
    let slot = Slot::<Hanger>::named("stuck");
    let (a, ak) = worker("a", &diary);
    let kit = Hanging { at: Where::Handle, how: How::Awaits, pen: diary.pen() };
    let stuck = slot.child(kit.clone()).within(LIMIT).start_within(LIMIT);
    let top = Supervisor::one_for_all("top").intensity(1, 60 * SECOND).child(a.child(ak)).child(stuck);
    let system = System::builder().drain(LIMIT).start(top).await.expect("it starts");
    diary.reads("+a, up").await;
    hang(&slot, &system, &kit, &mut diary).await;
    // Queued behind it: its destructor blocks whoever throws it away, in the group restart that follows.
    let bomb = Hanging { at: Where::MessageDrop, how: How::Blocks(jam.stop()), pen: diary.pen() };
    slot.tell(Hang(Some(bomb))).expect("it can be told");
    crash(&a);
    diary.reads("-a crashed").await;
    // Throwing away and starting the others is for two threads; nobody promises who comes first.
    let mut both = [diary.next().await, diary.next().await];
    both.sort_unstable();
    assert_eq!(both, ["+a", "hangs"]);
    // The start in the slot is refused in the end, the restarts are used up, and the system ends.
    let ended = soon(system.ended()).await;
    ended.into_result().expect_err("nobody had asked for it");
    jam.clear();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stop_without_trouble_names_nobody() {
    let mut diary = Diary::new();
    let [(a, ak), (b, bk)] = ["a", "b"].map(|name| worker(name, &diary));
    let bk = Nurse { traps: false, ..bk };
    let system = System::start(Supervisor::one_for_one("top").child(a.child(ak)).child(b.child(bk))).await;
    let system = system.expect("it starts");
    diary.reads("+a, +b").await;
    let release = held(&a, &mut diary).await;
    release.notify_one();
    a.tell(Job::Count).expect("it can be told");
    let report = soon(system.stop()).await;
    assert_eq!(all(&report), []);
}
