//! The shell: an ordinary actor that feeds the core with events and carries its actions out.
//!
//! Like OTP's supervisor it is one process that does one thing at a time: while a child is being started or stopped
//! its handler awaits that, and calls and exit signals wait in its mailbox and lane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crashworthy_runtime::{
    Actor, ActorRef, AskError, Callback, Context, Exit, ExitReason, Kept, Message, MonitorRef, Pid, Reply, Signal,
    StartError, State, Straggler, System, Threads, TimerRef,
};

use crate::child_spec::{ChildSpec, Kind, Rule, Shutdown};
use crate::clerk::Clerk;
use crate::core::{Action, CallError, CallId, ChildKey, Core, Event, ExitSignal, Request, Response, Spec};
use crate::init::Init;
use crate::launch::{Launch, Launcher, Launchers, below};
use crate::reap::{Reaper, Stuck, outwait, reap, within};
use crate::register::Registered;
use crate::roster::Roster;
use crate::tree::{MAX_DEPTH, Members, Tree};

/// What every incarnation of a supervisor starts from.
#[derive(Clone)]
pub(crate) struct Blueprint {
    /// Where in the tree it is: names from the root, with `/` between.
    pub(crate) path: Arc<str>,
    pub(crate) tree: Tree,
    /// How to start the static children, in start order.
    pub(crate) launchers: Launchers,
    /// What is done before they are.
    pub(crate) init: Init,
}

/// The answer to a call.
pub(crate) type Answer = Response<Pid, ExitReason>;

/// What a supervisor is asked.
pub(crate) enum Order {
    /// A request of the management API that brings no child.
    Manage { request: Request<Pid>, reply: Reply<Answer> },
    /// Adds a named child, which is the top of so many levels of supervisors.
    StartChild { spec: ChildSpec, levels: usize, launch: Launcher, reply: Reply<Answer> },
    /// Adds a child to a dynamic supervisor, perhaps with a specification of its own, and so many levels.
    StartDynamic { own: Option<Box<ChildSpec>>, levels: usize, launch: Launcher, reply: Reply<Answer> },
    /// Its own: a wait before a restart is over, if it was not cancelled.
    Look,
}

impl Message for Order {
    fn kind(&self) -> &'static str {
        match self {
            Self::Manage { .. } => "Manage",
            Self::StartChild { .. } => "StartChild",
            Self::StartDynamic { .. } => "StartDynamic",
            Self::Look => "Look",
        }
    }
}

/// Asks a supervisor something. Whoever finds its mailbox full waits for room, as OTP's callers would, first come, first served.
pub(crate) async fn request(
    slot: &ActorRef<Manager>,
    order: impl FnOnce(Reply<Answer>) -> Order,
    within: Duration,
) -> Result<Answer, AskError> {
    let room = slot.admitted(within).await.map_err(AskError::Refused)?;
    room.ask(order).await
}

/// One incarnation of one supervisor.
pub(crate) struct Manager {
    path: Arc<str>,
    core: Core<Pid, ExitReason>,
    clerk: Clerk,
    registered: Registered,
    roster: Roster,
    /// Names of the children, for paths in texts.
    names: BTreeMap<Pid, Arc<str>>,
    calls: BTreeMap<CallId, Reply<Answer>>,
    next_call: u64,
    reaper: Reaper,
    phase: Phase,
    /// Where children run that say nothing else, and what keeps that as it is.
    threads: Threads,
    _kept: Option<Kept>,
    /// A restart that failed, until whatever had arrived before has been read.
    failed: Option<(MonitorRef, Event<Pid, ExitReason>)>,
    /// When it is to look whether a wait is over.
    alarm: Option<(Duration, TimerRef)>,
}

/// How far its life has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The children are being started for the first time.
    Starting,
    Running,
    /// Nothing is started any more.
    Ending,
}

impl Actor for Manager {
    type Args = Blueprint;
    type Msg = Order;

