//! Panics of actors are reported, not printed: the process's own hook hears of none of them, and of every other.
//!
//! Alone in its binary: the hook is the process's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Context, Exit, ExitReason, Message, System};

type Deed = Box<dyn FnOnce(&mut Context<Puppet>) + Send>;

struct Order(Deed);

impl Message for Order {}

struct Puppet;

impl Actor for Puppet {
    type Args = bool;
    type Msg = Order;

    async fn init(fails: bool, _: &mut Context<Self>) -> Result<Self, Exit> {
        assert!(!fails, "in init");
        Ok(Self)
    }

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> Result<(), Exit> {
        order.0(cx);
        Ok(())
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        panic!("in terminate");
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        panic!("in drop of the state");
    }
}

/// Panics when it goes.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        if !std::thread::panicking() {
            panic!("a bomb");
        }
    }
}

/// Has an actor do this, then panic if it has not yet, and waits for its end.
async fn act(actor: &ActorRef<Puppet>, deed: impl FnOnce(&mut Context<Puppet>) + Send + 'static) {
    let down = actor.down();
    let order = Order(Box::new(|cx| {
        deed(cx);
        panic!("in handle");
    }));
    actor.tell(order).expect("it takes orders");
    assert!(down.await.reason.crash().is_some());
}

#[test]
fn g1_panics_of_actors_are_not_printed_and_all_others_are() {
    let printed = Arc::new(AtomicUsize::new(0));
    let count = printed.clone();
    std::panic::set_hook(Box::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let gone = Arc::new(AtomicUsize::new(0));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let system = System::bare().expect("default settings are valid");
        assert!(system.spawn::<Puppet>(true).await.is_err());
        let actor = async || system.spawn::<Puppet>(false).await.expect("it starts");
        act(&actor().await, |_| {}).await;
        // What is thrown may panic as well when it goes.
        let payload = Bomb(gone.clone());
        act(&actor().await, |_| std::panic::panic_any(payload)).await;
        // Timers, pipes and what they captured.
        let bombs = [(); 3].map(|()| Bomb(gone.clone()));
        let beside = move |cx: &mut Context<Puppet>| {
            let [timer, running, ended] = bombs;
            cx.send_after(Duration::from_secs(60), Order(Box::new(move |_| drop(timer))));
            let forever = async move {
                let _bomb = running;
                std::future::pending::<()>().await
            };
            cx.pipe(forever, |()| Order(Box::new(|_| {}))).expect("there is room");
            cx.pipe(async move { drop(ended) }, |()| Order(Box::new(|_| {}))).expect("there is room");
        };
        act(&actor().await, beside).await;
        let begun = std::time::Instant::now();
        while gone.load(Ordering::SeqCst) < 4 {
            assert!(begun.elapsed() < Duration::from_secs(60), "all of them go");
            tokio::task::yield_now().await;
        }
        assert_eq!(printed.load(Ordering::SeqCst), 0, "panics of actors");
        assert!(tokio::spawn(async { panic!("not an actor") }).await.is_err());
        assert_eq!(printed.load(Ordering::SeqCst), 1, "panics of others");
    });
}
