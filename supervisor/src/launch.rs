//! How a child is started, whatever actor it is: the part of a child that the pure core does not know.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorId, ActorRef, Context, Pid, StartError, Starting, Threads, Under, discard};

use crate::core::ChildKey;
use crate::manager::Manager;
use crate::roster::Roster;

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
    fn again(&self) -> Box<dyn Launch>;
    /// Has the supervisor keep it, among those that are like it or alone.
    fn join(self: Box<Self>, roster: &mut Roster, key: ChildKey, start_within: Duration);
    /// Its place, which its incarnations share.
    fn id(&self) -> ActorId;
    /// The incarnation that was started last.
    fn pid(&self) -> Pid;
}

/// What starts a child.
pub(crate) struct Launcher {
    launch: Contained<Box<dyn Launch>>,
    /// How long its `init` may take.
    start_within: Duration,
}

impl Launcher {
    pub(crate) fn new(launch: impl Launch + 'static, start_within: Duration) -> Self {
        Self::of(Box::new(launch), start_within)
    }

    pub(crate) fn of(launch: Box<dyn Launch>, start_within: Duration) -> Self {
        Self { launch: Contained::new(launch), start_within }
    }

    pub(crate) fn launch(&self) -> &dyn Launch {
        &**self.launch
    }

    pub(crate) fn launch_mut(&mut self) -> &mut dyn Launch {
        &mut **self.launch
    }

    pub(crate) fn start_within(&self) -> Duration {
        self.start_within
    }

    /// Has the supervisor keep it.
    pub(crate) fn join(self, roster: &mut Roster, key: ChildKey) {
        self.launch.into_inner().join(roster, key, self.start_within);
    }
}

/// Something with arguments of the user's in it: whatever their destructors do, whoever drops it goes on.
struct Contained<T>(Option<T>);

/// There until it is dropped.
const THERE: &str = "it is there until it is dropped";

impl<T> Contained<T> {
    fn new(thing: T) -> Self {
        Self(Some(thing))
    }

    fn into_inner(mut self) -> T {
        self.0.take().expect(THERE)
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(THERE)
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(THERE)
    }
}

impl<T> Drop for Contained<T> {
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

    fn again(&self) -> Box<dyn Launch> {
        let (slot, args, settle) = (self.slot.clone(), self.args.clone(), self.settle);
        Box::new(Self { slot, args, settle, begun: false })
    }

    fn join(self: Box<Self>, roster: &mut Roster, key: ChildKey, start_within: Duration) {
        roster.add_alone(key, Launcher::of(self, start_within));
    }

    fn id(&self) -> ActorId {
        self.slot.id()
    }

    fn pid(&self) -> Pid {
        self.slot.pid()
    }
}

/// A slot of a supervisor's own, and what its actor is started with.
struct Room<A: Actor, T> {
    slot: ActorRef<A>,
    args: T,
}

/// A child that came later, whose slot is its supervisor's. There may be a million: it is small, and lies among those
/// that are like it.
pub(crate) struct Own<A: Actor>(Contained<Room<A, A::Args>>);

impl<A: Actor> Own<A> {
    pub(crate) fn new(slot: ActorRef<A>, args: A::Args) -> Self {
        Self(Contained::new(Room { slot, args }))
    }
}

impl<A: Actor> Launch for Own<A>
where
    A::Args: Clone,
{
    fn launch(&mut self, cx: &Context<Manager>, threads: Threads) -> Result<Starting, StartError> {
        cx.begin_with(threads, &self.0.slot, || self.0.args.clone(), BELOW)
    }

    fn close(&self, cx: &Context<Manager>, gone: bool) {
        cx.close(&self.0.slot, gone);
    }

    fn flush(&self, cx: &Context<Manager>) {
        cx.flush(&self.0.slot);
    }

    fn postpone(&self, cx: &Context<Manager>, until: Duration) {
        cx.postpone(&self.0.slot, until);
    }

    fn leftover(&self, cx: &Context<Manager>) -> Option<Pid> {
        left_over(&self.0.slot, cx)
    }

    fn settle(&mut self, _path: &str) {}

    fn again(&self) -> Box<dyn Launch> {
        Box::new(Self::new(self.0.slot.clone(), self.0.args.clone()))
    }

    fn join(self: Box<Self>, roster: &mut Roster, key: ChildKey, start_within: Duration) {
        roster.add(key, self, start_within);
    }

    fn id(&self) -> ActorId {
        self.0.slot.id()
    }

    fn pid(&self) -> Pid {
        self.0.slot.pid()
    }
}

/// An incarnation of an earlier life of this supervisor that still runs in a slot.
fn left_over<A: Actor>(slot: &ActorRef<A>, cx: &Context<Manager>) -> Option<Pid> {
    let pid = slot.pid();
    let parent = cx.system().inspect(pid).filter(|actor| actor.pid == pid)?.parent?;
    (parent.id == cx.pid().id && parent.incarnation < cx.pid().incarnation).then_some(pid)
}

/// A child whose arguments can be used once: it is never restarted. When they are used, what is left of it is its slot.
pub(crate) struct Once<A: Actor>(Contained<Room<A, Option<Box<A::Args>>>>);

impl<A: Actor> Once<A> {
    pub(crate) fn new(slot: ActorRef<A>, args: A::Args) -> Self {
        Self(Contained::new(Room { slot, args: Some(Box::new(args)) }))
    }
}

impl<A: Actor> Launch for Once<A> {
    fn launch(&mut self, cx: &Context<Manager>, threads: Threads) -> Result<Starting, StartError> {
        match self.0.args.take() {
            Some(args) => cx.begin_on(threads, &self.0.slot, *args, BELOW),
            // Used up: it declines, and its supervisor drops it.
            None => Err(StartError::Ignored),
        }
    }

    fn close(&self, cx: &Context<Manager>, gone: bool) {
        cx.close(&self.0.slot, gone);
    }

    fn flush(&self, cx: &Context<Manager>) {
        cx.flush(&self.0.slot);
    }

    fn postpone(&self, cx: &Context<Manager>, until: Duration) {
        cx.postpone(&self.0.slot, until);
    }

    fn leftover(&self, _cx: &Context<Manager>) -> Option<Pid> {
        None
    }

    fn settle(&mut self, _path: &str) {}

    fn again(&self) -> Box<dyn Launch> {
        Box::new(Self(Contained::new(Room { slot: self.0.slot.clone(), args: None })))
    }

    fn join(self: Box<Self>, roster: &mut Roster, key: ChildKey, start_within: Duration) {
        roster.add(key, self, start_within);
    }

    fn id(&self) -> ActorId {
        self.0.slot.id()
    }

    fn pid(&self) -> Pid {
        self.0.slot.pid()
    }
}

/// Children of one supervisor, shared by its incarnations.
pub(crate) struct Launchers(pub(crate) Vec<Launcher>);

impl Clone for Launchers {
    fn clone(&self) -> Self {
        let again = |launcher: &Launcher| Launcher::of(launcher.launch().again(), launcher.start_within());
        Self(self.0.iter().map(again).collect())
    }
}

/// The path of a child below `path`.
pub(crate) fn below(path: &str, id: &str) -> Arc<str> {
    format!("{path}/{id}").into()
}
