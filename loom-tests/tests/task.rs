//! One runner at a time: waking, claiming in place, abandoning, releasing.

#![forbid(unsafe_code)]

use std::sync::Mutex;

use crashworthy_loom_tests::{
    Arc,
    atomic::{AtomicU32, Ordering},
    model, thread,
};
use crashworthy_sync::task::{Abandon, Claim, Ran, Run, Runnable, Stale, Task};

/// Each turn notes how much work it sees, and does one thing that depends on the model.
struct Worker {
    work: AtomicU32,
    seen: AtomicU32,
    then: Then,
    dropped: Arc<AtomicU32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Idle,
    Release,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Run for Worker {
    /// Turns taken with this owner.
    type Owner = u32;

    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        task.with_owner(|turns| *turns += 1).expect("a turn that is not in foreign code is current");
        let seen = task.work.load(Ordering::Relaxed);
        task.seen.store(seen, Ordering::Relaxed);
        match task.then {
            Then::Idle => claim.idle(),
            Then::Release => claim.release(),
        }
    }
}

fn worker(then: Then) -> (Arc<Task<Worker>>, Arc<AtomicU32>) {
    let dropped = Arc::new(AtomicU32::new(0));
    let worker = Worker { work: AtomicU32::new(0), seen: AtomicU32::new(0), then, dropped: Arc::clone(&dropped) };
    (Task::new(worker, 0), dropped)
}

/// A held, idle worker.
fn idle_worker() -> Arc<Task<Worker>> {
    let (task, _) = worker(Then::Idle);
    drop(Task::hold_and_wake(&task));
    task
}

/// Ends a held worker, so that it does not keep itself alive.
fn end(task: &Arc<Task<Worker>>) {
    let none = Task::claim_now(task).expect("it is idle").run(|_, claim| claim.release());
    assert!(none.is_none());
}

fn run_all(runnable: Option<Runnable>) {
    let mut next = runnable;
    while let Some(runnable) = next {
        next = runnable.run();
    }
}

#[test]
fn the_last_wake_up_is_never_lost() {
    model(|| {
        let task = idle_worker();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let task = Arc::clone(&task);
                thread::spawn(move || {
                    task.work.fetch_add(1, Ordering::Relaxed);
                    run_all(task.wake());
                })
            })
            .collect();
        for waker in wakers {
            waker.join().unwrap();
        }
        assert_eq!(task.seen.load(Ordering::Relaxed), 2, "somebody ran after the last of them");
        end(&task);
    });
}

#[test]
fn b2_a_claim_in_place_and_a_wake_up_lose_nothing() {
    model(|| {
        let task = idle_worker();
        let waker = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                task.work.fetch_add(1, Ordering::Relaxed);
                run_all(task.wake());
            })
        };
        if let Some(claimed) = Task::claim_now(&task) {
            let next = claimed.run(|task, claim| {
                task.with_owner(|turns| *turns += 1).expect("current");
                let seen = task.work.load(Ordering::Relaxed);
                task.seen.store(seen, Ordering::Relaxed);
                claim.idle()
            });
            run_all(next);
        }
        waker.join().unwrap();
        assert_eq!(task.seen.load(Ordering::Relaxed), 1);
        end(&task);
    });
}

#[test]
fn two_claims_in_place_exclude_each_other() {
    model(|| {
        let task = idle_worker();
        let claim = |task: &Arc<Task<Worker>>| {
            let Some(claimed) = Task::claim_now(task) else { return 0 };
            // Loom sees to it that nobody else touches the owner meanwhile.
            let none = claimed.run(|task, claim| {
                task.with_owner(|turns| *turns += 1).expect("current");
                claim.idle()
            });
            assert!(none.is_none());
            1
        };
        let other = {
            let task = Arc::clone(&task);
            thread::spawn(move || claim(&task))
        };
        let claims = claim(&task) + other.join().unwrap();
        assert!(claims >= 1);
        let none = Task::claim_now(&task).expect("idle").run(|task, claim| {
            assert_eq!(task.with_owner(|turns| *turns), Some(claims));
            claim.release()
        });
        assert!(none.is_none());
    });
}

