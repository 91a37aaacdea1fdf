//! Asking an actor for a view, beside its messages: whoever asks at the same time is answered together.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::StateView;
use super::viewer::shown_by;
use crate::actor::Actor;
use crate::cell::{ActorCell, AnyCell, flag};
use crate::crash::{contain, tell};
use crate::exit::Callback;
use crate::pid::Pid;
use crate::port::nanos;
use crate::report::millis::{self, whole};
use crate::report::shortened;
use crate::system::System;
use crate::time::Nap;
use crate::turn;

/// Bytes of what a view panicked with, at most.
const MESSAGE: usize = 512;

/// Why nothing is seen of an actor's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViewError {
    /// No such incarnation lives.
    NotRunning,
    /// It had no turn for it in time: this is what it does instead.
    Busy {
        /// The callback that runs or awaits; none, if it only waits for a turn.
        callback: Option<Callback>,
        /// The kind of the message in hand.
        message: Option<String>,
        /// For how long, to a millisecond or so.
        #[serde(rename = "held_ms", with = "millis")]
        held: Duration,
    },
    /// [`Actor::view`] panicked with this. The actor goes on.
    Panicked(String),
    /// The incarnation ended first.
    Ended,
}

type Answer = Result<Arc<StateView>, ViewError>;

/// Those who have asked and are not answered yet.
pub(crate) type Asked = watch::Sender<Option<Answer>>;

/// State.
impl System {
    /// What an incarnation [shows](Actor::view) of its state, asked between two of its messages; an empty view, if its author shows
    /// nothing. A suspended actor is asked as any other.
    ///
    /// Whoever asks at the same time is answered together. An actor is asked ten times a second at most, and so seldom that views
    /// take a tenth of its time: that is waited for, inside of `within`.
    ///
    /// # Errors
    /// [`ViewError::Busy`] when `within` has passed: with what it is busy. The others at once.
    ///
    /// # Cancel safety
    /// Nothing is lost. An actor whose last asker has gone is not asked.
    ///
    /// # Examples
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # use crashworthy_runtime::{Actor, Context, Exit, View};
    /// use crashworthy_runtime::{Shown, System};
    /// use std::time::Duration;
    /// # struct Till(u64);
    /// # impl Actor for Till {
    /// #     type Args = u64; type Msg = ();
    /// #     async fn init(cents: u64, _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Till(cents)) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// #     fn view(&self, view: &mut View<'_>) { view.value("drawer", self.0); }
    /// # }
    ///
    /// let system = System::bare()?;
    /// let till = system.spawn::<Till>(100).await?;
    /// let view = system.view(till.pid(), Duration::from_secs(5)).await?;
    /// assert_eq!(view.find("drawer"), Some(&Shown::Count(100)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn view(&self, pid: Pid, within: Duration) -> Result<Arc<StateView>, ViewError> {
        let shared = &self.shared;
        let until = shared.port.now_ns().saturating_add(nanos(within));
        if turn::is_fenced() {
            return Err(ViewError::NotRunning);
        }
        let cell = shared.find(pid.id).ok_or(ViewError::NotRunning)?;
        // In this order: see `show`.
        let mut answer = ask(&*cell, pid).ok_or(ViewError::NotRunning)?;
        let due = shared.views.due(pid.id);
        let shown = async {
            if due > 0 {
                Nap::until(&shared.wheel, due).await;
            }
            // Whoever has asked before may not be there any more to do this.
            cell.core().raise(flag::VIEW);
            cell.wake();
            match answer.wait_for(Option::is_some).await {
                Ok(answer) => answer.clone().unwrap_or(Err(ViewError::Ended)),
                Err(_) => Err(ViewError::Ended),
            }
        };
        let (mut shown, mut late) = (pin!(shown), pin!(Nap::until(&shared.wheel, until)));
        tokio::select! {
            biased;
            answer = &mut shown => answer,
            () = &mut late => Err(busy(&*cell)),
        }
    }
}

/// Notes in the lane that somebody asks; nothing, if that incarnation does not live.
fn ask(cell: &dyn AnyCell, pid: Pid) -> Option<watch::Receiver<Option<Answer>>> {
    let core = cell.core();
    // Under this lock it stays this incarnation.
    let ties = core.ties.lock();
    if !ties.lives(pid.incarnation) {
        return None;
    }
    let mut control = core.control.lock();
    Some(control.lane().view.get_or_insert_with(|| watch::channel(None).0).subscribe())
}

fn busy(cell: &dyn AnyCell) -> ViewError {
    let core = cell.core();
    let callback = core.callback();
    let held = if callback.is_some() { whole(core.in_hand_for()) } else { Duration::ZERO };
    ViewError::Busy { callback, message: core.kind_in_hand().map(|kind| shortened(kind, MESSAGE).into_owned()), held }
}

/// Those who have asked, for whoever answers them.
fn take<A: Actor>(cell: &ActorCell<A>) -> Option<Asked> {
    let mut control = cell.core().control.lock();
    let asked = control.take_view();
    drop(control);
    asked.filter(|asked| asked.receiver_count() > 0)
}

/// Shows the state to those who have asked, if it is time: else they raise the flag again when it is. A panic of the author's is
/// an answer.
#[cold]
#[inline(never)]
pub(crate) fn show<A: Actor>(cell: &ActorCell<A>, state: &A) {
    let (core, shared) = (cell.core(), cell.core().shared());
    let began = shared.port.now_ns();
    // Before those who have asked are looked for: who comes too late to be among them sees when his time is.
    if !shared.views.begins(core.id(), began) {
        return;
    }
    let Some(asked) = take(cell) else { return };
    core.enters(Some(Callback::View));
    let Ok(shown) = cell.user(|| contain(|| shown_by(state, Some(&shared.port)))) else { return };
    cell.with_owner(|_| core.enters(None));
    let now = shared.port.now_ns();
    shared.views.took(core.id(), now, now.saturating_sub(began));
    let answer = shown.map(Arc::new).map_err(|panic| {
        let name = core.label();
        tracing::warn!(name, location = panic.location, "the view of an actor panicked: {}", panic.message);
        ViewError::Panicked(shortened(&panic.message, MESSAGE).into_owned())
    });
    tell(|| asked.send_replace(Some(answer)));
}

/// The same of who has no state.
pub(crate) fn decline<A: Actor>(cell: &ActorCell<A>) {
    if let Some(asked) = take(cell) {
        tell(|| asked.send_replace(Some(Ok(Arc::default()))));
    }
}
