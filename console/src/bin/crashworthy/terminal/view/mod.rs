//! The state as a picture in cells. It reads no clock, asks nobody, and changes nothing.

mod bars;
mod columns;
mod table;
mod theme;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub(crate) use self::bars::cursor;
pub(crate) use self::theme::Theme;
use super::geometry::{areas, item_in_panel, panel};
use super::model::Model;
use super::page::{Item, Page, Tone};
use super::screens;
use super::screens::Text;

/// Draws all there is.
pub(crate) fn draw(model: &Model, theme: Theme, buffer: &mut Buffer) {
    let areas = areas(model.size);
    let page = screens::page(model);
    bars::header(model, theme, areas.header, buffer);
    bars::tabs(model, theme, areas.tabs, buffer);
    let at = model.spot().list.at();
    if page.items.is_empty() {
        empty(&page, theme, areas.body, buffer);
    } else if page.panels.is_some() {
        panels(&page, at, theme, areas.body, buffer);
    } else {
        table::draw(&page, &model.spot().list, theme, areas.body, buffer);
    }
    bars::footer(model, &page, theme, areas.footer, buffer);
    theme.finish(buffer);
}

/// Text at a place, as far as there is room; where it ends.
fn put(buffer: &mut Buffer, area: Rect, column: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(*buffer.area());
    if area.is_empty() || column >= area.right() {
        return column;
    }
    let room = usize::from(area.right() - column);
    buffer.set_stringn(column, area.y, text, room, style).0
}

fn empty(page: &Page, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut text = Text::new(area.width);
    text.line(Tone::Dim, &page.empty);
    text.lines(Tone::Dim, page.note.as_deref().unwrap_or_default());
    for (item, line) in text.page().items.iter().zip(area.rows()) {
        put(buffer, line, line.x, &item.cells[0], theme.style(item.tone));
    }
}

/// A banner, and lists beside each other below it.
fn panels(page: &Page, at: usize, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let Some(panels) = &page.panels else { return };
    for (item, line) in panels.banner.iter().zip(body.rows()) {
        put(buffer, line, line.x, &item.cells.concat(), theme.style(item.tone));
    }
    for (number, head) in panels.heads.iter().enumerate() {
        let area = panel(page, body, number);
        put(buffer, area, area.x, head, theme.style(Tone::Head));
    }
    for (number, item) in page.items.iter().enumerate() {
        let line = item_in_panel(page, body, number);
        table::pair(item, theme.line(item.tone, number == at), line, buffer);
    }
}

/// A cell of a line, which may have fewer than the list has columns.
fn cell(item: &Item, column: usize) -> &str {
    item.cells.get(column).map_or("", String::as_str)
}
