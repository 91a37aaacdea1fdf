use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::*;

type Body = Box<dyn for<'a> FnMut(&Arc<Task<Script>>, Claim<'a, Script>) -> Ran + Send>;

/// A task whose turns are closures.
struct Script {
    body: Mutex<Option<Body>>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Run for Script {
    type Owner = Vec<&'static str>;

    fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
        let mut body = task.body.lock().unwrap().take().expect("a script for this turn");
        let ran = body(task, claim);
        task.body.lock().unwrap().get_or_insert(body);
        ran
    }
}

fn script(
    body: impl for<'a> FnMut(&Arc<Task<Script>>, Claim<'a, Script>) -> Ran + Send + 'static,
) -> (Arc<Task<Script>>, Arc<AtomicUsize>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let data = Script { body: Mutex::new(Some(Box::new(body))), dropped: Arc::clone(&dropped) };
    (Task::new(data, Vec::new()), dropped)
}

/// Ends the hold of an idle task, so that it does not keep itself alive.
fn end(task: &Arc<Task<Script>>) {
    let none = Task::claim_now(task).expect("it is idle").run(|_, claim| claim.release());
    assert!(none.is_none());
}

#[test]
fn only_a_held_task_can_be_woken() {
    let (task, _) = script(|_, claim| claim.idle());
    assert!(Task::wake(&task).is_none());
    assert!(Task::claim_now(&task).is_none());
    let runnable = Task::hold_and_wake(&task).expect("idle and held");
    assert!(Task::hold_and_wake(&task).is_none(), "held and scheduled already");
    assert!(Task::wake(&task).is_none(), "scheduled already");
    assert!(runnable.run().is_none());
    drop(task.wake().expect("idle again"));
    end(&task);
}

#[test]
fn a_wake_during_the_turn_runs_it_again() {
    let mut turns = 0;
    let (task, _) = script(move |task, claim| {
        turns += 1;
        if turns == 1 {
            assert!(Task::wake(task).is_none());
        }
        claim.idle()
    });
    let again = Task::hold_and_wake(&task).unwrap().run().expect("woken during the turn");
    assert!(again.run().is_none());
    end(&task);
}

#[test]
fn the_owner_stays_between_turns_and_is_lent_once() {
    let (task, _) = script(|task, claim| {
        let nested = task.with_owner(|owner| {
            owner.push("turn");
            task.with_owner(|_| ()).is_none() && task.user(|| task.with_owner(|_| ()).is_none()).unwrap()
        });
        assert_eq!(nested, Some(true), "it is lent already");
        assert!(task.user(|| task.with_owner(|_| ()).is_none()).unwrap(), "foreign code gets nothing");
        claim.again()
    });
    let again = Task::hold_and_wake(&task).unwrap().run().unwrap();
    let again = again.run().unwrap();
    drop(again);
    assert!(task.with_owner(|_| ()).is_none(), "outside of a turn");
    let claimed = Task::claim_now(&task).expect("an unrun runnable leaves the task idle");
    let seen = Cell::new(0);
    let next = claimed.run(|task, claim| {
        seen.set(task.with_owner(|owner| owner.len()).unwrap());
        claim.idle()
    });
    assert!(next.is_none());
    assert_eq!(seen.get(), 2);
    end(&task);
}

#[test]
fn a_released_task_dies_with_its_last_address() {
    let (task, dropped) = script(|_, claim| claim.release());
    let runnable = Task::hold_and_wake(&task).unwrap();
    drop(task);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "it is held");
    assert!(runnable.run().is_none());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_released_task_can_be_held_again() {
    let (task, _) = script(|_, claim| claim.release());
    let _ = Task::hold_and_wake(&task).unwrap().run();
    assert!(Task::wake(&task).is_none());
    assert!(Task::hold_and_wake(&task).unwrap().run().is_none());
    assert!(!task.is_held());
}

#[test]
fn a_raw_runnable_is_still_a_runnable() {
    let (task, _) = script(|_, claim| claim.idle());
    let raw = Task::hold_and_wake(&task).unwrap().into_raw();
    // SAFETY: it comes from `into_raw`, once.
    let runnable = unsafe { Runnable::from_raw(raw) };
    assert!(runnable.run().is_none());
    assert!(!task.is_running());
    end(&task);
}

#[test]
fn a_claim_now_excludes_and_is_excluded() {
    let (task, _) = script(|_, claim| claim.idle());
    let runnable = Task::hold_and_wake(&task).unwrap();
    assert!(Task::claim_now(&task).is_none(), "scheduled");
    assert!(runnable.run().is_none());
    let claimed = Task::claim_now(&task).unwrap();
    assert!(Task::claim_now(&task).is_none(), "running");
    assert!(Task::wake(&task).is_none(), "running");
    let again = claimed.run(|_, claim| claim.idle()).expect("woken during the claim");
    assert!(again.run().is_none());
    end(&task);
}

