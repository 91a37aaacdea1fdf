//! A supervisor of one-off futures.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use crashworthy_runtime::{Actor, AskError, Bulkhead, Context, Down, Exit, ExitReason, Pid, StartError, System};
use tokio::sync::oneshot;

use crate::backoff::Backoff;
use crate::child::{AnyChild, IntoChild};
use crate::child_spec::Shutdown;
use crate::core::Counts;
use crate::dynamic::Dynamic;
use crate::reap::{reap, within};
use crate::task::{Go, Task};
use crate::task_stream::TaskStream;

/// A supervisor of futures that run once, each as an actor of its own: what is done beside an actor, or for somebody who
/// waits. A handle: declare it before the tree starts, clone it to whoever has tasks. Until it runs it refuses with
/// [`NotStarted`](crashworthy_runtime::Reason::NotStarted).
///
/// | what | who knows of whom |
/// |---|---|
/// | [`start`](Self::start) | nobody waits; a crash is reported and that is all |
/// | [`start_child`](Self::start_child) | nobody waits; it is restarted as it says |
/// | [`run`](Self::run) | the caller has a handle; a crash is an error there |
/// | [`linked`](Self::linked) | the same, and an actor and its task end together when either crashes |
/// | [`stream`](Self::stream) | a task an item, so many at a time |
///
/// Tasks are temporary, they are not restarted, except those of `start_child`. They trap nothing, so that a stop ends them at
/// their next await. A future that is there from the beginning is a static child: [`Task`].
///
/// # Differs from OTP
/// Elixir's `Task.Supervisor`. A task does not carry the chain of its callers.
///
/// # Examples
/// ```
/// use crashworthy_runtime::System;
/// use crashworthy_supervisor::{Supervisor, Tasks};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tasks = Tasks::named("tasks").max_children(100);
/// let system = System::start(Supervisor::one_for_one("service").child(tasks.clone())).await?;
///
/// let sum = tasks.run(async { 20 + 22 }).await?;
/// assert_eq!(sum.await?, 42);
///
/// let mut squares = tasks.stream(1..=3, 2, |number| async move { number * number });
/// let mut all = Vec::new();
/// while let Some(square) = squares.next().await {
///     all.push(square?);
/// }
/// assert_eq!(all, [1, 4, 9]);
/// # system.stop().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tasks {
    crowd: Dynamic<Errand>,
}