    async fn init(blueprint: Blueprint, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(true);
        // Nobody sees a supervisor that declines.
        blueprint.init.run()?;
        let clerk = Clerk::new(&blueprint, cx);
        let registered = Registered::new(&cx.system(), cx.pid(), &blueprint.path, &blueprint.tree);
        let (threads, kept) = threads_below(&blueprint, cx)?;
        let mut manager =
            Self { threads, _kept: kept, ..Self::new(blueprint, clerk, registered, cx.system().random())? };
        manager.core.handle(cx.system().now(), Event::Begin);
        match manager.carry_out(cx).await {
            Some(reason) => Err(Exit::because(reason)),
            None => Ok(manager),
        }
    }

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> Result<(), Exit> {
        let (request, reply) = match order {
            Order::Manage { request, reply } => (request, reply),
            Order::StartChild { levels, reply, .. } | Order::StartDynamic { levels, reply, .. }
                if self.is_too_deep(levels) =>
            {
                reply.send(Response::Refused(CallError::Invalid(Rule::TooDeep { max: MAX_DEPTH })));
                return Ok(());
            }
            Order::StartChild { spec, mut launch, reply, .. } => {
                launch.launch_mut().settle(&crate::launch::below(&self.path, &spec.id));
                let child = self.core.next_key();
                launch.join(&mut self.roster, child);
                (Request::StartChild { child, spec }, reply)
            }
            Order::StartDynamic { own, mut launch, reply, .. } => {
                if let Some(own) = &own {
                    launch.launch_mut().settle(&crate::launch::below(&self.path, &own.id));
                }
                let child = self.core.next_key();
                launch.join(&mut self.roster, child);
                (Request::StartDynamic { child, own: own.map(|own| *own) }, reply)
            }
            Order::Look => {
                self.alarm = None;
                return self.feed(Event::Timeout, cx).await;
            }
        };
        let call = CallId(self.next_call);
        self.next_call += 1;
        self.calls.insert(call, reply);
        self.feed(Event::Call(call, request), cx).await
    }

    async fn on_signal(&mut self, signal: Signal, cx: &mut Context<Self>) -> Result<(), Exit> {
        match signal {
            Signal::Exit { from, reason } => {
                let fed = self.feed(Event::Exited { pid: from, reason }, cx).await;
                self.names.remove(&from);
                fed
            }
            Signal::Down(down) => match self.failed.take_if(|(monitor, _)| *monitor == down.monitor) {
                Some((_, event)) => self.feed(event, cx).await,
                None => Ok(()),
            },
        }
    }

    /// The parent asked it to stop (its exit never reaches `on_signal`), or it has given up and ended its children.
    async fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self>) {
        self.phase = Phase::Ending;
        self.core.handle(cx.system().now(), Event::ParentExit { reason: reason.clone() });
        if let Some((_, event)) = self.failed.take() {
            self.core.handle(cx.system().now(), event);
        }
        // The reason is the one it was stopped with: nothing is left to decide.
        let _ = self.carry_out(cx).await;
    }
}

impl Manager {
    fn new(blueprint: Blueprint, clerk: Clerk, registered: Registered, seed: u64) -> Result<Self, Exit> {
        let Blueprint { path, tree, launchers: brought, .. } = blueprint;
        let mut roster = Roster::default();
        for (key, launcher) in (0..).zip(brought.0) {
            launcher.join(&mut roster, ChildKey(key));
        }
        let spec = match tree.members {
            Members::Dynamic { template, max_children } => Spec::dynamic(tree.flags, template, max_children),
            named => Spec::new(tree.flags, named.specs()),
        };
        Ok(Self {
            path,
            core: Core::new(spec?).seeded(seed),
            clerk,
            registered,
            roster,
            names: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            reaper: Reaper::new(),
            phase: Phase::Starting,
            threads: Threads::Inherited,
            _kept: None,
            failed: None,
            alarm: None,
        })
    }

    /// Whether so many levels of supervisors below this one would be too many.
    fn is_too_deep(&self, levels: usize) -> bool {
        self.path.split('/').count() + levels > MAX_DEPTH
    }

    async fn feed(&mut self, event: Event<Pid, ExitReason>, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.core.handle(cx.system().now(), event);
        match self.carry_out(cx).await {
            Some(reason) => Err(Exit::because(reason)),
            None => {
                self.set_alarm(cx);
                Ok(())
            }
        }
    }

    /// The core is to be woken when the next wait is over.
    fn set_alarm(&mut self, cx: &mut Context<Self>) {
        let due = self.core.poll_timeout();
        if due == self.alarm.map(|(at, _)| at) {
            return;
        }
        if let Some((_, timer)) = self.alarm.take() {
            cx.cancel(timer);
        }
        self.alarm = due.map(|at| (at, cx.send_after(at.saturating_sub(cx.system().now()), Order::Look)));
    }

    /// Tells the register how things stand. What was counted comes first: whoever sees that an end is settled sees it counted.
    fn register(&mut self) {
        self.registered.look(&self.core);
        for counted in self.core.take_counted() {
            let fate = self.core.fate(self.core.flags().strategy.fate(counted));
            self.registered.settle(fate.filter_map(|child| self.roster.get(child)).map(Launch::pid));
        }
    }

