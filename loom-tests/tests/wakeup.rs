//! Waking pumps: whatever interleaves, no work is left with everybody idle.
//!
//! A pump here is a thread that waits for its bell, as the tokio task waits for its waker. A wake-up that is lost leaves
//! it waiting for ever, which loom reports as a deadlock.

#[cfg(loom)]
use loom::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed},
    },
    thread,
};
#[cfg(not(loom))]
use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed},
    },
    thread,
};

use crashworthy_sync::wakeup::{Polled, Wakeup};

#[cfg(loom)]
fn model(preemptions: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    model.check(scenario);
}

#[cfg(not(loom))]
fn model(_preemptions: usize, scenario: impl Fn() + Sync + Send + 'static) {
    (0..500).for_each(|_| scenario());
}

/// A pump's waker.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().expect("no panic") = true;
        self.rings.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().expect("no panic");
        while !*rung {
            rung = self.rings.wait(rung).expect("no panic");
        }
        *rung = false;
    }
}

/// A pool without tasks and turns: its queue is a number of things to do.
struct Pool {
    wakeup: Wakeup,
    queue: AtomicUsize,
    /// What has yet to be done.
    left: AtomicUsize,
    bells: Vec<Bell>,
}

impl Pool {
    /// All pumps are idle, unless there is something to do.
    fn new(pumps: usize, work: usize) -> Arc<Self> {
        let wakeup = Wakeup::new(pumps);
        for pump in 0..pumps {
            assert_eq!(wakeup.polled(pump), Polled::Searching);
            wakeup.idle(pump, true);
        }
        let bells = (0..pumps).map(|_| Bell::default()).collect();
        Arc::new(Self { wakeup, queue: AtomicUsize::new(0), left: AtomicUsize::new(work), bells })
    }

    fn push(&self, overdue: bool) {
        self.queue.fetch_add(1, AcqRel);
        self.notify(overdue);
    }

    fn notify(&self, overdue: bool) {
        if let Some(pump) = self.wakeup.notify(|| overdue) {
            self.bells[pump].ring();
        }
    }

    fn take(&self) -> bool {
        let mut queued = self.queue.load(Acquire);
        while queued > 0 {
            match self.queue.compare_exchange(queued, queued - 1, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => queued = now,
            }
        }
        false
    }

    /// The life of a pump, until everything is done.
    fn pump(&self, pump: usize) {
        loop {
            self.bells[pump].wait();
            if self.left.load(Acquire) == 0 {
                return;
            }
            let mut searching = match self.wakeup.polled(pump) {
                Polled::Searching => true,
                Polled::Running => unreachable!("a poll here ends idle"),
                Polled::Idle => continue,
            };
            while self.take() {
                if std::mem::take(&mut searching) && self.wakeup.found() && self.queue.load(Relaxed) > 0 {
                    self.notify(false);
                }
                if self.left.fetch_sub(1, AcqRel) == 1 {
                    self.bells.iter().for_each(Bell::ring);
                }
            }
            self.wakeup.idle(pump, searching);
            // As relaxed as a hint: the fences are what makes it right.
            if self.queue.load(Relaxed) > 0 {
                self.notify(false);
            }
        }
    }
}

#[test]
fn a_pump_that_becomes_idle_while_work_is_pushed_is_woken() {
    model(4, || {
        let pool = Pool::new(1, 2);
        let pump = {
            let pool = pool.clone();
            thread::spawn(move || pool.pump(0))
        };
        pool.push(false);
        pool.push(false);
        pump.join().expect("the pump ends");
        assert_eq!(pool.wakeup.census().searching, 0);
    });
}

#[test]
fn two_pushers_and_one_pump_leave_nothing_behind() {
    model(3, || {
        let pool = Pool::new(1, 2);
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.push(false))
        };
        let pump = {
            let pool = pool.clone();
            thread::spawn(move || pool.pump(0))
        };
        pool.push(false);
        other.join().expect("the pusher ends");
        pump.join().expect("the pump ends");
    });
}

#[test]
fn two_pumps_leave_nothing_behind() {
    model(2, || {
        let pool = Pool::new(2, 2);
        let pumps: Vec<_> = (0..2)
            .map(|pump| {
                let pool = pool.clone();
                thread::spawn(move || pool.pump(pump))
            })
            .collect();
        pool.push(false);
        pool.push(false);
        pumps.into_iter().for_each(|pump| pump.join().expect("the pump ends"));
    });
}

#[test]
fn a_pump_that_finds_work_and_blocks_leaves_the_rest_to_another() {
    model(3, || {
        let pool = Pool::new(2, 2);
        // What was pushed first is found by the one pump that was notified, whose turn lasts until the second is done.
        pool.push(false);
        let finder = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.bells[0].wait();
                assert_eq!(pool.wakeup.polled(0), Polled::Searching);
                assert!(pool.take());
                if pool.wakeup.found() && pool.queue.load(Relaxed) > 0 {
                    pool.notify(false);
                }
            })
        };
        let other = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.bells[1].wait();
                assert_eq!(pool.wakeup.polled(1), Polled::Searching);
                pool.take()
            })
        };
        // While the finder searches, nobody is notified: it has promised to look again.
        pool.push(true);
        finder.join().expect("the finder ends");
        assert!(other.join().expect("the other pump is woken") || pool.queue.load(Relaxed) == 0);
    });
}

#[test]
fn a_notified_pump_that_never_comes_is_not_relied_on() {
    model(3, || {
        // Pump 0 sits behind a task that computes: nobody polls it.
        let pool = Pool::new(2, 2);
        pool.push(false);
        assert!(pool.wakeup.is_notified(0));
        let pump = {
            let pool = pool.clone();
            thread::spawn(move || pool.pump(1))
        };
        pool.push(true);
        pump.join().expect("the other pump does all of it");
        assert_eq!(pool.queue.load(Relaxed), 0);
        assert!(pool.wakeup.is_notified(0));
    });
}

#[test]
fn each_notifier_with_a_ticket_finds_a_pump_of_its_own() {
    model(3, || {
        let pool = Pool::new(2, 0);
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.wakeup.notify(|| true))
        };
        let (one, two) = (pool.wakeup.notify(|| true), other.join().expect("the notifier ends"));
        assert!(one.is_some() && two.is_some() && one != two);
        assert_eq!(pool.wakeup.census().idle, 0);
        assert_eq!(pool.wakeup.census().notified, 2);
    });
}

#[test]
fn what_is_pushed_while_the_pool_closes_is_dropped_by_somebody() {
    model(4, || {
        // The pump runs: a pusher has nobody to notify, and so writes nothing but the queue.
        let pool = Pool::new(1, 1);
        pool.push(false);
        assert!(pool.take());
        let pusher = {
            let pool = pool.clone();
            thread::spawn(move || {
                if !pool.wakeup.is_closed() {
                    pool.push(false);
                    if pool.wakeup.is_closed() {
                        while pool.take() {}
                    }
                }
            })
        };
        assert!(pool.wakeup.close());
        // As relaxed as a hint, again.
        if pool.queue.load(Relaxed) > 0 {
            while pool.take() {}
        }
        pusher.join().expect("the pusher ends");
        assert_eq!(pool.queue.load(Relaxed), 0);
    });
}