#[test]
fn c5_abandoning_and_coming_back_exclude_each_other() {
    // Which ends the model has met, over all its runs: done, not running, busy.
    static MET: [std::sync::atomic::AtomicBool; 3] = [const { std::sync::atomic::AtomicBool::new(false) }; 3];
    model(|| {
        let (task, dropped) = worker(Then::Release);
        drop(Task::hold_and_wake(&task));
        let runner = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                let mut kept = None;
                let next = Task::claim_now(&task).expect("idle").run(|task, claim| {
                    task.with_owner(|turns| *turns = 10).expect("current");
                    match task.user(|| ()) {
                        Ok(()) => {
                            // Not abandoned, and as long as it is here it will not be.
                            task.with_owner(|turns| *turns += 1).expect("current");
                            claim.release()
                        }
                        Err(((), Stale)) => {
                            assert_eq!(task.with_owner(|_| ()), None);
                            let (left, ran) = claim.retire();
                            kept = Some(left);
                            ran
                        }
                    }
                });
                run_all(next);
                kept
            })
        };
        let abandon = Task::abandon(&task, |turns| std::mem::replace(turns, 77));
        let end = match abandon {
            Abandon::Done(_) => 0,
            Abandon::NotRunning => 1,
            _ => 2,
        };
        MET[end].store(true, Ordering::Relaxed);
        let abandoned = match abandon {
            Abandon::Done(runnable) => {
                // The new epoch begins beside the straggler.
                run_all(Some(runnable));
                true
            }
            Abandon::NotRunning | Abandon::Busy => false,
            Abandon::Straggler => unreachable!("nothing was abandoned before"),
        };
        let kept = runner.join().unwrap();
        assert_eq!(kept, abandoned.then_some(77), "the straggler keeps what the heir left it");
        assert!(!task.has_straggler() && !task.is_running() && !task.is_held());
        assert_eq!(task.epoch(), u32::from(abandoned));
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
        drop(task);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
    #[cfg(loom)]
    assert!(MET.iter().all(|end| end.load(Ordering::Relaxed)), "a model that meets less proves little: {MET:?}");
}

#[test]
fn c5_foreign_code_that_is_lent_the_owner_is_not_abandoned_meanwhile() {
    // What the foreign code met, over all runs of the model: lent, or abandoned before.
    static MET: [std::sync::atomic::AtomicBool; 2] = [const { std::sync::atomic::AtomicBool::new(false) }; 2];
    model(|| {
        let (task, _) = worker(Then::Release);
        drop(Task::hold_and_wake(&task));
        let runner = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                let next = Task::claim_now(&task).expect("idle").run(|task, claim| {
                    task.with_owner(|turns| *turns = 10).expect("current");
                    let lent = task.user(|| {
                        assert_eq!(task.with_owner(|_| ()), None, "in foreign code nothing is lent");
                        // A loom cell: two threads in here at once are found.
                        let lent = task.interlude(|turns| *turns += 1).is_some();
                        MET[usize::from(lent)].store(true, Ordering::Relaxed);
                        assert_eq!(task.with_owner(|_| ()), None, "it is foreign code again");
                        lent
                    });
                    match lent {
                        Ok(lent) => {
                            assert!(lent);
                            assert_eq!(task.with_owner(|turns| *turns), Some(11));
                            claim.release()
                        }
                        Err((_, Stale)) => claim.retire().1,
                    }
                });
                run_all(next);
            })
        };
        if let Abandon::Done(runnable) = Task::abandon(&task, |turns| *turns) {
            run_all(Some(runnable));
        }
        runner.join().unwrap();
        assert!(!task.has_straggler() && !task.is_running() && !task.is_held());
        assert_eq!(task.interlude(|_| ()), None, "outside of a turn");
    });
    #[cfg(loom)]
    assert!(MET.iter().all(|end| end.load(Ordering::Relaxed)), "a model that meets less proves little: {MET:?}");
}

#[test]
fn c5_a_wake_up_of_an_abandoned_turn_is_not_lost() {
    model(|| {
        let (task, _) = worker(Then::Idle);
        drop(Task::hold_and_wake(&task));
        let none = Task::claim_now(&task).expect("idle").run(|task, claim| {
            let waker = {
                let task = Arc::clone(task);
                thread::spawn(move || {
                    task.work.fetch_add(1, Ordering::Relaxed);
                    run_all(task.wake());
                })
            };
            let stale = task.user(|| match Task::abandon(task, |turns| *turns) {
                Abandon::Done(runnable) => run_all(Some(runnable)),
                _ => unreachable!("it is in foreign code"),
            });
            assert!(stale.is_err());
            waker.join().unwrap();
            claim.retire().1
        });
        assert!(none.is_none());
        assert_eq!(task.seen.load(Ordering::Relaxed), 1);
        end(&task);
    });
}

