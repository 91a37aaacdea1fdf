//! A supervised future as a static child: an HTTP server, a consumer, a loop.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crashworthy_runtime::{Actor, Context, Exit, Message, Pid, Slot, System};

use crate::child::{AnyChild, IntoChild};
use crate::child_spec::ChildSpec;
use crate::launch::{Launcher, START_WITHIN, Static};
use crate::settings::settings;
use crate::tree::Node;

/// A future that is started, watched, restarted and stopped like any child.
///
/// It is ready as soon as it is started. When it returns `Ok` it has ended normally: a permanent task (the default) is
/// then started again, a transient one is not. When it is asked to stop, [`TaskContext::stopping`] resolves; a task
/// that does not end within its shutdown time is killed, which drops the future at its next await.
///
/// # Examples
/// ```
/// use crashworthy_runtime::System;
/// use crashworthy_supervisor::{Supervisor, Task};
/// use tokio::sync::mpsc;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (said, mut heard) = mpsc::unbounded_channel();
/// let server = Task::named("server", said, |said, cx| async move {
///     said.send("open")?;
///     cx.stopping().await;
///     said.send("closed")?;
///     Ok(())
/// });
/// let system = System::start(Supervisor::one_for_one("service").child(server)).await?;
/// assert_eq!(heard.recv().await, Some("open"));
/// system.stop().await;
/// assert_eq!(heard.recv().await, Some("closed"));
/// # Ok(()) }
/// ```
#[must_use = "a task does nothing until a supervisor has it"]
pub struct Task {
    spec: ChildSpec,
    job: Job,
}

type Running = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

/// What is run, again in every incarnation.
#[derive(Clone)]
struct Job(Arc<dyn Fn(TaskContext) -> Running + Send + Sync>);

/// What a supervised future knows of where it runs.
#[derive(Clone)]
pub struct TaskContext {
    pid: Pid,
    system: System,
    stopping: Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

impl TaskContext {
    /// Its incarnation.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The system it runs in.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Resolves when the task is asked to stop. The future is owned: hand it to whatever shuts down gracefully.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        (self.stopping)()
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Task {
    /// A task: `run` is called with a clone of `args` for every incarnation.
    ///
    /// One call at a time, since neither need be `Sync`. Work belongs into the future that `run` returns: if the call itself blocks, and
    /// its incarnation is abandoned, the next one waits until it has returned, and can be stopped meanwhile.
    pub fn named<T, F, Fut>(name: impl Into<Arc<str>>, args: T, run: F) -> Self
    where
        T: Clone + Send + 'static,
        F: Fn(T, TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Exit>> + Send + 'static,
    {
        #[expect(
            clippy::disallowed_types,
            reason = "the shell's: one that waits for it holds no thread, and can be killed"
        )]
        let kit = Arc::new(tokio::sync::Mutex::new((args, run)));
        let job = Job(Arc::new(move |cx| {
            let kit = kit.clone();
            Box::pin(async move {
                let running = {
                    let (args, run) = &*kit.lock().await;
                    run(args.clone(), cx)
                };
                running.await
            })
        }));
        Self { spec: ChildSpec::worker(name), job }
    }

    settings!();
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl IntoChild for Task {
    fn into_child(self) -> AnyChild {
        let slot = Slot::<Runner>::named(self.spec.id.clone()).address();
        AnyChild {
            node: Node::Worker(self.spec),
            launch: Launcher::new(Static { slot, args: self.job, settle: |_, _| {}, begun: false }, START_WITHIN),
        }
    }
}

/// The actor around the future: its one message runs it.
struct Runner {
    job: Job,
}

/// The one message of an actor that is a future: run it.
pub(crate) struct Go;

impl Message for Go {
    fn kind(&self) -> &'static str {
        "Task"
    }
}

impl Actor for Runner {
    type Args = Job;
    type Msg = Go;

    async fn init(job: Job, cx: &mut Context<Self>) -> Result<Self, Exit> {
        // The stop is to wait for the future, within the child's limit.
        cx.trap_exit(true);
        cx.send_self(Go)?;
        Ok(Self { job })
    }

    async fn handle(&mut self, _: Go, cx: &mut Context<Self>) -> Result<(), Exit> {
        let stop = cx.stop_watch();
        let stopping = stop.clone();
        let context = TaskContext {
            pid: cx.pid(),
            system: cx.system(),
            stopping: Arc::new(move || Box::pin(stopping.clone().stopping())),
        };
        // A refusal that a handler passes on ends its message; a task is no message, and its end must be noticed.
        (self.job.0)(context).await.map_err(|exit| Exit::because(exit.reason()))?;
        Err(if stop.is_stopping() { Exit::shutdown() } else { Exit::normal() })
    }
}
