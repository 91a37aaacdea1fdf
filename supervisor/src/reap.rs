//! Ending children: asked, then killed, then abandoned. No wait here is without an end.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crashworthy_runtime::{Abandoned, Context, Down, ExitReason, Pid, Straggler, System, Whereabouts};
use tokio::sync::mpsc;

use crate::index::Index;
use crate::manager::Manager;

/// How long a killed child may take to come to its next await before its slot is taken from it.
const GRACE: Duration = Duration::from_millis(100);
/// How often that is tried again while its turn is in the runtime's own code.
const AGAIN: Duration = Duration::from_millis(10);
/// How many times: whoever is stuck there for longer cannot be taken from its slot.
const TRIES: u32 = 100;

/// The children that are being stopped.
pub(crate) struct Reaper {
    to: mpsc::UnboundedSender<Down>,
    downs: mpsc::UnboundedReceiver<Down>,
    stopping: Index<Pid, Stopping>,
    /// When the slot of whom is to be taken, if it was killed and has not ended.
    due: BTreeSet<(Duration, Pid)>,
}

/// How far the stop of one child has come. Instants are those of the system's clock.
#[derive(Default)]
struct Stopping {
    asked: Option<Duration>,
    /// Of few, usually.
    killed: Option<Box<Killed>>,
}

struct Killed {
    path: String,
    at: Duration,
    abandon_at: Duration,
    tries: u32,
    hung: Option<Whereabouts>,
}

/// What becomes of a killed child whose slot cannot be taken from it: it is stuck beside an earlier life of its that is
/// stuck, too, or in code that the runtime runs between callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The supervisor ends because of it.
    Escalates,
    /// The supervisor is ending: it goes on as if the child had ended, and names it.
    IsLeftBehind,
}

/// A child that has ended.
pub(crate) struct Reaped {
    pub(crate) pid: Pid,
    pub(crate) reason: ExitReason,
    /// It did not end as it was asked to.
    pub(crate) straggler: Option<Straggler>,
}

impl Reaper {
    pub(crate) fn new() -> Self {
        let (to, downs) = mpsc::unbounded_channel();
        Self { to, downs, stopping: Index::default(), due: BTreeSet::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stopping.is_empty()
    }

    /// The end of this child will be heard of.
    pub(crate) fn watch(&mut self, pid: Pid, cx: &Context<Manager>) {
        self.stopping.insert(pid, Stopping::default());
        cx.system().watch(pid, &self.to);
    }

    /// Asks it to stop.
    pub(crate) fn ask(&mut self, pid: Pid, cx: &Context<Manager>) {
        if let Some(stopping) = self.stopping.get_mut(&pid) {
            stopping.asked = Some(cx.system().now());
        }
        if let Err(refused) = cx.exit(pid, ExitReason::Shutdown) {
            tracing::warn!(%pid, %refused, "a child cannot be asked to stop");
        }
    }

    /// Ends it without asking; if its turn does not return, its slot is taken from it.
    pub(crate) fn kill(&mut self, pid: Pid, path: String, cx: &Context<Manager>) {
        let now = cx.system().now();
        if let Some(stopping) = self.stopping.get_mut(&pid) {
            // Before it is killed: what it had in hand is forgotten then.
            let hung = cx.system().whereabouts(pid);
            stopping.killed = Some(Box::new(Killed { path, at: now, abandon_at: now + GRACE, tries: 0, hung }));
            self.due.insert((now + GRACE, pid));
        }
        cx.kill(pid);
    }

    /// Waits for the next end, at most until `timeout` (then `None`).
    ///
    /// # Errors
    /// A child is [`Stuck`], and that escalates.
    pub(crate) async fn next(
        &mut self,
        cx: &Context<Manager>,
        timeout: Option<Duration>,
        stuck: Stuck,
    ) -> Result<Option<Reaped>, ExitReason> {
        let system = cx.system();
        loop {
            let abandon_at = self.due.first().map(|(at, _)| *at);
            let until = timeout.into_iter().chain(abandon_at).min();
            let down = match (self.downs.try_recv(), until) {
                // No need to look at the clock.
                (Ok(down), _) => Some(down),
                (Err(_), Some(until)) => before(&system, until, self.downs.recv()).await.flatten(),
                (Err(_), None) => self.downs.recv().await,
            };
            if let Some(down) = down {
                if let Some(stopping) = self.stopping.remove(&down.pid) {
                    if let Some(killed) = &stopping.killed {
                        self.due.remove(&(killed.abandon_at, down.pid));
                    }
                    return Ok(Some(stopping.end(down.pid, down.reason, down.abandoned, system.now())));
                }
                continue;
            }
            let now = system.now();
            if let Some(left) = self.abandon(&system, now, stuck)? {
                return Ok(Some(left));
            }
            if timeout.is_some_and(|timeout| timeout <= now) {
                return Ok(None);
            }
        }
    }

    /// Takes the slots of those who were killed and do not come back. Their ends are then heard of like others, unless
    /// one is to be left behind.
    fn abandon(&mut self, system: &System, now: Duration, stuck: Stuck) -> Result<Option<Reaped>, ExitReason> {
        while let Some((at, pid)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, pid));
            let Some(killed) = self.stopping.get_mut(&pid).and_then(|stopping| stopping.killed.as_mut()) else {
                continue;
            };
            killed.abandon_at = now + AGAIN;
            killed.tries += 1;
            self.due.insert((killed.abandon_at, pid));
            // It may have got further since.
            killed.hung = system.whereabouts(pid).or(killed.hung.take());
            let why = match system.abandon(pid) {
                Abandoned::Straggling => "is stuck beside an earlier life of its that is stuck",
                Abandoned::Busy if killed.tries >= TRIES => "is stuck where it cannot be abandoned",
                _ => continue,
            };
            match stuck {
                Stuck::Escalates => return Err(ExitReason::crashed(format!("{} {why}", killed.path))),
                Stuck::IsLeftBehind => {
                    self.due.remove(&(killed.abandon_at, pid));
                    let stopping = self.stopping.remove(&pid).unwrap_or_default();
                    return Ok(Some(stopping.end(pid, ExitReason::Killed, true, now)));
                }
            }
        }
        Ok(None)
    }
}

