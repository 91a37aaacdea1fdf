//! Children that write down what happens to them, a diary to read it in, and how a test ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crashworthy_runtime::{
    Actor, ActorRef, Context, Exit, ExitReason, Message, Reply, ShutdownReport, Slot, System, SystemSnapshot,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, mpsc};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// Nothing here takes longer, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(100);

/// What happened, in order.
pub(crate) struct Diary {
    pen: Pen,
    pages: mpsc::UnboundedReceiver<String>,
}

/// What one writes into a diary with.
#[derive(Clone)]
pub(crate) struct Pen(mpsc::UnboundedSender<String>);

impl Pen {
    pub(crate) fn write(&self, line: impl Into<String>) {
        let _ = self.0.send(line.into());
    }
}

impl Diary {
    pub(crate) fn new() -> Self {
        let (pen, pages) = mpsc::unbounded_channel();
        Self { pen: Pen(pen), pages }
    }

    pub(crate) fn pen(&self) -> Pen {
        self.pen.clone()
    }

    /// Waits until these lines have been written, and checks that they come in this order and nothing between them.
    #[track_caller]
    pub(crate) fn reads<'a>(&'a mut self, expected: &'a str) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            for line in expected.split(", ") {
                let next = tokio::time::timeout(PATIENCE, self.pages.recv()).await;
                let next = next.unwrap_or_else(|_| panic!("waited for `{line}` in vain, at {at}"));
                assert_eq!(next.as_deref(), Some(line), "expected `{expected}`, at {at}");
            }
        }
    }

    /// Waits for the next line, whatever it is.
    pub(crate) async fn next(&mut self) -> String {
        soon(self.pages.recv()).await.expect("the diary itself holds a pen")
    }

    /// Checks that nothing has been written since.
    #[track_caller]
    pub(crate) fn is_read(&mut self) {
        let more = self.pages.try_recv().ok();
        assert_eq!(more, None, "nothing more was expected");
    }
}

/// Waits for something that must happen.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("it did not happen in time, at {at}"))
    }
}

/// Lets others run until it is so.
#[track_caller]
pub(crate) fn until(mut so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let at = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < PATIENCE, "it did not come about in time, at {at}");
            tokio::task::yield_now().await;
        }
    }
}

/// The end of every test: stops the system, waits until it is quiet, and asserts the conservation law.
#[track_caller]
pub(crate) fn over(system: System) -> impl Future<Output = ShutdownReport> {
    let stopped = soon({
        let system = system.clone();
        async move { system.stop().await }
    });
    async move {
        let report = stopped.await;
        lawful(&system).await;
        report
    }
}

/// Waits until nothing is queued or in hand any more: then every message must have ended in exactly one way.
#[track_caller]
pub(crate) fn lawful(system: &System) -> impl Future<Output = ()> {
    let at = std::panic::Location::caller();
    let system = system.clone();
    async move {
        let begun = Instant::now();
        loop {
            let shot = system.snapshot();
            let quiet = shot.actors.iter().all(|actor| actor.law.in_hand == 0 && actor.law.queued == 0);
            if quiet && shot.law_holds() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "messages without an end, at {at}: {:#?}", laws(&shot));
            tokio::task::yield_now().await;
        }
    }
}

fn laws(shot: &SystemSnapshot) -> Vec<String> {
    shot.actors.iter().map(|actor| format!("{:?} {:?} {:?}", actor.name, actor.state, actor.law)).collect()
}

/// Where threads are held up until it is cleared, at the latest when the test ends.
pub(crate) struct Jam(Stop);

/// What holds a thread up.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Jam {
    pub(crate) fn new() -> Self {
        Self(Stop::default())
    }

    pub(crate) fn stop(&self) -> Stop {
        self.0.clone()
    }

    pub(crate) fn clear(&self) {
        let (clear, changed) = &*self.0.0;
        *clear.lock() = true;
        changed.notify_all();
    }
}

impl Drop for Jam {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Stop {
    /// Blocks this thread until the jam is cleared.
    pub(crate) fn here(&self) {
        let (clear, changed) = &*self.0;
        let mut clear = clear.lock();
        while !*clear {
            changed.wait(&mut clear);
        }
    }
}

/// What a child does at some moment of its n-th life.
pub(crate) type Script = Arc<dyn Fn(u32) + Send + Sync>;

/// A child of which everything is told by its arguments.
#[derive(Clone)]
pub(crate) struct Nurse {
    pub(crate) name: &'static str,
    pub(crate) pen: Pen,
    /// So many starts fail, beginning with the n-th.
    pub(crate) failing: (u32, u32),
    pub(crate) starts: Arc<AtomicU32>,
    pub(crate) traps: bool,
    /// `terminate` never returns.
    pub(crate) clings: bool,
    /// `init` does not return before it is told to.
    pub(crate) gate: Option<Arc<Notify>>,
    /// `terminate` does not return before it is told to.
    pub(crate) lingers: Option<Arc<Notify>>,
    /// `init` declines from the n-th start on.
    pub(crate) declines: u32,
    /// What `init` does before anything else.
    pub(crate) at_start: Option<Script>,
    /// What `terminate` does before anything else but writing.
    pub(crate) at_stop: Option<Script>,
    /// What the destructor of the state does.
    pub(crate) at_drop: Option<Script>,
}

impl Nurse {
    pub(crate) fn new(name: &'static str, diary: &Diary) -> Self {
        Self {
            name,
            pen: diary.pen(),
            failing: (u32::MAX, 0),
            starts: Arc::default(),
            traps: true,
            clings: false,
            gate: None,
            lingers: None,
            declines: u32::MAX,
            at_start: None,
            at_stop: None,
            at_drop: None,
        }
    }

