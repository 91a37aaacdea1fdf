//! Promised places: each is kept by its holder or forgiven, never both and never neither.

#![forbid(unsafe_code)]

use crashworthy_loom_tests::{Arc, model, thread};
use crashworthy_sync::promises::Promises;

#[test]
fn a_promise_is_kept_by_its_holder_or_forgiven() {
    model(|| {
        let promises = Arc::new(Promises::new());
        let made = [promises.make(1), promises.make(1)];
        let holder = {
            let promises = Arc::clone(&promises);
            thread::spawn(move || u64::from(promises.keep(made[0])))
        };
        let forgiven = promises.forgive(2);
        let kept = holder.join().unwrap();
        assert_eq!(kept + forgiven, 2);
        assert!(!promises.keep(made[1]), "all that is left was forgiven");
    });
}

#[test]
fn what_is_promised_while_others_are_forgiven_is_not_lost() {
    model(|| {
        let promises = Arc::new(Promises::new());
        let _ = promises.make(1);
        let maker = {
            let promises = Arc::clone(&promises);
            thread::spawn(move || promises.make(3))
        };
        let first = promises.forgive(2);
        let made = maker.join().unwrap();
        // The only slot was either free again, or it was not: then this one is kept apart.
        assert_eq!(first + promises.forgive(3), 1);
        assert!(promises.keep(made));
        assert_eq!(promises.forgive(9), 0);
    });
}

#[test]
fn what_is_kept_apart_is_kept_by_its_holder_or_forgiven() {
    model(|| {
        let promises = Arc::new(Promises::new());
        // The second finds the only slot taken.
        let made = [promises.make(1), promises.make(2)];
        let holder = {
            let promises = Arc::clone(&promises);
            thread::spawn(move || u64::from(promises.keep(made[1])))
        };
        let forgiven = promises.forgive(3);
        let kept = holder.join().unwrap();
        assert_eq!(kept + forgiven, 2);
        assert!(!made.iter().any(|made| promises.keep(*made)), "all that is left was forgiven");
    });
}
