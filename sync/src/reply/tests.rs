use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    thread,
};

use super::*;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Why {
    Default,
    Settled,
    Failed,
    Forced,
}

fn question() -> (Asker<String, Why>, Replier<String, Why>, Observer<Why>) {
    channel(Why::Default)
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (Arc::clone(&bell), bell.into())
}

#[test]
fn an_answer_arrives() {
    let (mut asker, replier, observer) = question();
    assert_eq!(asker.try_take(), None);
    assert!(!observer.is_answered());
    assert_eq!(replier.send("yes".into()), Ok(()));
    assert!(observer.is_answered());
    observer.settle(Why::Settled);
    assert!(!observer.force(Why::Forced), "it has an outcome");
    assert_eq!(asker.try_take(), Some(Ok("yes".into())));
}

#[test]
fn an_answer_wakes_the_latest_waker_once() {
    let (mut asker, replier, _observer) = question();
    let ((old, old_waker), (new, new_waker)) = (bell(), bell());
    let mut asker = pin!(&mut asker);
    assert!(asker.as_mut().poll(&mut Context::from_waker(&old_waker)).is_pending());
    assert!(asker.as_mut().poll(&mut Context::from_waker(&new_waker)).is_pending());
    assert!(asker.as_mut().poll(&mut Context::from_waker(&new_waker)).is_pending());
    replier.send("yes".into()).unwrap();
    assert_eq!((old.0.load(Ordering::SeqCst), new.0.load(Ordering::SeqCst)), (0, 1));
    assert_eq!(asker.as_mut().poll(&mut Context::from_waker(&new_waker)), Poll::Ready(Ok("yes".into())));
}

#[test]
fn d1_a_reply_dropped_in_the_turn_is_settled_by_the_turn() {
    let (mut asker, replier, observer) = question();
    drop(replier);
    assert_eq!(asker.try_take(), None, "the turn may still fail");
    observer.settle(Why::Settled);
    assert_eq!(asker.try_take(), Some(Err(Why::Settled)));
}

#[test]
fn d1_a_delegated_reply_outlives_the_turn() {
    let (mut asker, replier, observer) = question();
    observer.settle(Why::Settled);
    drop(observer);
    assert_eq!(asker.try_take(), None);
    replier.send("late".into()).unwrap();
    assert_eq!(asker.try_take(), Some(Ok("late".into())));

    let (mut asker, replier, observer) = question();
    observer.settle(Why::Settled);
    drop(replier);
    assert_eq!(asker.try_take(), Some(Err(Why::Default)), "the turn has nothing to say about it any more");
}

#[test]
fn a_question_that_no_turn_ever_sees_still_ends() {
    for observer_first in [true, false] {
        let (mut asker, replier, observer) = question();
        let second = observer.clone();
        drop(second);
        if observer_first {
            drop(observer);
            drop(replier);
        } else {
            drop(replier);
            drop(observer);
        }
        assert_eq!(asker.try_take(), Some(Err(Why::Default)));
    }
}

#[test]
fn a_replier_can_say_that_there_is_no_answer() {
    let (mut asker, replier, _observer) = question();
    replier.fail(Why::Failed);
    assert_eq!(asker.try_take(), Some(Err(Why::Failed)));
}

#[test]
fn c5_a_forced_end_beats_the_replier_that_is_still_out_there() {
    let (mut asker, replier, observer) = question();
    assert!(!replier.is_cancelled());
    assert!(observer.force(Why::Forced));
    assert!(replier.is_cancelled());
    assert_eq!(asker.try_take(), Some(Err(Why::Forced)));
    assert_eq!(replier.send("too late".into()), Err("too late".into()));
}

