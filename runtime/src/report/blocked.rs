//! Telling which actors hold up their threads, when no worker is left that takes turns.

use std::sync::Arc;
use std::time::Duration;

use super::gates::pass_gate;
use crate::cell::AnyCell;
use crate::shared::Shared;

/// A turn that has lasted so long holds up its thread.
const HELD_UP: Duration = Duration::from_millis(4);
/// More than so many are not told at a time: those that a system has first.
const MOST: usize = 16;

/// Tells which turns last long, as far as their sources may tell more. If none does, it is other tasks of the runtime that
/// hold it up.
pub(crate) fn tell_blocked(shared: &Shared) {
    let mut held = Vec::new();
    shared.each_cell(|cell| {
        if held.len() < MOST && holds_up(&cell) {
            held.push(cell);
        }
    });
    if held.is_empty() {
        return tracing::warn!(
            system = &*shared.settings.name,
            "no actor blocks a worker: other tasks of its runtime do"
        );
    }
    for cell in held {
        tell(shared, &cell);
    }
}

fn holds_up(cell: &Arc<dyn AnyCell>) -> bool {
    cell.is_in_turn() && cell.core().callback().is_some() && cell.core().in_hand_for() >= HELD_UP
}

fn tell(shared: &Shared, cell: &Arc<dyn AnyCell>) {
    let core = cell.core();
    let path = core.path();
    let (Some(callback), Some(withheld)) = (core.callback(), pass_gate(shared, &path)) else { return };
    let (pid, kind, message, held_for) = (core.pid(), cell.kind(), core.kind_in_hand(), core.in_hand_for());
    tracing::warn!(
        path = &*path, kind, %pid, %callback, message_in_hand = message, ?held_for, withheld,
        "actor blocks its thread: {callback} does not return"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use tokio::runtime::Builder;

    use super::*;
    use crate::ear::Ear;
    use crate::{Actor, Context, Exit, Message, Reply, System};

    struct Clerk;

    enum Say {
        Block(Box<dyn Fn() + Send + Sync>),
        Await(Reply<()>),
    }

    impl Message for Say {
        fn kind(&self) -> &'static str {
            match self {
                Self::Block(_) => "Block",
                Self::Await(_) => "Await",
            }
        }
    }

    impl Actor for Clerk {
        type Args = ();
        type Msg = Say;

        async fn init((): (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, say: Say, _: &mut Context<Self>) -> Result<(), Exit> {
            match say {
                Say::Block(block) => block(),
                Say::Await(mut reply) => reply.cancelled().await,
            }
            Ok(())
        }
    }

    #[test]
    fn an_actor_that_blocks_its_thread_is_told_and_one_that_awaits_is_not() {
        const HANG: Duration = Duration::from_secs(60);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
        let (system, blocks, awaits) = runtime.block_on(async {
            let system = System::bare().expect("default settings are valid");
            let blocks = system.spawn::<Clerk>(()).await.expect("it starts");
            (system.clone(), blocks, system.spawn::<Clerk>(()).await.expect("it starts"))
        });
        let question = awaits.clone();
        let asked = runtime.spawn(async move { question.ask(Say::Await).within(HANG).await });
        let (says, said) = channel();
        let (open, opened) = channel::<()>();
        let opened = parking_lot::Mutex::new(opened);
        let block = move || {
            says.send(()).expect("the test waits");
            let _ = opened.lock().recv_timeout(HANG);
        };
        blocks.tell(Say::Block(Box::new(block))).expect("it has room");
        said.recv_timeout(HANG).expect("it blocks");

        let ear = Ear::default();
        let begun = Instant::now();
        let told = tracing::subscriber::with_default(ear.clone(), || {
            loop {
                tell_blocked(&system.shared);
                let told = ear.hears("actor blocks its thread");
                if !told.is_empty() {
                    break told;
                }
                assert!(begun.elapsed() < HANG, "nobody is told");
                std::thread::yield_now();
            }
        });
        let [(_, told)] = &told[..] else { panic!("not one: {told:?}") };
        let pid = blocks.pid().to_string();
        assert_eq!((&*told["pid"], &*told["message_in_hand"], &*told["callback"]), (&*pid, "Block", "handle"));
        let shot = |pid| system.inspect(pid).expect("it lives").in_turn;
        assert!(shot(blocks.pid()) && !shot(awaits.pid()));
        drop(open);
        asked.abort();
    }
}