impl Tasks {
    /// A task supervisor with this name, without a limit to the number of tasks.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { crowd: Dynamic::named(name) }
    }

    /// The most tasks at a time.
    #[must_use]
    pub fn max_children(self, max: usize) -> Self {
        Self { crowd: self.crowd.max_children(max) }
    }

    /// All tasks run on threads of their own: [`Supervisor::bulkhead`](crate::Supervisor::bulkhead).
    #[must_use]
    pub fn bulkhead(self, bulkhead: Bulkhead) -> Self {
        Self { crowd: self.crowd.bulkhead(bulkhead) }
    }

    /// How tasks are stopped: 5 s unless told otherwise, for all together.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { crowd: self.crowd.shutdown(shutdown) }
    }

    /// More than this many restarts within the period end the supervisor and all its tasks; 1 in 5 s unless told otherwise.
    /// Only tasks of [`start_child`](Self::start_child) are restarted.
    #[must_use]
    pub fn intensity(self, restarts: u32, period: Duration) -> Self {
        Self { crowd: self.crowd.intensity(restarts, period) }
    }

    /// How long restarts wait; unless told otherwise, not at all.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { crowd: self.crowd.backoff(backoff) }
    }

    /// Starts a task that nobody waits for, and that is restarted and stopped as it says itself: permanent unless told
    /// otherwise. It can be had again, because a [`Task`] makes its future anew from its arguments.
    ///
    /// # Errors
    /// As [`start`](Self::start); [`StartError::InvalidTree`] if its name breaks a rule, or it is significant.
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    ///
    /// # Differs from OTP
    /// The `start_child` of Elixir's `Task.Supervisor` makes temporary tasks unless told otherwise; here that is
    /// [`start`](Self::start).
    ///
    /// # Examples
    /// ```
    /// use crashworthy_runtime::System;
    /// use crashworthy_supervisor::{Supervisor, Task, Tasks};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tasks = Tasks::named("uploads").max_children(100).intensity(10, Duration::from_secs(60));
    /// let system = System::start(Supervisor::one_for_one("service").child(tasks.clone())).await?;
    /// let upload = Task::named("upload", "a.jpg", |file, _| async move { send(file).await.map_err(Into::into) });
    /// let pid = tasks.start_child(upload.transient()).await?;
    /// # let _ = pid;
    /// # async fn send(_: &str) -> Result<(), std::io::Error> { Ok(()) }
    /// # system.stop().await;
    /// # Ok(()) }
    /// ```
    pub async fn start_child(&self, task: Task) -> Result<Pid, StartError> {
        self.crowd.bring_any(task.into_child()).await
    }

    /// Starts a task that nobody waits for.
    ///
    /// # Errors
    /// [`StartError::MaxChildren`]; [`StartError::Supervisor`] if the supervisor is not started, has ended or ends meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop a start that has begun: the task runs.
    pub async fn start<F>(&self, future: F) -> Result<Pid, StartError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.begin(Box::pin(future), None).await.map(|leash| leash.pid)
    }

    /// Starts a task whose result somebody may wait for. If it crashes, that is an error there and nothing more; dropped, the
    /// handle lets it run on.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub fn run<T, F>(&self, future: F) -> impl Future<Output = Result<TaskHandle<T>, StartError>> + Send
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.handle(future, None, AtDrop::RunsOn)
    }

    /// The same, linked to the actor whose context this is from before the future is polled first: a crash of the task is an
    /// exit signal to the actor, and the end of the actor is one to the task.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub fn linked<'t, A, T, F>(
        &'t self,
        to: &Context<A>,
        future: F,
    ) -> impl Future<Output = Result<TaskHandle<T>, StartError>> + Send + use<'t, A, T, F>
    where
        A: Actor,
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.handle(future, Some(to.pid()), AtDrop::RunsOn)
    }

    /// A task an item, at most `at_once` at a time; its results in the order of the items. Nothing is started before the
    /// stream is polled, and no more is started than there is room for; dropped, it kills what runs.
    ///
    /// # Panics
    /// If `at_once` is 0.
    pub fn stream<I, F, Fut, T>(&self, items: I, at_once: usize, make: F) -> TaskStream<I::IntoIter, F, T>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        TaskStream::new(self.clone(), items.into_iter(), at_once, make)
    }

    /// Stops a task. False if it is not a living task of this supervisor.
    ///
    /// # Errors
    /// The supervisor is not there, or ended before it answered.
    pub async fn stop(&self, pid: Pid) -> Result<bool, AskError> {
        self.crowd.stop(pid).await
    }

    /// How many tasks there are.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub async fn count(&self) -> Result<Counts<Pid>, AskError> {
        self.crowd.count().await
    }

    /// What becomes of the task is decided by the leash, wherever it is dropped: on its way to whoever does not wait any
    /// more, too.
    pub(crate) async fn handle<T, F>(
        &self,
        future: F,
        link: Option<Pid>,
        at_drop: AtDrop,
    ) -> Result<TaskHandle<T>, StartError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (tell, result) = oneshot::channel();
        let body = Box::pin(async move {
            // Whoever wanted to know may have gone.
            let _ = tell.send(future.await);
        });
        let (ended, down) = oneshot::channel();
        let leash = self.begin(body, Some(Waited { link, ended, at_drop })).await?;
        Ok(TaskHandle { leash, result: Some(result), value: None, down: Some(down), ended: None })
    }

    async fn begin(&self, body: Body, waited: Option<Waited>) -> Result<Leash, StartError> {
        let (begun, leash) = oneshot::channel();
        self.crowd.start_once(Args { body, waited, begun }).await?;
        leash.await.map_err(|_| StartError::Failed(ExitReason::Killed))
    }
}

impl IntoChild for Tasks {
    fn into_child(self) -> AnyChild {
        self.crowd.into_child()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tasks").field(&self.crowd).finish()
    }
}

/// A task under way: a future of its result, which is there when the task has ended. Its supervisor has been told so by then:
/// whoever starts the next task finds its place free.
///
/// # Cancel safety
/// Waiting again goes on where it was left.
#[must_use = "the result of a task is waited for; `Tasks::start` is for tasks without one"]
pub struct TaskHandle<T> {
    leash: Leash,
    result: Option<oneshot::Receiver<T>>,
    /// The result, until the task has ended.
    value: Option<T>,
    down: Option<oneshot::Receiver<Down>>,
    ended: Option<ExitReason>,
}

