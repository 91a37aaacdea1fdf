//! The traces of a system, and whom they watch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::time::Duration;

use parking_lot::RwLock;

use super::one::{One, Taken};
use super::pattern::means_actor;
use super::{InHand, TraceError, TraceSpec};
use crate::cell::{Core, flag};
use crate::pid::ActorId;
use crate::report::shortened;
use crate::shared::Shared;

/// Bytes of a path, at most.
const PATH: usize = 512;

/// The traces of one system.
#[derive(Default)]
pub(crate) struct Traces {
    /// Whether there are any: what those look at who start.
    any: AtomicBool,
    watches: RwLock<Vec<Watch>>,
}

/// A trace, and whom it watches.
struct Watch {
    one: Arc<One>,
    actors: HashMap<ActorId, Whom>,
    /// How many there was no room for.
    left_out: u64,
}

/// What is told of an actor that is watched.
#[derive(Clone)]
struct Whom {
    path: Arc<str>,
    kind: &'static str,
}

impl Watch {
    /// Watches an actor from now on, if it is meant, and else no more. To be called under the lock.
    fn look(&mut self, core: &Core, path: &Arc<str>, kind: &'static str) {
        if !means_actor(&self.one.spec.whom, path, core.name(), kind) {
            self.actors.remove(&core.id());
            return;
        }
        if self.actors.len() >= TraceSpec::ACTORS && !self.actors.contains_key(&core.id()) {
            self.left_out += 1;
            return;
        }
        self.actors.insert(core.id(), Whom { path: path.clone(), kind });
        core.raise(flag::TRACED);
    }
}

fn path(core: &Core) -> Arc<str> {
    let path = core.last_path();
    if path.len() <= PATH { path } else { shortened(&path, PATH).into() }
}

impl Traces {
    /// Begins a trace of whoever is there, and will be.
    pub(super) fn begin(shared: &Arc<Shared>, spec: TraceSpec) -> Result<Arc<One>, TraceError> {
        let traces = &shared.traces;
        let one = Arc::new(One::new(spec, shared.port.now_ns()));
        {
            let mut watches = traces.watches.write();
            if watches.len() >= TraceSpec::AT_ONCE {
                return Err(TraceError::TooManyTraces);
            }
            watches.push(Watch { one: one.clone(), actors: HashMap::new(), left_out: 0 });
            traces.any.store(true, Relaxed);
        }
        // Pairs with the one in `are_any`: who starts sees that there is a trace, or is seen here, tied to its parent.
        fence(SeqCst);
        shared.each_cell(|cell| {
            // A cell may end with this, which must not be under the lock.
            let core = cell.core();
            if !core.is_over() {
                let path = path(core);
                traces.watch(&one, |watch| watch.look(core, &path, cell.kind()));
            }
        });
        let (actors, left_out) = traces.watched(&one);
        if left_out > 0 {
            traces.forget(&one);
            return Err(TraceError::TooManyActors { matched: actors.saturating_add(left_out as usize) });
        }
        one.begin();
        Ok(one)
    }

    fn watch(&self, one: &Arc<One>, work: impl FnOnce(&mut Watch)) {
        if let Some(watch) = self.watches.write().iter_mut().find(|watch| Arc::ptr_eq(&watch.one, one)) {
            work(watch);
        }
    }

    /// How many a trace watches, and how many there was no room for.
    pub(super) fn watched(&self, one: &Arc<One>) -> (usize, u64) {
        let watches = self.watches.read();
        let watch = watches.iter().find(|watch| Arc::ptr_eq(&watch.one, one));
        watch.map_or((0, 0), |watch| (watch.actors.len(), watch.left_out))
    }

    /// A trace ends. Those who are watched notice by themselves.
    pub(super) fn forget(&self, one: &Arc<One>) {
        let mut watches = self.watches.write();
        watches.retain(|watch| !Arc::ptr_eq(&watch.one, one));
        self.any.store(!watches.is_empty(), Relaxed);
    }

    /// Whether there are any, for whoever starts an incarnation: to be asked when it has its place in the tree.
    #[inline]
    pub(crate) fn are_any(&self) -> bool {
        // See `begin`.
        fence(SeqCst);
        self.any.load(Relaxed)
    }

