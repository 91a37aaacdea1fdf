//! Where things are on the screen: for the view, which draws them, and for the mouse, which finds them.

use std::ops::Range;

use ratatui::layout::Rect;

use super::model::{Model, TABS};
use super::page::Page;

/// The lines of the screen: what the system is, the screens, the page, what can be done.
pub(crate) struct Areas {
    pub(crate) header: Rect,
    pub(crate) tabs: Rect,
    pub(crate) body: Rect,
    pub(crate) footer: Rect,
}

pub(crate) fn areas((width, height): (u16, u16)) -> Areas {
    let line = |y: u16| Rect::new(0, y.min(height), width, u16::from(y < height));
    let body = Rect::new(0, 2.min(height), width, height.saturating_sub(3));
    Areas { header: line(0), tabs: line(1), body, footer: line(height.saturating_sub(1).max(2)) }
}

/// The screens by name, as much of that as there is room for: their columns, and what stands there.
pub(crate) fn tabs(width: u16) -> Vec<(Range<u16>, String)> {
    let width = usize::from(width);
    let whole = |gap: usize, help: &str| {
        let labels = TABS.iter().enumerate().map(|(number, tab)| format!("{} {}", number + 1, tab.name()));
        (labels.chain([help.to_owned()]).collect::<Vec<_>>(), gap)
    };
    let fits = |(labels, gap): &(Vec<String>, usize)| {
        labels.iter().map(|label| label.len() + gap).sum::<usize>() <= width + gap
    };
    // A number, a gap, and so many letters of the name.
    let letters = (width.saturating_sub(1) / TABS.len()).saturating_sub(2).min(3);
    let short = || {
        let labels = TABS.iter().enumerate().map(|(number, tab)| format!("{}{}", number + 1, &tab.name()[..letters]));
        (labels.chain(["?".to_owned()]).collect(), 1)
    };
    let (labels, gap) =
        [whole(2, "? Help"), whole(1, "? Help"), whole(1, "?")].into_iter().find(fits).unwrap_or_else(short);
    let mut at = 0;
    let place = |label: String| {
        let columns = at..at + label.len() as u16;
        at = columns.end + gap as u16;
        (columns, label)
    };
    labels.into_iter().map(place).collect()
}

/// Lines for the items of a list.
pub(crate) fn lines(page: &Page, body: u16) -> u16 {
    body.saturating_sub(u16::from(page.has_head())).saturating_sub(u16::from(page.note.is_some()))
}

/// Where items stand that are in panels, and where the heads are.
pub(crate) fn panel(page: &Page, body: Rect, panel: usize) -> Rect {
    let Some(panels) = &page.panels else { return Rect::default() };
    let across = panels.across.max(1);
    let (column, row) = ((panel as u16) % across, (panel as u16) / across);
    let width = body.width / across;
    let y = body.y + panels.banner.len() as u16 + 1 + row * (panels.lines + 1);
    Rect::new(body.x + column * width, y, width.saturating_sub(2), panels.lines).intersection(body)
}

/// The item at a place on the screen.
pub(crate) fn item_at(model: &Model, page: &Page, column: u16, line: u16) -> Option<usize> {
    let body = areas(model.size).body;
    if !body.contains((column, line).into()) {
        return None;
    }
    if page.panels.is_some() {
        return (0..page.items.len()).find(|&item| item_in_panel(page, body, item).contains((column, line).into()));
    }
    let top = body.y + u16::from(page.has_head());
    let below = line.checked_sub(top).filter(|&below| below < lines(page, body.height))?;
    let item = model.spot().list.first() + usize::from(below);
    (item < page.items.len()).then_some(item)
}

/// The line of an item that is in a panel.
pub(crate) fn item_in_panel(page: &Page, body: Rect, item: usize) -> Rect {
    let of = page.items[item].panel;
    let before = page.items[..item].iter().filter(|other| other.panel == of).count() as u16;
    let panel = panel(page, body, of);
    Rect::new(panel.x, panel.y + 1 + before, panel.width, 1).intersection(panel)
}
