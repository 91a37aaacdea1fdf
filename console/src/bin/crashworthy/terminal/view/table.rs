//! Lists: columns as wide as they must be, and fewer of them where room is short.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::list::List;
use super::super::page::{Column, Item, Page, Tone};
use super::super::screens::unicode::{end_of, start_of, width};
use super::{Theme, cell, put};

/// Columns between columns.
const GAP: usize = 2;
/// A column is not wider, unless it is the last or there is room.
const WIDEST: usize = 60;
/// What the first column keeps while others are there, and the last, if that is text.
const FIRST: usize = 18;
const LAST: usize = 18;
/// Where there are fewer columns, there is no room for much of the last.
const NARROW: usize = 60;

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

/// Which columns are shown, and how wide.
fn columns(page: &Page, room: usize) -> Vec<(usize, usize)> {
    let needed = |number: usize, column: &Column| {
        let cells = page.items.iter().map(|item| width(cell(item, number))).max().unwrap_or(0);
        cells.max(width(&column.head)).min(WIDEST)
    };
    let mut columns: Vec<_> =
        page.columns.iter().enumerate().map(|(number, column)| (number, needed(number, column))).collect();
    let total =
        |columns: &[(usize, usize)]| columns.iter().map(|(_, wide)| wide + GAP).sum::<usize>().saturating_sub(GAP);
    loop {
        let excess = total(&columns).saturating_sub(room);
        if excess == 0 {
            break;
        }
        // The last one is text as a rule, and its beginning says most of it.
        if let [first, .., last] = &mut columns[..] {
            let spare = |wide: usize, least: usize| wide.saturating_sub(least);
            let least = match page.columns[last.0].right {
                true => last.1,
                false if room < NARROW => 10,
                false => LAST,
            };
            let of_last = spare(last.1, least).min(excess);
            let of_first = spare(first.1, FIRST).min(excess - of_last);
            if of_last + of_first == excess {
                last.1 -= of_last;
                first.1 -= of_first;
                break;
            }
        }
        let lowest = (1..columns.len()).min_by_key(|&at| page.columns[columns[at].0].rank);
        match lowest {
            Some(lowest) => drop(columns.remove(lowest)),
            None => {
                columns[0].1 = room;
                break;
            }
        }
    }
    let rest = room.saturating_sub(total(&columns));
    if let Some(last) = columns.last_mut().filter(|last| !page.columns[last.0].right) {
        last.1 += rest;
    } else if let Some(first) = columns.first_mut().filter(|_| !page.has_head()) {
        first.1 += rest;
    }
    columns
}

fn row(page: &Page, columns: &[(usize, usize)], item: &Item, style: Style, line: Rect, buffer: &mut Buffer) {
    let mut at = line.x;
    for &(number, wide) in columns {
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
        room => format!("{}…", &text[..end_of(text, room - 1).min(if room == 1 { 0 } else { text.len() })]),
    }
}

/// The end of a text, if there is no room for more.
fn tail(text: &str, room: usize) -> String {
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

    #[test]
    fn the_first_column_stays_and_those_that_matter_least_go() {
        let columns = vec![Column::text("ACTOR", 9), Column::number("LOST", 1), Column::number("QUEUED", 8)];
        let item = Item { cells: vec!["shop/front/left/till".into(), "1".into(), "22".into()], ..Item::default() };
        let page = Page { columns, items: vec![item], ..Page::default() };
        let shown = |room| super::columns(&page, room).iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!((shown(40), shown(28), shown(10)), (vec![0, 1, 2], vec![0, 2], vec![0]));
        for room in 0..50 {
            let all: usize = super::columns(&page, room).iter().map(|(_, wide)| wide + GAP).sum();
            assert!(all - GAP <= room, "{room}");
        }
    }
}
