//! Where somebody is in a list: on a thing, wherever that moves, and not on a line.

/// A cursor and what is in view. It stays at the top until it is moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    at: usize,
    first: usize,
    on: Option<String>,
}

impl List {
    /// The line of the cursor.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The first line in view.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Moves to a line, or the nearest there is.
    pub(crate) fn go(&mut self, line: usize, keys: &[&str]) {
        self.at = line.min(keys.len().saturating_sub(1));
        self.on = (self.at > 0).then(|| keys[self.at].to_owned());
    }

    /// Moves so many lines up (less than zero) or down.
    pub(crate) fn walk(&mut self, lines: isize, keys: &[&str]) {
        self.go(self.at.saturating_add_signed(lines), keys);
    }

    /// Finds its thing again among what there is now, and shows it.
    pub(crate) fn settle(&mut self, keys: &[&str], height: usize) {
        let is_here = |on: &&String| keys.get(self.at).is_some_and(|key| key == on);
        // Of several that cannot be told apart it is the one where it is.
        let moved = self.on.as_ref().filter(|on| !is_here(on));
        let found = moved.and_then(|on| keys.iter().position(|key| key == on));
        self.at = found.unwrap_or(self.at).min(keys.len().saturating_sub(1));
        let height = height.max(1);
        let last_first = keys.len().saturating_sub(height);
        self.first = self.first.min(self.at).max((self.at + 1).saturating_sub(height)).min(last_first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_on_its_thing_wherever_that_moves() {
        let mut list = List::default();
        list.go(1, &["a", "b", "c"]);
        list.settle(&["c", "a", "b"], 10);
        assert_eq!(list.at(), 2);
    }

    #[test]
    fn it_stays_at_the_top_until_it_is_moved() {
        let mut list = List::default();
        list.settle(&["a", "b"], 10);
        list.settle(&["b", "a"], 10);
        assert_eq!(list.at(), 0);
        list.go(1, &["b", "a"]);
        list.go(0, &["b", "a"]);
        list.settle(&["a", "b"], 10);
        assert_eq!(list.at(), 0, "who goes back to the top stays there");
    }

    #[test]
    fn it_goes_on_from_one_to_another_that_cannot_be_told_apart() {
        let keys = ["a", "b", "b", "c"];
        let mut list = List::default();
        for expected in [1, 2, 3] {
            list.walk(1, &keys);
            list.settle(&keys, 10);
            assert_eq!(list.at(), expected);
        }
    }

    #[test]
    fn what_is_gone_leaves_it_where_it_was_and_nothing_is_no_place_beyond_the_end() {
        let mut list = List::default();
        list.go(2, &["a", "b", "c"]);
        list.settle(&["a", "b"], 10);
        assert_eq!(list.at(), 1);
        list.settle(&[], 10);
        assert_eq!((list.at(), list.first()), (0, 0));
        list.walk(-3, &[]);
        list.walk(isize::MAX, &["a"]);
        assert_eq!(list.at(), 0);
    }

    #[test]
    fn the_cursor_is_always_in_view() {
        let keys: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut list = List::default();
        list.go(12, &keys);
        list.settle(&keys, 5);
        assert_eq!(list.first(), 8);
        list.walk(-2, &keys);
        list.settle(&keys, 5);
        assert_eq!(list.first(), 8, "it scrolls no more than it must");
        list.go(3, &keys);
        list.settle(&keys, 5);
        assert_eq!(list.first(), 3);
        list.settle(&keys[..6], 5);
        assert_eq!(list.first(), 1, "no room is left empty at the end");
    }
}
