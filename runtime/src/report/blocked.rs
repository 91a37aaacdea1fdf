//! Telling which actors hold up their threads, when no worker is left that takes turns.

use std::sync::Arc;
use std::time::Duration;

use super::attend;
use super::limit::Pass;
use super::millis::whole;
use crate::cell::AnyCell;
use crate::event::{self, Happening};
use crate::shared::Shared;

/// A turn that has lasted so long holds up its thread.
const HELD_UP: Duration = Duration::from_millis(4);
/// More than so many are not told at a time: those that a system has first.
const MOST: usize = 16;

/// Tells that no worker of a pool takes turns, and which turns last long, as often as may be told. If none does, other tasks of the
/// runtime hold it up. While it may not be told nobody is looked for, which takes longer the more actors there are.
pub(crate) fn tell_blocked(shared: &Shared, number: u32) {
    let Some(blocked) = (if number == 0 { Some(&shared.pool) } else { shared.pools.find(number) }) else { return };
    let system = &*shared.settings.name;
    let name = blocked.name();
    let pool = &*name;
    let Some(withheld) = pass(shared, pool) else { return };
    let mut held = Vec::new();
    shared.each_cell(|cell| {
        if held.len() < MOST && cell.core().pool_number() == number && holds_up(&cell) {
            held.push(cell);
        }
    });
    let (blocks, workers) = (held.len(), blocked.pumps());
    let why = if held.is_empty() { "other tasks of the runtime block them" } else { "handlers block them" };
    event::note(
        shared,
        None,
        "".into(),
        Happening::WorkersBlocked { pool: pool.to_owned().into(), workers, actors: blocks },
    );
    tracing::warn!(system, pool, workers, blocks, withheld, "no worker takes turns, {why}: rescuers do");
    for cell in held {
        tell(shared, &cell);
    }
}

/// Whether something is told of this source now; if so, how much was withheld since the last.
fn pass(shared: &Shared, source: &str) -> Option<u64> {
    match shared.reports.blocked.pass(source, shared.port.now_ns()) {
        Pass::Log { withheld } => Some(withheld),
        Pass::Withhold { .. } => {
            attend(shared);
            None
        }
    }
}

fn holds_up(cell: &Arc<dyn AnyCell>) -> bool {
    cell.is_in_turn() && cell.core().callback().is_some() && cell.core().in_hand_for() >= HELD_UP
}

fn tell(shared: &Shared, cell: &Arc<dyn AnyCell>) {
    let core = cell.core();
    let path = core.path();
    let (Some(callback), Some(withheld)) = (core.callback(), pass(shared, &path)) else { return };
    let (pid, kind, message, held_for) = (core.pid(), cell.kind(), core.kind_in_hand(), core.in_hand_for());
    let blocks = Happening::Blocks { callback, message: message.map(super::kind), held: whole(held_for) };
    event::note(shared, Some(pid), path.clone(), blocks);
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

        let (ear, begun) = (Ear::default(), Instant::now());
        let callback = || system.inspect(blocks.pid()).and_then(|shot| shot.callback);
        while callback().is_none_or(|(_, held)| held < 2 * HELD_UP) {
            assert!(begun.elapsed() < HANG, "it holds up nobody");
            std::thread::yield_now();
        }
        tracing::subscriber::with_default(ear.clone(), || (0..100).for_each(|_| tell_blocked(&system.shared, 0)));
        let told = ear.hears("actor blocks its thread");
        assert!((1..100).contains(&told.len()), "not more often than may be told: {}", told.len());
        let (_, told) = &told[0];
        let pid = blocks.pid().to_string();
        assert_eq!((&*told["pid"], &*told["message_in_hand"], &*told["callback"]), (&*pid, "Block", "handle"));
        let events = system.events_since(0).events;
        let kept = |what: &str| events.iter().filter(|event| event.what.name() == what).collect::<Vec<_>>();
        assert!((1..100).contains(&kept("workers_blocked").len()), "as often as it is logged");
        assert!(kept("blocks").iter().all(|event| event.pid == Some(blocks.pid())) && !kept("blocks").is_empty());
        let shot = |pid| system.inspect(pid).expect("it lives").in_turn;
        assert!(shot(blocks.pid()) && !shot(awaits.pid()));
        drop(open);
        asked.abort();
    }
}