#[test]
fn a_release_and_a_wake_up_end_in_a_turn_or_in_nothing() {
    model(|| {
        let (task, dropped) = worker(Then::Release);
        let runnable = Task::hold_and_wake(&task).expect("idle");
        let waker = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                task.work.fetch_add(1, Ordering::Relaxed);
                // None: it ran after that, or was released before.
                run_all(task.wake());
            })
        };
        run_all(Some(runnable));
        waker.join().unwrap();
        assert!(!task.is_held());
        drop(task);
        assert_eq!(dropped.load(Ordering::Relaxed), 1, "the counts add up");
    });
}

#[test]
fn what_whoever_holds_a_task_anew_gives_its_owner_is_there_in_the_next_turn() {
    model(|| {
        // It ends with a release while another claims it, or waits to be held.
        let (task, dropped) = worker(Then::Release);
        let runnable = Task::hold_and_wake(&task).expect("idle");
        let holder = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                task.work.fetch_add(1, Ordering::Relaxed);
                let give = |task: &Arc<Task<Worker>>, claim: Claim<'_, Worker>| {
                    task.with_owner(|turns| *turns += 10).expect("current");
                    claim.again()
                };
                let given = Task::hold_and_claim(&task).map(|claimed| claimed.run(give));
                let is_given = given.is_some();
                // What is not idle has its next turn as usual.
                run_all(given.unwrap_or_else(|| Task::hold_and_wake(&task)));
                is_given
            })
        };
        let waker = {
            let task = Arc::clone(&task);
            thread::spawn(move || run_all(task.wake()))
        };
        run_all(Some(runnable));
        waker.join().unwrap();
        let is_given = holder.join().unwrap();
        assert_eq!(task.seen.load(Ordering::Relaxed), 1, "a turn came after the hold");
        assert!(!task.is_held() && !task.is_running());
        let claimed = Task::hold_and_claim(&task).expect("idle");
        let none = claimed.run(|task, claim| {
            let turns = task.with_owner(|turns| *turns).expect("current");
            assert_eq!(turns >= 10, is_given);
            claim.release()
        });
        assert!(none.is_none());
        drop(task);
        assert_eq!(dropped.load(Ordering::Relaxed), 1, "the counts add up");
    });
}

#[test]
fn a_release_and_a_new_hold_lose_nothing() {
    model(|| {
        let (task, dropped) = worker(Then::Release);
        let runnable = Task::hold_and_wake(&task).expect("idle");
        let holder = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                task.work.fetch_add(1, Ordering::Relaxed);
                run_all(Task::hold_and_wake(&task));
            })
        };
        run_all(Some(runnable));
        holder.join().unwrap();
        assert_eq!(task.seen.load(Ordering::Relaxed), 1, "a turn came after the hold");
        assert!(!task.is_held());
        drop(task);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}

/// A task whose turns are followed by others elsewhere: what is to follow is put where other threads take it.
struct Mover {
    work: AtomicU32,
    seen: AtomicU32,
    elsewhere: Mutex<Vec<Runnable>>,
}

impl Run for Mover {
    type Owner = ();

    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        let seen = task.work.load(Ordering::Relaxed);
        task.seen.store(seen, Ordering::Relaxed);
        claim.idle()
    }

    fn again(task: &Arc<Task<Self>>, runnable: Runnable) -> Option<Runnable> {
        task.elsewhere.lock().expect("nobody panics").push(runnable);
        None
    }
}

/// What an actor is moved to other threads by, while somebody wakes it.
#[test]
fn a_turn_that_is_followed_elsewhere_loses_no_wake_up() {
    model(|| {
        let mover = Mover { work: AtomicU32::new(0), seen: AtomicU32::new(0), elsewhere: Mutex::default() };
        let task = Task::new(mover, ());
        let runnable = Task::hold_and_wake(&task).expect("idle");
        let waker = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                task.work.fetch_add(1, Ordering::Relaxed);
                if let Some(runnable) = task.wake() {
                    assert!(runnable.run().is_none());
                }
            })
        };
        assert!(runnable.run().is_none(), "whoever takes the turn is left with nothing");
        waker.join().unwrap();
        let left = std::mem::take(&mut *task.elsewhere.lock().expect("nobody panics"));
        assert!(left.len() <= 1, "there is one runnable at a time");
        for runnable in left {
            assert!(runnable.run().is_none());
        }
        assert_eq!(task.seen.load(Ordering::Relaxed), 1, "a turn came after the wake-up");
        let none = Task::claim_now(&task).expect("it is idle").run(|_, claim| claim.release());
        assert!(none.is_none());
    });
}
