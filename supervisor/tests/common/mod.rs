//! Children that write down what happens to them, and a diary to read it in.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use crashworthy_runtime::{Actor, ActorRef, Context, Exit, ExitReason, Message, Reply, Slot};
use tokio::sync::{Notify, mpsc};

/// Nothing here takes longer, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(20);

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
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

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
    /// `init` declines.
    pub(crate) declines: bool,
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
            declines: false,
        }
    }
}

/// A slot and what its child is to be.
pub(crate) fn worker(name: &'static str, diary: &Diary) -> (Slot<Worker>, Nurse) {
    (Slot::named(name), Nurse::new(name, diary))
}

pub(crate) struct Worker {
    kit: Nurse,
    handled: u32,
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
    /// Blocks its thread until told, once it has said that it does.
    Block(Pen, std::sync::mpsc::Receiver<()>),
    /// Awaits until told.
    Await(Pen, Arc<Notify>),
}

impl Message for Job {
    fn kind(&self) -> &'static str {
        match self {
            Self::Crash => "Crash",
            Self::Finish => "Finish",
            Self::End(_) => "End",
            Self::Count => "Count",
            Self::Counted(_) => "Counted",
            Self::Block(..) => "Block",
            Self::Await(..) => "Await",
        }
    }
}

impl Actor for Worker {
    type Args = Nurse;
    type Msg = Job;

    async fn init(kit: Nurse, cx: &mut Context<Self>) -> Result<Self, Exit> {
        cx.trap_exit(kit.traps);
        let start = kit.starts.fetch_add(1, SeqCst) + 1;
        let (first, many) = kit.failing;
        if start >= first && start - first < many {
            kit.pen.write(format!("{} fails", kit.name));
            return Err("no".into());
        }
        if kit.declines {
            kit.pen.write(format!("{} declines", kit.name));
            return Err(Exit::ignore());
        }
        if let Some(gate) = &kit.gate {
            kit.pen.write(format!("{} waits", kit.name));
            gate.notified().await;
        }
        kit.pen.write(format!("+{}", kit.name));
        Ok(Self { kit, handled: 0 })
    }

    async fn handle(&mut self, job: Job, _: &mut Context<Self>) -> Result<(), Exit> {
        match job {
            Job::Crash => panic!("told to crash"),
            Job::Finish => return Err(Exit::normal()),
            Job::End(reason) => return Err(Exit::because(reason)),
            Job::Count => self.handled += 1,
            Job::Counted(reply) => reply.send(self.handled),
            Job::Block(pen, until) => {
                pen.write("blocks");
                let _ = until.recv();
            }
            Job::Await(pen, until) => {
                pen.write("awaits");
                until.notified().await;
            }
        }
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        let why = match reason {
            ExitReason::Crashed(_) => "crashed".to_owned(),
            other => other.to_string(),
        };
        self.kit.pen.write(format!("-{} {why}", self.kit.name));
        if self.kit.clings {
            std::future::pending().await
        }
    }
}

/// How many this life has counted.
pub(crate) async fn counted(worker: &ActorRef<Worker>) -> u32 {
    soon(worker.ask(Job::Counted)).await.expect("it answers")
}

/// Ends it by a panic.
pub(crate) fn crash(worker: &Slot<Worker>) {
    worker.tell(Job::Crash).expect("it can be told");
}