#[test]
fn an_asker_that_leaves_cancels_and_gets_the_value_dropped() {
    let (asker, replier, observer) = question();
    let (bell, waker) = bell();
    let mut cx = Context::from_waker(&waker);
    assert!(replier.poll_cancelled(&mut cx).is_pending());
    assert!(observer.poll_cancelled(&mut cx).is_pending());
    drop(asker);
    assert_eq!(bell.0.load(Ordering::SeqCst), 1, "one task waits");
    assert!(replier.poll_cancelled(&mut cx).is_ready() && observer.poll_cancelled(&mut cx).is_ready());
    assert_eq!(replier.send("nobody".into()), Err("nobody".into()));
    assert!(!observer.is_answered());

    let value = Arc::new(());
    let (asker, replier, _observer) = channel::<_, Why>(Why::Default);
    replier.send(Arc::clone(&value)).unwrap();
    drop(asker);
    assert_eq!(Arc::strong_count(&value), 1, "though the observer is still there");
}

#[test]
fn an_asker_with_its_outcome_cancels_nothing() {
    let (mut asker, replier, observer) = question();
    replier.send("yes".into()).unwrap();
    let _ = asker.try_take();
    drop(asker);
    assert!(!observer.is_cancelled());
}

#[test]
fn a_crowd_of_watchers_is_bounded_and_nobody_is_forgotten() {
    let (asker, replier, _observer) = question();
    let bells: Vec<_> = (0..20).map(|_| bell()).collect();
    for (_, waker) in &bells {
        assert!(replier.poll_cancelled(&mut Context::from_waker(waker)).is_pending());
    }
    drop(asker);
    assert!(bells.iter().all(|(bell, _)| bell.0.load(Ordering::SeqCst) == 1));
}

#[test]
fn g2_a_waker_may_use_the_reply_and_may_panic() {
    struct Rude(Observer<Why>, Arc<AtomicUsize>);

    impl Wake for Rude {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            let _ = self.0.poll_cancelled(&mut Context::from_waker(Waker::noop()));
            panic!("rude");
        }
    }

    for leave in [true, false] {
        let (mut asker, replier, observer) = question();
        let woken = Arc::new(AtomicUsize::new(0));
        let rude = Waker::from(Arc::new(Rude(observer.clone(), Arc::clone(&woken))));
        let mut cx = Context::from_waker(&rude);
        assert!(Pin::new(&mut asker).poll(&mut cx).is_pending());
        assert!(replier.poll_cancelled(&mut cx).is_pending());
        if leave {
            drop(asker);
            assert_eq!(woken.load(Ordering::SeqCst), 1, "as a watcher");
        } else {
            replier.send("yes".into()).unwrap();
            assert_eq!(woken.load(Ordering::SeqCst), 2, "as the asker, and as a watcher");
            assert_eq!(asker.try_take(), Some(Ok("yes".into())));
        }
    }
}

#[test]
#[should_panic(expected = "an outcome is taken once")]
fn an_outcome_is_taken_once() {
    let (mut asker, replier, _observer) = question();
    replier.send("yes".into()).unwrap();
    let _ = asker.try_take();
    let _ = asker.try_take();
}

#[test]
fn everybody_at_once_still_gives_one_outcome() {
    for round in 0..if cfg!(miri) { 5 } else { 2_000 } {
        let (asker, replier, observer) = question();
        let forced = observer.clone();
        let sent = thread::scope(|scope| {
            let sent = scope.spawn(|| replier.send("yes".into()).is_ok());
            let won = scope.spawn(move || forced.force(Why::Forced));
            if round % 2 == 0 {
                drop(asker);
                assert!(!(sent.join().unwrap() && won.join().unwrap()));
                return None;
            }
            let (sent, won) = (sent.join().unwrap(), won.join().unwrap());
            assert!(sent != won, "exactly one");
            Some((sent, asker))
        });
        if let Some((sent, mut asker)) = sent {
            let expected = if sent { Ok("yes".to_owned()) } else { Err(Why::Forced) };
            assert_eq!(asker.try_take(), Some(expected));
        }
    }
}

