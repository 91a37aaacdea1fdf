//! What a lesson promises to print, and whether it did.

use std::fmt;

/// Stands for any text within one line of a promise.
const WILDCARD: &str = "[..]";

/// The lines that a lesson promises, from the first fenced block after the words "expected output" in the doc comment
/// that opens its source. `None` if there is no such block, or no end of it.
pub(crate) fn promised(source: &str) -> Option<String> {
    let mut doc = source
        .lines()
        .map(str::trim_start)
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.strip_prefix("//! ").unwrap_or(&line[3..]))
        .skip_while(|line| !line.to_ascii_lowercase().contains("expected output"))
        .skip_while(|line| !line.starts_with("```"))
        .skip(1);
    let mut lines = Vec::new();
    loop {
        match doc.next()? {
            "```" => return Some(lines.join("\n")),
            line => lines.push(line),
        }
    }
}

/// Compares line by line; what stands at the end of a line or of the text, and cannot be seen, does not count.
pub(crate) fn compare(promised: &str, printed: &str) -> Result<(), Difference> {
    let promised: Vec<_> = promised.trim_end().lines().map(str::trim_end).collect();
    let printed: Vec<_> = printed.trim_end().lines().map(str::trim_end).collect();
    let agreeing = promised.iter().zip(&printed).take_while(|(pattern, line)| matches(pattern, line)).count();
    if agreeing == promised.len() && agreeing == printed.len() {
        return Ok(());
    }
    Err(Difference {
        line: agreeing + 1,
        promised: promised.get(agreeing).map(|line| (*line).to_owned()),
        printed: printed.get(agreeing).map(|line| (*line).to_owned()),
    })
}

/// The first line that is not as promised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    line: usize,
    promised: Option<String>,
    printed: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |line: &Option<String>| match line {
            Some(line) => format!("`{line}`"),
            None => "nothing more".to_owned(),
        };
        write!(f, "line {}: promised {}, ", self.line, or_nothing(&self.promised))?;
        write!(f, "printed {}", or_nothing(&self.printed))
    }
}

/// Whether `line` is `pattern` with some text in place of each wildcard. Taking the first place where each part fits is
/// enough: what is left for the later parts is then longest.
fn matches(pattern: &str, line: &str) -> bool {
    let Some((head, rest)) = pattern.split_once(WILDCARD) else { return pattern == line };
    let Some(mut line) = line.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once(WILDCARD).unwrap_or(("", rest));
    for part in middle.split(WILDCARD) {
        match line.split_once(part) {
            Some((_, after)) => line = after,
            None => return false,
        }
    }
    line.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_the_block_after_the_words() {
        let source = "//! Hello.\n//!\n//! ```sh\n//! cargo run\n//! ```\n//!\n//! Expected output:\n//!\n\
                      //! ```text\n//! till: 250\n//!\n//!   indented\n//! ```\n\nfn main() {}\n";
        assert_eq!(promised(source).as_deref(), Some("till: 250\n\n  indented"));
    }

    #[test]
    fn a_heading_is_a_promise_too() {
        let source = "//! # Expected output\n//! ```\n//! hello\n//! ```\n";
        assert_eq!(promised(source).as_deref(), Some("hello"));
    }

    #[test]
    fn an_empty_block_promises_silence() {
        assert_eq!(promised("//! Expected output: none.\n//! ```text\n//! ```\n").as_deref(), Some(""));
    }

    #[test]
    fn without_the_words_or_the_block_or_its_end_there_is_no_promise() {
        assert_eq!(promised("//! Hello.\n//! ```text\n//! hello\n//! ```\n"), None);
        assert_eq!(promised("//! Expected output: see below.\nfn main() {}\n"), None);
        assert_eq!(promised("//! Expected output\n//! ```text\n//! hello\n"), None);
        assert_eq!(promised("fn main() {}\n//! Expected output\n//! ```\n//! ```\n"), None);
    }

    #[test]
    fn a_wildcard_stands_for_any_text_within_a_line() {
        for (pattern, line) in [
            ("hello", "hello"),
            ("[..]", ""),
            ("[..]", "anything"),
            ("took [..] ms", "took 12 ms"),
            ("[..].rs:[..]", "src/till.rs:12:5"),
            ("a[..]b[..]b", "abb"),
            ("a[..]a[..]", "a-a-a"),
            ("[..]end", "end end"),
            ("[..][..]", "x"),
        ] {
            assert!(matches(pattern, line), "{pattern} {line}");
        }
    }

    #[test]
    fn what_stands_around_a_wildcard_must_be_there() {
        for (pattern, line) in [
            ("hello", "hello!"),
            ("took [..] ms", "took 12 s"),
            ("took [..] ms", "it took 12 ms"),
            ("a[..]a", "a"),
            ("a[..]b[..]b", "ab"),
            ("[.]", "x"),
        ] {
            assert!(!matches(pattern, line), "{pattern} {line}");
        }
    }

    #[test]
    fn what_cannot_be_seen_does_not_count() {
        assert_eq!(compare("a\nb", "a  \nb\n\n"), Ok(()));
        assert_eq!(compare("", "\n"), Ok(()));
    }

    #[test]
    fn the_first_difference_is_named() {
        let difference = |promised, printed| compare(promised, printed).expect_err("they differ").to_string();
        assert_eq!(difference("a\nb\nc", "a\nx\nc"), "line 2: promised `b`, printed `x`");
        assert_eq!(difference("a\nb", "a"), "line 2: promised `b`, printed nothing more");
        assert_eq!(difference("a", "a\nb"), "line 2: promised nothing more, printed `b`");
        assert_eq!(difference("a\n\nb", "a\nb"), "line 2: promised ``, printed `b`");
    }
}
