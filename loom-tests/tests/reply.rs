//! The one-shot reply: exactly one outcome, whoever comes first, and nobody waits for ever.

#![forbid(unsafe_code)]

use std::task::{Context, Poll, Waker};

use crashworthy_loom_tests::{Arc, block_on, model, poll_once, thread};
use crashworthy_sync::reply::{Replier, channel};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Default,
    Settled,
    Forced,
}

/// A value whose drops loom counts.
type Value = Arc<u32>;

#[test]
fn an_answer_wakes_who_waits() {
    model(|| {
        let (asker, replier, observer) = channel::<Value, _>(Why::Default);
        let callee = thread::spawn(move || {
            replier.send(Arc::new(7)).expect("the asker waits");
            observer.settle(Why::Settled);
        });
        assert_eq!(*block_on(asker).expect("it was answered"), 7);
        callee.join().unwrap();
    });
}

#[test]
fn an_answer_wakes_the_latest_waker() {
    model(|| {
        let (mut asker, replier, _observer) = channel::<Value, _>(Why::Default);
        let callee = thread::spawn(move || replier.send(Arc::new(7)));
        // The first waker is another than that of `block_on`.
        let outcome = match poll_once(&mut asker) {
            Some(outcome) => outcome,
            None => block_on(&mut asker),
        };
        assert_eq!(outcome.as_deref(), Ok(&7));
        assert!(callee.join().unwrap().is_ok());
    });
}

#[test]
fn an_answer_meets_an_asker_that_leaves() {
    model(|| {
        let value = Arc::new(7);
        let (mut asker, replier, observer) = channel::<Value, _>(Why::Default);
        let callee = {
            let value = Arc::clone(&value);
            thread::spawn(move || replier.send(value).is_ok())
        };
        assert!(poll_once(&mut asker).is_none_or(|outcome| outcome.is_ok()));
        drop(asker);
        let _ = callee.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1, "delivered or given back, it is dropped by now");
        assert!(observer.is_answered() || observer.is_cancelled());
    });
}

#[test]
fn an_answer_and_a_forced_end_have_one_winner() {
    model(|| {
        let (asker, replier, observer) = channel::<Value, _>(Why::Default);
        let callee = thread::spawn(move || replier.send(Arc::new(7)).is_ok());
        let monitor = thread::spawn(move || observer.force(Why::Forced));
        let outcome = block_on(asker);
        let (answered, forced) = (callee.join().unwrap(), monitor.join().unwrap());
        assert!(answered != forced);
        assert_eq!(outcome.as_deref(), if answered { Ok(&7) } else { Err(&Why::Forced) });
    });
}

#[test]
fn a_forced_end_meets_an_asker_that_waited_and_leaves() {
    model(|| {
        let (mut asker, replier, observer) = channel::<Value, _>(Why::Default);
        let monitor = thread::spawn(move || {
            observer.force(Why::Forced);
            observer.is_answered() || observer.is_cancelled()
        });
        assert!(poll_once(&mut asker).is_none_or(|outcome| outcome.is_err()));
        // The waker is the asker's to drop, or the monitor's to wake: loom sees who touches it.
        drop(asker);
        assert!(monitor.join().unwrap());
        assert!(replier.is_cancelled());
    });
}

#[test]
fn two_forced_ends_have_one_winner() {
    model(|| {
        let (mut asker, _replier, observer) = channel::<Value, _>(Why::Default);
        let second = observer.clone();
        let other = thread::spawn(move || second.force(Why::Forced));
        let settled = observer.force(Why::Settled);
        let forced = other.join().unwrap();
        let outcome = asker.try_take().expect("somebody won").unwrap_err();
        assert_eq!([forced, settled], [outcome == Why::Forced, outcome == Why::Settled]);
    });
}

#[test]
fn d1_a_dropped_reply_and_the_end_of_the_turn_give_one_outcome() {
    model(|| {
        let (asker, replier, observer) = channel::<Value, _>(Why::Default);
        let holder = thread::spawn(move || drop(replier));
        observer.settle(Why::Settled);
        let outcome = block_on(asker).unwrap_err();
        // Dropped within the turn: the turn's word. Afterwards: the default.
        assert!(matches!(outcome, Why::Settled | Why::Default));
        holder.join().unwrap();
    });
}

#[test]
fn a_question_that_everybody_drops_ends() {
    model(|| {
        let (asker, replier, observer) = channel::<Value, _>(Why::Default);
        let holder = thread::spawn(move || drop(replier));
        let second = observer.clone();
        let other = thread::spawn(move || drop(second));
        drop(observer);
        assert_eq!(block_on(asker).unwrap_err(), Why::Default);
        holder.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_settled_turn_and_an_answer_agree() {
    model(|| {
        let (mut asker, replier, observer) = channel::<Value, _>(Why::Default);
        let callee = thread::spawn(move || replier.send(Arc::new(7)).is_ok());
        observer.settle(Why::Settled);
        drop(observer);
        assert!(callee.join().unwrap(), "a replier that answers was not dropped");
        assert_eq!(asker.try_take().expect("it was answered").as_deref(), Ok(&7));
    });
}

#[test]
fn who_watches_learns_that_the_asker_left() {
    fn cancelled(replier: &Replier<Value, Why>) -> impl Future<Output = ()> {
        std::future::poll_fn(|cx: &mut Context<'_>| replier.poll_cancelled(cx))
    }
    model(|| {
        let (asker, replier, observer) = channel::<Value, _>(Why::Default);
        let leaver = thread::spawn(move || drop(asker));
        block_on(cancelled(&replier));
        assert!(replier.is_cancelled());
        assert!(matches!(observer.poll_cancelled(&mut Context::from_waker(Waker::noop())), Poll::Ready(())));
        leaver.join().unwrap();
    });
}
