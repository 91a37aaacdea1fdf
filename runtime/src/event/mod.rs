//! What happens in a system, as data: one bounded ring, with a number for each event and a count of what it has lost.
//!
//! ```text
//! begins · started · ends ── only while somebody attends ─┐
//! crash · gate · blocked · dead letters · acted · … ───────┴─▶ ring (the newest 1,024) ─▶ since a number
//! ```
//! What is told here is told where the log is told of it; but no limit withholds it, and nothing of it is text before somebody
//! reads it.

mod happening;
mod log;
mod news;
mod text;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use happening::{Acted, Happening, SourceSeen};
pub use log::Attending;
pub(crate) use log::EventLog;
pub(crate) use news::News;

use crate::cell::Core;
use crate::exit::ExitReason;
use crate::pid::Pid;
use crate::report::millis::{self, whole};
use crate::report::{Budget, shortened};
use crate::shared::Shared;
use crate::shutdown;
use crate::system::System;

/// Bytes of a path, at most.
const PATH: usize = 512;

/// Bytes of what somebody says of an action or a source, at most.
const WORDS: usize = 1024;

/// One event of a system.
///
/// In its serialised form the name of what happened is in `event`, and what belongs to it beside it; every duration is in
/// milliseconds and its name ends in `_ms`. It is bounded: 512 bytes of a path, else as a [`CrashReport`](crate::CrashReport).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemEvent {
    /// Its number: the first of a system has 1, and none is left out.
    pub seq: u64,
    /// When it was, by the [clock of the system](System::now).
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Whom it is about; nobody, if it is about the system.
    pub pid: Option<Pid>,
    /// Where in its tree that is: the names from the top, with `/` between. Empty, if it is about the system.
    pub path: Arc<str>,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// Events of a system, from some number on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemEvents {
    /// The number of the newest: what to go on from.
    pub last: u64,
    /// How many of those that were asked for are not kept any more.
    pub dropped: u64,
    /// From this number on there is every beginning and end of an incarnation; nothing, while nobody
    /// [attends](System::attend_events).
    pub lifecycle_since: Option<u64>,
    /// Those that are kept, oldest first.
    pub events: Vec<SystemEvent>,
}

/// Events.
impl System {
    /// The events after this number, as far as they are kept: the newest 1,024. From 0 on all of them.
    ///
    /// Troubles are always kept: crashes, starts that fail, gates that refuse and actors that are stuck, blocked threads,
    /// abandoned incarnations, dead letters (one event for all that fall together), refused cycles, dependencies, what was done from outside, sources that
    /// changed. That incarnations
    /// begin, have started and end is kept only while somebody [attends](Self::attend_events).
    ///
    /// # Guarantees
    /// Numbers have no gaps, and are in the order in which things were told. Of one incarnation it is told that it begins, has
    /// started, ends, in this order.
    ///
    /// # Examples
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use crashworthy_runtime::{Happening, System};
    ///
    /// let system = System::bare()?;
    /// let attending = system.attend_events();
    /// let before = system.events_since(0).last;
    /// # use crashworthy_runtime::{Actor, Context, Exit};
    /// # struct Worker;
    /// # impl Actor for Worker {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Worker) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// # }
    /// let worker = system.spawn::<Worker>(()).await?;
    /// let events = system.events_since(before);
    /// assert_eq!((events.dropped, events.last), (0, before + 2));
    /// assert!(matches!(events.events[0].what, Happening::Begins { .. }));
    /// assert_eq!((&events.events[1].what, events.events[1].pid), (&Happening::Started, Some(worker.pid())));
    /// drop(attending);
    /// # Ok::<(), crashworthy_runtime::StartError>(())
    /// # }).unwrap();
    /// ```
    pub fn events_since(&self, seq: u64) -> SystemEvents {
        self.shared.events.since(seq)
    }

    /// Has beginnings and ends of incarnations told, too, until what is returned is dropped. It does not keep the system.
    ///
    /// While nobody attends they cost a load each.
    pub fn attend_events(&self) -> Attending {
        Attending::begin(&self.shared)
    }

    /// For whoever supervises: the supervisor of this incarnation, at this place in its tree, gives up, since its children
    /// were restarted more often than is allowed. To be called before it ends them: if it is the top of the tree, the system fails, and
    /// [parts](crate::Part::fails) are told.
    pub fn note_given_up(&self, pid: Pid, path: &Arc<str>, budget: Option<Budget>) {
        note(&self.shared, Some(pid), path.clone(), Happening::GivesUp { budget });
        if self.top() == Some(pid) {
            shutdown::fails(&self.shared);
        }
    }

    /// For whoever looks after the system: something was done to this actor, at this place in the tree, or to the system if none is
    /// named; or it was refused. Of each text the first kilobyte is kept.
    pub fn note_action(&self, actor: Option<(Pid, &str)>, action: Acted) {
        let kept = |text: &str| shortened(text, WORDS).into_owned();
        let Acted { verb, by, reason, outcome, actors } = action;
        let (verb, outcome) = (kept(&verb).into(), kept(&outcome).into());
        let action = Acted { verb, by: kept(&by), reason: kept(&reason), outcome, actors };
        let (pid, path) = actor.map_or((None, ""), |(pid, path)| (Some(pid), path));
        note(&self.shared, pid, path.into(), Happening::Acted(action));
    }

    /// For whoever looks after the system: something that the service has besides its actors was found to be not as it was. Of each text
    /// the first kilobyte is kept.
    pub fn note_source(&self, seen: SourceSeen) {
        let kept = |text: &str| shortened(text, WORDS).into_owned();
        let SourceSeen { sort, name, state, serves, changes } = seen;
        let seen = SourceSeen { sort: kept(&sort).into(), name: kept(&name), state: kept(&state), serves, changes };
        note(&self.shared, None, "".into(), Happening::Source(seen));
    }
}

/// Tells of an event.
#[cold]
pub(crate) fn note(shared: &Shared, pid: Option<Pid>, path: Arc<str>, what: Happening) {
    let at = whole(Duration::from_nanos(shared.port.now_ns()));
    let path = if path.len() <= PATH { path } else { shortened(&path, PATH).into() };
    shared.events.push(SystemEvent { seq: 0, at, pid, path, what });
}

/// The same of an actor that lives, or has.
#[cold]
pub(crate) fn note_of(core: &Core, what: Happening) {
    note(core.shared(), Some(core.pid()), core.last_path(), what);
}

/// What becomes of an incarnation that ends, if that is told: whether it is decided under the lock of its ties, by which its
/// place is known.
pub(crate) fn tells_end(shared: &Shared, reason: &ExitReason, never_started: bool) -> bool {
    shared.events.is_attended() || failed(reason, never_started)
}

/// An incarnation ends, whose end is told.
#[cold]
pub(crate) fn ends(
    shared: &Shared,
    pid: Pid,
    path: String,
    parent: Option<Pid>,
    reason: &ExitReason,
    never_started: bool,
) {
    let is_failure = failed(reason, never_started);
    let reason = reason.bounded();
    let what = if is_failure { Happening::StartFailed { reason, parent } } else { Happening::Ends { reason, parent } };
    note(shared, Some(pid), path.into(), what);
}

/// Whether it failed to start. One that chose not to has not failed.
fn failed(reason: &ExitReason, never_started: bool) -> bool {
    never_started && *reason != ExitReason::Normal
}