impl<T> TaskHandle<T> {
    /// The task's incarnation.
    pub fn pid(&self) -> Pid {
        self.leash.pid
    }

    /// Ends the task without asking: its future is dropped at its next await.
    pub fn kill(&self) {
        self.leash.system.kill(self.leash.pid);
    }

    /// Waits for the result, at most this long. A task that takes longer is killed, and has ended when this returns.
    ///
    /// # Errors
    /// [`TaskError::TimedOut`], [`TaskError::Ended`].
    ///
    /// # Cancel safety
    /// Dropping the future lets the task run on, as dropping the handle does.
    pub async fn within(mut self, limit: Duration) -> Result<T, TaskError> {
        let (system, pid) = (self.leash.system.clone(), self.leash.pid);
        match within(&system, limit, &mut self).await {
            Some(result) => result,
            None => {
                // Whoever waits for it is told; a future that blocks its thread is left behind.
                drop(reap(pid, &pid.to_string(), limit, &system).await);
                // It may have had a result just before.
                let late = || self.result.as_mut().and_then(|result| result.try_recv().ok());
                self.value.take().or_else(late).ok_or(TaskError::TimedOut(limit))
            }
        }
    }
}

impl<T> Unpin for TaskHandle<T> {}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(result) = &mut this.result {
            let result = ready!(Pin::new(result).poll(cx));
            this.result = None;
            this.value = result.ok();
        }
        if let Some(down) = &mut this.down {
            let down = ready!(Pin::new(down).poll(cx));
            this.down = None;
            // Nobody was told: the runtime has gone.
            this.ended = Some(down.map_or(ExitReason::Killed, |down| down.reason));
        }
        if let Some(value) = this.value.take() {
            this.ended = Some(ExitReason::Normal);
            return Poll::Ready(Ok(value));
        }
        Poll::Ready(Err(TaskError::Ended(this.ended.clone().unwrap_or(ExitReason::Normal))))
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").field("pid", &self.leash.pid).finish_non_exhaustive()
    }
}

/// Why a task has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError {
    /// It ended without one: it crashed, was killed or was stopped. `Normal`: its result was read before.
    Ended(ExitReason),
    /// It took longer than this, and was killed.
    TimedOut(Duration),
    /// It was not started.
    NotStarted(StartError),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "the task has ended: {reason}"),
            Self::TimedOut(limit) => write!(f, "the task took longer than {limit:?}"),
            Self::NotStarted(error) => write!(f, "the task was not started: {error}"),
        }
    }
}

impl std::error::Error for TaskError {}

// --- The actor ---

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What becomes of a task when nobody waits for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtDrop {
    RunsOn,
    IsKilled,
}

/// Who waits for a task.
struct Waited {
    link: Option<Pid>,
    ended: oneshot::Sender<Down>,
    at_drop: AtDrop,
}

struct Args {
    body: Body,
    waited: Option<Waited>,
    begun: oneshot::Sender<Leash>,
}

/// Holds a task that has begun.
struct Leash {
    system: System,
    pid: Pid,
    at_drop: AtDrop,
}

impl Drop for Leash {
    fn drop(&mut self) {
        if self.at_drop == AtDrop::IsKilled {
            self.system.kill(self.pid);
        }
    }
}

/// The actor around the future: its one message runs it.
struct Errand {
    body: Option<Body>,
}

impl Actor for Errand {
    type Args = Args;
    type Msg = Go;

    async fn init(args: Args, cx: &mut Context<Self>) -> Result<Self, Exit> {
        let Args { body, waited, begun } = args;
        let mut at_drop = AtDrop::RunsOn;
        if let Some(waited) = waited {
            at_drop = waited.at_drop;
            cx.system().watch_once(cx.pid(), waited.ended);
            if let Some(caller) = waited.link {
                cx.link(caller);
            }
        }
        cx.send_self(Go)?;
        // Dropped unread, the leash ends what nobody wants any more.
        let _ = begun.send(Leash { system: cx.system(), pid: cx.pid(), at_drop });
        Ok(Self { body: Some(body) })
    }

    async fn handle(&mut self, _: Go, _: &mut Context<Self>) -> Result<(), Exit> {
        if let Some(body) = self.body.take() {
            body.await;
        }
        Err(Exit::normal())
    }
}
