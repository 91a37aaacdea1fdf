//! The end of everybody: when a system ends, whoever lives is killed, and the end is told when all have ended.
//!
//! While the runtime runs, pumps take the turns that are left to the killed, and [`bury`] waits for them. When the
//! runtime has gone nobody would take them: [`bury_here`] does, on the thread that learns of it.
//!
//! Neither waits for a turn that blocks its thread: its slot is [taken from it](crate::Abandoned) after [`GRACE`].
//! What nothing can be done about, a destructor of a user's that blocks, is left behind by [`bury`] in the end, and
//! holds up [`bury_here`], which runs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::cell::AnyCell;
use crate::crash::contain;
use crate::exit::Callback;
use crate::pid::Pid;
use crate::shared::Shared;
use crate::shutdown::{Straggler, Whereabouts};
use crate::signal::{Down, send_kill};
use crate::system::{Abandoned, System};
use crate::time::Nap;

/// How long a killed actor may take to come to its next await before its slot is taken from it.
const GRACE: Duration = Duration::from_millis(100);

/// How often that is tried again while its turn is in the runtime's own code, and how many times.
const AGAIN: Duration = Duration::from_millis(10);
const TRIES: u32 = 100;

/// How often a thread looks whether the turns of others have ended, and how many times: first for [`GRACE`].
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: u32 = 1_000;

/// Kills whoever lives, and says whom.
pub(crate) fn kill_all(shared: &Shared, mut say: impl FnMut(Pid)) {
    shared.close();
    shared.each_cell(|cell| {
        let incarnation = cell.core().ties.lock().living();
        if incarnation != 0 {
            say(Pid { id: cell.core().id(), incarnation });
            send_kill(&cell, incarnation);
        }
    });
}

/// Kills whoever lives, and waits until all have ended.
pub(crate) async fn bury(shared: &Arc<Shared>) {
    let system = System::of(shared);
    let (to, mut downs) = mpsc::unbounded_channel();
    let mut left = BTreeMap::new();
    kill_all(shared, |pid| {
        // A child that its supervisor had to leave behind has been waited for.
        if !shared.stop.has_noted(pid) {
            // Before it is killed: what it had in hand is forgotten then.
            left.insert(pid, Left::new(shared, pid));
            system.watch(pid, &to);
        }
    });
    let mut patience = GRACE;
    for _ in 0..TRIES {
        hear(shared, &mut downs, patience, &mut left).await;
        left.retain(|pid, left| {
            // It may have got further since.
            left.hung = system.whereabouts(*pid).or(left.hung.take());
            match system.abandon(*pid) {
                // Heard of next.
                Abandoned::Ended | Abandoned::Busy => true,
                Abandoned::Done => {
                    shared.stop.note(left.straggler(&system, *pid, true));
                    true
                }
                // Beside an earlier turn that is stuck: it cannot be taken from both.
                Abandoned::Straggling => {
                    shared.stop.note(left.straggler(&system, *pid, true));
                    false
                }
            }
        });
        if left.is_empty() {
            return;
        }
        patience = AGAIN;
    }
    for (pid, left) in left {
        let straggler = left.straggler(&system, pid, true);
        tracing::error!(%pid, "an actor that was killed has not ended: the system ends without it: {straggler}");
        shared.stop.note(straggler);
    }
}

/// Who was killed and has not ended.
struct Left {
    path: String,
    hung: Option<Whereabouts>,
    /// It had been asked to stop, by whoever ended before it did.
    was_stopping: bool,
}

impl Left {
    fn new(shared: &Arc<Shared>, pid: Pid) -> Self {
        let hung = System::of(shared).whereabouts(pid);
        let was_stopping = hung.as_ref().is_some_and(|hung| hung.callback == Some(Callback::Terminate));
        Self { path: path(shared, pid), hung, was_stopping }
    }

    fn straggler(&self, system: &System, pid: Pid, abandoned: bool) -> Straggler {
        let now = system.now();
        let after = match &self.hung {
            Some(hung) if self.was_stopping => now.saturating_sub(hung.since),
            _ => GRACE,
        };
        Straggler::given_up(self.path.clone(), pid, abandoned, after, self.hung.clone(), now)
    }
}

/// Hears of ends until all have ended, or patience has.
async fn hear(
    shared: &Arc<Shared>,
    downs: &mut mpsc::UnboundedReceiver<Down>,
    patience: Duration,
    left: &mut BTreeMap<Pid, Left>,
) {
    let over = Nap::until(&shared.wheel, shared.port.now_ns().saturating_add(patience.as_nanos() as u64));
    let mut over = std::pin::pin!(over);
    while !left.is_empty() {
        tokio::select! {
            biased;
            Some(down) = downs.recv() => {
                if let Some(left) = left.remove(&down.pid) && left.was_stopping && !down.abandoned {
                    shared.stop.note(left.straggler(&System::of(shared), down.pid, false));
                }
            }
            () = &mut over => return,
        }
    }
}

fn path(shared: &Shared, pid: Pid) -> String {
    shared.find(pid.id).map_or_else(|| pid.id.to_string(), |cell| cell.core().path().to_string())
}

/// Kills whoever lives and takes the turns that are left to all on this thread: no pump will. Whose turn is under way
/// on another is waited for, a little.
pub(crate) fn bury_here(shared: &Arc<Shared>) {
    kill_all(shared, |_| ());
    let mut left = Vec::new();
    shared.each_cell(|cell| left.push(cell));
    for look in 0..LOOKS {
        // A turn that is under way may have queued others.
        shared.pool.drop_queued();
        shared.pools.drop_queued();
        left.retain(|cell| !is_buried(cell));
        if left.is_empty() {
            return;
        }
        if LOOK * look >= GRACE {
            for cell in &left {
                cell.clone().abandon(cell.core().pid().incarnation);
            }
        }
        shared.port.pause(LOOK);
    }
    tracing::error!(actors = left.len(), "the runtime has gone, and turns of actors are still under way");
}

/// Takes the turns that are left to a cell. Whether it has come to rest.
fn is_buried(cell: &Arc<dyn AnyCell>) -> bool {
    contain(|| cell.clone().end_here()).is_ok_and(|rests| rests)
}

/// Ends an incarnation that began while its system ended: whoever killed all may have looked at its cell before it
/// lived.
pub(crate) fn end_late(shared: &Shared, cell: &Arc<dyn AnyCell>, incarnation: u32) {
    send_kill(cell, incarnation);
    if shared.pool.is_closed() {
        is_buried(cell);
    }
}