#[test]
fn a_turn_lasts_until_run_returns() {
    let (task, _) = script(|task, claim| {
        let ran = claim.release();
        assert!(task.is_running() && task.is_held(), "what `run` was lent is still good");
        assert!(task.with_owner(|owner| owner.push("last words")).is_some());
        ran
    });
    let runnable = Task::hold_and_wake(&task).unwrap();
    assert!(runnable.run().is_none());
    assert!(!task.is_running() && !task.is_held());
}

#[test]
fn a_wake_before_the_release_runs_it_again() {
    let (task, _) = script(|task, claim| {
        let _ = task.with_owner(|owner| owner.push("turn"));
        if task.with_owner(|owner| owner.len()) == Some(1) {
            assert!(task.wake().is_none());
        }
        claim.release()
    });
    let again = Task::hold_and_wake(&task).unwrap().run().expect("woken before it was released");
    assert!(task.is_held());
    assert!(again.run().is_none());
    assert!(!task.is_held());
}

#[test]
fn a_panic_that_leaves_run_retires_the_task() {
    let (task, dropped) = script(|task, _claim| {
        let _ = task.user(|| panic!("out of the foreign code"));
        unreachable!()
    });
    let runnable = Task::hold_and_wake(&task).unwrap();
    let result = catch_unwind(AssertUnwindSafe(|| runnable.run()));
    assert!(result.is_err());
    assert!(!task.is_held() && !task.is_running());
    drop(task);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_forgotten_claim_with_a_foreign_end_retires_the_task() {
    let (other, _) = script(|_, claim| claim.idle());
    drop(Task::hold_and_wake(&other));
    let (task, dropped) = script(move |_, claim| {
        let _never_ended = claim;
        let stolen = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&stolen);
        let _ = Task::claim_now(&other).unwrap().run(move |_, claim| {
            *keep.lock().unwrap() = Some(claim.again());
            panic!("leave");
        });
        unreachable!()
    });
    let runnable = Task::hold_and_wake(&task).unwrap();
    drop(task);
    assert!(catch_unwind(AssertUnwindSafe(|| runnable.run())).is_err());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn c5_a_turn_stuck_in_foreign_code_is_abandoned_and_retires_with_what_it_was_left() {
    let (stuck, is_stuck) = mpsc::channel();
    let (unblock, blocked) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let (task, dropped) = script(move |task, claim| {
        task.with_owner(|owner| owner.extend(["heirloom", "left behind"])).unwrap();
        let work = || {
            stuck.send(()).unwrap();
            blocked.recv().unwrap();
        };
        assert_eq!(task.user(work), Err(((), Stale)));
        assert!(claim.is_stale() && task.with_owner(|_| ()).is_none());
        let (owner, ran) = claim.retire();
        tell.send(owner).unwrap();
        ran
    });
    let runnable = Task::hold_and_wake(&task).unwrap();
    let straggler = thread::spawn(move || runnable.run().is_none());
    is_stuck.recv().unwrap();

    assert!(task.wake().is_none(), "running");
    let Abandon::Done(runnable) = Task::abandon(&task, |old| vec![old.remove(0)]) else {
        panic!("it was in foreign code")
    };
    assert_eq!(task.epoch(), 1);
    assert!(task.has_straggler() && !task.is_running());

    // The next runner works beside the straggler, on its own owner.
    *task.body.lock().unwrap() = Some(Box::new(|task, claim| {
        task.with_owner(|owner| assert_eq!(*owner, ["heirloom"])).expect("the turn is current");
        assert!(task.user(|| ()).is_ok());
        claim.release()
    }));
    assert!(runnable.run().is_none());
    drop(task);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "the straggler keeps it");

    unblock.send(()).unwrap();
    assert_eq!(told.recv().unwrap(), ["left behind"]);
    assert!(straggler.join().unwrap());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn c5_a_turn_that_is_in_foreign_code_still_does_not_retire() {
    let refused = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refused);
    let (task, dropped) = script(move |task, claim| {
        let work = || {
            let Abandon::Done(runnable) = Task::abandon(task, std::mem::take) else { panic!("it is in foreign code") };
            drop(runnable);
            // The bank would not be its own when it says that it is back.
            let retired = catch_unwind(AssertUnwindSafe(|| claim.retire()));
            seen.fetch_add(usize::from(retired.is_err()), Ordering::SeqCst);
        };
        assert!(task.user(work).is_err());
        panic!("without its claim");
    });
    let runnable = Task::hold_and_wake(&task).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| runnable.run())).is_err());
    assert_eq!(refused.load(Ordering::SeqCst), 1);
    assert!(!task.has_straggler(), "what its claim did not do was done for it");
    end(&task);
    drop(task);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn what_was_owned_is_dropped_once_however_often_the_task_was_abandoned() {
    struct Abandoned;
    impl Run for Abandoned {
        type Owner = Arc<()>;
        fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
            let heir = |owner: &mut Arc<()>| owner.clone();
            let work = || {
                let Abandon::Done(runnable) = Task::abandon(task, heir) else { panic!("it is in foreign code") };
                drop(runnable);
            };
            assert!(task.user(work).is_err());
            claim.retire().1
        }
    }
    for turns in 0..4 {
        let owned = Arc::new(());
        let task = Task::new(Abandoned, owned.clone());
        for _ in 0..turns {
            assert!(Task::hold_and_wake(&task).unwrap().run().is_none());
        }
        assert_eq!(Arc::strong_count(&owned), 2, "after {turns} turns");
        if turns != 0 {
            let none = Task::claim_now(&task).unwrap().run(|_, claim| claim.release());
            assert!(none.is_none());
        }
        drop(task);
        assert_eq!(Arc::strong_count(&owned), 1, "after {turns} turns");
    }
}

