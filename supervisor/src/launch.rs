//! How a child is started, whatever actor it is: the part of a child that the pure core does not know.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorId, ActorRef, Context, Pid, StartError, Starting, Threads, Under, discard};

use crate::manager::Manager;

/// Starts one child, again and again.
pub(crate) trait Launch: Send {
    /// Begins its next incarnation as a child of the supervisor whose context this is, on these threads.
    fn launch(&mut self, cx: &Context<Manager>, threads: Threads) -> Result<Starting, StartError>;
    /// The slot rests: senders are refused. `gone`: it will not be started again.
    fn close(&self, cx: &Context<Manager>, gone: bool);
    /// Throws away what is queued.
    fn flush(&self, cx: &Context<Manager>);
    /// It will not be started again before then: who has less time is told.
    fn postpone(&self, cx: &Context<Manager>, until: Duration);
    /// An incarnation that is left of an earlier life of this supervisor and still runs in the slot.
    fn leftover(&self, cx: &Context<Manager>) -> Option<Pid>;
    /// Tells it where in the tree it is.
    fn settle(&mut self, path: &str);
    /// The same child, for the next life of its supervisor.
    fn again(&self) -> Launcher;
    /// How long its `init` may take.
    fn start_within(&self) -> Duration;
    /// Its place, which its incarnations share.
    fn id(&self) -> ActorId;
    /// The incarnation that was started last.
    fn pid(&self) -> Pid;
}

/// What starts a child. It keeps arguments of the user's: whatever their destructors do, whoever drops it goes on.
pub(crate) struct Launcher(Option<Box<dyn Launch>>);

impl Launcher {
    pub(crate) fn new(launch: impl Launch + 'static) -> Self {
        Self(Some(Box::new(launch)))
    }
}

impl Deref for Launcher {
    type Target = dyn Launch;

