//! Pages that are read: text in lines of a width.

use self::unicode::width;

use super::super::page::{Column, Item, Opens, Page, Tone};
use crate::text::clean;

/// Room for what is said before a value.
const LABEL: usize = 11;
/// Lines of a text, at most.
const LINES: usize = 5_000;

/// A page of text that is being written.
pub(crate) struct Text {
    width: usize,
    page: Page,
}

impl Text {
    pub(crate) fn new(width: u16) -> Self {
        let page = Page { columns: vec![Column::text("", 9)], ..Page::default() };
        Self { width: usize::from(width).max(8), page }
    }

    /// A line, or as many as it needs.
    pub(crate) fn line(&mut self, tone: Tone, text: &str) {
        self.wrapped("", text, tone, None);
    }

    /// A line that leads somewhere.
    pub(crate) fn link(&mut self, text: &str, tone: Tone, opens: Opens) {
        self.wrapped("", text, tone, Some(opens));
    }

    /// A value with its name before it.
    pub(crate) fn say(&mut self, label: &str, value: &str) {
        self.say_in(Tone::Plain, label, value, None);
    }

    pub(crate) fn say_in(&mut self, tone: Tone, label: &str, value: &str, opens: Option<Opens>) {
        self.wrapped(&format!("{label:<LABEL$}"), value, tone, opens);
    }

    /// A value with what stands before it.
    pub(crate) fn entry(&mut self, before: &str, value: &str) {
        self.wrapped(before, value, Tone::Plain, None);
    }

    pub(crate) fn gap(&mut self) {
        self.line(Tone::Plain, "");
    }

    pub(crate) fn page(self) -> Page {
        self.page
    }

    /// Text of a system, line by line.
    pub(crate) fn lines(&mut self, tone: Tone, text: &str) {
        for line in text.lines() {
            self.line(tone, line);
        }
    }

    fn wrapped(&mut self, label: &str, text: &str, tone: Tone, opens: Option<Opens>) {
        let text = clean(text);
        let before = width(label);
        // A continued line stands under its beginning.
        let indent = if before > 0 { before } else { text.len() - text.trim_start().len() + 2 };
        let indent = indent.min(self.width / 2);
        let mut lead = label.to_owned();
        for part in wrap(&text, self.width.saturating_sub(before).max(1), self.width - indent) {
            if self.page.items.len() >= LINES {
                return;
            }
            let key = format!("{}", self.page.items.len());
            let cells = vec![format!("{lead}{part}")];
            self.page.items.push(Item { key, cells, tone, opens: opens.clone(), panel: 0 });
            lead = " ".repeat(indent);
        }
    }
}

/// Lines as they are.
pub(crate) fn plain(lines: &[String], width: u16) -> Page {
    let mut text = Text::new(width);
    for line in lines {
        text.line(Tone::Plain, line);
    }
    text.page()
}

/// Cuts a line into parts of a width, between words where that can be.
fn wrap(text: &str, first: usize, others: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut rest, mut most) = (text, first.max(1));
    loop {
        let end = unicode::end_of(rest, most);
        if end == rest.len() {
            parts.push(rest);
            return parts;
        }
        let body = rest.len() - rest.trim_start().len();
        let space = rest[..end].rfind(' ').filter(|&space| space > body);
        let end = match space {
            Some(space) if !rest[end..].starts_with(' ') => space + 1,
            _ => end,
        };
        parts.push(rest[..end].trim_end());
        rest = rest[end..].trim_start_matches(' ');
        most = others.max(1);
    }
}

/// How wide text is.
pub(crate) mod unicode {
    use ratatui::text::Span;

    /// Columns that a text takes.
    pub(crate) fn width(text: &str) -> usize {
        Span::raw(text).width()
    }

    /// The byte from which on no more than so many columns of a text follow.
    pub(crate) fn start_of(text: &str, columns: usize) -> usize {
        let mut used = 0;
        for (at, c) in text.char_indices().rev() {
            used += width(c.encode_utf8(&mut [0; 4]));
            if used > columns {
                return at + c.len_utf8();
            }
        }
        0
    }

    /// The byte before which so many columns of a text end; at least one character is before it.
    pub(crate) fn end_of(text: &str, columns: usize) -> usize {
        let mut used = 0;
        for (at, c) in text.char_indices() {
            used += width(c.encode_utf8(&mut [0; 4]));
            if used > columns && at > 0 {
                return at;
            }
        }
        text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_words_and_words_only_where_they_must() {
        assert_eq!(wrap("one two three", 7, 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3, 5), ["abc", "defgh"]);
        assert_eq!(wrap("  abcdefgh", 6, 6), ["  abcd", "efgh"]);
        assert_eq!(wrap("", 3, 3), [""]);
        assert_eq!(wrap("日本語", 2, 2), ["日", "本", "語"]);
        assert_eq!(wrap("日本語", 1, 1), ["日", "本", "語"], "what does not fit is there all the same");
    }

    #[test]
    fn text_is_clean_and_has_an_end() {
        let mut text = Text::new(20);
        text.lines(Tone::Plain, &"a\u{1b}[2J\n".repeat(LINES + 5));
        let page = text.page();
        assert_eq!(page.items.len(), LINES);
        assert_eq!(page.items[0].cells, ["a\\u{1b}[2J"]);
    }

    #[test]
    fn values_stand_under_their_beginning() {
        let mut text = Text::new(22);
        text.say("kind", "one two three");
        let cells: Vec<_> = text.page().items.into_iter().flat_map(|item| item.cells).collect();
        assert_eq!(cells, ["kind       one two", "           three"]);
    }
}
