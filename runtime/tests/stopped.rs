//! What addresses say when their system has stopped.

use crashworthy_runtime::{Actor, Context, Exit, Reason, System};

struct Idler;

impl Actor for Idler {
    type Args = ();
    type Msg = ();

    async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_whose_system_has_stopped_is_gone_and_drains_no_more() {
    let system = System::bare().expect("the defaults are valid");
    let actor = system.spawn::<Idler>(()).await.expect("it starts");
    let down = actor.down();
    system.stop().await;
    down.await;
    assert_eq!(actor.tell(()).expect_err("nobody is there").why.reason, Reason::Gone);
    assert_eq!(actor.admitted(std::time::Duration::from_secs(1)).await.err().map(|why| why.reason), Some(Reason::Gone));
}