impl Stopping {
    fn end(self, pid: Pid, reason: ExitReason, abandoned: bool, now: Duration) -> Reaped {
        let straggler = match (self.asked, self.killed) {
            // To be killed was the way it was to end.
            (None, Some(_)) if !abandoned => None,
            // It ended in its own way just before.
            (_, Some(_)) if reason != ExitReason::Killed => None,
            (asked, Some(killed)) => {
                let killed = *killed;
                let after = killed.at.saturating_sub(asked.unwrap_or(killed.at));
                Some(Straggler::given_up(killed.path, pid, abandoned, after, killed.hung, now))
            }
            (_, None) => None,
        };
        Reaped { pid, reason, straggler }
    }
}

/// Waits for the end of an incarnation that has been told to end, and kills it when patience is over. Who did
/// not end in its own way is named.
pub(crate) async fn outwait(pid: Pid, path: &str, patience: Duration, cx: &Context<Manager>) -> Option<Straggler> {
    let system = cx.system();
    let (to, mut downs) = mpsc::unbounded_channel();
    system.watch(pid, &to);
    match within(&system, patience, downs.recv()).await {
        Some(_) => None,
        None => reap(pid, path, patience, &system).await,
    }
}

/// Kills one incarnation that was waited for, and waits for its end, which comes at the latest when its slot is taken.
/// If nothing more can be done, the start that follows is refused, and says so. Who did not end in its own way is named.
pub(crate) async fn reap(pid: Pid, path: &str, after: Duration, system: &System) -> Option<Straggler> {
    let (to, mut downs) = mpsc::unbounded_channel();
    system.watch(pid, &to);
    // Before it is killed: where it was is forgotten then.
    let (mut patience, mut hung) = (GRACE, system.whereabouts(pid));
    system.kill(pid);
    for _ in 0..TRIES {
        if let Some(down) = within(system, patience, downs.recv()).await {
            let down = down.filter(|down| down.reason == ExitReason::Killed)?;
            return Some(Straggler::given_up(path.to_owned(), pid, down.abandoned, after, hung, system.now()));
        }
        hung = system.whereabouts(pid).or(hung);
        if system.abandon(pid) == Abandoned::Straggling {
            break;
        }
        patience = AGAIN;
    }
    Some(Straggler::given_up(path.to_owned(), pid, true, after, hung, system.now()))
}

/// Waits for `future`, at most this long.
pub(crate) async fn within<F: Future>(system: &System, limit: Duration, future: F) -> Option<F::Output> {
    before(system, system.now().saturating_add(limit), future).await
}

/// Waits for `future`, at most until this instant of the system's clock.
async fn before<F: Future>(system: &System, until: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut over = pin!(system.sleep_until(until));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => over.as_mut().poll(cx).map(|()| None),
    })
    .await
}
