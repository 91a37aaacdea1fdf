//! A task an item: a stream of results that never has more under way than it may.

#![expect(clippy::disallowed_types, reason = "the shell's: a waker, for the moment of a poll")]

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::iter::Fuse;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::task::{Context as Poller, Poll, Wake, Waker};
use std::time::Duration;

use futures_core::Stream;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::tasks::{AtDrop, TaskError, Tasks};

/// The results of a function that is applied to every item, each in a task of its own. Made by [`Tasks::stream`].
///
/// A task that crashes, takes too long or cannot be started is an error in its place; the others go on.
///
/// # Guarantees
/// At most so many tasks have been started whose results have not been taken. Dropping the stream kills those that run, and
/// one whose start is under way.
///
/// # Cancel safety
/// Dropping the future of [`next`](Self::next) loses nothing.
#[must_use = "a stream does nothing until it is polled"]
pub struct TaskStream<I: Iterator, F, T> {
    tasks: Tasks,
    items: Fuse<I>,
    make: F,
    at_once: usize,
    within: Duration,
    order: Order,
    places: VecDeque<Place<T>>,
    starts: Arc<Semaphore>,
    reader: Arc<Reader>,
}

/// So many starts are under way at a time: others want to speak to the supervisor as well.
const STARTS: usize = 64;

/// How long a task may take unless told otherwise.
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    OfItems,
    OfResults,
}

/// One item under way.
enum Place<T> {
    Running { result: Pin<Box<dyn Future<Output = Result<T, TaskError>> + Send>>, bell: Arc<Bell>, waker: Waker },
    Done(Result<T, TaskError>),
}

impl<I: Iterator, F, T: Send + 'static> TaskStream<I, F, T> {
    pub(crate) fn new<Fut>(tasks: Tasks, items: I, at_once: usize, make: F) -> Self
    where
        F: FnMut(I::Item) -> Fut,
    {
        assert!(at_once > 0, "a stream of tasks has room for one at least");
        Self {
            tasks,
            items: items.fuse(),
            make,
            at_once,
            within: WITHIN,
            order: Order::OfItems,
            places: VecDeque::new(),
            starts: Arc::new(Semaphore::new(STARTS)),
            reader: Arc::default(),
        }
    }

    /// How long each task may take, from its start; 5 s unless told otherwise. One that takes longer is killed.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// Results come as they are ready, in whatever order.
    pub fn unordered(mut self) -> Self {
        self.order = Order::OfResults;
        self
    }

    /// The next result; `None` when every item has had one.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next<Fut>(&mut self) -> Option<Result<T, TaskError>>
    where
        F: FnMut(I::Item) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
    {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll<Fut>(&mut self, cx: &mut Poller<'_>) -> Poll<Option<Result<T, TaskError>>>
    where
        F: FnMut(I::Item) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
    {
        self.reader.waits(cx.waker());
        while self.places.len() < self.at_once {
            let Some(item) = self.items.next() else { break };
            let (tasks, future, limit) = (self.tasks.clone(), (self.make)(item), self.within);
            let starts = self.starts.clone();
            self.places.push_back(Place::new(&self.reader, async move {
                let start = starts.acquire().await;
                let task = tasks.handle(future, None, AtDrop::IsKilled).await.map_err(TaskError::NotStarted)?;
                drop(start);
                task.within(limit).await
            }));
        }
        for place in &mut self.places {
            place.look();
        }
        let ready = match self.order {
            Order::OfItems => self.places.front().is_some_and(Place::is_done).then_some(0),
            Order::OfResults => self.places.iter().position(Place::is_done),
        };
        match ready.and_then(|at| self.places.remove(at)) {
            Some(Place::Done(result)) => Poll::Ready(Some(result)),
            Some(Place::Running { .. }) => unreachable!("only who is done is taken"),
            None if self.places.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl<I, F, Fut, T> Stream for TaskStream<I, F, T>
where
    I: Iterator + Unpin,
    F: FnMut(I::Item) -> Fut + Unpin,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    type Item = Result<T, TaskError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<I: Iterator, F, T> Unpin for TaskStream<I, F, T> {}

impl<I: Iterator, F, T> fmt::Debug for TaskStream<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStream").field("at_once", &self.at_once).field("places", &self.places.len()).finish()
    }
}

impl<T> Place<T> {
    fn new(reader: &Arc<Reader>, result: impl Future<Output = Result<T, TaskError>> + Send + 'static) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), reader: reader.clone() });
        Self::Running { result: Box::pin(result), waker: bell.clone().into(), bell }
    }

    /// Polls it, if it was woken.
    fn look(&mut self) {
        if let Self::Running { result, bell, waker } = self
            && bell.rung.swap(false, AcqRel)
            && let Poll::Ready(result) = result.as_mut().poll(&mut Poller::from_waker(waker))
        {
            *self = Self::Done(result);
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// Whoever reads the stream.
#[derive(Default)]
struct Reader(Mutex<Option<Waker>>);

impl Reader {
    fn waits(&self, waker: &Waker) {
        let waker = Some(waker.clone());
        let before = std::mem::replace(&mut *self.0.lock(), waker);
        // A foreign waker is not dropped under the lock.
        drop(before);
    }
}

/// Says which of the places was woken, so that the others need not be polled.
struct Bell {
    rung: AtomicBool,
    reader: Arc<Reader>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Release);
        let reader = self.reader.0.lock().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
