//! What is looked for in a list: a [`Pattern`], here as in a system.

use crashworthy_console::Pattern;
use crashworthy_console::protocol::{Filter, Row};

/// None if all match; also if it cannot be understood, which [`fault`] tells.
pub(crate) fn read(text: &str) -> Option<Pattern> {
    text.parse().ok().filter(|pattern: &Pattern| !pattern.is_all())
}

/// Whether it looks for nothing: all match, as if there was none.
pub(crate) fn is_nothing(text: &str) -> bool {
    text.parse().is_ok_and(|pattern: Pattern| pattern.is_all())
}

/// Why a filter cannot be understood.
pub(crate) fn fault(text: &str) -> Option<String> {
    text.parse::<Pattern>().err().map(|why| why.to_string())
}

/// Whether an actor matches, by all that a system looks at.
pub(crate) fn takes(pattern: &Pattern, row: &Row) -> bool {
    pattern.takes([row.path.as_str(), row.kind.as_str()].into_iter().chain(row.registered.as_deref()))
}

/// How a system is told to look for it. A part of a text is looked for as older systems do, too.
pub(crate) fn query(text: Option<&str>) -> Filter {
    let part = text.and_then(read).and_then(|pattern| pattern.part().map(str::to_owned));
    match part {
        Some(text) => Filter { text: Some(text), ..Filter::default() },
        None => Filter { pattern: text.map(str::to_owned), ..Filter::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_cannot_be_understood_says_so_and_leaves_all() {
        for bad in ["(", "!(", "a{2", "*"] {
            assert!(fault(bad).is_some_and(|why| !why.is_empty()) && read(bad).is_none(), "{bad}");
        }
        for nothing in ["", "!", "~"] {
            assert!(fault(nothing).is_none() && read(nothing).is_none() && is_nothing(nothing), "{nothing:?}");
        }
        assert!(!is_nothing("(") && !is_nothing("!a"), "one that cannot be understood says so");
        assert!(fault("(a)").is_none() && read("(a)").is_some());
    }

    #[test]
    fn a_part_of_a_text_is_looked_for_as_ever_and_all_else_as_a_pattern() {
        let part = Filter { text: Some("till".into()), ..Filter::default() };
        assert_eq!((query(Some("till")), query(None)), (part, Filter::default()));
        for pattern in ["t.ll", "!till", "~till"] {
            assert_eq!(query(Some(pattern)), Filter { pattern: Some(pattern.into()), ..Filter::default() });
        }
    }
}
