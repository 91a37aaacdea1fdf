//! The operating system gives no more threads: a start is refused, and nobody dies of it.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use crashworthy_runtime::{Actor, Context, Exit, Message, Reply, Slot, StartError, System, Threads, Under};
use tokio::runtime::Handle;

struct Clerk;

impl Actor for Clerk {
    type Args = ();
    type Msg = Block;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Block(reply): Block, _: &mut Context<Self>) -> Result<(), Exit> {
        std::thread::sleep(Duration::from_millis(12));
        reply.send(Handle::current().id().to_string());
        Ok(())
    }
}

/// Says where it was handled.
struct Block(Reply<String>);

impl Message for Block {}

/// Starts one on a thread of its own.
struct Keeper;

struct Start(Slot<Clerk>, Reply<Option<StartError>>);

impl Message for Start {}

impl Actor for Keeper {
    type Args = ();
    type Msg = Start;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
        Ok(Self)
    }

    async fn handle(&mut self, Start(slot, reply): Start, cx: &mut Context<Self>) -> Result<(), Exit> {
        reply.send(cx.begin_on(Threads::Own, &slot, (), Under { parent: true, link: false }).err());
        Ok(())
    }
}

/// Limits the memory of this process: there is none for another stack.
fn limit(bytes: &str) {
    let process = std::process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &process, &format!("--as={bytes}:unlimited")]).status();
    assert!(done.expect("util-linux is there").success());
}

/// What this process has reserved.
fn reserved() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: usize = status.split(' ').next().expect("the first figure").parse().expect("a number");
    pages * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_that_are_not_given_are_an_error_of_the_start() {
    let system = System::bare().expect("the defaults are valid");
    let (keeper, slot) = (system.spawn::<Keeper>(()).await.expect("it starts"), Slot::named("clerk"));
    let clerk = system.spawn::<Clerk>(()).await.expect("it starts");
    // Half of a stack of 2 MiB.
    limit(&(reserved() + (1 << 20)).to_string());
    let refused = keeper.ask(|reply| Start(slot.clone(), reply)).within(Duration::from_secs(60)).await;
    let mut places = Vec::new();
    for _ in 0..20 {
        places.push(clerk.ask(Block).within(Duration::from_secs(60)).await);
    }
    limit("unlimited");
    let refused = refused.expect("whoever starts it lives").expect("there is no thread");
    assert!(matches!(&refused, StartError::Setting(why) if why.contains("no threads for `clerk`")), "{refused:?}");
    let here = Handle::current().id().to_string();
    assert!(places.iter().all(|place| place.as_ref() == Ok(&here)), "who blocks again and again lives on: {places:?}");
    let given = keeper.ask(|reply| Start(slot.clone(), reply)).within(Duration::from_secs(60)).await;
    assert!(given.expect("it answers").is_none());
    assert_ne!(slot.ask(Block).within(Duration::from_secs(60)).await.expect("it answers"), here);
    system.stop().await;
}
