//! The slot for one waker, and the lifecycle word.

#![forbid(unsafe_code)]

use std::{future::poll_fn, task::Poll};

use crashworthy_loom_tests::{
    Arc,
    atomic::{AtomicBool, Ordering},
    block_on, model, poll_once, thread,
};
use crashworthy_sync::{
    lifecycle::{Lifecycle, Stage},
    waker::WakerSlot,
};

#[derive(Default)]
struct Flag {
    set: AtomicBool,
    slot: WakerSlot,
}

impl Flag {
    fn raise(&self) {
        self.set.store(true, Ordering::Relaxed);
        self.slot.wake();
    }

    fn raised(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            self.slot.register(cx.waker());
            if self.set.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

#[test]
fn a_wake_up_is_not_lost() {
    model(|| {
        let flag = Arc::new(Flag::default());
        let other = {
            let flag = Arc::clone(&flag);
            thread::spawn(move || flag.raise())
        };
        block_on(flag.raised());
        other.join().unwrap();
    });
}

#[test]
fn two_wakers_and_a_change_of_mind_lose_nothing() {
    model(|| {
        let flag = Arc::new(Flag::default());
        let others = [0, 1].map(|_| {
            let flag = Arc::clone(&flag);
            thread::spawn(move || flag.raise())
        });
        // Another waker than that of `block_on`.
        let _ = poll_once(flag.raised());
        block_on(flag.raised());
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn of_two_transitions_one_happens() {
    model(|| {
        let life = Arc::new(Lifecycle::new());
        let other = {
            let life = Arc::clone(&life);
            thread::spawn(move || life.become_stage(Stage::Starting).is_ok())
        };
        let gone = life.become_stage(Stage::Gone).is_ok();
        let started = other.join().unwrap();
        assert!(gone != started, "neither is legal after the other");
        assert_eq!(life.stage(), if gone { Stage::Gone } else { Stage::Starting });
    });
}