    fn deref(&self) -> &(dyn Launch + 'static) {
        self.0.as_deref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Launcher {
    fn deref_mut(&mut self) -> &mut (dyn Launch + 'static) {
        self.0.as_deref_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

/// How long a start may take unless the child says otherwise.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(60);

/// A child in a slot of the user's, with arguments that can be had again.
pub(crate) struct Static<A: Actor> {
    pub(crate) slot: ActorRef<A>,
    pub(crate) args: A::Args,
    pub(crate) start_within: Duration,
    /// What a supervisor among the children does with its path.
    pub(crate) settle: fn(&mut A::Args, &str),
    /// This supervisor has started it: it is its own to close.
    pub(crate) begun: bool,
}

const BELOW: Under = Under { parent: true, link: true };

impl<A: Actor> Launch for Static<A>
where
    A::Args: Clone,
{
    fn launch(&mut self, cx: &Context<Manager>, threads: Threads) -> Result<Starting, StartError> {
        let starting = cx.begin_with(threads, &self.slot, || self.args.clone(), BELOW)?;
        self.begun = true;
        Ok(starting)
    }

    fn close(&self, cx: &Context<Manager>, gone: bool) {
        // The slot is the user's: a later life of the supervisor starts it again, or another supervisor does.
        if self.begun {
            cx.close(&self.slot, false);
            if gone {
                cx.release(&self.slot);
            }
        }
    }

    fn flush(&self, cx: &Context<Manager>) {
        cx.flush(&self.slot);
    }

    fn postpone(&self, cx: &Context<Manager>, until: Duration) {
        cx.postpone(&self.slot, until);
    }

    fn leftover(&self, cx: &Context<Manager>) -> Option<Pid> {
        left_over(&self.slot, cx)
    }

    fn settle(&mut self, path: &str) {
        (self.settle)(&mut self.args, path);
    }

    fn again(&self) -> Launcher {
        Launcher::new(Self {
            slot: self.slot.clone(),
            args: self.args.clone(),
            start_within: self.start_within,
            settle: self.settle,
            begun: false,
        })
    }

    fn start_within(&self) -> Duration {
        self.start_within
    }

    fn id(&self) -> ActorId {
        self.slot.id()
    }

    fn pid(&self) -> Pid {
        self.slot.pid()
    }
}

/// A child that came later, whose slot is its supervisor's. There may be a million: it is small.
pub(crate) struct Own<A: Actor> {
    slot: ActorRef<A>,
    args: A::Args,
    /// In nanoseconds: a limit of more than five centuries is none.
    start_within: u64,
}

impl<A: Actor> Own<A> {
    pub(crate) fn new(slot: ActorRef<A>, args: A::Args, start_within: Duration) -> Self {
        Self { slot, args, start_within: u64::try_from(start_within.as_nanos()).unwrap_or(u64::MAX) }
    }
}

impl<A: Actor> Launch for Own<A>
where
    A::Args: Clone,
{
    fn launch(&mut self, cx: &Context<Manager>, threads: Threads) -> Result<Starting, StartError> {
        cx.begin_with(threads, &self.slot, || self.args.clone(), BELOW)
    }

    fn close(&self, cx: &Context<Manager>, gone: bool) {
        cx.close(&self.slot, gone);
    }

    fn flush(&self, cx: &Context<Manager>) {
        cx.flush(&self.slot);
    }

    fn postpone(&self, cx: &Context<Manager>, until: Duration) {
        cx.postpone(&self.slot, until);
    }

    fn leftover(&self, cx: &Context<Manager>) -> Option<Pid> {
        left_over(&self.slot, cx)
    }

    fn settle(&mut self, _path: &str) {}

    fn again(&self) -> Launcher {
        Launcher::new(Self { slot: self.slot.clone(), args: self.args.clone(), start_within: self.start_within })
    }

    fn start_within(&self) -> Duration {
        Duration::from_nanos(self.start_within)
    }

    fn id(&self) -> ActorId {
        self.slot.id()
    }

    fn pid(&self) -> Pid {
        self.slot.pid()
    }
}

/// An incarnation of an earlier life of this supervisor that still runs in a slot.
fn left_over<A: Actor>(slot: &ActorRef<A>, cx: &Context<Manager>) -> Option<Pid> {
    let pid = slot.pid();
    let parent = cx.system().inspect(pid).filter(|actor| actor.pid == pid)?.parent?;
    (parent.id == cx.pid().id && parent.incarnation < cx.pid().incarnation).then_some(pid)
}

/// A child whose arguments can be used once: it is never restarted.
pub(crate) struct Once<A: Actor> {
    pub(crate) slot: ActorRef<A>,
    pub(crate) args: Option<A::Args>,
    pub(crate) start_within: Duration,
}

impl<A: Actor> Launch for Once<A> {
    fn launch(&mut self, cx: &Context<Manager>, threads: Threads) -> Result<Starting, StartError> {
        match self.args.take() {
            Some(args) => cx.begin_on(threads, &self.slot, args, BELOW),
            // Used up: it declines, and its supervisor drops it.
            None => Err(StartError::Ignored),
        }
    }

    fn close(&self, cx: &Context<Manager>, gone: bool) {
        cx.close(&self.slot, gone);
    }

    fn flush(&self, cx: &Context<Manager>) {
        cx.flush(&self.slot);
    }

    fn postpone(&self, cx: &Context<Manager>, until: Duration) {
        cx.postpone(&self.slot, until);
    }

    fn leftover(&self, _cx: &Context<Manager>) -> Option<Pid> {
        None
    }

    fn settle(&mut self, _path: &str) {}

    fn again(&self) -> Launcher {
        Launcher::new(Self { slot: self.slot.clone(), args: None, start_within: self.start_within })
    }

    fn start_within(&self) -> Duration {
        self.start_within
    }

    fn id(&self) -> ActorId {
        self.slot.id()
    }

    fn pid(&self) -> Pid {
        self.slot.pid()
    }
}

/// Children of one supervisor, shared by its incarnations.
pub(crate) struct Launchers(pub(crate) Vec<Launcher>);

impl Clone for Launchers {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(|launcher| launcher.again()).collect())
    }
}

/// The path of a child below `path`.
pub(crate) fn below(path: &str, id: &str) -> Arc<str> {
    format!("{path}/{id}").into()
}
