//! The table: a key names one thing, for ever.

#![forbid(unsafe_code)]

use crashworthy_loom_tests::{Arc, model, thread};
use crashworthy_sync::table::Table;

#[test]
fn one_of_two_removes() {
    model(|| {
        let table = Arc::new(Table::new());
        let key = table.insert(1);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.remove(key))
        };
        let mine = table.remove(key);
        let theirs = other.join().unwrap();
        assert_eq!(mine.or(theirs), Some(1));
        assert!(mine.is_none() || theirs.is_none());
    });
}

#[test]
fn a_key_never_names_what_came_after() {
    model(|| {
        let table = Arc::new(Table::new());
        let key = table.insert(1);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.remove(key);
                table.insert(2)
            })
        };
        assert!(matches!(table.get(key), Some(1) | None));
        let newer = other.join().unwrap();
        assert_ne!(newer, key);
        assert_eq!((table.get(key), table.get(newer), table.len()), (None, Some(2), 1));
    });
}

#[test]
fn inserting_at_once_gives_different_keys() {
    model(|| {
        let table = Arc::new(Table::new());
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || [table.insert(1), table.insert(2)])
        };
        let mine = table.insert(3);
        let theirs = other.join().unwrap();
        assert_eq!([theirs[0], theirs[1], mine].map(|key| table.get(key)), [Some(1), Some(2), Some(3)]);
        let mut shown = Vec::new();
        table.for_each(|_, thing| shown.push(*thing));
        shown.sort_unstable();
        assert_eq!(shown, [1, 2, 3]);
    });
}
