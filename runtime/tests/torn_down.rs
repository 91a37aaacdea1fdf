//! What is left of actors when their runtime goes away: nothing.

use std::sync::Arc;

use crashworthy_runtime::{Actor, ActorRef, Context, Exit, System};
use tokio::runtime::Runtime;

/// Holds on to what it was started with.
struct Holder {
    _held: Arc<()>,
}

impl Actor for Holder {
    type Args = Arc<()>;
    type Msg = ();

    async fn init(held: Arc<()>, _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self { _held: held })
    }

    /// Never comes to rest.
    async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> Result<(), Exit> {
        Ok(cx.send_self(())?)
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had")
}

async fn spawn(system: &System, held: &Arc<()>) -> Vec<ActorRef<Holder>> {
    let mut actors = Vec::new();
    for _ in 0..100 {
        actors.push(system.spawn::<Holder>(held.clone()).await.expect("it starts"));
    }
    actors
}

#[test]
fn the_states_of_idle_actors_are_dropped_when_the_system_has_stopped_and_its_runtime_goes() {
    let held = Arc::new(());
    let runtime = runtime();
    runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        spawn(&system, &held).await;
        system.stop().await;
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn the_states_of_idle_actors_are_dropped_when_the_runtime_goes_under_the_system() {
    let held = Arc::new(());
    let runtime = runtime();
    let system = runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        spawn(&system, &held).await;
        system
    });
    drop(runtime);
    drop(system);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn the_states_of_busy_actors_are_dropped_when_the_runtime_goes_under_them() {
    let held = Arc::new(());
    let runtime = runtime();
    runtime.block_on(async {
        let system = System::bare().expect("the defaults are valid");
        for actor in spawn(&system, &held).await {
            actor.tell(()).expect("its mailbox is empty");
        }
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&held), 1);
}