    /// Carries actions out until the core waits for nothing, or ends.
    async fn carry_out(&mut self, cx: &mut Context<Self>) -> Option<ExitReason> {
        loop {
            self.register();
            while let Some(action) = self.core.poll_action() {
                // Whoever sees a child come back sees its restart counted.
                self.register();
                match action {
                    Action::Start { child, .. } => {
                        let event = self.start(child, cx).await;
                        if self.phase == Phase::Running && matches!(event, Event::StartFailed { .. }) {
                            self.failed = Some((remind(cx), event));
                            return None;
                        }
                        self.core.handle(cx.system().now(), event);
                    }
                    Action::Exit { reason } => return Some(reason),
                    other => self.act(other, cx),
                }
            }
            if self.reaper.is_empty() {
                return None;
            }
            let stuck = if self.phase == Phase::Ending { Stuck::IsLeftBehind } else { Stuck::Escalates };
            let event = match self.reaper.next(cx, self.core.poll_timeout(), stuck).await {
                Ok(Some(down)) => {
                    self.note(&down.straggler, cx);
                    Event::Down { pid: down.pid, reason: cx.take_exit(down.pid).unwrap_or(down.reason) }
                }
                Ok(None) => Event::Timeout,
                Err(stuck) => return Some(stuck),
            };
            self.core.handle(cx.system().now(), event);
        }
    }

    fn act(&mut self, action: Action<Pid, ExitReason>, cx: &mut Context<Self>) {
        match action {
            Action::Start { .. } | Action::Exit { .. } => unreachable!("carried out by the loop"),
            Action::Monitor { pid } => self.reaper.watch(pid, cx),
            Action::Signal { pid, signal } => match signal {
                ExitSignal::Shutdown => self.reaper.ask(pid, cx),
                ExitSignal::Kill => self.reaper.kill(pid, self.path_of(pid), cx),
            },
            Action::Unlink { pid } => {
                cx.unlink(pid);
                // Its exit signal, if it came, was preferred to the monitor's word already.
                cx.take_exit(pid);
                let name = self.names.remove(&pid);
                if let Some(crash) = cx.take_crash(pid) {
                    self.clerk.crashed_while_stopped(pid, name, crash, self.core.budget(cx.system().now()));
                }
            }
            Action::Flush { child } => self.launch(child).flush(cx),
            Action::Postpone { child, until } => self.launch(child).postpone(cx, until),
            Action::Close { child } => self.launch(child).close(cx, false),
            Action::Forget { child } => {
                if let Some(launch) = self.roster.get(child) {
                    self.registered.forget(launch.id());
                    launch.close(cx, true);
                }
                self.roster.remove(child);
            }
            Action::Report(report) => self.clerk.report(report, cx),
            Action::Reply(call, mut response) => {
                if let Response::Refused(CallError::StartFailed(_)) = response {
                    self.clerk.start_refused(self.core.budget(cx.system().now()), cx);
                }
                if let Response::Counts(counts) = &mut response {
                    let dead = counts.check.drain(..).filter(|pid| !lives(*pid, cx));
                    counts.active -= dead.count();
                }
                if let Some(reply) = self.calls.remove(&call) {
                    reply.send(response);
                }
            }
            Action::Ready => self.phase = Phase::Running,
        }
    }

    fn launch(&self, child: ChildKey) -> &dyn Launch {
        self.roster.get(child).expect(BROUGHT)
    }

    /// Starts a child and waits for its `init`, for at most as long as it may take.
    async fn start(&mut self, child: ChildKey, cx: &mut Context<Self>) -> Event<Pid, ExitReason> {
        if self.phase == Phase::Ending {
            return Event::StartFailed { child, reason: ExitReason::Shutdown };
        }
        let threads = self.threads_of(child);
        let limit = self.roster.start_within(child).expect(BROUGHT);
        let launch = self.roster.get_mut(child).expect(BROUGHT);
        let mut started = launch.launch(cx, threads.clone());
        if matches!(started, Err(StartError::SlotTaken(_))) {
            if let Some(pid) = launch.leftover(cx) {
                // A child of this supervisor's life before, which was killed: its link has told it to end.
                let patience = match self.core.specification(child).map(|spec| spec.shutdown) {
                    Some(Shutdown::Within(limit)) => limit,
                    Some(Shutdown::Unlimited) => limit,
                    Some(Shutdown::BrutalKill) | None => Duration::ZERO,
                };
                let late = outwait(pid, &self.path_below(child, pid), patience, cx).await;
                self.note(&late, cx);
            }
            // A child that was left may also have ended between the two looks.
            started = self.roster.get_mut(child).expect(BROUGHT).launch(cx, threads);
        }
        let mut starting = match started {
            Ok(starting) => starting,
            Err(StartError::Ignored) => return Event::Ignored { child },
            Err(StartError::Failed(reason)) => return Event::StartFailed { child, reason },
            Err(error) => return Event::StartFailed { child, reason: in_init(error.to_string()) },
        };
        let pid = starting.pid();
        if let Some(spec) = self.core.specification(child) {
            self.registered.begins(pid.id, spec.restart, spec.significant);
        }
        match within(&cx.system(), limit, starting.ready()).await {
            Some(Ok(pid)) => {
                if let Some(name) = self.core.child(child).and_then(|info| info.id) {
                    self.names.insert(pid, name);
                }
                Event::Started { child, pid }
            }
            Some(Err(StartError::Ignored)) => Event::Ignored { child },
            Some(Err(StartError::Failed(reason))) => {
                self.clerk.start_failed(pid, self.core.child(child).and_then(|info| info.id));
                Event::StartFailed { child, reason }
            }
            Some(Err(error)) => Event::StartFailed { child, reason: in_init(error.to_string()) },
            None => {
                let late = reap(pid, &self.path_below(child, pid), limit, &cx.system()).await;
                self.note(&late, cx);
                self.clerk.start_failed(pid, self.core.child(child).and_then(|info| info.id));
                Event::StartFailed { child, reason: not_ready(limit) }
            }
        }
    }

