//! Lists: columns as wide as they must be, and fewer of them where room is short.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::list::List;
use super::super::page::{Item, Page, Tone};
use super::super::screens::unicode::{end_of, start_of, width};
use super::columns::{GAP, Shown, columns};
use super::{Theme, cell, put};

pub(crate) fn draw(page: &Page, list: &List, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = columns(page, area.width.into());
    let mut lines = area.rows();
    if page.has_head()
        && let Some(line) = lines.next()
    {
        let heads = Item { cells: page.columns.iter().map(|column| column.head.clone()).collect(), ..Item::default() };
        row(page, &columns, &heads, theme.style(Tone::Head), line, buffer);
    }
    let is_read = page.items.iter().all(|item| item.opens.is_none());
    let room = super::super::geometry::lines(page, area.height).into();
    let shown = page.items.iter().enumerate().skip(list.first()).take(room);
    for ((number, item), line) in shown.zip(lines) {
        let style = theme.line(item.tone, number == list.at() && !is_read);
        buffer.set_style(line, style);
        row(page, &columns, item, style, line, buffer);
    }
    if let (Some(note), Some(line)) = (&page.note, area.rows().next_back()) {
        put(buffer, line, line.x, note, theme.style(Tone::Dim));
    }
}

/// A name, and a figure at the right.
pub(crate) fn pair(item: &Item, style: Style, line: Rect, buffer: &mut Buffer) {
    if line.is_empty() {
        return;
    }
    buffer.set_style(line, style);
    let figure = cell(item, 1);
    let room = usize::from(line.width).saturating_sub(width(figure) + 1);
    put(buffer, line, line.x, &tail(cell(item, 0), room), style);
    put(buffer, line, line.right().saturating_sub(width(figure) as u16).max(line.x), figure, style);
}

fn row(page: &Page, columns: &[Shown], item: &Item, style: Style, line: Rect, buffer: &mut Buffer) {
    if let [text] = &item.cells[..] {
        put(buffer, line, line.x, &head(text, line.width.into()), style);
        return;
    }
    let mut at = line.x;
    for &Shown { number, wide } in columns {
        let text = cell(item, number);
        let end = at.saturating_add(wide as u16);
        if page.columns[number].right {
            let text = head(text, wide);
            put(buffer, line, end.saturating_sub(width(&text) as u16), &text, style);
        } else if number == 0 && item.opens.is_some() && page.columns.len() > 1 && !text.starts_with(' ') {
            // Of a path, the end says most.
            put(buffer, line, at, &tail(text, wide), style);
        } else {
            put(buffer, line, at, &head(text, wide), style);
        }
        at = end.saturating_add(GAP as u16);
    }
}

/// The beginning of a text, if there is no room for more.
fn head(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    match room {
        0 => String::new(),
        1 => "…".to_owned(),
        room => format!("{}…", &text[..end_of(text, room - 1)]),
    }
}

/// The end of a text, if there is no room for more.
pub(super) fn tail(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    match room {
        0 => String::new(),
        room => format!("…{}", &text[start_of(text, room - 1)..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_its_end_or_its_beginning() {
        assert_eq!((head("abcdef", 4), tail("abcdef", 4)), ("abc…".to_owned(), "…def".to_owned()));
        assert_eq!((head("abcdef", 6), tail("abcdef", 0)), ("abcdef".to_owned(), String::new()));
        assert_eq!((head("abcdef", 1), tail("abcdef", 1)), ("…".to_owned(), "…".to_owned()));
        assert_eq!((head("日本語", 4), tail("日本語", 4)), ("日…".to_owned(), "…語".to_owned()));
    }
}
