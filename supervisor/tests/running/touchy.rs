//! Arguments whose code panics: a start fails, and nobody else is harmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use crashworthy_runtime::{Actor, Callback, Context, Exit, ExitReason, Message, Reply, Slot, StartError, System};
use crashworthy_supervisor::core::CallError;
use crashworthy_supervisor::{Cause, Dynamic, ManageError, Restart, SlotExt, Supervisor, SystemExt};

use crate::world::{SECOND, over, soon, until};

/// Arguments that panic when they are copied so many times more, or when they are dropped.
struct Touchy {
    copies: Arc<AtomicU32>,
    drops: Arc<AtomicBool>,
    /// The one that the supervisor keeps: copies do not panic when they are dropped.
    kept: bool,
}

impl Touchy {
    fn new() -> Self {
        Self { copies: Arc::default(), drops: Arc::default(), kept: true }
    }
}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        if self.copies.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            panic!("not to be copied");
        }
        Self { copies: self.copies.clone(), drops: self.drops.clone(), kept: false }
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        if self.kept && self.drops.load(SeqCst) {
            panic!("not to be dropped");
        }
    }
}

/// Says in which life it is, or crashes.
struct Guest;

enum Visit {
    Life(Reply<u32>),
    Crash,
}

impl Message for Visit {}

impl Actor for Guest {
    type Args = Touchy;
    type Msg = Visit;

    async fn init(_: Touchy, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, visit: Visit, cx: &mut Context<Self>) -> Result<(), Exit> {
        match visit {
            Visit::Life(reply) => reply.send(cx.incarnation()),
            Visit::Crash => panic!("told to crash"),
        }
        Ok(())
    }
}

async fn life(guest: &crashworthy_runtime::ActorRef<Guest>) -> u32 {
    soon(guest.ask(Visit::Life)).await.expect("it answers")
}

fn is_of_the_copy(reason: &ExitReason) -> bool {
    reason.crash().is_some_and(|crash| {
        crash.message == "not to be copied" && crash.callback == Callback::Init && crash.location.is_some()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_cannot_be_copied_are_a_start_that_fails_and_is_tried_again() {
    let (other, guest) = (Slot::<Guest>::named("other"), Slot::<Guest>::named("guest"));
    let touchy = Touchy::new();
    let copies = touchy.copies.clone();
    let inner = Supervisor::one_for_one("inner").intensity(5, 60 * SECOND);
    let inner = inner.child(other.child(Touchy::new())).child(guest.child(touchy));
    let system = System::start(Supervisor::one_for_one("top").child(inner)).await.expect("it starts");
    copies.store(1, SeqCst);
    guest.tell(Visit::Crash).expect("it can be told");
    until(|| guest.pid().incarnation == 2).await;
    assert_eq!((life(&guest).await, life(&other).await), (2, 1));
    let errors = system.supervisor_reports().errors;
    let failed = |cause: &Cause<_>| matches!(cause, Cause::Reason(reason) if is_of_the_copy(reason));
    assert_eq!(errors.iter().filter(|error| failed(&error.report.cause)).count(), 1, "{errors:?}");
    assert!(system.crashes().1.iter().all(|crash| crash.path.ends_with("/guest")), "no supervisor crashed");
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_adds_a_child_that_cannot_be_started_is_told_and_its_siblings_live_on() {
    let other = Slot::<Guest>::named("other");
    let top = Supervisor::one_for_one("top").child(other.child(Touchy::new()));
    let management = top.management();
    let system = System::start(top).await.expect("it starts");
    let touchy = Touchy::new();
    touchy.copies.store(1, SeqCst);
    let refused = soon(management.start_child(Slot::<Guest>::named("guest").child(touchy))).await;
    let Err(ManageError::Refused(CallError::StartFailed(reason))) = refused else { panic!("{refused:?}") };
    assert!(is_of_the_copy(&reason), "{reason}");
    assert_eq!(life(&other).await, 1);
    over(system).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_panic_when_they_are_dropped_harm_no_other_child() {
    let crowd = Dynamic::<Guest>::named("crowd").restart(Restart::Permanent);
    let system = System::start(Supervisor::one_for_one("top").child(crowd.clone())).await.expect("it starts");
    let touchy = Touchy::new();
    let (copies, drops) = (touchy.copies.clone(), touchy.drops.clone());
    let guest = soon(crowd.start(touchy)).await.expect("it starts");
    let other = soon(crowd.start(Touchy::new())).await.expect("it starts");
    drops.store(true, SeqCst);
    assert!(soon(crowd.stop(guest.pid())).await.expect("it answers"));
    assert_eq!(soon(crowd.count()).await.expect("it answers").active, 1);
    assert_eq!(life(&other).await, 1);

    // And those of a start that fails, and of children that end with their supervisor.
    let touchy = || Touchy { copies: copies.clone(), drops: drops.clone(), kept: true };
    copies.store(1, SeqCst);
    let failed = soon(crowd.start(touchy())).await.expect_err("it does not start");
    assert!(matches!(&failed, StartError::Failed(reason) if is_of_the_copy(reason)), "{failed}");
    for _ in 0..2 {
        soon(crowd.start(touchy())).await.expect("it starts");
    }
    over(system.clone()).await;
    assert_eq!(system.crashes().0, 0, "nobody has crashed");
}
