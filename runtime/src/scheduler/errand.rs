//! Errands: what a system does that is no actor's turn. Its stop, the wait for the end of its tree, a drain.
//!
//! An errand is a task of the runtime. But when every worker is blocked nobody polls tasks, and a system whose actors block is
//! what a stop is for. So when an errand has been woken and nobody has polled it for two looks of the lookout, a thread of ours
//! does.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, fence};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use super::pool::{Pool, contain};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One errand. It is its own waker.
pub(super) struct Errand {
    pool: Weak<Pool>,
    /// Polled by whoever gets the lock. `None` when it is done.
    work: Mutex<Option<Work>>,
    /// It was woken, and has not been polled since.
    due: AtomicBool,
    done: AtomicBool,
    /// That of the task.
    task: Mutex<Option<Waker>>,
}

impl Errand {
    /// Polls it for as long as it is due. If another thread is at it, that one does.
    fn advance(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        while self.due.load(SeqCst) {
            let Some(mut work) = self.work.try_lock() else { return };
            self.due.store(false, SeqCst);
            let Some(future) = &mut *work else { return };
            // A panic of it is a defect of the runtime, and its end.
            let mut polled = Poll::Ready(());
            contain(|| polled = future.as_mut().poll(&mut Context::from_waker(&waker)));
            if polled.is_ready() {
                let done = work.take();
                drop(work);
                contain(|| drop(done));
                self.done.store(true, SeqCst);
                return self.wake_task();
            }
            drop(work);
            // Whoever woke it, or let it go, while it was polled found it locked: pairs with the fences there.
            fence(SeqCst);
            if self.done.load(SeqCst) {
                return self.let_go();
            }
        }
    }

    /// Its runtime has gone, or it is done.
    fn let_go(&self) {
        self.done.store(true, SeqCst);
        fence(SeqCst);
        if let Some(mut work) = self.work.try_lock() {
            let left = work.take();
            drop(work);
            contain(|| drop(left));
        }
    }

    fn wake_task(&self) {
        let task = self.task.lock().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Wake for Errand {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.due.store(true, SeqCst);
        fence(SeqCst);
        self.wake_task();
        if let Some(pool) = self.pool.upgrade() {
            pool.lookout.call();
        }
    }
}

impl Pool {
    /// Does something beside all turns, also while every worker is blocked. If the runtime goes first, it is not done.
    pub(crate) fn run_errand(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let errand = Arc::new(Errand {
            pool: Arc::downgrade(self),
            work: Mutex::new(Some(Box::pin(work))),
            due: AtomicBool::new(true),
            done: AtomicBool::new(false),
            task: Mutex::default(),
        });
        self.lookout.sees_to(&errand);
        let task = Task(errand);
        let task = poll_fn(move |cx| {
            let Task(errand) = &task;
            *errand.task.lock() = Some(cx.waker().clone());
            errand.advance();
            if errand.done.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        });
        drop(self.runtime.spawn(task));
        self.lookout.call();
    }
}

/// The task of an errand: with it goes the errand.
struct Task(Arc<Errand>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// An errand, as the lookout sees it.
pub(super) struct Due {
    errand: Weak<Errand>,
    /// It was due at the last look.
    waits: bool,
    /// The thread that was sent has not returned.
    under_way: Arc<AtomicBool>,
}

impl Due {
    pub(super) fn new(errand: &Arc<Errand>) -> Self {
        Self { errand: Arc::downgrade(errand), waits: false, under_way: Arc::default() }
    }

    /// Whether there is nothing to see to.
    pub(super) fn is_idle(&self) -> bool {
        self.errand.upgrade().is_none_or(|errand| !errand.due.load(SeqCst))
    }

    /// One look. False: it is done.
    pub(super) fn look(&mut self) -> bool {
        let Some(errand) = self.errand.upgrade().filter(|errand| !errand.done.load(Relaxed)) else { return false };
        let is_due = errand.due.load(Relaxed);
        let waited = std::mem::replace(&mut self.waits, is_due);
        let Some(pool) = errand.pool.upgrade().filter(|pool| !pool.is_closed()) else { return false };
        if is_due && waited && !self.under_way.swap(true, SeqCst) {
            let (under_way, relieved) = (self.under_way.clone(), pool.clone());
            // A thread: what it runs in the end is foreign, and may block.
            let sent = pool.port.spawn_worker("errand", move || {
                if relieved.one_more() {
                    let runtime = relieved.runtime.enter();
                    errand.advance();
                    drop(runtime);
                    relieved.one_less();
                }
                under_way.store(false, SeqCst);
            });
            if let Err(error) = sent {
                self.under_way.store(false, SeqCst);
                tracing::error!(pool = &*pool.name(), %error, "no thread for an errand while the workers are blocked");
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::sync::oneshot;

    use super::*;
    use crate::port::Port;

    const HANG: Duration = Duration::from_secs(60);

    fn pool(workers: usize) -> (tokio::runtime::Runtime, Arc<Pool>) {
        let runtime = Builder::new_multi_thread().worker_threads(workers).enable_time().build().expect("a runtime");
        let pool = Pool::start("test", runtime.handle().clone(), workers, Port::production(runtime.handle().clone()));
        (runtime, pool)
    }

    #[test]
    fn an_errand_goes_on_although_tasks_block_every_worker() {
        let (runtime, pool) = pool(2);
        let (step, stepped) = oneshot::channel::<()>();
        let (begun, began) = mpsc::channel();
        let (says, said) = mpsc::channel();
        let begin = begun.clone();
        pool.run_errand(async move {
            begin.send(()).expect("the test waits");
            stepped.await.expect("it is sent");
            says.send(()).expect("the test waits");
        });
        began.recv_timeout(HANG).expect("it begins");
        let (release, gates): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel::<()>()).unzip();
        for gate in gates {
            let begun = begun.clone();
            runtime.spawn(async move {
                begun.send(()).expect("the test waits");
                let _ = gate.recv_timeout(HANG);
            });
            began.recv_timeout(HANG).expect("it blocks");
        }
        step.send(()).expect("the errand waits");
        said.recv_timeout(HANG).expect("nobody came");
        drop(release);
    }

    #[test]
    fn an_errand_of_a_runtime_of_one_thread_is_a_task_of_it() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let pool = Pool::start("test", runtime.handle().clone(), 1, Port::production(runtime.handle().clone()));
        let (says, said) = oneshot::channel();
        pool.run_errand(async move { says.send(()).expect("the test waits") });
        runtime.block_on(said).expect("it is done");
    }

    #[test]
    fn an_errand_is_let_go_with_its_runtime() {
        let (runtime, pool) = pool(1);
        let (_never, waits) = oneshot::channel::<()>();
        let alive = Arc::new(());
        let held = alive.clone();
        let (begun, began) = mpsc::channel();
        pool.run_errand(async move {
            begun.send(()).expect("the test waits");
            let _ = waits.await;
            drop(held);
        });
        began.recv_timeout(HANG).expect("it begins");
        drop(runtime);
        let since = std::time::Instant::now();
        while Arc::strong_count(&alive) > 1 {
            assert!(since.elapsed() < HANG, "it is kept");
            std::thread::yield_now();
        }
    }
}