    /// Where a child runs: where it says, or where all do.
    fn threads_of(&self, child: ChildKey) -> Threads {
        let Some(spec) = self.core.specification(child) else { return self.threads.clone() };
        match (&spec.threads, spec.kind) {
            // It says so of those below it.
            (_, Kind::Supervisor) | (Threads::Inherited, _) => self.threads.clone(),
            (Threads::Bulkhead(bulkhead), _) => Threads::Bulkhead(bulkhead.clone().at(&below(&self.path, &spec.id))),
            // This supervisor does not run in its bulkhead: it is said to those who are to pass it on.
            (Threads::Own, _) => match &self.threads {
                Threads::Bulkhead(bulkhead) => Threads::OwnBeside(bulkhead.clone()),
                _ => Threads::Own,
            },
            (Threads::OwnBeside(bulkhead), _) => Threads::OwnBeside(bulkhead.clone().at(&below(&self.path, &spec.id))),
        }
    }

    fn path_of(&self, pid: Pid) -> String {
        match self.names.get(&pid) {
            Some(name) => format!("{}/{name}", self.path),
            None => format!("{}/{pid}", self.path),
        }
    }

    /// The path of a child that has not started.
    fn path_below(&self, child: ChildKey, pid: Pid) -> String {
        match self.core.child(child).and_then(|info| info.id) {
            Some(name) => format!("{}/{name}", self.path),
            None => format!("{}/{pid}", self.path),
        }
    }

    fn note(&self, straggler: &Option<Straggler>, cx: &Context<Self>) {
        if let Some(straggler) = straggler {
            tracing::warn!(supervisor = &*self.path, "{straggler}");
            cx.system().note_straggler(straggler.clone());
        }
    }
}

/// Of a child that the core names.
const BROUGHT: &str = "the core names children that were brought";

/// Why a start has failed that never came to run the author's `init`, or did not come back from it.
fn in_init(message: String) -> ExitReason {
    ExitReason::crashed_in(Callback::Init, message)
}

fn not_ready(limit: Duration) -> ExitReason {
    in_init(format!("not ready within {limit:?}"))
}

/// Starts a supervisor as the top of its tree, and waits for its children for at most as long as they may take together.
pub(crate) async fn start_top(
    system: &System,
    slot: &ActorRef<Manager>,
    blueprint: Blueprint,
    limit: Duration,
) -> Result<Pid, StartError> {
    let path = blueprint.path.clone();
    match within(system, limit, system.start_top(slot, blueprint)).await {
        Some(started) => started,
        None => {
            // The children that it has started go with it: they are linked to it.
            if let Some(late) = reap(slot.pid(), &path, limit, system).await {
                tracing::warn!(supervisor = &*path, "{late}");
            }
            Err(StartError::Failed(not_ready(limit)))
        }
    }
}

/// Where the children of a supervisor run that say nothing else.
fn threads_below(blueprint: &Blueprint, cx: &Context<Manager>) -> Result<(Threads, Option<Kept>), StartError> {
    match &blueprint.tree.spec.threads {
        Threads::Bulkhead(bulkhead) => {
            let bulkhead = bulkhead.clone().at(&blueprint.path);
            let kept = cx.keep_bulkhead(&bulkhead)?;
            Ok((Threads::Bulkhead(bulkhead), Some(kept)))
        }
        Threads::Inherited | Threads::Own | Threads::OwnBeside(_) => Ok((Threads::Inherited, None)),
    }
}

/// Has a `Down` of nobody arrive behind everything that has arrived so far: what OTP's supervisor does with a message
/// to itself. It has a place of its own, however full the mailbox is.
fn remind(cx: &mut Context<Manager>) -> MonitorRef {
    cx.monitor(Pid::OUTSIDE)
}

/// Whether this incarnation has not ended.
fn lives(pid: Pid, cx: &Context<Manager>) -> bool {
    let over = |state| matches!(state, State::NotStarted | State::Restarting | State::Stopped | State::Gone);
    cx.system().inspect(pid).is_some_and(|actor| actor.pid == pid && !over(actor.state))
}
