//! Telling which actors hold up their threads, and that no worker is left that takes turns.

use std::sync::Arc;
use std::time::Duration;

use super::attend;
use super::limit::Pass;
use super::millis::whole;
use crate::cell::AnyCell;
use crate::event::{self, Happening};
use crate::pid::ActorId;
use crate::scheduler::Held;
use crate::shared::Shared;

/// Tells of turns that hold threads of a pool, as often as may be told: each one that lasts too long, and that no worker takes turns. If
/// no turn holds them, other tasks of the runtime do.
pub(crate) fn tell_held(shared: &Shared, number: u32, held: Held) {
    match held {
        Held::Turn(id, held_ns) => {
            if let Some(cell) = shared.find(ActorId::new(id)) {
                tell(shared, &cell, Duration::from_nanos(held_ns));
            }
        }
        Held::Workers(by) => tell_workers(shared, number, by.len()),
    }
}

fn tell_workers(shared: &Shared, number: u32, blocks: usize) {
    let Some(blocked) = (if number == 0 { Some(&shared.pool) } else { shared.pools.find(number) }) else { return };
    let system = &*shared.settings.name;
    let name = blocked.name();
    let pool = &*name;
    let Some(withheld) = pass(shared, pool) else { return };
    let workers = blocked.pumps();
    let why = if blocks == 0 { "other tasks of the runtime block them" } else { "handlers block them" };
    event::note(
        shared,
        None,
        "".into(),
        Happening::WorkersBlocked { pool: pool.to_owned().into(), workers, actors: blocks },
    );
    tracing::warn!(system, pool, workers, blocks, withheld, "no worker takes turns, {why}: rescuers do");
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

fn tell(shared: &Shared, cell: &Arc<dyn AnyCell>, held_for: Duration) {
    let core = cell.core();
    // It may have returned meanwhile.
    let Some(callback) = core.callback().filter(|_| cell.is_in_turn()) else { return };
    core.counters().was_held();
    let path = core.path();
    let Some(withheld) = pass(shared, &path) else { return };
    let (pid, kind, message) = (core.pid(), cell.kind(), core.kind_in_hand());
    let blocks = Happening::Blocks { callback, message: message.map(super::kind), held: whole(held_for) };
    event::note(shared, Some(pid), path.clone(), blocks);
    tracing::warn!(
        path = &*path, kind, %pid, %callback, message_in_hand = message, ?held_for, withheld,
        "actor blocks its thread: {callback} does not return"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Instant;

    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::ear::Ear;
    use crate::{Actor, ActorRef, ActorSnapshot, Callback, Context, Exit, Message, Reply, System, SystemEvent};

    const HANG: Duration = Duration::from_secs(60);

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

    /// A system with an actor that blocks its thread until the test lets go, and one that awaits.
    struct Held {
        runtime: Runtime,
        system: System,
        blocks: ActorRef<Clerk>,
        awaits: ActorRef<Clerk>,
        open: Sender<()>,
    }

    impl Held {
        fn begin(builder: crate::Builder) -> Self {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
            let (system, blocks, awaits) = runtime.block_on(async {
                let system = builder.bare().expect("the settings are valid");
                let blocks = system.spawn::<Clerk>(()).await.expect("it starts");
                (system.clone(), blocks, system.spawn::<Clerk>(()).await.expect("it starts"))
            });
            let question = awaits.clone();
            runtime.spawn(async move { question.ask(Say::Await).within(HANG).await });
            let (says, said) = channel();
            let (open, opened) = channel::<()>();
            let opened = parking_lot::Mutex::new(opened);
            let block = move || {
                says.send(()).expect("the test waits");
                let _ = opened.lock().recv_timeout(HANG);
            };
            blocks.tell(Say::Block(Box::new(block))).expect("it has room");
            said.recv_timeout(HANG).expect("it blocks");
            Self { runtime, system, blocks, awaits, open }
        }

        fn events(&self, what: &str) -> Vec<SystemEvent> {
            self.system.events_since(0).events.into_iter().filter(|event| event.what.name() == what).collect()
        }

        fn shot(&self, actor: &ActorRef<Clerk>) -> ActorSnapshot {
            self.system.inspect(actor.pid()).expect("it lives")
        }
    }

    fn until(what: &str, is: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < HANG, "waited in vain: {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_actor_that_blocks_its_thread_is_told_while_others_get_on_and_one_that_awaits_is_not() {
        let held = Held::begin(System::builder());
        until("it is told", || !held.events("blocks").is_empty());
        let [told] = &held.events("blocks")[..] else { panic!("it is told once") };
        assert_eq!(told.pid, Some(held.blocks.pid()));
        let Happening::Blocks { callback: Callback::Handle, message: Some(message), held: lasted } = &told.what else {
            panic!("{told:?}")
        };
        assert!(message == "Block" && lasted >= &Duration::from_millis(5), "{message} for {lasted:?}");
        assert_eq!((held.shot(&held.blocks).blocked, held.shot(&held.awaits).blocked), (1, 0));
        assert!(held.shot(&held.blocks).in_turn && !held.shot(&held.awaits).in_turn);
        let pools = held.system.pools();
        let of_pump = pools[0].pumps.iter().filter_map(|pump| pump.running).map(|(runs, _)| runs);
        assert!(of_pump.collect::<Vec<_>>().contains(&held.blocks.id().as_u64()), "a pump says whom it runs");
        drop(held.open);
        held.runtime.shutdown_background();
    }

    #[test]
    fn after_what_time_it_is_told_is_a_setting() {
        let held = Held::begin(System::builder().blocked_after(Duration::from_secs(3_600)));
        // Longer than it would take otherwise, as the lookout sees it.
        until("it blocks for long", || {
            held.shot(&held.blocks).callback.is_some_and(|(_, held)| held.as_millis() > 100)
        });
        assert!(held.events("blocks").is_empty() && held.shot(&held.blocks).blocked == 0);
        drop(held.open);
        held.runtime.shutdown_background();
        for wrong in [Duration::ZERO, Duration::from_millis(4), Duration::from_secs(3_601)] {
            let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
            let refused = runtime.block_on(async { System::builder().blocked_after(wrong).bare().map(drop) });
            assert!(
                matches!(refused, Err(crate::StartError::Setting(why)) if why.contains("allowed are 5ms to 3600s"))
            );
        }
    }

    #[test]
    fn it_is_told_no_more_often_than_may_be() {
        let held = Held::begin(System::builder().blocked_after(Duration::from_secs(3_600)));
        let ear = Ear::default();
        tracing::subscriber::with_default(ear.clone(), || {
            for _ in 0..100 {
                tell_held(&held.system.shared, 0, super::Held::Turn(held.blocks.id().as_u64(), 7));
                tell_held(&held.system.shared, 0, super::Held::Workers(vec![held.blocks.id().as_u64()]));
            }
        });
        let told = ear.hears("actor blocks its thread");
        assert!((1..100).contains(&told.len()), "not more often than may be told: {}", told.len());
        let (_, told) = &told[0];
        let pid = held.blocks.pid().to_string();
        assert_eq!((&*told["pid"], &*told["message_in_hand"], &*told["callback"]), (&*pid, "Block", "handle"));
        assert!((1..100).contains(&held.events("workers_blocked").len()), "as often as it is logged");
        assert_eq!(held.shot(&held.blocks).blocked, 100, "but counted each time");
        drop(held.open);
        held.runtime.shutdown_background();
    }
}
