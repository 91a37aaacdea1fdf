//! What supervised futures and stuck destructors do to their supervisor.

use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, Context, Exit, Reason, Refused, Slot, System};
use crashworthy_supervisor::{Shutdown, SlotExt, Supervisor, Task};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// By `?` a refusal ends the message in hand; a task is no message, and its end must not go unnoticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ends_with_a_refusal_is_restarted() {
    let (lives, mut lived) = mpsc::unbounded_channel();
    let first = Arc::new(Mutex::new(true));
    let task = Task::named("task", (lives, first), |(lives, first), cx| async move {
        lives.send(cx.pid().incarnation)?;
        if std::mem::take(&mut *first.lock()) {
            Err(Refused::because(Reason::Full))?;
        }
        cx.stopping().await;
        Ok(())
    });
    let system = System::start(Supervisor::one_for_one("top").child(task)).await.expect("it starts");
    assert_eq!(lived.recv().await, Some(1));
    assert_eq!(lived.recv().await, Some(2));
    assert!(system.stop().await.stragglers.is_empty());
}

/// An actor whose destructor blocks its thread until the channel closes.
struct Clings(Option<std::sync::mpsc::Receiver<()>>);

#[derive(Clone)]
struct Until(Arc<Mutex<Option<std::sync::mpsc::Receiver<()>>>>);

impl Actor for Clings {
    type Args = Until;
    type Msg = ();

    async fn init(until: Until, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self(until.0.lock().take()))
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

impl Drop for Clings {
    fn drop(&mut self) {
        if let Some(until) = self.0.take() {
            // An error is the end that it waits for.
            let _ = until.recv();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_a_child_that_hangs_in_its_destructor_is_abandoned_and_named() {
    let (opens, until) = std::sync::mpsc::channel();
    let slot = Slot::<Clings>::named("clings");
    let child = slot.child(Until(Arc::new(Mutex::new(Some(until)))));
    let child = child.shutdown(Shutdown::Within(Duration::from_millis(20)));
    let system = System::start(Supervisor::one_for_one("top").child(child)).await.expect("it starts");
    let report = system.stop().await;
    drop(opens);
    let [straggler] = &report.stragglers[..] else { panic!("one straggler, not {report}") };
    assert_eq!((straggler.path.as_str(), straggler.abandoned), ("top/clings", true), "{report}");
}