    /// An incarnation begins: from now on it is watched, or not.
    #[cold]
    pub(crate) fn begins(&self, core: &Core, kind: &'static str) {
        let (path, now) = (path(core), core.shared().port.coarse_ns());
        let mut watches = self.watches.write();
        watches.iter_mut().filter(|watch| !watch.one.is_over(now)).for_each(|watch| watch.look(core, &path, kind));
    }

    /// The actor with this identity goes.
    #[cold]
    pub(super) fn goes(&self, id: ActorId) {
        self.watches.write().iter_mut().for_each(|watch| _ = watch.actors.remove(&id));
    }

    /// The message in hand was taken, by an actor whose bit is raised. It lowers that if nobody wants to know.
    pub(super) fn taken(&self, core: &Core, size: usize, asked: bool) -> Option<InHand> {
        // Also brings the coarse clock up to date, by which ages are told.
        let now = core.shared().port.now_ns();
        let (id, message) = (core.id(), core.kind_in_hand()?);
        let mut in_hand = InHand::default();
        let mut is_wanted = false;
        for watch in &*self.watches.read() {
            let Some(whom) = watch.actors.get(&id) else { continue };
            let taken = || noted(core, whom.clone(), message, now, size, asked);
            let number = watch.one.take(taken, message, now);
            in_hand.0.extend(number.map(|number| (watch.one.clone(), number)));
            is_wanted |= number.is_some() || !watch.one.is_over(now);
        }
        if !is_wanted {
            self.rest(core, now);
        }
        Some(in_hand)
    }

    /// Lowers the bit of an actor that nobody watches, or for nothing.
    #[cold]
    fn rest(&self, core: &Core, now: u64) {
        let watches = self.watches.write();
        let is_wanted = |watch: &Watch| watch.actors.contains_key(&core.id()) && !watch.one.is_over(now);
        if !watches.iter().any(is_wanted) {
            core.lower(flag::TRACED);
        }
    }
}

/// What is known of the message in hand.
fn noted(core: &Core, whom: Whom, message: &'static str, at: u64, size: usize, asked: bool) -> Taken {
    let (wall, Whom { path, kind }) = (core.shared().port.wall(), whom);
    let (from, age) = core.origin();
    let age = if core.handles_own() { Duration::ZERO } else { age };
    Taken { at, wall, pid: core.pid(), path, kind, message, size, age, from, asked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, ActorRef, Context, Exit, System};

    struct Worker;

    impl Actor for Worker {
        type Args = ();
        type Msg = ();

        async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> {
            Ok(Self)
        }

        async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> {
            Ok(())
        }
    }

    fn spec(count: u32) -> TraceSpec {
        let within = TraceSpec::WITHIN;
        TraceSpec { whom: vec!["Worker".into()], messages: vec![], count, rate: 100, within }
    }

    async fn looks(system: &System, worker: &ActorRef<Worker>) -> bool {
        worker.tell(()).expect("there is room");
        worker.settled().await;
        system.shared.find(worker.id()).expect("it is there").core().flags() & flag::TRACED != 0
    }

    #[tokio::test]
    async fn who_is_traced_no_more_is_left_alone_after_one_more_message() {
        let system = System::bare().unwrap();
        let worker = system.spawn::<Worker>(()).await.unwrap();
        assert!(!looks(&system, &worker).await);
        let (two, many) = (system.trace(spec(2)).unwrap(), system.trace(spec(100)).unwrap());
        for _ in 0..4 {
            assert!(looks(&system, &worker).await, "one of the two goes on");
        }
        drop(many);
        assert!(!looks(&system, &worker).await, "the other has ended, though somebody has it");
        assert!(system.shared.traces.are_any());
        drop(two);
        assert!(!system.shared.traces.are_any());
    }

    #[tokio::test]
    async fn who_goes_is_forgotten() {
        let system = System::bare().unwrap();
        let trace = system.trace(spec(100)).unwrap();
        for _ in 0..3 {
            let worker = system.spawn::<Worker>(()).await.unwrap();
            assert_eq!(trace.read().actors, 1);
            system.kill(worker.pid());
            worker.down().await;
            drop(worker);
            let forgotten = async {
                while trace.read().actors != 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(TraceSpec::WITHIN, forgotten).await.expect("it is forgotten");
        }
    }
}