#[test]
fn whoever_holds_an_idle_task_anew_may_give_its_owner_something_first() {
    let (task, dropped) = script(|task, claim| {
        assert_eq!(task.with_owner(|owner| owner.clone()).unwrap(), ["given"]);
        assert!(Task::hold_and_claim(task).is_none(), "it runs");
        claim.release()
    });
    for round in 0..2 {
        // A wake-up that came while it was not held is nothing that is waited for.
        assert!(task.wake().is_none());
        let give = |task: &Arc<Task<Script>>, claim: Claim<'_, Script>| {
            task.with_owner(|owner| *owner = vec!["given"]).unwrap();
            claim.again()
        };
        let runnable = Task::hold_and_claim(&task).expect("idle").run(give).expect("it is to run again");
        assert!(task.is_held() && Task::hold_and_claim(&task).is_none(), "it is scheduled, in round {round}");
        assert!(runnable.run().is_none());
    }
    // Held already, it has no other count.
    drop(Task::hold_and_wake(&task));
    drop(Task::hold_and_claim(&task).expect("idle"));
    end(&task);
    drop(task);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn c5_there_is_one_straggler_at_most() {
    let abandon = |task: &Arc<Task<Script>>| Task::abandon(task, std::mem::take);
    let (task, _) = script(|_, claim| claim.idle());
    drop(Task::hold_and_wake(&task));
    let barrier = Arc::new(Barrier::new(2));
    let stuck = {
        let (task, barrier) = (Arc::clone(&task), Arc::clone(&barrier));
        thread::spawn(move || {
            let none = Task::claim_now(&task).unwrap().run(|task, claim| {
                let work = || {
                    barrier.wait();
                    barrier.wait();
                };
                assert!(task.user(work).is_err());
                claim.retire().1
            });
            assert!(none.is_none());
        })
    };
    barrier.wait();
    let Abandon::Done(runnable) = abandon(&task) else { panic!("it was in foreign code") };
    drop(runnable);
    assert!(matches!(abandon(&task), Abandon::NotRunning));
    let none = Task::claim_now(&task).unwrap().run(|task, claim| {
        assert!(matches!(abandon(task), Abandon::Straggler));
        claim.idle()
    });
    assert!(none.is_none());
    barrier.wait();
    stuck.join().unwrap();
    assert!(!task.has_straggler());
    let none = Task::claim_now(&task).unwrap().run(|task, claim| {
        assert!(matches!(abandon(task), Abandon::Busy), "not in foreign code");
        let work = || {
            let Abandon::Done(runnable) = abandon(task) else { panic!("in foreign code") };
            drop(runnable);
        };
        assert!(task.user(work).is_err());
        claim.retire().1
    });
    assert!(none.is_none());
    assert_eq!(task.epoch(), 2);
    end(&task);
}

#[test]
fn a_heir_that_panics_changes_nothing() {
    let (task, _) = script(|task, claim| {
        let work = || catch_unwind(AssertUnwindSafe(|| Task::abandon(task, |_| panic!("no heir")))).is_err();
        assert_eq!(task.user(work), Ok(true));
        claim.idle()
    });
    assert!(Task::hold_and_wake(&task).unwrap().run().is_none());
    assert_eq!(task.epoch(), 0);
    end(&task);
}

#[test]
fn many_wakers_never_lose_the_last_wake() {
    let work = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicUsize::new(0));
    let (task, _) = {
        let (work, seen) = (Arc::clone(&work), Arc::clone(&seen));
        script(move |_, claim| {
            seen.store(work.load(Ordering::Relaxed), Ordering::Relaxed);
            claim.idle()
        })
    };
    drop(Task::hold_and_wake(&task));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    work.fetch_add(1, Ordering::Relaxed);
                    let mut next = Task::wake(&task);
                    while let Some(runnable) = next {
                        next = runnable.run();
                    }
                }
            });
        }
    });
    assert_eq!(seen.load(Ordering::Relaxed), 3_000);
    end(&task);
}
