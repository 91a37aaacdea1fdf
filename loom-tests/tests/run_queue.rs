//! The word that holds what a pump runs next: of all takers one gets the item, and the owner's plain store loses none.

#[cfg(loom)]
use loom::{sync::Arc, thread};
#[cfg(not(loom))]
use std::{sync::Arc, thread};

use crashworthy_sync::run_queue::{Local, run_queue};

#[cfg(loom)]
fn model(scenario: impl Fn() + Sync + Send + 'static) {
    loom::model(scenario);
}

#[cfg(not(loom))]
fn model(scenario: impl Fn() + Sync + Send + 'static) {
    (0..500).for_each(|_| scenario());
}

/// Loom notices one that is leaked.
type Item = Box<(u32, Arc<()>)>;

fn item(number: u32) -> Item {
    Box::new((number, Arc::new(())))
}

fn rest(local: &mut Local<Item>) -> Vec<u32> {
    std::iter::from_fn(|| local.pop()).map(|item| item.0).collect()
}

#[test]
fn each_item_is_taken_once_by_owner_or_thief() {
    model(|| {
        let (mut local, remote) = run_queue::<Item>();
        local.push_next(item(1));
        let thief = thread::spawn(move || remote.take_next().map(|item| item.0));
        let mut taken: Vec<_> = local.pop().map(|item| item.0).into_iter().collect();
        // Empty for the owner: a plain store, while the thief may be about to swap.
        local.push_next(item(2));
        taken.extend(thief.join().expect("the thief ends"));
        taken.extend(rest(&mut local));
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn a_displaced_item_is_neither_lost_nor_taken_twice() {
    model(|| {
        let (mut local, remote) = run_queue::<Item>();
        local.push_next(item(1));
        let thief = thread::spawn(move || remote.take_next().map(|item| item.0));
        let displaced = local.push_next(item(2));
        let stolen = thief.join().expect("the thief ends");
        let mut taken = rest(&mut local);
        assert_eq!(displaced, taken.contains(&1), "displaced unless stolen before");
        taken.extend(stolen);
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn an_item_put_behind_the_others_while_a_thief_takes_it_is_taken_once() {
    model(|| {
        let (mut local, remote) = run_queue::<Item>();
        local.push_next(item(1));
        let thief = thread::spawn(move || remote.take_next().map(|item| item.0));
        local.shelve();
        // Empty for the owner, whoever got the item.
        assert!(!local.push_next(item(2)));
        let mut taken = rest(&mut local);
        taken.extend(thief.join().expect("the thief ends"));
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn of_two_thieves_and_the_owner_one_gets_the_item() {
    model(|| {
        let (mut local, remote) = run_queue::<Item>();
        local.push_next(item(1));
        let remote = Arc::new(remote);
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let remote = remote.clone();
                thread::spawn(move || remote.take_next().is_some())
            })
            .collect();
        let owned = local.pop().is_some();
        let stolen = thieves.into_iter().map(|thief| thief.join().expect("the thief ends"));
        assert_eq!(usize::from(owned) + stolen.filter(|got| *got).count(), 1);
    });
}

#[test]
fn a_queue_dropped_by_its_owner_first_drops_what_the_thief_leaves() {
    model(|| {
        let (mut local, remote) = run_queue::<Item>();
        let thief = thread::spawn(move || drop(remote.take_next()));
        local.push_next(item(1));
        drop(local);
        thief.join().expect("the thief ends");
    });
}

/// What a lookout does with a pump whose turn blocks, when that returns just then.
#[test]
fn what_a_blocked_owner_has_is_handed_over_or_run_by_itself_once() {
    model(|| {
        let (mut local, remote) = run_queue::<Item>();
        local.push_next(item(1));
        let lookout = thread::spawn(move || {
            let taken: Vec<_> = std::iter::from_fn(|| remote.take_next()).map(|item| item.0).collect();
            taken
        });
        // It makes another ready, and its poll ends: what it would run next is put behind the others.
        let displaced = local.push_next(item(2));
        local.shelve();
        let handed_over = lookout.join().expect("the lookout ends");
        let mut all = rest(&mut local);
        assert_eq!(displaced, all.contains(&1), "displaced unless it was handed over");
        all.extend(handed_over);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}