#[test]
fn an_outcome_is_owed_until_there_is_one_or_somebody_else_may_bring_it() {
    type End = fn(Asker<String, Why>, Replier<String, Why>, Observer<Why>);
    let ends: [(&str, End); 6] = [
        ("answered", |_asker, replier, _observer| drop(replier.send("yes".into()))),
        ("failed", |_asker, replier, _observer| replier.fail(Why::Failed)),
        ("the asker has gone", |asker, _replier, _observer| drop(asker)),
        ("the turn is over", |asker, replier, observer| {
            observer.settle(Why::Settled);
            std::mem::forget((asker, replier));
        }),
        ("lent by the turn", |asker, replier, observer| {
            observer.lend();
            std::mem::forget((asker, replier, observer));
        }),
        ("lent by who has it", |asker, replier, observer| {
            replier.lend();
            std::mem::forget((asker, replier, observer));
        }),
    ];
    for (what, end) in ends {
        let (asker, replier, observer) = question();
        let wait = asker.wait();
        assert!(wait.is_owed());
        end(asker, replier, observer);
        assert!(!wait.is_owed(), "{what}");
    }
    let (asker, replier, observer) = question();
    let wait = asker.wait();
    drop(replier);
    assert!(wait.is_owed(), "the turn will say what that means");
    drop((asker, observer));
}

#[test]
fn an_asker_that_goes_late_is_told_from_one_that_does_not_care_any_more() {
    let (asker, _replier, observer) = question();
    asker.note_late();
    assert!(!observer.is_moot(), "it is there until it goes");
    drop(asker);
    assert!(observer.is_moot() && observer.is_cancelled() && observer.is_late());
    let (asker, _replier, observer) = question();
    drop(asker);
    assert!(observer.is_moot() && !observer.is_late());
}

#[test]
fn a_wait_that_is_ended_from_outside_has_that_outcome_and_the_question_is_moot() {
    let (mut asker, replier, observer) = question();
    let (bell, waker) = bell();
    assert!(pin!(&mut asker).poll(&mut Context::from_waker(&waker)).is_pending());
    let wait = asker.wait();
    assert!(!observer.is_moot());
    assert!(wait.end_with(|| Why::Forced));
    assert!(observer.is_moot());
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert!(!wait.end_with(|| panic!("there is an outcome")));
    assert_eq!((asker.try_take(), replier.send("no".into())), (Some(Err(Why::Forced)), Err("no".into())));
    // The last to go frees the whole.
    drop((asker, observer));
    drop(wait);
}

#[test]
fn what_a_question_takes_along_is_dropped_with_the_last_of_its_ends() {
    let (asker, replier, observer) = channel::<u32, &str>("unanswered");
    let baggage = std::sync::Arc::new(7u32);
    observer.load(baggage.clone());
    observer.load(std::sync::Arc::new(8u32));
    let known = observer.baggage().and_then(|baggage| baggage.downcast_ref::<u32>());
    assert_eq!(known, Some(&7), "the first that was given");
    drop((asker, observer));
    assert_eq!(std::sync::Arc::strong_count(&baggage), 2);
    drop(replier);
    assert_eq!(std::sync::Arc::strong_count(&baggage), 1);
}

#[test]
fn who_has_gone_is_seen_by_all_who_are_asked_for_his_sake_and_who_was_answered_has_not() {
    let (asker, replier, observer) = channel::<u32, _>(Why::Default);
    let mut chain = vec![observer.wait()];
    let mut ends = Vec::new();
    for _ in 0..200 {
        let (asker, replier, observer) = channel_within::<u32, _>(Why::Default, chain.last());
        chain.push(observer.wait());
        ends.push((asker, replier, observer));
    }
    let seen = |ends: &Vec<(_, _, Observer<Why>)>| ends.iter().filter(|end| end.2.is_cancelled_around()).count();
    assert_eq!(seen(&ends), 0);
    drop(asker);
    assert!(observer.is_cancelled() && !observer.is_cancelled_around());
    assert_eq!(seen(&ends), 64, "a chain that is longer begins anew");
    drop((replier, observer));

    let (mut asker, replier, observer) = channel::<u32, _>(Why::Default);
    let (_asker, _replier, within) = channel_within::<u32, _>(Why::Default, Some(&observer.wait()));
    replier.send(7).unwrap();
    assert_eq!(asker.try_take(), Some(Ok(7)));
    drop(asker);
    assert!(!within.is_cancelled_around());
}
