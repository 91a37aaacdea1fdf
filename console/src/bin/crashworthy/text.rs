//! Plain text: tables, spans of time, and nothing that a terminal would obey.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();

/// Columns of at most so many characters; what is longer is cut.
const WIDEST: usize = 100;

/// Text of a system, without what would be obeyed: it is shown instead.
pub(crate) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_direction(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Whether a character turns the direction of what follows, and so the order in which it is read.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same of several lines, each behind this much room.
pub(crate) fn clean_lines(text: &str, room: &str) -> String {
    text.lines().map(|line| format!("{room}{}\n", clean(line))).collect()
}

/// A table with a head; columns whose heads begin with `>` are numbers.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = (Option<Style>, Vec<String>)>) -> String {
    let heads = head.iter().map(|name| name.trim_start_matches('>').to_owned()).collect();
    let rows = std::iter::once((Some(BOLD), heads)).chain(rows);
    let rows: Vec<(_, Vec<String>)> =
        rows.map(|(style, cells)| (style, cells.iter().map(|cell| cut(cell)).collect())).collect();
    let wide =
        |column: usize| rows.iter().map(|(_, cells)| cells.get(column).map_or(0, |cell| cell.chars().count())).max();
    let widths: Vec<_> = (0..head.len()).map(|column| wide(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (style, cells) in &rows {
        let mut line = String::new();
        for ((cell, width), name) in cells.iter().zip(&widths).zip(head) {
            let gap = if line.is_empty() { "" } else { "  " };
            let _ = if name.starts_with('>') {
                write!(line, "{gap}{cell:>width$}")
            } else {
                write!(line, "{gap}{cell:<width$}")
            };
        }
        let (line, style) = (line.trim_end(), style.unwrap_or_default());
        let _ = writeln!(text, "{style}{line}{style:#}");
    }
    text
}

fn cut(cell: &str) -> String {
    match cell.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}…", &cell[..at]),
        None => cell.to_owned(),
    }
}

/// A span of time for people.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{:.1} s", span.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// So many of something.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The name of a type without where it is: `shop::Till<shop::Euro>` is `Till<Euro>`.
pub(crate) fn short_type(kind: &str) -> String {
    let mut short = String::new();
    let mut word = 0;
    let mut rest = kind.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ':' && rest.next_if_eq(&':').is_some() {
            short.truncate(word);
        } else {
            short.push(c);
            if !c.is_alphanumeric() && c != '_' {
                word = short.len();
            }
        }
    }
    clean(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows = [(None, vec!["till".to_owned(), "7".to_owned()]), (None, vec!["é".to_owned(), "12".to_owned()])];
        let text = anstream::adapter::strip_str(&table(&["NAME", ">DEPTH"], rows)).to_string();
        assert_eq!(text, "NAME  DEPTH\ntill      7\né        12\n");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(clean("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(clean_lines("a\r\nb\u{7}", "  "), "  a\n  b\\u{7}\n");
    }

    #[test]
    fn a_type_is_told_without_where_it_is() {
        assert_eq!(short_type("shop::Till"), "Till");
        assert_eq!(short_type("shop::Till<shop::money::Euro, [u8; 4]>"), "Till<Euro, [u8; 4]>");
        assert_eq!(short_type("plain"), "plain");
    }

    #[test]
    fn spans_are_told_as_exactly_as_one_wants_to_know() {
        let spans = [(12, "12 ms"), (3_240, "3.2 s"), (250_000, "4 min 10 s"), (7_500_000, "2 h 5 min")];
        for (ms, told) in spans {
            assert_eq!(span(Duration::from_millis(ms)), told);
        }
    }
}
