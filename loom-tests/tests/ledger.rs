//! The ledger: who holds what. What is revoked is swept up or given back by its holder, once.

#![forbid(unsafe_code)]

use crashworthy_loom_tests::{
    Arc,
    atomic::{AtomicBool, Ordering},
    model, thread,
};
use crashworthy_sync::ledger::Ledger;

#[test]
fn what_is_held_is_struck_out_by_its_holder_or_swept_up() {
    model(|| {
        let ledger = Arc::new(Ledger::new());
        let entry = ledger.enter([1, 1, 7]).expect("room");
        let holder = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || ledger.strike(entry))
        };
        let mut swept = 0;
        ledger.sweep(
            |words| words[0] == 1,
            |words| {
                assert_eq!(words, [1, 1, 7]);
                swept += 1;
            },
        );
        assert_eq!(usize::from(holder.join().unwrap()) + swept, 1);
    });
}

#[test]
fn nothing_that_is_entered_while_it_is_revoked_is_left() {
    model(|| {
        let (ledger, revoked) = (Arc::new(Ledger::new()), Arc::new(AtomicBool::new(false)));
        let holder = {
            let (ledger, revoked) = (Arc::clone(&ledger), Arc::clone(&revoked));
            thread::spawn(move || {
                let entry = ledger.enter([1, 1, 7]).expect("room");
                // A holder that is not revoked keeps it; the other strikes it out, unless it was swept up.
                revoked.load(Ordering::Relaxed).then(|| ledger.strike(entry))
            })
        };
        revoked.store(true, Ordering::Relaxed);
        let mut swept = 0;
        ledger.sweep(|_| true, |_| swept += 1);
        let struck = holder.join().unwrap();
        assert_eq!(usize::from(struck == Some(true)) + swept, 1, "{struck:?}");
    });
}

#[test]
fn a_sweep_takes_no_entry_for_the_one_before_it() {
    model(|| {
        let ledger = Arc::new(Ledger::new());
        let first = ledger.enter([1, 1, 1]).expect("room");
        let holder = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                let struck = ledger.strike(first);
                let next = ledger.enter([2, 2, 2]).expect("room");
                (struck, ledger.strike(next))
            })
        };
        let mut swept = 0;
        ledger.sweep(
            |words| words[0] == 1,
            |words| {
                assert_eq!(words, [1, 1, 1]);
                swept += 1;
            },
        );
        let (struck, next) = holder.join().unwrap();
        assert_eq!((usize::from(struck) + swept, next), (1, true));
    });
}