    /// How often it was started so far.
    pub(crate) fn started(&self) -> u32 {
        self.starts.load(SeqCst)
    }
}

/// A slot and what its child is to be.
pub(crate) fn worker(name: &'static str, diary: &Diary) -> (Slot<Worker>, Nurse) {
    (Slot::named(name), Nurse::new(name, diary))
}

pub(crate) struct Worker {
    kit: Nurse,
    life: u32,
    counted: u32,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(script) = &self.kit.at_drop {
            script(self.life);
        }
    }
}

pub(crate) enum Job {
    /// Ends it by a panic.
    Crash,
    /// Ends it normally.
    Finish,
    /// Ends it with this reason.
    End(ExitReason),
    /// Counts.
    Count,
    /// How many were counted in this life.
    Counted(Reply<u32>),
    /// Fails it with this error.
    Fail(&'static str),
    /// Blocks its thread, once it has said that it does.
    Block(Pen, Stop),
    /// Awaits until told, once it has said that it does.
    Await(Pen, Arc<Notify>),
    /// Awaits the stop in its handler, once it has said that it does.
    AwaitStop(Pen),
    /// Passes it on, so many times.
    Pass(u32, ActorRef<Worker>),
}

impl Message for Job {
    fn kind(&self) -> &'static str {
        match self {
            Self::Crash => "Crash",
            Self::Finish => "Finish",
            Self::End(_) => "End",
            Self::Count => "Count",
            Self::Counted(_) => "Counted",
            Self::Fail(_) => "Fail",
            Self::Block(..) => "Block",
            Self::Await(..) => "Await",
            Self::AwaitStop(_) => "AwaitStop",
            Self::Pass(..) => "Pass",
        }
    }
}

impl Actor for Worker {
    type Args = Nurse;
    type Msg = Job;

    async fn init(kit: Nurse, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(kit.traps);
        let start = kit.starts.fetch_add(1, SeqCst) + 1;
        if let Some(script) = &kit.at_start {
            script(start);
        }
        let (first, many) = kit.failing;
        if start >= first && start - first < many {
            kit.pen.write(format!("{} fails", kit.name));
            return Err("no".into());
        }
        if start >= kit.declines {
            kit.pen.write(format!("{} declines", kit.name));
            return Err(Exit::ignore());
        }
        if let Some(gate) = &kit.gate {
            kit.pen.write(format!("{} waits", kit.name));
            gate.notified().await;
        }
        kit.pen.write(format!("+{}", kit.name));
        Ok(Self { kit, life: start, counted: 0 })
    }

    async fn handle(&mut self, job: Job, cx: &mut Context<Self>) -> Result<(), Exit> {
        match job {
            Job::Crash => panic!("told to crash"),
            Job::Finish => return Err(Exit::normal()),
            Job::End(reason) => return Err(Exit::because(reason)),
            Job::Count => self.counted += 1,
            Job::Counted(reply) => reply.send(self.counted),
            Job::Fail(error) => return Err(error.into()),
            Job::Block(pen, stop) => {
                pen.write("blocks");
                stop.here();
            }
            Job::Await(pen, until) => {
                pen.write("awaits");
                until.notified().await;
            }
            Job::AwaitStop(pen) => {
                pen.write("awaits");
                cx.stopping().await;
            }
            Job::Pass(0, _) => self.counted += 1,
            Job::Pass(left, to) => to.tell(Job::Pass(left - 1, cx.address()))?,
        }
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        let why = match reason {
            ExitReason::Crashed(_) => "crashed".to_owned(),
            other => other.to_string(),
        };
        self.kit.pen.write(format!("-{} {why}", self.kit.name));
        if let Some(script) = &self.kit.at_stop {
            script(self.life);
        }
        if self.kit.clings {
            std::future::pending::<()>().await;
        }
        if let Some(lingers) = &self.kit.lingers {
            lingers.notified().await;
            self.kit.pen.write(format!("{} is done", self.kit.name));
        }
    }
}

/// How many this life has counted.
pub(crate) async fn counted(worker: &ActorRef<Worker>) -> u32 {
    soon(worker.ask(Job::Counted)).await.expect("it answers")
}

/// Makes it await in a handler, and waits until it does.
pub(crate) async fn held(worker: &ActorRef<Worker>, diary: &mut Diary) -> Arc<Notify> {
    let until = Arc::new(Notify::new());
    worker.tell(Job::Await(diary.pen(), until.clone())).expect("it can be told");
    diary.reads("awaits").await;
    until
}

/// Makes it block its thread, and waits until it does.
pub(crate) async fn blocked(worker: &ActorRef<Worker>, jam: &Jam, diary: &mut Diary) {
    worker.tell(Job::Block(diary.pen(), jam.stop())).expect("it can be told");
    diary.reads("blocks").await;
}

/// Ends it by a panic.
pub(crate) fn crash(worker: &Slot<Worker>) {
    worker.tell(Job::Crash).expect("it can be told");
}
