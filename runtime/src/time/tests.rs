//! The wheel alone, against a model, and with its driver under a paused clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::shard::{Advanced, NEVER, Shard};
use super::slab::Entry;
use super::{Expire, TICK_NS, Wheel};
use crate::port::{Port, Simulation};

const MS: u64 = TICK_NS;

/// Remembers which tokens ended, and when.
#[derive(Default)]
struct Log {
    port: Mutex<Option<Arc<Port>>>,
    ended: Mutex<Vec<(u64, u64)>>,
}

impl Expire for Log {
    fn expire(&self, token: u64) {
        let now = self.port.lock().as_ref().map_or(0, |port| port.now_ns());
        self.ended.lock().push((token, now));
    }
}

impl Log {
    fn tokens(&self) -> Vec<u64> {
        let mut tokens: Vec<_> = self.ended.lock().iter().map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        tokens
    }
}

fn advance(shard: &mut Shard, now: u64) -> Vec<u64> {
    let mut due = Vec::new();
    while shard.advance(now, &mut due, 3) == Advanced::More {}
    due.into_iter()
        .map(|entry| match entry {
            Entry::Call(_, token) => token,
            _ => unreachable!("only calls are armed"),
        })
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// Arms a timer so many ticks from now (negative: overdue).
    Arm(i64),
    /// Cancels the n-th key ever given, dead ones too.
    Cancel(prop::sample::Index),
    /// Lets so many ticks pass.
    Pass(u64),
    /// Jumps to when the wheel asks to be looked at.
    PassToEarliest,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let distance = prop_oneof![
        4 => -5..70i64,
        4 => 0..5_000i64,
        2 => 0..300_000_000i64,
        1 => (0..44u32).prop_map(|bits| 1i64 << bits),
    ];
    let pass = prop_oneof![4 => 0..70u64, 3 => 0..5_000u64, 1 => 0..300_000_000u64];
    let step = prop_oneof![
        6 => distance.prop_map(Step::Arm),
        3 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        2 => pass.prop_map(Step::Pass),
        2 => Just(Step::PassToEarliest),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn a_wheel_does_what_a_sorted_map_does(start in 0..(1u64 << 40), steps in steps()) {
        let log: Arc<dyn Expire> = Arc::new(Log::default());
        let (mut shard, mut now) = (Shard::new(), start);
        let (mut model, mut keys) = (BTreeMap::new(), Vec::new());
        for step in steps {
            match step {
                Step::Arm(distance) => {
                    let (tick, token) = (now.saturating_add_signed(distance), keys.len() as u64);
                    let (index, serial, begins) = shard.insert(now, tick, Entry::Call(log.clone(), token));
                    prop_assert!(begins <= tick.max(now), "a timer is looked at before it is due");
                    model.insert((tick, token), ());
                    keys.push((index, serial, tick, token));
                }
                Step::Cancel(which) if !keys.is_empty() => {
                    let (index, serial, tick, token) = keys[which.index(keys.len())];
                    prop_assert_eq!(shard.contains(index, serial), model.contains_key(&(tick, token)));
                    prop_assert_eq!(shard.remove(index, serial).is_some(), model.remove(&(tick, token)).is_some());
                }
                Step::Cancel(_) => {}
                Step::Pass(ticks) => now += ticks,
                Step::PassToEarliest if shard.earliest() == NEVER => {}
                Step::PassToEarliest => now = now.max(shard.earliest()),
            }
            let later = model.split_off(&(now + 1, 0));
            let expected: Vec<u64> = std::mem::replace(&mut model, later).into_keys().map(|(_, token)| token).collect();
            // Only looked at when it asks for it: that must be often enough.
            let mut fired = if shard.earliest() <= now { advance(&mut shard, now) } else { Vec::new() };
            fired.sort_unstable();
            let mut expected = expected;
            expected.sort_unstable();
            prop_assert_eq!(fired, expected);
            prop_assert_eq!(shard.len(), model.len());
        }
        while !model.is_empty() {
            now = now.max(shard.earliest());
            for token in advance(&mut shard, now) {
                let key = model.keys().copied().find(|(_, other)| *other == token).expect("nothing fires twice");
                prop_assert!(key.0 <= now, "nothing fires early");
                model.remove(&key);
            }
        }
        prop_assert_eq!(shard.len(), 0);
    }
}

#[test]
fn timers_of_one_slot_end_in_the_order_they_were_armed() {
    let log: Arc<dyn Expire> = Arc::new(Log::default());
    let mut shard = Shard::new();
    for token in 0..10 {
        shard.insert(0, 5, Entry::Call(log.clone(), token));
    }
    assert_eq!(advance(&mut shard, 5), (0..10).collect::<Vec<_>>());
}

#[test]
fn memory_follows_the_armed_timers() {
    let target: Arc<dyn Expire> = Arc::new(Log::default());
    let mut shard = Shard::new();
    let keys: Vec<_> = (0..200_000).map(|n| shard.insert(0, n % 9_000, Entry::Call(target.clone(), n))).collect();
    let full = shard.bytes();
    assert!(full < 200_000 * 80);
    let (first, rest) = keys.split_at(1_000);
    for (index, serial, _) in rest {
        assert!(shard.remove(*index, *serial).is_some());
    }
    assert!(shard.bytes() < full / 50, "{} of {full} bytes are kept for 1,000 of 200,000 timers", shard.bytes());
    for (index, serial, _) in first {
        assert!(shard.remove(*index, *serial).is_some());
    }
    assert!(shard.bytes() < full / 200);
    assert_eq!(Arc::strong_count(&target), 1, "cancelled timers hold nothing");
    for (index, serial, _) in &keys {
        assert!(shard.remove(*index, *serial).is_none(), "an old key names nothing");
    }
}

#[test]
fn an_old_key_does_not_name_the_timer_that_took_its_place() {
    let target: Arc<dyn Expire> = Arc::new(Log::default());
    let mut shard = Shard::new();
    let (index, serial, _) = shard.insert(0, 10, Entry::Call(target.clone(), 1));
    assert!(shard.remove(index, serial).is_some());
    let (again, other, _) = shard.insert(0, 10, Entry::Call(target.clone(), 2));
    assert_eq!(index, again);
    assert_ne!(serial, other);
    assert!(shard.remove(index, serial).is_none());
    assert!(shard.drain().count() == 1);
    let (_, third, _) = shard.insert(0, 10, Entry::Call(target, 3));
    assert!(third > other, "a drained wheel goes on counting");
}

/// A wheel with its driver on a runtime whose time is paused.
fn simulated<F: Future<Output = ()>>(test: impl FnOnce(Arc<Port>, Arc<Wheel>, Arc<Log>) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let port = Port::simulated(runtime.handle().clone(), Simulation::seeded(1));
    let wheel = Wheel::start(port.clone());
    let log = Arc::new(Log { port: Mutex::new(Some(port.clone())), ..Log::default() });
    runtime.block_on(test(port, wheel, log));
}

#[test]
fn paused_time_advances_to_the_wheels_head() {
    simulated(|port, wheel, log| async move {
        let begun = std::time::Instant::now();
        for (token, after) in [(1, 3_600_000 * MS), (2, 50 * MS), (3, 50 * MS + 1), (4, 5_000 * MS)] {
            wheel.arm(after, log.clone(), token);
        }
        tokio::time::sleep(Duration::from_secs(3_601)).await;
        assert_eq!(log.tokens(), [1, 2, 3, 4]);
        let at = |token| log.ended.lock().iter().find(|(other, _)| *other == token).map(|(_, at)| *at).expect("ended");
        assert_eq!((at(2), at(3), at(4), at(1)), (50 * MS, 51 * MS, 5_000 * MS, 3_600_000 * MS));
        assert!(begun.elapsed() < Duration::from_secs(60), "an hour took no hour");
        assert_eq!(port.now_ns(), 3_601_000 * MS);
    });
}

#[test]
fn an_earlier_timer_wakes_the_driver() {
    simulated(|_, wheel, log| async move {
        wheel.arm(5_000 * MS, log.clone(), 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
        wheel.arm(200 * MS, log.clone(), 2);
        wheel.arm(0, log.clone(), 3);
        tokio::time::sleep(Duration::from_millis(101)).await;
        assert_eq!(log.tokens(), [2, 3]);
    });
}

#[test]
fn cancelled_timers_do_not_end_and_say_so() {
    simulated(|_, wheel, log| async move {
        let keys: Vec<_> = (0..100).map(|n| wheel.arm((1 + n) * 10 * MS, log.clone(), n)).collect();
        for key in keys.iter().step_by(2) {
            assert!(wheel.is_armed(*key) && wheel.cancel(*key));
            assert!(!wheel.is_armed(*key) && !wheel.cancel(*key));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(log.tokens(), (0..100).filter(|n| n % 2 == 1).collect::<Vec<_>>());
        assert!(keys.iter().all(|key| !wheel.cancel(*key)), "what has ended cannot be cancelled");
        assert_eq!((wheel.armed(), wheel.fired()), (0, 50));
    });
}

#[test]
fn a_panicking_target_stops_nobody_else() {
    struct Bomb;
    impl Expire for Bomb {
        fn expire(&self, _: u64) {
            std::panic::resume_unwind(Box::new("boom"));
        }
    }
    simulated(|_, wheel, log| async move {
        wheel.arm(MS, Arc::new(Bomb), 0);
        wheel.arm(MS, log.clone(), 1);
        wheel.arm(2 * MS, log.clone(), 2);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(log.tokens(), [1, 2]);
        assert_eq!(wheel.panics(), 1);
    });
}

#[test]
fn clearing_releases_every_target() {
    simulated(|_, wheel, log| async move {
        for n in 0..1_000 {
            wheel.arm(n * MS, log.clone(), n);
        }
        wheel.clear();
        assert_eq!((wheel.armed(), Arc::strong_count(&log)), (0, 1));
        wheel.arm(3 * MS, log.clone(), 7);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(log.tokens(), [7]);
    });
}

#[test]
fn a_dropped_wheel_ends_its_driver() {
    simulated(|port, wheel, log| async move {
        wheel.arm(3_600_000 * MS, log, 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(wheel);
        // The wheel, what it held and its driver have let go of the port.
        while Arc::strong_count(&port) > 1 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn real_timers_end_after_their_time_while_others_come_and_go() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    let port = Port::production(runtime.handle().clone());
    let wheel = Wheel::start(port.clone());
    struct Told(mpsc::UnboundedSender<u64>, Arc<Port>);
    impl Expire for Told {
        fn expire(&self, at: u64) {
            assert!(self.1.now_ns() >= at, "fired early");
            self.0.send(at).expect("the test waits");
        }
    }
    let (send, mut ended) = mpsc::unbounded_channel();
    let told = Arc::new(Told(send, port.clone()));
    let armers: Vec<_> = (0..4u64)
        .map(|armer| {
            let (wheel, port, told) = (wheel.clone(), port.clone(), told.clone());
            std::thread::spawn(move || {
                for n in 0..1_000 {
                    let at = port.now_ns() + (n * 7 + armer) % 90 * MS / 3;
                    wheel.arm(at, told.clone(), at);
                    let key = wheel.arm_waker(at + 5_000 * MS, Waker::noop().clone());
                    assert!(wheel.cancel(key));
                }
            })
        })
        .collect();
    for armer in armers {
        armer.join().expect("no armer panics");
    }
    let got = AtomicU64::new(0);
    runtime.block_on(async {
        while got.fetch_add(1, Ordering::Relaxed) < 4_000 {
            ended.recv().await.expect("every timer ends");
        }
    });
    assert_eq!((wheel.armed(), wheel.panics()), (0, 0));
}
