//! The `Arc` that is set once.

#![forbid(unsafe_code)]

use crashworthy_loom_tests::{Arc, model, thread};
use crashworthy_sync::once_arc::OnceArc;

#[test]
fn of_two_who_set_it_one_does_and_everybody_sees_that_one() {
    model(|| {
        let once = Arc::new(OnceArc::new());
        let threads = [1, 2].map(|number| {
            let once = Arc::clone(&once);
            thread::spawn(move || {
                let won = once.set(Arc::new(number)).is_ok();
                (number, won, *once.get().expect("it is set"))
            })
        });
        let early = once.get_arc();
        let ends = threads.map(|thread| thread.join().unwrap());
        let set = *once.get().expect("it is set");
        assert_eq!(ends.iter().filter(|(number, won, _)| *won && *number == set).count(), 1, "{ends:?}");
        assert_eq!(ends.iter().filter(|(_, won, _)| *won).count(), 1, "{ends:?}");
        assert!(ends.iter().all(|(_, _, seen)| *seen == set), "{ends:?}");
        assert!(early.is_none_or(|early| *early == set));
    });
}
